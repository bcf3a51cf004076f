// What the console calls things: events, modes, presence. One home for every word that stands for a code.

const EVENTS = {
  strap_cut: ["Strap cut", "critical"],
  strap_closed: ["Strap closed", "good"],
  zone_entered: ["Entered zone", "info"],
  zone_left: ["Left zone", "info"],
  late_home: ["Not home at curfew", "warning"],
  left_home: ["Left home during curfew", "warning"],
  out_all_night: ["Out all night", "warning"],
  curfew_unknown: ["Whereabouts unknown at curfew", "warning"],
  home: ["Home again", "good"],
  presence: ["Presence", "info"],
  mode: ["Mode", "info"],
  battery_low: ["Battery low", "warning"],
  battery: ["Battery", "info"],
  charger_on: ["Charger on", "info"],
  charger_off: ["Charger off", "info"],
  mains_lost: ["Home unit: mains lost", "warning"],
  mains_back: ["Home unit: mains back", "good"],
  moved: ["Home unit moved", "warning"],
  gnss_lost: ["No position", "warning"],
  gnss_back: ["Position again", "good"],
  journal_full: ["Records had to go", "critical"],
  fault: ["Device fault", "warning"],
  boot: ["Device started", "info"],
  case_opened: ["Case opened", "critical"],
  case_closed: ["Case closed", "info"],
  shielded: ["Shielded", "critical"],
  shield_ended: ["Shielding ended", "info"],
  jammed: ["Satellites jammed", "critical"],
  jam_ended: ["Jamming ended", "info"],
  spoofed: ["Position falsified", "critical"],
  spoof_ended: ["Falsified positions ended", "info"],
  motion_no_fix: ["Moving without a position", "warning"],
  receiver_dead: ["GNSS receiver dead", "warning"],
  receiver_back: ["GNSS receiver works again", "good"],
  modem_dead: ["Modem dead", "warning"],
  modem_back: ["Modem works again", "good"],
  clock_gone: ["Device without a clock", "warning"],
  unit_silent: ["Home unit silent", "warning"],
  unit_back: ["Home unit heard again", "good"],
  comms_lost: ["Home unit: no network", "warning"],
  comms_back: ["Home unit: network again", "good"],
  flapping: ["Comes and goes", "info"],
  lease: ["Consent to wear", "info"],
  crash: ["Device crashed", "warning"],
  safe_mode: ["Device in safe mode", "warning"],
  safe_mode_ended: ["Safe mode ended", "good"],
  brown_out: ["Supply failed", "warning"],
  wearer_warned: ["Wearer warned of a low battery", "info"],
  range_test: ["Range test", "info"],
};

const PRESENCE = { home: "At home", not_home: "Out", unknown: "Whereabouts unknown" };
const MODE = { gps: "GPS", rf: "Radio", off: "Off", unknown: "Mode unknown" };
const MODE_LONG = { gps: "GPS, by satellite", rf: "Radio, by home unit", off: "off: nobody may be tracked", unknown: "unknown" };
const CODES = { presence: ["unknown", "home", "not_home"], mode: ["unknown", "gps", "rf", "off"] };

export const presenceWord = (presence) => PRESENCE[presence] ?? PRESENCE.unknown;
export const modeWord = (mode) => MODE[mode] ?? MODE.unknown;
export const modeSentence = (mode) => MODE_LONG[mode] ?? MODE_LONG.unknown;

const plain = (word) => String(word).replaceAll("_", " ");
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const named = (value, table) => (typeof value === "number" ? (CODES[table][value] ?? "unknown") : String(value ?? "unknown"));

// {title, text, severity} of an event. An unknown kind is shown by its own name rather than not at all.
export function describe(event) {
  const detail = event.detail ?? {};
  let [title, severity] = EVENTS[event.kind] ?? [capital(plain(event.kind)), "info"];
  let text = "";
  const { zone, zone_kind: zoneKind } = detail;
  if (event.kind.startsWith("zone_")) {
    const into = event.kind !== "zone_left";
    if (zoneKind === "exclusion") [title, severity] = into ? ["Entered exclusion zone", "critical"] : ["Left exclusion zone", "good"];
    if (zoneKind === "inclusion") [title, severity] = into ? ["Back in inclusion zone", "good"] : ["Left inclusion zone", "critical"];
    text = [zone, detail.crossing ? "crossed between two fixes" : null].filter(Boolean).join(" · ");
  } else if (["late_home", "left_home", "out_all_night", "curfew_unknown", "home"].includes(event.kind)) {
    const { minutes_late: late, minutes_away: away } = detail;
    text = [detail.curfew, late != null ? `${late} min late` : null, away != null ? `away ${away} min` : null].filter(Boolean).join(" · ");
  } else if (event.kind === "presence") {
    title = presenceWord(named(detail.presence, "presence"));
  } else if (event.kind === "mode") {
    const mode = named(detail.mode, "mode");
    title = `Mode: ${modeWord(mode)}`;
    text = detail.reason != null ? plain(detail.reason) : "";
  } else if (event.kind.startsWith("battery")) {
    text = [plain(detail.device ?? ""), detail.percent != null ? `${detail.percent} %` : null].filter(Boolean).join(" · ");
  } else if (event.kind === "strap_closed") {
    text = detail.latched ? "the cut stands" : "";
  } else if (detail.latched) {
    text = [plain(detail.device ?? ""), "the alert stands"].filter(Boolean).join(" · ");
  } else if (event.kind === "crash" || event.kind === "lease") {
    text = detail.where ?? plain(detail.lease ?? "");
  } else if (event.kind === "flapping") {
    text = EVENTS[detail.what]?.[0] ?? plain(detail.what ?? "");
  } else if (event.kind === "range_test") {
    text = `room ${detail.room} · ${detail.frames} frames · ${detail.median_dbm} dBm`;
  } else if (detail.device && !EVENTS[event.kind]?.[0].startsWith("Home unit")) {
    text = plain(detail.device);
  } else if (event.kind === "boot" || event.kind === "fault") {
    text = plain(detail.device ?? "");
  }
  if (event.superseded) severity = "info";
  return { title, text, severity };
}

export const isAlert = (event) => ["critical", "warning"].includes(describe(event).severity);

// "Ada Quill" → "AQ"
export function initials(name) {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map((word) => Array.from(word)[0].toUpperCase()).join("") || "?";
}

export const kmh = (cms) => `${((cms * 36) / 1000).toFixed(1)} km/h`;
export const metres = (dm) => (dm < 100 ? `${(dm / 10).toFixed(1)} m` : `${Math.round(dm / 10)} m`);

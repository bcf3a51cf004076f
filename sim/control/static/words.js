// Acts and what lasts, in words.
const EVENTS = {
  strap_cut: "strap cut", strap_closed: "strap closed", case_opened: "case opened", case_closed: "case closed",
  tag_dropped: "tag dropped", tag_picked_up: "tag picked up", charger_on: "charger on", charger_off: "charger off",
  tag_off: "tag without power", tag_on: "tag has power", tag_crash: "tag crashes", tag_hung: "tag hangs",
  mains_off: "home unit unplugged", mains_on: "home unit plugged in", unit_opened: "home unit opened",
  unit_closed: "home unit closed", unit_moved: "home unit carried about", unit_off: "home unit without power",
  unit_on: "home unit has power", unit_crash: "home unit crashes", unit_hung: "home unit hangs",
  broker_killed: "broker killed, starts again", bridge_killed: "bridge killed, starts again",
};
const FAULTS = {
  jam: "jammed", spoof: "spoofed", shield: "shielded", coverage_lost: "no coverage", home_network_lost: "home network down",
  receiver_dead: "receiver dead", receiver_says: "receiver says", modem_dead: "modem dead", motion_stuck: "motion sensor stuck",
  broker_down: "broker down", bridge_down: "bridge down", broker_slow: "broker slow", bridge_slow: "bridge slow",
  network_slow: "network slow", network_partition: "network parted",
};
const MOVES = { still: "stays", walk: "walks", bike: "cycles", bus: "by bus", car: "by car" };

export const lasting = (kind) => FAULTS[kind] ?? EVENTS[kind] ?? kind;

export function actWords(act) {
  const { what } = act;
  if (what === "moved") return `put at ${act.lat.toFixed(4)}, ${act.lon.toFixed(4)}`;
  if (what === "let_go") return `let go, ${act.by === "walk" || !act.by ? "on foot" : `by ${act.by}`}`;
  if (what === "speed") return typeof act.speed === "number" ? `speed ${act.speed} ×` : act.speed === "max" ? "as fast as possible" : "paused";
  if (what === "skipped") return `skipped ${act.until.startsWith("+") ? act.until : `to ${act.until}`}`;
  if (what in EVENTS) return EVENTS[what];
  if (what in FAULTS) return FAULTS[what] + detail(act);
  const kind = what.replace(/_over$/, "");
  return `no longer ${lasting(kind)}`.replace("no longer no ", "");
}

const detail = (act) => (act.how ? ` (${act.how.replaceAll("_", " ")})` : act.delay_s ? ` (${act.delay_s} s)` : act.between === "bridge" ? " (bridge)" : "");

export const isNote = (what) => what === "speed" || what === "skipped";

const isSpot = (place) => /^-?\d+\.\d+, -?\d+\.\d+$/.test(place); // a position without a name

export function doing(wearer) {
  const place = wearer.place && !isSpot(wearer.place) ? wearer.place : null;
  if (wearer.is_held) return place ? `put at ${place}` : "put there by hand";
  return wearer.moves === "still" ? place ?? "in the open" : `${MOVES[wearer.moves] ?? wearer.moves}, on the way`;
}

export function heard(wearer) {
  const parts = [wearer.mode ?? "not heard", wearer.presence && `says ${wearer.presence}`, wearer.battery != null && `${wearer.battery} %`];
  return parts.filter(Boolean).join(" · ");
}

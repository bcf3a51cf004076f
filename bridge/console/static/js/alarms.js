// What is still open for a wearer, from the events and the live state. Pure.

export const NOT_REPORTING_MS = 15 * 60_000; // requirements: a tag fitted but not reporting for longer is listed
const LOW_BATTERY = 20;

const OPENS = {
  late_home: { closedBy: ["home"], text: "Not home at curfew", severity: "warning" },
  left_home: { closedBy: ["home"], text: "Left home during curfew", severity: "warning" },
  curfew_unknown: { closedBy: ["home", "late_home", "left_home", "presence"], text: "Unknown at curfew", severity: "warning" },
  mains_lost: { closedBy: ["mains_back"], text: "Home unit without mains", severity: "warning" },
};

// One wearer's events in order of time → the open ones: [{text, severity, sinceMs}], worst first.
export function openAlarms(wearer, events, nowMs) {
  if (!wearer.worn) return [];
  const open = new Map();
  for (const event of events) {
    if (event.superseded) continue;
    const { zone = "zone", zone_kind: kind } = event.detail ?? {};
    if (event.kind === "zone_entered" && kind !== "inclusion") {
      open.set(`zone ${zone}`, { text: `In exclusion zone: ${zone}`, severity: "critical", sinceMs: event.at_ms });
    } else if (event.kind === "zone_left" && kind === "inclusion") {
      open.set(`zone ${zone}`, { text: `Outside inclusion zone: ${zone}`, severity: "critical", sinceMs: event.at_ms });
    } else if (event.kind === "zone_left" || event.kind === "zone_entered") {
      open.delete(`zone ${zone}`);
    }
    for (const [opener, { closedBy, text, severity }] of Object.entries(OPENS)) {
      // What flaps goes on until it has been over for a while, and is told to be over then.
      if (event.kind === opener || (event.kind === "flapping" && event.detail?.what === opener)) open.set(opener, { text, severity, sinceMs: event.at_ms });
      if (closedBy.includes(event.kind)) open.delete(opener);
    }
  }
  const live = wearer.live;
  if (live?.strap === "cut") open.set("strap", { text: "Strap cut", severity: "critical", sinceMs: null });
  if (live?.battery != null && live.battery < LOW_BATTERY) open.set("battery", { text: `Battery ${live.battery} %`, severity: "warning", sinceMs: null });
  if (isStale(wearer, nowMs)) open.set("silent", { text: "Not reporting", severity: "warning", sinceMs: live?.at_ms ?? null });
  return [...open.values()].sort((a, b) => Number(b.severity === "critical") - Number(a.severity === "critical"));
}

export const isStale = (wearer, nowMs) => Boolean(wearer.live?.at_ms != null && nowMs - wearer.live.at_ms > NOT_REPORTING_MS);

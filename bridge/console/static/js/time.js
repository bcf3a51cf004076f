// Times as people read them: always local to the scheme, always with the zone's name. Input is ms UTC.

const NAMING_LOCALES = ["en-GB", "en-US", "en-AU", "en-NZ", "en-ZA", "en-IN", "en-CA"];
const WITHOUT_A_NAME = /^(GMT|UTC)[+\-\u2212]/;

// A clock of one time zone. `timezone` is an IANA name; one that this browser does not know becomes UTC, and says so.
export function makeClock(timezone) {
  let zone = timezone;
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: zone });
  } catch {
    zone = "UTC";
  }
  const format = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
  const timeFormat = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const minuteFormat = format({ hour: "2-digit", minute: "2-digit" });
  const dayFormat = format({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
  const keyFormat = new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" });
  const nameFormats = NAMING_LOCALES.map(
    (locale) => new Intl.DateTimeFormat(locale, { timeZone: zone, hour: "2-digit", timeZoneName: "short" }),
  );

  // "BST", "EDT"; only one of the locales knows a zone's name, the others write an offset.
  function zoneName(ms) {
    const names = nameFormats.map((f) => f.formatToParts(ms).find((part) => part.type === "timeZoneName")?.value ?? "");
    return names.find((name) => name && !WITHOUT_A_NAME.test(name)) ?? names[0];
  }
  const time = (ms) => timeFormat.format(ms);
  const day = (ms) => dayFormat.format(ms).replace(",", "").replace("Sept", "Sep");
  return {
    zone,
    zoneName,
    time,
    minute: (ms) => minuteFormat.format(ms),
    day, // "Mon 1 Jun 2026"
    dayKey: (ms) => keyFormat.format(ms), // "2026-06-01"
    timeZoned: (ms) => `${time(ms)} ${zoneName(ms)}`, // "21:05:12 BST"
    full: (ms) => `${day(ms)}, ${time(ms)} ${zoneName(ms)}`, // "Mon 1 Jun 2026, 21:05:12 BST"
  };
}

// How long: "12 s", "4 min", "2 h 5 min", "3 d 4 h". Never negative.
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

// The scheme's now: runs on between two messages when the scheme lives by the wall's clock; in a simulation it is the newest
// event time, and stands still until a newer one comes.
export class Now {
  constructor() {
    this.base = null; // null: nothing has happened yet
    this.heardAt = 0;
    this.runs = false;
  }

  hear(nowMs, runs = this.runs) {
    this.base = nowMs;
    this.runs = runs;
    this.heardAt = performance.now();
  }

  get ms() {
    return this.runs && this.base != null ? this.base + (performance.now() - this.heardAt) : this.base;
  }
}

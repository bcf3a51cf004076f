// One wearer's fixes of one day, by time, whatever the order they come in. Pure: draws nothing.
// A fix is [at_ms, lat_e7, lon_e7, radius_dm, speed_cms, mode, received_ms].

export const AT = 0, LAT = 1, LON = 2, RADIUS = 3, SPEED = 4, MODE = 5, RECEIVED = 6;

export class Track {
  constructor(gapMs, fromMs, untilMs, fixes = []) {
    this.gapMs = gapMs;
    this.fromMs = fromMs;
    this.untilMs = untilMs;
    this.fixes = [];
    for (const fix of fixes) this.insert(fix);
  }

  // False for a fix of another day or one that is here already.
  insert(fix) {
    if (fix[AT] < this.fromMs || fix[AT] >= this.untilMs) return false;
    let place = this.fixes.length;
    while (place > 0 && this.fixes[place - 1][AT] > fix[AT]) place -= 1; // nearly always the end
    for (let i = place - 1; i >= 0 && this.fixes[i][AT] === fix[AT]; i -= 1) {
      if (this.fixes[i][LAT] === fix[LAT] && this.fixes[i][LON] === fix[LON]) return false;
    }
    this.fixes.splice(place, 0, fix);
    return true;
  }

  // Runs of fixes with no silence longer than the gap between them: only these are ever joined by a line.
  segments() {
    const runs = [];
    let run = [];
    for (const fix of this.fixes) {
      if (run.length && fix[AT] - run[run.length - 1][AT] > this.gapMs) {
        runs.push(run);
        run = [];
      }
      run.push(fix);
    }
    if (run.length) runs.push(run);
    return runs;
  }

  // The silences themselves: {from, to} are the fixes on either side. `at home` when the tag had switched to the home unit's radio.
  gaps() {
    const found = [];
    for (let i = 1; i < this.fixes.length; i += 1) {
      const from = this.fixes[i - 1], to = this.fixes[i];
      if (to[AT] - from[AT] > this.gapMs) found.push({ from, to, ms: to[AT] - from[AT] });
    }
    return found;
  }

  // The fix nearest in time, or null when none lies within the gap.
  nearest(atMs) {
    let best = null;
    for (const fix of this.fixes) {
      if (!best || Math.abs(fix[AT] - atMs) < Math.abs(best[AT] - atMs)) best = fix;
    }
    return best && Math.abs(best[AT] - atMs) <= this.gapMs ? best : null;
  }
}

export const latLng = (fix) => [fix[LAT] / 1e7, fix[LON] / 1e7];

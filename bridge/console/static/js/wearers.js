// The list of wearers, and the details of the one selected.
import { el, setText } from "./dom.js";
import { span } from "./time.js";
import { initials, kmh, metres, modeSentence, modeWord, presenceWord } from "./words.js";
import { AT } from "./track.js";

export class WearerList {
  constructor(list, empty, onSelect) {
    this.list = list;
    this.empty = empty;
    this.onSelect = onSelect;
    this.rows = new Map();
  }

  // `lookOf(wearer)`: {nowMs, selected, alarms, stale}
  draw(wearers, lookOf) {
    this.empty.hidden = wearers.length > 0;
    const present = new Set(wearers.map((wearer) => wearer.id));
    for (const [id, row] of this.rows) {
      if (!present.has(id)) {
        row.item.remove();
        this.rows.delete(id);
      }
    }
    wearers.forEach((wearer, i) => {
      if (!this.rows.has(wearer.id)) this.rows.set(wearer.id, this.makeRow(wearer));
      const row = this.rows.get(wearer.id);
      if (this.list.children[i] !== row.item) this.list.insertBefore(row.item, this.list.children[i] ?? null);
      this.fill(row, wearer, lookOf(wearer));
    });
  }

  makeRow(wearer) {
    const row = { face: el("span", { class: "face", "aria-hidden": "true" }), name: el("span", { class: "name" }), what: el("span", { class: "what" }),
      battery: el("span", { class: "battery" }), age: el("span", { class: "age" }), alarms: el("span", { class: "alarms" }) };
    row.button = el("button", { type: "button", class: "wearer", "data-wearer": wearer.id, onclick: () => this.onSelect(wearer.id) },
      row.face, el("span", { class: "lines" }, row.name, row.what, row.alarms), el("span", { class: "side" }, row.age, row.battery));
    row.item = el("li", {}, row.button);
    return row;
  }

  fill(row, wearer, { nowMs, selected, alarms, stale }) {
    const live = wearer.live;
    row.button.className = `wearer hue-${wearer.hue}${selected ? " selected" : ""}${wearer.worn ? "" : " unworn"}`;
    row.button.setAttribute("aria-pressed", String(selected));
    row.face.className = `face mode-${live?.mode ?? "unknown"}`;
    setText(row.face, initials(wearer.name));
    setText(row.name, wearer.name);
    setText(row.what, whatOf(wearer, stale));
    setText(row.age, live?.at_ms != null && wearer.worn ? span(nowMs - live.at_ms) : "");
    row.age.className = `age${stale ? " old" : ""}`;
    row.age.title = "Age of the newest data";
    setText(row.battery, live?.battery != null && wearer.worn ? `${live.battery} %` : "");
    row.battery.className = `battery${live?.battery != null && live.battery < 20 ? " low" : ""}`;
    row.battery.setAttribute("aria-label", live?.battery != null ? `battery ${live.battery} percent` : "");
    const wanted = alarms.map((alarm) => `${alarm.severity}|${alarm.text}`).join();
    if (row.alarms.dataset.is !== wanted) {
      row.alarms.dataset.is = wanted;
      row.alarms.replaceChildren(...alarms.map((alarm) => el("span", { class: `alarm ${alarm.severity}` }, alarm.text)));
    }
  }
}

function whatOf(wearer, stale) {
  const live = wearer.live;
  if (!wearer.worn) return "Not worn now";
  if (!live) return "Nothing heard yet";
  if (stale) return `Last known: ${presenceWord(live.presence).toLowerCase()}`;
  const parts = [presenceWord(live.presence), modeWord(live.mode)];
  if (live.mode === "gps" && live.speed_cms != null && live.presence !== "home") parts.push(kmh(live.speed_cms));
  return parts.join(" · ");
}

export class Details {
  constructor(panel, onClose) {
    this.panel = panel;
    this.onClose = onClose;
  }

  draw(wearer, { nowMs, clock, alarms, track, curfews }) {
    this.panel.hidden = !wearer;
    if (!wearer) return;
    if (this.shown !== wearer.id) {
      this.shown = wearer.id;
      this.title = el("h3", {});
      this.facts = el("dl", { class: "facts" });
      this.gaps = el("div", { class: "gaps" });
      this.panel.replaceChildren(
        el("div", { class: "details-head" }, this.title,
          el("button", { type: "button", class: "close", "aria-label": "Close the details", onclick: () => this.onClose() }, "×")),
        this.facts, this.gaps);
    }
    setText(this.title, wearer.name);
    const live = wearer.live;
    const ago = (ms) => (ms == null ? "" : `${clock.timeZoned(ms)} (${span(nowMs - ms)})`);
    const facts = [
      ["Presence", live ? presenceWord(live.presence) : "unknown"],
      ["Mode", live ? modeSentence(live.mode) : "unknown"],
      ["Position", live?.lat_e7 != null ? `${(live.lat_e7 / 1e7).toFixed(5)}, ${(live.lon_e7 / 1e7).toFixed(5)}${live.radius_dm != null ? ` ±\u00a0${metres(live.radius_dm).replace(" ", "\u00a0")}` : ""}` : "none yet"],
      ["Fix", live?.fix_at_ms != null ? ago(live.fix_at_ms) : "none yet"],
      ["Speed", live?.speed_cms != null ? kmh(live.speed_cms) : "unknown"],
      ["Battery", live?.battery != null ? `${live.battery} %` : "unknown"],
      ["Strap", { closed: "closed", cut: "cut" }[live?.strap] ?? "nothing heard of it"],
      ["Newest data", live?.at_ms != null ? ago(live.at_ms) : "none yet"],
      ["Tag", wearer.tag ?? "none"],
      ["Home unit", wearer.home_unit ?? "none"],
      ...curfews.map((curfew) => ["Curfew", `${curfew.from}–${curfew.until}${curfew.days?.length ? ` (${curfew.days.join(", ")})` : ""}`]),
      ["Open", alarms.map((alarm) => alarm.text + (alarm.sinceMs ? ` since ${clock.minute(alarm.sinceMs)}` : "")).join("; ") || "nothing"],
    ];
    this.facts.replaceChildren(...facts.flatMap(([term, text]) => [el("dt", {}, term), el("dd", { "data-fact": term.toLowerCase() }, text)]));
    this.drawGaps(track, clock);
  }

  drawGaps(track, clock) {
    const gaps = track?.gaps() ?? [];
    const counted = track ? `${track.fixes.length} ${track.fixes.length === 1 ? "fix" : "fixes"}, ${gaps.length} ${gaps.length === 1 ? "gap" : "gaps"}` : "loading…";
    const wanted = `${counted}|${gaps.length ? gaps[gaps.length - 1].to[AT] : ""}`;
    if (this.gaps.dataset.is === wanted + this.shown) return;
    this.gaps.dataset.is = wanted + this.shown;
    this.gaps.replaceChildren(
      el("h4", {}, "Today’s track: ", el("span", { class: "counted" }, counted)),
      gaps.length
        ? el("ul", {}, ...gaps.slice(-6).reverse().map((gap) => el("li", {},
            `No fix ${clock.minute(gap.from[AT])}–${clock.minute(gap.to[AT])}, ${span(gap.ms)}`)))
        : "");
  }
}

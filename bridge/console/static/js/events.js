// The list of events, newest first by the time they happened; filtered by wearer and by weight.
import { el } from "./dom.js";
import { span } from "./time.js";
import { describe, isAlert } from "./words.js";

const MOST_SHOWN = 300;

export class EventList {
  // `on`: {pick(event), older()}
  constructor(parts, on) {
    Object.assign(this, parts); // list, empty, older, wearerFilter, alertsOnly
    this.on = on;
    this.byId = new Map();
    this.nameOf = () => "";
    this.clock = null;
    this.mayBeOlder = true;
    this.wearerFilter.addEventListener("change", () => this.draw());
    this.alertsOnly.addEventListener("change", () => this.draw());
    this.older.addEventListener("click", () => this.on.older());
  }

  reset() {
    this.byId.clear();
    this.mayBeOlder = true;
  }

  // Those that were not known yet.
  take(events) {
    const fresh = events.filter((event) => !this.byId.has(event.id));
    for (const event of fresh) this.byId.set(event.id, event);
    return fresh;
  }

  supersede(ids) {
    const others = new Set(ids);
    for (const event of this.byId.values()) event.superseded = others.has(event.id);
  }

  get oldestId() {
    return Math.min(...this.byId.keys());
  }

  // By time; of the same time, in the order they were found.
  inOrder() {
    return [...this.byId.values()].sort((a, b) => a.at_ms - b.at_ms || a.id - b.id);
  }

  setWearers(wearers) {
    const chosen = this.wearerFilter.value;
    this.wearerFilter.replaceChildren(el("option", { value: "" }, "all wearers"), ...wearers.map((w) => el("option", { value: w.id }, w.name)));
    this.wearerFilter.value = wearers.some((w) => w.id === chosen) ? chosen : "";
  }

  draw() {
    if (!this.clock) return;
    const wearer = this.wearerFilter.value;
    const shown = this.inOrder()
      .filter((event) => (!wearer || event.wearer === wearer) && (!this.alertsOnly.checked || isAlert(event)))
      .reverse();
    const rows = [];
    let day = null;
    for (const event of shown.slice(0, MOST_SHOWN)) {
      const its = this.clock.day(event.at_ms);
      if (its !== day) rows.push(el("li", { class: "day" }, its));
      day = its;
      rows.push(this.row(event));
    }
    const within = this.list.contains(document.activeElement) ? document.activeElement.dataset.event : null;
    this.list.replaceChildren(...rows);
    if (within) this.list.querySelector(`[data-event="${CSS.escape(within)}"]`)?.focus({ preventScroll: true });
    this.empty.hidden = shown.length > 0;
    this.empty.textContent = this.byId.size === 0 ? "Nothing has happened yet. Events appear here as they are found." : "No such events.";
    this.older.hidden = !this.mayBeOlder || shown.length > MOST_SHOWN || this.byId.size === 0;
  }

  row(event) {
    const { title, text, severity } = describe(event);
    const clock = this.clock;
    const sameDay = clock.dayKey(event.at_ms) === clock.dayKey(event.received_ms);
    const received = sameDay ? clock.time(event.received_ms) : `${clock.day(event.received_ms)}, ${clock.time(event.received_ms)}`;
    const delay = event.received_ms - event.at_ms;
    const after = sameDay && delay >= 1000 ? ` (${span(delay)} after)` : "";
    return el("li", { class: `event ${severity}${event.superseded ? " superseded" : ""}` },
      el("button", { type: "button", "data-event": event.id, "data-kind": event.kind, onclick: () => this.on.pick(event),
        "aria-label": `${title}, ${this.nameOf(event.wearer)}, ${clock.full(event.at_ms)}` },
        el("span", { class: "event-top" }, el("span", { class: "event-title" }, title),
          el("time", { datetime: new Date(event.at_ms).toISOString() }, clock.timeZoned(event.at_ms))),
        el("span", { class: "event-who" }, this.nameOf(event.wearer), text ? ` · ${text}` : ""),
        el("span", { class: "event-received" }, `received ${received}${after}`,
          event.late ? el("span", { class: "chip late", title: "The record came long after the event" }, "late") : null,
          event.superseded ? el("span", { class: "chip", title: "Records that came later tell otherwise" }, "superseded") : null)));
  }
}

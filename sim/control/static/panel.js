// What can be done: to the wearer who is selected, and to what everybody depends on. A button that is pressed in shows what lasts;
// pressed again, it ends it.
import { el, setText } from "/static/console/js/dom.js";

// [label, what begins it, what ends it (none: it is over at once), values, what it needs]
const OVER = (kind) => `${kind}_over`;
const TAG = [
  ["Strap cut", "strap_cut", "strap_closed"],
  ["Case open", "case_opened", "case_closed"],
  ["Tag dropped", "tag_dropped", "tag_picked_up"],
  ["On the charger", "charger_on", "charger_off"],
  ["Power off", "tag_off", "tag_on"],
  ["Crash", "tag_crash", null],
  ["Hang", "tag_hung", null],
];
const SKY = [
  ["Jam", "jam", OVER("jam"), { fall_db: 30, ramp_s: 20 }],
  ["Foil", "shield", OVER("shield")],
  ["Spoof", "spoof", OVER("spoof"), { jump_m: 800, drift_mps: 1, bearing_deg: 70 }],
  ["No coverage", "coverage_lost", OVER("coverage_lost")],
  ["Receiver dead", "receiver_dead", OVER("receiver_dead"), { how: "silent" }],
  ["Modem dead", "modem_dead", OVER("modem_dead")],
  ["Parted from the broker", "network_partition", OVER("network_partition")],
];
const UNIT = [
  ["Unplugged", "mains_off", "mains_on"],
  ["Carry about", "unit_moved", null],
  ["Case open", "unit_opened", "unit_closed"],
  ["Home network down", "home_network_lost", OVER("home_network_lost")],
  ["Power off", "unit_off", "unit_on"],
  ["Crash", "unit_crash", null],
];
const EVERYBODY = [
  ["No coverage", "coverage_lost", OVER("coverage_lost")],
  ["Jam", "jam", OVER("jam"), { fall_db: 30, ramp_s: 20 }],
  ["Home networks down", "home_network_lost", OVER("home_network_lost")],
  ["Slow network", "network_slow", OVER("network_slow"), { kbit_s: 4, latency_ms: 800 }],
];
const PROGRAMS = [
  ["Broker down", "broker_down", OVER("broker_down")],
  ["Kill the broker", "broker_killed", null],
  ["Broker slow", "broker_slow", OVER("broker_slow"), { delay_s: 5 }],
  ["Bridge down", "bridge_down", OVER("bridge_down")],
  ["Kill the bridge", "bridge_killed", null],
  ["Bridge slow", "bridge_slow", OVER("bridge_slow"), { delay_s: 10 }],
  ["Bridge parted from the broker", "network_partition", OVER("network_partition"), { between: "bridge" }],
];

export class Panel {
  // `act(what, wearer | null, values)`; `places`: [{name, lat, lng}]
  constructor(container, act) {
    this.act = act;
    this.buttons = [];
    this.title = el("h2", {}, "…");
    this.about = el("p", { class: "about" });
    this.unit = el("div");
    this.letGo = el("button", { type: "button", class: "act", onclick: () => act("let_go", this.selected, { by: this.by.value }) }, "Let go");
    this.by = el("select", { "aria-label": "The way back" }, ...[["walk", "on foot"], ["bus", "by bus"], ["car", "by car"]].map(([value, text]) => el("option", { value }, text)));
    this.where = el("select", { "aria-label": "Place" });
    const put = el("button", { type: "button", class: "act", onclick: () => this.putAt() }, "Put there");
    this.whole = el("div", {}, this.title, this.about,
      el("h3", {}, "Where"), el("div", { class: "place" }, this.where, put), el("div", { class: "place" }, this.by, this.letGo),
      el("h3", {}, "Tag"), this.row(TAG, true), el("h3", {}, "Sky and network"), this.row(SKY, true), this.unit);
    this.unit.append(el("h3", {}, "Home unit"), this.row(UNIT, true));
    container.append(this.whole, el("hr"), el("h2", {}, "Everybody"), this.row(EVERYBODY, false),
      el("h3", {}, "Programs in between"), this.row(PROGRAMS, false));
  }

  row(acts, ofOne) {
    return el("div", { class: "row" }, ...acts.map(([label, what, ends, values]) => {
      const button = el("button", { type: "button", class: "act", "data-what": what, "data-of": ofOne ? "one" : "all",
        "aria-pressed": ends ? "false" : null, onclick: () => {
          const lasts = ends && button.getAttribute("aria-pressed") === "true";
          this.act(lasts ? ends : what, ofOne ? this.selected : null, lasts ? {} : values ?? {});
        } }, label);
      if (ends) this.buttons.push({ button, what, ends, ofOne });
      return button;
    }));
  }

  setPlaces(places) {
    this.places = places;
    this.where.replaceChildren(...places.map((place, i) => el("option", { value: i }, place.name)));
  }

  putAt() {
    const place = this.places?.[this.where.value];
    if (place) this.act("moved", this.selected, { lat: place.lat, lon: place.lng });
  }

  show(picture, wearer) {
    this.selected = wearer?.id;
    this.whole.hidden = !wearer;
    if (wearer) {
      setText(this.title, wearer.name);
      setText(this.about, [wearer.tag, wearer.home_unit ?? "no home unit"].join(" · "));
      this.unit.hidden = !wearer.home_unit;
      this.letGo.disabled = !wearer.is_held;
      this.by.disabled = !wearer.is_held;
    }
    const waits = (what, of) => picture.waiting.some((act) => act.what === what && act.wearer === of);
    for (const { button, what, ends, ofOne } of this.buttons) {
      const of = ofOne ? this.selected ?? null : null;
      const lasts = (ofOne ? wearer?.is : picture.everybody)?.includes(what) ?? false;
      button.setAttribute("aria-pressed", String((lasts && !waits(ends, of)) || waits(what, of)));
    }
    for (const button of this.whole.parentElement.querySelectorAll("button.act")) {
      if (button !== this.letGo) button.disabled = picture.is_over;
    }
  }
}

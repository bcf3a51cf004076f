// Wearers on the map: a pin each, with initials and name, its look telling mode, presence, age and alarm; and the accuracy circle.
import { el, setText } from "./dom.js";
import { initials, modeWord, presenceWord } from "./words.js";
import { span } from "./time.js";

// Where to show a wearer: near the home unit the satellites are off, and the home unit's word is newer than the last fix.
export function placeOf(wearer) {
  const live = wearer.live;
  if (!wearer.worn || !live) return null;
  const atHome = live.presence === "home" && (live.mode === "rf" || live.lat_e7 == null);
  if (atHome && wearer.home) return { at: [wearer.home.lat_e7 / 1e7, wearer.home.lon_e7 / 1e7], radius_m: null, from: "home unit" };
  if (live.lat_e7 == null || live.lon_e7 == null) return null;
  return { at: [live.lat_e7 / 1e7, live.lon_e7 / 1e7], radius_m: live.radius_dm == null ? null : live.radius_dm / 10, from: "fix" };
}

export class WearerMarker {
  constructor(map, wearer, onSelect) {
    this.map = map;
    this.wearer = wearer;
    this.initials = el("span", { class: "pin-initials" }, initials(wearer.name));
    this.badge = el("span", { class: "pin-badge" });
    this.name = el("span", { class: "pin-name" }, wearer.name);
    this.pin = el("div", { class: "pin" }, el("span", { class: "pin-face" }, this.initials), this.badge, this.name);
    const icon = L.divIcon({ className: "wearer-marker", html: this.pin, iconSize: [32, 32], iconAnchor: [16, 16] });
    this.marker = L.marker([0, 0], { icon, keyboard: true, riseOnHover: true, bubblingMouseEvents: false });
    this.marker.on("click keypress", (event) => {
      if (event.type === "click" || ["Enter", " "].includes(event.originalEvent?.key)) onSelect(wearer.id);
    });
    this.circle = L.circle([0, 0], { radius: 1, pane: "accuracy", interactive: false, weight: 1 });
    this.shown = false;
  }

  update(wearer, { nowMs, selected, alarm, stale }) {
    this.wearer = wearer;
    const place = placeOf(wearer);
    if (!place) return this.hide();
    this.marker.setLatLng(place.at);
    if (!this.shown) {
      this.marker.addTo(this.map);
      this.marker.getElement().dataset.wearer = wearer.id;
      this.shown = true;
    }
    const { mode, presence, at_ms } = wearer.live;
    const classes = ["pin", `hue-${wearer.hue}`, `mode-${mode}`, `presence-${presence}`];
    if (selected) classes.push("selected");
    if (alarm) classes.push(`alarm-${alarm}`);
    if (stale) classes.push("old");
    this.pin.className = classes.join(" ");
    setText(this.badge, alarm === "critical" ? "!" : mode === "unknown" ? "?" : "");
    const said = `${wearer.name}: ${presenceWord(presence)}, ${modeWord(mode)}, ${span(nowMs - at_ms)} ago${alarm ? ", alert" : ""}`;
    this.marker.getElement().setAttribute("aria-label", said);
    this.marker.getElement().title = said;
    this.marker.setZIndexOffset(selected ? 2000 : alarm ? 1000 : 0);
    if (place.radius_m) {
      this.circle.setLatLng(place.at).setRadius(place.radius_m);
      if (!this.map.hasLayer(this.circle)) this.circle.addTo(this.map);
      const path = this.circle.getElement();
      path?.setAttribute("class", `accuracy hue-${wearer.hue}${selected ? " selected" : ""}`);
    } else this.circle.remove();
  }

  hide() {
    this.marker.remove();
    this.circle.remove();
    this.shown = false;
  }
}

// The map: where the wearers really are. Who is dragged is put where he is dropped.
import { Basemap } from "/static/console/js/basemap.js";
import { el, setText } from "/static/console/js/dom.js";
import { initials } from "/static/console/js/words.js";

export class ControlMap {
  // `on`: {select(id), put(id, {lat, lng})}
  constructor(container, on) {
    this.on = on;
    this.map = L.map(container, { zoomControl: false, maxZoom: 19, minZoom: 3, zoomSnap: 0.5 });
    this.map.attributionControl.setPrefix("Leaflet");
    L.control.scale({ imperial: true, maxWidth: 120 }).addTo(this.map);
    L.control.zoom({ position: "topright" }).addTo(this.map);
    this.map.setView([50.7154, -2.4367], 14.5);
    this.pins = new Map();
    this.fitted = false;
    new ResizeObserver(() => this.map.invalidateSize({ pan: false })).observe(container);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.base?.recolour?.());
  }

  // The places of the town, by name.
  async town() {
    const answer = await fetch("/api/town");
    if (!answer.ok) return [];
    const geojson = await answer.json();
    this.base = new Basemap(geojson, { attribution: "", maxZoom: 19 });
    this.base.addTo(this.map);
    return geojson.features
      .filter((feature) => feature.properties.kind === "place" && feature.properties.name)
      .map((feature) => ({ name: feature.properties.name, lat: feature.geometry.coordinates[1], lng: feature.geometry.coordinates[0] }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }

  show(wearers, selected) {
    for (const [i, wearer] of wearers.entries()) {
      if (!this.pins.has(wearer.id)) this.pins.set(wearer.id, new Pin(this, wearer, i % 8));
      this.pins.get(wearer.id).show(wearer, wearer.id === selected);
    }
    if (!this.fitted && wearers.length) {
      this.fitted = true;
      this.map.fitBounds(L.latLngBounds(wearers.map((wearer) => wearer.at)).pad(0.3), { maxZoom: 16, animate: false });
    }
  }

  centre(wearer) {
    this.map.panTo(wearer.at);
  }
}

class Pin {
  constructor(owner, wearer, hue) {
    this.owner = owner;
    this.hue = hue;
    this.held = null; // until the run has heard of it: where the pin was dropped
    this.name = el("span", { class: "pin-name" }, wearer.name);
    this.pin = el("div", {}, el("span", { class: "pin-face" }, initials(wearer.name)), this.name);
    const icon = L.divIcon({ className: "wearer-marker", html: this.pin, iconSize: [32, 32], iconAnchor: [16, 16] });
    this.marker = L.marker(wearer.at, { icon, draggable: true, keyboard: true, autoPan: true, riseOnHover: true }).addTo(owner.map);
    this.marker.getElement().dataset.wearer = wearer.id;
    this.marker.on("click keypress", (event) => {
      if (event.type === "click" || ["Enter", " "].includes(event.originalEvent?.key)) owner.on.select(wearer.id);
    });
    this.marker.on("dragstart", () => { this.dragged = true; owner.on.select(wearer.id); });
    this.marker.on("dragend", async () => {
      this.held = this.marker.getLatLng();
      this.dragged = false;
      await owner.on.put(wearer.id, this.held);
      this.held = null;
    });
    const alone = L.divIcon({ className: "", html: el("div", { class: `tag-alone hue-${hue}`, title: `${wearer.name}'s tag` }, "T"), iconSize: [18, 18] });
    this.tag = L.marker(wearer.tag_at, { icon: alone, interactive: false, keyboard: false });
  }

  show(wearer, selected) {
    this.pin.className = `pin hue-${this.hue} mode-gps${selected ? " selected" : ""}${wearer.is_held ? " held" : ""}`;
    setText(this.name, wearer.name);
    const element = this.marker.getElement();
    element.setAttribute("aria-label", `${wearer.name}, really here. Drag, or choose a place in the list of acts.`);
    if (!this.dragged && !this.held) this.marker.setLatLng(wearer.put ?? wearer.at);
    this.marker.setZIndexOffset(selected ? 1000 : 0);
    const apart = this.owner.map.distance(wearer.at, wearer.tag_at) > 1;
    if (apart) this.tag.setLatLng(wearer.tag_at).addTo(this.owner.map);
    else this.tag.remove();
  }
}

// The map: base map, zones, homes, tracks, wearers. Knows where things are drawn, not what they mean.
import { Basemap } from "./basemap.js";
import { WearerMarker, placeOf } from "./markers.js";
import { TrackLayer } from "./tracklayer.js";
import { el } from "./dom.js";

const FALLBACK_VIEW = [[51.5, -0.12], 6];
const CLOSEST_FIT = 16;
const NAME_HALF_PX = 3.7; // a letter, about, from the middle
const NAME_HEIGHT_PX = 15;
const rankOf = ({ selected, alarm }) => (selected ? 4 : 0) + (alarm === "critical" ? 2 : alarm ? 1 : 0);

export class MapView {
  // `on`: {select(id | null), clock(), followChanged(bool)}
  constructor(container, on) {
    this.on = on;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.map = L.map(container, { zoomControl: false, maxZoom: 19, minZoom: 3, zoomSnap: 0.5, wheelPxPerZoomLevel: 90,
      zoomAnimation: !calm, fadeAnimation: !calm, markerZoomAnimation: !calm, inertia: !calm });
    this.map.attributionControl.setPrefix("Leaflet");
    L.control.scale({ imperial: true, maxWidth: 120 }).addTo(this.map);
    L.control.zoom({ position: "topright", zoomInTitle: "Zoom in", zoomOutTitle: "Zoom out" }).addTo(this.map);
    this.addButtons();
    for (const [name, z] of [["zones", 405], ["tracks", 420], ["accuracy", 415], ["homes", 590]]) {
      this.map.createPane(name).style.zIndex = z;
    }
    this.map.getPane("zones").style.pointerEvents = "none";
    this.renderer = L.canvas({ pane: "tracks", padding: 0.3 });
    this.context = { map: this.map, renderer: this.renderer, clock: on.clock };
    this.zones = L.layerGroup().addTo(this.map);
    this.homes = L.layerGroup().addTo(this.map);
    this.markers = new Map();
    this.tracks = new Map();
    this.rank = () => 0;
    this.follows = false;
    this.fitted = false;
    this.map.setView(...FALLBACK_VIEW);
    this.map.on("dragstart", () => this.follow(false));
    // A pin glides to its next place, but not while the whole map zooms under it.
    this.map.on("zoomstart", () => container.classList.add("zooming"));
    this.map.on("zoomend", () => requestAnimationFrame(() => requestAnimationFrame(() => container.classList.remove("zooming"))));
    this.map.on("zoomend", () => this.clearNames());
    this.map.on("click", () => on.select(null));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.base?.recolour?.());
    new ResizeObserver(() => this.map.invalidateSize({ pan: false })).observe(container);
  }

  addButtons() {
    const control = L.control({ position: "topright" });
    control.onAdd = () => {
      this.followButton = el("button", { type: "button", class: "map-button", "aria-pressed": "false", hidden: true,
        title: "Keep the selected wearer in view", onclick: () => this.follow(!this.follows) }, "Follow");
      const bar = el("div", { class: "leaflet-bar map-buttons" },
        el("button", { type: "button", class: "map-button", title: "Show everyone", onclick: () => { this.follow(false); this.fit(); } }, "Fit all"),
        this.followButton);
      L.DomEvent.disableClickPropagation(bar);
      return bar;
    };
    control.addTo(this.map);
  }

  async setBase({ town, tiles }) {
    const key = JSON.stringify([town, tiles]);
    if (key === this.baseKey) return;
    this.baseKey = key;
    this.base?.remove();
    this.base = null;
    if (tiles) {
      this.base = L.tileLayer(tiles.url, { attribution: escapeText(tiles.attribution), maxZoom: 19 }).addTo(this.map);
    } else if (town) {
      const answer = await fetch(town);
      if (!answer.ok) return;
      const geojson = await answer.json();
      this.base = new Basemap(geojson, { attribution: escapeText(geojson.attribution ?? geojson.properties?.attribution ?? ""), maxZoom: 19 });
      this.base.addTo(this.map);
      if (!this.fitted) this.fit();
    }
  }

  setZones(zones) {
    this.zones.clearLayers();
    for (const zone of zones) {
      const options = { pane: "zones", interactive: false, className: `zone zone-${zone.kind}`, weight: 2 };
      const shape = zone.circle
        ? L.circle([zone.circle.lat, zone.circle.lon], { ...options, radius: zone.circle.radius_m })
        : L.polygon(zone.polygon, options);
      const label = el("span", {}, `${zone.kind === "exclusion" ? "Exclusion" : "Inclusion"}: ${zone.name}`);
      this.zones.addLayer(shape);
      const box = shape.getBounds();
      const top = [box.getNorth(), box.getCenter().lng]; // above the zone: what lies in it stays readable
      this.zones.addLayer(L.tooltip(top, { content: label, permanent: true, direction: "top", className: `zone-label zone-label-${zone.kind}`, pane: "homes", offset: [0, 0] }));
    }
  }

  setHomes(wearers) {
    this.homes.clearLayers();
    for (const wearer of wearers) {
      if (!wearer.home || !wearer.worn) continue;
      const house = el("span", { class: `home hue-${wearer.hue}`, title: `Home of ${wearer.name}` });
      const icon = L.divIcon({ className: "home-marker", html: house, iconSize: [18, 18], iconAnchor: [9, 9] });
      this.homes.addLayer(L.marker([wearer.home.lat_e7 / 1e7, wearer.home.lon_e7 / 1e7], { icon, pane: "homes", interactive: false, keyboard: false }));
    }
  }

  // `lookOf(wearer)` says {nowMs, selected, alarm, stale}
  setWearers(wearers, lookOf) {
    const present = new Set(wearers.map((wearer) => wearer.id));
    for (const [id, marker] of this.markers) {
      if (!present.has(id)) {
        marker.hide();
        this.markers.delete(id);
      }
    }
    for (const wearer of wearers) {
      if (!this.markers.has(wearer.id)) this.markers.set(wearer.id, new WearerMarker(this.map, wearer, this.on.select));
      this.markers.get(wearer.id).update(wearer, lookOf(wearer));
    }
    this.rank = (id) => { const look = wearers.find((w) => w.id === id); return look ? rankOf(lookOf(look)) : 0; };
    this.clearNames();
  }

  // Of names that would lie on each other only the weightiest is written: the selected wearer's, then those with alarms.
  clearNames() {
    const taken = [];
    const shown = [...this.markers.entries()].filter(([, marker]) => marker.shown);
    for (const [, marker] of shown.sort(([a], [b]) => this.rank(b) - this.rank(a))) {
      const at = this.map.latLngToContainerPoint(marker.marker.getLatLng());
      const half = marker.wearer.name.length * NAME_HALF_PX;
      const covered = taken.some(([x, y, other]) => Math.abs(at.y - y) < NAME_HEIGHT_PX && Math.abs(at.x - x) < half + other);
      marker.pin.classList.toggle("nameless", covered);
      if (!covered) taken.push([at.x, at.y, half]);
    }
  }

  setTrack(id, track, look) {
    if (!this.tracks.has(id)) this.tracks.set(id, new TrackLayer(this.context, id));
    this.tracks.get(id).draw(track, look);
  }

  dropTracks() {
    for (const layer of this.tracks.values()) layer.remove();
    this.tracks.clear();
  }

  // Everyone, their homes and their zones; without any, the town.
  fit(wearers = this.lastWearers ?? []) {
    this.lastWearers = wearers;
    const points = wearers.flatMap((w) => [placeOf(w)?.at, w.home && w.worn ? [w.home.lat_e7 / 1e7, w.home.lon_e7 / 1e7] : null]).filter(Boolean);
    const bounds = L.latLngBounds(points);
    this.zones.eachLayer((layer) => layer.getBounds && bounds.extend(layer.getBounds()));
    const town = this.base?.bounds?.();
    if (!bounds.isValid() && town) bounds.extend(town);
    if (!bounds.isValid()) return;
    this.map.fitBounds(bounds, { padding: [48, 48], maxZoom: CLOSEST_FIT, animate: this.fitted });
    this.fitted = points.length > 0;
  }

  follow(wanted) {
    if (wanted === this.follows) return;
    this.follows = wanted;
    this.followButton.setAttribute("aria-pressed", String(wanted));
    this.on.followChanged?.(wanted);
  }

  setSelected(wearer) {
    this.followButton.hidden = !wearer;
    this.follow(Boolean(wearer));
    if (wearer) this.keepInView(wearer, true);
  }

  // Pans only when the wearer leaves the middle of the map: a map that never rests cannot be read.
  keepInView(wearer, centre = false) {
    const place = placeOf(wearer);
    if (!place || !this.follows) return;
    const inner = this.map.getBounds().pad(-0.25);
    if (!centre && inner.contains(place.at)) return;
    if (centre && this.map.getZoom() < 15) this.map.setView(place.at, 16);
    else if (!inner.contains(place.at)) this.map.panTo(place.at);
  }

  // A ring around where something happened.
  point(at) {
    this.ring?.remove();
    const icon = L.divIcon({ className: "ring-marker", html: el("span", { class: "ring" }), iconSize: [44, 44], iconAnchor: [22, 22] });
    this.ring = L.marker(at, { icon, interactive: false, keyboard: false }).addTo(this.map);
    this.map.setView(at, Math.max(16, this.map.getZoom()));
    setTimeout(() => this.ring?.remove(), 6_000);
  }
}

// Leaflet takes an attribution as HTML: ours is text.
function escapeText(text) {
  const node = document.createElement("span");
  node.textContent = text ?? "";
  return node.innerHTML;
}

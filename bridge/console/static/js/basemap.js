// The base map, drawn here from the town's GeoJSON: canvas tiles, so that panning and zooming are as smooth as with any tile
// server's. Features carry {kind: street|path|building|park|water|place, name, class: primary|residential|service|footway}, and places
// may say which they are ({place: home|park|bus_stop|…}).
import { placeLabels, drawLabel, prepareNames } from "./labels.js";

const EARTH_M = 40_075_016.7;
// Widths in metres with a least width in pixels, as the street would be seen from above.
const STREETS = {
  footway: { metres: 1.6, least: 1 },
  service: { metres: 4.5, least: 1 },
  residential: { metres: 7.5, least: 1.6 },
  secondary: { metres: 9, least: 2.2 },
  primary: { metres: 11, least: 2.8 },
};
const CLASS_ORDER = Object.keys(STREETS);
const COLOURS = ["land", "park", "park-edge", "water", "building", "building-edge", "street", "casing", "primary", "primary-casing",
  "footway", "label", "label-halo", "label-park", "label-water", "label-place", "place"];

export function readPalette() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--map-${name}`).trim()]));
}

// GeoJSON → flat rings in world coordinates of zoom 0 (0…256), with a box each.
export function prepare(geojson, crs) {
  const features = [];
  for (const feature of geojson.features ?? []) {
    const { kind, name = "", class: streetClass = "residential", place = "" } = feature.properties ?? {};
    const geometry = feature.geometry;
    if (!geometry || !kind) continue;
    const rings = ringsOf(geometry).map((ring) => {
      const flat = new Float64Array(ring.length * 2);
      ring.forEach(([lon, lat], i) => {
        const point = crs.latLngToPoint(L.latLng(lat, lon), 0);
        flat[2 * i] = point.x;
        flat[2 * i + 1] = point.y;
      });
      return flat;
    });
    if (!rings.length) continue;
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (const ring of rings) {
      for (let i = 0; i < ring.length; i += 2) {
        box[0] = Math.min(box[0], ring[i]);
        box[1] = Math.min(box[1], ring[i + 1]);
        box[2] = Math.max(box[2], ring[i]);
        box[3] = Math.max(box[3], ring[i + 1]);
      }
    }
    const shape = geometry.type.replace("Multi", "");
    features.push({ kind: kind === "path" ? "street" : kind, name: name ?? "", place, shape, rings, box,
      streetClass: kind === "path" ? "footway" : STREETS[streetClass] ? streetClass : "residential" });
  }
  return features;
}

function ringsOf(geometry) {
  const c = geometry.coordinates;
  switch (geometry.type) {
    case "Point": return [[c]];
    case "MultiPoint": return [c];
    case "LineString": return [c];
    case "MultiLineString": return c;
    case "Polygon": return c;
    case "MultiPolygon": return c.flat();
    default: return [];
  }
}

export const Basemap = L.GridLayer.extend({
  initialize(geojson, options) {
    L.GridLayer.prototype.initialize.call(this, { maxNativeZoom: 20, keepBuffer: 3, updateWhenZooming: false, ...options });
    this._features = prepare(geojson, L.CRS.EPSG3857);
    this._names = prepareNames(this._features);
    this._labels = new Map();
    this._palette = readPalette();
    // Metres of the ground per metre of the projection, at the town's own latitude.
    this._shrink = Math.cos((middleLatitude(this._features) * Math.PI) / 180);
  },

  // After the colours changed (dark mode).
  recolour() {
    this._palette = readPalette();
    this.redraw();
  },

  bounds() {
    if (!this._features.length) return null;
    const lows = [0, 1].map((k) => Math.min(...this._features.map((f) => f.box[k])));
    const highs = [2, 3].map((k) => Math.max(...this._features.map((f) => f.box[k])));
    const corner = (x, y) => L.CRS.EPSG3857.pointToLatLng(L.point(x, y), 0);
    return L.latLngBounds(corner(lows[0], highs[1]), corner(highs[0], lows[1]));
  },

  createTile(coords) {
    const size = this.getTileSize();
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const tile = document.createElement("canvas");
    tile.width = size.x * ratio;
    tile.height = size.y * ratio;
    const ctx = tile.getContext("2d");
    ctx.scale(ratio, ratio);
    this._draw(ctx, coords.x * size.x, coords.y * size.y, size, coords.z);
    return tile;
  },

  _draw(ctx, left, top, size, zoom) {
    const scale = 2 ** zoom, p = this._palette, margin = 24 / scale;
    const view = [left / scale - margin, top / scale - margin, (left + size.x) / scale + margin, (top + size.y) / scale + margin];
    const seen = this._features.filter((f) => f.box[0] <= view[2] && f.box[2] >= view[0] && f.box[1] <= view[3] && f.box[3] >= view[1]);
    const trace = (feature) => {
      ctx.beginPath();
      for (const ring of feature.rings) {
        for (let i = 0; i < ring.length; i += 2) {
          const x = ring[i] * scale - left, y = ring[i + 1] * scale - top;
          if (i) ctx.lineTo(x, y);
          else ctx.moveTo(x, y);
        }
        if (feature.shape === "Polygon") ctx.closePath();
      }
    };
    const width = ({ metres, least }) => Math.max(least, (metres * 256 * scale) / (EARTH_M * this._shrink));
    ctx.fillStyle = p.land;
    ctx.fillRect(0, 0, size.x, size.y);
    ctx.lineJoin = ctx.lineCap = "round";

    for (const f of seen.filter((f) => f.kind === "park")) {
      trace(f);
      ctx.fillStyle = p.park;
      ctx.fill("evenodd");
      ctx.strokeStyle = p["park-edge"];
      ctx.lineWidth = 1;
      ctx.stroke();
    }
    for (const f of seen.filter((f) => f.kind === "water")) {
      trace(f);
      if (f.shape === "Polygon") {
        ctx.fillStyle = p.water;
        ctx.fill("evenodd");
      } else {
        ctx.strokeStyle = p.water;
        ctx.lineWidth = width({ metres: 12, least: 2 });
        ctx.stroke();
      }
    }
    if (zoom >= 15) {
      ctx.fillStyle = p.building;
      ctx.strokeStyle = p["building-edge"];
      ctx.lineWidth = zoom >= 17 ? 1 : 0.5;
      for (const f of seen.filter((f) => f.kind === "building")) {
        trace(f);
        ctx.fill("evenodd");
        ctx.stroke();
      }
    }
    const streets = seen
      .filter((f) => f.kind === "street" && (zoom >= 14 || f.streetClass !== "service"))
      .sort((a, b) => CLASS_ORDER.indexOf(a.streetClass) - CLASS_ORDER.indexOf(b.streetClass));
    for (const f of streets) {
      if (f.streetClass === "footway") continue;
      trace(f);
      ctx.strokeStyle = f.streetClass === "primary" ? p["primary-casing"] : p.casing;
      ctx.lineWidth = width(STREETS[f.streetClass]) + 2;
      ctx.stroke();
    }
    for (const f of streets) {
      trace(f);
      const footway = f.streetClass === "footway";
      ctx.strokeStyle = footway ? p.footway : f.streetClass === "primary" ? p.primary : p.street;
      ctx.lineWidth = width(STREETS[f.streetClass]);
      ctx.setLineDash(footway ? [4, 4] : []);
      if (!footway || zoom >= 15) ctx.stroke();
      ctx.setLineDash([]);
    }
    if (!this._labels.has(zoom)) this._labels.set(zoom, placeLabels(this._names, zoom));
    for (const label of this._labels.get(zoom)) {
      if (Math.abs(label.x - left - size.x / 2) < size.x / 2 + label.reach && Math.abs(label.y - top - size.y / 2) < size.y / 2 + label.reach) {
        drawLabel(ctx, label, left, top, p);
      }
    }
  },
});

function middleLatitude(features) {
  if (!features.length) return 0;
  const box = features[0].box;
  return L.CRS.EPSG3857.pointToLatLng(L.point(box[0], box[1]), 0).lat;
}

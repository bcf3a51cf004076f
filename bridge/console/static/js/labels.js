// Names on the base map: placed once for each zoom over the whole town, so that a label is whole across the tiles it lies on, and no two
// lie on each other. Streets are joined by name first: a town's edges are shorter than its streets' names.

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif';
const STYLES = {
  primary: { font: `600 12px ${FONT}`, colour: "label", from: 14, apart: 420 },
  street: { font: `11px ${FONT}`, colour: "label", from: 16, apart: 340 },
  footway: { font: `10px ${FONT}`, colour: "label", from: 18, apart: 400 },
  park: { font: `italic 12px ${FONT}`, colour: "label-park", from: 14 },
  water: { font: `italic 12px ${FONT}`, colour: "label-water", from: 14, apart: 600 },
  place: { font: `500 11px ${FONT}`, colour: "label-place", from: 16 },
  building: { font: `10px ${FONT}`, colour: "label-place", from: 18 },
};
const STOP = { font: `10px ${FONT}`, colour: "label-place", from: 17 };
// Homes are nobody's business on the base map (a wearer's own is drawn as such), and a park is named by its ground already.
const UNNAMED_PLACES = ["home", "park"];
const ORDER = ["place", "primary", "park", "water", "street", "building", "footway"];
const LATTICE = 40;
const STRAIGHT_COS = Math.cos((18 * Math.PI) / 180);

let measuring = null;
function textWidth(text, font) {
  measuring ??= document.createElement("canvas").getContext("2d");
  measuring.font = font;
  return measuring.measureText(text).width;
}

// Features → what is to be named: {style, text, lines: [[x, y]…] or at: [x, y]}, in zoom-0 coordinates.
export function prepareNames(features) {
  const byName = new Map();
  const names = [];
  for (const feature of features) {
    if (!feature.name) continue;
    const along = feature.kind === "street" || (feature.kind === "water" && feature.shape === "LineString");
    if (!along) {
      if (feature.kind === "place" && UNNAMED_PLACES.includes(feature.place)) continue;
      if (feature.place === "bus_stop") names.push({ style: "place", minor: STOP, text: feature.name, at: middle(feature), dot: true });
      else if (STYLES[feature.kind]) names.push({ style: feature.kind, text: feature.name, at: middle(feature), dot: feature.kind === "place" });
      continue;
    }
    const style = feature.kind === "water" ? "water" : ["primary", "footway"].includes(feature.streetClass) ? feature.streetClass : "street";
    const key = `${style}|${feature.name}`;
    if (!byName.has(key)) byName.set(key, { style, text: feature.name, pieces: [] });
    for (const ring of feature.rings) {
      const line = [];
      for (let i = 0; i < ring.length; i += 2) line.push([ring[i], ring[i + 1]]);
      if (line.length > 1) byName.get(key).pieces.push(line);
    }
  }
  for (const { style, text, pieces } of byName.values()) names.push({ style, text, lines: join(pieces) });
  return names.sort((a, b) => ORDER.indexOf(a.style) - ORDER.indexOf(b.style));
}

// Where a name stands best: of a lattice of places within the outline, the one furthest from its edge (a river bends out of its box).
function middle(feature) {
  const [x0, y0, x1, y1] = feature.box;
  const centre = [(x0 + x1) / 2, (y0 + y1) / 2];
  if (feature.shape !== "Polygon" || feature.kind === "building") return centre;
  let [best, room] = [centre, -Infinity];
  for (let i = 1; i < LATTICE; i += 1) {
    for (let j = 1; j < LATTICE; j += 1) {
      const at = [x0 + ((x1 - x0) * i) / LATTICE, y0 + ((y1 - y0) * j) / LATTICE];
      const its = roomAt(at, feature.rings[0]);
      if (its > room) [best, room] = [at, its];
    }
  }
  return best;
}

// How far a place within a ring is from its edge; negative outside. Squared, for it is only compared.
function roomAt([x, y], ring) {
  let inside = false, least = Infinity;
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
    const [ax, ay, bx, by] = [ring[i], ring[i + 1], ring[j], ring[j + 1]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const part = length ? Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
    least = Math.min(least, (ax + part * (bx - ax) - x) ** 2 + (ay + part * (by - ay) - y) ** 2);
  }
  return inside ? least : -least;
}

// Pieces that share an end become one line.
function join(pieces) {
  const key = ([x, y]) => `${x.toFixed(7)},${y.toFixed(7)}`;
  const left = new Set(pieces);
  const lines = [];
  for (const piece of pieces) {
    if (!left.delete(piece)) continue;
    let line = piece;
    for (let grown = true; grown; ) {
      grown = false;
      for (const other of left) {
        const ends = [key(line[0]), key(line[line.length - 1]), key(other[0]), key(other[other.length - 1])];
        if (ends[1] === ends[2]) line = line.concat(other.slice(1));
        else if (ends[1] === ends[3]) line = line.concat([...other].reverse().slice(1));
        else if (ends[0] === ends[3]) line = other.concat(line.slice(1));
        else if (ends[0] === ends[2]) line = [...other].reverse().concat(line.slice(1));
        else continue;
        left.delete(other);
        grown = true;
        break;
      }
    }
    lines.push(line);
  }
  return lines;
}

// Labels of one zoom: {x, y, angle, text, font, colour, dot, reach} in that zoom's pixels.
export function placeLabels(names, zoom) {
  const scale = 2 ** zoom;
  const placed = [];
  const taken = new Map(); // coarse grid of circles that labels cover
  for (const name of names) {
    const style = name.minor ?? STYLES[name.style];
    if (zoom < style.from) continue;
    const width = textWidth(name.text, style.font) + 8;
    const put = (x, y, angle, dot = false) => {
      const circles = cover(x, y + (dot ? 10 : 0), angle, width);
      if (circles.some((c) => hits(taken, c))) return false;
      for (const c of circles) take(taken, c);
      placed.push({ x, y, angle, text: name.text, font: style.font, colour: style.colour, dot, reach: width / 2 + 24 });
      return true;
    };
    if (name.at) put(name.at[0] * scale, name.at[1] * scale, 0, name.dot);
    else for (const line of name.lines) along(line, scale, width, style.apart, put);
  }
  return placed;
}

// Puts a name along a line wherever a stretch as long as the name is straight enough.
function along(line, scale, width, apart, put) {
  const points = line.map(([x, y]) => [x * scale, y * scale]);
  const at = [0];
  for (let i = 1; i < points.length; i += 1) at.push(at[i - 1] + Math.hypot(points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]));
  const total = at[at.length - 1];
  if (total < width * 1.05) return;
  const point = (d) => {
    let i = 1;
    while (i < at.length - 1 && at[i] < d) i += 1;
    const part = at[i] === at[i - 1] ? 0 : (d - at[i - 1]) / (at[i] - at[i - 1]);
    return [points[i - 1][0] + part * (points[i][0] - points[i - 1][0]), points[i - 1][1] + part * (points[i][1] - points[i - 1][1])];
  };
  const first = ((total - width) % apart) / 2;
  let next = total < apart + width ? Math.max(0, (total - width) / 4) : first;
  for (let start = next; start + width <= total; start += 12) {
    if (start < next) continue;
    const a = point(start), b = point(start + width), chord = Math.hypot(b[0] - a[0], b[1] - a[1]);
    if (chord < width * STRAIGHT_COS) continue;
    let angle = Math.atan2(b[1] - a[1], b[0] - a[0]);
    if (angle > Math.PI / 2) angle -= Math.PI;
    if (angle < -Math.PI / 2) angle += Math.PI;
    const mid = point(start + width / 2);
    if (put((a[0] + b[0]) / 4 + mid[0] / 2, (a[1] + b[1]) / 4 + mid[1] / 2, angle)) next = start + width + apart;
  }
}

const CELL = 32;
const RADIUS = 8;

function cover(x, y, angle, width) {
  const count = Math.max(2, Math.ceil(width / 12));
  return Array.from({ length: count }, (_, i) => {
    const d = (i / (count - 1) - 0.5) * (width - RADIUS);
    return [x + d * Math.cos(angle), y + d * Math.sin(angle)];
  });
}

const cell = (x, y) => `${Math.floor(x / CELL)},${Math.floor(y / CELL)}`;

function take(taken, c) {
  const key = cell(c[0], c[1]);
  if (!taken.has(key)) taken.set(key, []);
  taken.get(key).push(c);
}

function hits(taken, [x, y]) {
  for (let dx = -1; dx <= 1; dx += 1) {
    for (let dy = -1; dy <= 1; dy += 1) {
      for (const other of taken.get(cell(x + dx * CELL, y + dy * CELL)) ?? []) {
        if (Math.hypot(other[0] - x, other[1] - y) < 2 * RADIUS) return true;
      }
    }
  }
  return false;
}

export function drawLabel(ctx, label, left, top, palette) {
  ctx.save();
  ctx.translate(label.x - left, label.y - top);
  if (label.dot) {
    ctx.beginPath();
    ctx.arc(0, 0, 3, 0, 2 * Math.PI);
    ctx.fillStyle = palette.place;
    ctx.strokeStyle = palette["label-halo"];
    ctx.lineWidth = 1.5;
    ctx.fill();
    ctx.stroke();
    ctx.translate(0, 11);
  }
  ctx.rotate(label.angle);
  ctx.font = label.font;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  ctx.lineWidth = 3;
  ctx.strokeStyle = palette["label-halo"];
  ctx.strokeText(label.text, 0, 0);
  ctx.fillStyle = palette[label.colour];
  ctx.fillText(label.text, 0, 0);
  ctx.restore();
}

// A wearer's track on the map: lines only between fixes with no gap between them, a ring at either end of each gap, and for the
// selected wearer every fix as a point that tells its time and speed, and shows its radius. All on one canvas.
import { AT, RADIUS, SPEED, MODE, latLng } from "./track.js";
import { el } from "./dom.js";
import { kmh, metres, modeWord } from "./words.js";
import { span } from "./time.js";

const DOT_PX = 3;
const NEAR_PX = 9; // how near the pointer must come to a fix
const APART_PX = 7; // dots nearer to each other than this are drawn as one

// Fixes drawn as dots on Leaflet's canvas: one layer for thousands. `_parts[0][i]` is where fix i lies on the screen.
const Dots = L.Polyline.extend({
  options: { noClip: true, smoothFactor: 0, fill: false, every: false, gapEnds: new Set() },

  _updatePath() {
    const renderer = this._renderer, points = this._parts[0];
    if (!renderer._drawing || !points?.length) return;
    const ctx = renderer._ctx, { colour, paper, every, gapEnds } = this.options;
    const view = renderer._bounds;
    let last = null;
    ctx.save();
    ctx.globalAlpha = 1;
    ctx.strokeStyle = colour;
    ctx.fillStyle = paper;
    points.forEach((p, i) => {
      const end = gapEnds.has(i);
      if (!end && (!every || (last && Math.hypot(p.x - last.x, p.y - last.y) < APART_PX))) return;
      if (!view.contains(p)) return;
      if (!end) last = p;
      ctx.beginPath();
      ctx.lineWidth = end ? 2 : 1.5;
      ctx.arc(p.x, p.y, end ? DOT_PX + 1.5 : DOT_PX, 0, 2 * Math.PI);
      ctx.fill();
      ctx.stroke();
    });
    ctx.restore();
  },

  _containsPoint(p) {
    this.nearest = -1;
    let least = NEAR_PX;
    (this._parts?.[0] ?? []).forEach((q, i) => {
      const d = Math.hypot(p.x - q.x, p.y - q.y);
      if (d < least) [least, this.nearest] = [d, i];
    });
    return this.nearest >= 0;
  },
});

export class TrackLayer {
  // `context`: {map, renderer, clock()}
  constructor(context, wearer) {
    this.context = context;
    this.wearer = wearer;
    const options = { renderer: context.renderer, interactive: false, lineCap: "round", lineJoin: "round" };
    this.halo = L.polyline([], { ...options, smoothFactor: 1 });
    this.line = L.polyline([], { ...options, smoothFactor: 1 });
    this.dots = new Dots([], { ...options, interactive: true });
    this.radius = L.circle([0, 0], { radius: 1, renderer: context.renderer, interactive: false, weight: 1 });
    this.tip = L.tooltip({ direction: "top", offset: [0, -8], className: "fix-tip" });
    this.dots.on("mousemove click", () => this.tell()).on("mouseout", () => this.hush());
  }

  // look: {colour, paper, selected, visible}
  draw(track, look) {
    this.track = track;
    const segments = track.segments();
    const lines = segments.map((run) => (run.length > 1 ? run.map(latLng) : [latLng(run[0]), latLng(run[0])]));
    const ends = new Set();
    let index = 0;
    segments.forEach((run, i) => {
      if (i > 0) ends.add(index);
      index += run.length;
      if (i < segments.length - 1) ends.add(index - 1);
    });
    this.halo.setStyle({ color: look.paper, weight: look.selected ? 8 : 5, opacity: 0.75 });
    this.line.setStyle({ color: look.colour, weight: look.selected ? 4 : 2.5, opacity: look.selected ? 0.95 : 0.6 });
    this.radius.setStyle({ color: look.colour, fillColor: look.colour, fillOpacity: 0.12, opacity: 0.6 });
    Object.assign(this.dots.options, { colour: look.colour, paper: look.paper, every: look.selected, gapEnds: ends });
    const { map } = this.context;
    const layers = [this.halo, this.line, this.dots];
    for (const layer of layers) {
      if (look.visible) layer.addTo(map);
      else layer.remove();
    }
    this.halo.setLatLngs(lines);
    this.line.setLatLngs(lines);
    this.dots.setLatLngs(track.fixes.map(latLng));
    if (look.selected && look.visible) for (const layer of layers) layer.bringToFront();
    if (!look.visible || !look.selected) this.hush();
  }

  tell() {
    const fix = this.track.fixes[this.dots.nearest];
    if (!fix || !this.dots.options.every) return this.hush();
    const clock = this.context.clock();
    const facts = [fix[SPEED] != null ? kmh(fix[SPEED]) : "speed unknown", fix[RADIUS] != null ? `± ${metres(fix[RADIUS])}` : "radius unknown", modeWord(fix[MODE])];
    const next = this.track.fixes[this.dots.nearest + 1];
    const silence = next && next[AT] - fix[AT] > this.track.gapMs ? next[AT] - fix[AT] : 0;
    this.tip
      .setLatLng(latLng(fix))
      .setContent(el("div", {}, el("strong", {}, clock.timeZoned(fix[AT])), el("div", {}, facts.join(" · ")),
        silence ? el("div", { class: "quiet" }, `then no position for ${span(silence)}`) : null));
    this.tip.addTo(this.context.map);
    if (fix[RADIUS] != null) this.radius.setLatLng(latLng(fix)).setRadius(fix[RADIUS] / 10).addTo(this.context.map);
    else this.radius.remove();
  }

  hush() {
    this.tip.remove();
    this.radius.remove();
  }

  remove() {
    this.hush();
    for (const layer of [this.halo, this.line, this.dots]) layer.remove();
  }
}

// The page's composition root: one picture (`state`), kept right by the stream, drawn at most once a frame.
import { byId, el, oncePerFrame, setText } from "./dom.js";
import { EventList } from "./events.js";
import { MapView } from "./map.js";
import { Stream } from "./stream.js";
import { isStale, openAlarms } from "./alarms.js";
import { latLng, Track } from "./track.js";
import { makeClock, Now } from "./time.js";
import { Details, WearerList } from "./wearers.js";
import { describe } from "./words.js";

const HUES = 8;
const ALL_TRACKS_UP_TO = 20; // wearers; beyond, only the selected one's track is fetched

const state = { now: new Now(), clock: null, wearers: [], curfews: [], tracks: new Map(), selected: null, today: null, gapMs: 0, loaded: false };

const map = new MapView(byId("map"), { select, clock: () => state.clock });
const list = new WearerList(byId("wearers"), byId("wearers-empty"), (id) => select(id === state.selected ? null : id));
const details = new Details(byId("details"), () => select(null));
const events = new EventList(
  { list: byId("events"), empty: byId("events-empty"), older: byId("events-older"), wearerFilter: byId("events-wearer"), alertsOnly: byId("alerts-only") },
  { pick: pickEvent, older: loadOlderEvents },
);
const stream = new Stream("/api/stream", { hello: takeHello, delta: takeDelta, beat: takeBeat, scheme: () => load(), reset: () => load(true) }, showConnection);
const draw = oncePerFrame(drawAll);
const allTracks = byId("all-tracks");

allTracks.addEventListener("change", () => { loadTracks(); draw(); });
addEventListener("keydown", (event) => event.key === "Escape" && state.selected && select(null));
export const view = map; // for whoever looks at the page from its developer tools
setInterval(draw, 1_000); // ages grow even when nothing comes
if (new URLSearchParams(location.search).has("key")) history.replaceState(null, "", "/"); // the key has done its work

start();

async function start() {
  const picture = await load(true);
  if (picture) stream.start(picture.cursor);
  else setTimeout(start, 2_000);
}

async function getJson(address) {
  const answer = await fetch(address);
  if (answer.status === 401) showConnection("locked");
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

// The whole picture anew; `tracksToo` when what is known of the tracks can no longer be trusted. Null when it could not be had.
async function load(tracksToo = false) {
  let picture;
  try {
    picture = await getJson("/api/state");
  } catch {
    return null;
  }
  const dayChanged = state.today?.day !== picture.today.day || state.clock?.zone !== picture.timezone;
  state.clock = makeClock(picture.timezone);
  state.simulated = picture.clock === "records";
  state.now.hear(picture.now_ms, picture.clock === "wall");
  Object.assign(state, { today: picture.today, gapMs: picture.gap_ms, curfews: picture.curfews, loaded: true });
  state.wearers = picture.wearers.map((wearer, i) => ({ ...wearer, hue: i % HUES })).sort((a, b) => Number(b.worn) - Number(a.worn) || a.name.localeCompare(b.name));
  events.clock = state.clock;
  events.nameOf = (id) => byWearer(id)?.name ?? id;
  if (tracksToo) events.reset();
  if (events.take(picture.events).length === picture.events.length) events.mayBeOlder = picture.events.length >= picture.events_page;
  state.alarmEvents = new Map(picture.alarm_events.map((event) => [event.id, event]));
  events.setWearers(state.wearers);
  map.setZones(picture.zones);
  map.setHomes(state.wearers);
  map.setBase(picture.map);
  if (!map.fitted) map.fit(state.wearers);
  if (tracksToo || dayChanged) {
    state.tracks.clear();
    map.dropTracks();
  }
  loadTracks();
  events.draw();
  draw();
  return picture;
}

const byWearer = (id) => state.wearers.find((wearer) => wearer.id === id);
const showsAllTracks = () => allTracks.checked && state.wearers.length <= ALL_TRACKS_UP_TO;

async function loadTrack(id) {
  try {
    const found = await getJson(`/api/track/${encodeURIComponent(id)}?day=${state.today.day}`);
    if (found.day !== state.today.day) return;
    const track = new Track(found.gap_ms, found.from_ms, found.until_ms, found.fixes);
    for (const fix of state.tracks.get(id)?.pending ?? []) track.insert(fix); // what came while it was being fetched
    state.tracks.set(id, { track });
    draw();
  } catch {
    state.tracks.delete(id); // asked for again when it is next wanted
  }
}

function loadTracks() {
  for (const wearer of state.wearers) {
    const wanted = wearer.id === state.selected || showsAllTracks();
    if (!wanted || state.tracks.has(wearer.id)) continue;
    state.tracks.set(wearer.id, { track: null, pending: [] });
    loadTrack(wearer.id);
  }
}

function takeHello(data) {
  state.now.hear(data.now_ms);
  takeLive(data.live);
  draw();
}

function takeBeat(data) {
  state.now.hear(data.now_ms);
  draw();
}

function takeLive(rows) {
  for (const live of rows) {
    const wearer = byWearer(live.wearer);
    if (wearer) wearer.live = live;
  }
}

function takeDelta(data) {
  state.now.hear(data.now_ms);
  takeLive(data.live ?? []);
  for (const [id, fixes] of Object.entries(data.fixes ?? {})) {
    const known = state.tracks.get(id);
    if (!known) continue;
    for (const fix of fixes) known.track ? known.track.insert(fix) : known.pending.push(fix);
  }
  for (const id of data.redated ?? []) if (state.tracks.has(id)) loadTrack(id);
  if (data.superseded) {
    events.supersede(data.superseded);
    for (const event of state.alarmEvents.values()) event.superseded = data.superseded.includes(event.id);
  }
  const fresh = events.take(data.events ?? []);
  for (const event of data.events ?? []) state.alarmEvents.set(event.id, event);
  if (fresh.length || data.superseded) events.draw();
  announce(fresh);
  if (data.now_ms != null && state.clock && state.clock.dayKey(data.now_ms) !== state.today.day) load();
  if (!map.fitted) map.fit(state.wearers);
  draw();
}

// Spoken by screen readers at once; only what is critical, or the log would never be silent.
function announce(fresh) {
  const grave = fresh.filter((event) => !event.late && describe(event).severity === "critical");
  if (!grave.length) return;
  const event = grave[grave.length - 1];
  const { title, text } = describe(event);
  byId("announce").textContent = `${title}: ${events.nameOf(event.wearer)} ${text}, ${state.clock.timeZoned(event.at_ms)}`;
}

function select(id) {
  if (id === state.selected) return;
  state.selected = id;
  loadTracks();
  map.setSelected(id ? byWearer(id) : null);
  draw();
}

function pickEvent(event) {
  select(event.wearer);
  map.follow(false);
  const { lat_e7, lon_e7 } = event.detail ?? {};
  const fix = state.tracks.get(event.wearer)?.track?.nearest(event.at_ms);
  if (lat_e7 != null && lon_e7 != null) map.point([lat_e7 / 1e7, lon_e7 / 1e7]);
  else if (fix) map.point(latLng(fix));
}

async function loadOlderEvents() {
  try {
    const found = await getJson(`/api/events?before=${events.oldestId}&limit=200`);
    events.mayBeOlder = found.events.length === 200;
    events.take(found.events);
  } catch {
    return;
  }
  events.draw();
}

function showConnection(connection, heardAt) {
  const since = heardAt && state.clock ? ` since ${state.clock.timeZoned(heardAt)}` : "";
  const words = { live: "Live", reconnecting: "Reconnecting…", stale: `Stale: nothing heard${since}`, locked: "Restarted: open its new address" };
  const box = byId("connection");
  box.dataset.state = connection;
  setText(byId("connection-text"), words[connection] ?? connection);
  document.body.classList.toggle("not-live", connection === "stale" || connection === "locked");
}

function drawAll() {
  if (!state.loaded) return;
  const nowMs = state.now.ms;
  noticePeriods(nowMs);
  const ordered = [...state.alarmEvents.values()].sort((a, b) => a.at_ms - b.at_ms || a.id - b.id);
  const looks = new Map(state.wearers.map((wearer) => {
    const alarms = openAlarms(wearer, ordered.filter((event) => event.wearer === wearer.id), nowMs);
    const worst = alarms.some((alarm) => alarm.severity === "critical") ? "critical" : alarms.length ? "warning" : null;
    return [wearer.id, { nowMs, selected: wearer.id === state.selected, alarms, alarm: worst, stale: isStale(wearer, nowMs) }];
  }));
  const lookOf = (wearer) => looks.get(wearer.id);
  drawHeader(nowMs, looks);
  list.draw(state.wearers, lookOf);
  map.lastWearers = state.wearers;
  map.setWearers(state.wearers, lookOf);
  drawTracks();
  const chosen = state.selected && byWearer(state.selected);
  if (chosen) map.keepInView(chosen);
  details.draw(chosen, { nowMs, clock: state.clock, alarms: chosen ? lookOf(chosen).alarms : [], track: state.tracks.get(state.selected)?.track,
    curfews: state.curfews.filter((curfew) => curfew.wearer === state.selected) });
}

// A wear period that begins or ends while the page is open: the server says who wears what then.
function noticePeriods(nowMs) {
  if (nowMs == null || state.reloading) return;
  const over = state.wearers.some((w) => w.from_ms != null && w.worn !== (w.from_ms <= nowMs && (w.until_ms == null || nowMs < w.until_ms)));
  if (!over) return;
  state.reloading = true;
  load().finally(() => setTimeout(() => { state.reloading = false; }, 2_000));
}

function drawTracks() {
  const style = getComputedStyle(document.documentElement);
  const paper = style.getPropertyValue("--track-paper").trim();
  for (const wearer of state.wearers) {
    const track = state.tracks.get(wearer.id)?.track;
    if (!track) continue;
    const selected = wearer.id === state.selected;
    const visible = selected || showsAllTracks();
    const colour = style.getPropertyValue(`--hue-${wearer.hue}`).trim();
    const key = [track.fixes.length, track.fixes.at(-1)?.[0], selected, visible, colour].join();
    const known = state.tracks.get(wearer.id);
    if (known.drawn === key) continue;
    known.drawn = key;
    map.setTrack(wearer.id, track, { colour, paper, selected, visible });
  }
}

function drawHeader(nowMs, looks) {
  setText(byId("clock-text"), nowMs == null ? "Not begun" : state.clock.full(nowMs));
  byId("clock-note").hidden = !state.simulated;
  const worn = state.wearers.filter((wearer) => wearer.worn);
  const count = (presence) => worn.filter((wearer) => (wearer.live?.presence ?? "unknown") === presence).length;
  const open = [...looks.values()].filter((look) => look.alarm).length;
  const counts = [[worn.length === 1 ? "wearer" : "wearers", worn.length], ["at home", count("home")], ["out", count("not_home")], ["unknown", count("unknown")], ["with alerts", open]];
  const box = byId("counts");
  const wanted = counts.flat().join();
  if (box.dataset.is !== wanted) {
    box.dataset.is = wanted;
    box.replaceChildren(...counts.map(([term, number]) => el("div", { class: term === "with alerts" && number ? "hot" : "" }, el("dd", {}, String(number)), el("dt", {}, term))));
  }
  document.title = open ? `(${open}) Homeward` : "Homeward";
  const note = byId("map-note");
  const waiting = worn.length > 0 && worn.every((wearer) => !wearer.live);
  note.hidden = !(waiting || !state.wearers.length);
  setText(note, waiting ? "Waiting for the first records from the tags." : note.hidden ? "" : "Waiting for a scheme to be loaded.");
}

// The control page: asks for the picture twice a second, and tells the run what is to be done.
import { byId, el, setText } from "/static/console/js/dom.js";
import { initials } from "/static/console/js/words.js";
import { ControlMap } from "/static/map.js";
import { Panel } from "/static/panel.js";
import { actWords, doing, heard, isNote, lasting } from "/static/words.js";

const EVERY_MS = 400;
const SAID_MS = 6_000;
const SPEEDS = [["paused", "Pause"], [1, "1×"], [10, "10×"], [60, "60×"], [600, "600×"], ["max", "Max"]];

// The key is in the cookie by now, and not for who looks over a shoulder.
if (location.search) history.replaceState(null, "", "/");

let picture = null;
let selected = null;
let saidTimer = null;
let logged = -1;

async function post(path, body) {
  try {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (!answer.ok) say((await answer.json().catch(() => null))?.error ?? `refused (${answer.status})`);
  } catch {
    say("The run does not answer.");
  }
  await look();
}

const act = (what, wearer, values) => post("/api/act", { what, wearer: wearer ?? null, values: values ?? {} });

function say(text) {
  const box = byId("said");
  box.hidden = false;
  box.textContent = text;
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => { box.hidden = true; }, SAID_MS);
}

function select(id) {
  selected = id;
  if (picture) draw();
}

const map = new ControlMap(byId("map"), { select, put: (id, at) => act("moved", id, { lat: at.lat, lon: at.lng }) });
const panel = new Panel(byId("acts"), act);
map.town().then((places) => panel.setPlaces(places));

const speedButtons = SPEEDS.map(([speed, label]) => {
  const button = el("button", { type: "button", "aria-pressed": "false", onclick: () => post("/api/speed", { speed }) }, label);
  byId("pace").append(button);
  return { speed, button };
});

byId("skip").addEventListener("submit", (event) => {
  event.preventDefault();
  const to = byId("skip-text").value.trim();
  if (to) post("/api/skip", { to });
});
for (const button of document.querySelectorAll("[data-skip]")) {
  button.addEventListener("click", () => post("/api/skip", { to: button.dataset.skip }));
}

function draw() {
  setText(byId("clock"), picture.clock);
  setText(byId("zone"), picture.zone);
  for (const { speed, button } of speedButtons) button.setAttribute("aria-pressed", String(speed === picture.speed));
  const note = byId("map-note");
  note.hidden = !picture.skips_to && !picture.is_over;
  setText(note, picture.is_over ? "The scenario has ended. Everything stays as it is." : picture.skips_to ? `On the way to ${picture.skips_to}, as fast as possible…` : "");
  const wearers = picture.wearers.map((wearer) => ({ ...wearer, put: putting(wearer.id) }));
  if (!wearers.some((wearer) => wearer.id === selected)) selected = wearers[0]?.id ?? null;
  drawWearers(wearers);
  map.show(wearers, selected);
  panel.show(picture, wearers.find((wearer) => wearer.id === selected));
  drawLog();
}

// Where a wearer is about to be put.
function putting(id) {
  const moved = picture.waiting.findLast((each) => each.what === "moved" && each.wearer === id);
  return moved ? [moved.lat, moved.lon] : null;
}

const rows = new Map();

function drawWearers(wearers) {
  wearers.forEach((wearer, i) => {
    let row = rows.get(wearer.id);
    if (!row) {
      const parts = { what: el("span", { class: "what" }), heard: el("span", { class: "what" }), signs: el("span", { class: "signs" }) };
      parts.button = el("button", { type: "button", class: `wearer hue-${i % 8}`, "data-wearer": wearer.id,
        onclick: () => { select(wearer.id); map.centre(picture.wearers.find((each) => each.id === wearer.id)); } },
      el("span", { class: "face" }, initials(wearer.name)),
      el("span", { class: "lines" }, el("span", { class: "name" }, wearer.name), parts.what, parts.heard, parts.signs));
      byId("wearers").append(el("li", {}, parts.button));
      rows.set(wearer.id, row = parts);
    }
    row.button.setAttribute("aria-pressed", String(wearer.id === selected));
    setText(row.what, doing(wearer));
    setText(row.heard, heard(wearer));
    const signs = [...wearer.is.map(lasting), ...(wearer.has_network || wearer.is.some((kind) => ["coverage_lost", "shield", "modem_dead"].includes(kind)) ? [] : ["no network here"])];
    if (row.signs.dataset.signs !== signs.join()) {
      row.signs.dataset.signs = signs.join();
      row.signs.replaceChildren(...signs.map((sign) => el("span", { class: "sign" }, sign)));
    }
  });
}

function drawLog() {
  if (logged === picture.acts_done) return;
  logged = picture.acts_done;
  const names = new Map(picture.wearers.map((wearer) => [wearer.id, wearer.name]));
  byId("log").replaceChildren(...picture.acts.toReversed().map((each) => el("li", { class: isNote(each.what) ? "note" : "" },
    el("time", { datetime: each.at }, each.at.slice(11, 19)),
    el("span", {}, `${each.wearer ? `${names.get(each.wearer) ?? each.wearer}: ` : ""}${actWords(each)}`))));
  setText(byId("log-count"), picture.acts_done ? String(picture.acts_done) : "");
}

function connection(state, text) {
  byId("connection").dataset.state = state;
  setText(byId("connection-text"), text);
}

let asking = 0;

async function look() {
  const asked = ++asking;
  try {
    const answer = await fetch("/api/picture", { signal: AbortSignal.timeout(5_000) });
    if (answer.status === 401) return connection("locked", "Another run: open its address");
    if (!answer.ok) throw new Error(String(answer.status));
    const got = await answer.json();
    if (asked !== asking) return; // a later one is on its way
    if (!got.ready) return connection("reconnecting", "Starting…");
    picture = got;
    connection("live", picture.is_over ? "Ended" : "Live");
    draw();
  } catch {
    connection("stale", "The run does not answer");
  }
}

(async () => {
  for (;;) {
    await look();
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
})();

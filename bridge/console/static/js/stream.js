// The live stream: server-sent events that find their way back. Each message's id is a cursor; after a break the stream goes on from
// the last one heard, so nothing is missed and nothing comes twice.

const SILENCE_MS = 10_000; // beats come every 2 s: longer silence is a dead connection that has not noticed
const STALE_MS = 20_000; // what is on the screen is then called stale
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 8_000;

// `on` maps message kinds to functions of their data; `onState(state, heardAtMs)` hears "live", "reconnecting", "stale", "locked".
export class Stream {
  constructor(address, on, onState) {
    this.address = address;
    this.on = on;
    this.onState = onState;
    this.cursor = null;
    this.source = null;
    this.heardAt = null;
    this.retryMs = FIRST_RETRY_MS;
    this.storeOk = true;
    this.state = "connecting";
    this.retryTimer = null;
  }

  start(cursor) {
    this.cursor = cursor;
    this.open();
    setInterval(() => this.watch(), 1_000);
    addEventListener("online", () => this.open());
    addEventListener("pagehide", () => this.source?.close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  open() {
    clearTimeout(this.retryTimer);
    this.retryTimer = null;
    this.source?.close();
    const source = new EventSource(`${this.address}?after=${encodeURIComponent(this.cursor)}`);
    this.source = source;
    this.openedAt = Date.now();
    for (const [kind, handle] of Object.entries(this.on)) {
      source.addEventListener(kind, (event) => {
        if (source === this.source) this.hear(event, handle);
      });
    }
    source.onerror = () => source === this.source && this.lost();
  }

  hear(event, handle) {
    const data = JSON.parse(event.data);
    this.heardAt = Date.now();
    this.retryMs = FIRST_RETRY_MS;
    if ("store_ok" in data) this.storeOk = data.store_ok;
    handle(data);
    if (event.lastEventId) this.cursor = event.lastEventId; // only once it has been taken in
    this.say(this.storeOk ? "live" : "stale");
  }

  // The browser's own retry gives up for ever on some answers, so retries are ours, with a growing pause.
  lost() {
    this.source?.close();
    this.source = null;
    if (this.state !== "stale" && this.state !== "locked") this.say("reconnecting");
    if (this.retryTimer) return;
    this.retryTimer = setTimeout(() => this.probe(), this.retryMs * (0.75 + Math.random() / 2));
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }

  // An EventSource does not tell a refusal from a broken line: ask.
  async probe() {
    this.retryTimer = null;
    try {
      const answer = await fetch("/api/events?limit=1");
      if (answer.status === 401) this.say("locked");
      if (answer.ok) return this.open();
    } catch {
      // not there: tried again below
    }
    this.lost();
  }

  watch() {
    const silent = Date.now() - (this.heardAt ?? this.openedAt);
    if (this.state !== "locked" && silent > STALE_MS) this.say("stale");
    if (this.source && Date.now() - Math.max(this.openedAt, this.heardAt ?? 0) > SILENCE_MS) this.lost();
  }

  say(state) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state, this.heardAt);
  }
}

// One person's inbox, as it is now: a page of it first, then over a socket what happens to it.
//   const inbox = new InboxClient({ token: () => fetch("/my/token").then((said) => said.text()) });
//   inbox.addEventListener("change", () => show(inbox.items, inbox.counts));
//   inbox.start();

const HERE = new URL(import.meta.url).origin;
const TIMES = {
  seen: ["seen_at"],
  read: ["seen_at", "read_at"],
  acknowledge: ["seen_at", "read_at", "acknowledged_at"],
  received: ["received_at"],
};
/** What has to happen to an item before a list of this status shows it. */
const COMES = { unread: "unread", archived: "archive" };
const FIRST_WAIT_MS = 1_000;
const ALL = { status: null, category: null };
/** So many pages that a filter leaves nothing of are read in one go. */
const EMPTY_PAGES = 5;

/** What the server did not take; `status` is that of its answer, and 0 on the socket. */
export class Refusal extends Error {
  constructor(status, detail) {
    super(detail || `The server answered ${status}.`);
    this.status = status;
  }
}

/**
 * Holds `items`, newest first, of what `show` was last told, `counts`, and `connection`: "connecting", "live", "polling" (there
 * is no socket to be had), "offline" or "stopped".
 *
 * Events: "change"; "item" with each that arrives, as `detail`; "connection"; "refused" with an
 * Error as `detail`. `token` is asked for with every call, so keep what it answers; it is given true
 * when the last one was refused. `patience_ms` is the longest wait between two attempts to connect.
 */
export class InboxClient extends EventTarget {
  constructor({ token, server = HERE, page = 30, patience_ms = 60_000 }) {
    super();
    Object.assign(this, { token, server, page, patience_ms });
    this.items = [];
    this.view = ALL;
    this.counts = { unseen: 0, unread: 0 };
    this.connection = "stopped";
    this.next = null;
    this.cursor = null;
    this.socket = null;
    this.timer = null;
    this.failures = 0;
    this.stale = false;
    this.hurry = () => this.timer !== null && this.connect();
  }

  start() {
    addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.hurry);
    this.connect();
  }

  stop() {
    removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.hurry);
    clearTimeout(this.timer);
    this.timer = null;
    this.drop();
    this.say("stopped");
  }

  /** Say that the person did this ("read", "archive", …) with these items. */
  async change(state, ...ids) {
    if (ids.length === 0) return;
    if (this.connection === "live") this.tell({ type: state, ids });
    else await this.change_by_http(ids.map((id) => `${encodeURIComponent(id)}/${state}`));
  }

  /** The same ("read", "seen" or "archive") with everything that has arrived until now. */
  async change_all(state) {
    if (this.connection === "live") this.tell({ type: `${state}_all`, cursor: this.cursor });
    else await this.change_by_http([`${state}-all`]);
  }

  /** Hold items of this *status* ("unread" or "archived") and *category* only; null for any. */
  async show({ status = null, category = null } = ALL) {
    this.view = { status, category };
    this.items = [];
    this.next = null;
    this.emit("change");
    try {
      if (this.connection === "live") await this.go_on(true);
      else if (this.connection === "polling") await this.load();
      // Whoever connects without a cursor reads first.
      else this.cursor = null;
    } catch (error) {
      this.cursor = null;
      if (this.connection === "live") this.lost(error);
      else this.emit("refused", error);
    }
  }

  async change_by_http(paths) {
    for (const path of paths) await this.ask("POST", `/v1/inbox/${path}`);
    await this.load();
  }

  /** Read older items behind those that are there. */
  async more() {
    if (this.next === null) return;
    const { view } = this;
    const { items, next } = await this.read(this.next);
    if (this.view !== view) return;
    const known = new Set(this.items.map((each) => each.id));
    this.items = [...this.items, ...items.filter((each) => !known.has(each.id))];
    this.next = next;
    this.emit("change");
  }

  // The connection

  async connect() {
    clearTimeout(this.timer);
    this.timer = null;
    this.drop();
    const mine = this.socket = { close() {} };
    let token;
    try {
      token = await this.token(this.stale);
      this.stale = false;
    } catch (error) {
      if (this.socket === mine) this.lost(error);
      return;
    }
    if (this.socket !== mine) return;
    const url = `${this.server.replace(/^http/, "ws")}/v1/inbox/socket`;
    this.open(new WebSocket(url, ["tocsin.v1.batch", `bearer.${token}`]));
  }

  open(socket) {
    this.socket = socket;
    this.asked = false;
    // One after the other: while a page is loaded, what comes meanwhile waits.
    let line = Promise.resolve();
    socket.onmessage = ({ data }) => {
      line = line.then(() => this.frame(socket, data)).catch((error) => {
        if (this.socket === socket) this.lost(error);
      });
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.stale ||= event.code === 1008;
      this.lost(null);
    };
  }

  drop() {
    const { socket } = this;
    this.socket = null;
    socket?.close();
  }

  lost(error) {
    this.drop();
    this.failures += 1;
    this.stale ||= error?.status === 401;
    const longest = Math.min(this.patience_ms, FIRST_WAIT_MS * 2 ** (this.failures - 1));
    this.timer = setTimeout(() => this.connect(), Math.random() * longest);
    if (error !== null) this.emit("refused", error);
    if (error !== null) this.say("offline");
    else if (this.failures === 1) this.say("connecting");
    else this.poll();
  }

  async poll() {
    const { timer } = this;
    try {
      await this.load();
      if (this.timer === timer) this.say("polling");
    } catch (error) {
      this.stale ||= error.status === 401;
      if (this.timer === timer) this.say("offline");
    }
  }

  // The protocol: what holds is on the page about writing a client

  async frame(socket, data) {
    for (const message of JSON.parse(data)) {
      if (this.socket !== socket) return;
      await this.take(message);
    }
  }

  async take(message) {
    const { type, prev, cursor } = message;
    if (type === "error") this.emit("refused", new Refusal(0, message.detail));
    else if (type === "resync" || (type === "hello" && this.cursor === null)) await this.go_on(true);
    else if (type === "hello" && cursor !== this.cursor) await this.go_on(false);
    else if (type === "hello") this.count(message.counts);
    else if (prev === this.cursor) await this.apply(message);
    else if (prev !== undefined && !this.asked) await this.go_on(false);
    if (type === "hello") this.live();
  }

  live() {
    this.failures = 0;
    this.say("live");
  }

  async apply(message) {
    // The page brings a cursor; until it is here, the old one still holds.
    if (message.all || message.state === "unarchive") return this.go_on(true);
    // What belongs to what is shown only now is not here yet.
    if (message.type === "state" && message.state === COMES[this.view.status]) return this.go_on(true);
    const arrived = message.type === "item" ? message.item : null;
    if (arrived !== null) this.put(arrived);
    if (message.type === "state") this.mark(message.state, new Set(message.ids));
    this.cursor = message.cursor;
    this.asked = false;
    this.count(message.counts);
    if (arrived !== null) this.emit("item", arrived);
    return undefined;
  }

  put(item) {
    this.items = [item, ...this.items.filter((each) => each.id !== item.id)].filter(this.shown());
  }

  // Whether an item belongs to what is shown.
  shown() {
    const { status, category } = this.view;
    return (item) => (category === null || item.category === category)
      && (status !== "unread" || item.read_at === undefined)
      && (status === "archived") === (item.archived_at !== undefined);
  }

  mark(state, ids) {
    if (state === "archive") {
      this.items = this.items.filter((each) => !ids.has(each.id));
      return;
    }
    const now = new Date().toISOString();
    this.items = this.items.map((item) => {
      if (!ids.has(item.id)) return item;
      const { read_at: _, ...unread } = item;
      if (state === "unread") return unread;
      return { ...Object.fromEntries((TIMES[state] ?? []).map((name) => [name, now])), ...item };
    }).filter(this.shown());
  }

  async go_on(load) {
    if (load) await this.load();
    this.asked = true;
    this.tell({ type: "resume", cursor: this.cursor });
  }

  async load() {
    let said;
    // Until what was read is what is still to be shown.
    for (let view = null; view !== this.view;) {
      ({ view } = this);
      said = await this.read(null);
    }
    this.items = said.items;
    this.cursor = said.cursor;
    this.next = said.next;
    this.count(said.counts);
  }

  // A page of what is shown. With a filter one may be empty although something follows.
  async read(page) {
    const wanted = Object.entries({ limit: this.page, page, ...this.view });
    const query = new URLSearchParams(wanted.filter(([, value]) => value !== null));
    let said = await this.ask("GET", `/v1/inbox?${query}`);
    const { cursor } = said;
    for (let n = 0; n < EMPTY_PAGES && said.items.length === 0 && said.next !== null; n += 1) {
      query.set("page", said.next);
      said = await this.ask("GET", `/v1/inbox?${query}`);
    }
    return { ...said, cursor };
  }

  /** Ask the server with a token of the person; *document* goes along as JSON. Throws a `Refusal`. */
  async ask(method, path, document) {
    const headers = { authorization: `Bearer ${await this.token(this.stale)}` };
    if (document !== undefined) headers["content-type"] = "application/json";
    const body = document === undefined ? undefined : JSON.stringify(document);
    const answer = await fetch(this.server + path, { method, headers, body });
    this.stale ||= answer.status === 401;
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refusal(answer.status, said.detail);
    return said;
  }

  tell(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  count(counts) {
    this.counts = counts;
    this.emit("change");
  }

  say(connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    this.emit("connection");
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

// <tocsin-inbox>: a person's inbox on a page, live.
//   <tocsin-inbox server="https://tocsin.example"></tocsin-inbox>
//   document.querySelector("tocsin-inbox").getToken = (fresh) => …;

import { Bell } from "./bell.js";
import { Choices } from "./choices.js";
import { InboxClient } from "./client.js";
import { button, el } from "./dom.js";
import { style } from "./style.js";
import { Tabs } from "./tabs.js";

const HERE = new URL(import.meta.url).origin;
const PATIENCE_S = 60;
const SEEN_AFTER_MS = 1_000;
const CONNECTION = {
  connecting: "Connecting …", live: "Live", polling: "Asking now and then",
  offline: "The server does not answer; asking again", stopped: "",
};

export class TocsinInbox extends HTMLElement {
  static observedAttributes = ["mode", "open", "placement", "preferences", "tabs"];

  constructor() {
    super();
    /** Answers a token of the person; given true, a new one, since the last was refused. */
    this.getToken = null;
    this.client = null;
    this.rows = new Map();
    this.seeing = null;
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [style()];
    this.state = el("p", { class: "state", part: "state", role: "status", dir: "auto" });
    this.news = el("p", { class: "unseen", role: "status" });
    this.problem = el("p", { class: "problem", part: "problem", role: "alert" });
    this.all = button("Mark all read", () => this.client.change_all("read"), { part: "all" });
    this.older = button("Show older", () => this.client.more(), { part: "more" });
    this.list = el("ul", { part: "list" });
    this.none = el("li", { class: "none", part: "empty", tabindex: -1 }, "Nothing here.");
    this.shelf = el("div", { id: "items" }, this.list, this.older);
    this.tabs = new Tabs(this.shelf, (what) => this.client?.show(what));
    this.choices = new Choices((...asked) => this.client.ask(...asked),
      (choice) => this.tell("preferences", choice));
    this.settings = button("Preferences", () => this.choosing(this.choices.node.hidden), {
      part: "settings", "aria-expanded": "false", "aria-controls": "choices",
    });
    this.content = [el("div", { class: "head", part: "head" }, this.state,
      el("div", { class: "row" }, this.all, this.settings)), this.problem, this.tabs.node, this.shelf,
      this.choices.node];
    this.bell = null;
    root.append(...this.content, this.news);
    this.older.hidden = this.all.hidden = true;
  }

  get items() {
    return this.client?.items ?? [];
  }

  get counts() {
    return this.client?.counts ?? { unseen: 0, unread: 0 };
  }

  get connection() {
    return this.client?.connection ?? "stopped";
  }

  /** With `mode="bell"`: whether the panel is open. */
  get open() {
    return this.bell?.open ?? false;
  }

  set open(wanted) {
    if (this.bell !== null) this.bell.open = Boolean(wanted);
  }

  attributeChangedCallback(name, before, now) {
    if (before === now || !this.isConnected) return;
    if (name === "mode") this.frame();
    else if (name === "open") this.open = now !== null;
    else this.equip(name);
  }

  // What the attributes say beside the mode.
  equip(changed) {
    this.settings.hidden = !this.hasAttribute("preferences");
    if (this.settings.hidden) this.choosing(false);
    if (this.bell !== null) {
      this.bell.placement = this.getAttribute("placement") ?? "bottom-end";
      if (this.bell.open) this.bell.place();
    }
    if (changed !== "tabs") return;
    try {
      this.tabs.offer(this.getAttribute("tabs"));
    } catch {
      this.tabs.offer(null);
      this.tell("error", { message: "tabs is no list of tabs as JSON" });
    }
    this.client?.show(this.tabs.now);
  }

  // Either the items or the preferences.
  choosing(wanted) {
    this.choices.node.hidden = !wanted;
    this.settings.setAttribute("aria-expanded", String(wanted));
    this.settings.textContent = wanted ? "Back to the inbox" : "Preferences";
    this.tabs.node.hidden = wanted || this.tabs.given.length === 0;
    this.shelf.hidden = wanted;
    if (wanted) this.choices.load();
  }

  // The inbox stands where the element is, or in a panel that a bell opens.
  frame() {
    const bell = this.getAttribute("mode") === "bell";
    if (bell === (this.bell !== null)) return;
    this.bell?.follow(false);
    this.bell = bell ? new Bell(this.content, (open) => this.turned(open)) : null;
    this.shadowRoot.replaceChildren(...(bell ? this.bell.nodes : this.content), this.news);
    this.bell?.count(this.counts);
    this.equip("mode");
  }

  turned(open) {
    this.toggleAttribute("open", open);
    this.tell(open ? "opened" : "closed", {});
    if (open && this.client !== null) this.report(this.items);
  }

  connectedCallback() {
    this.frame();
    this.equip("tabs");
    this.open = this.hasAttribute("open");
    // Whoever made the element says in the same turn where its token comes from.
    queueMicrotask(() => this.isConnected && this.client === null && this.begin());
  }

  disconnectedCallback() {
    clearTimeout(this.seeing);
    this.bell?.follow(false);
    this.client?.stop();
    this.client = null;
  }

  begin() {
    this.client = new InboxClient({
      server: this.getAttribute("server") ?? HERE,
      token: async (fresh) => this.getToken?.(fresh) ?? this.getAttribute("token") ?? "",
      patience_ms: 1_000 * Number(this.getAttribute("patience") ?? PATIENCE_S),
    });
    const on = (name, told) => this.client.addEventListener(name, told);
    on("change", () => this.draw());
    on("connection", () => this.draw());
    on("item", ({ detail }) => this.arrived(detail));
    on("refused", ({ detail }) => {
      this.problem.textContent = detail.message;
      this.tell("error", { message: detail.message });
    });
    this.client.view = this.tabs.now;
    this.client.start();
  }

  arrived(item) {
    this.news.textContent = `New: ${item.title}`;
    this.tell("item", { item });
    // What the tab does not show has arrived all the same.
    const elsewhere = this.items.every((each) => each.id !== item.id);
    if (elsewhere && !this.hasAttribute("quiet")) this.client.change("received", item.id);
  }

  draw() {
    const { items, counts, connection, next } = this.client;
    if (connection === "live") this.problem.textContent = "";
    const more = counts.more ? "+" : "";
    const words = [`${counts.unread}${more} unread`, CONNECTION[connection]].filter(Boolean).join(" · ");
    if (this.state.textContent !== words) this.state.textContent = words;
    this.state.dataset.connection = connection;
    this.bell?.count(counts);
    this.all.hidden = counts.unread === 0;
    this.older.hidden = next === null;
    this.fill(items);
    this.tell("change", { counts, connection });
    this.report(items);
  }

  // Rows that have not changed stay, and with them what has the focus.
  fill(items) {
    const focused = this.shadowRoot.activeElement;
    const at = [...this.rows.values()].findIndex(({ node }) => node.contains(focused));
    const what = focused?.dataset.what;
    const rows = new Map(items.map((item) => [item.id, this.row(item)]));
    const nodes = [...rows.values()].map(({ node }) => node);
    if (nodes.length === 0) nodes.push(this.none);
    this.rows = rows;
    const shown = [...this.list.children];
    // Taking a row out and putting it back would lose the focus, and a press that is under way.
    if (nodes.length === shown.length && nodes.every((node, n) => node === shown[n])) return;
    this.list.replaceChildren(...nodes);
    if (at < 0) return;
    const row = focused.isConnected ? focused : nodes[Math.min(at, nodes.length - 1)];
    const again = row.querySelector?.(`[data-what="${what}"]`) ?? row.querySelector?.("button") ?? row;
    again.focus({ preventScroll: true });
  }

  row(item) {
    const said = JSON.stringify(item);
    const before = this.rows.get(item.id);
    return before?.said === said ? before : { said, node: this.item(item) };
  }

  item(item) {
    const read = item.read_at !== undefined;
    const does = (what, label) => button(label, () => this.client.change(what, item.id), {
      "data-what": what === "unread" ? "read" : what, "aria-label": `${label}: ${item.title}`,
    });
    return el("li", { class: read ? "item" : "item unread", part: read ? "item" : "item unread" },
      el("h3", { part: "title", dir: "auto" }, read ? null : el("span", { class: "unseen" }, "Unread: "),
        item.url === undefined ? item.title : this.link(item, item.url, item.title)),
      el("p", { part: "body", dir: "auto" }, item.body),
      el("p", { class: "soft", part: "time" }, moment(item.created_at)),
      el("div", { class: "row" },
        (item.actions ?? []).map((each) => this.link(item, each.url, each.label)),
        read ? does("unread", "Mark unread") : does("read", "Mark read"),
        item.acknowledged_at === undefined ? does("acknowledge", "Acknowledge")
          : el("span", { class: "soft" }, "Acknowledged"),
        item.archived_at === undefined ? does("archive", "Archive") : does("unarchive", "Restore")));
  }

  link(item, url, label) {
    const to = web(url, this.getAttribute("server") ?? HERE);
    if (to === null) return el("span", {}, label);
    return el("a", { href: to, target: "_blank", rel: "noopener", click: (event) => {
      if (!this.tell("open", { item, url: to })) event.preventDefault();
      if (item.read_at === undefined) this.client.change("read", item.id);
    } }, label);
  }

  // What has arrived, and what she has had before her for a moment.
  report(items) {
    clearTimeout(this.seeing);
    if (this.hasAttribute("quiet") || this.client.connection !== "live") return;
    const missing = (name) => items.filter((each) => each[name] === undefined).map((each) => each.id);
    this.client.change("received", ...missing("received_at"));
    this.seeing = setTimeout(() => {
      const shown = document.visibilityState === "visible" && this.list.checkVisibility();
      if (shown && this.client?.connection === "live") this.client.change("seen", ...missing("seen_at"));
    }, SEEN_AFTER_MS);
  }

  // Returns whether nobody has prevented what usually follows.
  tell(name, detail) {
    const told = { detail, bubbles: true, composed: true, cancelable: name === "open" };
    return this.dispatchEvent(new CustomEvent(`tocsin:${name}`, told));
  }
}

function web(url, server) {
  try {
    const found = new URL(url, server);
    return ["http:", "https:", "mailto:"].includes(found.protocol) ? found.href : null;
  } catch {
    return null;
  }
}

function moment(iso) {
  const at = new Date(iso);
  const day = at.toDateString() === new Date().toDateString() ? {} : { day: "numeric", month: "short" };
  const shown = at.toLocaleString(undefined, { ...day, hour: "2-digit", minute: "2-digit" });
  return el("time", { datetime: iso, title: at.toLocaleString() }, shown);
}

if (customElements.get("tocsin-inbox") === undefined) customElements.define("tocsin-inbox", TocsinInbox);

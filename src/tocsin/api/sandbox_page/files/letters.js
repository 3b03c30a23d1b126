// The list of letters: read and unread, and one, some or a range of them chosen.

import { Shown } from "./desk.js";
import { button, byId, el, empty, moment } from "./dom.js";

export class Letters {
  // *read* opens a letter.
  constructor(desk, read) {
    this.desk = desk;
    this.read = read;
    this.shown = new Shown(desk);
    this.rows = new Map();
    this.anchor = null;
    this.stretching = false;
    empty(byId("letters"), "No letters.");
    const all = byId("letters-all");
    all.addEventListener("change", () => this.choose(this.listed(), all.checked));
    const bar = byId("letters-bar");
    const does = (label, what) => bar.append(button(label, () => {
      what(this.chosen());
      this.count();
    }, { class: "small" }));
    does("Mark read", (messages) => desk.mark("read", messages, true));
    does("Mark unread", (messages) => desk.mark("read", messages, false));
    does("Pin", (messages) => desk.mark("pinned", messages, true));
    does("Clear", (messages) => {
      this.choose(messages, false);
      desk.clear(messages);
      byId("letters-all").focus();
    });
    byId("letters").addEventListener("keydown", (event) => this.key(event));
  }

  add(message) {
    const subject = message.content.subject || "(no subject)";
    const box = el("input", { type: "checkbox", "aria-label": `Choose: ${subject}` });
    const open = el("button", { type: "button", class: "letter", "data-step": true },
      el("b", { dir: "auto" }, subject),
      el("span", { class: "soft" }, message.to),
      el("span", { class: "from soft" }, message.provider, " ", moment(message.received_at)),
      message.taken ? null : el("span", { class: "bad" }, `Refused: ${message.answer || "no answer"}`),
      el("span", { class: "unseen new" }, "Unread"));
    const row = { message, box, open, node: el("li", {}, box, open) };
    this.rows.set(message.id, row);
    open.addEventListener("click", (event) => this.press(row, event));
    box.addEventListener("click", (event) => {
      if (event.shiftKey) this.range(row);
      else this.choose([message], box.checked);
      if (!event.shiftKey) this.anchor = message;
    });
    this.shown.add(message, row.node, byId("letters"));
    this.mark(row);
    this.count();
  }

  filter() {
    this.shown.filter();
    for (const [id, row] of this.rows) {
      if (!row.node.isConnected) this.rows.delete(id);
      if (row.node.hidden) row.box.checked = false;
      this.mark(row);
    }
    this.count();
  }

  mark({ message, open }) {
    const unread = !this.desk.kept.read.has(message);
    open.classList.toggle("unread", unread);
    open.querySelector(".new").hidden = !unread;
  }

  current(message) {
    for (const { message: each, open } of this.rows.values()) {
      if (each === message) open.setAttribute("aria-current", "true");
      else open.removeAttribute("aria-current");
    }
  }

  get unread() {
    return this.shown.entries.filter(({ message }) => (
      !this.desk.kept.read.has(message) && !this.desk.kept.cleared.has(message))).length;
  }

  // Newest first, as they are listed.
  listed() {
    return this.shown.messages.reverse();
  }

  chosen() {
    return this.listed().filter(({ id }) => this.rows.get(id).box.checked);
  }

  choose(messages, on) {
    for (const { id } of messages) this.rows.get(id).box.checked = on;
    this.count();
  }

  // Everything between what was pressed last and *row*, and nothing else.
  range({ message }) {
    const all = this.listed();
    const from = Math.max(all.indexOf(this.anchor), 0);
    const to = all.indexOf(message);
    this.choose(all, false);
    this.choose(all.slice(Math.min(from, to), Math.max(from, to) + 1), true);
  }

  press(row, event) {
    if (event.shiftKey) return this.range(row);
    this.anchor = row.message;
    if (event.ctrlKey || event.metaKey) return this.choose([row.message], !row.box.checked);
    return this.read(row.message);
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const goes_on = this.stretching && event.shiftKey;
    if (event.key !== "Shift") this.stretching = step !== undefined && event.shiftKey;
    if (event.key === "Escape") this.choose(this.listed(), false);
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = this.listed();
    const at = all.findIndex(({ id }) => this.rows.get(id).node.contains(event.target));
    const next = all[at + step];
    event.preventDefault();
    if (next === undefined) return;
    const row = this.rows.get(next.id);
    if (!goes_on) this.anchor = event.shiftKey ? all[at] : next;
    (event.target.matches("input") ? row.box : row.open).focus();
    if (event.shiftKey) this.range(row);
  }

  count() {
    const chosen = this.chosen().length;
    const all = this.shown.count;
    byId("letters-head").hidden = all === 0;
    byId("letters-bar").hidden = chosen === 0;
    byId("letters-all").checked = chosen > 0 && chosen === all;
    byId("letters-all").indeterminate = chosen > 0 && chosen < all;
    const words = chosen === 0 ? "" : `${chosen} of ${all} chosen`;
    if (byId("letters-said").textContent !== words) byId("letters-said").textContent = words;
  }
}

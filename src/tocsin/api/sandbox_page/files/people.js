// Everybody who was sent something; choosing one leaves only what is hers.

import { personOf } from "./desk.js";
import { button, byId, el } from "./dom.js";

const LISTED = 200;

export class People {
  constructor(desk) {
    this.desk = desk;
    this.known = new Map();
    this.all = this.entry("Everybody", null);
    byId("people").append(this.all.node);
    this.mark();
  }

  add(message) {
    const found = this.entryOf(personOf(message));
    this.forget();
    found.recipient ||= message.recipient;
    found.addresses.add(message.to);
    for (const each of [found, this.all]) {
      each.ids.add(message.id);
      this.count(each);
    }
    found.under.textContent = found.recipient === null ? "" : [...found.addresses]
      .map((address) => (address.length > 26 ? `${address.slice(0, 25)}…` : address)).slice(0, 4)
      .join("\n");
  }

  count(entry) {
    const { cleared } = this.desk.kept;
    const gone = cleared.size === 0 ? 0 : [...entry.ids].filter((id) => cleared.has({ id })).length;
    entry.shown.textContent = entry.ids.size - gone;
    // Who has got something, all of which was cleared, is cleared with it.
    const bare = entry.ids.size > 0 && entry.ids.size === gone;
    entry.node.hidden = bare && entry.id !== null && entry.id !== this.desk.person;
  }

  recount() {
    for (const each of [this.all, ...this.known.values()]) this.count(each);
  }

  entryOf(id) {
    let found = this.known.get(id);
    if (found === undefined) {
      found = this.entry(id, id);
      this.known.set(id, found);
      byId("people").append(found.node);
    }
    return found;
  }

  // Lists a recipient to whom nothing has come yet; answers who it is.
  meet(recipient) {
    this.entryOf(recipient).recipient = recipient;
    return recipient;
  }

  choose(id) {
    this.desk.choose(id);
    this.mark();
  }

  // Of very many the last to come are listed; the others are still among everybody.
  forget() {
    for (const [id, { node }] of this.known) {
      if (this.known.size <= LISTED) return;
      if (id === this.desk.person) continue;
      this.known.delete(id);
      node.remove();
    }
  }

  recipient(id) {
    return this.known.get(id)?.recipient ?? null;
  }

  entry(label, id) {
    const shown = el("span", { class: "count" }, "0");
    const under = el("span", { class: "under soft" });
    const short = label.length > 60 ? `${label.slice(0, 59)}…` : label;
    const choose = button([el("span", { class: "name" }, short), shown, under], () => this.choose(id));
    return { node: el("li", {}, choose), choose, shown, under, id, ids: new Set(), recipient: null,
      addresses: new Set() };
  }

  mark() {
    for (const each of [this.all, ...this.known.values()]) {
      each.choose.setAttribute("aria-pressed", String(each.id === this.desk.person));
    }
  }
}

// What the parts of the page share: the vendors, whom one looks at, and who shows a message.

import { button, el } from "./dom.js";
import { Kept } from "./kept.js";

export const personOf = (message) => message.recipient ?? message.to;

export class Desk {
  constructor() {
    this.vendors = new Map();
    this.person = null;
    this.kept = new Kept();
    // Whose phone is offline, and until when.
    this.away = new Map();
    this.inspect = () => {};
    this.choose = () => {};
    // Told when something was read, pinned, cleared or brought back.
    this.changed = () => {};
  }

  actions(message) {
    return this.vendors.get(message.provider)?.actions ?? [];
  }

  isOf(message) {
    return this.person === null || personOf(message) === this.person;
  }

  looksAt(message) {
    return this.isOf(message) && !this.kept.cleared.has(message);
  }

  mark(what, messages, on) {
    this.kept[what].set(messages, on);
    this.changed(what);
  }

  // What is pinned stays.
  clear(messages) {
    const gone = messages.filter((each) => !this.kept.pinned.has(each));
    this.mark("cleared", gone, true);
    return gone;
  }

  inspectButton(message) {
    const label = `Inspect ${message.channel} to ${message.to}`.slice(0, 80);
    const made = button("Inspect", () => this.inspect(message, made), {
      class: "quiet small",
      "data-step": true,
      "aria-label": label,
    });
    return made;
  }
}

// A thread of which nothing is shown is not there either.
export function hideIfBare(section, list) {
  section.hidden = ![...list.children].some((each) => !each.hidden);
}

// By arrival; of what came in one millisecond, as the vendor counts.
const numberOf = ({ id }) => Number(id.slice(id.lastIndexOf("-") + 1));
const later = (one, other) => Date.parse(one.received_at) - Date.parse(other.received_at)
  || (one.provider === other.provider ? numberOf(one) - numberOf(other) : 0);

// Nodes of messages in their order, of which those of one person are shown.
export class Shown {
  constructor(desk, held = 300) {
    this.desk = desk;
    this.held = held;
    this.entries = [];
  }

  // Into *list*, which begins with the newest, or ends with it. Somebody's older ones may come later.
  add(message, node, list, newest_first = true) {
    let at = this.entries.length;
    while (at > 0 && later(this.entries[at - 1].message, message) > 0) at -= 1;
    const next = this.entries.slice(at).find((each) => each.node.parentNode === list)?.node;
    if (newest_first) next ? next.after(node) : list.prepend(node);
    else next ? next.before(node) : list.append(node);
    node.dataset.message = message.id;
    this.entries.splice(at, 0, { message, node });
    this.show({ message, node });
    if (this.entries.length > this.held) this.forget();
  }

  // Whom one looks at stays.
  forget() {
    const other = this.entries.findIndex(({ message }) => !this.desk.isOf(message));
    const [{ node }] = this.entries.splice(Math.max(other, 0), 1);
    node.remove();
  }

  show({ message, node }) {
    node.hidden = !this.desk.looksAt(message);
    const pinned = this.desk.kept.pinned.has(message);
    const mark = node.querySelector(".pinned");
    if (!pinned) mark?.remove();
    else if (mark === null) node.querySelector(".from").append(el("b", { class: "label pinned" }, "Pinned"));
  }

  filter() {
    for (const each of this.entries) this.show(each);
  }

  get messages() {
    return this.entries.filter(({ node }) => !node.hidden).map(({ message }) => message);
  }

  get count() {
    return this.messages.length;
  }

  replaced(message) {
    if (message.replaces === null) return;
    for (const { message: before, node } of this.entries) {
      const same = before.provider === message.provider && before.to === message.to;
      if (same && before.reference === message.replaces) node.classList.add("replaced");
    }
  }
}

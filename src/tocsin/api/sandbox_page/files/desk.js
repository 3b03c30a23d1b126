// What the parts of the page share: the vendors, whom one looks at, and who shows a message.

import { button } from "./dom.js";

export const personOf = (message) => message.recipient ?? message.to;

export class Desk {
  constructor() {
    this.vendors = new Map();
    this.person = null;
    this.inspect = () => {};
    this.choose = () => {};
  }

  actions(message) {
    return this.vendors.get(message.provider)?.actions ?? [];
  }

  looksAt(message) {
    return this.person === null || personOf(message) === this.person;
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

// Nodes of messages in their order, of which those of one person are shown.
export class Shown {
  constructor(desk, held = 300) {
    this.desk = desk;
    this.held = held;
    this.entries = [];
  }

  add(message, node) {
    node.hidden = !this.desk.looksAt(message);
    node.dataset.message = message.id;
    this.entries.push({ message, node });
    if (this.entries.length > this.held) this.entries.shift().node.remove();
  }

  filter() {
    for (const { message, node } of this.entries) node.hidden = !this.desk.looksAt(message);
  }

  get count() {
    return this.entries.filter(({ node }) => !node.hidden).length;
  }

  replaced(message) {
    if (message.replaces === null) return;
    for (const { message: before, node } of this.entries) {
      const same = before.provider === message.provider && before.to === message.to;
      if (same && before.reference === message.replaces) node.classList.add("replaced");
    }
  }
}

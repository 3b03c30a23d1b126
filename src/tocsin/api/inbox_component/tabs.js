// The tabs above the list, each with what it shows, as tabs are operated by keys everywhere.

import { button, el } from "./dom.js";

const USUAL = [
  { label: "All" }, { label: "Unread", status: "unread" }, { label: "Archived", status: "archived" },
];
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

export class Tabs {
  // *panel* is what they change; *chosen* hears what is to be shown there.
  constructor(panel, chosen) {
    this.panel = panel;
    this.chosen = chosen;
    this.at = 0;
    this.given = [];
    this.node = el("div", {
      class: "tabs", part: "tabs", role: "tablist", "aria-label": "Which items",
      keydown: (event) => this.key(event),
    });
  }

  // *text* is a list as JSON, null for the usual ones; throws where it is none.
  offer(text) {
    this.given = text === null ? USUAL : JSON.parse(text);
    this.at = 0;
    this.node.hidden = this.given.length === 0;
    this.node.replaceChildren(...this.given.map(({ label }, n) => button(label, () => this.choose(n), {
      role: "tab", part: "tab", id: `tab-${n}`, "aria-controls": this.panel.id,
    })));
    for (const [name, value] of [["role", "tabpanel"], ["aria-labelledby", "tab-0"]]) {
      if (this.node.hidden) this.panel.removeAttribute(name);
      else this.panel.setAttribute(name, value);
    }
    this.mark();
  }

  get now() {
    const { status = null, category = null } = this.given[this.at] ?? {};
    return { status, category };
  }

  choose(n) {
    if (n === this.at) return;
    this.at = n;
    this.panel.setAttribute("aria-labelledby", `tab-${n}`);
    this.mark();
    this.chosen(this.now);
  }

  mark() {
    for (const [n, tab] of [...this.node.children].entries()) {
      tab.setAttribute("aria-selected", String(n === this.at));
      tab.tabIndex = n === this.at ? 0 : -1;
    }
  }

  key(event) {
    const { length } = this.given;
    const way = getComputedStyle(this.node).direction === "rtl" ? -1 : 1;
    const to = event.key === "Home" ? 0 : event.key === "End" ? length - 1
      : event.key in STEPS ? (this.at + way * STEPS[event.key] + length) % length : null;
    if (to === null) return;
    event.preventDefault();
    this.choose(to);
    this.node.children[to].focus();
  }
}

// A window for each chat, with the buttons that its messages have.

import { act } from "./api.js";
import { hideIfBare, Shown } from "./desk.js";
import { button, byId, doing, el, empty, moment } from "./dom.js";
import { refusedLine } from "./phone.js";

export class Chat {
  constructor(desk) {
    this.desk = desk;
    this.shown = new Shown(desk);
    this.windows = new Map();
    empty(byId("windows"), "Nothing was said.");
  }

  takes(message) {
    return message.channel === "chat";
  }

  filter() {
    this.shown.filter();
    for (const { section, list } of this.windows.values()) {
      hideIfBare(section, list);
      list.scrollTop = list.scrollHeight;
    }
  }

  add(message) {
    this.shown.replaced(message);
    const { title, text, image, buttons, links } = message.content;
    const said = el("output", { class: "said" });
    const pressed = (label) => {
      const made = button(label, () => doing(made, said, async () => {
        await act(message, "press", label);
        return `Pressed: ${label}.`;
      }), { class: "small" });
      return made;
    };
    const labels = buttons ? buttons.split(" | ") : [];
    const node = el("li", {},
      el("p", { class: "from" }, el("b", {}, message.recipient === null ? "Message"
        : `For ${message.recipient}`), moment(message.received_at),
        message.supersedes === null ? null : el("span", { class: "soft" }, "edited"),
        this.desk.inspectButton(message)),
      refusedLine(message),
      title ? el("h4", { dir: "auto" }, title) : null,
      el("p", { dir: "auto" }, text ?? ""),
      image ? el("p", { class: "soft" }, `Picture: ${image}`) : null,
      links ? el("p", { class: "soft links" }, links) : null,
      labels.length === 0 ? null : el("div", { class: "row" }, labels.map(pressed)), said);
    const window = this.window(message);
    this.shown.add(message, node, window.list, false);
    window.list.scrollTop = window.list.scrollHeight;
    byId("windows").prepend(window.section);
    hideIfBare(window.section, window.list);
  }

  window(message) {
    const id = `${message.provider} ${message.to}`;
    const known = this.windows.get(id);
    if (known !== undefined) return known;
    const list = el("ol", { class: "said-list" });
    const made = { list, section: el("section", { class: "window" },
      el("h3", {}, el("span", { class: "label" }, message.provider), " ",
        shortened(message.to)), list) };
    this.windows.set(id, made);
    return made;
  }
}

const shortened = (text) => (text.length > 44 ? `${text.slice(0, 43)}…` : text);

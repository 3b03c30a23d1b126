// Webhooks, as their receivers got them.

import { Shown } from "./desk.js";
import { byId, el, empty, moment } from "./dom.js";

export class Hooks {
  constructor(desk) {
    this.desk = desk;
    this.shown = new Shown(desk);
    empty(byId("hooks"), "No webhooks.");
  }

  takes(message) {
    return message.channel === "webhook";
  }

  filter() {
    this.shown.filter();
  }

  add(message) {
    const { title, body, text, signature } = message.content;
    const node = el("li", { class: "hook" },
      el("p", { class: "from" },
        el("b", { class: message.taken ? "status ok" : "status bad" }, message.answer || "no answer"),
        el("code", {}, message.to), moment(message.received_at), this.desk.inspectButton(message)),
      el("p", { dir: "auto" }, title || body || text || ""),
      el("p", { class: "soft" }, `Signature: ${signature ?? "none"}`));
    this.shown.add(message, node, byId("hooks"));
  }
}

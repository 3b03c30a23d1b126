// The inbox of the recipient chosen: the element that customers put on their pages, with a token of hers.

import "/inbox/v1/tocsin-inbox.js";
import { tokenOf } from "./api.js";
import { byId, el } from "./dom.js";

const PATIENCE_S = 3;

export class Inbox {
  constructor(desk) {
    this.desk = desk;
    this.whose = null;
    byId("inbox-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.of(byId("whose").value.trim() || null);
    });
    this.say();
  }

  of(recipient) {
    if (recipient === this.whose) return;
    this.whose = recipient;
    byId("whose").value = recipient ?? "";
    byId("count-inbox").textContent = "";
    this.draw();
  }

  draw() {
    this.say();
    const shown = this.whose !== null && !this.desk.away.has(this.whose);
    byId("inbox-shown").replaceChildren(...(shown ? [this.element(this.whose)] : []));
  }

  // Without the element there is no connection; with it comes what was missed.
  reached(recipient) {
    if (recipient === this.whose) this.draw();
  }

  say(words) {
    byId("inbox-said").textContent = words
      ?? (this.whose === null ? "Choose a person, or name a recipient."
        : this.desk.away.has(this.whose) ? "Offline." : "");
  }

  // Quiet: that somebody looks at this page does not mean that she has got or seen anything.
  element(recipient) {
    const shown = el("tocsin-inbox", { quiet: true, preferences: true, patience: PATIENCE_S });
    shown.getToken = (anew) => tokenOf(recipient, anew);
    shown.addEventListener("tocsin:change", ({ detail }) => {
      if (this.whose === recipient) byId("count-inbox").textContent = detail.counts.unread || "";
    });
    shown.addEventListener("tocsin:open", (event) => {
      event.preventDefault();
      this.say(`That leads to ${event.detail.url}`);
    });
    return shown;
  }
}

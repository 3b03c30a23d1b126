// Finds anybody, also whom the page has not seen: by the beginning of an id, or by an address.

import { call } from "./api.js";
import { button, byId, doing, el } from "./dom.js";

const FOUND_AT_MOST = 20;

export class Finding {
  // *chosen* is told whom.
  constructor(chosen) {
    this.chosen = chosen;
    this.words = "";
    const form = byId("find");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.words = byId("find-who").value.trim();
      doing(form.querySelector("button"), byId("find-said"), () => this.newest());
    });
  }

  // Whoever asks again before the answer is here means what was said last.
  async newest() {
    for (;;) {
      const { words } = this;
      const said = await this.find(words);
      if (words === this.words) return said;
    }
  }

  async find(words) {
    if (words === "") return this.show([]);
    const begins = new URLSearchParams({ prefix: words, limit: FOUND_AT_MOST });
    const sent = new URLSearchParams({ to: words, limit: FOUND_AT_MOST });
    const [{ items, next }, { messages }] = await Promise.all([
      call("GET", `/v1/recipients?${begins}`), call("GET", `/v1/sandbox/messages?${sent}`)]);
    const all = [...items, ...messages].map((each) => each.recipient ?? each.id);
    const found = [...new Set(messages.length > 0 || items.length > 0 ? all : [])];
    this.show(found);
    if (found.length === 0) return `Nobody's id begins so, and nothing was sent to such an address: ${words}`;
    return next === undefined ? `${found.length} found` : `The first ${found.length}; say more of the id`;
  }

  show(found) {
    byId("found").replaceChildren(...found.map((id) => el("li", {},
      button(id, () => this.chosen(id), { class: "small" }))));
  }
}

// Tells a screen reader what came, in one sentence at a time.

import { byId } from "./dom.js";

const EACH_MS = 5_000;

export class News {
  constructor() {
    this.waiting = [];
    this.timer = null;
  }

  tell(messages) {
    this.waiting.push(...messages);
    if (this.waiting.length === 0 || this.timer !== null) return;
    this.say();
    this.timer = setTimeout(() => {
      this.timer = null;
      this.tell([]);
    }, EACH_MS);
  }

  say() {
    const [first] = this.waiting;
    byId("news").textContent = this.waiting.length === 1
      ? `New: ${first.channel} to ${first.recipient ?? first.to}` : `${this.waiting.length} new messages`;
    this.waiting = [];
  }
}

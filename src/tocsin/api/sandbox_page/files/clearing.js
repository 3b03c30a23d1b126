// Empties what the page shows, and brings it back; nothing of it is lost on the server.

import { byId } from "./dom.js";

export class Clearing {
  // *shown* answers what is shown now.
  constructor(desk, shown) {
    this.desk = desk;
    byId("clear").addEventListener("click", () => {
      const all = shown();
      const gone = desk.clear(all).length;
      const kept = all.length - gone;
      this.say(`Cleared ${gone}${kept > 0 ? `, and ${kept} pinned stay` : ""}.`);
    });
    byId("clear-undo").addEventListener("click", () => {
      const ids = [...desk.kept.cleared.ids].map((id) => ({ id }));
      desk.mark("cleared", ids, false);
      this.say("They are shown again.");
      byId("clear").focus();
    });
    this.show();
  }

  say(words) {
    byId("cleared").textContent = words;
  }

  show() {
    const { size } = this.desk.kept.cleared;
    byId("clear-undo").hidden = size === 0;
    byId("clear-undo").textContent = `Show the ${size} cleared`;
  }
}

// What the story does on the page: it looks at people, opens letters and presses buttons as a visitor would.

import { act } from "./api.js";
import { byId } from "./dom.js";

export class Stage {
  constructor(page, soon) {
    this.page = page;
    this.look = soon;
  }

  choose(recipient) {
    this.page.people.choose(this.page.people.meet(recipient));
  }

  // What was asked for may not have been drawn yet.
  async open(message) {
    if (message === undefined) return;
    await this.page.messages();
    await this.page.panes.mail.open(message);
  }

  async press(message, label) {
    if (message === undefined) return;
    await this.page.messages();
    const button = [...nodeOf(message)?.querySelectorAll("button") ?? []].find(
      (each) => each.textContent === label && each.checkVisibility());
    if (button) button.click();
    else await act(message, "press", label.slice(-1));
  }

  turned(provider, faults) {
    this.page.dials.say(provider, faults);
  }

  // Frames the part that the step is about, and brings it into view.
  spot(part, smoothly) {
    document.querySelector(".spot")?.classList.remove("spot");
    if (part === undefined) return;
    const shown = byId(part);
    shown.classList.add("spot");
    shown.scrollIntoView({ behavior: smoothly ? "smooth" : "instant" });
  }
}

const nodeOf = (message) => document.querySelector(`[data-message="${CSS.escape(message.id)}"]`);

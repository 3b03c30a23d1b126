// Tells the story of story.js: by itself, or a step at a time for who likes nothing to move.

import { byId } from "./dom.js";
import { Cast, STORY } from "./story.js";

const READ_MS = 2_500;
const LETTER_MS = 45;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const PROMISE = "A story of two minutes: what a shop tells a customer, and an alarm that somebody must hear.";

export class Demo {
  constructor(stage) {
    this.stage = stage;
    this.cast = null;
    this.at = 0;
    this.plays = false;
    this.under_way = false;
    this.timer = null;
    byId("demo-play").addEventListener("click", () => this.toggle());
    byId("demo-next").addEventListener("click", () => this.next());
    byId("demo-close").addEventListener("click", () => this.close());
    byId("demo-open").addEventListener("click", () => {
      this.offer(true);
      byId("demo-play").focus();
    });
    addEventListener("pagehide", () => this.cast?.leave().catch(() => {}));
    // What is scrolled to must not lie below it.
    new ResizeObserver(([{ target }]) => {
      document.documentElement.style.setProperty("--above", `${target.offsetHeight}px`);
    }).observe(byId("demo"));
  }

  // Asks first where there is something already: the story moves the clock, which never goes back.
  offer(ask) {
    byId("demo").hidden = false;
    if (this.cast !== null) return;
    byId("demo-bar").max = STORY.length;
    this.say(0, ask ? `${PROMISE} It sends to two people of its own, and moves the sandbox's clock on by hours.`
      : PROMISE);
    if (!ask && !CALM.matches) this.toggle();
  }

  toggle() {
    this.plays = !this.plays;
    if (this.plays) this.begin();
    else clearTimeout(this.timer);
    if (this.plays && !this.under_way) this.step();
    this.controls();
  }

  next() {
    if (byId("demo-next").getAttribute("aria-disabled") === "true") return;
    clearTimeout(this.timer);
    this.begin();
    this.step();
  }

  begin() {
    if (this.cast !== null) return;
    this.cast = new Cast(this.stage);
    this.at = 0;
  }

  async step() {
    const { cast } = this;
    const { says, part, does } = STORY[this.at];
    this.at += 1;
    this.under_way = true;
    this.controls();
    this.say(this.at, says);
    this.stage.spot(part, !CALM.matches);
    try {
      const more = await does(cast);
      if (cast.over) return;
      this.under_way = false;
      const words = more ? `${says} “${more}”` : says;
      this.say(this.at, words);
      this.stage.spot(part, !CALM.matches);
      await this.stage.look();
      if (this.at === STORY.length) this.end();
      else if (this.plays) this.timer = setTimeout(() => this.step(), READ_MS + LETTER_MS * words.length);
    } catch (error) {
      if (!cast.over) this.end(`The story ends here: ${error.message}`);
    } finally {
      this.controls();
    }
  }

  end(why) {
    clearTimeout(this.timer);
    const { cast } = this;
    this.cast = null;
    this.plays = this.under_way = false;
    if (why !== undefined) this.say(this.at, why);
    this.stage.spot(undefined);
    this.controls();
    forget();
    return cast?.leave().catch(() => {});
  }

  close() {
    this.end();
    byId("demo").hidden = true;
    byId("demo-open").focus();
  }

  say(at, words) {
    byId("demo-bar").value = at;
    byId("demo-at").textContent = at === 0 ? "" : `Step ${at} of ${STORY.length}`;
    if (byId("demo-says").textContent !== words) byId("demo-says").textContent = words;
  }

  controls() {
    const ended = this.cast === null && this.at > 0;
    byId("demo-play").textContent = this.plays ? "Pause" : ended ? "Play again" : "Play";
    // Not disabled, which would take the focus from it.
    byId("demo-next").setAttribute("aria-disabled", String(this.under_way || ended));
  }
}

export const demoWanted = () => new URLSearchParams(location.search).get("demo") === "1";

// Whoever loads the page once more has seen it.
function forget() {
  const query = new URLSearchParams(location.search);
  query.delete("demo");
  const rest = query.toString();
  history.replaceState(null, "", location.pathname + (rest && `?${rest}`) + location.hash);
}

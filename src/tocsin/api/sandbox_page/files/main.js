// Opens the page with a key, and keeps it up to date while somebody looks.

import { dropKey, keepKey, key, keyFromAddress } from "./api.js";
import { demoWanted } from "./demo.js";
import { byId } from "./dom.js";
import { keys } from "./keys.js";
import { Page } from "./page.js";
import { theme } from "./theme.js";

const EACH_MS = 1_000;
const AGAIN_MS = 3_000;

class Watch {
  constructor() {
    this.page = null;
    this.timer = null;
    this.under_way = false;
    this.gone_at = null;
    this.begun = false;
    document.addEventListener("visibilitychange", () => this.soon(0));
  }

  soon(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.turn(), ms);
  }

  async turn() {
    if (this.under_way || this.page === null || document.visibilityState !== "visible") return;
    this.under_way = true;
    try {
      await this.page.turn();
      if (!this.begun) await this.begin();
      say(this.page.left_out ? "Live; some older ones are left out" : "Live", true);
      this.gone_at = null;
      this.soon(EACH_MS);
    } catch (error) {
      if (error.status === 401 || error.status === 403) lock(error.message);
      else {
        this.gone_at ??= new Date();
        const at = this.gone_at.toLocaleTimeString();
        say(`No answer from the server since ${at}; asking again`, false);
        this.soon(AGAIN_MS);
      }
    } finally {
      this.under_way = false;
    }
  }

  async begin() {
    this.begun = true;
    await this.page.arrive();
    if (demoWanted()) this.page.demo.offer(this.page.seen.size > 0);
  }
}

const watch = new Watch();

function say(words, good) {
  const live = byId("live");
  if (live.textContent !== words) live.textContent = words;
  live.classList.toggle("bad", !good);
}

function shut(locked) {
  byId("unlock").hidden = !locked;
  for (const id of ["frame", "clock", "skip", "demo-open"]) byId(id).hidden = locked;
}

function lock(why) {
  dropKey();
  shut(true);
  byId("key-said").textContent = why;
  say("", true);
  byId("key").focus();
}

function unlock() {
  shut(false);
  watch.page ??= new Page(() => watch.soon(0));
  watch.soon(0);
}

function open() {
  keyFromAddress();
  if (key() === null) lock("");
  else unlock();
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = byId("key").value.trim();
  byId("key").value = "";
  // A header takes nothing else.
  if (!/^[!-~]+$/.test(given)) {
    byId("key-said").textContent = "That is no key.";
    return;
  }
  keepKey(given);
  unlock();
});
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#key=")) open();
  else if (/^#(person|message)=/.test(location.hash)) watch.page?.arrive();
});
theme(byId("theme"));
keys();
open();

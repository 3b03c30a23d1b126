// The mailbox: letters, each as HTML in a frame without rights, as text, headers and source.

import { call } from "./api.js";
import { actionBar } from "./acting.js";
import { byId, el } from "./dom.js";
import { download } from "./keeping.js";
import { Letters } from "./letters.js";

export class Mail {
  constructor(desk) {
    this.desk = desk;
    this.letters = new Letters(desk, (message) => this.read(message));
    this.shown = this.letters.shown;
    this.opened = null;
  }

  takes(message) {
    return message.channel === "email";
  }

  filter() {
    this.letters.filter();
    if (this.opened !== null && !this.desk.looksAt(this.opened)) this.close();
  }

  close() {
    this.opened = null;
    this.letters.current(null);
    byId("letter").hidden = true;
    byId("letter").replaceChildren();
  }

  add(message) {
    this.letters.add(message);
  }

  async read(message) {
    if (!await this.open(message)) return;
    byId("letter").querySelector("h3").focus({ preventScroll: true });
    if (byId("letter").getBoundingClientRect().top > innerHeight - 120) byId("letter").scrollIntoView();
  }

  // Answers whether it is shown.
  async open(message) {
    this.opened = message;
    this.letters.current(message);
    this.desk.mark("read", [message], true);
    const bodies = await parts(message);
    // Another one was opened meanwhile, or another person chosen.
    if (this.opened !== message) return false;
    const article = byId("letter");
    const heading = el("h3", { dir: "auto", tabindex: -1 }, message.content.subject || "(no subject)");
    article.replaceChildren(heading,
      el("p", { class: "from soft" }, `to ${message.to} by ${message.provider} `,
        this.desk.inspectButton(message), download(message)),
      tabs(bodies), actionBar(this.desk, message));
    article.hidden = false;
    return true;
  }
}

async function parts(message) {
  const { text, html } = message.content;
  const [head] = message.raw.split(/\r?\n\r?\n/, 1);
  const found = [];
  if (html) {
    // Its address ends after some minutes, so it is asked for when the letter is opened.
    const fresh = await call("GET", `/v1/sandbox/messages/${encodeURIComponent(message.id)}`);
    found.push(["HTML", el("div", {},
      el("iframe", { src: fresh.html_url, sandbox: "", title: "The letter as HTML",
        referrerpolicy: "no-referrer" }),
      el("p", { class: "soft" }, "Links do nothing here, and pictures from elsewhere are not loaded."))]);
  }
  found.push(["Text", pre(text ?? "(it has no text)", "The letter as text")]);
  found.push(["Headers", pre(head, "The headers")]);
  found.push(["Source", pre(message.raw, "The source")]);
  return found;
}

export function pre(text, label) {
  return el("pre", { tabindex: 0, role: "region", "aria-label": label }, text);
}

function tabs(parts) {
  const list = el("div", { role: "tablist", "aria-label": "The letter" });
  const panels = el("div");
  const all = parts.map(([label, body], n) => {
    const tab = el("button", { type: "button", role: "tab", id: `tab-${n}`,
      "aria-controls": `panel-${n}` }, label);
    const panel = el("div", { role: "tabpanel", id: `panel-${n}`, "aria-labelledby": `tab-${n}` }, body);
    return { tab, panel };
  });
  const choose = (n) => all.forEach(({ tab, panel }, each) => {
    tab.setAttribute("aria-selected", String(each === n));
    tab.tabIndex = each === n ? 0 : -1;
    panel.hidden = each !== n;
  });
  all.forEach(({ tab, panel }, n) => {
    tab.addEventListener("click", () => choose(n));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const next = (n + step + all.length) % all.length;
      choose(next);
      all[next].tab.focus();
    });
    list.append(tab);
    panels.append(panel);
  });
  choose(0);
  return el("div", {}, list, panels);
}

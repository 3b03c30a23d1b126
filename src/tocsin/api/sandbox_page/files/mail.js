// The mailbox: letters, each as HTML in a frame without rights, as text, headers and source.

import { call } from "./api.js";
import { actionBar } from "./acting.js";
import { Shown } from "./desk.js";
import { button, byId, el, empty, moment } from "./dom.js";

export class Mail {
  constructor(desk) {
    this.desk = desk;
    this.shown = new Shown(desk);
    this.opened = null;
    empty(byId("letters"), "No letters.");
  }

  takes(message) {
    return message.channel === "email";
  }

  filter() {
    this.shown.filter();
    if (this.opened !== null && !this.desk.looksAt(this.opened)) this.close();
  }

  close() {
    this.opened = null;
    this.unmark();
    byId("letter").hidden = true;
    byId("letter").replaceChildren();
  }

  unmark() {
    for (const { node } of this.shown.entries) node.firstChild.removeAttribute("aria-current");
  }

  add(message) {
    const open = el("button", { type: "button", class: "letter", "data-step": true, click: () => this.read(message, open) },
      el("b", { dir: "auto" }, message.content.subject || "(no subject)"),
      el("span", { class: "soft" }, message.to),
      el("span", { class: "from soft" }, message.provider, " ", moment(message.received_at)),
      message.taken ? null : el("span", { class: "bad" }, `Refused: ${message.answer || "no answer"}`));
    const node = el("li", {}, open);
    byId("letters").prepend(node);
    this.shown.add(message, node);
  }

  async read(message, opener) {
    if (!await this.open(message, opener)) return;
    byId("letter").querySelector("h3").focus({ preventScroll: true });
    if (byId("letter").getBoundingClientRect().top > innerHeight - 120) byId("letter").scrollIntoView();
  }

  // Answers whether it is shown.
  async open(message, opener) {
    this.unmark();
    this.opened = message;
    opener.setAttribute("aria-current", "true");
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

// Only what came by mail is a letter on the wire; services are handed the parts of one.
function download(message) {
  const whole = /^MIME-Version:/im.test(message.raw.split(/\r?\n\r?\n/, 1)[0]);
  const [kind, end] = whole ? ["message/rfc822", "eml"] : ["text/plain", "txt"];
  return button(`Download .${end}`, () => {
    const url = URL.createObjectURL(new Blob([message.raw], { type: kind }));
    el("a", { href: url, download: `${message.id}.${end}` }).click();
    URL.revokeObjectURL(url);
  }, { class: "quiet small" });
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

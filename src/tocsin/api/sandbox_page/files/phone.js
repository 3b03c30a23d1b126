// The phone: calls that ring, pushes on its lock screen, and threads of SMS.

import { act, callAs, deliveryOf } from "./api.js";
import { hideIfBare, Shown } from "./desk.js";
import { button, byId, doing, el, empty, moment } from "./dom.js";

const CALL_OVER = new Set(["delivered", "failed", "expired", "cancelled", "suppressed"]);

export class Phone {
  constructor(desk) {
    this.desk = desk;
    this.shown = new Shown(desk);
    this.threads = new Map();
    this.ringing = new Map();
    this.held = [];
    empty(byId("calls"), "No calls.");
    empty(byId("pushes"), "Nothing was pushed.");
    empty(byId("sms"), "No messages.");
  }

  takes(message) {
    return ["push", "sms", "voice"].includes(message.channel);
  }

  add(message) {
    if (this.desk.away.has(message.recipient)) return this.hold(message);
    this.shown.replaced(message);
    if (message.channel === "push") this.push(message);
    else if (message.channel === "sms") this.sms(message);
    else this.ring(message);
  }

  // A network keeps what it cannot hand over, and lets a call ring in vain.
  hold(message) {
    if (message.channel === "voice" && message.taken) act(message, "bounce").catch(() => {});
    this.held.push(message);
  }

  // She is there again: what waited comes, and the network says that it has.
  async back(recipient) {
    const come = this.held.filter((each) => each.recipient === recipient);
    this.held = this.held.filter((each) => each.recipient !== recipient);
    for (const message of come) {
      this.add(message);
      if (message.channel === "voice") this.ringing.get(message.reference)?.("Missed: the phone was offline");
    }
    const sms = come.filter((each) => each.channel === "sms" && each.taken);
    await Promise.allSettled(sms.map((each) => act(each, "deliver")));
  }

  filter() {
    this.shown.filter();
    for (const { section, list } of this.threads.values()) hideIfBare(section, list);
  }

  push(message) {
    const { title, body } = message.content;
    const said = el("output", { class: "said" });
    const tell = (label, what, done) => {
      const made = button(label, () => doing(made, said, async () => {
        await callAs(message.recipient, "POST", `/v1/deliveries/${message.reference}/${what}`);
        return done;
      }), { class: "small" });
      return made;
    };
    const told = message.recipient === null || !message.taken ? [] : [
      tell("Show", "received", "The app said that it was shown."),
      tell("Tap", "clicked", "The app said that it was tapped."),
      tell("Acknowledge", "acknowledged", "Acknowledged."),
    ];
    // No phone tells anybody of that.
    const away = button("Swipe away", () => {
      const next = [node.nextElementSibling, node.previousElementSibling].find((each) => each && !each.hidden);
      this.desk.mark("cleared", [message], true);
      (next?.querySelector("[data-step]") ?? byId("pushes-title")).focus();
    }, { class: "small" });
    const silent = title === undefined && body === undefined;
    const node = el("article", { class: "push" },
      el("p", { class: "from" }, el("b", { class: "label push-label" }, message.provider),
        el("span", { class: "to" }, personLine(message)), moment(message.received_at)),
      refusedLine(message),
      silent ? el("p", { class: "soft" }, "A silent push, which wakes the app.") : null,
      title === undefined ? null : el("h4", { dir: "auto" }, title),
      body === undefined ? null : el("p", { dir: "auto" }, body),
      el("div", { class: "row" }, told, away, this.desk.inspectButton(message)), said);
    this.shown.add(message, node, byId("pushes"));
  }

  sms(message) {
    const thread = this.thread(message);
    const node = el("li", { class: message.taken ? "bubble" : "bubble refused" },
      refusedLine(message),
      el("p", { dir: "auto" }, message.content.text ?? ""),
      el("p", { class: "from" }, moment(message.received_at),
        el("span", {}, `${message.content.segments ?? "?"} × ${message.content.encoding ?? ""}`),
        this.desk.inspectButton(message)));
    this.shown.add(message, node, thread.list, false);
    thread.list.scrollTop = thread.list.scrollHeight;
    const newer = thread.last === null || message.received_at >= thread.last.received_at;
    if (message.taken && newer) thread.last = message;
    hideIfBare(thread.section, thread.list);
    byId("sms").prepend(thread.section);
  }

  thread(message) {
    const id = `${message.provider} ${message.to}`;
    const known = this.threads.get(id);
    if (known !== undefined) return known;
    const list = el("ol", { class: "bubbles" });
    const field = `reply-${this.threads.size}`;
    const words = el("input", { id: field, maxlength: 1600, autocomplete: "off" });
    const said = el("output", { class: "said" });
    const send = el("button", { class: "small" }, "Reply");
    const made = { list, last: null };
    const form = el("form", { class: "row", submit: (event) => {
      event.preventDefault();
      const text = words.value.trim();
      if (text === "" || made.last === null) return;
      doing(send, said, async () => {
        const answer = await act(made.last, "reply", text);
        list.append(el("li", { class: "bubble own" }, el("p", { dir: "auto" }, text)));
        if (answer !== "") list.append(el("li", { class: "bubble" }, el("p", {}, answer)));
        list.scrollTop = list.scrollHeight;
        words.value = "";
      });
    } }, el("label", { class: "unseen", for: field }, `Reply from ${message.to}`), words, send, said);
    words.placeholder = "STOP";
    made.section = el("section", { class: "thread" },
      el("h4", {}, message.to, " ", el("span", { class: "soft" }, `by ${message.provider}`)),
      list, form);
    this.threads.set(id, made);
    return made;
  }

  ring(message) {
    const before = this.ringing.get(message.reference);
    if (before !== undefined) before("It rang again, see above.");
    const said = el("output", { class: "said" });
    const state = el("p", { class: "state" }, message.taken ? "Ringing" : "The vendor refused it");
    const heard = el("p", { class: "heard", dir: "auto", hidden: true });
    const keys = el("div", { class: "row" });
    const node = el("article", { class: message.taken ? "call ringing" : "call" },
      el("p", { class: "from" }, state, moment(message.received_at)),
      el("h4", {}, message.content.from ?? "", el("span", { class: "soft" }, ` calls ${message.to}`)),
      heard, keys, said);
    const over = (words) => {
      node.classList.remove("ringing");
      state.textContent = words;
      keys.replaceChildren(this.desk.inspectButton(message));
      if (this.ringing.get(message.reference) === over) this.ringing.delete(message.reference);
    };
    if (message.taken) this.keypad(message, { keys, said, heard, over });
    else over("The vendor refused it");
    this.shown.add(message, node, byId("calls"));
    if (message.taken) this.settle(message, over);
  }

  keypad(message, { keys, said, heard, over }) {
    this.ringing.set(message.reference, over);
    const asks = message.content.asks_for_key === "yes";
    const does = (label, action, words, end, given = {}) => {
      const made = button(label, () => doing(made, said, async () => {
        const answer = await act(message, action, words);
        heard.textContent = [action === "press" ? message.content.text : "", answer].join(" ").trim();
        heard.hidden = action === "decline";
        over(end);
      }), given);
      return made;
    };
    keys.append(does("Answer", "deliver", "", "Answered", { class: "go" }));
    if (asks) {
      for (const one of ["1", "2"]) {
        keys.append(does(`Press ${one}`, "press", one, `Answered, and pressed ${one}`));
      }
    }
    keys.append(
      does("Decline", "decline", "", "Declined", { class: "stop" }),
      this.desk.inspectButton(message),
    );
  }

  // A call that ended before this page was opened rings no more.
  async settle(message, over) {
    const found = await deliveryOf(message).catch(() => null);
    const rings = this.ringing.get(message.reference) === over;
    if (rings && found !== null && CALL_OVER.has(found.delivery.state)) {
      over(`Over: ${found.delivery.state}`);
    }
  }
}

export function personLine(message) {
  return message.recipient ?? (message.to.length > 40 ? `${message.to.slice(0, 40)}…` : message.to);
}

export function refusedLine(message) {
  return message.taken ? null : el("p", { class: "bad" }, `Refused: ${message.answer || "no answer"}`);
}

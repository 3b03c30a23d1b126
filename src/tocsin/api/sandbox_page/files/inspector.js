// One message in full: what a person sees, what came over the wire, what was said to it.

import { actionBar } from "./acting.js";
import { deliveryOf, whyOf } from "./api.js";
import { button, byId, el, moment } from "./dom.js";
import { keepBar } from "./keeping.js";
import { pre } from "./mail.js";

const NARROW = matchMedia("(max-width: 1180px)");

export class Inspector {
  constructor(desk) {
    this.desk = desk;
    desk.inspect = (message, from) => this.show(message, from);
  }

  show(message, from) {
    const ledger = el("div", {}, el("p", { class: "soft" }, "…"));
    const again = button("Look again", () => this.ask(message, ledger), { class: "small" });
    byId("inspector").replaceChildren(
      el("dl", {}, rows({
        Message: message.id, To: message.to, Recipient: message.recipient,
        Arrived: moment(message.received_at), Answer: message.answer || "none: it was lost",
        Taken: message.taken ? "yes" : "no", Replaces: message.replaces,
        Delivery: message.reference, Trace: message.trace,
      })),
      keepBar(this.desk, message),
      actionBar(this.desk, message),
      el("h3", {}, "In the ledger"), ledger, again,
      el("h3", {}, "Content"), el("dl", { class: "content" }, rows(message.content)),
      el("h3", {}, "Over the wire"), pre(message.raw, "What came over the wire"),
      el("h3", {}, "What the vendor said"), pre(message.answer || "(the answer was lost)", "The answer"),
      el("p", {}, button("Back to the message", () => {
        from.scrollIntoView({ block: "center" });
        from.focus();
      }, { class: "small" })),
    );
    this.ask(message, ledger);
    if (NARROW.matches) byId("inspector-title").scrollIntoView();
    byId("inspector-title").focus({ preventScroll: true });
  }

  async ask(message, ledger) {
    try {
      const found = await deliveryOf(message);
      if (found === null) {
        ledger.replaceChildren(el("p", { class: "soft" }, "The ledger does not know it."));
        return;
      }
      const { sentence, attempts } = await whyOf(found.note, message);
      ledger.replaceChildren(
        el("p", { dir: "auto" }, sentence),
        el("dl", {}, rows({
          State: found.delivery.state, Reason: found.delivery.reason, Workflow: found.note.workflow,
          Lane: found.note.lane, Notification: found.note.id, Event: found.note.event,
        })),
        el("ol", { class: "steps", "aria-label": "What was tried and reported" }, attempts.map(step)));
    } catch (error) {
      ledger.replaceChildren(el("p", { class: "bad" }, error.message));
    }
  }
}

function step({ kind, state, reason, detail, at }) {
  const said = [kind, state, reason === state ? "" : reason].filter(Boolean).join(", ");
  return el("li", {}, said, " ", el("span", { class: "soft" }, moment(at)),
    detail ? el("p", { class: "soft" }, detail) : null);
}

function rows(given) {
  return Object.entries(given).filter(([, value]) => value !== null && value !== "").map(
    ([name, value]) => el("div", {}, el("dt", {}, name), el("dd", { dir: "auto" }, value)));
}

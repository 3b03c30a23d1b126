// What the person, or her provider, can do with a message: a button for each.

import { act } from "./api.js";
import { button, doing, el } from "./dom.js";
import { letterButtons } from "./links.js";

const LABELS = {
  deliver: "Deliver", bounce: "Bounce", complain: "Mark as spam", open: "Open", click: "Click a link",
  reply: "Reply", press: "Press", decline: "Decline",
};
// Who declines a letter tells the service, by its own link, that she wants no more of them.
const label = (message, action) => (action === "decline" && message.channel === "email"
  ? "Unsubscribe there" : LABELS[action] ?? action);
const WORDS = new Set(["reply", "press"]);
let fields = 0;

export function actionBar(desk, message) {
  const actions = message.taken ? desk.actions(message) : [];
  const said = el("output", { class: "said" });
  const own = message.taken && message.channel === "email" ? letterButtons(message, said) : [];
  if (actions.length === 0) {
    const why = desk.vendors.get(message.provider)?.silence;
    const said = message.taken ? why : "the vendor refused it";
    return el("p", { class: "soft" }, said ? `Nothing can be done with it: ${said}.` : "");
  }
  const speaks = actions.some((each) => WORDS.has(each));
  const id = `words-${(fields += 1)}`;
  const words = el("input", { id, maxlength: 1600, autocomplete: "off", size: 10 });
  const buttons = actions.map((action) => {
    const made = button(label(message, action), () => doing(made, said, async () => {
      const answer = await act(message, action, words.value);
      return answer === "" ? `Done: ${action}.` : `Answered: ${answer}`;
    }), { class: "small" });
    return made;
  });
  return el("div", { class: "acts" },
    el("div", { class: "row", role: "group", "aria-label": "Do with it" }, own, buttons),
    speaks ? el("p", { class: "row" }, el("label", { for: id }, "In words"), words) : null, said);
}

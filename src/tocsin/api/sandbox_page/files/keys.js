// Keys for whoever would rather not reach for the mouse. They are off while something is typed, and
// can be switched off altogether.

import { byId } from "./dom.js";

const KEPT = "tocsin.keys";
const PARTS = { p: "phone", m: "mail", c: "chat", i: "inbox", w: "webhooks", v: "vendors" };
const SECOND_MS = 1_500;
const TYPED = "input:not([type='checkbox']), textarea, select";

export function keys() {
  const dialog = byId("keys");
  const on = byId("keys-on");
  let led_until = 0;
  on.checked = localStorage.getItem(KEPT) !== "off";
  on.addEventListener("change", () => localStorage.setItem(KEPT, on.checked ? "on" : "off"));
  byId("keys-shown").addEventListener("click", () => dialog.showModal());
  addEventListener("keydown", (event) => {
    const other = event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
    const [typing] = event.composedPath();
    if (other || !on.checked || dialog.open || byId("frame").hidden || typing.matches?.(TYPED)) return;
    const led = event.timeStamp < led_until;
    led_until = event.key === "g" ? event.timeStamp + SECOND_MS : 0;
    if (act(event.key, led, dialog)) event.preventDefault();
  });
}

function act(key, led, dialog) {
  if (led && key in PARTS) return go(byId(PARTS[key]));
  if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
  if (key === "a") return focus(byId("advance"));
  if (key === "n") {
    byId("sender").closest("details").open = true;
    return focus(byId("send-to"));
  }
  if (key !== "?") return false;
  dialog.showModal();
  return true;
}

function focus(field) {
  field.focus();
  return true;
}

function go(part) {
  const heading = part.querySelector("h2");
  heading.tabIndex = -1;
  part.scrollIntoView();
  heading.focus({ preventScroll: true });
  return true;
}

// The next message behind what has the focus, whatever that is.
function step(by) {
  const all = [...document.querySelectorAll("#channels [data-step]")].filter((each) => each.checkVisibility());
  const from = document.activeElement;
  const behind = (each) => from.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING;
  const ahead = (each) => from.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_PRECEDING;
  const next = by > 0 ? all.find(behind) : all.findLast(ahead);
  next?.focus();
  return true;
}

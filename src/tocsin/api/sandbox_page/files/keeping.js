// Keeping a message: as a file, as a link to it, or pinned, so that it stays when the rest is cleared.

import { linkTo } from "./address.js";
import { personOf } from "./desk.js";
import { button, doing, el } from "./dom.js";

// Only what came by mail is a letter on the wire; services are handed the parts of one.
export function download(message) {
  const whole = message.channel === "email"
    && /^MIME-Version:/im.test(message.raw.split(/\r?\n\r?\n/, 1)[0]);
  const [kind, end] = whole ? ["message/rfc822", "eml"] : ["text/plain", "txt"];
  return button(`Download .${end}`, () => {
    const url = URL.createObjectURL(new Blob([message.raw], { type: kind }));
    el("a", { href: url, download: `${message.id}.${end}` }).click();
    URL.revokeObjectURL(url);
  }, { class: "quiet small" });
}

export function keepBar(desk, message) {
  const said = el("output", { class: "said" });
  const pin = button("Pin", () => desk.mark("pinned", [message], !desk.kept.pinned.has(message)),
    { class: "small" });
  const show = () => pin.setAttribute("aria-pressed", String(desk.kept.pinned.has(message)));
  pin.addEventListener("click", show);
  show();
  const link = button("Copy link", () => doing(link, said, async () => {
    const url = linkTo({ person: personOf(message), message: message.id });
    try {
      await navigator.clipboard.writeText(url);
    } catch {
      return `The browser does not let it be copied: ${url}`;
    }
    return "Copied. Whoever opens it needs the key as well.";
  }), { class: "small" });
  return el("div", { class: "acts" },
    el("div", { class: "row", role: "group", "aria-label": "Keep it" }, pin, link, download(message)), said);
}

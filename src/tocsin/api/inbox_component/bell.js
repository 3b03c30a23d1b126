// A bell that counts what is unread, and a panel above the page that it opens and shuts.

import { button, el } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const BELL = "M12 4a6 6 0 0 0-6 6v4l-2 3h16l-2-3v-4a6 6 0 0 0-6-6Zm-2 15a2 2 0 0 0 4 0Z";
const GAP = 8;
const LEAST = 240;
const MOST_SHOWN = 99;
const NARROW = matchMedia("(max-width: 480px)");

export class Bell {
  // *content* is what the panel shows; *told* hears whether it is open.
  constructor(content, told) {
    this.told = told;
    /** Below or above the bell, in line with its start or its end. */
    this.placement = "bottom-end";
    this.placing = () => this.place();
    this.panel = el("div", {
      id: "panel", class: "panel", part: "panel", popover: "auto", role: "dialog",
      "aria-labelledby": "heading", tabindex: -1, autofocus: "",
    }, el("div", { class: "head" },
      el("h2", { id: "heading", part: "heading" }, "Notifications"),
      button("Close", () => this.panel.hidePopover(), { part: "close" })), content);
    this.badge = el("span", { class: "badge", part: "badge", "aria-hidden": "true", hidden: "" });
    this.button = el("button", {
      type: "button", class: "bell", part: "bell", "aria-haspopup": "dialog", "aria-expanded": "false",
      "aria-controls": "panel",
    }, el("slot", { name: "bell" }, picture()), this.badge);
    this.button.popoverTargetElement = this.panel;
    this.nodes = [this.button, this.panel];
    this.within = false;
    this.panel.addEventListener("beforetoggle", ({ newState }) => {
      this.within = newState === "closed" && this.panel.contains(this.panel.getRootNode().activeElement);
    });
    this.panel.addEventListener("toggle", ({ newState }) => this.turned(newState === "open"));
    // Who goes on by Tab must not be led below the panel.
    this.panel.addEventListener("focusout", ({ relatedTarget }) => {
      const left = relatedTarget !== null && !this.panel.contains(relatedTarget);
      if (left && relatedTarget !== this.button) this.panel.hidePopover();
    });
    this.count({ unread: 0 });
  }

  get open() {
    return this.panel.matches(":popover-open");
  }

  set open(wanted) {
    if (wanted === this.open || !this.panel.isConnected) return;
    if (wanted) this.panel.showPopover();
    else this.panel.hidePopover();
  }

  count({ unread, more }) {
    const words = unread > MOST_SHOWN ? `${MOST_SHOWN}+` : `${unread}${more ? "+" : ""}`;
    const name = unread === 0 ? "Notifications" : `Notifications, ${words} unread`;
    this.badge.hidden = unread === 0;
    this.badge.textContent = unread === 0 ? "" : words;
    if (this.button.getAttribute("aria-label") !== name) this.button.setAttribute("aria-label", name);
  }

  turned(open) {
    this.button.setAttribute("aria-expanded", String(open));
    this.follow(open);
    if (open) this.place();
    else if (this.within && this.lost()) this.button.focus({ preventScroll: true });
    this.told(open);
  }

  // Whether the focus is nowhere, or still on what is shown no more.
  lost() {
    const { activeElement } = document;
    return [null, document.body, this.panel.getRootNode().host].includes(activeElement);
  }

  follow(on) {
    const does = on ? addEventListener : removeEventListener;
    does("resize", this.placing);
    does("scroll", this.placing, { capture: true, passive: true });
  }

  // On the side that was asked for, or the other one where there is more room. Narrow: all there is.
  place() {
    const { style } = this.panel;
    for (const side of ["top", "bottom", "left", "max-height"]) style.removeProperty(side);
    if (NARROW.matches) return;
    const bell = this.button.getBoundingClientRect();
    const below = innerHeight - bell.bottom - 2 * GAP;
    const above = bell.top - 2 * GAP;
    const [side, end] = this.placement.split("-");
    const up = side === "top" ? above >= LEAST || above > below : below < LEAST && above > below;
    const width = this.panel.offsetWidth;
    const rtl = getComputedStyle(this.button).direction === "rtl";
    const start = (end === "start") === rtl ? bell.right - width : bell.left;
    style.left = `${Math.max(GAP, Math.min(start, innerWidth - width - GAP))}px`;
    style[up ? "bottom" : "top"] = `${up ? innerHeight - bell.top + GAP : bell.bottom + GAP}px`;
    style.maxHeight = `${up ? above : below}px`;
  }
}

function picture() {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", width: 24, height: 24,
    fill: "currentColor", "aria-hidden": "true" })) svg.setAttribute(name, value);
  path.setAttribute("d", BELL);
  svg.append(path);
  return svg;
}

// The inbox of the recipient chosen, asked for with a token of hers, as her browser would.

import { callAs } from "./api.js";
import { button, byId, doing, el, moment } from "./dom.js";

export class Inbox {
  constructor(desk) {
    this.desk = desk;
    this.whose = null;
    this.shows = "";
    byId("inbox-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.of(byId("whose").value.trim() || null);
    });
    byId("inbox-said").textContent = "Choose a person, or name a recipient.";
  }

  async of(recipient) {
    if (recipient === this.whose) return;
    this.whose = recipient;
    this.shows = "";
    byId("whose").value = recipient ?? "";
    byId("items").replaceChildren();
    byId("inbox-said").classList.remove("bad");
    byId("inbox-said").textContent = recipient === null ? "Choose a person, or name a recipient." : "";
    byId("count-inbox").textContent = "";
    await this.look();
  }

  async look() {
    const recipient = this.whose;
    if (recipient === null) return;
    const said = byId("inbox-said");
    let page;
    try {
      page = await callAs(recipient, "GET", "/v1/inbox?limit=30");
    } catch (error) {
      said.classList.add("bad");
      said.textContent = error.message;
      return;
    }
    const shows = JSON.stringify(page.items);
    if (recipient !== this.whose || shows === this.shows) return;
    this.shows = shows;
    said.classList.remove("bad");
    const { unseen, unread } = page.counts;
    byId("count-inbox").textContent = unread > 0 ? unread : "";
    said.textContent = page.items.length === 0
      ? `${recipient} has nothing in the inbox.` : `${unseen} unseen, ${unread} unread.`;
    this.draw(page.items);
  }

  draw(items) {
    const focused = document.activeElement?.closest?.("[data-item]")?.dataset.item;
    byId("items").replaceChildren(...items.map((item) => this.item(item)));
    if (focused === undefined) return;
    const again = [...byId("items").children].find((each) => each.dataset.item === focused);
    again?.querySelector("button")?.focus();
  }

  item(item) {
    const said = el("output", { class: "said" });
    const change = (label, what) => {
      const made = button(label, () => doing(made, said, async () => {
        await callAs(this.whose, "POST", `/v1/inbox/${item.id}/${what}`);
        await this.look();
      }), { class: "small" });
      return made;
    };
    const read = item.read_at !== undefined;
    return el("li", { class: read ? "item" : "item unread", "data-item": item.id },
      el("p", { class: "from" }, read ? null : el("span", { class: "label" }, "unread"),
        el("span", { class: "soft" }, item.category), moment(item.created_at)),
      el("h3", { dir: "auto" }, item.title),
      el("p", { dir: "auto" }, item.body),
      el("div", { class: "row" },
        read ? change("Mark unread", "unread") : change("Mark read", "read"),
        item.acknowledged_at === undefined ? change("Acknowledge", "acknowledge")
          : el("span", { class: "soft" }, "acknowledged"),
        change("Archive", "archive")), said);
  }
}

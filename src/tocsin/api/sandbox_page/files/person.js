// What the person chosen can do beside her messages: what she wants, where she is, and being away.

import { call, callAs } from "./api.js";
import { byId, doing, el } from "./dom.js";

const CHANNELS = ["inbox", "push", "email", "sms", "voice", "chat"];
const AWAY_MS = 30_000;
const TICK_MS = 1_000;

export class Person {
  // *back* is told who is there again.
  constructor(desk, back) {
    this.desk = desk;
    this.back = back;
    this.recipient = null;
    byId("zones").append(...Intl.supportedValuesOf("timeZone").map((zone) => el("option", { value: zone })));
    byId("wants").append(...CHANNELS.map((channel) => this.want(channel)));
    byId("zone-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.move(byId("zone-form").querySelector("button"));
    });
    byId("away").addEventListener("click", () => this.leave());
    setInterval(() => this.tick(), TICK_MS);
  }

  of(recipient) {
    this.recipient = recipient;
    byId("person").hidden = recipient === null;
    byId("person-said").textContent = "";
    if (recipient === null) return;
    byId("person-name").textContent = recipient;
    this.tick();
    if (byId("person").open) this.look();
  }

  async look() {
    const { recipient } = this;
    byId("person-looks").textContent = "";
    try {
      const path = `/v1/recipients/${encodeURIComponent(recipient)}`;
      const [profile, choices] = await Promise.all([
        call("GET", path), callAs(recipient, "GET", `${path}/preferences`)]);
      if (recipient !== this.recipient) return;
      byId("zone").value = profile.timezone ?? "";
      for (const box of byId("wants").querySelectorAll("input")) {
        box.checked = choices.channels[box.value] !== false;
      }
    } catch (error) {
      byId("person-looks").textContent = error.message;
    }
  }

  want(channel) {
    const box = el("input", { type: "checkbox", value: channel, change: () => {
      doing(box, byId("person-said"), async () => {
        const on = box.checked;
        const path = `/v1/recipients/${encodeURIComponent(this.recipient)}/preferences`;
        try {
          await callAs(this.recipient, "PATCH", path, { channels: { [channel]: on } });
        } catch (error) {
          box.checked = !on;
          throw error;
        }
        return `She ${on ? "wants" : "does not want"} ${channel}.`;
      });
    } });
    return el("label", {}, box, ` ${channel}`);
  }

  move(control) {
    const zone = byId("zone").value.trim() || null;
    return doing(control, byId("person-said"), async () => {
      await call("PATCH", `/v1/recipients/${encodeURIComponent(this.recipient)}`, { timezone: zone });
      return zone === null ? "Her time zone is not known now." : `She is in ${zone} now.`;
    });
  }

  leave() {
    const { recipient, desk } = this;
    if (desk.away.has(recipient)) return;
    desk.away.set(recipient, Date.now() + AWAY_MS);
    this.back(recipient, false);
    this.tick();
    setTimeout(() => {
      desk.away.delete(recipient);
      this.back(recipient, true);
      this.tick();
    }, AWAY_MS);
  }

  tick() {
    const until = this.desk.away.get(this.recipient);
    const left = until === undefined ? 0 : Math.max(0, Math.ceil((until - Date.now()) / TICK_MS));
    byId("away").setAttribute("aria-disabled", String(until !== undefined));
    byId("away").textContent = until === undefined ? "Go offline for 30 s" : `Back in ${left} s`;
  }
}

export const lookingAtPerson = (person) => byId("person").addEventListener("toggle", () => {
  if (byId("person").open) person.look();
});

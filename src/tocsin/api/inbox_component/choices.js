// What a person wants to hear of, and by which channels: a switch for each, which is kept at once.

import { button, el } from "./dom.js";

const CHANNELS = {
  inbox: "Inbox", email: "Email", push: "Push", sms: "SMS", voice: "Calls", chat: "Chat",
};

export class Choices {
  // *ask* calls the server for her; *told* hears each choice that was kept.
  constructor(ask, told) {
    this.ask = ask;
    this.told = told;
    this.said = el("p", { class: "soft", role: "status" });
    this.problem = el("p", { class: "problem", role: "alert" });
    this.rows = el("div", {});
    this.node = el("section", { id: "choices", part: "preferences", "aria-label": "Preferences", hidden: "" },
      this.rows, this.said, this.problem);
  }

  async load() {
    this.said.textContent = this.rows.childElementCount === 0 ? "Loading …" : "";
    try {
      this.take(await this.ask("GET", "/v1/preferences"));
      this.problem.replaceChildren();
      this.said.textContent = "";
    } catch (error) {
      this.said.textContent = "";
      this.problem.replaceChildren(`${error.message} `, button("Try again", () => this.load()));
    }
  }

  take({ recipient, channels, categories, preferences }) {
    Object.assign(this, { recipient, categories, preferences });
    this.channels = Object.keys(CHANNELS).filter((name) => channels.includes(name));
    this.draw();
  }

  draw() {
    const [group, channel] = this.focused();
    this.rows.replaceChildren(this.fieldset("", "Everything"),
      ...this.categories.map(({ key, name }) => this.fieldset(key, name)));
    const again = [...this.rows.querySelectorAll("input")]
      .find(({ dataset }) => dataset.group === group && dataset.channel === channel);
    again?.focus({ preventScroll: true });
  }

  focused() {
    const { group = null, channel = null } = this.rows.getRootNode().activeElement?.dataset ?? {};
    return [group, channel];
  }

  fieldset(group, name) {
    return el("fieldset", { part: "pref-row" }, el("legend", {}, name),
      el("div", { class: "row" }, this.channels.map((channel) => this.toggle(group, channel))));
  }

  toggle(group, channel) {
    const off = group !== "" && !this.wants("", channel);
    const input = el("input", {
      type: "checkbox", role: "switch", part: "switch", "data-group": group, "data-channel": channel,
      change: () => this.set(group, channel, input.checked),
    });
    input.checked = this.wants(group, channel);
    input.disabled = off;
    return el("label", { class: "switch", ...(off ? { title: "Off for everything" } : {}) },
      input, CHANNELS[channel]);
  }

  // What somebody has switched off anywhere is off; where she said nothing, the category's default holds.
  wants(group, channel) {
    const { channels = {}, categories = {} } = this.preferences;
    if (channels[channel] === false) return false;
    if (group === "") return true;
    const { on, channels: own = {} } = categories[group] ?? {};
    if (on === false) return false;
    return own[channel] ?? this.categories.find(({ key }) => key === group)?.channels[channel] ?? true;
  }

  async set(group, channel, value) {
    this.said.textContent = "";
    this.problem.replaceChildren();
    try {
      const path = `/v1/recipients/${encodeURIComponent(this.recipient)}/preferences`;
      this.preferences = await this.ask("PATCH", path, this.patch(group, channel, value));
      this.said.textContent = "Saved.";
      this.told({ category: group || null, channel, value });
    } catch (error) {
      this.problem.textContent = `Not saved: ${error.message}`;
    }
    // Also where it failed: the switch goes back to what holds.
    this.draw();
  }

  patch(group, channel, value) {
    if (group === "") return { channels: { [channel]: value ? null : false } };
    const { on } = this.preferences.categories?.[group] ?? {};
    const channels = { [channel]: value };
    // Who had switched off the whole category, and wants one channel of it, does not want the others.
    if (on === false) for (const each of this.channels) channels[each] ??= false;
    return { categories: { [group]: { ...(on === false ? { on: null } : {}), channels } } };
  }
}

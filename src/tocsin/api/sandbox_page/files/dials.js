// A dial for everything that can go wrong at each vendor.

import { call } from "./api.js";
import { button, byId, doing, el } from "./dom.js";

export class Dials {
  constructor() {
    this.summaries = new Map();
    this.faults = new Map();
  }

  draw(vendors) {
    for (const vendor of vendors) {
      if (this.summaries.has(vendor.provider)) this.say(vendor.provider, vendor.faults);
      else byId("dials").append(this.vendor(vendor));
    }
  }

  say(provider, faults) {
    this.faults.set(provider, faults);
    const said = inWords(faults);
    const shown = this.summaries.get(provider);
    shown.textContent = said || "as usual";
    shown.classList.toggle("bad", said !== "");
  }

  vendor(vendor) {
    const state = el("span", { class: "soft" });
    this.summaries.set(vendor.provider, state);
    const details = el("details", { class: "vendor", id: `vendor-${vendor.provider}` },
      el("summary", {}, el("b", {}, vendor.provider), " ",
        el("span", { class: "label" }, vendor.channel), " ", state));
    // The form is made when it is first wanted: some vendors know hundreds of errors.
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(this.form(vendor));
    });
    this.say(vendor.provider, vendor.faults);
    return details;
  }

  form(vendor) {
    const { provider } = vendor;
    const faults = this.faults.get(provider);
    const id = (name) => `dial-${provider}-${name}`;
    const said = el("output", { class: "said" });
    const latency = el("input", { id: id("latency"), type: "number", min: 0, max: 600000, step: 50,
      value: faults.latency_ms });
    const lose = share(id("lose"), faults.lose_replies);
    const twice = share(id("twice"), faults.duplicate_receipts);
    const down = el("input", { id: id("down"), type: "checkbox", checked: faults.down });
    const dead = el("textarea", { id: id("dead"), rows: 2, spellcheck: "false",
      "aria-describedby": id("dead-hint") }, faults.dead.join("\n"));
    const errors = errorRows(vendor.codes, faults.errors, id);
    const turn = el("button", { class: "main" }, "Turn");
    const put = (wanted) => doing(turn, said, async () => {
      const now = await call("PUT", `/v1/sandbox/faults/${encodeURIComponent(provider)}`, wanted);
      this.say(provider, now);
      return inWords(now) === "" ? "Everything is as usual." : "Turned.";
    });
    const form = el("form", { class: "dial", submit: (event) => {
      event.preventDefault();
      put({
        latency_ms: Number(latency.value || 0), lose_replies: lose.value(),
        duplicate_receipts: twice.value(), errors: errors.value(), down: down.checked,
        dead: dead.value.split("\n").map((each) => each.trim()).filter((each) => each !== ""),
      });
    } },
    field("Latency, ms", latency), lose.field("Lost answers"), twice.field("Receipts told twice"),
    errors.node,
    el("p", { class: "field" }, el("label", { for: dead.id }, "Dead addresses"), dead,
      el("span", { class: "soft", id: id("dead-hint") }, "One on each line.")),
    el("p", { class: "row" }, down, el("label", { for: down.id }, "Down: nothing listens")),
    el("p", { class: "row" }, turn,
      button("All as usual", async () => {
        await put({});
        if (said.classList.contains("bad")) return;
        const again = this.form(vendor);
        form.replaceWith(again);
        again.querySelector("output.said").textContent = "Everything is as usual.";
        again.querySelector("button.main").focus();
      }), said));
    return form;
  }
}

function errorRows(codes, turned, id) {
  const list = el("ul", { class: "errors" });
  const given = new Map();
  const add = (code, part) => {
    if (given.has(code)) return;
    const one = share(id(`error-${given.size}-${code}`), part);
    given.set(code, one);
    const row = el("li", {}, one.field(`${code}, ${words(codes[code])}`),
      button("Remove", () => { given.delete(code); row.remove(); }, { class: "small quiet",
        "aria-label": `Remove the error ${code}` }));
    list.append(row);
  };
  const select = el("select", { id: id("code") },
    Object.entries(codes).map(([code, dial]) => el("option", { value: code }, `${code}: ${words(dial)}`)));
  for (const [code, part] of Object.entries(turned)) add(code, part);
  const node = el("div", { class: "field" }, el("label", { for: select.id }, "Errors"),
    el("p", { class: "row" }, select, button("Add", () => add(select.value, 0.1))), list);
  return {
    node,
    value: () => Object.fromEntries([...given].map(([code, one]) => [code, one.value()])),
  };
}

function share(id, part) {
  const range = el("input", { id, type: "range", min: 0, max: 100, step: 1,
    value: Math.round(part * 100) });
  const shown = el("output", { for: id }, `${range.value} %`);
  range.addEventListener("input", () => { shown.textContent = `${range.value} %`; });
  return {
    value: () => Number(range.value) / 100,
    field: (label) => el("p", { class: "field" }, el("label", { for: id }, label),
      el("span", { class: "row" }, range, shown)),
  };
}

const field = (label, input) => el("p", { class: "field" }, el("label", { for: input.id }, label), input);
const words = (dial) => String(dial ?? "").replaceAll("_", " ");

function inWords(faults) {
  const percent = (part) => `${Math.round(part * 100)} %`;
  return [
    faults.down ? "down" : "",
    faults.latency_ms > 0 ? `${faults.latency_ms} ms` : "",
    ...Object.entries(faults.errors).map(([code, part]) => (part > 0 ? `${code}: ${percent(part)}` : "")),
    faults.lose_replies > 0 ? `answers lost: ${percent(faults.lose_replies)}` : "",
    faults.duplicate_receipts > 0 ? `receipts twice: ${percent(faults.duplicate_receipts)}` : "",
    faults.dead.length > 0 ? `${faults.dead.length} dead` : "",
  ].filter((each) => each !== "").join(", ");
}

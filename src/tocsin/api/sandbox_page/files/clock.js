// The sandbox's clock: what it shows, and moving it on.

import { call } from "./api.js";
import { byId, doing } from "./dom.js";

export class Clock {
  constructor() {
    this.ahead_ms = null;
    const form = byId("clock");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const advance = byId("advance").value.trim();
      doing(form.querySelector("button"), byId("moved"), async () => {
        const face = await call("POST", "/v1/sandbox/clock", { advance });
        this.face(face);
        return face.settled ? `Moved on, ${face.stops} stops.` : "Moved on; something is still under way.";
      });
    });
    setInterval(() => this.tick(), 1_000);
  }

  async look() {
    this.face(await call("GET", "/v1/sandbox/clock"));
  }

  face(face) {
    this.ahead_ms = new Date(face.now).getTime() - Date.now();
    this.tick();
  }

  tick() {
    if (this.ahead_ms === null || document.visibilityState !== "visible") return;
    const now = new Date(Date.now() + this.ahead_ms);
    byId("now").dateTime = now.toISOString();
    byId("now").textContent = now.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
}

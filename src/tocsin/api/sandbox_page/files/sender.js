// A message sent by hand, so that there is something to see.

import { call } from "./api.js";
import { byId, doing } from "./dom.js";

export function sender() {
  const form = byId("sender");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [to, title, body] = ["to", "title", "body"].map((name) => byId(`send-${name}`).value.trim());
    doing(form.querySelector("button"), byId("sent"), async () => {
      const channels = new FormData(form).getAll("channel");
      const sent = { recipients: [to], channels, content: { title, body } };
      const said = await call("POST", "/v1/send", sent);
      return [`Sent to ${to}.`, ...(said.warnings ?? [])].join(" ");
    });
  });
}

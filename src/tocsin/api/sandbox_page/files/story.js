// The story that the page tells by itself: each step says what happens, and does it by the API.

import { act, call, callAs, explained } from "./api.js";

const PARCEL = {
  key: "demo.parcel",
  name: "Parcel on its way (of the story)",
  steps: [
    { channel: "inbox", title: "Parcel {{ data.n }} is on its way", body: "The carrier has it." },
    { wait: { for: "2h", unless: "read" } },
    {
      channel: "email", subject: "Parcel {{ data.n }} is on its way",
      html: "<h1>Parcel {{ data.n }}</h1><p>The carrier has it. You will have it <b>tomorrow</b>.</p>",
    },
  ],
};
const ALARM = {
  key: "demo.alarm",
  name: "Something is down (of the story)",
  lane: "critical",
  steps: [
    { channel: "push", title: "{{ data.site }} is down", body: "Since a minute ago" },
    { wait: { for: "5m", unless: "acknowledged" } },
    { channel: "voice", body: "{{ data.site }} is down." },
    { wait: { for: "10m", unless: "acknowledged" } },
    { channel: "sms", body: "{{ data.site }} is still down. Who looks after it?" },
  ],
};
const TOO_MANY = "20429";
const SMS = "twilio";
const TRY_MS = 300;
const PATIENCE_MS = 20_000;

const advance = (by) => call("POST", "/v1/sandbox/clock", { advance: by });

// What the steps of one performance share.
export class Cast {
  constructor(stage) {
    this.stage = stage;
    this.ana = "demo-ana";
    this.bo = "demo-bo";
    this.over = false;
    this.faults = null;
    this.event = null;
  }

  async person(id, name, phone) {
    const path = `/v1/recipients/${id}`;
    await call("PUT", path, { name, phone, email: `${id}@example.com` });
    await call("POST", `${path}/devices`, { provider: "fcm", token: `${id}:APA91b${"c".repeat(40)}` });
    await call("POST", `${path}/addresses`, { channel: "voice", address: phone });
  }

  // A story that was broken off may have left her number stopped.
  async start_again() {
    const { messages } = await call("GET", `/v1/sandbox/messages?recipient=${this.ana}&channel=sms&limit=1`);
    if (messages.length > 0) await act(messages[0], "reply", "START");
  }

  async publish(workflow) {
    await call("PUT", `/v1/workflows/${workflow.key}`, workflow);
    await call("POST", `/v1/workflows/${workflow.key}/publish`);
  }

  async happens(type, to, data) {
    this.event = (await call("POST", "/v1/events", { type, to: [to], data })).events[0].id;
  }

  async code(digits) {
    const content = { title: "Code", body: `Your code is ${digits}.` };
    const sent = { recipients: [this.ana], channels: ["sms"], content };
    this.event = (await call("POST", "/v1/send", sent)).event;
  }

  async turn(faults) {
    this.stage.turned(SMS, await call("PUT", `/v1/sandbox/faults/${SMS}`, faults));
  }

  async inbox(title) {
    return this.until(async () => {
      const { items } = await callAs(this.ana, "GET", "/v1/inbox?limit=20");
      return items.find((each) => each.title === title && each.read_at === undefined);
    });
  }

  async arrived(to, channel, words) {
    const query = new URLSearchParams({ recipient: to, channel, limit: 10 });
    const found = await this.until(async () => {
      const { messages } = await call("GET", `/v1/sandbox/messages?${query}`);
      return messages.find((each) => each.taken && Object.values(each.content).join(" ").includes(words));
    });
    await this.stage.look();
    return found;
  }

  // What the server says of the event, without the rules that decided, and in the times of this clock.
  why(of, holds = () => true) {
    return this.until(async () => {
      const { sentence, runs } = await explained(this.event, of);
      const run = runs.find((each) => each.deliveries.some(holds));
      return run && sentence.split(`: ${run.workflow} (version`)[0]
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (iso) => new Date(iso).toLocaleTimeString());
    });
  }

  // The answer, as soon as there is one; nothing once the story is over.
  async until(ask) {
    const end = Date.now() + PATIENCE_MS;
    while (!this.over) {
      const said = await ask();
      if (said !== undefined) return said;
      if (Date.now() > end) throw new Error("What should have come did not come.");
      await new Promise((go_on) => { setTimeout(go_on, TRY_MS); });
    }
    return undefined;
  }

  // What was turned goes back to what it was, however the story ends.
  async leave() {
    this.over = true;
    const { faults } = this;
    this.faults = null;
    if (faults !== null) await this.turn(faults);
  }
}

export const STORY = [
  {
    says: "Ana is a customer of a shop, and Bo looks after its servers. Two workflows say what is told to them.",
    async does(cast) {
      await cast.person(cast.ana, "Ana", "+14155550142");
      await cast.person(cast.bo, "Bo", "+14155550143");
      await cast.start_again();
      await cast.publish(PARCEL);
      await cast.publish(ALARM);
      cast.stage.choose(cast.ana);
    },
  },
  {
    part: "inbox",
    says: "The shop sends an event: Ana's first parcel is on its way. It is shown in her inbox.",
    async does(cast) {
      await cast.happens("demo.parcel", cast.ana, { n: 1 });
      await cast.inbox("Parcel 1 is on its way");
    },
  },
  {
    part: "mail",
    says: "She does not look. Two hours pass on the sandbox's clock, and the workflow sends her an email instead.",
    async does(cast) {
      await advance("2h");
      cast.stage.open(await cast.arrived(cast.ana, "email", "Parcel 1"));
    },
  },
  {
    part: "inbox",
    says: "A second parcel. This time she reads it in her inbox.",
    async does(cast) {
      await cast.happens("demo.parcel", cast.ana, { n: 2 });
      const item = await cast.inbox("Parcel 2 is on its way");
      if (item) await callAs(cast.ana, "POST", `/v1/inbox/${item.id}/read`);
    },
  },
  {
    part: "mail",
    says: "Two hours later there is no letter. Why not? Tocsin says:",
    async does(cast) {
      await advance("2h");
      return cast.why(cast.ana, (each) => each.channel === "email");
    },
  },
  {
    part: "phone",
    says: "A server is down. Bo gets a push.",
    async does(cast) {
      await cast.happens("demo.alarm", cast.bo, { site: "shop.example" });
      cast.stage.choose(cast.bo);
      await cast.arrived(cast.bo, "push", "shop.example");
    },
  },
  {
    part: "phone",
    says: "He is asleep. After five minutes in which nobody has acknowledged it, his phone rings.",
    async does(cast) {
      await advance("5m");
      cast.call = await cast.arrived(cast.bo, "voice", "shop.example");
    },
  },
  {
    part: "phone",
    says: "He answers and presses 1, which acknowledges it. The SMS that would have come next is not sent:",
    async does(cast) {
      await cast.stage.press(cast.call, "Press 1");
      return cast.why(cast.bo, (each) => each.channel === "sms");
    },
  },
  {
    part: `vendor-${SMS}`,
    says: "Twilio has too much to do: by its dial it now refuses every call. Ana is sent a code all the same:",
    async does(cast) {
      const faults = await call("GET", `/v1/sandbox/faults/${SMS}`);
      cast.faults = faults;
      await cast.turn({ ...faults, errors: { [TOO_MANY]: 1 } });
      cast.stage.choose(cast.ana);
      await cast.code("4711");
      return cast.why(cast.ana, ({ attempts }) => attempts.length > 0);
    },
  },
  {
    part: "phone",
    says: "Twilio takes calls again. The next attempt brings the code, once.",
    async does(cast) {
      await cast.turn(cast.faults ?? {});
      cast.faults = null;
      await advance("10m");
      cast.sms = await cast.arrived(cast.ana, "sms", "4711");
    },
  },
  {
    part: "phone",
    says: "Ana answers STOP, and a second code is sent to her. Does she get it? Tocsin says:",
    async does(cast) {
      await act(cast.sms, "reply", "STOP");
      await cast.code("4712");
      return cast.why(cast.ana);
    },
  },
  {
    says: "That was the story. The vendors are played, but every message went over their real protocols. "
      + "Now it is your turn: send a message, answer as the person, or turn a dial.",
    async does(cast) {
      await act(cast.sms, "reply", "START");
    },
  },
];

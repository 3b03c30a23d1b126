// The parts of the page, and what arrives handed to them.

import { placeInAddress, putInAddress } from "./address.js";
import { call } from "./api.js";
import { Chat } from "./chat.js";
import { Clearing } from "./clearing.js";
import { Clock } from "./clock.js";
import { Demo } from "./demo.js";
import { Desk, personOf } from "./desk.js";
import { Dials } from "./dials.js";
import { byId } from "./dom.js";
import { Finding } from "./finding.js";
import { Hooks } from "./hooks.js";
import { Inbox } from "./inbox.js";
import { Inspector } from "./inspector.js";
import { Mail } from "./mail.js";
import { News } from "./news.js";
import { People } from "./people.js";
import { lookingAtPerson, Person } from "./person.js";
import { Phone } from "./phone.js";
import { sender } from "./sender.js";
import { Stage } from "./stage.js";
import { showUnread } from "./unread.js";

const AT_ONCE = 500;
const SLOWER = 5;

export class Page {
  // *soon* asks for the next turn at once.
  constructor(soon) {
    this.desk = new Desk();
    this.people = new People(this.desk);
    this.clock = new Clock();
    this.dials = new Dials();
    this.inbox = new Inbox(this.desk);
    this.news = new News();
    this.panes = { phone: new Phone(this.desk), mail: new Mail(this.desk), chat: new Chat(this.desk),
      webhooks: new Hooks(this.desk) };
    new Inspector(this.desk);
    sender();
    this.seen = new Set();
    this.last = null;
    this.left_out = false;
    this.quiet = false;
    this.turns = 0;
    this.whole = new Set();
    this.clearing = new Clearing(this.desk, () => (
      Object.values(this.panes).flatMap((pane) => pane.shown.messages)));
    new Finding((id) => this.people.choose(this.people.meet(id)));
    this.person = new Person(this.desk, (recipient, here) => this.reached(recipient, here));
    lookingAtPerson(this.person);
    this.desk.choose = (id) => this.choose(id);
    this.desk.changed = (what) => this.changed(what);
    this.demo = new Demo(new Stage(this, soon));
  }

  choose(id) {
    this.desk.person = id;
    putInAddress({ person: id });
    this.changed();
    const recipient = id === null ? null : this.people.recipient(id);
    this.person.of(recipient);
    if (id === null) return;
    this.inbox.of(recipient);
    // When it fails she is asked for again the next time that she is chosen.
    if (recipient !== null) this.older(recipient).catch(() => this.whole.delete(recipient));
  }

  // Her phone went offline, or is online again.
  reached(recipient, here) {
    this.inbox.reached(recipient, here);
    if (here) this.panes.phone.back(recipient).finally(() => this.changed());
  }

  // What is somebody's own may lie far behind the newest of everybody.
  async older(recipient) {
    if (this.whole.has(recipient)) return;
    this.whole.add(recipient);
    const query = new URLSearchParams({ recipient, limit: AT_ONCE });
    const { messages } = await call("GET", `/v1/sandbox/messages?${query}`);
    this.take(messages);
  }

  changed(what) {
    for (const pane of what === "read" ? [this.panes.mail] : Object.values(this.panes)) pane.filter();
    this.people.recount();
    this.clearing.show();
    this.count();
  }

  // Goes where the address leads, if anywhere.
  async arrive() {
    const { person, message: id } = placeInAddress();
    if (id !== null) {
      const message = await call("GET", `/v1/sandbox/messages/${encodeURIComponent(id)}`).catch(() => null);
      if (message === null) byId("cleared").textContent = "The message of this link is not here any more.";
      else this.open(message);
    } else if (this.people.known.has(person)) this.people.choose(person);
    else if (person !== null) this.people.choose(this.people.meet(person));
  }

  open(message) {
    const whose = personOf(message);
    this.people.entryOf(whose).recipient = message.recipient;
    this.people.choose(whose);
    this.take([message]);
    this.desk.mark("cleared", [message], false);
    putInAddress({ person: whose, message: message.id });
    if (message.channel === "email") this.panes.mail.open(message);
    const node = document.querySelector(`[data-message="${CSS.escape(message.id)}"]`);
    node.scrollIntoView({ block: "center" });
    this.desk.inspect(message, node.querySelector("[data-step]"));
  }

  // One turn: what is new, and now and then what changes seldom.
  async turn() {
    if (this.turns % SLOWER === 0) {
      const { vendors } = await call("GET", "/v1/sandbox/vendors");
      this.desk.vendors = new Map(vendors.map((each) => [each.provider, each]));
      this.dials.draw(vendors);
      await this.clock.look();
    }
    await this.messages();
    this.turns += 1;
  }

  async messages() {
    const query = new URLSearchParams({ limit: AT_ONCE });
    if (this.last !== null) {
      // What came in the very moment of the last one is asked for once more, not for ever.
      query.set("since", new Date(this.last + (this.quiet ? 1 : 0)).toISOString());
    }
    const { messages } = await call("GET", `/v1/sandbox/messages?${query}`);
    const fresh = this.take(messages);
    this.quiet = fresh.length === 0;
    // There is more than one answer holds: the page says so, and shows the newest.
    this.left_out ||= fresh.length === AT_ONCE;
    if (this.turns > 0) this.news.tell(fresh);
  }

  // Answers which of them are new here.
  take(messages) {
    const fresh = messages.filter((each) => !this.seen.has(each.id)).reverse();
    for (const message of fresh) this.add(message);
    if (fresh.length > 0) this.count();
    return fresh;
  }

  add(message) {
    this.seen.add(message.id);
    this.last = Math.max(this.last ?? 0, new Date(message.received_at).getTime());
    this.people.add(message);
    Object.values(this.panes).find((pane) => pane.takes(message))?.add(message);
    const whose = this.inbox.whose === null && message.recipient !== null;
    if (whose && personOf(message) === message.recipient) this.inbox.of(message.recipient);
  }

  count() {
    for (const [name, pane] of Object.entries(this.panes)) {
      byId(`count-${name}`).textContent = pane.shown.count || "";
    }
    showUnread(this.panes.mail.letters.unread);
  }
}

// What a mail program does with a letter's own links, where they lead to this server: unsubscribe by
// the header (RFC 8058), load the picture that tells of opening, follow a link that is counted.

import { button, doing } from "./dom.js";

const LEAVE = /List-Unsubscribe(?!-Post)[^<]{0,40}<(https?:[^>\s]+)>/i;
const COUNTED = "/v1/t/";

// The path, if it is one of this server, whatever name others know it by.
function pathOf(url) {
  try {
    const { pathname, search } = new URL(url);
    return pathname + search;
  } catch {
    return "";
  }
}

export function leavePath({ raw }) {
  const found = LEAVE.exec(raw.replace(/\r?\n[ \t]+/g, " "));
  const path = found === null ? "" : pathOf(found[1]);
  return path.startsWith("/u/") ? path : null;
}

// Nothing of a letter is parsed as markup: its addresses are found as text.
export function countedPaths({ content }) {
  const found = (content.html ?? "").match(/<(?:img|a)\b[^>]*>/gi) ?? [];
  const of = (tag) => found.filter((each) => each.toLowerCase().startsWith(tag))
    .map((each) => pathOf(/(?:src|href)="?'?(https?:[^"'\s>]+)/i.exec(each)?.[1].replaceAll("&amp;", "&")))
    .filter((path) => path.startsWith(COUNTED));
  return { pictures: of("<img"), links: of("<a") };
}

async function asked(path, request) {
  // Where a link leads on to is nobody's business here.
  const answer = await fetch(path, { redirect: "manual", credentials: "omit", ...request });
  if (!answer.ok && answer.type !== "opaqueredirect") throw new Error(`The server answered ${answer.status}.`);
}

export function letterButtons(message, said) {
  const made = [];
  const does = (label, done, work) => {
    const one = button(label, () => doing(one, said, async () => {
      await work();
      return done;
    }), { class: "small" });
    made.push(one);
  };
  const leave = leavePath(message);
  const { pictures, links } = countedPaths(message);
  if (leave !== null) {
    does("Unsubscribe", "Her mail program has unsubscribed her, by the letter's header.", () => asked(leave, {
      method: "POST", body: new URLSearchParams({ "List-Unsubscribe": "One-Click" }) }));
  }
  if (pictures.length > 0) does("Load pictures", "Opened: the picture was loaded.", () => asked(pictures[0]));
  if (links.length > 0) does("Follow a link", "Clicked: the link was followed.", () => asked(links[0]));
  return made;
}

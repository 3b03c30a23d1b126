// The API of the server that this page came from. The key stays in this tab: the address loses it
// at once, so that it is in no history and in nothing that is copied from the address bar.

const KEPT = "tocsin.sandbox.key";
const tokens = new Map();

export class Refused extends Error {
  constructor(status, problem) {
    const fields = (problem.errors ?? []).map((each) => `${each.pointer} ${each.detail}`);
    super([problem.detail ?? `The server answered ${status}.`, ...fields].join("; "));
    this.status = status;
  }
}

export function keyFromAddress() {
  const hash = new URLSearchParams(location.hash.slice(1));
  const given = hash.get("key");
  if (given === null) return;
  hash.delete("key");
  const rest = hash.toString();
  history.replaceState(null, "", location.pathname + location.search + (rest && `#${rest}`));
  keepKey(given);
}

export const key = () => sessionStorage.getItem(KEPT);
export const keepKey = (given) => sessionStorage.setItem(KEPT, given.trim());
export const dropKey = () => sessionStorage.removeItem(KEPT);

export async function call(method, path, body, bearer = key()) {
  const answer = await fetch(path, {
    method,
    headers: {
      authorization: `Bearer ${bearer}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    // What is done is done also when the page is left at that moment.
    keepalive: method !== "GET",
  });
  const text = await answer.text();
  let said = null;
  try {
    said = text === "" ? null : JSON.parse(text);
  } catch {
    said = {};
  }
  if (!answer.ok) throw new Refused(answer.status, said ?? {});
  return said;
}

// A token as the recipient's own app would have; *anew* when the last one was refused.
export async function tokenOf(recipient, anew = false) {
  // Whoever asks meanwhile waits for the same one.
  if (anew || !tokens.has(recipient)) {
    tokens.set(recipient, call("POST", "/v1/tokens", { recipient, scopes: ["inbox", "preferences"] }));
  }
  const asked = tokens.get(recipient);
  try {
    return (await asked).token;
  } catch (error) {
    if (tokens.get(recipient) === asked) tokens.delete(recipient);
    throw error;
  }
}

// As the recipient's own app would, with her token.
export async function callAs(recipient, method, path, body) {
  const fresh = !tokens.has(recipient);
  try {
    return await call(method, path, body, await tokenOf(recipient));
  } catch (error) {
    if (error.status === 401 || fresh) tokens.delete(recipient);
    if (error.status !== 401 || fresh) throw error;
    return callAs(recipient, method, path, body);
  }
}

export async function act(message, action, words = "") {
  const path = `/v1/sandbox/messages/${encodeURIComponent(message.id)}/${action}`;
  const said = await call("POST", path, { words });
  return said?.answer ?? "";
}

export async function deliveryOf(message) {
  if (message.notification === null) return null;
  const note = await call("GET", `/v1/notifications/${message.notification}`);
  const found = note.deliveries.find((each) => each.id === message.reference);
  return found === undefined ? null : { note, delivery: found };
}

export const explained = (event, recipient) => (
  call("GET", `/v1/explain?${new URLSearchParams({ event, recipient })}`)
);

// One true sentence about it, and everything that was tried and reported.
export async function whyOf(note, message) {
  const why = await explained(note.event, note.recipient);
  const all = why.runs.flatMap((run) => run.deliveries);
  const own = all.find((each) => each.id === message.reference);
  return { sentence: why.sentence, attempts: own?.attempts ?? [] };
}

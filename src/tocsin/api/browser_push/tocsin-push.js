// Lets a page opt in to pushes. Browsers want a person's click before they ask her:
//   import { subscribe } from "https://tocsin.example/push/tocsin-push.js";
//   button.onclick = () => subscribe({ recipient: "ana", token });

const DATABASE = "tocsin-push";
const STORE = "settings";
const HERE = new URL(import.meta.url).origin;

/** What is the case: "unsupported", "denied", "off" or "on". */
export async function state({ worker } = {}) {
  if (!("serviceWorker" in navigator && "PushManager" in globalThis)) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  const registration = await navigator.serviceWorker.getRegistration(worker ?? "/push/");
  const subscription = await registration?.pushManager.getSubscription();
  return subscription ? "on" : "off";
}

/**
 * Ask, subscribe, and register this browser as a device of the recipient whose token it is.
 *
 * `worker` is a script of the page's own origin; on another origin than Tocsin's it imports Tocsin's.
 * Returns the device as Tocsin answers it, or null when the person said no.
 */
export async function subscribe({ recipient, token, api = HERE, worker = "/push/worker.js" }) {
  if ((await Notification.requestPermission()) !== "granted") return null;
  const { public_key: key } = await answered(fetch(`${api}/push/key`));
  const registration = await navigator.serviceWorker.register(worker);
  await active(registration);
  const subscription = await registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: key,
  });
  await store({ api, recipient, token, key });
  const device = { provider: "webpush", subscription: subscription.toJSON() };
  return answered(devices(api, recipient, token, "", "POST", device));
}

/** Give the worker a token that lasts longer, without which it reports nothing any more. */
export async function refresh({ recipient, token, api = HERE }) {
  const { public_key: key } = await answered(fetch(`${api}/push/key`));
  await store({ api, recipient, token, key });
}

/** Unsubscribe this browser, and remove the device of that number. */
export async function unsubscribe({ recipient, token, number, api = HERE, worker }) {
  const registration = await navigator.serviceWorker.getRegistration(worker ?? "/push/");
  const subscription = await registration?.pushManager.getSubscription();
  await subscription?.unsubscribe();
  await answered(devices(api, recipient, token, `/${number}`, "DELETE"));
}

function devices(api, recipient, token, rest, method, body) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const place = `${api}/v1/recipients/${encodeURIComponent(recipient)}/devices${rest}`;
  return fetch(place, { method, headers, body: body && JSON.stringify(body) });
}

async function answered(asking) {
  const answer = await asking;
  if (!answer.ok) throw new Error(`Tocsin answered ${answer.status}`);
  return answer.status === 204 ? undefined : answer.json();
}

function active(registration) {
  const worker = registration.installing ?? registration.waiting;
  if (worker === null || registration.active !== null) return undefined;
  return new Promise((resolve) => {
    worker.addEventListener("statechange", () => worker.state === "activated" && resolve());
  });
}

function store(settings) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const writing = database.transaction(STORE, "readwrite");
      writing.objectStore(STORE).put(settings, "current");
      writing.oncomplete = () => { database.close(); resolve(); };
      writing.onerror = () => { database.close(); reject(writing.error); };
    };
  });
}

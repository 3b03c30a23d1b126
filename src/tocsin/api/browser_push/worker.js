// Shows what Tocsin pushes, and reports that it was shown or clicked. A site of its own imports it:
// importScripts("https://tocsin.example/push/worker.js")
"use strict";

(() => {
  const DATABASE = "tocsin-push";
  const STORE = "settings";

  self.addEventListener("install", () => self.skipWaiting());
  self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

  self.addEventListener("push", (event) => {
    const message = read(event.data);
    if (message !== null) event.waitUntil(take(message));
  });

  self.addEventListener("notificationclick", (event) => {
    const message = event.notification.data?.tocsin;
    if (typeof message?.tocsin !== "string") return;
    event.notification.close();
    const action = event.action === "" ? undefined : message.actions?.[Number(event.action)];
    const reported = report(message.tocsin, "clicked");
    event.waitUntil(Promise.all([open(action?.url ?? message.url), reported]));
  });

  self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew()));

  function read(data) {
    // Anybody who has the subscription's keys may push; what is not Tocsin's is left to others.
    try {
      const message = data.json();
      return typeof message?.tocsin === "string" ? message : null;
    } catch {
      return null;
    }
  }

  async function take(message) {
    if (message.title || message.body) await show(message);
    const pages = await self.clients.matchAll({ includeUncontrolled: true });
    for (const page of pages) page.postMessage({ tocsin: message });
    if (typeof message.unseen === "number") await self.navigator.setAppBadge?.(message.unseen).catch(() => {});
    await report(message.tocsin, "received");
  }

  function show(message) {
    const options = { data: { tocsin: message }, actions: [] };
    const taken = ["body", "image", "icon", "badge", "tag", "renotify", "silent", "lang", "dir", "vibrate"];
    for (const name of taken) if (message[name] !== undefined) options[name] = message[name];
    if (message.requireInteraction !== undefined) options.requireInteraction = message.requireInteraction;
    for (const [number, action] of (message.actions ?? []).entries()) {
      options.actions.push({ action: String(number), title: action.title });
    }
    return self.registration.showNotification(message.title ?? "", options);
  }

  async function open(url) {
    if (url === undefined) return;
    const target = new URL(url, self.registration.scope);
    if (target.protocol !== "https:" && target.origin !== self.location.origin) return;
    const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const there = pages.find((page) => page.url === target.href);
    await (there === undefined ? self.clients.openWindow(target.href) : there.focus());
  }

  async function report(delivery, what) {
    const settings = await stored();
    if (settings === undefined) return;
    const place = `${settings.api}/v1/deliveries/${encodeURIComponent(delivery)}/${what}`;
    await call(place, settings.token).catch(() => {});
  }

  async function renew() {
    const settings = await stored();
    if (settings === undefined) return;
    const subscription = await self.registration.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: settings.key,
    });
    const place = `${settings.api}/v1/recipients/${encodeURIComponent(settings.recipient)}/devices`;
    await call(place, settings.token, { provider: "webpush", subscription: subscription.toJSON() });
  }

  function call(place, token, body) {
    const headers = { authorization: `Bearer ${token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    const request = { method: "POST", headers, keepalive: true };
    return fetch(place, body === undefined ? request : { ...request, body: JSON.stringify(body) });
  }

  function stored() {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open(DATABASE, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const database = opening.result;
        const reading = database.transaction(STORE).objectStore(STORE).get("current");
        reading.onsuccess = () => { database.close(); resolve(reading.result); };
        reading.onerror = () => { database.close(); reject(reading.error); };
      };
    });
  }
})();

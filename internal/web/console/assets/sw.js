"use strict";
// The console's service worker: it shows pushes, and without a network the frame of the console and the incidents that
// were seen last. The server fills in these three lines.
const SHELL = [];
const VERSION = "";
const BASE = "";

const SCOPE = BASE + "/console/";
const FRAME = "shell-" + VERSION;
const PAGES = "pages"; // copies of what the server lets a browser keep, and whose they are
const OWNER = SCOPE + "-/owner"; // no page has this address
const MOST = 10, LONGEST = 24 * 3600 * 1000; // copies, and milliseconds: a session lives no longer, as a rule
const PATIENCE = 6000; // milliseconds that a page may take where there is a copy

addEventListener("install", event => event.waitUntil((async () => {
  await (await caches.open(FRAME)).addAll(SHELL);
  await skipWaiting();
})()));

addEventListener("activate", event => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name.startsWith("shell-") && name !== FRAME) await caches.delete(name);
  await clients.claim();
})()));

addEventListener("fetch", event => {
  const request = event.request, url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin || !url.pathname.startsWith(SCOPE)) return;
  if (SHELL.includes(url.pathname)) {
    event.respondWith(caches.match(request, { cacheName: FRAME }).then(found => found || fetch(request)));
  } else if (request.mode === "navigate") {
    event.respondWith(page(event, request, url));
  }
});

// page asks the server first. What is kept is shown where it cannot be reached, and nowhere else.
async function page(event, request, url) {
  const since = forgotten;
  const answer = fetch(request).then(response => {
    event.waitUntil(remember(url, response.clone(), since));
    return response;
  }, () => null);
  const copy = await kept(url);
  if (!copy) return await answer || nothing();
  const late = new Promise(resolve => setTimeout(resolve, PATIENCE, null));
  return await Promise.race([answer, late]) || marked(copy);
}

// address is what a copy goes by: without what only tells of an act that was done.
function address(url) {
  const a = new URL(url);
  a.searchParams.delete("did");
  a.hash = "";
  return a.href;
}

// What is kept changes in one turn after the other. forgotten counts how often all of it went: what was asked for before
// that is not kept after it, however late it comes.
let turn = Promise.resolve(), forgotten = 0;

function inTurn(act) {
  const done = turn.then(act);
  turn = done.catch(() => { /* its own caller hears of it */ });
  return done;
}

// remember keeps a copy of a page that says that it may be kept. Whose pages these are stands on each: with another
// person, or without a session, what is here goes first.
async function remember(url, response, since) {
  const person = response.headers.get("X-PageFree-Person");
  if (response.type === "opaqueredirect" || response.status === 401) return forget(); // on to the sign-in
  if (!person) return;
  const keep = response.status === 200 && !response.redirected && response.headers.get("X-PageFree-Keep") === "1";
  const text = keep ? await response.text() : "";
  await inTurn(async () => {
    if (since !== forgotten) return;
    const owner = await (await caches.open(PAGES)).match(OWNER), before = owner ? await owner.text() : "";
    if (before !== person) {
      forgotten++;
      await caches.delete(PAGES);
      if (before) await unsubscribe(); // the pushes of who was here before
      await (await caches.open(PAGES)).put(OWNER, new Response(person));
    }
    if (!keep) return;
    const headers = new Headers(response.headers);
    headers.set("X-Kept-At", String(Date.parse(headers.get("Date")) || Date.now()));
    const store = await caches.open(PAGES);
    await store.put(address(url), new Response(text, { status: 200, headers }));
    const all = (await copies()).slice(MOST);
    for (const one of all) await store.delete(one.request);
  });
}

// copies are what is kept and not too old, newest first.
async function copies() {
  if (!await caches.has(PAGES)) return [];
  const store = await caches.open(PAGES), all = [];
  for (const request of await store.keys()) {
    const response = await store.match(request), at = Number(response.headers.get("X-Kept-At"));
    if (at && Date.now() - at > LONGEST) await store.delete(request);
    else if (at) all.push({ request, response, at });
  }
  return all.sort((a, b) => b.at - a.at);
}

async function kept(url) {
  return (await copies()).find(one => one.request.url === address(url));
}

function forget() {
  forgotten++;
  return inTurn(() => caches.delete(PAGES));
}

async function unsubscribe() {
  const subscription = await registration.pushManager.getSubscription();
  if (subscription) await subscription.unsubscribe();
}

// age is how long ago something was, in words.
function age(at) {
  const minutes = Math.max(0, Math.round((Date.now() - at) / 60000));
  return minutes < 1 ? "less than a minute ago" : minutes < 60 ? minutes + " min ago" : Math.round(minutes / 60) + " h ago";
}

// marked is a copy that says how old it is. The place for it is in the page; nothing of it comes from elsewhere.
async function marked(copy) {
  const at = new Date(copy.at), exact = at.toISOString();
  const words = `No connection. This page is a copy, as it was <time datetime="${exact}" data-exact title="${exact}">${age(copy.at)}</time>. Nothing can be changed until PageFree can be reached.`;
  const text = (await copy.response.text()).replace(/<p class="did"[^>]*>[^<]*<\/p>/, "").replace(/<p id="offline"([^>]*?)\s+hidden>\s*<\/p>/, (_, rest) => `<p id="offline"${rest}>${words}</p>`);
  const headers = new Headers(copy.response.headers);
  for (const name of ["X-Kept-At", "Content-Length", "Content-Encoding"]) headers.delete(name);
  return new Response(text, { status: 200, headers });
}

// nothing is the page where there is no copy: it leads to those that there are.
async function nothing() {
  const list = [];
  for (const one of await copies()) {
    const title = /<title>([^<]*)<\/title>/.exec(await one.response.text()); // escaped where it was rendered
    list.push(`<li><a href="${new URL(one.request.url).pathname}">${title ? title[1].replace(" · PageFree", "") : "A page"}</a> <span class="quiet">${age(one.at)}</span></li>`);
  }
  const style = SHELL.find(path => /\/console\.[0-9a-f]+\.css$/.test(path)) || "";
  return new Response(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>No connection · PageFree</title><link rel="stylesheet" href="${style}"></head>
<body><div class="page"><main id="main"><div class="refusal"><h1>No connection</h1><p>PageFree cannot be reached from here.</p><p><a class="button" href="">Try again</a></p>
${list.length ? `<h2>Kept on this device</h2><ul class="rows">${list.join("")}</ul>` : ""}</div></main></div></body></html>`, {
    status: 503, headers: {
      "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store",
      "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  });
}

// --- Pushes ---

const icon = name => SHELL.find(path => path.startsWith(SCOPE + "assets/" + name + "."));

addEventListener("push", event => event.waitUntil((async () => {
  let note = {};
  try { note = event.data.json() || {}; } catch { /* something has to be shown all the same */ }
  const url = typeof note.url === "string" && note.url.startsWith("/console/") ? note.url : "/console/incidents";
  const options = {
    body: String(note.body || ""), tag: String(note.tag || "pagefree"), renotify: !note.silent, silent: !!note.silent,
    icon: icon("icon-192"), badge: icon("badge-96"), timestamp: Date.parse(note.at) || Date.now(), data: { url, at: String(note.at || "") },
  };
  const [shown] = await registration.getNotifications({ tag: options.tag });
  if (shown && shown.data && shown.data.at > options.data.at) { // an older one that was late: what is there stays
    return registration.showNotification(shown.title, {
      body: shown.body, tag: shown.tag, silent: true, icon: options.icon, badge: options.badge, timestamp: Date.parse(shown.data.at), data: shown.data,
    });
  }
  return registration.showNotification(String(note.title || "PageFree"), options);
})()));

addEventListener("notificationclick", event => {
  event.notification.close();
  event.waitUntil(open(BASE + ((event.notification.data || {}).url || "/console/incidents")));
});

// open shows a page of ours: in the tab that has it, or in one that has nothing to lose, or in a new one.
async function open(path) {
  const target = new URL(path, location.origin).href;
  const tabs = (await clients.matchAll({ type: "window", includeUncontrolled: true })).filter(tab => new URL(tab.url).pathname.startsWith(SCOPE));
  tabs.sort((a, b) => (b.url === target) - (a.url === target) || b.focused - a.focused);
  for (const tab of tabs) {
    if (tab.url !== target && !await free(tab)) continue;
    await tab.focus().catch(() => { /* it is shown, if not in front */ });
    try {
      return tab.url === target ? tab : await tab.navigate(target);
    } catch { /* no worker has it: the next */ }
  }
  return clients.openWindow(target);
}

// free asks a tab whether it may be led elsewhere: nobody is writing in it.
function free(tab) {
  return new Promise(resolve => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = event => resolve(event.data === true);
    setTimeout(resolve, 1000, false);
    tab.postMessage({ type: "free" }, [port2]);
  });
}

// The browser replaced or dropped the subscription: the server hears of the new one.
addEventListener("pushsubscriptionchange", event => event.waitUntil((async () => {
  const send = (method, subscription, key) => fetch(BASE + "/v1/push/subscriptions", {
    method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(Object.assign(subscription.toJSON(), key ? { applicationServerKey: key } : {})),
  });
  const asked = await fetch(BASE + "/v1/push/key");
  if (!asked.ok) return; // nobody is signed in: the next page makes up for it
  const { key } = await asked.json();
  const fresh = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  await send("POST", fresh, key);
  if (event.oldSubscription && event.oldSubscription.endpoint !== fresh.endpoint) await send("DELETE", event.oldSubscription);
})()));

addEventListener("message", event => {
  if (!event.data || event.data.type !== "forget") return;
  event.waitUntil(forget().then(() => event.ports[0] && event.ports[0].postMessage(true)));
});

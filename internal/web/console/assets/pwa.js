"use strict";
// The console as an app: its service worker, what it keeps, and its subscription to pushes. window.pagefree is for push.js.
(function () {
  var doc = document, workers = navigator.serviceWorker, link = doc.querySelector('link[rel="manifest"]');
  if (!workers || !link) return;
  var base = new URL(link.href).pathname.replace(/\/console\/manifest\.webmanifest$/, "");

  var ready = workers.register(base + "/console/sw.js", { scope: base + "/console/", updateViaCache: "none" }).then(function () { return workers.ready; });
  ready.catch(function () { /* a private window may have none */ });

  function bytes(text) {
    var raw = atob(text.replace(/-/g, "+").replace(/_/g, "/")), out = new Uint8Array(raw.length);
    for (var i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out;
  }
  function same(buffer, text) {
    var a = new Uint8Array(buffer || new ArrayBuffer(0)), b = bytes(text);
    return a.length === b.length && a.every(function (x, i) { return x === b[i]; });
  }
  function json(url, method, body, more) {
    return fetch(url, Object.assign({ method: method || "GET", headers: body ? { "Content-Type": "application/json" } : {}, body: body ? JSON.stringify(body) : undefined }, more)).then(function (r) {
      if (!r.ok && r.status !== 404) throw new Error("PageFree answered " + r.status + ".");
      return r.status === 204 || r.status === 404 ? null : r.json();
    });
  }
  function stored(key, value) {
    try {
      if (value === undefined) return localStorage.getItem(key);
      if (value === null) localStorage.removeItem(key); else localStorage.setItem(key, value);
    } catch (e) { /* there is none */ }
    return null;
  }

  // subscribe makes this browser a device of who is signed in, with the key that the server has now.
  function subscribe(registration, keyURL, subscriptionsURL) {
    return json(keyURL).then(function (asked) {
      return registration.pushManager.getSubscription().then(function (old) {
        if (!old || same(old.options.applicationServerKey, asked.key)) return old;
        return old.unsubscribe().then(function () { return json(subscriptionsURL, "DELETE", old.toJSON()); }).then(function () { return null; });
      }).then(function (old) {
        return old || registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: asked.key });
      }).then(function (subscription) {
        return json(subscriptionsURL, "POST", Object.assign(subscription.toJSON(), { applicationServerKey: asked.key }));
      });
    }).then(function (device) {
      stored("push:device", device.id);
      return device;
    });
  }

  // unsubscribe ends that. The server forgets the device first, since it cannot be named afterwards.
  function unsubscribe(registration, subscriptionsURL, more) {
    return registration.pushManager.getSubscription().then(function (subscription) {
      stored("push:device", null);
      if (!subscription) return null;
      return json(subscriptionsURL, "DELETE", subscription.toJSON(), more).catch(function () { /* its push service will say so */ }).then(function () { return subscription.unsubscribe(); });
    });
  }

  window.pagefree = { ready: ready, json: json, stored: stored, subscribe: subscribe, unsubscribe: unsubscribe };

  // Once a day: a key that was replaced is replaced here too.
  var key = base + "/v1/push/key", subscriptions = base + "/v1/push/subscriptions", day = 24 * 3600 * 1000;
  if ("PushManager" in window && window.Notification && Notification.permission === "granted" && !(Date.now() - Number(stored("push:looked")) < day)) {
    ready.then(function (registration) {
      return registration.pushManager.getSubscription().then(function (old) {
        if (!old) return null;
        return json(key).then(function (asked) {
          stored("push:looked", String(Date.now()));
          return same(old.options.applicationServerKey, asked.key) ? null : subscribe(registration, key, subscriptions);
        });
      });
    }).catch(function () { /* another day */ });
  }

  // Somebody who is writing is not led away by a push.
  function writing() {
    return Array.prototype.some.call(doc.querySelectorAll("main form textarea, main form input, main form select"), function (field) {
      if (field.type === "hidden" || field.closest("form.filters")) return false;
      if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
      if (field.tagName === "SELECT") return Array.prototype.some.call(field.options, function (o) { return o.selected !== o.defaultSelected && (o.defaultSelected || o.index > 0); });
      return field.value !== field.defaultValue;
    });
  }
  workers.addEventListener("message", function (event) {
    if (event.data && event.data.type === "free" && event.ports[0]) event.ports[0].postMessage(!writing());
  });

  // Whoever signs out leaves nothing here: no copy of a page, and no pushes. The answer clears the rest (Clear-Site-Data).
  doc.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.hasAttribute("data-sign-out") || form.dataset.left) return;
    event.preventDefault();
    form.dataset.left = "1";
    var done = function () { form.submit(); }, worker = workers.controller;
    if (worker) worker.postMessage({ type: "forget" });
    try { sessionStorage.clear(); } catch (e) { /* there is none */ }
    var ended = "PushManager" in window && worker ? ready.then(function (registration) { return unsubscribe(registration, subscriptions, { keepalive: true }); }) : Promise.resolve();
    Promise.race([ended.catch(function () { /* it ends with the worker */ }), new Promise(function (resolve) { setTimeout(resolve, 2000); })]).then(done);
  });
})();

"use strict";
// Keeps the parts of a page that say [data-live] as they are now. What changed is told over a socket; what it is now is
// fetched, as anybody fetches it. Without a socket they are fetched every ten seconds, and without this script when the
// page is loaded.
//
//   data-live="incident:ID" "execution:ID" "workflow-run:ID"   one thing ("...-of:ID": what belongs to it)
//   data-live="incidents" "executions" "workflow-runs"         a list
//   data-live-src="/console/..."                               where its HTML comes from; or else hx-get
(function () {
  var doc = document, LISTS = { incidents: "incident", executions: "execution", "workflow-runs": "workflow-run" };
  var POLL = 10000, PING = 240000, HIDDEN = 60000, FIRST = 1000, MOST = 30000;
  var socket = null, failures = 0, live = false, over = false, said = "", timers = {}, parts = new WeakMap();

  function all() { return Array.prototype.slice.call(doc.querySelectorAll("[data-live]")).filter(source); }
  function part(el) {
    if (!parts.has(el)) parts.set(el, { tag: "", text: null, old: false, busy: false, failed: 0 });
    return parts.get(el);
  }
  function source(el) {
    var src = el.getAttribute("data-live-src") || el.getAttribute("hx-get");
    if (!src) return "";
    var url = new URL(src, location.href); // a list whose filters were changed since is fetched as it is shown
    return url.pathname === location.pathname ? location.pathname + location.search : src;
  }
  function idOf(el) { return el.getAttribute("data-live").split(":")[1] || ""; }
  function concerns(el, change) {
    var what = el.getAttribute("data-live");
    return LISTS[what] ? LISTS[what] === change.kind : idOf(el) === change.id;
  }
  function wanted() {
    var kinds = {}, ids = {};
    all().forEach(function (el) {
      var what = el.getAttribute("data-live");
      if (LISTS[what]) kinds[LISTS[what]] = true; else if (idOf(el)) ids[idOf(el)] = true;
    });
    return { kinds: Object.keys(kinds).sort(), ids: Object.keys(ids).sort().slice(0, 50) };
  }
  function base() { // whatever stands before our own paths
    var el = all()[0];
    return el ? source(el).replace(/\/console\/.*$|\/console$/, "") : "";
  }
  function later(name, wait, act) { clearTimeout(timers[name]); timers[name] = setTimeout(act, wait); }
  function stop(name) { clearTimeout(timers[name]); delete timers[name]; }

  function show(state, text) {
    var el = doc.getElementById("live-state");
    if (!el || el.textContent === text) return;
    el.dataset.state = state;
    el.textContent = text;
  }
  function signedOut() {
    over = true;
    live = false;
    Object.keys(timers).forEach(stop);
    if (socket) socket.close();
    var worker = navigator.serviceWorker && navigator.serviceWorker.controller;
    if (worker) worker.postMessage({ type: "forget" }); // what it kept is nobody's who is signed in
    show("out", "You are signed out");
  }

  // What a person does in a part survives its replacement.
  function named(el) {
    return el.id ? "#" + CSS.escape(el.id) : el.name ? el.tagName + "[name=" + CSS.escape(el.name) + "]" : el.getAttribute("href") ? "a[href=" + CSS.escape(el.getAttribute("href")) + "]" : "";
  }
  function each(root, selector, act) { Array.prototype.forEach.call(root.querySelectorAll(selector), act); }
  function keep(el) {
    var at = doc.activeElement, kept = { typed: [], open: {}, scrolled: [], focus: el.contains(at) ? named(at) : "", x: scrollX, y: scrollY };
    if (kept.focus && at.selectionStart !== undefined) try { kept.range = [at.selectionStart, at.selectionEnd]; } catch (e) { /* of a kind without one */ }
    each(el, "input, textarea, select", function (f) {
      var n = named(f);
      if (!n || f.type === "hidden" || f.type === "file") return;
      if (f.type === "checkbox" || f.type === "radio") { if (f.checked !== f.defaultChecked) kept.typed.push([n + "[value=" + CSS.escape(f.value) + "]", f.checked, true]); }
      else if (f.tagName === "SELECT" ? Array.prototype.some.call(f.options, function (o) { return o.selected !== o.defaultSelected; }) : f.value !== f.defaultValue) kept.typed.push([n, f.value, false]);
    });
    each(el, "details", function (d, i) { kept.open[d.id || (d.querySelector("summary") || d).textContent.trim() || i] = d.open; });
    each(el, "[id]", function (s) { if (s.scrollTop || s.scrollLeft) kept.scrolled.push([s.id, s.scrollTop, s.scrollLeft]); });
    return kept;
  }
  function restore(el, kept) {
    kept.typed.forEach(function (t) {
      var f = el.querySelector(t[0]);
      if (f) { if (t[2]) f.checked = t[1]; else f.value = t[1]; }
    });
    each(el, "details", function (d, i) {
      var key = d.id || (d.querySelector("summary") || d).textContent.trim() || i;
      if (key in kept.open) d.open = kept.open[key];
    });
    kept.scrolled.forEach(function (s) { var at = doc.getElementById(s[0]); if (at) { at.scrollTop = s[1]; at.scrollLeft = s[2]; } });
    if (kept.focus) {
      var f = el.querySelector(kept.focus);
      if (f) {
        f.focus({ preventScroll: true });
        if (kept.range && f.setSelectionRange) try { f.setSelectionRange(kept.range[0], kept.range[1]); } catch (e) { /* as above */ }
      }
    }
    if (scrollX !== kept.x || scrollY !== kept.y) scrollTo(kept.x, kept.y);
  }
  function swap(el, html) {
    var kept = keep(el);
    el.innerHTML = html;
    restore(el, kept);
    if (window.htmx) window.htmx.process(el);
    el.dispatchEvent(new CustomEvent("pf:swapped", { bubbles: true }));
  }

  // fresh fetches a part. One that changes while it is fetched is fetched once more.
  function fresh(el) {
    var p = part(el), headers = { "HX-Request": "true" };
    p.old = true;
    if (over || doc.hidden || p.busy || !doc.contains(el)) return;
    clearTimeout(p.again);
    p.busy = true;
    p.old = false;
    if (p.tag && p.src === source(el)) headers["If-None-Match"] = p.tag;
    p.src = source(el);
    fetch(p.src, { headers: headers, credentials: "same-origin", cache: "no-store", redirect: "manual" }).then(function (r) {
      if (r.status === 401 || r.type === "opaqueredirect") return signedOut(); // led to the sign-in
      if (r.status !== 200) { if (r.status >= 500 || r.status === 429) again(el); return null; }
      p.failed = 0;
      p.tag = r.headers.get("ETag") || "";
      return r.text().then(function (html) {
        if (html !== p.text && doc.contains(el)) swap(el, html);
        p.text = html;
      });
    }).catch(function () { again(el); }).then(function () {
      p.busy = false;
      if (p.old) fresh(el);
    });
  }
  function again(el) { // by one timer, however often it was wanted meanwhile, and less often the longer it fails
    var p = part(el);
    clearTimeout(p.again);
    p.again = setTimeout(function () { fresh(el); }, 2000 + Math.random() * Math.min(MOST, 3000 * Math.pow(2, p.failed++)));
  }
  function catchUp(only) { all().forEach(function (el) { if (!only || part(el).old) fresh(el); }); }
  function poll() {
    later("poll", POLL, function () { if (!live && !over) { catchUp(false); poll(); } });
  }

  function connect() {
    stop("connect");
    if (over || socket || doc.hidden) return;
    var mine = socket = { close: function () {} }; // being opened
    fetch(base() + "/v1/realtime/tickets", { method: "POST", credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json" } }).then(function (r) {
      if (r.status === 401 || r.status === 403) return signedOut();
      if (!r.ok) throw new Error(String(r.status));
      return r.json().then(function (t) {
        if (socket !== mine || over) return;
        var ws = socket = new WebSocket(t.url);
        ws.onopen = function () { subscribe(ws); };
        ws.onmessage = function (e) { hear(ws, e.data); };
        ws.onclose = function () { lost(ws); };
      });
    }).catch(function () { lost(mine); });
  }
  function subscribe(ws) { said = JSON.stringify(wanted()); ws.send('{"subscribe":' + said + "}"); }
  function hear(ws, text) {
    var m;
    try { m = JSON.parse(text); } catch (e) { return; }
    if (ws !== socket) return;
    if (m.subscribed) {
      var before = live;
      failures = 0;
      live = true;
      stop("poll");
      show("live", "Live");
      keepOpen(ws);
      if (!before) catchUp(false); // what changed since the page was made, or while nobody listened
    } else if (m.kind && m.id) {
      all().forEach(function (el) {
        if (!concerns(el, m)) return;
        part(el).old = true;
        later("fresh", Math.random() * 200, function () { catchUp(true); }); // many pages are told at once
      });
    } else if (m.error) ws.close();
  }
  function keepOpen(ws) {
    later("ping", PING, function () { if (ws === socket && ws.readyState === 1) { ws.send('{"ping":true}'); keepOpen(ws); } });
  }
  function lost(ws) {
    if (ws !== socket) return;
    socket = null;
    live = false;
    stop("ping");
    if (over || doc.hidden) return;
    failures++;
    if (failures >= 3) {
      if (!timers.poll) poll();
      show("polling", "Not live: refreshed every 10 s");
    } else show("", "Reconnecting");
    later("connect", Math.random() * Math.min(MOST, FIRST * Math.pow(2, failures)), connect);
  }

  doc.addEventListener("visibilitychange", function () {
    if (over || !all().length) return;
    if (doc.hidden) {
      stop("poll");
      stop("connect");
      later("hide", HIDDEN, function () { if (socket && doc.hidden) socket.close(); });
      return;
    }
    stop("hide");
    if (live) catchUp(true);
    else {
      catchUp(false);
      if (failures >= 3) poll();
      connect();
    }
  });
  function parted() { // parts may come and go
    if (over || !all().length) return;
    if (!socket && !timers.connect) connect();
    else if (live && JSON.stringify(wanted()) !== said) subscribe(socket);
  }
  doc.addEventListener("htmx:afterSettle", parted);
  doc.addEventListener("pf:swapped", parted);
  addEventListener("pagehide", function () { over = true; if (socket) socket.close(); });
  if (all().length) {
    show("", "Connecting");
    connect();
  }
})();

"use strict";
// All of this is a help: without it the page says the same, and is loaded anew by hand.
(function () {
  var main = document.getElementById("main");
  if (!main) return;

  // Times: the page's zone stands there; where the reader's differs, it is added.
  function format(zone) {
    return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: zone });
  }
  function times(root) {
    var own = format(), there;
    try { there = format(root.dataset.zone || "UTC"); } catch (e) { return; }
    if (own.resolvedOptions().timeZone === there.resolvedOptions().timeZone) return;
    root.querySelectorAll("time[datetime*=T]").forEach(function (t) {
      var at = new Date(t.dateTime), text = own.format(at);
      if (text === there.format(at)) return;
      var more = document.createElement("span");
      more.className = "own";
      more.textContent = " (" + text + " your time)";
      t.after(more);
    });
  }

  // Strips: one tab stop each, a slider whose keys walk from day to day.
  var dates = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", timeZone: "UTC" });
  function strips(root) {
    root.querySelectorAll(".parts > li").forEach(function (part) {
      var strip = part.querySelector(".strip"), list = part.querySelector(".days ol"), runs = [], tall = 0;
      if (!strip || !list) return;
      list.querySelectorAll("li").forEach(function (li) {
        tall += Number(li.dataset.n);
        runs.push([tall, li.querySelector(".what")]);
      });
      if (!tall) return;
      function name(n) { // of a day, from 1
        var day = new Date(list.dataset.from + "T00:00:00Z"), run = runs.find(function (r) { return n <= r[0]; });
        day.setUTCDate(day.getUTCDate() + n - 1);
        return dates.format(day) + ": " + run[1].textContent.trim().replace(/\s+/g, " ");
      }
      var range = document.createElement("input"), tip = document.createElement("p");
      range.type = "range"; range.min = 1; range.max = tall; range.step = 1; range.value = tall;
      range.setAttribute("aria-label", part.querySelector(".name strong").textContent + ", day by day");
      tip.className = "tip";
      tip.setAttribute("aria-hidden", "true");
      function show(n, visible) {
        tip.textContent = name(n);
        tip.hidden = !visible;
        var at = (n - 0.5) / tall * strip.clientWidth, half = tip.offsetWidth / 2;
        tip.style.left = Math.max(0, Math.min(strip.clientWidth - 2 * half, at - half)) + "px";
      }
      function chosen() { range.setAttribute("aria-valuetext", name(Number(range.value))); }
      function away() { tip.hidden = document.activeElement !== range; if (!tip.hidden) show(Number(range.value), true); }
      range.addEventListener("keydown", function (e) { // a page is a week
        var week = e.key === "PageUp" ? 7 : e.key === "PageDown" ? -7 : 0;
        if (!week) return;
        e.preventDefault();
        range.value = Number(range.value) + week;
        range.dispatchEvent(new Event("input"));
      });
      range.addEventListener("input", function () { chosen(); show(Number(range.value), true); });
      range.addEventListener("focus", function () { show(Number(range.value), true); });
      range.addEventListener("blur", function () { tip.hidden = true; });
      range.addEventListener("pointermove", function (e) {
        var box = strip.getBoundingClientRect();
        show(Math.max(1, Math.min(tall, Math.ceil((e.clientX - box.left) / box.width * tall))), true);
      });
      range.addEventListener("pointerleave", away);
      chosen();
      tip.hidden = true;
      strip.querySelector("svg").setAttribute("aria-hidden", "true");
      strip.append(range, tip);
    });
  }
  function enhance() { times(main); strips(main); }

  var source = main.innerHTML;
  enhance();

  addEventListener("beforeprint", function () {
    document.querySelectorAll("details.group").forEach(function (d) { d.open = true; });
  });

  var out = document.querySelector("footer form");
  if (out) out.addEventListener("submit", function (e) {
    e.preventDefault();
    fetch(out.action, { method: "POST", credentials: "same-origin" }).then(function (r) { if (r.ok || r.status === 401) gone(); else out.submit(); }, function () { out.submit(); });
  });

  if (!("live" in main.dataset)) return;

  // Refresh: every 30 seconds while somebody looks, less often while it fails.
  var usual = 30000, longest = 300000, wait = usual, timer = 0, tag = "", busy = false, over = false;
  var live = document.getElementById("live"), stale = document.getElementById("stale");

  function said(root) {
    var all = {};
    root.querySelectorAll("[data-said]").forEach(function (e) { all[e.dataset.key || "page"] = e.dataset.said; });
    return all;
  }
  function replace(page) {
    var next = page.getElementById("main");
    if (!next || next.innerHTML === source) return;
    var before = said(main), held = document.activeElement, open = {}, key = null, what = null;
    main.querySelectorAll("details").forEach(function (d) { open[idOf(d)] = d.open; });
    if (main.contains(held)) { key = held.closest("[data-key],[id]"); what = held.tagName; key = key && (key.dataset.key || key.id); }
    source = next.innerHTML;
    main.innerHTML = source;
    document.title = page.title;
    document.querySelector("footer > p").innerHTML = page.querySelector("footer > p").innerHTML;
    main.querySelectorAll("details").forEach(function (d) { if (idOf(d) in open) d.open = open[idOf(d)]; });
    enhance();
    if (key) {
      var place = main.querySelector('[data-key="' + CSS.escape(key) + '"],#' + CSS.escape(key));
      place = place && (place.matches(what) ? place : place.querySelector(what));
      if (place) place.focus({ preventScroll: true });
    }
    var after = said(main), news = [];
    Object.keys(after).forEach(function (k) { if (after[k] !== before[k]) news.push(after[k]); });
    live.textContent = news.length ? "Updated. " + news.slice(0, 5).join(". ") + "." : "Updated.";
  }
  function idOf(d) { return d.id || (d.closest("[data-key]") || { dataset: {} }).dataset.key || ""; }

  // What was shown may not be shown any longer: it goes at once, all of it.
  function end(content, title) {
    over = true;
    clearTimeout(timer);
    document.body.replaceChildren.apply(document.body, content);
    document.title = title;
    var h = document.querySelector("h1");
    if (h) { h.tabIndex = -1; h.focus(); }
  }
  function gone() {
    var t = document.getElementById("ended");
    end([t.content.cloneNode(true)], t.content.querySelector("h1").textContent);
  }

  function late(after) {
    wait = Math.max(Math.min(wait * 2, longest), (after || 0) * 1000);
    if (stale) stale.hidden = false;
  }
  function look() {
    clearTimeout(timer);
    if (over || busy || document.hidden) return;
    busy = true;
    var headers = { Accept: "text/html" };
    if (tag) headers["If-None-Match"] = tag;
    fetch(location.href.split("#")[0], { headers: headers, credentials: "same-origin", cache: "no-store", redirect: "manual" }).then(function (r) {
      if (r.type === "opaqueredirect" || r.status === 401) return gone();
      if (r.status === 403 || r.status === 404) return r.text().then(function (text) {
        var page = new DOMParser().parseFromString(text, "text/html"), m = page.getElementById("main");
        if (m) end([m], page.title); else gone();
      });
      if (r.status !== 200 && r.status !== 304) return late(Number(r.headers.get("Retry-After")));
      wait = usual;
      if (stale) stale.hidden = true;
      if (r.status === 304) return;
      tag = r.headers.get("ETag") || "";
      return r.text().then(function (text) { replace(new DOMParser().parseFromString(text, "text/html")); });
    }).catch(function () { late(0); }).then(function () {
      busy = false;
      if (!over && !document.hidden) timer = setTimeout(look, wait * (0.9 + Math.random() / 5));
    });
  }
  document.addEventListener("visibilitychange", function () { if (document.hidden) clearTimeout(timer); else look(); });
  addEventListener("online", look);
  addEventListener("pageshow", function (e) { if (e.persisted) look(); });
  timer = setTimeout(look, usual);
})();

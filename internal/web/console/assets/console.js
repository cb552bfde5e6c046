"use strict";
// All of this is a help: without it every page says and does the same.
(function () {
  var doc = document;
  function all(root, selector) { return Array.prototype.slice.call(root.querySelectorAll(selector)); }
  function stored(key, value) {
    try {
      if (value === undefined) return sessionStorage.getItem(key);
      sessionStorage.setItem(key, value);
    } catch (e) { return null; } // a private window may have none
  }

  // Times: how long ago, kept true; the exact time, in the reader's own zone, on hover.
  var exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });
  function ago(t) {
    var s = (Date.now() - t) / 1000, later = s < 0, text;
    if (later) s = -s;
    if (s < (later ? 5 : 45)) return "just now"; // clocks differ
    if (s < 60) text = Math.floor(s) + " s";
    else if (s < 3600) text = Math.floor(s / 60) + " min";
    else if (s < 172800) text = Math.floor(s / 3600) + " h";
    else if (s < 1209600) text = Math.floor(s / 86400) + " days";
    else return "";
    return later ? "in " + text : text + " ago";
  }
  function times(root) {
    all(root, "time[datetime]").forEach(function (el) {
      var t = Date.parse(el.dateTime), text = ago(t);
      if (isNaN(t)) return;
      el.title = exact.format(t);
      if (text && !el.hasAttribute("data-exact") && el.textContent !== text) el.textContent = text;
    });
    all(root, "[data-since]").forEach(function (el) { // how long something goes on: "since" in RFC 3339
      var s = Math.max(0, Math.floor((Date.now() - Date.parse(el.dataset.since)) / 1000));
      el.textContent = s < 60 ? s + " s" : s < 3600 ? Math.floor(s / 60) + " min " + s % 60 + " s" : Math.floor(s / 3600) + " h " + Math.floor(s / 60) % 60 + " min";
      if (el.dataset.bar) { var bar = doc.getElementById(el.dataset.bar); if (bar) bar.value = Math.min(s, bar.max); }
    });
  }

  // People: ids that pages could not name, named by whoever knows.
  var names = {};
  try { names = JSON.parse(stored("names") || "{}"); } catch (e) { names = {}; }
  function people(root) {
    var missing = {};
    all(root, "[data-person]").forEach(function (el) {
      var name = names[el.dataset.person];
      if (name) el.textContent = name; else missing[el.dataset.person] = true;
    });
    var ids = Object.keys(missing).slice(0, 50);
    if (!ids.length) return;
    fetch(base() + "/console/people/names?ids=" + ids.join(","), { headers: { "HX-Request": "true" } }).then(function (r) { return r.ok ? r.json() : null; }).then(function (found) {
      if (!found) return;
      ids.forEach(function (id) { names[id] = found[id] || names[id]; });
      stored("names", JSON.stringify(names));
      all(doc, "[data-person]").forEach(function (el) { if (found[el.dataset.person]) el.textContent = found[el.dataset.person]; });
    }).catch(function () { /* the ids stay */ });
  }
  function base() { var brand = doc.querySelector(".brand"); return brand ? brand.getAttribute("href").replace(/\/console\/.*/, "") : ""; }

  // Copy buttons.
  function copies(root) {
    all(root, "[data-copy]").forEach(function (button) {
      button.hidden = false;
      if (button.dataset.ready) return;
      button.dataset.ready = "1";
      button.addEventListener("click", function () {
        var from = doc.querySelector(button.dataset.copy), text = "value" in from ? from.value : from.textContent, label = button.lastChild;
        navigator.clipboard.writeText(text).then(function () {
          label.textContent = "Copied";
          setTimeout(function () { label.textContent = "Copy"; }, 2000);
        }, function () { if (from.select) from.select(); });
      });
    });
    all(root, "[data-reload]").forEach(function (b) { b.hidden = false; b.onclick = function () { location.reload(); }; });
  }

  // Lists keep their place: whoever comes back to a list finds the filters and the row as they were.
  function remember() {
    if (!doc.querySelector("[data-list]")) return;
    stored("list:" + location.pathname, location.search);
  }
  function back(root) {
    all(root, "a[data-back]").forEach(function (a) {
      var url = new URL(a.href), search = stored("list:" + url.pathname);
      if (search && !url.search) a.href = url.pathname + search;
    });
  }
  function place() {
    var list = doc.querySelector("[data-list]"), key = "place:" + location.pathname + location.search, from = stored("from") || "";
    if (list && stored(key) && from.indexOf(location.pathname + "/") === 0) scrollTo(0, Number(stored(key)));
    addEventListener("pagehide", function () {
      remember(); // the filters of a list may have changed since it was loaded
      stored("from", location.pathname);
      if (list) stored(key, String(scrollY));
    });
  }

  // A form is sent once.
  doc.addEventListener("submit", function (e) {
    if (e.defaultPrevented || e.target.method !== "post" || e.target.hasAttribute("hx-post")) return;
    if (e.target.dataset.sent) { e.preventDefault(); return; }
    e.target.dataset.sent = "1";
    if (e.target.hasAttribute("data-sign-out")) try { sessionStorage.clear(); } catch (x) { /* there is none */ }
  });
  addEventListener("pageshow", function (e) {
    all(doc, "form[data-sent]").forEach(function (f) { delete f.dataset.sent; });
    if (e.persisted) location.reload(); // what the browser kept may be somebody else's, or old
  });

  // Filters apply themselves.
  doc.addEventListener("change", function (e) {
    var form = e.target.closest && e.target.closest("form.filters");
    if (form && e.target.tagName === "SELECT") form.requestSubmit();
  });

  // Keys.
  var rows = [], at = -1, before = 0;
  function row(step) {
    rows = all(doc, "[data-list] tbody tr, [data-list] > li");
    if (!rows.length) return;
    if (rows[at]) rows[at].classList.remove("at");
    at = Math.min(Math.max(at + step, 0), rows.length - 1);
    rows[at].classList.add("at");
    var link = rows[at].querySelector("a[href], summary");
    if (link) link.focus();
  }
  doc.addEventListener("keydown", function (e) {
    var el = e.target;
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(el.tagName) || el.isContentEditable) return;
    var dialog = doc.getElementById("keys");
    if (e.key === "?" && dialog && dialog.showModal) { e.preventDefault(); if (!dialog.open) dialog.showModal(); return; }
    if (dialog && dialog.open) return;
    if (e.key === "/") {
      var search = doc.querySelector("input[type=search]");
      if (search) { e.preventDefault(); search.focus(); search.select(); }
    } else if (e.key === "j") row(1);
    else if (e.key === "k") row(-1);
    else if (e.key === "u") { var up = doc.querySelector(".crumbs a:last-child"); if (up) location.href = up.href; }
    else if (e.key === "g") before = Date.now();
    else if (Date.now() - before < 1500) {
      before = 0;
      var to = doc.querySelector(".side a[data-key=" + JSON.stringify(e.key) + "]");
      if (to) location.href = to.href;
    }
  });

  function enhance(root) { times(root); people(root); copies(root); back(root); }
  remember();
  enhance(doc);
  place();
  setInterval(function () { times(doc); }, 1000);
  doc.addEventListener("htmx:beforeSwap", function (e) { // a refusal of ours says where it belongs; nothing else that failed is shown
    if (e.detail.xhr.status >= 400) e.detail.shouldSwap = e.detail.xhr.getResponseHeader("HX-Retarget") !== null;
  });
  doc.addEventListener("htmx:afterSwap", function (e) { enhance(e.target); });
  doc.addEventListener("pf:swapped", function (e) { enhance(e.target); });
})();

"use strict";
// Searching an output, and holding a preview true to its form. Without it the
// search is the server's, and what changed since a preview is previewed again.
(function () {
  var doc = document;

  // Hits are painted by the browser; where it cannot, the form asks the server.
  function searching() {
    var form = doc.querySelector("form[data-find]");
    if (!form || !window.Highlight || !CSS.highlights) return;
    var input = form.querySelector("input[type=search]"), count = form.querySelector("[data-find-count]"), ranges = [], at = -1;
    function texts(el) {
      var walk = doc.createTreeWalker(el, NodeFilter.SHOW_TEXT), all = [], whole = "", node;
      while ((node = walk.nextNode())) { all.push({ node: node, from: whole.length }); whole += node.data; }
      return { all: all, whole: whole };
    }
    function point(all, i, end) { // the text node that holds a place
      var low = 0, high = all.length - 1;
      while (low < high) {
        var mid = (low + high + 1) >> 1;
        if (all[mid].from < i || !end && all[mid].from === i) low = mid; else high = mid - 1;
      }
      return [all[low].node, i - all[low].from];
    }
    function mark() {
      var what = input.value.toLowerCase();
      ranges = [];
      Array.prototype.forEach.call(doc.querySelectorAll(form.dataset.find), function (el) {
        Array.prototype.slice.call(el.querySelectorAll("mark")).forEach(function (m) { var s = doc.createElement("span"); s.className = m.className; s.textContent = m.textContent; m.replaceWith(s); });
        if (!what) return;
        var t = texts(el), text = t.whole.toLowerCase();
        if (text.length !== t.whole.length) return; // a letter that grows: the server's search finds it
        for (var i = text.indexOf(what); i >= 0 && ranges.length < 5000; i = text.indexOf(what, i + what.length)) {
          var range = doc.createRange(), a = point(t.all, i, false), b = point(t.all, i + what.length, true);
          range.setStart(a[0], a[1]);
          range.setEnd(b[0], b[1]);
          ranges.push(range);
        }
      });
      var paint = new Highlight();
      ranges.forEach(function (r) { paint.add(r); });
      CSS.highlights.set("find", paint);
      CSS.highlights.delete("found");
      at = -1;
      count.textContent = what ? ranges.length + (ranges.length === 1 ? " hit" : " hits") : "";
    }
    function go() {
      if (!ranges.length) return;
      at = (at + 1) % ranges.length;
      CSS.highlights.set("found", new Highlight(ranges[at]));
      var el = ranges[at].startContainer.parentElement, pre = el.closest("pre"), box = ranges[at].getBoundingClientRect();
      pre.scrollTop += box.top - pre.getBoundingClientRect().top - pre.clientHeight / 2;
      scrollBy(0, ranges[at].getBoundingClientRect().top - innerHeight / 2);
      count.textContent = (at + 1) + " of " + ranges.length;
    }
    input.addEventListener("input", mark);
    form.addEventListener("submit", function (e) { e.preventDefault(); if (at < 0) mark(); go(); });
    ["htmx:afterSwap", "pf:swapped"].forEach(function (name) { doc.addEventListener(name, function () { if (input.value) mark(); }); });
    if (input.value) mark();
  }

  // What changed since the preview has to be previewed again.
  function previewing() {
    var form = doc.querySelector("form[data-run]");
    if (!form) return;
    form.addEventListener("input", function () {
      var start = form.querySelector("[data-start]");
      if (!start || start.disabled) return;
      start.disabled = true;
      start.textContent = "Preview again before it runs";
    });
    form.addEventListener("keydown", function (e) { // Enter in a field previews; only the button runs
      if (e.key !== "Enter" || !/^(INPUT|SELECT)$/.test(e.target.tagName)) return;
      e.preventDefault();
      form.querySelector("[data-preview]").click();
    });
  }

  searching();
  previewing();
})();

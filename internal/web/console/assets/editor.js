"use strict";
// The editor of scripts: a textarea over what the server painted, line by line.
// Without this script it is a plain textarea.
(function () {
  var box = document.querySelector("[data-editor]");
  if (!box) return;
  var area = box.querySelector("textarea"), pane = box.querySelector(".paint"), leaving = false;

  function line(text) {
    var el = document.createElement("span");
    el.className = "ln";
    el.textContent = text + "\n";
    return el;
  }
  // What is typed is seen at once, in plain; the lines that did not change keep their colours until all is painted again.
  function step() {
    var want = area.value.split("\n"), have = pane.children, head = 0, tail = 0, i;
    if (want.length > 1 && want[want.length - 1] === "" && have.length === want.length - 1) want.pop(); // the server paints no empty last line
    function same(el, text) { return el.textContent === text + "\n"; }
    while (head < want.length && head < have.length && same(have[head], want[head])) head++;
    while (tail < want.length - head && tail < have.length - head && same(have[have.length - 1 - tail], want[want.length - 1 - tail])) tail++;
    for (i = have.length - tail - 1; i >= head; i--) pane.removeChild(have[i]);
    var before = have[head] || null;
    for (i = head; i < want.length - tail; i++) pane.insertBefore(line(want[i]), before);
    scroll();
  }
  function scroll() { pane.scrollTop = area.scrollTop; pane.scrollLeft = area.scrollLeft; }

  // Tab indents what is chosen, or puts two spaces; Escape and then Tab leaves, as a keyboard has to.
  function put(from, to, text) {
    area.setSelectionRange(from, to);
    if (!document.execCommand("insertText", false, text)) area.setRangeText(text, from, to, "end"); // the first keeps undo
  }
  area.addEventListener("keydown", function (e) {
    if (e.key === "Escape") { leaving = true; return; }
    if (e.key !== "Tab" || e.ctrlKey || e.altKey || e.metaKey || leaving) { if (e.key !== "Shift") leaving = false; return; }
    e.preventDefault();
    var start = area.selectionStart, end = area.selectionEnd, text = area.value;
    if (start === end && !e.shiftKey) return put(start, end, "  ");
    var from = text.lastIndexOf("\n", start - 1) + 1, chosen = text.slice(from, end);
    var moved = e.shiftKey ? chosen.replace(/^ {1,2}/gm, "") : chosen.replace(/^(?=.)/gm, "  ");
    if (moved === chosen) return;
    put(from, end, moved);
    area.setSelectionRange(start === end ? Math.max(from, start - (chosen.length - moved.length)) : from, start === end ? Math.max(from, start - (chosen.length - moved.length)) : from + moved.length);
  });
  area.addEventListener("blur", function () { leaving = false; });
  area.addEventListener("input", step);
  area.addEventListener("scroll", scroll);
  document.addEventListener("htmx:afterSwap", function (e) { if (e.target === pane) step(); }); // what was typed meanwhile
  var language = document.getElementById("f-language");
  if (language) language.addEventListener("change", function () { area.dispatchEvent(new Event("repaint")); });
  if (window.ResizeObserver) new ResizeObserver(scroll).observe(area);

  box.classList.add("on");
  step();
  var stop = pane.querySelector(".stop");
  if (stop) area.scrollTop = Math.max(0, stop.offsetTop - area.clientHeight / 2);
})();

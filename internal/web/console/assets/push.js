"use strict";
// The switch of the settings: pushes on this device. <section id="push" hidden data-key-url data-subscriptions-url> holds a
// button #push-toggle and a place for words #push-state. The list of all devices is the page's: "push-changed" tells it that
// it is old.
(function () {
  var section = document.getElementById("push"), app = window.pagefree;
  if (!section) return;
  var button = document.getElementById("push-toggle"), state = document.getElementById("push-state");
  var keyURL = section.dataset.keyUrl, url = section.dataset.subscriptionsUrl;
  section.hidden = false;

  function say(words, does, on) {
    state.textContent = words;
    button.hidden = !does;
    button.disabled = false;
    button.textContent = does;
    button.setAttribute("aria-pressed", String(!!on));
  }
  function apple() { return /iPhone|iPad|iPod/.test(navigator.userAgent) || navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1; }
  if (!app || !("PushManager" in window) || !window.Notification) {
    say(apple() ? "On an iPhone or iPad pushes come to an app on the home screen: open the share menu, choose Add to Home Screen, and open PageFree from there."
      : "This browser has no pushes here. A window that keeps nothing has none, and neither has an address without https.", "");
    return;
  }

  function look() {
    if (Notification.permission === "denied") {
      say("Pushes from PageFree are blocked in this browser. Allow notifications for this site in its settings, then come back.", "");
      return Promise.resolve();
    }
    return app.ready.then(function (registration) { return registration.pushManager.getSubscription(); }).then(function (subscription) {
      return app.json(url).then(function (list) { return [subscription, list.items]; });
    }).then(function (both) {
      var id = app.stored("push:device"), mine = !!both[0] && both[1].some(function (d) { return d.id === id; });
      if (mine) say("This device gets pushes.", "Switch off", true);
      else say("This device gets no pushes.", "Switch on", false);
    });
  }
  function changed() { section.dispatchEvent(new CustomEvent("push-changed", { bubbles: true })); }

  button.addEventListener("click", function () {
    var on = button.getAttribute("aria-pressed") === "true";
    button.disabled = true;
    state.textContent = on ? "Switching off ..." : "Switching on ...";
    var asked = on ? Promise.resolve("granted") : Notification.requestPermission(); // here, while the click still counts
    asked.then(function (permission) {
      if (permission !== "granted") return null;
      return app.ready.then(function (registration) { return on ? app.unsubscribe(registration, url) : app.subscribe(registration, keyURL, url); }).then(changed);
    }).then(look).catch(function (e) {
      say((on ? "It could not be switched off. " : "It could not be switched on. ") + (e && e.message || ""), "Try again", on);
    });
  });

  look().catch(function () { say("Whether this device gets pushes cannot be seen without a connection.", ""); });
})();

package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
)

// worker is the service worker's own target.
func (b *tab) worker() context.Context {
	b.Helper()
	targets, err := chromedp.Targets(b.Ctx)
	if err != nil {
		b.Fatal(err)
	}
	for _, target := range targets {
		if target.Type == "service_worker" {
			ctx, end := chromedp.NewContext(b.Ctx, chromedp.WithTargetID(target.TargetID), chromedp.WithDetachOnCancel())
			b.Cleanup(end)
			return ctx
		}
	}
	b.Fatal("no worker runs")
	return nil
}

// showing makes a worker tell when it has shown something: saying awaits the next time.
const (
	showing = `(() => {
		const show = registration.showNotification.bind(registration);
		registration.showNotification = (...all) => show(...all).finally(() => self.said());
		return "";
	})()`
	saying = `self.shown = new Promise(resolve => { self.said = resolve; }), ""`
)

// deliver pushes a note, and waits until the worker has shown something. Before that nobody asks for what is shown: a
// browser that is asked forgets the notifications that are not on the screen yet.
func (b *tab) deliver(worker context.Context, note map[string]any) {
	b.Helper()
	raw, err := json.Marshal(note)
	if err != nil {
		b.Fatal(err)
	}
	b.in(worker, saying)
	call(b, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: b.host.URL, RegistrationID: serviceworker.RegistrationID(b.registration.Load().(string)), Data: string(raw)})
	b.in(worker, `self.shown.then(() => "")`)
}

// in is what a script, or the promise that it makes, comes to in a worker.
func (b *tab) in(worker context.Context, script string) string {
	b.Helper()
	out, err := chromedp.Run(worker, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", script, err)
	}
	return out
}

// shown are the notifications, sorted, a line each.
const shown = `navigator.serviceWorker.getRegistration("/console/").then(r => r ? r.getNotifications() : []).then(all => all.map(n => n.tag + ": " + n.title + " / " + n.body + " / " + n.data.url + (n.silent ? " silently" : "")).sort().join("\n"))`

func note(title, tag, at string, more ...any) map[string]any {
	n := map[string]any{"title": title, "body": "An incident is open.", "url": "/console/incidents/inc_7", "tag": tag, "kind": "incident", "id": "inc_7", "at": at}
	for i := 0; i+1 < len(more); i += 2 {
		n[more[i].(string)] = more[i+1]
	}
	return n
}

// TestAPushIsShown: the later of a tag stays, whichever comes last, and a click opens the incident.
func TestAPushIsShown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s)
	b.Until(`Notification.permission === "granted"`)
	worker := b.worker()
	b.in(worker, showing)
	steps := []struct {
		note map[string]any
		want string
	}{
		{note("Critical incident", "inc_7", "2026-11-29T10:00:01.000Z"), "inc_7: Critical incident / An incident is open. / /console/incidents/inc_7"},
		{note("Critical incident", "inc_7", "2026-11-29T10:00:02.000Z", "body", "This incident is over.", "silent", true), "inc_7: Critical incident / This incident is over. / /console/incidents/inc_7 silently"},
		{note("Critical incident", "inc_7", "2026-11-29T10:00:01.500Z", "body", "It comes late."), "inc_7: Critical incident / This incident is over. / /console/incidents/inc_7 silently"},
		{note("A runbook failed", "failed/rb_1", "2026-11-29T10:00:03.000Z", "url", "https://evil.example/console/"), "failed/rb_1: A runbook failed / An incident is open. / /console/incidents\ninc_7: Critical incident / This incident is over. / /console/incidents/inc_7 silently"},
	}
	for _, step := range steps {
		b.deliver(worker, step.note)
		want, _ := json.Marshal(step.want) // a string always marshals
		b.Until(shown + `.then(now => now === ` + string(want) + `)`)
	}
	// click is what a click on a notification comes to; a browser lets no script open a window without a real one.
	click := func(tag string) string {
		t.Helper()
		script := fmt.Sprintf(`registration.getNotifications({tag: %q}).then(([n]) => new Promise(resolve => {
			const e = new NotificationEvent("notificationclick", {notification: n});
			e.waitUntil = p => p.then(() => resolve("done"), err => resolve(err.message));
			dispatchEvent(e);
		}))`, tag)
		return b.in(worker, script)
	}
	if got := click("inc_7"); got != "done" {
		t.Errorf("a click: %s", got)
	}
	b.Until(`location.pathname === "/console/incidents/inc_7"`)
	b.Until(shown + `.then(now => !now.includes("inc_7:"))`)
	// Who is writing is left where they are.
	b.Eval(`document.querySelector("textarea").value = "half a note", ""`)
	b.deliver(worker, note("Another", "inc_8", "2026-11-29T10:00:04.000Z", "url", "/console/incidents/inc_8"))
	b.Until(shown + `.then(now => now.includes("inc_8:"))`)
	if got := click("inc_8"); !strings.Contains(got, "open a window") {
		t.Errorf("a click while somebody writes: %s", got)
	}
	if got := b.Eval(`location.pathname + " " + document.querySelector("textarea").value`); got != "/console/incidents/inc_7 half a note" {
		t.Errorf("the page is %q", got)
	}
}

// vendor stands in for the push service that a browser's vendor runs, which this Chromium has none of.
const vendor = `(() => {
	const bytes = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0)).buffer;
	const made = key => ({ options: { applicationServerKey: bytes(key) }, toJSON: () => ({ endpoint: "https://push.example.com/" + key.slice(-4), expirationTime: null, keys: { p256dh: "B", auth: "A" } }),
		unsubscribe: async () => { localStorage.removeItem("vendor"); return true; } });
	PushManager.prototype.getSubscription = async () => { const key = localStorage.getItem("vendor"); return key ? made(key) : null; };
	PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
		if (!userVisibleOnly) throw new Error("no");
		localStorage.setItem("vendor", applicationServerKey);
		return made(applicationServerKey);
	};
})()`

// TestTheSwitch: on, off, a key that was replaced, and a device that was removed elsewhere.
func TestTheSwitch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s, vendor)
	b.Open("/console/settings")
	says := func(words string) {
		t.Helper()
		b.Until(fmt.Sprintf(`document.getElementById("push-state").textContent === %q`, words))
	}
	press := func() {
		t.Helper()
		b.Eval(`document.getElementById("push-toggle").click(), ""`)
	}
	says("This device gets no pushes.")
	s.took()
	press()
	says("This device gets pushes.")
	if got := s.took(); !strings.Contains(got, `POST subscriptions {"applicationServerKey":"`+s.key+`","endpoint":"https://push.example.com/Aiw4","expirationTime":null,"keys":{"auth":"A","p256dh":"B"}}`) {
		t.Errorf("asked %s", got)
	}
	s.mu.Lock()
	s.listed = "dev_2" // it was removed, from another device
	s.mu.Unlock()
	b.Open("/console/settings")
	says("This device gets no pushes.")
	press()
	says("This device gets pushes.")
	s.took()
	s.mu.Lock()
	s.key = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
	s.mu.Unlock()
	b.Eval(`localStorage.removeItem("push:looked"), ""`)
	b.Open("/console/incidents") // any page
	b.Until(`(localStorage.getItem("vendor") || "").endsWith("l7A8") && localStorage.getItem("push:looked") !== null`)
	b.Open("/console/settings")
	says("This device gets pushes.")
	if got := s.took(); !strings.Contains(got, `DELETE subscriptions {"endpoint":"https://push.example.com/Aiw4"`) || !strings.Contains(got, `"applicationServerKey":"`+s.key) {
		t.Errorf("a key that was replaced: asked %s", got)
	}
	press()
	says("This device gets no pushes.")
	if got := s.took(); !strings.Contains(got, `DELETE subscriptions {"endpoint":"https://push.example.com/l7A8"`) {
		t.Errorf("off: asked %s", got)
	}
	press()
	says("This device gets pushes.")
	s.took()
	b.Eval(`document.querySelector("form[data-sign-out]").requestSubmit(), ""`)
	b.Until(`document.title === "Sign in"`)
	if got := s.took(); !strings.Contains(got, `DELETE subscriptions {"endpoint":"https://push.example.com/l7A8"`) {
		t.Errorf("a sign-out: asked %s", got)
	}
}

package console_test

import (
	"fmt"
	"strings"
	"testing"
)

// kept are the addresses of the copies that the worker has, without the one that says whose they are.
func (b *tab) kept() string {
	return b.Eval(`caches.has("pages").then(async has => has ? (await (await caches.open("pages")).keys()).map(r => new URL(r.url).pathname).filter(p => !p.includes("/-/")).sort().join(" ") : "")`)
}

// TestOffline: the incident that was seen is there with its age, and nothing else is kept.
func TestOffline(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s)
	b.Open("/console/incidents/inc_1?did=acknowledged")
	b.Open("/console/settings")
	b.Open("/console/incidents/none/such")
	if got := b.kept(); got != "/console/incidents/inc_1" {
		t.Errorf("kept %q", got)
	}
	s.down.Store(true)
	b.Open("/console/incidents/inc_1")
	if text := b.text(); !strings.Contains(text, "Payments <fail> inc_1 for usr_ann") || !strings.Contains(text, "No connection. This page is a copy, as it was") || strings.Contains(text, "You are working on it") {
		t.Errorf("shows %q", text)
	}
	if got := b.Eval(`document.querySelector("#offline time").dateTime`); !strings.HasSuffix(got, "Z") {
		t.Errorf("its age: %q", got)
	}
	if got := b.Eval(`getComputedStyle(document.querySelector(".top")).display + getComputedStyle(document.querySelector(".top")).height`); !strings.HasPrefix(got, "flex") {
		t.Errorf("without its style: %s", got)
	}
	b.Open("/console/incidents")
	if text := b.text(); !strings.Contains(text, "No connection") || !strings.Contains(text, "Payments <fail> inc_1") {
		t.Errorf("what was not kept shows %q", text)
	}
	b.Eval(`document.querySelector("main li a").click(), ""`)
	b.Until(`document.querySelector("#offline") !== null && !document.querySelector("#offline").hidden`)
	s.down.Store(false)
	b.Open("/console/incidents/inc_1")
	if got := b.Eval(`String(document.querySelector("#offline").hidden)`); got != "true" {
		t.Error("a fresh page says that it is a copy")
	}
	for n := range 14 {
		b.Open(fmt.Sprintf("/console/incidents/inc_%02d", n))
	}
	b.Until(`caches.open("pages").then(c => c.keys()).then(k => k.length === 11 && k.some(r => r.url.endsWith("inc_13")))`)
	if got := b.Eval(`caches.keys().then(k => k.map(n => n.replace(/-.*/, "")).sort().join(" "))`); got != "pages shell" {
		t.Errorf("caches %q", got)
	}
}

// TestWhoseCopies: another person, a session that is over, and a sign-out leave nothing of who was here before.
func TestWhoseCopies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s)
	b.Open("/console/incidents/inc_1")
	b.Until(`caches.has("pages")`)
	s.person.Store("usr_ben")
	b.Open("/console/incidents")
	b.Until(`caches.open("pages").then(c => c.keys()).then(k => k.length === 1)`)
	s.down.Store(true)
	b.Open("/console/incidents/inc_1")
	if text := b.text(); strings.Contains(text, "usr_ann") || !strings.Contains(text, "No connection") {
		t.Errorf("another person sees %q", text)
	}
	s.down.Store(false)
	b.Open("/console/incidents/inc_2")
	b.Until(`caches.has("pages")`)
	s.person.Store("")
	b.Open("/console/incidents") // on to the sign-in
	b.Until(`document.title === "Sign in"`)
	b.Until(`caches.has("pages").then(has => !has)`)
	s.person.Store("usr_ben")
	b.Open("/console/incidents/inc_3")
	b.Until(`caches.has("pages")`)
	s.person.Store("pse_1") // a partner's session took the place of theirs
	b.Open("/console/incidents/inc_3")
	b.Until(`caches.open("pages").then(c => c.keys()).then(k => k.length === 1)`) // whose they are
	s.down.Store(true)
	b.Open("/console/incidents/inc_3")
	if text := b.text(); strings.Contains(text, "usr_ben") || !strings.Contains(text, "No connection") {
		t.Errorf("a partner sees %q", text)
	}
	s.down.Store(false)
	s.person.Store("usr_ben")
	b.Open("/console/incidents/inc_3")
	b.Until(`caches.has("pages")`)
	b.Eval(`document.querySelector(".side form[data-sign-out], form[data-sign-out]").requestSubmit(), ""`)
	b.Until(`document.title === "Sign in"`)
	b.Until(`caches.keys().then(k => k.length === 0)`)
	b.Until(`navigator.serviceWorker.getRegistrations().then(r => r.length === 0)`)
}

// TestACopyThatComesLate: a page that is still being kept when its reader signs out is not there afterwards.
func TestACopyThatComesLate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := newTab(t, s)
	forget := `new Promise(resolve => {
		const { port1, port2 } = new MessageChannel();
		port1.onmessage = () => resolve("forgotten");
		navigator.serviceWorker.controller.postMessage({ type: "forget" }, [port2]);
	})`
	b.Eval(forget)
	worker := b.worker()
	in := func(script string) string { t.Helper(); return b.in(worker, script) }
	in(`(() => {
		const open = caches.open.bind(caches);
		self.waits = new Promise(waiting => { self.held = new Promise(release => {
			caches.open = async name => { waiting("waits"); self.release = release; await self.held; return open(name); };
		}); });
		self.told = new Promise(told => addEventListener("message", () => told("told")));
		return "";
	})()`)
	b.Open("/console/incidents/inc_1")
	in("self.waits")
	b.Eval(`window.answer = ` + forget + `, ""`)
	in("self.told")
	in(`self.release(), ""`)
	b.Eval("window.answer")
	if got := in(`turn.then(() => caches.has("pages")).then(String)`); got != "false" {
		t.Error("a copy is there after the sign-out")
	}
}

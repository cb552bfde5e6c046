package executions

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"pagefree/infra/local/roomtest"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/origin"
	"pagefree/internal/runbook"
	"pagefree/internal/web/console"
	"pagefree/internal/web/console/assets"
)

// TestInABrowser: the preview is swapped in beside what was typed, what changed since cannot be run, and hits are painted.
func TestInABrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	api := httpapi.New()
	Routes(api, console.New(origin.Origin{}, w.clock.Now), w.rooms)
	assets.Routes(api, origin.Origin{})
	api.Handle("GET /console/people/names", func(rw http.ResponseWriter, _ *http.Request) error { _, err := rw.Write([]byte("{}")); return err })
	handler := api.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(rw, r.WithContext(roomtest.As(r.Context(), w.who["responder"])))
	}))
	t.Cleanup(server.Close)
	zero := 0
	w.sandbox.result = sandbox.Result{ExitCode: &zero, Stdout: "one \x1b[31mer\x1b[32mror\x1b[0m\nan Error <b>two</b>\n"}
	rb := w.runbook("Restart", func(c *runbook.Creation) {
		c.Parameters = []runbook.Parameter{{Name: "COUNT", Type: runbook.Integer, Required: true}, {Name: "TOKEN", Type: runbook.String, Secret: true, Required: true}}
	})

	allocated, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute))...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocated, chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
				t.Errorf("the console says: %s %s", e.Entry.Text, e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			if o := e.ExceptionDetails.Exception; o != nil && strings.Contains(o.Description, "ViewTransition") { // a page that was left in the middle of one
				return
			}
			t.Errorf("a script failed: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		}
	}))
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	open := func(path string) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+path)); err != nil {
			t.Fatalf("no Chromium (Debian: apt-get install chromium): %v", err)
		}
	}
	eval := func(expression string) string {
		t.Helper()
		out, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		return out
	}
	until := func(expression string) {
		t.Helper()
		for deadline := time.Now().Add(40 * time.Second); ; {
			_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(time.Until(deadline))))
			if err == nil {
				return
			}
			if ctx.Err() != nil || time.Now().After(deadline) {
				t.Fatalf("%s does not become true: %v; the page shows %q", expression, err, eval("document.body.innerText"))
			}
		}
	}
	const typed = `(name, text) => { var el = document.getElementById("p-" + name); el.value = text; el.dispatchEvent(new Event("input", { bubbles: true })); return "" }`

	open("/console/executions/new?incidentId=" + w.inc + "&runbookId=" + rb)
	until(`window.htmx !== undefined && document.querySelector("[data-preview]") !== null`)
	eval(`(` + typed + `)("COUNT", "many")`)
	eval(`(` + typed + `)("TOKEN", "hush-hush")`)
	eval(`document.querySelector("[data-preview]").click(), ""`)
	until(`document.getElementById("e-COUNT").textContent === "It takes an integer."`)
	eval(`(` + typed + `)("COUNT", "3")`)
	eval(`document.querySelector("[data-preview]").click(), ""`)
	until(`document.querySelector("[data-start]") !== null && document.getElementById("e-COUNT").textContent === ""`)
	if got := eval(`document.getElementById("p-TOKEN").value`); got != "hush-hush" {
		t.Errorf("the secret that was typed is %q after a preview", got)
	}
	eval(`(` + typed + `)("COUNT", "4")`)
	until(`document.querySelector("[data-start]").disabled`)
	eval(`document.querySelector("[data-preview]").click(), ""`)
	until(`document.querySelector("[data-start]") !== null && !document.querySelector("[data-start]").disabled`)
	eval(`document.querySelector("[data-start]").click(), ""`)
	until(`location.pathname.indexOf("/console/executions/ex_") === 0 && document.readyState === "complete"`)
	all := w.executions()
	if len(all) != 1 || all[0].Parameters["COUNT"] != 4.0 {
		t.Fatalf("got %+v", all)
	}
	w.dispatch(all[0].ID)

	open("/console/executions/" + all[0].ID)
	until(`document.querySelector(".output") !== null && window.htmx !== undefined`)
	eval(`(() => { var el = document.querySelector("[data-find] input[type=search]"); el.value = "ERROR"; el.dispatchEvent(new Event("input", { bubbles: true })); return "" })()`)
	until(`document.querySelector("[data-find-count]").textContent === "2 hits" && CSS.highlights.get("find").size === 2`)
	if got := eval(`Array.from(CSS.highlights.get("find")).map(r => r.toString()).join(" ")`); got != "error Error" {
		t.Errorf("painted are %q", got)
	}
	eval(`document.querySelector("[data-find]").requestSubmit(), ""`)
	until(`document.querySelector("[data-find-count]").textContent === "1 of 2" && CSS.highlights.get("found").size === 1`)
	if got := eval(`document.querySelector(".output").textContent`); !strings.Contains(got, "<b>two</b>") {
		t.Errorf("the output is %q", got)
	}
}

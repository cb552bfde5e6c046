package executions

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pagefree/infra/local/chromium"
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

	b := chromium.New(t, chromium.Options{At: server.URL, Waits: 40 * time.Second, Forgives: []func(any) bool{chromium.Refusals, chromium.Transitions}})
	const typed = `(name, text) => { var el = document.getElementById("p-" + name); el.value = text; el.dispatchEvent(new Event("input", { bubbles: true })); return "" }`

	b.Open("/console/executions/new?incidentId=" + w.inc + "&runbookId=" + rb)
	b.Until(`window.htmx !== undefined && document.querySelector("[data-preview]") !== null`)
	b.Eval(`(` + typed + `)("COUNT", "many")`)
	b.Eval(`(` + typed + `)("TOKEN", "hush-hush")`)
	b.Eval(`document.querySelector("[data-preview]").click(), ""`)
	b.Until(`document.getElementById("e-COUNT").textContent === "It takes an integer."`)
	b.Eval(`(` + typed + `)("COUNT", "3")`)
	b.Eval(`document.querySelector("[data-preview]").click(), ""`)
	b.Until(`document.querySelector("[data-start]") !== null && document.getElementById("e-COUNT").textContent === ""`)
	if got := b.Eval(`document.getElementById("p-TOKEN").value`); got != "hush-hush" {
		t.Errorf("the secret that was typed is %q after a preview", got)
	}
	b.Eval(`(` + typed + `)("COUNT", "4")`)
	b.Until(`document.querySelector("[data-start]").disabled`)
	b.Eval(`document.querySelector("[data-preview]").click(), ""`)
	b.Until(`document.querySelector("[data-start]") !== null && !document.querySelector("[data-start]").disabled`)
	b.Eval(`document.querySelector("[data-start]").click(), ""`)
	b.Until(`location.pathname.indexOf("/console/executions/ex_") === 0 && document.readyState === "complete"`)
	all := w.executions()
	if len(all) != 1 || all[0].Parameters["COUNT"] != 4.0 {
		t.Fatalf("got %+v", all)
	}
	w.dispatch(all[0].ID)

	b.Open("/console/executions/" + all[0].ID)
	b.Until(`document.querySelector(".output") !== null && window.htmx !== undefined`)
	b.Eval(`(() => { var el = document.querySelector("[data-find] input[type=search]"); el.value = "ERROR"; el.dispatchEvent(new Event("input", { bubbles: true })); return "" })()`)
	b.Until(`document.querySelector("[data-find-count]").textContent === "2 hits" && CSS.highlights.get("find").size === 2`)
	if got := b.Eval(`Array.from(CSS.highlights.get("find")).map(r => r.toString()).join(" ")`); got != "error Error" {
		t.Errorf("painted are %q", got)
	}
	b.Eval(`document.querySelector("[data-find]").requestSubmit(), ""`)
	b.Until(`document.querySelector("[data-find-count]").textContent === "1 of 2" && CSS.highlights.get("found").size === 1`)
	if got := b.Eval(`document.querySelector(".output").textContent`); !strings.Contains(got, "<b>two</b>") {
		t.Errorf("the output is %q", got)
	}
}

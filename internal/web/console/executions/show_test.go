package executions

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pagefree/internal/execution"
	"pagefree/internal/execution/target/sandbox"
	"pagefree/internal/runbook"
)

func TestOutputIsTextWithColours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	zero := 0
	hostile := "\x1b[31mred \x1b[1m<script>alert(1)</script>\x1b[0m\n\x1b]8;;javascript:alert(2)\x07link\x1b]8;;\x07\n\x1b[2J\u202eevil\n\"><img src=x onerror=alert(3)>\n"
	w.sandbox.result = sandbox.Result{ExitCode: &zero, Stdout: hostile, Stderr: "warning: Ärger\n", StdoutTruncated: true}
	id := w.run(w.runbook("Look <b>around</b>", nil))
	page := "/console/executions/" + id

	w.get("observer", page).must(t, 200,
		`<span class="c-red">red </span><span class="c-red c-bold">&lt;script&gt;alert(1)&lt;/script&gt;</span>`, "link\n", "\ufffdevil", "&lt;img src=x onerror=alert(3)&gt;", "Ärger", "The first 64 KiB are kept.",
		"stdout <span class=\"quiet small\">4 lines", "stderr <span class=\"quiet small\">1 line<", "Look &lt;b&gt;around&lt;/b&gt;",
		"!<script>alert", "!javascript:alert", "!<img", "!\x1b", "!\u202e", "!<b>around")
	w.get("observer", page+"?find="+url.QueryEscape("D <SCRIPT>")).must(t, 200,
		`<span class="c-red">re</span><mark class="c-red">d </mark><mark class="c-red c-bold">&lt;script&gt;</mark>`, ">1 hit<", `value="D &lt;SCRIPT&gt;"`)
	w.get("observer", page+"?find=%C3%A4rger").must(t, 200, "<mark>Ärger</mark>")
	w.get("observer", page+"?find=nowhere").must(t, 200, ">0 hits<", "!<mark")

	for path, want := range map[string]string{"?stream=stdout": hostile, "": hostile, "?stream=stderr&attempt=1": "warning: Ärger\n"} {
		got := w.get("observer", page+"/output.txt"+path).must(t, 200)
		if got.text != want {
			t.Errorf("%s holds %q, want %q", path, got.text, want)
		}
		for name, value := range map[string]string{"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"} {
			if got.header.Get(name) != value {
				t.Errorf("%s of %s is %q", name, path, got.header.Get(name))
			}
		}
		if d := got.header.Get("Content-Disposition"); !strings.HasPrefix(d, `attachment; filename="`+id+"-1-std") {
			t.Errorf("it is kept as %q", d)
		}
	}
	for _, path := range []string{"?stream=both", "?attempt=2", "?attempt=0", "?attempt=one"} {
		w.get("observer", page+"/output.txt"+path).must(t, 404)
	}
	w.get("outsider", page+"/output.txt").must(t, 404)
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := 1
	w.sandbox.result = sandbox.Result{ExitCode: &one, Stdout: "first try\n"}
	rb := w.runbook("Try", func(c *runbook.Creation) { c.MaxRetries, c.Idempotent = 1, true })
	id := w.run(rb)
	w.get("observer", "/console/executions/"+id).must(t, 200, "Pending", "It is tried again: attempt 2 of 2.")
	w.clock.Advance(time.Minute)
	zero := 0
	w.sandbox.result = sandbox.Result{ExitCode: &zero, Stdout: "second try\n"}
	w.dispatch(id)
	w.get("observer", "/console/executions/"+id).must(t, 200, "Completed", "Attempts", "The script ended with exit code 1.", "second try", "!first try", "!find=&amp;attempt=") // whoever watches sees the next attempt too
	w.get("observer", "/console/executions/"+id+"?attempt=1").must(t, 200, "first try", "!second try", "&amp;find=&amp;attempt=1")
	w.get("observer", "/console/executions/"+id+"?attempt=3").must(t, 404)
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Fail over", func(c *runbook.Creation) { c.RequiresConfirm = true })
	id := w.run(rb)
	page := "/console/executions/" + id
	w.get("responder", page).must(t, 200, "It waits for a responder to confirm it.", "asks for a confirmation before it runs", "in 14 min", "Confirm and run", "Cancel it", "Script that waits", "What waits")
	w.get("observer", page).must(t, 200, "It waits for a responder to confirm it.", "!Confirm and run", "!Cancel it", "!Run again")
	w.get("responder", "/console/executions/for?incidentId="+w.inc).must(t, 200, "Look and confirm")
	w.post("observer", page+"/confirm", nil).must(t, 403)
	w.post("observer", page+"/cancel", nil).must(t, 403)
	w.post("outsider", page+"/confirm", nil).must(t, 404)
	if to := w.post("responder", page+"/confirm", nil).must(t, 303).header.Get("Location"); to != page+"?did=confirmed" {
		t.Errorf("it leads to %s", to)
	}
	w.post("responder", page+"/confirm", nil).must(t, 409, "Cannot confirm what is pending.", "Pending")
	w.dispatch(id)
	w.get("observer", page).must(t, 200, "Completed", "Confirmed by", "usr_responder", "!Script that waits")
	w.post("responder", page+"/cancel", nil).must(t, 409, "Cannot cancel what is completed.", "Completed")

	late := w.run(rb)
	w.clock.Advance(execution.ConfirmWithin)
	w.post("responder", "/console/executions/"+late+"/confirm", nil).must(t, 409, "Cancelled", "The confirmation did not come in time.")

	gone := w.run(rb)
	if to := w.post("responder", "/console/executions/"+gone+"/cancel", nil).must(t, 303).header.Get("Location"); !strings.HasSuffix(to, "?did=cancelled") {
		t.Errorf("it leads to %s", to)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.get("observer", "/console/executions").must(t, 200, "Nothing has run yet.", "!Run a runbook", "!Pause automation")
	w.get("responder", "/console/executions").must(t, 200, "Run a runbook", "!Pause automation")
	w.get("lead", "/console/executions").must(t, 200, "Pause automation")
	one, zero := 1, 0
	w.sandbox.result = sandbox.Result{ExitCode: &one}
	bad := w.runbook("Bad one", nil)
	failed := w.run(bad)
	w.sandbox.result = sandbox.Result{ExitCode: &zero}
	good := w.run(w.runbook("Good one", nil))
	w.get("observer", "/console/executions").must(t, 200, failed, good, "The script ended with exit code 1.", `data-live="executions"`)
	w.get("observer", "/console/executions?status=FAILED").must(t, 200, failed, "!"+good, `<option value="FAILED" selected>`)
	w.get("observer", "/console/executions?runbookId="+bad, "HX-Request", "true").must(t, 200, failed, "!"+good, "!<html")
	w.get("observer", "/console/executions?incidentId="+w.inc).must(t, 200, failed, good, "Disk full")
	w.get("observer", "/console/executions?status=RUNNING").must(t, 200, "No execution fits these filters.")
	w.get("observer", "/console/executions?cursor=made-up").must(t, 400)
	w.get("outsider", "/console/executions?incidentId="+w.inc).must(t, 200, "!"+failed, "!Disk full")
	w.get("observer", "/console/executions/of?runbookId="+bad).must(t, 200, "It failed once lately.")
	w.get("outsider", "/console/executions/of?runbookId="+bad).must(t, 404)
	w.get("observer", "/console/executions/of?runbookId=<script>").must(t, 404, "!<script>")
}

func TestPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Free disk space", nil)
	if got := w.get("observer", "/console/automation/banner").must(t, 200).text; strings.TrimSpace(got) != "" {
		t.Errorf("nothing is paused, and it says %q", got)
	}
	w.get("responder", "/console/automation/pause").must(t, 200, "Nothing is paused.", "!<textarea")
	w.get("lead", "/console/automation/pause").must(t, 200, "Platform", "!All teams", "!Elsewhere")
	w.get("admin", "/console/automation/pause").must(t, 200, "Platform", "All teams")

	pause := url.Values{"teamId": {w.team}, "reason": {"The runbooks of <night>"}}
	w.post("responder", "/console/automation/pause", pause).must(t, 403)
	w.post("outsider", "/console/automation/pause", pause).must(t, 404)
	w.post("lead", "/console/automation/pause", url.Values{"teamId": {"*"}, "reason": {"x"}}).must(t, 403)
	w.post("lead", "/console/automation/pause", url.Values{"teamId": {w.team}, "reason": {" "}}).must(t, 422, "Text of 1 to 2000 characters.")
	w.post("lead", "/console/automation/pause", url.Values{"teamId": {""}, "reason": {"kept"}}).must(t, 422, "Choose what to pause.", "kept")
	page := w.get("responder", "/console/executions/new?incidentId="+w.inc+"&runbookId="+rb).must(t, 200)
	w.post("lead", "/console/automation/pause", pause).must(t, 303)

	w.get("observer", "/console/automation/banner").must(t, 200, "Automation is paused for Platform", "The runbooks of &lt;night&gt;", "!Resume")
	w.get("lead", "/console/automation/banner").must(t, 200, "Resume…")
	w.get("outsider", "/console/automation/banner").must(t, 200, "!Platform")
	w.get("responder", "/console/executions/new?incidentId="+w.inc+"&runbookId="+rb).must(t, 200, "Automation is paused since", "disabled data-start")
	w.post("responder", "/console/executions", form(t, page, rb, w.inc)).must(t, 409, "Automation is paused since", "What will run")
	if n := len(w.executions()); n != 0 {
		t.Errorf("%d were started under a pause", n)
	}
	w.post("observer", "/console/automation/resume", url.Values{"teamId": {w.team}}).must(t, 403)
	w.post("lead", "/console/automation/resume", url.Values{"teamId": {w.team}}).must(t, 303)
	w.post("admin", "/console/automation/pause", url.Values{"teamId": {"*"}, "reason": {"All of it"}}).must(t, 303)
	w.get("lead", "/console/automation/pause").must(t, 200, "all teams", "All of it", "!Resume for")
	w.get("outsider", "/console/automation/banner").must(t, 200, "paused for all teams")
	w.post("admin", "/console/automation/resume", url.Values{"teamId": {"*"}}).must(t, 303)
	w.post("responder", "/console/executions", form(t, page, rb, w.inc)).must(t, http.StatusSeeOther)
}

// TestWhoMayComeIn: each page by each kind of caller, and nothing changed by another site's form.
func TestWhoMayComeIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rb := w.runbook("Free disk space", nil)
	id := w.run(rb)
	gets := []string{
		"/console/executions", "/console/executions/" + id, "/console/executions/" + id + "/live", "/console/executions/" + id + "/output.txt", "/console/executions/new",
		"/console/executions/new?incidentId=" + w.inc + "&runbookId=" + rb, "/console/executions/for?incidentId=" + w.inc, "/console/executions/of?runbookId=" + rb,
		"/console/executions/serving?serviceId=" + w.svc, "/console/automation/banner", "/console/automation/pause",
	}
	for _, path := range gets {
		if a := w.get("nobody", path).must(t, 303); !strings.HasPrefix(a.header.Get("Location"), "/signin?next=%2Fconsole%2F") {
			t.Errorf("%s leads nobody to %s", path, a.header.Get("Location"))
		}
		w.get("key", path).must(t, 403)
		w.get("partner", path).must(t, 404)
		a := w.get("responder", path).must(t, 200)
		if a.header.Get("Cache-Control") != "private, no-store" || !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s answers %v", path, a.header)
		}
		for _, inline := range []string{" style=", " onclick=", "javascript:", "<script>", "hx-on"} {
			if strings.Contains(a.main(), inline) {
				t.Errorf("%s holds %q", path, inline)
			}
		}
	}
	for _, path := range gets[1:4] {
		w.get("outsider", path).must(t, 404)
	}
	w.get("observer", gets[5]).must(t, 403)
	w.get("outsider", gets[5]).must(t, 404)
	page := w.get("responder", gets[5])
	sent := form(t, page, rb, w.inc)
	w.post("observer", "/console/executions", sent).must(t, 403)
	w.post("observer", "/console/executions/preview", sent).must(t, 403)
	w.post("outsider", "/console/executions", sent).must(t, 404)
	for path, f := range map[string]url.Values{
		"/console/executions": sent, "/console/executions/preview": sent, "/console/executions/" + id + "/cancel": nil, "/console/executions/" + id + "/confirm": nil,
		"/console/automation/pause": {"teamId": {w.team}, "reason": {"x"}}, "/console/automation/resume": {"teamId": {w.team}},
	} {
		w.post("lead", path, f, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test").must(t, 403)
		w.post("nobody", path, f).must(t, 303)
		w.post("key", path, f).must(t, 403)
		w.post("partner", path, f).must(t, 404)
	}
	if n := len(w.executions()); n != 1 {
		t.Errorf("%d executions, want the one there was", n)
	}
}

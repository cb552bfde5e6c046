package notice

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pagefree/internal/execution/target"
	"pagefree/internal/platform/id"
	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/token"
)

const (
	executionID = "ex_01JZ0000000000000000000000"
	theToken    = "pfc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func sample(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestSamples reads what the products send.
func TestSamples(t *testing.T) {
	tests := map[string]struct {
		file, contentType string
		want              Notice
	}{
		"AWX, successful": {file: "awx-successful.json", want: Notice{
			State: target.Completed, Ref: "42",
			Output: target.Output{Stdout: "web-1: ok=4 changed=1 unreachable=0 failed=0 skipped=0\nweb-2: ok=3 changed=0 unreachable=0 failed=0 skipped=1\n"},
		}},
		"AWX, failed": {file: "awx-failed.json", want: Notice{
			State: target.Failed, Ref: "42", Error: "AWX job 42: failed",
			Output: target.Output{
				Stdout: "web-1: ok=4 changed=1 unreachable=0 failed=0 skipped=0\nweb-2: ok=3 changed=0 unreachable=0 failed=0 skipped=1\n",
				Stderr: "Traceback (most recent call last):\nKeyError",
			},
		}},
		"AWX, running":             {file: "awx-running.json", want: Notice{State: target.Running, Ref: "42"}},
		"AWX, a workflow canceled": {file: "awx-workflow-canceled.json", want: Notice{State: target.Cancelled, Ref: "43", Error: "AWX job 43: canceled"}},
		"Rundeck, JSON": {file: "rundeck-success.json", contentType: "application/json", want: Notice{
			State: target.Completed, Ref: "24873", Output: target.Output{Stdout: "web-1: succeeded\nweb-2: succeeded\n"},
		}},
		"Rundeck, XML": {file: "rundeck-failure.xml", contentType: "text/xml; charset=UTF-8", want: Notice{
			State: target.Failed, Ref: "24874", Error: "Rundeck execution 24874: failed", Output: target.Output{Stdout: "web-2: succeeded\nweb-1: failed\n"},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parse(tt.contentType, sample(t, tt.file))
			tt.want.ExecutionID, tt.want.Token = executionID, theToken
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

// parse reads a body of AWX, where no media type is given.
func parse(contentType, body string) (Notice, error) {
	if contentType == "" {
		return AWX("application/json", []byte(body))
	}
	return Rundeck(contentType, []byte(body))
}

func TestStates(t *testing.T) {
	awxBody, json, xml := sample(t, "awx-successful.json"), sample(t, "rundeck-success.json"), sample(t, "rundeck-failure.xml")
	for status, want := range map[string]target.State{
		"new": target.Running, "pending": target.Running, "waiting": target.Running, "running": target.Running,
		"successful": target.Completed, "failed": target.Failed, "error": target.Failed, "canceled": target.Cancelled, "Successful": "", "": "",
	} {
		got, err := AWX("application/json", []byte(strings.Replace(awxBody, `"successful"`, `"`+status+`"`, 1)))
		if got.State != want || (err == nil) != (want != "") {
			t.Errorf("AWX %q: got %s, %v", status, got.State, err)
		}
	}
	tests := map[string]struct {
		trigger, status string
		want            target.State
	}{
		"started":               {"start", "running", target.Running},
		"longer than usual":     {"avgduration", "running", target.Running},
		"succeeded":             {"success", "succeeded", target.Completed},
		"failed":                {"failure", "failed", target.Failed},
		"killed":                {"failure", "aborted", target.Cancelled},
		"out of time":           {"failure", "timedout", target.TimedOut},
		"tried again":           {"retryablefailure", "failed-with-retry", target.Running},
		"missed":                {"failure", "missed", target.Failed},
		"a word of its own":     {"success", "needs coffee", target.Completed},
		"a bad word of its own": {"failure", "out of coffee", target.Failed},
		"a word and no trigger": {"", "needs coffee", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for contentType, body := range map[string]string{
				"application/json": strings.NewReplacer(`"succeeded"`, `"`+tt.status+`"`, `"success"`, `"`+tt.trigger+`"`).Replace(json),
				"application/xml":  strings.NewReplacer(`'failed'`, `'`+tt.status+`'`, `'failure'`, `'`+tt.trigger+`'`).Replace(xml),
			} {
				got, err := parse(contentType, body)
				if got.State != tt.want || (err == nil) != (tt.want != "") || (got.Error != "") != (err == nil && tt.want != target.Running && tt.want != target.Completed) {
					t.Errorf("%s: got %s %q, %v", contentType, got.State, got.Error, err)
				}
			}
		})
	}
}

// TestRefusedNotices: a body that cannot be used is told why, and never by what stands in it.
func TestRefusedNotices(t *testing.T) {
	awxBody, json, xml := sample(t, "awx-successful.json"), sample(t, "rundeck-success.json"), sample(t, "rundeck-failure.xml")
	const jsonType, xmlType = "application/json", "text/xml"
	swap := func(s, old, new string) string {
		if !strings.Contains(s, old) {
			t.Fatalf("the sample lacks %s", old)
		}
		return strings.ReplaceAll(s, old, new)
	}
	deep := strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100)
	tests := map[string]struct {
		contentType, body string
		status            int
		says              string
	}{
		"AWX's own test":              {body: sample(t, "awx-test.json"), status: 422, says: "body.extra_vars"},
		"no JSON":                     {body: "status=successful", status: 400},
		"nothing":                     {body: "", status: 400},
		"no UTF-8":                    {body: swap(awxBody, "web-2", "\xff"), status: 400},
		"two values":                  {body: awxBody + awxBody, status: 400},
		"a list":                      {body: "[]", status: 422, says: "JSON object"},
		"null":                        {body: "null", status: 422, says: "JSON object"},
		"too large":                   {body: `{"x":"` + strings.Repeat("a", maxNotice) + `"}`, status: 413},
		"a status of another type":    {body: swap(awxBody, `"successful"`, "1"), status: 422, says: "type"},
		"no status":                   {body: swap(awxBody, `"status"`, `"state"`), status: 422, says: "body.status"},
		"an unknown status":           {body: swap(awxBody, `"successful"`, `"great"`), status: 422, says: "body.status"},
		"no id":                       {body: swap(awxBody, `"id": 42`, `"id": null`), status: 422, says: "body.id"},
		"an id of another type":       {body: swap(awxBody, `"id": 42`, `"id": {}`), status: 422, says: "body.id"},
		"no variables":                {body: swap(awxBody, `"extra_vars"`, `"vars"`), status: 422, says: "extra_vars"},
		"variables of another type":   {body: swap(awxBody, `"extra_vars": "{`, `"extra_vars": 1, "x": "{`), status: 422, says: "extra_vars"},
		"variables in YAML":           {body: swap(awxBody, `"extra_vars": "{`, `"extra_vars": "---\na: 1`), status: 422, says: "extra_vars"},
		"somebody else's job":         {body: swap(awxBody, CallbackURL, "other"), status: 422, says: "lacks"},
		"no token":                    {body: swap(awxBody, CallbackToken, "other"), status: 422, says: "lacks"},
		"a token that is a number":    {body: swap(awxBody, `\"`+theToken+`\"`, "7"), status: 422, says: "lacks"},
		"a hidden token":              {body: swap(awxBody, theToken, "$encrypted$"), status: 422, says: "must not hide"},
		"a token of another kind":     {body: swap(awxBody, theToken, token.New(token.Session)), status: 422, says: "must not hide"},
		"a URL of another kind":       {body: swap(awxBody, "/v1/callbacks/", "/v1/hooks/"), status: 422, says: CallbackURL},
		"an id of another kind":       {body: swap(awxBody, "callbacks/ex_", "callbacks/rb_"), status: 422, says: CallbackURL},
		"more behind the id":          {body: swap(awxBody, executionID, executionID+"/x"), status: 422, says: CallbackURL},
		"a URL that is none":          {body: swap(awxBody, "https://pagefree.example.com", "https://[::1"), status: 422, says: CallbackURL},
		"Rundeck, no media type":      {contentType: ";", body: json, status: 415},
		"Rundeck, a form":             {contentType: "application/x-www-form-urlencoded", body: json, status: 415},
		"Rundeck, XML called JSON":    {contentType: jsonType, body: xml, status: 400},
		"Rundeck, JSON called XML":    {contentType: xmlType, body: json, status: 400},
		"Rundeck, no execution":       {contentType: jsonType, body: `{"trigger":"success","status":"succeeded","executionId":1}`, status: 422, says: "body.execution"},
		"Rundeck, options as a list":  {contentType: jsonType, body: swap(json, `"options": {`, `"options": [], "o": {`), status: 422, says: "type"},
		"Rundeck, no options":         {contentType: jsonType, body: swap(json, `"options"`, `"o"`), status: 422, says: "lacks"},
		"Rundeck, no id":              {contentType: jsonType, body: swap(json, `24873`, `true`), status: 422, says: "executionId"},
		"Rundeck, no status":          {contentType: jsonType, body: swap(json, `"status"`, `"s"`), status: 422, says: "body.status"},
		"XML, broken":                 {contentType: xmlType, body: swap(xml, "</job>", ""), status: 400},
		"XML, another root":           {contentType: xmlType, body: "<result><executions/></result>", status: 422, says: "root"},
		"XML, no execution":           {contentType: xmlType, body: "<notification/>", status: 422, says: "one execution"},
		"XML, two executions":         {contentType: xmlType, body: swap(xml, "</executions>", "<execution/></executions>"), status: 422, says: "one execution"},
		"XML, two roots":              {contentType: xmlType, body: xml + xml, status: 400},
		"XML, text behind the root":   {contentType: xmlType, body: xml + "x", status: 400},
		"XML, an external entity":     {contentType: xmlType, body: `<!DOCTYPE n [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + swap(xml, "restart web", "&x;"), status: 400},
		"XML, an unused definition":   {contentType: xmlType, body: `<!DOCTYPE n [<!ENTITY x "y">]>` + xml, status: 400},
		"XML, an undefined entity":    {contentType: xmlType, body: swap(xml, "restart web", "&x;"), status: 400},
		"XML, another encoding":       {contentType: xmlType, body: `<?xml version="1.0" encoding="ISO-8859-1"?>` + xml, status: 400},
		"XML, deep":                   {contentType: xmlType, body: swap(xml, "<user>", deep+"<user>"), status: 400},
		"XML, many elements":          {contentType: xmlType, body: swap(xml, "<user>", strings.Repeat("<a/>", maxElements)+"<user>"), status: 400},
		"XML, too large":              {contentType: xmlType, body: strings.Repeat(" ", maxNotice) + xml, status: 413},
		"XML, no token":               {contentType: xmlType, body: swap(xml, CallbackToken, "other"), status: 422, says: "lacks"},
		"XML, an id that is a script": {contentType: xmlType, body: swap(xml, "24874", "&lt;b&gt;"), status: 422, says: "executionId"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parse(tt.contentType, tt.body)
			p, ok := err.(*problem.Error)
			if !ok || p.Status != tt.status || !strings.Contains(p.Error(), tt.says) {
				t.Fatalf("got %+v, %v, want %d %s", got, err, tt.status, tt.says)
			}
			if !reflect.DeepEqual(got, Notice{}) || strings.Contains(p.Error(), "pfc_") || strings.Contains(p.Error(), "web-1") {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// TestWhatElseRundeckSends: comments and a declaration are XML, and a namesake elsewhere in it is no option.
func TestWhatElseRundeckSends(t *testing.T) {
	xml := sample(t, "rundeck-failure.xml")
	body := `<?xml version="1.0" encoding="UTF-8"?><!-- x -->` + strings.Replace(xml, "<user>", "<option name='pagefree_callback_token' value='x'/><user>", 1) + "<!-- y -->\n"
	if got, err := Rundeck("text/xml", []byte(body)); err != nil || got.Token != theToken {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := AWX("application/json", []byte("\n "+sample(t, "awx-successful.json")+"\n")); err != nil || got.Token != theToken {
		t.Errorf("space around JSON: %+v, %v", got, err)
	}
}

func checkNotice(t *testing.T, n Notice, err error) {
	if err != nil {
		if p, ok := err.(*problem.Error); !ok || p.Status < 400 || p.Status > 422 || p.Status == http.StatusConflict || !reflect.DeepEqual(n, Notice{}) {
			t.Errorf("got %+v, %v", n, err)
		}
		return
	}
	if kind, ok := token.KindOf(n.Token); !id.Valid(id.Execution, n.ExecutionID) || !ok || kind != token.Callback || n.State == "" || n.Ref == "" {
		t.Errorf("got %+v", n)
	}
	if len(n.Output.Stdout) > target.MaxOutput || len(n.Output.Stderr) > target.MaxOutput || len(n.Error) > 200 {
		t.Errorf("%d, %d and %d bytes", len(n.Output.Stdout), len(n.Output.Stderr), len(n.Error))
	}
}

func FuzzAWX(f *testing.F) {
	for _, name := range []string{"awx-successful.json", "awx-failed.json", "awx-running.json", "awx-workflow-canceled.json", "awx-test.json"} {
		f.Add([]byte(sample(f, name)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := AWX("application/json", body)
		checkNotice(t, n, err)
	})
}

func FuzzRundeck(f *testing.F) {
	f.Add(true, []byte(sample(f, "rundeck-success.json")))
	f.Add(false, []byte(sample(f, "rundeck-failure.xml")))
	f.Fuzz(func(t *testing.T, isJSON bool, body []byte) {
		n, err := Rundeck(map[bool]string{true: "application/json", false: "text/xml"}[isJSON], body)
		checkNotice(t, n, err)
	})
}

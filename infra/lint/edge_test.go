package lint

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pagefree/infra/local/template"
)

// errorCodes are those that CloudFront has a setting for.
var errorCodes = []int{400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504}

// TestTheEdgeKeepsNothing: an answer that depends on who asks is never kept, an error least of all; only what lies under
// hashed names is, and that is fetched without anybody's credential.
func TestTheEdgeKeepsNothing(t *testing.T) {
	edge := deployed(t).Edge
	if edge == nil {
		t.Fatal("no distribution")
	}
	for _, code := range errorCodes {
		if ttl, set := edge.ErrorTTL[code]; !set || ttl != 0 {
			t.Errorf("a %d is kept for %v; left alone (set is %v), CloudFront keeps it for ten seconds", code, ttl, set)
		}
	}
	kept := map[string]bool{"/status/assets/*": true, "/console/assets/*": true}
	for _, b := range edge.Behaviors {
		cached := b.Cache != template.CachePolicy{}
		if cached != kept[b.Pattern] {
			t.Errorf("%s: kept is %v", b.Pattern, cached)
		}
		if cached == b.ForwardsHeaders {
			t.Errorf("%s: kept is %v, and so are credentials handed on", b.Pattern, cached)
		}
		if cached && !slices.Equal(b.Methods, []string{"GET", "HEAD"}) {
			t.Errorf("%s: takes %v", b.Pattern, b.Methods)
		}
		if b.ViewerRequest == "" {
			t.Errorf("%s: nothing strips what only the edge may say", b.Pattern)
		}
		for name, want := range map[string]string{
			"Strict-Transport-Security": "max-age=63072000", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		} {
			if b.Headers[name].Value != want {
				t.Errorf("%s: %s is %q, want %q", b.Pattern, name, b.Headers[name].Value, want)
			}
		}
		if _, ok := b.Headers["Content-Security-Policy"]; ok {
			t.Errorf("%s: a page's Content-Security-Policy is its own", b.Pattern)
		}
	}
	for path, want := range map[string]string{
		"/": "*", "/status": "*", "/status/acme-cloud": "*", "/status/acme-cloud/assets/x": "*", "/status/assets": "*", "/signin": "*", "/v1/me": "*",
		"/console": "*", "/socket": "/socket", "/socket/x": "*", "/console/sw.js": "*", "/console/assets/console.0123456789ab.css": "/console/assets/*", "/status/assets/page.0123456789abcdef.css": "/status/assets/*",
	} {
		if got := edge.BehaviorFor(path).Pattern; got != want {
			t.Errorf("%s: %s decides, want %s", path, got, want)
		}
	}
	if len(edge.Behaviors[len(edge.Behaviors)-1].Methods) != 7 {
		t.Error("the API takes all methods")
	}
}

// TestViewerFunction: what runs in the cloud is the file that is tested.
func TestViewerFunction(t *testing.T) {
	file := read(t, "infra/edge/viewer.js")
	for _, b := range deployed(t).Edge.Behaviors {
		if b.ViewerRequest != file {
			t.Errorf("%s: the template's FunctionCode is not infra/edge/viewer.js", b.Pattern)
		}
	}
	if len(file) > 10_000 {
		t.Errorf("%d bytes, CloudFront takes 10 KB", len(file))
	}
}

// TestOriginSecret: who needs the secret has it, and it is shown nowhere.
func TestOriginSecret(t *testing.T) {
	tmpl := deployed(t)
	secret := tmpl.Secrets["OriginSecret"].Value
	if len(secret) < 32 {
		t.Fatalf("%d characters", len(secret))
	}
	if got := tmpl.Edge.OriginHeaders; len(got) != 1 || got["x-pagefree-origin"] != secret {
		t.Errorf("the distribution adds %d headers, or not the secret", len(got))
	}
	// Whoever answers people: an address in the audit trail, a rate limit or a list of addresses is the viewer's.
	want := map[string]bool{"AuthorizerFunction": true}
	for _, route := range tmpl.API.Routes {
		want[route.Function] = route.Function != "MetaFunction" // it asks for nobody's address
	}
	want[tmpl.Sockets.Routes["$connect"].Function] = true // no socket opens around the distribution
	for _, id := range slices.Sorted(maps.Keys(tmpl.Functions)) {
		if has := tmpl.Functions[id].Environment["ORIGIN_SECRET"] == secret; has != want[id] {
			t.Errorf("%s: has the origin secret: %v, want %v", id, has, want[id])
		}
	}
	for id, r := range tmpl.Resources {
		text, err := json.Marshal(r.Properties)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), secret) && r.Type != "AWS::Serverless::Function" && id != "Distribution" {
			t.Errorf("%s (%s) shows the origin secret", id, r.Type)
		}
	}
	for name, value := range tmpl.Outputs {
		if strings.Contains(value, secret) || strings.Contains(value, "resolve:") {
			t.Errorf("output %s shows the origin secret", name)
		}
	}
	for _, value := range tmpl.SSM {
		if strings.Contains(value.Value, secret) {
			t.Errorf("%s shows the origin secret", value.LogicalID)
		}
	}
}

// TestPublicOrigin: mails lead to the distribution, under its own name, one of ours, or whatever was said.
func TestPublicOrigin(t *testing.T) {
	tests := map[string]struct {
		given     map[string]string
		want, env string
	}{
		"nothing is given":  {want: "https://" + deployed(t).Edge.Domain},
		"a name of ours":    {given: map[string]string{"DomainName": "status.example.com"}, want: "https://status.example.com", env: "https://status.example.com"},
		"what people reach": {given: map[string]string{"DomainName": "status.example.com", "PublicOrigin": "https://example.com/pf"}, want: "https://example.com/pf", env: "https://example.com/pf"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			parameters := map[string]string{
				"FirstAdminEmail": "admin@pagefree.test", "MailFrom": "pagefree@pagefree.test", "EdgeLogging": "on",
				"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/1",
			}
			maps.Copy(parameters, tt.given)
			tmpl, err := template.Load(root+"/template.yaml", template.Options{StackName: "pagefree-lint", Parameters: parameters})
			if err != nil {
				t.Fatal(err)
			}
			if got := tmpl.SSM["OriginParameter"].Value; got != tt.want {
				t.Errorf("mails lead to %s, want %s", got, tt.want)
			}
			if tmpl.Outputs["Url"] != tt.want || tmpl.Outputs["SigninUrl"] != tt.want+"/signin" {
				t.Errorf("outputs %s, %s", tmpl.Outputs["Url"], tmpl.Outputs["SigninUrl"])
			}
			for id, f := range tmpl.Functions {
				if got, ok := f.Environment["PUBLIC_ORIGIN"]; ok && got != tt.env {
					t.Errorf("%s: PUBLIC_ORIGIN is %q, want %q", id, got, tt.env)
				}
			}
		})
	}
}

// TestEdgeLogs: the distribution's logs keep no link's token and no session.
func TestEdgeLogs(t *testing.T) {
	_, fields, found := strings.Cut(read(t, "template.yaml"), "\n      RecordFields: ")
	fields, _, _ = strings.Cut(fields, "\n")
	if !found {
		t.Fatal("no RecordFields: CloudFront would log all that it knows")
	}
	ours := []string{"c-ip", "cs-method", "cs-protocol-version", "cs-uri-stem", "sc-bytes", "sc-status", "ssl-protocol", "time-taken", "timestamp",
		"x-edge-location", "x-edge-request-id", "x-edge-result-type"}
	got := regexp.MustCompile(`[a-z(][A-Za-z()-]+`).FindAllString(fields, -1)
	slices.Sort(got)
	if !slices.Equal(got, ours) {
		t.Errorf("got %q, want %q", got, ours)
	}
}

package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// contractNotifications: what somebody is told of, and a team's webhook.
func contractNotifications(t *testing.T, c *contract) {
	of := "/v1/teams/" + c.team + "/notifications"
	slack := func(url string) object { return object{"webhook": object{"url": url, "format": "slack"}} }
	c.play(t, map[string]scenario{
		"mine":                        {as: observer, do: "GET /v1/me/notifications", want: 200, has: `"email"`},
		"nobody's":                    {as: nobody, do: "GET /v1/me/notifications", want: 401, code: "unauthenticated"},
		"a team's":                    {as: observer, do: "GET " + of, want: 200, has: `"email"`},
		"another team's":              {as: outsider, do: "GET " + of, want: 404, code: "not_found"},
		"changed by a responder":      {as: responder, do: "PUT " + of, send: object{}, want: 403, code: "forbidden"},
		"changed by another team":     {as: outsider, do: "PUT " + of, send: object{}, want: 404, code: "not_found"},
		"a webhook into the machine":  {as: lead, do: "PUT " + of, send: slack("http://127.0.0.1:22/"), want: 422, code: "address_forbidden"},
		"a webhook to a file":         {as: lead, do: "PUT " + of, send: slack("file:///etc/passwd"), want: 422, code: "address_forbidden"},
		"a format that is none":       {as: lead, do: "PUT " + of, send: object{"webhook": object{"url": "https://example.com/x", "format": "teams"}}, want: 422, code: "validation_failed"},
		"a stranger in it":            {as: lead, do: "PUT " + of, send: object{"pager": true}, want: 422, code: "validation_failed"},
		"a stranger in mine":          {as: observer, do: "PUT /v1/me/notifications", send: object{"pager": true}, want: 422, code: "validation_failed"},
		"a method that there is none": {as: observer, do: "POST /v1/me/notifications", send: object{}, want: 405, code: "method_not_allowed"},
	})
	t.Run("a webhook's secret is shown once, its address never again", func(t *testing.T) {
		shown := c.want(t, outsider, "PUT /v1/teams/"+c.elsewhere+"/notifications", object{"webhook": object{"url": "https://hooks.example.com/services/T0/hush", "format": "standard"}}, http.StatusOK, "")
		if !strings.Contains(shown.Raw, `"secret":"whsec_`) {
			t.Errorf("no secret: %s", shown.Raw)
		}
		again := c.want(t, outsider, "GET /v1/teams/"+c.elsewhere+"/notifications", nil, http.StatusOK, "")
		if strings.Contains(again.Raw, "whsec_") || strings.Contains(again.Raw, "hush") || !strings.Contains(again.Raw, "hooks.example.com") {
			t.Errorf("read again: %s", again.Raw)
		}
	})
}

package stack

import (
	"encoding/json"
	"net/http"

	"pagefree/infra/local/loopback"
	"pagefree/infra/local/pushservice"
	"pagefree/infra/local/ses"
)

// local serves /_local/: what a person or a test needs to know of this machine, and what the cloud does not have.
func (s *Stack) local() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_local/health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /_local/mail", func(w http.ResponseWriter, r *http.Request) {
		mails := s.ses.Mails(r.URL.Query().Get("to"))
		if mails == nil {
			mails = []ses.Mail{}
		}
		answer(w, mails)
	})
	mux.HandleFunc("GET /_local/webhooks", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.echo.Requests()) })
	mux.Handle(echoPath+"{status}", &s.echo)
	mux.HandleFunc("GET /_local/pushes", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.pushes.Pushes()) })
	mux.Handle(pushservice.Path+"{device}", &s.pushes)
	return loopback.Guard(mux)
}

// echoPath is where webhooks of this machine may go, and nowhere else on it.
const echoPath = "/_local/echo/"

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the caller left: nobody to tell
}

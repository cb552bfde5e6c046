package audit

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"pagefree/internal/platform/id"
	"pagefree/internal/platform/principal"
	"pagefree/internal/platform/problem"
)

// Denials returns what records a 403 as access.denied: who was refused what,
// by which code, and nothing of the request's body. It is for
// httpapi.API.OnDenied of every function. The answer stands whether or not it
// could be recorded; that is only logged. Refusals of nobody (no principal)
// are not recorded, or anyone could fill the record.
func Denials(log Log, now func() time.Time) func(context.Context, *http.Request, *problem.Error) {
	return func(ctx context.Context, r *http.Request, refusal *problem.Error) {
		if _, ok := principal.From(ctx); !ok {
			return
		}
		_, route, _ := strings.Cut(r.Pattern, " ")
		err := log.Note(ctx, now(), Entry{
			Type: "access.denied", Subject: subjectOf(r.URL.Path, route), TeamID: refusal.TeamID, Outcome: Refused,
			Detail: map[string]any{"method": r.Method, "route": route, "code": string(refusal.Code)},
		})
		if err != nil {
			slog.ErrorContext(ctx, "a refusal was not recorded", "route", route, "error", err)
		}
	}
}

// kinds are the audit's names of what ids name.
var kinds = map[string]string{
	id.Runbook: "runbook", id.Execution: "execution", id.Incident: "incident", id.Service: "service",
	id.Team: "team", id.User: "user", id.APIKey: "apikey", id.Target: "target", id.Secret: "secret",
	id.Integration: "integration", id.StatusPage: "status_page", id.Partner: "partner",
}

// subjectOf is the first thing that a path names by id, or the route itself.
func subjectOf(path, route string) Ref {
	for segment := range strings.SplitSeq(path, "/") {
		prefix, _, found := strings.Cut(segment, "_")
		if kind := kinds[prefix]; found && kind != "" && id.Valid(prefix, segment) {
			return Ref{Kind: kind, ID: segment}
		}
	}
	return Ref{Kind: "route", ID: route}
}

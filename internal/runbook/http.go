package runbook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"pagefree/internal/platform/httpapi"
	"pagefree/internal/platform/problem"
)

type runbookAnswer struct {
	ETag        string `header:"ETag"`
	Deprecation string `header:"Deprecation" doc:"RFC 9745: since when it is deprecated"`
	Body        RunbookView
}

type runbookCreated struct {
	Location string `header:"Location"`
	ETag     string `header:"ETag"`
	Body     RunbookView
}

type versionAnswer struct {
	Deprecation string `header:"Deprecation"`
	Body        VersionView
}

type versionCreated struct {
	Location    string `header:"Location"`
	Deprecation string `header:"Deprecation"`
	Body        VersionView
}

type runbookInput struct {
	ID string `path:"id"`
}

type versionInput struct {
	ID string `path:"id"`
	N  string `path:"n" doc:"the number of a version"`
}

type reasonInput struct {
	ID   string `path:"id"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"2000"`
	}
}

// ordinal reads a version's number in its one form; any other path names nothing.
func ordinal(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || strconv.Itoa(n) != text || n > maxVersion {
		return 0, problem.Missing()
	}
	return n, nil
}

// maxVersion is what the sort keys of versions have room for.
const maxVersion = 99_999_999

// Routes registers the operations of the library.
func Routes(api *httpapi.API, s *Service) {
	libraryRoutes(api, s)
	versionRoutes(api, s)
	reviewRoutes(api, s)
	stateRoutes(api, s)
	targetRoutes(api, s)
}

func libraryRoutes(api *httpapi.API, s *Service) {
	create := httpapi.Op("POST /v1/runbooks", "Make a runbook and its version 1, a draft", http.StatusNotFound)
	create.DefaultStatus = http.StatusCreated
	httpapi.Register(api, create, func(ctx context.Context, in *struct{ Body Creation }) (*runbookCreated, error) {
		v, err := s.Create(ctx, in.Body)
		if err != nil {
			return nil, err
		}
		return &runbookCreated{Location: "/v1/runbooks/" + v.ID, ETag: httpapi.Revision(v.rev), Body: v}, nil
	})

	api.Describe(create, httpapi.Example(map[string]any{"name": "Free disk space", "language": "BASH", "scriptContent": "df -h\n", "target": map[string]any{"type": "sandbox"}}))

	type listInput struct {
		httpapi.PageInput
		TeamID    string `query:"teamId" maxLength:"64"`
		ServiceID string `query:"serviceId" maxLength:"64"`
		Status    string `query:"status" enum:"DRAFT,PENDING_REVIEW,APPROVED,DEPRECATED,ARCHIVED"`
		Q         string `query:"q" maxLength:"120" doc:"part of the name, in any case"`
	}
	httpapi.Register(api, httpapi.Op("GET /v1/runbooks", "List runbooks, newest first"), func(ctx context.Context, in *listInput) (*httpapi.ListOutput[RunbookView], error) {
		list := []string{"runbooks", in.TeamID, in.ServiceID, in.Status, in.Q}
		return page(ctx, s, in.PageInput, list, func(p httpapi.Page) ([]RunbookView, string, error) {
			return s.Runbooks(ctx, Filter{TeamID: in.TeamID, ServiceID: in.ServiceID, Status: Status(in.Status), Query: in.Q}, p)
		})
	})

	httpapi.Register(api, httpapi.Op("GET /v1/runbooks/{id}", "Read a runbook"), func(ctx context.Context, in *runbookInput) (*runbookAnswer, error) {
		return answerRunbook(s.Runbook(ctx, in.ID))
	})

	type describeInput struct {
		ID      string `path:"id"`
		IfMatch string `header:"If-Match"`
		Body    Words
	}
	httpapi.Register(api, httpapi.Op("PATCH /v1/runbooks/{id}", "Change the words of a runbook"), func(ctx context.Context, in *describeInput) (*runbookAnswer, error) {
		return answerRunbook(s.Describe(ctx, in.ID, in.Body, func(rev int64) error { return httpapi.Match(in.IfMatch, rev) }))
	})
}

func versionRoutes(api *httpapi.API, s *Service) {
	type addInput struct {
		ID   string `path:"id"`
		Body Content
	}
	add := httpapi.Op("POST /v1/runbooks/{id}/versions", "Write the next version, a draft")
	add.DefaultStatus = http.StatusCreated
	httpapi.Register(api, add, func(ctx context.Context, in *addInput) (*versionCreated, error) {
		v, err := s.AddVersion(ctx, in.ID, in.Body)
		if err != nil {
			return nil, err
		}
		at := fmt.Sprintf("/v1/runbooks/%s/versions/%d", v.RunbookID, v.Version.Version)
		return &versionCreated{Location: at, Deprecation: v.deprecation, Body: v}, nil
	})

	api.Describe(add, httpapi.Example(map[string]any{"language": "PYTHON", "scriptContent": "print('freed')\n", "target": map[string]any{"type": "sandbox"}, "timeoutSeconds": 30}))

	type listInput struct {
		ID string `path:"id"`
		httpapi.PageInput
	}
	type listAnswer struct {
		Deprecation string `header:"Deprecation"`
		Body        httpapi.List[VersionView]
	}
	httpapi.Register(api, httpapi.Op("GET /v1/runbooks/{id}/versions", "List the versions of a runbook, newest first"), func(ctx context.Context, in *listInput) (*listAnswer, error) {
		list, err := page(ctx, s, in.PageInput, []string{"versions", in.ID}, func(p httpapi.Page) ([]VersionView, string, error) {
			return s.Versions(ctx, in.ID, p)
		})
		if err != nil {
			return nil, err
		}
		out := &listAnswer{Body: list.Body}
		for _, v := range list.Body.Items { // they are of one runbook
			out.Deprecation = v.deprecation
		}
		return out, nil
	})

	httpapi.Register(api, httpapi.Op("GET /v1/runbooks/{id}/versions/{n}", "Read a version"), func(ctx context.Context, in *versionInput) (*versionAnswer, error) {
		n, err := ordinal(in.N)
		if err != nil {
			return nil, err
		}
		return answerVersion(s.Version(ctx, in.ID, n))
	})

	type diffInput struct {
		ID   string `path:"id"`
		N    string `path:"n"`
		From int    `query:"from" minimum:"1" maximum:"99999999" doc:"the version to compare with; left out: the one before"`
	}
	type diffAnswer struct {
		Deprecation string `header:"Deprecation"`
		Body        Diff
	}
	httpapi.Register(api, httpapi.Op("GET /v1/runbooks/{id}/versions/{n}/diff", "Compare two versions"), func(ctx context.Context, in *diffInput) (*diffAnswer, error) {
		n, err := ordinal(in.N)
		if err != nil {
			return nil, err
		}
		from := in.From
		if from == 0 {
			from = n - 1
		}
		d, err := s.Diff(ctx, in.ID, n, from)
		return &diffAnswer{Deprecation: d.deprecation, Body: d}, err
	})
}

func reviewRoutes(api *httpapi.API, s *Service) {
	httpapi.Register(api, httpapi.Op("POST /v1/runbooks/{id}/versions/{n}/submit", "Parse the script and put the version up for review", http.StatusUnprocessableEntity), func(ctx context.Context, in *versionInput) (*versionAnswer, error) {
		n, err := ordinal(in.N)
		if err != nil {
			return nil, err
		}
		return answerVersion(s.Submit(ctx, in.ID, n))
	})

	type approveInput struct {
		ID   string `path:"id"`
		N    string `path:"n"`
		Body *struct {
			Note string `json:"note,omitempty" maxLength:"2000"`
		}
	}
	httpapi.Register(api, httpapi.Op("POST /v1/runbooks/{id}/versions/{n}/approve", "Approve and seal a version; not one's own"), func(ctx context.Context, in *approveInput) (*versionAnswer, error) {
		n, err := ordinal(in.N)
		if err != nil {
			return nil, err
		}
		note := ""
		if in.Body != nil {
			note = in.Body.Note
		}
		return answerVersion(s.Approve(ctx, in.ID, n, note))
	})

	type rejectInput struct {
		ID   string `path:"id"`
		N    string `path:"n"`
		Body struct {
			Reason string `json:"reason" minLength:"1" maxLength:"2000"`
		}
	}
	httpapi.Register(api, httpapi.Op("POST /v1/runbooks/{id}/versions/{n}/reject", "Reject a version"), func(ctx context.Context, in *rejectInput) (*versionAnswer, error) {
		n, err := ordinal(in.N)
		if err != nil {
			return nil, err
		}
		return answerVersion(s.Reject(ctx, in.ID, n, in.Body.Reason))
	})

	httpapi.Register(api, httpapi.Op("GET /v1/reviews", "List what waits for my review, newest first"), func(ctx context.Context, in *httpapi.PageInput) (*httpapi.ListOutput[Review], error) {
		return page(ctx, s, *in, []string{"reviews"}, func(p httpapi.Page) ([]Review, string, error) { return s.Reviews(ctx, p) })
	})
}

func stateRoutes(api *httpapi.API, s *Service) {
	type rollbackInput struct {
		ID   string `path:"id"`
		Body struct {
			Version int    `json:"version" minimum:"1" maximum:"99999999"`
			Reason  string `json:"reason" minLength:"1" maxLength:"2000"`
		}
	}
	httpapi.Register(api, httpapi.Op("POST /v1/runbooks/{id}/rollback", "Run a version again that was approved before"), func(ctx context.Context, in *rollbackInput) (*runbookAnswer, error) {
		return answerRunbook(s.Rollback(ctx, in.ID, in.Body.Version, in.Body.Reason))
	})
	httpapi.Register(api, httpapi.Op("POST /v1/runbooks/{id}/deprecate", "Warn whoever runs it"), func(ctx context.Context, in *reasonInput) (*runbookAnswer, error) {
		return answerRunbook(s.Deprecate(ctx, in.ID, in.Body.Reason))
	})
	httpapi.Register(api, httpapi.Op("POST /v1/runbooks/{id}/archive", "Stop it from running"), func(ctx context.Context, in *reasonInput) (*runbookAnswer, error) {
		return answerRunbook(s.Archive(ctx, in.ID, in.Body.Reason))
	})
	httpapi.Register(api, httpapi.Op("POST /v1/runbooks/{id}/restore", "Undo a deprecation or an archiving"), func(ctx context.Context, in *runbookInput) (*runbookAnswer, error) {
		return answerRunbook(s.Restore(ctx, in.ID))
	})
}

func answerRunbook(v RunbookView, err error) (*runbookAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &runbookAnswer{ETag: httpapi.Revision(v.rev), Deprecation: v.deprecation, Body: v}, nil
}

func answerVersion(v VersionView, err error) (*versionAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &versionAnswer{Deprecation: v.deprecation, Body: v}, nil
}

// page reads one page of a list; list names it with its filters, which its cursors are bound to.
func page[T any](ctx context.Context, s *Service, in httpapi.PageInput, list []string, read func(httpapi.Page) ([]T, string, error)) (*httpapi.ListOutput[T], error) {
	at, err := s.Cursors.Open(ctx, in, list...)
	if err != nil {
		return nil, err
	}
	items, next, err := read(at)
	if err != nil {
		return nil, err
	}
	return httpapi.Answer(ctx, s.Cursors, items, next, list...)
}

// TransformSchema says that a version which was not submitted yet has no check.
func (Check) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	s.Nullable = true
	return s
}

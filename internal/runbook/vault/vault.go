// Package vault is how people manage the secrets that targets name: they are
// written, replaced and deleted, and never read back. Package secret of the
// platform keeps and encrypts them.
//
// It promises that no answer, audit event, log line or error holds a value,
// and that no API key comes near one.
package vault

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"pagefree/internal/platform/problem"
	"pagefree/internal/platform/secret"
	"pagefree/internal/platform/timestamp"
)

// NameTaken is the code of a name that the team has already.
const NameTaken problem.Code = "name_taken"

// View is a secret as people see it: everything but its value.
type View struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	TeamID      *string        `json:"teamId" doc:"null: for global runbooks and targets"`
	Version     int64          `json:"version" doc:"of the value, from 1; its ETag begins with it"`
	CreatedByID string         `json:"createdById"`
	CreatedAt   timestamp.Time `json:"createdAt"`
	UpdatedByID string         `json:"updatedById"`
	UpdatedAt   timestamp.Time `json:"updatedAt"`
}

func view(s secret.Secret) View {
	return View{
		ID: s.ID, Name: s.Name, TeamID: s.TeamID, Version: s.Version,
		CreatedByID: s.CreatedByID, CreatedAt: s.CreatedAt, UpdatedByID: s.UpdatedByID, UpdatedAt: s.UpdatedAt,
	}
}

var names = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

func checkName(name string) []problem.Field {
	if names.MatchString(name) {
		return nil
	}
	return []problem.Field{{Location: "body.name", Message: "it matches " + names.String()}}
}

// checkValue says what is wrong with a value, without saying what it is.
func checkValue(value string) []problem.Field {
	wrong := func(message string) []problem.Field {
		return []problem.Field{{Location: "body.value", Message: message}}
	}
	switch {
	case value == "":
		return wrong("it is required")
	case len(value) > secret.MaxValue:
		return wrong("it is longer than 4096 bytes")
	case !utf8.ValidString(value):
		return wrong("it is no UTF-8")
	case strings.ContainsRune(value, utf8.RuneError): // what JSON makes of half a character: it would be kept as another value than was meant
		return wrong("it holds U+FFFD, which stands for a character that was lost on its way")
	}
	return nil
}

func invalid(fields ...problem.Field) error {
	if len(fields) == 0 {
		return nil
	}
	return problem.Invalid(fields...)
}

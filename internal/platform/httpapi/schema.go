package httpapi

import (
	"path"
	"reflect"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
)

// schemaName names a type in the document: by its package and name, so that
// two rooms may have types of one name (RunbookVersion, ExecutionView), lists
// after what is in them (IncidentList), and types without a name after their operation.
func (a *API) schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	own, arg, generic := strings.Cut(strings.TrimSuffix(t.Name(), "]"), "[")
	switch {
	case own == "":
		return camel(a.tag) + camel(huma.DefaultSchemaNamer(t, hint))
	case generic: // its argument is written pagefree/internal/incident.Incident
		pkg, name, _ := strings.Cut(path.Base(arg), ".")
		return qualified(pkg, name) + camel(own)
	}
	return qualified(path.Base(t.PkgPath()), own)
}

func qualified(pkg, name string) string {
	if strings.Contains(strings.ToLower(name), strings.ToLower(pkg)) {
		return camel(name)
	}
	return camel(pkg) + camel(name)
}

// camel joins the words of s, each with a capital.
func camel(s string) string {
	words := strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, "")
}

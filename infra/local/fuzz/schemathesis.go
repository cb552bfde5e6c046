package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

//go:embed schemathesis.toml
var configuration string

// fuzz runs schemathesis as a caller and reads what it reports: once for all that this caller can do over and over, and
// once for what is done last.
func (w *world) fuzz(ctx context.Context, o settings, c caller, out io.Writer) (row, error) {
	r := row{caller: c.name, statuses: map[string]map[int]int{}}
	ids, err := w.fresh(ctx)
	if err != nil {
		return r, err
	}
	credential, err := w.credential(ctx, c)
	if err != nil {
		return r, err
	}
	before := ""
	if c.email != "" {
		if before, err = w.me(ctx, c, credential); err != nil {
			return r, err
		}
	}
	phases := "examples,coverage,fuzzing,stateful"
	if c.brief {
		phases = "examples,fuzzing,stateful"
	}
	arguments := append([]string{"--phases", phases}, each("--exclude-operation-id", strings.Join(c.apart, ","))...)
	if c.email == "" { // made-up credentials come one by one (401) or two at once (400)
		arguments = append(arguments, "--exclude-checks", "positive_data_acceptance")
	}
	var alone []string
	if c.scheme == "apiKey" || c.scheme == "session" {
		// Schemathesis makes up the others' credentials, among them empty ones, which are none: this caller's own is taken,
		// and it, which looks at a bearer first, takes the empty one for what was let in.
		alone = []string{"--generation-with-security-parameters", "false"}
	}
	arguments = append(arguments, alone...)
	config := configure(c, ids, w.takes)
	found := []error{w.schemathesis(ctx, o, &r, job{c.name, config, credential, arguments}, out), w.still(ctx, c, credential, before)}
	for i, operations := range c.apart {
		arguments := append([]string{"--phases", "examples,fuzzing"}, append(each("--include-operation-id", operations), alone...)...)
		found = append(found, w.schemathesis(ctx, o, &r, job{fmt.Sprint(c.name, "-", i+1), config, credential, arguments}, out))
	}
	return r, errors.Join(append(found, w.release(ctx), r.judge(w.private, c))...)
}

// each gives an option once for every value of a list.
func each(option, list string) (arguments []string) {
	for value := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' }) {
		arguments = append(arguments, option, value)
	}
	return arguments
}

// job is one run of schemathesis.
type job struct {
	name, config, credential string
	arguments                []string
}

func (w *world) schemathesis(ctx context.Context, o settings, r *row, j job, out io.Writer) error {
	path := func(name string) string { return filepath.Join(o.reports, j.name+"."+name) }
	if err := os.WriteFile(path("toml"), []byte(j.config), 0o600); err != nil {
		return err
	}
	arguments := []string{"--config-file", path("toml"), "run", w.URL + "/openapi.json", "--url", w.URL,
		"--seed", strconv.FormatUint(uint64(o.seed), 10), "--max-examples", strconv.Itoa(o.examples), "--no-color",
		"--report-json-path", path("json"), "--report-ndjson-path", path("ndjson")}
	cmd := exec.CommandContext(ctx, o.program, append(arguments, j.arguments...)...)
	cmd.Dir = o.reports // what it leaves besides, lies there too
	cmd.Env = append(os.Environ(), "PAGEFREE_CREDENTIAL="+j.credential, "PYTHONHASHSEED=0")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	failed := cmd.Run()
	if err := os.WriteFile(path("txt"), said.Bytes(), 0o600); err != nil {
		return err
	}
	if _, exited := errors.AsType[*exec.ExitError](failed); failed != nil && !exited {
		return failed
	}
	if failed != nil {
		fmt.Fprintf(out, "--- as %s\n%s\n", j.name, bytes.TrimSpace(said.Bytes()))
		failed = fmt.Errorf("schemathesis: %w", failed)
	}
	return errors.Join(failed, r.read(path("json"), path("ndjson")))
}

// bare is how a caller's credential travels where the document does not say so: as a header, by scheme.
var bare = map[string]string{
	"bearer":  `Authorization = "Bearer ${PAGEFREE_CREDENTIAL}"`,
	"apiKey":  `X-API-Key = "${PAGEFREE_CREDENTIAL}"`,
	"session": `Cookie = "__Host-pf_session=${PAGEFREE_CREDENTIAL}"`,
}

// configure completes schemathesis.toml for a caller. The credential itself comes by the environment. takes are the
// schemes of each operation.
func configure(c caller, ids, takes map[string][]string) string {
	var b strings.Builder
	b.WriteString(configuration)
	switch c.scheme {
	case "":
	case "bearer":
		b.WriteString("\n[auth.openapi.bearer]\nbearer = \"${PAGEFREE_CREDENTIAL}\"\n")
	default:
		fmt.Fprintf(&b, "\n[auth.openapi.%s]\napi_key = \"${PAGEFREE_CREDENTIAL}\"\n", c.scheme)
	}
	// Where its scheme is not taken, schemathesis has no credential for it, and makes up one for each scheme that is: two
	// at once. What this caller would send is its own, and nothing beside.
	for _, name := range slices.Sorted(maps.Keys(takes)) {
		if method, path, _ := strings.Cut(name, " "); c.scheme != "" && !slices.Contains(takes[name], c.scheme) {
			fmt.Fprintf(&b, "\n[[operations]]\ninclude-method = %q\ninclude-path = %q\ngeneration.with-security-parameters = false\nheaders = { %s }\n",
				method, path, bare[c.scheme])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ids)) {
		quoted := make([]string, 0, len(ids[name]))
		for _, id := range ids[name] {
			quoted = append(quoted, strconv.Quote(id))
		}
		fmt.Fprintf(&b, "\n[dictionaries.%s]\nvalues = [%s]\n", name, strings.Join(quoted, ", "))
	}
	return b.String()
}

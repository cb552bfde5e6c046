package runner

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"pagefree/internal/execution/target/sandbox/protocol"
	"pagefree/internal/platform/text"
)

// checkLimit bounds a parser. Starting one takes well under a second.
const checkLimit = 20 * time.Second

// messageBytes bounds a message, which may quote the script at length.
const messageBytes = 1000

// pythonCheck compiles its first argument and prints what is wrong with it.
// Deep nesting raises RecursionError or MemoryError rather than SyntaxError.
const pythonCheck = `
import json, sys, warnings
warnings.simplefilter("ignore")
try:
    with open(sys.argv[1], "rb") as f:
        compile(f.read(), sys.argv[1], "exec", dont_inherit=True)
except SyntaxError as e:
    print(json.dumps({"line": e.lineno or 0, "message": type(e).__name__ + ": " + str(e.msg)}))
    sys.exit(1)
except Exception as e:
    print(json.dumps({"line": 0, "message": type(e).__name__ + ": " + str(e)}))
    sys.exit(1)
`

// parse is the command line that parses the script and runs nothing of it.
func (in interpreter) parse() []string {
	switch in.language {
	case protocol.Bash:
		return []string{in.program, "-n", in.file}
	case protocol.Python:
		return []string{in.program, "-I", "-B", "-X", "utf8", "-c", pythonCheck, in.file}
	default:
		return []string{in.program, "--check", in.file}
	}
}

// check parses a script behind the same walls that a run has: a parser is a
// program that reads a stranger's text, too.
func (r *Runner) check(ctx context.Context, req protocol.Request) (protocol.Result, error) {
	req.Env = nil
	o, err := r.execute(ctx, req, r.interpreter.parse, checkLimit, protocol.MaxOutputBytes)
	if err != nil {
		return protocol.Result{}, err
	}
	stdout, _ := o.stdout.text()
	stderr, _ := o.stderr.text()
	res := protocol.Result{DurationMs: o.took.Milliseconds(), Confinement: r.confinement}
	switch {
	case o.exit == nil:
		res.Check = &protocol.Verdict{Message: "could not be parsed: " + o.problem}
	case *o.exit == 0:
		res.Check = &protocol.Verdict{OK: true}
	default:
		res.Check = &protocol.Verdict{}
		line, message := complaint(r.interpreter, stdout, stderr)
		res.Check.Line = line
		res.Check.Message, _ = text.Clip([]byte(message), false, messageBytes)
	}
	return res, nil
}

var (
	// bashComplaint: "script.sh: line 3: syntax error near unexpected token `}'"
	bashComplaint = regexp.MustCompile(`(?m)^script\.sh: (?:-c: )?line (\d+): (.+)$`)
	// nodeLine: "/tmp/run/script.js:3", above the source line.
	nodeLine = regexp.MustCompile(`(?m)^(?:file://)?/.*script\.js:(\d+)$`)
	// nodeComplaint: "SyntaxError: Unexpected token '}'"
	nodeComplaint = regexp.MustCompile(`(?m)^\w*Error(?: \[\w+\])?: .*$`)
)

// complaint finds the first line that a parser complains of, 0 if it names
// none, and what it says.
func complaint(in interpreter, stdout, stderr string) (line int, message string) {
	switch in.language {
	case protocol.Bash:
		if m := bashComplaint.FindStringSubmatch(stderr); m != nil {
			return number(m[1]), m[2]
		}
	case protocol.Python:
		var said struct {
			Line    int    `json:"line"`
			Message string `json:"message"`
		}
		if json.Unmarshal([]byte(stdout), &said) == nil && said.Message != "" {
			return min(max(said.Line, 0), protocol.MaxScriptBytes), said.Message
		}
	case protocol.JavaScript:
		if m := nodeLine.FindStringSubmatch(stderr); m != nil {
			line = number(m[1])
		}
		if m := nodeComplaint.FindString(stderr); m != "" {
			return line, m
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	if first == "" {
		first = "the parser said no more"
	}
	return line, first
}

// number reads a line's number, 0 for one that no script has.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil || n > protocol.MaxScriptBytes {
		return 0
	}
	return n
}

package runner

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// interpreter is the program that runs a language, found on this machine.
type interpreter struct {
	language protocol.Language
	program  string   // absolute, without symbolic links
	readable []string // what it needs beside the system's directories
	file     string   // name of the script in the work directory
	paths    []string // directories of further programs
}

// systemPath is where programs are looked for, by us and by scripts. Managed
// Lambda runtimes have their interpreter in /var/lang.
const systemPath = "/var/lang/bin:/usr/local/bin:/usr/bin:/bin"

// findInterpreter looks in the system's directories, then in path (a laptop's
// Node.js is often in the home of its user).
func findInterpreter(language protocol.Language, path string) (interpreter, error) {
	in := interpreter{language: language}
	var name string
	switch language {
	case protocol.Bash:
		name, in.file = "bash", "script.sh"
	case protocol.Python:
		name, in.file = "python3", "script.py"
	case protocol.JavaScript:
		name, in.file = "node", "script.js"
	default:
		return in, fmt.Errorf("unknown language %q", language)
	}
	for i, dir := range filepath.SplitList(systemPath + ":" + path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		program, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil || !isProgram(program) {
			continue
		}
		in.program = program
		if i >= len(filepath.SplitList(systemPath)) {
			// Its libraries stand beside it, as in .../bin/node and .../lib.
			in.readable = []string{program}
			lib := filepath.Join(filepath.Dir(filepath.Dir(program)), "lib")
			if filepath.Base(filepath.Dir(program)) == "bin" && isDir(lib) {
				in.readable = append(in.readable, lib)
			}
		}
		return in, nil
	}
	return in, fmt.Errorf("%s is not installed here", name)
}

// isProgram tells a compiled program from the shell scripts that version
// managers put in its place, which need a home directory.
func isProgram(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = f.Read(magic)
	return err == nil && bytes.Equal(magic, []byte("\x7fELF"))
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// run is the command line that runs the script.
//
// Python is isolated (-I: no PYTHON* variables, no user site, nothing
// imported from the work directory), writes no bytecode (-B), speaks UTF-8
// whatever the locale, and does not buffer (-u), so that a script that is
// killed has shown what it printed until then.
func (in interpreter) run() []string {
	if in.language == protocol.Python {
		return []string{in.program, "-I", "-B", "-u", "-X", "utf8", in.file}
	}
	return []string{in.program, in.file}
}

// environment is all that a script gets. PF_ names are all it can bring.
func (in interpreter) environment(dir string, variables map[string]string) []string {
	path := systemPath
	for _, dir := range append([]string{filepath.Dir(in.program)}, in.paths...) {
		if !slices.Contains(filepath.SplitList(path), dir) {
			path += ":" + dir
		}
	}
	env := []string{"PATH=" + path, "HOME=" + dir, "LANG=C.UTF-8", "TMPDIR=" + dir}
	if strings.HasPrefix(in.program, "/var/lang/") {
		// Managed runtimes may link their interpreter to libraries of this
		// directory, which the loader's cache does not know.
		env = append(env, "LD_LIBRARY_PATH=/var/lang/lib")
	}
	for name, value := range variables {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"pagefree/infra/local/lambda"
	"pagefree/infra/local/template"
)

// hello is the name of the baseline among the binaries.
const hello = "hello"

// rowsOf makes a row for every function of the template, with its aims.
func rowsOf(t *template.Template) map[string]*row {
	api := map[string]bool{}
	for _, r := range t.API.Routes {
		api[r.Function] = true
		if r.Authorizer != nil {
			api[r.Authorizer.Function] = true
		}
	}
	rows := map[string]*row{}
	for id := range t.Functions {
		if id == bare { // a baseline itself
			continue
		}
		r := &row{name: strings.TrimSuffix(id, "Function"), cells: map[column][]float64{}, aims: map[column]float64{resident: aimResident}}
		if api[id] { // somebody waits for these
			r.aims[aboveHello] = aimAboveHello
		}
		rows[id] = r
	}
	return rows
}

// starts measures the cold starts of every function, in rounds: in each one all binaries take their turn, so that a slow
// moment of the machine hits all of them, and what a function takes above hello is reckoned round by round. It returns
// the row of hello.
func (w *work) starts(ctx context.Context) (row, error) {
	base := row{name: "hello, the smallest of aws-lambda-go", cells: map[column][]float64{}}
	dir := filepath.Join(w.stack.Dir, "bench")
	root, err := moduleRoot()
	if err != nil {
		return base, err
	}
	t := w.stack.Template()
	if err := lambda.Build(ctx, root, dir, append(lambda.Folders(t), "infra/local/bench/hello")); err != nil {
		return base, err
	}
	for range w.size.Rounds {
		least, err := coldStart(ctx, filepath.Join(dir, hello), nil)
		if err != nil {
			return base, err
		}
		base.cells[started] = append(base.cells[started], least)
		for id, f := range t.Functions {
			if w.functions[id] == nil {
				continue
			}
			ms, err := coldStart(ctx, filepath.Join(dir, filepath.Base(f.Folder)), f.Environment)
			if err != nil {
				return base, fmt.Errorf("%s: %w", id, err)
			}
			cells := w.functions[id].cells
			cells[started] = append(cells[started], ms)
			cells[aboveHello] = append(cells[aboveHello], ms-least)
		}
	}
	return base, nil
}

// coldStart starts one binary against a Runtime API that has nothing to do, and
// measures, in milliseconds, from exec to the first call of that API.
func coldStart(ctx context.Context, binary string, env map[string]string) (float64, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	asked := make(chan time.Time, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/runtime/invocation/next") {
			select {
			case asked <- time.Now():
			default:
			}
		}
		<-r.Context().Done()
	})}
	go server.Serve(listener)
	defer server.Close()

	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "AWS_REGION=us-east-1", "PATH=" + os.Getenv("PATH"),
		"AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench", "AWS_LAMBDA_FUNCTION_NAME=bench", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
	}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer cmd.Wait() // its end is the kill below
	defer cmd.Process.Kill()
	select {
	case at := <-asked:
		return float64(at.Sub(began).Microseconds()) / 1000, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("did not ask for work within 10 s")
	}
}

// moduleRoot is the folder of go.mod, here or above.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("go.mod is neither here nor in a folder above")
		}
		dir = parent
	}
}

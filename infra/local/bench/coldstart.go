package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pagefree/infra/local/template"
)

// hello is the name of the baseline among the binaries.
const hello = "hello"

// spread is what a series of measurements shows of itself.
type spread struct{ min, median, max float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return spread{sorted[0], sorted[len(sorted)/2], sorted[len(sorted)-1]}
}

func (s spread) String() string { return fmt.Sprintf("%7.1f %7.1f %7.1f", s.min, s.median, s.max) }

// coldStarts starts every binary rounds times and measures, in milliseconds,
// from exec to the first call of the Runtime API. In each round all binaries
// take their turn, so that a slow moment of the machine hits all of them; more
// is what a function takes above hello, round by round.
func coldStarts(ctx context.Context, binaries map[string]map[string]string, dir string, rounds int) (took, more map[string]spread, err error) {
	all, above := map[string][]float64{}, map[string][]float64{}
	for range rounds {
		base, err := coldStart(ctx, filepath.Join(dir, hello), nil)
		if err != nil {
			return nil, nil, err
		}
		all[hello] = append(all[hello], base)
		for name, env := range binaries {
			ms, err := coldStart(ctx, filepath.Join(dir, name), env)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			all[name] = append(all[name], ms)
			above[name] = append(above[name], ms-base)
		}
	}
	took, more = map[string]spread{}, map[string]spread{}
	for name, values := range all {
		took[name] = spreadOf(values)
	}
	for name, values := range above {
		more[name] = spreadOf(values)
	}
	return took, more, nil
}

// coldStart starts one binary against a Runtime API that has nothing to do.
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

// environments are the functions' own, as template.yaml gives them, by the
// name of the binary. Functions that share a binary count once.
func environments(t *template.Template) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, f := range t.Functions {
		out[filepath.Base(f.Folder)] = f.Environment
	}
	return out
}

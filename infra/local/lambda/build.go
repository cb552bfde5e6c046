package lambda

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"pagefree/infra/local/template"
)

// BuildFlags are those of `sam build`, see the Makefile beside template.yaml.
var BuildFlags = []string{"-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w"}

// Folders are the main packages of a template's functions, each once.
func Folders(t *template.Template) []string {
	var out []string
	for _, f := range t.Functions {
		out = append(out, f.Folder)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Build compiles main packages for this machine into dir, one binary each, named as its folder. root is the folder
// of go.mod, and folders are relative to it. The error holds what the compiler said.
func Build(ctx context.Context, root, dir string, folders []string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := append([]string{"build"}, BuildFlags...)
	args = append(args, "-o", dir+string(filepath.Separator))
	for _, folder := range folders {
		args = append(args, "./"+folder)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the functions: %w\n%s", err, out.Bytes())
	}
	return nil
}

// BuildAgent compiles the agent of the managed nodes, and gives its path. Every build has a file of its own name, by what
// is in it, so that one that runs is never written over. root is the folder of go.mod.
func BuildAgent(ctx context.Context, root string) (string, error) {
	dir, err := os.MkdirTemp("", "pagefree-agent-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := Build(ctx, root, dir, []string{"infra/local/ssm/agent"}); err != nil {
		return "", err
	}
	program, err := os.ReadFile(filepath.Join(dir, "agent"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(program)
	place := filepath.Join(root, ".local", "agent", hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(place); err == nil {
		return place, nil
	}
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return "", err
	}
	half, err := os.CreateTemp(filepath.Dir(place), "half-")
	if err != nil {
		return "", err
	}
	_, err = half.Write(program)
	if err = errors.Join(err, half.Chmod(0o755), half.Close()); err != nil {
		return "", errors.Join(err, os.Remove(half.Name()))
	}
	return place, os.Rename(half.Name(), place)
}

//go:build linux

package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// deep makes directories in one another, further down than any path reaches.
func deep(t *testing.T, top string, levels int) {
	t.Helper()
	dir, err := unix.Open(top, unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range levels {
		if err := unix.Mkdirat(dir, "a-name-of-some-length", 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(dir, "a-name-of-some-length", unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(dir)
		dir = next
	}
	unix.Close(dir)
}

func TestRemoveTakesWhateverAScriptLeft(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, dir string){
		"nothing":           func(*testing.T, string) {},
		"deeper than paths": func(t *testing.T, dir string) { deep(t, dir, 3000) },
		"without permissions": func(t *testing.T, dir string) {
			inner := filepath.Join(dir, "a", "b")
			if err := os.MkdirAll(inner, 0o700); err != nil {
				t.Fatal(err)
			}
			os.WriteFile(filepath.Join(inner, "f"), []byte("x"), 0)
			for _, path := range []string{inner, filepath.Dir(inner), dir} {
				os.Chmod(path, 0)
			}
		},
		"deep and without permissions": func(t *testing.T, dir string) {
			deep(t, dir, 2000)
			os.Chmod(filepath.Join(dir, "a-name-of-some-length"), 0)
		},
	}
	for name, leave := range tests {
		t.Run(name, func(t *testing.T) {
			outside := filepath.Join(t.TempDir(), "kept")
			if err := os.WriteFile(outside, []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "run")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			leave(t, dir)
			if err := remove(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is still there: %v", err)
			}
			if kept, err := os.ReadFile(outside); err != nil || string(kept) != "kept" {
				t.Errorf("a link was followed: %q, %v", kept, err)
			}
		})
	}
}

// TestTheFlatWayWorksByItself takes the way that RemoveAll leaves to us when
// it runs out of open files, or as a user who has to ask for permission.
func TestTheFlatWayWorksByItself(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.MkdirAll(filepath.Join(dir, "b", "c"), 0o700); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "b", "f"), nil, 0)
	os.WriteFile(filepath.Join(dir, "f"), nil, 0)
	deep(t, dir, 2000)
	if err := removeFlat(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestNothingOfARunIsLeftOutside(t *testing.T) {
	t.Parallel()
	r := New(Options{Language: protocol.Bash, launcher: launcher, without: walls{Namespaces: true}})
	if r.Confinement().Refused != "" {
		return
	}
	res := run(t, r, `pwd; for i in {1..200}; do mkdir a-name-of-some-length && cd a-name-of-some-length || exit 2; done; cd "$HOME"; (umask 777; mkdir locked); echo x > f`)
	exited(t, res, 0)
	dir := filepath.Clean(res.Stdout[:len(res.Stdout)-1])
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

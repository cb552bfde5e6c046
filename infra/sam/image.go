package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// wrapper starts what AWS_LAMBDA_EXEC_WRAPPER names, as managed runtimes do. The emulator of sam local calls it.
const wrapper = "#!/bin/sh\nexec \"$AWS_LAMBDA_EXEC_WRAPPER\" \"$0\" \"$@\"\n"

// makeImage makes a base image from this machine's programs: busybox and bash, and the runtime's interpreter. It is no
// Lambda image, but the functions are static binaries, which ask for no more.
func (d *docker) makeImage(ctx context.Context, image, runtime string) error {
	root, err := os.MkdirTemp("", "pagefree-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	r := rootfs{dir: root}
	if err := r.base(ctx); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(runtime, "python"):
		err = r.python(ctx)
	case strings.HasPrefix(runtime, "nodejs"):
		err = r.program(ctx, "node")
	}
	if err != nil {
		return err
	}
	if !strings.HasPrefix(runtime, "provided") {
		if err := r.write("/var/runtime/bootstrap", wrapper, 0o755); err != nil {
			return err
		}
	}
	tar := exec.CommandContext(ctx, "tar", "-C", root, "--owner=0", "--group=0", "-c", ".")
	pipe, err := tar.StdoutPipe()
	if err != nil {
		return err
	}
	if err := tar.Start(); err != nil {
		return err
	}
	err = d.run(ctx, pipe, nil, "import", "--change", "WORKDIR /var/task",
		"--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin LAMBDA_TASK_ROOT=/var/task", "-", image)
	return errors.Join(err, tar.Wait())
}

// rootfs is the file system of an image in the making.
type rootfs struct{ dir string }

// base puts a shell and its tools, bash, users and empty folders in place.
func (r rootfs) base(ctx context.Context) error {
	for _, dir := range []string{"/bin", "/etc", "/proc", "/dev", "/usr/bin", "/var/task", "/var/runtime", "/opt"} {
		if err := os.MkdirAll(filepath.Join(r.dir, dir), 0o755); err != nil {
			return err
		}
	}
	tmp := filepath.Join(r.dir, "tmp")
	if err := errors.Join(os.MkdirAll(tmp, 0o755), os.Chmod(tmp, 0o1777)); err != nil {
		return err
	}
	if err := errors.Join(
		r.write("/etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n", 0o644),
		r.write("/etc/group", "root:x:0:\nnogroup:x:65534:\n", 0o644),
		r.program(ctx, "bash"),
	); err != nil {
		return err
	}
	busybox, err := r.copyProgram(ctx, "busybox")
	if err != nil {
		return fmt.Errorf("%w (Debian: apt-get install busybox-static)", err)
	}
	applets, err := exec.CommandContext(ctx, "busybox", "--list").Output()
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(applets)) {
		if err := r.link(busybox, "/bin/"+name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// program copies a program, with what it is linked to, and makes it known in /usr/bin and /bin.
func (r rootfs) program(ctx context.Context, name string) error {
	path, err := r.copyProgram(ctx, name)
	if err != nil {
		return err
	}
	for _, dir := range []string{"/usr/bin/", "/bin/"} {
		if err := r.link(path, dir+name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// copyProgram copies the program of that name and the libraries that it is linked to, and says where it stands.
func (r rootfs) copyProgram(ctx context.Context, name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", err
	}
	return path, errors.Join(r.copyFile(path), r.libraries(ctx, path))
}

// python copies the system's interpreter and its standard library. Another one on the PATH may stand in somebody's home,
// where the sandbox lets no script look.
func (r rootfs) python(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "/usr/bin/python3", "-c",
		"import os, sys, sysconfig; print(os.path.realpath(sys.executable)); print(sysconfig.get_path('stdlib'))").Output()
	if err != nil {
		return fmt.Errorf("ask python3 where it is: %w (Debian: apt-get install python3)", err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 2 {
		return fmt.Errorf("python3 says that it is at %q", out)
	}
	interpreter, library := lines[0], lines[1]
	if err := errors.Join(r.copyFile(interpreter), r.libraries(ctx, interpreter)); err != nil {
		return err
	}
	skipped := map[string]bool{"site-packages": true, "dist-packages": true, "__pycache__": true, "test": true, "idlelib": true}
	err = filepath.WalkDir(library, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skipped[entry.Name()]:
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		case strings.HasSuffix(path, ".so"):
			err = r.libraries(ctx, path)
		}
		return errors.Join(err, r.copyFile(path))
	})
	if err := r.link(interpreter, "/usr/bin/python3"); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return err
}

var library = regexp.MustCompile(`(?m)(?:=> |^\s*)(/\S+) \(0x`)

// libraries copies the shared libraries that a program asks for.
func (r rootfs) libraries(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, "ldd", path).CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "not a dynamic executable") {
			return nil
		}
		return fmt.Errorf("ldd %s: %w: %s", path, err, out)
	}
	var errs []error
	for _, m := range library.FindAllSubmatch(out, -1) {
		errs = append(errs, r.copyFile(string(m[1])))
	}
	return errors.Join(errs...)
}

// copyFile copies what stands at path, following links, to the same path in the image.
func (r rootfs) copyFile(path string) error {
	to := filepath.Join(r.dir, path)
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return r.write(path, string(b), info.Mode().Perm())
}

func (r rootfs) write(path, content string, mode fs.FileMode) error {
	to := filepath.Join(r.dir, path)
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(content), mode))
}

// link makes name a link to path, both as seen from inside.
func (r rootfs) link(path, name string) error {
	if path == name {
		return nil
	}
	to := filepath.Join(r.dir, name)
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.Symlink(path, to))
}

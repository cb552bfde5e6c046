package runner

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// clean removes what a run has left. All of its processes are gone.
func clean(o Options, w walls, dir string) error {
	switch {
	case w.Namespaces:
		return nil // it went with the last process
	case o.OnLambda && o.wiped != nil:
		return empty(o.wiped...)
	case o.OnLambda:
		removeIPC()
		return empty(privateTmp, "/var/tmp", "/dev/shm")
	default:
		return remove(dir)
	}
}

// empty removes all of our own in directories, those that exist.
func empty(dirs ...string) (failed error) {
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		failed = errors.Join(failed, err)
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || owner(info) != os.Getuid() {
				continue
			}
			failed = errors.Join(failed, remove(filepath.Join(dir, e.Name())))
		}
	}
	return failed
}

// remove removes a tree, whatever a script made of it: directories without
// permissions, and some so deep that no path reaches their bottom.
func remove(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	return removeFlat(path)
}

// removeFlat moves each directory that it finds to the top before it opens
// it, so that neither paths nor open files add up.
func removeFlat(path string) error {
	if err := os.Chmod(path, 0o700); err != nil {
		return err
	}
	prefix := filepath.Join(path, rand.Text()) // which nothing in there is called
	for n := 0; ; {
		entries, err := os.ReadDir(path)
		if err != nil || len(entries) == 0 {
			return errors.Join(err, os.Remove(path))
		}
		for _, e := range entries {
			at := filepath.Join(path, e.Name())
			if !e.IsDir() {
				if err := os.Remove(at); err != nil {
					return err
				}
				continue
			}
			if n, err = flatten(prefix, at, n); err != nil {
				return err
			}
		}
	}
}

// flatten moves the directories in dir to prefix and a number after n,
// removes all else in it, and then dir.
func flatten(prefix, dir string, n int) (int, error) {
	if err := os.Chmod(dir, 0o700); err != nil {
		return n, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return n, err
	}
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		if e.IsDir() {
			// Moving a directory writes its entry "..".
			if err := os.Chmod(at, 0o700); err != nil {
				return n, err
			}
			n++
			err = os.Rename(at, prefix+strconv.Itoa(n))
		} else {
			err = os.Remove(at)
		}
		if err != nil {
			return n, err
		}
	}
	return n, os.Remove(dir)
}

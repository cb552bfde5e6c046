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
	case o.OnLambda:
		removeIPC()
		return errors.Join(empty(privateTmp), empty("/var/tmp"), empty("/dev/shm"))
	default:
		return remove(dir)
	}
}

// empty removes all of our own in a directory, if it exists.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	for _, e := range entries {
		info, infoErr := e.Info()
		if infoErr != nil || owner(info) != os.Getuid() {
			continue
		}
		err = errors.Join(err, remove(filepath.Join(dir, e.Name())))
	}
	return err
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

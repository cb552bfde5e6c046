package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Paths inside of a private root. On Lambda they are the same ones.
const (
	privateTmp  = "/tmp"
	privateWork = "/tmp/run"
)

// privateRoot makes a root of our own: the system's directories read-only, a
// /tmp of bounded size, a /proc that shows this namespace alone, and a few
// devices. Nothing else of the machine is in it, and nothing of it is left
// once the last process of the namespace has ended.
func privateRoot(s spec) error {
	// What is mounted from here on must not show outside.
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	// Any directory does as the place to build it in.
	const root = "/tmp"
	if err := mount("root", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1m"); err != nil {
		return err
	}
	for _, dir := range systemDirs {
		if err := expose(root, dir); err != nil {
			return err
		}
	}
	for _, path := range append(append([]string{}, systemFiles...), s.Readable...) {
		if err := expose(root, path); err != nil {
			return err
		}
	}
	if err := writeAccounts(root, s); err != nil {
		return err
	}
	if err := mountDevices(root); err != nil {
		return err
	}
	for _, dir := range []string{"/proc", privateTmp} {
		if err := os.Mkdir(root+dir, 0o755); err != nil {
			return err
		}
	}
	// hidepid=2: of processes that are not the script's own it learns nothing.
	if err := mount("proc", root+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "hidepid=2"); err != nil {
		return err
	}
	size := fmt.Sprintf("mode=1777,size=%d,nr_inodes=%d", tmpLimit, tmpFiles)
	if err := mount("tmp", root+privateTmp, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, size); err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	// The old root lands on top of the new one, and goes.
	if err := unix.PivotRoot(".", "."); err != nil {
		return os.NewSyscallError("pivot_root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return os.NewSyscallError("umount2", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("sandbox")); err != nil {
		return os.NewSyscallError("sethostname", err)
	}
	return setAttributes("/", unix.MOUNT_ATTR_RDONLY, 0)
}

// expose shows a path of the machine at the same place below root, read-only.
// What the machine lacks is left out.
func expose(root, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	place := root + path
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 && !strings.HasPrefix(path, "/etc/") { // /bin, on a merged /usr
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return os.Symlink(to, place)
	}
	if info, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil // a dangling link
	} else if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(place, 0o755)
	} else {
		err = os.WriteFile(place, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := mount(path, place, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return setAttributes(place, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID, unix.AT_RECURSIVE)
}

// writeAccounts gives the script's user a name and a home: programs ask for
// them, and some fail without.
func writeAccounts(root string, s spec) error {
	uid, gid := os.Getuid(), os.Getgid()
	if s.Walls.OwnUser {
		uid, gid = s.UID, s.UID
	}
	for name, text := range map[string]string{
		"/etc/passwd":        fmt.Sprintf("root:x:0:0::/:/bin/false\nsandbox:x:%d:%d::%s:/bin/bash\n", uid, gid, s.Dir),
		"/etc/group":         fmt.Sprintf("root:x:0:\nsandbox:x:%d:\n", gid),
		"/etc/hosts":         "127.0.0.1 localhost\n::1 localhost\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
	} {
		if err := os.MkdirAll(root+"/etc", 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(root+name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func mountDevices(root string) error {
	if err := os.Mkdir(root+"/dev", 0o755); err != nil {
		return err
	}
	for _, device := range devices {
		if err := os.WriteFile(root+device, nil, 0o644); err != nil {
			return err
		}
		if err := mount(device, root+device, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
		"shm": privateTmp, // POSIX shared memory and semaphores
	} {
		if err := os.Symlink(to, root+"/dev/"+name); err != nil {
			return err
		}
	}
	return nil
}

// mount is mount(2) with an error that says what.
func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s%s: %w", kind, target, err)
	}
	return nil
}

func setAttributes(path string, attributes uint64, flags uint) error {
	err := unix.MountSetattr(unix.AT_FDCWD, path, flags, &unix.MountAttr{Attr_set: attributes})
	if err != nil {
		return fmt.Errorf("mount_setattr %s: %w", path, err)
	}
	return nil
}

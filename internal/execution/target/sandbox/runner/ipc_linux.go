package runner

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

// removeIPC removes the System V objects and the keys that our user has made,
// which outlive processes as files do. An IPC namespace takes its own along.
func removeIPC() {
	for table, call := range map[string]uintptr{"shm": unix.SYS_SHMCTL, "msg": unix.SYS_MSGCTL, "sem": unix.SYS_SEMCTL} {
		text, err := os.ReadFile("/proc/sysvipc/" + table)
		if err != nil {
			continue
		}
		lines := strings.Split(string(text), "\n")
		columns := strings.Fields(lines[0]) // key, the id, ..., uid, ...
		for _, line := range lines[1:] {
			fields := strings.Fields(line)
			if len(fields) != len(columns) || field(columns, fields, "uid") != os.Getuid() {
				continue
			}
			id := uintptr(field(columns, fields, table+"id"))
			if table == "sem" {
				unix.Syscall6(call, id, 0, unix.IPC_RMID, 0, 0, 0)
			} else {
				unix.Syscall(call, id, unix.IPC_RMID, 0)
			}
		}
	}
	unix.KeyctlInt(unix.KEYCTL_CLEAR, unix.KEY_SPEC_USER_KEYRING, 0, 0, 0)
}

// field is a number of a table's row by its column's name, -1 if there is none.
func field(columns, fields []string, name string) int {
	for i, column := range columns {
		if column == name {
			if n, err := strconv.Atoi(fields[i]); err == nil {
				return n
			}
		}
	}
	return -1
}

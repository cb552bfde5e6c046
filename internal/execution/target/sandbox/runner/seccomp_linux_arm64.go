package runner

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// deniedHere are calls that other machines do not have.
var deniedHere = []uint32{unix.SYS_KEXEC_FILE_LOAD}

var ownerCallsHere []uint32

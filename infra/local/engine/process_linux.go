package engine

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the child when we end, however we end; a Ctrl-C at the terminal does not reach it,
// so that the stack decides in which order things stop.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

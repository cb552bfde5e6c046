//go:build !linux

package lambda

import (
	"os"
	"os/exec"
	"syscall"
)

// spawner starts processes. Only Linux can promise that none outlives this program when it is killed itself.
type spawner struct{}

func newSpawner() *spawner { return &spawner{} }

func (s *spawner) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}

func (s *spawner) close() {}

func killTree(p *os.Process) {
	killGroup(p.Pid)
	_ = p.Kill()
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

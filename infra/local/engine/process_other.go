//go:build !linux

package engine

import "os/exec"

// dieWithParent is nothing elsewhere: an orphan has to be ended by hand there.
func dieWithParent(*exec.Cmd) {}

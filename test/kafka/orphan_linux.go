package kafka

import (
	"os/exec"
	"syscall"
)

// withTest makes a node end with the test: one that panics or is killed closes nothing.
func withTest(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

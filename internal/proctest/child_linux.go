package proctest

import "syscall"

// childAttr gives a process a group of its own, and has it die with the test: one that is killed leaves none behind.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

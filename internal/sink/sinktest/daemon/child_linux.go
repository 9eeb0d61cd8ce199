package daemon

import "syscall"

// childAttr has the server die with the test: a test that is killed leaves none behind.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

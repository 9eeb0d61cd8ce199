//go:build !linux

package proctest

import "syscall"

// childAttr gives a process a group of its own.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

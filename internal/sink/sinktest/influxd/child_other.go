//go:build !linux

package influxd

import "syscall"

func childAttr() *syscall.SysProcAttr { return nil }

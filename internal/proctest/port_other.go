//go:build !linux

package proctest

import "testing"

// FreePort returns a port of the loopback that nobody uses.
func FreePort(t testing.TB) int { return anyPort(t) }

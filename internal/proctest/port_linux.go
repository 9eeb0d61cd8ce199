package proctest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
)

// lowest is where the ports begin that a test may have: below are those of services.
const lowest = 10_240

// FreePort returns a port of the loopback that is the test's until it ends: a program that it starts, stops and starts again finds the
// port free. None of those is one that the system gives to whoever asks for any port, so no connection and no other server has it by
// chance; and no other test is given it meanwhile, in whatever process.
func FreePort(t testing.TB) int {
	t.Helper()
	var first int // of those that the system gives
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, err = fmt.Sscan(string(text), &first)
	}
	if err != nil || first < lowest+1000 {
		return anyPort(t)
	}
	for range 1000 {
		port := lowest + rand.IntN(first-lowest)
		// A name in this network that is taken as long as the process has it open; no file is left behind.
		mine, err := net.Listen("unix", fmt.Sprintf("@fitbit-fetch-test-port-%d", port))
		if err != nil {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf(":%d", port)); err == nil {
			l.Close()
			t.Cleanup(func() { mine.Close() })
			return port
		}
		mine.Close()
	}
	t.Fatalf("no port from %d to %d is free", lowest, first-1)
	return 0
}

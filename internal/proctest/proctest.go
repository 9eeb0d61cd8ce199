// Package proctest runs programs for tests: ours as it is shipped, and those that it talks to. None outlives its test.
package proctest

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// NotShort skips a test that needs more than this process, or long, where go test -short wants answers soon (make quick).
func NotShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("left out by -short")
	}
}

// Main is a TestMain that builds the program first, and notes in binary where it is. Where -short leaves out the tests that start it,
// there is none.
func Main(m *testing.M, binary *string) int {
	if flag.Parse(); testing.Short() {
		return m.Run()
	}
	path, remove, err := Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer remove()
	*binary = path
	return m.Run()
}

// Build builds the program into a folder of its own, which remove takes away.
func Build() (binary string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "fitbit-fetch-test-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	binary = filepath.Join(dir, "fitbit-fetch")
	build := exec.Command("go", "build", "-o", binary, "github.com/fitbit-fetch/fitbit-fetch/cmd/fitbit-fetch")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		remove()
		return "", nil, fmt.Errorf("building the program: %w", err)
	}
	return binary, remove, nil
}

// failer is what is needed of a test; a script of testscript is one, too.
type failer interface {
	Fatalf(format string, args ...any)
}

// Mosquitto is where the broker is; Debian keeps it where not everybody looks.
func Mosquitto(t failer) string {
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("the MQTT broker Mosquitto is missing: make tools installs it")
	return ""
}

// anyPort is one that the system gives: nobody uses it now.
func anyPort(t failer) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("looking for a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Listening reports whether somebody listens at a port of the loopback.
func Listening(port int) bool {
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	c.Close()
	return true
}

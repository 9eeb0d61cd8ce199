package proctest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// No port is given twice while a test has it, in whatever process; and none is one that the system gives to others.
func TestFreePort(t *testing.T) {
	if out := os.Getenv("FITBIT_FETCH_TEST_PORTS"); out != "" {
		for range 300 {
			fmt.Printf("port %d\n", FreePort(t))
		}
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the system gives them")
	}
	NotShort(t)
	seen := map[string]bool{}
	for range 300 {
		seen[fmt.Sprintf("port %d", FreePort(t))] = true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFreePort$")
	cmd.Env = append(os.Environ(), "FITBIT_FETCH_TEST_PORTS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "port ") {
			if seen[line] {
				t.Errorf("%s was given twice", line)
			}
			seen[line] = true
		}
	}
	if len(seen) != 600 {
		t.Errorf("%d ports, want 600", len(seen))
	}
	for range 1000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if port := fmt.Sprintf("port %d", l.Addr().(*net.TCPAddr).Port); seen[port] {
			t.Errorf("the system gives %s, too", port)
		}
		l.Close()
	}
}

// What a program has said before it gives a sign is in its output when the sign is seen.
func TestOutputIsThere(t *testing.T) {
	dir := t.TempDir()
	for range 20 {
		sign := dir + "/sign"
		os.Remove(sign)
		p := Start(t, "sh", exec.Command("sh", "-c", "echo said; : > "+sign+"; sleep 60"))
		for {
			if _, err := os.Stat(sign); err == nil {
				break
			}
			runtime.Gosched()
		}
		if p.Out.String() != "said\n" {
			t.Fatalf("the sign is there, and the output %q", p.Out.String())
		}
		p.Kill()
	}
}

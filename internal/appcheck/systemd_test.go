package appcheck

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestSystemdUnit: systemd reads the unit without a word, finds it well locked up, and does not start again what no start would mend.
func TestSystemdUnit(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "packaging", "fitbit-fetch.service"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\nExecStart=/usr/local/bin/fitbit-fetch\n") {
		t.Error("another program is started than its own comment installs")
	}
	// The program need not be installed on this machine.
	unit := filepath.Join(t.TempDir(), "fitbit-fetch.service")
	if err := os.WriteFile(unit, []byte(strings.Replace(string(text), "/usr/local/bin/fitbit-fetch\n", "/bin/true\n", 2)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=yes", unit).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, tailOf(out))
	}
	m := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no verdict in\n%s", tailOf(out))
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > 2 {
		t.Errorf("exposure level %s, want 2 at most", m[1])
	}
	main, err := os.ReadFile(filepath.Join(root, "cmd", "fitbit-fetch", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, name := range []string{"exitUsage", "exitConfig"} {
		code := regexp.MustCompile(name + ` += (\d+)`).FindSubmatch(main)
		if code == nil {
			t.Fatalf("no %s", name)
		}
		codes = append(codes, string(code[1]))
	}
	if want := fmt.Sprintf("\nRestartPreventExitStatus=%s\n", strings.Join(codes, " ")); !strings.Contains(string(text), want) {
		t.Errorf("the unit lacks %q", want)
	}
	if opts, err := inStack(map[string]string{"STATE_DIRECTORY": "/var/lib/fitbit-fetch"}); err != nil || opts.Archive != "/var/lib/fitbit-fetch/archive.db" {
		t.Errorf("the archive is %s (%v), not in the unit's folder", opts.Archive, err)
	}
}

func tailOf(b []byte) []byte { return b[max(0, len(b)-2000):] }

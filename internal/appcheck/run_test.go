package appcheck

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRunOfCI lets .ci/run call a make that does nothing but say so: whichever target fails, beside the others or not, fails the run, and
// the closing lines of the tests are the last.
func TestRunOfCI(t *testing.T) {
	bin := t.TempDir()
	for name, text := range map[string]string{
		"make": "#!/bin/sh\necho \"does $1\"\n[ \"$1\" != \"$FAILING\" ] || { echo \"$1 says why\"; exit 2; }\n[ \"$1\" != test ] || echo 'ok  	closing line'\n",
		"sudo": "#!/bin/sh\nshift\nexec \"$@\"\n", // who is root anyway has no need of it
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(failing string) (string, int) {
		cmd := exec.Command("bash", filepath.Join(root, ".ci", "run"))
		cmd.Env = append(os.Environ(), fmt.Sprintf("PATH=%s:%s", bin, os.Getenv("PATH")), "FAILING="+failing)
		out, err := cmd.CombinedOutput()
		if _, ended := err.(*exec.ExitError); err != nil && !ended {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, code := run("none")
	if code != 0 || !strings.HasSuffix(out, "does test\nok  \tclosing line\n") {
		t.Fatalf("code %d, said:\n%s", code, out)
	}
	var targets []string
	for line := range strings.Lines(out) {
		if target, ok := strings.CutPrefix(line, "does "); ok {
			targets = append(targets, strings.TrimSpace(target))
		}
	}
	for _, want := range []string{"check", "build", "test-image", "test-homeassistant", "test-influxdb2", "test"} {
		if !slices.Contains(targets, want) {
			t.Errorf("make %s is not called, but %q", want, targets)
		}
	}
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			if out, code := run(target); code == 0 || !strings.Contains(out, target+" says why") {
				t.Errorf("code %d, said:\n%s", code, out)
			}
		})
	}
}

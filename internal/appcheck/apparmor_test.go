package appcheck

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestProfile: Supervisor takes the name from the one line that begins with profile, and installs nothing with none or two.
func TestProfile(t *testing.T) {
	name := filepath.Join(appDir, "apparmor.txt")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	profiles := regexp.MustCompile(`(?m)^profile ([^ ]+).*$`).FindAllStringSubmatch(string(data), -1)
	if len(profiles) != 1 || profiles[0][1] != readConfig(t).values["slug"] {
		t.Errorf("profiles: %q", profiles)
	}
	parser, err := findParser()
	if err != nil {
		t.Fatal(err)
	}
	// Without its parser a profile that does not compile would show at the users' only: the app would not install.
	out, err := exec.Command(parser, "--skip-kernel-load", "--skip-cache", "--skip-read-cache", name).CombinedOutput()
	if err != nil {
		t.Errorf("the profile does not compile: %v\n%s", err, out)
	}
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(data), "/data/ rw,", "/data/ rw", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if exec.Command(parser, "--skip-kernel-load", "--skip-cache", "--skip-read-cache", broken).Run() == nil {
		t.Error("the parser takes a broken profile")
	}
}

// findParser finds the parser, which is not on everybody's path.
func findParser() (string, error) {
	if path := "/usr/sbin/apparmor_parser"; exec.Command(path, "--version").Run() == nil {
		return path, nil
	}
	return exec.LookPath("apparmor_parser")
}

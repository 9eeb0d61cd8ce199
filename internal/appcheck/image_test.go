package appcheck

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestDockerfile holds the facts of the image that Supervisor and Docker rely on.
func TestDockerfile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(appDir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	stages := regexp.MustCompile(`(?m)^FROM .*$`).FindAllString(text, -1)
	if len(stages) != 2 || stages[1] != "FROM scratch" {
		t.Errorf("stages %q", stages)
	}
	for what, want := range map[string]string{
		"a default base, since Supervisor names none": `(?m)^ARG GO_IMAGE=\S+$`,
		"a static binary":                                    `CGO_ENABLED=0`,
		"a build for the other architecture":                 `GOARCH=\$TARGETARCH`,
		"certificates of authorities":                        `ca-certificates\.crt /rootfs/etc/ssl/certs/`,
		"a health check by the binary itself":                `HEALTHCHECK .*CMD \["/usr/bin/fitbit-fetch", "healthcheck"\]`,
		"the binary as entry point, so that it gets SIGTERM": `ENTRYPOINT \["/usr/bin/fitbit-fetch"\]`,
		"the command before a backup on the path":            `PATH=/usr/bin`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("the image lacks %s", what)
		}
	}
	// Supervisors before 2026.04 set it to an image of theirs, without a compiler.
	if strings.Contains(text, "ARG BUILD_FROM") {
		t.Error("the base can be exchanged by Supervisor")
	}
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if m := goVersion.FindSubmatch(mod); m == nil || !strings.Contains(text, "golang:"+string(m[1])+"-") {
		t.Errorf("the image is not built with the Go of go.mod, %s", m)
	}
}

// TestAppFolder makes the folder that Supervisor builds by itself, and looks for all that its Dockerfile and the compiler need.
func TestAppFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app")
	if out, err := exec.Command("sh", filepath.Join(root, "scripts", "app-folder"), dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made, err := os.ReadFile(filepath.Join(dir, "fitbit_fetch", "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c, whole := parseConfig(t, string(made)), readConfig(t)
	keys := len(whole.values)
	if whole.values["image"] != nil {
		keys--
	}
	if c.values["image"] != nil || len(c.values) != keys {
		t.Errorf("the copy's config.yaml has the keys %d of %d, image %v", len(c.values), len(whole.values), c.values["image"])
	}
	// A newer commit is another version, or Home Assistant would not offer it.
	commit, err := exec.Command("git", "-C", root, "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		t.Fatalf("git rev-parse: %v", err)
	}
	if version, begin := c.values["version"].(string), whole.values["version"].(string)+"-g"+strings.TrimSpace(string(commit)); strings.TrimSuffix(version, "-dirty") != begin {
		t.Errorf("the copy is version %s, want %s", version, begin)
	}
	for _, name := range []string{"repository.yaml", "fitbit_fetch/Dockerfile", "fitbit_fetch/apparmor.txt", "fitbit_fetch/translations/de.yaml", "fitbit_fetch/DOCS.md"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	// The compiler finds every package and every embedded file.
	list := exec.Command("go", "list", "-deps", "./cmd/fitbit-fetch")
	list.Dir = filepath.Join(dir, "fitbit_fetch", "source")
	if out, err := list.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if exec.Command("sh", filepath.Join(root, "scripts", "app-folder"), dir).Run() == nil {
		t.Error("a folder that is there is written over")
	}
}

// TestCI: a change is held against the one script that says what has to hold, and nothing beside it.
func TestCI(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, ".github", "workflows", "ci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var w struct {
		Jobs map[string]struct {
			Steps []struct{ Run, Uses string }
		}
	}
	if err := yaml.Unmarshal(data, &w); err != nil {
		t.Fatal(err)
	}
	var runs []string
	for _, job := range w.Jobs {
		for _, step := range job.Steps {
			if step.Run != "" {
				runs = append(runs, step.Run)
			}
		}
	}
	if len(runs) != 1 || runs[0] != "bash .ci/run" {
		t.Errorf("CI runs %q", runs)
	}
}

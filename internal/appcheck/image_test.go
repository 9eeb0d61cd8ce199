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
		"a default base, since Supervisor names none": `(?m)^ARG BUILD_FROM=\S+$`,
		"a static binary":                                    `CGO_ENABLED=0`,
		"a build for the other architecture":                 `GOARCH=\$TARGETARCH`,
		"the version":                                        `-X main\.version=\$BUILD_VERSION`,
		"certificates of authorities":                        `ca-certificates\.crt /rootfs/etc/ssl/certs/`,
		"a health check by the binary itself":                `HEALTHCHECK .*CMD \["/usr/bin/fitbit-fetch", "healthcheck"\]`,
		"the binary as entry point, so that it gets SIGTERM": `ENTRYPOINT \["/usr/bin/fitbit-fetch"\]`,
		"the command before a backup on the path":            `PATH=/usr/bin`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("the image lacks %s", what)
		}
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
	if c.values["image"] != nil || len(c.values) != len(whole.values)-1 {
		t.Errorf("the copy's config.yaml has the keys %d of %d, image %v", len(c.values), len(whole.values), c.values["image"])
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

// TestWorkflow: the image that is published is the one that config.yaml names, for the architectures it names.
func TestWorkflow(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, ".github", "workflows", "app.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var w struct {
		Env  map[string]string `yaml:"env"`
		Jobs map[string]any    `yaml:"jobs"`
	}
	if err := yaml.Unmarshal(data, &w); err != nil {
		t.Fatal(err)
	}
	v := readConfig(t).values
	if image, _ := v["image"].(string); !strings.HasSuffix(image, "/"+w.Env["IMAGE"]) || !strings.HasPrefix(image, "ghcr.io/") {
		t.Errorf("published is %s, the app wants %s", w.Env["IMAGE"], image)
	}
	for _, arch := range v["arch"].([]any) {
		if !strings.Contains(w.Env["ARCHITECTURES"], `"`+arch.(string)+`"`) {
			t.Errorf("%v is not built", arch)
		}
	}
	if len(w.Jobs) != 4 {
		t.Errorf("%d jobs", len(w.Jobs))
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

package appcheck

import (
	"crypto/sha1"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fitbit-fetch/fitbit-fetch/internal/stack"
)

// state returns what does not fit together in a tree: before the first release nobody is sent to an image that is not there, and after
// it everything names the version and the image that config.yaml does.
func state(t *testing.T, tree string) []string {
	t.Helper()
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(tree, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	app := parseConfig(t, read("fitbit_fetch/config.yaml")).values
	version, _ := app["version"].(string)
	image, released := app["image"].(string)
	repository, _ := app["url"].(string)
	if wants := "ghcr.io/" + strings.ToLower(strings.TrimPrefix(repository, "https://github.com/")); released && image != wants {
		say("config.yaml names the image %s, the workflow publishes %s", image, wants)
	}
	if ok := regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version); ok != released {
		say("config.yaml is version %s, with the image %q: a released version has one, and no other", version, image)
	}
	number, _, _ := strings.Cut(version, "-")
	for _, name := range []string{"CHANGELOG.md", "fitbit_fetch/CHANGELOG.md"} {
		var entries []string
		for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(read(name), -1) {
			entries = append(entries, m[1])
		}
		if len(entries) > 0 && entries[0] == "Unreleased" {
			entries = entries[1:]
			if !released && len(entries) == 0 {
				continue // all of it is to come
			}
		}
		if len(entries) == 0 || entries[0] != number {
			say("%s begins with %q, config.yaml is version %s", name, entries, version)
		}
	}
	texts, err := filepath.Glob(filepath.Join(tree, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	texts = append(texts, filepath.Join(tree, "README.md"), filepath.Join(tree, "compose.yml"), filepath.Join(tree, ".env.example"), filepath.Join(tree, "Grafana_Dashboard", "README.md"),
		filepath.Join(tree, "fitbit_fetch", "README.md"), filepath.Join(tree, "fitbit_fetch", "DOCS.md"))
	images, notes := 0, 0
	for _, path := range texts {
		name, err := filepath.Rel(tree, path)
		if err != nil {
			t.Fatal(err)
		}
		text := read(name)
		for _, m := range regexp.MustCompile(`ghcr\.io/[\w./-]+(:[\w.-]+)?`).FindAllStringSubmatch(text, -1) {
			images++
			switch {
			case !released:
				say("%s names %s before there is one", name, m[0])
			case m[0] != image+":"+version:
				say("%s names %s, not %s:%s", name, m[0], image, version)
			}
		}
		begins, ends := strings.Count(text, "<!-- before the first release -->"), strings.Count(text, "<!-- end -->")
		notes += begins
		if begins != ends || released && begins > 0 {
			say("%s has %d notes of the time before the first release, and %d ends of them", name, begins, ends)
		}
	}
	if !released && notes == 0 || !released && !strings.HasPrefix(read("README.md"), "# Fitbit Fetch\n\n<!-- before the first release -->\n") {
		say("README.md does not begin with what is missing before the first release")
	}
	if released && images < 2 {
		say("%d documents name the image", images)
	}
	p, err := stack.Load(t, []byte(read("compose.yml")), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{stack.Program, stack.Files} {
		s := p.Services[name]
		switch {
		case released && (s.Image != image+":"+version || s.Build != nil):
			say("compose.yml: %s runs %q", name, s.Image)
		case !released && (s.Image != "" || s.Build == nil || s.Build.Dockerfile != "fitbit_fetch/Dockerfile" || s.Build.Context != p.WorkingDir):
			say("compose.yml: %s is not built from the clone", name)
		}
	}
	return out
}

// TestVersions: all of it fits together now, and after scripts/set-version has made a release of it; and what does not is seen.
func TestVersions(t *testing.T) {
	for name, tree := range map[string]string{"now": root, "the next release": releasedTree(t, "0.99.0", words...)} {
		t.Run(name, func(t *testing.T) {
			for _, problem := range state(t, tree) {
				t.Error(problem)
			}
		})
	}
	for name, c := range map[string]struct{ file, what, by, want string }{
		"another version in compose.yml": {"compose.yml", `:0\.99\.0`, ":0.98.0", "compose.yml names"},
		"no image":                       {"fitbit_fetch/config.yaml", `(?m)^image: .*\n`, "", "a released version has one"},
		"an image of somebody else":      {"fitbit_fetch/config.yaml", `(?m)^image: .*$`, "image: ghcr.io/other/fitbit-fetch", "the workflow publishes"},
		"no entry in the changelog":      {"fitbit_fetch/CHANGELOG.md", `(?m)^## .*$`, "", "begins with"},
		"a note that stayed":             {"README.md", `\A# Fitbit Fetch\n`, "# Fitbit Fetch\n\n<!-- before the first release -->\nx\n<!-- end -->\n", "README.md has 1 notes"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := releasedTree(t, "0.99.0", words...)
			edit(t, filepath.Join(tree, c.file), regexp.MustCompile(c.what), c.by)
			if problems := state(t, tree); !slices.ContainsFunc(problems, func(s string) bool { return strings.Contains(s, c.want) }) {
				t.Errorf("got %q, want %q", problems, c.want)
			}
		})
	}
}

// TestSetVersion: what cannot be released changes nothing, and says why.
func TestSetVersion(t *testing.T) {
	released := releasedTree(t, "0.99.0", words...)
	unreleased := copyTree(t, words...)
	for name, change := range map[string]string{"fitbit_fetch/config.yaml": `(?m)^image: .*\n`} {
		if text, err := os.ReadFile(filepath.Join(unreleased, name)); err != nil {
			t.Fatal(err)
		} else if regexp.MustCompile(change).Match(text) {
			edit(t, filepath.Join(unreleased, name), regexp.MustCompile(change), "")
		}
	}
	run := func(tree, version string) (string, error) {
		out, err := exec.Command("sh", filepath.Join(tree, "scripts", "set-version"), version).CombinedOutput()
		return string(out), err
	}
	contents := func(tree string) map[string]string {
		out := map[string]string{}
		for _, pattern := range []string{"*.md", "*.yml", "docs/*.md", "fitbit_fetch/*"} {
			paths, err := filepath.Glob(filepath.Join(tree, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range paths {
				if text, err := os.ReadFile(path); err == nil { // a folder is none
					out[path] = string(text)
				}
			}
		}
		return out
	}
	for name, c := range map[string]struct{ tree, version, want string }{
		"no version":                   {unreleased, "v0.2.0", "'v0.2.0': want a version such as 0.2.0"},
		"two numbers":                  {unreleased, "0.2", "'0.2': want a version such as 0.2.0"},
		"a candidate":                  {unreleased, "0.2.0-rc.1", "'0.2.0-rc.1': want a version"},
		"no changes":                   {released, "0.99.1", "does not begin with '## Unreleased'"},
		"back to building":             {released, "0.99.1-dev", "names an image"},
		"another module to Go":         {unreleased, "2.0.0", "has to end in /v2"},
		"something behind the version": {unreleased, "0.2.0\nx", "want a version"},
	} {
		t.Run(name, func(t *testing.T) {
			before := contents(c.tree)
			out, err := run(c.tree, c.version)
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("%v: %s", err, out)
			}
			if !maps.Equal(before, contents(c.tree)) {
				t.Error("files were changed")
			}
		})
	}
	// Those whose Home Assistant builds the app are offered what is newer by another version, which fits together as well.
	if out, err := run(unreleased, "0.99.0-dev.2"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if text, err := os.ReadFile(filepath.Join(unreleased, "fitbit_fetch", "config.yaml")); err != nil || !strings.Contains(string(text), "\nversion: \"0.99.0-dev.2\"\n") {
		t.Errorf("the version is not set (%v)", err)
	}
	// Again it changes nothing: so the workflow sees that a tag's commit was made by it.
	before := contents(released)
	if out, err := run(released, "0.99.0"); err != nil || !maps.Equal(before, contents(released)) {
		t.Errorf("a second call: %v, %s", err, out)
	}
}

// TestStoreLink: the button leads Home Assistant to the repository by exactly the address that config.yaml names, since another spelling is
// another repository to it.
func TestStoreLink(t *testing.T) {
	repository, _ := readConfig(t).values["url"].(string)
	text := readGuide(t, "README.md")
	m := regexp.MustCompile(`https://my\.home-assistant\.io/redirect/(\w+)/\?repository_url=([^)\s]+)`).FindStringSubmatch(text)
	if m == nil {
		t.Fatal("README.md has no link to the app store")
	}
	// The frontend's page of links knows this one with an address.
	if got, err := url.QueryUnescape(m[2]); err != nil || got != repository || m[1] != "supervisor_add_addon_repository" {
		t.Errorf("the link %s leads to %q (%v)", m[1], got, err)
	}
	if !strings.Contains(text, "`"+repository+"`") {
		t.Error("README.md does not say the address")
	}
	// The address behind which the branch lies is another repository: its app has another name, and so another folder of data.
	if id := func(address string) string { return fmt.Sprintf("%x", sha1.Sum([]byte(strings.ToLower(address))))[:8] }; id(repository) == id(repository+"#app") {
		t.Error("the branch is the same app")
	}
}

// A job is one of a workflow.
type job struct {
	Uses        string
	Needs       any
	Permissions map[string]string
	Steps       []struct{ Run, Uses, Name string }
}

func readWorkflow(t *testing.T, name string) (on map[string]any, jobs map[string]job) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, ".github", "workflows", name))
	if err != nil {
		t.Fatal(err)
	}
	var w struct {
		On   map[string]any
		Jobs map[string]job
	}
	if err := yaml.Unmarshal(data, &w); err != nil {
		t.Fatal(err)
	}
	return w.On, w.Jobs
}

// TestReleaseWorkflow: nothing is offered on main before it has been tested, published and pulled without credentials, and no other job
// may write there.
func TestReleaseWorkflow(t *testing.T) {
	on, jobs := readWorkflow(t, "release.yml")
	if push, _ := on["push"].(map[string]any); len(on) != 1 || push["tags"] == nil || push["branches"] != nil {
		t.Errorf("it runs on %v", on)
	}
	// before lists all that has to have succeeded.
	var before func(name string) []string
	before = func(name string) []string {
		var out []string
		switch needs := jobs[name].Needs.(type) {
		case string:
			out = append(before(needs), needs)
		case []any:
			for _, n := range needs {
				out = append(append(out, before(n.(string))...), n.(string))
			}
		}
		return out
	}
	for name, wants := range map[string][]string{
		"test": {"version"}, "image": {"version", "test"}, "manifest": {"image"}, "published": {"manifest"}, "packages": {"published"}, "main": {"published", "packages"}, "branch": {"main"},
	} {
		for _, want := range wants {
			if !slices.Contains(before(name), want) {
				t.Errorf("%s does not wait for %s", name, want)
			}
		}
	}
	runs := func(name string) string {
		var out []string
		for _, step := range jobs[name].Steps {
			out = append(out, step.Run)
		}
		return strings.Join(out, "\n")
	}
	for name, want := range map[string]string{
		"version": "scripts/set-version", "published": "scripts/check-image", "packages": "make test-release VERSION=", "main": "git push origin main",
	} {
		if !strings.Contains(runs(name), want) {
			t.Errorf("%s does not run %q", name, want)
		}
	}
	if jobs["test"].Uses != "./.github/workflows/ci.yml" || jobs["branch"].Uses != "./.github/workflows/app.yml" {
		t.Errorf("it tests with %q, and makes the branch with %q", jobs["test"].Uses, jobs["branch"].Uses)
	}
	for name, j := range jobs {
		if writes := j.Permissions["contents"] == "write"; writes != slices.Contains([]string{"packages", "main", "branch"}, name) {
			t.Errorf("%s may write to the repository: %v", name, writes)
		}
	}
	for _, name := range []string{"ci.yml", "app.yml"} {
		if on, _ := readWorkflow(t, name); !has(on, "workflow_call") {
			t.Errorf("%s cannot be called", name)
		}
	}
	made, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil || !strings.Contains(string(made), "\ntest-release: release ") {
		t.Errorf("there is no such target (%v)", err)
	}
}

func has(m map[string]any, key string) bool {
	_, ok := m[key]
	return ok
}

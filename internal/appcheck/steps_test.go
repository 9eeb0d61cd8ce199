package appcheck

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A place is where the shell runs: a folder, and what stands in the environment beside what git needs.
type place struct {
	dir string
	env map[string]string
}

// try runs a script as GitHub runs the steps of a job.
func (p place) try(t *testing.T, script string) (string, error) {
	t.Helper()
	cmd := exec.Command("bash", "-e", "-c", script)
	cmd.Dir = p.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com"}
	for name, value := range p.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (p place) do(t *testing.T, script string) string {
	t.Helper()
	out, err := p.try(t, script)
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return out
}

// step is one step's script of a job of release.yml.
func step(t *testing.T, name string, i int) string {
	t.Helper()
	_, jobs := readWorkflow(t, "release.yml")
	var scripts []string
	for _, s := range jobs[name].Steps {
		if s.Run != "" {
			scripts = append(scripts, s.Run)
		}
	}
	if i >= len(scripts) {
		t.Fatalf("the job %s has %d scripts", name, len(scripts))
	}
	return scripts[i]
}

// published is a repository as GitHub has it, and its owner's clone, which has made a release of version 0.99.0 by the commands of
// docs/releasing.md.
func published(t *testing.T) (origin string, owner place) {
	t.Helper()
	origin = filepath.Join(t.TempDir(), "origin.git")
	owner = place{dir: copyTree(t, append(words, ".github", "scripts")...)}
	for _, name := range []string{"CHANGELOG.md", "fitbit_fetch/CHANGELOG.md"} {
		edit(t, filepath.Join(owner.dir, name), regexp.MustCompile(`(?m)\A# Changelog\n\n(## Unreleased\n)?`), "# Changelog\n\n## Unreleased\n\n")
	}
	owner.do(t, "git init -q -b main . && git add -A && git commit -q -m before && git init -q --bare -b main "+origin+" && git remote add origin "+origin+" && git push -q origin main")
	text := readGuide(t, "docs/releasing.md")
	block := regexp.MustCompile(`(?m)^       git switch -c release main\n(       .*\n)+`).FindString(text)
	if block == "" {
		t.Fatal("docs/releasing.md has no commands for a release")
	}
	commands := strings.ReplaceAll(block, "0.1.0", "0.99.0")
	if !strings.Contains(commands, "go test . ./internal/appcheck\n") {
		t.Error("docs/releasing.md does not say to test before the tag")
	}
	owner.do(t, strings.ReplaceAll(commands, "go test", ": go test"))
	return origin, owner
}

// runner is a clone as a job has it.
func runner(t *testing.T, origin, ref string) place {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	place{dir: t.TempDir()}.do(t, "git clone -q "+origin+" "+dir+" && cd "+dir+" && git checkout -q "+ref)
	repository := strings.TrimPrefix(modulePath(t, root), "github.com/")
	return place{dir: dir, env: map[string]string{"GITHUB_REF_NAME": "v0.99.0", "GITHUB_REPOSITORY": repository, "GITHUB_OUTPUT": filepath.Join(t.TempDir(), "output")}}
}

// TestReleaseSteps runs what the workflow's jobs run: the tag's commit is looked at, and main moves to it.
func TestReleaseSteps(t *testing.T) {
	origin, owner := published(t)
	before := place{dir: origin}.do(t, "git show main:fitbit_fetch/config.yaml")
	if strings.Contains(before, `version: "0.99.0"`) {
		t.Fatal("main offers the version before it is published")
	}
	job := runner(t, origin, "v0.99.0")
	job.do(t, step(t, "version", 0))
	job.do(t, step(t, "version", 1))
	output, err := os.ReadFile(job.env["GITHUB_OUTPUT"])
	if want := "version=0.99.0\nimage=fitbit-fetch\nregistry=ghcr.io/" + filepath.Dir(job.env["GITHUB_REPOSITORY"]) + "\narchitectures=[\"aarch64\",\"amd64\"]\n"; err != nil || string(output) != want {
		t.Errorf("the job says %q (%v), want %q", output, err, want)
	}
	for name, c := range map[string]struct {
		step      int
		env, want string
	}{
		"a tag on another version's commit": {0, "GITHUB_REF_NAME=v0.99.1", "is not what 'scripts/set-version 0.99.1' makes"},
		"a fork with its model's address":   {1, "GITHUB_REPOSITORY=Somebody/Fork", "publishes ghcr.io/somebody/fork"},
	} {
		t.Run(name, func(t *testing.T) {
			job := runner(t, origin, "v0.99.0")
			key, value, _ := strings.Cut(c.env, "=")
			job.env = maps.Clone(job.env)
			job.env[key] = value
			if out, err := job.try(t, step(t, "version", c.step)); err == nil || !strings.Contains(out, c.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	t.Run("a tag on main", func(t *testing.T) {
		job := runner(t, origin, "main")
		if out, err := job.try(t, step(t, "version", 0)); err == nil || !strings.Contains(out, "::error::the commit of v0.99.0") {
			t.Errorf("%v: %s", err, out)
		}
	})

	tagged := owner.do(t, "git rev-parse v0.99.0^{commit}")
	t.Run("main has gone on in the same lines", func(t *testing.T) {
		other, _ := published(t)
		somebody := runner(t, other, "main")
		somebody.do(t, `sed -i 's/^version: .*/version: "0.98.0"/' fitbit_fetch/config.yaml && git commit -q -a -m else && git push -q origin main`)
		was := place{dir: other}.do(t, "git rev-parse main")
		if out, err := runner(t, other, "main").try(t, step(t, "main", 0)); err == nil || !strings.Contains(out, "merge it by hand") {
			t.Errorf("%v: %s", err, out)
		}
		if is := (place{dir: other}).do(t, "git rev-parse main"); is != was {
			t.Error("main moved")
		}
	})
	t.Run("main has gone on", func(t *testing.T) {
		other, _ := published(t)
		somebody := runner(t, other, "main")
		somebody.do(t, "echo x >else && git add else && git commit -q -m else && git push -q origin main")
		runner(t, other, "main").do(t, step(t, "main", 0))
		out := place{dir: other}.do(t, "git show main:else main:fitbit_fetch/config.yaml")
		if !strings.HasPrefix(out, "x\n") || !strings.Contains(out, `version: "0.99.0"`) {
			t.Errorf("main holds %s", out)
		}
	})
	runner(t, origin, "main").do(t, step(t, "main", 0))
	if is := (place{dir: origin}).do(t, "git rev-parse main"); is != tagged {
		t.Errorf("main is %s, not the tag's commit %s", is, tagged)
	}
}

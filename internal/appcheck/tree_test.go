package appcheck

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// words are the places of the repository that name a version, or what is beside them.
var words = []string{"README.md", "CHANGELOG.md", "compose.yml", ".env.example", "go.mod", "docs/*.md", "fitbit_fetch", "scripts/set-version", "Grafana_Dashboard/README.md"}

// copyTree copies what the repository holds, or some of it, as it lies here now, into a folder of its own.
func copyTree(t *testing.T, some ...string) string {
	t.Helper()
	// Who builds images is root, and the repository may be somebody else's.
	out, err := exec.Command("git", append([]string{"-C", root, "-c", "safe.directory=*", "ls-files", "-z", "--"}, some...)...).Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	dir := t.TempDir()
	for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		from, to := filepath.Join(root, name), filepath.Join(dir, name)
		info, err := os.Stat(from)
		if err != nil {
			continue // removed, not yet committed
		}
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o755)
		}
		if err == nil {
			err = os.WriteFile(to, data, info.Mode().Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// releasedTree is a copy of the repository after scripts/set-version.
func releasedTree(t *testing.T, version string, some ...string) string {
	t.Helper()
	dir := copyTree(t, some...)
	for _, name := range []string{"CHANGELOG.md", "fitbit_fetch/CHANGELOG.md"} {
		edit(t, filepath.Join(dir, name), regexp.MustCompile(`(?m)\A# Changelog\n\n(## Unreleased\n)?`), "# Changelog\n\n## Unreleased\n\n")
	}
	if out, err := exec.Command("sh", filepath.Join(dir, "scripts", "set-version"), version).CombinedOutput(); err != nil {
		t.Fatalf("set-version %s: %v\n%s", version, err, out)
	}
	return dir
}

// edit replaces what matches in a file.
func edit(t *testing.T, path string, what *regexp.Regexp, by string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !what.Match(text) {
		t.Fatalf("%s holds nothing like %s", path, what)
	}
	if err := os.WriteFile(path, what.ReplaceAll(text, []byte(by)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// modulePath is the module's path, as its go.mod says.
func modulePath(t *testing.T, tree string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tree, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	return string(regexp.MustCompile(`(?m)^module (\S+)$`).FindSubmatch(text)[1])
}

// packModule writes a tree as the module's zip, by the library with which Go's own proxies pack and judge modules.
func packModule(t *testing.T, w io.Writer, tree, version string) {
	t.Helper()
	if err := zip.CreateFromDir(w, module.Version{Path: modulePath(t, tree), Version: version}, tree); err != nil {
		t.Fatal(err)
	}
}

// TestModule: the repository is a module that can be fetched, from the address that config.yaml names, with the app's config.yaml in it,
// by which a build sees what it has got.
func TestModule(t *testing.T) {
	var packed bytes.Buffer
	tree := copyTree(t)
	packModule(t, &packed, tree, "v0.99.0")
	if !bytes.Contains(packed.Bytes(), []byte("@v0.99.0/fitbit_fetch/config.yaml")) || !bytes.Contains(packed.Bytes(), []byte("@v0.99.0/cmd/fitbit-fetch/main.go")) {
		t.Error("it lacks the program or the app")
	}
	if url := readConfig(t).values["url"]; url != "https://"+modulePath(t, tree) {
		t.Errorf("config.yaml's url is %v, the module %s", url, modulePath(t, tree))
	}
	for _, directive := range []string{"replace", "exclude"} {
		text, err := os.ReadFile(filepath.Join(tree, "go.mod"))
		if err != nil || regexp.MustCompile(`(?m)^`+directive+`\b`).Match(text) {
			t.Errorf("with %s in go.mod it cannot be installed from elsewhere (%v)", directive, err)
		}
	}
}

// Package fitbitfetch_test holds the rules that concern the whole tree.
package fitbitfetch_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/fitbit-fetch/fitbit-fetch"

// layers says, for each package, which of ours it may import beside its own children. A package that is not listed is an error,
// so that a new one gets its place here.
var layers = map[string][]string{
	"cmd/fitbit-fetch":                {"*"},
	"internal/metric":                 {},
	"internal/clock":                  {},
	"internal/atomicfile":             {},
	"internal/control":                {},
	"internal/plan":                   {"internal/metric"},
	"internal/source":                 {"internal/metric"},
	"internal/source/sourcetest":      {"internal/metric", "internal/source", "internal/source/answer"},
	"internal/source/answer":          {"internal/metric"},
	"internal/source/google":          {"internal/metric", "internal/clock", "internal/source", "internal/source/answer"},
	"internal/source/fitbit":          {"internal/metric", "internal/clock", "internal/source", "internal/source/answer"},
	"internal/archive":                {"internal/metric"},
	"internal/latest":                 {"internal/metric", "internal/archive"},
	"internal/collect":                {"internal/metric", "internal/source", "internal/plan", "internal/archive", "internal/clock"},
	"internal/lineproto":              {"internal/metric"},
	"internal/sink":                   {"internal/metric"},
	"internal/sink/sinktest":          {"internal/metric", "internal/sink"},
	"internal/sink/sinktest/core3":    {"internal/sink/sinktest"},
	"internal/sink/sinktest/daemon":   {"internal/proctest"},
	"internal/sink/sinktest/influxd":  {"internal/sink/sinktest/daemon"},
	"internal/sink/sinktest/python":   {},
	"internal/sink/sinktest/victoria": {"internal/sink/sinktest", "internal/sink/sinktest/daemon"},
	"internal/sink/influx":            {"internal/metric", "internal/sink", "internal/lineproto"},
	"internal/deliver":                {"internal/metric", "internal/sink", "internal/archive", "internal/clock"},
	"internal/auth":                   {"internal/metric", "internal/source", "internal/atomicfile", "internal/clock"},
	"internal/config":                 {"internal/metric", "internal/clock", "internal/atomicfile", "translations"},
	"internal/supervisor":             {},
	"internal/appcheck":               {},
	"internal/artwork":                {},
	"translations":                    {},
	"internal/web":                    {"internal/metric", "internal/latest", "internal/auth", "internal/source", "internal/clock", "translations"},
	"internal/simulate":               {"internal/metric"},
	"internal/homeassistant":          {"internal/metric", "internal/latest", "internal/clock"},
	"internal/proctest":               {},
	"internal/endtoend":               {},
	"internal/grafana":                {},
	"internal/grafana/grafanatest":    {},
	"internal/dashboard":              {},
	"internal/dashboard/generate":     {"internal/dashboard", "internal/grafana"},
	"internal/realhome":               {},
	"internal/release":                {},
	"internal/stack":                  {},

	"internal/supervisor/supervisortest": {},
}

// files calls f for every Go file of the tree with its imports.
func files(t *testing.T, f func(path string, imports []string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, i := range parsed.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, p)
		}
		f(filepath.ToSlash(path), imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLayers(t *testing.T) {
	seen := 0
	files(t, func(path string, imports []string) {
		dir := filepath.ToSlash(filepath.Dir(path))
		if strings.HasSuffix(path, "_test.go") || dir == "." {
			return
		}
		seen++
		allowed, ok := layers[dir]
		if !ok {
			t.Errorf("%s: package %s has no place in the layers", path, dir)
			return
		}
		for _, p := range imports {
			p, ours := strings.CutPrefix(p, module+"/")
			if !ours || slices.Contains(allowed, "*") || slices.Contains(allowed, p) || strings.HasPrefix(p, dir+"/") {
				continue
			}
			t.Errorf("%s must not import %s", path, p)
		}
	})
	if seen == 0 {
		t.Fatal("no files seen")
	}
}

// A decision is a function of its arguments: the planner reads no clock, touches no disk, no network and no lock.
func TestPlanIsPure(t *testing.T) {
	files(t, func(path string, imports []string) {
		if !strings.HasPrefix(path, "internal/plan/") || strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, p := range imports {
			if p == "os" || p == "net" || strings.HasPrefix(p, "net/") || p == "sync" || p == "context" || p == "log/slog" {
				t.Errorf("%s imports %s", path, p)
			}
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(src, []byte("time.Now(")) {
			t.Errorf("%s calls time.Now", path)
		}
	})
}

// Only tests may lean on the official client and on the validator, which judge the simulated servers from outside, on what reads
// compose.yml, and on what stands in for Supervisor.
func TestJudgesAreForTests(t *testing.T) {
	files(t, func(path string, imports []string) {
		for _, p := range imports {
			if (strings.HasPrefix(p, "google.golang.org/api/") || strings.HasPrefix(p, "github.com/getkin/kin-openapi/")) && !strings.HasSuffix(path, "_test.go") {
				t.Errorf("%s imports %s", path, p)
			}
			if (p == module+"/internal/stack" || strings.HasPrefix(p, "github.com/compose-spec/")) && !strings.HasSuffix(path, "_test.go") && !strings.HasPrefix(path, "internal/stack/") {
				t.Errorf("%s imports %s", path, p)
			}
			if p == module+"/internal/supervisor/supervisortest" && !strings.HasSuffix(path, "_test.go") {
				t.Errorf("%s imports %s", path, p)
			}
		}
	})
}

// The owner's name stands in as few places as can be: the module path (and so every import), and the files listed here.
func TestPlacesOfTheOwnersName(t *testing.T) {
	want := []string{"README.md", "compose.yml", "docs/coming-from-fitbit-grafana.md", "docs/docker.md", "fitbit_fetch/config.yaml", "go.mod", "layers_test.go", "repository.yaml"}
	out, err := exec.Command("git", "ls-files").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	var got []string
	for _, path := range strings.Fields(string(out)) {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // removed, not yet committed
		}
		text := string(b)
		if strings.HasSuffix(path, ".go") && path != "layers_test.go" {
			text = strings.ReplaceAll(text, `"`+module, `"`)
		}
		if strings.Contains(text, "fitbit-fetch/fitbit-fetch") {
			got = append(got, path)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the owner's name stands in %q, want %q", got, want)
	}
}

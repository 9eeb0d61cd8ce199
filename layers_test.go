// Package fitbitfetch_test holds the rules that concern the whole tree.
package fitbitfetch_test

import (
	"bytes"
	"fmt"
	"go/ast"
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
	"internal/atomicfile/doortest":    {"internal/atomicfile"},
	"internal/advice":                 {},
	"internal/certificate":            {},
	"internal/redact":                 {},
	"internal/control":                {},
	"internal/plan":                   {"internal/metric"},
	"internal/source":                 {"internal/metric"},
	"internal/source/sourcetest":      {"internal/metric", "internal/source", "internal/source/answer"},
	"internal/source/answer":          {"internal/metric"},
	"internal/source/ask":             {"internal/source", "internal/source/answer", "internal/clock", "internal/certificate", "internal/redact"},
	"internal/source/google":          {"internal/metric", "internal/source", "internal/source/answer", "internal/source/ask"},
	"internal/source/fitbit":          {"internal/metric", "internal/source", "internal/source/answer", "internal/source/ask"},
	"internal/archive":                {"internal/metric", "internal/atomicfile"},
	"internal/latest":                 {"internal/metric", "internal/archive"},
	"internal/collect":                {"internal/metric", "internal/source", "internal/plan", "internal/archive", "internal/clock"},
	"internal/lineproto":              {"internal/metric"},
	"internal/sink":                   {"internal/metric"},
	"internal/sink/sinktest":          {"internal/metric", "internal/sink"},
	"internal/sink/sinktest/core3":    {"internal/sink/sinktest", "internal/proctest"},
	"internal/sink/sinktest/daemon":   {"internal/proctest"},
	"internal/sink/sinktest/influxd":  {"internal/sink/sinktest/daemon", "internal/proctest"},
	"internal/sink/sinktest/python":   {},
	"internal/sink/sinktest/victoria": {"internal/sink/sinktest", "internal/sink/sinktest/daemon", "internal/proctest"},
	"internal/sink/influx":            {"internal/metric", "internal/sink", "internal/lineproto", "internal/certificate"},
	"internal/deliver":                {"internal/metric", "internal/sink", "internal/archive", "internal/clock"},
	"internal/auth":                   {"internal/metric", "internal/source", "internal/atomicfile", "internal/clock", "internal/certificate", "internal/redact"},
	"internal/config":                 {"internal/metric", "internal/clock", "internal/atomicfile", "internal/redact", "translations"},
	"internal/supervisor":             {"internal/redact"},
	"internal/appcheck":               {},
	"internal/artwork":                {},
	"translations":                    {},
	"internal/web":                    {"internal/metric", "internal/latest", "internal/auth", "internal/source", "internal/clock", "internal/redact", "translations"},
	"internal/simulate":               {"internal/metric"},
	"internal/simulate/oddtest":       {"internal/metric", "internal/simulate", "internal/archive"},
	"internal/homeassistant":          {"internal/metric", "internal/latest", "internal/clock", "internal/certificate", "internal/redact"},
	"internal/proctest":               {},
	"internal/endtoend":               {},
	"internal/grafana":                {"internal/certificate"},
	"internal/grafana/grafanatest":    {},
	"internal/dashboard":              {},
	"internal/dashboard/generate":     {"internal/dashboard", "internal/grafana"},
	"internal/realhome":               {},
	"internal/racelist":               {},
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

// doors are the files beside those of internal/atomicfile that create, rename or cut files outside of tests, with the reason why they may.
var doors = map[string]string{
	"internal/archive/open.go":                  "the lock, and an empty file that SQLite fills: both have to be there before, for their owner only",
	"cmd/fitbit-fetch/logger.go":                "the log grows at its end, and is turned by its library",
	"cmd/fitbit-fetch/demo.go":                  "the demo's log grows at its end",
	"internal/dashboard/generate/main.go":       "make generate writes into the source tree, under the eyes of git",
	"internal/release/main.go":                  "make release writes into a folder that it has emptied",
	"internal/source/sourcetest/golden.go":      "tests write their golden files with -update",
	"internal/sink/sinktest/influxd/influxd.go": "tests write a server's settings into a folder of their own",
	"internal/proctest/broker.go":               "tests write a broker's settings into a folder of their own",
	"internal/proctest/process.go":              "what a program says to its test goes into a file without a name",
	"internal/stack/stack.go":                   "tests copy the stack into a folder of their own",
}

// opening are the calls that can leave half a file, or lose one.
var opening = map[string][]string{
	"os":                               {"Create", "CreateTemp", "OpenFile", "WriteFile", "Rename", "Truncate", "Link", "Symlink", "CopyFS", "OpenRoot"},
	"io/ioutil":                        {"WriteFile", "TempFile"},
	"syscall":                          {"Open", "Creat", "Rename", "Renameat", "Truncate", "CreateFile", "MoveFile"},
	"golang.org/x/sys/unix":            {"Open", "Openat", "Creat", "Rename", "Renameat", "Renameat2", "Truncate"},
	"golang.org/x/sys/windows":         {"CreateFile", "MoveFile", "MoveFileEx"},
	"gopkg.in/natefinch/lumberjack.v2": {"Logger"},
}

// A file is written by internal/atomicfile, so that none is ever half of one; what has a reason to do without is listed.
func TestOneDoorToTheDisk(t *testing.T) {
	used := map[string]bool{}
	files(t, func(path string, _ []string) {
		if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "internal/atomicfile/") {
			return
		}
		for _, call := range callsOf(t, path, opening) {
			if used[path] = true; doors[path] == "" {
				t.Errorf("%s: use internal/atomicfile", call)
			}
		}
	})
	for path := range doors {
		if !used[path] {
			t.Errorf("%s has no door to the disk any more; take it out of the list", path)
		}
	}
}

// callsOf returns where a file mentions one of the names of packages, whatever it calls the package.
func callsOf(t *testing.T, path string, names map[string][]string) (found []string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{}
	for _, i := range f.Imports {
		full, _ := strconv.Unquote(i.Path.Value)
		name, _, _ := strings.Cut(filepath.Base(full), ".") // lumberjack.v2
		if i.Name != nil {
			name = i.Name.Name
		}
		if names[full] != nil {
			known[name] = names[full]
		}
		if names[full] != nil && name == "." {
			found = append(found, fmt.Sprintf("%s: import of all of %s", set.Position(i.Pos()), full))
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && slices.Contains(known[x.Name], s.Sel.Name) {
				found = append(found, fmt.Sprintf("%s: %s.%s", set.Position(s.Pos()), x.Name, s.Sel.Name))
			}
		}
		return true
	})
	return found
}

// Only tests may lean on the official client and on the validator, which judge the simulated servers from outside, on what reads
// compose.yml, on what packs a module, and on what stands in for Supervisor.
func TestJudgesAreForTests(t *testing.T) {
	files(t, func(path string, imports []string) {
		for _, p := range imports {
			if (strings.HasPrefix(p, "google.golang.org/api/") || strings.HasPrefix(p, "github.com/getkin/kin-openapi/")) && !strings.HasSuffix(path, "_test.go") {
				t.Errorf("%s imports %s", path, p)
			}
			if strings.HasPrefix(p, "golang.org/x/mod/") && !strings.HasSuffix(path, "_test.go") {
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

// The runner's -timeout is the only deadline of tests (deadlines_test.go sees to the rest), and the Makefile lets it scale.
func TestOneDeadline(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(makefile)) {
		if strings.Contains(line, "$(GO) test ") && !strings.Contains(line, "$(call minutes,") {
			t.Errorf("Makefile: no -timeout that scales: %s", line)
		}
	}
}

// The owner's name stands in as few places as can be: the module path (and so every import), and the files listed here.
func TestPlacesOfTheOwnersName(t *testing.T) {
	want := []string{"README.md", "docs/docker.md", "fitbit_fetch/config.yaml", "go.mod", "layers_test.go", "repository.yaml"}
	app, err := os.ReadFile("fitbit_fetch/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(app, []byte("\nimage: ")) { // which is named from the first release on
		want = append(want, "compose.yml", "docs/coming-from-fitbit-grafana.md")
	}
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
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the owner's name stands in %q, want %q", got, want)
	}
}

package fitbitfetch_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// plainDoors are the functions by which something leaves that is not redacted, with the reason. All others by which texts leave have to
// pass them through internal/redact.
var plainDoors = map[string]string{
	"cmd/fitbit-fetch/main.go program":      "standard output: each command that prints words has it redacted",
	"cmd/fitbit-fetch/main.go terminalSize": "asks for the size",
	"internal/web/trends.go series":         "numbers",
	"internal/web/qr.go qr":                 "a picture of the address that the visitor named",
	"internal/web/routes.go serve":          "files of the program",
	"internal/web/routes.go refuse":         "a word of the translations",
	"internal/web/download.go download":     "a report, which is redacted where it is written",
	"internal/web/events.go stream":         "pieces, which are redacted where they are made",
	"internal/web/events.go pieces":         "pieces, which are redacted where they are made",
	"internal/web/export.go Write":          "readings",
}

// noDoors are folders whose programs and tests no user's texts pass through.
var noDoors = []string{"internal/simulate", "internal/release", "internal/racelist", "internal/dashboard", "internal/proctest", "internal/supervisor/supervisortest", "internal/realhome", "internal/bench",
	"internal/endtoend", "internal/stack", "internal/sink/sinktest", "internal/source/sourcetest", "internal/grafana/grafanatest", "internal/appcheck", "internal/artwork"}

// sources calls f for each function of the program.
func sources(t *testing.T, f func(path string, fset *token.FileSet, d *ast.FuncDecl)) {
	t.Helper()
	n := 0
	for _, root := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && slices.Contains(noDoors, filepath.ToSlash(path)) {
				return filepath.SkipDir
			}
			if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				return err
			}
			for _, d := range file.Decls {
				if d, ok := d.(*ast.FuncDecl); ok {
					n++
					f(filepath.ToSlash(path), fset, d)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < 1000 {
		t.Fatalf("only %d functions", n)
	}
}

// opens is what begins a way out: a log's handler, the streams of the process, a message, a notice, a file of the report, a download.
var opens = regexp.MustCompile(`\b(slog\.New(Text|JSON)Handler\(|os\.Std(out|err)\b|client\.Publish\(|"/core/api/services/persistent_notification/create"|z\.Create\(|\.w\.Write\()`)

// writes is how something is written to an answer of the page, whose name stands for %.
const writes = `\b(%\.Write\(|io\.WriteString\(%,|fmt\.Fprint(f|ln)?\(%,|json\.NewEncoder\(%\)|http\.(Error|ServeContent|ServeFile)\(%,|io\.Copy\(%,|ExecuteTemplate\(%,|Execute\(%,)`

// Each function by which a text may leave the program passes it through internal/redact, or is known with the reason why not. A new one is
// found here.
func TestDoors(t *testing.T) {
	found := map[string]bool{}
	sources(t, func(path string, fset *token.FileSet, d *ast.FuncDecl) {
		var b bytes.Buffer
		if err := printer.Fprint(&b, fset, d); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		door := opens.MatchString(text)
		for _, p := range d.Type.Params.List {
			if s, ok := p.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "ResponseWriter" && len(p.Names) > 0 {
				door = door || regexp.MustCompile(strings.ReplaceAll(writes, "%", p.Names[0].Name)).MatchString(text)
			}
		}
		name := path + " " + d.Name.Name
		switch known := plainDoors[name] != ""; {
		case !door:
		case known:
			found[name] = true
		case !strings.Contains(text, "redact.") && !strings.Contains(text, ".leaving("):
			t.Errorf("%s: what leaves by it is not redacted", name)
		}
	})
	for name := range plainDoors {
		if !found[name] {
			t.Errorf("%s is no door any more", name)
		}
	}
}

// Nothing that the program itself says is taken for a secret.
func TestOwnWordsAreNoSecrets(t *testing.T) {
	same := func(where, text string) {
		t.Helper()
		if got := redact.Text(text); got != text {
			t.Errorf("%s: %q becomes %q", where, text, got)
		}
	}
	words := func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || strings.Contains(filepath.ToSlash(path), "/simulate") { // which makes tokens
			return err
		}
		switch filepath.Ext(path) {
		case ".html":
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			same(path, string(text))
		case ".go":
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
					if text, err := strconv.Unquote(l.Value); err == nil {
						same(path, text)
					}
				}
				return true
			})
		case ".yaml":
			if strings.HasPrefix(path, "translations") {
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				for _, line := range strings.Split(string(text), "\n") {
					if _, value, ok := strings.Cut(line, ":"); ok {
						same(path, value)
					}
				}
			}
		}
		return nil
	}
	for _, root := range []string{"cmd", "internal", "translations"} {
		if err := filepath.WalkDir(root, words); err != nil {
			t.Fatal(err)
		}
	}
}

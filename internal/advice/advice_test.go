package advice

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// terminalOnly are the files whose texts nobody meets in the app, each with the reason.
var terminalOnly = map[string]string{
	"cmd/fitbit-fetch/authorize.go": "the command at a terminal",
	"cmd/fitbit-fetch/backfill.go":  "the command at a terminal",
	"cmd/fitbit-fetch/bulk.go":      "a bulk update is wanted by an environment variable",
	"cmd/fitbit-fetch/demoview.go":  "the demo at a terminal",
	"cmd/fitbit-fetch/dispatch.go":  "the help",
	"cmd/fitbit-fetch/findings.go":  "clientCure decides itself",
	"cmd/fitbit-fetch/replay.go":    "the command at a terminal",
	"cmd/fitbit-fetch/export.go":    "the command at a terminal",
	"cmd/fitbit-fetch/output.go":    "-o of a command at a terminal",
	"cmd/fitbit-fetch/run.go":       "decides itself, and speaks to a terminal",
	"cmd/fitbit-fetch/simulate.go":  "the help of a command",
	"cmd/fitbit-fetch/demo.go":      "the demo has an environment of its own",
	"cmd/fitbit-fetch/wire.go":      "names for the hints of clientCure and noClient",
	"internal/config/finish.go":     "a note of what an environment variable means",
	"internal/release/main.go":      "packs a release",
	"internal/advice/advice.go":     "what is looked for",
	"internal/config/docs.go":       "docs/configuration.md",
	"internal/config/rows.go":       "the table of docs/configuration.md",
	"internal/config/load.go":       "where an option was said",
	"internal/dashboard/quality.go": "a text of Grafana's",
	"internal/grafana/alert.go":     "a text of Grafana's",
	"internal/grafana/files.go":     "provisioning outside of Home Assistant",
	"internal/grafana/boards.go":    "a mark that nobody reads",
}

// unreachable is what nobody can use in the app: our commands, the project's files, and the environment variables of options.
var unreachable = regexp.MustCompile(`fitbit-fetch (?:authorize|deauthorize|backfill|plan|check|pause|resume|export|replay|snapshot|status|diagnose|erase|dashboards|options|run|simulate|demo)\b|README\.md|docs/[a-z-]+\.md|\b(?:FITBIT_FETCH|INFLUXDB|GOOGLE|HEALTH_API|CLIENT|MANUAL|DRY_RUN|TOKEN_FILE)_[A-Z_]+\b`)

// texts calls f for every text of a Go file; what is put into one when it is used stands as X.
func texts(file *ast.File, f func(pos token.Pos, text string)) {
	var text func(e ast.Expr) (string, bool)
	text = func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			return s, e.Kind == token.STRING && err == nil
		case *ast.BinaryExpr:
			if e.Op != token.ADD {
				return "", false
			}
			a, ok1 := text(e.X)
			b, ok2 := text(e.Y)
			if !ok1 {
				a = "X"
			}
			if !ok2 {
				b = "X"
			}
			return a + b, ok1 || ok2
		}
		return "", false
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.Field:
			return false
		case ast.Expr:
			if s, ok := text(n); ok {
				f(n.Pos(), s)
				return false
			}
		}
		return true
	})
}

// TestNothingUnreachable walks every text of the program and refuses what names, in the app, something that its user cannot reach.
func TestNothingUnreachable(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for file := range terminalOnly {
		left[file] = true
	}
	seen := 0
	for _, dir := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			name, _ := filepath.Rel(root, path)
			name = filepath.ToSlash(name)
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/simulate/") {
				return err
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			texts(parsed, func(pos token.Pos, text string) {
				if !unreachable.MatchString(text) {
					return
				}
				seen++
				if terminalOnly[name] != "" {
					delete(left, name)
					return
				}
				if found := unreachable.FindString(InApp(text)); found != "" {
					t.Errorf("%s names %q in the app: %s", set.Position(pos), found, InApp(text))
				}
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 20 {
		t.Fatalf("only %d texts were looked at", seen)
	}
	for file := range left {
		t.Errorf("%s is excepted, but has no such text", file)
	}
}

// TestPageTexts: the page's own texts in every language name nothing unreachable.
func TestPageTexts(t *testing.T) {
	list, err := filepath.Glob("../../translations/*.yaml")
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	for _, path := range list {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range unreachable.FindAllString(InApp(string(data)), -1) {
			t.Errorf("%s names %q", filepath.Base(path), found)
		}
	}
}

func TestInApp(t *testing.T) {
	for text, want := range map[string]string{
		"Authorize on the page or with: fitbit-fetch authorize":                             "Authorize on the page of this app",
		`Authorize again: run "fitbit-fetch authorize" or use the page.`:                    "Authorize again: under Set up on the page of this app.",
		"Authorize again: run &#34;fitbit-fetch authorize&#34; or use the page.":            "Authorize again: under Set up on the page of this app.",
		"Database \"x\" keeps less. Raise it, then run: fitbit-fetch replay.":               "Database \"x\" keeps less. Raise it, then press “Refill” under Status → Refill a database on the page of this app.",
		"End the pause on the page, or with: fitbit-fetch resume":                           "End the pause on the page of this app",
		"To stay, set provider (HEALTH_API_PROVIDER) to google.":                            "To stay, set provider to google.",
		"What answers says (ACCESS_TOKEN_SCOPE_INSUFFICIENT). fitbit-fetch itself is well.": "What answers says (ACCESS_TOKEN_SCOPE_INSUFFICIENT). fitbit-fetch itself is well.",
		"": "",
	} {
		if got := InApp(text); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

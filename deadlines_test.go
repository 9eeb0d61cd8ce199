package fitbitfetch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// limits are the functions of tests that set a limit of their own, with the reason why they may. Everything else waits with
// proctest.Until, Receive and Limit, whose end is the runner's: a limit of seconds is one that a busy machine breaks.
var limits = map[string]string{
	"internal/proctest/until.go Limit":                    "its end is the runner's",
	"internal/auth/flow_test.go TestPastedWhileListening": "the context has to end: that is what is noticed",
	"internal/sink/influx/lying_test.go TestStopsAtOnce":  "the context has to end: that is what is noticed",
	"internal/source/fitbit/fuzz_test.go FuzzFetch":       "what is waited for is cut short, and that is accepted",
}

// limiting are the calls that set a limit.
var limiting = []string{"WithTimeout", "WithDeadline", "WithTimeoutCause", "WithDeadlineCause", "DialTimeout", "WaitTimeout"}

// helpers are the folders whose files are of tests too, whatever they are called.
var helpers = []string{"internal/proctest/", "internal/sink/sinktest/", "internal/grafana/grafanatest/"}

// TestNoLimitsOfTheirOwn finds tests whose patience is a number of seconds. In a bubble of testing/synctest time costs nothing, and
// benchmarks measure it.
func TestNoLimitsOfTheirOwn(t *testing.T) {
	found := map[string]bool{}
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		slash := filepath.ToSlash(path)
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || slash == "internal/bench") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") && !(strings.HasSuffix(path, ".go") && slices.ContainsFunc(helpers, func(dir string) bool { return strings.HasPrefix(slash, dir) })) {
			return nil
		}
		seen++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			if name, _ := strconv.Unquote(i.Path.Value); name == "testing/synctest" {
				return nil
			}
		}
		for name, what := range limitsIn(file) {
			name = slash + " " + name
			if found[name] = true; limits[name] == "" {
				t.Errorf("%s sets a limit with %s: wait with proctest.Until, Receive or Limit", name, what)
			}
		}
		return nil
	})
	if err != nil || seen < 100 {
		t.Fatalf("%d files seen, %v", seen, err)
	}
	for name, why := range limits {
		if !found[name] {
			t.Errorf("%s sets no limit any more (%s)", name, why)
		}
	}
}

// limitsIn returns the functions of a file that set a limit, and by what.
func limitsIn(file *ast.File) map[string]string {
	out := map[string]string{}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				s, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if slices.Contains(limiting, s.Sel.Name) {
					out[f.Name.Name] = s.Sel.Name
				}
				if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains([]string{"After", "NewTimer"}, s.Sel.Name) && seconds(n.Args[0]) {
					out[f.Name.Name] = "time." + s.Sel.Name
				}
				if now, ok := s.X.(*ast.CallExpr); ok && calls(now.Fun, "time", "Now") && slices.Contains([]string{"Before", "After"}, s.Sel.Name) {
					out[f.Name.Name] = "a comparison with the time"
				}
				if strings.HasPrefix(s.Sel.Name, "Set") && strings.HasSuffix(s.Sel.Name, "Deadline") && len(n.Args) == 1 && calls(n.Args[0], "time", "Now") {
					out[f.Name.Name] = s.Sel.Name
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Timeout" && calls(n.Value, "time", "Second") {
					out[f.Name.Name] = "Timeout"
				}
			case *ast.BinaryExpr: // time.Since(began) > 5*time.Second, took > 5*time.Second
				if (n.Op == token.GTR || n.Op == token.GEQ) && (calls(n.Y, "time", "Second") || calls(n.X, "time", "Since")) && isTime(n.X) {
					out[f.Name.Name] = "a comparison with the time it took"
				}
			}
			return true
		})
	}
	return out
}

// seconds reports whether an expression is a number of seconds or minutes.
func seconds(e ast.Expr) bool { return calls(e, "time", "Second") || calls(e, "time", "Minute") }

// isTime reports whether an expression is how long something took.
func isTime(e ast.Expr) bool {
	if id, ok := e.(*ast.Ident); ok {
		return slices.Contains([]string{"took", "elapsed", "waited"}, id.Name)
	}
	return calls(e, "time", "Since")
}

// calls reports whether an expression holds pkg.name.
func calls(n ast.Node, pkg, name string) (yes bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == name {
			if id, ok := s.X.(*ast.Ident); ok && id.Name == pkg {
				yes = true
			}
		}
		return !yes
	})
	return yes
}

// TestLimitsIn breaks the rule in each way that it knows, and keeps it in some.
func TestLimitsIn(t *testing.T) {
	for body, want := range map[string]bool{
		"ctx, _ := context.WithTimeout(ctx, time.Minute)":              true,
		"if !k.WaitTimeout(5*time.Second) { t.Fatal() }":               true,
		"net.DialTimeout(a, b, time.Second)":                           true,
		"c.SetDeadline(time.Now().Add(time.Second))":                   true,
		"c := &http.Client{Timeout: 3 * time.Second}":                  true,
		"select { case <-done: case <-time.After(5 * time.Second): }":  true,
		"if took := time.Since(x); took > 5*time.Second { t.Error() }": true,
		"for time.Since(x) > most {}":                                  true,
		"for time.Now().Before(end) {}":                                true,
		"timer := time.NewTimer(2 * time.Minute)":                      true,
		"end := time.After(time.Minute)":                               true,
		"c.SetDeadline(lastMoment(t))":                                 false,
		"select { case <-p.Done: case <-time.After(behind): }":         false,
		"if n > 5 { t.Error() }":                                       false,
		"proctest.Until(t, what, ok, nil)":                             false,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x_test.go", "package x\n\nfunc TestX() {\n"+body+"\n}\n", parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := limitsIn(file); (len(got) > 0) != want {
			t.Errorf("%s: %v", body, got)
		}
	}
}

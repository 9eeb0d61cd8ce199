// Command racelist prints the packages that have to be tested with the race detector, for the Makefile: those whose own code is
// concurrent. Nobody keeps a list by hand, so none can be forgotten. It ends with an error where such code would not be watched.
//
//	racelist [DIR]
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/fitbit-fetch/fitbit-fetch"

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	list, err := watched(os.DirFS(root))
	if err != nil {
		fmt.Fprintln(os.Stderr, "racelist:", err)
		os.Exit(1)
	}
	for _, p := range list {
		fmt.Println("./" + p)
	}
}

// pack is what is known of a package of the module.
type pack struct {
	why     string          // the first thing in its own code that is concurrent; empty for none
	tests   bool            // it has tests that run with the race detector
	imports map[string]bool // packages of the module that its code and these tests import
}

// watched returns the folders of the packages whose own code is concurrent and which have tests, in order. A concurrent package without
// tests has to be imported by one of them, over as many others as may be: there it is watched. If it is not, that is an error.
func watched(tree fs.FS) ([]string, error) {
	packs, err := read(tree)
	if err != nil {
		return nil, err
	}
	var list []string
	reached := map[string]bool{}
	var reach func(string)
	reach = func(p string) {
		if reached[p] || packs[p] == nil {
			return
		}
		reached[p] = true
		for i := range packs[p].imports {
			reach(i)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(packs)) {
		if packs[p].why != "" && packs[p].tests {
			list = append(list, p)
			reach(p)
		}
	}
	var errs []error
	for _, p := range slices.Sorted(maps.Keys(packs)) {
		if packs[p].why != "" && !reached[p] {
			errs = append(errs, fmt.Errorf("%s is concurrent (%s), but no test runs it with the race detector: write one in a file without !race", p, packs[p].why))
		}
	}
	if len(list) == 0 {
		errs = append(errs, errors.New("no package is concurrent: is this the folder of the sources?"))
	}
	return list, errors.Join(errs...)
}

// read reads all packages of the tree, as they are compiled for this system with the race detector.
func read(tree fs.FS) (map[string]*pack, error) {
	ctx := build.Default
	ctx.BuildTags = []string{"race"}
	ctx.CgoEnabled = true // the race detector needs it
	ctx.OpenFile = func(name string) (io.ReadCloser, error) { return tree.Open(filepath.ToSlash(name)) }
	packs := map[string]*pack{}
	return packs, fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := path.Base(name); d.IsDir() && name != "." && (base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		if ok, err := ctx.MatchFile(path.Split(name)); err != nil || !ok {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p := packs[path.Dir(name)]
		if p == nil {
			p = &pack{imports: map[string]bool{}}
			packs[path.Dir(name)] = p
		}
		for _, i := range file.Imports {
			if full, err := strconv.Unquote(i.Path.Value); err == nil {
				if ours, ok := strings.CutPrefix(full, module+"/"); ok {
					p.imports[ours] = true
				}
			}
		}
		switch {
		case !strings.HasSuffix(name, "_test.go"):
			if why := concurrent(file); why != "" && p.why == "" {
				p.why = path.Base(name) + ": " + why
			}
		case hasTests(file):
			p.tests = true
		}
		return nil
	})
}

// concurrentImports are packages that only concurrent code needs.
var concurrentImports = []string{"sync", "sync/atomic", "golang.org/x/sync/"}

// concurrent returns what in a file is concurrent: it starts goroutines, has channels or locks, is called by a timer or by the
// goroutines of an HTTP server; empty for nothing.
func concurrent(file *ast.File) (what string) {
	for _, i := range file.Imports {
		full, _ := strconv.Unquote(i.Path.Value)
		for _, c := range concurrentImports {
			if full == c || strings.HasSuffix(c, "/") && strings.HasPrefix(full, c) {
				return "import " + full
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			what = "go statement"
		case *ast.ChanType:
			what = "channel"
		case *ast.SelectStmt:
			what = "select statement"
		case *ast.SendStmt:
			what = "send"
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				what = "receive"
			}
		case *ast.FuncDecl:
			if n.Recv != nil && (n.Name.Name == "ServeHTTP" || n.Name.Name == "RoundTrip") {
				what = n.Name.Name
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains([]string{"time.AfterFunc", "context.AfterFunc", "http.HandlerFunc", "http.Handler", "http.NewServeMux"}, x.Name+"."+n.Sel.Name) {
				what = x.Name + "." + n.Sel.Name
			}
		}
		return what == ""
	})
	return what
}

// hasTests reports whether a file holds a test that go test runs.
func hasTests(file *ast.File) bool {
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain" || strings.HasPrefix(f.Name.Name, "Fuzz")) {
			return true
		}
	}
	return false
}

// Command racelist prints, for the Makefile, which packages are tested with the race detector: those whose own code is concurrent. Nobody
// keeps a list by hand, so none can be forgotten. It ends with an error where concurrent code would not be watched.
//
//	racelist race    the packages that are tested with it, those with the most tests first
//	racelist rest    all others that have tests: without it they take a fraction of the time
//	racelist alone   the tests of the first that are built without it only (//go:build !race), as arguments for go test
package main

import (
	"cmp"
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
	which := ""
	if len(os.Args) == 2 {
		which = os.Args[1]
	}
	words, err := list(os.DirFS("."), which)
	if err != nil {
		fmt.Fprintln(os.Stderr, "racelist:", err)
		os.Exit(1)
	}
	fmt.Println(strings.Join(words, " "))
}

// list returns what the command prints of a tree.
func list(tree fs.FS, which string) ([]string, error) {
	packs, err := read(tree)
	if err != nil {
		return nil, err
	}
	race, err := watched(packs)
	if err != nil {
		return nil, err
	}
	var folders, names []string
	switch which {
	case "race":
		folders = race
	case "rest":
		for p, is := range packs {
			if is.tests+len(is.alone) > 0 && !slices.Contains(race, p) {
				folders = append(folders, p)
			}
		}
	case "alone":
		for _, p := range race {
			if a := packs[p].alone; len(a) > 0 {
				folders, names = append(folders, p), append(names, a...)
			}
		}
	default:
		return nil, errors.New("usage: racelist race|rest|alone")
	}
	// What takes long begins first, so that nothing waits for it at the end.
	slices.SortFunc(folders, func(a, b string) int { return cmp.Or(cmp.Compare(packs[b].size, packs[a].size), cmp.Compare(a, b)) })
	var out []string
	if len(names) > 0 {
		slices.Sort(names)
		out = append(out, "-run", "^("+strings.Join(slices.Compact(names), "|")+")$")
	}
	for _, p := range folders {
		out = append(out, strings.TrimSuffix("./"+p, "/."))
	}
	return out, nil
}

// pack is what is known of a package of the module.
type pack struct {
	why     string          // the first thing in its own code that is concurrent; empty for none
	tests   int             // how many it has that run with the race detector
	alone   []string        // the names of those that run without it only
	size    int             // bytes of the files with tests
	imports map[string]bool // packages of the module that it imports and that its tests with the race detector watch
}

// watched returns the folders of the packages whose own code is concurrent and which have tests, in order. A concurrent package without
// tests has to be imported by one of them: there it is watched. If it is not, that is an error.
func watched(packs map[string]*pack) ([]string, error) {
	var list []string
	reached := map[string]bool{}
	for _, p := range slices.Sorted(maps.Keys(packs)) {
		if packs[p].why != "" && packs[p].tests > 0 {
			list = append(list, p)
			reached[p] = true
			maps.Copy(reached, packs[p].imports)
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

// read reads all packages of the tree, as they are built for this system.
func read(tree fs.FS) (map[string]*pack, error) {
	plain := build.Default
	plain.OpenFile = func(name string) (io.ReadCloser, error) { return tree.Open(filepath.ToSlash(name)) }
	race := plain
	race.CgoEnabled, race.BuildTags = true, []string{"race"}
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
		dir, base := path.Split(name)
		watched, err := race.MatchFile(dir, base)
		if err != nil {
			return err
		}
		built, err := plain.MatchFile(dir, base)
		if err != nil || !built && !watched {
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
		p.add(base, file, len(text), watched)
		return nil
	})
}

// add takes in a file, which is built with the race detector or without it only.
func (p *pack) add(name string, file *ast.File, size int, watched bool) {
	if strings.HasSuffix(name, "_test.go") {
		tests := testsOf(file)
		p.size += size
		if !watched {
			p.alone = append(p.alone, tests...)
			return
		}
		p.tests += len(tests)
	} else if why := concurrent(file); why != "" && p.why == "" {
		p.why = name + ": " + why
	}
	if file.Name.Name == "main" && !strings.HasSuffix(name, "_test.go") {
		return // a program imports everything, whatever its tests do with it
	}
	for _, i := range file.Imports {
		if full, err := strconv.Unquote(i.Path.Value); err == nil {
			if ours, ok := strings.CutPrefix(full, module+"/"); ok {
				p.imports[ours] = true
			}
		}
	}
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

// testsOf returns the names of the tests of a file that go test runs.
func testsOf(file *ast.File) []string {
	var out []string
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain" || strings.HasPrefix(f.Name.Name, "Fuzz")) {
			out = append(out, f.Name.Name)
		}
	}
	return out
}

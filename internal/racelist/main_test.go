package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestTree: everything concurrent in this tree is watched, and make test asks this command what that is.
func TestTree(t *testing.T) {
	race, err := list(os.DirFS("../.."), "race")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"internal/archive", "internal/collect", "internal/deliver", "internal/web", "internal/homeassistant", "cmd/fitbit-fetch"} {
		if !slices.Contains(race, "./"+p) {
			t.Errorf("%s is not on the list: %v", p, race)
		}
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for which, flags := range map[string]string{"race": `\$\(RACE\) .*`, "rest": "", "alone": ""} {
		run := `tests=.*/internal/racelist ` + which + `\) && .*\$\(GO\) test ` + flags + `.*\$\$tests`
		here, beside := run+` \|\| code=1;`, run+`\) .*& `+which+`=\$\$!;(?s:.*)wait \$\$`+which+` \|\| code=1;`
		if !regexp.MustCompile(`(?m)^\t[^#]*(` + here + `|` + beside + `)`).Match(makefile) {
			t.Errorf("make test does not run what racelist %s prints, or takes no notice when it fails", which)
		}
	}
}

const (
	testing1 = "\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) {}\n"
	unwatch  = "//go:build !race\n\n"
)

// TestConcurrent: each way of being concurrent is one.
func TestConcurrent(t *testing.T) {
	for name, c := range map[string]struct{ code, why string }{
		"nothing":                   {"func f() {}", ""},
		"a goroutine":               {"func f() { go f() }", "go statement"},
		"a channel":                 {"var c chan int", "channel"},
		"a channel of others":       {"import \"x\"\n\nfunc f() { <-x.C }", "receive"},
		"a send":                    {"import \"x\"\n\nfunc f() { x.C <- 1 }", "send"},
		"a choice":                  {"func f() { select {} }", "select statement"},
		"a lock":                    {"import \"sync\"\n\nvar mu sync.Mutex", "import sync"},
		"a number":                  {"import \"sync/atomic\"\n\nvar n atomic.Int64", "import sync/atomic"},
		"a group":                   {"import \"golang.org/x/sync/errgroup\"\n\nvar g errgroup.Group", "import golang.org/x/sync/errgroup"},
		"a timer's function":        {"import \"time\"\n\nfunc f() { time.AfterFunc(1, f) }", "time.AfterFunc"},
		"a context's function":      {"import \"context\"\n\nfunc f() { context.AfterFunc(nil, f) }", "context.AfterFunc"},
		"a handler":                 {"import \"net/http\"\n\nvar h http.Handler", "http.Handler"},
		"another handler":           {"type h struct{}\n\nfunc (h) ServeHTTP() {}", "ServeHTTP"},
		"a transport":               {"type h struct{}\n\nfunc (h) RoundTrip() {}", "RoundTrip"},
		"something of another name": {"import \"synchronise\"\n\nvar s synchronise.S", ""},
	} {
		t.Run(name, func(t *testing.T) {
			packs, err := read(fstest.MapFS{"a/a.go": {Data: []byte("package a\n\n" + c.code + "\n")}})
			if err != nil {
				t.Fatal(err)
			}
			want := c.why
			if want != "" {
				want = "a.go: " + want
			}
			if got := packs["a"].why; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestWatched: what is concurrent is on the list, is watched by the tests of another, or is an error.
func TestWatched(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	runs, calm := "package a\n\nfunc f() { go f() }\n", "package a\n\nfunc f() {}\n"
	tests := "package a" + testing1
	needs := func(p string) string { return "package a\n\nimport _ \"" + module + "/" + p + "\"\n" }
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want []string
		err  string // part of it
	}{
		"tests of its own":                   {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "b/b.go": file(calm), "b/b_test.go": file(tests)}, []string{"a"}, ""},
		"concurrent in its tests alone":      {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "b/b.go": file(calm), "b/b_test.go": file(runs + testing1[len("\n\nimport \"testing\"\n"):])}, []string{"a"}, ""},
		"no tests":                           {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "b/b.go": file(runs)}, []string{"a"}, "b is concurrent (b.go: go statement)"},
		"all its tests without the detector": {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(unwatch + tests)}, nil, "a is concurrent"},
		"its TestMain alone":                 {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file("package a\n\nfunc TestMain() {}\n")}, nil, "a is concurrent"},
		"another's tests":                    {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests + "\n"), "a/b_test.go": file(needs("b")), "b/b.go": file(runs)}, []string{"a"}, ""},
		"another's code":                     {fstest.MapFS{"a/a.go": file(runs), "a/b.go": file(needs("b")), "a/a_test.go": file(tests), "b/b.go": file(runs)}, []string{"a"}, ""},
		"another's code, over a third":       {fstest.MapFS{"a/a.go": file(runs), "a/b.go": file(needs("c")), "a/a_test.go": file(tests), "c/c.go": file(needs("b")), "b/b.go": file(runs)}, []string{"a"}, "b is concurrent"},
		"a program":                          {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "a/b.go": file(strings.Replace(needs("b"), "package a", "package main", 1)), "b/b.go": file(runs)}, []string{"a"}, "b is concurrent"},
		"tests of a program":                 {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "a/b_test.go": file(strings.Replace(needs("b"), "package a", "package main", 1)), "b/b.go": file(runs)}, []string{"a"}, ""},
		"another that is not watched":        {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "c/c.go": file(needs("b")), "c/c_test.go": file(tests), "b/b.go": file(runs)}, []string{"a"}, "b is concurrent"},
		"for another system":                 {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "b/b_plan9.go": file(runs)}, []string{"a"}, ""},
		"data of tests":                      {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "a/testdata/b.go": file(runs), ".x/b.go": file(runs)}, []string{"a"}, ""},
		"nothing at all":                     {fstest.MapFS{"a/a.go": file(calm)}, nil, "no package is concurrent"},
		"no Go":                              {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file("package a\n\n}")}, nil, "expected declaration"},
	} {
		t.Run(name, func(t *testing.T) {
			packs, err := read(c.tree)
			var got []string
			if err == nil {
				got, err = watched(packs)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want one with %q", err, c.err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// TestList: each test of a tree is run, with the race detector or without it.
func TestList(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tree := fstest.MapFS{
		"a/a.go": file("package a\n\nfunc f() { go f() }\n"), "a/a_test.go": file("package a" + testing1),
		"b/b.go": file("package a\n\nfunc f() { go f() }\n"), "b/b_test.go": file("package a" + testing1),
		"b/long_test.go":   file(unwatch + "package a\n\nimport \"testing\"\n\nfunc TestLong(*testing.T) {}\n\nfunc FuzzLong(*testing.F) {}\n"),
		"c/c.go":           file("package a\n"),
		"c/long_test.go":   file(unwatch + "package a" + testing1),
		"d/more/c_test.go": file("package a" + testing1 + "\n// and much more: what is longer is taken to take longer, too, wherever it stands in the tree\n"),
		"e/e.go":           file("package a\n"),
		"f/f_test.go":      file("//go:build server\n\npackage a" + testing1),
	}
	for which, want := range map[string]string{"race": "./b ./a", "rest": "./d/more ./c", "alone": "-run ^(FuzzLong|TestLong)$ ./b"} {
		if got, err := list(tree, which); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v, want %q", which, got, err, want)
		}
	}
	if _, err := list(tree, "all"); err == nil {
		t.Error("all: no error")
	}
}

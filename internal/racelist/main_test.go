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
	list, err := watched(os.DirFS("../.."))
	if err != nil {
		t.Error(err)
	}
	for _, p := range []string{"internal/archive", "internal/collect", "internal/deliver", "internal/web", "internal/homeassistant", "cmd/fitbit-fetch"} {
		if !slices.Contains(list, p) {
			t.Errorf("%s is not on the list: %v", p, list)
		}
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^\tracy=.*/internal/racelist\).* test \$\(RACE\).* \$\$racy`).Match(makefile) {
		t.Error("make test does not run with the race detector what internal/racelist prints")
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
		"another's code, over a third":       {fstest.MapFS{"a/a.go": file(runs), "a/b.go": file(needs("c")), "a/a_test.go": file(tests), "c/c.go": file(needs("b")), "b/b.go": file(runs)}, []string{"a"}, ""},
		"another that is not watched":        {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "c/c.go": file(needs("b")), "c/c_test.go": file(tests), "b/b.go": file(runs)}, []string{"a"}, "b is concurrent"},
		"for another system":                 {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "b/b_plan9.go": file(runs)}, []string{"a"}, ""},
		"data of tests":                      {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file(tests), "a/testdata/b.go": file(runs), ".x/b.go": file(runs)}, []string{"a"}, ""},
		"nothing at all":                     {fstest.MapFS{"a/a.go": file(calm)}, nil, "no package is concurrent"},
		"no Go":                              {fstest.MapFS{"a/a.go": file(runs), "a/a_test.go": file("package a\n\n}")}, nil, "expected declaration"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := watched(c.tree)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want one with %q", err, c.err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fitbit-fetch": main, "fitbit-fetch-app": inApp})
}

// scripts runs the program as its users do: each file of testdata/script is a situation, and says in its first lines which. Beside
// testscript's own commands there are those of scriptCommands. Those are run whose text is wanted.
func scripts(t *testing.T, wanted func(text []byte) bool) {
	all, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files := slices.DeleteFunc(all, func(file string) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return !wanted(text)
	})
	if len(files) == 0 {
		t.Fatal("no scripts")
	}
	testscript.Run(t, testscript.Params{
		Files: files, Cmds: scriptCommands(t), RequireExplicitExec: true, UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("FITBIT_FETCH_DATA_DIR", filepath.Join(e.WorkDir, "data"))
			e.Setenv("FITBIT_FETCH_BACKFILL_START", "3")
			e.Setenv("FITBIT_FETCH_PAGE_LISTEN", "off")
			e.Setenv("FITBIT_LOG_FILE_PATH", filepath.Join(e.WorkDir, "log"))
			e.Setenv("FITBIT_FETCH_REDIRECT_URI", "http://redirect.invalid:8080")
			e.Values[worldKey{}] = &scriptWorld{}
			return nil
		},
	})
}

// scriptCommands are the commands of the scripts:
//
//	exits CODE PROGRAM ARGS…         run a program and compare its exit code
//	service [WORD…]                  start the simulated services and set the options that reach Google's; see serviceWords
//	service stop                     and stop it
//	odd                              from now on, it sends a member and a word that nobody knows
//	trouble slow|junk PATH           from now on, what has PATH in its path comes slowly, or is no JSON; trouble over: no more
//	withdrawn                        the user takes all rights back at the service's own page
//	requests MOST                    at most so many requests have reached the API since this was called last
//	asked MOST                       likewise, but of all that has reached the services, questions after a token too
//	signin PASTE|CATCH ARGS…         fitbit-fetch authorize ARGS, with a user who consents and pastes, or whose browser is caught
//	begin                            begin an authorization, consent, and put the address at which the browser ends into ADDRESS
//	terminate                        send SIGTERM to what runs in the background
//	await FILE REGEXP                wait until a file holds it
//	influx [auth]                    start an InfluxDB 1.8.3 and set the options that reach it; influx stop stops it
//	database victoriametrics|core3   start a VictoriaMetrics, or a double of InfluxDB 3 Core, and set $VICTORIA_URL… or $CORE3_URL…
//	allhold MEASUREMENT LEAST        each of them holds so many points at least
//	expand FILE                      put the script's variables into a file
//	until REGEXP ARGS…               run fitbit-fetch ARGS again and again until what it writes matches
//	points MEASUREMENT LEAST         the database holds so many points at least
//	unpack ZIP FOLDER                unpack a zip
//	clock                            as each of these does: let the next process begin at the service's time
//	fill FILE MEGABYTES              write a file of that size
//	broker                           start an MQTT broker and set the options that reach it
//	listen FILE                      listen at the broker, and have shown look at the page, whose addresses a file holds
//	heard TOPIC REGEXP               wait until what stands on a topic matches
//	press TOPIC                      press a button of Home Assistant's
//	page                             give the program's page a place
//	shown PATH REGEXP                wait until the page holds it
func scriptCommands(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	commands := map[string]func(*testscript.TestScript, *scriptWorld, []string){
		"exits": exits, "service": startService, "odd": sendOdd, "trouble": trouble, "withdrawn": withdraw, "clock": func(*testscript.TestScript, *scriptWorld, []string) {}, "requests": countRequests, "asked": countAll, "begin": begin,
		"terminate": terminate, "points": countPoints, "unpack": unpack, "fill": fill,
		"press":   press,
		"heard":   func(ts *testscript.TestScript, w *scriptWorld, args []string) { heard(t, ts, w, args) },
		"shown":   func(ts *testscript.TestScript, w *scriptWorld, args []string) { onPage(t, ts, w, args) },
		"await":   func(ts *testscript.TestScript, w *scriptWorld, args []string) { await(t, ts, w, args) },
		"until":   func(ts *testscript.TestScript, w *scriptWorld, args []string) { until(t, ts, w, args) },
		"signin":  func(ts *testscript.TestScript, w *scriptWorld, args []string) { signIn(t, ts, w, args) },
		"listen":  func(ts *testscript.TestScript, w *scriptWorld, args []string) { listenTo(t, ts, w, args) },
		"broker":  func(ts *testscript.TestScript, w *scriptWorld, args []string) { startBroker(t, ts, w, args) },
		"page":    func(ts *testscript.TestScript, w *scriptWorld, args []string) { startPage(t, ts, w, args) },
		"influx":  func(ts *testscript.TestScript, w *scriptWorld, args []string) { startInflux(t, ts, w, args) },
		"allhold": allHold, "expand": expand,
		"database": func(ts *testscript.TestScript, w *scriptWorld, args []string) { startOther(t, ts, w, args) },
	}
	out := map[string]func(*testscript.TestScript, bool, []string){}
	for name, f := range commands {
		out[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("%s cannot be negated", name)
			}
			w := ts.Value(worldKey{}).(*scriptWorld)
			setClock(ts, w)
			f(ts, w, args)
		}
	}
	return out
}

func exits(ts *testscript.TestScript, _ *scriptWorld, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	var e *exec.ExitError
	switch {
	case errors.As(err, &e):
		got = e.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

func fill(ts *testscript.TestScript, _ *scriptWorld, args []string) {
	var n int64
	if len(args) != 2 {
		ts.Fatalf("usage: fill FILE MEGABYTES")
	}
	if _, err := fmt.Sscan(args[1], &n); err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), nil, 0o600))
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n<<20))
}

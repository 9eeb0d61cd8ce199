package main

import (
	"os"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/core3"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/victoria"
)

// startOther starts a database that is no InfluxDB 1, and sets what a file of options has to say of it.
func startOther(t *testing.T, ts *testscript.TestScript, w *scriptWorld, args []string) {
	switch args[0] {
	case "victoriametrics":
		srv := victoria.Start(t)
		ts.Setenv("VICTORIA_URL", srv.URL)
		ts.Setenv("VICTORIA_USER", victoria.User)
		ts.Setenv("VICTORIA_PASSWORD", victoria.Password)
		w.rows = append(w.rows, srv.Rows)
	case "core3":
		srv := core3.Start(t)
		ts.Setenv("CORE3_URL", srv.URL)
		ts.Setenv("CORE3_TOKEN", core3.Token)
		w.rows = append(w.rows, func(measurement string) []sinktest.Row { return srv.Rows("FitbitHealthStats", measurement) })
	default:
		ts.Fatalf("database: no word %q", args[0])
	}
}

// allHold compares what the databases of startOther hold.
func allHold(ts *testscript.TestScript, w *scriptWorld, args []string) {
	least, err := strconv.Atoi(args[1])
	ts.Check(err)
	for i, rows := range w.rows {
		if n := len(rows(args[0])); n < least {
			ts.Fatalf("database %d has %d points of %s, want %d at least", i, n, args[0], least)
		}
	}
}

// expand puts the script's variables into a file.
func expand(ts *testscript.TestScript, _ *scriptWorld, args []string) {
	file := ts.MkAbs(args[0])
	text, err := os.ReadFile(file)
	ts.Check(err)
	ts.Check(os.WriteFile(file, []byte(os.Expand(string(text), ts.Getenv)), 0o600))
}

// until runs the program again and again until what it writes matches.
func until(t *testing.T, ts *testscript.TestScript, _ *scriptWorld, args []string) {
	eventually(t, ts, "what the program writes", args[0], func() string {
		ts.Check(ts.Exec("fitbit-fetch", args[1:]...))
		return ts.ReadFile("stdout")
	})
}

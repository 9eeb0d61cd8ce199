package main

import (
	"archive/zip"
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

type worldKey struct{}

// scriptWorld is what a script has started.
type scriptWorld struct {
	server *httptest.Server
	google *simulate.Google
	fitbit *simulate.Fitbit
	cfg    simulate.Config
	influx *influxd.Server
	rows   []func(measurement string) []sinktest.Row // of further databases
	clock  *clock.Clock
	broker *proctest.Broker
	topics *proctest.Topics
}

// told is when every script begins.
const told = "2026-11-20T09:00:00Z"

func startService(ts *testscript.TestScript, w *scriptWorld, args []string) {
	if slices.Contains(args, "stop") {
		w.server.Close()
		return
	}
	clk, err := clock.Parse(told)
	ts.Check(err)
	w.clock = &clk
	f := simulateFlags{persons: 2, seed: 1, zone: "Europe/Berlin", approve: true, pageCap: 5000, start: "2026-11-01", app: "personal"}
	w.cfg, err = f.world(clk)
	ts.Check(err)
	redirect := ts.Getenv("FITBIT_FETCH_REDIRECT_URI")
	for i := range w.cfg.Clients {
		w.cfg.Clients[i].Redirects = []string{redirect}
	}
	serviceWords(ts, w, args)
	old, err := f.fitbitWorld(w.cfg)
	ts.Check(err)
	old.NoLimit = true
	w.google, w.fitbit = simulate.NewGoogle(w.cfg), simulate.NewFitbit(old)
	w.server = httptest.NewServer(bothServices(w.google, w.fitbit))
	ts.Defer(w.server.Close)
	for name, value := range map[string]string{
		"FITBIT_FETCH_API_URL": w.server.URL, "FITBIT_FETCH_AUTH_URL": w.server.URL + simulate.PathAuth,
		"FITBIT_FETCH_TOKEN_URL": w.server.URL + simulate.PathToken, "FITBIT_FETCH_REVOKE_URL": w.server.URL + simulate.PathRevoke,
		"GOOGLE_CLIENT_ID": w.cfg.Clients[0].ID, "GOOGLE_CLIENT_SECRET": w.cfg.Clients[0].Secret,
		"FITBIT_FETCH_POLITE": "no", "FITBIT_FETCH_CLOCK": told,
		"SERVICE": w.server.URL, "FITBIT_ID": old.Apps[0].ID, "FITBIT_SECRET": old.Apps[0].Secret, "FITBIT_REFRESH": old.Apps[0].Refresh,
		"REFRESH": w.cfg.Clients[0].Refresh, "OTHER_ID": w.cfg.Clients[1].ID, "OTHER_REFRESH": w.cfg.Clients[1].Refresh,
	} {
		ts.Setenv(name, value)
	}
}

// serviceWords are what a script can say of the service.
func serviceWords(ts *testscript.TestScript, w *scriptWorld, args []string) {
	for _, word := range args {
		switch {
		case strings.HasPrefix(word, "deny="):
			w.cfg.Deny = strings.Split(strings.TrimPrefix(word, "deny="), ",")
		case word == "testing":
			w.cfg.Testing = true
		default:
			ts.Fatalf("service: no word %q", word)
		}
	}
}

// setClock lets the next process begin at the service's time: no process begins before the one before it ended.
func setClock(ts *testscript.TestScript, w *scriptWorld) {
	if w.clock != nil {
		ts.Setenv("FITBIT_FETCH_CLOCK", w.clock.Now().UTC().Format(time.RFC3339Nano))
	}
}

func sendOdd(_ *testscript.TestScript, w *scriptWorld, _ []string) {
	w.google.Script(func(r *http.Request) *simulate.Fault {
		if !strings.Contains(r.URL.Path, "pairedDevices") {
			return nil
		}
		return &simulate.Fault{Status: http.StatusOK, Body: `{"pairedDevices":[{"name":"users/me/pairedDevices/1","deviceType":"RING_OF_POWER","temperament":7,` +
			`"batteryStatus":"High","batteryLevel":66,"lastSyncTime":"2026-11-20T08:45:00Z","deviceVersion":"Charge 6"}]}`}
	})
}

func trouble(ts *testscript.TestScript, w *scriptWorld, args []string) {
	faults := map[string]*simulate.Fault{"slow": {Delay: 200 * time.Millisecond}, "junk": {Junk: true}, "over": nil}
	f, ok := faults[args[0]]
	if !ok {
		ts.Fatalf("trouble: no word %q", args[0])
	}
	w.google.Script(func(r *http.Request) *simulate.Fault {
		if f != nil && strings.Contains(r.URL.Path, args[1]) && (len(args) < 3 || strings.Contains(r.URL.Query().Get("filter"), args[2])) {
			return f
		}
		return nil
	})
}

func withdraw(_ *testscript.TestScript, w *scriptWorld, _ []string) {
	w.google.Withdraw(w.cfg.Persons[0])
}

func countRequests(ts *testscript.TestScript, w *scriptWorld, args []string) {
	count(ts, w, args, simulate.PathAPI)
}

// countAll counts what reached any part of the services, their token services too.
func countAll(ts *testscript.TestScript, w *scriptWorld, args []string) { count(ts, w, args, "/") }

func count(ts *testscript.TestScript, w *scriptWorld, args []string, below string) {
	most, err := strconv.Atoi(args[0])
	ts.Check(err)
	var made []string
	for _, l := range slices.Concat(w.google.Log(), w.fitbit.Log()) {
		if strings.HasPrefix(l.Path, below) {
			made = append(made, l.Path+"?"+l.Query)
		}
	}
	w.google.ClearLog()
	w.fitbit.ClearLog()
	if len(made) > most {
		ts.Fatalf("%d requests, want %d at most; the first: %s", len(made), most, made[0])
	}
}

// signIn is a user: the consent page is opened; what the browser ends on is pasted, or caught on its way.
func signIn(t *testing.T, ts *testscript.TestScript, w *scriptWorld, args []string) {
	if args[0] == "CATCH" {
		ts.Setenv("FITBIT_FETCH_REDIRECT_URI", fmt.Sprintf("http://127.0.0.1:%d", proctest.FreePort(t)))
	}
	cmd := exec.Command("fitbit-fetch", append([]string{"authorize"}, args[1:]...)...)
	if path, err := lookPath(ts); err == nil {
		cmd.Path, cmd.Err = path, nil
	}
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environment(ts)
	in, err := cmd.StdinPipe()
	ts.Check(err)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	cmd.Stderr = ts.Stderr()
	ts.Check(cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		io.WriteString(ts.Stdout(), lines.Text()+"\n")
		address := strings.TrimSpace(lines.Text())
		if !strings.HasPrefix(address, w.server.URL) {
			continue
		}
		browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := browser.Get(address)
		ts.Check(err)
		resp.Body.Close()
		end := resp.Header.Get("Location")
		if args[0] == "PASTE" {
			io.WriteString(in, end+"\n")
			in.Close()
			continue
		}
		reach(t, ts, browser, end)
	}
	ts.Check(cmd.Wait())
}

// begin is a user who consents, and keeps the address at which the browser ends.
func begin(ts *testscript.TestScript, w *scriptWorld, _ []string) {
	cmd := exec.Command("fitbit-fetch", "authorize")
	if path, err := lookPath(ts); err == nil {
		cmd.Path, cmd.Err = path, nil
	}
	cmd.Dir, cmd.Env = ts.MkAbs("."), environment(ts)
	out, _ := cmd.Output() // it ends because nothing is pasted
	for line := range strings.Lines(string(out)) {
		if address := strings.TrimSpace(line); strings.HasPrefix(address, w.server.URL) {
			browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			resp, err := browser.Get(address)
			ts.Check(err)
			resp.Body.Close()
			ts.Setenv("ADDRESS", resp.Header.Get("Location"))
			return
		}
	}
	ts.Fatalf("no address: %s", out)
}

// reach goes to an address at which somebody will listen soon.
func reach(t *testing.T, ts *testscript.TestScript, browser *http.Client, address string) {
	var err error
	proctest.Until(script{t, ts}, address, func() bool {
		var resp *http.Response
		if resp, err = browser.Get(address); err == nil {
			resp.Body.Close()
		}
		return err == nil
	}, func() string { return err.Error() })
}

func lookPath(ts *testscript.TestScript) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, "fitbit-fetch"); exec.Command(path).Err == nil {
			if _, err := os.Stat(path); err == nil {
				return path, nil
			}
		}
	}
	return "", exec.ErrNotFound
}

// environment is the script's.
func environment(ts *testscript.TestScript) []string {
	var out []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "FITBIT_FETCH_DATA_DIR", "FITBIT_FETCH_REDIRECT_URI", "FITBIT_FETCH_API_URL",
		"FITBIT_FETCH_AUTH_URL", "FITBIT_FETCH_TOKEN_URL", "FITBIT_FETCH_REVOKE_URL", "GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET",
		"FITBIT_FETCH_POLITE", "FITBIT_FETCH_CLOCK", "FITBIT_LOG_FILE_PATH"} {
		out = append(out, name+"="+ts.Getenv(name))
	}
	return out
}

func terminate(ts *testscript.TestScript, _ *scriptWorld, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

func await(t *testing.T, ts *testscript.TestScript, _ *scriptWorld, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	eventually(t, ts, args[0], args[1], func() string {
		text, _ := os.ReadFile(ts.MkAbs(args[0])) // there may be none yet
		return string(text)
	})
}

func startInflux(t *testing.T, ts *testscript.TestScript, w *scriptWorld, args []string) {
	if slices.Contains(args, "stop") {
		w.influx.Stop()
		return
	}
	auth := slices.Contains(args, "auth")
	w.influx = influxd.Start(t, influxd.Config{Version: influxd.V1_8, Auth: auth})
	host, port, _ := strings.Cut(strings.TrimPrefix(w.influx.URL, "http://"), ":")
	ts.Setenv("INFLUXDB_HOST", host)
	ts.Setenv("INFLUXDB_PORT", port)
	if auth {
		ts.Setenv("INFLUXDB_USERNAME", influxd.Admin)
		ts.Setenv("INFLUXDB_PASSWORD", influxd.Password)
	}
}

func countPoints(ts *testscript.TestScript, w *scriptWorld, args []string) {
	least, err := strconv.Atoi(args[1])
	ts.Check(err)
	n := 0.0
	for _, r := range w.influx.Query("FitbitHealthStats", `SELECT count(*) FROM "`+args[0]+`"`) {
		for _, s := range r.Series {
			for _, row := range s.Values {
				for _, v := range row[1:] {
					if number, ok := v.(json.Number); ok {
						f, err := number.Float64()
						ts.Check(err)
						n = max(n, f)
					}
				}
			}
		}
	}
	if int(n) < least {
		ts.Fatalf("%s has %.0f points, want %d at least", args[0], n, least)
	}
}

func unpack(ts *testscript.TestScript, _ *scriptWorld, args []string) {
	z, err := zip.OpenReader(ts.MkAbs(args[0]))
	ts.Check(err)
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		ts.Check(err)
		data, err := io.ReadAll(r)
		ts.Check(err)
		r.Close()
		path := ts.MkAbs(filepath.Join(args[1], f.Name))
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o700))
		ts.Check(os.WriteFile(path, data, 0o600))
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	htmlpkg "html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/grafana/grafanatest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// home is a machine on which nothing is set up yet: a folder, a page, a simulated Google and a real InfluxDB.
type home struct {
	t      *testing.T
	dir    string
	page   string // address
	google *simulate.Google
	client simulate.Client
	influx *influxd.Server
	env    map[string]string
	log    syncWriter
}

// syncWriter is a log that is read while it is written.
type syncWriter struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncWriter) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newHome(t *testing.T) *home {
	t.Helper()
	clk, err := clock.Parse(told)
	if err != nil {
		t.Fatal(err)
	}
	f := simulateFlags{persons: 1, seed: 1, zone: "Europe/Berlin", pageCap: 5000, start: "2026-11-01"}
	cfg, err := f.world(clk)
	if err != nil {
		t.Fatal(err)
	}
	h := &home{t: t, dir: t.TempDir(), google: simulate.NewGoogle(cfg), client: cfg.Clients[0], influx: influxd.Start(t, influxd.Config{Version: influxd.V1_8, Auth: true})}
	server := httptest.NewServer(h.google)
	t.Cleanup(server.Close)
	place := fmt.Sprintf("127.0.0.1:%d", proctest.FreePort(t))
	h.page = "http://" + place
	h.env = map[string]string{
		"FITBIT_FETCH_DATA_DIR": h.dir, "FITBIT_FETCH_PAGE_LISTEN": place, "FITBIT_FETCH_BACKFILL_START": "2", "FITBIT_FETCH_POLITE": "no", "FITBIT_FETCH_CLOCK": told,
		"FITBIT_FETCH_API_URL": server.URL, "FITBIT_FETCH_AUTH_URL": server.URL + simulate.PathAuth, "FITBIT_FETCH_TOKEN_URL": server.URL + simulate.PathToken, "FITBIT_FETCH_REVOKE_URL": server.URL + simulate.PathRevoke,
	}
	return h
}

// run runs the program until stop is called.
func (h *home) run() (stop func()) {
	h.t.Helper()
	c := &call{dir: h.dir, stdin: strings.NewReader(""), stdout: &h.log, stderr: &h.log}
	c.inputs = config.Inputs{App: filepath.Join(h.dir, "options.json"), Env: func(name string) string { return h.env[name] }, ReadFile: os.ReadFile, Abs: filepath.Abs}.Remember()
	var err error
	if c.opts, err = loadOptions(c.inputs); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.runLoops(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				h.t.Errorf("the program ended with %v", err)
			}
		})
	}
	h.t.Cleanup(stop)
	return stop
}

// count counts the points of a measurement.
func (h *home) count(measurement string) (n int64) {
	h.t.Helper()
	for _, r := range h.influx.Query("FitbitHealthStats", fmt.Sprintf(`SELECT count(*) FROM "%s"`, measurement)) {
		for _, s := range r.Series {
			for _, v := range s.Values[0][1:] {
				if number, ok := v.(json.Number); ok {
					if k, err := number.Int64(); err == nil {
						n = max(n, k)
					}
				}
			}
		}
	}
	return n
}

// tab is a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func browser(t *testing.T) *tab {
	t.Helper()
	proctest.NotShort(t)
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("this test needs Chromium: install the Debian package chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"))
	life, stop := context.WithCancel(context.Background())
	alloc, _ := chromedp.NewExecAllocator(life, opts...)
	ctx, _ := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // it ends with the test in any case
		stop()
	})
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := proctest.Limit(b.ctx, b.t)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v; the page says:\n%s", err, b.text())
	}
}

func (b *tab) eval(expression string) string {
	ctx, cancel := proctest.Limit(b.ctx, b.t)
	defer cancel()
	v, _ := chromedp.Run(ctx, chromedp.Evaluate[string](expression)) // between two pages there is none: the caller asks again
	return v
}

func (b *tab) text() string { return b.eval("document.body ? document.body.innerText : ''") }

// await waits until the page shows a text.
func (b *tab) await(text string) {
	b.t.Helper()
	proctest.Until(b.t, fmt.Sprintf("%q on the page", text), func() bool {
		return strings.Contains(b.eval("document.readyState === 'complete' ? document.body.innerText : ''"), text)
	}, func() string { return "it says:\n" + b.text() })
}

// consent agrees on the simulated Google's page, in a tab of its own, and returns the address at which that ends.
func (b *tab) consent(link string) string {
	b.t.Helper()
	ended := make(chan string, 1)
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithListener(func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok && strings.HasPrefix(e.Request.URL, "http://localhost:8080") {
			select {
			case ended <- e.Request.URL:
			default:
			}
		}
	}))
	defer cancel()
	err := chromedp.Do(ctx)
	if err == nil {
		_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	}
	if err == nil {
		err = chromedp.Do(ctx, chromedp.Navigate(link), chromedp.Click(`button[value=allow]`))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return proctest.Receive(b.t, "the consent page to send back", ended, nil)
}

// TestWizardOfTheProgram goes from an empty folder to points in InfluxDB with nothing but the page: no option, no shell, no restart.
func TestWizardOfTheProgram(t *testing.T) {
	h := newHome(t)
	stop := h.run()
	b := browser(t)
	reachable(t, h.page)
	g := grafanatest.Start(t)
	var html strings.Builder // of all pages seen
	keep := func() { html.WriteString(b.eval("document.documentElement.outerHTML")) }

	b.do(chromedp.Navigate(h.page))
	b.await("Connect your account")
	b.do(chromedp.Click(`//a[text()="Connect your account"]`))
	b.await("A key of your own")
	b.await("Switched off by Fitbit in November 2026")
	b.do(chromedp.SendKeys(`input[name=client_id]`, "GOCSPX-in-the-wrong-field"), chromedp.SendKeys(`input[name=client_secret]`, h.client.ID), chromedp.Click(`form[action=client] button`))
	b.await("in each other's field")
	b.do(chromedp.SetValue(`input[name=client_id]`, h.client.ID), chromedp.SetValue(`input[name=client_secret]`, h.client.Secret), chromedp.Click(`form[action=client] button`))
	b.await("The key is kept")
	keep()

	b.do(chromedp.Click(`form[action=begin] button`))
	b.await("The link is ready")
	keep()
	address := b.consent(b.eval("document.getElementById('consent').href"))
	b.do(chromedp.SendKeys(`textarea[name=pasted]`, address), chromedp.Click(`form[action=finish] button`))
	b.await("Connected to Google")
	keep()

	b.do(chromedp.Click(`//a[text()="Choose a database"]`))
	b.await("No database yet")
	b.do(chromedp.SetValue(`input[name=url]`, "http://127.0.0.1:1"), chromedp.Click(`button[value=test]`))
	b.await("Nothing answers as InfluxDB")
	b.await("Is the database started?")
	b.do(chromedp.SetValue(`input[name=url]`, h.influx.URL), chromedp.SetValue(`input[name=username]`, influxd.Admin), chromedp.SetValue(`input[name=password]`, "wrong"), chromedp.Click(`button[value=save]`))
	b.await("does not know this user name and password")
	b.await("Permissions: choose ALL")
	keep()
	b.do(chromedp.SetValue(`input[name=password]`, influxd.Password), chromedp.Click(`button[value=test]`))
	b.await("is not there yet and will be created")
	b.do(chromedp.Click(`button[value=save]`)) // the password is still there
	b.await("The database is set up")

	// The first values arrive by themselves, here and there.
	b.await("Resting heart rate")
	b.await("The database has everything that is here.")
	keep()
	if n := h.count("HeartRate_Intraday"); n < 1000 {
		t.Errorf("%d heart rates in the database", n)
	}

	// The dashboards: a wrong password has its cure, the right one is used once, and what is changed in Grafana stays.
	dashboards := func(password string) {
		b.do(chromedp.SetValue(`input[name=url]`, g.URL), chromedp.SetValue(`input[name=username]`, grafanatest.User), chromedp.SetValue(`input[name=password]`, password), chromedp.Click(`form[action=install] button`))
	}
	b.do(chromedp.Click(`//a[text()="Dashboards for Grafana"]`))
	b.await("Address of Grafana")
	dashboards("in-the-wrong-field")
	b.await("The user, the password or the token is wrong.")
	b.await("It is a user of Grafana, not of Home Assistant.")
	dashboards(grafanatest.Password)
	b.await("The dashboards are in Grafana")
	b.await("Grafana " + g.Version)
	keep()
	g.Look(func() {
		if s := g.Sources["fitbit-fetch-influxql"]; s["url"] != h.influx.URL || s["secrets"].(map[string]any)["password"] != influxd.Password {
			t.Error("Grafana's data source does not lead to the database")
		}
		year := g.Boards["fitbit-fetch-year"]
		year.Versions = append(year.Versions, grafanatest.Saved{Message: "mine", JSON: map[string]any{"title": "Mine"}})
	})
	dashboards(grafanatest.Password)
	b.await("changed by you, left as it is")
	keep()

	// Status: paused, it asks for nothing; over a restart, too. The options of the page are still there.
	b.do(chromedp.Navigate(h.page + "/status"))
	b.await("Last requests")
	b.do(chromedp.Click(`form[action=pause] button`))
	b.await("Paused until you resume.")
	stop()
	h.google.ClearLog()
	stop = h.run()
	reachable(t, h.page)
	b.do(chromedp.Navigate(h.page + "/status"))
	b.await("Nothing is asked of the service until you resume")
	if log := h.google.Log(); len(log) > 0 {
		t.Errorf("%d requests while paused, the first: %s", len(log), log[0].Path)
	}
	b.do(chromedp.Click(`form[action=check] button`))
	b.await("may be written")
	b.do(chromedp.Click(`.paused button`))
	b.await("Fetching goes on.")
	keep()

	// The database is given up, without a restart.
	b.do(chromedp.Navigate(h.page + "/setup?step=database"))
	b.await("Writing to FitbitHealthStats")
	keep()
	b.do(chromedp.Click(`input[name=version][value=off]`), chromedp.Click(`//button[text()="Write to no database any more"]`))
	b.await("No database is written to")
	b.do(chromedp.Navigate(h.page + "/status"))
	b.await("No database is set up")
	stop()

	file := filepath.Join(h.dir, "page.json")
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if !strings.Contains(string(kept), h.client.Secret) || strings.Contains(string(kept), influxd.Admin) {
		t.Error("the page's file does not hold what was given last")
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{h.client.Secret, influxd.Password, htmlpkg.EscapeString(influxd.Password), grafanatest.Password, u.Query().Get("code"), "in-the-wrong-field"} {
		if strings.Contains(html.String(), secret) {
			t.Error("a secret stands on a page")
		}
		if strings.Contains(h.log.String(), secret) {
			t.Error("a secret stands in the log")
		}
	}
}

func reachable(t *testing.T, address string) {
	t.Helper()
	var err error
	proctest.Until(t, "the page to open", func() bool {
		var resp *http.Response
		if resp, err = http.Get(address); err == nil {
			resp.Body.Close()
		}
		return err == nil
	}, func() string { return err.Error() })
}

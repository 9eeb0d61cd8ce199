package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/core3"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/victoria"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/web"
)

// pageToTry is a page on a machine where nothing is set up.
func pageToTry(t *testing.T) page {
	t.Helper()
	dir := t.TempDir()
	in := config.Inputs{Abs: filepath.Abs, ReadFile: os.ReadFile, Env: func(name string) string {
		return map[string]string{"FITBIT_FETCH_DATA_DIR": dir}[name]
	}}
	opts, err := loadOptions(in)
	if err != nil {
		t.Fatal(err)
	}
	return page{&app{catalogue: metric.Default(), log: slog.New(slog.DiscardHandler), inputs: in, opts: opts, renew: make(chan struct{}, 1)}}
}

// A trial is a database as it is filled in on the page.
type trial struct {
	name   string
	values map[string]string // by field
	found  string            // in what is said where it works
	help   string            // the section that opens where it does not
}

// with is values with others in place of some of them.
func with(values map[string]string, more ...string) map[string]string {
	out := map[string]string{}
	for k, v := range values {
		out[k] = v
	}
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// try tries databases as the button Test does: what works is told, and each failure has its help, a cure, and tells no secret.
func try(t *testing.T, trials []trial) {
	t.Helper()
	p := pageToTry(t)
	for _, c := range trials {
		options := map[string]string{}
		for field, text := range c.values {
			options["influxdb."+field] = text
		}
		found, err := p.TryDatabase(t.Context(), options)
		var e *source.Error
		switch {
		case c.help == "" && (err != nil || !strings.Contains(found, c.found)):
			t.Errorf("%s: %q, %v", c.name, found, err)
		case c.help != "" && !errors.As(err, &e):
			t.Errorf("%s: %q, %v", c.name, found, err)
		case c.help != "" && (web.HelpOn(e.Reason, false) != c.help || e.Hint == ""):
			t.Errorf("%s: %v opens %q, want %q; advice %q", c.name, err, web.HelpOn(e.Reason, false), c.help, e.Hint)
		case c.help != "" && strings.Contains(err.Error()+e.Hint, "hush"):
			t.Errorf("%s: a secret is told", c.name)
		}
	}
}

// unwell are the failures that have nothing to do with what the database is.
func unwell(t *testing.T, values map[string]string) []trial {
	t.Helper()
	answers := func(status int, header ...string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			io.WriteString(w, "<html>a page</html>")
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	// starting says who it is, and can do nothing yet.
	starting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Influxdb-Version", values["version"]+".0.1")
		switch {
		case r.URL.Path == "/ping" && values["version"] == "1":
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == "/ping" || r.URL.Path == "/health":
			io.WriteString(w, `{"name":"influxdb","status":"pass","version":"`+values["version"]+`.0.1"}`)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(starting.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	t.Cleanup(secure.Close)
	name := "version " + values["version"] + ": "
	return []trial{
		{name + "unknown host", with(values, "url", "http://nowhere.invalid:8086"), "", "db_host"},
		{name + "nobody there", with(values, "url", "http://127.0.0.1:1"), "", "db_silent"},
		{name + "a page", with(values, "url", answers(200)), "", "db_other"},
		{name + "nothing of that name", with(values, "url", answers(404)), "", "db_other"},
		{name + "leads elsewhere", with(values, "url", answers(302, "Location", answers(200))), "", "db_other"},
		{name + "in trouble", with(values, "url", starting.URL), "", "db_trouble"},
		{name + "unknown certificate", with(values, "url", secure.URL), "", "db_tls"},
		{name + "https where there is none", with(values, "url", strings.Replace(answers(200), "http:", "https:", 1)), "", "db_tls"},
	}
}

func TestInfluxDB1OnThePage(t *testing.T) {
	srv := influxd.Start(t, influxd.Config{Version: influxd.V1_8, Auth: true})
	srv.Query("", `CREATE USER "reader" WITH PASSWORD 'hush'`)
	srv.Query("", `CREATE DATABASE "here"`)
	srv.Query("", `GRANT READ ON "here" TO "reader"`)
	good := map[string]string{"version": "1", "url": srv.URL, "database": "here", "username": influxd.Admin, "password": influxd.Password}
	reader := with(good, "username", "reader", "password", "hush")
	try(t, append([]trial{
		{"all well", good, "is there and may be written", ""},
		{"will be created", with(good, "database", "new"), "will be created", ""},
		{"wrong password", with(good, "password", "hush"), "", "db1_user"},
		{"may not write", reader, "", "db1_rights"},
		{"as another version", map[string]string{"version": "3", "url": srv.URL, "database": "here", "token": "hush"}, "", "db_other"},
	}, unwell(t, good)...))
}

// Of InfluxDB 3 there is a double only.
func TestInfluxDB3DoubleOnThePage(t *testing.T) {
	srv := core3.Start(t)
	srv.Put("here", "HRV,Device=D dailyRmssd=3 1")
	good := map[string]string{"version": "3", "url": srv.URL, "database": "here", "token": core3.Token}
	try(t, append([]trial{
		{"all well", good, "is there and may be read", ""},
		{"will be created", with(good, "database", "new"), "will be created", ""},
		{"wrong token", with(good, "token", "hush"), "", "db3_user"},
		{"no token", with(good, "token", ""), "", "db3_user"},
		{"as InfluxDB 1", with(good, "version", "1", "username", "u", "password", "hush"), "", "db_other"},
	}, unwell(t, good)...))
}

func TestVictoriaMetricsOnThePage(t *testing.T) {
	srv := victoria.Start(t)
	good := map[string]string{"version": config.VictoriaMetrics, "url": srv.URL, "username": victoria.User, "password": victoria.Password}
	try(t, append([]trial{
		{"all well", good, "it takes what is written", ""},
		{"wrong password", with(good, "password", "hush"), "", "dbv_user"},
		{"nothing given", with(good, "username", "", "password", ""), "", "dbv_user"},
		{"a path that takes no writes", with(good, "url", srv.URL+"/select/0"), "", "db_other"},
	}, unwell(t, good)...))
}

package web

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// worldWithDatabase has an InfluxDB that the dashboards can ask.
func worldWithDatabase(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, simulate.Config{})
	w.options = map[string]string{"influxdb.url": "http://nas:8086"}
	return w
}

// What was put into Grafana is shown with its fate; what was typed goes there and nowhere else.
func TestDashboardsOnThePage(t *testing.T) {
	w := worldWithDatabase(t)
	w.installed = Installed{Version: "12.3.0", Items: []Item{
		{Kind: "source", Name: "Fitbit Fetch (InfluxQL)", Fate: "created"}, {Kind: "folder", Name: "Fitbit", Fate: "same"},
		{Kind: "dashboard", Name: "Fitbit", Fate: "updated", URL: "http://grafana.lan:3000/d/fitbit-fetch/x"},
		{Kind: "dashboard", Name: "Elsewhere", Fate: "files", URL: "http://evil.example.org/d/x"},
		{Kind: "dashboard", Name: "A year", Fate: "kept"}, {Kind: "dashboard", Name: "Data (newer version)", Fate: "beside"}, {Kind: "rule", Name: "No data", Fate: "same"},
	}}
	v := w.server(Config{}).visitor(t)
	if body := v.page("/dashboards"); !strings.Contains(body, `value="http://a0d7b954-grafana:3000"`) || !strings.Contains(body, `placeholder="http://nas:8086"`) {
		t.Errorf("at first: %s", body)
	}
	send := func(more ...string) {
		t.Helper()
		fields := append([]string{"person", "main", "back", "dashboards", "url", " http://grafana.lan:3000 "}, more...)
		if to := v.post("/install", fields...).Header().Get("Location"); to != "dashboards?person=main" {
			t.Errorf("to %q", to)
		}
	}
	send("by", "user", "username", "hush-user", "password", " hush-1 ", "api_token", "hush-2", "database", "http://influxdb:8086")
	if want := (Grafana{URL: "http://grafana.lan:3000", User: "hush-user", Password: " hush-1 ", Database: "http://influxdb:8086"}); w.grafana != want {
		t.Error("the program is not told what was typed")
	}
	body := v.page("/dashboards?person=main")
	for _, want := range []string{"The dashboards are in Grafana", "Grafana 12.3.0", `<a href="http://grafana.lan:3000/d/fitbit-fetch/x" target="_blank" rel="noopener noreferrer">Fitbit</a>`, "dashboard · brought up to date",
		"data source · new", "dashboard · changed by you, left as it is", "the newer version, beside the one you changed", "alert rule · up to date already", "comes from files", `value="http://grafana.lan:3000"`, `role="status"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	if strings.Contains(body, "evil") {
		t.Error("a link leads away from that Grafana")
	}
	if again := v.page("/dashboards"); strings.Contains(again, "12.3.0") || strings.Contains(again, "grafana.lan") {
		t.Error("it is told twice, or the address is kept")
	}
	send("by", "token", "username", "hush-user", "password", "hush-1", "api_token", "hush-2")
	if want := (Grafana{URL: "http://grafana.lan:3000", Token: "hush-2"}); w.grafana != want {
		t.Error("the token does not go alone")
	}
	w.refused = &source.Error{Kind: source.Retry, Reason: "grafana_login", Err: errors.New("HTTP 401"), Hint: "It is wrong."}
	send("by", "user", "username", "hush-user", "password", "hush-1", "url", "http://hush-user:hush-1@grafana.lan")
	all := body + v.page("/dashboards") + v.page("/status") + w.log.String()
	if strings.Contains(all, "hush") {
		t.Error("a user, password or token stands on a page or in the log")
	}
}

// Every failure opens the help about it; what was done before it is told.
func TestFailuresOfGrafana(t *testing.T) {
	t.Parallel()
	w := worldWithDatabase(t)
	w.installed = Installed{Version: "12.3.0", Items: []Item{{Kind: "folder", Name: "Fitbit", Fate: "created"}}}
	for _, lang := range translations.Languages() {
		own := translations.Lookup(lang).PageTexts()
		v := w.server(Config{Language: lang}).visitor(t)
		for reason, section := range map[string]string{"address": "silent", "silent": "silent", "other": "other", "old": "old", "login": "login", "rights": "rights", "taken": "taken", "database": "database"} {
			w.refused = &source.Error{Kind: source.Retry, Reason: "grafana_" + reason, Err: errors.New("it is the trouble " + reason), Hint: "Mend it."}
			v.post("/install", "person", "main", "back", "dashboards", "url", "http://grafana:3000", "username", "x", "password", "y")
			body := v.page("/dashboards")
			if open := regexp.MustCompile(`id="help-(\w+)" open`).FindAllStringSubmatch(body, -1); len(open) != 1 || open[0][1] != "grafana_"+section {
				t.Errorf("%s: open %q", reason, open)
			}
			for _, want := range []string{"It is the trouble " + reason + ".", "Mend it.", `role="alert"`, own["fate_created"]} {
				if !strings.Contains(body, want) {
					t.Errorf("%s in %s: no %q", reason, lang, want)
				}
			}
			if own["help_grafana_"+section] == "" || own["help_grafana_"+section+"_title"] == "" {
				t.Errorf("%s has no words of its own in %s", section, lang)
			}
		}
	}
}

// Where there is no InfluxDB nothing is asked for but that one is set up.
func TestDashboardsWithoutDatabase(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	if body := v.page("/dashboards"); strings.Contains(body, `name="password"`) || !strings.Contains(body, "none is set up yet") || !strings.Contains(body, "step=database") {
		t.Errorf("%s", body)
	}
	if body := v.page("/setup?step=values"); strings.Contains(body, `href="dashboards`) {
		t.Error("the wizard offers dashboards without a database")
	}
	w.options = map[string]string{"influxdb.url": "http://nas:8086"}
	if body := v.page("/setup?step=values"); !strings.Contains(body, `href="dashboards?person=main"`) {
		t.Error("the wizard does not offer the dashboards")
	}
	if body := v.page("/status"); !strings.Contains(body, `href="dashboards?person=main"`) {
		t.Error("Status does not lead to the dashboards")
	}
}

// A Grafana that does not answer holds nobody up, is asked once at a time, and is given up after a minute.
func TestSlowGrafana(t *testing.T) {
	w := worldWithDatabase(t)
	synctest.Test(t, func(t *testing.T) {
		w.hold = make(chan bool)
		s := w.server(Config{})
		v := s.visitor(t)
		began, done := time.Now(), make(chan bool)
		go func() {
			s.visitor(t).post("/install", "back", "dashboards", "url", "http://grafana:3000")
			close(done)
		}()
		synctest.Wait()
		if body := v.page("/status"); !strings.Contains(body, "Last requests") {
			t.Error("Status waits for Grafana")
		}
		v.post("/install", "back", "dashboards", "url", "http://grafana:3000")
		if body := v.page("/dashboards"); !strings.Contains(body, "This is running already") {
			t.Error("it is asked twice at a time")
		}
		<-done
		if took := time.Since(began); took != dashboardsPatience {
			t.Errorf("given up after %v", took)
		}
		if body := v.page("/dashboards"); !strings.Contains(body, "No answer came in time.") || !strings.Contains(body, `id="help-grafana_silent" open`) {
			t.Errorf("%s", body)
		}
	})
}

package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/grafana"
	"github.com/fitbit-fetch/fitbit-fetch/internal/grafana/grafanatest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/web"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// dashboardsPage is the page of a program that writes to an InfluxDB 1.
func dashboardsPage() page {
	return page{&app{opts: config.Options{InApp: true, InfluxDB: config.InfluxDB{On: true, Version: "1", URL: "http://here:8086", Database: "Stats", Username: "u", Password: config.NewSecret("hidden-db")}}}}
}

// The page puts in what the command does, and has a word for whatever becomes of it.
func TestDashboardsByThePage(t *testing.T) {
	s, p := grafanatest.Start(t), dashboardsPage()
	words := translations.Lookup(translations.English)
	fates := func(g web.Grafana) string {
		t.Helper()
		got, err := p.Dashboards(t.Context(), g)
		if err != nil || got.Version != s.Version {
			t.Fatalf("version %q, %v", got.Version, err)
		}
		var out []string
		for _, i := range got.Items {
			if words.Page("kind_"+i.Kind) == "" || words.Page("fate_"+i.Fate) == "" {
				t.Errorf("there is no word for %+v", i)
			}
			if i.Kind == "dashboard" && !strings.HasPrefix(i.URL, s.URL+"/d/") {
				t.Errorf("%s leads to %q", i.Name, i.URL)
			}
			out = append(out, i.Fate)
		}
		return strings.Join(out, " ")
	}
	by := web.Grafana{URL: s.URL, User: grafanatest.User, Password: grafanatest.Password}
	if got := fates(by); got != "created created created created created created" {
		t.Errorf("first: %s", got)
	}
	if got := s.Sources["fitbit-fetch-influxql"]; got["url"] != "http://here:8086" || got["secrets"].(map[string]any)["password"] != "hidden-db" {
		t.Error("the data source leads elsewhere")
	}
	year := s.Boards["fitbit-fetch-year"]
	year.Versions = append(year.Versions, grafanatest.Saved{Message: "mine", JSON: map[string]any{"title": "Mine"}})
	if got := fates(web.Grafana{URL: s.URL, Token: grafanatest.Token, Database: "http://there:8086"}); got != "updated same same kept same same" {
		t.Errorf("again, with a changed dashboard, from elsewhere: %s", got)
	}
	if s.Sources["fitbit-fetch-influxql"]["url"] != "http://there:8086" {
		t.Error("the database's other address is not told")
	}
	for i, v := range year.Versions {
		if v.Message != "mine" {
			year.Versions[i].Message = "fitbit-fetch dashboards older"
		}
	}
	s.Boards["fitbit-fetch"].Files = true
	if got := fates(by); got != "updated same files beside same same" {
		t.Errorf("a newer version: %s", got)
	}
	for _, f := range fatesShown {
		if words.Page("fate_"+f) == "" {
			t.Errorf("there is no word for %s", f)
		}
	}
	if found, asked := p.grafanaAddresses(); found != grafana.HomeAssistant || asked != "http://here:8086" {
		t.Errorf("the page begins with %s and %s", found, asked)
	}
	p.opts.InfluxDB.Version = config.VictoriaMetrics
	if _, asked := p.grafanaAddresses(); asked != "" {
		t.Errorf("the dashboards would ask %s", asked)
	}
}

// Each failure of Grafana has its help and a cure, and tells no secret.
func TestFailuresOfGrafanaOnThePage(t *testing.T) {
	aPage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }))
	defer aPage.Close()
	for name, c := range map[string]struct {
		change func(*grafanatest.Server, *web.Grafana, *page)
		help   string
	}{
		"wrong password": {func(_ *grafanatest.Server, g *web.Grafana, _ *page) { g.Password = "hidden-1" }, "grafana_login"},
		"wrong token":    {func(_ *grafanatest.Server, g *web.Grafana, _ *page) { *g = web.Grafana{URL: g.URL, Token: "hidden-2"} }, "grafana_login"},
		"nothing given":  {func(_ *grafanatest.Server, g *web.Grafana, _ *page) { g.User, g.Password = "", "" }, "grafana_login"},
		"no right":       {func(s *grafanatest.Server, _ *web.Grafana, _ *page) { s.Refuse["POST /api/datasources"] = 403 }, "grafana_rights"},
		"nobody there":   {func(_ *grafanatest.Server, g *web.Grafana, _ *page) { g.URL = "http://127.0.0.1:1" }, "grafana_silent"},
		"no address":     {func(_ *grafanatest.Server, g *web.Grafana, _ *page) { g.URL = "grafana" }, "grafana_silent"},
		"a page":         {func(_ *grafanatest.Server, g *web.Grafana, _ *page) { g.URL = aPage.URL }, "grafana_other"},
		"in trouble":     {func(s *grafanatest.Server, _ *web.Grafana, _ *page) { s.Refuse["GET /api/org"] = 503 }, "grafana_other"},
		"too old":        {func(s *grafanatest.Server, _ *web.Grafana, _ *page) { s.Version = "9.5.21" }, "grafana_old"},
		"name taken": {func(s *grafanatest.Server, _ *web.Grafana, _ *page) {
			s.Sources["x"] = map[string]any{"name": "Fitbit Fetch (InfluxQL)"}
		}, "grafana_taken"},
		"no database":     {func(_ *grafanatest.Server, _ *web.Grafana, p *page) { p.opts.InfluxDB.On = false }, "grafana_database"},
		"VictoriaMetrics": {func(_ *grafanatest.Server, _ *web.Grafana, p *page) { p.opts.InfluxDB.Version = config.VictoriaMetrics }, "grafana_database"},
	} {
		s, p := grafanatest.Start(t), dashboardsPage()
		g := web.Grafana{URL: s.URL, User: grafanatest.User, Password: grafanatest.Password}
		c.change(s, &g, &p)
		_, err := p.Dashboards(t.Context(), g)
		var e *source.Error
		if !errors.As(err, &e) || web.HelpOn(e.Reason, false) != c.help || e.Hint == "" {
			t.Errorf("%s: %v, want the help %s", name, err, c.help)
			continue
		}
		if strings.Contains(err.Error()+e.Hint, "hidden") || strings.Contains(err.Error(), grafanatest.Password) {
			t.Errorf("%s: a secret is told", name)
		}
	}
}

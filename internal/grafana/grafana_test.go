package grafana

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/grafana/grafanatest"
)

func newServer(t *testing.T) (*grafanatest.Server, Config) {
	t.Helper()
	s := grafanatest.Start(t)
	return s, Config{URL: s.URL + "/", User: grafanatest.User, Password: grafanatest.Password, Database: Database{Version: 1, URL: "http://influxdb:8086", Name: "FitbitHealthStats", User: "grafana", Password: "hidden-1"}}
}

func install(t *testing.T, cfg Config) Report {
	t.Helper()
	r, err := Install(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fates(r Report) string {
	var b strings.Builder
	for _, i := range r.Items {
		fmt.Fprintf(&b, "%s: %s\n", i.Kind, i.Fate)
	}
	return b.String()
}

func every(kind ...Fate) string {
	return fmt.Sprintf("data source: %s\nfolder: %s\ndashboard: %s\ndashboard: %s\ndashboard: %s\nalert rule: %s\n", kind[0], kind[1], kind[2], kind[3], kind[4], kind[5])
}

func TestInstall(t *testing.T) {
	for _, old := range []bool{false, true} {
		s, cfg := newServer(t)
		s.Bare = old
		r := install(t, cfg)
		if got, want := fates(r), every(Created, Created, Created, Created, Created, Created); got != want || r.Grafana != "12.3.0" {
			t.Fatalf("first: %s\n%s", r.Grafana, got)
		}
		source := s.Sources["fitbit-fetch-influxql"]
		if source["url"] != "http://influxdb:8086" || source["user"] != "grafana" || source["jsonData"].(map[string]any)["dbName"] != "FitbitHealthStats" || source["secrets"].(map[string]any)["password"] != "hidden-1" {
			t.Error("the data source leads elsewhere")
		}
		main := s.Boards["fitbit-fetch"].Versions[0].JSON
		variable := main["templating"].(map[string]any)["list"].([]any)[0].(map[string]any)
		if variable["current"].(map[string]any)["value"] != "fitbit-fetch-influxql" || s.Boards["fitbit-fetch"].Folder != "fitbit-fetch" {
			t.Error("the dashboard does not begin with our data source, or lies elsewhere")
		}
		rule := s.Rules["fitbit-fetch-no-data"]
		if rule["isPaused"] != true || rule["noDataState"] != "Alerting" || rule["folderUID"] != "fitbit-fetch" {
			t.Error("the alert rule is not paused, or says nothing where there is nothing")
		}
		s.Writes = nil
		if got, want := fates(install(t, cfg)), every(Same, Same, Same, Same, Same, Same); got != want {
			t.Errorf("again:\n%s", got)
		}
		if len(s.Writes) != 1 || !strings.HasPrefix(s.Writes[0], "PUT /api/datasources") { // its secret may be a new one
			t.Errorf("again, %v was written", s.Writes)
		}
	}
}

// What somebody changed stays as it is; a newer version lies beside it, and is brought up to date there.
func TestChangedByTheUser(t *testing.T) {
	s, cfg := newServer(t)
	install(t, cfg)
	b := s.Boards["fitbit-fetch-year"]
	b.Versions = append(b.Versions, grafanatest.Saved{Message: "my colours", JSON: map[string]any{"uid": "fitbit-fetch-year", "title": "Mine"}})
	s.Rules["fitbit-fetch-no-data"]["isPaused"] = false
	if got, want := fates(install(t, cfg)), every(Same, Same, Same, Kept, Same, Same); got != want {
		t.Errorf("changed, nothing newer:\n%s", got)
	}
	for _, b := range s.Boards { // as if an older version of ours had been installed
		for i := range b.Versions {
			if strings.HasPrefix(b.Versions[i].Message, mark) {
				b.Versions[i].Message = mark + "older"
			}
		}
	}
	for range 2 {
		r := install(t, cfg)
		if got := string(r.Items[3].Fate); got != string(Beside) {
			t.Errorf("changed, and a newer one: %s", got)
		}
	}
	if got := s.Boards["fitbit-fetch-year"].Versions; got[len(got)-1].JSON["title"] != "Mine" {
		t.Error("the user's changes are gone")
	}
	beside := s.Boards["fitbit-fetch-year-new"]
	if beside == nil || len(beside.Versions) != 1 || beside.Versions[0].JSON["title"] == "Mine" || !strings.Contains(beside.Versions[0].JSON["title"].(string), "newer") {
		t.Error("the newer version is not beside it, once")
	}
	if n := len(s.Boards["fitbit-fetch"].Versions); n != 2 {
		t.Errorf("the unchanged one has %d versions, want 2", n)
	}
	if s.Rules["fitbit-fetch-no-data"]["isPaused"] != false {
		t.Error("the rule was paused again")
	}
}

func TestOthersThings(t *testing.T) {
	s, cfg := newServer(t)
	install(t, cfg)
	s.Boards["fitbit-fetch"].Files = true
	s.Boards["fitbit-fetch-data"].Folder = "mine"
	s.Sources["fitbit-fetch-influxql"]["jsonData"].(map[string]any)["timeInterval"] = "10s"
	for i := range s.Boards["fitbit-fetch-data"].Versions {
		s.Boards["fitbit-fetch-data"].Versions[i].Message = mark + "older"
	}
	cfg.Database.URL = "http://elsewhere:8086"
	if got, want := fates(install(t, cfg)), every(Updated, Same, Files, Same, Updated, Same); got != want {
		t.Errorf("%s", got)
	}
	if s.Boards["fitbit-fetch-data"].Folder != "mine" {
		t.Error("a dashboard was moved back")
	}
	source := s.Sources["fitbit-fetch-influxql"]
	if source["url"] != "http://elsewhere:8086" || source["jsonData"].(map[string]any)["timeInterval"] != "10s" {
		t.Error("the data source was not brought up to date, or lost what was added")
	}
	s.Sources["fitbit-fetch-influxql"]["readOnly"] = true
	if got := install(t, cfg).Items[0].Fate; got != Files {
		t.Errorf("a data source of files: %s", got)
	}
}

func TestDatabases(t *testing.T) {
	s, cfg := newServer(t)
	cfg.User, cfg.Password, cfg.Token = "", "", grafanatest.Token
	cfg.Database = Database{Version: 2, URL: "http://influxdb:8086", Name: "fitbit", Org: "home", Token: "hidden-2"}
	install(t, cfg)
	flux := s.Sources["fitbit-fetch-flux"]
	if j := flux["jsonData"].(map[string]any); j["version"] != "Flux" || j["organization"] != "home" || j["defaultBucket"] != "fitbit" || flux["secrets"].(map[string]any)["token"] != "hidden-2" {
		t.Error("version 2: the data source leads elsewhere")
	}
	if s.Boards["fitbit-fetch-flux"] == nil || s.Boards["fitbit-fetch"] != nil {
		t.Error("version 2 does not get the dashboards in Flux")
	}
	cfg.Database = Database{Version: 3, URL: "http://influxdb:8181", Name: "fitbit", Token: "hidden-3"}
	install(t, cfg)
	three := s.Sources["fitbit-fetch-influxql"]
	if j := three["jsonData"].(map[string]any); j["httpHeaderName1"] != "Authorization" || three["secrets"].(map[string]any)["httpHeaderValue1"] != "Token hidden-3" {
		t.Error("version 3: the token does not go along")
	}
}

// Every failure says what to do, and tells no secret.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*grafanatest.Server, *Config)
		class  Class
		want   string
		hint   string
	}{
		"wrong password": {func(_ *grafanatest.Server, c *Config) { c.Password = "hidden-4" }, Login, "HTTP 401", "wrong"},
		"no right":       {func(s *grafanatest.Server, _ *Config) { s.Refuse["POST /api/folders"] = 403 }, Rights, "HTTP 403", "Admin"},
		"same name": {func(s *grafanatest.Server, _ *Config) {
			s.Sources["other"] = map[string]any{"name": "Fitbit Fetch (InfluxQL)"}
		}, Taken, "HTTP 409", "rename"},
		"saved meanwhile": {func(s *grafanatest.Server, _ *Config) { s.Refuse["POST /api/dashboards/db"] = 412 }, Taken, "HTTP 412", ""},
		"nobody there":    {func(_ *grafanatest.Server, c *Config) { c.URL = "http://127.0.0.1:1" }, Silent, "reaching Grafana", "running"},
		"no address":      {func(_ *grafanatest.Server, c *Config) { c.URL = "grafana:3000" }, Address, "no address", "http://"},
		"with a user":     {func(_ *grafanatest.Server, c *Config) { c.URL = "http://admin:hidden-5@grafana:3000" }, Address, "a user in the address", "beside"},
		"unreadable":      {func(_ *grafanatest.Server, c *Config) { c.URL = "http://admin:hidden-6@:::" }, Address, "no address", "http://"},
		"too old":         {func(s *grafanatest.Server, _ *Config) { s.Version = "10.4.2" }, Old, "Grafana 10.4.2", "Update"},
		"no version":      {func(s *grafanatest.Server, _ *Config) { s.Version = "" }, Other, "no version", "no page before it"},
		"no Grafana":      {func(s *grafanatest.Server, _ *Config) { s.Refuse["GET /api/health"] = 404 }, Other, "HTTP 404", "no page before it"},
		"in trouble":      {func(s *grafanatest.Server, _ *Config) { s.Refuse["GET /api/org"] = 502 }, Other, "HTTP 502", "log"},
		"nobody said":     {func(_ *grafanatest.Server, c *Config) { c.User = "" }, Login, "neither", "service account"},
		"no database":     {func(_ *grafanatest.Server, c *Config) { c.Database.Name = "" }, NoDatabase, "no InfluxDB", "influxdb"},
	} {
		t.Run(name, func(t *testing.T) {
			s, cfg := newServer(t)
			c.change(s, &cfg)
			_, err := Install(context.Background(), cfg)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || !strings.Contains(e.Hint, c.hint) || e.Class != c.class {
				t.Fatalf("%v", err)
			}
			if strings.Contains(err.Error()+e.Hint, "hidden") || strings.Contains(err.Error(), "wörd") {
				t.Error("a secret is told")
			}
		})
	}
}

// Behind a proxy Grafana says its own path, too, or not.
func TestLink(t *testing.T) {
	for _, c := range []struct{ address, said, want string }{
		{"http://nas:3000/", "/d/x/y", "http://nas:3000/d/x/y"}, {"https://nas/grafana/", "/grafana/d/x/y", "https://nas/grafana/d/x/y"}, {"https://nas/grafana", "/d/x/y", "https://nas/grafana/d/x/y"},
	} {
		if got := newClient(Config{URL: c.address}).link(c.said); got != c.want {
			t.Errorf("%s at %s: %s", c.said, c.address, got)
		}
	}
}

package grafana

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// server is a Grafana as its HTTP API's documentation describes it, as far as we use it.
type server struct {
	t       *testing.T
	old     bool // as up to version 10: the versions of a dashboard are a bare list
	sources map[string]map[string]any
	folders map[string]map[string]any
	boards  map[string]*saved
	rules   map[string]map[string]any
	writes  []string
	refuse  map[string]int // method and path → status
}

type saved struct {
	versions []savedVersion
	folder   string
	files    bool
}

type savedVersion struct {
	message string
	json    map[string]any
}

func newServer(t *testing.T) (*server, Config) {
	t.Helper()
	s := &server{t: t, sources: map[string]map[string]any{}, folders: map[string]map[string]any{}, boards: map[string]*saved{}, rules: map[string]map[string]any{}, refuse: map[string]int{}}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, Config{URL: h.URL + "/", User: "admin", Password: "p@ss wörd", Database: Database{Version: 1, URL: "http://influxdb:8086", Name: "FitbitHealthStats", User: "grafana", Password: "hidden-1"}}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
	say := func(status int, message string) { answer(status, map[string]string{"message": message}) }
	if status, ok := s.refuse[r.Method+" "+r.URL.Path]; ok {
		say(status, "refused for the test")
		return
	}
	if r.URL.Path == "/api/health" {
		answer(200, map[string]string{"database": "ok", "version": "12.3.0"})
		return
	}
	user, password, basic := r.BasicAuth()
	if !(basic && user == "admin" && password == "p@ss wörd") && r.Header.Get("Authorization") != "Bearer glsa_token" {
		say(401, "Invalid username or password")
		return
	}
	var in map[string]any
	if r.Method != http.MethodGet {
		s.writes = append(s.writes, r.Method+" "+r.URL.Path)
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			say(400, err.Error())
			return
		}
	}
	last := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case r.URL.Path == "/api/org":
		answer(200, map[string]any{"id": 1, "name": "Main Org."})
	case strings.HasPrefix(r.URL.Path, "/api/datasources/uid/"):
		is, ok := s.sources[last]
		switch {
		case !ok:
			say(404, "Data source not found")
		case r.Method == http.MethodPut:
			in["secrets"] = in["secureJsonData"]
			delete(in, "secureJsonData")
			s.sources[last] = in
			answer(200, map[string]any{"datasource": in})
		default:
			answer(200, is)
		}
	case r.Method+r.URL.Path == "POST/api/datasources":
		for _, other := range s.sources {
			if other["name"] == in["name"] {
				say(409, "data source with the same name already exists")
				return
			}
		}
		in["secrets"], in["id"] = in["secureJsonData"], 1
		delete(in, "secureJsonData")
		s.sources[in["uid"].(string)] = in
		answer(200, map[string]any{"datasource": in})
	case strings.HasPrefix(r.URL.Path, "/api/folders/"):
		if f, ok := s.folders[last]; ok {
			answer(200, f)
			return
		}
		say(404, "folder not found")
	case r.Method+r.URL.Path == "POST/api/folders":
		s.folders[in["uid"].(string)] = in
		answer(200, in)
	case strings.HasSuffix(r.URL.Path, "/versions"):
		var list []map[string]any
		uid := strings.Split(r.URL.Path, "/")[4]
		for i, v := range s.boards[uid].versions {
			list = append([]map[string]any{{"version": i + 1, "message": v.message, "uid": uid}}, list...)
		}
		if s.old {
			answer(200, list)
			return
		}
		answer(200, map[string]any{"continueToken": "", "versions": list})
	case strings.HasPrefix(r.URL.Path, "/api/dashboards/uid/"):
		b, ok := s.boards[last]
		if !ok {
			say(404, "Dashboard not found")
			return
		}
		d := b.versions[len(b.versions)-1].json
		d["version"] = len(b.versions)
		answer(200, map[string]any{"meta": map[string]any{"url": "/d/" + last + "/x", "folderUid": b.folder, "provisioned": b.files}, "dashboard": d})
	case r.Method+r.URL.Path == "POST/api/dashboards/db":
		s.save(in, say, answer)
	case strings.HasPrefix(r.URL.Path, "/api/v1/provisioning/alert-rules/"):
		if rule, ok := s.rules[last]; ok {
			answer(200, rule)
			return
		}
		say(404, "")
	case r.Method+r.URL.Path == "POST/api/v1/provisioning/alert-rules":
		if r.Header.Get("X-Disable-Provenance") == "" {
			s.t.Error("the rule could not be changed in Grafana")
		}
		if _, ok := s.folders[in["folderUID"].(string)]; !ok {
			say(400, "folder does not exist")
			return
		}
		s.rules[in["uid"].(string)] = in
		answer(201, in)
	default:
		say(404, "Not found")
	}
}

func (s *server) save(in map[string]any, say func(int, string), answer func(int, any)) {
	d := in["dashboard"].(map[string]any)
	uid := d["uid"].(string)
	b, ok := s.boards[uid]
	if d["id"] != nil || len(uid) > 40 {
		say(400, "bad id or uid")
		return
	}
	if ok && int(d["version"].(float64)) != len(b.versions) && in["overwrite"] != true {
		say(412, "The dashboard has been changed by someone else")
		return
	}
	if !ok {
		b = &saved{}
		s.boards[uid] = b
	}
	b.folder, _ = in["folderUid"].(string)
	message, _ := in["message"].(string)
	b.versions = append(b.versions, savedVersion{message, d})
	answer(200, map[string]any{"uid": uid, "url": "/d/" + uid + "/x", "status": "success", "version": len(b.versions)})
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
		s.old = old
		r := install(t, cfg)
		if got, want := fates(r), every(Created, Created, Created, Created, Created, Created); got != want || r.Grafana != "12.3.0" {
			t.Fatalf("first: %s\n%s", r.Grafana, got)
		}
		source := s.sources["fitbit-fetch-influxql"]
		if source["url"] != "http://influxdb:8086" || source["user"] != "grafana" || source["jsonData"].(map[string]any)["dbName"] != "FitbitHealthStats" || source["secrets"].(map[string]any)["password"] != "hidden-1" {
			t.Error("the data source leads elsewhere")
		}
		main := s.boards["fitbit-fetch"].versions[0].json
		variable := main["templating"].(map[string]any)["list"].([]any)[0].(map[string]any)
		if variable["current"].(map[string]any)["value"] != "fitbit-fetch-influxql" || s.boards["fitbit-fetch"].folder != "fitbit-fetch" {
			t.Error("the dashboard does not begin with our data source, or lies elsewhere")
		}
		rule := s.rules["fitbit-fetch-no-data"]
		if rule["isPaused"] != true || rule["noDataState"] != "Alerting" || rule["folderUID"] != "fitbit-fetch" {
			t.Error("the alert rule is not paused, or says nothing where there is nothing")
		}
		s.writes = nil
		if got, want := fates(install(t, cfg)), every(Same, Same, Same, Same, Same, Same); got != want {
			t.Errorf("again:\n%s", got)
		}
		if len(s.writes) != 1 || !strings.HasPrefix(s.writes[0], "PUT /api/datasources") { // its secret may be a new one
			t.Errorf("again, %v was written", s.writes)
		}
	}
}

// What somebody changed stays as it is; a newer version lies beside it, and is brought up to date there.
func TestChangedByTheUser(t *testing.T) {
	s, cfg := newServer(t)
	install(t, cfg)
	b := s.boards["fitbit-fetch-year"]
	b.versions = append(b.versions, savedVersion{"my colours", map[string]any{"uid": "fitbit-fetch-year", "title": "Mine"}})
	s.rules["fitbit-fetch-no-data"]["isPaused"] = false
	if got, want := fates(install(t, cfg)), every(Same, Same, Same, Kept, Same, Same); got != want {
		t.Errorf("changed, nothing newer:\n%s", got)
	}
	for _, b := range s.boards { // as if an older version of ours had been installed
		for i := range b.versions {
			if strings.HasPrefix(b.versions[i].message, mark) {
				b.versions[i].message = mark + "older"
			}
		}
	}
	for range 2 {
		r := install(t, cfg)
		if got := string(r.Items[3].Fate); got != string(Beside) {
			t.Errorf("changed, and a newer one: %s", got)
		}
	}
	if got := s.boards["fitbit-fetch-year"].versions; got[len(got)-1].json["title"] != "Mine" {
		t.Error("the user's changes are gone")
	}
	beside := s.boards["fitbit-fetch-year-new"]
	if beside == nil || len(beside.versions) != 1 || beside.versions[0].json["title"] == "Mine" || !strings.Contains(beside.versions[0].json["title"].(string), "newer") {
		t.Error("the newer version is not beside it, once")
	}
	if n := len(s.boards["fitbit-fetch"].versions); n != 2 {
		t.Errorf("the unchanged one has %d versions, want 2", n)
	}
	if s.rules["fitbit-fetch-no-data"]["isPaused"] != false {
		t.Error("the rule was paused again")
	}
}

func TestOthersThings(t *testing.T) {
	s, cfg := newServer(t)
	install(t, cfg)
	s.boards["fitbit-fetch"].files = true
	s.boards["fitbit-fetch-data"].folder = "mine"
	s.sources["fitbit-fetch-influxql"]["jsonData"].(map[string]any)["timeInterval"] = "10s"
	for i := range s.boards["fitbit-fetch-data"].versions {
		s.boards["fitbit-fetch-data"].versions[i].message = mark + "older"
	}
	cfg.Database.URL = "http://elsewhere:8086"
	if got, want := fates(install(t, cfg)), every(Updated, Same, Files, Same, Updated, Same); got != want {
		t.Errorf("%s", got)
	}
	if s.boards["fitbit-fetch-data"].folder != "mine" {
		t.Error("a dashboard was moved back")
	}
	source := s.sources["fitbit-fetch-influxql"]
	if source["url"] != "http://elsewhere:8086" || source["jsonData"].(map[string]any)["timeInterval"] != "10s" {
		t.Error("the data source was not brought up to date, or lost what was added")
	}
	s.sources["fitbit-fetch-influxql"]["readOnly"] = true
	if got := install(t, cfg).Items[0].Fate; got != Files {
		t.Errorf("a data source of files: %s", got)
	}
}

func TestDatabases(t *testing.T) {
	s, cfg := newServer(t)
	cfg.User, cfg.Password, cfg.Token = "", "", "glsa_token"
	cfg.Database = Database{Version: 2, URL: "http://influxdb:8086", Name: "fitbit", Org: "home", Token: "hidden-2"}
	install(t, cfg)
	flux := s.sources["fitbit-fetch-flux"]
	if j := flux["jsonData"].(map[string]any); j["version"] != "Flux" || j["organization"] != "home" || j["defaultBucket"] != "fitbit" || flux["secrets"].(map[string]any)["token"] != "hidden-2" {
		t.Error("version 2: the data source leads elsewhere")
	}
	if s.boards["fitbit-fetch-flux"] == nil || s.boards["fitbit-fetch"] != nil {
		t.Error("version 2 does not get the dashboards in Flux")
	}
	cfg.Database = Database{Version: 3, URL: "http://influxdb:8181", Name: "fitbit", Token: "hidden-3"}
	install(t, cfg)
	three := s.sources["fitbit-fetch-influxql"]
	if j := three["jsonData"].(map[string]any); j["httpHeaderName1"] != "Authorization" || three["secrets"].(map[string]any)["httpHeaderValue1"] != "Token hidden-3" {
		t.Error("version 3: the token does not go along")
	}
}

// Every failure says what to do, and tells no secret.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*server, *Config)
		want   string
		hint   string
	}{
		"wrong password": {func(_ *server, c *Config) { c.Password = "hidden-4" }, "HTTP 401", "wrong"},
		"no right":       {func(s *server, _ *Config) { s.refuse["POST /api/folders"] = 403 }, "HTTP 403", "Admin"},
		"same name": {func(s *server, _ *Config) {
			s.sources["other"] = map[string]any{"name": "Fitbit Fetch (InfluxQL)"}
		}, "HTTP 409", "rename"},
		"saved meanwhile": {func(s *server, _ *Config) { s.refuse["POST /api/dashboards/db"] = 412 }, "HTTP 412", ""},
		"nobody there":    {func(_ *server, c *Config) { c.URL = "http://127.0.0.1:1" }, "reaching Grafana", "running"},
		"no address":      {func(_ *server, c *Config) { c.URL = "grafana:3000" }, "no address", "http://"},
		"nobody said":     {func(_ *server, c *Config) { c.User = "" }, "neither", "service account"},
		"no database":     {func(_ *server, c *Config) { c.Database.Name = "" }, "no InfluxDB", "influxdb"},
	} {
		t.Run(name, func(t *testing.T) {
			s, cfg := newServer(t)
			c.change(s, &cfg)
			_, err := Install(context.Background(), cfg)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || !strings.Contains(e.Hint, c.hint) {
				t.Fatalf("%v", err)
			}
			if strings.Contains(err.Error()+e.Hint, "hidden") || strings.Contains(err.Error(), "wörd") {
				t.Error("a secret is told")
			}
		})
	}
}

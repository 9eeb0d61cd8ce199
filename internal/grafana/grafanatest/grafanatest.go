// Package grafanatest is a double of Grafana for tests: no real one can be had here.
package grafanatest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Server is a Grafana as its HTTP API's documentation describes it, as far as we use it.
//
// Its fields may be looked at and changed while nobody asks it, or with Look.
type Server struct {
	URL     string
	Version string
	Bare    bool                      // the versions of a dashboard are a bare list, as in early ones
	Sources map[string]map[string]any // by uid, as are the others
	Folders map[string]map[string]any
	Boards  map[string]*Board
	Rules   map[string]map[string]any
	Writes  []string       // methods and paths
	Refuse  map[string]int // method and path → status
	t       testing.TB
	mu      sync.Mutex
}

// Board is a dashboard.
type Board struct {
	Versions []Saved
	Folder   string
	Files    bool // comes from provisioning files
}

// Saved is a version of a dashboard.
type Saved struct {
	Message string
	JSON    map[string]any
}

// Who is let in: this user, and the token of a service account.
const (
	User     = "admin"
	Password = "p@ss wörd"
	Token    = "glsa_token"
)

// Start runs one; it is stopped when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, Version: "12.3.0", Sources: map[string]map[string]any{}, Folders: map[string]map[string]any{}, Boards: map[string]*Board{}, Rules: map[string]map[string]any{}, Refuse: map[string]int{}}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Look has f look at the fields, or change them, while nobody is being answered.
func (s *Server) Look(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// ServeHTTP answers as Grafana does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
	say := func(status int, message string) { answer(status, map[string]string{"message": message}) }
	if status, ok := s.Refuse[r.Method+" "+r.URL.Path]; ok {
		say(status, "refused for the test")
		return
	}
	if r.URL.Path == "/api/health" {
		answer(200, map[string]string{"database": "ok", "version": s.Version})
		return
	}
	user, password, basic := r.BasicAuth()
	if !(basic && user == User && password == Password) && r.Header.Get("Authorization") != "Bearer "+Token {
		say(401, "Invalid username or password")
		return
	}
	var in map[string]any
	if r.Method != http.MethodGet {
		s.Writes = append(s.Writes, r.Method+" "+r.URL.Path)
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
		is, ok := s.Sources[last]
		switch {
		case !ok:
			say(404, "Data source not found")
		case r.Method == http.MethodPut:
			in["secrets"] = in["secureJsonData"]
			delete(in, "secureJsonData")
			s.Sources[last] = in
			answer(200, map[string]any{"datasource": in})
		default:
			answer(200, is)
		}
	case r.Method+r.URL.Path == "POST/api/datasources":
		for _, other := range s.Sources {
			if other["name"] == in["name"] {
				say(409, "data source with the same name already exists")
				return
			}
		}
		in["secrets"], in["id"] = in["secureJsonData"], 1
		delete(in, "secureJsonData")
		s.Sources[in["uid"].(string)] = in
		answer(200, map[string]any{"datasource": in})
	case strings.HasPrefix(r.URL.Path, "/api/folders/"):
		if f, ok := s.Folders[last]; ok {
			answer(200, f)
			return
		}
		say(404, "folder not found")
	case r.Method+r.URL.Path == "POST/api/folders":
		s.Folders[in["uid"].(string)] = in
		answer(200, in)
	case strings.HasSuffix(r.URL.Path, "/versions"):
		var list []map[string]any
		uid := strings.Split(r.URL.Path, "/")[4]
		for i, v := range s.Boards[uid].Versions {
			list = append([]map[string]any{{"version": i + 1, "message": v.Message, "uid": uid}}, list...)
		}
		if s.Bare {
			answer(200, list)
			return
		}
		answer(200, map[string]any{"continueToken": "", "versions": list})
	case strings.HasPrefix(r.URL.Path, "/api/dashboards/uid/"):
		b, ok := s.Boards[last]
		if !ok {
			say(404, "Dashboard not found")
			return
		}
		d := b.Versions[len(b.Versions)-1].JSON
		d["version"] = len(b.Versions)
		answer(200, map[string]any{"meta": map[string]any{"url": "/d/" + last + "/x", "folderUid": b.Folder, "provisioned": b.Files}, "dashboard": d})
	case r.Method+r.URL.Path == "POST/api/dashboards/db":
		s.save(in, say, answer)
	case strings.HasPrefix(r.URL.Path, "/api/v1/provisioning/alert-rules/"):
		if rule, ok := s.Rules[last]; ok {
			answer(200, rule)
			return
		}
		say(404, "")
	case r.Method+r.URL.Path == "POST/api/v1/provisioning/alert-rules":
		if r.Header.Get("X-Disable-Provenance") == "" {
			s.t.Error("the rule could not be changed in Grafana")
		}
		if _, ok := s.Folders[in["folderUID"].(string)]; !ok {
			say(400, "folder does not exist")
			return
		}
		s.Rules[in["uid"].(string)] = in
		answer(201, in)
	default:
		say(404, "Not found")
	}
}

func (s *Server) save(in map[string]any, say func(int, string), answer func(int, any)) {
	d := in["dashboard"].(map[string]any)
	uid := d["uid"].(string)
	b, ok := s.Boards[uid]
	if d["id"] != nil || len(uid) > 40 {
		say(400, "bad id or uid")
		return
	}
	if ok && int(d["version"].(float64)) != len(b.Versions) && in["overwrite"] != true {
		say(412, "The dashboard has been changed by someone else")
		return
	}
	if !ok {
		b = &Board{}
		s.Boards[uid] = b
	}
	b.Folder, _ = in["folderUid"].(string)
	message, _ := in["message"].(string)
	b.Versions = append(b.Versions, Saved{Message: message, JSON: d})
	answer(200, map[string]any{"uid": uid, "url": "/d/" + uid + "/x", "status": "success", "version": len(b.Versions)})
}

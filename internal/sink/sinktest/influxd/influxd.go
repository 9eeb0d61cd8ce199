// Package influxd runs real InfluxDB 1 and 2 servers for tests: each with a folder and ports of its own, on the loopback only.
package influxd

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/daemon"
)

// Version is one of the servers that tests run against.
type Version string

const (
	V1_8 Version = "1.8.3"  // built from its Go module
	V1_6 Version = "1.6.7"  // Debian's package
	V2_7 Version = "2.7.12" // built from its Go module and Flux
)

// V1 are those of InfluxDB 1.
func V1() []Version { return []Version{V1_8, V1_6} }

// Binary returns the path of the server's program; a missing one fails the test.
func Binary(t testing.TB, v Version) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "fitbit-fetch", "bin")
	var path, variable string
	target := "tools"
	switch v {
	case V1_8:
		variable, path = "INFLUXD_1_8", filepath.Join(cache, "influxd-1.8.3")
	case V1_6:
		variable, path = "INFLUXD_1_6", "/usr/bin/influxd"
	case V2_7:
		variable, path, target = "INFLUXD_2", filepath.Join(cache, "influxd-2.7.12"), "influxd-2"
	default:
		t.Fatalf("influxd %q is not known", v)
	}
	if p := os.Getenv(variable); p != "" {
		path = p
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("influxd %s is not at %s: run `make %s`, or name it in %s", v, path, target, variable)
	}
	return path
}

// Config says what server is wanted.
type Config struct {
	Version Version
	Auth    bool // users are asked for; Admin and Password are the administrator
	MaxBody int  // bytes; 0 for the server's own
}

// The administrator of a server with Auth. The password has what addresses and headers could trip over.
const (
	Admin    = "admin"
	Password = "p@ss:wörd/%?"
)

// Server is one server. It is stopped when the test ends.
type Server struct {
	*daemon.Daemon
	URL     string
	Backup  string // host:port of an InfluxDB 1 for its own backups
	Version Version
	Client  influxdb2.Client // of an InfluxDB 2, for its operator

	t              testing.TB
	user, password string
}

// Start runs a server and waits until it answers.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	if cfg.Version == V2_7 {
		return start2(t)
	}
	dir := t.TempDir()
	port, backup := proctest.FreePort(t), proctest.FreePort(t)
	s := &Server{URL: fmt.Sprintf("http://127.0.0.1:%d", port), Backup: fmt.Sprintf("127.0.0.1:%d", backup), Version: cfg.Version, t: t}
	conf := fmt.Sprintf(`reporting-disabled = true
reporting-enabled = false
bind-address = "127.0.0.1:%d"
[meta]
dir = %q
logging-enabled = false
[data]
dir = %q
wal-dir = %q
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:%d"
auth-enabled = %t
log-enabled = false
max-body-size = %d
`, backup, filepath.Join(dir, "meta"), filepath.Join(dir, "data"), filepath.Join(dir, "wal"), port, cfg.Auth, cmp.Or(cfg.MaxBody, 25_000_000))
	file := filepath.Join(dir, "influxd.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Daemon = daemon.Start(t, s.URL+"/ping", nil, Binary(t, cfg.Version), "run", "-config", file)
	if cfg.Auth {
		s.user, s.password = Admin, Password
		s.Query("", fmt.Sprintf("CREATE USER %s WITH PASSWORD '%s' WITH ALL PRIVILEGES", Admin, Password))
	}
	return s
}

// Result is one result of a query.
type Result struct {
	Series []Series `json:"series"`
	Error  string   `json:"error"`
}

// Series is one table of a result; numbers are json.Number.
type Series struct {
	Name    string            `json:"name"`
	Tags    map[string]string `json:"tags"`
	Columns []string          `json:"columns"`
	Values  [][]any           `json:"values"`
}

// Query runs InfluxQL as the administrator; any error fails the test. Times are nanoseconds.
func (s *Server) Query(database, statement string) []Result {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL+"/query?epoch=ns&db="+url.QueryEscape(database), strings.NewReader(url.Values{"q": {statement}}.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body := s.do(req)
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var answer struct {
		Results []Result `json:"results"`
		Error   string   `json:"error"`
	}
	if err := dec.Decode(&answer); err != nil {
		s.t.Fatalf("%s: %v in %q", statement, err, body)
	}
	for _, r := range answer.Results {
		if r.Error != "" {
			answer.Error = r.Error
		}
	}
	if answer.Error != "" {
		s.t.Fatalf("%s: %s", statement, answer.Error)
	}
	return answer.Results
}

// Put writes lines as another program would.
func (s *Server) Put(database, lines string) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL+"/write?db="+url.QueryEscape(database), strings.NewReader(lines))
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(req)
}

// Authorize makes a request the administrator's.
func (s *Server) Authorize(req *http.Request) {
	if s.user != "" {
		req.SetBasicAuth(s.user, s.password)
	}
}

func (s *Server) do(req *http.Request) []byte {
	s.t.Helper()
	s.Authorize(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusUnprocessableEntity {
		s.t.Fatalf("%s %s: HTTP %d %s", req.Method, req.URL.Path, resp.StatusCode, body)
	}
	return body
}

func quote(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

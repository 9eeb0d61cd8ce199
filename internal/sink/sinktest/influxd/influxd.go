// Package influxd runs real InfluxDB 1 servers for tests: each with a folder and ports of its own, on the loopback only.
package influxd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Version is one of the servers that tests run against.
type Version string

const (
	V1_8 Version = "1.8.3" // built from its Go module
	V1_6 Version = "1.6.7" // Debian's package
)

// Versions are all of them.
func Versions() []Version { return []Version{V1_8, V1_6} }

// Binary returns the path of the server's program; a missing one fails the test.
func Binary(t testing.TB, v Version) string {
	t.Helper()
	var path, variable string
	switch v {
	case V1_8:
		variable = "INFLUXD_1_8"
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		path = filepath.Join(cache, "fitbit-fetch", "bin", "influxd-1.8.3")
	case V1_6:
		variable, path = "INFLUXD_1_6", "/usr/bin/influxd"
	default:
		t.Fatalf("influxd %q: want one of %v", v, Versions())
	}
	if p := os.Getenv(variable); p != "" {
		path = p
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("influxd %s is not at %s: run `make tools`, or name it in %s", v, path, variable)
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
	URL string

	t      testing.TB
	binary string
	config string
	auth   bool
	cmd    *exec.Cmd
	log    *os.File
}

// Start runs a server and waits until it answers.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	dir := t.TempDir()
	s := &Server{t: t, binary: Binary(t, cfg.Version), config: filepath.Join(dir, "influxd.conf"), auth: cfg.Auth}
	ports := freePorts(t, 2)
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
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
`, ports[1], filepath.Join(dir, "meta"), filepath.Join(dir, "data"), filepath.Join(dir, "wal"), ports[0], cfg.Auth, orElse(cfg.MaxBody, 25_000_000))
	if err := os.WriteFile(s.config, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	s.log = log
	t.Cleanup(func() {
		s.Stop()
		log.Close()
	})
	s.Start()
	if cfg.Auth {
		s.Query("", fmt.Sprintf("CREATE USER %s WITH PASSWORD '%s' WITH ALL PRIVILEGES", Admin, Password))
	}
	return s
}

// Start starts a stopped server again, with what it held.
func (s *Server) Start() {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, "run", "-config", s.config)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = childAttr()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		resp, err := http.Get(s.URL + "/ping")
		if err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(s.log.Name())
			s.t.Fatalf("influxd did not start: %v\n%s", err, said)
		}
	}
}

// Stop stops the server and waits for its end.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server as a power cut would.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(sig syscall.Signal) {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(sig)
	s.cmd.Wait() // its fate does not matter
	s.cmd = nil
}

// Pid is the process that runs, 0 for none.
func (s *Server) Pid() int {
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
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

func (s *Server) do(req *http.Request) []byte {
	s.t.Helper()
	if s.auth {
		req.SetBasicAuth(Admin, Password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusBadRequest {
		s.t.Fatalf("%s %s: HTTP %d %s", req.Method, req.URL.Path, resp.StatusCode, body)
	}
	return body
}

// freePorts returns ports that nobody listens on now.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all at the end, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func orElse(n, other int) int {
	if n == 0 {
		return other
	}
	return n
}

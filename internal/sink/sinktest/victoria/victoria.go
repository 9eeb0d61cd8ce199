// Package victoria runs a real VictoriaMetrics for tests: Debian's package, one server.
package victoria

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/daemon"
)

// Who may write and read.
const (
	User     = "victor"
	Password = "p@ss:word/%?"
)

// Server is one server. It is stopped when the test ends.
type Server struct {
	*daemon.Daemon
	URL string
	t   testing.TB
}

// Start runs a server, with the flags that the README tells people to set, and waits until it answers.
func Start(t testing.TB) *Server {
	t.Helper()
	name := os.Getenv("VICTORIA_METRICS")
	if name == "" {
		name = "victoria-metrics"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("VictoriaMetrics is not here (%v): run `make tools`, or name it in VICTORIA_METRICS", err)
	}
	dir := t.TempDir()
	port := proctest.FreePort(t)
	s := &Server{URL: fmt.Sprintf("http://127.0.0.1:%d", port), t: t}
	s.Daemon = daemon.Start(t, s.URL+"/health", nil, path, "-storageDataPath="+filepath.Join(dir, "data"), fmt.Sprintf("-httpListenAddr=127.0.0.1:%d", port),
		"-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms", "-httpAuth.username="+User, "-httpAuth.password="+Password, "-loggerLevel=ERROR")
	return s
}

// Rows returns what the server holds of a measurement, its metrics put together to points again.
func (s *Server) Rows(measurement string) []sinktest.Row {
	s.t.Helper()
	s.get("/internal/force_flush").Body.Close() // what has just been written cannot be read yet
	points := map[string]*sinktest.Row{}
	resp := s.get("/api/v1/export?" + url.Values{"match[]": {fmt.Sprintf("{__name__=~%q}", measurement+"_.*")}}.Encode())
	defer resp.Body.Close()
	for lines := bufio.NewReaderSize(resp.Body, 1<<20); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var table struct {
			Metric     map[string]string
			Values     []float64
			Timestamps []int64
		}
		if err := json.Unmarshal(line, &table); err != nil {
			s.t.Fatal(err)
		}
		field := strings.TrimPrefix(table.Metric["__name__"], measurement+"_")
		delete(table.Metric, "__name__")
		for i, ms := range table.Timestamps {
			key := fmt.Sprint(ms, table.Metric)
			if points[key] == nil {
				points[key] = &sinktest.Row{Time: ms * 1e6, Tags: table.Metric, Fields: map[string]any{}}
			}
			points[key].Fields[field] = table.Values[i]
		}
	}
	var out []sinktest.Row
	for _, p := range points {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b sinktest.Row) int { return int((a.Time - b.Time) / 1e6) })
	return out
}

// Empty drops all that the server holds.
func (s *Server) Empty() {
	s.t.Helper()
	s.get("/api/v1/admin/tsdb/delete_series?" + url.Values{"match[]": {`{__name__!=""}`}}.Encode()).Body.Close()
}

func (s *Server) get(path string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth(User, Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode/100 != 2 {
		s.t.Fatalf("GET %s: HTTP %d", req.URL.Path, resp.StatusCode)
	}
	return resp
}

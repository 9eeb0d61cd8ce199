package bench

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// instant answers at once what a service has answered before. A refresh token may be used again.
type instant struct {
	service http.Handler
	mu      sync.Mutex
	held    map[string]*httptest.ResponseRecorder
	calls   int
}

func (s *instant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls++
	have := s.held[r.URL.RequestURI()]
	s.mu.Unlock()
	if have == nil {
		have = httptest.NewRecorder()
		s.service.ServeHTTP(have, r)
		s.mu.Lock()
		s.held[r.URL.RequestURI()] = have
		s.mu.Unlock()
	}
	for k, v := range have.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(have.Code)
	w.Write(have.Body.Bytes())
}

// fitbit writes the options of a user of the Fitbit Web API at that address, who is authorized.
func (r *rig) fitbit(service, more string) (file string) {
	r.b.Helper()
	data, err := os.MkdirTemp(r.dir, "data")
	if err != nil {
		r.b.Fatal(err)
	}
	app := simulate.DefaultFitbitApp()
	file = filepath.Join(data, "options.yaml")
	options := fmt.Sprintf("provider: fitbit\nclient_id: %s\nclient_secret: %s\ndata_dir: %s\nclock: %s\npolite: no\nbackfill_start: 14\npage: {listen: 'off'}\n"+
		"service: {api_url: %[5]s, auth_url: %[5]s/oauth2/authorize, token_url: %[5]s/oauth2/token, revoke_url: %[5]s/oauth2/revoke}\n", app.ID, app.Secret, data, now, service)
	for name, text := range map[string]string{file: options + more, filepath.Join(data, "token.json"): fmt.Sprintf(`{"access_token": "", "refresh_token": %q}`, app.Refresh)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			r.b.Fatal(err)
		}
	}
	return file
}

// BenchmarkFitbit is a bulk of 14 days from a Fitbit Web API that answers at once and has no limit into InfluxDB, beside a bare post
// of the same lines: a plain one, and a fast one that is the hardest to keep up with.
func BenchmarkFitbit(b *testing.B) {
	r := newRig(b)
	target, err := url.Parse(r.service)
	if err != nil {
		b.Fatal(err)
	}
	service := &instant{service: httputil.NewSingleHostReverseProxy(target), held: map[string]*httptest.ResponseRecorder{}}
	server := httptest.NewServer(service)
	defer server.Close()
	db := influxd.Start(b, influxd.Config{Version: influxd.V1_8})
	file := r.fitbit(server.URL, "")
	r.run(file, "backfill", "--from", day0)
	lines := r.lines(file)
	points := bytes.Count(lines, []byte("\n"))
	r.run(r.fitbit(server.URL, fmt.Sprintf("influxdb: {url: %s, database: warm}\n", db.URL)), "backfill", "--from", day0)
	i, best, fast := 0, math.Inf(1), math.Inf(1)
	for b.Loop() {
		i++
		post := r.post(db, fmt.Sprintf("bare%d", i), bytes.NewReader(lines), plainGzip)
		hard := r.post(db, fmt.Sprintf("fast%d", i), bytes.NewReader(lines), fastGzip)
		before := service.calls
		u := r.run(r.fitbit(server.URL, fmt.Sprintf("influxdb: {url: %s, database: ours%d}\n", db.URL, i)), "backfill", "--from", day0)
		load, _ := os.ReadFile("/proc/loadavg")
		b.Logf("%d points, %d requests: ours %v wall, %v CPU, %v; bare poster %v, fast bare poster %v; load %s", points, service.calls-before, u.wall.Round(time.Millisecond), u.cpu.Round(time.Millisecond),
			u.peak, post.Round(time.Millisecond), hard.Round(time.Millisecond), bytes.TrimSpace(load))
		best, fast = min(best, u.wall.Seconds()/post.Seconds()), min(fast, u.wall.Seconds()/hard.Seconds())
		b.ReportMetric(best, "×bare-at-best")
		b.ReportMetric(fast, "×fast-bare-at-best")
		b.ReportMetric(u.wall.Seconds(), "s-ours")
		b.ReportMetric(post.Seconds(), "s-poster")
		u.peak.report(b, "peak")
	}
}

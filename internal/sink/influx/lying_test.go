package influx

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest"
)

// pulse makes n samples of heart rate, a second apart.
func pulse(n int) sink.Points {
	b := &metric.Block{Series: metric.HeartRate, Device: "D"}
	for i := range int64(n) {
		b.Append(1_700_000_000_000_000_000+i*int64(time.Second), 60)
	}
	return sink.Points{Block: b}
}

// fake makes a sink on a handler.
func fake(t *testing.T, h http.HandlerFunc, edit func(*Config)) *Sink {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	cfg := Config{Version: V1, URL: srv.URL, Database: "db", Units: Metric, Catalogue: sinktest.Catalogue(), Timeout: time.Minute}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// lines returns the lines of a write.
func lines(t *testing.T, r *http.Request) []string {
	zip, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Error(err)
		return nil
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Error(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// TestKeeps lists answers after which nothing may be taken for granted. Each is a lie, or somebody else's answer.
func TestKeeps(t *testing.T) {
	influx := http.Header{"X-Influxdb-Version": {"1.8.3"}, "Content-Type": {"application/json"}}
	html := http.Header{"Content-Type": {"text/html"}}
	tests := []struct {
		name   string
		status int
		header http.Header
		body   string
		hint   string // part of the cure
	}{
		{"no user", 401, influx, `{"error":"unable to parse authentication credentials"}`, "user name and password"},
		{"no right", 403, influx, `{"error":"\"ro\" user is not authorized to write to database \"t\""}`, "GRANT ALL"},
		{"not ours", 404, html, "<html>not found</html>", "is not InfluxDB 1"},
		{"policy", 404, influx, `{"error":"retention policy not found: nope"}`, "no retention policy"},
		{"no admin yet", 404, influx, `{"error":"create admin user first or disable authentication"}`, "log"},
		{"method", 405, html, "", "is not InfluxDB 1"},
		{"login page", 200, html, "<html>log in</html>", "is not InfluxDB 1"},
		{"redirect", 301, http.Header{"Location": {"https://u:p@db.example/"}}, "", "https://***@db.example/"},
		{"timeout", 408, influx, `{"error":"timeout"}`, "log"},
		{"conflict of something else", 409, html, "", "is not InfluxDB 1"},
		{"too many", 429, html, "slow down", "is not InfluxDB 1"},
		{"broken gzip", 400, influx, `{"error":"unexpected EOF"}`, "tried again"},
		{"bad request of a proxy", 400, html, "<html>partial write</html>", "is not InfluxDB 1"},
		{"empty bad request", 400, nil, "", "is not InfluxDB 1"},
		{"engine", 500, influx, `{"error":"engine is closed"}`, "trouble of its own"},
		{"gateway", 502, html, "<html>bad gateway</html>", "trouble of its own"},
		{"gateway with our words", 503, influx, `{"error":"partial write: unable to parse 'x'"}`, "trouble of its own"},
		{"informal", 299, nil, "", "is not InfluxDB 1"},
		{"half a message", 400, influx, `{"error":"partial wri`, "tried again"},
		{"endless", 500, influx, strings.Repeat("x", 1<<20), "trouble of its own"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			s := fake(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/write" {
					t.Errorf("asked %s", r.URL.Path)
				}
				for k, v := range c.header {
					w.Header()[k] = v
				}
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}, nil)
			err := s.Write(t.Context(), []sink.Points{pulse(3)})
			var e *sink.Error
			if !errors.As(err, &e) || e.Status != c.status || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("got %#v, hint %q; want *sink.Error, status %d, hint with %q", err, hintOf(err), c.status, c.hint)
			}
		})
	}
}

func hintOf(err error) string {
	var e *sink.Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}

// TestBroken has the connection itself fail.
func TestBroken(t *testing.T) {
	hijack := func(w http.ResponseWriter, text string) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, text)
		conn.Close()
	}
	for name, text := range map[string]string{
		"closed":          "",
		"garbage":         "SSH-2.0-OpenSSH_9.2\r\n",
		"cut head":        "HTTP/1.1 204 No Con",
		"cut body of yes": "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
		"cut body of no":  "HTTP/1.1 400 Bad Request\r\nContent-Length: 500\r\n\r\n{\"error\":\"partial write",
	} {
		t.Run(name, func(t *testing.T) {
			s := fake(t, func(w http.ResponseWriter, r *http.Request) { hijack(w, text) }, nil)
			err := s.Write(t.Context(), []sink.Points{pulse(3)})
			if hintOf(err) == "" {
				t.Errorf("got %v, want *sink.Error with a hint", err)
			}
		})
	}
	t.Run("unknown host", func(t *testing.T) {
		s, err := New(Config{Version: V1, URL: "http://no-such-host.invalid:8086", Database: "db", Units: Metric, Catalogue: metric.Default()})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Write(t.Context(), []sink.Points{pulse(1)}); !strings.Contains(hintOf(err), "not known here") && !strings.Contains(hintOf(err), "Nothing answers") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("http as https", func(t *testing.T) {
		s := fake(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }, func(c *Config) { c.URL = strings.Replace(c.URL, "http", "https", 1) })
		if err := s.Write(t.Context(), []sink.Points{pulse(1)}); !strings.Contains(hintOf(err), "http://") {
			t.Errorf("got %v, hint %q", err, hintOf(err))
		}
	})
	t.Run("slow", func(t *testing.T) {
		release := make(chan struct{})
		s := fake(t, func(w http.ResponseWriter, r *http.Request) { <-release }, func(c *Config) { c.Timeout = 50 * time.Millisecond })
		t.Cleanup(func() { close(release) })
		if err := s.Write(t.Context(), []sink.Points{pulse(1)}); hintOf(err) == "" {
			t.Errorf("got %v", err)
		}
	})
}

// TestCertificate trusts only what the settings say.
func TestCertificate(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }))
	defer srv.Close()
	for _, insecure := range []bool{false, true} {
		s, err := New(Config{Version: V1, URL: srv.URL, Database: "db", Units: Metric, Insecure: insecure, Catalogue: metric.Default()})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Write(t.Context(), []sink.Points{pulse(1)})
		if insecure && err != nil || !insecure && !strings.Contains(hintOf(err), "switch the check off with its tls_insecure") {
			t.Errorf("insecure=%v: got %v, hint %q", insecure, err, hintOf(err))
		}
	}
}

// TestDivides has a server that takes small bodies only, and one that refuses single points with words we do not know.
func TestDivides(t *testing.T) {
	var mu sync.Mutex
	stored := map[string]bool{}
	serve := func(refuse func(lines []string) (status int, text string)) http.HandlerFunc {
		stored = map[string]bool{}
		return func(w http.ResponseWriter, r *http.Request) {
			got := lines(t, r)
			mu.Lock()
			defer mu.Unlock()
			if status, text := refuse(got); status != 204 {
				w.Header().Set("X-Influxdb-Version", "1.8.3")
				w.WriteHeader(status)
				fmt.Fprintf(w, `{"error":%q}`, text)
				return
			}
			for _, l := range got {
				stored[l] = true
			}
			w.WriteHeader(204)
		}
	}
	s := fake(t, serve(func(lines []string) (int, string) {
		if len(lines) > 7 {
			return 413, "Request Entity Too Large"
		}
		return 204, ""
	}), nil)
	if err := s.Write(t.Context(), []sink.Points{pulse(100), {Person: metric.Person{ID: "p", Tag: "P"}, Block: pulse(11).Block}}); err != nil {
		t.Error(err)
	}
	if len(stored) != 111 {
		t.Errorf("%d lines are stored, want 111", len(stored))
	}
	s = fake(t, serve(func([]string) (int, string) { return 413, "Request Entity Too Large" }), nil)
	if err := s.Write(t.Context(), []sink.Points{pulse(4)}); !strings.Contains(hintOf(err), "body size limit") {
		t.Errorf("nothing passes the proxy: got %v", err)
	}
	s = fake(t, serve(func(lines []string) (int, string) {
		for _, l := range lines {
			if strings.Contains(l, "1700000007") || strings.Contains(l, "1700000042") {
				return 400, "partial write: max-values-per-tag limit exceeded dropped=1"
			}
		}
		return 204, ""
	}), nil)
	err := s.Write(t.Context(), []sink.Points{pulse(100)})
	var rejected *sink.Rejected
	if !errors.As(err, &rejected) || len(rejected.Items) != 1 || rejected.Items[0].Count != 2 ||
		rejected.Items[0].First.Unix() != 1_700_000_007 || rejected.Items[0].Last.Unix() != 1_700_000_042 {
		t.Errorf("got %v, want two samples rejected", err)
	}
	if len(stored) != 98 {
		t.Errorf("%d lines are stored, want 98", len(stored))
	}
}

// TestConflictOfNobody answers with a conflict of a field that is not in the batch, for ever.
func TestConflictOfNobody(t *testing.T) {
	n := 0
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		w.WriteHeader(400)
		io.WriteString(w, `{"error":"partial write: field type conflict: input field \"x\" on measurement \"y\" is type float, already exists as type integer dropped=1"}`)
	}, nil)
	err := s.Write(t.Context(), []sink.Points{pulse(8)})
	var rejected *sink.Rejected
	if !errors.As(err, &rejected) || rejected.Items[0].Count != 8 || n > 20 {
		t.Errorf("got %v after %d requests", err, n)
	}
}

// TestNoValuesInErrors has the server quote lines; neither errors nor reasons may.
func TestNoValuesInErrors(t *testing.T) {
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"error":"partial write: unable to parse '%s': time outside range dropped=0"}`, lines(t, r)[0])
	}, nil)
	err := s.Write(t.Context(), []sink.Points{pulse(1)})
	if err == nil || strings.Contains(err.Error(), "value=") || !strings.Contains(err.Error(), "time outside range") {
		t.Errorf("got %v", err)
	}
}

// recorder keeps what goes over the wire.
type recorder struct {
	mu   sync.Mutex
	seen []string
	next http.RoundTripper
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.seen = append(r.seen, req.Method+" "+req.URL.String())
	r.mu.Unlock()
	return r.next.RoundTrip(req)
}

// TestRequest checks the form of a write, and that credentials travel in their header only.
func TestRequest(t *testing.T) {
	const secret = "gehe1m:/@?"
	wire := &recorder{next: http.DefaultTransport}
	var user, password, encoding string
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		encoding = r.Header.Get("Content-Encoding")
		if got := lines(t, r); len(got) != 2 || got[0] != "HeartRate_Intraday,Device=D value=60i 1700000000000000000" {
			t.Errorf("got %q", got)
		}
		if r.ContentLength <= 0 {
			t.Errorf("length %d: some proxies refuse a body of unknown length", r.ContentLength)
		}
		w.WriteHeader(204)
	}, func(c *Config) {
		c.URL = strings.Replace(c.URL, "://", "://ursula:gehe1m%3A%2F%40%3F@", 1) + "/base/?x=" + secret
		c.RetentionPolicy, c.Transport = "long term", wire
	})
	if err := s.Write(t.Context(), []sink.Points{pulse(2)}); err != nil {
		t.Fatal(err)
	}
	if user != "ursula" || password != secret || encoding != "gzip" {
		t.Errorf("got user %q, encoding %q", user, encoding)
	}
	if len(wire.seen) != 1 || !strings.HasSuffix(wire.seen[0], "/base/write?db=db&precision=ns&rp=long+term") || !strings.HasPrefix(wire.seen[0], "POST ") {
		t.Errorf("sent %q", wire.seen)
	}
	for _, text := range append(wire.seen, s.Name()) {
		if strings.Contains(text, "gehe1m") || strings.Contains(text, "ursula") {
			t.Errorf("%q shows credentials", text)
		}
	}
	for _, bad := range []string{"", "ftp://u:gehe1m@h", "u:gehe1m@h:8086", "://gehe1m@"} {
		if _, err := New(Config{Version: V1, URL: bad, Database: "d"}); err == nil || strings.Contains(err.Error(), "gehe1m") {
			t.Errorf("address %q: got %v", bad, err)
		}
	}
}

// TestStopsAtOnce cancels a write and a query that hang.
func TestStopsAtOnce(t *testing.T) {
	release := make(chan struct{})
	s := fake(t, func(w http.ResponseWriter, r *http.Request) { <-release }, func(c *Config) { c.Timeout = 24 * time.Hour })
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Write(ctx, []sink.Points{pulse(1)}); err == nil {
		t.Error("no error")
	}
	if _, err := s.Holds(ctx, pulse(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Check(ctx); err == nil { // what did not stop would never end: nobody answers
		t.Error("no error")
	}
}

// TestDeleteThatLies reports success and deletes nothing.
func TestDeleteThatLies(t *testing.T) {
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Influxdb-Version", "1.8.3")
		one := `{"statement_id":0}`
		if strings.HasPrefix(r.URL.Query().Get("q"), "SELECT") {
			one = `{"statement_id":0,"series":[{"name":"m","columns":["time","value"],"values":[[1,60]]}]}`
		}
		io.WriteString(w, `{"results":[`+one+`]}`)
	}, nil)
	err := s.Delete(t.Context(), []sink.Tombstone{{Series: metric.HeartRate, Device: "D", Time: 1}})
	if err == nil || !strings.Contains(err.Error(), "still there") || hintOf(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"a b": `"a b"`, `a"b`: `"a\"b"`, `a\`: `"a\\"`, `\" OR 1=1`: `"\\\" OR 1=1"`, "a\nb": `"a\nb"`, "it's": `"it's"`} {
		if got := quoteName(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	if got := quoteText(`\' OR time > 0 --`); got != `'\\\' OR time > 0 --'` {
		t.Errorf("got %s", got)
	}
}

package influx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/core3"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/victoria"
)

// openOther makes a sink on a server that is no InfluxDB 1 or 2.
func openOther(t testing.TB, cfg Config) *Sink {
	t.Helper()
	cfg.Units, cfg.Catalogue = Metric, sinktest.Catalogue()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestInfluxDB3Double runs the suite against a double of InfluxDB 3 Core, made from its documents: no real one can be had here.
func TestInfluxDB3Double(t *testing.T) {
	srv := core3.Start(t)
	n := 0
	sinktest.Run(t, dialects[V3].traits, func(t *testing.T) sinktest.Subject {
		n++
		cfg := Config{Version: V3, URL: srv.URL, Database: fmt.Sprintf("db%d", n), Token: core3.Token}
		wrong := cfg
		wrong.Token = "wrong"
		return sinktest.Subject{
			Sink: openOther(t, cfg), Stranger: openOther(t, wrong),
			Rows:  func(t testing.TB, m string) []sinktest.Row { return srv.Rows(cfg.Database, m) },
			Put:   func(t testing.TB, lines string) { srv.Put(cfg.Database, lines) },
			Empty: func(t testing.TB) { srv.Drop(cfg.Database) },
			Stop:  srv.Stop, Start: srv.Start,
		}
	})
}

func TestVictoriaMetrics(t *testing.T) {
	srv := victoria.Start(t)
	cfg := Config{Version: VictoriaMetrics, URL: srv.URL, Username: victoria.User, Password: victoria.Password}
	wrong := cfg
	wrong.Password = "wrong"
	sinktest.Run(t, dialects[VictoriaMetrics].traits, func(t *testing.T) sinktest.Subject {
		srv.Empty()
		return sinktest.Subject{
			Sink: openOther(t, cfg), Stranger: openOther(t, wrong),
			Rows:  func(t testing.TB, m string) []sinktest.Row { return srv.Rows(m) },
			Empty: func(t testing.TB) { srv.Empty() },
			Stop:  srv.Stop, Start: srv.Start,
		}
	})
}

// TestInfluxDB3DoubleNothingTwice has more samples refused than InfluxDB 3 names. What it has taken is not written again: Core does not
// compact.
func TestInfluxDB3DoubleNothingTwice(t *testing.T) {
	srv := core3.Start(t)
	srv.Put("db", "SPO2,Device=D avg=\"high\" 1\nHRV,Device=D dailyRmssd=3i 1")
	s := openOther(t, Config{Version: V3, URL: srv.URL, Database: "db", Token: core3.Token})
	n := metric.Absent()
	spo2 := &metric.Block{Series: "spo2", Device: "D"}
	for i := range int64(300) {
		v := []float64{95, 99, 91}
		switch {
		case i%3 == 0:
			v[0] = n // has no field that is refused
		case i%7 == 0:
			v[1], v[2] = n, n // has no other
		}
		spo2.Append(midnight+i, v...)
	}
	hrv := &metric.Block{Series: "hrv", Device: "D"}
	hrv.Append(midnight, n, n) // makes no line
	hrv.Append(midnight+1, 30, 31)
	points := []sink.Points{pulse(200), {Block: hrv}, {Block: spo2}, one(metric.Steps, midnight, 7)}
	err := s.Write(t.Context(), points)
	var rejected *sink.Rejected
	if !errors.As(err, &rejected) || len(rejected.Items) != 2 {
		t.Fatalf("got %v, want a field of two series rejected", err)
	}
	for _, r := range rejected.Items {
		if r.Series == "spo2" && (r.Field != "avg" || r.Count != 200 || !strings.Contains(r.Hint, "influxdb3 delete table")) ||
			r.Series == "hrv" && (r.Field != "dailyRmssd" || r.Count != 1) {
			t.Errorf("rejected %+v", r)
		}
	}
	for measurement, want := range map[string]int{"HeartRate_Intraday": 200, "SPO2": 1 + 300 - 28, "HRV": 2, "Steps_Intraday": 1} {
		if got := len(srv.Rows("db", measurement)); got != want {
			t.Errorf("%s has %d points, want %d", measurement, got, want)
		}
	}
	if n := srv.WrittenTwice(); n > 60 { // behind the last of the hundred that are named nobody knows, once
		t.Errorf("%d points were written twice", n)
	}
	// With fewer refused than are named, nothing is written again at all.
	srv.Drop("db")
	srv.Put("db", "SPO2,Device=D avg=\"high\" 1")
	before := srv.WrittenTwice()
	short := *spo2
	short.Times = spo2.Times[:100]
	if err := s.Write(t.Context(), []sink.Points{pulse(200), {Block: &short}}); !errors.As(err, &rejected) {
		t.Fatalf("got %v", err)
	}
	if n := srv.WrittenTwice() - before; n > 0 {
		t.Errorf("%d points were written twice", n)
	}
}

// TestExpiredAsFault has points refused as the first versions of InfluxDB 2 did: as a fault of their own. What they kept is in, and
// delivery goes on; another fault with such words keeps the batch.
func TestExpiredAsFault(t *testing.T) {
	for _, c := range []struct {
		status int
		said   string
		count  int // of samples refused for good
	}{
		{500, "unexpected error writing points to database: partial write: points beyond retention policy dropped=2", 2},
		{503, "unexpected error writing points to database: partial write: points beyond retention policy dropped=2", 0},
		{500, "unexpected error writing points to database: partial write: points beyond retention policy", 0},
		{500, "unexpected error writing points to database: timeout", 0},
	} {
		writes := 0
		s := fake(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Influxdb-Version", "2.0.4")
			if r.URL.Path != "/api/v2/write" || writes > 0 {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			writes++
			w.WriteHeader(c.status)
			fmt.Fprintf(w, `{"code":"internal error","message":%q}`, c.said)
		}, func(c *Config) { c.Version, c.Org = V2, "home" })
		err := s.Write(t.Context(), []sink.Points{pulse(8)})
		var rejected *sink.Rejected
		switch {
		case c.count == 0:
			var e *sink.Error
			if !errors.As(err, &e) || e.Status != c.status {
				t.Errorf("%d %s: got %v, want the batch kept", c.status, c.said, err)
			}
		case !errors.As(err, &rejected) || len(rejected.Items) != 1 || rejected.Items[0].Count != c.count:
			t.Errorf("%d %s: got %v, want %d samples rejected", c.status, c.said, err, c.count)
		}
	}
}

// TestNamedLines has a line refused for a reason that names no field: it alone is left out, and nothing is sent again.
func TestNamedLines(t *testing.T) {
	writes := 0
	s := fake(t, func(w http.ResponseWriter, r *http.Request) {
		writes++
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"partial write of line protocol occurred","data":[{"original_line":"HeartRate_Intraday value=60i","line_number":3,"error_message":"too many columns"}]}`)
	}, func(c *Config) { c.Version = V3 })
	err := s.Write(t.Context(), []sink.Points{pulse(8)})
	var rejected *sink.Rejected
	if !errors.As(err, &rejected) || len(rejected.Items) != 1 || rejected.Items[0].Count != 1 || rejected.Items[0].First.Unix() != 1_700_000_002 {
		t.Errorf("got %v, want the third sample rejected", err)
	}
	if writes != 1 {
		t.Errorf("%d writes, want 1", writes)
	}
	if strings.Contains(fmt.Sprint(err), "value=") {
		t.Errorf("the error holds values: %v", err)
	}
}

// TestWholeBatchRefused has a batch refused as a whole for one of its lines: halves find it.
func TestWholeBatchRefused(t *testing.T) {
	for version, answer := range map[Version]string{
		V2: `{"code":"invalid","message":"unable to parse 'x': invalid field format"}`,
		V3: `{"error":"parsing failed for write_lp endpoint","data":{"original_line":"x","line_number":1,"error_message":"no"}}`,
	} {
		stored := 0
		s := fake(t, func(w http.ResponseWriter, r *http.Request) {
			got := lines(t, r)
			if strings.Contains(strings.Join(got, "\n"), "1700000003") {
				w.WriteHeader(http.StatusBadRequest)
				io.WriteString(w, answer)
				return
			}
			stored += len(got)
			w.WriteHeader(http.StatusNoContent)
		}, func(c *Config) { c.Version, c.Org = version, "home" })
		err := s.Write(t.Context(), []sink.Points{pulse(50)})
		var rejected *sink.Rejected
		if !errors.As(err, &rejected) || len(rejected.Items) != 1 || rejected.Items[0].Count != 1 || rejected.Items[0].First.Unix() != 1_700_000_003 || stored != 49 {
			t.Errorf("version %s: %v; %d are stored", version, err, stored)
		}
	}
}

// TestInfluxDB3DoubleUnits finds out whose a database is without a look at the points of all times, which Core would refuse.
func TestInfluxDB3DoubleUnits(t *testing.T) {
	srv := core3.Start(t)
	day := int64(24 * time.Hour)
	for db, c := range map[string]struct {
		held   string
		pounds bool
	}{
		"new":     {"", false},
		"heart":   {"HeartRate_Intraday,Device=D value=60i 1", false},
		"python":  {fmt.Sprintf("weight,Device=D value=176.4 %d", midnight-day), true},
		"instant": {fmt.Sprintf("weight,Device=D value=80.1 %d", midnight), false},
		"ours":    {fmt.Sprintf("weight,Device=D value=80 %d\nHeartRate_Minute,Device=D mean=1 1", midnight-day), false},
		"hers":    {fmt.Sprintf("weight,Device=D,Person=Eva value=80 %d", midnight), true},
	} {
		if c.held != "" {
			srv.Put(db, c.held)
		}
		cfg := Config{Version: V3, URL: srv.URL, Database: db, Token: core3.Token, Units: Auto, Catalogue: sinktest.Catalogue()}
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Write(t.Context(), []sink.Points{one(metric.Weight, midnight, 80)}); err != nil {
			t.Fatalf("%s: %v", db, err)
		}
		for _, r := range srv.Rows(db, "weight") {
			if v := r.Fields["value"].(float64); r.Time == midnight && r.Tags["Person"] == "" && (v > 170) != c.pounds {
				t.Errorf("%s: weight is %v", db, v)
			}
		}
	}
}

// TestInfluxDB3Unasked has a server that answers no question, because too many files would have to be read or in general. What is written gets
// in all the same.
func TestInfluxDB3Unasked(t *testing.T) {
	for status, text := range map[int]string{
		http.StatusInternalServerError: "Query would scan more than 432 Parquet files, exceeding the file limit",
		http.StatusBadRequest:          "this statement is not supported", http.StatusMethodNotAllowed: "", http.StatusForbidden: "forbidden",
	} {
		writes := 0
		var log bytes.Buffer
		s := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				writes++
				w.WriteHeader(http.StatusNoContent)
				return
			}
			w.Header().Set("X-Influxdb-Version", "3.5.0")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":%q}`, text)
		}, func(c *Config) {
			c.Version, c.Units, c.Log = V3, Auto, slog.New(slog.NewTextHandler(&log, nil))
		})
		if err := s.Write(t.Context(), []sink.Points{one(metric.Weight, midnight, 80)}); err != nil || writes != 1 {
			t.Errorf("HTTP %d: %d writes, %v", status, writes, err)
		}
		if ok, err := s.Holds(t.Context(), pulse(1)); !ok || err != nil {
			t.Errorf("HTTP %d: holds %v, %v", status, ok, err)
		}
		if !strings.Contains(log.String(), "set them by hand") {
			t.Errorf("HTTP %d: said %s", status, log.String())
		}
	}
}

func TestInfluxDB3DoubleCheck(t *testing.T) {
	srv := core3.Start(t)
	srv.Put("db", "m v=1 1")
	check := func(database, token string) (string, error) {
		return openOther(t, Config{Version: V3, URL: srv.URL, Database: database, Token: token}).Check(t.Context())
	}
	if got, err := check("db", core3.Token); err != nil || !strings.Contains(got, "InfluxDB 3.5.0 Core at") || !strings.Contains(got, "is there") {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := check("nix", core3.Token); err != nil || !strings.Contains(got, "will be created") {
		t.Errorf("missing database: %q, %v", got, err)
	}
	if _, err := check("db", "wrong"); !strings.Contains(hintOf(err), "does not know this token") {
		t.Errorf("wrong token: %v, hint %q", err, hintOf(err))
	}
	if rows := srv.Rows("nix", "m"); rows != nil {
		t.Error("the check has made a database")
	}
	srv.Stop()
	if _, err := check("db", core3.Token); !strings.Contains(hintOf(err), "Nothing answers as InfluxDB 3") {
		t.Errorf("stopped: %v, hint %q", err, hintOf(err))
	}
}

func TestVictoriaMetricsCheck(t *testing.T) {
	srv := victoria.Start(t)
	check := func(url, password string) (string, error) {
		return openOther(t, Config{Version: VictoriaMetrics, URL: url, Username: victoria.User, Password: password}).Check(t.Context())
	}
	if got, err := check(srv.URL, victoria.Password); err != nil || !strings.Contains(got, "takes what is written") {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := check(srv.URL, "wrong"); !strings.Contains(hintOf(err), "does not know this user") {
		t.Errorf("wrong password: %v, hint %q", err, hintOf(err))
	}
	if _, err := check(srv.URL+"/insert/0", victoria.Password); err == nil || hintOf(err) == "" {
		t.Errorf("a cluster's address at a single server: %v, hint %q", err, hintOf(err))
	}
}

// TestDialects says how each database is written to, and that credentials travel in their header only.
func TestDialects(t *testing.T) {
	const secret = "gehe1m"
	tests := []struct {
		config Config
		path   string // behind the address of the server
		wants  string
		auth   string
		name   string // behind it
	}{
		{Config{Version: V1, Database: "db", Username: "u", Password: secret}, "/base", "/base/write?db=db&precision=ns", "Basic dTpnZWhlMW0=", "db"},
		{Config{Version: V1, Database: "db", RetentionPolicy: "my own"}, "", "/write?db=db&precision=ns&rp=my+own", "", "db my own"},
		{Config{Version: V2, Org: "my home", Database: "b/autogen", Token: secret}, "/base/", "/base/api/v2/write?bucket=b%2Fautogen&org=my+home&precision=ns", "Token gehe1m", "my home b/autogen"},
		{Config{Version: V3, Database: "db", Token: secret}, "", "/api/v3/write_lp?accept_partial=true&db=db&precision=nanosecond", "Bearer gehe1m", "db"},
		{Config{Version: V3, Database: "db"}, "", "/api/v3/write_lp?accept_partial=true&db=db&precision=nanosecond", "", "db"},
		{Config{Version: VictoriaMetrics}, "", "/influx/write?precision=ns", "", ""},
		{Config{Version: VictoriaMetrics, Username: "u", Password: secret}, "/vm/", "/vm/influx/write?precision=ns", "Basic dTpnZWhlMW0=", ""},
		{Config{Version: VictoriaMetrics, Token: secret}, "/write", "/influx/write?precision=ns", "Bearer gehe1m", ""},
		{Config{Version: VictoriaMetrics}, "/insert/0", "/insert/0/influx/write?precision=ns", "", ""},
		{Config{Version: VictoriaMetrics}, "/insert/7:3/influx", "/insert/7:3/influx/write?precision=ns", "", ""},
		{Config{Version: VictoriaMetrics}, "/insert/0/influx/write", "/insert/0/influx/write?precision=ns", "", ""},
	}
	for _, c := range tests {
		var asked, auth string
		s := fake(t, func(w http.ResponseWriter, r *http.Request) {
			asked, auth = r.URL.String(), r.Header.Get("Authorization")
			w.WriteHeader(http.StatusNoContent)
		}, func(cfg *Config) {
			url := cfg.URL + c.path
			*cfg = c.config
			cfg.URL, cfg.Units, cfg.Catalogue = url, Metric, sinktest.Catalogue()
		})
		if err := s.Write(t.Context(), []sink.Points{pulse(1)}); err != nil {
			t.Fatal(err)
		}
		if asked != c.wants || auth != c.auth {
			t.Errorf("%s%s: asked %s with %q, want %s with %q", c.config.Version, c.path, asked, auth, c.wants, c.auth)
		}
		want := strings.TrimSpace(fmt.Sprintf("%s %s %s", dialects[c.config.Version].name, s.base, c.name))
		if s.Name() != want || strings.Contains(s.Name(), secret) {
			t.Errorf("is called %q, want %q", s.Name(), want)
		}
	}
}

// TestVersion2APIOf1 writes to an InfluxDB 1.8 as to an InfluxDB 2, with its tokens: it has that part of the API.
func TestVersion2APIOf1(t *testing.T) {
	srv := influxd.Start(t, influxd.Config{Version: influxd.V1_8, Auth: true})
	srv.Create("db")
	srv.Put("db", fmt.Sprintf("SPO2,Device=D avg=3i %d", midnight-1))
	s := openOther(t, Config{Version: V2, URL: srv.URL, Org: "-", Database: "db/autogen", Token: influxd.Admin + ":" + influxd.Password})
	spo2 := &metric.Block{Series: "spo2", Device: "D"}
	spo2.Append(midnight, 95.5, 99, 91)
	err := s.Write(t.Context(), []sink.Points{pulse(300), {Block: spo2}})
	var rejected *sink.Rejected
	if !errors.As(err, &rejected) || len(rejected.Items) != 1 || rejected.Items[0].Field != "avg" {
		t.Errorf("got %v, want one field rejected", err)
	}
	if got := rows(t, srv, "db", "HeartRate_Intraday"); len(got) != 300 {
		t.Errorf("holds %d points, want 300", len(got))
	}
	if got := rows(t, srv, "db", "SPO2"); len(got) != 2 || got[1].Fields["max"] != 99.0 {
		t.Errorf("SPO2 holds %v", got)
	}
	wrong := openOther(t, Config{Version: V2, URL: srv.URL, Org: "-", Database: "db/autogen", Token: "admin:wrong"})
	if err := wrong.Write(t.Context(), []sink.Points{pulse(1)}); err == nil || hintOf(err) == "" {
		t.Errorf("with a wrong password: %v", err)
	}
}

// TestKeepsOthers lists answers of the other databases after which nothing may be taken for granted.
func TestKeepsOthers(t *testing.T) {
	v2 := http.Header{"X-Influxdb-Version": {"2.7.12"}, "Content-Type": {"application/json"}}
	v3 := http.Header{"X-Influxdb-Version": {"3.5.0"}, "Content-Type": {"application/json"}}
	vm := http.Header{"X-Server-Hostname": {"vm"}}
	tests := []struct {
		version Version
		status  int
		header  http.Header
		body    string
		hint    string // part of the cure
	}{
		{V2, 401, v2, `{"code":"unauthorized","message":"unauthorized access"}`, "does not know this token"},
		{V2, 403, v2, `{"code":"forbidden","message":"insufficient permissions for write"}`, "read and write it"},
		{V2, 404, v2, `{"code":"not found","message":"organization name \"home\" not found"}`, `no organisation "home"`},
		{V2, 404, nil, "<html>not found</html>", "is not InfluxDB 2"},
		{V2, 404, http.Header{"X-Influxdb-Version": {"1.8.3"}}, `{"error":"database not found: \"first\""}`, "Set the version to 1"},
		{V2, 429, v2, `{"code":"too many requests","message":"slow down"}`, "tried again"},
		{V2, 500, v2, `{"code":"internal error","message":"engine is closed"}`, "trouble of its own"},
		{V2, 503, v2, `{"code":"unavailable","message":"partial write: unable to parse 'x'"}`, "trouble of its own"},
		{V3, 401, v3, `{"error":"the request was not authenticated"}`, "influxdb3 create token"},
		{V3, 403, v3, `{"error":"forbidden"}`, "may not write"},
		{V3, 400, v3, `{"error":"invalid query parameters"}`, "tried again"},
		{V3, 422, v3, `{"error":"partial write of line protocol occurred","data":[{"line_number":1}]}`, "tried again"},
		{V3, 500, v3, `{"error":"object store error"}`, "trouble of its own"},
		{V3, 405, http.Header{"Content-Type": {"text/html"}}, "", "is not InfluxDB 3"},
		{VictoriaMetrics, 401, vm, "", "does not know this user"},
		{VictoriaMetrics, 403, nil, "", "does not let"},
		{VictoriaMetrics, 400, vm, `unsupported path requested: "/insert/0/influx/write"`, "refused the request"},
		{VictoriaMetrics, 404, nil, "<html>", "is not VictoriaMetrics"},
		{VictoriaMetrics, 503, vm, "not enough storage nodes", "trouble of its own"},
		{VictoriaMetrics, 200, nil, "<html>log in</html>", "is not VictoriaMetrics"},
	}
	for _, c := range tests {
		t.Run(fmt.Sprintf("%s/%d %s", c.version, c.status, c.hint), func(t *testing.T) {
			s := fake(t, func(w http.ResponseWriter, r *http.Request) {
				if c.version == V2 && r.Method == http.MethodGet {
					io.WriteString(w, `{}`)
					return
				}
				for k, v := range c.header {
					w.Header()[k] = v
				}
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			}, func(cfg *Config) { cfg.Version, cfg.Org = c.version, "home" })
			err := s.Write(t.Context(), []sink.Points{pulse(3)})
			var e *sink.Error
			if !errors.As(err, &e) || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("got %#v, hint %q; want *sink.Error, hint with %q", err, hintOf(err), c.hint)
			}
		})
	}
}

//go:build influxdb2

package influx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/domain"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

const (
	may2Read  = domain.PermissionActionRead
	may2Write = domain.PermissionActionWrite
)

func withToken(token string) func(*Config) { return func(c *Config) { c.Token = token } }

func TestInfluxDB2Check(t *testing.T) {
	srv := influxd.Start(t, influxd.Config{Version: influxd.V2_7})
	srv.Create("db")
	both, writer, reader := srv.NewToken("db", may2Read, may2Write), srv.NewToken("db", may2Write), srv.NewToken("db", may2Read)
	old := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	tests := []struct {
		name   string
		sink   *Sink
		want   string // in what was found
		hint   string // in the cure; empty for all well
		status int
	}{
		{"operator", open(t, srv, "db", nil), "may be written", "", 0},
		{"reads and writes", open(t, srv, "db", withToken(both)), "may be written", "", 0},
		{"writes", open(t, srv, "db", withToken(writer)), "may be written", "", 0},
		{"reads", open(t, srv, "db", withToken(reader)), "InfluxDB 2.7.12", `may not write to bucket "db"`, 403},
		{"wrong token", open(t, srv, "db", withToken("wrong")), "InfluxDB 2.7.12", "does not know this token", 401},
		{"missing bucket, may", open(t, srv, "nix", nil), `bucket "nix" is not there yet and will be created`, "", 0},
		{"missing bucket, may not", open(t, srv, "nix", withToken(both)), "InfluxDB 2.7.12", `Bucket "nix" does not exist`, 404},
		{"missing organisation", open(t, srv, "db", func(c *Config) { c.Org = "nix" }), "InfluxDB 2.7.12", `no organisation "nix"`, 404},
		{"an InfluxDB 1", open(t, srv, "db", func(c *Config) { c.URL = old.URL }), "", "Set the version to 1", 0},
		{"as InfluxDB 1", open(t, srv, "db", func(c *Config) { c.Version = V1 }), "InfluxDB 2.7.12", "Set the version to 2", 401},
	}
	for _, c := range tests {
		got, err := c.sink.Check(t.Context())
		var e *sink.Error
		if !strings.Contains(got, c.want) || (err == nil) != (c.hint == "") ||
			err != nil && (!errors.As(err, &e) || !strings.Contains(e.Hint, c.hint) || e.Status != c.status) {
			t.Errorf("%s: got %q, %v, hint %q", c.name, got, err, hintOf(err))
		}
	}
	if srv.Bucket("nix") != nil {
		t.Error("the check has made a bucket")
	}
	if err := open(t, srv, "nix", withToken(both)).Write(t.Context(), []sink.Points{pulse(1)}); !strings.Contains(hintOf(err), `Bucket "nix" does not exist`) {
		t.Errorf("write into a bucket that may not be made: %v, hint %q", err, hintOf(err))
	}
	srv.Stop()
	if _, err := open(t, srv, "db", nil).Check(t.Context()); !strings.Contains(hintOf(err), "Nothing answers as InfluxDB 2") {
		t.Errorf("stopped server: %v, hint %q", err, hintOf(err))
	}
}

// TestInfluxDB2WriterOnly has a token that may write but not read: the bucket is hidden from every question, and is not taken for
// one that is gone. Without reading there is no deleting.
func TestInfluxDB2WriterOnly(t *testing.T) {
	srv := influxd.Start(t, influxd.Config{Version: influxd.V2_7})
	srv.Create("db")
	var log bytes.Buffer
	s := open(t, srv, "db", func(c *Config) {
		c.Token = srv.NewToken("db", may2Write)
		c.Units, c.Log = Auto, slog.New(slog.NewTextHandler(&log, nil))
	})
	p := one(metric.Weight, midnight, 80)
	for range 2 {
		if err := s.Write(t.Context(), []sink.Points{p}); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.Holds(t.Context(), p); !ok || err != nil {
			t.Errorf("holds: %v, %v", ok, err)
		}
		err := s.Delete(t.Context(), []sink.Tombstone{{Series: metric.Weight, Device: "D", Time: midnight}})
		if !errors.Is(err, sink.ErrCannotDelete) || hintOf(err) == "" {
			t.Errorf("delete: %v, hint %q", err, hintOf(err))
		}
	}
	if got := rows(t, srv, "db", "weight"); len(got) != 1 || got[0].Fields["value"] != 80.0 {
		t.Errorf("holds %v", got)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 3 {
		t.Errorf("warned %d times, want once each of units, probe and delete:\n%s", n, log.String())
	}
	err := open(t, srv, "db", withToken(srv.NewToken("db", may2Read))).Delete(t.Context(), []sink.Tombstone{{Series: metric.Weight, Device: "D", Time: midnight}})
	if !errors.Is(err, sink.ErrCannotDelete) {
		t.Errorf("a reader's delete: %v", err)
	}
}

// TestInfluxDB2Mapping reads and deletes in buckets that InfluxQL finds by other names: one with a slash, which has no default
// mapping, and one that was taken over from an InfluxDB 1.
func TestInfluxDB2Mapping(t *testing.T) {
	srv := influxd.Start(t, influxd.Config{Version: influxd.V2_7})
	srv.Create("old/one month")
	b := srv.Bucket("old/one month")
	yes := true
	made := domain.PostDBRPJSONRequestBody{BucketID: *b.Id, Database: "FitbitHealthStats", RetentionPolicy: "one month", Default: &yes, OrgID: b.OrgID}
	if _, err := srv.Client.APIClient().PostDBRP(context.Background(), &domain.PostDBRPAllParams{Body: made}); err != nil {
		t.Fatal(err)
	}
	srv.Create("plain")
	for bucket, edit := range map[string]func(*Config){"with/slash": nil, "old/one month": nil, "plain": withToken(srv.NewToken("plain", may2Read, may2Write))} {
		s := open(t, srv, bucket, edit)
		p, q := one(metric.Weight, midnight, 80), one(metric.Weight, midnight+1, 80)
		if err := s.Write(t.Context(), []sink.Points{p, q}); err != nil {
			t.Fatalf("%s: %v", bucket, err)
		}
		if ok, err := s.Holds(t.Context(), p); !ok || err != nil {
			t.Errorf("%s holds: %v, %v", bucket, ok, err)
		}
		if err := s.Delete(t.Context(), []sink.Tombstone{{Series: metric.Weight, Device: "D", Time: midnight}}); err != nil {
			t.Errorf("%s delete: %v", bucket, err)
		}
		for at, want := range map[int64]bool{midnight: false, midnight + 1: true} {
			if ok, err := s.Holds(t.Context(), one(metric.Weight, at, 80)); ok != want || err != nil {
				t.Errorf("%s after a delete of one of two: holds %v, %v", bucket, ok, err)
			}
		}
	}
}

func TestInfluxDB2Retention(t *testing.T) {
	srv := influxd.Start(t, influxd.Config{Version: influxd.V2_7})
	srv.Create("db")
	b := srv.Bucket("db")
	b.RetentionRules = domain.RetentionRules{{EverySeconds: 30 * 24 * 3600}}
	if _, err := srv.Client.BucketsAPI().UpdateBucket(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	old, recent := time.Now().AddDate(0, -3, 0).UnixNano(), time.Now().Add(-time.Hour).UnixNano()
	block := &metric.Block{Series: metric.HeartRate, Device: "D"}
	for i := range int64(4) {
		block.Append(old+i, 60)
	}
	for i := range int64(3) {
		block.Append(recent+i, 60)
	}
	srv.Put("db", fmt.Sprintf("Steps_Intraday,Device=D value=1.5 %d", recent))
	err := open(t, srv, "db", nil).Write(t.Context(), []sink.Points{one(metric.Battery, old+1, 50), {Block: block}, one(metric.Steps, recent, 7)})
	var rejected *sink.Rejected
	if !errors.As(err, &rejected) || len(rejected.Items) != 3 {
		t.Fatalf("got %v, want old samples of two series and a field of a third rejected", err)
	}
	for _, r := range rejected.Items {
		switch {
		case r.Series == metric.Battery && r.Count == 1:
		case r.Series == metric.HeartRate && r.Count == 4 && r.First.UnixNano() == old && r.Last.UnixNano() == old+3 && strings.Contains(r.Hint, "Delete Data to Never"):
		case r.Series == metric.Steps && r.Field == "value" && r.Count == 1:
		default:
			t.Errorf("rejected %+v", r)
		}
	}
	if got := rows(t, srv, "db", "HeartRate_Intraday"); len(got) != 3 {
		t.Errorf("holds %v", got)
	}
}

// TestInfluxDB2ConflictCure follows the hint of a type conflict: its query, and its delete by the API that the command uses.
func TestInfluxDB2ConflictCure(t *testing.T) {
	srv := influxd.Start(t, influxd.Config{Version: influxd.V2_7})
	srv.Create("db")
	srv.Create("old")
	srv.Put("db", fmt.Sprintf("distance,Device=D value=3i %d", midnight-1))
	s := open(t, srv, "db", nil)
	points := []sink.Points{one("distance", midnight, 5.5)}
	var rejected *sink.Rejected
	if err := s.Write(t.Context(), points); !errors.As(err, &rejected) || len(rejected.Items) != 1 {
		t.Fatalf("got %v", err)
	}
	hint := rejected.Items[0].Hint
	query := regexp.MustCompile(`from\(bucket.* to\(bucket: "old"\)`).FindString(hint)
	predicate := regexp.MustCompile(`--predicate '([^']*)'`).FindStringSubmatch(hint)
	if query == "" || predicate == nil {
		t.Fatalf("hint without a query and a delete: %s", hint)
	}
	if _, err := srv.Client.QueryAPI(influxd.Org).Query(context.Background(), query); err != nil {
		t.Fatal(err)
	}
	err := srv.Client.DeleteAPI().DeleteWithName(context.Background(), influxd.Org, "db", time.Unix(0, 0), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), predicate[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), points); err != nil {
		t.Errorf("after the cure: %v", err)
	}
	if got := rows(t, srv, "db", "distance"); len(got) != 1 || got[0].Fields["value"] != 5.5 {
		t.Errorf("distance holds %v", got)
	}
	if got := rows(t, srv, "old", "distance"); len(got) != 1 || got[0].Fields["value"] != int64(3) {
		t.Errorf("the old values are gone: %v", got)
	}
}

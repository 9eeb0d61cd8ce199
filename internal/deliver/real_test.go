package deliver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/deliver"
	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/influx"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

var (
	start   = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	persons = []metric.Person{{ID: "me"}, {ID: "eva", Tag: "Eva"}}
)

// way is an archive, a server, and what delivers from one to the other.
type way struct {
	*deliver.Deliverer
	t       testing.TB
	archive *archive.Archive
	server  *influxd.Server
}

func newArchive(t testing.TB) *archive.Archive {
	t.Helper()
	a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(), Rank: []string{"google"}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func newDeliverer(t testing.TB, a *archive.Archive, srv *influxd.Server, db string) *deliver.Deliverer {
	t.Helper()
	cfg := influx.Config{Version: influx.V1, URL: srv.URL, Database: db, Units: influx.Auto, Deciding: deliver.Decisions{Archive: a}, Catalogue: metric.Default()}
	if srv.Version == influxd.V2_7 {
		cfg.Version, cfg.Org, cfg.Token = influx.V2, influxd.Org, influxd.Token
	}
	s, err := influx.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return deliver.New(deliver.Config{Archive: a, Sink: s, Catalogue: metric.Default(), Persons: persons})
}

func newWay(t testing.TB, v influxd.Version) way {
	a, srv := newArchive(t), influxd.Start(t, influxd.Config{Version: v})
	return way{newDeliverer(t, a, srv, "db"), t, a, srv}
}

func (w way) put(b metric.Batch) {
	w.t.Helper()
	b.Source, b.Asked = "google", start
	if _, err := w.archive.Put(context.Background(), b); err != nil {
		w.t.Fatal(err)
	}
}

func (w way) drain() {
	w.t.Helper()
	if err := w.DrainOnce(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// daily is an answer for the day of start of one daily series; without values nothing is there.
func daily(person string, id metric.ID, values ...float64) metric.Batch {
	span := metric.Span{Start: start, End: start.AddDate(0, 0, 1)}
	b := metric.Batch{Person: person, Feed: string(id), Axis: metric.Days, Span: span, Bounds: span, Series: []metric.ID{id}}
	if len(values) > 0 {
		block := metric.Block{Series: id, Device: "D"}
		block.Append(start.UnixNano(), values...)
		b.Blocks = []metric.Block{block}
	}
	return b
}

// holds expects the rows of SELECT * as text, without times.
func (w way) holds(measurement string, want ...string) {
	w.t.Helper()
	var got []string
	for _, s := range w.server.Query("db", fmt.Sprintf(`SELECT * FROM "%s"`, measurement))[0].Series {
		for _, row := range s.Values {
			text := ""
			for i, v := range row {
				if s.Columns[i] != "time" && v != nil {
					text += fmt.Sprintf("%s=%v ", s.Columns[i], v)
				}
			}
			got = append(got, text)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s holds\n%q, want\n%q", measurement, got, want)
	}
}

// TestSharedPoint has two series write one point of `HR zones`: when the sample of one vanishes, or loses a field, the fields of
// the other stay, and those of another person.
func TestSharedPoint(t *testing.T) {
	for _, v := range influxd.Versions() {
		t.Run(string(v), func(t *testing.T) {
			w := newWay(t, v)
			n := metric.Absent()
			w.put(daily("me", "heart_zones", 1000, 30, 10, 5))
			w.put(daily("me", "active_zone_minutes", 40, 10, 20, 10))
			w.put(daily("eva", "heart_zones", 900, 20, 5, 1))
			w.drain()
			eva := "Cardio=5 Device=D Fat Burn=20 Normal=900 Peak=1 Person=Eva "
			zones := "Cardio=10 Device=D Fat Burn=30 Normal=1000 Peak=5 "
			w.holds("HR zones", "Cardio=10 Device=D Fat Burn=30 Normal=1000 Peak=5 activeZoneMinutes=40 cardioActiveZoneMinutes=20 fatBurnActiveZoneMinutes=10 peakActiveZoneMinutes=10 ", eva)
			w.put(daily("me", "active_zone_minutes", 40, n, 20, 10))
			w.drain()
			w.holds("HR zones", "Cardio=10 Device=D Fat Burn=30 Normal=1000 Peak=5 activeZoneMinutes=40 cardioActiveZoneMinutes=20 peakActiveZoneMinutes=10 ", eva)
			w.put(daily("me", "active_zone_minutes"))
			w.drain()
			w.holds("HR zones", zones, eva)
			w.put(daily("me", "heart_zones"))
			w.drain()
			w.holds("HR zones", eva)
			w.put(daily("me", "heart_zones", 1000, 30, 10, 5)) // back again
			w.drain()
			w.holds("HR zones", zones, eva)
		})
	}
}

// TestNightAgain delivers a night and the same night computed again while the server is away.
func TestNightAgain(t *testing.T) {
	w := newWay(t, influxd.Versions()[0])
	night := func(person string, minutes ...int64) {
		levels := metric.Block{Series: metric.SleepLevels, Device: "D", Tags: []string{"True"}}
		for i, m := range minutes {
			levels.Append(start.Add(time.Duration(m)*time.Minute).UnixNano(), float64(i%4), 60)
		}
		day := metric.DayOf(start)
		w.put(metric.Batch{Person: person, Feed: "sleep", Axis: metric.Days, Span: metric.DaySpan(day, day), Kind: metric.Sleep, Series: []metric.ID{metric.SleepLevels},
			Sessions: []metric.Session{{Kind: metric.Sleep, Key: "n1", Day: day, Start: start, End: start.Add(8 * time.Hour), Updated: start, Blocks: []metric.Block{levels}}}})
	}
	count := func(where string, want int) {
		t.Helper()
		got := 0
		for _, s := range w.server.Query("db", `SELECT level FROM "Sleep Levels" WHERE `+where)[0].Series {
			got += len(s.Values)
		}
		if got != want {
			t.Errorf("%d stages with %s, want %d", got, where, want)
		}
	}
	w.server.Create("db")
	w.server.Put("db", fmt.Sprintf("Sleep\\ Levels,isMainSleep=True level=1i %d", start.Add(20*time.Minute).UnixNano())) // somebody else's
	night("me", 0, 10, 20, 30)
	night("eva", 0, 10, 20, 30)
	w.drain()
	w.server.Stop()
	night("me", 5, 10, 25)
	if err := w.DrainOnce(t.Context()); err == nil {
		t.Error("delivered to a stopped server")
	}
	w.server.Start()
	w.drain()
	count(`Device='D' AND Person=''`, 3)
	count(`Device='D' AND Person='Eva'`, 4)
	count(`Device=''`, 1)
}

// TestUnitsRemembered fills a database in pounds because the Python project did, and goes on so after a restart, though by then
// the Python project's values are gone.
func TestUnitsRemembered(t *testing.T) {
	w := newWay(t, influxd.Versions()[0])
	w.server.Create("db")
	w.server.Put("db", "weight,Device=Old value=176.4 1")
	w.put(daily("me", "distance", 1.609344))
	w.drain()
	w.holds("distance", "Device=D value=1 ")
	w.server.Query("db", "DROP MEASUREMENT weight; DROP MEASUREMENT distance")
	w.Deliverer = newDeliverer(t, w.archive, w.server, "db")
	w.put(daily("me", "distance", 3.218688))
	w.drain()
	w.holds("distance", "Device=D value=2 ")
}

// TestRealOutage stops and empties a real server under a running loop.
func TestRealOutage(t *testing.T) {
	w := newWay(t, influxd.Versions()[0])
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { w.Run(ctx) })
	defer ended.Wait()
	defer cancel()
	steps := func(hour int) {
		span := metric.Span{Start: start.Add(time.Duration(hour) * time.Hour), End: start.Add(time.Duration(hour+1) * time.Hour)}
		block := metric.Block{Series: metric.Steps, Device: "D"}
		for m := range int64(60) {
			block.Append(span.Start.Add(time.Duration(m)*time.Minute).UnixNano(), float64(m))
		}
		w.put(metric.Batch{Person: "me", Feed: "steps", Span: span, Series: []metric.ID{metric.Steps}, Blocks: []metric.Block{block}})
	}
	until := func(what string, fn func() bool) {
		t.Helper()
		proctest.Until(t, what, fn, func() string { return fmt.Sprintf("status %+v", w.Status()) })
	}
	steps(0)
	until("first delivery", func() bool { s := w.Status(); return s.Working && s.Written == 60 })
	w.server.Drop("db")
	w.server.Kill()
	steps(1)
	until("outage seen", func() bool { return w.Status().Error != "" })
	w.server.Start()
	until("delivered again", func() bool {
		s := w.Status()
		return s.Working && !s.Emptied.IsZero() && s.Written >= 180
	})
	if got := len(w.server.Query("db", `SELECT value FROM Steps_Intraday`)[0].Series[0].Values); got != 120 {
		t.Errorf("%d samples in, want 120", got)
	}
}

// pulse is days of heart rate as the live service gives it: about one sample in 3 s while the band is on.
func pulse(days int) []metric.Block {
	r := rand.New(rand.NewPCG(1, 2))
	var out []metric.Block
	for d := range days {
		b := metric.Block{Series: metric.HeartRate, Device: "Charge 6"}
		rate := 60.0
		for s := 0; s < 86400; s += 1 + r.IntN(5) {
			rate = min(max(rate+float64(r.IntN(7)-3), 45), 180)
			b.Append(start.AddDate(0, 0, d).Add(time.Duration(s)*time.Second).UnixNano(), rate)
		}
		out = append(out, b)
	}
	return out
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDelivery delivers 14 days of heart rate out of a real archive into a real InfluxDB 1.8.3, and beside it has a bare
// loop post the same lines, compressed beforehand, in the same batches.
func BenchmarkDelivery(b *testing.B) {
	srv := influxd.Start(b, influxd.Config{Version: influxd.V1_8})
	a := newArchive(b)
	w := way{t: b, archive: a}
	points := 0
	var bodies [][]byte
	enc, err := lineproto.New(metric.Default(), lineproto.Metric)
	if err != nil {
		b.Fatal(err)
	}
	for _, block := range pulse(14) {
		span := metric.Span{Start: time.Unix(0, block.Times[0]).UTC().Truncate(24 * time.Hour)}
		span.End = span.Start.AddDate(0, 0, 1)
		w.put(metric.Batch{Person: "me", Feed: "heart", Span: span, Series: []metric.ID{metric.HeartRate}, Blocks: []metric.Block{block}})
		points += block.Len()
		for from := 0; from < block.Len(); from += 5000 {
			lines, _ := enc.Append(nil, persons[0], &block, from, min(from+5000, block.Len()), 0)
			var zip bytes.Buffer
			z, _ := gzip.NewWriterLevel(&zip, gzip.BestSpeed)
			z.Write(lines)
			z.Close()
			bodies = append(bodies, zip.Bytes())
		}
	}
	bare := func(db string) {
		for _, body := range bodies {
			req, err := http.NewRequest(http.MethodPost, srv.URL+"/write?precision=ns&db="+db, bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			req.Header.Set("Content-Encoding", "gzip")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusNoContent {
				b.Fatal(resp.Status)
			}
		}
	}
	n := 0
	fresh := func() string { // a database of its own for every run, so that none overwrites
		n++
		db := "d" + strconv.Itoa(n)
		srv.Query("", "CREATE DATABASE "+db)
		return db
	}
	bare(fresh()) // both begin with a warm server
	var ours, theirs, burned time.Duration
	for b.Loop() {
		db := fresh()
		at := time.Now()
		bare(db)
		theirs += time.Since(at)
		d := newDeliverer(b, a, srv, fresh())
		at, used := time.Now(), cpu()
		if err := d.DrainOnce(context.Background()); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(at)
		burned += cpu() - used
		if w := d.Status().Written; w != int64(points) {
			b.Fatal(errors.New("not all was written"))
		}
	}
	total := float64(b.N * points)
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-bare")
	b.ReportMetric(total/ours.Seconds(), "points/s")
	b.ReportMetric(float64(burned.Nanoseconds())/total, "cpu-ns/point")
	b.ReportMetric(0, "ns/op")
}

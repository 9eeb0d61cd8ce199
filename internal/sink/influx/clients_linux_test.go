package influx

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb1-client/models"
	client "github.com/influxdata/influxdb1-client/v2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

const (
	clientBatches = 20
	clientBatch   = 5000 // samples, as the program delivers them
)

// clientBlocks returns the samples of one batch: heart rate every 1 to 3 s, its minutes, and steps.
func clientBlocks(n int) []sink.Points {
	heart := &metric.Block{Series: metric.HeartRate, Device: "Charge 6"}
	minute := &metric.Block{Series: metric.HeartRateMinute, Device: "Charge 6"}
	steps := &metric.Block{Series: metric.Steps, Device: "Charge 6"}
	start := midnight + int64(n)*int64(3*time.Hour)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	at, level := start, 70.0
	for range clientBatch * 9 / 10 {
		at += int64(1+r.IntN(3)) * int64(time.Second)
		level += r.NormFloat64()*1.3 - (level-75)*0.01
		heart.Append(at, float64(int(level)))
	}
	for i := range clientBatch / 20 {
		at := start + int64(i)*int64(30*time.Second)
		minute.Append(at, 70+float64(r.IntN(600))/60, float64(60+r.IntN(10)), float64(80+r.IntN(10)))
		steps.Append(at, float64(r.IntN(130)))
	}
	return []sink.Points{{Block: heart}, {Block: minute}, {Block: steps}}
}

// linesOf are the blocks as our own writer sends them.
func linesOf(enc *lineproto.Encoder, blocks []sink.Points) (lines []byte) {
	for _, p := range blocks {
		lines, _ = enc.Append(lines, p.Person, p.Block, 0, p.Block.Len(), 0)
	}
	return lines
}

// heldPoint is a point as a program has it that builds its points with influxdb1-client.
type heldPoint struct {
	name   string
	tags   map[string]string
	fields map[string]any
	at     time.Time
}

func pointsOf(b *testing.B, lines []byte) (out []heldPoint) {
	b.Helper()
	all, err := models.ParsePoints(lines)
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range all {
		fields, err := p.Fields()
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, heldPoint{string(p.Name()), p.Tags().Map(), fields, p.Time()})
	}
	return out
}

// A clientWriter writes the batches to a database at an address, one after the other.
type clientWriter struct {
	name string
	open func(b *testing.B, srv *influxd.Server, address, database string) (write func(batch int) error)

	took, cpu time.Duration // of all rounds
	sent      int64         // bytes of the bodies of one round
}

// BenchmarkClients writes the same lines by our own requests and by the two official clients: what is made of values that are in hand, and
// a request for each 5000 of them, one after the other. The CPU is that of this process, without the database's. With -tags influxdb2 it is
// InfluxDB 2, to which the client of InfluxDB 1 does not write.
func BenchmarkClients(b *testing.B) {
	version := influxd.Versions()[0]
	srv := influxd.Start(b, influxd.Config{Version: version})
	enc, err := lineproto.New(sinktest.Catalogue(), lineproto.Metric)
	if err != nil {
		b.Fatal(err)
	}
	var blocks [][]sink.Points
	var points [][]heldPoint
	total, plain := 0, 0
	for n := range clientBatches {
		blocks = append(blocks, clientBlocks(n))
		lines := linesOf(enc, blocks[n])
		points = append(points, pointsOf(b, lines))
		total, plain = total+bytes.Count(lines, []byte("\n")), plain+len(lines)
	}
	writers := []clientWriter{{name: "ours", open: func(b *testing.B, srv *influxd.Server, address, database string) func(int) error {
		s := open(b, srv, database, func(c *Config) { c.URL = address })
		return func(n int) error { return s.Prepare(blocks[n]).Write(b.Context()) }
	}}}
	for _, zip := range []bool{false, true} {
		name := map[bool]string{false: "plain", true: "gzip"}[zip]
		writers = append(writers, clientWriter{name: "influxdb-client-go-WriteRecord-" + name, open: func(b *testing.B, srv *influxd.Server, address, database string) func(int) error {
			org, token := influxd.Org, influxd.Token
			if srv.Version != influxd.V2_7 {
				org, token = "", ""
			}
			c := influxdb2.NewClientWithOptions(address, token, influxdb2.DefaultOptions().SetUseGZip(zip))
			b.Cleanup(c.Close)
			api := c.WriteAPIBlocking(org, database)
			return func(n int) error { return api.WriteRecord(b.Context(), string(linesOf(enc, blocks[n]))) }
		}})
		if version == influxd.V2_7 {
			continue
		}
		writers = append(writers, clientWriter{name: "influxdb1-client-Write-" + name, open: func(b *testing.B, srv *influxd.Server, address, database string) func(int) error {
			c, err := client.NewHTTPClient(client.HTTPConfig{Addr: address, WriteEncoding: map[bool]client.ContentEncoding{false: client.DefaultEncoding, true: client.GzipEncoding}[zip]})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { c.Close() })
			return func(n int) error {
				batch, err := client.NewBatchPoints(client.BatchPointsConfig{Database: database, Precision: "ns"})
				if err != nil {
					return err
				}
				for _, p := range points[n] {
					point, err := client.NewPoint(p.name, p.tags, p.fields, p.at)
					if err != nil {
						return err
					}
					batch.AddPoint(point)
				}
				return c.Write(batch)
			}
		}})
	}
	for i := range writers {
		base := fmt.Sprintf("w%d", i)
		srv.Create(base)
		writers[i].sent = sentBy(b, srv, writers[i], base)
		compareRows(b, srv, base, "w0")
	}
	rounds := 0
	for b.Loop() { // each in turn, so that a slow machine slows all
		rounds++
		for i := range writers {
			writers[i].round(b, srv, fmt.Sprintf("w%d-%d", i, rounds))
		}
	}
	for _, w := range writers {
		n := float64(total * rounds)
		b.ReportMetric(n/w.took.Seconds(), w.name+":points/s")
		b.ReportMetric(w.cpu.Seconds()*1e6/n, w.name+":µs-CPU/point")
		b.ReportMetric(float64(w.sent)/float64(total), w.name+":bytes/point")
	}
	b.ReportMetric(float64(plain)/float64(total), "lines:bytes/point")
}

// round writes all batches into a database of their own.
func (w *clientWriter) round(b *testing.B, srv *influxd.Server, database string) {
	b.Helper()
	srv.Create(database)
	write := w.open(b, srv, srv.URL, database)
	began, cpu := time.Now(), cpuSelf(b)
	for n := range clientBatches {
		if err := write(n); err != nil {
			b.Fatal(err)
		}
	}
	w.took, w.cpu = w.took+time.Since(began), w.cpu+cpuSelf(b)-cpu
	srv.Drop(database)
}

// sentBy writes everything once through a proxy, and returns how many bytes the bodies had.
func sentBy(b *testing.B, srv *influxd.Server, w clientWriter, database string) int64 {
	b.Helper()
	target, err := url.Parse(srv.URL)
	if err != nil {
		b.Fatal(err)
	}
	var sent atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(target)
	counting := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			r.Body = &countedBody{r.Body, &sent}
		}
		proxy.ServeHTTP(out, r)
	}))
	defer counting.Close()
	write := w.open(b, srv, counting.URL, database)
	for n := range clientBatches {
		if err := write(n); err != nil {
			b.Fatal(err)
		}
	}
	return sent.Load()
}

type countedBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// compareRows wants a database to hold the very rows of another.
func compareRows(b *testing.B, srv *influxd.Server, database, as string) {
	b.Helper()
	for _, id := range []metric.ID{metric.HeartRate, metric.HeartRateMinute, metric.Steps} {
		row, ok := sinktest.Catalogue().Lookup(id)
		if !ok {
			b.Fatalf("%s is not in the catalogue", id)
		}
		got, want := fmt.Sprint(rows(b, srv, database, row.Measurement)), fmt.Sprint(rows(b, srv, as, row.Measurement))
		if got != want || len(got) < 1000 {
			b.Fatalf("%s: it is not the same that was written (%d and %d characters)", id, len(got), len(want))
		}
	}
}

// cpuSelf returns the CPU that this process has taken.
func cpuSelf(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Why docs/performance.md says that points go by our own request: what the official clients make of an answer that is not the database's,
// and of one that refuses a point.
func TestAnswersToOfficialClients(t *testing.T) {
	var status int
	var kind, text string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, text)
	}))
	defer srv.Close()
	one1, err := client.NewHTTPClient(client.HTTPConfig{Addr: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer one1.Close()
	two := influxdb2.NewClient(srv.URL, "")
	defer two.Close()
	ours, err := New(Config{Version: V1, URL: srv.URL, Database: "db", Units: Metric, Catalogue: sinktest.Catalogue()})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	write := func() (byWrite, byRecord error) {
		batch, err := client.NewBatchPoints(client.BatchPointsConfig{Database: "db"})
		if err != nil {
			t.Fatal(err)
		}
		return one1.Write(batch), two.WriteAPIBlocking("", "db").WriteRecord(t.Context(), "m f=1 1")
	}

	status, kind, text = http.StatusOK, "text/html", "<html>Please sign in</html>"
	if a, b := write(); a != nil || b != nil {
		t.Errorf("a page in the database's place: %v, %v", a, b)
	}
	if v := ours.judge(status, http.Header{}, []byte(text)); v.kind != keep {
		t.Errorf("a page in the database's place is %d to us", v.kind)
	}

	const reason = `partial write: field type conflict: input field "value" on measurement "m" is type float, already exists as type integer dropped=1`
	status, kind, text = http.StatusBadRequest, "application/json", `{"error":`+strconv.Quote(reason)+`}`
	a, b := write()
	if a == nil || strings.Contains(a.Error(), "400") {
		t.Errorf("a refusal by Write: %v", a)
	}
	if b == nil || strings.Contains(b.Error(), "conflict") {
		t.Errorf("a refusal by WriteRecord: %v", b)
	}
	if v := ours.judge(status, http.Header{}, []byte(text)); v.kind != conflict || v.dropped != 1 {
		t.Errorf("a refusal is %+v to us", v)
	}
}

// Package sinktest is the suite every sink passes, against the real server it is for.
package sinktest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// Subject is a sink on a database of its own, and hands on the server behind it. Sink has the catalogue of Catalogue and writes
// metric units; its database does not exist yet. A server that asks for no password leaves Stranger nil.
type Subject struct {
	Sink     Traited
	Stranger sink.Sink                                    // the same with a wrong password
	Rows     func(t testing.TB, measurement string) []Row // what the database holds of it
	Put      func(t testing.TB, lines string)             // writes as another program; makes the database
	Empty    func(t testing.TB)                           // drops all
	Stop     func()                                       // the server
	Start    func()                                       // it again
}

// Traited is a sink that says what it can tell and do.
type Traited interface {
	sink.Sink
	Traits() sink.Traits
}

// Row is one point as the database holds it: fields are int64 or float64.
type Row struct {
	Time   int64
	Tags   map[string]string
	Fields map[string]any
}

// Odd is a row with every character that could trip an encoder.
const Odd metric.ID = "odd"

// Catalogue is the default one and a row with odd names.
func Catalogue() metric.Catalogue {
	return append(metric.Default(), metric.Series{
		ID: Odd, Measurement: `od,d = "m" ü`, Tags: []string{`t a,g=ß"`},
		Fields: []metric.Field{{Key: `fi eld,=1"é`, Kind: metric.Int}, {Key: "f2", Kind: metric.Float}},
	})
}

// Run runs the suite. make is called once per test and gives a subject on a database that does not exist yet; several may share
// a server, but for the test named "outage", which stops it.
func Run(t *testing.T, traits sink.Traits, make func(t *testing.T) Subject) {
	tests := []struct {
		name string
		want bool
		run  func(*testing.T, Subject)
	}{
		{"values and types", true, values},
		{"written twice", true, twice},
		{"odd names", traits.Names, odd},
		{"absent fields", true, absent},
		{"big batch", true, big},
		{"type conflict", traits.Conflicts, conflict},
		{"unreadable point", traits.ParseErrors, unreadable},
		{"database missing", traits.Creates, missing},
		{"wrong password", true, stranger},
		{"outage", true, outage},
		{"emptied", traits.Reads, emptied},
		{"cannot tell", !traits.Reads, silent},
		{"deletes", traits.Deletes, deletes},
		{"deletes among many", traits.Deletes, deletesMany},
		{"cancelled", true, cancelled},
	}
	for _, c := range tests {
		if c.want {
			t.Run(c.name, func(t *testing.T) { c.run(t, make(t)) })
		}
	}
}

var (
	first  = metric.Person{ID: "me"}
	second = metric.Person{ID: "eva", Tag: "Eva"}
	epoch  = time.Date(2026, 3, 29, 0, 30, 0, 123456789, time.UTC).UnixNano()
)

const second1 = int64(time.Second)

// block makes a block with one sample per row of values, a second apart from epoch.
func block(id metric.ID, device string, tags []string, values ...[]float64) *metric.Block {
	b := &metric.Block{Series: id, Device: device, Tags: tags}
	for i, v := range values {
		b.Append(epoch+int64(i)*second1, v...)
	}
	return b
}

func write(t *testing.T, s Subject, points ...sink.Points) {
	t.Helper()
	if err := s.Sink.Write(t.Context(), points); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func mine(b *metric.Block) sink.Points { return sink.Points{Person: first, Block: b} }
func hers(b *metric.Block) sink.Points { return sink.Points{Person: second, Block: b} }

// expect compares what stands in a measurement with rows written as time offset in seconds, tags and fields.
func expect(t *testing.T, s Subject, measurement string, want ...Row) {
	t.Helper()
	got := s.Rows(t, measurement)
	for i := range want {
		want[i] = kept(s.Sink.Traits(), want[i])
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if len(got) != len(want) {
		t.Fatalf("%s: got %d rows %v, want %d %v", measurement, len(got), got, len(want), want)
	}
	for i := range want {
		if got[i].Time != want[i].Time || !maps.Equal(got[i].Tags, want[i].Tags) || !maps.Equal(got[i].Fields, want[i].Fields) {
			t.Errorf("%s: row %d:\n got %v\nwant %v", measurement, i, got[i], want[i])
		}
	}
}

// kept is a row as a sink with these traits keeps it.
func kept(traits sink.Traits, r Row) Row {
	r.Time -= r.Time % int64(traits.Precision)
	if !traits.Integers {
		r.Fields = maps.Clone(r.Fields)
		for key, v := range r.Fields {
			if n, ok := v.(int64); ok {
				r.Fields[key] = float64(n)
			}
		}
	}
	return r
}

// order sorts rows by time and tags.
func order(a, b Row) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(fmt.Sprint(a.Tags), fmt.Sprint(b.Tags)))
}

type tags = map[string]string
type fields = map[string]any

func row(offset int64, t tags, f fields) Row { return Row{epoch + offset*second1, t, f} }

func values(t *testing.T, s Subject) {
	n := metric.Absent()
	write(t, s,
		mine(block(metric.HeartRate, "Charge 6", nil, []float64{61}, []float64{62})),
		hers(block(metric.HeartRate, "Inspire 3", nil, []float64{99})),
		mine(block("spo2", "Charge 6", nil, []float64{95.3, 99, 91.25})),
		mine(block(metric.SleepSummary, "Charge 6", []string{"True"}, []float64{93, 0, 420, 7, 460, 40, 250, 90, 80})),
		mine(block(metric.SleepLevels, "", []string{"False"}, []float64{0, 300}, []float64{3, n})),
		hers(block(metric.Workouts, "ignored", []string{"Walk"}, []float64{1.8e6, 101, 200, 1.9e6, 3000, 2.5})),
		mine(block(metric.Battery, "ignored", []string{""}, []float64{77})),
		mine(block(metric.Battery, "ignored", []string{"Aria"}, []float64{1e-9})),
	)
	expect(t, s, "HeartRate_Intraday",
		row(0, tags{"Device": "Charge 6"}, fields{"value": int64(61)}),
		row(0, tags{"Device": "Inspire 3", "Person": "Eva"}, fields{"value": int64(99)}),
		row(1, tags{"Device": "Charge 6"}, fields{"value": int64(62)}))
	expect(t, s, "SPO2", row(0, tags{"Device": "Charge 6"}, fields{"avg": 95.3, "max": 99.0, "min": 91.25}))
	expect(t, s, "Sleep Summary", row(0, tags{"Device": "Charge 6", "isMainSleep": "True"}, fields{
		"efficiency": int64(93), "minutesAfterWakeup": int64(0), "minutesAsleep": int64(420), "minutesToFallAsleep": int64(7),
		"minutesInBed": int64(460), "minutesAwake": int64(40), "minutesLight": int64(250), "minutesREM": int64(90), "minutesDeep": int64(80)}))
	expect(t, s, "Sleep Levels",
		row(0, tags{"isMainSleep": "False"}, fields{"level": int64(0), "duration_seconds": int64(300)}),
		row(1, tags{"isMainSleep": "False"}, fields{"level": int64(3)}))
	expect(t, s, "Activity Records", row(0, tags{"ActivityName": "Walk", "Person": "Eva"}, fields{
		"ActiveDuration": int64(1.8e6), "AverageHeartRate": int64(101), "calories": int64(200), "duration": int64(1.9e6), "steps": int64(3000), "distance": 2.5}))
	expect(t, s, "DeviceBatteryLevel",
		row(0, tags{}, fields{"value": 77.0}),
		row(0, tags{"Tracker": "Aria"}, fields{"value": 1e-9}))
}

func twice(t *testing.T, s Subject) {
	b := block(metric.HeartRate, "D", nil, []float64{61}, []float64{62})
	write(t, s, mine(b))
	write(t, s, mine(b), mine(b))
	expect(t, s, "HeartRate_Intraday", row(0, tags{"Device": "D"}, fields{"value": int64(61)}), row(1, tags{"Device": "D"}, fields{"value": int64(62)}))
	write(t, s, mine(block(metric.HeartRate, "D", nil, []float64{70})))
	if !s.Sink.Traits().Overwrites {
		return // which of the two it shows nobody knows
	}
	expect(t, s, "HeartRate_Intraday", row(0, tags{"Device": "D"}, fields{"value": int64(70)}), row(1, tags{"Device": "D"}, fields{"value": int64(62)}))
}

func odd(t *testing.T, s Subject) {
	write(t, s, mine(block(Odd, `Ä b,c="d'e`, []string{" x, y=z "}, []float64{-5, -0.1})),
		mine(block(Odd, `back\slash\`, []string{"line\nbreak\x00"}, []float64{1 << 50, 1e300})),
		hers(block(Odd, "日本語 🙂", []string{"#"}, []float64{0, 0})))
	expect(t, s, `od,d = "m" ü`,
		row(0, tags{"Device": "back/slash/", `t a,g=ß"`: "line break "}, fields{`fi eld,=1"é`: int64(1 << 50), "f2": 1e300}),
		row(0, tags{"Device": `Ä b,c="d'e`, `t a,g=ß"`: " x, y=z "}, fields{`fi eld,=1"é`: int64(-5), "f2": -0.1}),
		row(0, tags{"Device": "日本語 🙂", "Person": "Eva", `t a,g=ß"`: "#"}, fields{`fi eld,=1"é`: int64(0), "f2": 0.0}))
}

func absent(t *testing.T, s Subject) {
	n := metric.Absent()
	write(t, s, mine(block("hrv", "D", nil, []float64{n, 31.5}, []float64{n, n}, []float64{0, n})))
	expect(t, s, "HRV", row(0, tags{"Device": "D"}, fields{"deepRmssd": 31.5}), row(2, tags{"Device": "D"}, fields{"dailyRmssd": 0.0}))
	write(t, s, mine(block("hrv", "D", nil, []float64{n, n})))
	write(t, s)
}

func big(t *testing.T, s Subject) {
	const n = 20_000
	b := &metric.Block{Series: metric.HeartRate, Device: "D"}
	for i := range int64(n) {
		b.Append(epoch+i*second1, float64(50+i%100))
	}
	write(t, s, mine(b))
	rows := s.Rows(t, "HeartRate_Intraday")
	if len(rows) != n {
		t.Fatalf("got %d rows, want %d", len(rows), n)
	}
	for i, r := range rows {
		want := kept(s.Sink.Traits(), Row{Time: b.Times[i], Fields: fields{"value": int64(b.Values[0][i])}})
		if r.Time != want.Time || !maps.Equal(r.Fields, want.Fields) {
			t.Fatalf("row %d: got %v", i, r)
		}
	}
}

func conflict(t *testing.T, s Subject) {
	before := epoch - second1 // in the same shard: each has types of its own
	s.Put(t, fmt.Sprintf("SPO2,Device=D avg=\"high\" %d\nHRV dailyRmssd=3i %d\n", before, before))
	n := metric.Absent()
	err := s.Sink.Write(t.Context(), []sink.Points{
		mine(block(metric.HeartRate, "D", nil, []float64{61})),
		mine(block("spo2", "D", nil, []float64{95, 99, 91}, []float64{n, 98, 90}, []float64{94, 97, 89})),
		mine(block("hrv", "D", nil, []float64{30, 31}, []float64{32, n})),
		mine(block(metric.Steps, "D", nil, []float64{7})),
	})
	var rejected *sink.Rejected
	if !errors.As(err, &rejected) {
		t.Fatalf("got %v, want *sink.Rejected", err)
	}
	got := map[string]sink.Rejection{}
	for _, r := range rejected.Items {
		got[string(r.Series)+"."+r.Field] = r
		if r.Hint == "" || r.Reason == "" {
			t.Errorf("%s.%s has no hint or reason", r.Series, r.Field)
		}
	}
	if len(got) != 2 || got["spo2.avg"].Count != 2 || got["hrv.dailyRmssd"].Count != 2 {
		t.Errorf("rejected %+v; want 2 of spo2.avg and 2 of hrv.dailyRmssd", rejected.Items)
	}
	if r := got["spo2.avg"]; r.First.UnixNano() != epoch || r.Last.UnixNano() != epoch+2*second1 {
		t.Errorf("rejected spo2 from %v to %v", r.First, r.Last)
	}
	d := tags{"Device": "D"}
	expect(t, s, "HeartRate_Intraday", row(0, d, fields{"value": int64(61)}))
	expect(t, s, "Steps_Intraday", row(0, d, fields{"value": int64(7)}))
	spo2 := slices.DeleteFunc(s.Rows(t, "SPO2"), func(r Row) bool { return r.Time == before })
	if len(spo2) != 3 || !maps.Equal(spo2[0].Fields, fields{"max": 99.0, "min": 91.0}) || !maps.Equal(spo2[2].Fields, fields{"max": 97.0, "min": 89.0}) {
		t.Errorf("SPO2 holds %v", spo2)
	}
	hrv := slices.DeleteFunc(s.Rows(t, "HRV"), func(r Row) bool { return r.Time == before })
	if len(hrv) != 1 || !maps.Equal(hrv[0].Fields, fields{"deepRmssd": 31.0}) {
		t.Errorf("HRV holds %v", hrv)
	}
}

func unreadable(t *testing.T, s Subject) {
	const n = 100
	b := &metric.Block{Series: metric.HeartRate, Device: "D"}
	b.Append(-1<<63, 1) // before what the database can count
	for i := range int64(n) {
		b.Append(epoch+i*second1, 60)
	}
	b.Append(1<<63-1, 2) // after it
	err := s.Sink.Write(t.Context(), []sink.Points{mine(block(metric.Steps, "D", nil, []float64{7})), mine(b), hers(block(metric.Steps, "D", nil, []float64{8}))})
	var rejected *sink.Rejected
	if !errors.As(err, &rejected) {
		t.Fatalf("got %v, want *sink.Rejected", err)
	}
	count := 0
	for _, r := range rejected.Items {
		count += r.Count
		if r.Series != metric.HeartRate || r.Field != "" || r.Hint == "" {
			t.Errorf("rejected %+v", r)
		}
	}
	if count != 2 {
		t.Errorf("rejected %d samples, want 2: %v", count, err)
	}
	if got := len(s.Rows(t, "HeartRate_Intraday")); got != n {
		t.Errorf("%d samples are in, want %d", got, n)
	}
	if got := len(s.Rows(t, "Steps_Intraday")); got != 2 {
		t.Errorf("%d steps are in, want 2", got)
	}
}

func missing(t *testing.T, s Subject) {
	b := mine(block(metric.HeartRate, "D", nil, []float64{61}))
	write(t, s, b) // the first write makes it
	s.Empty(t)
	write(t, s, b) // and again when it is gone
	expect(t, s, "HeartRate_Intraday", row(0, tags{"Device": "D"}, fields{"value": int64(61)}))
}

func stranger(t *testing.T, s Subject) {
	if s.Stranger == nil {
		return // this server asks for no password
	}
	write(t, s, mine(block(metric.HeartRate, "D", nil, []float64{61})))
	err := s.Stranger.Write(t.Context(), []sink.Points{mine(block(metric.HeartRate, "D", nil, []float64{62}, []float64{63}))})
	keeps(t, err)
	var e *sink.Error
	if !errors.As(err, &e) || e.Status != 401 || e.Hint == "" {
		t.Errorf("got %#v, want a *sink.Error with status 401 and a hint", err)
	}
	expect(t, s, "HeartRate_Intraday", row(0, tags{"Device": "D"}, fields{"value": int64(61)}))
}

// keeps fails the test unless err keeps the batch.
func keeps(t *testing.T, err error) {
	t.Helper()
	var rejected *sink.Rejected
	if err == nil || errors.As(err, &rejected) {
		t.Fatalf("got %v, want an error that keeps the batch", err)
	}
}

func outage(t *testing.T, s Subject) {
	b := mine(block(metric.HeartRate, "D", nil, []float64{61}))
	write(t, s, b)
	s.Stop()
	after := mine(block(metric.HeartRate, "D", nil, []float64{61}, []float64{62}))
	err := s.Sink.Write(t.Context(), []sink.Points{after})
	keeps(t, err)
	var e *sink.Error
	if !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("got %#v, want a *sink.Error with a hint", err)
	}
	if d, ok := s.Sink.(sink.Deleter); ok && s.Sink.Traits().Deletes {
		keeps(t, d.Delete(t.Context(), []sink.Tombstone{{Person: first, Series: metric.HeartRate, Device: "D", Time: epoch}}))
	}
	if p, ok := s.Sink.(sink.Prober); ok && s.Sink.Traits().Reads {
		if _, err := p.Holds(t.Context(), b); err == nil {
			t.Error("a stopped server was asked what it holds, without an error")
		}
	}
	s.Start()
	write(t, s, after)
	expect(t, s, "HeartRate_Intraday", row(0, tags{"Device": "D"}, fields{"value": int64(61)}), row(1, tags{"Device": "D"}, fields{"value": int64(62)}))
}

func emptied(t *testing.T, s Subject) {
	p, ok := s.Sink.(sink.Prober)
	if !ok {
		return // this sink cannot tell
	}
	b := mine(block(metric.SleepLevels, "D", []string{"True"}, []float64{0, 300}, []float64{1, 60}))
	holds := func(want bool, p2 sink.Points) {
		t.Helper()
		if got, err := p.Holds(t.Context(), p2); err != nil || got != want {
			t.Errorf("holds: got %v, %v, want %v", got, err, want)
		}
	}
	holds(false, b)
	write(t, s, b)
	holds(true, b)
	holds(false, hers(b.Block))
	holds(false, mine(block(metric.SleepLevels, "D", []string{"False"}, []float64{0, 300}, []float64{1, 60})))
	holds(false, mine(block(metric.SleepLevels, "D", []string{"True"}, []float64{0, 300}, []float64{1, 60}, []float64{1, 60})))
	s.Empty(t)
	holds(false, b)
}

// silent is for a sink that cannot be asked: it must not report that anything is gone.
func silent(t *testing.T, s Subject) {
	p, ok := s.Sink.(sink.Prober)
	if !ok {
		return
	}
	if there, err := p.Holds(t.Context(), mine(block(metric.HeartRate, "D", nil, []float64{61}))); !there || err != nil {
		t.Errorf("holds: got %v, %v", there, err)
	}
}

func cancelled(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Sink.Write(ctx, []sink.Points{mine(block(metric.HeartRate, "D", nil, []float64{61}))})
	keeps(t, err)
	if d, ok := s.Sink.(sink.Deleter); ok {
		if err := d.Delete(ctx, []sink.Tombstone{{Person: first, Series: metric.HeartRate, Device: "D", Time: epoch}}); err == nil {
			t.Error("a cancelled delete reported success")
		}
	}
}

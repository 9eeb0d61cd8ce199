package latest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const day = metric.Day(20777)

func open(t *testing.T, path string) *archive.Archive {
	t.Helper()
	a, err := archive.Open(context.Background(), archive.Config{Path: path, Catalogue: metric.Default(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// daily answers for one day of a daily series.
func daily(t *testing.T, a *archive.Archive, series metric.ID, d metric.Day, values ...float64) []metric.ID {
	t.Helper()
	span := metric.DaySpan(d, d)
	b := metric.Block{Series: series, Device: "Charge 5"}
	b.Append(d.Civil().UnixNano(), values...)
	c, err := a.Put(context.Background(), metric.Batch{Person: "me", Source: "google", Feed: "totals", Axis: metric.Days, Span: span, Bounds: span,
		Asked: span.End, Series: []metric.ID{series}, Blocks: []metric.Block{b}})
	if err != nil {
		t.Fatal(err)
	}
	return c.Series
}

func changes(t *testing.T, l *Latest, series []metric.ID) []Value {
	t.Helper()
	out, err := l.Changes(context.Background(), "me", series)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLatest(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "archive.db")
	a := open(t, path)
	l := New(a, metric.Default(), "google")
	if all, err := l.Snapshot(ctx, "me"); err != nil || len(all) != 0 {
		t.Fatalf("an empty archive shows %v (%v)", all, err)
	}
	got := changes(t, l, daily(t, a, "steps", day, 5000))
	if len(got) != 1 || got[0].Value != 5000 || !got[0].At.Equal(day.Civil()) || got[0].Source != "google" || got[0].Field.Sensor != "steps" {
		t.Fatalf("steps: %+v", got)
	}
	if got := changes(t, l, []metric.ID{"steps"}); len(got) != 0 {
		t.Errorf("nothing changed, and it told %+v", got)
	}
	if got := changes(t, l, daily(t, a, "hrv", day, 40, metric.Absent())); len(got) != 1 {
		t.Errorf("an absent field is shown: %+v", got)
	}
	if got := changes(t, l, daily(t, a, "steps", day, 4900)); len(got) != 0 {
		t.Errorf("a counter went back within its day: %+v", got)
	}
	if got := changes(t, l, daily(t, a, "hrv", day, 38, 20)); len(got) != 2 || got[0].Value != 38 {
		t.Errorf("what is no counter may go back: %+v", got)
	}
	a.Close()

	a = open(t, path) // a restart
	defer a.Close()
	l = New(a, metric.Default(), "google")
	all, err := l.Snapshot(ctx, "me")
	if err != nil || len(all) != 3 {
		t.Fatalf("after a restart: %+v (%v)", all, err)
	}
	for _, v := range all {
		if v.Series == "steps" && v.Value != 5000 {
			t.Errorf("a restart stepped back to %v", v.Value)
		}
	}
	if got := changes(t, l, daily(t, a, "steps", day+1, 12)); len(got) != 1 || got[0].Value != 12 {
		t.Errorf("the next day does not begin anew: %+v", got)
	}
}

func TestCounters(t *testing.T) {
	cat := metric.Default()
	for id, want := range map[metric.ID]bool{"steps": true, "distance": true, "heart_zones": true, "elevation": true,
		"resting_heart_rate": false, "spo2": false, "hrv": false, "vo2_max": false, "weight": false, metric.Steps: false, metric.SleepSummary: false} {
		row := cat.Must(id)
		if got := Counter(row, row.Fields[len(row.Fields)-1]); got != want {
			t.Errorf("%s: counter %v, want %v", id, got, want)
		}
	}
}

// from answers for one day as a source of that name.
func from(t *testing.T, a *archive.Archive, source string, d metric.Day, steps float64) {
	t.Helper()
	span := metric.DaySpan(d, d)
	b := metric.Block{Series: "steps"}
	b.Append(d.Civil().UnixNano(), steps)
	if _, err := a.Put(t.Context(), metric.Batch{Person: "me", Source: source, Feed: "totals", Axis: metric.Days, Span: span, Bounds: span, Asked: span.End,
		Series: []metric.ID{"steps"}, Blocks: []metric.Block{b}}); err != nil {
		t.Fatal(err)
	}
}

// A counter is zero after midnight only where its live source is still counting; otherwise nobody knows.
func TestToday(t *testing.T) {
	utc := metric.Zones{{Name: "UTC"}}
	row := metric.Default().Must("steps")
	for name, c := range map[string]struct {
		put   func(a *archive.Archive)
		value float64
		known bool
	}{
		"today's":                           {func(a *archive.Archive) { from(t, a, "google", day, 500) }, 500, true},
		"today's, imported":                 {func(a *archive.Archive) { from(t, a, "takeout", day, 500) }, 500, true},
		"yesterday's":                       {func(a *archive.Archive) { from(t, a, "google", day-1, 500) }, 0, true},
		"of three days ago":                 {func(a *archive.Archive) { from(t, a, "google", day-3, 500) }, 0, true},
		"of four days ago":                  {func(a *archive.Archive) { from(t, a, "google", day-4, 500) }, 0, false},
		"imported":                          {func(a *archive.Archive) { from(t, a, "takeout", day-1, 500) }, 0, false},
		"imported, the live one counts":     {func(a *archive.Archive) { from(t, a, "takeout", day-1, 500); from(t, a, "google", day-2, 400) }, 0, true},
		"imported, the live one has ended":  {func(a *archive.Archive) { from(t, a, "takeout", day-1, 500); from(t, a, "google", day-9, 400) }, 0, false},
		"of the provider before, long gone": {func(a *archive.Archive) { from(t, a, "fitbit", day-40, 500) }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t, filepath.Join(t.TempDir(), "archive.db"))
			defer a.Close()
			c.put(a)
			all, err := New(a, metric.Default(), "google").Snapshot(t.Context(), "me")
			if err != nil || len(all) != 1 {
				t.Fatalf("%+v (%v)", all, err)
			}
			if v, known := all[0].Today(row, day, utc); v != c.value || known != c.known {
				t.Errorf("%v (known %v), want %v (%v); %+v", v, known, c.value, c.known, all[0])
			}
		})
	}
}

package archive

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// take delivers everything to a sink and returns how many samples and tombs that were.
func take(t *testing.T, a *Archive, sink string) (samples, tombs int) {
	t.Helper()
	for {
		dead, err := a.DueTombs(t.Context(), sink, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Ack(t.Context(), sink, nil, dead); err != nil {
			t.Fatal(err)
		}
		pieces, err := a.Due(t.Context(), sink, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Ack(t.Context(), sink, pieces, nil); err != nil {
			t.Fatal(err)
		}
		for i := range pieces {
			samples += pieces[i].Block.Len()
		}
		tombs += len(dead)
		if len(dead)+len(pieces) == 0 {
			return samples, tombs
		}
	}
}

func TestOnlyWhatIsNewIsDelivered(t *testing.T) {
	a := newArchive(t)
	value := func(m int) float64 { return float64(m % 7) }
	c := mustPut(t, a, stepsBatch(hours(noon, 0, 6), value))
	if c.Rev != 1 || c.Added != 360 || !slices.Equal(c.Series, []metric.ID{metric.Steps}) {
		t.Fatalf("first answer: %+v", c)
	}
	if n, _ := take(t, a, "influx"); n != 360 {
		t.Fatalf("delivered %d", n)
	}
	for _, tc := range []struct {
		name              string
		span              metric.Span
		value             func(int) float64
		added, chg, gone  int
		delivered, buried int
	}{
		{"the same again", hours(noon, 0, 6), value, 0, 0, 0, 0, 0},
		{"a part of it again", hours(noon, 2, 3), func(m int) float64 { return value(m + 120) }, 0, 0, 0, 0, 0},
		{"an hour more", hours(noon, 5, 7), func(m int) float64 { return value(m + 300) }, 60, 0, 0, 60, 0},
		{"one minute corrected", hours(noon, 0, 1), func(m int) float64 {
			if m == 30 {
				return 99
			}
			return value(m)
		}, 0, 1, 0, 1, 0},
		{"two minutes gone", hours(noon, 3, 4), func(m int) float64 {
			if m == 1 || m == 2 {
				return -1
			}
			return value(m + 180)
		}, 0, 0, 2, 0, 2},
		{"back again", hours(noon, 3, 4), func(m int) float64 { return value(m + 180) }, 2, 0, 0, 2, 0},
		{"over midnight", hours(noon, 23, 25), value, 120, 0, 0, 120, 0},
	} {
		before := c.Rev
		c = mustPut(t, a, stepsBatch(tc.span, tc.value))
		if c.Added != tc.added || c.Changed != tc.chg || c.Vanished != tc.gone {
			t.Errorf("%s: %+v", tc.name, c)
		}
		if moved := c.Rev != before; moved != (tc.added+tc.chg+tc.gone > 0) {
			t.Errorf("%s: revision %d after %d", tc.name, c.Rev, before)
		}
		if n, dead := take(t, a, "influx"); n != tc.delivered || dead != tc.buried {
			t.Errorf("%s: delivered %d and %d tombs, want %d and %d", tc.name, n, dead, tc.delivered, tc.buried)
		}
	}
	if n, _ := take(t, a, "new"); n != 540 {
		t.Errorf("a new sink got %d", n)
	}
}

func TestASampleThatComesBackTakesItsTombAway(t *testing.T) {
	a := newArchive(t)
	mustPut(t, a, stepsBatch(hours(noon, 0, 1), one))
	take(t, a, "influx")
	for _, value := range []func(int) float64{func(m int) float64 { return float64(m%2 - 1) }, one} {
		mustPut(t, a, stepsBatch(hours(noon, 0, 1), value))
	}
	if n, dead := take(t, a, "influx"); n != 60 || dead != 0 {
		t.Errorf("delivered %d and %d tombs", n, dead)
	}
}

func TestTodayComesFirst(t *testing.T) {
	a := newArchive(t)
	one := func(int) float64 { return 1 }
	for day := range 5 { // history, newest first, and then today
		mustPut(t, a, stepsBatch(hours(noon.AddDate(0, 0, -day-1), 0, 24), one))
	}
	mustPut(t, a, stepsBatch(hours(noon, 0, 10), one))
	var days []int
	for {
		pieces, err := a.Due(t.Context(), "influx", 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(pieces) == 0 {
			break
		}
		days = append(days, noon.Day()-time.Unix(0, pieces[0].Block.Times[0]).UTC().Day())
		if len(days) == 2 { // today goes on while the sink is behind
			mustPut(t, a, stepsBatch(hours(noon, 10, 11), one))
		}
		if err := a.Ack(t.Context(), "influx", pieces, nil); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{0, 1, 0, 2, 3, 4, 5}; !slices.Equal(days, want) {
		t.Errorf("order of days %v, want %v", days, want)
	}
}

func TestDeviceStays(t *testing.T) {
	a := newArchive(t)
	b := stepsBatch(hours(noon, 0, 1), func(int) float64 { return 1 })
	mustPut(t, a, b)
	b = stepsBatch(hours(noon, 0, 2), func(m int) float64 { return float64(1 + m%2) })
	b.Blocks[0].Device = "Sense 2"
	mustPut(t, a, b)
	got := map[string]int{}
	for bl, err := range a.Read(t.Context(), "me", metric.Steps, hours(noon, 0, 24)) {
		if err != nil {
			t.Fatal(err)
		}
		got[bl.Device] += bl.Len()
	}
	if got["Charge 5"] != 60 || got["Sense 2"] != 60 {
		t.Errorf("devices %v", got)
	}
}

func night(main bool, stages ...float64) metric.Batch {
	day := metric.DayOf(noon)
	start := day.Civil().Add(-time.Hour)
	tags := []string{map[bool]string{true: "True", false: "False"}[main]}
	sum := metric.Block{Series: metric.SleepSummary, Device: "Charge 5", Tags: tags}
	sum.Append(start.UnixNano(), 90, 1, 2, 3, 4, 5, 6, 7, 8)
	levels := metric.Block{Series: metric.SleepLevels, Device: "Charge 5", Tags: tags}
	for i, s := range stages {
		levels.Append(start.Add(time.Duration(i)*time.Hour).UnixNano(), s, 3600)
	}
	s := metric.Session{Kind: metric.Sleep, Key: "n1", Day: day, Start: start, End: start.Add(8 * time.Hour), Offset: 3600, Main: main, Updated: noon, Blocks: []metric.Block{sum, levels}}
	return metric.Batch{Person: "me", Source: "google", Feed: "sleep", Axis: metric.Days, Span: metric.DaySpan(day-1, day), Asked: noon, Kind: metric.Sleep,
		Series: []metric.ID{metric.SleepSummary, metric.SleepLevels}, Sessions: []metric.Session{s}}
}

func TestRecomputedNight(t *testing.T) {
	a := newArchive(t)
	mustPut(t, a, night(true, 1, 0, 2, 1, 3))
	take(t, a, "influx")
	c := mustPut(t, a, night(true, 1, 0, 1, 1))
	if c.Changed != 1 || c.Vanished != 1 || c.Added != 0 || !slices.Equal(c.Sessions, []string{"n1"}) {
		t.Errorf("computed again: %+v", c)
	}
	if n, dead := take(t, a, "influx"); n != 1 || dead != 1 {
		t.Errorf("delivered %d and %d tombs", n, dead)
	}
	mustPut(t, a, night(false, 1, 0, 1, 1)) // it is no main sleep any more
	if n, dead := take(t, a, "influx"); n != 5 || dead != 5 {
		t.Errorf("tag changed: delivered %d and %d tombs", n, dead)
	}
	got, err := a.Sessions(t.Context(), "me", metric.Sleep, metric.DaySpan(metric.DayOf(noon), metric.DayOf(noon)))
	if err != nil || len(got) != 1 || got[0].Main || len(got[0].Blocks) != 2 || got[0].Blocks[1].Len() != 4 || got[0].Blocks[1].Tags[0] != "False" {
		t.Fatalf("sessions %+v (%v)", got, err)
	}
	none := night(true)
	none.Sessions = nil
	if c := mustPut(t, a, none); c.Vanished != 5 {
		t.Errorf("the night vanished: %+v", c)
	}
	if n, dead := take(t, a, "influx"); n != 0 || dead != 5 {
		t.Errorf("vanished: delivered %d and %d tombs", n, dead)
	}
}

func TestTracks(t *testing.T) {
	a := newArchive(t)
	day := metric.DayOf(noon)
	run := metric.Session{Kind: metric.Workout, Key: "r1", Day: day, Start: noon, End: noon.Add(time.Hour), Title: "Run", HasTrack: true, Updated: noon}
	answer := metric.Batch{Person: "me", Source: "google", Feed: "workouts", Axis: metric.Days, Span: metric.DaySpan(day, day), Asked: noon, Kind: metric.Workout,
		Series: []metric.ID{metric.Workouts}, Sessions: []metric.Session{run}}
	wanted := func() []metric.SessionRef {
		t.Helper()
		refs, err := a.Tracks(t.Context(), "me", "google")
		if err != nil {
			t.Fatal(err)
		}
		return refs
	}
	mustPut(t, a, answer)
	refs := wanted()
	if len(refs) != 1 || refs[0].Key != "r1" || refs[0].Title != "Run" || !refs[0].Updated.Equal(noon) {
		t.Fatalf("wanted %+v", refs)
	}
	track := metric.Block{Series: metric.Track, Tags: []string{"r1"}}
	track.Append(noon.UnixNano(), 52.5, 13.4, 34, 0, 9, 120)
	follow := metric.Batch{Person: "me", Source: "google", Feed: "track", Session: "r1", Updated: noon, Asked: noon, Series: []metric.ID{metric.Track}, Blocks: []metric.Block{track}}
	mustPut(t, a, follow)
	if refs := wanted(); len(refs) != 0 {
		t.Errorf("still wanted: %+v", refs)
	}
	if c := mustPut(t, a, answer); c.Vanished+c.Added+c.Changed != 0 {
		t.Errorf("the track did not outlive a look at its workout: %+v", c)
	}
	answer.Sessions[0].Updated = noon.Add(time.Hour)
	if c := mustPut(t, a, answer); len(c.Sessions) != 0 {
		t.Errorf("only touched, and told as changed: %+v", c)
	}
	if refs := wanted(); len(refs) != 1 {
		t.Errorf("not wanted again after the session was updated")
	}
	answer.Sessions = nil
	if c := mustPut(t, a, answer); c.Vanished != 1 {
		t.Errorf("the track did not go with its workout: %+v", c)
	}
	if c := mustPut(t, a, follow); c.Added != 0 {
		t.Errorf("a track without a workout: %+v", c)
	}
	cov, err := a.Coverage(t.Context(), "me", "google")
	if err != nil || len(cov["track"]) != 0 || len(cov["workouts"]) != 1 {
		t.Errorf("coverage %v (%v)", cov, err)
	}
}

func TestPrecedence(t *testing.T) {
	a := newArchive(t)
	from := func(source string, v float64) metric.Batch {
		b := stepsBatch(hours(noon, 0, 2), func(m int) float64 {
			if source == "google" && m%2 == 1 {
				return -1
			}
			return v
		})
		b.Source = source
		return b
	}
	mustPut(t, a, from("fitbit", 5))
	take(t, a, "influx")
	c := mustPut(t, a, from("google", 6))
	if c.Changed != 60 || c.Vanished != 60 || c.Added != 0 {
		t.Errorf("a better source came: %+v", c)
	}
	if n, dead := take(t, a, "influx"); n != 60 || dead != 60 {
		t.Errorf("delivered %d and %d tombs", n, dead)
	}
	if c := mustPut(t, a, from("fitbit", 9)); c.Added+c.Changed+c.Vanished != 0 {
		t.Errorf("a worse source showed: %+v", c)
	}
	if b, source, _, err := a.Newest(t.Context(), "me", metric.Steps); err != nil || source != "google" || b.Values[0][0] != 6 {
		t.Errorf("newest %v of %s (%v)", b, source, err)
	}
	gone := from("google", 6)
	gone.Blocks = nil
	if c := mustPut(t, a, gone); c.Changed != 60 || c.Added != 60 {
		t.Errorf("the better source went: %+v", c)
	}
	if n, dead := take(t, a, "influx"); n != 120 || dead != 0 {
		t.Errorf("delivered %d and %d tombs", n, dead)
	}
}

// Two series write one measurement: the tomb of the one takes the other's fields with it in a sink, so they come again after it.
func TestTombTakesTheNeighbourAlong(t *testing.T) {
	a := newArchive(t)
	day := metric.DayOf(noon)
	put := func(series metric.ID, values ...float64) Change {
		span := metric.DaySpan(day, day)
		b := metric.Block{Series: series, Device: "Charge 5"}
		if len(values) > 0 {
			b.Append(day.Civil().UnixNano(), values...)
		}
		return mustPut(t, a, metric.Batch{Person: "me", Source: "google", Feed: string(series), Axis: metric.Days, Span: span, Bounds: span, Asked: noon,
			Series: []metric.ID{series}, Blocks: []metric.Block{b}[:min(1, len(values))]})
	}
	put("heart_zones", 1, 2, 3, 4)
	put("active_zone_minutes", 5, 6, 7, 8)
	take(t, a, "influx")
	put("heart_zones")
	if pieces, err := a.Due(t.Context(), "influx", 100); err != nil || len(pieces) != 0 {
		t.Fatalf("due before the tomb is out of the way: %+v (%v)", pieces, err)
	}
	if n, dead := take(t, a, "influx"); n != 1 || dead != 1 {
		t.Errorf("delivered %d and %d tombs", n, dead)
	}
	put("active_zone_minutes", 5, 6, 7, math.NaN()) // a lost field: the point goes, and comes again without it
	if n, dead := take(t, a, "influx"); n != 1 || dead != 1 {
		t.Errorf("lost field: delivered %d and %d tombs", n, dead)
	}
}

func TestForgetAndErase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "archive.db")
	a := openAt(t, config(path))
	b := stepsBatch(hours(noon, 0, 2), func(int) float64 { return 3 })
	you := b
	you.Person = "you"
	mustPut(t, a, b)
	mustPut(t, a, you)
	mustPut(t, a, night(true, 1, 2))
	if err := a.Forget(t.Context(), "me", []metric.ID{metric.Steps}); err != nil {
		t.Fatal(err)
	}
	mustPut(t, a, b)
	counts, err := a.Counts(t.Context(), "me")
	if err != nil || len(counts) != 2 || counts[0].Series != metric.SleepSummary {
		t.Errorf("after leaving out steps: %+v (%v)", counts, err)
	}
	if err := a.SetState(t.Context(), "me", "doc", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := a.Snapshot(t.Context(), path+".snapshot"); err != nil {
		t.Fatal(err)
	}
	if err := a.Erase(t.Context(), "me"); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + ".snapshot"} {
		if file != path {
			a.Close()
			a = openAt(t, config(file))
		}
		s, err := a.Stats(t.Context())
		if err != nil || !slices.Equal(s.Persons, []string{"you"}) || s.Samples != 120 {
			t.Errorf("%s after erasing: %+v (%v)", filepath.Base(file), s, err)
		}
		doc, err := a.State(t.Context(), "me", "doc")
		if err != nil || doc != nil {
			t.Errorf("%s: a document outlived (%v)", filepath.Base(file), err)
		}
	}
}

func TestBadBatchesLeaveNothing(t *testing.T) {
	a := newArchive(t)
	good := func() metric.Batch { return stepsBatch(hours(noon, 0, 1), func(int) float64 { return 1 }) }
	for _, tc := range []struct {
		want  string
		spoil func(b *metric.Batch)
	}{
		{"needs a person", func(b *metric.Batch) { b.Person = "" }},
		{"is empty", func(b *metric.Batch) { b.Span.End = b.Span.Start }},
		{"not in the catalogue", func(b *metric.Batch) { b.Series = []metric.ID{"nonsense"} }},
		{"does not answer", func(b *metric.Batch) { b.Series = []metric.ID{metric.Weight} }},
		{"outside of the span", func(b *metric.Batch) { b.Blocks[0].Times[59] = b.Span.End.UnixNano() }},
		{"ascending", func(b *metric.Batch) { b.Blocks[0].Times[9] = b.Blocks[0].Times[8] }},
		{"columns", func(b *metric.Batch) { b.Blocks[0].Values = nil }},
		{"a column of", func(b *metric.Batch) { b.Blocks[0].Values[0] = b.Blocks[0].Values[0][1:] }},
		{"tags", func(b *metric.Batch) { b.Blocks[0].Tags = []string{"x"} }},
		{"bounds", func(b *metric.Batch) { b.Axis = metric.Days }},
		{"lives in sessions", func(b *metric.Batch) { b.Series = append(b.Series, metric.SleepLevels) }},
		{"does not belong", func(b *metric.Batch) {
			b.Kind, b.Series, b.Blocks, b.Sessions = metric.Sleep, []metric.ID{metric.SleepLevels}, nil, []metric.Session{{Kind: metric.Sleep, Key: "k", Day: 1}}
		}},
	} {
		b := good()
		tc.spoil(&b)
		if _, err := a.Put(t.Context(), b); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("want an error with %q, got %v", tc.want, err)
		}
	}
	if s, err := a.Stats(t.Context()); err != nil || s.Chunks != 0 || s.Rev != 0 {
		t.Errorf("something was left: %+v (%v)", s, err)
	}
	if cov, err := a.Coverage(t.Context(), "me", "google"); err != nil || len(cov) != 0 {
		t.Errorf("coverage was left: %v (%v)", cov, err)
	}
}

func TestChanged(t *testing.T) {
	a := newArchive(t)
	told := func(ch <-chan struct{}) bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}
	b := stepsBatch(hours(noon, 0, 1), func(int) float64 { return 1 })
	ch := a.Changed()
	if told(ch) {
		t.Error("told before anything")
	}
	mustPut(t, a, b)
	if !told(ch) {
		t.Error("not told")
	}
	ch = a.Changed()
	mustPut(t, a, b)
	if told(ch) {
		t.Error("told of nothing")
	}
}

func TestQuarantineAddsUp(t *testing.T) {
	a := newArchive(t)
	q := Quarantined{Sink: "influx", Person: "me", Series: metric.Steps, Field: "value", Count: 2, First: noon, Last: noon.Add(time.Hour),
		Reason: "field type conflict", Hint: "cure", At: noon}
	later := q
	later.First, later.Last, later.At = noon.Add(-time.Hour), noon, noon.Add(time.Hour)
	for _, x := range []Quarantined{q, later} {
		if err := a.Quarantine(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	got, err := a.Quarantined(t.Context(), "influx")
	want := later
	want.Count, want.Last = 4, q.Last
	if err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	if err := a.Rewind(t.Context(), "influx"); err != nil {
		t.Fatal(err)
	}
	if got, _ := a.Quarantined(t.Context(), "influx"); len(got) != 0 {
		t.Errorf("counts on though the sink is asked once more: %+v", got)
	}
	if err := errors.Join(a.Quarantine(t.Context(), q), a.DropSink(t.Context(), nil)); err != nil {
		t.Fatal(err)
	}
	if got, _ := a.Quarantined(t.Context(), "influx"); len(got) != 0 {
		t.Errorf("outlived its sink: %+v", got)
	}
}

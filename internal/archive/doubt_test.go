package archive

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// live makes a batch the answer of a service, asked for at that time.
func live(b metric.Batch, asked time.Time) metric.Batch {
	b.Live, b.Asked, b.Reader = true, asked, 1
	return b
}

// coverOf is what the coverage of feed steps says at t.
func coverOf(t *testing.T, a *Archive, at time.Time) metric.Covered {
	t.Helper()
	rows, err := a.Coverage(t.Context(), "me", "google")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range rows {
		if i := slices.IndexFunc(list, func(c metric.Covered) bool { return c.Span.Contains(at) }); i >= 0 {
			return list[i]
		}
	}
	return metric.Covered{}
}

func doubts(t *testing.T, a *Archive) []Doubt {
	t.Helper()
	list, err := a.Doubts(t.Context(), "me", "google")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A service loses most of a span: that is believed when it says so twice, a day to two days apart, and is forgotten when it brings it back.
func TestMassDisappearance(t *testing.T) {
	span := hours(noon, 0, 1)
	none := func(int) float64 { return -1 }
	first := func(n int) func(int) float64 {
		return func(minute int) float64 {
			if minute < n {
				return 1
			}
			return -1
		}
	}
	type answer struct {
		after time.Duration // the first one
		value func(int) float64
		held  int // samples held after it
		doubt bool
	}
	day := 24 * time.Hour
	for _, tc := range []struct {
		name    string
		answers []answer
	}{
		{"twice", []answer{{day, none, 60, true}, {2 * day, none, 0, false}}},
		{"at once", []answer{{day, none, 60, true}, {day + time.Minute, none, 60, true}, {2*day - time.Minute, none, 60, true}, {2*day + time.Hour, none, 0, false}}},
		{"brought back", []answer{{day, none, 60, true}, {2 * day, one, 60, false}, {3 * day, none, 60, true}}},
		{"too late", []answer{{day, none, 60, true}, {4 * day, none, 60, true}, {5 * day, none, 0, false}}},
		{"just half", []answer{{day, first(30), 30, false}}},
		{"more than half", []answer{{day, first(29), 60, true}, {2 * day, first(29), 29, false}}},
		{"more is new", []answer{{day, func(m int) float64 { return float64(5 * (m % 2)) }, 60, false}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := config(filepath.Join(t.TempDir(), "archive.db"))
			a := openAt(t, cfg)
			mustPut(t, a, live(stepsBatch(span, one), noon))
			for i, an := range tc.answers {
				mustPut(t, a, live(stepsBatch(span, an.value), noon.Add(an.after)))
				a.Close()
				a = openAt(t, cfg) // what is doubted outlives a restart
				if n := stepsHeld(t, a); n != an.held {
					t.Errorf("answer %d: %d steps held, want %d", i, n, an.held)
				}
				list := doubts(t, a)
				if len(list) > 0 != an.doubt || an.doubt && (list[0].Series != metric.Steps || list[0].Gone < 31 || list[0].Span != span) {
					t.Errorf("answer %d: doubted %+v, want that to be %v", i, list, an.doubt)
				}
				if c := coverOf(t, a, span.Start); !c.Again.Equal(map[bool]time.Time{true: noon.Add(an.after + day)}[an.doubt]) {
					t.Errorf("answer %d: asked again at %v", i, c.Again)
				}
			}
		})
	}
}

// Only services are doubted, and only what is much.
func TestNoDoubt(t *testing.T) {
	none := func(int) float64 { return -1 }
	for name, b := range map[string]metric.Batch{
		"import":  stepsBatch(hours(noon, 0, 1), none),
		"few":     live(stepsBatch(metric.Span{Start: hours(noon, 0, 1).Start, End: hours(noon, 0, 1).Start.Add(9 * time.Minute)}, none), noon.Add(time.Hour)),
		"a night": live(nights(nil), noon.Add(time.Hour)),
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			mustPut(t, a, live(stepsBatch(hours(noon, 0, 1), one), noon))
			mustPut(t, a, live(nights([]metric.Day{2, 3}), noon))
			mustPut(t, a, b)
			if list := doubts(t, a); len(list) > 0 {
				t.Errorf("doubted %+v", list)
			}
			if n := stepsHeld(t, a); name != "a night" && n == 60 {
				t.Error("nothing has vanished")
			}
		})
	}
}

// nights answers for the nights of ten days from the one before noon's.
func nights(days []metric.Day) metric.Batch {
	first := metric.DayOf(noon) - 1
	b := metric.Batch{Person: "me", Source: "google", Feed: "sleep", Axis: metric.Days, Kind: metric.Sleep, Span: metric.DaySpan(first, first+9),
		Series: []metric.ID{metric.SleepSummary, metric.SleepLevels}}
	b.Asked, b.Final = b.Span.End, b.Span.End
	for _, d := range days {
		s := metric.Session{Kind: metric.Sleep, Key: (first + d).String(), Day: first + d, Start: (first + d).Civil(), End: (first + d).Civil().Add(8 * time.Hour), Main: true}
		level := metric.Block{Series: metric.SleepLevels, Tags: []string{"True"}}
		level.Append(s.Start.UnixNano(), 1, 60)
		s.Blocks = []metric.Block{level}
		b.Sessions = append(b.Sessions, s)
	}
	return b
}

// Most nights of a span vanish at once, or one by one.
func TestSessionsDisappear(t *testing.T) {
	a := newArchive(t)
	held := func() int {
		list, err := a.Sessions(t.Context(), "me", metric.Sleep, nights(nil).Span)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	mustPut(t, a, live(nights([]metric.Day{1, 2, 3, 4, 5, 6}), noon))
	for _, step := range []struct {
		after time.Duration
		days  []metric.Day
		held  int
	}{
		{time.Hour, []metric.Day{1, 2, 3, 4, 5}, 5}, {2 * time.Hour, []metric.Day{1, 2, 3, 4}, 4},
		{3 * time.Hour, []metric.Day{1}, 4}, {28 * time.Hour, []metric.Day{1, 7}, 2}, {29 * time.Hour, []metric.Day{}, 0},
	} {
		mustPut(t, a, live(nights(step.days), noon.Add(step.after)))
		if n := held(); n != step.held {
			t.Errorf("after %v: %d nights, want %d", step.after, n, step.held)
		}
	}
}

// What could not be understood is asked again after 1, 2 and 7 days, and changes nothing meanwhile.
func TestOddSpans(t *testing.T) {
	a := newArchive(t)
	span, odd := hours(noon, 0, 2), hours(noon, 1, 2)
	two := func(int) float64 { return 2 }
	mustPut(t, a, live(stepsBatch(span, one), noon))
	asked := noon
	for i, wait := range []time.Duration{24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour, 0, 0} {
		b := live(stepsBatch(hours(noon, 0, 1), two), asked)
		b.Span, b.Final, b.Odd = span, span.End, []metric.Span{odd}
		mustPut(t, a, b)
		c := coverOf(t, a, odd.Start)
		want := asked.Add(wait)
		if wait == 0 {
			want = time.Time{}
		}
		if !c.Again.Equal(want) || c.Odd != i+1 || !c.Final {
			t.Errorf("time %d: %+v, want to be asked again at %v", i, c, want)
		}
		if c := coverOf(t, a, span.Start); c.Odd != 0 || !c.Again.IsZero() {
			t.Errorf("time %d: beside it %+v", i, c)
		}
		if n := stepsHeld(t, a); n != 120 {
			t.Errorf("time %d: %d steps held, want 120", i, n)
		}
		asked = asked.Add(wait)
	}
	b := live(stepsBatch(hours(noon, 0, 1), two), asked)
	b.Span, b.Final, b.Odd, b.Reader = span, span.End, []metric.Span{odd}, 2
	mustPut(t, a, b)
	if c := coverOf(t, a, odd.Start); c.Odd != 1 || c.Reader != 2 {
		t.Errorf("another reader: %+v", c)
	}
}

// A field that an odd element lacks stays as it was; beside it, it goes.
func TestOddFields(t *testing.T) {
	a := newArchive(t)
	batch := func(odd bool, deep float64) metric.Batch {
		day := metric.DayOf(noon)
		b := metric.Batch{Person: "me", Source: "google", Feed: "hrv", Axis: metric.Days, Span: metric.DaySpan(day, day), Bounds: metric.DaySpan(day, day), Series: []metric.ID{"hrv"},
			Asked: noon.Add(48 * time.Hour), Final: (day + 1).Civil()}
		block := metric.Block{Series: "hrv"}
		block.Append(day.Civil().UnixNano(), 40, deep)
		b.Blocks = []metric.Block{block}
		if odd {
			b.Odd, b.OddAt = []metric.Span{b.Span}, []metric.Span{b.Bounds}
		}
		return b
	}
	mustPut(t, a, batch(false, 50))
	if c := mustPut(t, a, batch(true, metric.Absent())); c.Changed+c.Vanished+c.Added != 0 {
		t.Errorf("an odd answer changed %+v", c)
	}
	if c := mustPut(t, a, batch(false, metric.Absent())); c.Changed != 1 {
		t.Errorf("a plain answer changed %+v", c)
	}
}

// A masked answer that lacks something, or has 0 for it, is not taken.
func TestMaskedAnswers(t *testing.T) {
	zeroAt := func(at int) func(int) float64 {
		return func(m int) float64 {
			if m == at {
				return 0
			}
			return 1
		}
	}
	lack := func(m int) float64 {
		if m == 7 {
			return -1
		}
		return 1
	}
	for name, tc := range map[string]struct {
		value   func(int) float64
		refused bool
	}{"same": {one, false}, "lack": {lack, true}, "zero": {zeroAt(7), true}, "more": {func(int) float64 { return 3 }, false}} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			mustPut(t, a, live(stepsBatch(hours(noon, 0, 1), one), noon))
			b := live(stepsBatch(hours(noon, 0, 1), tc.value), noon.Add(time.Hour))
			b.Masked = true
			if _, err := a.Put(t.Context(), b); errors.Is(err, ErrMasked) != tc.refused || err != nil && !tc.refused {
				t.Errorf("masked: %v", err)
			}
			b.Masked = false
			mustPut(t, a, b)
		})
	}
}

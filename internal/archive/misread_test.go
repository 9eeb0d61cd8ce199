package archive

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Where an answer is odd, what it lacks stays, but for what no body has, and for the zeros of an older version.
func TestOddKeeps(t *testing.T) {
	absent := metric.Absent()
	for _, tc := range []struct {
		name       string
		held, want [2]float64 // of resting heart rate no body has a 0; of sedentary minutes it has
		reader     int        // which read what is held; 1 is that of the odd answer
	}{
		{"values", [2]float64{61, 700}, [2]float64{61, 700}, 0},
		{"a zero of the same version", [2]float64{61, 0}, [2]float64{61, 0}, 1},
		{"a zero of an older version", [2]float64{61, 0}, [2]float64{61, absent}, 0},
		{"what no body has", [2]float64{0, 700}, [2]float64{absent, 700}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newArchive(t)
			day := metric.DayOf(noon)
			batch := func(reader int, heart, minutes float64) metric.Batch {
				b := metric.Batch{Person: "me", Source: "google", Feed: "days", Axis: metric.Days, Span: metric.DaySpan(day, day), Bounds: metric.DaySpan(day, day),
					Series: []metric.ID{"resting_heart_rate", "activity_minutes"}, Asked: noon.Add(48 * time.Hour), Final: (day + 1).Civil(), Reader: reader}
				h := metric.Block{Series: "resting_heart_rate"}
				h.Append(day.Civil().UnixNano(), heart)
				m := metric.Block{Series: "activity_minutes"}
				m.Append(day.Civil().UnixNano(), minutes, 100, 20, 10)
				b.Blocks = []metric.Block{h, m}
				return b
			}
			mustPut(t, a, batch(tc.reader, tc.held[0], tc.held[1]))
			odd := batch(1, absent, absent)
			odd.Odd, odd.OddAt = []metric.Span{odd.Span}, []metric.Span{odd.Bounds}
			mustPut(t, a, odd)
			for i, id := range []metric.ID{"resting_heart_rate", "activity_minutes"} {
				got := absent
				for b, err := range a.Read(t.Context(), "me", id, odd.Bounds) {
					if err != nil {
						t.Fatal(err)
					}
					got = b.Values[0][0]
				}
				if fmt.Sprint(got) != fmt.Sprint(tc.want[i]) {
					t.Errorf("%s: %v, want %v", id, got, tc.want[i])
				}
			}
			if c := mustPut(t, a, odd); c.Changed+c.Vanished+c.Added != 0 {
				t.Errorf("the same once more changed %+v", c)
			}
		})
	}
}

// A deep sleep is at level 0: that stays, whoever read it.
func TestOddNightKeepsItsLevels(t *testing.T) {
	a := newArchive(t)
	b := night(true, 1, 0, 2, 3)
	b.Bounds = b.Span
	mustPut(t, a, b)
	levels := func() (out []float64) {
		for b, err := range a.Read(t.Context(), "me", metric.SleepLevels, metric.Span{Start: noon.AddDate(0, 0, -9999), End: noon.AddDate(0, 0, 9999)}) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b.Values[0]...)
		}
		return out
	}
	before := levels()
	if !slices.Contains(before, 0) {
		t.Fatalf("the night has no deep sleep: %v", before)
	}
	b.Reader, b.Odd, b.OddAt = 1, []metric.Span{b.Span}, []metric.Span{b.Bounds}
	b.Sessions = slices.Clone(b.Sessions)
	b.Sessions[0].Blocks = b.Sessions[0].Blocks[:1]
	mustPut(t, a, b)
	if after := levels(); !slices.Equal(before, after) {
		t.Errorf("the levels were %v and are %v", before, after)
	}
}

// Of a feed whose days cost a request each, only those with a value that nobody can have stay to be asked again, and of the tracks only
// those with one.
func TestVouch(t *testing.T) {
	a := newArchive(t)
	first := metric.DayOf(noon) - 9
	feeds := []metric.Feed{
		{ID: "heart", Series: []metric.ID{metric.HeartRate, metric.HeartRateMinute}, Reader: 2, Sieve: true},
		{ID: "steps", Series: []metric.ID{metric.Steps}, Reader: 2},
		{ID: "workouts", Series: []metric.ID{metric.Workouts}, Axis: metric.Days, Kind: metric.Workout, Reader: 2},
		{ID: "track", Series: []metric.ID{metric.Track}, Axis: metric.Days, Kind: metric.Workout, Trigger: metric.OnWish, Reader: 2, Sieve: true},
	}
	beat := func(at time.Time, v float64) metric.Block {
		b := metric.Block{Series: metric.HeartRate}
		b.Append(at.UnixNano(), v)
		return b
	}
	hearts := metric.Batch{Person: "me", Source: "google", Feed: "heart", Span: metric.DaySpan(first, first+8), Asked: noon, Final: noon, Series: feeds[0].Series}
	for d := first; d < first+9; d++ {
		v := 60.0
		if d == first+3 {
			v = 0
		}
		hearts.Blocks = append(hearts.Blocks, beat(d.Civil().Add(12*time.Hour), v))
	}
	hearts.Blocks = metric.Tidied(hearts.Blocks)
	mustPut(t, a, hearts)
	steps := stepsBatch(hours(noon, 0, 1), one)
	mustPut(t, a, steps)
	runs := metric.Batch{Person: "me", Source: "google", Feed: "workouts", Axis: metric.Days, Span: metric.DaySpan(first, first+9), Asked: noon, Final: noon, Kind: metric.Workout,
		Series: []metric.ID{metric.Workouts}}
	for i, key := range []string{"sound", "odd", "later"} {
		at := (first + metric.Day(i)).Civil().Add(8 * time.Hour)
		runs.Sessions = append(runs.Sessions, metric.Session{Kind: metric.Workout, Key: key, Day: first + metric.Day(i), Start: at, End: at.Add(time.Hour), HasTrack: true, Updated: noon})
	}
	mustPut(t, a, runs)
	later := runs // the last of them has been read anew
	later.Span, later.Reader, later.Sessions = metric.DaySpan(first+2, first+2), 2, runs.Sessions[2:]
	mustPut(t, a, later)
	heartField := metric.Default().Must(metric.Track).Field("heart_rate")
	for i, s := range runs.Sessions {
		values := make([]float64, len(metric.Default().Must(metric.Track).Fields))
		for f := range values {
			values[f] = 7
		}
		values[heartField] = []float64{100, 0, 0}[i]
		b := metric.Block{Series: metric.Track, Tags: []string{s.Key}}
		b.Append(s.Start.UnixNano(), values...)
		mustPut(t, a, metric.Batch{Person: "me", Source: "google", Feed: "track", Axis: metric.Days, Span: metric.DaySpan(s.Day, s.Day), Asked: noon, Kind: metric.Workout,
			Series: []metric.ID{metric.Track}, Session: s.Key, Updated: s.Updated, Blocks: []metric.Block{b}})
	}
	for range 2 { // it is looked through again at the next start
		if err := a.Vouch(context.Background(), "me", "google", feeds); err != nil {
			t.Fatal(err)
		}
		cover, err := a.Coverage(t.Context(), "me", "google")
		if err != nil {
			t.Fatal(err)
		}
		var old []metric.Span
		for _, c := range cover["heart"] {
			if c.Reader < 2 {
				old = append(old, c.Span)
			}
		}
		if want := []metric.Span{metric.DaySpan(first+3, first+3)}; !slices.Equal(old, want) {
			t.Errorf("the heart rate of %v is asked again, want that of %v", old, want)
		}
		if len(cover["heart"]) != 3 || cover["steps"][0].Reader != 0 || cover["workouts"][0].Reader != 0 {
			t.Errorf("the coverage is %+v", cover)
		}
		tracks, err := a.Tracks(t.Context(), "me", "google")
		if err != nil || len(tracks) != 1 || tracks[0].Key != "odd" {
			t.Errorf("the tracks of %+v are asked again (%v)", tracks, err)
		}
	}
}

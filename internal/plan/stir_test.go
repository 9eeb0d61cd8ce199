package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// In the quiet window the devices are asked as often as by day while syncs follow each other closely: somebody is awake.
func TestStirring(t *testing.T) {
	now := time.Date(2026, 11, 20, 5, 30, 0, 0, time.UTC)
	ago := func(min int) time.Time { return now.Add(-time.Duration(min) * time.Minute) }
	for _, c := range []struct {
		name         string
		before, last time.Time
		awake        bool
	}{
		{"asleep", ago(160), ago(90), false},
		{"one sync after a night", ago(90), ago(10), false},
		{"two close ones", ago(25), ago(10), true},
		{"two close ones, a while ago", ago(50), ago(36), false},
		{"nothing before is known", time.Time{}, ago(10), false},
	} {
		in := Input{
			Person: "p", Now: now, Start: metric.DayOf(now), Quiet: Quiet{From: 0, To: 7 * 60}, Budget: Budget{Left: -1},
			Devices: []metric.Device{{ID: "1", Tracker: true, LastSync: c.last}}, Before: c.before, Seen: c.last, Polled: now.Add(-time.Minute),
		}
		if got := Next(in).Wake.Sub(in.Polled); c.awake != (got == pollAwake) || got < pollAwake {
			t.Errorf("%s: asked again after %v", c.name, got)
		}
	}
}

// In the quiet window the running totals of the day are read at the syncs of somebody who is up, and of nobody else; what belongs to
// the night waits for its end.
func TestTotalsOfTheNight(t *testing.T) {
	now := time.Date(2026, 11, 3, 22, 50, 0, 0, time.UTC) // ten to midnight in Berlin
	for _, c := range []struct {
		name   string
		before time.Duration // from the sync before to the last one
		totals bool
	}{{"up", 15 * time.Minute, true}, {"asleep", 60 * time.Minute, false}, {"one sync, told twice", 3 * time.Second, false}} {
		in := settled(t, now)
		last := now.Add(-time.Minute)
		in.Devices[0].LastSync, in.Seen, in.Before = last, now, last.Add(-c.before)
		if c.before < Together {
			in.Before = last.Add(-time.Hour)
		}
		for _, id := range []string{"steps", "resting_heart_rate"} {
			cover := in.Coverage[id]
			cover[len(cover)-1].Asked = now.Add(-2 * time.Hour)
		}
		got := asked(Next(in))
		if slices.Contains(got, "live steps") != c.totals || slices.Contains(got, "live resting_heart_rate") {
			t.Errorf("%s: asked for %q", c.name, got)
		}
	}
}

package plan

import (
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
		want         time.Duration // until the devices are asked again
	}{
		{"asleep", ago(160), ago(90), pollAsleep},
		{"one sync after a night", ago(90), ago(10), pollRest},
		{"two close ones", ago(25), ago(10), pollAwake},
		{"two close ones, long ago", ago(50), ago(36), likelyFrom - 35*time.Minute},
		{"nothing before is known", time.Time{}, ago(10), pollRest},
	} {
		in := Input{
			Person: "p", Now: now, Start: metric.DayOf(now), Quiet: Quiet{From: 0, To: 7 * 60}, Budget: Budget{Left: -1},
			Devices: []metric.Device{{ID: "1", Tracker: true, LastSync: c.last}}, Before: c.before, Seen: c.last, Polled: now.Add(-time.Minute),
		}
		got := Next(in).Wake.Sub(in.Polled)
		if c.want == pollRest || c.name == "two close ones, long ago" { // it waits for the time at which a sync is likely
			if got < pollLikely {
				t.Errorf("%s: asked again after %v, want no sooner than %v", c.name, got, pollLikely)
			}
		} else if got != c.want {
			t.Errorf("%s: asked again after %v, want %v", c.name, got, c.want)
		}
	}
}

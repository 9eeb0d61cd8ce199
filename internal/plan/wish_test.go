package plan

import (
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A wish that reaches to now ends: what happens after it was made is not in it, however often one asks.
func TestWishEnds(t *testing.T) {
	made := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	feed := metric.Feed{ID: "weight", Trigger: metric.OnClock, Rank: metric.RankLong, Chunk: 30 * 24 * time.Hour, Every: time.Hour}
	today := metric.DayOf(made)
	start := (today - 7).Civil()
	for _, c := range []struct {
		name  string
		asked time.Time // when all until then was answered
		want  bool      // something is left of the wish
	}{
		{"never asked", time.Time{}, true},
		{"answered before", made.Add(-time.Minute), true}, // the last minute is missing
		{"answered behind", made, false},
	} {
		in := Input{
			Person: "p", Now: made.Add(time.Second), Feeds: []metric.Feed{feed}, NoDevices: true, Start: today - 7, Budget: Budget{Left: -1},
			Wishes: []Wish{{Days: metric.DaySpan(today-7, today), At: made}},
		}
		if !c.asked.IsZero() {
			in.Coverage = map[string][]metric.Covered{feed.ID: {{Span: metric.Span{Start: start, End: c.asked}, Asked: c.asked, Final: true}}}
		}
		d := Next(in)
		if got := d.Wished.Days > 0; got != c.want {
			t.Errorf("%s: %v days of the wish are left, want some: %v", c.name, d.Wished.Days, c.want)
		}
	}
}

// A feed whose answers cannot be read is not waited for; one that failed for the moment is.
func TestWishOfAFailedFeed(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	today := metric.DayOf(now)
	for pause, want := range map[time.Duration]bool{0: true, 15 * time.Minute: true, time.Hour: false} {
		d := Next(Input{
			Person: "p", Now: now, NoDevices: true, Start: today - 7, Budget: Budget{Left: -1}, Failed: map[string]time.Time{"weight": now.Add(pause)},
			Feeds:  []metric.Feed{{ID: "weight", Trigger: metric.OnClock, Rank: metric.RankLong, Chunk: 30 * 24 * time.Hour, Every: time.Hour}},
			Wishes: []Wish{{Days: metric.DaySpan(today-7, today), At: now}},
		})
		if got := d.Wished.Days > 0; got != want {
			t.Errorf("failed for %s: %v days of the wish are left, want some: %v", pause, d.Wished.Days, want)
		}
	}
}

// What is lived or told here is long, and one thing after the other: without the race detector, which would take ten times as long (make
// test runs these tests beside the others).

//go:build !race

package collect

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
)

// TestSteadyState: two weeks of a settled life.
func TestSteadyState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, _, stop := settled(t, three())
		from := time.Now().Add(17 * time.Hour) // midnight
		pass(14 * days)
		if err := stop(); err != nil {
			t.Error(err)
		}
		hours := map[time.Time]int{}
		for _, r := range s.made("", from) {
			hours[r.at.Truncate(time.Hour)]++
		}
		for h, n := range hours {
			m := minute(h.Add(time.Hour)) // Berlin's clock
			if asleep := (m == 23*60 || m < 6*60) && !stirring(s.syncs, h); asleep && n > 20 || n > 100 {
				t.Errorf("%d requests in the hour of %s", n, h)
			}
		}
		var late, all int
		answers := a.asked("heart_rate", epoch)
		for _, at := range s.syncs {
			if at.Before(from) || at.After(time.Now().Add(-time.Hour)) {
				continue
			}
			all++
			answered := false
			for _, b := range answers {
				if took := b.Asked.Add(s.delay).Sub(at); !b.Final.Before(at) && took >= 0 && took <= 90*time.Second {
					answered = true
				}
			}
			if !answered {
				late++
			}
		}
		if all < 800 || late*100 > all*5 {
			t.Errorf("%d of %d syncs were not answered within 90 s", late, all)
		}
		for _, feed := range []string{"heart_rate", "steps_day"} {
			for _, b := range a.asked(feed, from) {
				var last time.Time
				for _, at := range s.syncs {
					if !at.After(b.Asked) {
						last = at
					}
				}
				if b.Final.After(last) {
					t.Fatalf("%s, asked at %s, is final up to %s, but the last sync was at %s", feed, b.Asked, b.Final, last)
				}
			}
		}
		if n := len(a.cover[plan.Poll]); n > 0 {
			t.Errorf("%d spans of the devices are kept", n)
		}
	})
}

// TestTravel: a new zone opens an entry from today on; past days stay where they are.
func TestTravel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, c, stop := settled(t, three())
		pass(3 * days)
		s.set(func() { s.zone = "Asia/Tokyo" })
		pass(days)
		s.set(func() { s.zone = "Nowhere/Land" })
		pass(days)
		if err := stop(); err != nil {
			t.Error(err)
		}
		z, err := Zones(t.Context(), a, "me")
		if err != nil || len(z) != 2 || z[0].Name != "Europe/Berlin" || z[1].Name != "Asia/Tokyo" || z[1].From != metric.DayOf(epoch)+3 {
			t.Errorf("zones %v, %v", z, err)
		}
		if got := c.Status().Zones; len(got) != 2 {
			t.Errorf("status shows %v", got)
		}
	})
}

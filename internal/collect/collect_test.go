package collect

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
)

// The bubble's clock begins at 2000-01-01T00:00:00Z.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func config(s *service, a *store) Config {
	return Config{Person: metric.Person{ID: "me"}, Source: s, Archive: a, Clock: clock.Real(), Start: metric.DayOf(epoch) - 30,
		Quiet: &plan.Quiet{From: 23 * 60, To: 6*60 + 30}}
}

// start runs c until stop is called, which returns what Run returned.
func start(t *testing.T, c *Collector) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// every15 returns syncs at roughly every 15 minutes of the day and every hour of the night, from epoch on.
func every15(n int) []time.Time {
	var out []time.Time
	berlin := time.FixedZone("", 3600)
	for at, i := epoch.Add(-5*time.Minute), 0; i < n; i++ {
		out = append(out, at)
		gap := 13*time.Minute + time.Duration(i*7919%240)*time.Second
		if m := minute(at.In(berlin)); m >= 23*60 || m < 6*60+15 {
			gap = 50*time.Minute + time.Duration(i*7919%1200)*time.Second
		}
		at = at.Add(gap)
	}
	return out
}

func TestFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(200)
		c := New(config(s, a))
		stop := start(t, c)
		pass(3 * time.Second)
		if len(a.asked("heart_rate", epoch)) == 0 {
			t.Error("no heart rate within 3 s of the start")
		}
		pass(time.Hour)
		if st := c.Status(); st.Remaining.Days > 0.01 || st.Phase != Working {
			t.Errorf("after an hour %.1f feed-days remain, phase %s", st.Remaining.Days, st.Phase)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if s.most["all"] > 2 {
			t.Errorf("%d requests at once", s.most["all"])
		}
	})
}

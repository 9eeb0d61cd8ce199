package clock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestShiftedAndFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2026, 11, 20, 7, 0, 0, 0, time.UTC)
		c := At(start, 60)
		time.Sleep(2 * time.Minute)
		if got := c.Now(); !got.Equal(start.Add(2 * time.Hour)) {
			t.Errorf("after two minutes it tells %s", got)
		}
		before := time.Now()
		if err := c.Sleep(t.Context(), time.Hour); err != nil || time.Since(before) != time.Minute {
			t.Errorf("an hour took %v, %v", time.Since(before), err)
		}
		if got := c.Real(time.Hour); got != time.Minute {
			t.Errorf("an hour is %v", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestReal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Real()
		time.Sleep(time.Hour)
		if !c.Now().Equal(time.Now()) || c.Real(time.Hour) != time.Hour {
			t.Errorf("it tells %s at %s", c.Now(), time.Now())
		}
	})
}

func TestParse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2026, 11, 20, 7, 0, 0, 0, time.UTC)
		for s, want := range map[string]struct {
			now  time.Time
			hour time.Duration
		}{
			"":                             {time.Now(), time.Hour},
			"2026-11-20T07:00:00Z":         {start, time.Hour},
			"2026-11-20T08:00:00+01:00@60": {start, time.Minute},
			"@60":                          {time.Now(), time.Minute},
		} {
			c, err := Parse(s)
			if err != nil || !c.Now().Equal(want.now) || c.Real(time.Hour) != want.hour {
				t.Errorf("%q tells %s, an hour is %v: %v", s, c.Now(), c.Real(time.Hour), err)
			}
		}
		for _, s := range []string{"tomorrow", "@fast", "@0", "@-1", "@NaN", "2026-11-20@1"} {
			if _, err := Parse(s); err == nil {
				t.Errorf("%q was taken", s)
			}
		}
	})
}

package fitbit_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// spend asks the cheapest question until it fails, and returns how often it was answered.
func (s *simulated) spend(t *testing.T) (int, *source.Error) {
	t.Helper()
	for n := 0; n < 400; n++ {
		_, err := s.source.Fetch(bg, metric.Request{Feed: "spo2", Span: metric.DaySpan(s.person.Day(s.now())-1, s.person.Day(s.now())), Zones: s.person.Zones})
		var e *source.Error
		if errors.As(err, &e) {
			return n, e
		}
	}
	t.Fatal("there is no end to it")
	return 0, nil
}

// Wherever the window begins, and however late the service counts: all of it is used, nothing is sent beyond it, and the end is told.
func TestBudget(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*simulate.FitbitConfig)
		early  int // requests used by another program
		want   int
		until  time.Duration // from the first request
	}{
		{"from the first request", func(*simulate.FitbitConfig) {}, 0, 150, time.Hour},
		{"from the full hour", func(c *simulate.FitbitConfig) { c.FullHours = true }, 0, 150, 40 * time.Minute},
		{"told late", func(c *simulate.FitbitConfig) { c.Lag = 12 }, 0, 150, time.Hour},
		{"shared with another program", func(*simulate.FitbitConfig) {}, 40, 110, time.Hour},
		{"another limit", func(c *simulate.FitbitConfig) { c.PerHour = 60 }, 0, 60, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSimulated(t, "Europe/Berlin", func(cfg *simulate.FitbitConfig) {
					cfg.NoLimit = false
					c.change(cfg)
				})
				time.Sleep(20 * time.Minute) // it is 20 past the hour
				for range c.early {
					r, _ := http.NewRequest(http.MethodGet, "https://api.fitbit.com/1/user/-/devices.json", nil)
					if _, err := s.budget.Next.RoundTrip(r); err != nil {
						t.Fatal(err)
					}
				}
				began := s.now()
				n, e := s.spend(t)
				if n != c.want || e.Kind != source.Limited || e.Status != 0 {
					t.Errorf("%d requests, then %v; want %d, and then nothing is sent", n, e, c.want)
				}
				if got := e.Until.Sub(began); got < c.until || got > c.until+10*time.Second {
					t.Errorf("until %v from the beginning, want %v and a few seconds", got, c.until)
				}
				if b := s.source.Budget(); b.Left != 0 || !b.Reset.Equal(e.Until) || b.Window != time.Hour {
					t.Errorf("budget %+v", b)
				}
				time.Sleep(e.Until.Sub(s.now()))
				if b := s.source.Budget(); b.Left != c.want+c.early || !b.Reset.IsZero() {
					t.Errorf("budget %+v in the next window", b)
				}
				if n, e := s.spend(t); n != c.want+c.early || e.Status != 0 {
					t.Errorf("%d requests in the next window, then %v", n, e)
				}
			})
		})
	}
}

// Every attempt counts: the failed ones, and those that are repeated.
func TestBudgetCountsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulated(t, "Europe/Berlin", func(cfg *simulate.FitbitConfig) { cfg.NoLimit = false })
		s.server.Script(simulate.Times(2, simulate.Unavailable()))
		_, err := s.source.Fetch(bg, metric.Request{Feed: "spo2", Span: metric.DaySpan(20700, 20701)})
		if left := s.source.Budget().Left; source.KindOf(err) != source.Retry || left != 148 {
			t.Errorf("%v: %d left, want 148", err, left)
		}
	})
}

// A refusal for the limit that the headers did not announce is believed; one that says no end waits for the clock's hour.
func TestBudgetRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulated(t, "Europe/Berlin", func(cfg *simulate.FitbitConfig) { cfg.NoLimit = false })
		s.server.Script(simulate.Times(1, &simulate.Fault{Status: http.StatusTooManyRequests}))
		_, e := s.spend(t)
		if e.Status != http.StatusTooManyRequests || e.Until.Sub(s.now()) < 59*time.Minute {
			t.Errorf("%v until %v", e, e.Until)
		}
		if n, e := s.spend(t); n != 0 || e.Status != 0 {
			t.Errorf("%d more requests, then %v", n, e)
		}
	})
}

// Days of one loop are lived here: without the race detector, which would take ten times as long (make test runs them beside it).

//go:build !race

package endtoend

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate/oddtest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/fitbit"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

// oddGoogle is a source that asks a service that answers oddly; nil for one that does not.
func oddGoogle(t *testing.T, p *simulate.Person, now func() time.Time, odd *simulate.Oddities) source.Source {
	t.Helper()
	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: now, NoQuota: true, TokenLife: 1000 * time.Hour, Odd: odd})
	src, err := google.New(google.Config{HTTP: &http.Client{Transport: simulate.Transport{Handler: g, Token: g.AccessToken(p)}}, Catalogue: metric.Default(), Now: now, Unlimited: true, Family: "google-wearables"})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func oddFitbit(t *testing.T, p *simulate.Person, now func() time.Time, odd *simulate.Oddities) source.Source {
	t.Helper()
	f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: now, NoLimit: true, TokenLife: 1000 * time.Hour, Odd: odd})
	src, err := fitbit.New(fitbit.Config{HTTP: &http.Client{Transport: simulate.Transport{Handler: f, Token: f.AccessToken(p)}}, Catalogue: metric.Default(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// judgeOdd compares some days of an archive filled by an odd service with one filled by the same service without oddities. It closes both.
func judgeOdd(t *testing.T, p *simulate.Person, odd *simulate.Oddities, got, want *archive.Archive, first, last metric.Day) {
	t.Helper()
	defer got.Close()
	defer want.Close()
	taken, err := oddtest.Of(p, odd.Taken())
	if err != nil {
		t.Fatal(err)
	}
	span := metric.Span{Start: p.Midnight(first), End: p.Midnight(last + 1)}
	is := oddtest.Read(t, got, "default", span)
	if missing := taken.Judge(t, is, oddtest.Read(t, want, "default", span)); missing == 0 || len(is) < 20_000 {
		t.Errorf("%d samples, %d missing: nothing was odd, or too little was there", len(is), missing)
	}
}

// TestOneTruthOdd: where a service answers oddly, what is there is the one truth of TestOneTruth, and what is missing was taken. The clocks do not
// change here: in the hour that they show twice, the order of Fitbit's list tells which it is, and a list that is reversed tells it wrongly.
func TestOneTruthOdd(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	for name, source := range map[string]func(*testing.T, *simulate.Person, func() time.Time, *simulate.Oddities) source.Source{"google": oddGoogle, "fitbit": oddFitbit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				now := clock.At(time.Date(2026, 11, 6, 11, 0, 0, 0, time.UTC), 1)
				first, last := day(t, "2026-10-28"), day(t, "2026-10-29")
				p, odd := person(777, "Europe/Berlin", "Charge 6", first), &simulate.Oddities{Seed: 2}
				days := metric.DaySpan(first, last)
				want, got := fetched(t, source(t, p, now.Now, nil), name, now, days), fetched(t, source(t, p, now.Now, odd), name, now, days)
				judgeOdd(t, p, odd, got, want, first, last)
			})
		})
	}
}

// TestSteadyLifeOdd: a life with a service that answers oddly ends with what one request for everything brings where it does not.
func TestSteadyLifeOdd(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	synctest.Test(t, func(t *testing.T) {
		today := metric.DayOf(time.Now())
		p, odd := &simulate.Person{Seed: 777, Zones: metric.Zones{{Name: "Europe/Berlin"}}, Start: today - 60}, &simulate.Oddities{Seed: 1}
		a, err := archive.Open(t.Context(), archive.Config{Path: t.TempDir() + "/archive.db", Catalogue: metric.Default(), Rank: []string{"google"}, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		c := collect.New(collect.Config{Person: metric.Person{ID: "default"}, Source: oddGoogle(t, p, time.Now, odd), Archive: a, Clock: clock.Real(), Start: today - 1})
		ctx, stop := context.WithTimeout(t.Context(), 34*time.Hour)
		defer stop()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		clean := fetched(t, oddGoogle(t, p, time.Now, nil), "google", clock.Real(), metric.DaySpan(today-1, today))
		judgeOdd(t, p, odd, a, clean, today-1, today)
	})
}

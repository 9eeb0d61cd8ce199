// Days of one loop are lived here: without the race detector, which would take ten times as long (make test runs them beside it).

//go:build !race

package endtoend

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"strings"
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

var bothOdd = map[string]func(*testing.T, *simulate.Person, func() time.Time, *simulate.Oddities) source.Source{"google": oddGoogle, "fitbit": oddFitbit}

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
	if missing := taken.Judge(t, is, oddtest.Read(t, want, "default", span)); missing == 0 || len(is) < 10_000 {
		t.Errorf("%d samples, %d missing: nothing was odd, or too little was there", len(is), missing)
	}
}

// TestTruthOdd: what the archive holds of a few days of a service that answers oddly is what the person did, less what was taken.
func TestTruthOdd(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	synctest.Test(t, func(t *testing.T) {
		leaveOut := []metric.ID{metric.Track}
		for _, row := range metric.Default() {
			if row.Optional { // which the truth does not tell
				leaveOut = append(leaveOut, row.ID)
			}
		}
		first, last := day(t, "2026-11-09"), day(t, "2026-11-12")
		p, odd := person(777, "Europe/Berlin", "Charge 6", first), &simulate.Oddities{Seed: 3}
		now := clock.At(time.Date(2026, 11, 14, 11, 0, 0, 0, time.UTC), 1)
		a := fetchedOdd(t, oddGoogle(t, p, now.Now, odd), "google", now, metric.DaySpan(first, last), leaveOut...)
		defer a.Close()
		taken, err := oddtest.Of(p, odd.Taken())
		if err != nil {
			t.Fatal(err)
		}
		span := metric.Span{Start: p.Midnight(first), End: p.Midnight(last + 1)}
		want := asHeld(p, truthOf(p, "", first, now.Now()).points, span)
		got := oddtest.Read(t, a, "default", span)
		for _, fields := range got {
			for f, v := range fields {
				fields[f] = math.Round(v*1e6) / 1e6
			}
		}
		if missing := taken.Judge(t, got, want); missing == 0 || len(want) < 50_000 {
			t.Errorf("%d samples, %d missing: nothing was odd, or too little was there", len(want), missing)
		}
	})
}

// asHeld writes points as an archive holds them, to a millionth, without the tracks and the battery.
func asHeld(p *simulate.Person, all points, span metric.Span) oddtest.Values {
	rows := map[string]metric.Series{}
	for _, row := range metric.Default() {
		for _, f := range row.Fields {
			rows[row.Measurement+"|"+f.Key] = row
		}
	}
	out := oddtest.Values{}
	for key, samples := range all {
		part := strings.Split(key, "|")
		row := rows[part[0]+"|"+part[2]]
		if row.ID == metric.Track || row.ID == metric.Battery {
			continue
		}
		var tags []string
		for _, name := range row.Tags {
			for _, tag := range strings.Split(part[1], ",") {
				if value, ok := strings.CutPrefix(tag, name+"="); ok {
					tags = append(tags, value)
				}
			}
		}
		device := p.Tracker()
		if row.NoDevice {
			device = ""
		}
		for at, v := range samples {
			k := oddtest.Key{Series: row.ID, At: at, Tags: fmt.Sprintf("%q %q", device, tags)}
			if !span.Contains(time.Unix(0, at)) {
				continue
			}
			if out[k] == nil {
				out[k] = map[string]float64{}
			}
			out[k][part[2]] = math.Round(v*1e6) / 1e6
		}
	}
	return out
}

// fetchedOdd fetches days as fetched does, and asks once more a day later, twice, for what was no answer.
func fetchedOdd(t *testing.T, src source.Source, name string, now clock.Clock, days metric.Span, leaveOut ...metric.ID) *archive.Archive {
	t.Helper()
	a := fetched(t, src, name, now, days, leaveOut...)
	first, last := days.Days()
	for range 2 {
		<-time.After(25 * time.Hour)
		c := collect.New(collect.Config{Person: metric.Person{ID: "default"}, Source: src, Archive: a, Clock: now, Start: first, LeaveOut: leaveOut})
		if err := c.Once(t.Context(), metric.DaySpan(first, last+1)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return a
}

// TestYearOdd: what is there of a year of days, nights and workouts is what is there without oddities. Of what has a value each minute, days are enough.
func TestYearOdd(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	leaveOut := []metric.ID{metric.Track}
	for _, s := range metric.Default() {
		if s.Sampling == metric.Intraday && s.ID != metric.Weight && s.ID != metric.BMI && s.ID != "body_fat" {
			leaveOut = append(leaveOut, s.ID)
		}
	}
	for name, source := range bothOdd {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lifeOdd(t, name, source, 26*time.Hour, 365, leaveOut...)
		})
	}
}

// TestSteadyLifeOdd: a life with services that answer oddly. What is there is what one request for everything brings where a service does not,
// which is the one truth of TestOneTruth; so it is of a night that is computed again when it has been fetched. The clocks do not change here: in the hour that they show twice the order of Fitbit's list tells
// which it is, and a list that is reversed tells it wrongly.
func TestSteadyLifeOdd(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	for name, source := range bothOdd {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lifeOdd(t, name, source, 48*time.Hour, 1)
		})
	}
}

// lifeOdd has a collector run for so long with a service that answers oddly, and judges so many days.
func lifeOdd(t *testing.T, name string, source func(*testing.T, *simulate.Person, func() time.Time, *simulate.Oddities) source.Source, long time.Duration, days metric.Day, leaveOut ...metric.ID) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		last := metric.DayOf(time.Now().Add(long - 48*time.Hour)) // is over a day before the end: what is refused at first is asked again after one
		first := last - days + 1
		p, odd := &simulate.Person{Seed: 777, Zones: metric.Zones{{Name: "Europe/Berlin"}}, Start: first - 60}, &simulate.Oddities{Seed: 1}
		p.Rewrite = []simulate.Rewrite{{Day: last, At: p.Midnight(last).Add(22 * time.Hour)}} // of what has been fetched before
		a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(), Rank: []string{name}, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		c := collect.New(collect.Config{Person: metric.Person{ID: "default"}, Source: source(t, p, time.Now, odd), Archive: a, Clock: clock.Real(), Start: first, LeaveOut: leaveOut})
		ctx, stop := context.WithTimeout(t.Context(), long)
		defer stop()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		clean := fetched(t, source(t, p, time.Now, nil), name, clock.Real(), metric.DaySpan(first, last), leaveOut...)
		judgeOdd(t, p, odd, a, clean, first, last)
	})
}

// Days are lived twice at each service here: without the race detector, which would take ten times as long.

//go:build !race

package collect

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate/oddtest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/fitbit"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

// TestOdd: what a service that answers oddly leaves in the archive is what the same service leaves that answers well, less what was
// taken away.
func TestOdd(t *testing.T) {
	var mu sync.Mutex
	kinds := map[string]int{}
	t.Run("lives", func(t *testing.T) {
		for _, service := range []string{google.Name, fitbit.Name} {
			t.Run(service, func(t *testing.T) {
				t.Parallel()
				for _, life := range []struct {
					name     string
					days     metric.Day
					leaveOut []metric.ID
					seeds    []uint64
				}{
					{"all", 2, dense(), []uint64{0, 1, 2}},
					{"days", 50, minutely(), []uint64{3, 4}}, // of what comes once a day or less, so that each kind is met with
				} {
					_, want := livedOddly(t, service, nil, life.days, life.leaveOut)
					if len(want) < 500 {
						t.Fatalf("%d samples", len(want))
					}
					for _, seed := range life.seeds {
						t.Run(fmt.Sprint(life.name, seed), func(t *testing.T) {
							odd := &simulate.Oddities{Seed: seed}
							p, got := livedOddly(t, service, odd, life.days, life.leaveOut)
							taken, err := oddtest.Of(p, odd.Taken())
							if err != nil {
								t.Fatal(err)
							}
							taken.Judge(t, got, want)
							mu.Lock()
							defer mu.Unlock()
							for k, n := range taken.Kinds {
								kinds[k] += n
							}
						})
					}
				}
			})
		}
	})
	for _, k := range simulate.OddKinds() {
		if kinds[k] == 0 {
			t.Errorf("nothing was made odd in this way: %s", k)
		}
	}
}

var oddZone = metric.Zones{{Name: "Europe/Berlin"}}

// minutely are the series that have many values a day.
func minutely() []metric.ID {
	out := []metric.ID{metric.Track}
	for _, s := range metric.Default() {
		if s.Sampling == metric.Intraday && s.ID != metric.Weight && s.ID != metric.BMI && s.ID != "body_fat" {
			out = append(out, s.ID)
		}
	}
	return out
}

// livedOddly fetches some days of a person, and asks on for ten days more.
func livedOddly(t *testing.T, service string, odd *simulate.Oddities, days metric.Day, leaveOut []metric.ID) (p *simulate.Person, held oddtest.Values) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { p, held = liveOddly(t, service, odd, days, leaveOut) }) // it waits for the hour's limit
	return p, held
}

func liveOddly(t *testing.T, service string, odd *simulate.Oddities, long metric.Day, leaveOut []metric.ID) (*simulate.Person, oddtest.Values) {
	t.Helper()
	at := time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)
	today := metric.DayOf(at)
	p := &simulate.Person{Seed: 7, Zones: oddZone, Start: today - long - 4}
	now := clock.At(at, 1)
	var h http.Handler
	var key string
	if service == google.Name {
		g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: func() time.Time { return now.Now() }, NoQuota: true, TokenLife: 1000 * time.Hour, Odd: odd})
		h, key = g, g.AccessToken(p)
	} else {
		f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: func() time.Time { return now.Now() }, NoLimit: true, TokenLife: 1000 * time.Hour, Odd: odd})
		h, key = f, f.AccessToken(p)
	}
	a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(),
		Rank: []string{"google", "fitbit"}, Now: func() time.Time { return now.Now() }})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, days := range []int{0, 1, 2, 4, 10} {
		now = clock.At(at.AddDate(0, 0, days), 1)
		client := &http.Client{Transport: served{h, func() string { return key }}}
		var s source.Source
		if service == google.Name {
			s, err = google.New(google.Config{HTTP: client, Person: "me", Catalogue: metric.Default(), Now: now.Now, Unlimited: true})
		} else {
			s, err = fitbit.New(fitbit.Config{HTTP: client, Person: "me", Zone: "Europe/Berlin", Catalogue: metric.Default(), Now: now.Now})
		}
		if err != nil {
			t.Fatal(err)
		}
		c := New(Config{Person: metric.Person{ID: "me"}, Source: s, Archive: a, Clock: now, Start: today - long, Zone: "Europe/Berlin", LeaveOut: leaveOut})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		if err := c.Run(ctx); err != nil {
			t.Errorf("after %d days: %v", days, err)
		}
		cancel()
	}
	return p, oddtest.Read(t, a, "me", metric.Span{Start: oddZone.Midnight(today - long), End: oddZone.Midnight(today + 3)}) // so that each was asked for again
}

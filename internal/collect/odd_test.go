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
					{"all", 2, dense(), []uint64{0, 1}},
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
	l := &oddLife{service: service, odd: odd, from: oddToday - days, path: filepath.Join(t.TempDir(), "archive.db"), leave: leaveOut}
	synctest.Test(t, func(t *testing.T) { held = l.live(t) }) // it waits for the hour's limit
	return l.person(), held
}

// oddPerson is whose lives these are: the one of whom a program with one person's options keeps an archive.
const oddPerson = "default"

// oddNow is when these lives begin.
var oddNow = time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)

var oddToday = metric.DayOf(oddNow)

// An oddLife is a program that looks at a service now and then.
type oddLife struct {
	service string
	odd     *simulate.Oddities // nil for none
	from    metric.Day         // the first one that is fetched
	late    int                // days after the last ones of which there are any data, that it begins; 0 for while there are
	path    string             // of the archive, which may be there
	leave   []metric.ID
}

func (l *oddLife) person() *simulate.Person {
	p := &simulate.Person{Seed: 7, Zones: oddZone, Start: l.from - 4}
	if l.late > 0 {
		p.Last = oddNow
	}
	return p
}

// served returns the service at a time that may be changed, and a token for it.
func (l *oddLife) served(p *simulate.Person, now func() time.Time) (h http.Handler, token string) {
	if l.service == google.Name {
		g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: now, NoQuota: true, TokenLife: 1000 * time.Hour, Odd: l.odd})
		return g, g.AccessToken(p)
	}
	f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: now, NoLimit: true, TokenLife: 1000 * time.Hour, Odd: l.odd})
	return f, f.AccessToken(p)
}

// live returns what the archive holds in the end, of days that each were asked for again.
func (l *oddLife) live(t *testing.T) oddtest.Values {
	t.Helper()
	begin := oddNow.AddDate(0, 0, l.late)
	now := clock.At(begin, 1)
	h, key := l.served(l.person(), func() time.Time { return now.Now() })
	a, err := archive.Open(t.Context(), archive.Config{Path: l.path, Catalogue: metric.Default(),
		Rank: []string{"google", "fitbit"}, Now: func() time.Time { return now.Now() }})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, days := range []int{0, 1, 2, 4, 10} {
		now = clock.At(begin.AddDate(0, 0, days), 1)
		client := &http.Client{Transport: served{h, func() string { return key }}}
		var s source.Source
		if l.service == google.Name {
			s, err = google.New(google.Config{HTTP: client, Person: oddPerson, Catalogue: metric.Default(), Now: now.Now, Unlimited: true})
		} else {
			s, err = fitbit.New(fitbit.Config{HTTP: client, Person: oddPerson, Zone: "Europe/Berlin", Catalogue: metric.Default(), Now: now.Now})
		}
		if err != nil {
			t.Fatal(err)
		}
		c := New(Config{Person: metric.Person{ID: oddPerson}, Source: s, Archive: a, Clock: now, Start: l.from, Zone: "Europe/Berlin", LeaveOut: l.leave})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		if err := c.Run(ctx); err != nil {
			t.Errorf("after %d days: %v", days, err)
		}
		cancel()
	}
	return oddtest.Read(t, a, oddPerson, metric.Span{Start: oddZone.Midnight(l.from), End: oddZone.Midnight(oddToday + 3)})
}

// Six pairs of lives from the simulator, without the race detector, which would take minutes (make test runs them beside the others).

//go:build !race

package collect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/fitbit"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

// served answers requests without a network, with a token that can be another one each time.
type served struct {
	service http.Handler
	token   func() string
}

func (s served) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+s.token())
	w := httptest.NewRecorder()
	s.service.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}

// values are samples as text, by series, instant, device and tags.
type values map[string]string

func (v values) take(b metric.Block) {
	for i, t := range b.Times {
		v[pointName(b.Series, t, b.Device, b.Tags)] = fmt.Sprint(b.Row(i))
	}
}

func pointName(id metric.ID, t int64, device string, tags []string) string {
	return fmt.Sprintf("%s %s %q %q", id, time.Unix(0, t).UTC().Format(time.RFC3339Nano), device, tags)
}

// deliver brings a database that deletes what it is told to where the archive is.
func (v values) deliver(t *testing.T, a *archive.Archive) {
	t.Helper()
	for {
		pieces, err := a.Due(t.Context(), "database", 100_000)
		if err != nil {
			t.Fatal(err)
		}
		tombs, err := a.DueTombs(t.Context(), "database", 100_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tombs {
			delete(v, pointName(d.Series, d.Time, d.Device, d.Tags))
		}
		if len(tombs) > 0 {
			pieces = nil
		}
		for _, p := range pieces {
			v.take(p.Block)
		}
		if len(pieces)+len(tombs) == 0 {
			return
		}
		if err := a.Ack(t.Context(), "database", pieces, tombs); err != nil {
			t.Fatal(err)
		}
	}
}

// held is all that an archive shows.
func heldBy(t *testing.T, a *archive.Archive) values {
	t.Helper()
	v := values{}
	for _, s := range metric.Default() {
		for b, err := range a.Read(t.Context(), "me", s.ID, metric.Span{Start: epoch, End: epoch.AddDate(100, 0, 0)}) {
			if err != nil {
				t.Fatal(err)
			}
			v.take(b)
		}
	}
	return v
}

// dying is an archive whose process dies in the middle of what is dated anew.
type dying struct {
	*archive.Archive
	calls int    // of Redate and Name that are still done
	die   func() // ends the process
}

var errDead = errors.New("the process is gone")

func (d *dying) Redate(ctx context.Context, r archive.Redating) (archive.Change, error) {
	if d.calls--; d.calls < 0 {
		d.die()
		return archive.Change{}, errDead
	}
	return d.Archive.Redate(ctx, r)
}

func (d *dying) Name(ctx context.Context, person, source, device string) error {
	if d.calls--; d.calls < 0 {
		d.die()
		return errDead
	}
	return d.Archive.Name(ctx, person, source, device)
}

// TestAnew: whoever signs in without what tells zone and devices, and then with everything, has the archive and the database of somebody
// who did so from the start, also where the program dies between.
func TestAnew(t *testing.T) {
	for _, c := range []struct{ service, zone, option, machine string }{
		{"google", "Europe/Berlin", "", ""}, {"google", "America/Los_Angeles", "", "Asia/Tokyo"}, {"google", "Asia/Kolkata", "Asia/Kolkata", ""},
		{"fitbit", "Europe/Berlin", "", ""}, {"fitbit", "Asia/Kolkata", "", "Europe/Berlin"}, {"fitbit", "America/Los_Angeles", "", ""},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			at := time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)
			today := metric.DayOf(at)
			p := &simulate.Person{Seed: 7, Zones: metric.Zones{{Name: c.zone}}, Start: today - 10}
			var now clock.Clock
			var service http.Handler
			var token func(full bool) string
			g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: func() time.Time { return now.Now() }, NoQuota: true, TokenLife: 1000 * time.Hour})
			f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: func() time.Time { return now.Now() }, NoLimit: true, TokenLife: 1000 * time.Hour})
			switch c.service {
			case google.Name:
				service, token = g, func(full bool) string {
					return g.AccessToken(p, without(simulate.Scopes(), full, simulate.ScopePrefix+"settings.readonly")...)
				}
			case fitbit.Name:
				service, token = f, func(full bool) string {
					return f.AccessToken(p, without(simulate.FitbitScopes(), full, "settings", "profile")...)
				}
			}
			live := func(a Archive, from time.Time, zone string, full bool) (Status, error) {
				now = clock.At(from, 600)
				key := token(full)
				h := &http.Client{Transport: served{service, func() string { return key }}}
				var s source.Source
				var err error
				if c.service == google.Name {
					s, err = google.New(google.Config{HTTP: h, Person: "me", Catalogue: metric.Default(), Now: now.Now, Unlimited: true})
				} else {
					s, err = fitbit.New(fitbit.Config{HTTP: h, Person: "me", Zone: zone, Catalogue: metric.Default(), Now: now.Now})
				}
				if err != nil {
					t.Fatal(err)
				}
				col := New(Config{Person: metric.Person{ID: "me"}, Source: s, Archive: a, Clock: now, Start: today - 6, Zone: zone, Machine: c.machine, LeaveOut: dense()})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if d, ok := a.(*dying); ok {
					d.die = cancel
				}
				err = col.Once(ctx, metric.Span{})
				return col.Status(), err
			}
			open := func() *archive.Archive {
				a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(),
					Rank: []string{"google", "fitbit"}, Now: func() time.Time { return now.Now() }})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { a.Close() })
				return a
			}
			must := func(a Archive, from time.Time, zone string, full bool) Status {
				s, err := live(a, from, zone, full)
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			later := at.AddDate(0, 0, 1)
			a, database := open(), values{}
			s := must(a, at, "", false)
			if z := s.Zones; len(z) != 1 || !z[0].By.Provisional() {
				t.Fatalf("zones %v are said to be known", z)
			}
			database.deliver(t, a)
			if len(database) < 1000 {
				t.Fatalf("%d values without the settings", len(database))
			}
			for dies := range 2 {
				dead := &dying{Archive: a, calls: dies}
				if _, err := live(dead, later, c.option, true); dead.calls >= 0 {
					t.Fatalf("did not die after %d: %v", dies, err)
				}
				database.deliver(t, a)
			}
			s = must(a, later, c.option, true)
			database.deliver(t, a)
			fresh := open()
			must(fresh, at, c.option, true)
			want := must(fresh, later, c.option, true)
			if fmt.Sprint(s.Zones) != fmt.Sprint(want.Zones) {
				t.Errorf("zones %v; a fresh one has %v", s.Zones, want.Zones)
			}
			days := metric.Span{Start: p.Midnight(today - 6), End: p.Midnight(today)}
			if c.service == fitbit.Name { // whose instants hang on the zone: what stands before the first day would be false
				days.Start = p.Midnight(today - 10)
			}
			compare(t, "archive", heldBy(t, a), heldBy(t, fresh), days)
			compare(t, "database", database, heldBy(t, fresh), days)
		})
	}
}

// dense are series that would only make the test long.
func dense() []metric.ID {
	out := []metric.ID{metric.HeartRate}
	for _, s := range metric.Default() {
		if s.Optional {
			out = append(out, s.ID)
		}
	}
	return out
}

func without(scopes []string, full bool, left ...string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !full && slices.Contains(left, s) })
}

// compare holds values of some days against those of another archive. The battery is that of the moment.
func compare(t *testing.T, what string, got, want values, days metric.Span) {
	t.Helper()
	counts := map[string]int{}
	both := maps.Clone(got)
	maps.Copy(both, want)
	for _, k := range slices.Sorted(maps.Keys(both)) {
		var id, at string
		fmt.Sscan(k, &id, &at)
		if when, err := time.Parse(time.RFC3339Nano, at); err != nil || !days.Contains(when) || metric.ID(id) == metric.Battery || got[k] == want[k] {
			continue
		}
		if counts[id]++; counts[id] < 3 {
			t.Errorf("%s: %s is %q, in a fresh one %q", what, k, got[k], want[k])
		}
	}
	if len(want) < 1000 {
		t.Errorf("%s: %d values", what, len(want))
	}
	if len(counts) > 0 {
		t.Errorf("%s: differences %v of %d values", what, counts, len(want))
	}
}

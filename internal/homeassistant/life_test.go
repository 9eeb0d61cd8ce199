// What is lived or told here is long, and one thing after the other: without the race detector, which would take ten times as long (make
// test runs these tests beside the others).

//go:build !race

package homeassistant

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

// heartbeats notes when the state of the heart rate was told, and of which instant it was.
type heartbeats struct {
	*recorder
	mu   sync.Mutex
	told []told
}

type told struct{ at, measured time.Time }

func (h *heartbeats) publish(_ context.Context, messages []message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range messages {
		if !strings.HasSuffix(m.topic, "/heart_rate") {
			continue
		}
		var s state
		if err := json.Unmarshal([]byte(m.payload), &s); err != nil {
			return err
		}
		measured, err := time.Parse(time.RFC3339, s.MeasuredAt)
		if err != nil {
			return err
		}
		h.told = append(h.told, told{time.Now(), measured})
	}
	return nil
}

// slowService takes a quarter of a second for each answer.
type slowService struct {
	person  *simulate.Person
	service *simulate.Google
}

func (s slowService) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(250 * time.Millisecond) // in a bubble: no time is lost
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+s.service.AccessToken(s.person))
	return simulate.Transport{Handler: s.service}.RoundTrip(r)
}

// The whole way of a value, from the sync of a device to its state at the broker: of somebody awake, 95 of 100 take 90 s at most. All
// parts are the real ones but the network and the passing of time.
func TestFromSyncToState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := metric.DayOf(time.Now())
		p := &simulate.Person{Seed: 777, Zones: metric.Zones{{From: 0, Name: "Europe/Berlin"}}, Start: first - 60}
		service := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: time.Now})
		source, err := google.New(google.Config{HTTP: &http.Client{Transport: slowService{p, service}}, Base: "http://service.test", Person: "me",
			Catalogue: metric.Default(), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(), Rank: []string{google.Name}, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		c := collect.New(collect.Config{Person: metric.Person{ID: "me"}, Source: source, Archive: a, Clock: clock.Real(), Start: first, LeaveOut: metric.Default().LeftOut(nil, nil)})
		w := newWorld(noon, 1)
		w.zones = p.Zones
		w.cfg.Clock, w.cfg.Archive, w.cfg.Latest, w.cfg.Changed = clock.Real(), a, latest.New(a, w.cfg.Catalogue, "google"), a.Changed
		w.cfg.People[0].Devices = func() []metric.Device { return c.Status().Devices }
		pub := New(w.cfg)
		pub.timing.tick = 10 * time.Minute // what has changed must not wait for the next tick
		if err := pub.recall(t.Context()); err != nil {
			t.Fatal(err)
		}
		h := &heartbeats{recorder: newRecorder()}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { c.Run(ctx) })
		wg.Go(func() { pub.serve(ctx, h) })
		time.Sleep(3 * time.Hour) // what there is comes in
		from := time.Now()
		time.Sleep(18 * time.Hour) // a day and its evening
		span := metric.Span{Start: from, End: time.Now().Add(-15 * time.Minute)}
		stop()
		wg.Wait()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		judgeSyncs(t, p, h.told, span)
	})
}

// judgeSyncs measures from each sync that brought a heart rate to the state that shows it.
func judgeSyncs(t *testing.T, p *simulate.Person, all []told, span metric.Span) {
	t.Helper()
	const wanted = 90 * time.Second
	var took []time.Duration
	soon := 0
	for _, s := range p.Syncs(span) {
		beats := p.HeartRates(metric.Span{Start: s.Add(-time.Minute), End: s})
		if len(beats) == 0 || asleepAt(p, s) {
			continue // not worn; asleep it is asked more rarely
		}
		d := 24 * time.Hour
		if i := slices.IndexFunc(all, func(x told) bool { return !x.at.Before(s) && x.measured.After(s.Add(-time.Minute)) }); i >= 0 {
			d = all[i].at.Sub(s)
		}
		if took = append(took, d); d <= wanted {
			soon++
		}
	}
	if len(took) < 50 {
		t.Fatalf("only %d syncs", len(took))
	}
	slices.Sort(took)
	share := 100 * float64(soon) / float64(len(took))
	t.Logf("from sync to state: %.1f %% of %d within %v, median %v, 95 of 100 within %v, longest %v", share, len(took), wanted, took[len(took)/2].Round(time.Second),
		took[len(took)*95/100].Round(time.Second), took[len(took)-1].Round(time.Second))
	if share < 95 {
		t.Errorf("%.1f %% of %d syncs were at the broker within %v, want 95", share, len(took), wanted)
	}
}

func asleepAt(p *simulate.Person, at time.Time) bool {
	for _, d := range []metric.Day{p.Day(at), p.Day(at) + 1} {
		if n, ok := p.MainNight(d); ok && !at.Before(n.Start) && at.Before(n.End) {
			return true
		}
	}
	return false
}

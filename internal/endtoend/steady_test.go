// Days and years of one loop are lived here: without the race detector, which would take ten times as long (make test runs them beside it).

//go:build !race

package endtoend

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/deliver"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

const (
	judgedDays = 2
	answerTime = 250 * time.Millisecond // of the service
)

// slowly lets a service take its time.
type slowly struct{ next http.RoundTripper }

func (s slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(answerTime)
	r.Header.Del("Accept-Encoding") // nothing is to be saved here but the time for it
	r.Header.Set("Authorization", "Bearer "+r.Header.Get("X-Token"))
	return s.next.RoundTrip(r)
}

// counter is a sink that knows what it has been given.
type counter struct {
	mu                    sync.Mutex
	held                  map[string]float64 // by series, person, tags, time and field
	written, fresh, again int                // samples: all, never seen before, seen with the very same values
}

func (c *counter) Name() string { return "counter" }

func (c *counter) Write(_ context.Context, blocks []sink.Points) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range blocks {
		for i, at := range b.Block.Times {
			is, was := false, true
			for f := range b.Block.Values {
				v := b.Block.Values[f][i]
				if !metric.Present(v) {
					continue
				}
				key := fmt.Sprint(b.Block.Series, b.Block.Device, b.Block.Tags, at, f)
				old, known := c.held[key]
				is, was = is || known, was && known && old == v
				c.held[key] = v
			}
			c.written++
			if !is {
				c.fresh++
			} else if was {
				c.again++
			}
		}
	}
	return nil
}

func (c *counter) Delete(context.Context, []sink.Tombstone) error { return nil }

func (c *counter) counts() (written, fresh, again int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written, c.fresh, c.again
}

// A steady life: how soon a sync is in the archive, how often the service is asked, and that nothing is written twice. Source,
// archive, collector and delivery are the real ones; only the network and the passing of time are not.
func TestSteadyLife(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	synctest.Test(t, func(t *testing.T) {
		first := metric.DayOf(time.Now())
		p := &simulate.Person{Seed: 777, Zones: metric.Zones{{From: 0, Name: "Europe/Berlin"}}, Start: first - 60}
		service := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: time.Now})
		token := func() string { return service.AccessToken(p) }
		src, err := google.New(google.Config{HTTP: &http.Client{Transport: bearing{token: token, next: slowly{simulate.Transport{Handler: service}}}}, Base: "http://service.test",
			Person: "default", Catalogue: metric.Default(), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(), Rank: []string{"google"}, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		var events []collect.Event
		var mu sync.Mutex
		c := collect.New(collect.Config{Person: metric.Person{ID: "default"}, Source: src, Archive: a, Clock: clock.Real(), Start: first - 6, LeaveOut: metric.Default().LeftOut(nil, nil),
			Events: func(e collect.Event) { mu.Lock(); defer mu.Unlock(); events = append(events, e) }})
		db := &counter{held: map[string]float64{}}
		d := deliver.New(deliver.Config{Archive: a, Sink: db, Catalogue: metric.Default(), Persons: []metric.Person{{ID: "default"}}, Clock: clock.Real()})
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { c.Run(ctx) })
		wg.Go(func() { d.Run(ctx) })

		time.Sleep(11 * time.Hour) // history comes in
		from := time.Now()
		w0, f0, a0 := db.counts()
		night := map[time.Time]bool{} // the hours that the person slept through, as the collector could know
		for range judgedDays * 24 {
			h := time.Now().UTC()
			known := func(at time.Time) bool { return asleep(p, at) && plan.Asleep(p.Zones, c.Status().Quiet, at) }
			night[h] = known(h)
			time.Sleep(time.Hour)
			night[h] = night[h] && known(h.Add(time.Hour-time.Second))
		}
		until := time.Now()
		w1, f1, a1 := db.counts()
		stop()
		wg.Wait()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		span := metric.Span{Start: from, End: until}
		judgeWrites(t, w1-w0, f1-f0, a1-a0)
		judgeDelay(t, p, c.Status(), events, span)
		judgeRequests(t, night, service.Log(), span)
		judgeReasons(t, p, events, span)
	})
}

// bearing carries an access token, renewed within its hour.
type bearing struct {
	token func() string
	next  http.RoundTripper
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Token", b.token())
	return b.next.RoundTrip(r)
}

// judgeWrites holds what was written against what was new. A running total that changed is written anew, as it must be.
func judgeWrites(t *testing.T, written, fresh, again int) {
	t.Helper()
	t.Logf("%d samples written in %d days: %d new (%.3f for each new one), %d with the values they had", written, judgedDays, fresh, float64(written)/float64(fresh), again)
	if again != 0 {
		t.Errorf("%d samples were written that had not changed", again)
	}
	if float64(written) > 1.2*float64(fresh) || fresh < 20_000*judgedDays {
		t.Errorf("%d samples written for %d new ones, want at most 1.2 for each, and 20,000 a day", written, fresh)
	}
}

// judgeDelay measures from each sync to the first answer in the archive that reaches up to it.
func judgeDelay(t *testing.T, p *simulate.Person, last collect.Status, events []collect.Event, span metric.Span) {
	t.Helper()
	zones, quiet := p.Zones, last.Quiet
	var all, up, awake []time.Duration
	for _, s := range p.Syncs(span) {
		i := slices.IndexFunc(events, func(e collect.Event) bool {
			return e.Feed == "heart_rate" && e.Err == nil && !e.At.Before(s) && !e.Span.End.Before(s)
		})
		if i < 0 {
			continue // the last one
		}
		took := events[i].At.Sub(s)
		all = append(all, took)
		if !asleep(p, s) {
			up = append(up, took)
		}
		if !plan.Asleep(zones, quiet, s) {
			awake = append(awake, took)
		}
	}
	share := func(d []time.Duration) float64 {
		n := 0
		for _, x := range d {
			if x <= 90*time.Second {
				n++
			}
		}
		return 100 * float64(n) / float64(len(d))
	}
	slices.Sort(all)
	slices.Sort(awake)
	t.Logf("from sync to archive: %.1f %% of %d within 90 s; outside of the usual hours of sleep %.1f %% of %d, of those truly awake %.1f %% of %d; median %v, 95 of 100 within %v, longest %v", share(all), len(all), share(awake), len(awake), share(up), len(up),
		all[len(all)/2].Round(time.Second), all[len(all)*95/100].Round(time.Second), all[len(all)-1].Round(time.Second))
	// Of somebody asleep, syncs are an hour and more apart at no set time: 20 requests an hour find some of them in time.
	if len(all) < 40*judgedDays || share(up) < 95 {
		t.Errorf("%.1f %% of %d syncs of somebody awake were in the archive within 90 s, want 95", share(up), len(up))
	}
}

func asleep(p *simulate.Person, at time.Time) bool {
	for d := p.Day(at); d <= p.Day(at)+1; d++ {
		if n, ok := p.MainNight(d); ok && !at.Before(n.Start) && at.Before(n.End) {
			return true
		}
	}
	return false
}

// judgeRequests counts every request in every hour of the clock, asleep where the person slept through it and usually does.
func judgeRequests(t *testing.T, asleep map[time.Time]bool, log []simulate.Logged, span metric.Span) {
	t.Helper()
	hours := map[time.Time]int{}
	for _, l := range log {
		if span.Contains(l.Time) {
			hours[l.Time.UTC().Truncate(time.Hour)]++
		}
	}
	most := map[bool]int{}
	sum, count := map[bool]int{}, map[bool]int{}
	for h, n := range hours {
		night := asleep[h]
		most[night] = max(most[night], n)
		sum[night] += n
		count[night]++
		if limit := map[bool]int{true: 20, false: 100}[night]; n > limit {
			t.Errorf("%d requests in the hour from %s (asleep: %v), want at most %d", n, h.Format(time.DateTime), night, limit)
		}
	}
	t.Logf("requests per hour: awake %.0f, at most %d (%d hours); asleep %.0f, at most %d (%d hours)", float64(sum[false])/float64(max(1, count[false])), most[false], count[false],
		float64(sum[true])/float64(max(1, count[true])), most[true], count[true])
	if count[true] < 4*judgedDays || count[false] < 8*judgedDays {
		t.Errorf("%d hours asleep and %d awake: too few", count[true], count[false])
	}
}

// judgeReasons holds each heavy request against the syncs: one must have come since the feed was asked before.
func judgeReasons(t *testing.T, p *simulate.Person, events []collect.Event, span metric.Span) {
	t.Helper()
	last := map[string]time.Time{}
	heavy := 0
	var known time.Time // the newest sync that the devices have told of
	for _, e := range events {
		if e.Feed == plan.Poll && e.Err == nil {
			known = p.LastSync(e.At)
		}
		if e.Feed == plan.Poll || e.Feed == "account" || e.Feed == "weight" || e.Feed == "body_fat" || e.Feed == "core_temperature" || e.Feed == "track" {
			continue
		}
		if before := last[e.Feed]; span.Contains(e.At) && e.Lane == plan.Live {
			heavy++
			if !known.After(before) {
				t.Errorf("%s was asked at %s, though no later sync than that of %s was known: %s", e.Feed, e.At.Format(time.DateTime), before.Format(time.DateTime), e.Why)
			}
		}
		if e.Lane == plan.Live {
			last[e.Feed] = known
		}
	}
	t.Logf("%d heavy requests, each behind a sync", heavy)
}

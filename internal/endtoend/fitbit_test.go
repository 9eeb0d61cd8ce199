// Days and years of one loop are lived here: without the race detector, which would take ten times as long (make test runs them beside it).

//go:build !race

package endtoend

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/fitbit"
)

// beyondPython are the series that the Python project does not fetch from the Fitbit Web API.
var beyondPython = []metric.ID{"hrv_intraday", "breathing_rate_stages", "active_calories", "floors", "elevation", "body_fat", "core_temperature", "vo2_max", metric.Track}

// fitbitHome is a person at a simulated Fitbit Web API with its limit of 150 requests an hour. Source, budget, archive and collector are the
// real ones; only the network and the passing of time are not. A request takes a second.
type fitbitHome struct {
	person  *simulate.Person
	service *simulate.Fitbit
	archive *archive.Archive
	collect *collect.Collector
	events  []collect.Event
	mu      sync.Mutex
	today   metric.Day
	began   time.Time
}

type aSecond struct {
	service *simulate.Fitbit
	person  *simulate.Person
}

func (s aSecond) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(time.Second)
	r = r.Clone(r.Context())
	r.Header.Del("Accept-Encoding") // nothing is to be saved here but the time for it
	r.Header.Set("Authorization", "Bearer "+s.service.AccessToken(s.person))
	return simulate.Transport{Handler: s.service}.RoundTrip(r)
}

// newFitbitHome begins at an hour of the person's day, with history of so many days, today included.
func newFitbitHome(t *testing.T, hour time.Duration, days metric.Day, leaveOut, takeIn []metric.ID, change func(*simulate.FitbitConfig)) *fitbitHome {
	t.Helper()
	proctest.NotShort(t)
	h := &fitbitHome{today: metric.DayOf(time.Now()) + 1}
	h.person = &simulate.Person{Seed: 3, Zones: metric.Zones{{From: 0, Name: "Europe/Berlin"}}, Start: h.today - 900}
	time.Sleep(time.Until(h.person.Midnight(h.today).Add(hour)))
	h.began = time.Now()
	cfg := simulate.FitbitConfig{Persons: []*simulate.Person{h.person}, Now: time.Now}
	if change != nil {
		change(&cfg)
	}
	h.service = simulate.NewFitbit(cfg)
	budget := &fitbit.Budget{Next: aSecond{h.service, h.person}, Now: time.Now}
	src, err := fitbit.New(fitbit.Config{HTTP: &http.Client{Transport: budget}, Budget: budget, Base: "http://service.test", Person: "default", Catalogue: metric.Default(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	h.archive, err = archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(), Rank: []string{"fitbit"}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	h.collect = collect.New(collect.Config{Person: metric.Person{ID: "default"}, Source: src, Archive: h.archive, Clock: clock.Real(), Start: h.today - days + 1, LeaveOut: metric.Default().LeftOut(leaveOut, takeIn),
		Events: func(e collect.Event) { h.mu.Lock(); defer h.mu.Unlock(); h.events = append(h.events, e) }})
	return h
}

// calls are the answered requests between two instants, and how many of them were refused for the limit.
func (h *fitbitHome) calls(from, to time.Time) (all, limited int) {
	for _, l := range h.service.Log() {
		if l.Time.Before(from) || !l.Time.Before(to) {
			continue
		}
		all++
		if l.Status == http.StatusTooManyRequests {
			limited++
		}
	}
	return all, limited
}

// covered is how many whole days a feed has been answered for.
func (h *fitbitHome) covered(t *testing.T, feed string) int {
	t.Helper()
	cover, err := h.archive.Coverage(t.Context(), "default", "fitbit")
	if err != nil {
		t.Fatal(err)
	}
	var spans []metric.Span
	for _, c := range cover[feed] {
		spans = append(spans, c.Span)
	}
	n := 0
	for d := h.today - 1; d >= h.today-800; d-- { // yesterday and before
		span := h.person.DaySpan(d)
		if feed != "heart_rate" && !strings.HasSuffix(feed, "_intraday") {
			span = metric.DaySpan(d, d)
		}
		if len(span.Subtract(spans)) == 0 {
			n++
		}
	}
	return n
}

// ideal is how long so many requests take where 150 an hour are allowed and each takes a second.
func ideal(requests, perHour int) time.Duration {
	full := (requests - 1) / perHour
	return time.Duration(full)*time.Hour + time.Duration(requests-full*perHour)*time.Second
}

// Two years in one go: no more requests than the data need, and no more time than the limit makes of them.
func TestFitbitBulk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newFitbitHome(t, 9*time.Hour, 730, beyondPython, nil, nil)
		defer h.archive.Close()
		if err := h.collect.Once(t.Context(), metric.DaySpan(h.today-729, h.today)); err != nil {
			t.Fatal(err)
		}
		took := time.Since(h.began)
		all, limited := h.calls(h.began, time.Now())
		t.Log(h.byKind(h.began))
		t.Logf("%d requests (%d refused) in %v; ideal %v", all, limited, took, ideal(all, 150))
		for _, f := range []string{"heart_rate", "steps_intraday", "activity", "sleep", "spo2", "hrv"} {
			if n := h.covered(t, f); n != 729 {
				t.Errorf("%s: %d days before today are covered, want 729", f, n)
			}
		}
		if all > 1610 || limited > 0 {
			t.Errorf("%d requests, %d of them refused; want 1610 and none", all, limited)
		}
		if most := ideal(all, 150) * 101 / 100; took > most {
			t.Errorf("it took %v, want at most %v", took, most)
		}
	})
}

// The first window, with today beside it or without.
func TestFitbitFirstWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		live bool
		want int
	}{{false, 55}, {true, 45}} {
		t.Run(fmt.Sprintf("live %v", c.live), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newFitbitHome(t, 9*time.Hour, 730, beyondPython, nil, nil)
				defer h.archive.Close()
				ctx, stop := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() {
					if c.live {
						h.collect.Run(ctx)
					} else {
						h.collect.Once(ctx, metric.DaySpan(h.today-729, h.today))
					}
				})
				time.Sleep(time.Hour - time.Second)
				heart, steps := h.covered(t, "heart_rate"), h.covered(t, "steps_intraday")
				all, limited := h.calls(h.began, time.Now())
				t.Log(h.byKind(h.began))
				t.Logf("%d requests (%d refused): %d days of heart rate, %d of steps", all, limited, heart, steps)
				if min(heart, steps) < c.want || limited > 0 {
					t.Errorf("%d days of heart rate, %d of steps, %d requests refused; want %d and none", heart, steps, limited, c.want)
				}
				for _, f := range []string{"activity", "heart_days", "active_zone_minutes", "spo2", "sleep"} {
					if n := h.covered(t, f); n != 729 {
						t.Errorf("%s: %d days before today, want 729", f, n)
					}
				}
				stop()
				wg.Wait()
			})
		})
	}
}

// delays are the times from each sync to the first answers with heart rate and steps that reach up to it, by whether the person's
// usual hours of sleep were over.
func (h *fitbitHome) delays(span metric.Span) (day, night []time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	quiet := h.collect.Status().Quiet
	for _, s := range h.person.Syncs(span) {
		took := time.Duration(0)
		for _, feed := range []string{"heart_rate", "steps_intraday"} {
			i := slices.IndexFunc(h.events, func(e collect.Event) bool {
				return e.Feed == feed && e.Err == nil && !e.At.Before(s) && !e.Span.End.Before(s)
			})
			if i < 0 {
				return day, night // the last one
			}
			took = max(took, h.events[i].At.Sub(s))
		}
		if plan.Asleep(h.person.Zones, quiet, s) {
			night = append(night, took)
		} else {
			day = append(day, took)
		}
	}
	return day, night
}

func within(d []time.Duration, most time.Duration) float64 {
	n := 0
	for _, x := range d {
		if x <= most {
			n++
		}
	}
	return 100 * float64(n) / float64(max(1, len(d)))
}

// History beside today: every request that today leaves over is used, and today does not wait.
func TestFitbitBeside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newFitbitHome(t, 9*time.Hour, 730, nil, nil, nil)
		defer h.archive.Close()
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { h.collect.Run(ctx) })
		const windows = 4
		time.Sleep(windows * time.Hour)
		all, limited := h.calls(h.began, time.Now())
		day, _ := h.delays(metric.Span{Start: h.began.Add(time.Minute), End: time.Now()})
		t.Logf("%d requests (%d refused) in %d hours; %d syncs in the archive, the slowest after %v", all, limited, windows, len(day), slices.Max(day))
		if all*100 < windows*150*99 || limited > 0 {
			t.Errorf("%d requests, %d of them refused; want 99 %% of %d and none", all, limited, windows*150)
		}
		if len(day) < 3*windows-2 || within(day, 6*time.Minute) < 100 {
			t.Errorf("%d syncs: %v; want each within 6 minutes while history comes in", len(day), day)
		}
		stop()
		wg.Wait()
	})
}

// A steady life with all that can be fetched: some 30 requests an hour over the day, and what a sync brings soon in the archive.
func TestFitbitSteady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newFitbitHome(t, 6*time.Hour, 20, nil, nil, nil)
		defer h.archive.Close()
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { h.collect.Run(ctx) })
		time.Sleep(30 * time.Hour)
		const days = 3
		from := time.Now()
		time.Sleep(days * 24 * time.Hour)
		all, limited := h.calls(from, time.Now())
		day, night := h.delays(metric.Span{Start: from, End: time.Now()})
		perHour := float64(all) / (days * 24)
		t.Logf("%.1f requests an hour (%d refused); %.1f %% of %d syncs by day in the archive within 3 min, %.1f %% of %d by night within 15; slowest %v and %v", perHour, limited,
			within(day, 3*time.Minute), len(day), within(night, 15*time.Minute), len(night), slices.Max(day), slices.Max(night))
		if perHour > 30 || limited > 0 {
			t.Errorf("%.1f requests an hour, %d refused; want at most 30 and none", perHour, limited)
		}
		if len(day) < 40*days || within(day, 3*time.Minute) < 99 || len(night) < 3*days || within(night, 15*time.Minute) < 99 {
			t.Errorf("%d syncs by day, %d by night: too few, or too late", len(day), len(night))
		}
		stop()
		wg.Wait()
	})
}

// What is only fetched on request costs a request for each day of history, and an hour's requests are enough for it beside today.
func TestFitbitTakenIn(t *testing.T) {
	t.Parallel()
	minutes := []metric.ID{"calories_intraday", "distance_intraday", "floors_intraday", "elevation_intraday"}
	synctest.Test(t, func(t *testing.T) {
		const days = 10
		h := newFitbitHome(t, 9*time.Hour, days, nil, minutes, nil)
		defer h.archive.Close()
		if err := h.collect.Once(t.Context(), metric.DaySpan(h.today-days+1, h.today)); err != nil {
			t.Fatal(err)
		}
		asked := h.byKind(h.began)
		for _, name := range []string{"calories", "distance", "floors", "elevation"} {
			if n := h.asked(h.began, "/activities/"+name+"/date/"); n != days {
				t.Errorf("%d requests for the minutes of %s in %d days: %s", n, name, days, asked)
			}
			if n := h.covered(t, name+"_intraday"); n != days-1 {
				t.Errorf("%s: %d days before today are covered, want %d", name, n, days-1)
			}
		}
		time.Sleep(time.Hour)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { h.collect.Run(ctx) })
		time.Sleep(6 * time.Hour)
		from := time.Now()
		time.Sleep(24 * time.Hour)
		all, limited := h.calls(from, time.Now())
		t.Logf("%.1f requests an hour (%d refused)", float64(all)/24, limited)
		if n := h.asked(from, "/activities/calories/date/"); n < 10 {
			t.Errorf("the minutes of calories were asked for %d times in a day", n)
		}
		if all > 40*24 || limited > 0 {
			t.Errorf("%d requests in a day, %d refused; want at most 40 an hour and none", all, limited)
		}
		stop()
		wg.Wait()
	})
}

// asked counts requests whose address holds a part.
func (h *fitbitHome) asked(from time.Time, part string) int {
	n := 0
	for _, l := range h.service.Log() {
		if !l.Time.Before(from) && strings.Contains(l.Path, part) {
			n++
		}
	}
	return n
}

// byKind counts requests by their address without dates.
func (h *fitbitHome) byKind(from time.Time) string {
	n := map[string]int{}
	for _, l := range h.service.Log() {
		if l.Time.Before(from) {
			continue
		}
		n[datePart.ReplaceAllString(l.Path, "*")]++
	}
	return fmt.Sprint(n)
}

var datePart = regexp.MustCompile(`\d{4}-\d\d-\d\d|/time/.*|\d{6,}`)

package collect

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// daily is a source of one value a day, which reads what answer makes of a day.
type daily struct {
	feed metric.Feed

	mu     sync.Mutex
	answer func(b *metric.Batch, req metric.Request, day metric.Day) float64 // NaN for none
	fail   func(req metric.Request) error                                    // nil for never
	asked  []metric.Request
}

func (s *daily) Name() string         { return "google" }
func (s *daily) Feeds() []metric.Feed { return []metric.Feed{s.feed} }

func (s *daily) Fetch(_ context.Context, req metric.Request) (metric.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, req)
	if s.fail != nil {
		if err := s.fail(req); err != nil {
			return metric.Batch{}, err
		}
	}
	b := metric.Batch{Person: req.Person, Source: s.Name(), Feed: req.Feed, Axis: metric.Days, Span: req.Span, Final: req.Final, Series: s.feed.Series, Requests: 1}
	block := metric.Block{Series: "steps"}
	for first, last := req.Span.Days(); first <= last; first++ {
		if v := s.answer(&b, req, first); metric.Present(v) {
			block.Append(req.Zones.Midnight(first).UnixNano(), v)
		}
	}
	b.Blocks = metric.Tidied([]metric.Block{block})
	return b, nil
}

// of counts the requests that a day was in, from an instant on its own axis.
func (s *daily) of(day metric.Day, plain bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.asked {
		if r.Span.Contains(day.Civil()) && r.Plain == plain {
			n++
		}
	}
	return n
}

func (s *daily) tell(answer func(b *metric.Batch, req metric.Request, day metric.Day) float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// believing is the life of a person whose archive is real. held returns the steps that it holds, by day.
func believing(t *testing.T, s *daily, fill func(a *archive.Archive)) (a *archive.Archive, held func() map[metric.Day]float64) {
	t.Helper()
	a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if fill != nil {
		fill(a)
	}
	s.feed = metric.Feed{ID: "steps", Series: []metric.ID{"steps"}, Axis: metric.Days, Trigger: metric.OnClock, Chunk: 90 * days, Max: 90 * days, Cost: 0.01, Every: time.Hour, Reader: 1}
	c := New(Config{Person: metric.Person{ID: "me"}, Source: s, Archive: a, Clock: clock.Real(), Zone: "Europe/Berlin", Start: metric.DayOf(time.Now()) - 40})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		a.Close()
	})
	return a, func() map[metric.Day]float64 {
		t.Helper()
		out := map[metric.Day]float64{}
		zones := metric.Zones{{Name: "Europe/Berlin"}}
		for b, err := range a.Read(context.Background(), "me", "steps", metric.Span{Start: time.Now().Add(-100 * days), End: time.Now().Add(days)}) {
			if err != nil {
				t.Fatal(err)
			}
			for i, at := range b.Times {
				out[metric.DayOf(time.Unix(0, at).In(zones.Now()))] = b.Values[0][i]
			}
		}
		return out
	}
}

func of(v float64) func(*metric.Batch, metric.Request, metric.Day) float64 {
	return func(*metric.Batch, metric.Request, metric.Day) float64 { return v }
}

// What another version misread is asked again and put right, once.
func TestMisreadHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, last := metric.DayOf(time.Now())-30, metric.DayOf(time.Now())-5
		s := &daily{answer: of(100)}
		_, held := believing(t, s, func(a *archive.Archive) {
			zones := metric.Zones{{Name: "Europe/Berlin"}}
			b := metric.Batch{Person: "me", Source: "google", Feed: "steps", Axis: metric.Days, Span: metric.DaySpan(first, last), Asked: last.Civil().Add(2 * days), Series: []metric.ID{"steps"}}
			b.Bounds, b.Final = zones.Bounds(metric.Days, b.Span), b.Span.End
			block := metric.Block{Series: "steps"}
			for d := first; d <= last; d++ {
				block.Append(zones.Midnight(d).UnixNano(), 200)
			}
			b.Blocks = []metric.Block{block}
			if _, err := a.Put(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		})
		pass(days)
		for d, v := range held() {
			if v != 100 {
				t.Errorf("%s has %v", d, v)
			}
		}
		if n := s.of(first+3, false); n < 1 || n > 2 {
			t.Errorf("a day of long ago was asked for %d times", n)
		}
	})
}

// A day in which something is odd is asked for again three times, and keeps what it had.
func TestOddDayIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		odd := metric.DayOf(time.Now()) - 20
		s := &daily{answer: of(100)}
		_, held := believing(t, s, nil)
		pass(2 * days)
		before := s.of(odd, false)
		s.tell(func(b *metric.Batch, _ metric.Request, day metric.Day) float64 {
			if day != odd {
				return 100
			}
			b.Odd = metric.Union(b.Odd, metric.DaySpan(day, day))
			return metric.Absent()
		})
		pass(8 * days) // once a week the last 30 days are read again
		if n := s.of(odd, false) - before; n < 1 {
			t.Errorf("the day was asked for %d times more", n)
		}
		if held()[odd] != 100 {
			t.Errorf("the day has %v", held()[odd])
		}
		pass(25 * days)
		if n := s.of(odd, false) - before; n < 4 || n > 9 {
			t.Errorf("the day was asked for %d times more", n)
		}
	})
}

// Odd days that are asked for again alone are all that their answers have. That these cannot be read keeps nobody from asking for today,
// and the days are let be after three times more.
func TestOddDaysAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		today := metric.DayOf(time.Now())
		odd := []metric.Day{today - 39, today - 37, today - 35, today - 33} // before the days that are read again for late data
		s := &daily{answer: func(b *metric.Batch, _ metric.Request, day metric.Day) float64 {
			if slices.Contains(odd, day) {
				b.Odd = metric.Union(b.Odd, metric.DaySpan(day, day))
				return metric.Absent()
			}
			return 100
		}}
		s.fail = func(req metric.Request) error {
			if first, last := req.Span.Days(); first == last && slices.Contains(odd, first) {
				return &source.Error{Kind: source.Bad, Status: http.StatusOK}
			}
			return nil
		}
		_, held := believing(t, s, nil)
		pass(20 * days)
		for d := today - 30; d < today+19; d++ {
			if held()[d] != 100 {
				t.Errorf("%s has %v", d, held()[d])
			}
		}
		for _, d := range odd {
			if n := s.of(d, false); n != 4 {
				t.Errorf("%s was asked for %d times, want once and three times more", d, n)
			}
		}
	})
}

// Where a mask cuts off what has another name now, it is asked for without one, and nothing is lost.
func TestMaskIsDoubted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := metric.DayOf(time.Now()) - 20
		s := &daily{answer: of(100)}
		_, held := believing(t, s, nil)
		pass(2 * days)
		s.tell(func(b *metric.Batch, req metric.Request, day metric.Day) float64 {
			b.Masked = !req.Plain
			if req.Plain {
				b.Odd = metric.Union(b.Odd, req.Span)
			}
			return metric.Absent()
		})
		pass(9 * days)
		if held()[old] != 100 || s.of(old, true) < 1 {
			t.Errorf("the day has %v, it was asked for without a mask %d times", held()[old], s.of(old, true))
		}
	})
}

// A service that loses weeks for half a day loses us nothing; what stays away is gone after two days.
func TestDisappearance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &daily{answer: of(100)}
		a, held := believing(t, s, nil)
		pass(2 * days)
		all := len(held())
		lose := func(*metric.Batch, metric.Request, metric.Day) float64 { return metric.Absent() }
		doubts := func() int {
			list, err := a.Doubts(t.Context(), "me", "google")
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		s.tell(lose)
		for range 9 { // until the last 30 days are read again
			if pass(days / 2); doubts() > 0 {
				break
			}
			pass(days / 2)
		}
		if n := len(held()); n < all-8 || doubts() == 0 {
			t.Errorf("%d of %d days are left, %d answers are doubted", n, all, doubts())
		}
		s.tell(of(100))
		pass(2 * days)
		if n := len(held()); n < all || doubts() > 0 {
			t.Errorf("brought back, there are %d days of %d, %d answers are doubted", n, all, doubts())
		}
		s.tell(lose)
		pass(12 * days)
		if n := len(held()); n > 26 { // days of more than a month ago are not read again
			t.Errorf("gone for good, there are %d days of %d", n, all)
		}
	})
}

// One day of thirty cannot be had, whatever the reason: the others are there, the day is named, and the end comes.
func TestOneDayOfThirty(t *testing.T) {
	for name, kind := range map[string]source.Kind{"fault": source.Retry, "another shape": source.Bad} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				last := metric.DayOf(time.Now()) - 5
				bad, wanted := last-11, metric.DaySpan(last-29, last)
				s := &daily{answer: of(100), fail: func(req metric.Request) error {
					if req.Span.Contains(bad.Civil()) {
						return &source.Error{Kind: kind, Status: 500, Hint: "Wait.", Err: errors.New("no")}
					}
					return nil
				}}
				s.feed = metric.Feed{ID: "steps", Series: []metric.ID{"steps"}, Axis: metric.Days, Trigger: metric.OnClock, Chunk: days, Max: days, Cost: 1, Every: time.Hour}
				a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(), Now: time.Now})
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
				c := New(Config{Person: metric.Person{ID: "me"}, Source: s, Archive: a, Clock: clock.Real(), Zone: "Europe/Berlin", Start: last - 29})
				began := time.Now()
				if err := c.Once(t.Context(), wanted); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > 2*time.Hour {
					t.Errorf("that took %v", took)
				}
				gaps, err := c.Missing(t.Context(), wanted, began)
				if err != nil || len(gaps) != 1 || gaps[0].Span != metric.DaySpan(bad, bad) || gaps[0].Feed != "steps" {
					t.Errorf("missing %v, %v; want %s", gaps, err, bad)
				}
				cover, err := a.Coverage(t.Context(), "me", "google")
				if err != nil || len(wanted.Subtract([]metric.Span{cover["steps"][0].Span, cover["steps"][len(cover["steps"])-1].Span})) > 1 {
					t.Errorf("there are %v, %v", cover["steps"], err)
				}
				s.mu.Lock()
				s.fail = nil
				s.mu.Unlock()
				if err := c.Once(t.Context(), wanted); err != nil {
					t.Fatal(err)
				}
				if gaps, err := c.Missing(t.Context(), wanted, began); err != nil || len(gaps) > 0 {
					t.Errorf("missing %v, %v", gaps, err)
				}
			})
		})
	}
}

// A service that refuses everything for half a day, and heals, is asked again by itself, rarely. What only the user can do is waited for.
func TestRefusedForAWhile(t *testing.T) {
	for name, tc := range map[string]struct {
		e     source.Error
		heals bool
	}{
		"by the service": {source.Error{Kind: source.Auth, Status: 403, Reason: "PERMISSION_DENIED", Hint: "Wait."}, true},
		"the token":      {source.Error{Kind: source.Auth, Status: 400, Reason: "invalid_grant", Hint: "Authorize again."}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, a := newService(three()), newStore()
				s.syncs = every15(4000)
				cfg := config(s, a)
				c := New(cfg)
				stop := start(t, c)
				pass(3 * time.Hour)
				e := tc.e
				e.Err = errors.New("no")
				s.set(func() {
					s.devices = func() error { return &e }
					s.answer = func(metric.Request) error { return &e }
					s.refused = &e
				})
				from := time.Now()
				pass(12 * time.Hour)
				if n := len(s.made("", from.Add(10*time.Minute))); n > 6 || tc.heals != (n > 0) {
					t.Errorf("%d requests while all was refused", n)
				}
				if st := c.Status(); st.Phase != NeedsUser {
					t.Errorf("phase %q", st.Phase)
				}
				s.set(func() { s.devices, s.answer, s.refused = nil, nil, nil })
				healed := time.Now()
				pass(8 * time.Hour)
				if n := len(s.made("heart_rate", healed)); tc.heals != (n > 0) || tc.heals != (c.Status().Phase == Working) {
					t.Errorf("%d requests behind that, phase %q", n, c.Status().Phase)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

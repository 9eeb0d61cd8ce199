package collect

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

var _ Archive = (*archive.Archive)(nil)

// The bubble's clock begins at 2000-01-01T00:00:00Z.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func config(s *service, a *store) Config {
	return Config{Person: metric.Person{ID: "me"}, Source: s, Archive: a, Clock: clock.Real(), Start: metric.DayOf(epoch) - 30,
		Quiet: &plan.Quiet{From: 23 * 60, To: 6*60 + 30}}
}

// start runs c until stop is called, which returns what Run returned.
func start(t *testing.T, c *Collector) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// every15 returns syncs at roughly every 15 minutes of the day and every hour of the night, from epoch on.
func every15(n int) []time.Time {
	var out []time.Time
	berlin := time.FixedZone("", 3600)
	for at, i := epoch.Add(-5*time.Minute), 0; i < n; i++ {
		out = append(out, at)
		gap := 13*time.Minute + time.Duration(i*7919%240)*time.Second
		if m := minute(at.In(berlin)); m >= 23*60 || m < 6*60+15 {
			gap = 50*time.Minute + time.Duration(i*7919%1200)*time.Second
		}
		at = at.Add(gap)
	}
	return out
}

func TestFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(200)
		c := New(config(s, a))
		stop := start(t, c)
		pass(3 * time.Second)
		if len(a.asked("heart_rate", epoch)) == 0 {
			t.Error("no heart rate within 3 s of the start")
		}
		pass(time.Hour)
		if st := c.Status(); st.Remaining.Days > 0.01 || st.Phase != Working {
			t.Errorf("after an hour %.1f feed-days remain, phase %s", st.Remaining.Days, st.Phase)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if s.most["all"] > 2 {
			t.Errorf("%d requests at once", s.most["all"])
		}
	})
}

// settled returns a collector whose history is complete, at 07:00 UTC of the first day, and what it works on.
func settled(t *testing.T, feeds []metric.Feed) (*service, *store, *Collector, func() error) {
	t.Helper()
	s, a := newService(feeds), newStore()
	s.syncs = every15(4000)
	cfg := config(s, a)
	cfg.Start = metric.DayOf(epoch) - 5
	c := New(cfg)
	stop := start(t, c)
	pass(7 * time.Hour)
	if st := c.Status(); st.Remaining.Days > 0.01 {
		t.Fatalf("%.1f feed-days remain after 7 hours", st.Remaining.Days)
	}
	return s, a, c, stop
}

// stirring reports whether somebody is awake in the hour from h, or a little before: only then do syncs follow each other closely.
func stirring(syncs []time.Time, h time.Time) bool {
	for i := 1; i < len(syncs); i++ {
		if t := syncs[i]; t.After(h.Add(-20*time.Minute)) && t.Before(h.Add(time.Hour)) && t.Sub(syncs[i-1]) < 20*time.Minute {
			return true
		}
	}
	return false
}

// TestAuthorization: polling stops at once, for days only one cheap request is made every few hours, and all goes on by itself after the user has acted.
func TestAuthorization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(4000)
		again := make(chan struct{})
		cfg := config(s, a)
		cfg.Reauthorized = again
		c := New(cfg)
		stop := start(t, c)
		pass(8 * time.Hour)
		dead := func() error { return &source.Error{Kind: source.Auth, Hint: "Authorize again."} }
		s.set(func() { s.devices = dead; s.answer = func(metric.Request) error { return dead() } })
		pass(10 * time.Minute)
		if st := c.Status(); st.Phase != NeedsUser || st.Hint != "Authorize again." {
			t.Errorf("phase %q, hint %q", st.Phase, st.Hint)
		}
		from := time.Now()
		pass(3 * days)
		if made := s.made("", from); len(made) > 21 || len(s.made(plan.Poll, from)) < len(made) {
			t.Errorf("%d requests without authorization", len(made))
		}
		s.set(func() { s.devices, s.answer = nil, nil })
		again <- struct{}{}
		pass(time.Minute)
		if st := c.Status(); st.Phase != Working {
			t.Errorf("phase %q after the user has authorized", st.Phase)
		}
		if len(s.made(describe, from)) != 1 || len(a.asked("heart_rate", from)) < 3 {
			t.Error("three days were missed and are not made good")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestOtherAccount: data of two accounts never mix.
func TestOtherAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		a.state[AccountKey("google")] = []byte("SOMEBODY9876")
		c := New(config(s, a))
		stop := start(t, c)
		pass(time.Hour)
		st := c.Status()
		if st.Phase != NeedsUser || !strings.Contains(st.Hint, "AC…34") || !strings.Contains(st.Hint, "SOM…876") {
			t.Errorf("phase %q, hint %q", st.Phase, st.Hint)
		}
		if strings.Contains(st.Hint, "ACCOUNT1234") || len(a.batches) > 0 {
			t.Error("the whole id is shown, or data were stored")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		var e *source.Error
		if err := New(config(s, a)).Once(t.Context(), metric.Span{}); !errors.As(err, &e) || e.Kind != source.Auth {
			t.Errorf("Once returned %v", err)
		}
	})
}

// TestFailures: each kind of failure means its own pause, and leaves the other feeds alone.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name     string
		err      func() *source.Error
		from, to int // requests for steps_day within three hours
		others   bool
	}{
		{"retry", func() *source.Error { return &source.Error{Kind: source.Retry, Status: 503} }, 12, 20, true},
		{"retry later", func() *source.Error {
			return &source.Error{Kind: source.Retry, Until: time.Now().Add(time.Hour)}
		}, 2, 4, true},
		{"denied", func() *source.Error { return &source.Error{Kind: source.Denied, Status: 403} }, 1, 1, true},
		{"bad", func() *source.Error { return &source.Error{Kind: source.Bad, Status: 400} }, 2, 2, true},
		{"limited", func() *source.Error {
			return &source.Error{Kind: source.Limited, Until: time.Now().Add(40 * time.Minute)}
		}, 2, 5, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, a := newService(three()), newStore()
				s.syncs = []time.Time{epoch.Add(7*time.Hour - time.Minute)}
				s.answer = func(r metric.Request) error {
					if r.Feed == "steps_day" {
						return c.err()
					}
					return nil
				}
				pass(7 * time.Hour)
				col := New(config(s, a))
				stop := start(t, col)
				from := time.Now()
				pass(3 * time.Hour)
				if n := len(s.made("steps_day", from)); n < c.from || n > c.to {
					t.Errorf("%d requests, want %d to %d", n, c.from, c.to)
				}
				if got := len(a.asked("heart_rate", from)) > 25; c.others && !got {
					t.Error("the other feeds were held up")
				}
				if f := col.Status().Feeds["steps_day"]; f.Failed.IsZero() || f.Error == "" {
					t.Errorf("the failure is not shown: %+v", f)
				}
				if vain := col.Status().Unanswered; vain.IsZero() == strings.HasPrefix(c.name, "retry") {
					t.Errorf("asked in vain at %v", vain)
				}
				if c.name == "limited" {
					for _, r := range s.made("", from.Add(time.Minute)) {
						if r.at.Before(from.Add(39 * time.Minute)) {
							t.Fatalf("%s was asked at %s although the service asked for silence", r.feed, r.at)
						}
					}
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestDevicesAreRemembered: before the service has been asked, what it told last is there.
func TestDevicesAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(40)
		if d, err := Devices(t.Context(), a, "default", s.Name()); err != nil || d != nil {
			t.Errorf("of an empty archive: %v, %v", d, err)
		}
		cfg := config(s, a)
		c := New(cfg)
		stop := start(t, c)
		pass(time.Hour)
		want := c.Status().Devices
		if err := stop(); err != nil {
			t.Error(err)
		}
		got, err := Devices(t.Context(), a, cfg.Person.ID, s.Name())
		if err != nil || len(got) == 0 || !slices.EqualFunc(got, want, sameDevice) {
			t.Errorf("remembered %v, %v, want %v", got, err, want)
		}
	})
}

func TestDeniedIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(400)
		s.answer = func(r metric.Request) error {
			if r.Feed == "steps_day" {
				return &source.Error{Kind: source.Denied}
			}
			return nil
		}
		for range 3 { // three starts
			stop := start(t, New(config(s, a)))
			pass(5 * time.Hour)
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		if n := len(s.made("steps_day", epoch)); n != 1 {
			t.Errorf("a denied feed was asked %d times in 15 hours", n)
		}
		stop := start(t, New(config(s, a)))
		pass(10 * time.Hour)
		stop()
		if n := len(s.made("steps_day", epoch)); n != 2 {
			t.Errorf("a denied feed was asked %d times in 25 hours", n)
		}
	})
}

// TestDeniedDevices: whoever does not give the devices gets the data all the same, after a restart too.
func TestDeniedDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		polls := 0
		s.devices = func() error {
			polls++
			return &source.Error{Kind: source.Denied}
		}
		for again := range 2 {
			from := time.Now()
			stop := start(t, New(config(s, a)))
			pass(2 * time.Hour)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if n := len(s.made("", from)); n < 3 {
				t.Errorf("start %d: %d requests in two hours", again+1, n)
			}
		}
		if polls != 1 {
			t.Errorf("the devices were asked %d times", polls)
		}
	})
}

// TestDeniedOnce: one refusal of what was given before costs minutes, not a day; where it stays, a day.
func TestDeniedOnce(t *testing.T) {
	for stays, want := range map[bool]int{false: 4, true: 2} {
		synctest.Test(t, func(t *testing.T) {
			s, a := newService(three()), newStore()
			s.syncs = every15(400)
			stop := start(t, New(config(s, a)))
			pass(6 * time.Hour)
			from, refused := time.Now(), false
			s.set(func() {
				s.answer = func(r metric.Request) error {
					if r.Feed != "steps_day" || refused && !stays {
						return nil
					}
					refused = true
					return &source.Error{Kind: source.Denied, Status: 403}
				}
			})
			pass(6 * time.Hour)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if n := len(s.made("steps_day", from)); n < want || stays && n != want {
				t.Errorf("stays %v: asked %d times in 6 hours, want %d", stays, n, want)
			}
		})
	}
}

func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(4)
		s.answer = func(metric.Request) error { return &source.Error{Kind: source.Gone, Hint: "Use the other service."} }
		err := New(config(s, a)).Run(t.Context())
		var e *source.Error
		if !errors.As(err, &e) || e.Kind != source.Gone {
			t.Errorf("Run returned %v", err)
		}
	})
}

// TestBadSpan: one day of history that cannot be read does not keep the days before it.
func TestBadSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = []time.Time{epoch.Add(-time.Minute)}
		bad := epoch.Add(-10 * days)
		s.answer = func(r metric.Request) error {
			if r.Feed == "heart_rate" && r.Span.Contains(bad) {
				return &source.Error{Kind: source.Bad}
			}
			return nil
		}
		stop := start(t, New(config(s, a)))
		pass(30 * time.Minute)
		missing := metric.Span{Start: epoch.Add(-25 * days), End: epoch.Add(-time.Hour)}.Subtract(spans(a.cover["heart_rate"]))
		if len(missing) != 1 || missing[0].Len() > 25*time.Hour || !missing[0].Contains(bad) {
			t.Errorf("missing %v", missing)
		}
		s.set(func() { s.answer = nil })
		pass(2 * time.Hour)
		if missing := (metric.Span{Start: epoch.Add(-25 * days), End: epoch.Add(-time.Hour)}).Subtract(spans(a.cover["heart_rate"])); len(missing) > 0 {
			t.Errorf("still missing %v", missing)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func spans(cover []metric.Covered) []metric.Span {
	var out []metric.Span
	for _, c := range cover {
		out = append(out, c.Span)
	}
	return out
}

// TestPutFails: an archive that takes nothing for two hours loses nothing, and is not stormed.
func TestPutFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(100)
		a.fail = errors.New("disk full")
		c := New(config(s, a))
		stop := start(t, c)
		pass(2 * time.Hour)
		if n := len(s.made("", epoch)); n > 250 {
			t.Errorf("%d requests in two hours", n)
		}
		a.mu.Lock()
		a.fail = nil
		a.mu.Unlock()
		pass(time.Hour)
		if st := c.Status(); st.Remaining.Days > 0.01 {
			t.Errorf("%.1f feed-days remain", st.Remaining.Days)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestPipeline: while an answer of history is put away, the next one is being fetched.
func TestPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()[:1]), newStore()
		s.delay, a.slow = 2*time.Second, 2*time.Second
		s.syncs = []time.Time{epoch.Add(-time.Minute)}
		cfg := config(s, a)
		cfg.Start = metric.DayOf(epoch) - 100
		began := time.Now()
		if err := New(cfg).Once(t.Context(), metric.Span{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 100*2200*time.Millisecond {
			t.Errorf("100 days took %s, with 2 s to fetch and 2 s to put each", took)
		}
		if s.most["all"] > 2 {
			t.Errorf("%d requests at once", s.most["all"])
		}
	})
}

// TestWaiting: whoever reads in the status that nothing is in flight finds every answer in the archive, at any moment, and with history
// complete the status does say so.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.delay, a.slow = 300*time.Millisecond, 500*time.Millisecond
		s.syncs = every15(200)
		again := make(chan struct{})
		cfg := config(s, a)
		cfg.Reauthorized = again
		c := New(cfg)
		stop := start(t, c)
		waiting, busy := 0, 0
		look := func(when string, long time.Duration) (st Status) {
			t.Helper()
			for range long / (100 * time.Millisecond) {
				pass(99 * time.Millisecond)
				synctest.Wait()
				st = c.Status()
				s.mu.Lock()
				asked, flying := len(s.requests), s.flying["all"]
				s.mu.Unlock()
				a.mu.Lock()
				putting := a.putting
				a.mu.Unlock()
				if st.Waiting != (flying+putting == 0) || st.Waiting && (st.Live != nil || st.History != nil) {
					t.Fatalf("%s, %d requests made: %d in flight, %d being put; status %+v", when, asked, flying, putting, st)
				}
				if busy++; st.Waiting {
					waiting++
				}
			}
			return st
		}
		if st := look("from the start", 2*time.Hour); !st.Waiting || st.Remaining.Days > 0.01 {
			t.Errorf("after two hours %.1f feed-days remain, status %+v", st.Remaining.Days, st)
		}
		c.Sync()
		if c.Status().Waiting {
			t.Error("nothing is to be done right after Sync was called")
		}
		look("after Sync", time.Minute)
		dead := func() error { return &source.Error{Kind: source.Auth, Hint: "Authorize again."} }
		s.set(func() { s.devices = dead })
		look("while the authorization dies", 10*time.Minute)
		s.set(func() { s.devices = nil })
		again <- struct{}{}
		look("authorized again", 10*time.Minute)
		if waiting == 0 || waiting == busy {
			t.Errorf("in %d of %d looks nothing was in flight: the test says nothing", waiting, busy)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if st := c.Status(); st.Waiting {
			t.Error("one that has stopped waits for nothing")
		}
	})
}

// witness is a log that looks at the status whenever something is written.
type witness func(text string)

func (w witness) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}

// TestLogBeforeStatus: what the status shows stands in the log already.
func TestLogBeforeStatus(t *testing.T) {
	for name, e := range map[string]*source.Error{
		"dead": {Kind: source.Auth, Hint: "Authorize again.", Err: errors.New("it died")},
		"gone": {Kind: source.Gone, Hint: "Move on.", Err: errors.New("it died")},
		"away": {Kind: source.Retry, Hint: "Wait.", Err: errors.New("it died")},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, a := newService(three()), newStore()
			s.syncs = every15(4000)
			s.answer = func(metric.Request) error { return e }
			var c *Collector
			said := 0
			cfg := config(s, a)
			cfg.Log = slog.New(slog.NewTextHandler(witness(func(text string) {
				if said > 0 || !strings.Contains(text, "a request failed") {
					return
				}
				said++
				st := c.Status()
				for feed, f := range st.Feeds {
					if f.Error != "" {
						t.Errorf("%s: the status said of %s what the log says now", name, feed)
					}
				}
				if st.Phase != Working {
					t.Errorf("%s: phase %q before the log says why", name, st.Phase)
				}
			}), nil))
			c = New(cfg)
			stop := start(t, c)
			pass(time.Minute)
			if st := c.Status(); said == 0 || len(st.Feeds) == 0 {
				t.Errorf("%s: nothing failed: %+v", name, st)
			}
			stop()
		})
	}
}

// TestCancel: leaving takes no time, in whatever it is about.
func TestCancel(t *testing.T) {
	for _, after := range []time.Duration{0, 100 * time.Millisecond, time.Second, 3300 * time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s, a := newService(three()), newStore()
			s.delay, a.slow = time.Minute, time.Minute
			if after == time.Hour {
				s.delay, a.slow = time.Second, time.Second
			}
			stop := start(t, New(config(s, a)))
			pass(after)
			began := time.Now()
			if err := stop(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 5*time.Millisecond {
				t.Errorf("leaving took %s", took)
			}
		})
	}
}

// jumpy is a clock that somebody sets.
type jumpy struct {
	mu    sync.Mutex
	shift time.Duration
}

func (j *jumpy) Now() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Now().Add(j.shift)
}
func (j *jumpy) Real(d time.Duration) time.Duration { return d }
func (j *jumpy) set(d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.shift = d
}

func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{-6 * days, -2 * time.Hour, 3 * time.Hour, 6 * days, 400 * days} {
		t.Run(jump.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, a := newService(three()), newStore()
				s.syncs = every15(4000)
				cfg := config(s, a)
				j := &jumpy{}
				cfg.Clock = j
				stop := start(t, New(cfg))
				pass(12 * time.Hour)
				for _, d := range []time.Duration{jump, 0} { // away, and back
					j.set(d)
					from := time.Now()
					pass(6 * time.Minute)
					polls := len(s.made(plan.Poll, from))
					if polls < 1 {
						t.Errorf("the clock was set to %s: nothing is asked any more", d)
					}
					pass(3 * time.Hour)
					if n := len(s.made("", from)); n < 40 || n > 3*100+60 {
						t.Errorf("the clock was set to %s: %d requests in three hours", d, n)
					}
				}
				if n := len(a.asked("heart_rate", time.Now().Add(-time.Hour))); n < 3 {
					t.Errorf("%d answers in the hour after the clock was right again", n)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestLeaveOut: what is left out is neither asked for nor kept, and is made good when it is wanted again.
func TestLeaveOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(100)
		cfg := config(s, a)
		cfg.LeaveOut = []metric.ID{metric.HeartRate, "steps"}
		if err := New(cfg).Once(t.Context(), metric.Span{}); err != nil {
			t.Fatal(err)
		}
		if len(s.made("steps_day", epoch)) > 0 || len(s.made("heart_rate", epoch)) > 0 || len(s.made("heart_rate_minute", epoch)) == 0 {
			t.Error("asked for what is left out, or not for what is not")
		}
		if len(a.forgot) != 2 {
			t.Errorf("the archive was told to drop %v", a.forgot)
		}
		cfg.LeaveOut = []metric.ID{metric.HeartRateMinute}
		from := time.Now()
		if err := New(cfg).Once(t.Context(), metric.Span{}); err != nil {
			t.Fatal(err)
		}
		for _, b := range a.asked("heart_rate", from) {
			for _, bl := range b.Blocks {
				if bl.Series == metric.HeartRateMinute {
					t.Fatal("a series left out was kept")
				}
			}
		}
		cfg.LeaveOut = nil
		from = time.Now()
		if err := New(cfg).Once(t.Context(), metric.Span{}); err != nil {
			t.Fatal(err)
		}
		if n := len(a.asked("heart_rate", from)); n < 30 {
			t.Errorf("minutes are wanted again, and %d days were asked", n)
		}
	})
}

// TestWish: the user's days come before history, and Once ends when they are there.
func TestWish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(100)
		cfg := config(s, a)
		cfg.Start = metric.DayOf(epoch) - 400
		want := metric.DaySpan(metric.DayOf(epoch)-200, metric.DayOf(epoch)-198)
		if err := New(cfg).Once(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		var got int
		for _, b := range a.asked("heart_rate", epoch) {
			if !b.Span.Overlap(metric.Span{Start: want.Start.Add(-2 * time.Hour), End: want.End}).Empty() {
				got++
			}
		}
		if got != 3 || len(a.asked("heart_rate", epoch)) > 12 {
			t.Errorf("%d of 3 days, %d requests in all", got, len(a.asked("heart_rate", epoch)))
		}
	})
}

func TestBattery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, _, stop := settled(t, three())
		before, from := len(a.asked(plan.Poll, epoch)), time.Now()
		pass(2 * time.Hour)
		var syncs int
		for _, at := range s.syncs {
			if at.After(from) && at.Before(time.Now().Add(-2*time.Minute)) {
				syncs++
			}
		}
		got := a.asked(plan.Poll, epoch)
		if n := len(got) - before; n < syncs || n > syncs+1 {
			t.Errorf("%d levels stored for %d syncs", n, syncs)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	now := epoch.Add(time.Hour)
	two := []metric.Device{{ID: "11112222", Name: "Charge 5", Tracker: true, LastSync: epoch, Battery: 70}, {ID: "33334444", Name: "Charge 5", Tracker: true, LastSync: epoch, Battery: 50},
		{ID: "5", Name: "Aria", LastSync: epoch, Battery: 10}, {ID: "6", Name: "Luxe", Tracker: true, LastSync: epoch.Add(time.Minute), Battery: metric.Absent()}}
	got := batteries(two, "11112222", nil, now)
	if len(got) != 1 || len(got[epoch.UnixNano()].blocks) != 2 || got[epoch.UnixNano()].blocks[0].Tags[0] != "" || got[epoch.UnixNano()].blocks[1].Tags[0] != "Charge 5" {
		t.Errorf("two trackers at one instant: %+v", got)
	}
	if again := batteries(two, "11112222", got[epoch.UnixNano()].levels, now); len(again) != 0 {
		t.Errorf("nothing is new, but %+v", again)
	}
	two[1].Battery = 49
	if again := batteries(two, "11112222", got[epoch.UnixNano()].levels, now); len(again) != 1 || len(again[epoch.UnixNano()].blocks) != 2 {
		t.Errorf("the other tracker's level at that instant would vanish: %+v", again)
	}
	silent := []metric.Device{{ID: "1", Tracker: true, Battery: 70}}
	first := batteries(silent, "1", nil, now)
	if len(first) != 1 {
		t.Errorf("a tracker that does not tell when it synced: %+v", first)
	}
	if again := batteries(silent, "1", first[now.UnixNano()].levels, now.Add(time.Hour)); len(again) != 0 {
		t.Errorf("its level has not changed, but %+v", again)
	}
}

func TestQuietHours(t *testing.T) {
	night := func(d int, start, end string, main bool) metric.Session {
		from, _ := time.Parse("15:04", start)
		to, _ := time.Parse("15:04", end)
		at := epoch.AddDate(0, 0, d)
		s := metric.Session{Kind: metric.Sleep, Main: main, Offset: 3600, Day: metric.DayOf(at) + 1,
			Start: at.Add(time.Duration(minute(from))*time.Minute - time.Hour), End: at.AddDate(0, 0, 1).Add(time.Duration(minute(to))*time.Minute - time.Hour)}
		if minute(from) < 12*60 {
			s.Start = s.Start.AddDate(0, 0, 1)
		}
		return s
	}
	var nights []metric.Session
	for d := range 4 {
		nights = append(nights, night(d, "22:50", "07:10", true))
	}
	if _, ok := usualSleep(nights); ok {
		t.Error("four nights are not enough")
	}
	nights = append(nights, night(4, "00:40", "07:30", true), night(5, "22:30", "06:50", true), night(6, "23:10", "07:10", true), night(7, "13:00", "14:00", false))
	if q, ok := usualSleep(nights); !ok || q != (plan.Quiet{From: 22*60 + 50, To: 7*60 + 10}) {
		t.Errorf("%v, %v", q, ok)
	}
}

// TestSync: the button asks at once, even where no device has synced.
func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = []time.Time{epoch.Add(-time.Minute)}
		c := New(config(s, a))
		stop := start(t, c)
		pass(8*time.Hour + 20*time.Second)
		from := time.Now()
		for range 5 {
			c.Sync()
			pass(time.Second)
		}
		if n := len(s.made(plan.Poll, from)); n != 1 {
			t.Errorf("the devices were asked %d times", n)
		}
		if n := len(s.made("steps_day", from)); n != 1 {
			t.Errorf("today was read %d times", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(config(newService(three()), newStore()))
		stop := start(t, c)
		pass(time.Second)
		if err := c.Run(t.Context()); !errors.Is(err, ErrRunning) {
			t.Errorf("a second Run returned %v", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

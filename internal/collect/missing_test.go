package collect

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

func missing(t *testing.T, c *Collector) map[string][]metric.Span {
	t.Helper()
	list, err := c.Owed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]metric.Span{}
	for _, m := range list {
		out[m.Feed] = append(out[m.Feed], m.Span)
	}
	return out
}

// One day of thirty that fails, in whatever way, costs itself alone: the rest is fetched, the day is named until it is there, after a
// restart too.
func TestOneDayFails(t *testing.T) {
	for name, kind := range map[string]source.Kind{"bad": source.Bad, "retry": source.Retry} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, a := newService(three()), newStore()
				s.syncs = []time.Time{epoch.Add(-time.Minute)}
				day := metric.DayOf(epoch) - 10
				noon := day.Civil().Add(12 * time.Hour)
				s.answer = func(r metric.Request) error {
					if r.Feed == "heart_rate" && r.Span.Contains(noon) {
						return &source.Error{Kind: kind, Err: errors.New("no answer")}
					}
					return nil
				}
				want := metric.DaySpan(metric.DayOf(epoch)-30, metric.DayOf(epoch)-1)
				if err := New(config(s, a)).Once(t.Context(), want); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(epoch); took > 30*time.Minute {
					t.Errorf("it took %s", took)
				}
				c := New(config(s, a)) // another process
				got := missing(t, c)["heart_rate"]
				if len(got) != 1 || !got[0].Contains(noon) || got[0].Len() > 2*days {
					t.Errorf("missing: %v", got)
				}
				if gap := (metric.Span{Start: want.Start, End: want.End.Add(-2 * time.Hour)}).Subtract(spans(a.cover["heart_rate"])); len(gap) != 1 || !gap[0].Contains(noon) || gap[0].Len() > 25*time.Hour {
					t.Errorf("not covered: %v", gap)
				}
				s.set(func() { s.answer = nil })
				if err := c.Once(t.Context(), want); err != nil {
					t.Fatal(err)
				}
				if m := missing(t, c); len(m) > 0 {
					t.Errorf("still missing: %v", m)
				}
			})
		})
	}
}

// A feed that is refused as if there were no authorization keeps nothing else, and is asked again by itself.
func TestOneFeedUnauthorized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(4000)
		s.answer = func(r metric.Request) error {
			if r.Feed == "steps_day" {
				return &source.Error{Kind: source.Auth, Status: 403}
			}
			return nil
		}
		c := New(config(s, a))
		stop := start(t, c)
		pass(8 * time.Hour)
		if st := c.Status(); st.Phase != Working || len(a.asked("heart_rate", epoch.Add(7*time.Hour))) == 0 {
			t.Errorf("phase %q, the other feeds are not asked", st.Phase)
		}
		if f := c.Status().Feeds["steps_day"]; f.Error == "" || f.NotBefore.IsZero() {
			t.Errorf("shown: %+v", f)
		}
		if len(missing(t, c)["steps_day"]) == 0 {
			t.Error("what it owes is not named")
		}
		s.set(func() { s.answer = nil })
		pass(2 * days)
		if len(a.asked("steps_day", epoch)) == 0 || len(missing(t, c)) > 0 {
			t.Errorf("healed, it was not asked again; missing %v", missing(t, c))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A feed that is refused once without a reason is not answered: all the days that were wanted of it are named, after a restart too, and asked
// for again soon. Refused once more it is not given.
func TestRefusedWithoutReason(t *testing.T) {
	for name, stays := range map[string]bool{"once": false, "again": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, a := newService(three()), newStore()
				s.syncs = every15(400)
				refused := false
				s.answer = func(r metric.Request) error {
					if r.Feed != "steps_day" || refused && !stays {
						return nil
					}
					refused = true
					return &source.Error{Kind: source.Denied, Status: 403, Bare: true}
				}
				want := metric.DaySpan(metric.DayOf(epoch)-30, metric.DayOf(epoch)-1)
				gaps := func(c *Collector) (days int) {
					all, err := c.Missing(t.Context(), want, epoch)
					if err != nil {
						t.Fatal(err)
					}
					for _, g := range all {
						if g.Feed != "steps_day" {
							t.Errorf("%s is missing, too", g.Feed)
						}
						days += int(g.Span.Len() / (24 * time.Hour))
					}
					return days
				}
				c := New(config(s, a))
				if err := c.Once(t.Context(), want); err != nil {
					t.Fatal(err)
				}
				if now, later := gaps(c), gaps(New(config(s, a))); now != 30 || later != 30 {
					t.Errorf("refused without a reason: %d days are named, %d after a restart", now, later)
				}
				pass(time.Hour)
				if err := New(config(s, a)).Once(t.Context(), want); err != nil {
					t.Fatal(err)
				}
				if n := gaps(New(config(s, a))); n != 0 {
					t.Errorf("asked again, %d days are named", n)
				}
				if there := len(a.cover["steps_day"]) > 0; there == stays {
					t.Errorf("refused again %v: answered %v", stays, there)
				}
			})
		})
	}
}

// A stop that the service has made is looked at again with one request, and ends by itself. One that only the user can end is not.
func TestStopHeals(t *testing.T) {
	for _, reason := range []string{"", "invalid_grant"} {
		synctest.Test(t, func(t *testing.T) {
			s, a := newService(three()), newStore()
			s.syncs = every15(4000)
			c := New(config(s, a))
			stop := start(t, c)
			pass(8 * time.Hour)
			dead := func() error { return &source.Error{Kind: source.Auth, Reason: reason} }
			s.set(func() { s.devices = dead; s.answer = func(metric.Request) error { return dead() } })
			pass(days)
			from := time.Now()
			pass(2 * days)
			made := s.made("", from)
			if st := c.Status(); st.Phase != NeedsUser || st.LookAgain.IsZero() != (reason != "") || len(made) > 14 {
				t.Errorf("%s: phase %q, looked at again %v, %d requests in two days", reason, st.Phase, st.LookAgain, len(made))
			}
			for _, r := range made {
				if r.feed != "devices" || reason != "" {
					t.Errorf("%s: %s was asked", reason, r.feed)
				}
			}
			s.set(func() { s.devices, s.answer = nil, nil })
			pass(6 * time.Hour)
			if st := c.Status(); (st.Phase == Working) != (reason == "") {
				t.Errorf("%s: phase %q six hours after the service has healed", reason, st.Phase)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Failures are told once for each outage and feed, then rarely and with a count, and once when it is over.
func TestOutageIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(4000)
		s.answer = func(r metric.Request) error {
			if r.Feed == "steps_day" {
				return &source.Error{Kind: source.Retry, Status: 503}
			}
			return nil
		}
		var lines []string
		cfg := config(s, a)
		cfg.Log = slog.New(slog.NewTextHandler(witness(func(text string) {
			if strings.Contains(text, "steps_day") {
				lines = append(lines, text)
			}
		}), nil))
		stop := start(t, New(cfg))
		pass(3 * days)
		all := strings.Join(lines, "")
		if n := strings.Count(all, "a request failed"); n < 4 || n > 5 || !strings.Contains(all, "failures=") {
			t.Errorf("told %d times in three days:\n%s", n, all)
		}
		s.set(func() { s.answer = nil })
		pass(2 * time.Hour)
		if all := strings.Join(lines, ""); strings.Count(all, "answers again") != 1 || !strings.Contains(all, "lasted=") {
			t.Errorf("its end is not told once:\n%s", all)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// One hiccup holds history for less than a minute, five in a row for minutes.
func TestHiccups(t *testing.T) {
	for n, most := range map[int]time.Duration{1: time.Minute, 5: 8 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s, a := newService(three()), newStore()
			s.syncs = []time.Time{epoch.Add(-time.Minute)}
			left := n
			s.answer = func(metric.Request) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				if left--; left >= 0 {
					return &source.Error{Kind: source.Retry, Status: 200}
				}
				return nil
			}
			if err := New(config(s, a)).Once(t.Context(), metric.Span{}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(epoch); took > most+time.Minute {
				t.Errorf("after %d unreadable answers history took %s", n, took)
			}
		})
	}
}

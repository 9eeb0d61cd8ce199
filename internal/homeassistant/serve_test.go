package homeassistant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// live runs a publisher over a recorder, in a bubble. It is patient as in life, or more so: what has its hour must not wait for the
// next tick.
func (w *world) live(t *testing.T) (*recorder, func()) {
	t.Helper()
	p := New(w.cfg)
	p.timing.tick = 10 * time.Minute
	if err := p.recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := newRecorder()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.serve(ctx, r) }()
	synctest.Wait()
	return r, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d) // in a bubble: no time is lost
	synctest.Wait()
}

// Counters are zero at the person's midnight, whatever the clocks do that day, and the day before stays over.
func TestMidnight(t *testing.T) {
	for _, c := range []struct {
		zone string
		day  string
		last time.Duration // how long the day is
	}{
		{"Europe/Berlin", "2026-11-20", 24 * time.Hour},
		{"Europe/Berlin", "2026-10-25", 25 * time.Hour},
		{"Europe/Berlin", "2026-03-29", 23 * time.Hour},
		{"America/Havana", "2026-03-08", 23 * time.Hour}, // begins at one o'clock
		{"Asia/Kathmandu", "2026-11-20", 24 * time.Hour},
		{"Pacific/Kiritimati", "2026-11-20", 24 * time.Hour},
		{"Pacific/Pago_Pago", "2026-11-20", 24 * time.Hour},
	} {
		t.Run(c.zone+" "+c.day, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := day(t, c.day)
				zones := metric.Zones{{From: 0, Name: c.zone}}
				begin := zones.Midnight(d)
				w := newWorld(begin.Add(-time.Minute), 1)
				w.zones = zones
				w.archive.value("me", "steps", 9000, zones.Midnight(d-1))
				w.archive.value("me", "hrv", 40, zones.Midnight(d-1))
				r, stop := w.live(t)
				defer stop()
				if got := r.values(stepsTopic); !slices.Equal(got, []any{9000.0}) {
					t.Fatalf("before the day: %v", got)
				}
				r.clear()
				pass(59 * time.Second)
				if got := r.values(stepsTopic); len(got) > 0 {
					t.Fatalf("a second before midnight: %v", got)
				}
				pass(time.Second + 10*time.Millisecond)
				if got := r.values(stepsTopic); !slices.Equal(got, []any{0.0}) {
					t.Fatalf("at midnight: %v", got)
				}
				w.archive.change(func(a *fakeArchive) { a.value("me", "steps", 9100, zones.Midnight(d-1)) }) // late, of yesterday
				pass(6 * time.Second)
				w.archive.change(func(a *fakeArchive) { a.value("me", "steps", 12, begin) })
				pass(6 * time.Second)
				if got := r.values(stepsTopic); !slices.Equal(got, []any{0.0, 12.0}) {
					t.Errorf("in the day: %v", got)
				}
				r.clear()
				pass(c.last - 2*time.Minute)
				if got := r.values(stepsTopic); len(got) > 0 {
					t.Errorf("while the day lasts: %v", got)
				}
				pass(2 * time.Minute)
				if got := r.values(stepsTopic); !slices.Equal(got, []any{0.0}) {
					t.Errorf("at the next midnight: %v", got)
				}
				if got := r.values("fitbit_fetch/me/hrv"); len(got) > 0 {
					t.Errorf("what is no counter: %v", got)
				}
			})
		})
	}
}

// Who flies west has a day again. Its counters are not told twice.
func TestGoingWest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		east, west := "Asia/Tokyo", "America/Los_Angeles"
		d := metric.Day(20778)
		w := newWorld(time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC), 1) // the 21st in Tokyo, the 20th in Los Angeles
		w.zones = metric.Zones{{From: 0, Name: east}}
		w.archive.value("me", "steps", 50, w.zones.Midnight(d))
		r, stop := w.live(t)
		defer stop()
		w.archive.change(func(a *fakeArchive) {
			w.zones = metric.Zones{{From: 0, Name: east}, {From: d - 1, Name: west}}
			a.value("me", "steps", 8000, w.zones.Midnight(d-1))
		})
		pass(6 * time.Second)
		w.archive.change(func(a *fakeArchive) { a.value("me", "steps", 8100, w.zones.Midnight(d-1)) })
		pass(15 * time.Hour)
		if got := r.values(stepsTopic); !slices.Equal(got, []any{50.0, 0.0}) {
			t.Errorf("told %v", got)
		}
		w.archive.change(func(a *fakeArchive) { a.value("me", "steps", 70, w.zones.Midnight(d)) })
		pass(6 * time.Second)
		if got := r.values(stepsTopic); !slices.Equal(got, []any{50.0, 0.0, 70.0}) {
			t.Errorf("told %v", got)
		}
	})
}

// A change is there within seconds, and a storm of changes is not a storm of looks.
func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(noon, 1)
		w.archive.value("me", "steps", 1, berlin.Midnight(today))
		r, stop := w.live(t)
		defer stop()
		pass(5 * time.Second)
		r.clear()
		for i := range 100 {
			w.archive.change(func(a *fakeArchive) { a.value("me", "steps", float64(10+i), berlin.Midnight(today)) })
			pass(100 * time.Millisecond)
		}
		pass(6 * time.Second)
		got := r.values(stepsTopic)
		if len(got) > 4 || len(got) < 2 || got[len(got)-1] != 109.0 {
			t.Errorf("told %v", got)
		}
		pass(time.Minute)
		r.clear()
		w.archive.change(func(a *fakeArchive) { a.value("me", "steps", 200, berlin.Midnight(today)) })
		pass(300 * time.Millisecond)
		if got := r.values(stepsTopic); len(got) != 1 {
			t.Errorf("a single change: %v", got)
		}
	})
}

// From an empty archive each entity is announced within a second of its first value, with that value, while new values of those
// that are known are told as seldom as ever. A new start announces all at once.
func TestFirstValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(noon, 1)
		r, stop := w.live(t)
		var keys []string
		for _, e := range Entities() {
			if e.StateClass == total {
				keys = append(keys, e.Key)
			}
		}
		if len(keys) < 15 {
			t.Fatalf("only %q", keys)
		}
		for i, key := range keys {
			w.archive.change(func(a *fakeArchive) {
				a.value("me", key, 5, berlin.Midnight(today))
				a.value("me", "steps", float64(100+i), berlin.Midnight(today))
			})
			pass(time.Duration(330*(i%4)) * time.Millisecond) // history comes in
			w.archive.change(func(a *fakeArchive) {})
			pass(time.Second - time.Duration(330*(i%4))*time.Millisecond)
			if topic := "fitbit_fetch/me/" + key; len(r.values(topic)) == 0 {
				t.Errorf("%s has no state a second after its first value", key)
			}
			if all := r.on(personTopic); len(all) == 0 || !strings.Contains(all[len(all)-1], `"`+key+`":{"platform"`) {
				t.Errorf("%s is not announced a second after its first value", key)
			}
		}
		pass(10 * time.Second)
		r.clear()
		for i := range 60 { // nothing is new but values
			w.archive.change(func(a *fakeArchive) { a.value("me", "steps", float64(1000+i), berlin.Midnight(today)) })
			pass(time.Second)
		}
		if n := len(r.on(stepsTopic)); n < 11 || n > 13 {
			t.Errorf("the steps were told %d times in a minute", n)
		}
		stop()
		r, stop = w.live(t)
		defer stop()
		for _, key := range keys {
			if len(r.values("fitbit_fetch/me/"+key)) != 1 {
				t.Errorf("%s is not told at a start", key)
			}
		}
	})
}

// Trouble with the archive is said once, and over when it is over.
func TestArchiveTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(noon, 1)
		w.archive.value("me", "steps", 1, berlin.Midnight(today))
		w.archive.fail = errors.New("disk I/O error")
		r, stop := w.live(t)
		defer stop()
		pass(time.Minute)
		if n := strings.Count(w.log.String(), "disk I/O error"); n != 1 {
			t.Errorf("said %d times", n)
		}
		w.archive.change(func(a *fakeArchive) { a.fail = nil })
		pass(6 * time.Second)
		if len(r.values(stepsTopic)) != 1 {
			t.Error("no steps after the trouble")
		}
	})
}

func (a *fakeArchive) workout(key string, end time.Time) {
	a.sessions["me"] = append(a.sessions["me"], metric.Session{Kind: metric.Workout, Key: key, Title: "Run " + key, Start: end.Add(-30 * time.Minute), End: end,
		Day: metric.DayOf(end.In(berlin.Now()))})
}

// A workout is told once, when it is news and Home Assistant listens.
func TestWorkoutEvents(t *testing.T) {
	const topic = "fitbit_fetch/me/workout"
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(noon, 1)
		w.archive.workout("old", noon.Add(-25*time.Hour))
		w.archive.workout("new", noon.Add(-23*time.Hour))
		r, stop := w.live(t)
		if got := r.on(topic); len(got) > 0 {
			t.Fatalf("told before Home Assistant can have subscribed: %v", got)
		}
		pass(4 * time.Second)
		if got := r.on(topic); len(got) != 1 || !strings.Contains(got[0], `"Run new"`) {
			t.Fatalf("told %v", got)
		}
		r.in <- arrival{birth, offline, false}
		w.archive.change(func(a *fakeArchive) { a.workout("later", noon) })
		pass(time.Minute)
		if got := r.on(topic); len(got) != 1 {
			t.Fatalf("told while Home Assistant is away: %v", got)
		}
		r.in <- arrival{birth, online, false}
		pass(10 * time.Second)
		if got := r.on(topic); len(got) != 2 || !strings.Contains(got[1], `"Run later"`) {
			t.Fatalf("told %v", got)
		}
		for _, m := range r.messages {
			if m.topic == topic && m.retain {
				t.Error("an event is retained")
			}
		}
		stop()
		r, stop = w.live(t) // a restart
		defer stop()
		pass(time.Minute)
		if got := r.on(topic); len(got) > 0 {
			t.Errorf("told again: %v", got)
		}
	})
}

// A night is told once, when all that belongs to it has come, or its time is over.
func TestNightComplete(t *testing.T) {
	const topic = "fitbit_fetch/me/night_complete"
	wake := time.Date(2026, 11, 20, 5, 30, 0, 0, time.UTC)
	put := func(a *fakeArchive, d metric.Day, end time.Time) {
		s := metric.Session{Kind: metric.Sleep, Key: fmt.Sprint(d), Day: d, Start: end.Add(-7 * time.Hour), End: end, Main: true, Title: "STAGES"}
		levels := metric.Block{Series: metric.SleepLevels}
		levels.Append(s.Start.UnixNano(), 1, 25200)
		levels.Append(s.End.UnixNano(), 3, metric.Absent())
		s.Blocks = []metric.Block{block(metric.SleepSummary, s.Start, map[string]float64{"minutesAsleep": 400}), levels}
		a.sessions["me"] = append(a.sessions["me"], s)
	}
	rest := func(a *fakeArchive, d metric.Day, keys ...string) {
		for _, key := range keys {
			a.value("me", key, 40, berlin.Midnight(d))
		}
	}
	all := []string{"hrv", "spo2", "breathing_rate", "skin_temperature"}
	begin := func() *world {
		w := newWorld(wake.Add(10*time.Minute), 1)
		put(w.archive, today-1, wake.Add(-24*time.Hour))
		rest(w.archive, today-1, all...)
		return w
	}
	t.Run("whole", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := begin()
			r, stop := w.live(t)
			pass(10 * time.Second)
			if got := r.on(topic); len(got) > 0 {
				t.Fatalf("the night before is told: %v", got)
			}
			w.archive.change(func(a *fakeArchive) { put(a, today, wake) })
			pass(time.Minute)
			w.archive.change(func(a *fakeArchive) { rest(a, today, all[:3]...) })
			pass(time.Minute)
			if got := r.on(topic); len(got) > 0 {
				t.Fatalf("half a night is told: %v", got)
			}
			w.archive.change(func(a *fakeArchive) { rest(a, today, all[3]) })
			pass(6 * time.Second)
			if got := r.on(topic); len(got) != 1 || !strings.Contains(got[0], `"missing":[]`) || !strings.Contains(got[0], `"minutes_asleep":400`) {
				t.Fatalf("told %v", got)
			}
			last := r.messages[len(r.messages)-1]
			if last.topic != topic || last.retain {
				t.Errorf("the event is not behind its values, or is retained: %+v", last)
			}
			stop()
			r, stop = w.live(t)
			defer stop()
			w.archive.change(func(a *fakeArchive) { rest(a, today, "hrv") })
			pass(6 * time.Hour)
			if got := r.on(topic); len(got) > 0 {
				t.Errorf("told again: %v", got)
			}
		})
	})
	t.Run("in part", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := begin()
			put(w.archive, today, wake)
			rest(w.archive, today, all[:3]...)
			r, stop := w.live(t)
			defer stop()
			pass(2*time.Hour + 49*time.Minute)
			if got := r.on(topic); len(got) > 0 {
				t.Fatalf("told before its time is over: %v", got)
			}
			pass(2 * time.Minute)
			if got := r.on(topic); len(got) != 1 || !strings.Contains(got[0], `"missing":["skin_temperature"]`) {
				t.Fatalf("told %v", got)
			}
		})
	})
	t.Run("synced late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := begin()
			r, stop := w.live(t)
			defer stop()
			pass(8 * time.Hour)
			w.archive.change(func(a *fakeArchive) { put(a, today, wake) })
			pass(29 * time.Minute)
			if got := r.on(topic); len(got) > 0 {
				t.Fatalf("told before the rest can have come: %v", got)
			}
			pass(2 * time.Minute)
			if got := r.on(topic); len(got) != 1 {
				t.Fatalf("told %v", got)
			}
		})
	})
	t.Run("of a series that has ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := begin()
			for i := range metric.Day(4) { // nights without it, and the newest one's value is an old one
				put(w.archive, today-2-i, wake.Add(-24*time.Hour*time.Duration(2+i)))
			}
			rest(w.archive, today-4, all[3])
			r, stop := w.live(t)
			defer stop()
			w.archive.change(func(a *fakeArchive) {
				rest(a, today-1, all[0])
				v := a.values["me"][0]
				v.Live = berlin.Midnight(today - 30) // it has come by an import since
				a.set("me", v)
				put(a, today, wake)
				rest(a, today, all[1:3]...)
			})
			pass(10 * time.Second)
			if got := r.on(topic); len(got) != 1 || !strings.Contains(got[0], `"missing":[]`) {
				t.Fatalf("told %v", got)
			}
		})
	})
	t.Run("of old", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := begin()
			w.archive.sessions = map[string][]metric.Session{}
			put(w.archive, today-1, wake.Add(-24*time.Hour))
			r, stop := w.live(t)
			defer stop()
			pass(time.Hour)
			if got := r.on(topic); len(got) > 0 {
				t.Fatalf("told %v", got)
			}
		})
	})
}

// What is no longer there is removed: first announced as removed, then no more, and its state taken back.
func TestRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(noon, 1)
		eva := w.person("eva", "Eva")
		eva.Devices = func() []metric.Device { return nil }
		w.cfg.People = append(w.cfg.People, eva)
		for _, who := range []string{"me", "eva"} {
			w.archive.value(who, "steps", 1, berlin.Midnight(today))
			w.archive.value(who, "hrv", 40, berlin.Midnight(today))
		}
		w.devices = []metric.Device{{ID: "1", Name: "Charge 6", Tracker: true, Battery: 50}, {ID: "2", Name: "Sense", Tracker: true, Battery: 60}}
		r, stop := w.live(t)
		configs := func() (out []string) {
			for _, m := range r.messages {
				if strings.HasSuffix(m.topic, "/config") {
					out = append(out, m.topic)
				}
			}
			return out
		}
		if got := configs(); len(got) != 5 {
			t.Fatalf("announced %v", got)
		}
		first := configs()
		r.clear()

		w.mu.Lock()
		w.devices = nil // not known for a while
		w.mu.Unlock()
		pass(11 * time.Minute)
		for _, topic := range first[2:4] {
			if got := r.on(topic); len(got) > 0 {
				t.Fatalf("a tracker nobody knows of just now: %v", got)
			}
		}
		w.mu.Lock()
		w.devices = []metric.Device{{ID: "2", Name: "Sense", Tracker: true, Battery: 60}}
		w.mu.Unlock()
		pass(11 * time.Minute)
		if got := r.on(first[2]); !slices.Equal(got, []string{""}) {
			t.Errorf("a tracker that was given away: %q", got)
		}
		stop()

		w.cfg.People = w.cfg.People[:1]
		w.cfg.People[0].LeaveOut = []metric.ID{"hrv"}
		r, stop = w.live(t)
		defer stop()
		for _, topic := range []string{"homeassistant/device/fitbit_fetch_eva/config", "fitbit_fetch/eva/steps", "fitbit_fetch/eva/hrv", "fitbit_fetch/me/hrv"} {
			if got := r.on(topic); !slices.Equal(got, []string{""}) {
				t.Errorf("%s: %q", topic, got)
			}
		}
		pass(10 * time.Second)
		got := r.on(personTopic)
		if len(got) != 2 || !strings.Contains(got[0], `"hrv":{"platform":"sensor"}`) || strings.Contains(got[1], `"hrv"`) || !strings.Contains(got[1], `"steps"`) {
			t.Errorf("announced %v", got)
		}
		r.clear()
		pass(time.Hour)
		for _, topic := range configs() {
			t.Errorf("announced again: %s", topic)
		}
	})
}

// Home Assistant's birth, and nothing else, has all announced again.
func TestBirthAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(noon, 1)
		w.archive.value("me", "steps", 1, berlin.Midnight(today))
		r, stop := w.live(t)
		defer stop()
		n := len(r.messages)
		for _, a := range []arrival{{birth, online, true}, {birth, offline, false}, {aliveTopic, online, false}, {birth, "", false}} {
			r.in <- a
			pass(time.Minute)
			if len(r.messages) != n {
				t.Errorf("%+v has %d messages published", a, len(r.messages)-n)
			}
		}
		r.in <- arrival{birth, online, false}
		pass(2 * time.Second)
		if got := len(r.messages); got != 2*n-1 { // all but our own availability
			t.Errorf("%d messages, there were %d", got, n)
		}
	})
}

// The samples of a night are not shown without their night: the newest of its stages is what closes it.
func TestNightWithoutItsSession(t *testing.T) {
	w := newWorld(noon, 1)
	w.archive.value("me", "sleep_asleep", 400, noon)
	w.archive.value("me", "sleep_stage", 3, noon)
	_, r := w.once(t)
	if text := r.text(t); strings.Contains(text, "sleep_") {
		t.Errorf("published %s", text)
	}
}

// A night that goes on after a pause is reported again, corrected: once for each part, and not for a nap.
func TestNightGrows(t *testing.T) {
	const topic = "fitbit_fetch/me/night_complete"
	at := func(clock string) time.Time {
		u, err := time.Parse("2006-01-02 15:04", "2026-11-"+clock)
		if err != nil {
			t.Fatal(err)
		}
		return u.Add(-time.Hour) // Berlin
	}
	sleep := func(a *fakeArchive, begin, end time.Time, main bool) {
		a.sessions["me"] = append(a.sessions["me"], metric.Session{Kind: metric.Sleep, Key: begin.String(), Day: today, Start: begin, End: end, Main: main, Title: "STAGES",
			Blocks: []metric.Block{block(metric.SleepSummary, begin, map[string]float64{"minutesAsleep": end.Sub(begin).Minutes()})}})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(at("20 04:40"), 1)
		sleep(w.archive, at("19 23:18"), at("20 04:25"), true)
		r, stop := w.live(t)
		pass(10 * time.Second)
		if got := r.on(topic); len(got) != 1 || !strings.Contains(got[0], `"event_type":"night_complete"`) || !strings.Contains(got[0], `"minutes_asleep":307`) {
			t.Fatalf("told %v", got)
		}
		pass(5*time.Hour + 20*time.Minute) // it is ten
		r.clear()
		w.archive.change(func(a *fakeArchive) { sleep(a, at("20 05:20"), at("20 09:51"), false) })
		pass(10 * time.Second)
		want := `{"event_type":"night_corrected","day":"2026-11-20","start":"2026-11-19T23:18:00+01:00","end":"2026-11-20T09:51:00+01:00","parts":2,"minutes_asleep":578,"missing":[]}`
		if got := r.on(topic); len(got) != 1 || got[0] != want {
			t.Fatalf("told %v", got)
		}
		if got := r.on("fitbit_fetch/me/sleep_end"); len(got) != 1 || !strings.Contains(got[0], `{"value":"2026-11-20T09:51:00+01:00","measured_at":"2026-11-20T09:51:00+01:00"}`) {
			t.Errorf("woke up at %v", got)
		}
		if got := r.on("fitbit_fetch/me/sleep_asleep"); len(got) != 1 || !strings.Contains(got[0], `"measured_at":"2026-11-20T09:51:00+01:00"`) {
			t.Errorf("asleep: %v", got)
		}
		pass(5 * time.Hour)
		w.archive.change(func(a *fakeArchive) { sleep(a, at("20 14:00"), at("20 14:30"), false) })
		pass(10 * time.Second)
		stop()
		r2, stop := w.live(t)
		defer stop()
		pass(time.Hour)
		if got := append(r.on(topic)[1:], r2.on(topic)...); len(got) > 0 {
			t.Errorf("a nap, and a restart: told %v", got)
		}
	})
}

// What an earlier version has reported is not reported again, as if it had grown, after an update.
func TestNightAfterUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(noon, 1)
		begin, end := noon.Add(-10*time.Hour), noon.Add(-4*time.Hour)
		w.archive.sessions["me"] = []metric.Session{{Kind: metric.Sleep, Key: "n", Day: today, Start: begin, End: end, Main: true}}
		w.archive.states["/"+stateKey] = fmt.Sprintf(`{"client":"fitbit_fetch_1","cursors":{"me":{"told":%d,"night":%[1]d}}}`, today)
		r, stop := w.live(t)
		defer stop()
		pass(time.Hour)
		if got := r.on("fitbit_fetch/me/night_complete"); len(got) > 0 {
			t.Errorf("told again: %v", got)
		}
	})
}

// Home Assistant's birth message has a topic of its own, which does not follow the prefix of discovery.
func TestBirthBesideThePrefix(t *testing.T) {
	for _, topic := range []string{"homeassistant/status", "home/devices/status"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(noon, 1)
			w.cfg.Prefix = "home/devices"
			w.archive.value("me", "steps", 1, berlin.Midnight(today))
			r, stop := w.live(t)
			defer stop()
			pass(10 * time.Second)
			r.clear()
			r.in <- arrival{topic, online, false}
			pass(2 * time.Second)
			if got := r.on("home/devices/device/fitbit_fetch_me/config"); len(got) != 1 {
				t.Errorf("%s: announced %d times", topic, len(got))
			}
		})
	}
}

package deliver

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

var day = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

// rig is a deliverer between a shelf and a pool.
type rig struct {
	*Deliverer
	shelf *shelf
	pool  *pool
	log   *bytes.Buffer
}

func newRig(s *shelf, to sink.Sink) rig {
	var log bytes.Buffer
	d := New(Config{Archive: s, Sink: to, Catalogue: metric.Default(), Persons: []metric.Person{{ID: "me"}, {ID: "eva", Tag: "Eva"}},
		Log: slog.New(slog.NewTextHandler(&log, nil))})
	p, _ := to.(*pool)
	return rig{d, s, p, &log}
}

// inBubble runs fn with the deliverer's loop in a bubble of fake time, and stops the loop after it.
func inBubble(t *testing.T, s *shelf, p *pool, fn func(t *testing.T, r rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.changed = make(chan struct{}) // of this bubble
		r := newRig(s, p)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		synctest.Wait()
		fn(t, r)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestDrain(t *testing.T) {
	s, p := newShelf(), newPool()
	s.put("me", metric.HeartRate, day, 12_345)
	s.put("eva", metric.HeartRate, day, 10)
	s.put("eva", metric.Steps, day, 10)
	s.put("me", metric.Steps, day, 0)
	s.put("me", metric.Steps, day, 5)
	r := newRig(s, p)
	if err := r.DrainOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.len() != 12_370 || len(s.acked) != 5 {
		t.Errorf("%d samples in, %d pieces acknowledged", p.len(), len(s.acked))
	}
	for _, n := range p.writes {
		if n > maxBatch || n == 0 {
			t.Errorf("a batch of %d", n)
		}
	}
	if len(p.writes) != 5 { // 3 of the long one, then eva's two together, then mine again
		t.Errorf("batches %v", p.writes)
	}
	if st := r.Status(); !st.Working || st.Written != 12_370 || st.Behind != (archive.Backlog{}) || st.Success.IsZero() {
		t.Errorf("status %+v", st)
	}
	if err := r.DrainOnce(t.Context()); err != nil || len(p.writes) != 5 {
		t.Errorf("again: %v, %v", err, p.writes)
	}
}

func TestRunWakesOnChange(t *testing.T) {
	inBubble(t, newShelf(), newPool(), func(t *testing.T, r rig) {
		start := time.Now()
		for range 3 {
			r.shelf.put("me", metric.HeartRate, day, 10)
			synctest.Wait()
		}
		if len(r.pool.writes) != 3 || time.Since(start) != 0 {
			t.Errorf("writes %v after %v", r.pool.writes, time.Since(start))
		}
		if r.pool.overlap {
			t.Error("two writes at once")
		}
	})
}

// TestOutage has the sink away for an hour: nothing is lost, attempts grow rare, the log stays short, the end is noticed.
func TestOutage(t *testing.T) {
	p := newPool()
	p.down = errDown
	inBubble(t, newShelf(), p, func(t *testing.T, r rig) {
		r.shelf.put("me", metric.HeartRate, day, 100)
		for range 60 {
			r.shelf.put("me", metric.Steps, day, 10)
			time.Sleep(time.Minute) // fake time
		}
		synctest.Wait()
		if n := len(p.tries); n < 12 || n > 40 {
			t.Errorf("%d attempts in an hour", n)
		}
		for i := 1; i < len(p.tries); i++ {
			if gap := p.tries[i].Sub(p.tries[i-1]); gap < 500*time.Millisecond || gap > lastRetry {
				t.Errorf("attempt %d after %v", i, gap)
			}
		}
		if last := p.tries[len(p.tries)-1].Sub(p.tries[len(p.tries)-2]); last < lastRetry/2 {
			t.Errorf("the last wait was %v", last)
		}
		st := r.Status()
		if st.Working || st.Error == "" || st.Hint != "wait" || st.Behind.Samples == 0 || st.Retry.Before(time.Now()) || time.Since(st.Since) < 59*time.Minute {
			t.Errorf("status %+v", st)
		}
		if n := strings.Count(r.log.String(), "\n"); n != 1 {
			t.Errorf("%d lines in the log:\n%s", n, r.log)
		}
		p.set(func() { p.down = nil })
		time.Sleep(lastRetry + time.Second)
		synctest.Wait()
		if st := r.Status(); !st.Working || st.Error != "" || p.len() != 110 || st.Behind.Samples != 0 {
			t.Errorf("after it: %d in, status %+v", p.len(), st)
		}
		if !strings.Contains(r.log.String(), "delivery goes on") {
			t.Errorf("log:\n%s", r.log)
		}
	})
}

// logged is a log that looks at the status whenever something is written.
type logged func(text string)

func (w logged) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}

// TestLogBeforeStatus: what the status shows of an outage, of its end and of a refusal stands in the log already.
func TestLogBeforeStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := newShelf(), newPool()
		s.changed = make(chan struct{}) // of this bubble
		var d *Deliverer
		was := map[string]Status{} // when a line was written
		log := logged(func(text string) {
			for _, line := range []string{"delivery stopped", "delivery goes on", "refuses samples"} {
				if strings.Contains(text, line) {
					was[line] = d.Status()
				}
			}
		})
		d = New(Config{Archive: s, Sink: p, Catalogue: metric.Default(), Persons: []metric.Person{{ID: "me"}}, Log: slog.New(slog.NewTextHandler(log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx) }()
		p.set(func() { p.down = errDown })
		s.put("me", metric.HeartRate, day, 100)
		time.Sleep(time.Minute)
		if st := d.Status(); st.Error == "" || was["delivery stopped"].Error != "" {
			t.Errorf("an outage: %q in the status, %q there before the log", st.Error, was["delivery stopped"].Error)
		}
		p.set(func() { p.down, p.reject = nil, map[metric.ID]bool{metric.Steps: true} })
		time.Sleep(lastRetry)
		if st := d.Status(); st.Error != "" || was["delivery goes on"].Error == "" {
			t.Errorf("its end: %q in the status, %q there before the log", st.Error, was["delivery goes on"].Error)
		}
		s.put("me", metric.Steps, day, 10)
		synctest.Wait()
		if st, before := d.Status(), was["refuses samples"]; st.Refused == 0 || before.Success.IsZero() || before.Refused > 0 {
			t.Errorf("a refusal: %d in the status, %d there before the log", st.Refused, before.Refused)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestNews: a sink that is away is one trouble, however each attempt puts it; whatever else goes wrong is said, and so is the next outage.
func TestNews(t *testing.T) {
	away := func(text string) error { return &sink.Error{Hint: "start it", Err: errors.New(text)} }
	answers := func(text string) error {
		return &sink.Error{Status: 500, Hint: "its log says more", Err: errors.New(text)}
	}
	var b board
	for i, c := range []struct {
		err  error
		want bool
	}{
		{away("connection reset"), true},
		{away("connection refused"), false},
		{answers("out of memory"), true},
		{answers("out of memory"), false},
		{answers("disk full"), true}, // the same cure, but it says what is wrong
		{errors.New("without a cure"), true},
		{errors.New("also without"), true},
		{away("connection refused"), true},
		{nil, false}, // it went well
		{away("connection refused"), true},
	} {
		if c.err == nil {
			b.wrote(day, 1)
			continue
		}
		if got := b.news(c.err); got != c.want {
			t.Errorf("%d, %v: news %v, want %v", i, c.err, got, c.want)
		}
		b.failed(day, c.err, hintOf(c.err), day)
	}
}

// TestPartWay has the sink fail in the middle of a round: what is in is acknowledged, the rest comes again.
func TestPartWay(t *testing.T) {
	s, p := newShelf(), newPool()
	for i := range 4 {
		s.put("me", metric.HeartRate, day.AddDate(0, 0, i), 4000)
	}
	r := newRig(s, &failing{p, 2})
	if err := r.DrainOnce(t.Context()); !errors.Is(err, errDown) {
		t.Fatalf("got %v", err)
	}
	if len(s.acked) != 2 || !s.acked[1] || !s.acked[2] { // 10,000 samples are in: two whole pieces and half of the third
		t.Errorf("acknowledged %v", s.acked)
	}
	if err := r.DrainOnce(t.Context()); err != nil || p.len() != 16_000 {
		t.Errorf("%v, %d in", err, p.len())
	}
}

// failing fails one write after n.
type failing struct {
	*pool
	n int
}

func (f *failing) Write(ctx context.Context, blocks []sink.Points) error {
	if f.n--; f.n == -1 {
		return errDown
	}
	return f.pool.Write(ctx, blocks)
}

func TestRejected(t *testing.T) {
	s, p := newShelf(), newPool()
	p.reject = map[metric.ID]bool{metric.Steps: true}
	s.put("me", metric.HeartRate, day, 10)
	s.put("me", metric.Steps, day, 7)
	s.put("eva", metric.Steps, day, 5)
	r := newRig(s, p)
	if err := r.DrainOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.acked) != 3 || p.len() != 10 {
		t.Errorf("acknowledged %v, %d in", s.acked, p.len())
	}
	if len(s.quarantine) != 2 || s.quarantine[0].Person != "me" || s.quarantine[1].Person != "eva" || s.quarantine[0].Count != 7 ||
		s.quarantine[0].Sink != "pool" || s.quarantine[0].Hint != "cure" || s.quarantine[0].At.IsZero() {
		t.Errorf("quarantine %+v", s.quarantine)
	}
	if n := strings.Count(r.log.String(), "refuses samples"); n != 1 {
		t.Errorf("said %d times:\n%s", n, r.log)
	}
	if st := r.Status(); st.Written != 10 || st.Refused != 12 || st.Refusal.Series != metric.Steps {
		t.Errorf("status %+v", st)
	}
}

func TestTombsFirst(t *testing.T) {
	s, p := newShelf(), newPool()
	s.put("me", metric.HeartRate, day, 3)
	at := s.pieces[0].Block.Times
	for i := range int64(3) {
		s.tombs = append(s.tombs, archive.Tomb{ID: i + 1, Person: "me", Series: metric.HeartRate, Device: "D", Time: at[i]})
	}
	s.tombs = append(s.tombs, archive.Tomb{ID: 4, Person: "nobody", Series: metric.HeartRate, Time: 1})
	r := newRig(s, p)
	if err := r.DrainOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.len() != 3 || len(p.deleted) != 3 || len(s.ackedTombs) != 4 {
		t.Errorf("%d in, %d deleted, %d acknowledged: deletes must come before what takes their place", p.len(), len(p.deleted), len(s.ackedTombs))
	}
	s.tombs = append(s.tombs, archive.Tomb{ID: 5, Person: "me", Series: metric.HeartRate, Device: "D", Time: at[2]})
	p.down = errDown
	if err := r.DrainOnce(t.Context()); err == nil || s.ackedTombs[5] {
		t.Errorf("a failed delete was acknowledged: %v", err)
	}
	p.down = nil
	if err := r.DrainOnce(t.Context()); err != nil || !s.ackedTombs[5] || p.len() != 2 {
		t.Errorf("%v, %d in", err, p.len())
	}
	r.witnesses.due = true
	if err := r.DrainOnce(t.Context()); err != nil || p.len() != 2 || s.rewinds != 0 {
		t.Errorf("%v, %d in, %d rewinds: the newest sample was deleted on purpose", err, p.len(), s.rewinds)
	}
}

// TestEmptied empties the pool while it is away, while nothing happens, and between two starts.
// TestMayNotDelete has a sink that deletes, but not for us: what has vanished is reported, and holds nothing up.
func TestMayNotDelete(t *testing.T) {
	s, p := newShelf(), newPool()
	p.keeps = true
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s.put("me", metric.HeartRate, at, 5)
	for i := range int64(3) {
		s.tombs = append(s.tombs, archive.Tomb{ID: i + 1, Person: "me", Series: metric.Steps, Device: "D", Time: at.UnixNano() - i})
	}
	r := newRig(s, p)
	if err := r.DrainOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.len() != 5 || len(s.ackedTombs) != 3 {
		t.Errorf("%d samples are in, %d tombs are done", p.len(), len(s.ackedTombs))
	}
	if len(s.quarantine) != 1 || s.quarantine[0].Count != 3 || s.quarantine[0].Series != metric.Steps || s.quarantine[0].Hint == "" || !s.quarantine[0].Last.Equal(at) {
		t.Errorf("reported %+v", s.quarantine)
	}
}

func TestEmptied(t *testing.T) {
	t.Run("during an outage", func(t *testing.T) {
		inBubble(t, newShelf(), newPool(), func(t *testing.T, r rig) {
			r.shelf.put("me", metric.HeartRate, day, 100)
			synctest.Wait()
			r.pool.set(func() { r.pool.down = errDown; clear(r.pool.points) })
			r.shelf.put("me", metric.HeartRate, day.Add(time.Hour), 50) // newer than all that was there
			time.Sleep(time.Hour)
			r.pool.set(func() { r.pool.down = nil })
			time.Sleep(lastRetry)
			synctest.Wait()
			if r.pool.len() != 150 || r.shelf.rewinds != 1 || r.Status().Emptied.IsZero() {
				t.Errorf("%d in, %d rewinds", r.pool.len(), r.shelf.rewinds)
			}
		})
	})
	t.Run("at rest", func(t *testing.T) {
		inBubble(t, newShelf(), newPool(), func(t *testing.T, r rig) {
			r.shelf.put("me", metric.HeartRate, day, 100)
			synctest.Wait()
			time.Sleep(time.Hour)
			synctest.Wait()
			if r.shelf.rewinds != 0 {
				t.Error("rewound for nothing")
			}
			r.pool.set(func() { clear(r.pool.points) })
			time.Sleep(probeEvery + time.Second)
			synctest.Wait()
			if r.pool.len() != 100 || r.shelf.rewinds != 1 {
				t.Errorf("%d in, %d rewinds", r.pool.len(), r.shelf.rewinds)
			}
		})
	})
	t.Run("between starts", func(t *testing.T) {
		s, p := newShelf(), newPool()
		s.put("me", metric.HeartRate, day, 100)
		if err := newRig(s, p).DrainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.put("me", metric.HeartRate, day.Add(time.Hour), 50)
		clear(p.points)
		if err := newRig(s, p).DrainOnce(t.Context()); err != nil || p.len() != 150 {
			t.Errorf("%v, %d in", err, p.len())
		}
		if err := newRig(s, p).DrainOnce(t.Context()); err != nil || s.rewinds != 1 {
			t.Errorf("%v, %d rewinds", err, s.rewinds)
		}
	})
	t.Run("swallows everything", func(t *testing.T) {
		p := newPool()
		inBubble(t, newShelf(), p, func(t *testing.T, r rig) {
			r.shelf.put("me", metric.HeartRate, day, 100)
			synctest.Wait()
			for range 100 {
				r.pool.set(func() { clear(r.pool.points) })
				time.Sleep(probeEvery)
				synctest.Wait()
				r.pool.set(func() { clear(r.pool.points) })
			}
			if r.shelf.rewinds != 1 {
				t.Errorf("%d rewinds", r.shelf.rewinds)
			}
		})
	})
	t.Run("one sample is not all", func(t *testing.T) {
		s, p := newShelf(), newPool()
		s.put("me", metric.HeartRate, day, 100)
		s.put("me", metric.Steps, day, 100)
		r := newRig(s, p)
		if err := r.DrainOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		for k := range p.points {
			if k.series == metric.Steps {
				delete(p.points, k)
			}
		}
		r.witnesses.due = true
		if err := r.DrainOnce(t.Context()); err != nil || s.rewinds != 0 {
			t.Errorf("%v, %d rewinds", err, s.rewinds)
		}
	})
}

// TestStops stops the loop within a write that hangs, and during a wait.
func TestStops(t *testing.T) {
	p := newPool()
	p.took = time.Hour
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.put("me", metric.HeartRate, day, 30_000)
		r := newRig(s, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := r.Run(ctx); err != nil || time.Since(start) != time.Second {
			t.Errorf("stopped after %v: %v", time.Since(start), err)
		}
		if len(s.acked) != 0 || strings.Contains(r.log.String(), "WARN") {
			t.Errorf("acknowledged %v, log %s", s.acked, r.log)
		}
	})
}

// TestOneAtATime asks for a drain while the loop has the sink.
func TestOneAtATime(t *testing.T) {
	p := newPool()
	p.took = time.Minute
	inBubble(t, newShelf(), p, func(t *testing.T, r rig) {
		r.shelf.put("me", metric.HeartRate, day, 100)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := r.DrainOnce(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if p.overlap || p.len() != 100 {
			t.Errorf("overlap %v, %d in", p.overlap, p.len())
		}
	})
}

func TestArchiveFails(t *testing.T) {
	s := newShelf()
	s.dueErr = &archive.Error{Hint: "make room", Err: errors.New("disk full")}
	inBubble(t, s, newPool(), func(t *testing.T, r rig) {
		if st := r.Status(); st.Working || st.Hint != "make room" {
			t.Errorf("status %+v", st)
		}
		s.mu.Lock()
		s.dueErr = nil
		s.mu.Unlock()
		s.put("me", metric.HeartRate, day, 10)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if r.pool.len() != 10 {
			t.Errorf("%d in", r.pool.len())
		}
	})
}

func TestUnknownPerson(t *testing.T) {
	s, p := newShelf(), newPool()
	s.put("gone", metric.HeartRate, day, 10)
	s.put("me", metric.HeartRate, day, 10)
	s.put("gone", metric.HeartRate, day, 10)
	r := newRig(s, p)
	if err := r.DrainOnce(t.Context()); err != nil || p.len() != 10 || len(s.acked) != 3 {
		t.Errorf("%v, %d in, acknowledged %v", err, p.len(), s.acked)
	}
	if n := strings.Count(r.log.String(), "not in the settings"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestBackoff(t *testing.T) {
	for failures := range 100 {
		for range 20 {
			most := lastRetry
			if failures < 9 {
				most = min(firstRetry<<failures, lastRetry)
			}
			if got := backoff(failures); got < most/2 || got > most {
				t.Errorf("after %d failures %v", failures, got)
			}
		}
	}
}

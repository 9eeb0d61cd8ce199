package archive

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Answers come in, two sinks take and people look, all at once: in the end both sinks hold what the archive shows.
func TestAllAtOnce(t *testing.T) {
	a := newArchive(t)
	cat := a.cfg.Catalogue
	if err := a.DropSink(t.Context(), []string{"one", "two"}); err != nil {
		t.Fatal(err)
	}
	var writer, others sync.WaitGroup
	stop := make(chan struct{})
	running := func() bool {
		select {
		case <-stop:
			return false
		default:
			return true
		}
	}
	writer.Go(func() {
		w := &world{r: rand.New(rand.NewPCG(11, 1)), cat: cat, base: metric.DayOf(noon)}
		for range 60 {
			if _, err := a.Put(t.Context(), w.batch()); err != nil {
				t.Error(err)
			}
		}
	})
	sinks := []*modelSink{{"one", database{}}, {"two", database{}}}
	for i, s := range sinks {
		others.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 2))
			for running() {
				s.step(t, a, r, func() {})
			}
		})
	}
	others.Go(func() {
		for running() {
			_, _, _, err := a.Newest(t.Context(), "me", metric.HeartRateMinute)
			if err == nil {
				_, err = a.Sessions(t.Context(), "me", metric.Sleep, metric.DaySpan(0, 1<<20))
			}
			if err == nil {
				_, err = a.Stats(t.Context())
			}
			if err != nil {
				t.Error(err)
				return
			}
			select {
			case <-a.Changed():
			case <-stop:
			}
		}
	})
	writer.Wait()
	close(stop)
	others.Wait()
	for _, s := range sinks {
		s.drain(t, a, rand.New(rand.NewPCG(3, 3)))
		compare(t, s.name, s.db, readAll(t, a))
	}
}

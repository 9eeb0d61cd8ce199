package collect

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// TestPause: nothing is asked while paused, whatever happens, also over a restart; then it goes on by itself.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(400)
		c := New(config(s, a))
		stop := start(t, c)
		pass(time.Minute)
		if err := c.Pause(t.Context(), time.Now().Add(5*time.Hour)); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute) // what was in flight
		from := time.Now()
		asked := func() int { return len(s.made("", from)) }
		c.Sync()
		done := make(chan error, 1)
		go func() { done <- c.Complete(t.Context(), metric.DaySpan(metric.DayOf(epoch)-3, metric.DayOf(epoch)-2)) }()
		pass(time.Hour)
		st := c.Status()
		if n := asked(); n > 0 || !st.Paused || !st.PausedUntil.Equal(epoch.Add(5*time.Hour+time.Minute)) || st.Live != nil || st.History != nil {
			t.Fatalf("%d requests; paused %v until %v", n, st.Paused, st.PausedUntil)
		}
		if err := <-done; err == nil || !strings.Contains(err.Error(), "paused until 2000-01-01 05:01 UTC") {
			t.Errorf("who waits is told: %v", err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}

		c = New(config(s, a))
		if err := c.Once(t.Context(), metric.Span{}); err == nil || !strings.Contains(err.Error(), "paused") {
			t.Errorf("a command: %v", err)
		}
		stop = start(t, c)
		pass(time.Hour)
		if n := asked(); n > 0 {
			t.Fatalf("%d requests after the restart", n)
		}
		pass(3*time.Hour + time.Minute)
		if n := asked(); n == 0 || c.Status().Paused {
			t.Fatalf("%d requests after its end; paused %v", n, c.Status().Paused)
		}

		if err := c.Pause(t.Context(), time.Time{}); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		from = time.Now()
		pass(48 * time.Hour)
		if paused, until, err := c.Paused(t.Context()); asked() > 0 || !paused || !until.IsZero() || err != nil {
			t.Fatalf("%d requests; paused %v until %v, %v", asked(), paused, until, err)
		}
		if err := c.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if asked() == 0 || c.Status().Paused || a.state[PauseKey] != nil {
			t.Error("it does not go on")
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

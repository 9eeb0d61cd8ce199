package proctest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// patient is a test that the runner ends at an instant, and that notes how it failed.
type patient struct {
	testing.TB
	end  time.Time
	says string
}

func (p *patient) Deadline() (time.Time, bool) { return p.end, !p.end.IsZero() }
func (p *patient) Helper()                     {}
func (p *patient) Fatalf(format string, args ...any) {
	p.says = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fate runs f as that test and returns how it failed, and when, from now on.
func fate(timeout time.Duration, f func(t testing.TB)) (says string, after time.Duration) {
	p := &patient{}
	began := time.Now()
	if timeout > 0 {
		p.end = began.Add(timeout)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(p)
	}()
	<-done
	return p.says, time.Since(began)
}

// Whoever waits in vain says so before the runner ends the test, and not much earlier, however long that is.
func TestUntilFails(t *testing.T) {
	never, seen := func() bool { return false }, func() string { return "a pot" }
	for _, c := range []struct{ timeout, after time.Duration }{
		{10 * time.Minute, 10*time.Minute - last}, {12 * time.Second, 6 * time.Second}, {2 * time.Second, time.Second},
	} {
		for name, f := range map[string]func(testing.TB){
			"Until":   func(t testing.TB) { Until(t, "the kettle", never, seen) },
			"Receive": func(t testing.TB) { Receive(t, "the kettle", make(chan int), seen) },
		} {
			synctest.Test(t, func(t *testing.T) {
				says, after := fate(c.timeout, f)
				if after != c.after {
					t.Errorf("%s: gave up after %v of %v, want %v", name, after, c.timeout, c.after)
				}
				if !strings.Contains(says, "the kettle: a pot") {
					t.Errorf("%s: says %q", name, says)
				}
			})
		}
	}
}

// What comes late comes: ten minutes are not too long where the runner has no end.
func TestUntilWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := time.Now().Add(10 * time.Minute)
		says, after := fate(0, func(t testing.TB) {
			if took := Until(t, "ten minutes", func() bool { return !time.Now().Before(ready) }, nil); took != 10*time.Minute {
				t.Fatalf("took %v", took)
			}
			if got := Receive(t, "a moment", time.After(time.Second), nil); got.Sub(ready) != time.Second {
				t.Fatalf("came at %v", got)
			}
		})
		if says != "" || after != 10*time.Minute+time.Second {
			t.Errorf("%q after %v", says, after)
		}
	})
}

// A limit that is over is one: it does not lie before its test.
func TestLimitIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		ctx, cancel := Limit(t.Context(), &patient{end: now.Add(-time.Second)})
		defer cancel()
		if ctx.Err() != context.DeadlineExceeded {
			t.Errorf("%v", ctx.Err())
		}
	})
}

package proctest

import (
	"context"
	"testing"
	"time"
)

const (
	often = 10 * time.Millisecond // between two looks at what is waited for, or longer where a look takes long: others need the processor
	last  = 10 * time.Second      // of the runner's time is left to a test that says what it waited for, and to end what it started
)

// Until waits until something is so. It looks again and again; when the runner's -timeout is near, the test fails with what can be
// seen then (seen may be nil). There is no other deadline: a busy machine breaks no test. It returns how long the waiting took.
func Until(t testing.TB, what string, ok func() bool, seen func() string) time.Duration {
	t.Helper()
	began := time.Now()
	ctx, cancel := Limit(context.Background(), t)
	defer cancel()
	for {
		look := time.Now()
		if ok() {
			return time.Since(began)
		}
		select {
		case <-time.After(max(often, 2*time.Since(look))):
		case <-ctx.Done():
			t.Fatalf("waited %v in vain for %s%s", time.Since(began).Round(time.Second), what, because(seen))
		}
	}
}

// Receive waits for what comes through a channel, or for its end, as Until waits.
func Receive[T any](t testing.TB, what string, from <-chan T, seen func() string) T {
	t.Helper()
	began := time.Now()
	ctx, cancel := Limit(context.Background(), t)
	defer cancel()
	select {
	case v := <-from:
		return v
	case <-ctx.Done():
		t.Fatalf("waited %v in vain for %s%s", time.Since(began).Round(time.Second), what, because(seen))
	}
	panic("unreachable")
}

func because(seen func() string) string {
	if seen == nil {
		return ""
	}
	return ": " + seen()
}

// Limit is a context for what a test waits for. It ends with ctx, and shortly before the runner's -timeout, so that the test can say
// what it waited for; without a -timeout, and in a benchmark, with ctx alone.
func Limit(ctx context.Context, t testing.TB) (context.Context, context.CancelFunc) {
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if end, ok := d.Deadline(); ok {
			return context.WithDeadline(ctx, giveUp(time.Now(), end))
		}
	}
	return context.WithCancel(ctx)
}

// giveUp is when a test that the runner ends at an instant stops waiting.
func giveUp(now, end time.Time) time.Time {
	return end.Add(-min(last, max(0, end.Sub(now))/2))
}

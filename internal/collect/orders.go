package collect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
)

// order is a wish of the user that the loop has not taken yet, or that somebody waits for.
type order struct {
	days  metric.Span // on the axis Days
	again bool        // what has been answered is asked again
	done  chan<- error
}

// Once collects until all history, or with days (axis Days) all that is missing of these days, has been fetched. It returns the
// error that the user must act on.
func (c *Collector) Once(ctx context.Context, days metric.Span) error {
	if days.Empty() {
		return c.run(ctx, func(d plan.Decision) bool { return d.Remaining.Days < 0.01 && d.Remaining.Requests < 1 })
	}
	c.order(order{days: days})
	return c.run(ctx, func(d plan.Decision) bool { return d.Wished.Done() })
}

// Complete has a Collector that runs fetch what is missing of the days (axis Days), before ordinary history, and waits for it. It
// returns the error that the user must act on.
func (c *Collector) Complete(ctx context.Context, days metric.Span) error {
	done := make(chan error, 1)
	c.order(order{days: days, done: done})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Wish has what is missing of the days (axis Days), or with again all of them, asked for before ordinary history.
func (c *Collector) Wish(days metric.Span, again bool) { c.order(order{days: days, again: again}) }

func (c *Collector) order(o order) {
	c.mu.Lock()
	c.orders = append(c.orders, o)
	c.mu.Unlock()
	c.nudge()
}

// Sync asks the devices now, and reads today again even if none has synced since. Called again within 30 s it does nothing.
func (c *Collector) Sync() {
	c.mu.Lock()
	c.force = true
	c.mu.Unlock()
	c.nudge()
}

func (c *Collector) nudge() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// takeOrders takes what was called for from outside.
func (l *loop) takeOrders() {
	l.mu.Lock()
	orders, force := l.orders, l.force
	l.orders, l.force = nil, false
	l.mu.Unlock()
	now := l.cfg.Clock.Now()
	for _, o := range orders {
		first, last := o.days.Days()
		l.state.Wishes = append(l.state.Wishes, wish{First: first, Last: last, At: now})
		if o.again {
			l.uncover(o.days)
		}
		if o.done != nil {
			l.waiting = append(l.waiting, o)
		}
	}
	if len(orders) > 0 {
		l.save()
	}
	if age := now.Sub(l.forced); force && (age > 30*time.Second || age < 0) {
		l.forced, l.polled, l.state.Seen = now, time.Time{}, now
		delete(l.fates.failed, plan.Poll)
		l.save()
	}
}

// uncover takes the coverage of days away, so that all of them is asked again. What the archive holds of them stays until the new
// answers are there.
func (l *loop) uncover(days metric.Span) {
	for _, f := range l.feeds {
		span := days
		if f.Axis == metric.Instants {
			span = l.zones.Bounds(metric.Days, days)
		}
		if err := l.cfg.Archive.Uncover(l.ctx, l.cfg.Person.ID, l.cfg.Source.Name(), f.ID, span); err != nil && l.ctx.Err() == nil {
			l.cfg.Log.Warn("days that are to be asked again stay as they are", "feed", f.ID, "error", err)
		}
	}
	l.stale = true
}

// report tells those who wait that their days are complete, or that the user must act first.
func (l *loop) report(d *plan.Decision) {
	fulfilled := d != nil && l.idle() && d.Wished.Done()
	if !fulfilled && l.auth == nil {
		return
	}
	for _, o := range l.waiting {
		o.done <- l.auth
	}
	l.waiting = nil
}

// look has something look at the loop between two steps.
type look struct {
	at   func(*loop)
	done chan struct{}
}

// lookAt has fn look at the loop, whether it runs or not. Nothing is asked.
func (c *Collector) lookAt(ctx context.Context, fn func(*loop)) error {
	if err := c.aside(ctx, fn); !errors.Is(err, ErrRunning) {
		return err
	}
	k := look{fn, make(chan struct{})}
	select {
	case c.looks <- k:
		<-k.done
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the plan: %w", ctx.Err())
	}
}

// Preview returns what would be asked next, with up to n requests of history, and asks nothing.
func (c *Collector) Preview(ctx context.Context, n int) (d plan.Decision, err error) {
	err = c.lookAt(ctx, func(l *loop) { d = l.preview(n) })
	return d, err
}

// Missing returns what of the days (axis Days) has not been answered, whatever the reason, of what the service gives. A feed that was
// refused as if there were no authorization, or once and without a reason, is in it, though it is not asked for a while. It asks nothing.
func (c *Collector) Missing(ctx context.Context, days metric.Span, made time.Time) (gaps []plan.Gap, err error) {
	failed := error(nil)
	err = c.lookAt(ctx, func(l *loop) {
		if failed = l.read(); failed == nil {
			in := l.input(l.cfg.Clock.Now())
			in.Denied = maps.Clone(in.Denied)
			maps.DeleteFunc(in.Denied, func(feed string, _ time.Time) bool { return len(l.state.Missed[feed]) > 0 }) // it was asked in vain, not refused for good
			gaps = plan.Missing(in, plan.Wish{Days: days, At: made})
			for _, g := range l.state.owed(l.feeds) {
				within := days
				if g.Axis == metric.Instants {
					within = l.zones.Bounds(metric.Days, days)
				}
				g.Span = g.Span.Overlap(within)
				if !g.Span.Empty() && !slices.ContainsFunc(gaps, func(o plan.Gap) bool { return o.Feed == g.Feed }) {
					gaps = append(gaps, g)
				}
			}
		}
	})
	return gaps, errors.Join(err, failed)
}

// Fulfilled reports whether nothing is left of a wish for the days (axis Days) that was made at an instant. It asks nothing. Error:
// ErrRunning.
func (c *Collector) Fulfilled(ctx context.Context, days metric.Span, made time.Time) (done bool, err error) {
	err = c.aside(ctx, func(l *loop) {
		in := l.input(l.cfg.Clock.Now())
		in.Wishes = []plan.Wish{{Days: days, At: made}}
		done = plan.Next(in).Wished.Done()
	})
	return done, err
}

// aside has fn look at a loop with all that it knows from the archive. Nothing is asked.
func (c *Collector) aside(ctx context.Context, fn func(*loop)) error {
	if !c.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer c.running.Store(false)
	l := c.newLoop(ctx, true)
	defer l.drain()
	defer l.phase(Idle, "", "")
	if err := l.load(); err != nil {
		return err
	}
	if err := l.read(); err != nil {
		return err
	}
	l.learnQuiet(l.cfg.Clock.Now())
	fn(l)
	return nil
}

func (l *loop) preview(n int) plan.Decision {
	in := l.input(l.cfg.Clock.Now())
	in.Busy = plan.Busy{}
	in.Preview = n
	if !in.Polled.IsZero() {
		return plan.Next(in)
	}
	// The devices have not been asked in this run: that comes first, and behind it what follows from what they told last.
	first := plan.Next(in)
	in.Polled = in.Now
	d := plan.Next(in)
	d.Items = append(first.Items, d.Items...)
	return d
}

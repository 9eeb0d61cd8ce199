package collect

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

const (
	retryFirst = 20 * time.Second
	retryMost  = 15 * time.Minute
	badFirst   = time.Hour
	badMost    = 24 * time.Hour
	deniedFor  = 24 * time.Hour
	limitFirst = time.Minute
	limitMost  = time.Hour
	holdFirst  = 30 * time.Second
	holdMost   = 10 * time.Minute
	inARow     = 3 // so many failures in a row are not one request's fault
)

// fates are the failures that keep something from being asked, by feed or "feed/session".
type fates struct {
	failed  map[string]time.Time
	tries   map[string]int // failures in a row
	bad     map[string]int // answers in a row that could not be read
	asides  map[string]int // how often a span was put aside
	aside   map[string][]plan.Aside
	hold    time.Time // nothing at all before
	why     string    // in words
	last    map[string]repeat
	limits  int // in a row
	outages int // failures of any feed in a row
}

func newFates() fates {
	return fates{failed: map[string]time.Time{}, tries: map[string]int{}, bad: map[string]int{}, asides: map[string]int{},
		aside: map[string][]plan.Aside{}, last: map[string]repeat{}}
}

// repeat counts answers to the same question in quick succession.
type repeat struct {
	span  metric.Span
	since time.Time
	times int
}

// repeats notes an answer, and reports whether its question has been asked too often in a minute: no plan wants that.
func (f *fates) repeats(k string, span metric.Span, now time.Time) bool {
	r := f.last[k]
	if age := now.Sub(r.since); r.span != span || age < 0 || age > time.Minute {
		r = repeat{span: span, since: now}
	}
	r.times++
	f.last[k] = r
	return r.times > 3
}

// held reports whether a feed may not be asked yet. What reaches further than any back-off was written under a wrong clock.
func (f *fates) held(feed string, now time.Time) bool {
	until := f.failed[feed]
	return until.After(now) && until.Before(now.Add(25*time.Hour))
}

// backOff doubles first with every try up to most, and adds up to a fifth by chance.
func backOff(first, most time.Duration, tries int) time.Duration {
	d := first << min(max(tries-1, 0), 20)
	if d > most || d <= 0 {
		d = most
	}
	return d + rand.N(d/5+1)
}

// key names what has failed: a feed, or one session's track.
func key(r metric.Request) string {
	if r.Session != nil {
		return r.Feed + "/" + r.Session.Key
	}
	return r.Feed
}

// failed decides what a failure means for what is asked next.
func (l *loop) failed(r result) error {
	now, f, k := l.cfg.Clock.Now(), &l.fates, key(r.job.item.Request)
	f.tries[k]++
	var e *source.Error
	if !errors.As(r.err, &e) {
		e = &source.Error{Kind: source.Retry, Feed: r.job.item.Feed, Err: r.err}
		var kept *archive.Error
		if errors.As(r.err, &kept) {
			e.Hint = kept.Hint
		}
	}
	defer func() { // after it is in the log: whoever sees it in the status finds it there
		l.showFailure(r.job.item.Feed, k, e, r.err)
	}()
	if r.put {
		l.notKept(r, k, now, e.Hint)
		return nil
	}
	l.cfg.Log.Warn("a request failed", "feed", r.job.item.Feed, "kind", e.Kind.String(), "error", r.err, "hint", e.Hint)
	switch e.Kind {
	case source.Gone:
		l.phase(Gone, e.Hint, "")
		return r.err
	case source.Auth:
		l.unauthorized(r.err, e)
	case source.Limited:
		f.limits++
		f.hold, f.why = latest(e.Until, now.Add(backOff(limitFirst, limitMost, f.limits)), now), "the service asked for silence"
		if r.job.item.Feed == describe { // which no plan holds back
			f.failed[k] = f.hold
		}
	case source.Denied:
		l.state.Denied[r.job.item.Feed] = now.Add(deniedFor)
		l.save()
	case source.Bad:
		l.unreadable(r, k, now)
	default:
		l.unanswered(now)
		f.failed[k] = latest(e.Until, now.Add(backOff(retryFirst, retryMost, f.tries[k])), now)
		if f.outages++; f.outages >= inARow {
			f.hold, f.why = now.Add(backOff(holdFirst, holdMost, f.outages-inARow+1)), "nothing is answered; waiting"
		}
	}
	if r.job.item.Feed == plan.Poll && (e.Kind == source.Denied || e.Kind == source.Bad || f.tries[k] >= inARow) {
		l.polled = now // go on without knowing the devices
	}
	if r.job.item.Feed == describe && (e.Kind == source.Denied || e.Kind == source.Bad && f.tries[k] >= inARow) {
		l.described = now // go on without knowing whose data these are
		return l.livesAs(source.Description{})
	}
	return nil
}

// latest returns told where the service told it and it is sensible, else our own choice.
func latest(told, own, now time.Time) time.Time {
	switch {
	case told.IsZero() || !told.After(now):
		return own
	case told.After(now.Add(24 * time.Hour)):
		return now.Add(24 * time.Hour)
	}
	return told.Add(rand.N(2 * time.Second))
}

// unreadable puts the span aside, or the feed where it is not the span's fault.
func (l *loop) unreadable(r result, k string, now time.Time) {
	f, it := &l.fates, r.job.item
	f.bad[k]++
	if it.Feed == plan.Poll || it.Feed == describe { // everything hangs on it, and it costs little
		f.failed[k] = now.Add(backOff(retryFirst, retryMost, f.bad[k]))
		return
	}
	if it.Lane == plan.Live || it.Session != nil || f.bad[k] >= inARow {
		f.failed[k] = now.Add(min(backOff(badFirst, badMost, f.bad[k]), badMost))
		return
	}
	id := k + " " + it.Span.String()
	f.asides[id]++
	kept := f.aside[k][:0]
	for _, a := range f.aside[k] {
		if a.Until.After(now) {
			kept = append(kept, a)
		}
	}
	f.aside[k] = append(kept, plan.Aside{Span: it.Span, Until: now.Add(min(backOff(badFirst, badMost, f.asides[id]), badMost))})
}

// notKept handles an answer that the archive did not take: it is not covered, so it will be asked again.
func (l *loop) notKept(r result, k string, now time.Time, hint string) {
	f := &l.fates
	l.cfg.Log.Error("an answer could not be stored; it will be asked again", "feed", r.job.item.Feed, "error", r.err, "hint", hint)
	f.failed[k] = now.Add(backOff(retryFirst, retryMost, f.tries[k]))
	if f.outages++; f.outages >= inARow {
		f.hold, f.why = now.Add(backOff(holdFirst, holdMost, f.outages-inARow+1)), "answers cannot be stored here; waiting"
	}
}

func renew(ctx context.Context, stop context.CancelFunc) (context.Context, context.CancelFunc) {
	stop()
	return context.WithCancel(ctx)
}

// unauthorized stops everything until the user has authorized again.
func (l *loop) unauthorized(err error, e *source.Error) {
	l.auth = err
	l.phase(NeedsUser, e.Hint, e.Reason)
	l.stop()
}

// reauthorized goes on after the user has authorized.
func (l *loop) reauthorized() {
	l.jobs, l.stop = renew(l.ctx, l.stop)
	l.auth, l.described, l.polled = nil, time.Time{}, time.Time{}
	hold := l.fates.hold
	l.fates = newFates()
	l.fates.hold = hold
	clear(l.state.Denied) // more may be granted now
	l.save()
	l.phase(Working, "", "")
}

// succeeded forgets the failures before a success. The same question asked over and over is a failure too.
func (l *loop) succeeded(r result) {
	f, k, now := &l.fates, key(r.job.item.Request), l.cfg.Clock.Now()
	delete(f.failed, k)
	delete(f.tries, k)
	delete(f.bad, k)
	f.limits, f.outages = 0, 0
	if k != plan.Poll && f.repeats(k, r.job.item.Span, now) {
		l.cfg.Log.Warn("the same span is asked again and again", "feed", k, "span", r.job.item.Span.String())
		f.failed[k] = now.Add(10 * time.Minute)
	}
}

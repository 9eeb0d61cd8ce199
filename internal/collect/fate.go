package collect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
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
	atLength   = 6 // after so many a span of history is put aside, even where nothing else is answered
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
	limits  int              // in a row
	outages int              // failures of any feed in a row
	answers int              // all that were answered
	since   map[string]trial // spans of history that are tried again and again
}

// trial counts the failures of a span.
type trial struct {
	times   int
	answers int // when it failed first
}

func newFates() fates {
	return fates{failed: map[string]time.Time{}, tries: map[string]int{}, bad: map[string]int{}, asides: map[string]int{},
		aside: map[string][]plan.Aside{}, last: map[string]repeat{}, since: map[string]trial{}}
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
	l.tell(r.job.item.Feed, e, r.err, now)
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
		if l.stuck(r, k) {
			delete(f.failed, k)
			l.putAside(r, k, now)
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

// An outage is a row of failures of one feed for one reason. It is told when it begins, again rarely while it lasts, and when it is over.
type outage struct {
	what  string // class, status and reason
	since time.Time
	told  time.Time
	pause time.Duration // from one telling to the next
	times int
}

// tell puts a failure into the log, unless it has been told lately.
func (l *loop) tell(feed string, e *source.Error, err error, now time.Time) {
	what := fmt.Sprint(e.Kind, e.Status, e.Reason)
	o := l.out[feed]
	if o == nil || o.what != what || now.Before(o.told) {
		o = &outage{what: what, since: now, told: now, pause: time.Hour, times: 1}
		l.out[feed] = o
		l.cfg.Log.Warn("a request failed", "feed", feed, "kind", e.Kind.String(), "error", err, "hint", e.Hint)
		return
	}
	o.times++
	if now.Sub(o.told) < o.pause {
		l.cfg.Log.Debug("a request failed again", "feed", feed, "kind", e.Kind.String(), "error", err)
		return
	}
	o.told, o.pause = now, min(6*o.pause, 24*time.Hour)
	l.cfg.Log.Warn("requests go on failing", "feed", feed, "kind", e.Kind.String(), "times", o.times, "since", o.since, "error", err, "hint", e.Hint)
}

// over tells the end of an outage that was more than one failure.
func (l *loop) over(feed string, now time.Time) {
	if o := l.out[feed]; o != nil && o.times > 1 {
		l.cfg.Log.Info("requests are answered again", "feed", feed, "failed", o.times, "for", now.Sub(o.since).Round(time.Second))
	}
	delete(l.out, feed)
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
	l.putAside(r, k, now)
}

// stuck reports whether a span of history fails again and again, while others are answered: what is wrong is with that span.
func (l *loop) stuck(r result, k string) bool {
	it := r.job.item
	if it.Lane != plan.History || it.Session != nil {
		return false
	}
	id := spanKey(k, it.Span)
	t, known := l.fates.since[id]
	if !known {
		t.answers = l.fates.answers
	}
	t.times++
	l.fates.since[id] = t
	if t.times >= atLength || t.times >= inARow && l.fates.answers > t.answers {
		delete(l.fates.since, id)
		return true
	}
	return false
}

func spanKey(k string, span metric.Span) string { return k + " " + span.String() }

// putAside leaves a span alone for a while, longer each time; the rest of its feed goes on.
func (l *loop) putAside(r result, k string, now time.Time) {
	f, it := &l.fates, r.job.item
	id := spanKey(k, it.Span)
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

const (
	lookFirst = time.Hour
	lookMost  = 6 * time.Hour
)

// healable reports whether a refusal of everything may end without the user: the service has said no, not the token's end.
func healable(e *source.Error) bool {
	switch e.Reason {
	case "invalid_grant", "invalid_client", "unauthorized_client", "invalid_token", "expired_token", reasonAccount:
		return false
	}
	return e.Status >= 400 && e.Status < 500 && e.Status != http.StatusUnauthorized
}

// reasonAccount is our own word for an authorization of somebody else.
const reasonAccount = "ANOTHER_ACCOUNT"

// unauthorized stops everything until the user has authorized again. Where the service may come to its senses by itself it is looked at
// from time to time.
func (l *loop) unauthorized(err error, e *source.Error) {
	l.auth, l.lookAgain = err, time.Time{}
	if healable(e) {
		l.looked++
		l.lookAgain = l.cfg.Clock.Now().Add(backOff(lookFirst, lookMost, l.looked))
	}
	l.phase(NeedsUser, e.Hint, e.Reason)
	l.stop()
}

// lookOnce asks who the person is, though all has been refused.
func (l *loop) lookOnce() {
	l.jobs, l.stop = renew(l.ctx, l.stop)
	l.auth, l.described, l.lookAgain = nil, time.Time{}, time.Time{}
}

// reauthorized goes on after the user has authorized.
func (l *loop) reauthorized() {
	l.jobs, l.stop = renew(l.ctx, l.stop)
	l.auth, l.described, l.polled = nil, time.Time{}, time.Time{}
	l.lookAgain, l.looked = time.Time{}, 0
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
	l.over(r.job.item.Feed, now)
	delete(f.failed, k)
	delete(f.tries, k)
	delete(f.bad, k)
	delete(f.since, spanKey(k, r.job.item.Span))
	f.limits, f.outages = 0, 0
	f.answers++
	if k != plan.Poll && f.repeats(k, r.job.item.Span, now) {
		l.cfg.Log.Warn("the same span is asked again and again", "feed", k, "span", r.job.item.Span.String())
		f.failed[k] = now.Add(10 * time.Minute)
	}
}

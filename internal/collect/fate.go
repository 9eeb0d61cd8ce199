package collect

import (
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
	deniedOnce = 15 * time.Minute
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

	spans    map[string]repeat // failures of one span in a row
	given    map[string]bool   // what has been answered
	vain     map[string]int    // spans put aside in a row, of one feed, that were not answered
	answered time.Time         // the last answer to anything
}

func newFates() fates {
	return fates{failed: map[string]time.Time{}, tries: map[string]int{}, bad: map[string]int{}, asides: map[string]int{},
		aside: map[string][]plan.Aside{}, last: map[string]repeat{},
		spans: map[string]repeat{}, vain: map[string]int{}, given: map[string]bool{}}
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
		l.notKept(r, k, now, e)
		return nil
	}
	l.tell(r.job.item.Feed, "a request failed", e, r.err)
	switch e.Kind {
	case source.Gone:
		l.phase(Gone, e.Hint, "")
		return r.err
	case source.Auth:
		l.refused(r, e)
	case source.Limited:
		f.limits++
		f.hold, f.why = latest(e.Until, now.Add(backOff(limitFirst, limitMost, f.limits)), now), "the service asked for silence"
		if r.job.item.Feed == describe { // which no plan holds back
			f.failed[k] = f.hold
		}
	case source.Denied:
		feed := r.job.item.Feed
		_, before := l.state.Denied[feed]
		passing := e.Bare && !before // and is not taken for an answer
		rest := deniedFor
		if f.given[k] && f.tries[k] == 1 || passing { // of what was given until now one refusal may be a passing fault, too
			rest = deniedOnce
		}
		l.state.Denied[feed] = now.Add(rest)
		if passing {
			l.inVain(r)
			break
		}
		delete(l.state.Missed, feed)
		l.save()
	case source.Bad:
		l.inVain(r)
		l.unreadable(r, k, now)
	default:
		l.unanswered(now)
		l.inVain(r)
		f.failed[k] = latest(e.Until, now.Add(backOff(retryFirst, retryMost, f.tries[k])), now)
		if f.outages++; f.outages >= inARow {
			f.hold, f.why = now.Add(backOff(holdFirst, holdMost, f.outages-inARow+1)), "nothing is answered; waiting"
		}
		l.atFault(r, k, now)
	}
	l.heard(r.job.item.Feed, e.Kind)
	if r.job.item.Feed == plan.Poll && (e.Kind == source.Denied || e.Kind == source.Bad || f.tries[k] >= inARow) {
		l.polled = now // go on without knowing the devices
	}
	if r.job.item.Feed == describe && (e.Kind == source.Denied || e.Kind == source.Bad && f.tries[k] >= inARow) {
		l.described = now // go on without knowing whose data these are
		return l.livesAs(source.Description{})
	}
	return nil
}

// inVain keeps that what was asked has not been answered.
func (l *loop) inVain(r result) {
	l.missed(r.job.item.Feed, r.job.item.Span)
	l.save()
}

// atFault puts a span of history aside that fails again and again while the service answers other questions: it must not keep what is
// behind it. Where nothing else is asked, the devices are, to know.
func (l *loop) atFault(r result, k string, now time.Time) {
	f, it := &l.fates, r.job.item
	if it.Lane != plan.History || it.Session != nil {
		return
	}
	id := k + " " + it.Span.String()
	s := f.spans[id]
	if s.times == 0 {
		s.since = now
	}
	s.times++
	f.spans[id] = s
	_, describes := l.cfg.Source.(source.Describer)
	switch alive := f.answered.After(s.since); {
	case s.times < inARow:
	case !alive && describes:
		l.probe = true
	case alive || s.times >= 2*inARow:
		delete(f.spans, id)
		f.outages = 0
		if f.vain[k]++; f.vain[k] >= inARow {
			f.failed[k] = now.Add(backOff(badFirst, badFirst, 1))
			return
		}
		delete(f.failed, k)
		delete(f.tries, k)
		l.putAside(k, it.Span, now)
	}
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
	l.putAside(k, it.Span, now)
}

// putAside leaves a span of a feed alone for a while, longer each time.
func (l *loop) putAside(k string, span metric.Span, now time.Time) {
	f := &l.fates
	id := k + " " + span.String()
	f.asides[id]++
	kept := f.aside[k][:0]
	for _, a := range f.aside[k] {
		if a.Until.After(now) {
			kept = append(kept, a)
		}
	}
	f.aside[k] = append(kept, plan.Aside{Span: span, Until: now.Add(min(backOff(badFirst, badMost, f.asides[id]), badMost))})
}

// notKept handles an answer that the archive did not take: it is not covered, so it will be asked again.
func (l *loop) notKept(r result, k string, now time.Time, e *source.Error) {
	f := &l.fates
	l.tell(r.job.item.Feed, "an answer could not be stored; it will be asked again", e, r.err)
	l.missed(r.job.item.Feed, r.job.item.Span)
	f.failed[k] = now.Add(backOff(retryFirst, retryMost, f.tries[k]))
	if f.outages++; f.outages >= inARow {
		f.hold, f.why = now.Add(backOff(holdFirst, holdMost, f.outages-inARow+1)), "answers cannot be stored here; waiting"
	}
}

// succeeded forgets the failures before a success. The same question asked over and over is a failure too.
func (l *loop) succeeded(r result) {
	f, k, now := &l.fates, key(r.job.item.Request), l.cfg.Clock.Now()
	delete(f.failed, k)
	delete(f.tries, k)
	delete(f.bad, k)
	delete(f.vain, k)
	delete(l.state.Denied, r.job.item.Feed)
	f.given[k] = true
	f.limits, f.outages, f.answered = 0, 0, now
	if o := l.out[r.job.item.Feed]; o != nil {
		o.answered = true
	}
	if r.job.item.Feed != plan.Poll {
		l.looked = 0
	}
	l.heard(r.job.item.Feed, answered)
	if k != plan.Poll && f.repeats(k, r.job.item.Span, now) {
		l.cfg.Log.Warn("the same span is asked again and again", "feed", k, "span", r.job.item.Span.String())
		f.failed[k] = now.Add(10 * time.Minute)
	}
}

package collect

import (
	"maps"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// Phase says what a Collector is about.
type Phase string

const (
	Idle      Phase = "idle"    // not running
	Working   Phase = "working" // fetching, or waiting for something to become due
	NeedsUser Phase = "authorization needed"
	Gone      Phase = "service gone"
)

// Status is what the page and the commands show. Times are told times.
type Status struct {
	Person, Source string
	Phase          Phase
	Hint           string    // what the user has to do; empty for nothing
	Reason         string    // the service's word for why, where it has one
	LookAgain      time.Time // when what stops everything is looked at again; zero: not stopped, or only the user can end it
	Paused         bool      // nothing is asked, as the user wishes
	PausedUntil    time.Time // zero: until resumed
	Zones          metric.Zones
	Quiet          plan.Quiet
	Devices        []metric.Device
	LastSync       time.Time // of the devices; zero where unknown
	LastFetch      time.Time // the last answer stored
	Unanswered     time.Time // when the service was last asked in vain; zero for never
	Budget         plan.Budget
	Hold           time.Time      // the service asked for silence until then; zero for not
	Next           time.Time      // when something becomes due
	Why            string         // why nothing is being asked
	Live, History  *Doing         // in flight, or of an answer on its way into the archive
	Unread         []Unread       // spans without an answer, which are left alone for a while
	Odd            map[string]int // days in which something could not be understood, by feed
	Misread        float64        // feed-days that another version has read, and that are read again
	Waiting        bool           // nothing is in flight, every answer is in the archive or has failed, and nothing is due before Next
	Remaining      plan.Remaining
	Wished         plan.Remaining
	Rate           float64       // estimated requests of history per second of told time; 0 for unknown
	Left           time.Duration // of told time until history is complete; 0 for complete or unknown
	LastHour       int           // requests in the last hour, told time
	Feeds          map[string]FeedStatus
}

// Doing is a request in flight.
type Doing struct {
	Feed  string
	Span  metric.Span
	Since time.Time
	Why   string
}

// Unread is a span for which no answer could be read, and when it is asked for again.
type Unread struct {
	plan.Gap
	Until time.Time
}

// FeedStatus is the last fate of a feed.
type FeedStatus struct {
	Last      time.Time // the last answer
	Failed    time.Time // the last failure; zero for none since the last answer
	Kind      string    // class of that failure
	Error     string
	Hint      string
	NotBefore time.Time // when it will be asked again
}

// Status returns how things stand.
func (c *Collector) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.Feeds = maps.Clone(s.Feeds)
	s.Waiting = s.Waiting && !c.force && len(c.orders) == 0
	return s
}

// Feeds returns the feeds that are asked: without those that the user leaves out.
func (c *Collector) Feeds() []metric.Feed { return slices.Clone(c.feeds) }

func (c *Collector) phase(p Phase, hint, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Phase, c.status.Hint, c.status.Reason, c.status.Waiting = p, hint, reason, false
	if p == Idle {
		c.status.Live, c.status.History = nil, nil
	}
}

// mark is how much history was left at an instant.
type mark struct {
	at   time.Time
	left float64
}

const paceOver = 10 * time.Minute // the rate is measured over it

// decided shows a decision.
func (l *loop) decided(now time.Time, d plan.Decision) {
	if n := len(l.pace); n == 0 || now.Sub(l.pace[n-1].at) >= 5*time.Second || now.Before(l.pace[n-1].at) {
		l.pace = append(l.pace, mark{now, d.Remaining.Requests})
	}
	l.pace = slices.DeleteFunc(l.pace, func(m mark) bool { return now.Sub(m.at) > paceOver || m.at.After(now) })
	var rate float64
	if len(l.pace) > 0 {
		if took := now.Sub(l.pace[0].at).Seconds(); took > 0 {
			rate = max(0, (l.pace[0].left-d.Remaining.Requests)/took)
		}
	}
	l.all = prune(l.all, now)
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.status
	s.Zones, s.Quiet, s.Devices, s.Hold, s.Next, s.Why = l.zones, l.quiet, l.state.devices(), time.Time{}, d.Wake, d.Why
	s.LastSync, s.Budget = plan.LastSync(s.Devices), l.limits.Budget()
	if l.fates.hold.After(now) {
		s.Hold = l.fates.hold
	}
	s.Misread, s.Unread, s.Odd = d.Misread, l.unread(now), l.odd()
	s.Remaining, s.Wished, s.Rate, s.Left, s.LastHour = d.Remaining, d.Wished, rate, 0, len(l.all)
	if rate > 0 {
		s.Left = time.Duration(d.Remaining.Requests / rate * float64(time.Second))
	}
	if left, known := by(s.Budget, d.Remaining.Requests, now); known {
		s.Left = left
	}
	s.flights(l)
}

// unread are the spans that are left alone for a while, since no answer for them could be read.
func (l *loop) unread(now time.Time) []Unread {
	var out []Unread
	for _, f := range l.feeds {
		for _, a := range l.fates.aside[f.ID] {
			if a.Until.After(now) {
				out = append(out, Unread{plan.Gap{Feed: f.ID, Axis: f.Axis, Span: a.Span}, a.Until})
			}
		}
	}
	return out
}

// odd counts the days in which something could not be understood, by feed.
func (l *loop) odd() map[string]int {
	var out map[string]int
	for _, f := range l.feeds {
		for _, c := range l.cover[f.ID] {
			if c.Odd > 0 {
				if out == nil {
					out = map[string]int{}
				}
				out[f.ID] += max(1, int(c.Span.Len()/(24*time.Hour)))
			}
		}
	}
	return out
}

// aloft shows what is in flight, where nothing is decided.
func (l *loop) aloft() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.flights(l)
}

// flights shows what is in flight.
func (s *Status) flights(l *loop) {
	s.Live, s.History, s.Waiting = doing(l.live), doing(l.history), l.idle()
	if s.History == nil { // its answer may still be on its way to the disk
		s.History = doing(l.putting)
	}
}

// by is how long history takes where the service allows so many requests in a window, of which today's are kept apart.
func by(b plan.Budget, requests float64, now time.Time) (time.Duration, bool) {
	spare := float64(b.Limit - b.Reserve)
	if b.Left < 0 || b.Window <= 0 || spare <= 0 {
		return 0, false
	}
	requests -= max(0, float64(b.Left-b.Reserve))
	if requests <= 0 {
		return 0, requests == 0
	}
	wait := max(0, b.Reset.Sub(now))
	return wait + time.Duration((requests-1)/spare)*b.Window, true
}

func doing(j *job) *Doing {
	if j == nil {
		return nil
	}
	return &Doing{Feed: j.item.Feed, Span: j.item.Span, Since: j.started, Why: j.item.Why}
}

// count books a request's cost and tells of its fate.
func (l *loop) count(r result) {
	now, it := l.cfg.Clock.Now(), r.job.item
	n := max(1, r.batch.Requests)
	if it.Feed == describe {
		n = describeCost
	}
	for range n {
		l.all = append(l.all, now)
		switch {
		case it.Feed == plan.Poll:
			l.polls = append(l.polls, now)
		case it.Paced:
			l.reads = append(l.reads, now)
		}
	}
	l.polls, l.reads, l.all = prune(l.polls, now), prune(l.reads, now), prune(l.all, now)
	e := Event{At: now, Took: now.Sub(r.job.started), Lane: it.Lane, Feed: it.Feed, Span: it.Span, Axis: l.feed(it.Feed).Axis, Why: it.Why,
		Requests: n, Change: r.change, Err: r.err}
	if it.Session != nil {
		e.Session = it.Session.Key
	}
	l.mu.Lock()
	f := l.status.Feeds[it.Feed]
	if r.err == nil {
		f = FeedStatus{Last: now}
		l.status.LastFetch = now
	}
	l.status.Feeds[it.Feed] = f
	l.mu.Unlock()
	l.cfg.Events(e)
}

// unanswered notes that the service was asked in vain.
func (l *loop) unanswered(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Unanswered = now
}

// describeCost is what the question after account and zone costs: identity, settings and devices.
const describeCost = 3

func prune(times []time.Time, now time.Time) []time.Time {
	return slices.DeleteFunc(times, func(t time.Time) bool { return !t.After(now.Add(-time.Hour)) || t.After(now) })
}

// showFailure shows a failure and when its feed will be asked again.
func (l *loop) showFailure(feed, key string, e *source.Error, err error) {
	now := l.cfg.Clock.Now()
	until := l.fates.failed[key]
	if d := l.state.Denied[feed]; d.After(until) {
		until = d
	}
	for _, a := range l.fates.aside[feed] {
		if a.Until.After(until) {
			until = a.Until
		}
	}
	if l.auth != nil {
		until = l.lookAgain
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.status.Feeds[feed]
	f.Failed, f.Kind, f.Error, f.Hint, f.NotBefore = now, e.Kind.String(), err.Error(), e.Hint, until
	l.status.Feeds[feed] = f
}

package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// live returns what the live lane may ask now, in order.
func (p *planner) live() []Item {
	var out []ranked
	if (p.unknown() || !p.in.Alone) && p.poll() {
		out = append(out, ranked{Item: Item{Lane: Live, Paced: true, Why: p.whyPoll(),
			Request: metric.Request{Person: p.in.Person, Feed: Poll, Zones: p.in.Zones}}, age: -1})
	}
	if p.unknown() || p.in.Alone {
		return items(out)
	}
	for _, f := range p.fields {
		switch {
		case f.behind != nil || !p.allowed(f.ID):
		case f.Trigger == metric.OnWish:
			out = append(out, p.tracks(f, Live)...)
		default:
			out = append(out, p.current(f)...)
		}
	}
	out = slices.DeleteFunc(out, func(r ranked) bool { return r.age > 0 && !p.affordable(p.byID[r.Feed].requests(r.Span)) })
	slices.SortStableFunc(out, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.age, b.age), cmp.Compare(a.class, b.class), a.asked.Compare(b.asked))
	})
	return items(out)
}

// unknown reports that nothing can be decided before the devices have been asked once. Where the service does not give them, which is
// remembered over a restart, it goes on without.
func (p *planner) unknown() bool {
	return !p.in.NoDevices && p.in.Polled.IsZero() && !p.inForce(p.in.Denied[Poll])
}

// ranked is an item and its place in the live lane.
type ranked struct {
	Item
	age   metric.Day // days ago
	class int
	asked time.Time // what has waited longest comes first among equals, so that nothing waits for ever
}

// Classes of one day, in order.
const (
	atEverySync = iota
	documents
	totals
	byClock
	followUps
)

func items(in []ranked) []Item {
	out := make([]Item, len(in))
	for i, r := range in {
		out[i] = r.Item
	}
	return out
}

func (f *field) class() int {
	switch {
	case f.Trigger == metric.OnWish:
		return followUps
	case f.Trigger == metric.OnClock:
		return byClock
	case f.Kind != "":
		return documents
	case f.Every == 0 && f.Axis == metric.Instants:
		return atEverySync
	}
	return totals
}

// counts reports whether f is a running total of the day: it grows while somebody is up, at whatever hour.
func (f *field) counts() bool { return f.class() == totals && f.Axis == metric.Days && !f.Settles }

// current returns what is missing of today and of the days before it that have been missed.
func (p *planner) current(f *field) []ranked {
	g := p.gaps(f)
	var out []ranked
	if !g.trail.Empty() && p.due(f, g.trail) {
		for _, s := range pieces(f.Feed, f.withLead(g.trail)) {
			out = append(out, p.rank(f, s, true, p.whySync(f, s)))
		}
	}
	for _, h := range g.holes {
		for _, s := range pieces(f.Feed, f.withLead(h)) {
			if !s.Overlap(h).Empty() {
				out = append(out, p.rank(f, s, false, p.whyHole(f, s)))
			}
		}
	}
	for _, n := range g.near {
		for !n.Empty() {
			s := p.cal.last(f.Feed, n)
			out = append(out, p.rank(f, s, false, p.whyNear(f, s)))
			n.End = s.Start
		}
	}
	return out
}

func (p *planner) rank(f *field, s metric.Span, paced bool, why string) ranked {
	last := s.End.Add(-1)
	d := metric.DayOf(last)
	if f.Axis == metric.Instants {
		d = p.cal.day(last)
	}
	it := p.item(f, Live, s, why)
	it.Paced = paced
	r := ranked{Item: it, age: max(0, p.today-d), class: f.class()}
	if r.class != atEverySync {
		r.asked = f.newestAsked()
	}
	return r
}

func (p *planner) byClock(f *field) bool { return p.blind || f.Trigger == metric.OnClock }

// period is how often a feed is read that goes by the clock.
func (p *planner) period(f *field) time.Duration {
	if f.Trigger == metric.OnClock {
		return cmp.Or(f.Every, clockRead)
	}
	return max(f.Every, blindRead)
}

// due reports whether the span since the newest answer of f is to be asked now, and notes when it will be.
func (p *planner) due(f *field, trail metric.Span) bool {
	if !trail.Start.After(f.near) {
		return true // nothing of the newest days has been asked
	}
	asked, every := f.newestAsked(), f.Every
	if p.byClock(f) {
		every = p.period(f)
	} else if p.ahead && !asked.Before(p.in.Seen) {
		return false // all has been asked that can be before our clock gets there
	}
	if f.Settles && p.in.Settled[f.ID] >= p.today && !trail.Start.Before(p.today.Civil()) {
		return false
	}
	if at := asked.Add(every); at.After(p.in.Now) {
		p.later(at)
		return false
	}
	sync, _, rest := p.most()
	switch {
	case f.class() == atEverySync && p.quiet && !p.stir:
		return p.roomAsleep()
	case f.class() == atEverySync:
		return p.room(1, sync)
	case p.quiet && !(p.stir && f.counts()):
		return false // what belongs to the night comes with the first sync behind it
	}
	return p.room(1, rest)
}

// tracks returns the sessions whose track is wanted, as requests of the lane.
func (p *planner) tracks(f *field, lane Lane) []ranked {
	var out []ranked
	_, _, rest := p.most()
	for _, t := range p.wantedTracks(f) {
		recent := t.Day > p.today-nearDays
		if recent != (lane == Live) || recent && (p.quiet || !p.room(1, rest)) {
			continue
		}
		it := p.track(f, lane, t)
		it.Paced = recent
		out = append(out, ranked{Item: it, age: max(0, p.today-t.Day), class: followUps})
	}
	return out
}

// wantedTracks returns the sessions whose track may be asked for now.
func (p *planner) wantedTracks(f *field) []metric.SessionRef {
	var out []metric.SessionRef
	for _, t := range p.in.Tracks {
		pending := slices.ContainsFunc(p.in.Pending, func(r metric.Request) bool {
			return r.Feed == f.ID && r.Session != nil && r.Session.Key == t.Key
		})
		if t.Kind == f.Kind && !pending && t.Day <= p.today && p.allowed(f.ID+"/"+t.Key) {
			out = append(out, t)
		}
	}
	return out
}

func (p *planner) track(f *field, lane Lane, t metric.SessionRef) Item {
	it := p.item(f, lane, metric.DaySpan(t.Day, t.Day), p.whyTrack(t))
	it.Session = &t
	return it
}

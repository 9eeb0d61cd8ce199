package plan

import (
	"math"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const (
	Lead      = 2 * time.Hour    // asked again before what a sync brought: values near the end of a sync still change
	horizon   = 30 * day         // what was missed within it is made good as part of today's work, not as history
	nearDays  = 3                // the newest days are fetched first, raw
	blindRead = 15 * time.Minute // how often feeds are read where no device tells when it synced
	clockRead = time.Hour        // how often feeds without a device are read, unless they say otherwise
)

// field is a feed and what is known of it. All its spans are on the feed's axis.
type field struct {
	metric.Feed
	index   int
	span    metric.Span      // all that may be asked of it now
	cover   []metric.Covered // in order, not overlapping, nothing of it in the future
	aside   []metric.Span
	near    time.Time // start of the newest days
	missing *gaps
	behind  *field // the raw feed whose coverage makes this one needless, while the service answers for it
}

func (p *planner) newField(f metric.Feed, index int) *field {
	fd := &field{Feed: f, index: index}
	until := p.sync
	if f.Trigger == metric.OnClock {
		until = p.in.Now
	}
	first, last := p.in.Start, p.cal.day(until)
	if f.Depth > 0 {
		first = max(first, p.today-metric.Day(f.Depth/day))
	}
	now := metric.Span{End: p.in.Now}
	if f.Axis == metric.Days {
		fd.span = metric.Span{Start: first.Civil(), End: (last + 1).Civil()}
		fd.near, now.End = (last - nearDays + 1).Civil(), (p.today + 1).Civil()
	} else {
		fd.span = metric.Span{Start: p.cal.midnight(first), End: until}
		fd.near = p.cal.midnight(last - nearDays + 1)
	}
	if !fd.span.Start.Before(fd.span.End) {
		fd.span.Start = fd.span.End
	}
	fd.cover = p.coverage(f.ID, now)
	for _, a := range p.in.Aside[f.ID] {
		if p.inForce(a.Until) {
			fd.aside = append(fd.aside, a.Span)
			p.later(a.Until)
		}
	}
	return fd
}

// coverage returns what has been answered or is being asked. What was asked in the future was asked while the clock was wrong:
// it stays answered, and is due to be read again.
func (p *planner) coverage(id string, now metric.Span) []metric.Covered {
	var asked []metric.Covered
	for _, r := range p.in.Pending {
		if r.Feed == id && r.Session == nil {
			asked = append(asked, metric.Covered{Span: r.Span, Asked: p.in.Now, Final: true, Reader: math.MaxInt})
		}
	}
	spans := spansOf(asked)
	out := make([]metric.Covered, len(asked), len(asked)+len(p.in.Coverage[id]))
	copy(out, asked)
	for _, c := range p.in.Coverage[id] {
		c.Span = c.Span.Overlap(now)
		if c.Asked.After(p.in.Now) {
			c.Asked = time.Time{}
		}
		if !c.Again.IsZero() {
			p.later(c.Again)
		}
		if len(spans) == 0 {
			out = appendCovered(out, c)
			continue
		}
		for _, s := range c.Span.Subtract(spans) {
			c.Span = s
			out = append(out, c)
		}
	}
	if len(spans) > 0 {
		slices.SortFunc(out, func(a, b metric.Covered) int { return a.Span.Start.Compare(b.Span.Start) })
	}
	return out
}

func appendCovered(to []metric.Covered, c metric.Covered) []metric.Covered {
	if c.Span.Empty() {
		return to
	}
	return append(to, c)
}

func spansOf(cover []metric.Covered) []metric.Span {
	out := make([]metric.Span, len(cover))
	for i, c := range cover {
		out[i] = c.Span
	}
	return out
}

// answered returns the spans that keep accepts, joined where they touch.
func (f *field) answered(keep func(metric.Covered) bool) []metric.Span {
	var out []metric.Span
	for _, c := range f.cover {
		switch n := len(out); {
		case !keep(c):
		case n > 0 && out[n-1].End.Equal(c.Span.Start):
			out[n-1].End = c.Span.End
		default:
			out = append(out, c.Span)
		}
	}
	return out
}

func final(c metric.Covered) bool { return c.Final }

// newestAsked returns when the newest part of f was asked.
func (f *field) newestAsked() time.Time {
	if len(f.cover) == 0 {
		return time.Time{}
	}
	return f.cover[len(f.cover)-1].Asked
}

// gaps are what is missing of a feed.
type gaps struct {
	trail metric.Span   // since the newest answer; empty for none
	holes []metric.Span // between answers, within the horizon
	near  []metric.Span // the newest days, never asked
	far   []metric.Span // history
}

// gaps sorts what is missing of f. An answer that is not final counts until a sync, or the clock, makes it worth asking again.
func (p *planner) gaps(f *field) gaps {
	if f.missing == nil {
		f.missing = p.findGaps(f)
	}
	return *f.missing
}

func (p *planner) findGaps(f *field) *gaps {
	since := p.in.Seen
	if p.byClock(f) {
		since = p.in.Now.Add(-p.period(f) + time.Second)
	}
	counts := func(c metric.Covered) bool { return (c.Final || !c.Asked.Before(since)) && !p.again(c) }
	have := f.answered(counts)
	var g gaps
	for _, s := range f.answered(func(c metric.Covered) bool { return counts(c) && f.misread(c) }) { // it is there: nothing to hurry for
		for _, s := range s.Subtract(f.aside) {
			g.far = appendSpan(g.far, s.Overlap(f.span))
		}
	}
	for _, s := range f.span.Subtract(append(have, f.aside...)) {
		known := len(f.cover) > 0 && !f.cover[0].Span.Start.After(s.Start)
		recent := s.Start.After(p.in.Now.Add(-horizon))
		switch {
		case known && recent && !s.End.Equal(f.span.End):
			g.holes = append(g.holes, s.Subtract(p.wished(f))...) // the user's wishes are history's
		case known && recent && !p.overtaken(f, s):
			g.trail = s
		default:
			near := s.Overlap(metric.Span{Start: f.near, End: f.span.End})
			if f.Whole && !near.Empty() {
				near = p.cal.last(f.Feed, s)
			}
			g.near = appendSpan(g.near, near)
			for _, far := range s.Subtract([]metric.Span{near}) {
				g.far = appendSpan(g.far, far)
			}
		}
	}
	return &g
}

// again reports whether what has been answered is to be asked again: it could not be understood wholly, or too much was gone to be believed
// at once.
func (p *planner) again(c metric.Covered) bool { return !c.Again.IsZero() && !c.Again.After(p.in.Now) }

// misread reports whether what has been answered was read by an older version.
func (f *field) misread(c metric.Covered) bool { return c.Reader < f.Reader }

// wished returns the spans that the user asked for, on the feed's axis.
func (p *planner) wished(f *field) []metric.Span {
	var out []metric.Span
	for _, w := range p.in.Wishes {
		out = append(out, p.spanOf(f, w))
	}
	return out
}

// spanOf returns the days of a wish on the feed's axis.
func (p *planner) spanOf(f *field, w Wish) metric.Span {
	if f.Axis == metric.Instants {
		return p.cal.toInstants(w.Days)
	}
	return w.Days
}

// overtaken reports that s, which reaches to the end, holds the newest days that nobody has asked for yet: on the lane beside, history
// has been answered up to them first, and that it was asked just now says nothing of them.
func (p *planner) overtaken(f *field, s metric.Span) bool {
	back := f.near.Sub(s.Start)
	return back >= 0 && back < 2*day && f.newestAsked().After(p.in.Now.Add(-time.Hour))
}

func appendSpan(to []metric.Span, s metric.Span) []metric.Span {
	if s.Empty() {
		return to
	}
	return append(to, s)
}

// withLead lets a span begin a little earlier, where that had been asked.
func (f *field) withLead(s metric.Span) metric.Span {
	if f.Axis == metric.Days {
		return s // an answer for a day is final only after the day and its lead
	}
	back := Lead
	if most := step(f.Feed); most > 0 {
		back = min(back, most/2)
	}
	s.Start = s.Start.Add(-back)
	if s.Start.Before(f.span.Start) {
		s.Start = f.span.Start
	}
	return s
}

// cost estimates the requests that a span takes.
func (f *field) cost(s metric.Span) float64 {
	days := s.Len().Hours() / 24
	chunk := step(f.Feed)
	if f.Cost > 0 {
		return f.Cost * days
	}
	if chunk == 0 {
		return min(1, days)
	}
	return days / (chunk.Hours() / 24)
}

func (f *field) requests(s metric.Span) int { return max(1, int(math.Ceil(f.cost(s)))) }

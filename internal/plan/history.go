package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// history returns what the history lane may ask now, in order: the user's wishes, late data, the past.
func (p *planner) history() []Item {
	if p.unknown() {
		return nil
	}
	n := max(1, p.in.Preview)
	out := p.wishes(n)
	if len(out) < n {
		out = append(out, p.late()...)
	}
	if len(out) < n {
		out = append(out, p.past(n)...)
	}
	out = slices.DeleteFunc(out, func(it Item) bool { return !p.affordable(p.byID[it.Feed].requests(it.Span)) })
	return out[:min(n, len(out))]
}

// wishes returns up to n requests for the days the user asked for.
func (p *planner) wishes(n int) []Item {
	var out []Item
	for _, w := range p.in.Wishes {
		for _, f := range p.fields {
			if !p.allowed(f.ID) {
				continue
			}
			out = append(out, p.cut(f, p.wanted(f, w), n, p.whyWish)...)
		}
	}
	if len(out) == 0 { // the sessions are known now
		out = p.wishedTracks()
	}
	return p.order(out)
}

// wishedTracks returns the tracks that are missing of the days the user asked for, the newest days' too.
func (p *planner) wishedTracks() []Item {
	var out []Item
	for _, f := range p.fields {
		if f.Trigger != metric.OnWish || !p.allowed(f.ID) {
			continue
		}
		for _, t := range p.wantedTracks(f) {
			if slices.ContainsFunc(p.in.Wishes, func(w Wish) bool { return w.Days.Contains(t.Day.Civil()) }) {
				out = append(out, p.track(f, History, t))
			}
		}
	}
	return out
}

// A Gap is a span of a feed, on its own axis, that has not been answered.
type Gap struct {
	Feed string
	Axis metric.Axis
	Span metric.Span
}

// Missing returns what of a wish has not been answered, whatever the reason, of feeds that the service gives; of a feed of tracks it is
// the days of their sessions. Nothing of it is asked.
func Missing(in Input, w Wish) []Gap {
	in.Aside, in.Failed, in.Wishes = nil, nil, []Wish{w}
	p := newPlanner(in)
	var out []Gap
	for _, f := range p.fields {
		if p.inForce(in.Denied[f.ID]) {
			continue
		}
		for _, s := range p.wanted(f, w) {
			if s.Len() >= sliver {
				out = append(out, Gap{f.ID, f.Axis, s})
			}
		}
	}
	for _, it := range p.wishedTracks() {
		out = append(out, Gap{it.Feed, metric.Days, it.Span})
	}
	return out
}

// sliver is too little to be named: Remaining.Done passes over it, too.
const sliver = 90 * time.Second

// wanted returns what is still to ask of f for a wish.
func (p *planner) wanted(f *field, w Wish) []metric.Span {
	if f.Trigger == metric.OnWish || f.behind != nil {
		return nil
	}
	s := p.spanOf(f, w)
	if s.End.After(f.span.End) {
		s.End = f.span.End
	}
	at := w.At
	if at.After(p.in.Now) {
		at = p.in.Now
	}
	// What came after the wish was made is not in it: it belongs to the live lane, and would never end.
	if f.Axis == metric.Instants && s.End.After(at) {
		s.End = at
	}
	if s.Empty() {
		return nil
	}
	done := f.answered(func(metric.Covered) bool { return true })
	return s.Subtract(append(done, f.aside...))
}

// past returns up to n requests for what has never been asked.
func (p *planner) past(n int) []Item {
	var out []Item
	most, near := metric.RankRaw, false
	for _, f := range p.fields {
		if !p.allowed(f.ID) {
			continue
		}
		if f.Trigger == metric.OnWish {
			out = append(out, items(p.tracks(f, History))...)
			continue
		}
		if g := p.gaps(f); f.behind == nil && len(g.near)+len(g.holes) > 0 {
			most, near = min(most, f.Rank), true // the live lane is still at its newest days; higher ranks wait for its history
			continue
		}
		out = append(out, p.cut(f, p.missing(f), n, p.whyPast)...)
	}
	out = slices.DeleteFunc(out, func(it Item) bool {
		f := p.byID[it.Feed]
		return f.Rank > most || near && f.Rank == most && f.Whole // its place among those that are not there yet is not known
	})
	return p.order(out)
}

// missing returns the history of f that has never been answered and is needed.
func (p *planner) missing(f *field) []metric.Span {
	g := p.gaps(f)
	if f.behind == nil {
		return g.far
	}
	soon := p.gaps(f.behind) // what the live lane will ask of the raw feed anyway
	raw := slices.Concat(soon.near, soon.holes, []metric.Span{soon.trail})
	var out []metric.Span
	for _, gap := range f.needed(slices.Concat(g.far, g.holes)) {
		for _, s := range gap.Subtract(raw) {
			out = appendSpan(out, s.Overlap(metric.Span{Start: f.span.Start, End: f.near}))
		}
	}
	return out
}

// cut turns spans into up to n requests, newest first.
func (p *planner) cut(f *field, spans []metric.Span, n int, why func(*field, metric.Span) string) []Item {
	var out []Item
	slices.SortFunc(spans, func(a, b metric.Span) int { return b.Start.Compare(a.Start) })
	for _, gap := range spans {
		for !gap.Empty() && len(out) < n {
			s := p.cal.last(f.Feed, gap)
			out = append(out, p.item(f, History, s, why(f, s)))
			gap.End = s.Start
		}
	}
	return out
}

// order sorts history: by rank, then newest first. What one request brings whole has its place where it begins: until then the other
// feeds of its rank have not come so far back.
func (p *planner) order(in []Item) []Item {
	at := func(it Item) int64 {
		if p.byID[it.Feed].Whole {
			return it.Span.Start.UnixNano()
		}
		return it.Span.End.UnixNano()
	}
	slices.SortStableFunc(in, func(a, b Item) int {
		return cmp.Or(cmp.Compare(p.byID[a.Feed].Rank, p.byID[b.Feed].Rank), cmp.Compare(at(b), at(a)))
	})
	return in
}

// remaining counts what is still to fetch.
func (p *planner) remaining(d *Decision) {
	for _, f := range p.fields {
		for _, c := range f.cover {
			if f.misread(c) {
				d.Misread += c.Span.Overlap(f.span).Len().Hours() / 24
			}
		}
		if p.inForce(p.in.Denied[f.ID]) || f.Trigger == metric.OnWish {
			continue
		}
		g := p.gaps(f)
		missing := p.missing(f)
		if f.behind == nil {
			missing = slices.Concat(missing, g.near, g.holes)
		}
		d.Remaining.add(f, missing, f.needed([]metric.Span{f.span}))
		for _, w := range p.in.Wishes {
			if f.behind == nil && !p.givenUp(f.ID) {
				d.Wished.add(f, p.wanted(f, w), []metric.Span{p.spanOf(f, w)})
			}
		}
	}
	d.Wished.Tracks = len(p.wishedTracks())
	for _, t := range p.in.Tracks {
		if f := p.trackFeed(t.Kind); f != nil && t.Day <= p.today-nearDays {
			d.Remaining.Requests++
		}
	}
}

// givenUp reports whether a feed is left alone for so long that nobody waits for a wish of it: its answers cannot be read. A failure
// that may pass by itself is tried again sooner.
func (p *planner) givenUp(id string) bool {
	const tooLong = 30 * time.Minute
	until := p.in.Failed[id]
	return p.inForce(until) && until.Sub(p.in.Now) > tooLong
}

func (p *planner) trackFeed(kind metric.SessionKind) *field {
	for _, f := range p.fields {
		if f.Trigger == metric.OnWish && f.Kind == kind && !p.inForce(p.in.Denied[f.ID]) {
			return f
		}
	}
	return nil
}

func (r *Remaining) add(f *field, missing, all []metric.Span) {
	for _, s := range missing {
		r.Days += s.Len().Hours() / 24
		r.Requests += f.cost(s)
	}
	for _, s := range all {
		r.Total += s.Len().Hours() / 24
	}
}

package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// again says how late data are looked for: depth back, once per period. What was asked within skip is left out, so that a
// re-read of several requests goes on where it was interrupted.
type again struct {
	depth, period, skip time.Duration
	words               string
}

// rereads returns the rules for f, the shallow one first.
func (p *planner) rereads(f *field) []again {
	monthly := again{30 * day, 7 * day, day, "once a week the last 30 days are read again"}
	if f.Axis == metric.Instants {
		every := cmp.Or(p.in.Pace.Reread, 6*time.Hour)
		return []again{{2 * day, every, 30 * time.Minute, fmt.Sprintf("every %.0f hours the last 48 hours are read again", every.Hours())}, monthly}
	}
	return []again{{7 * day, day, time.Hour, "once a day the last 7 days are read again"}, monthly}
}

// late returns what is to be read again now because late data may have come, the shallow ones first.
func (p *planner) late() []Item {
	var out []Item
	_, most, _ := p.most()
	for level := range 2 {
		for _, f := range p.fields {
			if f.Trigger == metric.OnWish || !p.allowed(f.ID) {
				continue
			}
			r := p.rereads(f)[level]
			s := p.stale(f, r)
			if s.Empty() || p.quiet || !p.room(min(f.requests(s), 20), most) || !p.affordable(f.requests(s)) {
				continue
			}
			it := p.item(f, History, s, p.whyLate(f, s, r.words))
			it.Paced = true
			out = append(out, it)
		}
	}
	return out
}

// stale returns the newest request of a re-read that is due, or an empty span; it notes when one will be.
func (p *planner) stale(f *field, r again) metric.Span {
	window := metric.Span{Start: f.span.End.Add(-r.depth), End: f.span.End}.Overlap(f.span)
	if f.Axis == metric.Instants {
		window = later(window, p.in.Now.Add(-r.depth))
	}
	oldest := p.in.Now
	var old []metric.Span
	for _, c := range f.cover {
		s := c.Span.Overlap(window)
		if s.Empty() || !c.Final || !p.changed(f, c) {
			continue
		}
		if c.Asked.Before(oldest) {
			oldest = c.Asked
		}
		if c.Asked.Before(p.in.Now.Add(-r.skip)) {
			old = append(old, s)
		}
	}
	old = f.needed(old)
	if len(old) == 0 {
		return metric.Span{}
	}
	if due := oldest.Add(r.period); due.After(p.in.Now) {
		p.later(due)
		return metric.Span{}
	}
	hull := metric.Span{Start: old[0].Start, End: old[len(old)-1].End}
	parts := f.needed(hull.Subtract(f.aside))
	if len(parts) == 0 {
		return metric.Span{}
	}
	s := parts[len(parts)-1]
	if most := step(f.Feed); most > 0 && s.Len() > most {
		s.Start = s.End.Add(-most)
	}
	return s
}

// changed reports whether a late value can have come since c was asked: a device has synced, or none stands behind the feed.
func (p *planner) changed(f *field, c metric.Covered) bool {
	return p.byClock(f) || c.Asked.Before(p.in.Seen)
}

// needed takes away what the raw feed behind f answers.
func (f *field) needed(spans []metric.Span) []metric.Span {
	if f.behind == nil {
		return spans
	}
	raw := f.behind.answered(final)
	var out []metric.Span
	for _, s := range spans {
		out = append(out, s.Subtract(raw)...)
	}
	slices.SortFunc(out, func(a, b metric.Span) int { return a.Start.Compare(b.Start) })
	return out
}

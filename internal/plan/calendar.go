package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const day = 24 * time.Hour

// calendar is a person's dated list of zones, each looked up once.
type calendar struct {
	from []metric.Day
	locs []*time.Location
}

func newCalendar(z metric.Zones) calendar {
	if len(z) == 0 {
		return calendar{from: []metric.Day{0}, locs: []*time.Location{time.UTC}}
	}
	var c calendar
	for _, e := range z {
		c.from, c.locs = append(c.from, e.From), append(c.locs, z.On(e.From))
	}
	return c
}

// now returns the newest zone.
func (c calendar) now() *time.Location { return c.locs[len(c.locs)-1] }

// midnight returns the instant at which d begins for the person.
func (c calendar) midnight(d metric.Day) time.Time {
	at := 0
	for i, f := range c.from {
		if f <= d {
			at = i
		}
	}
	return d.In(c.locs[at]).UTC()
}

// day returns the person's day at t: the last one that has begun.
func (c calendar) day(t time.Time) metric.Day {
	d := metric.DayOf(t.UTC()) + 2 // no zone is two days ahead of UTC
	for c.midnight(d).After(t) {
		d--
	}
	return d
}

// DayAt returns the person's day at t.
func DayAt(z metric.Zones, t time.Time) metric.Day { return newCalendar(z).day(t) }

// Asleep reports whether t is in the quiet window.
func Asleep(z metric.Zones, q Quiet, t time.Time) bool {
	in, _ := newCalendar(z).quiet(t, q)
	return in
}

// quiet reports whether t is in the window, and when that window began.
func (c calendar) quiet(t time.Time, q Quiet) (bool, time.Time) {
	if q.From == q.To {
		return false, time.Time{}
	}
	today := metric.DayOf(t.In(c.now()))
	for _, d := range []metric.Day{today, today - 1} {
		from, to := c.wall(d, q.From), c.wall(d, q.To)
		if q.To < q.From {
			to = c.wall(d+1, q.To)
		}
		if !t.Before(from) && t.Before(to) {
			return true, from
		}
	}
	return false, time.Time{}
}

// nextEdge returns the next begin or end of the window after t.
func (c calendar) nextEdge(t time.Time, q Quiet) time.Time {
	today := metric.DayOf(t.In(c.now()))
	edges := []time.Time{c.wall(today, q.From), c.wall(today, q.To), c.wall(today+1, q.From), c.wall(today+1, q.To)}
	slices.SortFunc(edges, time.Time.Compare)
	for _, e := range edges {
		if e.After(t) {
			return e
		}
	}
	return t
}

// wall returns the instant at which the clocks of the newest zone show that minute of day d.
func (c calendar) wall(d metric.Day, minute int) time.Time {
	y, m, dd := d.Civil().Date()
	return time.Date(y, m, dd, 0, minute, 0, 0, c.now()).UTC()
}

// toInstants turns a span of days into the instants it reaches over.
func (c calendar) toInstants(s metric.Span) metric.Span {
	return metric.Span{Start: c.midnight(metric.DayOf(s.Start)), End: c.midnight(metric.DayOf(s.End))}
}

// last cuts the newest request out of a gap: not longer than the feed's Max, about its Chunk, beginning at a midnight where that
// is possible.
func (c calendar) last(f metric.Feed, gap metric.Span) metric.Span {
	most, want := f.Max, step(f)
	if want == 0 {
		return gap
	}
	if f.Axis == metric.Days {
		return later(gap, gap.End.Add(-want))
	}
	if want < day {
		d := c.midnight(c.day(gap.End.Add(-1)))
		if from := gap.End.Add(-want); from.After(d) {
			d = from
		}
		return later(gap, d)
	}
	d := c.day(gap.End.Add(-1))
	from := c.midnight(d)
	for from.After(gap.Start) { // a day of 25 hours is no reason for a second request, unless it breaks the limit
		before := c.midnight(d - 1)
		if gap.End.Sub(before) > want+time.Hour || (most > 0 && gap.End.Sub(before) > most) {
			break
		}
		d, from = d-1, before
	}
	if most > 0 && gap.End.Sub(from) > most {
		from = gap.End.Add(-most)
	}
	return later(gap, from)
}

// later moves the start of s to t if that is later.
func later(s metric.Span, t time.Time) metric.Span {
	if t.After(s.Start) {
		s.Start = t
	}
	return s
}

// pieces cuts s into requests from its start, the newest first. The cuts stay where they are while s loses its newest part.
func pieces(f metric.Feed, s metric.Span) []metric.Span {
	most := step(f)
	if most == 0 || s.Len() <= most {
		return []metric.Span{s}
	}
	var out []metric.Span
	for at := s.Start; at.Before(s.End); at = at.Add(most) {
		out = append(out, metric.Span{Start: at, End: at.Add(most)}.Overlap(s))
	}
	slices.Reverse(out)
	return out
}

// step is how much of a feed one request asks for, whole days on the axis Days; 0 for no limit.
func step(f metric.Feed) time.Duration {
	most := cmp.Or(f.Chunk, f.Max)
	if f.Max > 0 {
		most = min(most, f.Max)
	}
	if f.Axis == metric.Days && most > 0 {
		most = max(1, most/day) * day
	}
	return most
}

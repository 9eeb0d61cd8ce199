package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// clockTime shows t on the person's clock, with the day where it is not today.
func (p *planner) clockTime(t time.Time) string {
	t = t.In(p.cal.now())
	if metric.DayOf(t) == metric.DayOf(p.in.Now.In(p.cal.now())) {
		return t.Format("15:04")
	}
	return t.Format("15:04 on 2 January 2006")
}

// words shows a feed's id as people read it.
func words(f *field) string { return strings.ReplaceAll(f.ID, "_", " ") }

// when shows a span: by days, or by the clock.
func (p *planner) when(f *field, s metric.Span) string {
	if f.Axis == metric.Days {
		first, last := s.Days()
		return days(first, last)
	}
	first, last := p.cal.day(s.Start), p.cal.day(s.End.Add(-1))
	if p.cal.midnight(first).Equal(s.Start) {
		return days(first, last)
	}
	return fmt.Sprintf("%s to %s", p.clockTime(s.Start), p.clockTime(s.End))
}

func days(first, last metric.Day) string {
	if first == last {
		return first.String()
	}
	return first.String() + " to " + last.String()
}

func (p *planner) whyPoll() string {
	if p.in.Polled.IsZero() {
		return "asking the service for the devices and when they last synced"
	}
	if p.blind {
		return "no device has told when it synced; asking whether one does now"
	}
	return "asking whether a device has synced since " + p.clockTime(p.sync)
}

func (p *planner) whySync(f *field, s metric.Span) string {
	from := " since " + p.clockTime(s.Start)
	if f.Axis == metric.Days {
		from = " for " + p.when(f, s)
	} else if s.End.Before(f.span.End) {
		from = " from " + p.when(f, s)
	}
	switch {
	case f.Trigger == metric.OnClock:
		return "no device stands behind " + words(f) + ", so it goes by the clock; asking" + from
	case p.blind:
		return "no device tells when it syncs, so the clock decides; asking for " + words(f) + from
	}
	return "the device synced at " + p.clockTime(p.sync) + "; asking for " + words(f) + from
}

func (p *planner) whyHole(f *field, s metric.Span) string {
	return "missed while the device or the program was away; asking for " + words(f) + " of " + p.when(f, s)
}

func (p *planner) whyNear(f *field, s metric.Span) string {
	return "the newest days come first; asking for " + words(f) + " of " + p.when(f, s)
}

func (p *planner) whyTrack(t metric.SessionRef) string {
	return "a workout of " + t.Day.String() + " has a track; asking for it"
}

func (p *planner) whyLate(f *field, s metric.Span, rule string) string {
	return rule + ", in case values came late; asking for " + words(f) + " of " + p.when(f, s)
}

func (p *planner) whyWish(f *field, s metric.Span) string {
	return "you asked for these days; asking for " + words(f) + " of " + p.when(f, s)
}

func (p *planner) whyPast(f *field, s metric.Span) string {
	if slices.ContainsFunc(f.cover, func(c metric.Covered) bool { return (p.again(c) || f.misread(c)) && !c.Span.Overlap(s).Empty() }) {
		return "what was read there before is not certain; asking again for " + words(f) + " of " + p.when(f, s)
	}
	kind := [...]string{"what one request brings for many days", "minute values", "raw values and tracks"}[f.Rank]
	return "history, newest first: " + kind + "; asking for " + words(f) + " of " + p.when(f, s)
}

func (p *planner) idle() string {
	switch {
	case p.in.Busy.Live || p.in.Busy.History:
		return "waiting for an answer"
	case p.in.Budget.Left >= 0 && p.in.Budget.Left <= p.reserve() && p.in.Budget.Reset.After(p.in.Now):
		return "the rest of the budget is kept for today; it is full again at " + p.clockTime(p.in.Budget.Reset)
	case p.blind:
		return "nothing is missing; no device tells when it syncs, so the next look is by the clock"
	}
	return "nothing is missing; waiting for a sync later than " + p.clockTime(p.sync)
}

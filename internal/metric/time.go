package metric

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Day is a day of a person's own calendar: days since 1970-01-01.
type Day int32

// DayOf returns the calendar day of t in t's own location.
func DayOf(t time.Time) Day {
	y, m, d := t.Date()
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// ParseDay reads YYYY-MM-DD.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("day %q: want YYYY-MM-DD", s)
	}
	return DayOf(t), nil
}

// In returns the instant at which the day begins in loc: its midnight, or the first instant of the day where a change of clocks
// skips midnight.
func (d Day) In(loc *time.Location) time.Time {
	y, m, day := d.Civil().Date()
	t := time.Date(y, m, day, 0, 0, 0, 0, loc)
	for DayOf(t) < d { // time.Date may answer with the instant before the gap
		t = t.Add(15 * time.Minute)
	}
	return t
}

// Civil returns the day's midnight written as UTC: its place on the axis Days.
func (d Day) Civil() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d Day) String() string { return d.Civil().Format(time.DateOnly) }

// Axis says what the ends of a feed's spans are.
type Axis uint8

const (
	Instants Axis = iota // instants, in UTC
	Days                 // days of the person's calendar, their midnights written as UTC
)

// A Span is half open: Start is in it, End is not.
type Span struct{ Start, End time.Time }

// DaySpan returns the span of the days from first to last, both in it, on the axis Days.
func DaySpan(first, last Day) Span { return Span{first.Civil(), (last + 1).Civil()} }

// Empty reports whether nothing is in s.
func (s Span) Empty() bool { return !s.Start.Before(s.End) }

// Len returns the length of s.
func (s Span) Len() time.Duration { return s.End.Sub(s.Start) }

// Contains reports whether t is in s.
func (s Span) Contains(t time.Time) bool { return !t.Before(s.Start) && t.Before(s.End) }

// Overlap returns what is in both; it may be empty.
func (s Span) Overlap(o Span) Span {
	if o.Start.After(s.Start) {
		s.Start = o.Start
	}
	if o.End.Before(s.End) {
		s.End = o.End
	}
	return s
}

// Days returns the first and last day in s, a span of the axis Days.
func (s Span) Days() (first, last Day) {
	return DayOf(s.Start), DayOf(s.End.Add(-1))
}

func (s Span) String() string {
	const layout = "2006-01-02T15:04:05Z"
	return s.Start.UTC().Format(layout) + "/" + s.End.UTC().Format(layout)
}

// Subtract returns the parts of s that none of the others covers, in order.
func (s Span) Subtract(others []Span) []Span {
	others = slices.SortedFunc(slices.Values(others), func(a, b Span) int { return cmp.Compare(a.Start.UnixNano(), b.Start.UnixNano()) })
	var out []Span
	at := s.Start
	for _, o := range others {
		if !o.End.After(at) {
			continue
		}
		if !o.Start.Before(s.End) {
			break
		}
		if o.Start.After(at) {
			out = append(out, Span{at, o.Start})
		}
		at = o.End
	}
	if at.Before(s.End) {
		out = append(out, Span{at, s.End})
	}
	return out
}

// Union returns spans, in order and apart from each other, with s among them. Empty ones are left out.
func Union(spans []Span, s Span) []Span {
	if s.Empty() {
		return spans
	}
	var out []Span
	for _, o := range spans {
		if o.End.Before(s.Start) || o.Start.After(s.End) {
			out = append(out, o)
			continue
		}
		if o.Start.Before(s.Start) {
			s.Start = o.Start
		}
		if o.End.After(s.End) {
			s.End = o.End
		}
	}
	at, _ := slices.BinarySearchFunc(out, s, func(a, b Span) int { return a.Start.Compare(b.Start) })
	return slices.Insert(out, at, s)
}

package fitbit

import (
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A wall turns what a clock on the wall showed into instants: nearly all times of this service are such. In the hour that the clocks
// show twice the first passage is meant until the times step back, then the second.
type wall struct {
	zones metric.Zones
	last  time.Time // the instant before, of an ascending list

	day  metric.Day // the offsets below are of it
	loc  *time.Location
	even bool // one offset all day
	off  time.Duration
}

// at returns the instant of a time written as if it were UTC; false for one that the clocks skip.
func (w *wall) at(civil time.Time) (time.Time, bool) {
	first, second, ok := w.both(civil)
	if ok && !second.IsZero() && !w.last.IsZero() && !first.After(w.last) {
		first = second
	}
	if ok {
		w.last = first
	}
	return first, ok
}

// near returns the instant of a civil time that is nearest to an expected one.
func (w *wall) near(civil, expected time.Time) (time.Time, bool) {
	first, second, ok := w.both(civil)
	if ok && !second.IsZero() && second.Sub(expected).Abs() < first.Sub(expected).Abs() {
		first = second
	}
	return first, ok
}

// both returns the instants at which the clock shows a civil time: none, one, or two.
func (w *wall) both(civil time.Time) (first, second time.Time, ok bool) {
	if d := metric.DayOf(civil); w.loc == nil || d != w.day {
		w.turn(d)
	}
	if w.even {
		return civil.Add(-w.off), time.Time{}, true
	}
	for _, around := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		off := offset(w.loc, civil.Add(around))
		t := civil.Add(-off)
		switch {
		case offset(w.loc, t) != off || ok && t.Equal(first):
		case !ok:
			first, ok = t, true
		default:
			second = t
		}
	}
	return first, second, ok
}

// turn looks up the offsets of a day.
func (w *wall) turn(d metric.Day) {
	w.day, w.loc = d, w.zones.On(d)
	w.off = offset(w.loc, d.Civil().Add(-24*time.Hour))
	w.even = w.off == offset(w.loc, d.Civil().Add(48*time.Hour))
}

func offset(loc *time.Location, t time.Time) time.Duration {
	_, seconds := t.In(loc).Zone()
	return time.Duration(seconds) * time.Second
}

// The forms in which the service writes times without an offset.
var civilLayouts = []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04:05"}

// parseCivil reads a time without an offset, as if it were UTC. Nothing outside the years that fit into an instant is one.
func parseCivil(s string) (time.Time, bool) {
	for _, layout := range civilLayouts {
		if t, err := time.Parse(layout, s); err == nil && sane(t) {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseDay reads a date, with or without a time behind it.
func parseDay(s string) (metric.Day, bool) {
	d, err := metric.ParseDay(s[:min(len(s), len(time.DateOnly))])
	return d, err == nil && sane(d.Civil())
}

func sane(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2250 }

// parseClock reads a time of day.
func parseClock(s string) (time.Duration, bool) {
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)), true
		}
	}
	return 0, false
}

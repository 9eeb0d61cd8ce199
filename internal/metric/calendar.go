package metric

import "time"

// A Calendar is a person's dated list of zones, each looked up once: for those who ask about many days.
type Calendar struct {
	from []Day
	locs []*time.Location
}

// NewCalendar looks the zones up; none is UTC.
func NewCalendar(z Zones) Calendar {
	if len(z) == 0 {
		return Calendar{from: []Day{0}, locs: []*time.Location{time.UTC}}
	}
	var c Calendar
	for _, e := range z {
		c.from, c.locs = append(c.from, e.From), append(c.locs, z.On(e.From))
	}
	return c
}

// Zone returns the zone in force on that day.
func (c Calendar) Zone(d Day) *time.Location {
	at := 0
	for i, f := range c.from {
		if f <= d {
			at = i
		}
	}
	return c.locs[at]
}

// Midnight returns the instant at which that day begins for the person.
func (c Calendar) Midnight(d Day) time.Time { return d.In(c.Zone(d)).UTC() }

// Day returns the person's day at t: the last one that has begun.
func (c Calendar) Day(t time.Time) Day {
	d := DayOf(t.UTC()) + 1 // no zone is two days ahead of UTC
	for c.Midnight(d).After(t) {
		d--
	}
	return d
}

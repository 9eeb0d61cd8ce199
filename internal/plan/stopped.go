package plan

import (
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Stopped is a series that had a value on most days and has none any more, while the service answers for it.
type Stopped struct {
	Series metric.ID
	Last   metric.Day // that has a value
	Days   int        // answered since, without one
}

const (
	habit     = 28 // so many days before are looked at
	habitual  = 21 // so many of them with a value are most
	silence   = 4  // so many answered days without one are no chance
	forgotten = 60 // what stopped so many days ago has been told long enough
)

// StoppedSeries finds the series that have stopped. upTo is the last day that the devices have wholly synced; days returns the days for
// which the archive has a value, in order. What a person does not have every day, such as weight and workouts, cannot stop.
func StoppedSeries(feeds []metric.Feed, coverage map[string][]metric.Covered, zones metric.Zones, upTo metric.Day, days func(metric.ID) ([]metric.Day, error)) ([]Stopped, error) {
	var out []Stopped
	for _, f := range feeds {
		if f.Trigger != metric.OnSync || f.Kind == metric.Workout || f.Behind != "" {
			continue
		}
		var final []metric.Span
		for _, c := range coverage[f.ID] {
			if c.Final {
				final = append(final, c.Span)
			}
		}
		for _, id := range f.Series {
			have, err := days(id)
			if err != nil {
				return nil, err
			}
			if len(have) == 0 || slices.ContainsFunc(out, func(s Stopped) bool { return s.Series == id }) {
				continue
			}
			s := Stopped{Series: id, Last: have[len(have)-1]}
			before := slices.IndexFunc(have, func(d metric.Day) bool { return d > s.Last-habit })
			if len(have)-before < habitual || upTo-s.Last > forgotten {
				continue
			}
			for d := s.Last + 1; d <= upTo; d++ {
				if len(dayOn(f.Axis, zones, d).Subtract(final)) == 0 {
					s.Days++
				}
			}
			if s.Days >= silence {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

// dayOn is a day on an axis.
func dayOn(axis metric.Axis, zones metric.Zones, d metric.Day) metric.Span {
	if axis == metric.Instants {
		return zones.Bounds(metric.Days, metric.DaySpan(d, d))
	}
	return metric.DaySpan(d, d)
}

package homeassistant

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// upAtNight is how long a person may be up between two parts of one night; what begins later is a nap.
const upAtNight = 2 * time.Hour

// wholeNight is the newest day's sleeps.
type wholeNight struct {
	day        metric.Day
	sleeps     []metric.Session // all of the day, naps too, by their start
	main       metric.Session
	parts      []metric.Session // the main one, and those before and after it that belong to the same night
	start, end time.Time        // of the first and the last part
}

// newestNight returns the night of the newest day that has a sleep; false where there is none.
func (f facts) newestNight() (n wholeNight, ok bool) {
	if len(f.nights) == 0 {
		return n, false
	}
	n.day = slices.MaxFunc(f.nights, func(a, b metric.Session) int { return cmp.Compare(a.Day, b.Day) }).Day
	for _, s := range f.nights {
		if s.Day == n.day {
			n.sleeps = append(n.sleeps, s)
		}
	}
	slices.SortStableFunc(n.sleeps, func(a, b metric.Session) int { return a.Start.Compare(b.Start) })
	at := 0
	for i, s := range n.sleeps {
		if m := n.sleeps[at]; s.Main && !m.Main || s.Main == m.Main && s.End.Sub(s.Start) > m.End.Sub(m.Start) {
			at = i
		}
	}
	n.main = n.sleeps[at]
	first, last := at, at
	n.start, n.end = n.main.Start, n.main.End
	for first > 0 && n.start.Sub(n.sleeps[first-1].End) <= upAtNight {
		first--
		n.start = n.sleeps[first].Start
	}
	for last+1 < len(n.sleeps) && n.sleeps[last+1].Start.Sub(n.end) <= upAtNight {
		last++
		n.end = later(n.end, n.sleeps[last].End)
	}
	n.parts = n.sleeps[first : last+1]
	return n, true
}

// lastEnd is when the last sleep of the day ended, naps too.
func (n wholeNight) lastEnd() (end time.Time) {
	for _, s := range n.sleeps {
		end = later(end, s.End)
	}
	return end
}

// staged reports whether the stages of all parts have arrived.
func (n wholeNight) staged() bool {
	return !slices.ContainsFunc(n.parts, func(s metric.Session) bool { return !hasStages(s) })
}

// night puts the states of the newest night into d: of all sleeps of its day together what can be added up, of the night as a whole
// when it began and ended, the rest of the main sleep.
func (p *Publisher) night(d device, f facts) {
	n, ok := f.newestNight()
	if !ok {
		return
	}
	row := p.cfg.Catalogue.Must(metric.SleepSummary)
	for i, field := range row.Fields {
		e, ok := p.entities[field.Sensor]
		if !ok {
			continue
		}
		of, at := n.sleeps, n.lastEnd()
		if !e.Whole {
			of, at = []metric.Session{n.main}, n.main.End
		}
		if v, ok := sum(of, row.ID, i); ok {
			d.states[e.Key] = measured(round(v, e.Precision), f.stamp(at))
		}
	}
	end := f.stamp(n.end)
	d.states["sleep_start"], d.states["sleep_end"] = measured(f.stamp(n.start), end), measured(end, end)
	if stage, t, ok := p.lastStage(n.sleeps[len(n.sleeps)-1]); ok {
		d.states["sleep_stage"] = measured(stage, f.stamp(t))
	}
}

// sum adds one field of a series over sessions; false where none has it.
func sum(sessions []metric.Session, series metric.ID, field int) (total float64, ok bool) {
	for _, s := range sessions {
		for _, b := range s.Blocks {
			if b.Series != series {
				continue
			}
			for _, v := range b.Values[field] {
				if metric.Present(v) {
					total, ok = total+v, true
				}
			}
		}
	}
	return total, ok
}

// The words of the levels in the database, for the two kinds of sleep.
var (
	stages  = []string{"deep", "light", "rem", "awake"}
	classic = []string{"", "asleep", "restless", "awake"}
)

// lastStage returns the last stage of a sleep that has a duration, and its start: what closes a sleep has none.
func (p *Publisher) lastStage(s metric.Session) (stage string, at time.Time, ok bool) {
	row := p.cfg.Catalogue.Must(metric.SleepLevels)
	level, duration := row.Field("level"), row.Field("duration_seconds")
	words := stages
	if strings.EqualFold(s.Title, "classic") {
		words = classic
	}
	var last int64
	for _, b := range s.Blocks {
		if b.Series != row.ID {
			continue
		}
		for i, t := range b.Times {
			n := int(b.Values[level][i])
			if t < last || !metric.Present(b.Values[duration][i]) || n < 0 || n >= len(words) || words[n] == "" {
				continue
			}
			stage, last, ok = words[n], t, true
		}
	}
	return stage, time.Unix(0, last), ok
}

// hasStages reports whether the stages of a sleep have arrived: what closes it is a sample too.
func hasStages(s metric.Session) bool {
	n := 0
	for _, b := range s.Blocks {
		if b.Series == metric.SleepLevels {
			n += b.Len()
		}
	}
	return n > 1
}

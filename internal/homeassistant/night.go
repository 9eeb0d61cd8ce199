package homeassistant

import (
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// night puts the states of the newest night into d: of all sleeps of its day together what can be added up, the rest of the main one.
func (p *Publisher) night(d device, f facts) {
	sleeps, main := f.newestNight()
	if len(sleeps) == 0 {
		return
	}
	at := f.stamp(main.End)
	row := p.cfg.Catalogue.Must(metric.SleepSummary)
	for i, field := range row.Fields {
		e, ok := p.entities[field.Sensor]
		if !ok {
			continue
		}
		of := sleeps
		if !e.Whole {
			of = []metric.Session{main}
		}
		if v, ok := sum(of, row.ID, i); ok {
			d.states[e.Key] = state{round(v, e.Precision), at}
		}
	}
	d.states["sleep_start"], d.states["sleep_end"] = state{f.stamp(main.Start), at}, state{at, at}
	if stage, t, ok := p.lastStage(sleeps[len(sleeps)-1]); ok {
		d.states["sleep_stage"] = state{stage, f.stamp(t)}
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

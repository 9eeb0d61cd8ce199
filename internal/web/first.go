package web

import (
	"context"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// first is what arrives before the user's eyes at the end of the wizard.
type first struct {
	Work   Work
	Sinks  []Sink
	Values []firstValue // what people look for first
	More   []firstValue
	Help   string // the section about what keeps it from arriving
}

// firstValue is a value that has arrived.
type firstValue struct {
	Sensor, Value, Unit, Age string
	At                       time.Time
}

// firstData gathers the first values, what is being asked, and how far the databases are.
func (s *Server) firstData(ctx context.Context, p Person) (setupData, error) {
	d := setupData{Person: p, Step: "values"}
	st, err := s.statusNow(ctx)
	if err != nil {
		return d, err
	}
	d.First.Sinks = st.Sinks
	for _, w := range st.People {
		if w.Person == p.ID {
			d.First.Work, d.First.Help = w, w.Help
		}
	}
	values, err := s.cfg.Program.Values(ctx, p.ID)
	if err != nil {
		return d, err
	}
	bySensor := map[string]latest.Value{}
	for _, v := range values {
		if old, ok := bySensor[v.Field.Sensor]; v.Field.Sensor != "" && metric.Present(v.Value) && (!ok || v.At.After(old.At)) {
			bySensor[v.Field.Sensor] = v
		}
	}
	var all []firstValue
	for _, sensor := range sensors() {
		if v, ok := bySensor[sensor]; ok {
			f := firstValue{Sensor: sensor, Age: s.ago(v.At), At: v.At}
			f.Value, f.Unit = s.quantity(v.Value, v.Field)
			all = append(all, f)
		}
	}
	n := min(len(all), shownFirst)
	d.First.Values, d.First.More = all[:n], all[n:]
	return d, nil
}

// shownFirst is how many values are shown at once; the others are behind them.
const shownFirst = 12

// wellKnown are the sensors that everybody looks for.
var wellKnown = []string{"heart_rate", "steps", "sleep_asleep", "resting_heart_rate", "distance", "calories", "hrv", "spo2", "weight", "azm", "floors", "breathing_rate", "skin_temperature", "vo2_max"}

// sensors are the sensors of the catalogue, each once, the well known ones first.
func sensors() []string {
	out := slices.Clone(wellKnown)
	seen := map[string]bool{"": true}
	for _, sensor := range wellKnown {
		seen[sensor] = true
	}
	for _, row := range metric.Default() {
		for _, f := range row.Fields {
			if !seen[f.Sensor] {
				seen[f.Sensor] = true
				out = append(out, f.Sensor)
			}
		}
	}
	return out
}

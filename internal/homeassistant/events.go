package homeassistant

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const (
	fresh = 24 * time.Hour // what ended longer ago is history
	kept  = 3 * fresh      // a cursor forgets a workout

	// A night is told to be complete at the latest so long after its end, and after it was first seen: what belongs to it comes
	// minutes after its stages, or not at all.
	afterNight = 3 * time.Hour
	afterSeen  = 30 * time.Minute
)

// An event is something that has just happened. done enters it in the cursor.
type event struct {
	message
	done func()
}

// ofNight are the sensors whose values belong to a night, beside its stages.
var ofNight = []string{"hrv", "spo2", "breathing_rate", "skin_temperature"}

// workoutEvent is the body of the event of a finished workout. What is not known is left out.
type workoutEvent struct {
	Type      string   `json:"event_type"`
	Activity  string   `json:"activity"`
	Start     string   `json:"start"`
	End       string   `json:"end"`
	Minutes   float64  `json:"minutes"`
	Kilometre *float64 `json:"distance,omitempty"` // km
	Calories  *float64 `json:"calories,omitempty"` // kcal
	HeartRate *float64 `json:"average_heart_rate,omitempty"`
	Steps     *float64 `json:"steps,omitempty"`
}

// The types of the event of a night.
const (
	nightWhole     = "night_complete"
	nightCorrected = "night_corrected" // a night that was reported before has grown
)

// nightEvent is the body of the event of a complete night.
type nightEvent struct {
	Type    string   `json:"event_type"`
	Day     string   `json:"day"`
	Start   string   `json:"start"`
	End     string   `json:"end"`
	Parts   int      `json:"parts"`                    // sleeps that make up the night
	Asleep  *float64 `json:"minutes_asleep,omitempty"` // all sleeps of the day together, as the sensor has it
	Missing []string `json:"missing"`                  // what has not come in time
}

// events returns what has happened and is still news, oldest first. It notes in the cursor what it has seen.
func (p *Publisher) events(d device, f facts) ([]event, error) {
	c := p.mem.cursor(d.person)
	for key, end := range c.Workouts {
		if f.now.Sub(end) > kept {
			delete(c.Workouts, key)
		}
	}
	var out []event
	for _, s := range f.workouts {
		if _, told := c.Workouts[s.Key]; told || d.hidden["workout"] || f.now.Sub(s.End) > fresh || s.End.After(f.now) {
			continue
		}
		body, err := json.Marshal(p.workout(s, f))
		if err != nil {
			return nil, fmt.Errorf("describing a workout: %w", err)
		}
		out = append(out, event{message{p.stateTopic(d.id, "workout"), string(body), false}, func() { c.Workouts[s.Key] = s.End }})
	}
	night, err := p.nightComplete(d, f, c)
	return append(out, night...), err
}

func (p *Publisher) workout(s metric.Session, f facts) workoutEvent {
	e := workoutEvent{Type: "workout", Activity: s.Title, Start: f.stamp(s.Start), End: f.stamp(s.End), Minutes: math.Round(s.End.Sub(s.Start).Minutes())}
	row := p.cfg.Catalogue.Must(metric.Workouts)
	for key, to := range map[string]**float64{"distance": &e.Kilometre, "calories": &e.Calories, "AverageHeartRate": &e.HeartRate, "steps": &e.Steps} {
		if v, ok := sum([]metric.Session{s}, row.ID, row.Field(key)); ok {
			v = round(v, 1)
			*to = &v
		}
	}
	return e
}

// nightComplete reports the newest night once all that belongs to it is there, or will not come any more; and again, corrected, when
// the night has grown since: somebody slept on, and the second part came with a later sync.
func (p *Publisher) nightComplete(d device, f facts, c *cursor) ([]event, error) {
	n, ok := f.newestNight()
	if !ok || d.hidden["night_complete"] {
		return nil, nil
	}
	if c.Night != n.day || !c.End.Equal(n.end) {
		c.Night, c.End, c.Seen = n.day, n.end, f.now
	}
	if c.Told == n.day && c.ToldEnd.IsZero() { // by a version that did not note this
		c.ToldStart, c.ToldEnd = n.start, n.end
	}
	kind := nightWhole
	if c.Told == n.day {
		kind = nightCorrected
	}
	grown := n.start.Before(c.ToldStart) || n.end.After(c.ToldEnd)
	if c.Told > n.day || c.Told == n.day && !grown || f.now.Sub(n.end) > fresh {
		return nil, nil
	}
	missing := p.missing(d, f, n)
	if len(missing) > 0 && (f.now.Sub(n.end) < afterNight || f.now.Sub(c.Seen) < afterSeen) {
		return nil, nil
	}
	body := nightEvent{Type: kind, Day: n.day.String(), Start: f.stamp(n.start), End: f.stamp(n.end), Parts: len(n.parts), Missing: missing}
	if v, ok := d.states["sleep_asleep"].Value.(float64); ok {
		body.Asleep = &v
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("describing a night: %w", err)
	}
	return []event{{message{p.stateTopic(d.id, "night_complete"), string(text), false}, func() { c.Told, c.ToldStart, c.ToldEnd = n.day, n.start, n.end }}}, nil
}

// missing returns what belongs to a night and has not come yet, of that which the live source gave for one of the nights before.
func (p *Publisher) missing(d device, f facts, n wholeNight) []string {
	out := []string{}
	since := f.before(n.day)
	if !d.hidden["sleep_stage"] && !n.staged() && slices.ContainsFunc(f.nights, func(s metric.Session) bool {
		return s.Day >= since && s.Day < n.day && hasStages(s)
	}) {
		out = append(out, "stages")
	}
	midnight, from := f.zones.Midnight(n.day), f.zones.Midnight(since)
	for _, key := range ofNight {
		of := func(v latest.Value) bool { return v.Field.Sensor == key }
		expected := slices.ContainsFunc(f.values, func(v latest.Value) bool { return of(v) && !v.Live.IsZero() && !v.Live.Before(from) })
		arrived := slices.ContainsFunc(f.values, func(v latest.Value) bool { return of(v) && !v.At.Before(midnight) })
		if !d.hidden[key] && expected && !arrived {
			out = append(out, key)
		}
	}
	return out
}

// before returns the day of the last night but two before that of a day: what came with none of these three is not waited for.
func (f facts) before(day metric.Day) metric.Day {
	since, n := day, 0
	for _, s := range slices.Backward(f.nights) {
		if s.Day < since {
			if since, n = s.Day, n+1; n == latest.Silence {
				break
			}
		}
	}
	if n == 0 {
		return day - latest.Silence
	}
	return since
}

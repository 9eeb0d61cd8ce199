package homeassistant

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// facts are what is known of a person at one moment.
type facts struct {
	now      time.Time
	today    metric.Day // of the counters
	zones    metric.Zones
	values   []latest.Value
	nights   []metric.Session // of the last days, oldest first
	workouts []metric.Session
	devices  []metric.Device
}

// nearDays and farDays are how many days back is looked for a night: the newest is nearly always among the near.
const (
	nearDays = 3
	farDays  = 60
)

// gather asks the archive for all that it knows of a person.
func (p *Publisher) gather(ctx context.Context, who Person) (f facts, err error) {
	today := metric.DayOf(p.cfg.Clock.Now().In(who.Zones().Now()))
	if f.values, err = p.cfg.Latest.Snapshot(ctx, who.ID); err != nil {
		return f, err
	}
	for _, days := range []metric.Day{nearDays, farDays} {
		f.nights, err = p.cfg.Archive.Sessions(ctx, who.ID, metric.Sleep, metric.DaySpan(today-days, today+1))
		if n := len(f.nights); err != nil || n > 0 && f.nights[0].Day < f.nights[n-1].Day { // the newest, and one to compare it with
			break
		}
	}
	if err == nil {
		f.workouts, err = p.cfg.Archive.Sessions(ctx, who.ID, metric.Workout, metric.DaySpan(today-nearDays, today+1))
	}
	return f, err
}

// refresh brings what is not in the archive up to date.
func (p *Publisher) refresh(f *facts, who Person) {
	f.now, f.zones, f.devices = p.cfg.Clock.Now(), who.Zones(), who.Devices()
	today := metric.DayOf(f.now.In(f.zones.Now()))
	c := p.mem.cursor(who.ID)
	if c.Today != today+1 { // a day ahead: the person has gone west, and has had this day
		c.Today = today
	}
	f.today = c.Today
}

// hidden returns the keys of a person's entities that are not published.
func (p *Publisher) hidden(who Person) map[string]bool {
	out := map[string]bool{}
	for _, key := range p.cfg.Hide {
		out[key] = true
	}
	for _, id := range who.LeaveOut {
		row, _ := p.cfg.Catalogue.Lookup(id)
		for _, f := range row.Fields {
			out[f.Sensor] = true
		}
		for _, key := range made[id] {
			out[key] = true
		}
	}
	return out
}

// made are the entities that are not a field of a series, by the series that they are made from.
var made = map[metric.ID][]string{
	metric.SleepSummary: {"sleep_start", "sleep_end", "sleeping", "night_complete"},
	metric.HeartRate:    {"worn"},
	metric.Workouts:     {"workout"},
}

// person returns a person's device.
func (p *Publisher) person(who Person, f facts) device {
	ids := p.mem.People[who.ID]
	d := device{
		id: ids.ID, via: serviceID, person: who.ID, name: join2("Fitbit", who.Name), entity: ids.Entity,
		maker: "Fitbit", model: model(f.devices), states: map[string]state{}, hidden: p.hidden(who),
	}
	for _, v := range f.values {
		e, ok := p.entities[v.Field.Sensor]
		if !ok || e.Place != OfPerson || d.hidden[e.Key] {
			continue
		}
		row, _ := p.cfg.Catalogue.Lookup(v.Series)
		if row.Sampling == metric.Sessions {
			continue // a night is told as a whole
		}
		d.states[e.Key] = f.state(row, v, e)
	}
	p.night(d, f)
	if s, ok := f.sleeping(); ok {
		d.states["sleeping"] = s
	}
	if s, ok := f.worn(); ok {
		d.states["worn"] = s
	}
	if len(f.workouts) > 0 {
		d.announce = append(d.announce, "workout")
	}
	if len(f.nights) > 0 {
		d.announce = append(d.announce, "night_complete")
	}
	return d
}

// state is the state of one field.
func (f facts) state(row metric.Series, v latest.Value, e Entity) state {
	if row.Sampling != metric.Daily {
		return measured(round(v.Value, e.Precision), f.stamp(v.At))
	}
	value, known := v.Today(row, f.today, f.zones)
	if !known {
		return measured(nil, f.dayOf(v.At).String())
	}
	at := f.dayOf(v.At)
	if latest.Counter(row, v.Field) {
		at = f.today
	}
	return measured(round(value, e.Precision), at.String())
}

// dayOf returns the day whose midnight t is.
func (f facts) dayOf(t time.Time) metric.Day {
	d := metric.DayOf(t.UTC())
	for _, d := range []metric.Day{d - 1, d, d + 1} {
		if f.zones.Midnight(d).Equal(t) {
			return d
		}
	}
	return metric.DayOf(t.In(f.zones.On(d)))
}

// stamp writes an instant in the person's own time.
func (f facts) stamp(t time.Time) string {
	return t.In(f.zones.On(metric.DayOf(t.UTC()))).Format(time.RFC3339)
}

// round leaves one digit more than is shown.
func round(v float64, precision int) float64 {
	scale := math.Pow10(precision + 1)
	return math.Round(v*scale) / scale
}

// model names the first tracker.
func model(devices []metric.Device) string {
	for _, d := range devices {
		if d.Tracker {
			return d.Name
		}
	}
	return ""
}

// trackers returns a device for each of the person's.
func (p *Publisher) trackers(who Person, of device, f facts) []device {
	var out []device
	for _, t := range f.devices {
		sum := sha256.Sum256([]byte(who.ID + "\x00" + t.ID))
		name := cmp.Or(t.Name, "Tracker")
		d := device{
			id: of.id + "_" + hex.EncodeToString(sum[:])[:trackerDigits], via: of.id, person: who.ID, tracker: true, name: join2(name, who.Name),
			entity: of.entity + "_" + cmp.Or(readable(name), "tracker"), maker: "Fitbit", model: t.Name, states: map[string]state{}, hidden: of.hidden,
		}
		if metric.Present(t.Battery) {
			d.states["battery"] = state{Value: round(t.Battery, 0)}
		}
		if !t.LastSync.IsZero() {
			d.states["last_sync"] = state{Value: f.stamp(t.LastSync)}
		}
		if len(d.states) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// serviceEntity begins the program's own entity ids.
const serviceEntity = "fitbit_fetch"

// service returns the program's own device.
func (p *Publisher) service() device {
	s := p.cfg.Service()
	d := device{id: serviceID, name: "Fitbit Fetch", entity: serviceEntity, hidden: map[string]bool{}, announce: []string{"sync"}, states: map[string]state{
		"authorization": {Value: onOff(s.Unauthorized), Stopped: s.Stopped},
		"connectivity":  {Value: s.answers()},
		"last_fetch":    {Value: instant(s.LastFetch)},
		"next_fetch":    {Value: instant(s.NextFetch)},
		"last_error":    {Value: cut(cmp.Or(s.LastError, "none"))},
		"requests":      {Value: s.Requests},
	}}
	for _, key := range p.cfg.Hide {
		d.hidden[key] = true
	}
	if s.InfluxDB {
		d.states["influxdb"] = state{Value: onOff(s.Connected)}
	} else {
		d.hidden["influxdb"] = true
	}
	if s.Left >= 0 {
		d.states["requests_left"] = state{Value: s.Left}
	}
	if metric.Present(s.Backfill) {
		d.states["backfill"] = state{Value: math.Floor(s.Backfill)}
	}
	return d
}

// answers tells whether the health service answers; unknown before it was asked.
func (s Service) answers() any {
	if s.LastFetch.IsZero() && s.Unanswered.IsZero() {
		return nil
	}
	return onOff(!s.Unanswered.After(s.LastFetch))
}

// devices returns all devices as they are now, each behind the one it belongs to.
func (p *Publisher) devices(known map[string]facts) []device {
	out := []device{p.service()}
	for _, who := range p.cfg.People {
		f := known[who.ID]
		d := p.person(who, f)
		out = append(out, d)
		out = append(out, p.trackers(who, d, f)...)
	}
	apart(out)
	return out
}

// apart keeps the entity ids of trackers from each other: two may have one name.
func apart(devices []device) {
	taken := map[string]bool{}
	for i := range devices {
		d := &devices[i]
		if d.tracker && taken[d.entity] {
			d.entity += d.id[len(d.id)-trackerDigits-1:]
		}
		if d.tracker {
			taken[d.entity] = true
		}
	}
}

// midnight returns how long it is, in told time, to the next midnight of anybody.
func (p *Publisher) midnight() time.Duration {
	next := 24 * time.Hour
	for _, who := range p.cfg.People {
		now, zones := p.cfg.Clock.Now(), who.Zones()
		next = min(next, zones.Midnight(metric.DayOf(now.In(zones.Now()))+1).Sub(now))
	}
	return next
}

func onOff(on bool) string {
	if on {
		return "ON"
	}
	return "OFF"
}

// instant writes an instant, or unknown.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// longest is how many characters Home Assistant takes as a state.
const longest = 255

func cut(s string) string {
	if r := []rune(s); len(r) > longest {
		return string(r[:longest-1]) + "…"
	}
	return s
}

// join2 puts a name behind a word, if there is one.
func join2(word, name string) string {
	if name == "" {
		return word
	}
	return word + " " + name
}

package web

import (
	"context"
	"html/template"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// todayData is what Today shows.
type todayData struct {
	Day      metric.Day
	Today    metric.Day
	First    metric.Day // no day of before can be asked for
	Zone     *time.Location
	IsToday  bool
	Previous metric.Day
	Next     metric.Day
	Heart    heart
	Periods  []period
	Steps    stepDay
	Night    night
	Workouts []workout
	Groups   []tileGroup
}

// Bare reports whether there is nothing of the day.
func (d todayData) Bare() bool {
	return d.Heart.Empty && d.Steps.Empty && d.Night.Empty && len(d.Night.Naps)+len(d.Workouts)+len(d.Groups) == 0
}

// tileGroup is tiles that belong together.
type tileGroup struct {
	Name  string // key of its title is group_NAME
	Tiles []tile
	More  []tile // of less interest
}

// tile is the newest value of one field.
type tile struct {
	Sensor string
	Note   string // tells two of one sensor apart
	Value  string
	Unit   string
	Age    string
	At     time.Time
	Old    bool // older than one would expect
}

// groups are the sensors in the order shown; after "|" come those of less interest. others are the series without a sensor. Every
// sensor and every series of the catalogue is in one.
var groups = []struct{ name, sensors, others string }{
	{"heart", "heart_rate resting_heart_rate hrv vo2_max | hrv_deep hr_zone_normal hr_zone_fat_burn hr_zone_cardio hr_zone_peak", "heart_rate_minute hrv_intraday"},
	{"activity", "steps distance calories azm floors | calories_active elevation minutes_very minutes_fair minutes_light minutes_sedentary azm_fat_burn azm_cardio azm_peak", "steps_intraday calories_intraday distance_intraday floors_intraday elevation_intraday workouts track"},
	{"night", "sleep_asleep sleep_deep sleep_rem sleep_light sleep_efficiency spo2 breathing_rate skin_temperature | sleep_awake sleep_in_bed sleep_to_fall_asleep sleep_after_wakeup sleep_stage spo2_min spo2_max", "breathing_rate_stages spo2_intraday skin_temperature_nightly"},
	{"body", "weight bmi body_fat core_temperature battery", ""},
}

func (s *Server) today(w http.ResponseWriter, r *request) {
	people, p, err := s.person(r.Context(), r.URL.Query().Get("person"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d, err := s.todayData(r.Context(), p, r.URL.Query().Get("day"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "today", http.StatusOK, view{Title: "today_title", People: people, Person: p, Notes: s.sessions.takeNotes(r.identity), Data: d})
}

// todayData gathers the values and the drawings of a day; a day that cannot be read or lies ahead is today.
func (s *Server) todayData(ctx context.Context, p Person, want string) (todayData, error) {
	now := s.cfg.Clock.Now()
	today := metric.DayOf(now.In(zone(p)))
	d := todayData{Day: today, Today: today, First: firstDay}
	if day, err := metric.ParseDay(want); err == nil && day >= firstDay && day < today {
		d.Day = day
	}
	d.IsToday, d.Previous, d.Next, d.Zone = d.Day == today, d.Day-1, d.Day+1, calendar(p).Zone(d.Day)
	f, err := s.facts(ctx, p, d.Day, !d.IsToday)
	if err != nil {
		return d, err
	}
	d.Heart, d.Periods = curve(f.beats, d.Day, d.Zone), s.periods(f, d.Day, d.Zone)
	d.Steps, d.Night, d.Workouts = stepBars(f.steps, d.Day, d.Zone), s.nightOf(f.sleeps, d.Day, d.Zone), s.workoutsOf(f.workouts, d.Day, d.Zone)
	values := f.values
	if d.IsToday {
		if values, err = s.values.slot(p.ID).get(now, s.told(valuesFresh), func() ([]latest.Value, error) { return s.cfg.Program.Values(ctx, p.ID) }); err != nil {
			return d, err
		}
		values = d.Heart.take(values)
	}
	d.Groups = s.tiles(values, p)
	if !d.IsToday { // their age goes without saying
		for _, g := range d.Groups {
			for _, list := range [][]tile{g.Tiles, g.More} {
				for i := range list {
					list[i].Age, list[i].Old = "", false
				}
			}
		}
	}
	return d, nil
}

// take takes the rate out of the newest values: it stands above the curve already, and the newest reading is newer than the last
// whole minute.
func (h *heart) take(values []latest.Value) []latest.Value {
	return slices.DeleteFunc(slices.Clone(values), func(v latest.Value) bool {
		if v.Field.Sensor != "heart_rate" || h.Empty || !metric.Present(v.Value) {
			return false
		}
		if !v.At.Before(h.LastAt) {
			h.Last, h.LastAt = whole(v.Value), v.At
		}
		return true
	})
}

// tiles puts the values into their groups.
func (s *Server) tiles(values []latest.Value, p Person) []tileGroup {
	catalogue := metric.Default()
	bySensor := map[string][]latest.Value{}
	for _, v := range values {
		if v.Field.Sensor != "" && metric.Present(v.Value) {
			bySensor[v.Field.Sensor] = append(bySensor[v.Field.Sensor], v)
		}
	}
	var out []tileGroup
	for _, g := range groups {
		t := tileGroup{Name: g.name}
		list := &t.Tiles
		for _, sensor := range strings.Fields(g.sensors) {
			if sensor == "|" {
				list = &t.More
				continue
			}
			for i, v := range bySensor[sensor] {
				row, _ := catalogue.Lookup(v.Series)
				*list = append(*list, s.tile(v, row, p, i > 0))
			}
		}
		if len(t.Tiles)+len(t.More) > 0 {
			out = append(out, t)
		}
	}
	return out
}

func (s *Server) tile(v latest.Value, row metric.Series, p Person, another bool) tile {
	t := tile{Sensor: v.Field.Sensor, At: v.At}
	t.Value, t.Unit = s.quantity(v.Value, v.Field)
	if another {
		t.Note = strings.Join(append(v.Tags, v.Device), " ")
	}
	now := s.cfg.Clock.Now()
	if row.Sampling == metric.Daily {
		age := metric.DayOf(now.In(zone(p))) - metric.DayOf(v.At.In(zone(p)))
		switch {
		case age <= 0:
			t.Age = s.word("today")
		case age == 1:
			t.Age = s.word("yesterday")
		default:
			t.Age = s.word("ago", "time", s.word("days", "n", int(age)))
		}
		t.Old = age > 2
		return t
	}
	t.Age = s.ago(v.At)
	if row.Sampling == metric.Sessions && row.ID != metric.SleepLevels && now.Sub(v.At) >= time.Minute { // told at its start
		t.Age = s.word("began", "time", s.lasting(now.Sub(v.At)))
	}
	t.Old = now.Sub(v.At) > 48*time.Hour
	return t
}

// quantity writes a value and its unit as people do.
func (s *Server) quantity(v float64, f metric.Field) (value, unit string) {
	switch {
	case f.Sensor == "sleep_stage":
		stages := []string{"stage_deep", "stage_light", "stage_rem", "stage_awake"}
		if i := int(v); i >= 0 && i < len(stages) {
			return s.word(stages[i]), ""
		}
		return s.word("stage_unknown"), ""
	case f.Unit == metric.Minute && v >= 60:
		return s.word("hours_minutes", "h", int(v)/60, "m", int(v)%60), ""
	case f.Unit == metric.Count:
		return count(v), ""
	case f.Unit == metric.BreathsPerMin:
		unit = s.word("per_minute")
	default:
		unit = string(f.Unit)
	}
	switch {
	case f.Kind == metric.Int, f.Unit == metric.Kilocalorie, math.Abs(v) >= 1000:
		return count(v), unit
	case f.Sensor == "skin_temperature": // against the person's own baseline
		if value = decimal(v, 1); v > 0 && value != "0" {
			value = "+" + value
		}
		return value, unit
	case f.Unit == metric.Kilometre:
		return decimal(v, 2), unit
	}
	return decimal(v, 1), unit
}

// heart is the curve of a day, ready to be drawn. Its width is the minutes of the day, its height 200.
type heart struct {
	Empty        bool
	Minutes      int    // 1380, 1440 or 1500
	Points       string // the means, for the script: a number or nothing for each step of curveStep minutes
	Band, Line   template.HTMLAttr
	Lines        []mark   // of the rate
	Hours        []mark   // of the clock
	Clocks       []string // what the clock shows at each hour since midnight, for the script
	Low, High    int
	Mean, Last   int
	LastAt       time.Time
	LastX, LastY string
	Table        []hour
}

// mark is a line of the grid with its text; At is a share of the width in percent, or a height.
type mark struct {
	At   string
	Text string
	Side string // how the text is anchored
}

// hour is a row of the table that says the same as the curve.
type hour struct {
	Clock           string
	Low, Mean, High int
}

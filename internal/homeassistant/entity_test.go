package homeassistant

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// classes is what Home Assistant takes: units and state classes by device class, as far as they are used. An empty list of units is
// no unit; nil is any.
var classes = map[string]struct{ units, states []string }{
	"":                  {nil, []string{"", "measurement", "total", "total_increasing"}},
	"battery":           {[]string{"%"}, []string{"measurement"}},
	"distance":          {[]string{"km", "m", "cm", "mm", "mi", "nmi", "yd", "in"}, []string{"measurement", "total", "total_increasing"}},
	"duration":          {[]string{"d", "h", "min", "s", "ms", "µs"}, []string{"measurement", "total", "total_increasing"}},
	"enum":              {[]string{""}, []string{""}},
	"temperature":       {[]string{"°C", "°F", "K"}, []string{"measurement"}},
	"temperature_delta": {[]string{"°C", "°F", "K"}, []string{"measurement"}},
	"timestamp":         {[]string{""}, []string{""}},
	"weight":            {[]string{"kg", "g", "mg", "µg", "oz", "lb", "st"}, []string{"measurement", "total", "total_increasing"}},
}

// others are the device classes of the other platforms.
var others = map[string][]string{
	BinarySensor: {"", "problem", "connectivity"},
	Event:        {""},
	Button:       {""},
}

// wrong returns what Home Assistant would not take of a row, or a user not like.
func wrong(e Entity) (out []string) {
	complain := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(e.Key) {
		complain("no key")
	}
	if e.Name == "" || len(e.Name) > 40 {
		complain("the name is empty or too long")
	}
	if e.Icon != "" && !regexp.MustCompile(`^mdi:[a-z0-9-]+$`).MatchString(e.Icon) {
		complain("icon %q", e.Icon)
	}
	if e.Icon == "" && e.DeviceClass == "" {
		complain("neither icon nor device class")
	}
	if e.Platform != Sensor {
		if !slices.Contains(others[e.Platform], e.DeviceClass) {
			complain("a %s has no device class %q", e.Platform, e.DeviceClass)
		}
		if e.Unit != "" || e.StateClass != "" || e.Precision != -1 {
			complain("a %s is no number", e.Platform)
		}
		if (e.Platform == Event) != (len(e.Values) > 0) {
			complain("event types %q", e.Values)
		}
		return out
	}
	c, ok := classes[e.DeviceClass]
	if !ok {
		complain("no device class %q", e.DeviceClass)
	}
	if c.units != nil && !slices.Contains(c.units, e.Unit) {
		complain("device class %q in %q", e.DeviceClass, e.Unit)
	}
	if !slices.Contains(c.states, e.StateClass) {
		complain("device class %q with state class %q", e.DeviceClass, e.StateClass)
	}
	if (e.DeviceClass == "enum") != (len(e.Values) > 0) {
		complain("options %q", e.Values)
	}
	if (e.StateClass != "") != (e.Precision >= 0) || e.Unit != "" && e.StateClass == "" {
		complain("number or not? unit %q, state class %q, precision %d", e.Unit, e.StateClass, e.Precision)
	}
	return out
}

func TestEntitiesAreValid(t *testing.T) {
	seen := map[string]bool{}
	names := map[string]bool{}
	for _, e := range Entities() {
		for _, w := range wrong(e) {
			t.Errorf("%s: %s", e.Key, w)
		}
		if seen[e.Key] || names[e.Name] {
			t.Errorf("%s (%s) is there twice", e.Key, e.Name)
		}
		seen[e.Key], names[e.Name] = true, true
	}
	if len(seen) < 50 {
		t.Errorf("only %d entities", len(seen))
	}
}

// The table of what is valid finds what Home Assistant has been seen to refuse.
func TestInvalidEntitiesAreFound(t *testing.T) {
	for name, change := range map[string]func(*Entity){
		"wrong unit":                func(e *Entity) { e.DeviceClass, e.Unit = "weight", "kcal" },
		"energy of a body":          func(e *Entity) { e.DeviceClass, e.Unit = "energy", "kcal" },
		"a delta that counts":       func(e *Entity) { e.DeviceClass, e.Unit = "temperature_delta", "°C" },
		"an instant with a unit":    func(e *Entity) { e.DeviceClass, e.Unit, e.StateClass = "timestamp", "s", "" },
		"enum without options":      func(e *Entity) { e.DeviceClass, e.Unit, e.StateClass, e.Precision = "enum", "", "", -1 },
		"options without enum":      func(e *Entity) { e.Values = []string{"a"} },
		"a number without a class":  func(e *Entity) { e.StateClass = "" },
		"a sensor with no name":     func(e *Entity) { e.Name = "" },
		"an event without types":    func(e *Entity) { *e = other(Event, "x", "X", "", "mdi:x") },
		"a problem with precision":  func(e *Entity) { *e = other(BinarySensor, "x", "X", "problem", ""); e.Precision = 1 },
		"unknown class of a binary": func(e *Entity) { *e = other(BinarySensor, "x", "X", "sleep", "mdi:x") },
	} {
		e := counter("steps", "Steps", "steps", "", 0, "mdi:walk")
		if change(&e); len(wrong(e)) == 0 {
			t.Errorf("%s: taken", name)
		}
	}
}

// Every sensor of the catalogue is in the table, in the unit in which it is held.
func TestEverySensorHasItsRow(t *testing.T) {
	rows := map[string]Entity{}
	for _, e := range Entities() {
		rows[e.Key] = e
	}
	units := map[metric.Unit]string{metric.Count: ""} // what is counted says so
	for _, s := range metric.Default() {
		for _, f := range s.Fields {
			if f.Sensor == "" {
				continue
			}
			e, ok := rows[f.Sensor]
			if !ok {
				t.Errorf("%s, %s: no row for the sensor %s", s.ID, f.Key, f.Sensor)
				continue
			}
			want, ok := units[f.Unit]
			if !ok {
				want = string(f.Unit)
			}
			if want != "" && e.Unit != want {
				t.Errorf("%s is shown in %q and held in %q", e.Key, e.Unit, want)
			}
		}
	}
}

// The health service answers as long as it was not asked in vain since its last answer.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		fetched, vain time.Time
		want          any
	}{{time.Time{}, time.Time{}, nil}, {noon, time.Time{}, "ON"}, {noon, noon.Add(-time.Minute), "ON"}, {noon, noon.Add(time.Minute), "OFF"}, {time.Time{}, noon, "OFF"}} {
		if got := (Service{LastFetch: c.fetched, Unanswered: c.vain}).answers(); got != c.want {
			t.Errorf("answered at %v, in vain at %v: %v, want %v", c.fetched, c.vain, got, c.want)
		}
	}
}

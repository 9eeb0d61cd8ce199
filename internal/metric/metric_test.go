package metric

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

var update = flag.Bool("update", false, "write the generated document anew")

func TestSchemaDocument(t *testing.T) {
	const path = "../../docs/schema.md"
	var b bytes.Buffer
	if err := WriteSchema(&b, Default()); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Errorf("%s is not what the catalogue says; run make generate", path)
	}
}

func TestCatalogue(t *testing.T) {
	ids := map[ID]bool{}
	sensors := map[string]ID{}
	type place struct{ measurement, field string }
	places := map[place]ID{}
	for _, s := range Default() {
		if ids[s.ID] {
			t.Errorf("%s stands twice", s.ID)
		}
		ids[s.ID] = true
		if s.Measurement == "" || s.Doc == "" || len(s.Fields) == 0 || s.LateDays == 0 {
			t.Errorf("%s: a row needs measurement, fields, late-data window and a sentence", s.ID)
		}
		for _, f := range s.Fields {
			if strings.Contains(f.Key, "→") {
				t.Errorf("%s.%s: key holds its sensor", s.ID, f.Key)
			}
			if p := (place{s.Measurement, f.Key}); places[p] != "" {
				t.Errorf("%s and %s both write %s.%s", places[p], s.ID, s.Measurement, f.Key)
			} else {
				places[p] = s.ID
			}
			if f.Sensor == "" {
				continue
			}
			if sensors[f.Sensor] != "" {
				t.Errorf("%s and %s both become sensor %s", sensors[f.Sensor], s.ID, f.Sensor)
			}
			sensors[f.Sensor] = s.ID
		}
	}
}

// What the Python project writes: measurement, tags beside Device, fields with their types, exact to the letter.
func TestPythonProjectsSchema(t *testing.T) {
	want := map[string]string{
		"HeartRate_Intraday":         "Device|value:i",
		"Steps_Intraday":             "Device|value:i",
		"HRV":                        "Device|dailyRmssd:f deepRmssd:f",
		"BreathingRate":              "Device|value:f",
		"Skin Temperature Variation": "Device|RelativeValue:f",
		"SPO2_Intraday":              "Device|value:f",
		"SPO2":                       "Device|avg:f max:f min:f",
		"weight":                     "Device|value:f",
		"bmi":                        "Device|value:f",
		"Sleep Summary":              "Device,isMainSleep|efficiency:i minutesAfterWakeup:i minutesAsleep:i minutesToFallAsleep:i minutesInBed:i minutesAwake:i minutesLight:i minutesREM:i minutesDeep:i",
		"Sleep Levels":               "Device,isMainSleep|level:i duration_seconds:i",
		"Activity Minutes":           "Device|minutesSedentary:i minutesLightlyActive:i minutesFairlyActive:i minutesVeryActive:i",
		"distance":                   "Device|value:f",
		"calories":                   "Device|value:f",
		"Total Steps":                "Device|value:f",
		"HR zones":                   "Device|Normal:i Fat Burn:i Cardio:i Peak:i activeZoneMinutes:i fatBurnActiveZoneMinutes:i cardioActiveZoneMinutes:i peakActiveZoneMinutes:i",
		"RestingHR":                  "Device|value:i",
		"DeviceBatteryLevel":         "Tracker|value:f",
		"Activity Records":           "ActivityName|ActiveDuration:i AverageHeartRate:i calories:i duration:i steps:i distance:f",
		"GPS":                        "ActivityID|lat:f lon:f altitude:f distance:f speed_kph:f heart_rate:i",
	}
	got := map[string]string{}
	for _, s := range Default() {
		if !s.Python {
			continue
		}
		tags := strings.Join(s.Tags, ",")
		if !s.NoDevice {
			tags = strings.TrimSuffix("Device,"+tags, ",")
		}
		var fields []string
		for _, f := range s.Fields {
			fields = append(fields, f.Key+":"+map[Kind]string{Int: "i", Float: "f"}[f.Kind])
		}
		if have, ok := got[s.Measurement]; ok {
			got[s.Measurement] = have + " " + strings.Join(fields, " ")
		} else {
			got[s.Measurement] = tags + "|" + strings.Join(fields, " ")
		}
	}
	for m, w := range want {
		if got[m] != w {
			t.Errorf("%s\n got %s\nwant %s", m, got[m], w)
		}
		delete(got, m)
	}
	for m := range got {
		t.Errorf("%s is not a measurement of the Python project", m)
	}
}

func TestDayIn(t *testing.T) {
	for _, c := range []struct{ zone, day, want string }{
		{"UTC", "2026-11-20", "2026-11-20T00:00:00Z"},
		{"Europe/Berlin", "2026-11-20", "2026-11-19T23:00:00Z"},
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z"},
		{"America/New_York", "2026-11-01", "2026-11-01T04:00:00Z"},
		{"Asia/Kolkata", "2026-11-01", "2026-10-31T18:30:00Z"},
		{"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"}, // midnight does not exist: the day begins at one
		{"Pacific/Kiritimati", "1970-01-01", "1970-01-01T10:40:00Z"},
	} {
		d, err := ParseDay(c.day)
		if err != nil {
			t.Fatal(err)
		}
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		got := d.In(loc)
		if s := got.UTC().Format(time.RFC3339); s != c.want {
			t.Errorf("%s in %s begins at %s, want %s", c.day, c.zone, s, c.want)
		}
		if DayOf(got) != d || DayOf(got.Add(-time.Second)) == d {
			t.Errorf("%s in %s: %s is not the beginning of the day", c.day, c.zone, got)
		}
	}
	if _, err := ParseDay("20.11.2026"); err == nil {
		t.Error("a day that is none was taken")
	}
}

func TestZones(t *testing.T) {
	day := func(s string) Day { d, _ := ParseDay(s); return d }
	z := Zones{{From: day("2026-01-01"), Name: "Europe/Berlin"}, {From: day("2026-07-10"), Name: "America/New_York"}, {From: day("2026-07-24"), Name: "Europe/Berlin"}}
	for d, want := range map[string]string{"2020-01-01": "Europe/Berlin", "2026-07-09": "Europe/Berlin", "2026-07-10": "America/New_York", "2026-07-23": "America/New_York", "2026-07-24": "Europe/Berlin"} {
		if got := z.On(day(d)).String(); got != want {
			t.Errorf("on %s in %s, want %s", d, got, want)
		}
	}
	if got := z.Now().String(); got != "Europe/Berlin" {
		t.Errorf("now in %s", got)
	}
	if got := (Zones)(nil).Now(); got != time.UTC {
		t.Errorf("no zone: %s", got)
	}
}

func TestSubtract(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 11, 20, h, 0, 0, 0, time.UTC) }
	span := func(a, b int) Span { return Span{at(a), at(b)} }
	for _, c := range []struct {
		s      Span
		others []Span
		want   []Span
	}{
		{span(0, 10), nil, []Span{span(0, 10)}},
		{span(0, 10), []Span{span(4, 6), span(0, 2)}, []Span{span(2, 4), span(6, 10)}},
		{span(0, 10), []Span{span(0, 6), span(5, 12)}, nil},
		{span(5, 10), []Span{span(0, 5), span(10, 12)}, []Span{span(5, 10)}},
		{span(5, 5), nil, nil},
	} {
		got := c.s.Subtract(c.others)
		if len(got) != len(c.want) {
			t.Errorf("%v - %v = %v, want %v", c.s, c.others, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%v - %v = %v, want %v", c.s, c.others, got, c.want)
			}
		}
	}
}

// What is optional is left out unless it is taken in, and what is left out stays so.
func TestLeftOut(t *testing.T) {
	c := Catalogue{{ID: "a"}, {ID: "b", Optional: true}, {ID: "c", Optional: true}}
	for _, x := range []struct {
		leave, take []ID
		want        string
	}{{nil, nil, "[b c]"}, {nil, []ID{"b"}, "[c]"}, {[]ID{"a", "b"}, []ID{"c"}, "[a b]"}, {[]ID{"b"}, []ID{"b"}, "[b c]"}} {
		if got := fmt.Sprint(c.LeftOut(x.leave, x.take)); got != x.want {
			t.Errorf("left out %v, taken in %v: %s, want %s", x.leave, x.take, got, x.want)
		}
	}
}

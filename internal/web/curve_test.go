package web

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// minutes makes a block of a rate for each of the minutes from start.
func minutes(start time.Time, rates ...float64) []metric.Block {
	b := metric.Block{Series: metric.HeartRateMinute, Values: make([][]float64, 3)}
	for i, r := range rates {
		if r > 0 {
			b.Append(start.Add(time.Duration(i)*time.Minute).UnixNano(), r, r-2, r+3)
		}
	}
	return []metric.Block{b}
}

func TestCurve(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	day := func(s string) metric.Day {
		d, err := metric.ParseDay(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	plain := day("2026-11-23")
	rates := make([]float64, 120)
	for i := range rates {
		rates[i] = 60 + float64(i%7)
	}
	h := curve(minutes(plain.In(berlin), rates...), plain, berlin)
	if h.Empty || h.Minutes != 1440 || h.Low != 58 || h.High != 69 || h.Last != 60 || h.LastAt.In(berlin).Format("15:04") != "01:59" || len(h.Table) != 2 || h.Table[1].Clock != "01:00" || len(h.Hours) != 8 {
		t.Errorf("%+v", h)
	}
	if n := strings.Count(string(h.Line), "M"); n != 1 {
		t.Errorf("%d pieces without a gap", n)
	}
	for i := 30; i < 60; i++ {
		rates[i] = 0
	}
	h = curve(minutes(plain.In(berlin), rates...), plain, berlin)
	if n, z := strings.Count(string(h.Line), "M"), strings.Count(string(h.Band), "Z"); n != 2 || z != 2 {
		t.Errorf("half an hour without a reading makes %d lines, %d bands", n, z)
	}
	if h := curve(minutes(plain.In(berlin).Add(-time.Hour), 70), plain, berlin); !h.Empty {
		t.Error("a reading of the day before is shown")
	}
	if h := curve([]metric.Block{{Series: metric.HeartRateMinute, Times: []int64{plain.In(berlin).UnixNano()}, Values: [][]float64{{math.NaN()}, {1}, {2}}}}, plain, berlin); !h.Empty {
		t.Error("a missing value is shown")
	}
	for name, c := range map[string]struct {
		day     string
		minutes int
		at      string // where 06:00 stands
	}{"an hour less": {"2026-03-29", 1380, "21.7%"}, "an hour more": {"2026-10-25", 1500, "28%"}, "as always": {"2026-11-23", 1440, "25%"}} {
		h := curve(nil, day(c.day), berlin)
		if h.Minutes != c.minutes || !h.Empty {
			t.Errorf("%s: %d minutes", name, h.Minutes)
		}
		for _, m := range h.Hours {
			if m.Text == "06" && m.At != c.at {
				t.Errorf("%s: 06:00 stands at %s", name, m.At)
			}
		}
	}
	// Whatever the rates are, all is inside.
	for _, pair := range [][2]float64{{60, 60}, {30, 220}, {79, 81}, {100, 200}} {
		s := newScale(pair[0], pair[1])
		if s.low > pair[0]-4 || s.high < pair[1]+4 || len(s.marks()) < 1 || len(s.marks()) > 6 {
			t.Errorf("rates %v: %+v with %d lines", pair, s, len(s.marks()))
		}
	}
}

// Each kind of value tells its age as it is meant.
func TestAges(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	today := metric.DayOf(noon.In(w.zone))
	for _, c := range []struct {
		id   metric.ID
		at   time.Time
		want string
		old  bool
	}{
		{metric.HeartRate, noon.Add(-30 * time.Second), "just now", false},
		{metric.HeartRate, noon.Add(-3 * time.Minute), "3 min ago", false},
		{metric.HeartRate, noon.Add(-47 * time.Hour), "47 h ago", false},
		{metric.Weight, noon.Add(-9 * 24 * time.Hour), "9 days ago", true},
		{"steps", today.In(w.zone), "today", false},
		{"steps", (today - 1).In(w.zone), "yesterday", false},
		{"steps", (today - 3).In(w.zone), "3 days ago", true},
		{metric.SleepSummary, noon.Add(-17 * time.Hour), "began 17 h ago", false},
		{metric.SleepLevels, noon.Add(-9 * time.Hour), "9 h ago", false},
	} {
		row := metric.Default().Must(c.id)
		got := s.tile(latest.Value{Series: c.id, Field: row.Fields[0], At: c.at, Value: 1}, row, Person{Zone: w.zone}, false)
		if got.Age != c.want || got.Old != c.old {
			t.Errorf("%s at %v: %q, old %v", c.id, c.at, got.Age, got.Old)
		}
	}
}

func TestQuantity(t *testing.T) {
	s := &Server{words: translations.Lookup("en")}
	for _, c := range []struct {
		v           float64
		f           metric.Field
		value, unit string
	}{
		{8412, metric.Field{Unit: metric.Count}, "8\u202f412", ""},
		{1234567, metric.Field{Unit: metric.Count}, "1\u202f234\u202f567", ""},
		{64, metric.Field{Unit: metric.BPM, Kind: metric.Int}, "64", "bpm"},
		{59, metric.Field{Unit: metric.Minute, Kind: metric.Int}, "59", "min"},
		{437, metric.Field{Unit: metric.Minute, Kind: metric.Int}, "7 h 17 min", ""},
		{6.284, metric.Field{Unit: metric.Kilometre}, "6.28", "km"},
		{71, metric.Field{Unit: metric.Kilogram}, "71", "kg"},
		{14.62, metric.Field{Unit: metric.BreathsPerMin}, "14.6", "/min"},
		{-0.31, metric.Field{Unit: metric.Celsius, Sensor: "skin_temperature"}, "−0.3", "°C"},
		{0.4, metric.Field{Unit: metric.Celsius, Sensor: "skin_temperature"}, "+0.4", "°C"},
		{-0.01, metric.Field{Unit: metric.Celsius, Sensor: "skin_temperature"}, "0", "°C"},
		{0, metric.Field{Sensor: "sleep_stage"}, "deep", ""},
		{9, metric.Field{Sensor: "sleep_stage"}, "unknown", ""},
	} {
		if value, unit := s.quantity(c.v, c.f); value != c.value || unit != c.unit {
			t.Errorf("%v: %q %q", c.v, value, unit)
		}
	}
}

package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// shown is what the demo shows of the latest values, by the keys of their sensors; a test holds them against the catalogue.
func shown() []group {
	return []group{
		{title: "Today", today: true, rows: []valueRow{
			{"heart_rate", "Heart rate"}, {"steps", "Steps"}, {"distance", "Distance"}, {"floors", "Floors"}, {"calories", "Calories"},
			{"calories_active", "Active"}, {"azm", "Zone minutes"}, {"minutes_very", "Very active"},
		}},
		{title: "Last night", rows: []valueRow{
			{"sleep_asleep", "Asleep"}, {"sleep_deep", "Deep"}, {"sleep_light", "Light"}, {"sleep_rem", "REM"}, {"sleep_awake", "Awake"},
			{"sleep_efficiency", "Efficiency"}, {"spo2", "Oxygen"}, {"breathing_rate", "Breathing"},
		}},
		{title: "Body", rows: []valueRow{
			{"resting_heart_rate", "Resting heart"}, {"hrv", "Variability"}, {"skin_temperature", "Skin, change"}, {"vo2_max", "VO2max"},
			{"weight", "Weight"}, {"bmi", "Mass index"}, {"body_fat", "Body fat"},
		}},
	}
}

// group is values under one heading.
type group struct {
	title string
	today bool // its counters are of today or not shown
	rows  []valueRow
}

type valueRow struct{ sensor, name string }

// groups fills the values in; what is not known yet is a dash.
func groups(values []latest.Value, now time.Time, zones metric.Zones) [][]line {
	bySensor := map[string]latest.Value{}
	for _, v := range values {
		if v.Field.Sensor != "" {
			bySensor[v.Field.Sensor] = v
		}
	}
	var out [][]line
	for _, g := range shown() {
		block := []line{{{bold, fmt.Sprintf("%-*s", cellWide, g.title)}}}
		for _, r := range g.rows {
			text := "–"
			v, ok := bySensor[r.sensor]
			old := ok && g.today && metric.DayOf(v.At.In(zones.Now())) != metric.DayOf(now)
			if ok && !old {
				text = valueText(v)
			}
			block = append(block, line{{dim, r.name}, {plain, strings.Repeat(" ", max(1, cellWide-utf8.RuneCountInString(r.name)-utf8.RuneCountInString(text))) + text}})
		}
		out = append(out, block)
	}
	return out
}

const (
	cellWide = 24
	cellGap  = "  "
)

// columns sets blocks beside each other, as many as fit; one below the other where wide is 0.
func columns(blocks [][]line, wide int) []line {
	n := max(1, (wide+len(cellGap))/(cellWide+len(cellGap)))
	var out []line
	for len(blocks) > 0 {
		row := blocks[:min(n, len(blocks))]
		blocks = blocks[len(row):]
		if n == 1 && len(out) > 0 {
			out = append(out, line{})
		}
		for i := 0; ; i++ {
			var l line
			more := false
			for _, b := range row {
				if len(l) > 0 {
					l = append(l, span{plain, cellGap})
				}
				if i < len(b) {
					more = true
					l = append(l, b[i]...)
				} else {
					l = append(l, span{plain, strings.Repeat(" ", cellWide)})
				}
			}
			if !more {
				break
			}
			out = append(out, l)
		}
	}
	return out
}

// valueText writes a value with its unit as a person reads it.
func valueText(v latest.Value) string {
	x := v.Value
	switch v.Field.Unit {
	case metric.Minute:
		if x >= 60 {
			return fmt.Sprintf("%d h %02d min", int(x)/60, int(x)%60)
		}
		return fmt.Sprintf("%.0f min", x)
	case metric.Count, metric.None:
		return countText(int(x))
	case metric.Kilocalorie:
		return countText(int(x)) + " kcal"
	case metric.Kilometre:
		return fmt.Sprintf("%.2f km", x)
	case metric.Celsius:
		return fmt.Sprintf("%+.1f °C", x)
	case metric.BreathsPerMin:
		return fmt.Sprintf("%.1f /min", x)
	case metric.BodyMassIndex, metric.VO2:
		return fmt.Sprintf("%.1f", x)
	}
	if x == float64(int64(x)) {
		return fmt.Sprintf("%.0f %s", x, v.Field.Unit)
	}
	return fmt.Sprintf("%.1f %s", x, v.Field.Unit)
}

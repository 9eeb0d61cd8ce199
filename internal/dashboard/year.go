package dashboard

import (
	"fmt"
	"strings"
)

func replaceOnce(s, old, new string) string { return strings.Replace(s, old, new, 1) }

// year is for looking back: a year by default, and nothing that reads raw heart rate.
func year() board {
	sum := func(title, about, unit string, digits int, color, of string, c col) panel {
		c.as = title
		return panel{viz: stat, title: title, about: about, w: 4, h: 4, unit: unit, decimals: digits, queries: []query{{of: of, cols: []col{c}}}, series: []series{{color: color}}}
	}
	week := func(title, about, unit string, color string, w int, q query) panel {
		return panel{viz: lines, title: title, about: about, w: w, h: 8, unit: unit, decimals: digits(unit), bars: true, queries: []query{q}, series: []series{{name: q.cols[0].as, color: color}}}
	}
	mean := func(title, about, unit, color, of, field string) panel {
		return panel{viz: lines, title: title, about: about, w: 8, h: 8, unit: unit, decimals: auto,
			queries: []query{{of: of, cols: []col{{key: field, as: "Day"}}}, moving(of, field, "mean", "30-day mean", 30, "45d", "", "")},
			series:  []series{{name: "Day", color: faint, width: 1}, {name: "30-day mean", color: color, width: 3}}}
	}
	return board{uid: "fitbit-fetch-year", title: "Fitbit: a year at a glance", from: "now-1y/d",
		about: "The last year in sums, weeks and calendars. Other ranges do as well, up to all you have.",
		rows: []row{
			{"In figures", []panel{
				sum("Steps", "All steps of the range.", "locale", 0, green, "Total Steps", col{key: "value", fn: "sum"}),
				sum("Distance", "All of the range.", "suffix:km", 0, green, "distance", col{key: "value", fn: "sum", unit: length}),
				sum("Floors", "All of the range.", "locale", 0, lime, "floors", col{key: "value", fn: "sum"}),
				sum("Workouts", "How many the range holds.", "none", 0, orange, "Activity Records", col{key: "ActiveDuration", fn: "count"}),
				mainSleepMean(sum("Asleep, mean", "Of the main sleeps.", "suffix:h", 1, blue, "Sleep Summary", col{key: "minutesAsleep", fn: "mean", times: hours})),
				sum("Resting heart rate, mean", "Of all days.", "suffix:bpm", 0, red, "RestingHR", col{key: "value", fn: "mean"}),
			}},
			{"Calendars", []panel{
				calendar("Steps", "Steps of each day: a column for each month, a line for each day of it.", "Total Steps", "value", "sum", "locale", "Greens"),
				calendar("Asleep", "Hours asleep, naps included, at the day of waking.", "Sleep Summary", "minutesAsleep", "sum", "suffix:h", "Blues"),
				calendar("Active zone minutes", "Of each day.", "HR zones", "activeZoneMinutes", "sum", "suffix:min", "Oranges"),
			}},
			{"Week by week", []panel{
				week("Steps by week", "From Monday.", "locale", green, 8, query{of: "Total Steps", every: "week", cols: []col{{key: "value", fn: "sum", as: "Steps"}}}),
				week("Distance by week", "From Monday.", "suffix:km", green, 8, query{of: "distance", every: "week", cols: []col{{key: "value", fn: "sum", as: "Distance", unit: length}}}),
				week("Workouts by week", "How long they took.", "suffix:h", orange, 8, query{of: "Activity Records", every: "sessions", cols: []col{{key: "ActiveDuration", fn: "sum", as: "Duration", times: msHours}}}),
				week("Active zone minutes by week", "Cardio and peak count twice.", "suffix:min", orange, 8, query{of: "HR zones", every: "week", cols: []col{{key: "activeZoneMinutes", fn: "sum", as: "Minutes"}}}),
				week("Asleep, mean of the week", "Of the main sleeps.", "suffix:h", blue, 8, query{of: "Sleep Summary", where: [2]string{"isMainSleep", "True"}, every: "sessions", cols: []col{{key: "minutesAsleep", fn: "mean", as: "Asleep", times: hours}}}),
				week("Floors by week", "From Monday.", "none", lime, 8, query{of: "floors", every: "week", cols: []col{{key: "value", fn: "sum", as: "Floors"}}}),
			}},
			{"Where you are going", []panel{
				mean("Resting heart rate", "Each day, and the mean of 30 days.", "suffix:bpm", red, "RestingHR", "value"),
				mean("Heart-rate variability", "Each night, and the mean of 30 nights.", "suffix:ms", violet, "HRV", "dailyRmssd"),
				mean("Breathing rate", "Each night, and the mean of 30 nights.", "suffix:/min", sky, "BreathingRate", "value"),
				mean("Blood oxygen", "Each night, and the mean of 30 nights.", "percent", sky, "SPO2", "avg"),
				mean("Cardio fitness", "VO2max, and its mean of 30 values.", "suffix:mL/kg/min", teal, "VO2Max", "value"),
				{viz: lines, title: "Weight", about: "Each weighing, and the mean of 7 days with one.", w: 8, h: 8, unit: "suffix:kg", decimals: auto, gap: "3d",
					queries: []query{{of: "weight", cols: []col{{key: "value", as: "Weight", unit: mass}}}, weightMean()},
					series:  []series{{name: "Weight", color: faint, width: 1, points: true}, {name: "7-day mean", color: orange, width: 3}}},
				{viz: lines, title: "Heart rate", about: "From the minute series: mean, lowest and highest of each interval.", w: 24, h: 8, unit: "suffix:bpm", decimals: auto, every: "6h",
					queries: []query{{of: "HeartRate_Minute", every: "auto", cols: []col{{key: "max", fn: "max", as: "Highest"}, {key: "min", fn: "min", as: "Lowest"}, {key: "mean", fn: "mean", as: "Mean"}}}},
					series:  []series{{name: "Mean", color: red}, {name: "Highest", color: rose, width: 0.5, fill: 12, below: "Lowest"}, {name: "Lowest", color: rose, width: 0.5}}},
			}},
		}}
}

// calendar is a heat map of months × days of a month.
func calendar(title, about, of, field, fn, unit, scheme string) panel {
	q := query{of: of, every: "day", cols: []col{{key: field, fn: fn, as: title}}}
	m := matrix{row: rowMonth, column: "DD", from: title}
	day := "r._time"
	value := "float(v: r._value)"
	if of == "Sleep Summary" { // the night of a day begins at 15:00 of the day before
		q.every = "night"
		q.cols[0].times, value = hours, value+" * "+hours
	}
	m.later, day = int(q.later(InfluxQL)), fmt.Sprintf("date.add(d: %dh, to: r._time)", int(q.later(Flux)))
	q.influxql = q.asInfluxQL()
	q.flux = "import \"date\"\nimport \"timezone\"\n" + zoneFlux + q.fromFlux(" and r._field == \""+field+"\"") +
		"\n  |> group()\n  |> sort(columns: [\"_time\"])\n  |> aggregateWindow(" + fluxWindow(q.every) + ", fn: " + fn + ", createEmpty: false, timeSrc: \"_start\")" +
		"\n  |> map(fn: (r) => ({_time: date.add(d: 12h, to: date.truncate(t: " + day + ", unit: 1mo)), _value: " + value + ", day: (if date.monthDay(t: " + day + ") < 10 then \"0\" else \"\") + string(v: date.monthDay(t: " + day + "))}))" +
		"\n  |> pivot(rowKey: [\"_time\"], columnKey: [\"day\"], valueColumn: \"_value\")\n  |> sort(columns: [\"_time\"])"
	return panel{viz: heat, title: title, about: about, w: 8, h: 12, unit: unit, decimals: digits(unit), scheme: scheme, days: m, queries: []query{q}}
}

// mainSleepMean keeps a panel to the main sleeps.
func mainSleepMean(p panel) panel {
	p.queries[0].where = [2]string{"isMainSleep", "True"}
	return p
}

// digits are those of a unit: hours have one everywhere, so that 62 minutes are not 69.
func digits(unit string) int {
	switch unit {
	case "suffix:h", "suffix:km":
		return 1
	case "locale":
		return 0
	}
	return auto
}

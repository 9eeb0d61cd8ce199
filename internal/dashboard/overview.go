package dashboard

import "slices"

const month = "30d" // what a night is measured against

// hours makes hours of minutes.
const hours = "0.016666667"

// Rows of heat maps, which become times again: a day at its noon, a month at its first.
const (
	rowDay   = "YYYY-MM-DD [12]"
	rowMonth = "YYYY-MM-[01] [12]"
)

// overview is the dashboard that a newcomer opens: everything, complete for the last 30 days.
func overview() board {
	return board{uid: "fitbit-fetch", title: "Fitbit", from: "now-30d/d", workout: true,
		about: "Everything that Fitbit Fetch writes to InfluxDB: last night, today, and the range chosen above.",
		rows: []row{
			{"Morning report: last night against your own last 30 days", morning()},
			{"Today", today()},
			{"Sleep", sleep()},
			{"Heart", heart()},
			{"Activity", activity()},
			{"Body", body()},
			{"Workouts", workouts()},
			{"Device and data", device()},
		}}
}

// night is a tile of the morning report: the last value with a line of the last 30 days, and how far it is from their mean.
func night(title, about, unit string, digits int, color, of, field string, w int, more ...func(*query, *col)) panel {
	c := col{key: field, as: title}
	q := query{of: of}
	for _, f := range more {
		f(&q, &c)
	}
	if unit == "suffix:h" {
		c.times = hours
	}
	q.before = month
	c.as = "latest"
	value := q
	value.cols = []col{c}
	queries, looks := []query{value}, []series{{name: "latest", color: color}}
	for _, delta := range []string{"above", "below"} {
		different := q
		c.as = delta + " usual"
		different.cols, different.delta = []col{c}, delta
		queries, looks = append(queries, different), append(looks, series{name: c.as, color: grey})
	}
	return panel{viz: stat, title: title, about: about + " Under it: how far that is from the mean of the other days of the last 30.", w: w, h: 5, unit: unit, decimals: digits,
		queries: queries, series: looks}
}

func mainSleep(q *query, _ *col) { q.where = [2]string{"isMainSleep", "True"} }

func morning() []panel {
	return []panel{
		night("Asleep", "Time asleep in the main sleep.", "suffix:h", 1, blue, "Sleep Summary", "minutesAsleep", 3, mainSleep),
		night("Deep", "Deep sleep in the main sleep.", "suffix:h", 1, navy, "Sleep Summary", "minutesDeep", 3, mainSleep),
		night("REM", "REM sleep in the main sleep.", "suffix:h", 1, teal, "Sleep Summary", "minutesREM", 3, mainSleep),
		night("Resting heart rate", "Lower than usual is rest; much higher often comes before an illness.", "suffix:bpm", 0, red, "RestingHR", "value", 3),
		night("HRV", "Heart-rate variability of the night (RMSSD).", "suffix:ms", 0, violet, "HRV", "dailyRmssd", 3),
		night("Blood oxygen", "Mean oxygen saturation of the night.", "percent", 1, sky, "SPO2", "avg", 3),
		night("Breathing", "Breaths a minute, asleep.", "suffix:/min", 1, sky, "BreathingRate", "value", 3),
		night("Skin temperature", "Deviation from your own baseline, which the device keeps.", "suffix:°C", 1, orange, "Skin Temperature Variation", "RelativeValue", 3, func(_ *query, c *col) { c.unit = difference }),
	}
}

// tile is one figure of today. What is daily stands at the person's midnight: of the last 24 hours, that is today's alone, wherever
// the reader is.
func tile(title, about, unit string, digits int, color, of string, c col, since string) panel {
	c.as = title
	return panel{viz: stat, title: title, about: about, w: 3, h: 4, unit: unit, decimals: digits, queries: []query{{of: of, cols: []col{c}}}, since: since, series: []series{{color: color}}}
}

func today() []panel {
	day := "24h"
	steps := tile("Steps", "Steps since midnight.", "locale", 0, green, "Total Steps", col{key: "value"}, day)
	steps.steps = []step{{0, amber}, {5000, lime}, {10000, green}}
	zone := tile("Active zone minutes", "Minutes in a heart-rate zone; cardio and peak count twice. 22 a day make the 150 a week that the WHO asks for.", "none", 0, orange, "HR zones", col{key: "activeZoneMinutes"}, day)
	battery := tile("Battery", "Battery of the tracker at its last sync.", "percent", 0, green, "DeviceBatteryLevel", col{key: "value"}, "")
	battery.queries[0].before = "7d"
	battery.steps = []step{{0, red}, {20, amber}, {40, green}}
	sync := newest("Last heart rate", "HeartRate_Intraday", "value")
	sync.about = "How long ago the newest heart rate was measured: the data reach up to there. The tracker sends when the phone's app syncs."
	return []panel{
		tile("Heart rate", "The newest heart rate.", "suffix:bpm", 0, red, "HeartRate_Intraday", col{key: "value", fn: "last"}, "24h"),
		steps,
		tile("Distance", "Distance since midnight.", "suffix:km", 2, green, "distance", col{key: "value", unit: length}, day),
		tile("Calories", "Kilocalories burned since midnight, the basal rate included.", "locale", 0, orange, "calories", col{key: "value"}, day),
		tile("Floors", "Floors climbed since midnight.", "none", 0, lime, "floors", col{key: "value"}, day),
		zone, battery, sync,
		{viz: lines, title: "Heart rate, last 24 hours", about: "Mean heart rate, with the lowest and the highest of each interval as a band.", w: 16, h: 8, unit: "suffix:bpm", decimals: auto, since: "24h", every: "1m",
			queries: []query{{of: "HeartRate_Intraday", every: "auto", cols: []col{{key: "value", fn: "max", as: "Highest"}, {key: "value", fn: "min", as: "Lowest"}, {key: "value", fn: "mean", as: "Heart rate"}}}},
			series:  []series{{name: "Heart rate", color: red}, {name: "Highest", color: rose, width: 1, fill: 15, below: "Lowest"}, {name: "Lowest", color: rose, width: 1}}},
		{viz: pie, title: "Last night", about: "Shares of the stages in the newest main sleep.", w: 8, h: 8, unit: "suffix:h", decimals: 1, since: "48h",
			queries: []query{{of: "Sleep Summary", where: [2]string{"isMainSleep", "True"}, cols: stages()}}, series: stageLooks()},
		{viz: timeline, title: "Stages of the last night", about: "Hypnogram: which stage when, in the last 24 hours; naps included.", w: 16, h: 6, since: "24h",
			queries: []query{{of: "Sleep Levels", cols: []col{{key: "level", as: "Stage"}}}}, values: stageValues()},
		{viz: lines, title: "Steps by hour, last 24 hours", about: "Steps of each hour.", w: 8, h: 6, unit: "locale", since: "24h", bars: true,
			queries: []query{{of: "Steps_Intraday", every: "1h", cols: []col{{key: "value", fn: "sum", as: "Steps"}}}}, series: []series{{name: "Steps", color: green}}},
	}
}

func stages() []col {
	return []col{{key: "minutesDeep", as: "Deep", times: hours}, {key: "minutesLight", as: "Light", times: hours}, {key: "minutesREM", as: "REM", times: hours}, {key: "minutesAwake", as: "Awake", times: hours}}
}

func stageLooks() []series {
	return []series{{name: "Deep", color: navy}, {name: "Light", color: blue}, {name: "REM", color: teal}, {name: "Awake", color: amber}}
}

func stageValues() []value {
	return []value{{"0", "Deep", navy}, {"1", "Light", blue}, {"2", "REM", teal}, {"3", "Awake", amber}, {"4", "Unknown", grey}}
}

func sleep() []panel {
	main := [2]string{"isMainSleep", "True"}
	asleep := []series{{name: "Asleep", color: blue}, {name: "Naps", color: lilac}, {name: "7-day mean", color: amber, line: true, width: 2}}
	return []panel{
		{viz: lines, title: "Stages by night", about: "Time in each stage of the main sleep. A night is drawn on the day of waking.", w: 16, h: 9, unit: "suffix:h", decimals: 1, bars: true, stack: true, every: "1d",
			queries: []query{{of: "Sleep Summary", where: main, every: "night", cols: summed(stages())}}, series: stageLooks()},
		{viz: lines, title: "Time asleep, with naps", about: "Main sleep and naps of each day, and the mean of 7 nights. The line at 7 hours is what adults are advised to reach.", w: 8, h: 9, unit: "suffix:h", decimals: 1, bars: true, stack: true, every: "1d",
			queries: []query{
				{of: "Sleep Summary", where: main, every: "night", cols: []col{{key: "minutesAsleep", fn: "sum", as: "Asleep", times: hours}}},
				{of: "Sleep Summary", where: [2]string{"isMainSleep", "False"}, every: "night", cols: []col{{key: "minutesAsleep", fn: "sum", as: "Naps", times: hours}}},
				moving("Sleep Summary", "minutesAsleep", "sum", "7-day mean", 7, "7d", `"isMainSleep" = 'True'`, `r["isMainSleep"] == "True"`)},
			series: asleep, goal: num(7)},
		{viz: heat, title: "Regularity", about: "When you slept: each column is a day, each line half an hour. Even edges are a regular sleep. The stronger the colour, the deeper: REM is 1, light 2, deep 3; awake is left out.", w: 24, h: 11, scheme: "Blues", highest: num(3), lowest: num(0),
			days: matrix{row: rowDay, column: "HH.mm", from: "Asleep"}, queries: []query{asleepByHalfHour()}},
		{viz: lines, title: "Efficiency", about: "Share of the time in bed that was sleep.", w: 8, h: 8, unit: "percent", decimals: auto, max: num(100), points: true,
			queries: []query{{of: "Sleep Summary", where: main, every: "night", cols: []col{{key: "efficiency", fn: "mean", as: "Efficiency"}}}}, series: []series{{name: "Efficiency", color: teal}}},
		{viz: lines, title: "Blood oxygen", about: "Mean of each night, with its lowest and highest.", w: 8, h: 8, unit: "percent", decimals: 1,
			queries: []query{{of: "SPO2", cols: []col{{key: "max", as: "Highest"}, {key: "min", as: "Lowest"}, {key: "avg", as: "Mean"}}}},
			series:  []series{{name: "Mean", color: sky}, {name: "Highest", color: sky, width: 0.5, fill: 15, below: "Lowest"}, {name: "Lowest", color: sky, width: 0.5}}},
		{viz: lines, title: "Breathing rate", about: "Breaths a minute of each night, and by stage.", w: 8, h: 8, unit: "suffix:/min", decimals: auto,
			queries: []query{
				{of: "BreathingRate", cols: []col{{key: "value", as: "Night"}}},
				{of: "BreathingRate_Stages", every: "night", cols: []col{{key: "deep", fn: "mean", as: "Deep"}, {key: "light", fn: "mean", as: "Light"}, {key: "rem", fn: "mean", as: "REM"}}}},
			series: []series{{name: "Night", color: sky, width: 3}, {name: "Deep", color: navy, width: 1}, {name: "Light", color: blue, width: 1}, {name: "REM", color: teal, width: 1}}},
		{viz: lines, title: "Skin temperature", about: "Deviation of each night from your own baseline. A rise of a degree often comes with an illness.", w: 8, h: 8, unit: "suffix:°C", decimals: 2, bars: true,
			queries: []query{{of: "Skin Temperature Variation", cols: []col{{key: "RelativeValue", as: "Deviation", unit: difference}}}}, series: []series{{name: "Deviation", color: orange}}},
		{viz: lines, title: "Falling asleep and waking", about: "Minutes to fall asleep, awake in the night, and in bed after waking.", w: 8, h: 8, unit: "suffix:min", decimals: auto, bars: true, stack: true, every: "1d",
			queries: []query{{of: "Sleep Summary", where: main, every: "night", cols: []col{{key: "minutesToFallAsleep", fn: "sum", as: "To fall asleep"}, {key: "minutesAwake", fn: "sum", as: "Awake"}, {key: "minutesAfterWakeup", fn: "sum", as: "After waking"}}}},
			series:  []series{{name: "To fall asleep", color: lilac}, {name: "Awake", color: amber}, {name: "After waking", color: grey}}},
		{viz: lines, title: "Blood oxygen through the last night", about: "Means of 5 minutes of sleep, in the last 24 hours.", w: 8, h: 8, unit: "percent", decimals: 1, since: "24h", gap: "20m",
			queries: []query{{of: "SPO2_Intraday", every: "5m", cols: []col{{key: "value", fn: "mean", as: "Blood oxygen"}}}}, series: []series{{name: "Blood oxygen", color: sky}}},
	}
}

// summed puts the values of a window together as their sum.
func summed(cols []col) []col {
	for i := range cols {
		cols[i].fn = "sum"
	}
	return cols
}

// asleepByHalfHour is the level of sleep in each half hour. Between the awake that closes a night and the next night it stays awake.
func asleepByHalfHour() query {
	q := query{of: "Sleep Levels", every: "30m", cols: []col{{key: "level", fn: "last", as: "Asleep"}}}
	// The scale is turned round, so that sleep is more than nothing: awake 0, REM 1, light 2, deep 3.
	influx := "SELECT 3 - last(\"level\") AS \"Asleep\" FROM \"Sleep Levels\" WHERE " + q.rangeInfluxQL() + " AND \"level\" < 4 GROUP BY time(30m) fill(previous)" + zoneInfluxQL
	flux := heatFlux(q.fromFlux(" and r._field == \"level\"")+"\n  |> filter(fn: (r) => r._value < 4)\n  |> group()\n  |> sort(columns: [\"_time\"])\n  |> aggregateWindow(every: 30m, fn: last, createEmpty: true, timeSrc: \"_start\")\n  |> fill(usePrevious: true)\n  |> filter(fn: (r) => exists r._value)", "3.0 - float(v: r._value)", true, "max")
	q.influxql, q.flux = influx, flux
	return q
}

// heatFlux folds a series into a column for each hour (or half hour) and a row for each day, in the chosen time zone.
func heatFlux(series, value string, halves bool, fn string) string {
	minute := ""
	if halves {
		minute = ` + (if date.minute(t: r._time) < 30 then ".00" else ".30")`
	}
	return "import \"date\"\nimport \"timezone\"\n" + zoneFlux + series +
		"\n  |> map(fn: (r) => ({_time: date.add(d: 12h, to: date.truncate(t: r._time, unit: 1d)), _value: " + value + ", hour: (if date.hour(t: r._time) < 10 then \"0\" else \"\") + string(v: date.hour(t: r._time))" + minute + "}))" +
		"\n  |> group(columns: [\"_time\", \"hour\"])\n  |> " + fn + "()\n  |> group()\n  |> pivot(rowKey: [\"_time\"], columnKey: [\"hour\"], valueColumn: \"_value\")\n  |> sort(columns: [\"_time\"])"
}

// moving is the mean of the last n days of a daily sum or mean; it reads that much further back than the range.
func moving(of, field, fn, as string, n int, back, whereInfluxQL, whereFlux string) query {
	every, factor := "day", ""
	switch {
	case of == "Sleep Summary":
		every, factor = "night", " * "+hours
	case !slices.Contains(dailies(), of): // such as weighings
		every = "1d"
	}
	if whereInfluxQL != "" {
		whereInfluxQL = " AND " + whereInfluxQL
		whereFlux = "\n  |> filter(fn: (r) => " + whereFlux + ")"
	}
	inf := "SELECT moving_average(" + fn + "(\"" + field + "\"), " + itoa(n) + ")" + factor + " AS \"" + as + "\" FROM \"" + of + "\" WHERE time >= ${__from}ms - " + back + " AND time <= ${__to}ms AND " + personInfluxQL + whereInfluxQL + groupInfluxQL(every, "")
	flux := "import \"date\"\nimport \"timezone\"\n" + zoneFlux + "from(bucket: v.defaultBucket)\n  |> range(start: date.sub(d: " + back + ", from: v.timeRangeStart), stop: v.timeRangeStop)\n  |> filter(fn: (r) => r._measurement == \"" + of + "\" and r._field == \"" + field + "\")\n  |> filter(fn: (r) => " + personFlux + ")" + whereFlux +
		"\n  |> group(columns: [\"_field\"])\n  |> sort(columns: [\"_time\"])\n  |> aggregateWindow(" + fluxWindow(every) + ", fn: " + fn + ", createEmpty: false, timeSrc: \"_start\")\n  |> movingAverage(n: " + itoa(n) + ")" + laterFlux(query{every: every}.later(Flux)) + "\n  |> map(fn: (r) => ({_time: r._time, _value: float(v: r._value)" + factor + ", _field: \"" + as + "\"}))\n  |> group(columns: [\"_field\"])"
	return query{of: of, every: every, cols: []col{{key: field, as: as}}, influxql: inf, flux: flux}
}

// band is an edge of the usual range: the mean of the last 30 days and so many standard deviations.
func band(of, field, as string, sign string) query {
	inf := "SELECT moving_average(\"m\", 30) " + sign + " sqrt(abs(moving_average(\"s\", 30) - pow(moving_average(\"m\", 30), 2))) AS \"" + as + "\" FROM (SELECT mean(\"" + field + "\") AS \"m\", mean(\"" + field + "\") * mean(\"" + field + "\") AS \"s\" FROM \"" + of +
		"\" WHERE time >= ${__from}ms - 45d AND time <= ${__to}ms AND " + personInfluxQL + groupInfluxQL("day", "") + ")"
	flux := "import \"date\"\nnights = from(bucket: v.defaultBucket)\n  |> range(start: date.sub(d: 45d, from: v.timeRangeStart), stop: v.timeRangeStop)\n  |> filter(fn: (r) => r._measurement == \"" + of + "\" and r._field == \"" + field + "\")\n  |> filter(fn: (r) => " + personFlux + ")" +
		"\n  |> group(columns: [\"_field\"])\n  |> sort(columns: [\"_time\"])\n  |> aggregateWindow(every: 1h, fn: mean, createEmpty: false, timeSrc: \"_start\")" + laterFlux(query{every: "day"}.later(Flux)) + "\n  |> map(fn: (r) => ({_time: r._time, _value: float(v: r._value), square: float(v: r._value) * float(v: r._value)}))\n" +
		"m = nights\n  |> movingAverage(n: 30)\ns = nights\n  |> map(fn: (r) => ({_time: r._time, _value: r.square}))\n  |> movingAverage(n: 30)\n" +
		"join(tables: {m: m, s: s}, on: [\"_time\"])\n  |> map(fn: (r) => ({_time: r._time, _value: r._value_m " + sign + " math.sqrt(x: math.abs(x: r._value_s - r._value_m * r._value_m)), _field: \"" + as + "\"}))\n  |> group(columns: [\"_field\"])"
	return query{of: of, every: "day", cols: []col{{key: field, as: as}}, influxql: inf, flux: "import \"math\"\n" + flux}
}

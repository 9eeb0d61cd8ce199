package dashboard

import "strconv"

// Milliseconds become hours or minutes.
const (
	msHours   = "0.00000027777778"
	msMinutes = "0.0000166666667"
)

func itoa(n int) string { return strconv.Itoa(n) }

func heart() []panel {
	zones := []series{{name: "Fat burn", color: amber}, {name: "Cardio", color: orange}, {name: "Peak", color: red}}
	return []panel{
		{viz: lines, title: "Heart rate", about: "Mean of each interval, from the minute series, with the lowest and the highest as a band.", w: 16, h: 9, unit: "suffix:bpm", decimals: auto, every: "5m",
			queries: []query{{of: "HeartRate_Minute", every: "auto", cols: []col{{key: "max", fn: "max", as: "Highest"}, {key: "min", fn: "min", as: "Lowest"}, {key: "mean", fn: "mean", as: "Mean"}}}},
			series:  []series{{name: "Mean", color: red}, {name: "Highest", color: rose, width: 0.5, fill: 12, below: "Lowest"}, {name: "Lowest", color: rose, width: 0.5}}},
		{viz: lines, title: "Resting heart rate", about: "Of each day, and the mean of the last 7 days.", w: 8, h: 9, unit: "suffix:bpm", decimals: auto,
			queries: []query{{of: "RestingHR", cols: []col{{key: "value", as: "Resting heart rate"}}}, moving("RestingHR", "value", "mean", "7-day mean", 7, "9d", "", "")},
			series:  []series{{name: "Resting heart rate", color: rose, width: 1}, {name: "7-day mean", color: red, width: 3}}},
		{viz: lines, title: "Heart-rate variability against your own range", about: "RMSSD of each night. The band is your own mean of 30 nights, one standard deviation up and down: inside is ordinary.", w: 16, h: 9, unit: "suffix:ms", decimals: auto,
			queries: []query{band("HRV", "dailyRmssd", "Upper edge", "+"), band("HRV", "dailyRmssd", "Lower edge", "-"), moving("HRV", "dailyRmssd", "mean", "30-night mean", 30, "45d", "", ""),
				{of: "HRV", cols: []col{{key: "dailyRmssd", as: "Night"}, {key: "deepRmssd", as: "Deep sleep"}}}},
			series: []series{{name: "Night", color: violet, width: 3}, {name: "Deep sleep", color: lilac, width: 1, dashed: true}, {name: "Upper edge", color: lilac, width: 0.5, fill: 15, below: "Lower edge"}, {name: "Lower edge", color: lilac, width: 0.5}, {name: "30-night mean", color: grey, width: 1, dashed: true}}},
		{viz: histogram, title: "Distribution of heart rate", about: "How often each heart rate was measured in the range, by means of 5 minutes.", w: 8, h: 9, unit: "suffix:bpm",
			queries: []query{{of: "HeartRate_Minute", every: "5m", cols: []col{{key: "mean", fn: "mean", as: "Heart rate"}}}}, series: []series{{name: "Heart rate", color: red}}},
		{viz: lines, title: "Minutes in heart-rate zones", about: "Of each day; the time below the zones is left out.", w: 8, h: 8, unit: "suffix:min", decimals: auto, bars: true, stack: true, every: "1d",
			queries: []query{{of: "HR zones", every: "day", cols: []col{{key: "Fat Burn", fn: "sum", as: "Fat burn"}, {key: "Cardio", fn: "sum", as: "Cardio"}, {key: "Peak", fn: "sum", as: "Peak"}}}}, series: zones},
		{viz: lines, title: "Active zone minutes by week", about: "Cardio and peak count twice. The line is the 150 minutes a week that the WHO asks for.", w: 8, h: 8, unit: "suffix:min", decimals: auto, bars: true, goal: num(150),
			queries: []query{{of: "HR zones", every: "week", cols: []col{{key: "activeZoneMinutes", fn: "sum", as: "Active zone minutes"}}}}, series: []series{{name: "Active zone minutes", color: orange}}},
		{viz: heat, title: "Heart rate by day", about: "How the heart rates of each day are spread: colour is how often, by means of 10 minutes.", w: 8, h: 8, unit: "none", scheme: "Reds",
			queries: []query{{of: "HeartRate_Minute", every: "10m", cols: []col{{key: "mean", fn: "mean", as: "Heart rate"}}}}, series: []series{{color: red}}},
		{viz: lines, title: "Variability through the last night", about: "Means of 5 minutes of sleep, in the last 24 hours.", w: 12, h: 7, unit: "suffix:ms", decimals: auto, since: "24h", gap: "20m",
			queries: []query{{of: "HRV_Intraday", every: "5m", cols: []col{{key: "rmssd", fn: "mean", as: "RMSSD"}, {key: "sdnn", fn: "mean", as: "SDNN"}}}}, series: []series{{name: "RMSSD", color: violet}, {name: "SDNN", color: lilac}}},
		{viz: lines, title: "Cardio fitness", about: "VO2max as the service estimates it.", w: 12, h: 7, unit: "suffix:mL/kg/min", decimals: auto, points: true,
			queries: []query{{of: "VO2Max", cols: []col{{key: "value", as: "VO2max"}}}}, series: []series{{name: "VO2max", color: teal}}},
	}
}

// perHour is a heat map of days × hours of a sum.
func perHour(title, about, of, field, fn, as, unit, scheme string, w, h int) panel {
	q := query{of: of, every: "1h", fill: "0", cols: []col{{key: field, fn: fn, as: as}}}
	q.influxql = q.asInfluxQL()
	q.flux = heatFlux(q.fromFlux(" and r._field == \""+field+"\"")+"\n  |> group()\n  |> sort(columns: [\"_time\"])\n  |> aggregateWindow(every: 1h, fn: "+fn+", createEmpty: true, timeSrc: \"_start\")\n  |> fill(value: 0)", "float(v: r._value)", false, "sum")
	return panel{viz: heat, title: title, about: about, w: w, h: h, unit: unit, scheme: scheme, days: matrix{row: rowDay, column: "HH", from: as}, queries: []query{q}}
}

func activity() []panel {
	levels := []col{{key: "minutesVeryActive", fn: "sum", as: "Very active"}, {key: "minutesFairlyActive", fn: "sum", as: "Fairly active"}, {key: "minutesLightlyActive", fn: "sum", as: "Lightly active"}}
	return []panel{
		{viz: lines, title: "Steps by day", about: "Steps of each day and the mean of 7 days. The line is at 10,000.", w: 16, h: 9, unit: "locale", bars: true, goal: num(10000), every: "1d",
			queries: []query{{of: "Total Steps", every: "day", cols: []col{{key: "value", fn: "sum", as: "Steps"}}}, moving("Total Steps", "value", "sum", "7-day mean", 7, "7d", "", "")},
			series:  []series{{name: "Steps", color: green}, {name: "7-day mean", color: amber, line: true, width: 2}}},
		{viz: lines, title: "Active minutes", about: "Minutes of each day at each level; sitting is left out.", w: 8, h: 9, unit: "suffix:min", decimals: auto, bars: true, stack: true, every: "1d",
			queries: []query{{of: "Activity Minutes", every: "day", cols: levels}}, series: []series{{name: "Very active", color: red}, {name: "Fairly active", color: orange}, {name: "Lightly active", color: mint}}},
		perHour("Steps by hour", "Steps of each hour of each day: when you move.", "Steps_Intraday", "value", "sum", "Steps", "locale", "Greens", 24, 10),
		{viz: lines, title: "Steps by week", about: "Steps of each week, from Monday.", w: 8, h: 8, unit: "locale", bars: true,
			queries: []query{{of: "Total Steps", every: "week", cols: []col{{key: "value", fn: "sum", as: "Steps"}}}}, series: []series{{name: "Steps", color: green}}},
		{viz: lines, title: "Distance", about: "Distance of each day.", w: 8, h: 8, unit: "suffix:km", decimals: 1, bars: true, every: "1d",
			queries: []query{{of: "distance", every: "day", cols: []col{{key: "value", fn: "sum", as: "Distance", unit: length}}}}, series: []series{{name: "Distance", color: green}}},
		{viz: lines, title: "Calories", about: "Kilocalories burned in each day: all, and by activity alone.", w: 8, h: 8, unit: "locale", bars: true, every: "1d",
			queries: []query{{of: "calories", every: "day", cols: []col{{key: "value", fn: "sum", as: "All"}}}, {of: "active_calories", every: "day", cols: []col{{key: "value", fn: "sum", as: "By activity"}}}},
			series:  []series{{name: "All", color: amber}, {name: "By activity", color: orange}}},
		{viz: lines, title: "Floors and elevation", about: "Floors climbed and metres gained, of each day.", w: 8, h: 8, decimals: auto, bars: true, every: "1d",
			queries: []query{{of: "floors", every: "day", cols: []col{{key: "value", fn: "sum", as: "Floors"}}}, {of: "elevation", every: "day", cols: []col{{key: "value", fn: "sum", as: "Elevation"}}}},
			series:  []series{{name: "Floors", color: lime}, {name: "Elevation", color: grey, unit: "suffix:m", axis: "right", line: true, width: 1}}},
		{viz: stat, title: "Days with 10,000 steps", about: "How many days of the range reached 10,000 steps.", w: 4, h: 8, queries: []query{goalDays(10000)}, series: []series{{color: green}}},
		{viz: stat, title: "Steps in the range", about: "Sum of the days of the range.", w: 4, h: 8, unit: "locale", queries: []query{{of: "Total Steps", cols: []col{{key: "value", fn: "sum", as: "Steps"}}}}, series: []series{{color: green}}},
		{viz: lines, title: "Sitting", about: "Time without activity, of each day; sleep may be in it.", w: 8, h: 8, unit: "suffix:h", decimals: 1, bars: true, every: "1d",
			queries: []query{{of: "Activity Minutes", cols: []col{{key: "minutesSedentary", as: "Sitting", times: hours}}}}, series: []series{{name: "Sitting", color: grey}}},
	}
}

// goalDays counts the days whose steps reach a goal: 0 where none did, and nothing where there are no days. (Of each day is asked
// whether it did, 1 or 0, by arithmetic, for InfluxQL has no other means.)
func goalDays(goal int) query {
	q := query{of: "Total Steps"}
	return query{of: "Total Steps", cols: []col{{key: "value", as: "Days"}},
		influxql: "SELECT sum(\"reached\") AS \"Days\" FROM (SELECT ceil(floor(\"value\" / " + itoa(goal) + ") / 1000) AS \"reached\" FROM \"Total Steps\" WHERE " + q.rangeInfluxQL() + ")",
		flux:     q.fromFlux(" and r._field == \"value\"") + "\n  |> group(columns: [\"_field\"])\n  |> map(fn: (r) => ({_field: r._field, _value: if float(v: r._value) >= " + itoa(goal) + ".0 then 1 else 0}))\n  |> sum()\n  |> map(fn: (r) => ({_time: v.timeRangeStop, _value: float(v: r._value), _field: \"Days\"}))\n  |> group(columns: [\"_field\"])"}
}

func body() []panel {
	return []panel{
		{viz: lines, title: "Weight", about: "Each weighing, and the mean of 7 days with one.", w: 16, h: 9, unit: "suffix:kg", decimals: auto, gap: "3d",
			queries: []query{{of: "weight", cols: []col{{key: "value", as: "Weight", unit: mass}}}, weightMean()},
			series:  []series{{name: "Weight", color: amber, width: 1, points: true}, {name: "7-day mean", color: orange, width: 3}}},
		{viz: lines, title: "Body mass index", about: "Weight by height squared: 18.5 to 25 is called normal.", w: 8, h: 9, unit: "none", decimals: auto, gap: "3d",
			queries: []query{{of: "bmi", cols: []col{{key: "value", as: "BMI"}}}}, series: []series{{name: "BMI", color: teal}}},
		{viz: stat, title: "Weight now", about: "The newest weighing up to the end of the range, of ten years.", w: 4, h: 6, unit: "suffix:kg", decimals: 1,
			queries: []query{{of: "weight", before: "3650d", cols: []col{{key: "value", fn: "last", as: "Weight", unit: mass}}}}, series: []series{{color: amber}}},
		{viz: stat, title: "Gained or lost", about: "The newest weighing of the range against the first.", w: 4, h: 6, unit: "suffix:kg", decimals: 1,
			queries: []query{{of: "weight", delta: "gained", cols: []col{{key: "value", as: "gained", unit: mass}}}, {of: "weight", delta: "lost", cols: []col{{key: "value", as: "lost", unit: mass}}}},
			series:  []series{{name: "gained", color: amber}, {name: "lost", color: amber}}},
		{viz: lines, title: "Body fat", about: "As the scale measured it.", w: 8, h: 6, unit: "percent", decimals: auto, gap: "3d",
			queries: []query{{of: "body_fat", cols: []col{{key: "value", as: "Body fat"}}}}, series: []series{{name: "Body fat", color: orange}}},
		{viz: lines, title: "Body temperature", about: "As it was entered in the app.", w: 8, h: 6, unit: "suffix:°C", decimals: auto, gap: "12h",
			queries: []query{{of: "core_temperature", cols: []col{{key: "value", as: "Body temperature"}}}}, series: []series{{name: "Body temperature", color: red}}},
	}
}

func weightMean() query {
	q := moving("weight", "value", "mean", "7-day mean", 7, "30d", "", "")
	c := col{key: "value", as: "7-day mean", unit: mass}
	q.cols = []col{c}
	q.influxql = replaceOnce(q.influxql, ` AS "7-day mean"`, c.factor(InfluxQL)+` AS "`+c.name()+`"`)
	q.flux = replaceOnce(q.flux, `_value: float(v: r._value), _field: "7-day mean"`, `_value: float(v: r._value)`+c.factor(Flux)+`, _field: "`+c.name()+`"`)
	return q
}

func workouts() []panel {
	when := series{name: "Time", unit: "dateTimeAsLocal", wide: 200}
	track := [2]string{"ActivityID", "${workout:raw}"}
	along := func(cols ...col) query {
		return query{of: "GPS", where: track, table: true, needs: "distance", moving: true, cols: append([]col{{key: "distance", as: "Distance", times: "0.001", unit: way}}, cols...)}
	}
	return []panel{
		{viz: table, title: "Workouts of the range", about: "Every workout of the range; a click on a heading sorts.", w: 16, h: 11, sort: "Time",
			queries: []query{{of: "Activity Records", table: true, cols: []col{{key: "ActivityName", as: "Workout"}, {key: "ActiveDuration", as: "Duration", times: msMinutes}, {key: "distance", as: "Distance", unit: length}, {key: "AverageHeartRate", as: "Heart rate"}, {key: "calories", as: "Calories"}, {key: "steps", as: "Steps"}}}},
			series:  []series{{}, when, {name: "Duration", unit: "suffix:min"}, {name: "Distance", digits: 2}, {name: "Heart rate", unit: "suffix:bpm"}, {name: "Calories", unit: "locale"}, {name: "Steps", unit: "locale"}}},
		{viz: geomap, title: "Track of the chosen workout", about: "Where the workout that is chosen above went: the newest of the range to begin with. Colour is heart rate.", w: 8, h: 11, unit: "none",
			queries: []query{{of: "GPS", where: track, table: true, needs: "lat", cols: []col{{key: "lat", as: "Latitude"}, {key: "lon", as: "Longitude"}, {key: "heart_rate", as: "Heart rate"}, {key: "altitude", as: "Altitude"}}}},
			steps:   []step{{0, green}, {110, amber}, {135, orange}, {155, red}}, series: []series{{}, {name: "Heart rate", unit: "suffix:bpm"}, {name: "Latitude", unit: "degree", digits: 5}, {name: "Longitude", unit: "degree", digits: 5}, {name: "Altitude", unit: "suffix:m"}}},
		{viz: trend, title: "Pace and heart rate along the way", about: "Speed and heart rate of the chosen workout over its distance.", w: 16, h: 9, decimals: auto,
			queries: []query{along(col{key: "speed_kph", as: "Speed", unit: speed}, col{key: "heart_rate", as: "Heart rate"})},
			series:  []series{{name: "Distance", digits: 2}, {name: "Speed", color: green}, {name: "Heart rate", color: red, unit: "suffix:bpm", axis: "right"}}},
		{viz: trend, title: "Altitude along the way", about: "Altitude of the chosen workout over its distance.", w: 8, h: 9, unit: "suffix:m", decimals: auto,
			queries: []query{along(col{key: "altitude", as: "Altitude"})}, series: []series{{name: "Distance", digits: 2}, {name: "Altitude", color: grey, fill: 25}}},
	}
}

func device() []panel {
	return []panel{
		{viz: lines, title: "Battery", about: "Charge at each sync. A steep rise is a charge.", w: 8, h: 8, unit: "percent", decimals: auto, gap: "36h", min: num(0), max: num(100),
			queries: []query{{of: "DeviceBatteryLevel", cols: []col{{key: "value", as: "Battery"}}}}, step: true, series: []series{{name: "Battery", color: green}}},
		{viz: lines, title: "Band worn", about: "Hours of each day with heart rate: what is missing was not worn, or has not been synced.", w: 8, h: 8, unit: "suffix:h", decimals: 1, bars: true, every: "1d",
			queries: []query{{of: "HeartRate_Minute", every: "1d", cols: []col{{key: "mean", fn: "count", as: "Worn", times: hours}}}}, series: []series{{name: "Worn", color: sky}}},
		perHour("Band worn by hour", "Minutes with heart rate in each hour: light gaps are hours without the band, or without data.", "HeartRate_Minute", "mean", "count", "Minutes", "suffix:min", "Blues", 8, 8),
	}
}

package dashboard

// quality answers whether the data are all there, and how late they are.
func quality() board {
	return board{uid: "fitbit-fetch-data", title: "Fitbit: data quality", from: "now-90d/d",
		about: "How complete the data are, where gaps lie, and how far each series reaches. Whether a gap can still be filled, fitbit-fetch status tells.",
		rows: []row{
			{"How far each series reaches", []panel{
				newest("Heart rate", "HeartRate_Intraday", "value"), newest("Heart rate by minute", "HeartRate_Minute", "mean"), newest("Steps by minute", "Steps_Intraday", "value"), newest("Sleep", "Sleep Levels", "level"),
				newest("Variability", "HRV", "dailyRmssd"), newest("Blood oxygen", "SPO2", "avg"), newest("Weight", "weight", "value"), newest("Battery", "DeviceBatteryLevel", "value"),
			}},
			{"Gaps", []panel{
				perHour("Minutes with heart rate, by hour", "60 is an hour without a gap. What is missing was not worn, or has not been synced yet.", "HeartRate_Minute", "mean", "count", "Minutes", "suffix:min", "Blues", 24, 10),
				{viz: lines, title: "Band worn", about: "Hours of each day with heart rate. The line is at 20.", w: 12, h: 8, unit: "suffix:h", decimals: 1, bars: true, every: "1d", goal: num(20),
					queries: []query{{of: "HeartRate_Minute", every: "1d", cols: []col{{key: "mean", fn: "count", as: "Worn", times: hours}}}}, series: []series{{name: "Worn", color: sky}}},
				{viz: lines, title: "Minutes of heart rate by day", about: "1,440 is all of a day.", w: 6, h: 8, unit: "locale", decimals: auto, bars: true, every: "1d",
					queries: []query{{of: "HeartRate_Minute", every: "1d", fill: "0", cols: []col{{key: "mean", fn: "count", as: "Minutes"}}}}, series: []series{{name: "Minutes", color: sky}}},
				{viz: stat, title: "Days under 10 hours", about: "Days of the range on which the band gave heart rate for less than 10 hours, or not at all. The newest may still grow.", w: 6, h: 8, decimals: 0,
					queries: []query{shortDays()}, steps: []step{{0, green}, {4, amber}, {15, red}}},
			}},
			{"Samples of each day", []panel{
				perDay("Sleep stages", "Sleep Levels", "level", blue), perDay("Blood oxygen by minute", "SPO2_Intraday", "value", sky), perDay("Variability through the night", "HRV_Intraday", "rmssd", violet),
				perDay("Minutes with steps", "Steps_Intraday", "value", green), perDay("Weighings", "weight", "value", amber), perDay("Points of tracks", "GPS", "lat", orange),
			}},
		}}
}

// newest says how long ago the newest sample of a series is.
func newest(title, of, field string) panel {
	since := "365d"
	if of == "HeartRate_Intraday" { // the server reads all of them to find the last
		since = "7d"
	}
	return panel{viz: stat, title: title, about: "When the newest sample was measured.", w: 3, h: 4, unit: "dateTimeFromNow", decimals: auto, field: "/^Time$/",
		queries: []query{{of: of, before: since, cols: []col{{key: field, fn: "last", as: title}}}}, series: []series{{color: sky}}}
}

func perDay(title, of, field, color string) panel {
	return panel{viz: lines, title: title, about: "How many there are of each day.", w: 8, h: 7, unit: "locale", decimals: auto, bars: true, every: "1d",
		queries: []query{{of: of, every: "1d", cols: []col{{key: field, fn: "count", as: title}}}}, series: []series{{name: title, color: color}}}
}

// shortDays counts the days with less than 10 hours of heart rate, as goalDays counts.
func shortDays() query {
	q := query{of: "HeartRate_Minute", every: "1d"}
	return query{of: q.of, cols: []col{{key: "mean", as: "Days"}},
		influxql: "SELECT sum(\"short\") AS \"Days\" FROM (SELECT 1 - ceil(floor(count(\"mean\") / 600) / 1000) AS \"short\" FROM \"HeartRate_Minute\" WHERE " + q.rangeInfluxQL() + groupInfluxQL("1d", "0") + ")",
		flux:     "import \"timezone\"\n" + zoneFlux + q.fromFlux(" and r._field == \"mean\"") + "\n  |> group(columns: [\"_field\"])\n  |> sort(columns: [\"_time\"])\n  |> aggregateWindow(every: 1d, fn: count, createEmpty: true, timeSrc: \"_start\")\n  |> map(fn: (r) => ({_field: r._field, _value: if r._value < 600 then 1 else 0}))\n  |> sum()\n  |> map(fn: (r) => ({_time: v.timeRangeStop, _value: float(v: r._value), _field: \"Days\"}))\n  |> group(columns: [\"_field\"])"}
}

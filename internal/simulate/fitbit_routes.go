package simulate

import "strings"

// fitbitRoute is one row of the table: a path, who may ask for it, how, and for how many days.
type fitbitRoute struct {
	path    string // with its version, to "date" where it has dates
	scope   string // what must be granted; more than one with a blank between
	forms   string // of what stands behind "date"; empty for a path without dates
	days    int    // end - start of a range at most; 0 for any
	allDays int    // the same with /all; 0 for days
	periods []string
	seconds bool   // minutes also as they were measured: 1sec
	of      string // the resource
	tracker bool
	answer  func(*fitbitCall, asked) (any, *fitbitError)
}

// longSeries is the longest range of the daily series: about three years. Beyond, the answer is 422.
const longSeries = 1095

func (t *fitbitRoute) scopes() []string { return strings.Fields(t.scope) }

func (t *fitbitRoute) details() []string {
	if t.seconds {
		return []string{"1sec", "1min", "5min", "15min"}
	}
	return []string{"1min", "5min", "15min"}
}

// fitbitRoutes is the table of all paths but the tracks.
func fitbitRoutes() []*fitbitRoute {
	short := []string{"1d", "7d", "30d", "1w", "1m"}
	long := append(short[:5:5], "3m", "6m", "1y")
	out := []*fitbitRoute{
		{path: "1/activities/heart/date", scope: "heartrate", forms: formRange + formPeriod + formIntraday, days: 365, periods: short, seconds: true, answer: (*fitbitCall).heart},
		{path: "1/activities/active-zone-minutes/date", scope: "activity", forms: formRange + formPeriod + formIntraday, days: longSeries, periods: long, answer: (*fitbitCall).zoneMinutes},
		{path: "1/activities/date", scope: "activity", forms: formDate, answer: (*fitbitCall).daySummary},
		{path: "1/activities/list", scope: "activity", answer: (*fitbitCall).workouts},
		{path: "1/hrv/date", scope: "heartrate", forms: formDate + formRange + formAll, days: 30, answer: (*fitbitCall).hrv},
		{path: "1/br/date", scope: "respiratory_rate", forms: formDate + formRange + formAll, days: 30, answer: (*fitbitCall).breathing},
		{path: "1/spo2/date", scope: "oxygen_saturation", forms: formDate + formRange + formAll, allDays: 30, answer: (*fitbitCall).oxygen},
		{path: "1/temp/skin/date", scope: "temperature", forms: formDate + formRange, days: 30, answer: (*fitbitCall).skinTemperature},
		{path: "1/temp/core/date", scope: "temperature", forms: formDate + formRange, days: 30, answer: (*fitbitCall).coreTemperature},
		{path: "1/cardioscore/date", scope: "cardio_fitness", forms: formDate + formRange, days: 30, answer: (*fitbitCall).cardioScore},
		{path: "1.2/sleep/date", scope: "sleep", forms: formDate + formRange, days: 100, answer: (*fitbitCall).sleep},
		{path: "1.2/sleep/list", scope: "sleep", answer: (*fitbitCall).sleepList},
		{path: "1/body/log/weight/date", scope: "weight", forms: formDate + formRange + formPeriod, days: 31, periods: short, answer: (*fitbitCall).weightLog},
		{path: "1/body/log/fat/date", scope: "weight", forms: formDate + formRange + formPeriod, days: 30, periods: short, answer: (*fitbitCall).fatLog},
		{path: "1/devices", scope: "settings", answer: (*fitbitCall).deviceList},
		{path: "1/profile", scope: "profile", answer: (*fitbitCall).profile},
	}
	for _, name := range []string{"bmi", "fat", "weight"} {
		out = append(out, &fitbitRoute{path: "1/body/" + name + "/date", scope: "weight", forms: formRange + formPeriod, days: longSeries, of: name,
			periods: append(long[:8:8], "max"), answer: (*fitbitCall).bodySeries})
	}
	for _, x := range fitbitResources() {
		days, forms := longSeries, formRange+formPeriod
		if x.name == "activityCalories" {
			days = 30
		}
		if !x.noTracker {
			out = append(out, &fitbitRoute{path: "1/activities/tracker/" + x.name + "/date", scope: "activity", forms: forms, days: days, periods: long, of: x.name, tracker: true, answer: (*fitbitCall).series})
		}
		if x.minute != nil {
			forms += formIntraday
		}
		out = append(out, &fitbitRoute{path: "1/activities/" + x.name + "/date", scope: "activity", forms: forms, days: days, periods: long, of: x.name, answer: (*fitbitCall).series})
	}
	return out
}

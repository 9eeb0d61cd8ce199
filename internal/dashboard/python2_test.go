//go:build influxdb2 && !race

package dashboard

import (
	"fmt"
	"testing"
)

// fluxQuestions are those of the dashboard for Flux that differ by more than the language.
var fluxQuestions = []question{
	{panel: "Heart Rate", of: "HeartRate_Intraday", field: "value", fn: "mean", every: "v.windowPeriod", fill: "true", past: "24h", width: 21, more: "|> movingAverage(n: 6)"},
	{panel: "Hourly Steps", of: "Steps_Intraday", field: "value", fn: "mean", every: "v.windowPeriod", past: "24h", width: 21, more: "|> movingAverage(n: 6)"},
	{panel: "RHR", of: "RestingHR", field: "value", width: 3},
	{panel: "Today's Steps", of: "Total Steps", field: "value", fn: "last", every: "v.windowPeriod", width: 3},
	{panel: "Spo2 Today", of: "SPO2_Intraday", field: "value", fn: "mean", every: "v.windowPeriod", past: "24h", width: 21},
	{panel: "SpO2", of: "SPO2_Intraday", field: "value", width: 3, more: "|> last()"},
	{panel: "Sleep Pattern", of: "Sleep Levels", field: "level", where: "isMainSleep=True", past: "24h", width: 21},
	{panel: "Sleep", of: "Sleep Summary", field: "minutesDeep", fn: "median", every: "v.windowPeriod", width: 11},
	{panel: "Sleep", of: "Sleep Summary", field: "minutesLight", fn: "median", every: "v.windowPeriod", width: 11},
	{panel: "Sleep", of: "Sleep Summary", field: "minutesREM", fn: "median", every: "v.windowPeriod", width: 11},
	{panel: "Sleep", of: "Sleep Summary", field: "minutesAwake", fn: "median", every: "v.windowPeriod", width: 11},
	{panel: "Sleep Efficiency", of: "Sleep Summary", field: "efficiency", fn: "median", every: "v.windowPeriod", width: 7},
	{panel: "Relative Skin Temperature", of: "Skin Temperature Variation", field: "RelativeValue", fn: "median", every: "v.windowPeriod", width: 6},
	{panel: "Sleep Regularity", of: "Sleep Levels", field: "level", fn: "mean", every: "1h", width: 12},
	{panel: "Resting HR", of: "RestingHR", field: "value", fn: "last", every: "1h", width: 12},
	{panel: "HRV", of: "HRV", field: "dailyRmssd", fn: "last", every: "1h", width: 12},
	{panel: "HRV", of: "HRV", field: "deepRmssd", fn: "last", every: "1h", width: 12},
	{panel: "Spo2 (Avg)", of: "SPO2", field: "avg", fn: "last", every: "v.windowPeriod", width: 12},
	{panel: "Breathing Rate", of: "BreathingRate", field: "value", fn: "last", every: "v.windowPeriod", width: 12},
	{panel: "Hourly walk", of: "Activity Records", field: "steps", where: "ActivityName=Walk", fn: "median", every: "v.windowPeriod", width: 12},
	{panel: "Activities (Steps)", of: "Activity Records", field: "steps", fn: "sum", every: "1d", width: 12},
	{panel: "Activities (Duration)", of: "Activity Records", field: "duration", fn: "sum", every: "1d", width: 12},
	{panel: "Recent Activity", of: "Activity Records", field: "duration", fn: "sum", every: "1h", past: "7d", width: 24},
	{panel: "HR Zones", of: "HR zones", field: "Normal", fn: "mean", every: "v.windowPeriod", width: 12},
	{panel: "HR Zones", of: "HR zones", field: "Fat Burn", fn: "mean", every: "v.windowPeriod", width: 12},
	{panel: "HR Zones", of: "HR zones", field: "Cardio", fn: "mean", every: "v.windowPeriod", width: 12},
	{panel: "HR Zones", of: "HR zones", field: "Peak", fn: "mean", every: "v.windowPeriod", width: 12},
	{panel: "Activity Minutes", of: "Activity Minutes", field: "minutesSedentary", fn: "median", every: "v.windowPeriod", width: 10},
	{panel: "Activity Minutes", of: "Activity Minutes", field: "minutesLightlyActive", fn: "median", every: "v.windowPeriod", width: 10},
	{panel: "Activity Minutes", of: "Activity Minutes", field: "minutesFairlyActive", fn: "median", every: "v.windowPeriod", width: 10},
	{panel: "Activity Minutes", of: "Activity Minutes", field: "minutesVeryActive", fn: "median", every: "v.windowPeriod", width: 10},
	{panel: "Distance", of: "distance", field: "value", fn: "median", every: "v.windowPeriod", width: 7},
	{panel: "Calories", of: "calories", field: "value", fn: "median", every: "v.windowPeriod", width: 7},
	{panel: "Device Battery Level", of: "DeviceBatteryLevel", field: "value", past: "6h", width: 3},
	{panel: "Battery Level", of: "DeviceBatteryLevel", field: "value", fn: "mean", every: "v.windowPeriod", width: 24},
}

// On an InfluxDB 2.
func TestInfluxDB2PythonQuestions(t *testing.T) {
	theirs, ours := pythonBuckets(t)
	asks(t, Flux, fluxQuestions, theirs, ours)
}

// pythonBuckets fills an InfluxDB 2 in the ways that are compared.
func pythonBuckets(t *testing.T) (theirs database, ours map[string]database) {
	t.Helper()
	dir, program := archive(t)
	url := startInfluxDB2(t)
	lines, service := pythonMonth(t)
	bucket(t, url, "python")
	for _, text := range lines {
		write(t, url, "python", []byte(text))
	}
	ours = map[string]database{}
	for source, options := range map[string]string{"fitbit": monthArchive(t, service), "google": yearOptions(dir)} {
		name := "our-" + source
		bucket(t, url, name)
		options += fmt.Sprintf("influxdb: {version: 2, url: %q, org: home, bucket: %s, token: %s, units: python}\n", url, name, token)
		if err := run(program, optionsFile(t, options), "", "replay"); err != nil {
			t.Fatal(err)
		}
		ours[source] = fluxed{url: url, org: "home", bucket: name, token: token}
	}
	return fluxed{url: url, org: "home", bucket: "python", token: token}, ours
}

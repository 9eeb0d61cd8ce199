//go:build !race

package dashboard

import (
	"fmt"
	"math"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/python"
)

// The dashboards that the Python project ships, for InfluxQL and for Flux, are made for what it writes. Here their questions are asked
// of a database that it filled and of ones that this program filled, for the same person and month, and the answers are held against
// each other.

// A question is what a panel of those dashboards asks.
type question struct {
	panel string
	of    string // measurement
	field string
	fn    string // what the window's values become; empty for the values as they stand
	every string // window; interval is the one that fits the panel's width
	fill  string // of windows without a value
	where string // tag=value
	past  string // the panel's own range, up to now; empty for the dashboard's
	width int    // of the panel, of 24
	local bool   // windows of the viewer's zone
	times string // InfluxQL: what the value is multiplied with
	more  string // Flux: what follows; InfluxQL: a further condition
}

const interval = "$__interval"

// questions of the dashboard for InfluxQL.
var questions = []question{
	{panel: "Heart Rate", of: "HeartRate_Intraday", field: "value", fn: "mean", every: "2m", past: "24h", width: 21},
	{panel: "Last Sync", of: "HeartRate_Intraday", field: "value", fn: "last", past: "24h", width: 3},
	{panel: "Heart Rate Distribution", of: "HeartRate_Intraday", field: "value", fn: "mean", every: "1m", past: "24h", width: 3},
	{panel: "Device Battery Level", of: "DeviceBatteryLevel", field: "value", past: "6h", width: 3},
	{panel: "Intraday Steps", of: "Steps_Intraday", field: "value", fn: "mean", every: "1m", past: "24h", width: 21},
	{panel: "RHR", of: "RestingHR", field: "value", width: 3, local: true},
	{panel: "Spo2 Today", of: "SPO2_Intraday", field: "value", fn: "mean", every: "5m", fill: "null", past: "24h", width: 21},
	{panel: "Today's Steps", of: "Steps_Intraday", field: "value", fn: "sum", every: "1d", fill: "0", width: 3, local: true},
	{panel: "Sleep Pattern", of: "Sleep Levels", field: "level", where: "isMainSleep=True", past: "24h", width: 21},
	{panel: "Sleep Pattern", of: "Sleep Levels", field: "level", fn: "last", every: "20s", fill: "previous", where: "isMainSleep=True", past: "24h", width: 21},
	{panel: "SpO2", of: "SPO2", field: "avg", fn: "last", every: "1d", width: 3, local: true},
	{panel: "Last Day Total Sleep", of: "Sleep Summary", field: "minutesAsleep", fn: "last", every: "1d", fill: "null", width: 3, local: true},
	{panel: "Sleep", of: "Sleep Summary", field: "minutesDeep", fn: "mean", every: "1d", fill: "null", width: 9, local: true},
	{panel: "Sleep", of: "Sleep Summary", field: "minutesLight", fn: "mean", every: "1d", fill: "null", width: 9, local: true},
	{panel: "Sleep", of: "Sleep Summary", field: "minutesREM", fn: "mean", every: "1d", fill: "null", width: 9, local: true},
	{panel: "Sleep", of: "Sleep Summary", field: "minutesAwake", fn: "mean", every: "1d", fill: "null", width: 9, local: true},
	{panel: "Sleep Efficiency", of: "Sleep Summary", field: "efficiency", fn: "mean", every: "1d", fill: "null", width: 7, local: true},
	{panel: "Relative Skin Temperature", of: "Skin Temperature Variation", field: "RelativeValue", fn: "mean", every: "1d", fill: "null", width: 8},
	{panel: "Average Sleep trends", of: "Sleep Summary", field: "minutesLight", fn: "mean", every: "1d", fill: "null", width: 12},
	{panel: "Sleep Regularity", of: "Sleep Levels", field: "level", fn: "median", every: "1h", width: 12, local: true},
	{panel: "Resting HR", of: "RestingHR", field: "value", fn: "distinct", every: interval, fill: "null", width: 12},
	{panel: "HRV", of: "HRV", field: "dailyRmssd", fn: "distinct", every: interval, fill: "null", width: 12},
	{panel: "Spo2 (Avg)", of: "SPO2", field: "avg", fn: "distinct", every: interval, fill: "null", width: 12},
	{panel: "Breathing Rate", of: "BreathingRate", field: "value", fn: "distinct", every: interval, fill: "null", width: 12},
	{panel: "Hourly walk", of: "Steps_Intraday", field: "value", fn: "sum", every: "1h", fill: "0", width: 12, local: true},
	{panel: "Steps", of: "Total Steps", field: "value", width: 12},
	{panel: "Activity", of: "Activity Minutes", field: "minutesLightlyActive", fn: "distinct", every: interval, fill: "null", width: 7, local: true},
	{panel: "Activity", of: "Activity Minutes", field: "minutesFairlyActive", fn: "distinct", every: interval, fill: "null", width: 7},
	{panel: "Activity", of: "Activity Minutes", field: "minutesVeryActive", fn: "distinct", every: interval, fill: "null", width: 7},
	{panel: "Avg Activity", of: "Activity Minutes", field: "minutesSedentary", fn: "mean", every: "1d", fill: "null", width: 8},
	{panel: "HR Zones", of: "HR zones", field: "Fat Burn", fn: "distinct", every: interval, fill: "null", width: 7, local: true},
	{panel: "HR Zones", of: "HR zones", field: "Cardio", fn: "distinct", every: interval, fill: "null", width: 7},
	{panel: "HR Zones", of: "HR zones", field: "Peak", fn: "distinct", every: interval, fill: "null", width: 7},
	{panel: "Weight", of: "weight", field: "value", fn: "mean", every: "1d", fill: "null", width: 5, local: true, times: "0.453592"},
	{panel: "BMI", of: "bmi", field: "value", fn: "mean", every: "1d", fill: "null", width: 5, local: true},
	{panel: "Distance", of: "distance", field: "value", fn: "distinct", every: interval, fill: "null", width: 8, local: true},
	{panel: "Calories", of: "calories", field: "value", fn: "mean", every: "1d", fill: "null", width: 8, local: true},
	{panel: "Band wearing", of: "HeartRate_Intraday", field: "value", fn: "last", every: "5m", fill: "0", width: 24, local: true},
	{panel: "Recent Activity", of: "Activity Records", field: "duration", where: "ActivityName=Walk", past: "7d", width: 13},
	{panel: "Recent Activity", of: "Activity Records", field: "duration", where: "ActivityName=Outdoor Bike", past: "7d", width: 13},
	{panel: "GPS", of: "GPS", field: "lat", where: "ActivityID=NEWEST", more: `"distance"::field > 0`, width: 11},
	{panel: "Pace", of: "GPS", field: "speed_kph", where: "ActivityID=NEWEST", more: `"distance"::field > 0`, width: 24},
	{panel: "Heart Rate of a track", of: "GPS", field: "heart_rate", where: "ActivityID=NEWEST", more: `"distance"::field > 0`, width: 24},
	{panel: "Battery Level", of: "DeviceBatteryLevel", field: "value", fn: "distinct", every: interval, fill: "null", width: 21},
}

// query writes the question in a language.
func (q question) query(d Dialect) string {
	tag, value, filtered := strings.Cut(q.where, "=")
	if d == Flux {
		s := fmt.Sprintf("from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop) |> filter(fn: (r) => r._measurement == %q and r._field == %q)", q.of, q.field)
		if filtered {
			s += fmt.Sprintf(" |> filter(fn: (r) => r[%q] == %q)", tag, value)
		}
		if q.fn != "" {
			s += fmt.Sprintf(" |> aggregateWindow(every: %s, fn: %s, createEmpty: %t)", q.every, q.fn, q.fill == "true")
		}
		return s + " " + q.more
	}
	what := fmt.Sprintf("%q", q.field)
	if q.fn != "" {
		what = q.fn + "(" + what + ")"
	}
	if q.times != "" {
		what += " * " + q.times
	}
	s := fmt.Sprintf("SELECT %s FROM %q WHERE $timeFilter", what, q.of)
	if filtered {
		s += fmt.Sprintf(" AND %q = '%s'", tag, value)
	}
	if q.more != "" {
		s += " AND " + q.more
	}
	if q.every != "" {
		s += " GROUP BY time(" + q.every + ")"
		if q.fill != "" {
			s += " fill(" + q.fill + ")"
		}
	}
	if q.local {
		s += " tz('" + zone + "')"
	}
	return s
}

// An exception is where an answer about our data may differ, and why. The first that fits a query holds.
type exception struct {
	source string // whose data; empty for both
	query  string // regular expression for the query and, behind it, the column
	why    string
	off    float64                               // of a value
	differ func(at time.Time, a, b float64) bool // further values that may differ; one that is missing is NaN

	unnamed bool // the instants may differ at which the Python project has a workout without a name
}

// exceptions: known differences between what the Python project's data answer and ours. What fits none is the very same.
var exceptions = []exception{
	{query: `^SELECT last\(.*HeartRate_Intraday" WHERE [^G]*$`, why: "a reading at the very second of the last sync is fetched with the next one", differ: func(at time.Time, _, _ float64) bool {
		return someone.LastSync(now).Sub(at) < 15*time.Second
	}},
	{query: `HeartRate_Intraday`, source: "fitbit", why: "the hour that the clocks show twice: the Python project puts both passes on the second", differ: twice},
	{query: `HeartRate_Intraday`, source: "google", why: "the same hour; and Google has every reading, Fitbit one in 5 to 15 s: a mean or a last one shifts, and there may be one where Fitbit has none", off: 25, differ: func(at time.Time, a, b float64) bool {
		return twice(at, a, b) || nothing(a) && !math.IsNaN(b) || at.Before(rawFrom)
	}},
	{query: `Steps_Intraday.*movingAverage`, source: "google", why: "Google has no minutes without steps, so the average of six windows is that of six minutes with steps: the line is higher", differ: func(_ time.Time, a, b float64) bool {
		return !(b < 0)
	}},
	{query: `Activity Records`, source: "google", why: "Google names the workouts that have no name at Fitbit", unnamed: true},
	{query: `Steps_Intraday.*sum`, why: "the same hour", differ: twice},
	{query: `SELECT sum.*Steps_Intraday`, why: "the same hour: the day has the first pass's steps, too", differ: onThatDay},
	{query: `Steps_Intraday`, why: "the same hour; Google has no minutes without steps, and of the time behind the last sync nothing is known, where the Python project writes zeros", differ: orNothing},
	{query: `SPO2_Intraday`, source: "google", why: "the same hour; and Fitbit has gaps", off: 3, differ: func(_ time.Time, a, b float64) bool { return math.IsNaN(a) }},
	{query: `SPO2_Intraday`, why: "the same hour", differ: twice},
	{query: `Sleep Levels`, why: "short wakings, which the Python project leaves out, are cut out of the stages they lie over", differ: func(_ time.Time, a, b float64) bool { return !math.IsNaN(b) }},
	{query: `Sleep Summary`, source: "google", why: "Fitbit counts wakings of up to 3 minutes as awake, and does not tell how long falling asleep took", off: 30},
	{query: `HR zones.*_field=Normal`, source: "google", why: "Fitbit counts sleep as out of range, Google leaves it out", off: 24 * 60, differ: orNothing},
	{query: `HR zones`, why: "a day on which the band was not worn has zeros at the Python project", differ: orNothing},
	{query: `Total Steps|Activity Minutes`, source: "google", why: "such a day", differ: orNothing},
	{query: `calories`, source: "google", why: "such a day; and Fitbit writes whole kilocalories", off: 0.5001, differ: orNothing},
	{query: `distance`, source: "google", why: "such a day; and Fitbit rounds to 6 digits", off: 1e-6, differ: orNothing},
	{query: `distance`, why: "the service rounds to 6 digits", off: 1e-6},
	{query: `Skin Temperature`, why: "the service rounds to tenths of what it is asked for", off: 0.1401},
	{query: `weight`, why: "the service rounds to tenths of a pound", off: 0.0601},
	{query: `bmi`, source: "google", why: "Google does not round", off: 0.00501},
}

func nothing(v float64) bool { return math.IsNaN(v) || v == 0 }

// orNothing allows a zero for nothing, and the hour that comes twice.
func orNothing(at time.Time, a, b float64) bool { return nothing(a) && nothing(b) || twice(at, a, b) }

// twice is 25 October 2026, 2 to 3 o'clock in Berlin, both times.
func twice(at time.Time, _, _ float64) bool {
	from := time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC)
	return !at.Before(from) && at.Before(from.Add(2*time.Hour))
}

func onThatDay(at time.Time, a, b float64) bool {
	return at.In(someone.Zone(0)).Format(time.DateOnly) == "2026-10-25" && b >= a || orNothing(at, a, b)
}

// rawFrom is when our raw heart rate from Google begins.
var rawFrom = someone.Midnight(metric.DayOf(time.Date(2026, 11, 15, 0, 0, 0, 0, time.UTC)))

// answers are the values of an answer by column and instant.
func answers(frames []frame) map[string]map[time.Time]float64 {
	out := map[string]map[time.Time]float64{}
	put := func(column string, at time.Time, v any) {
		if n, ok := v.(float64); ok {
			if out[column] == nil {
				out[column] = map[time.Time]float64{}
			}
			out[column][at] = n
		}
	}
	for _, f := range frames {
		when := max(f.column("time"), f.column("_time"))
		for _, r := range f.rows {
			at, ok := r[when].(time.Time)
			if !ok {
				continue
			}
			words := ""
			for i, name := range f.names {
				if s, ok := r[i].(string); ok && name != "Device" {
					words += name + "=" + s + " "
				}
			}
			for i, name := range f.names {
				put(words+name, at, r[i])
			}
		}
	}
	return out
}

// exceptionOf returns the exception that holds for a column of an answer.
func exceptionOf(source, query, column string) exception {
	i := slices.IndexFunc(exceptions, func(d exception) bool {
		return (d.source == "" || d.source == source) && regexp.MustCompile("(?s)"+d.query).MatchString(query+" "+column)
	})
	if i < 0 {
		return exception{}
	}
	return exceptions[i]
}

// compare asks two databases the same and holds the answers against each other. It returns how many values there were.
func compare(t *testing.T, source, what, query string, theirs, ours database) int {
	t.Helper()
	a, b := answers(theirs.ask(t, query)), answers(ours.ask(t, query))
	n, bad, first := 0, 0, ""
	unnamed := map[time.Time]bool{} // the Python project has a workout without a name there
	for column, values := range a {
		for at := range values {
			unnamed[at] = unnamed[at] || strings.Contains(column, "Unknown-Activity")
		}
	}
	look := func(column string, d exception, at time.Time) {
		get := func(m map[string]map[time.Time]float64) float64 {
			if v, ok := m[column][at]; ok {
				return v
			}
			return math.NaN()
		}
		x, y := get(a), get(b)
		n++
		if math.Abs(x-y) <= d.off+1e-9*math.Abs(x) || d.differ != nil && d.differ(at, x, y) || d.unnamed && unnamed[at] {
			return
		}
		if bad++; first == "" {
			first = fmt.Sprintf("%s at %s: theirs is there: %t, ours: %t", column, at.In(someone.Zone(0)), !math.IsNaN(x), !math.IsNaN(y))
		}
	}
	for column, values := range a {
		d := exceptionOf(source, query, column)
		for at := range values {
			look(column, d, at)
		}
	}
	for column, values := range b {
		d := exceptionOf(source, query, column)
		for at := range values {
			if _, ok := a[column][at]; !ok {
				look(column, d, at)
			}
		}
	}
	if bad > 0 {
		t.Errorf("%s, %s: %d of %d values differ; %s\n%s", source, what, bad, n, first, query)
	}
	return n
}

// asks runs all questions against the databases of each source.
func asks(t *testing.T, d Dialect, list []question, theirs database, ours map[string]database) {
	t.Helper()
	newest := newestTrack()
	for source, db := range ours {
		for _, q := range list {
			v := &viewer{t: t, dialect: d, from: now.AddDate(0, 0, -30), to: now, zone: zone}
			p := panelJSON{Title: q.panel, TimeFrom: q.past}
			p.GridPos.W = q.width
			q.where = strings.Replace(q.where, "NEWEST", newest, 1)
			from, to := v.span(p)
			if n := compare(t, source, q.panel, v.macros(q.query(d), from, to, v.interval(p)), theirs, db); n == 0 && !may(q) {
				t.Errorf("%s, %s: nothing to compare", source, q.panel)
			}
		}
	}
}

// may reports whether a question may have no answer: of a kind of workout that was not done in the week.
func may(q question) bool {
	return q.panel == "Recent Activity" || q.panel == "Hourly walk" && q.of == "Activity Records"
}

// newestTrack is the tag of the newest workout with a track.
func newestTrack() string {
	for day := metric.DayOf(now); ; day-- {
		for _, w := range someone.Workouts(day) {
			if w.GPS && w.End.Before(now.Add(-2*time.Hour)) {
				return w.Start.UTC().Format("2006-01-02T15:04:05+00:00-") + w.Name
			}
		}
	}
}

// pythonMonth is the Python project's month, request by request, and a Fitbit Web API to fetch the same from.
func pythonMonth(t *testing.T) (lines []string, service string) {
	t.Helper()
	api := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{someone}, Now: func() time.Time { return now }, NoLimit: true})
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	w := &python.Writer{HTTP: oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: api.AccessToken(someone)})), Base: server.URL, Device: someone.Tracker()}
	err := w.Fill(now.AddDate(0, 0, -30).Truncate(24*time.Hour), now, func(text string) error {
		lines = append(lines, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, server.URL
}

// monthArchive has the program fetch the same month from the Fitbit Web API, and returns its options.
func monthArchive(t *testing.T, service string) string {
	t.Helper()
	_, program := archive(t)
	options := yearOptions(t.TempDir()) + fmt.Sprintf("provider: fitbit\npolite: no\nservice: {api_url: %[1]s, auth_url: %[1]s%[2]s, token_url: %[1]s%[3]s, revoke_url: %[1]s%[4]s}\n",
		service, simulate.FitbitPathAuth, simulate.FitbitPathToken, simulate.FitbitPathRevoke)
	app := simulate.DefaultFitbitApp()
	options = strings.NewReplacer("simulated-client.apps.googleusercontent.com", app.ID, "simulated-secret", app.Secret).Replace(options)
	file := optionsFile(t, options)
	if err := run(program, file, app.Refresh+"\n", "authorize", "--refresh-token"); err != nil {
		t.Fatal(err)
	}
	if err := run(program, file, "", "backfill", "--from", now.AddDate(0, 0, -31).Format(time.DateOnly)); err != nil {
		t.Fatal(err)
	}
	return options
}

// On an InfluxDB 1; python2_test.go asks on a 2.
func TestPythonQuestions(t *testing.T) {
	theirs, ours := pythonDatabases(t)
	asks(t, InfluxQL, questions, theirs, ours)
}

// pythonDatabases fills an InfluxDB 1 in the ways that are compared.
func pythonDatabases(t *testing.T) (theirs database, ours map[string]database) {
	t.Helper()
	s := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	lines, service := pythonMonth(t)
	s.Create("python")
	for _, text := range lines {
		s.Put("python", text) // endtoend has it that nothing of this is refused
	}
	_, program := archive(t)
	options := monthArchive(t, service) + fmt.Sprintf("influxdb: {url: %s, database: fitbit, units: python}\n", s.URL)
	if err := run(program, optionsFile(t, options), "", "replay"); err != nil {
		t.Fatal(err)
	}
	fill(t, s.URL, "google", "python")
	return influxQL{url: s.URL, database: "python"}, map[string]database{"fitbit": influxQL{url: s.URL, database: "fitbit"}, "google": influxQL{url: s.URL, database: "google"}}
}

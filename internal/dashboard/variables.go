package dashboard

import (
	"fmt"

	sdk "github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// The uids of the data sources that the installer and the provisioning files make. A dashboard begins with its own; where that is
// not there, Grafana takes the first InfluxDB data source.
const (
	sourceInfluxQL = "fitbit-fetch-influxql"
	sourceFlux     = "fitbit-fetch-flux"
)

// A variable is a template variable that is filled by a query.
type variable struct {
	name, label, about string
	hide               bool
	newest             bool   // the last in the alphabet first
	reload             bool   // again when the range changes
	all                bool   // holds all of its values at once
	regex              string // keeps only what matches
	influxql, flux     string
}

// fromEver reads a whole measurement in Flux.
func fromEver(measurement, field string) string {
	return fmt.Sprintf("from(bucket: v.defaultBucket)\n  |> range(start: 0)\n  |> filter(fn: (r) => r._measurement == %q and r._field == %q)\n  |> group()", measurement, field)
}

// queried are the variables in the order in which they need one another.
func queried() []variable {
	keep := "\n  |> keep(columns: [\"_value\"])"
	return []variable{
		{name: "has", hide: true, about: "Person where the database holds more than one, empty otherwise.", regex: "/^Person$/",
			influxql: `SHOW TAG KEYS FROM "Total Steps"`,
			flux:     "import \"influxdata/influxdb/schema\"\nschema.measurementTagKeys(bucket: v.defaultBucket, measurement: \"Total Steps\", start: 0)"},
		{name: "others", hide: true, all: true, about: "The names of all persons but the first.",
			influxql: `SHOW TAG VALUES FROM "Total Steps" WITH KEY = "Person"`,
			flux:     "import \"influxdata/influxdb/schema\"\nschema.measurementTagValues(bucket: v.defaultBucket, measurement: \"Total Steps\", tag: \"Person\", start: 0)\n  |> filter(fn: (r) => r._value != \"\")"},
		{name: "bmi", hide: true, about: "The latest body mass index, to find the unit of weight.",
			influxql: `SELECT last("value") FROM "bmi"`,
			flux:     fromEver("bmi", "value") + "\n  |> sort(columns: [\"_time\"])\n  |> last()" + keep},
		{name: "mass", hide: true, about: "0 where weight is stored in kilograms, 1 where in pounds.",
			influxql: `SELECT ceil(floor(last("value") / (0${bmi:raw} * 4.35)) / 1000) FROM "weight"`,
			flux:     fromEver("weight", "value") + "\n  |> sort(columns: [\"_time\"])\n  |> last()\n  |> map(fn: (r) => ({_value: r._value, unit: if float(v: \"0${bmi:raw}\") > 0.0 and r._value / float(v: \"0${bmi:raw}\") >= 4.35 then \"1\" else \"0\"}))\n  |> keep(columns: [\"unit\"])"},
		{name: "steps", hide: true, about: "The steps of a middling day, to find the unit of distance.",
			influxql: `SELECT median("value") FROM "Total Steps" WHERE "value" > 1000`,
			flux:     fromEver("Total Steps", "value") + "\n  |> filter(fn: (r) => r._value > 1000.0)\n  |> median()" + keep},
		{name: "length", hide: true, about: "0 where distance is stored in kilometres, 1 where in miles; temperatures go along.",
			influxql: `SELECT 1 - ceil(floor(median("value") * 1000 / (0${steps:raw} + 0.001) / 0.55) / 1000) FROM "distance" WHERE "value" > 0.5`,
			flux:     fromEver("distance", "value") + "\n  |> filter(fn: (r) => r._value > 0.5)\n  |> median()\n  |> map(fn: (r) => ({_value: r._value, unit: if r._value * 1000.0 / (float(v: \"0${steps:raw}\") + 0.001) < 0.55 then \"1\" else \"0\"}))\n  |> keep(columns: [\"unit\"])"},
	}
}

func workoutVariable() variable {
	return variable{name: "workout", label: "Workout", about: "A workout with a GPS track, by its start (UTC). The newest of the range comes first.", newest: true, reload: true,
		influxql: `SELECT "ActivityID", "last" FROM (SELECT last("lat") FROM "GPS" WHERE $timeFilter AND ` + personInfluxQL + ` GROUP BY "ActivityID")`, // SHOW TAG VALUES would go by shards, which are weeks
		flux: "import \"influxdata/influxdb/schema\"\nfrom(bucket: v.defaultBucket)\n  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n  |> filter(fn: (r) => r._measurement == \"GPS\" and r._field == \"lat\")\n  |> filter(fn: (r) => " + personFlux +
			")\n  |> group(columns: [\"ActivityID\"])\n  |> first()\n  |> group()\n  |> keep(columns: [\"ActivityID\"])"}
}

func (v variable) model(d Dialect) sdk.VariableModel {
	q := v.influxql
	if d == Flux {
		q = v.flux
	}
	m := sdk.VariableModel{Type: sdk.VariableTypeQuery, Name: v.name, Label: ptr(orElse(v.label, v.name)), Description: ptr(v.about), Datasource: source(),
		Query: &sdk.StringOrMap{String: ptr(q)}, Definition: ptr(q), Refresh: ptr(sdk.VariableRefreshOnDashboardLoad), Sort: ptr(sdk.VariableSortDisabled),
		Regex: ptr(v.regex), Multi: ptr(v.all), IncludeAll: ptr(v.all), Hide: ptr(sdk.VariableHideDontHide), SkipUrlSync: ptr(v.hide), Options: []sdk.VariableOption{}}
	if v.reload {
		m.Refresh = ptr(sdk.VariableRefreshOnTimeRangeChanged)
	}
	if v.newest {
		m.Sort = ptr(sdk.VariableSortAlphabeticalDesc)
	}
	if v.hide {
		m.Hide = ptr(sdk.VariableHideHideVariable)
	}
	if v.all {
		m.Current = &sdk.VariableOption{Selected: ptr(true), Text: sdk.StringOrArrayOfString{ArrayOfString: []string{"All"}}, Value: sdk.StringOrArrayOfString{ArrayOfString: []string{"$__all"}}}
	}
	return m
}

// choice is a variable with fixed options, of which the first is chosen.
func choice(name, label, about, query string, options ...sdk.VariableOption) sdk.VariableModel {
	m := sdk.VariableModel{Type: sdk.VariableTypeCustom, Name: name, Label: ptr(label), Description: ptr(about), Query: &sdk.StringOrMap{String: ptr(query)},
		Hide: ptr(sdk.VariableHideDontHide), Multi: ptr(false), IncludeAll: ptr(false), SkipUrlSync: ptr(false), AllowCustomValue: ptr(true), Options: options}
	if len(options) > 0 {
		m.Current = &options[0]
	}
	return m
}

func hidden(m sdk.VariableModel) sdk.VariableModel {
	m.Hide, m.SkipUrlSync = ptr(sdk.VariableHideHideVariable), ptr(true)
	return m
}

func option(text, value string) sdk.VariableOption {
	return sdk.VariableOption{Selected: ptr(false), Text: sdk.StringOrArrayOfString{String: ptr(text)}, Value: sdk.StringOrArrayOfString{String: ptr(value)}}
}

// variables are all of a board's. Grafana fills a choice's query with other variables: so the persons are the first and the others,
// and the time zone is the reader's.
func (b board) variables(d Dialect) []sdk.VariableModel {
	uid, kind := sourceInfluxQL, "InfluxQL"
	if d == Flux {
		uid, kind = sourceFlux, "Flux"
	}
	current := option("Fitbit Fetch ("+kind+")", uid)
	out := []sdk.VariableModel{{Type: sdk.VariableTypeDatasource, Name: "datasource", Label: ptr("Database"), Description: ptr("An InfluxDB data source whose query language is " + kind + "."),
		Query: &sdk.StringOrMap{String: ptr("influxdb")}, Refresh: ptr(sdk.VariableRefreshOnDashboardLoad), Regex: ptr(""), Current: &current, Hide: ptr(sdk.VariableHideDontHide),
		Multi: ptr(false), IncludeAll: ptr(false), SkipUrlSync: ptr(false), Options: []sdk.VariableOption{}}}
	for _, v := range queried() {
		out = append(out, v.model(d))
	}
	out = append(out,
		choice("person", "Person", "Whose data. The first person is the one without a name in the database.", "First person : (),${others:csv}", option("First person", "()")),
		choice("tz", "Time zone", "The person's zone, where hours, nights and what is counted by day begin. The first is the dashboard's own; where you are in another one, type the person's in, such as Europe/Berlin.", "${__timezone},UTC"))
	if d == InfluxQL {
		out = append(out,
			variable{name: "utc", hide: true, about: "Something where the zone is Grafana's utc, which InfluxQL does not know; empty otherwise.",
				influxql: `SELECT last("value") FROM "Total Steps" WHERE '${tz:raw}' = 'utc'`}.model(d),
			hidden(choice("zoned", "zoned", "Ends the comment before the zone, unless that is utc.", "${utc:raw},*/")))
	}
	out = append(out,
		choice("units", "Units", "As stored is what the database holds: kilograms and kilometres, or the pounds and miles that the Python project wrote.", unitsQuery,
			option("As stored", asStored), option("Metric", toMetric), option("Imperial", toImperial)))
	if b.workout {
		out = append(out, workoutVariable().model(d))
	}
	return out
}

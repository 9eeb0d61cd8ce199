package dashboard

import (
	"fmt"
	"slices"
	"strings"
)

// A Dialect is a query language.
type Dialect string

// InfluxQL is understood by InfluxDB 1 and 3, and by 2 where its bucket is mapped to a database; Flux by InfluxDB 2.
const (
	InfluxQL Dialect = "influxql"
	Flux     Dialect = "flux"
)

// Dialects are all of them.
func Dialects() []Dialect { return []Dialect{InfluxQL, Flux} }

// A quantity is a kind of value that a database may hold in one of two units; see units.go.
type quantity uint8

const (
	plain quantity = iota
	mass
	length
	difference // of temperatures
	speed      // always metric in the database
	way        // a length in a track, likewise
)

// A col is one column of an answer: a field, put together over the query's window by fn, times a factor.
type col struct {
	key   string // InfluxDB field
	fn    string // mean, sum, max, min, last, first, count, median; empty for the values as they stand
	as    string // what the reader sees
	times string // a constant factor, such as "0.001"
	unit  quantity
}

// A query asks for columns of one measurement of the chosen person.
type query struct {
	of     string
	cols   []col
	where  [2]string // a tag and the value it must have; the value may be a variable
	every  string    // window: auto for the panel's interval, 30m, 1h, 1d, day (of daily values), night, week (of daily values), sessions (a week of others); empty for none
	fill   string    // of windows without values: 0, or empty for nothing; with auto there is always a null
	before string    // begin that long before the end of the range, whatever its start; such as 30d
	table  bool      // one table with a column each, not one series each
	needs  string    // table: rows without this field are left out
	moving bool      // table: rows without speed are left out, too: while somebody stands, the distance does not grow

	delta string // instead of the values: above or below, by how much the last of them is that against the mean of those before; gained or lost, against the first

	influxql, flux string // instead of all above where a question is a special one
}

// What keeps to the chosen person. Where the database knows no tag Person, InfluxDB 3 must not be asked for it: it would answer
// nothing. In Flux the condition stands close behind the source, so that the storage looks for it: there a tag that is not there
// is an empty one.
const (
	personInfluxQL = `('${has:raw}' = '' OR "Person" =~ /^${person:raw}$/)`
	personFlux     = `r.Person =~ /^${person:raw}$/`
)

// in writes the query in a dialect.
func (q query) in(d Dialect) string {
	if q.influxql != "" {
		if d == Flux {
			return q.flux
		}
		return q.influxql
	}
	if d == Flux {
		return q.asFlux()
	}
	return q.asInfluxQL()
}

func (q query) asInfluxQL() string {
	var cols []string
	for _, c := range q.cols {
		e := fmt.Sprintf("%q", c.key)
		if q.delta != "" {
			return q.deltaInfluxQL(c)
		}
		if c.fn != "" {
			e = fmt.Sprintf("%s(%s)", c.fn, e)
		}
		cols = append(cols, fmt.Sprintf("%s%s AS %q", e, c.factor(InfluxQL), c.name()))
	}
	s := fmt.Sprintf("SELECT %s FROM %q WHERE %s", strings.Join(cols, ", "), q.of, q.rangeInfluxQL())
	if q.where[0] != "" {
		s += fmt.Sprintf(" AND %q = '%s'", q.where[0], q.where[1])
	}
	if q.needs != "" {
		s += fmt.Sprintf(" AND %q > -1000000", q.needs)
	}
	if q.moving {
		s += ` AND "speed_kph" > 0`
	}
	if q.every == "auto" { // a null where nothing was measured, so that no line is drawn there
		q.fill = "null"
	}
	return s + groupInfluxQL(q.every, q.fill)
}

// groupInfluxQL puts the values of each window together. Values of days and their weeks need no zone: they stand at the person's
// midnights, wherever the reader is.
func groupInfluxQL(every, fill string) string {
	if every == "" {
		return ""
	}
	s := " GROUP BY time(" + influxWindow(every) + ") fill(" + orElse(fill, "none") + ")"
	if every != "auto" && every != "day" && every != "week" {
		s += zoneInfluxQL
	}
	return s
}

// zoneInfluxQL ends a query whose windows begin at hours and days of the zone that is chosen. Grafana calls UTC utc, which no database
// knows. So zoned (see variables.go) is what ends the comment, but for utc, where all is a comment: without a zone it is UTC.
const zoneInfluxQL = " /* ${zoned:raw} tz('${tz:raw}') -- */\n"

// zoneFlux does the same.
const zoneFlux = "option location = timezone.location(name: if \"${tz:raw}\" == \"utc\" then \"UTC\" else \"${tz:raw}\")\n"

// deltaInfluxQL is a difference: of the last value against the mean of those before, where there are any, or against the first. What
// is above and what is below are two queries, of which one answers: Grafana has no unit with a sign. (The difference of an integer would be
// an integer to the query around it.)
func (q query) deltaInfluxQL(c col) string {
	usual := fmt.Sprintf("(sum(%[1]q) - last(%[1]q)) / (count(%[1]q) - 1)", c.key)
	if q.delta == "gained" || q.delta == "lost" {
		usual = fmt.Sprintf("first(%q)", c.key)
	}
	sign, is := "", ">= 0"
	if q.delta == "below" || q.delta == "lost" {
		sign, is = "0 - ", "< 0"
	}
	s := fmt.Sprintf("SELECT 1.0 * last(%[1]q) - %[2]s AS \"d\", count(%[1]q) AS \"n\" FROM %[3]q WHERE %[4]s", c.key, usual, q.of, q.rangeInfluxQL())
	if q.where[0] != "" {
		s += fmt.Sprintf(" AND %q = '%s'", q.where[0], q.where[1])
	}
	return fmt.Sprintf("SELECT %s\"d\"%s AS %q FROM (%s) WHERE \"d\" %s AND \"n\" > 1", sign, c.factor(InfluxQL), c.name(), s, is)
}

// later is how many hours after the beginning of its window a value is drawn: at noon of the person's day, which is the same date in
// every zone that is less than twelve hours away; of a night, at noon of the day of waking; of a week, on its Monday.
func (q query) later(d Dialect) float64 {
	switch q.every {
	case "1d", "day":
		return 12
	case "night":
		return 21
	case "week":
		if d == InfluxQL {
			return 24.5
		}
		return 14
	case "sessions":
		return 14
	case "":
		if slices.Contains(dailies(), q.of) {
			return 12
		}
	}
	return 0
}

// dailies are the measurements that hold one value for each day, at the person's midnight.
func dailies() []string {
	return []string{"Activity Minutes", "BreathingRate", "HR zones", "HRV", "RestingHR", "SPO2", "Skin Temperature Variation", "Total Steps", "VO2Max",
		"active_calories", "calories", "distance", "elevation", "floors"}
}

// rangeInfluxQL is the condition on time and person.
func (q query) rangeInfluxQL() string {
	span := "$timeFilter"
	if q.before != "" {
		span = fmt.Sprintf("time >= ${__to}ms - %s AND time <= ${__to}ms", q.before)
	}
	return span + " AND " + personInfluxQL
}

// influxWindow is a window of GROUP BY time. A night begins at 15:00, so that one that begins after midnight is not added to the
// next one, and lies around the midnight before the waking. InfluxDB 1 is an hour off after a change of the clocks and the InfluxQL
// of InfluxDB 2.7 loses the window of the change in spring, where windows do not begin at midnight. So a week of daily values, which
// stand at local midnights, is counted without a zone, from the one instant that lies between the Sundays and the Mondays of all
// zones: Sunday, 10:30 UTC. Weeks of other values begin on Sunday at 22:00. (InfluxDB counts weeks from a Thursday.)
func influxWindow(every string) string {
	switch every {
	case "auto":
		return "$__interval"
	case "day":
		return "1h"
	case "night":
		return "1d, 15h"
	case "week":
		return "7d, 4950m"
	case "sessions":
		return "7d, 94h"
	}
	return every
}

func (q query) asFlux() string {
	var b strings.Builder
	local := q.every != "" && q.every != "auto" && q.every != "day"
	if q.before != "" || q.early() {
		b.WriteString("import \"date\"\n")
	}
	if q.every == "auto" {
		b.WriteString("import \"internal/debug\"\n")
	}
	if local {
		b.WriteString("import \"timezone\"\n" + zoneFlux)
	}
	if q.table {
		b.WriteString(q.tableFlux())
		return b.String()
	}
	b.WriteString(q.columnFlux(q.cols[0])) // one alone: see panel.inOrder
	return b.String()
}

// early is whether windows may begin before the range does, which begins at a midnight.
func (q query) early() bool { return q.every == "night" || q.every == "week" || q.every == "sessions" }

// fromFlux reads the fields of the query that a condition chooses.
func (q query) fromFlux(fields string) string {
	start := "v.timeRangeStart"
	if q.before != "" {
		start = fmt.Sprintf("date.sub(d: %s, from: v.timeRangeStop)", q.before)
	}
	cut := ""
	if q.early() { // the first window keeps its beginning only where the range does not cut it
		start, cut = "date.sub(d: 7d, from: v.timeRangeStart)", "\n  |> filter(fn: (r) => r._time >= v.timeRangeStart)"
	}
	s := fmt.Sprintf("from(bucket: v.defaultBucket)\n  |> range(start: %s, stop: v.timeRangeStop)\n  |> filter(fn: (r) => r._measurement == %q%s)\n  |> filter(fn: (r) => %s)%s", start, q.of, fields, personFlux, cut)
	if q.where[0] != "" {
		s += fmt.Sprintf("\n  |> filter(fn: (r) => r[%q] == %q)", q.where[0], q.where[1])
	}
	return s
}

// columnFlux is one column as a series of its own, with its name as _field.
func (q query) columnFlux(c col) string {
	s := q.fromFlux(fmt.Sprintf(" and r._field == %q", c.key))
	value := "float(v: r._value)"
	if q.every == "auto" { // windows before all else, for the storage to make
		s += fmt.Sprintf("\n  |> aggregateWindow(every: v.windowPeriod, fn: %s, createEmpty: true, timeSrc: \"_start\")\n  |> group()\n  |> sort(columns: [\"_time\"])", c.fn)
		return s + fmt.Sprintf("\n  |> map(fn: (r) => ({_time: r._time, _value: if exists r._value then %s%s else debug.null(type: \"float\"), _field: %q}))\n  |> group(columns: [\"_field\"])", value, c.factor(Flux), c.name())
	}
	if c.fn == "last" && q.every == "" { // likewise
		s += "\n  |> last()\n  |> group()\n  |> sort(columns: [\"_time\"])\n  |> tail(n: 1)"
		return s + fmt.Sprintf("\n  |> map(fn: (r) => ({_time: r._time, _value: %s%s, _field: %q}))\n  |> group(columns: [\"_field\"])", value, c.factor(Flux), c.name())
	}
	s += "\n  |> group(columns: [\"_field\"])\n  |> sort(columns: [\"_time\"])"
	switch {
	case q.delta != "":
		usual, sign, is := "(r.sum - r.last) / (r.n - 1.0)", "", ">= 0.0"
		if q.delta == "gained" || q.delta == "lost" {
			usual = "r.first"
		}
		if q.delta == "below" || q.delta == "lost" {
			sign, is = "-", "< 0.0"
		}
		s += "\n  |> reduce(identity: {first: 0.0, last: 0.0, sum: 0.0, n: 0.0}, fn: (r, accumulator) => ({first: if accumulator.n > 0.0 then accumulator.first else float(v: r._value), last: float(v: r._value), sum: accumulator.sum + float(v: r._value), n: accumulator.n + 1.0}))"
		return s + fmt.Sprintf("\n  |> filter(fn: (r) => r.n > 1.0)\n  |> map(fn: (r) => ({_time: v.timeRangeStop, _value: r.last - %s, _field: %q}))\n  |> filter(fn: (r) => r._value %s)\n  |> map(fn: (r) => ({r with _value: %sr._value%s}))\n  |> group(columns: [\"_field\"])", usual, c.name(), is, sign, c.factor(Flux))
	case q.every != "":
		s += fmt.Sprintf("\n  |> aggregateWindow(%s, fn: %s, createEmpty: %t, timeSrc: \"_start\")", fluxWindow(q.every), c.fn, q.fill == "0")
	case c.fn != "":
		s += fmt.Sprintf("\n  |> %s()", c.fn)
		if c.fn != "first" {
			return s + fmt.Sprintf("\n  |> map(fn: (r) => ({_time: v.timeRangeStop, _value: %s%s, _field: %q}))\n  |> group(columns: [\"_field\"])", value, c.factor(Flux), c.name())
		}
	}
	if hours := q.later(Flux); hours > 0 {
		s += laterFlux(hours)
	}
	return s + fmt.Sprintf("\n  |> map(fn: (r) => ({_time: r._time, _value: %s%s, _field: %q}))\n  |> group(columns: [\"_field\"])", value, c.factor(Flux), c.name())
}

// laterFlux moves times on.
func laterFlux(hours float64) string {
	return fmt.Sprintf("\n  |> timeShift(duration: %dh, columns: [\"_time\"])", int(hours))
}

// tableFlux is all columns side by side, a row for each instant.
func (q query) tableFlux() string {
	s := q.fromFlux("") + "\n  |> pivot(rowKey: [\"_time\"], columnKey: [\"_field\"], valueColumn: \"_value\")\n  |> group()\n  |> sort(columns: [\"_time\"])"
	if q.needs != "" {
		s += fmt.Sprintf("\n  |> filter(fn: (r) => exists r[%q])", q.needs)
	}
	if q.moving {
		s += "\n  |> filter(fn: (r) => exists r[\"speed_kph\"] and r[\"speed_kph\"] > 0.0)"
	}
	fields := []string{"Time: r._time"}
	for _, c := range q.cols {
		if c.key == "ActivityName" { // a tag
			fields = append(fields, fmt.Sprintf("%q: r.%s", c.name(), c.key))
			continue
		}
		fields = append(fields, fmt.Sprintf("%q: if exists r[%q] then float(v: r[%q])%s else debug.null(type: \"float\")", c.name(), c.key, c.key, c.factor(Flux)))
	}
	return "import \"internal/debug\"\n" + s + "\n  |> map(fn: (r) => ({" + strings.Join(fields, ", ") + "}))"
}

// fluxWindow is the same in Flux.
func fluxWindow(every string) string {
	switch every {
	case "night":
		return "every: 1d, offset: 15h"
	case "week", "sessions":
		return "every: 7d, offset: 94h"
	case "day":
		return "every: 1h"
	}
	return "every: " + every
}

// factor is what the column is multiplied with.
func (c col) factor(d Dialect) string {
	s := c.unit.factor(d)
	if c.times != "" {
		s = " * " + c.times + s
	}
	return s
}

// name is the column's name in the answer; of a quantity with two units it carries which one it is, for the panel to choose by.
func (c col) name() string { return c.as + c.unit.suffix() }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

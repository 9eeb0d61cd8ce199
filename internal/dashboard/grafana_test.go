package dashboard

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// This file does with a dashboard's JSON what Grafana does between the file and the database: it fills the variables, replaces
// them and the macros in each query, in the order and with the rules of its scenes library and its InfluxDB data source.

// now is the instant at which the dashboards are opened.
var now = time.Date(2026, 11, 19, 12, 0, 0, 0, time.UTC)

// A file is a dashboard as Grafana reads it, as far as queries go.
type file struct {
	UID    string      `json:"uid"`
	Panels []panelJSON `json:"panels"`
	Time   struct{ From, To string }
	Vars   struct{ List []variableJSON } `json:"templating"`
}

type panelJSON struct {
	ID          int `json:"id"`
	Type, Title string
	Description string
	TimeFrom    string `json:"timeFrom"`
	Interval    string
	GridPos     struct{ H, W, X, Y int } `json:"gridPos"`
	Targets     []targetJSON

	Transformations []transformationJSON
	FieldConfig     struct {
		Defaults struct {
			Unit, NoValue string
			Decimals      *float64
			Custom        struct {
				DrawStyle, ShowPoints string
				InsertNulls           any
				AxisSoftMin           *float64
			}
		}
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
	Options struct {
		TextMode, GraphMode string
		XField              string
		Calculate           bool
	}
}

type transformationJSON struct {
	ID      string
	Filter  *struct{ ID, Options string }
	Options struct {
		Alias        string
		Binary       struct{ Left, Right string }
		IndexByName  map[string]int
		Conversions  []struct{ TargetField, DestinationType, DateFormat, Timezone string }
		RowField     string
		ColumnField  string
		OutputFormat string
	}
}

type targetJSON struct {
	RefID, Query, ResultFormat, Alias string
	RawQuery                          bool
	Datasource                        *struct{ Type, UID string }
}

type variableJSON struct {
	Name, Type, Regex string
	Query             json.RawMessage
	Sort, Refresh     int
	IncludeAll, Multi bool
	Datasource        *struct{ Type, UID string }
	Current           *struct{ Text, Value any }
}

func readFile(t testing.TB, f File) file {
	t.Helper()
	var out file
	if err := json.Unmarshal(f.JSON, &out); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return out
}

// A viewer is somebody who opens a dashboard.
type viewer struct {
	t        testing.TB
	dialect  Dialect
	db       database
	from, to time.Time // the dashboard's range
	zone     string    // of the dashboard, as Grafana calls it
	values   map[string][]string
	texts    map[string]string
	choose   map[string]string // labels or values to choose instead of the first
}

// A database answers queries.
type database interface {
	// ask runs a query and returns its tables.
	ask(t testing.TB, query string) []frame
}

// A frame is one table of an answer.
type frame struct {
	name  string // measurement
	tags  map[string]string
	names []string // of the columns
	rows  [][]any  // time as time.Time, numbers as float64, words as string; nil for nothing
}

func (f frame) column(name string) int { return slices.Index(f.names, name) }

// open fills the variables of a dashboard as it is opened.
func (v *viewer) open(f file) {
	v.t.Helper()
	v.values, v.texts = map[string][]string{}, map[string]string{}
	for _, x := range f.Vars.List {
		var query string
		if err := json.Unmarshal(x.Query, &query); err != nil {
			v.t.Fatalf("variable %s: %v", x.Name, err)
		}
		var labels, values []string
		switch x.Type {
		case "datasource":
			continue
		case "custom":
			for _, o := range regexp.MustCompile(`(?:\\,|[^,])+`).FindAllString(v.variables(query, v.from, v.to), -1) {
				if m := regexp.MustCompile(`^\s*(.+)\s:\s(.+)$`).FindStringSubmatch(o); m != nil {
					labels, values = append(labels, strings.TrimSpace(m[1])), append(values, strings.TrimSpace(m[2]))
				} else {
					labels, values = append(labels, strings.TrimSpace(o)), append(values, strings.TrimSpace(o))
				}
			}
		case "query":
			values = v.options(x, query)
			labels = values
		default:
			v.t.Fatalf("variable %s is of type %s", x.Name, x.Type)
		}
		switch {
		case x.IncludeAll:
			v.values[x.Name], v.texts[x.Name] = values, "All"
		case len(values) == 0:
			v.values[x.Name], v.texts[x.Name] = []string{""}, ""
		default:
			i := 0
			if c, ok := v.choose[x.Name]; ok {
				if i = max(slices.Index(labels, c), slices.Index(values, c)); i < 0 {
					v.t.Fatalf("variable %s has no %q, only %q", x.Name, c, labels)
				}
			}
			v.values[x.Name], v.texts[x.Name] = []string{values[i]}, labels[i]
		}
	}
}

// options are what a variable's query answers: the first column of words of the first table, else the first that is no time.
func (v *viewer) options(x variableJSON, query string) []string {
	frames := v.db.ask(v.t, v.macros(v.variables(query, v.from, v.to), v.from, v.to, time.Minute))
	if len(frames) == 0 {
		return nil
	}
	var out []string
	f := frames[0]
	column := -1
	for i := range f.names {
		if len(f.rows) == 0 {
			break
		}
		if _, ok := f.rows[0][i].(string); ok && !(v.dialect == InfluxQL && f.names[i] == "key") {
			column = i
			break
		}
	}
	for i := 0; column < 0 && i < len(f.names) && len(f.rows) > 0; i++ {
		if _, ok := f.rows[0][i].(time.Time); !ok {
			column = i
		}
	}
	keep := regexp.MustCompile(strings.Trim(x.Regex, "/"))
	for _, r := range f.rows {
		s := fmt.Sprint(r[column])
		if n, ok := r[column].(float64); ok {
			s = strconv.FormatFloat(n, 'f', -1, 64)
		}
		if keep.MatchString(s) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	switch x.Sort {
	case 1:
		slices.Sort(out)
	case 2:
		slices.Sort(out)
		slices.Reverse(out)
	}
	return out
}

// variables replaces ${name} and ${name:format}, as the browser does.
func (v *viewer) variables(s string, from, to time.Time) string {
	return regexp.MustCompile(`\$\{(\w+)(?::(\w+))?\}`).ReplaceAllStringFunc(s, func(m string) string {
		name, format, _ := strings.Cut(strings.Trim(m, "${}"), ":")
		switch name {
		case "__from":
			return strconv.FormatInt(from.UnixMilli(), 10)
		case "__to":
			return strconv.FormatInt(to.UnixMilli(), 10)
		case "__timezone":
			return v.zone
		case "datasource":
			return "uid"
		}
		values, ok := v.values[name]
		if !ok {
			v.t.Fatalf("%s is not a variable that is there by then, in %s", m, s)
		}
		switch format {
		case "raw", "csv":
			return strings.Join(values, ",")
		case "text":
			return v.texts[name]
		}
		v.t.Fatalf("%s: say how it is to be written", m)
		return ""
	})
}

// macros replaces what Grafana's server replaces.
func (v *viewer) macros(s string, from, to time.Time, interval time.Duration) string {
	if v.dialect == Flux {
		stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
		return strings.NewReplacer("v.timeRangeStart", stamp(from), "v.timeRangeStop", stamp(to), "v.windowPeriod", spell(interval)).Replace(s) // the bucket is the data source's
	}
	filter := fmt.Sprintf("time >= %dms and time <= %dms", from.UnixMilli(), to.UnixMilli())
	s = strings.ReplaceAll(s, "$timeFilter", filter)
	s = strings.ReplaceAll(s, "$interval", spell(interval))
	s = strings.ReplaceAll(s, "$__interval_ms", strconv.FormatInt(interval.Milliseconds(), 10))
	return strings.ReplaceAll(s, "$__interval", spell(interval))
}

// span is the range of a panel: the dashboard's, or its own up to now.
func (v *viewer) span(p panelJSON) (from, to time.Time) {
	if p.TimeFrom == "" {
		return v.from, v.to
	}
	return now.Add(-duration(v.t, p.TimeFrom)), now
}

// wholeDays is a range of whole days up to the end of today, which Grafana counts in the dashboard's zone.
func wholeDays(t testing.TB, zone, from string) (time.Time, time.Time) {
	t.Helper()
	n, err := strconv.Atoi(from[:len(from)-1])
	years, days := map[byte]int{'y': 1}[from[len(from)-1]], map[byte]int{'d': 1, 'w': 7}[from[len(from)-1]]
	if err != nil || years+days == 0 {
		t.Fatalf("%q is no length of time that is understood", from)
	}
	y, m, d := now.In(location(t, zone)).Date()
	return time.Date(y-n*years, m, d-n*days, 0, 0, 0, 0, location(t, zone)), time.Date(y, m, d+1, 0, 0, 0, 0, location(t, zone)).Add(-time.Millisecond)
}

// location is a zone by Grafana's name.
func location(t testing.TB, zone string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if zone == "utc" {
		loc, err = time.UTC, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// later is how much later a target's values are drawn than they are answered, by the panel's transformations.
func (p panelJSON) later(q targetJSON) time.Duration {
	for _, x := range p.Transformations {
		if x.ID != "calculateField" || x.Options.Alias != "Noon" || x.Filter != nil && !regexp.MustCompile(strings.Trim(x.Filter.Options, "/")).MatchString(q.RefID) {
			continue
		}
		if ms, err := strconv.Atoi(x.Options.Binary.Right); err == nil {
			return time.Duration(ms) * time.Millisecond
		}
	}
	return 0
}

// interval is what Grafana makes of a panel's width, its range and its least interval.
func (v *viewer) interval(p panelJSON) time.Duration {
	from, to := v.span(p)
	raw := to.Sub(from) / time.Duration(p.GridPos.W*1800/24)
	least := time.Millisecond
	if p.Interval != "" {
		least = duration(v.t, p.Interval)
	}
	return max(round(raw), least)
}

// query is a target's query as the database gets it.
func (v *viewer) query(p panelJSON, t targetJSON) string {
	from, to := v.span(p)
	return v.macros(v.variables(t.Query, from, to), from, to, v.interval(p))
}

// run answers a target as the panel sees it: each column a frame with its name, or one table.
func (v *viewer) run(p panelJSON, t targetJSON) []frame {
	return v.db.ask(v.t, v.query(p, t))
}

// round is Grafana's choice of a readable interval.
func round(d time.Duration) time.Duration {
	steps := []struct{ below, is time.Duration }{
		{1500 * time.Millisecond, time.Second}, {3500 * time.Millisecond, 2 * time.Second}, {7500 * time.Millisecond, 5 * time.Second}, {12500 * time.Millisecond, 10 * time.Second},
		{17500 * time.Millisecond, 15 * time.Second}, {25 * time.Second, 20 * time.Second}, {45 * time.Second, 30 * time.Second}, {90 * time.Second, time.Minute},
		{210 * time.Second, 2 * time.Minute}, {450 * time.Second, 5 * time.Minute}, {750 * time.Second, 10 * time.Minute}, {1050 * time.Second, 15 * time.Minute},
		{1500 * time.Second, 20 * time.Minute}, {45 * time.Minute, 30 * time.Minute}, {90 * time.Minute, time.Hour}, {150 * time.Minute, 2 * time.Hour},
		{270 * time.Minute, 3 * time.Hour}, {9 * time.Hour, 6 * time.Hour}, {24 * time.Hour, 12 * time.Hour}, {7 * 24 * time.Hour, 24 * time.Hour},
	}
	for _, s := range steps {
		if d < s.below {
			return s.is
		}
	}
	return 7 * 24 * time.Hour
}

// spell writes an interval as Grafana does: in the largest unit that is not below one.
func spell(d time.Duration) string {
	for _, u := range []struct {
		is   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= u.is {
			return strconv.FormatInt(int64(d/u.is), 10) + u.name
		}
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// duration reads 24h, 30d, 1y.
func duration(t testing.TB, s string) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(s[:len(s)-1])
	unit, ok := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour, 'y': 365 * 24 * time.Hour}[s[len(s)-1]]
	if err != nil || !ok {
		t.Fatalf("%q is no length of time that is understood", s)
	}
	return time.Duration(n) * unit
}

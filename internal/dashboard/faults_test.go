package dashboard

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A rule finds a fault that a reader would see. Each has an example that it must find.
type rule struct {
	name  string
	find  func(d Dialect, p panelJSON, raw json.RawMessage) []string
	wrong string // a panel with the fault
}

var (
	asName  = regexp.MustCompile(`AS "([^"]+)"`)
	fieldIs = regexp.MustCompile(`_field: "([^"]+)"|"([^"]+)": (?:if exists|r\.)`)
	ofName  = regexp.MustCompile(`FROM "([^"]+)"|_measurement == "([^"]+)"`)

	meansOf  = regexp.MustCompile(`(?i)means of (\d+) minutes`)
	windowOf = regexp.MustCompile(`GROUP BY time\((\w+)|every: (\w+)`)
	enums    = []string{"mode", "orientation", "displayMode", "placement", "sort", "graphMode", "colorMode", "textMode", "justifyMode", "pieType", "drawStyle", "showPoints", "showValue", "layout"}
)

// oneOfTwo matches a query whose sibling answers where it does not.
var oneOfTwo = regexp.MustCompile(`"(above usual|below usual|gained|lost)`)

// columnsOf are the names of a query's columns as an answer has them, for each unit that may be stored or chosen.
func columnsOf(q targetJSON) []string {
	var out []string
	for _, m := range append(asName.FindAllStringSubmatch(q.Query, -1), fieldIs.FindAllStringSubmatch(q.Query, -1)...) {
		name := strings.Join(m[1:], "")
		before, _, twofold := strings.Cut(name, " [${")
		if !twofold {
			out = append(out, name)
			continue
		}
		for _, unit := range []string{"As stored0", "As stored1", "Metric0", "Metric1", "Imperial0", "Imperial1"} {
			out = append(out, before+" ["+unit+"]")
		}
	}
	return out
}

var rules = []rule{
	{"heat maps have rows with names, in order, in the zone that is chosen", func(d Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		if p.Type != "heatmap" || p.Options.Calculate {
			return nil
		}
		ordered, zoned := 0, 0
		for _, x := range p.Transformations {
			ordered = max(ordered, len(x.Options.IndexByName))
			if x.ID == "formatTime" {
				out = append(out, "times become words in the browser's zone")
			}
			for _, c := range x.Options.Conversions {
				if c.DestinationType == "string" && c.Timezone == "${tz:raw}" {
					zoned++
				}
			}
		}
		if ordered < 24 {
			out = append(out, "the rows stand in the order in which they come")
		}
		for _, q := range p.Targets {
			if d == InfluxQL && (q.ResultFormat != "table" || zoned != 2) {
				out = append(out, "series give their name to each row, or rows and columns are not counted in the zone that is chosen")
			}
		}
		return out
	}, `{"type":"heatmap","transformations":[{"id":"formatTime"},{"id":"groupingToMatrix"}],"targets":[{"query":"SELECT","resultFormat":"time_series"}]}`},

	{"what is not known is no figure", func(_ Dialect, p panelJSON, raw json.RawMessage) (out []string) {
		if p.FieldConfig.Defaults.NoValue != "–" {
			out = append(out, fmt.Sprintf("without a value it says %q", p.FieldConfig.Defaults.NoValue))
		}
		if strings.Count(string(raw), `"noValue"`) > 1 {
			out = append(out, "a series says something else where it has no value")
		}
		return out
	}, `{"fieldConfig":{"defaults":{"noValue":"0"}}}`},

	{"a property is set once for a field", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		for _, q := range p.Targets {
			for _, column := range columnsOf(q) {
				seen := map[string]bool{}
				for _, o := range p.FieldConfig.Overrides {
					if o.Matcher.Options != column && !(o.Matcher.ID == "byRegexp" && regexp.MustCompile(strings.Trim(o.Matcher.Options, "/")).MatchString(column)) {
						continue
					}
					for _, x := range o.Properties {
						if seen[x.ID] {
							out = append(out, fmt.Sprintf("%s of %q is set twice", x.ID, column))
						}
						seen[x.ID] = true
					}
				}
			}
		}
		return out
	}, `{"targets":[{"query":"SELECT x AS \"Distance [${units:text}${length:raw}]\" FROM \"GPS\""}],"fieldConfig":{"defaults":{"noValue":"–"},"overrides":[{"matcher":{"id":"byRegexp","options":"/^Distance \\[(Metric\\d?|As stored0?)\\]$/"},"properties":[{"id":"unit","value":"suffix:km"},{"id":"unit","value":"velocitykmh"}]}]}}`},

	{"the length of a bar is its value", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		if c := p.FieldConfig.Defaults.Custom; c.DrawStyle == "bars" && (c.AxisSoftMin == nil || *c.AxisSoftMin != 0) {
			out = append(out, "bars do not begin at zero")
		}
		return out
	}, `{"type":"timeseries","fieldConfig":{"defaults":{"noValue":"–","custom":{"drawStyle":"bars"}}}}`},

	{"hours have one decimal", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		if c := p.FieldConfig.Defaults; c.Unit == "suffix:h" && (c.Decimals == nil || *c.Decimals != 1) {
			out = append(out, "hours are written in another way")
		}
		return out
	}, `{"fieldConfig":{"defaults":{"noValue":"–","unit":"suffix:h"}}}`},

	{"the ticks of an axis are not rounded", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		c := p.FieldConfig.Defaults
		if p.Type != "timeseries" && p.Type != "trend" {
			return nil
		}
		if c.Decimals != nil && *c.Decimals == 0 && c.Unit != "locale" {
			out = append(out, "no decimals: ticks between whole numbers are written alike")
		}
		for _, o := range p.FieldConfig.Overrides {
			for _, x := range o.Properties {
				if n, ok := x.Value.(float64); ok && x.ID == "decimals" && n == 0 {
					out = append(out, o.Matcher.Options+" has no decimals")
				}
			}
		}
		return out
	}, `{"type":"timeseries","fieldConfig":{"defaults":{"noValue":"–","unit":"suffix:bpm","decimals":0,"custom":{"drawStyle":"line","insertNulls":1}}}}`},

	{"no line is drawn where nothing was measured", func(d Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		c := p.FieldConfig.Defaults.Custom
		if p.Type != "timeseries" || c.DrawStyle != "line" {
			return nil
		}
		if ms, ok := c.InsertNulls.(float64); ok && ms > 0 {
			return nil
		}
		for _, q := range p.Targets {
			if d == InfluxQL && !strings.Contains(q.Query, "GROUP BY time($__interval) fill(null)") || d == Flux && !strings.Contains(q.Query, "every: v.windowPeriod, fn: ") || strings.Contains(q.Query, "createEmpty: false") {
				out = append(out, "gaps are drawn as lines")
			}
		}
		return out
	}, `{"type":"timeseries","targets":[{"query":"SELECT mean(\"value\") AS \"x\" FROM \"core_temperature\" GROUP BY time($__interval) fill(none)"}],"fieldConfig":{"defaults":{"noValue":"–","custom":{"drawStyle":"line"}}}}`},

	{"one sample is seen", func(_ Dialect, p panelJSON, raw json.RawMessage) (out []string) {
		if p.FieldConfig.Defaults.Custom.ShowPoints == "never" || strings.Contains(strings.ReplaceAll(string(raw), " ", ""), `"custom.showPoints","value":"never"`) {
			out = append(out, "a sample without a neighbour draws nothing")
		}
		return out
	}, `{"fieldConfig":{"defaults":{"noValue":"–","custom":{"showPoints":"never"}}}}`},

	{"a way along a distance goes only forward", func(d Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		for _, q := range p.Targets {
			if p.Type == "trend" && !strings.Contains(q.Query, `"speed_kph" > 0`) && !strings.Contains(q.Query, `r["speed_kph"] > 0.0`) {
				out = append(out, "a stop on the way gives one distance twice, which Grafana refuses")
			}
			if p.Type == "trend" && p.Options.XField != "Distance" {
				out = append(out, "Flux sorts columns by their names, and the first is not the distance")
			}
			if (p.Type == "table" || p.Type == "geomap") && d == Flux && (len(p.Transformations) != 1 || len(p.Transformations[0].Options.IndexByName) < 4) {
				out = append(out, "Flux sorts columns by their names")
			}
			if d == Flux && strings.Contains(q.Query, "union(") {
				out = append(out, "Flux sorts tables by their names")
			}
		}
		return out
	}, `{"type":"trend","targets":[{"query":"SELECT \"distance\" FROM \"GPS\" WHERE \"distance\" > -1000000"}],"fieldConfig":{"defaults":{"noValue":"–"}}}`},

	{"days are the person's, wherever the reader is", func(d Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		for _, q := range p.Targets {
			m := ofName.FindStringSubmatch(q.Query)
			if m == nil {
				continue
			}
			daily := slices.Contains(dailies(), m[1]+m[2])
			if d == InfluxQL && (strings.Contains(q.Query, "tz(") && !strings.Contains(q.Query, zoneInfluxQL) || daily && strings.Contains(q.Query, "tz(")) {
				out = append(out, "utc, as Grafana calls it, is no zone of InfluxDB; and what is daily needs none")
			}
			if d == Flux && strings.Contains(q.Query, "timezone.location") && !strings.Contains(q.Query, zoneFlux) {
				out = append(out, "utc, as Grafana calls it, is no zone of InfluxDB")
			}
			week := strings.Contains(q.Query, "7d, ") || strings.Contains(q.Query, "every: 7d")
			moved := p.later(q) > 0 || strings.Contains(q.Query, "timeShift(")
			if (daily || week || strings.Contains(q.Query, "time(1d")) && p.Type == "timeseries" && !moved {
				out = append(out, "days stand at their midnight, which is the day before further west")
			}
		}
		return out
	}, `{"type":"timeseries","targets":[{"query":"SELECT sum(\"value\") AS \"Steps\" FROM \"Total Steps\" WHERE $timeFilter GROUP BY time(1d) fill(none) tz('${tz:raw}')"}],"fieldConfig":{"defaults":{"noValue":"–","custom":{"drawStyle":"bars","axisSoftMin":0}}}}`},

	{"means are of as many minutes as it says", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		says := meansOf.FindStringSubmatch(p.Description)
		if says == nil {
			return nil
		}
		for _, q := range p.Targets {
			for _, m := range windowOf.FindAllStringSubmatch(q.Query, -1) {
				if m[1]+m[2] != says[1]+"m" {
					out = append(out, says[0]+" are of "+orElse(m[1]+m[2], "any length"))
				}
			}
			if strings.Contains(q.Query, "$__interval") || strings.Contains(q.Query, "v.windowPeriod") {
				out = append(out, says[0]+" are as long as the panel is narrow")
			}
		}
		return out
	}, `{"description":"By means of 5 minutes.","targets":[{"query":"SELECT mean(\"x\") FROM \"HeartRate_Minute\" GROUP BY time($__interval) fill(none)"}],"fieldConfig":{"defaults":{"noValue":"–"}}}`},

	{"options that are words have one", func(_ Dialect, _ panelJSON, raw json.RawMessage) (out []string) {
		var walk func(at string, x any)
		walk = func(at string, x any) {
			switch x := x.(type) {
			case map[string]any:
				for k, v := range x {
					if v == "" && slices.Contains(enums, k) {
						out = append(out, at+"."+k+" is empty")
					}
					walk(at+"."+k, v)
				}
			case []any:
				for _, v := range x {
					walk(at, v)
				}
			}
		}
		var all any
		if json.Unmarshal(raw, &all) == nil {
			walk("", all)
		}
		return out
	}, `{"options":{"tooltip":{"mode":""}},"fieldConfig":{"defaults":{"noValue":"–"}}}`},

	{"a figure has its place and its name once", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		if p.Type != "stat" {
			return nil
		}
		if p.Options.GraphMode == "area" && p.GridPos.H < 6 {
			out = append(out, "the sparkline runs through the figure")
		}
		for _, q := range p.Targets {
			if p.Options.TextMode == "value_and_name" && slices.Contains(columnsOf(q), p.Title) {
				out = append(out, "the title stands there twice")
			}
		}
		return out
	}, `{"type":"stat","title":"HRV","gridPos":{"h":5},"targets":[{"query":"SELECT x AS \"HRV\" FROM \"HRV\""}],"options":{"textMode":"value_and_name","graphMode":"area"},"fieldConfig":{"defaults":{"noValue":"–"}}}`},

	{"what is usual is without what is held against it", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		for _, q := range p.Targets {
			if regexp.MustCompile(`last\(("\w+")\) - mean\(`).MatchString(q.Query) || strings.Contains(q.Query, "r.last - r.sum / r.n") {
				out = append(out, "the last value is in the mean that it is held against")
			}
			if regexp.MustCompile(`- (\(sum|first)`).MatchString(q.Query) && !oneOfTwo.MatchString(q.Query) {
				out = append(out, "a difference without a word for its sign")
			}
		}
		return out
	}, `{"targets":[{"query":"SELECT (last(\"avg\") - mean(\"avg\")) AS \"against usual\" FROM \"SPO2\""}],"fieldConfig":{"defaults":{"noValue":"–"}}}`},

	{"a range of its own is said", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		if p.TimeFrom != "" && !strings.Contains(p.Description, "Ends now") {
			out = append(out, "it ends now, whatever range is chosen, and does not say so")
		}
		if p.TimeFrom != "" && p.TimeFrom != "24h" && p.TimeFrom != "48h" {
			out = append(out, "more than the last days end where the range does")
		}
		return out
	}, `{"timeFrom":"90d","description":"The newest.","fieldConfig":{"defaults":{"noValue":"–"}}}`},

	{"a share is of one whole", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		for _, q := range p.Targets {
			if p.FieldConfig.Defaults.Unit == "percent" && regexp.MustCompile(`SELECT count\(|fn: count`).MatchString(q.Query) {
				out = append(out, "days have 23, 24 and 25 hours: a part of 24 is no share of each")
			}
		}
		return out
	}, `{"targets":[{"query":"SELECT count(\"mean\") * 0.069444 AS \"Worn\" FROM \"HeartRate_Minute\""}],"fieldConfig":{"defaults":{"noValue":"–","unit":"percent"}}}`},

	{"a column holds its times", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		for _, o := range p.FieldConfig.Overrides {
			width := 0.0
			for _, x := range o.Properties {
				if n, ok := x.Value.(float64); ok && x.ID == "custom.width" {
					width = n
				}
			}
			for _, x := range o.Properties {
				if x.ID == "unit" && x.Value == "dateTimeAsLocal" && width < 195 {
					out = append(out, o.Matcher.Options+" is cut")
				}
			}
		}
		return out
	}, `{"type":"table","fieldConfig":{"defaults":{"noValue":"–"},"overrides":[{"matcher":{"id":"byName","options":"Time"},"properties":[{"id":"unit","value":"dateTimeAsLocal"}]}]}}`},

	{"a column has no name that the transformations use", func(_ Dialect, p panelJSON, _ json.RawMessage) (out []string) {
		for _, x := range p.Transformations {
			for _, q := range p.Targets {
				if x.Options.Alias != "" && slices.Contains(columnsOf(q), x.Options.Alias) {
					out = append(out, x.Options.Alias+" is both")
				}
			}
		}
		return out
	}, `{"targets":[{"query":"SELECT x AS \"Noon\" FROM \"HRV\""}],"transformations":[{"id":"calculateField","options":{"alias":"Noon","binary":{"right":"1"}}}],"fieldConfig":{"defaults":{"noValue":"–"}}}`},
}

// No panel has a fault that a rule finds, and each rule finds its own.
func TestFaults(t *testing.T) {
	for _, r := range rules {
		var p panelJSON
		if err := json.Unmarshal([]byte(r.wrong), &p); err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		if len(r.find(InfluxQL, p, json.RawMessage(r.wrong))) == 0 {
			t.Errorf("%s: the rule does not find its example", r.name)
		}
	}
	every(t, func(t *testing.T, d Dialect, f File) {
		var raw struct{ Panels []json.RawMessage }
		if err := json.Unmarshal(f.JSON, &raw); err != nil {
			t.Fatal(err)
		}
		x := readFile(t, f)
		if !strings.HasSuffix(x.Time.From, "/d") || x.Time.To != "now/d" {
			t.Errorf("it opens from %s to %s, in the middle of days", x.Time.From, x.Time.To)
		}
		for i, p := range x.Panels {
			for _, r := range rules {
				if p.Type == "row" {
					continue
				}
				for _, s := range r.find(d, p, raw.Panels[i]) {
					t.Errorf("panel %q: %s (%s)", p.Title, s, r.name)
				}
			}
		}
	})
}

// The list of what is daily is the catalogue's.
func TestDailies(t *testing.T) {
	if got := slices.Sorted(slices.Values(dailies())); !slices.Equal(got, dailyMeasurements()) {
		t.Errorf("daily are %q, want %q", got, dailyMeasurements())
	}
}

//go:build pythondashboards && !race

package dashboard

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A theirFile is a dashboard of the Python project: of InfluxQL's, most queries are not written out, but put together by Grafana.
type theirFile struct {
	Panels []theirPanel
}

type theirPanel struct {
	panelJSON
	Panels  []theirPanel
	Targets []theirTarget
}

type theirTarget struct {
	RefID       string
	Query       string
	RawQuery    bool
	Measurement string
	Select      [][]clause
	GroupBy     []clause
	Tags        []struct{ Key, Operator, Value string }
	TZ          string
}

type clause struct {
	Type   string
	Params []any
}

// query is a target's query, as Grafana makes it; empty where there is none.
func (q theirTarget) query(d Dialect) string {
	if d == Flux {
		return strings.ReplaceAll(q.Query, `"${bucket}"`, "v.defaultBucket")
	}
	if q.RawQuery || q.Measurement == "" {
		return q.Query
	}
	var columns []string
	for _, parts := range q.Select {
		s := ""
		for _, p := range parts {
			switch {
			case p.Type == "field":
				s = fmt.Sprintf("%q", p.Params[0])
			case p.Type == "math":
				s += fmt.Sprint(p.Params[0])
			case len(p.Params) > 0:
				s = fmt.Sprintf("%s(%s, %v)", p.Type, s, p.Params[0])
			default:
				s = p.Type + "(" + s + ")"
			}
		}
		columns = append(columns, s)
	}
	s := fmt.Sprintf("SELECT %s FROM %q WHERE $timeFilter", strings.Join(columns, ", "), q.Measurement)
	for _, tag := range q.Tags {
		s += fmt.Sprintf(" AND (%q::tag %s '%s')", tag.Key, tag.Operator, tag.Value)
	}
	for _, g := range q.GroupBy {
		switch g.Type {
		case "time":
			s += fmt.Sprintf(" GROUP BY time(%v)", g.Params[0])
		case "fill":
			s += fmt.Sprintf(" fill(%v)", g.Params[0])
		}
	}
	if q.TZ != "" {
		s += " tz('" + q.TZ + "')"
	}
	return s
}

// TestPythonDashboards asks what the Python project's own files ask. They lie in the folder that DASHBOARDS names.
func TestPythonDashboards(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(os.Getenv("DASHBOARDS"), "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no *.json in DASHBOARDS=%q: %v", os.Getenv("DASHBOARDS"), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var f theirFile
			if err := json.Unmarshal(text, &f); err != nil {
				t.Fatal(err)
			}
			d, fill := InfluxQL, pythonDatabases
			if strings.Contains(string(text), "v.timeRangeStart") {
				d, fill = Flux, pythonBuckets
			}
			theirs, ours := fill(t)
			asked, empty, without := 0, 0, 0
			var ask func(panels []theirPanel)
			ask = func(panels []theirPanel) {
				for _, p := range panels {
					ask(p.Panels)
					for _, q := range p.Targets {
						query := q.query(d)
						if query == "" {
							without++ // it shows another panel's answer, or was left over
							continue
						}
						query = strings.NewReplacer("$TimeZone", zone, "${TimeZone}", zone, "$ActivityGPS", newestTrack()).Replace(query)
						v := &viewer{t: t, dialect: d, from: now.AddDate(0, 0, -30), to: now, zone: zone}
						from, to := v.span(p.panelJSON)
						query = v.macros(query, from, to, v.interval(p.panelJSON))
						for source, db := range ours {
							asked++
							if compare(t, source, p.Title+" "+q.RefID, query, theirs, db) == 0 {
								empty++
								t.Logf("%s, %s %s: no rows from either", source, p.Title, q.RefID)
							}
						}
					}
				}
			}
			ask(f.Panels)
			t.Logf("%d questions in %s, %d of them without rows from either; %d targets ask nothing", asked, d, empty, without)
			if asked-empty < 20 {
				t.Error("too few have rows")
			}
		})
	}
}

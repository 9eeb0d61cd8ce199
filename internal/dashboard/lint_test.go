package dashboard

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	sdk "github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// every calls f for each dashboard file in each dialect.
func every(t *testing.T, f func(t *testing.T, d Dialect, file File)) {
	t.Helper()
	for _, d := range Dialects() {
		files, err := Files(d)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Fatal("no dashboards")
		}
		for _, x := range files {
			t.Run(x.Name, func(t *testing.T) { f(t, d, x) })
		}
	}
}

// The files in the tree are what the description gives, and there are no others.
func TestFilesAreGenerated(t *testing.T) {
	root := filepath.Join("..", "..", "Grafana_Dashboard")
	var want []string
	every(t, func(t *testing.T, _ Dialect, f File) {
		want = append(want, f.Name)
		got, err := os.ReadFile(filepath.Join(root, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, f.JSON) {
			t.Error("differs from its description: run make generate")
		}
	})
	for _, d := range Dialects() {
		there, err := filepath.Glob(filepath.Join(root, string(d), "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range there {
			if name := string(d) + "/" + filepath.Base(path); !slices.Contains(want, name) {
				t.Errorf("%s is no dashboard of the description", name)
			}
		}
	}
}

// What the program embeds is the same.
func TestBundleIsGenerated(t *testing.T) {
	read := func(b []byte) string {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want, err := Bundle()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("..", "grafana", "dashboards.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if read(got) != read(want) { // another Go may compress otherwise
		t.Error("differs from the description: run make generate")
	}
	if len(got) > 64<<10 {
		t.Errorf("%d bytes in the program", len(got))
	}
}

// Grafana's own types read each file without finding anything missing or unknown.
func TestGrafanaReadsTheFiles(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	every(t, func(t *testing.T, _ Dialect, f File) {
		if err := new(sdk.Dashboard).UnmarshalJSONStrict(f.JSON); err != nil {
			t.Error(err)
		}
		if err := new(sdk.Dashboard).UnmarshalJSONStrict(bytes.Replace(f.JSON, []byte(`"fieldConfig"`), []byte(`"fieldConfgi"`), 1)); err == nil {
			t.Error("a fault of the file is not found")
		}
	})
}

// What breaks dashboards on their first import, and what makes them unpleasant.
func TestLint(t *testing.T) {
	uids := map[string]bool{}
	every(t, func(t *testing.T, d Dialect, f File) {
		var raw map[string]json.RawMessage
		if err := json.Unmarshal(f.JSON, &raw); err != nil {
			t.Fatal(err)
		}
		if string(raw["id"]) != "null" {
			t.Errorf("id is %s; a number is another Grafana's", raw["id"])
		}
		if string(raw["editable"]) != "true" {
			t.Error("cannot be edited")
		}
		var version int
		if err := json.Unmarshal(raw["schemaVersion"], &version); err != nil || version > 41 {
			t.Errorf("schema %s: Grafana 11 knows no newer one than 41", raw["schemaVersion"])
		}
		for _, bad := range []string{"__inputs", "__requires", "${DS_", "-- Mixed --", "-- Grafana --", "libraryPanel", "pluginVersion"} {
			if bytes.Contains(f.JSON, []byte(bad)) {
				t.Errorf("holds %q", bad)
			}
		}
		x := readFile(t, f)
		if x.UID != f.UID || len(x.UID) > 40 || uids[x.UID] {
			t.Errorf("uid %q is not its own or too long", x.UID)
		}
		uids[x.UID] = true
		lintVariables(t, x)
		lintPanels(t, x)
	})
}

func lintVariables(t *testing.T, f file) {
	t.Helper()
	if len(f.Vars.List) == 0 || f.Vars.List[0].Type != "datasource" || f.Vars.List[0].Name != "datasource" {
		t.Error("the data source is not the first variable")
	}
	for _, v := range f.Vars.List {
		switch v.Type {
		case "query":
			if v.Datasource == nil || v.Datasource.UID != "${datasource}" || v.Datasource.Type != "influxdb" {
				t.Errorf("variable %s has no data source of its own", v.Name)
			}
			if strings.Contains(string(v.Query), "SHOW TAG VALUES") && strings.Contains(string(v.Query), "$timeFilter") {
				t.Errorf("variable %s: the tags of a range are those of its shards, which are whole weeks", v.Name)
			}
			if (strings.Contains(string(v.Query), "$timeFilter") || strings.Contains(string(v.Query), "v.timeRangeStart")) != (v.Refresh == 2) || strings.Count(string(v.Query), "$timeFilter") > 1 {
				t.Errorf("variable %s: what depends on the range is asked again when it changes, and the range is named once", v.Name)
			}
		case "datasource", "custom":
		default:
			t.Errorf("variable %s is of type %s", v.Name, v.Type)
		}
	}
}

// core are the panels that every Grafana from 11 on has.
var core = []string{"row", "timeseries", "stat", "gauge", "bargauge", "piechart", "state-timeline", "status-history", "heatmap", "histogram", "table", "geomap", "trend", "barchart"}

func lintPanels(t *testing.T, f file) {
	t.Helper()
	ids := map[int]bool{}
	titles := map[string]bool{}
	taken := map[[2]int]string{}
	section := ""
	for _, p := range f.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("panel %q: id %d is not its own", p.Title, p.ID)
		}
		ids[p.ID] = true
		if !slices.Contains(core, p.Type) {
			t.Errorf("panel %q: %s may not be there in every Grafana", p.Title, p.Type)
		}
		for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Errorf("panel %q lies over %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.H < 1 || p.GridPos.W < 1 {
			t.Errorf("panel %q leaves the grid", p.Title)
		}
		if p.Type == "row" {
			section = p.Title
			continue
		}
		if p.GridPos.W < 3 || p.GridPos.H < 4 {
			t.Errorf("panel %q is too small to read", p.Title)
		}
		if key := section + "/" + p.Title; titles[key] || p.Title == "" {
			t.Errorf("panel %q: two of that title", key)
		} else {
			titles[key] = true
		}
		if len(p.Description) < 10 || !strings.HasSuffix(p.Description, ".") {
			t.Errorf("panel %q does not say what it shows", p.Title)
		}
		if len(p.Targets) == 0 {
			t.Errorf("panel %q asks nothing", p.Title)
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if q.Datasource == nil || q.Datasource.UID != "${datasource}" || q.Datasource.Type != "influxdb" {
				t.Errorf("panel %q: a query has no data source of its own", p.Title)
			}
			if refs[q.RefID] || q.RefID == "" {
				t.Errorf("panel %q: two queries are called %q", p.Title, q.RefID)
			}
			refs[q.RefID] = true
			if strings.Contains(q.Query, "HeartRate_Intraday") && p.TimeFrom != "24h" && !strings.Contains(q.Query, "last(") {
				t.Errorf("panel %q reads raw heart rate over a range of any length", p.Title)
			}
		}
	}
}

// Grafana's names of units; what follows suffix: is written behind the value, with a blank between.
// None of them goes over to a larger or smaller one by itself (4 Mm), nor rounds lengths of time (1 hour for 69 minutes), nor leaves out
// the separators of thousands where a value may need them.
var unitNames = []string{"none", "locale", "percent", "degree", "dateTimeFromNow", "dateTimeAsLocal"}

// A unit that Grafana does not know is shown as it is written.
func TestUnits(t *testing.T) {
	given := regexp.MustCompile(`"unit": "([^"]*)"|"id": "unit",\s*"value": "([^"]*)"`)
	every(t, func(t *testing.T, _ Dialect, f File) {
		for _, m := range given.FindAllStringSubmatch(string(f.JSON), -1) {
			u := m[1] + m[2]
			if suffix, ok := strings.CutPrefix(u, "suffix:"); ok && suffix == strings.TrimSpace(suffix) || slices.Contains(unitNames, u) {
				continue
			}
			t.Errorf("unit %q", u)
		}
	})
}

// Every gap of a row is filled: the panels of a row end at the right edge.
func TestRowsAreFull(t *testing.T) {
	for _, b := range boards() {
		for _, r := range b.rows {
			x := 0
			for _, p := range r.panels {
				if x += p.w; x > 24 {
					t.Errorf("%s, %s: the line ends before %q", b.title, r.title, p.title)
					x = p.w
				}
				if x == 24 {
					x = 0
				}
			}
			if x != 0 {
				t.Errorf("%s, %s: the last line is not full", b.title, r.title)
			}
		}
	}
}

// Panels of one line are equally high, so that nothing hangs.
func TestLinesAreEven(t *testing.T) {
	for _, b := range boards() {
		for _, r := range b.rows {
			x, h := 0, 0
			for _, p := range r.panels {
				if x == 0 {
					h = p.h
				}
				if p.h != h {
					t.Errorf("%s, %s: %q is %d high, its line %d", b.title, r.title, p.title, p.h, h)
				}
				x = (x + p.w) % 24
			}
		}
	}
}

// known is what the catalogue writes: measurement → fields and tags.
func known() map[string]map[string]bool {
	out := map[string]map[string]bool{}
	for _, s := range metric.Default() {
		m := out[s.Measurement]
		if m == nil {
			m = map[string]bool{"Person": true}
			out[s.Measurement] = m
		}
		for _, f := range s.Fields {
			m[f.Key] = true
		}
		for _, tag := range s.Tags {
			m[tag] = true
		}
	}
	return out
}

// Queries name only measurements, fields and tags that are written; and every measurement that is written is seen somewhere.
func TestQueriesAskWhatIsWritten(t *testing.T) {
	catalogue := known()
	quoted := regexp.MustCompile(`"([^"]+)"( AS "([^"]+)")?`)
	as := regexp.MustCompile(`AS "([^"]+)"`)
	fluxOf := regexp.MustCompile(`r\._measurement == "([^"]+)"`)
	fluxField := regexp.MustCompile(`r\._field == "([^"]+)"|r\["([^"]+)"\]|exists r\["([^"]+)"\]`)
	seen := map[string]bool{}
	every(t, func(t *testing.T, d Dialect, f File) {
		for _, p := range readFile(t, f).Panels {
			for _, q := range p.Targets {
				var of string
				var names []string
				if d == InfluxQL {
					m := regexp.MustCompile(`FROM "([^"]+)"`).FindStringSubmatch(q.Query)
					if m == nil {
						t.Fatalf("panel %q: no measurement in %s", p.Title, q.Query)
					}
					of = m[1]
					given := map[string]bool{of: true}
					for _, a := range as.FindAllStringSubmatch(q.Query, -1) {
						given[a[1]] = true
					}
					for _, n := range quoted.FindAllStringSubmatch(q.Query, -1) {
						if !given[n[1]] || catalogue[of][n[1]] {
							names = append(names, n[1])
						}
					}
				} else {
					m := fluxOf.FindStringSubmatch(q.Query)
					if m == nil {
						t.Fatalf("panel %q: no measurement in %s", p.Title, q.Query)
					}
					of = m[1]
					for _, n := range fluxField.FindAllStringSubmatch(q.Query, -1) {
						names = append(names, n[1]+n[2]+n[3])
					}
				}
				if catalogue[of] == nil {
					t.Errorf("panel %q: measurement %q is written by nobody", p.Title, of)
				}
				seen[of] = true
				for _, n := range names {
					if !catalogue[of][n] {
						t.Errorf("panel %q: %q has no %q", p.Title, of, n)
					}
				}
			}
		}
	})
	for _, row := range metric.Default() {
		if !seen[row.Measurement] && !row.Optional { // what few have is theirs to show
			t.Errorf("no panel shows %q", row.Measurement)
		}
		if seen[row.Measurement] && row.Optional {
			t.Errorf("a panel shows %q, which few have", row.Measurement)
		}
	}
}

// dailyMeasurements are those that hold one value for each day.
func dailyMeasurements() []string {
	var out []string
	for _, s := range metric.Default() {
		if s.Sampling == metric.Daily && !s.Optional {
			out = append(out, s.Measurement)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

//go:build grafana && !race

package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// Grafana's own libraries read every panel over real answers: make test-grafana fetches them and runs this.

var (
	dashboards = flag.String("dashboards", filepath.Join("..", "..", "Grafana_Dashboard"), "the folder with influxql/*.json")
)

// judges are the versions of Grafana; the first one's texts are written out, of the other ones what differs.
var judges = []string{"13.2", "12.3"}

// A who is somebody who opens a dashboard.
type who struct {
	Name      string            `json:"name"`
	Zone      string            `json:"zone"`                // of the browser
	Timezone  string            `json:"timezone,omitempty"`  // what the dashboard is set to, if not to the browser's
	Now       string            `json:"now,omitempty"`       // another time
	World     string            `json:"world,omitempty"`     // another database
	Choose    map[string]string `json:"choose,omitempty"`    // of the variables that are there
	Unwritten bool              `json:"unwritten,omitempty"` // the rules look, but no text is kept
}

// viewers are those who look. The first is the person, at home.
var viewers = []who{
	{Zone: zone},
	{Name: "UTC", Zone: "UTC"},
	{Name: "New_York", Zone: "America/New_York"},
	{Name: "a dashboard set to UTC", Zone: zone, Timezone: "utc", Unwritten: true},
	{Name: "the evening", Zone: zone, Now: "2026-11-19T20:00:00Z", Unwritten: true}, // the data end at noon
	{Name: "New York, with the person's zone chosen", Zone: "America/New_York", Choose: map[string]string{"tz": zone}, Unwritten: true},
	{Name: "a first day", Zone: zone, World: "newcomer", Unwritten: true},
	{Name: "a track with a stop", Zone: zone, World: "stop", Unwritten: true},
	{Name: "pounds", Zone: zone, World: "pounds"},
	{Name: "a reader of pounds and miles", Zone: zone, Choose: map[string]string{"units": "Imperial"}, Unwritten: true},
}

// worlds fills the databases of the viewers, beside the one of the year.
func worlds(t *testing.T, s *influxd.Server) {
	t.Helper()
	fill(t, s.URL, "fitbit", "metric")
	fill(t, s.URL, "pounds", "python")
	// Somebody who began today: of what comes once a day there is one value.
	s.Query("", "CREATE DATABASE newcomer")
	midnight := someone.Midnight(metric.DayOf(now)).UTC()
	s.Query("", fmt.Sprintf(`SELECT * INTO "newcomer"."autogen".:MEASUREMENT FROM "fitbit"."autogen"./.*/ WHERE time >= '%s' AND time <= '%s' GROUP BY *`, midnight.Format(time.RFC3339), now.Format(time.RFC3339)))
	s.Query("", "CREATE DATABASE stop")
	s.Put("stop", walk())
}

// walk is the track of one that stands still for a minute.
func walk() string {
	var b strings.Builder
	start := now.Add(-24 * time.Hour)
	metres := 0.0
	for i := range 400 {
		speed := 5.4 // km/h
		if i >= 100 && i < 120 {
			speed = 0
		}
		metres += speed / 3.6 * 3
		fmt.Fprintf(&b, "GPS,ActivityID=%s-Walk altitude=300,distance=%.2f,heart_rate=%di,lat=%.6f,lon=10.8,speed_kph=%.1f %d\n",
			start.Format("2006-01-02T15:04:05+00:00"), metres, 90+i%10, 47.49+metres/111e3, speed, start.Add(time.Duration(i)*3*time.Second).UnixNano())
	}
	return b.String()
}

// A finding is a fault that a dashboard once had. Its judge is what it takes to see it: "library", Grafana's data library over real
// answers; "axis", the same with the rules by which its charts choose their axes; "size", the same with the places that its panels give
// their parts; "JSON", the file alone. The rule finds it in any panel; testdata/judge/faults.json holds one that has it, under the same heading.
type finding struct{ what, judge, rule string }

var faults = []finding{
	{"Rows of a heat map all have the name of the value", "library", "rows"},
	{"Hours are missing or out of order", "library", "rows"},
	{"A figure stands where nothing is known", "JSON", "noValue"},
	{"A figure stands where nothing is known", "library", "empty"},
	{"A length has the unit of a speed", "library", "twice"},
	{"Kilometres become megametres, kilograms grams", "library", "scaled"},
	{"Bars do not begin at zero", "axis", "zero"},
	{"62 and 69 minutes are both an hour", "library", "duration"},
	{"A line is drawn through a gap", "library", "gaps"},
	{"One value alone is not seen", "JSON", "single"},
	{"A variable offers what is not in the range", "library", "offered"},
	{"A track with a stop is refused", "library", "errors"},
	{"A day stands at the day before for a viewer elsewhere", "library", "dates"},
	{"Today is empty for a viewer elsewhere", "library", "empty"},
	{"A heat map does not follow the chosen zone", "library", "zone"},
	{"A dashboard set to UTC shows errors", "library", "errors"},
	{"Means of minutes are means of hours", "JSON", "means"},
	{"A range begins in the middle of a day", "library", "ranges"},
	{"A word out of a list is empty", "JSON", "words"},
	{"A column is too narrow", "size", "clipped"},
	{"A sparkline has no room of its own", "size", "sparkline"},
	{"A title is there twice", "library", "title"},
	{"A change has no plus sign", "library", "plus"},
	{"The days before hold the last night", "JSON", "usual"},
	{"Values that differ are written alike", "library", "same"},
	{"Ticks are equal after rounding", "axis", "ticks"},
	{"What is said to have no limit has one", "JSON", "ever"},
	{"Lengths of time are written in several ways", "library", "style"},
	{"A length of time is written in decimals or seconds", "library", "clock"},
	{"A night stands at the afternoon before", "library", "dates"},
	{"A part is more than the whole", "library", "share"},
	{"Large figures are not grouped", "library", "thousands"},
	{"A value has too many digits", "library", "digits"},
	{"A panel does not follow a chosen range", "JSON", "timeFrom"},
}

// A job is what the judge is asked; see testdata/judge/main.mjs.
type job struct {
	Folder     string            `json:"folder"`
	Dialect    Dialect           `json:"dialect"`
	Server     map[string]string `json:"server"`
	Now        string            `json:"now"`
	Viewers    []who             `json:"viewers"`
	Dashboards []judged          `json:"dashboards"`
}

type judged struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

// A verdict is its answer.
type verdict struct {
	Version    string
	Rules      []string
	Dashboards []struct {
		Name  string
		Views []struct {
			Viewer   string
			Sections []struct {
				Title  string
				Panels []readPanel
			}
		}
		Findings []judgement
	}
}

type readPanel struct {
	Type, Title string
	Lines       []string
}

// A judgement is what a rule has found.
type judgement struct{ Rule, Section, Panel, Text string }

// judge asks one version.
func judge(t *testing.T, version string, d Dialect, server map[string]string, viewers []who, files []judged) verdict {
	t.Helper()
	in, err := json.Marshal(job{libraries(t, version), d, server, now.Format(time.RFC3339), viewers, files})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(context.Background(), "node", filepath.Join("testdata", "judge", "main.mjs"))
	var out, said bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), &out, &said
	if err := c.Run(); err != nil {
		t.Fatalf("Grafana %s: %v\n%s", version, err, said.String())
	}
	var v verdict
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatalf("Grafana %s: %v\n%s", version, err, said.String())
	}
	return v
}

// libraries is the folder with a version's libraries.
func libraries(t *testing.T, version string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join("..", "..", "scripts", "grafana"), version).Output()
	if e := new(exec.ExitError); errors.As(err, &e) {
		t.Fatalf("%s", e.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// dashboardFiles are the dashboards in a dialect.
func dashboardFiles(t *testing.T, d Dialect) (out []judged) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(*dashboards, string(d), "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards in %s/%s: %v", *dashboards, d, err)
	}
	for _, p := range paths {
		out = append(out, judged{strings.TrimSuffix(filepath.Base(p), ".json"), absolute(t, p)})
	}
	return out
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// What a person reads in each panel, in the eyes of all viewers and by two versions, and what the rules find wrong with it.
func TestGrafana(t *testing.T) {
	s := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	worlds(t, s)
	judgeAll(t, InfluxQL, map[string]string{"url": s.URL, "database": "fitbit"}, judges, viewers, judged{"faults", absolute(t, filepath.Join("testdata", "judge", "faults.json"))})
}

// judgeAll has versions look at the dashboards in a dialect, and first at one with all faults, where there is one.
func judgeAll(t *testing.T, d Dialect, server map[string]string, judges []string, viewers []who, faulty ...judged) {
	t.Helper()
	verdicts := make([]verdict, len(judges))
	t.Run("versions", func(t *testing.T) {
		for i, version := range judges {
			t.Run(version, func(t *testing.T) {
				t.Parallel()
				verdicts[i] = judge(t, version, d, server, viewers, append(faulty, dashboardFiles(t, d)...))
			})
		}
	})
	if t.Failed() {
		return
	}
	seen := map[string]bool{}
	for i := range verdicts {
		if len(faulty) > 0 {
			proven(t, judges[i], verdicts[i])
			verdicts[i].Dashboards = verdicts[i].Dashboards[1:]
		}
		for _, board := range verdicts[i].Dashboards {
			for _, f := range board.Findings {
				text := fmt.Sprintf("%s, %s / %s: %s (%s)", board.Name, f.Section, f.Panel, f.Text, f.Rule)
				if !seen[text] {
					t.Error(text)
				}
				seen[text] = true
			}
		}
	}
	golden(t, d, verdicts)
}

// proven wants every finding found again in the dashboard that has them all, and every rule to be there for one.
func proven(t *testing.T, version string, v verdict) {
	t.Helper()
	used := map[string]bool{}
	headings := map[string]bool{}
	for _, s := range v.Dashboards[0].Views[0].Sections {
		headings[s.Title] = true
	}
	for _, f := range faults {
		used[f.rule] = true
		if !headings[f.what] {
			t.Errorf("testdata/judge/faults.json has no panel of %q", f.what)
		}
		if !slices.ContainsFunc(v.Dashboards[0].Findings, func(j judgement) bool { return j.Rule == f.rule && j.Section == f.what }) {
			t.Errorf("Grafana %s: the rule %s does not find %q", version, f.rule, f.what)
		}
	}
	for h := range headings {
		if !slices.ContainsFunc(faults, func(f finding) bool { return f.what == h }) {
			t.Errorf("testdata/judge/faults.json has %q, and no rule is to find it", h)
		}
	}
	for _, r := range v.Rules {
		if !used[r] {
			t.Errorf("the rule %s finds nothing that ever was", r)
		}
	}
}

// golden compares with testdata/texts: one file for each dashboard, and one for each further viewer and version with the panels that
// it shows otherwise. Of Flux those panels are kept that show something else than in InfluxQL.
func golden(t *testing.T, d Dialect, verdicts []verdict) {
	t.Helper()
	dir := filepath.Join("testdata", "texts", string(d))
	want := map[string]string{}
	for i, v := range verdicts {
		for j, board := range v.Dashboards {
			for k, view := range board.Views {
				base := verdicts[0].Dashboards[j].Views[0]
				if i > 0 {
					base = verdicts[0].Dashboards[j].Views[k]
				}
				name := board.Name
				if i > 0 {
					name += "." + judges[i]
				}
				if k > 0 {
					name += "." + view.Viewer
				}
				like := ""
				if d != InfluxQL && i == 0 {
					text, err := os.ReadFile(filepath.Join("testdata", "texts", string(InfluxQL), name+".txt"))
					if err != nil && (k == 0 || !os.IsNotExist(err)) {
						t.Fatal(err)
					}
					like = string(text)
				}
				var b strings.Builder
				for m, section := range view.Sections {
					head := false
					for n, p := range section.Panels {
						if other := base.Sections[m].Panels[n]; (i > 0 || k > 0) && p.Title == other.Title && slices.Equal(p.Lines, other.Lines) {
							continue
						}
						block := fmt.Sprintf("%s (%s)\n", p.Title, p.Type)
						for _, l := range p.Lines {
							block += "    " + l + "\n"
						}
						if strings.Contains(like, "\n"+block+"\n") {
							continue
						}
						if !head {
							fmt.Fprintf(&b, "== %s\n\n", section.Title)
							head = true
						}
						b.WriteString(block + "\n")
					}
				}
				if b.Len() > 0 {
					want[name+".txt"] = b.String()
				}
			}
		}
	}
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("%v: run make test-grafana UPDATE=1", err)
	}
	for _, f := range there {
		if _, ok := want[f.Name()]; !ok {
			t.Errorf("%s: nothing is shown otherwise any more; if that is right, run make test-grafana UPDATE=1", f.Name())
		}
	}
	for name, text := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != text {
			t.Errorf("%s: other texts than before; if they are right, run make test-grafana UPDATE=1\n%s", name, firstDiffs(string(got), text))
		}
	}
}

// firstDiffs are the first lines of two texts that differ.
func firstDiffs(was, is string) string {
	a, b := strings.Split(was, "\n"), strings.Split(is, "\n")
	var out strings.Builder
	shown := 0
	for i := 0; i < max(len(a), len(b)) && shown < 10; i++ {
		x, y := "", ""
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			fmt.Fprintf(&out, "line %d\n  - %s\n  + %s\n", i+1, x, y)
			shown++
		}
	}
	return out.String()
}

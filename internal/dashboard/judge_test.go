//go:build grafana && !race

package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// Grafana's own libraries read every panel over real answers: make test-grafana fetches them and runs this.

var (
	dashboards = flag.String("dashboards", filepath.Join("..", "..", "Grafana_Dashboard"), "the folder with influxql/*.json")
)

// judges are the versions of Grafana; the first one's texts are written out, of the other ones what differs.
var judges = []string{"13.2", "12.3"}

// A who is somebody who opens a dashboard: in a browser of that zone. The first is the person themself.
type who struct {
	Name string `json:"name"`
	Zone string `json:"zone"`
}

var viewers = []who{{"", zone}, {"UTC", "UTC"}, {"New_York", "America/New_York"}}

// A job is what the judge is asked; see judge/main.mjs.
type job struct {
	Folder     string            `json:"folder"`
	Server     map[string]string `json:"server"`
	Now        string            `json:"now"`
	Zone       string            `json:"zone"`
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
func judge(t *testing.T, version string, server map[string]string, files []judged) verdict {
	t.Helper()
	folder, err := exec.Command(filepath.Join("..", "..", "scripts", "grafana"), version).Output()
	if err != nil {
		var e *exec.ExitError
		if asExit(err, &e) {
			t.Fatalf("%s", e.Stderr)
		}
		t.Fatal(err)
	}
	in, err := json.Marshal(job{strings.TrimSpace(string(folder)), server, now.Format(time.RFC3339), zone, viewers, files})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(context.Background(), "node", filepath.Join("judge", "main.mjs"))
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

func asExit(err error, e **exec.ExitError) bool {
	x, ok := err.(*exec.ExitError)
	*e = x
	return ok
}

// influxQLFiles are the dashboards in InfluxQL.
func influxQLFiles(t *testing.T) (out []judged) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(*dashboards, "influxql", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards in %s: %v", *dashboards, err)
	}
	for _, p := range paths {
		full, err := filepath.Abs(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, judged{strings.TrimSuffix(filepath.Base(p), ".json"), full})
	}
	return out
}

// What a person reads in each panel, in the eyes of three viewers and two versions, and what a rule finds wrong with it.
func TestGrafana(t *testing.T) {
	s := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	fill(t, s.URL, "fitbit", "metric")
	files := influxQLFiles(t)
	server := map[string]string{"url": s.URL, "database": "fitbit"}
	verdicts := make([]verdict, len(judges))
	t.Run("versions", func(t *testing.T) {
		for i, version := range judges {
			t.Run(version, func(t *testing.T) {
				t.Parallel()
				verdicts[i] = judge(t, version, server, files)
			})
		}
	})
	if t.Failed() {
		return
	}
	seen := map[judgement]bool{}
	for _, v := range verdicts {
		for _, d := range v.Dashboards {
			for _, f := range d.Findings {
				if !seen[f] {
					t.Errorf("%s, %s / %s: %s (%s)", d.Name, f.Section, f.Panel, f.Text, f.Rule)
				}
				seen[f] = true
			}
		}
	}
	golden(t, verdicts)
}

// golden compares with testdata/judge: one file for each dashboard, and one for each further viewer and version with the panels that
// it shows otherwise.
func golden(t *testing.T, verdicts []verdict) {
	t.Helper()
	dir := filepath.Join("testdata", "judge", "influxql")
	want := map[string]string{}
	for i, v := range verdicts {
		for j, d := range v.Dashboards {
			for k, view := range d.Views {
				base := verdicts[0].Dashboards[j].Views[0]
				if i > 0 {
					base = verdicts[0].Dashboards[j].Views[k]
				}
				name := d.Name
				if i > 0 {
					name += "." + judges[i]
				}
				if k > 0 {
					name += "." + view.Viewer
				}
				var b strings.Builder
				for m, section := range view.Sections {
					head := false
					for n, p := range section.Panels {
						if other := base.Sections[m].Panels[n]; (i > 0 || k > 0) && p.Title == other.Title && slices.Equal(p.Lines, other.Lines) {
							continue
						}
						if !head {
							fmt.Fprintf(&b, "== %s\n\n", section.Title)
							head = true
						}
						fmt.Fprintf(&b, "%s (%s)\n", p.Title, p.Type)
						for _, l := range p.Lines {
							fmt.Fprintf(&b, "    %s\n", l)
						}
						b.WriteByte('\n')
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

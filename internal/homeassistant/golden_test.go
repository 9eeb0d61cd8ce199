package homeassistant

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

var update = flag.Bool("update", false, "write the expected files anew")

// scene is what is known at one moment, as testdata/*/input.json has it.
type scene struct {
	Now      time.Time         `json:"now"`
	Zone     string            `json:"zone"`
	Person   string            `json:"person"` // its name
	LeaveOut []metric.ID       `json:"leave_out"`
	Hide     []string          `json:"hide"`
	Known    map[string]string `json:"known"`  // announced before, of the person
	Values   []sceneValue      `json:"values"` // newest
	Sleeps   []sceneSleep      `json:"sleeps"`
	Workouts []sceneWorkout    `json:"workouts"`
	Devices  []sceneDevice     `json:"devices"`
	Service  *sceneService     `json:"service"`
}

type sceneValue struct {
	Series metric.ID `json:"series"`
	Field  string    `json:"field"`
	Day    string    `json:"day"` // of a daily one
	At     time.Time `json:"at"`
	Value  float64   `json:"value"`
	Live   *string   `json:"live"` // day that the live source gave last, or "" for none, where it did not give this one
}

type sceneSleep struct {
	Day     string             `json:"day"`
	Start   time.Time          `json:"start"`
	End     time.Time          `json:"end"`
	Main    bool               `json:"main"`
	Type    string             `json:"type"`
	Summary map[string]float64 `json:"summary"`
	Levels  [][2]float64       `json:"levels"` // level, seconds
}

type sceneWorkout struct {
	Start  time.Time          `json:"start"`
	End    time.Time          `json:"end"`
	Title  string             `json:"title"`
	Fields map[string]float64 `json:"fields"`
}

type sceneDevice struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Scale    bool      `json:"scale"`
	LastSync time.Time `json:"last_sync"`
	Battery  *float64  `json:"battery"`
}

type sceneService struct {
	Unauthorized bool      `json:"unauthorized"`
	Unanswered   time.Time `json:"unanswered"`
	InfluxDB     bool      `json:"influxdb"`
	Connected    bool      `json:"connected"`
	LastFetch    time.Time `json:"last_fetch"`
	NextFetch    time.Time `json:"next_fetch"`
	Requests     int       `json:"requests"`
	Left         int       `json:"requests_left"`
	Backfill     *float64  `json:"backfill"`
	LastError    string    `json:"last_error"`
	Stopped      []string  `json:"stopped"`
}

func optional(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// block makes one sample of a series; what is not given is absent.
func block(series metric.ID, at time.Time, fields map[string]float64) metric.Block {
	row := metric.Default().Must(series)
	b := metric.Block{Series: series}
	values := make([]float64, len(row.Fields))
	for i, f := range row.Fields {
		values[i] = math.NaN()
		if v, ok := fields[f.Key]; ok {
			values[i] = v
		}
	}
	b.Append(at.UnixNano(), values...)
	return b
}

// day reads a day of a scene.
func day(t *testing.T, s string) metric.Day {
	t.Helper()
	d, err := metric.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// world makes the world of a scene.
func (s scene) world(t *testing.T) *world {
	t.Helper()
	w := newWorld(s.Now, 1e-9) // it stands still
	w.zones = metric.Zones{{From: 0, Name: s.Zone}}
	w.cfg.People[0].Name, w.cfg.People[0].LeaveOut, w.cfg.Hide = s.Person, s.LeaveOut, s.Hide
	for _, v := range s.Values {
		row := metric.Default().Must(v.Series)
		if v.Day != "" {
			v.At = w.zones.Midnight(day(t, v.Day))
		}
		live := v.At
		if v.Live != nil {
			if live = (time.Time{}); *v.Live != "" {
				live = w.zones.Midnight(day(t, *v.Live))
			}
		}
		w.archive.set("me", latest.Value{Series: v.Series, Field: row.Fields[row.Field(v.Field)], Value: v.Value, At: v.At, Live: live})
	}
	for _, x := range s.Sleeps {
		n := metric.Session{Kind: metric.Sleep, Key: x.Start.String(), Day: day(t, x.Day), Start: x.Start, End: x.End, Main: x.Main, Title: x.Type}
		n.Blocks = append(n.Blocks, block(metric.SleepSummary, x.Start, x.Summary))
		if len(x.Levels) > 0 {
			levels, at := metric.Block{Series: metric.SleepLevels}, x.Start
			for _, l := range x.Levels {
				levels.Append(at.UnixNano(), l[0], l[1])
				at = at.Add(time.Duration(l[1]) * time.Second)
			}
			levels.Append(x.End.UnixNano(), 3, math.NaN())
			n.Blocks = append(n.Blocks, levels)
		}
		w.archive.sessions["me"] = append(w.archive.sessions["me"], n)
	}
	for _, x := range s.Workouts {
		n := metric.Session{Kind: metric.Workout, Key: x.Start.String(), Day: metric.DayOf(x.Start.In(w.zones.Now())), Start: x.Start, End: x.End, Title: x.Title}
		n.Blocks = append(n.Blocks, block(metric.Workouts, x.Start, x.Fields))
		w.archive.sessions["me"] = append(w.archive.sessions["me"], n)
	}
	for _, d := range s.Devices {
		w.devices = append(w.devices, metric.Device{ID: d.ID, Name: d.Name, Tracker: !d.Scale, LastSync: d.LastSync, Battery: optional(d.Battery)})
	}
	if v := s.Service; v != nil {
		w.service = Service{v.Unauthorized, v.Unanswered, v.InfluxDB, v.Connected, v.LastFetch, v.NextFetch, v.Requests, v.Left, optional(v.Backfill), v.LastError, v.Stopped}
	}
	if s.Known != nil {
		text, err := json.Marshal(memory{Client: "fitbit_fetch_1", Devices: map[string]*known{"me": {Person: "me", Components: s.Known}}})
		if err != nil {
			t.Fatal(err)
		}
		w.archive.states["/"+stateKey] = string(text)
	}
	return w
}

// readScene reads testdata/<name>/input.json.
func readScene(t *testing.T, name string) scene {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name, "input.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s scene
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

// once returns what one look publishes, by topic, and the events.
func (w *world) once(t *testing.T) (*Publisher, *recorder) {
	t.Helper()
	p := New(w.cfg)
	p.timing = impatient
	p.timing.settle = 0
	if err := p.recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := newRecorder()
	s := &serving{Publisher: p, link: r, sent: map[string]string{}, gone: map[string]departure{}}
	if _, err := s.look(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	return p, r
}

func TestGolden(t *testing.T) {
	dirs, err := os.ReadDir("testdata")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range dirs {
		t.Run(dir.Name(), func(t *testing.T) {
			_, r := readScene(t, dir.Name()).world(t).once(t)
			got := r.text(t)
			path := filepath.Join("testdata", dir.Name(), "want.txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("not as in %s (-update writes it anew):\n%s", path, difference(string(want), got))
			}
		})
	}
}

// difference returns the lines that only one of two texts has.
func difference(want, got string) string {
	in := func(text string) map[string]int {
		m := map[string]int{}
		for l := range strings.Lines(text) {
			m[l]++
		}
		return m
	}
	w, g := in(want), in(got)
	var b strings.Builder
	for _, l := range slices.Sorted(maps.Keys(w)) {
		if g[l] < w[l] {
			fmt.Fprint(&b, "- ", l)
		}
	}
	for _, l := range slices.Sorted(maps.Keys(g)) {
		if w[l] < g[l] {
			fmt.Fprint(&b, "+ ", l)
		}
	}
	return b.String()
}

// In the scene "all", everything that there is has a value: no row of the table is without something that feeds it.
func TestEveryRowIsFed(t *testing.T) {
	_, r := readScene(t, "all").world(t).once(t)
	announced, fed := map[string]bool{}, map[string]bool{}
	for _, m := range r.messages {
		if strings.HasSuffix(m.topic, "/config") {
			var d payload
			if err := json.Unmarshal([]byte(m.payload), &d); err != nil {
				t.Fatal(err)
			}
			for key := range d.Components {
				announced[key] = true
			}
			if len(m.payload) > 100_000 {
				t.Errorf("%s is %d bytes long", m.topic, len(m.payload))
			}
			continue
		}
		parts := strings.Split(m.topic, "/")
		fed[parts[len(parts)-1]] = true
	}
	for _, e := range Entities() {
		if !announced[e.Key] {
			t.Errorf("%s is never announced", e.Key)
		}
		if !fed[e.Key] && e.Platform != Button {
			t.Errorf("%s never gets a value", e.Key)
		}
	}
}

// No value is in the log, whatever its level and whatever happens.
func TestNoValueIsLogged(t *testing.T) {
	b := embedded(t)
	b.start(t)
	w := readScene(t, "all").world(t)
	w.cfg.Log = debugLog(w.log)
	w.setBroker(b.at(user, secret))
	ha := watch(t, b.admin())
	p, stop := w.run(t)
	until(t, "all is published", func() bool { return ha.count("fitbit_fetch/me/workout") == 1 })
	ha.publish(t, pressTopic, press, false)
	until(t, "a button is pressed", func() bool { return w.synced() == 1 })
	b.kill(t)
	until(t, "the broker is lost", func() bool { return !p.Status().Connected })
	stop()
	if text := w.log.String(); !strings.Contains(text, "connected to the MQTT broker") {
		t.Fatalf("the log: %s", text)
	}
	for l := range strings.Lines(w.log.String()) {
		_, said, _ := strings.Cut(l, "msg=")
		said = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(said, "") // a port may hold any digits
		for _, word := range []string{"8231", "41.2", "58", "Run", "74.3", "2026-11-20", "secret"} {
			if strings.Contains(said, word) {
				t.Errorf("%q is in the log: %s", word, l)
			}
		}
	}
}

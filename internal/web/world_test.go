package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// world is a simulated Google, a person with a real authorization flow, and a program that notes what it is told.
type world struct {
	google  *simulate.Google
	sim     *simulate.Person
	http    *httptest.Server // of google
	tokens  *auth.TokenSource
	flow    *auth.Flow
	clock   clock.Clock
	log     *syncBuffer
	zone    *time.Location
	noBody  bool // nobody has any data yet
	noOther bool // there is one person only
	days    int  // how far back there is data

	read []metric.ID // the series that were asked for

	mu    sync.Mutex
	calls []string
	fail  error
	asked int         // Status
	hold  chan bool   // Sync waits for it where it is set
	sick  bool        // databases and feeds fail
	known string      // account of the archive
	plain auth.Client // its client

	identity func(ctx context.Context, access string) (string, error) // nil for the person's

	paused    *time.Time
	fixed     string
	options   map[string]string                              // given on the page
	given     map[string]string                              // where options are given elsewhere
	tried     map[string]string                              // the database that was tried last
	refused   error                                          // what trying ends with
	grafana   Grafana                                        // that the dashboards were put into
	installed Installed                                      // what it got
	rebuilt   func()                                         // called behind Save, as the program would build itself anew
	write     func(ctx context.Context, out io.Writer) error // what an export writes
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// noon is the time of every test.
var noon = time.Date(2026, 11, 23, 15, 42, 0, 0, time.UTC)

func newWorld(t *testing.T, cfg simulate.Config) *world {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// The world's time stands nearly still, and between two seconds: a page that is loaded again is the same, however long a busy
	// machine took for the first.
	w := &world{days: 700, clock: clock.At(noon.Add(300*time.Millisecond), 1e-3), log: &syncBuffer{}, zone: zone}
	w.write = func(_ context.Context, out io.Writer) error {
		_, err := io.WriteString(out, "Time,Value\n")
		return err
	}
	start := metric.DayOf(noon) - 30
	w.sim = &simulate.Person{Seed: 3, Start: start, Zones: metric.Zones{{From: start, Name: "Europe/Berlin"}}}
	cfg.Persons, cfg.Now = []*simulate.Person{w.sim}, w.clock.Now
	w.google = simulate.NewGoogle(cfg)
	w.http = httptest.NewServer(w.google)
	t.Cleanup(w.http.Close)
	c := simulate.DefaultClient()
	provider := auth.Google().At(w.http.URL+simulate.PathAuth, w.http.URL+simulate.PathToken, w.http.URL+simulate.PathRevoke)
	w.plain = auth.Client{Provider: provider, ID: c.ID, Secret: c.Secret, Redirect: c.Redirects[0]}
	w.open(t)
	return w
}

func (w *world) open(t *testing.T) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tokens, err := auth.New(auth.Config{Client: w.plain, File: auth.NewFile(filepath.Join(t.TempDir(), "token.json")), Now: w.clock.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	w.tokens = tokens
	t.Cleanup(func() { tokens.Close(context.Background()) })
	w.flow = auth.NewFlow(auth.FlowConfig{Client: w.plain, Tokens: tokens, Now: w.clock.Now, Log: log,
		Known: func(context.Context) (string, error) { return w.known, nil },
		Identity: func(ctx context.Context, access string) (string, error) {
			if w.identity != nil {
				return w.identity(ctx, access)
			}
			return w.sim.Account(), nil
		}})
}

func (w *world) server(cfg Config) *Server {
	cfg.Program, cfg.Clock = w, w.clock
	cfg.Log = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := New(cfg)
	w.rebuilt = func() { _ = s.Exchange(func() (Program, error) { return w, nil }) }
	return s
}

// called notes a call and returns what it shall fail with.
func (w *world) called(format string, args ...any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
	return w.fail
}

func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.calls...)
}

func (w *world) People(context.Context) ([]Person, error) {
	p := Person{ID: "main", Zone: w.zone, Service: "Google", Client: w.plain.ID != "", Redirect: w.plain.Redirect, Auth: w.tokens.State(w.clock.Now())}
	if tok := w.tokens.Snapshot(); tok.Scopes != nil {
		p.Granted, _ = w.plain.Provider.Split(tok.Scopes)
	}
	if w.noOther {
		return []Person{p}, nil
	}
	return []Person{p, {ID: "anna", Service: "Google", Client: true, Redirect: w.plain.Redirect, Auth: auth.State{Text: "Not authorized at Google yet."}}}, nil
}

func (w *world) Status(context.Context) (Status, error) {
	w.mu.Lock()
	w.asked++
	sick := w.sick
	w.mu.Unlock()
	now := w.clock.Now().Truncate(time.Second)
	s := Status{Version: "1.0.0", Since: now.Add(-time.Hour), Sensors: SensorsPublished}
	if sick {
		s.Sensors = SensorsRemoved
	}
	work := Work{Person: "main", LastSync: now.Add(-7 * time.Minute), LastFetch: now.Add(-40 * time.Second), LastHour: 86, Next: now.Add(90 * time.Second),
		Doing:   []Doing{{Feed: "heart_rate", Span: metric.DaySpan(metric.DayOf(now)-310, metric.DayOf(now)-306), Why: "history of heart rate, 2026-08-01 to 2026-08-03: the newest first", Since: now.Add(-2 * time.Second)}},
		History: History{Known: true, Share: 0.624, Requests: 1840, Left: 41 * time.Minute},
		Devices: []metric.Device{{Name: "Charge 6", Tracker: true, Battery: 81}, {Name: "Aria Air", Battery: math.NaN()}}}
	for i := range 30 {
		r := Request{At: now.Add(-time.Duration(i+1) * time.Minute), Took: time.Duration(120+37*i) * time.Millisecond, Feed: "steps_intraday", What: "2026-11-23", Why: "the device synced at 16:35", Fate: "214 new values"}
		if i == 3 && sick {
			r.Error = "feed spo2: retry (HTTP 503 UNAVAILABLE): the service is unavailable"
		}
		work.Requests = append(work.Requests, r)
	}
	s.Sinks = []Sink{{Name: "influxdb http://a0d7b954-influxdb:8086 FitbitHealthStats", Working: true, Behind: 12894, Rate: 48200, Success: now.Add(-3 * time.Second), Oldest: now.Add(-8 * time.Minute)}}
	if sick {
		s.Notes = []Problem{{Text: "the archive was broken and was moved aside", Hint: "It was restored from last night's snapshot; what came since is fetched again."}}
		work.Feeds = []FeedProblem{{Feed: "spo2_intraday", Error: "feed spo2_intraday: denied (HTTP 403 ACCESS_TOKEN_SCOPE_INSUFFICIENT): a right is missing", Hint: "Authorize again and leave its box ticked; everything else goes on without it.", Failed: now.Add(-time.Hour), Again: now.Add(5 * time.Hour)}}
		work.Told = []Told{{"missing", "heart_rate", "2026-11-12"}, {"gone", "sleep", "2026-05-01 – 2026-05-31"}, {"odd", "sleep", ""}, {"stopped", "spo2", "2026-11-09"}}
		s.Sinks[0].Problem = Problem{Text: "connecting to a0d7b954-influxdb:8086: connection refused", Hint: "Start the InfluxDB app, or correct the address in the options."}
		s.Sinks[0].Since, s.Sinks[0].Retry = now.Add(-20*time.Minute), now.Add(time.Minute)
		s.Sinks[0].Refused = []Refusal{{What: "weight", Count: 3, Reason: "field type conflict", Hint: "Another program wrote this field as an integer."}}
	}
	w.mu.Lock()
	if w.paused != nil {
		work.Paused, work.Until, work.Doing = true, *w.paused, nil
	}
	w.mu.Unlock()
	work.Counts = []Count{{Series: "heart_rate", Samples: 4812733, First: now.AddDate(-1, 0, 0), Last: now.Add(-7 * time.Minute)}, {Series: "steps", Samples: 182733, First: now.AddDate(-1, 0, 0), Last: now.Add(-9 * time.Minute)}}
	s.Bytes, s.Samples = 48_300_000, 5211904
	s.Logs = []Log{{About: "person main", Lines: []Line{{At: now.Add(-time.Minute), Level: "warn", Text: "a request failed feed=spo2 kind=retry error=the service is unavailable"}, {At: now.Add(-time.Hour), Level: "info", Text: "authorized"}}},
		{About: "influxdb", Lines: []Line{{At: now.Add(-3 * time.Second), Level: "info", Text: "delivered samples=12894"}}}}
	s.People = []Work{work, {Person: "anna", Problem: Problem{Text: "authorization needed", Hint: "Authorize on the page."}}}
	return s, nil
}

func (w *world) Values(_ context.Context, person string) ([]latest.Value, error) {
	if w.noBody || person != "main" {
		return nil, nil
	}
	now := w.clock.Now().Truncate(time.Second)
	var out []latest.Value
	for i, row := range metric.Default() {
		for j, f := range row.Fields {
			v := latest.Value{Series: row.ID, Field: f, Tags: make([]string, len(row.Tags)), Value: float64(17+13*i%80) + float64(j), At: now.Add(-time.Duration(i*j+3) * time.Minute)}
			if row.Sampling == metric.Daily {
				v.At = (metric.DayOf(now.In(w.zone)) - metric.Day(j%2)).In(w.zone)
			}
			if better, ok := map[string]float64{"steps": 8412, "distance": 6.28, "calories": 2210, "weight": 71.4, "sleep_asleep": 437, "sleep_deep": 81, "sleep_rem": 102, "sleep_light": 254,
				"sleep_efficiency": 93, "spo2": 96.4, "breathing_rate": 14.6, "skin_temperature": -0.3, "heart_rate": 64, "resting_heart_rate": 57, "hrv": 48.2, "vo2_max": 44, "bmi": 22.9, "battery": 81, "azm": 38, "sleep_stage": 2, "floors": 11, "body_fat": 18.2, "core_temperature": 36.8}[f.Sensor]; ok {
				v.Value = better
			}
			if f.Sensor == "weight" {
				v.At = now.AddDate(0, 0, -9)
			}
			out = append(out, v)
		}
	}
	return out, nil
}

func (w *world) Samples(_ context.Context, person string, series metric.ID, first, last metric.Day) ([]metric.Block, error) {
	w.mu.Lock()
	w.read = append(w.read, series)
	w.mu.Unlock()
	today := metric.DayOf(noon.In(w.zone))
	if w.noBody || person != "main" {
		return nil, nil
	}
	span := metric.Span{Start: first.In(w.zone), End: (last + 1).In(w.zone)}
	if now := w.clock.Now(); now.Before(span.End) {
		span.End = now
	}
	row := metric.Default().Must(series)
	b := metric.Block{Series: series, Tags: make([]string, len(row.Tags))}
	switch series {
	case metric.HeartRateMinute:
		raw := metric.Block{Series: metric.HeartRate}
		for _, x := range w.sim.HeartRates(span) {
			raw.Append(x.Time.UnixNano(), float64(x.BPM))
		}
		return []metric.Block{metric.MinutesOf(raw)}, nil
	case metric.Steps:
		for _, x := range w.sim.Steps(span) {
			b.Append(x.Time.UnixNano(), float64(x.Value))
		}
		return []metric.Block{b}, nil
	case metric.SleepSummary:
		b.Tags[0] = "True"
	}
	for d := max(first, today-metric.Day(w.days)); d <= min(last, today); d++ {
		if d%97 < 5 || series == metric.Weight && d%6 != 0 { // days off
			continue
		}
		values := make([]float64, len(row.Fields))
		for i := range values {
			values[i] = float64(50+7*i) + 12*math.Sin(float64(d)/40+float64(i)) + 6*math.Sin(float64(d)*1.7)
			if row.Fields[i].Unit == metric.Count {
				values[i] *= 120
			}
		}
		b.Append(d.In(w.zone).UnixNano(), values...)
	}
	return []metric.Block{b}, nil
}

func (w *world) Sessions(_ context.Context, person string, kind metric.SessionKind, first, last metric.Day) ([]metric.Session, error) {
	var out []metric.Session
	if w.noBody || person != "main" {
		return nil, nil
	}
	for d := first; d <= min(last, metric.DayOf(noon.In(w.zone))); d++ {
		if kind == metric.Workout {
			for _, x := range w.sim.Workouts(d) {
				out = append(out, workoutSession(d, x.Name, x.Start, x.End, x.Steps))
			}
			continue
		}
		for _, n := range w.sim.Nights(d) {
			var stages []stretch
			for _, s := range n.Stages {
				level := map[simulate.Stage]float64{simulate.Deep: 0, simulate.Light: 1, simulate.Asleep: 1, simulate.REM: 2, simulate.Restless: 2, simulate.Awake: 3}[s.Stage]
				stages = append(stages, stretch{level, s.End.Sub(s.Start)})
			}
			out = append(out, sleepSession(d, n.Start, n.Main, stages...))
		}
	}
	return out, nil
}

// stretch is a stage of a sleep and how long it lasts.
type stretch struct {
	level float64
	long  time.Duration
}

func sleepSession(day metric.Day, start time.Time, main bool, stages ...stretch) metric.Session {
	b := metric.Block{Series: metric.SleepLevels, Tags: []string{"True"}}
	at := start
	for _, s := range stages {
		b.Append(at.UnixNano(), s.level, s.long.Seconds())
		at = at.Add(s.long)
	}
	b.Append(at.UnixNano(), 3, metric.Absent())
	return metric.Session{Kind: metric.Sleep, Day: day, Start: start, End: at, Main: main, Blocks: []metric.Block{b}}
}

func workoutSession(day metric.Day, name string, start, end time.Time, steps int) metric.Session {
	row := metric.Default().Must(metric.Workouts)
	values := make([]float64, len(row.Fields))
	for i := range values {
		values[i] = metric.Absent()
	}
	values[row.Field("steps")], values[row.Field("AverageHeartRate")] = float64(steps), 141
	b := metric.Block{Series: row.ID, Tags: []string{name}}
	b.Append(start.UnixNano(), values...)
	return metric.Session{Kind: metric.Workout, Day: day, Title: name, Start: start, End: end, Blocks: []metric.Block{b}}
}

// Coverage has a feed for each series, all asked but for a hole; today was asked too early.
func (w *world) Coverage(_ context.Context, person string) (Coverage, error) {
	today := metric.DayOf(noon.In(w.zone))
	c := Coverage{Start: today - metric.Day(w.days) - 300}
	if w.noBody || person != "main" {
		return c, nil
	}
	for _, row := range metric.Default() {
		f := FeedCoverage{Feed: metric.Feed{ID: string(row.ID), Series: []metric.ID{row.ID}, Axis: metric.Days}}
		f.Asked = []metric.Covered{
			{Span: metric.DaySpan(c.Start, today-320), Asked: noon, Final: true},
			{Span: metric.DaySpan(today-300, today-1), Asked: noon, Final: true},
			{Span: metric.DaySpan(today, today), Asked: noon},
		}
		for d := today - metric.Day(w.days); d < today; d++ {
			if d%97 >= 5 {
				f.Days = append(f.Days, d)
			}
		}
		c.Feeds = append(c.Feeds, f)
	}
	return c, nil
}

func (w *world) Begin(context.Context, string) (auth.Visit, error) { return w.flow.Begin() }

func (w *world) Finish(ctx context.Context, _, pasted string, newPerson bool) (auth.Grant, error) {
	return w.flow.Finish(ctx, pasted, newPerson)
}

func (w *world) UseRefreshToken(ctx context.Context, _, refresh string, newPerson bool) (auth.Grant, error) {
	return w.flow.UseRefreshToken(ctx, refresh, newPerson)
}

func (w *world) Deauthorize(ctx context.Context, p string) error {
	if err := w.called("deauthorize %s", p); err != nil {
		return err
	}
	return w.flow.Revoke(ctx)
}

func (w *world) Sync(ctx context.Context, p string) error {
	if w.hold != nil {
		select {
		case <-w.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return w.called("sync %s", p)
}

func (w *world) Backfill(_ context.Context, p string, first, last metric.Day, again bool) error {
	return w.called("backfill %s %s %s %v", p, first, last, again)
}
func (w *world) Replay(_ context.Context, sink string) error { return w.called("replay %s", sink) }
func (w *world) Check(context.Context) ([]Finding, error) {
	return []Finding{{OK: true, What: "Google", Text: "account 123…789, 2 devices"}, {What: "influxdb", Text: "connection refused", Hint: "Start the InfluxDB app."}}, w.called("check")
}

func (w *world) Diagnose(_ context.Context, ask bool, out io.Writer) error {
	if err := w.called("diagnose%s", map[bool]string{true: " ask"}[ask]); err != nil {
		return err
	}
	_, err := io.WriteString(out, "PK\x03\x04")
	return err
}

func (w *world) Pause(_ context.Context, p string, until time.Time) error {
	w.mu.Lock()
	w.paused = &until
	w.mu.Unlock()
	return w.called("pause %s %s", p, until.Format("2006-01-02T15:04"))
}

func (w *world) Resume(_ context.Context, p string) error {
	w.mu.Lock()
	w.paused = nil
	w.mu.Unlock()
	return w.called("resume %s", p)
}

func (w *world) Export(ctx context.Context, e Export, out io.Writer) error {
	if err := w.called("export %s %v %s %s %v", e.Person, e.Series, e.First, e.Last, e.CSV); err != nil {
		return err
	}
	return w.write(ctx, out)
}

func (w *world) Snapshot(context.Context) (string, error) {
	return "/data/archive.db.snapshot", w.called("snapshot")
}

func (w *world) Next(context.Context, string) ([]Request, error) {
	return []Request{{Feed: "steps_intraday", What: "2026-11-23 16:00 to 16:42", Why: "the device synced at 16:35"}, {Feed: "heart_rate", What: "2026-08-01 to 2026-08-03", Why: "history of heart rate, the newest first"}}, nil
}

func (w *world) Settings(context.Context) (Settings, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Settings{Database: w.options["influxdb.url"] != "" && w.options["influxdb.version"] != "off", App: true, Fixed: w.fixed, Grafana: "http://a0d7b954-grafana:3000", Values: map[string]Setting{},
		Providers: []Choice{{ID: "google", Title: "Google Health API"}, {ID: "fitbit", Title: "Fitbit Web API", Problem: "It was switched off in November 2026."}},
		Versions: []Choice{{ID: "1", Title: "InfluxDB 1", Address: "http://a0d7b954-influxdb:8086"}, {ID: "2", Title: "InfluxDB 2", Example: "http://192.168.1.20:8086"},
			{ID: "3", Title: "InfluxDB 3", Example: "http://192.168.1.20:8181"}, {ID: "victoriametrics", Title: "VictoriaMetrics", Example: "http://192.168.1.20:8428"}}}
	if s.Database {
		s.Source = w.options["influxdb.url"]
	}
	for path, value := range map[string]string{"provider": "google", "client_id": w.plain.ID, "influxdb.version": "1", "influxdb.url": "http://a0d7b954-influxdb:8086", "influxdb.database": "FitbitHealthStats", "influxdb.username": ""} {
		if given := w.options[path]; given != "" {
			value = given
		}
		s.Values[path] = Setting{Value: value, Set: value != "", Where: w.given[path]}
	}
	s.Values["client_secret"] = Setting{Set: w.plain.Secret != "", Where: w.given["client_secret"]}
	s.Values["influxdb.password"] = Setting{Set: w.options["influxdb.password"] != "", Where: w.given["influxdb.password"]}
	return s, nil
}

// Save keeps the options; the program is built anew at once.
func (w *world) Save(_ context.Context, values map[string]string) error {
	w.mu.Lock()
	if w.options == nil {
		w.options = map[string]string{}
	}
	said := []string{"save"}
	for path, text := range values {
		said = append(said, path)
		if w.options[path] = text; text == "" {
			delete(w.options, path)
		}
		switch path {
		case "client_id":
			w.plain.ID = text
		case "client_secret":
			w.plain.Secret = text
		}
	}
	rebuilt := w.rebuilt
	w.mu.Unlock()
	slices.Sort(said[1:])
	err := w.called("%s", strings.Join(said, " "))
	if err == nil && rebuilt != nil {
		go rebuilt()
	}
	return err
}

func (w *world) TryDatabase(_ context.Context, values map[string]string) (string, error) {
	w.mu.Lock()
	w.tried = values
	refused := w.refused
	w.mu.Unlock()
	if err := w.called("try"); err != nil {
		return "", err
	}
	return "InfluxDB 1.8.10 at http://a0d7b954-influxdb:8086: database FitbitHealthStats is there and may be written", refused
}

// Dashboards takes as long as hold says; what it was given is noted without its secrets.
func (w *world) Dashboards(ctx context.Context, g Grafana) (Installed, error) {
	if w.hold != nil {
		select {
		case <-w.hold:
		case <-ctx.Done():
			return Installed{}, &source.Error{Kind: source.Retry, Reason: "grafana_silent", Err: ctx.Err()}
		}
	}
	w.mu.Lock()
	w.grafana = g
	put, refused := w.installed, w.refused
	w.mu.Unlock()
	if err := w.called("dashboards"); err != nil {
		return put, err
	}
	return put, refused
}

func (w *world) Publish(_ context.Context, on bool) error { return w.called("publish %v", on) }

func (w *world) Erase(_ context.Context, p string) error { return w.called("erase %s", p) }

// visitor is a browser without a window: it keeps cookies and follows nothing.
type visitor struct {
	t       *testing.T
	s       *Server
	peer    string
	host    string
	headers map[string]string
	cookies map[string]string
}

func (s *Server) visitor(t *testing.T) *visitor {
	return &visitor{t: t, s: s, peer: "127.0.0.1:40000", host: "localhost:8099", headers: map[string]string{}, cookies: map[string]string{}}
}

func (v *visitor) send(method, address, body string, more ...string) *httptest.ResponseRecorder {
	v.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "http://"+v.host+"/", in)
	u, err := url.ParseRequestURI(address)
	if err != nil {
		v.t.Fatal(err)
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
	r.RemoteAddr, r.Host = v.peer, v.host
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, h := range v.headers {
		r.Header.Set(k, h)
	}
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	for k, c := range v.cookies {
		r.AddCookie(&http.Cookie{Name: k, Value: c})
	}
	w := httptest.NewRecorder()
	v.s.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		v.cookies[c.Name] = c.Value
	}
	return w
}

func (v *visitor) get(address string) *httptest.ResponseRecorder {
	v.t.Helper()
	return v.send(http.MethodGet, address, "")
}

// page gets an address that must be a page.
func (v *visitor) page(address string) string {
	v.t.Helper()
	w := v.get(address)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		v.t.Fatalf("%s: status %d: %s", address, w.Code, w.Body)
	}
	return w.Body.String()
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)

// token is that of the forms on a page.
func (v *visitor) token(address string) string {
	v.t.Helper()
	m := tokenField.FindStringSubmatch(v.page(address))
	if m == nil {
		v.t.Fatalf("%s has no form", address)
	}
	return m[1]
}

// post sends a form with the token, as name, value, name, value.
func (v *visitor) post(address string, fields ...string) *httptest.ResponseRecorder {
	v.t.Helper()
	form := url.Values{"token": {v.token("/status")}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return v.send(http.MethodPost, address, form.Encode())
}

// fetch follows a form to the download that it leads to.
func (v *visitor) fetch(posted *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	v.t.Helper()
	to := posted.Header().Get("Location")
	if posted.Code != http.StatusSeeOther || !strings.HasPrefix(to, "download?key=") {
		v.t.Fatalf("the form leads to %q, status %d: %s", to, posted.Code, posted.Body)
	}
	return v.get("/" + to)
}

var errTrouble = &source.Error{Kind: source.Retry, Err: errors.New("the disk is full"), Hint: "Make room on it."}

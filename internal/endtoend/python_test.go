// Weeks of one life are written and read here: without the race detector, which would take several times as long (make test runs them beside it).

//go:build !race

package endtoend

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/deliver"
	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/influx"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/python"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/fitbit"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

// takeover is a home that comes from the Python project: its owner at both services, and the Device that stood in its settings.
type takeover struct {
	t      *testing.T
	person *simulate.Person
	now    func() time.Time
	fitbit *simulate.Fitbit
	device string
}

func newTakeover(t *testing.T, now time.Time) *takeover {
	t.Helper()
	proctest.NotShort(t)
	h := &takeover{t: t, device: "Charge5", now: func() time.Time { return now }}
	h.person = person(796, "Europe/Berlin", "Charge 6", metric.DayOf(now)-60)
	h.fitbit = simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{h.person}, Now: h.now, NoLimit: true})
	return h
}

// python is the Python project in that home.
func (h *takeover) python() *python.Writer {
	return &python.Writer{HTTP: &http.Client{Transport: simulate.Transport{Handler: h.fitbit, Token: h.fitbit.AccessToken(h.person)}}, Base: "http://api.fitbit.test", Device: h.device}
}

// lines are what a Python project writes of days, request by request.
func (h *takeover) lines(w *python.Writer, first, last metric.Day) (all []string) {
	h.t.Helper()
	if err := w.Fill(first.Civil(), last.Civil(), func(lines string) error {
		all = append(all, lines)
		return nil
	}); err != nil {
		h.t.Fatal(err)
	}
	return all
}

// put writes lines into a database, and fails where that refuses anything.
func (h *takeover) put(srv *influxd.Server, database string, all []string) {
	h.t.Helper()
	srv.Create(database)
	for _, lines := range all {
		if err := written(srv, database, lines); err != nil {
			h.t.Fatal(err)
		}
	}
}

// written writes lines, and tells what the database says against them.
func written(srv *influxd.Server, database, lines string) error {
	req, err := http.NewRequest(http.MethodPost, srv.URL+"/write?db="+database, strings.NewReader(lines))
	if err != nil {
		return err
	}
	srv.Authorize(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusNoContent {
		err = fmt.Errorf("HTTP %d: %s", resp.StatusCode, said)
	}
	return err
}

// fetch has our program fetch days from one of the services into an archive, and returns the archive's file.
func (h *takeover) fetch(provider, device string, first, last metric.Day) (file string) {
	h.t.Helper()
	file = filepath.Join(h.t.TempDir(), provider+".db")
	synctest.Test(h.t, func(t *testing.T) {
		now := clock.At(h.now(), 1)
		cat := metric.Default()
		var src source.Source
		var err error
		switch provider {
		case "fitbit":
			src, err = fitbit.New(fitbit.Config{HTTP: h.python().HTTP, Catalogue: cat, Now: now.Now})
		case "google":
			g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{h.person}, Now: now.Now, NoQuota: true})
			src, err = google.New(google.Config{HTTP: &http.Client{Transport: simulate.Transport{Handler: g, Token: g.AccessToken(h.person)}}, Catalogue: cat, Now: now.Now, Unlimited: true})
		}
		if err != nil {
			t.Fatal(err)
		}
		a := h.open(t, file)
		defer a.Close()
		c := collect.New(collect.Config{Person: metric.Person{ID: "default"}, Source: src, Archive: a, Clock: now, Start: first, DeviceName: device})
		if err := c.Once(t.Context(), metric.DaySpan(first, last)); err != nil {
			t.Fatalf("%s: %v", provider, err)
		}
	})
	return file
}

func (h *takeover) open(t *testing.T, file string) *archive.Archive {
	t.Helper()
	a, err := archive.Open(t.Context(), archive.Config{Path: file, Catalogue: metric.Default(), Rank: []string{"google", "fitbit"}, Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// delivery is what our program did to a database.
type delivery struct {
	said    string
	status  deliver.Status
	refused string // one line each
	wrote   points // all of the archive, in the units it chose
}

// deliver has our program deliver an archive to a database.
func (h *takeover) deliver(file string, srv *influxd.Server, database string, units influx.Units) delivery {
	h.t.Helper()
	a := h.open(h.t, file)
	defer a.Close()
	var log bytes.Buffer
	cfg := influx.Config{Version: influx.V1, URL: srv.URL, Database: database, Units: units, Adopt: true, Deciding: deliver.Decisions{Archive: a}, Catalogue: metric.Default(), Log: slog.New(slog.NewTextHandler(&log, nil))}
	if srv.Version == influxd.V2_7 {
		cfg.Version, cfg.Org, cfg.Token = influx.V2, influxd.Org, influxd.Token
	}
	s, err := influx.New(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	d := deliver.New(deliver.Config{Archive: a, Sink: s, Catalogue: metric.Default(), Persons: []metric.Person{{ID: "default"}}, Log: cfg.Log})
	if err := d.DrainOnce(h.t.Context()); err != nil {
		h.t.Fatalf("delivering: %v", err)
	}
	out := delivery{said: log.String(), status: d.Status()}
	as := lineproto.Metric
	if strings.Contains(out.said, "weight in lb") || units == influx.Python {
		as = lineproto.Python
	}
	refused, err := a.Quarantined(h.t.Context(), s.Name())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range refused {
		out.refused += fmt.Sprintf("%s field %s: %d, %s\n", r.Series, r.Field, r.Count, r.Reason)
	}
	out.wrote = h.read(a, as)
	return out
}

// wrote is what our program writes of an archive.
func (h *takeover) wrote(file string, units lineproto.Units) points {
	h.t.Helper()
	a := h.open(h.t, file)
	defer a.Close()
	return h.read(a, units)
}

func (h *takeover) read(a *archive.Archive, units lineproto.Units) points {
	h.t.Helper()
	enc, err := lineproto.New(metric.Default(), units)
	if err != nil {
		h.t.Fatal(err)
	}
	var lines []byte
	for _, row := range metric.Default() {
		for b, err := range a.Read(context.Background(), "default", row.ID, metric.Span{Start: time.Unix(0, 0), End: h.now().AddDate(1, 0, 0)}) {
			if err != nil {
				h.t.Fatal(err)
			}
			b.Device = h.device
			lines, _ = enc.Append(lines, metric.Person{}, &b, 0, b.Len(), 0)
		}
	}
	return parseLines(h.t, string(lines))
}

// schema is what a database says of the measurements that the Python project writes: the types of their fields, and their tags.
func schema(srv *influxd.Server, database string) map[string]string {
	ours := map[string]bool{}
	for _, row := range metric.Default() {
		ours[row.Measurement] = row.Python
	}
	out := map[string]string{}
	for _, what := range []string{"FIELD", "TAG"} {
		for _, table := range srv.Query(database, "SHOW "+what+" KEYS")[0].Series {
			for _, row := range table.Values {
				if ours[table.Name] {
					out[table.Name+"|"+what+" "+row[0].(string)] += fmt.Sprint(row[1:], " ")
				}
			}
		}
	}
	for _, table := range srv.Query(database, `SHOW TAG VALUES WITH KEY = "Device"`)[0].Series {
		out[table.Name+"|Device"] = fmt.Sprint(table.Values)
	}
	return out
}

// unchanged wants a schema to be as it was, but for what is new.
func unchanged(t *testing.T, was, is map[string]string) {
	t.Helper()
	for key, s := range was {
		if is[key] != s {
			t.Errorf("%s was %s, is %s", key, s, is[key])
		}
	}
}

// An aside is how a database differs where the Python project and this program have both written the same days: which of its points
// are not ours, which of ours it had not, and by how much values that both have may differ. Where both have a point there is one: ours.
type aside struct {
	of     string // beginning of the series
	with   string // in the series, too
	why    string
	off    float64
	theirs func(at time.Time, v float64) bool // may stand beside ours
	ours   func(at time.Time, v float64) bool // may be new

	renamed bool // ours may be new where theirs has a workout without a name
}

// asides are all differences, by source; the first that fits a series holds. A series without one is the very same: as many points
// after as before.
var asides = map[string][]aside{
	"fitbit": {
		{of: "HeartRate_Intraday|", why: "the Python project puts both passes of the hour that comes twice on the second; the first one's readings stay there between the second's", theirs: secondPass, ours: firstPass},
		{of: "Steps_Intraday|", why: "the same hour: the second pass has overwritten the first", ours: firstPass},
		{of: "SPO2_Intraday|", why: "the same hour", theirs: secondPass, ours: firstPass},
		{of: "Sleep Levels|", why: "the same hour; and short wakings, which the Python project leaves out, are cut out of the stages they lie over", off: day24, theirs: secondPass, ours: always},
		{of: "HR zones|", why: "a day on which the band was not worn has zeros there, and zone minutes of zero are left out", theirs: zeroValue, ours: zeroValue},
		{of: "Skin Temperature", why: "the service rounds to tenths of the degree it is asked for", off: 0.1401},
		{of: "weight|", why: "the service rounds to tenths of a pound", off: 0.0601},
		{of: "distance|", why: "the service rounds to 6 digits", off: 1e-6},
		{of: "Activity Records|", why: "the service rounds a distance to 6 digits", off: 1e-6},
		{of: "GPS|", with: "|heart_rate", why: "the Python project leaves out points without a place", ours: always},
	},
	"google": {
		{of: "HeartRate_Intraday|", why: "the same hour; and Google has every reading, Fitbit one in 5 to 15 s", theirs: secondPass, ours: always},
		{of: "Steps_Intraday|", why: "the same hour; and Google has no minutes without steps", theirs: zeroValue, ours: firstPass},
		{of: "SPO2_Intraday|", why: "the same hour; and Fitbit has gaps", theirs: secondPass, ours: always},
		{of: "Sleep Levels|", with: "isMainSleep=False", why: "a nap's stages begin at whole minutes at Fitbit, at halves of one at Google", off: day24, theirs: always, ours: always},
		{of: "Sleep Levels|", why: "as with Fitbit", off: day24, theirs: secondPass, ours: always},
		{of: "Sleep Summary|", why: "Fitbit counts wakings of up to 3 minutes as awake, and does not tell how long falling asleep took", off: 30},
		{of: "HR zones|", with: "|Normal", why: "Fitbit counts sleep as out of range, Google leaves it out", off: 24 * 60, theirs: zeroValue},
		{of: "HR zones|", why: "as with Fitbit; and rounding", off: 1, theirs: zeroValue, ours: zeroValue},
		{of: "Skin Temperature", why: "Google does not round", off: 0.0501},
		{of: "weight|", why: "Google does not round", off: 0.0501},
		{of: "bmi|", why: "Google does not round", off: 0.00501},
		{of: "distance|", why: "as with Fitbit; and a day on which the band was not worn has no value", off: 1e-6, theirs: zeroValue},
		{of: "calories|", why: "Fitbit writes whole kilocalories; and such a day", off: 0.5001, theirs: zeroValue},
		{of: "Total Steps|", why: "such a day", theirs: zeroValue},
		{of: "Activity Minutes|", why: "such a day", theirs: zeroValue},
		{of: "Activity Records|", with: "=Unknown-Activity", why: "Google names the workouts that have no name at Fitbit", theirs: always},
		{of: "Activity Records|", why: "as with Fitbit; and such workouts", off: 1e-6, renamed: true},
		{of: "GPS|", with: "-Unknown-Activity", why: "the track of such a workout", theirs: always},
		{of: "GPS|", with: "|heart_rate", why: "as with Fitbit", ours: always},
	},
}

const day24 = 24 * 3600 // seconds

func always(time.Time, float64) bool        { return true }
func zeroValue(_ time.Time, v float64) bool { return v == 0 }

// firstPass and secondPass are the hours of 25 October 2026 in which Berlin's clocks show 2 to 3 o'clock.
func firstPass(at time.Time, _ float64) bool {
	return at.Truncate(time.Hour).Equal(time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC))
}
func secondPass(at time.Time, v float64) bool { return firstPass(at.Add(-time.Hour), v) }

// explained wants of the points that both have written in a span that each is one point, and a reason for every other.
func explained(t *testing.T, list []aside, theirs, ours points, span metric.Span) {
	t.Helper()
	nameless := theirs["Activity Records|ActivityName=Unknown-Activity|duration"]
	for key, was := range theirs {
		var a aside
		if i := slices.IndexFunc(list, func(a aside) bool { return strings.HasPrefix(key, a.of) && strings.Contains(key, a.with) }); i >= 0 {
			a = list[i]
		}
		may := func(f func(time.Time, float64) bool, at int64, v float64) bool {
			return f != nil && f(time.Unix(0, at).UTC(), v)
		}
		both, only, new, wrong := 0, 0, 0, 0
		for at, v := range was {
			switch w, ok := ours[key][at]; {
			case !span.Contains(time.Unix(0, at)):
			case ok && math.Abs(w-v) <= a.off+1e-9*math.Abs(v):
				both++
			case ok && !may(a.theirs, at, v):
				wrong++
			case ok:
			case !may(a.theirs, at, v):
				only++
			}
		}
		for at, v := range ours[key] {
			_, there := was[at]
			_, other := nameless[at]
			if !there && span.Contains(time.Unix(0, at)) && !may(a.ours, at, v) && !(a.renamed && other) {
				new++
			}
		}
		if only+new+wrong > 0 {
			t.Errorf("%s: %d points in both; of the others %d are not ours, %d were not there, %d have another value (%s)", key, both, only, new, wrong, a.why)
		}
	}
}

func TestPythonTakeover(t *testing.T) {
	now := time.Date(2026, 11, 4, 11, 0, 0, 0, time.UTC)
	h := newTakeover(t, now)
	srv := influxd.Start(t, influxd.Config{Version: influxd.Versions()[0]})
	first, begin, end, last := day(t, "2026-10-01"), day(t, "2026-10-22"), day(t, "2026-11-02"), day(t, "2026-11-03")
	zone := h.person.Zone(end)
	all := h.lines(h.python(), first, end)
	both := metric.Span{Start: h.person.Midnight(begin), End: h.person.Midnight(end).Add(18 * time.Hour)} // the next night begins
	for _, provider := range []string{"fitbit", "google"} {
		t.Run(provider, func(t *testing.T) {
			h.t = t
			file := h.fetch(provider, "", begin, last)
			h.put(srv, provider, all)
			before, was := held(t, srv, provider), schema(srv, provider)
			d := h.deliver(file, srv, provider, influx.Auto)
			for _, want := range []string{"weight in lb, distance in miles", `device=Charge5 instead="Charge 6"`} {
				if !strings.Contains(d.said, want) {
					t.Errorf("it does not say %q, but:\n%s", want, d.said)
				}
			}
			if d.status.Refused > 0 || strings.Contains(d.said, "level=WARN") || strings.Contains(d.said, "level=ERROR") {
				t.Errorf("refused %d; it said:\n%s", d.status.Refused, d.said)
			}
			same(t, "what both wrote", points{}.plus(before).plus(d.wrote), held(t, srv, provider), zone)
			unchanged(t, was, schema(srv, provider))
			explained(t, asides[provider], before, d.wrote, both)
			if _, ok := d.wrote["Total Steps|Device=Charge5|value"][h.person.Midnight(last).UnixNano()]; !ok {
				t.Error("the days do not go on in the same series")
			}
			t.Logf("%d values of the Python project, %d of ours, %d in the end", before.len(), d.wrote.len(), held(t, srv, provider).len())
		})
	}
}

// A database that the Python project left in one of these ways is gone on in without a word too many and without loss.
func TestPythonLeftovers(t *testing.T) {
	now := time.Date(2026, 6, 17, 11, 0, 0, 0, time.UTC)
	h := newTakeover(t, now)
	srv := influxd.Start(t, influxd.Config{Version: influxd.Versions()[0]})
	first, begin, last := day(t, "2026-06-08"), day(t, "2026-06-12"), day(t, "2026-06-17")
	zone := h.person.Zone(last)
	file := h.fetch("google", "", begin, last)
	all := h.lines(h.python(), first, last-1)
	same := func(t *testing.T, name string, before points, d delivery) {
		t.Helper()
		same(t, name, points{}.plus(before).plus(d.wrote), held(t, srv, name), zone)
	}
	says := func(t *testing.T, d delivery, want string) {
		t.Helper()
		if !strings.Contains(d.said, want) {
			t.Errorf("it does not say %q, but:\n%s", want, d.said)
		}
	}

	t.Run("metric", func(t *testing.T) {
		w := h.python()
		w.Language = "de_DE"
		h.put(srv, "metric", h.lines(w, first, last-1))
		before := held(t, srv, "metric")
		d := h.deliver(file, srv, "metric", influx.Auto)
		says(t, d, "weight in kg, distance in km")
		same(t, "metric", before, d)
		explained(t, asides["google"], before, d.wrote, metric.Span{Start: h.person.Midnight(begin), End: h.person.Midnight(last - 1).Add(18 * time.Hour)})
	})
	t.Run("heart rate and sleep alone", func(t *testing.T) {
		var some []string
		for _, lines := range all {
			if strings.HasPrefix(lines, "HeartRate") || strings.HasPrefix(lines, "Sleep") {
				some = append(some, lines)
			}
		}
		h.put(srv, "some", some)
		before := held(t, srv, "some")
		d := h.deliver(file, srv, "some", influx.Auto)
		says(t, d, "weight in kg, distance in km")
		says(t, d, "device=Charge5")
		same(t, "some", before, d)
	})
	t.Run("emptied", func(t *testing.T) {
		h.put(srv, "emptied", all)
		h.deliver(file, srv, "emptied", influx.Auto)
		srv.Drop("emptied")
		srv.Create("emptied")
		d := h.deliver(file, srv, "emptied", influx.Auto)
		says(t, d, "All is delivered again")
		d.wrote = h.wrote(file, lineproto.Python) // as decided once
		same(t, "emptied", points{}, d)
	})
	t.Run("the archive lost", func(t *testing.T) {
		h.put(srv, "lost", all)
		before := held(t, srv, "lost")
		h.deliver(file, srv, "lost", influx.Auto)
		again := h.deliver(h.fetch("google", "", begin, last), srv, "lost", influx.Auto)
		says(t, again, "weight in lb, distance in miles")
		same(t, "lost", before, again)
	})
	t.Run("nights moved to noon", func(t *testing.T) {
		w := h.python()
		w.SleepAtNoon = true
		h.put(srv, "noon", h.lines(w, first, last-1))
		before := held(t, srv, "noon")
		d := h.deliver(file, srv, "noon", influx.Auto)
		same(t, "noon", before, d)
		// Such a night stands twice: where the script has put it, and at its start. See docs/coming-from-fitbit-grafana.md.
		const key = "Sleep Summary|Device=Charge5,isMainSleep=True|minutesInBed"
		for at := range before[key] {
			if _, ok := d.wrote[key][at]; ok {
				t.Errorf("a night begins at noon: %v", time.Unix(0, at))
			}
		}
	})
	t.Run("other types", func(t *testing.T) {
		srv.Create("types")
		at := h.person.Midnight(begin).UnixNano()
		srv.Put("types", fmt.Sprintf("SPO2,Device=Charge5 avg=96i %d\nTotal\\ Steps,Device=Charge5 value=\"many\" %d", at, at))
		d := h.deliver(file, srv, "types", influx.Auto)
		if d.status.Refused == 0 {
			t.Error("nothing is refused")
		}
		for _, want := range []string{"spo2 field avg", "steps field value"} {
			if !strings.Contains(d.refused, want) {
				t.Errorf("it does not name %q, but:\n%s", want, d.refused)
			}
		}
		if n := strings.Count(d.refused, "\n"); n != 2 {
			t.Errorf("%d things are refused:\n%s", n, d.refused)
		}
		got := held(t, srv, "types")
		for _, key := range []string{"SPO2|Device=Charge5|avg", "Total Steps|Device=Charge5|value"} {
			week := metric.Span{Start: time.Unix(0, at).Truncate(7 * 24 * time.Hour), End: time.Unix(0, at).Truncate(7*24*time.Hour).AddDate(0, 0, 7)} // a shard
			for when := range d.wrote[key] {
				if _, ok := got[key][when]; !ok && !week.Contains(time.Unix(0, when)) {
					t.Errorf("%s is refused at %v, too", key, time.Unix(0, when).UTC())
				}
			}
			delete(d.wrote, key)
			delete(got, key)
		}
		for key, want := range d.wrote {
			if len(got[key]) != len(want) {
				t.Errorf("%s: %d points of %d are there", key, len(got[key]), len(want))
			}
		}
	})
}

// The way back: what this program has filled takes what the Python project writes, in either units.
func TestPythonReturns(t *testing.T) {
	now := time.Date(2026, 6, 17, 11, 0, 0, 0, time.UTC)
	h := newTakeover(t, now)
	srv := influxd.Start(t, influxd.Config{Version: influxd.Versions()[0]})
	first, last := day(t, "2026-06-13"), day(t, "2026-06-17")
	all := h.lines(h.python(), first, last)
	for _, provider := range []string{"fitbit", "google"} {
		file := h.fetch(provider, h.device, first, last)
		for _, units := range []influx.Units{influx.Auto, influx.Python} {
			name := provider + string(units)
			h.deliver(file, srv, name, units)
			was := schema(srv, name)
			h.put(srv, name, all)
			unchanged(t, was, schema(srv, name))
		}
	}
}

// The program as it is shipped says in its log and its status in what a database goes on.
func TestPythonStatus(t *testing.T) {
	today := day(t, "2026-06-17")
	p := person(52, "Europe/Berlin", "Charge 6", today)
	at := calm(today, 12, p)
	p = still([]time.Time{at}, p)[0]
	w := newWorld(t, at, 600, p)
	srv := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	h := newHome(t, w, today-1, srv.URL)
	srv.Create(h.name)
	srv.Put(h.name, fmt.Sprintf("distance,Device=Charge5 value=4.4 %[1]d\nTotal\\ Steps,Device=Charge5 value=10000 %[1]d", p.Midnight(today-9).UnixNano()))
	run := h.run()
	h.settle(run, "all data")
	code, said := h.do("status")
	for _, want := range []string{"goes on in pounds, miles and °F", "goes on in the Device Charge5"} {
		if code != 0 || !strings.Contains(said, want) {
			t.Errorf("status: code %d, does not say %q, but:\n%s", code, want, said)
		}
	}
	for _, want := range []string{"weight in lb, distance in miles", "device=Charge5"} {
		if !strings.Contains(run.Out.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, run.Tail())
		}
	}
	if code, _ := run.Stop(); code != 0 {
		t.Fatalf("stopped with code %d", code)
	}
	for key := range held(t, srv, h.name) {
		if strings.Contains(key, "Device=Charge 6") {
			t.Errorf("there is %s, too", key)
		}
	}
}

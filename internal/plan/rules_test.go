package plan

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// TestPure: what the package imports cannot reach a clock's tick, a disk or a network; and nobody asks the clock.
func TestPure(t *testing.T) {
	allowed := []string{"cmp", "fmt", "math", "slices", "strings", "time", "github.com/fitbit-fetch/fitbit-fetch/internal/metric"}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "time.Now(") || strings.Contains(string(b), "time.Since(") {
			t.Errorf("%s asks the clock", name)
		}
	}
}

// settled returns the input of a person whose data are complete at now, with the devices' last sync two minutes before.
func settled(t *testing.T, now time.Time) Input {
	w := newWorld(t, scenario{Start: now, Hours: 1, History: metric.DayOf(now.AddDate(0, 0, -20)).String(), Feeds: "few", Covered: true, Syncs: true,
		Zones: []zoneFrom{{Name: "Europe/Berlin"}}})
	in := w.in
	in.Now, in.Polled, in.Seen = now, now, now.Add(-30*time.Minute)
	in.Devices = []metric.Device{{ID: "1", Tracker: true, LastSync: now.Add(-3 * time.Minute)}}
	return in
}

func asked(d Decision) []string {
	var out []string
	for _, it := range d.Items {
		out = append(out, it.Lane.String()+" "+it.Feed)
	}
	return out
}

var noon = time.Date(2026, 11, 4, 11, 0, 0, 0, time.UTC)

func TestRules(t *testing.T) {
	day := func(s string) metric.Day { return mustDay(t, s) }
	trying := func(in *Input) { // the live lane asks for steps, and history is open
		in.Start -= 3
		in.Feeds, in.Busy.Live = in.Feeds[4:5], true
		in.Pending = []metric.Request{{Feed: "steps", Span: metric.Span{Start: noon.Add(-time.Hour), End: noon}}}
	}
	for _, c := range []struct {
		name   string
		change func(in *Input)
		want   []string
		wake   time.Time
	}{
		{"nothing to do", func(*Input) {}, nil, noon.Add(75 * time.Second)},
		{"never polled: nothing before", func(in *Input) { in.Polled = time.Time{} }, []string{"live devices"}, time.Time{}},
		{"polled 75 s ago", func(in *Input) { in.Polled = noon.Add(-75 * time.Second) }, []string{"live devices"}, time.Time{}},
		{"live lane busy", func(in *Input) { in.Polled, in.Busy.Live = noon.Add(-time.Hour), true }, nil, time.Time{}},
		{"polled in the future: the clock went back", func(in *Input) { in.Polled = noon.AddDate(0, 0, 3) }, []string{"live devices"}, time.Time{}},
		{"a source without devices goes by the clock", func(in *Input) {
			in.NoDevices, in.Devices = true, nil
			in.Coverage["heart_rate"][0].Asked = noon.Add(-14 * time.Minute)
			in.Feeds = in.Feeds[:1]
		}, nil, noon.Add(time.Minute)},
		{"silence asked for", func(in *Input) { in.Hold, in.Polled = noon.Add(5*time.Minute), time.Time{} }, nil, noon.Add(5 * time.Minute)},
		{"silence asked for under a wrong clock", func(in *Input) { in.Hold, in.Polled = noon.AddDate(1, 0, 0), time.Time{} }, []string{"live devices"}, time.Time{}},
		{"no budget", func(in *Input) {
			in.Polled, in.Budget = time.Time{}, Budget{Left: 0, Reset: noon.Add(7 * time.Minute), Reserve: 10}
		}, nil, noon.Add(7 * time.Minute)},
		{"history open, budget enough", func(in *Input) {
			in.Start -= 3
			in.Feeds = in.Feeds[4:5]
			in.Budget = Budget{Left: 12, Reset: noon.Add(time.Hour), Reserve: 11}
		},
			[]string{"history steps"}, time.Time{}},
		{"history open, only the reserve left", func(in *Input) {
			in.Start -= 3
			in.Feeds = in.Feeds[4:5]
			in.Budget = Budget{Left: 11, Reset: noon.Add(time.Minute), Reserve: 11}
		},
			nil, noon.Add(time.Minute)},
		{"history beside a live request of the same feed", trying, []string{"history steps"}, time.Time{}},
		{"a feed that failed is tried again with one request", func(in *Input) {
			trying(in)
			in.Failed = map[string]time.Time{"steps": noon.Add(-time.Second)}
		}, nil, time.Time{}},
		{"a sync", func(in *Input) { in.Feeds = in.Feeds[:1]; in.Devices[0].LastSync, in.Seen = noon, noon }, []string{"live heart_rate"}, time.Time{}},
		{"a sync ahead of our clock is asked up to now, once", func(in *Input) {
			in.Feeds = in.Feeds[:1]
			in.Devices[0].LastSync, in.Seen = noon.Add(time.Hour), noon.Add(-time.Minute)
			in.Coverage["heart_rate"][0].Asked = noon
		}, nil, time.Time{}},
		{"a sync, but the feed is not to be asked so soon", func(in *Input) {
			in.Feeds = in.Feeds[4:5]
			in.Devices[0].LastSync, in.Seen = noon, noon
			in.Coverage["steps"][1].Asked = noon.Add(-29*time.Minute - 30*time.Second)
		}, nil, noon.Add(30 * time.Second)},
		{"history was asked just now up to the newest days, which were never asked", func(in *Input) {
			in.Feeds = in.Feeds[4:5]
			in.Coverage["steps"] = []metric.Covered{{Span: metric.DaySpan(in.Start, day("2026-11-01")), Asked: noon.Add(-time.Second), Final: true}}
		}, []string{"live steps"}, time.Time{}},
		{"a sync, but today's value is there already", func(in *Input) {
			in.Feeds = in.Feeds[5:6]
			in.Devices[0].LastSync, in.Seen = noon, noon
			in.Coverage["resting_heart_rate"][1].Asked = noon.Add(-2 * time.Hour)
			in.Settled["resting_heart_rate"] = day("2026-11-04")
		}, nil, time.Time{}},
		{"a failed feed waits", func(in *Input) {
			in.Feeds = in.Feeds[:1]
			in.Devices[0].LastSync, in.Seen = noon, noon
			in.Failed = map[string]time.Time{"heart_rate": noon.Add(20 * time.Second)}
		}, nil, noon.Add(20 * time.Second)},
		{"what is under way is not asked twice", func(in *Input) {
			in.Feeds = in.Feeds[:1]
			in.Devices[0].LastSync, in.Seen = noon, noon
			in.Pending = []metric.Request{{Feed: "heart_rate", Span: metric.Span{Start: noon.Add(-3 * time.Hour), End: noon}}}
		}, nil, time.Time{}},
		{"asleep only the feeds of every sync are read", func(in *Input) {
			in.Quiet = Quiet{From: 11 * 60, To: 13 * 60}
			in.Devices[0].LastSync, in.Seen = noon, noon
		}, []string{"live heart_rate", "live steps_intraday"}, time.Time{}},
		{"the minutes are asked where raw heart rate is left out", func(in *Input) { in.Feeds = in.Feeds[1:2] }, []string{"live heart_rate_minute"}, time.Time{}},
		{"what an older version read yesterday is history, and waits for today", func(in *Input) {
			in.Feeds = in.Feeds[5:6]
			in.Feeds[0].Reader = 1
			in.Coverage["resting_heart_rate"][1].Reader = 1
			in.Busy.Live = true
		}, []string{"history resting_heart_rate"}, time.Time{}},
		{"a span put aside is left alone, what is before it is not", func(in *Input) {
			in.Feeds, in.Start = in.Feeds[:1], in.Start-2
			s := metric.Span{Start: newCalendar(in.Zones).midnight(in.Start + 1), End: newCalendar(in.Zones).midnight(in.Start + 2)}
			in.Aside = map[string][]Aside{"heart_rate": {{Span: s, Until: noon.Add(time.Hour)}}}
		}, []string{"history heart_rate"}, time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := settled(t, noon)
			c.change(&in)
			d := Next(in)
			if got := asked(d); !slices.Equal(got, c.want) {
				t.Errorf("asked %v, want %v", got, c.want)
			}
			if !c.wake.IsZero() && !d.Wake.Equal(c.wake) {
				t.Errorf("wake at %s, want %s", d.Wake, c.wake)
			}
			if len(d.Items) == 0 && d.Why == "" {
				t.Error("no reason is given")
			}
		})
	}
}

// TestClockBack: the clock was a year ahead while all was fetched. Then each span is read again once, and no more.
func TestClockBack(t *testing.T) {
	in := settled(t, noon)
	for id, cover := range in.Coverage {
		for i := range cover {
			cover[i].Asked = noon.AddDate(1, 0, 0)
		}
		in.Coverage[id] = cover
	}
	in.Seen, in.Polled = noon.AddDate(1, 0, 0), noon.AddDate(1, 0, 0)
	w := &world{t: t, in: in, now: noon, sc: scenario{Hours: 3, Start: noon, Zones: []zoneFrom{{Name: "Europe/Berlin"}}}, counts: map[time.Time]int{}, paced: map[time.Time]int{},
		answered: map[time.Time]time.Time{}, syncs: []time.Time{noon.Add(-3 * time.Minute)}}
	w.run()
	var n int
	for _, c := range w.counts {
		n += c
	}
	if n < 3*48 || n > 3*48+150 {
		t.Errorf("%d requests in three hours", n)
	}
}

func TestQuiet(t *testing.T) {
	berlin := newCalendar(metric.Zones{{Name: "Europe/Berlin"}})
	night, nap := Quiet{23 * 60, 6*60 + 30}, Quiet{13 * 60, 14 * 60}
	for _, c := range []struct {
		at   string
		q    Quiet
		want bool
		edge string
	}{
		{"2026-11-04T21:59:59Z", night, false, "2026-11-04T22:00:00Z"},
		{"2026-11-04T22:00:00Z", night, true, "2026-11-05T05:30:00Z"},
		{"2026-11-05T05:29:59Z", night, true, "2026-11-05T05:30:00Z"},
		{"2026-11-05T05:30:00Z", night, false, "2026-11-05T22:00:00Z"},
		{"2026-10-24T21:00:00Z", night, true, "2026-10-25T05:30:00Z"}, // 23:00 in summer time to 06:30 in winter time
		{"2026-11-05T12:30:00Z", nap, true, "2026-11-05T13:00:00Z"},
		{"2026-11-05T13:30:00Z", nap, false, "2026-11-06T12:00:00Z"},
		{"2026-11-05T13:30:00Z", Quiet{}, false, "2026-11-05T23:00:00Z"},
	} {
		at, _ := time.Parse(time.RFC3339, c.at)
		got, _ := berlin.quiet(at, c.q)
		if edge := berlin.nextEdge(at, c.q).Format(time.RFC3339); got != c.want || edge != c.edge {
			t.Errorf("%s: %v until %s, want %v until %s", c.at, got, edge, c.want, c.edge)
		}
	}
}

// TestDays: every instant has one day, and days follow each other, wherever the person flies.
func TestDays(t *testing.T) {
	from := mustDay(t, "2026-11-04")
	for _, names := range [][2]string{{"Europe/Berlin", "Asia/Tokyo"}, {"Pacific/Auckland", "Pacific/Honolulu"}, {"Pacific/Pago_Pago", "Pacific/Kiritimati"}, {"Asia/Kolkata", "America/New_York"}} {
		c := newCalendar(metric.Zones{{Name: names[0]}, {From: from, Name: names[1]}})
		last := metric.Day(0)
		for at := noon.AddDate(0, 0, -5); at.Before(noon.AddDate(0, 0, 5)); at = at.Add(7 * time.Minute) {
			d := c.day(at)
			if c.midnight(d).After(at) || d < last || (last != 0 && d > last+2) {
				t.Fatalf("%v: %s is in day %s, after %s", names, at, d, last)
			}
			last = d
		}
	}
}

package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

func mustDay(t *testing.T, s string) metric.Day {
	t.Helper()
	d, err := metric.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func inZone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// A step in each minute of a day makes 60 steps an hour, on days of 23 and of 25 hours too.
func TestStepsByTheHour(t *testing.T) {
	berlin := inZone(t, "Europe/Berlin")
	for name, c := range map[string]struct {
		day    string
		hours  int
		clocks string // what the bars from the second to the fourth are called
	}{
		"as always":    {"2026-11-23", 24, "01:00 02:00 03:00"},
		"an hour less": {"2026-03-29", 23, "01:00 03:00 04:00"},
		"an hour more": {"2026-10-25", 25, "01:00 02:00 02:00"},
	} {
		day := mustDay(t, c.day)
		b := metric.Block{Series: metric.Steps}
		for at := day.In(berlin).Add(-time.Hour); at.Before((day + 1).In(berlin).Add(time.Hour)); at = at.Add(time.Minute) {
			b.Append(at.UnixNano(), 1) // an hour of each neighbour too
		}
		d := stepBars([]metric.Block{b}, day, berlin)
		if d.Empty || d.Total != c.hours*60 || len(d.Bars) != c.hours || len(d.Table) != c.hours {
			t.Fatalf("%s: %d steps in %d bars", name, d.Total, len(d.Bars))
		}
		var clocks []string
		for i, bar := range d.Bars {
			if bar.Steps != 60 {
				t.Errorf("%s: %d steps from %s", name, bar.Steps, bar.Clock)
			}
			if want := percentOf(float64(i)+.14, float64(c.hours)); bar.X != want {
				t.Errorf("%s: the bar of %s stands at %s, want %s", name, bar.Clock, bar.X, want)
			}
			clocks = append(clocks, bar.Clock)
		}
		if got := strings.Join(clocks[1:4], " "); got != c.clocks {
			t.Errorf("%s: the hours are %s", name, got)
		}
	}
	day := mustDay(t, "2026-11-23")
	if d := stepBars(nil, day, berlin); !d.Empty || len(d.Hours) != 8 {
		t.Errorf("nothing: %+v", d)
	}
	two := []metric.Block{{Times: []int64{day.In(berlin).UnixNano()}, Values: [][]float64{{7}}}, {Times: []int64{day.In(berlin).Add(90 * time.Minute).UnixNano(), day.In(berlin).Add(91 * time.Minute).UnixNano()}, Values: [][]float64{{700, metric.Absent()}}}}
	if d := stepBars(two, day, berlin); d.Total != 707 || d.Best != (stepHour{"01:00", 700}) || len(d.Bars) != 2 || d.Bars[0].H != "2" {
		t.Errorf("two devices: %+v", d)
	}
}

func TestNiceStep(t *testing.T) {
	for most, want := range map[float64]float64{0: 1, 7: 2.5, 60: 25, 100: 25, 700: 250, 3100: 1000, 9900: 2500, 12000: 5000} {
		if got := niceStep(most); got != want || most/got > 5 {
			t.Errorf("up to %v in steps of %v, want %v", most, got, want)
		}
	}
}

// A night that began the evening before ends as a band of this day, one that begins tonight ends with the day; both tell their whole time.
func TestPeriods(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	berlin := w.zone
	at := func(day metric.Day, hour float64) time.Time {
		return day.In(berlin).Add(time.Duration(hour * float64(time.Hour)))
	}
	long := func(a, b time.Time) stretch { return stretch{1, b.Sub(a)} }
	for name, c := range map[string]struct {
		day   string
		hours float64 // of the day
	}{"as always": {"2026-11-23", 24}, "an hour less": {"2026-03-29", 23}, "an hour more": {"2026-10-25", 25}} {
		d := mustDay(t, c.day)
		f := dayFacts{
			sleeps: []metric.Session{
				sleepSession(d, at(d, -1), true, long(at(d, -1), at(d, 6))),
				sleepSession(d, at(d, 12), false, long(at(d, 12), at(d, 13))),
				sleepSession(d+1, at(d, c.hours-1), true, long(at(d, 0), at(d, 8))),
				sleepSession(d+1, at(d+1, 14), false, long(at(d, 0), at(d, 1))), // tomorrow's nap
			},
			workouts: []metric.Session{
				workoutSession(d-1, "Walk", at(d, -2), at(d, -1), 1), // yesterday's
				workoutSession(d, "Run", at(d, 17), at(d, 18), 1),
			},
		}
		var got []string
		for _, p := range s.periods(f, d, berlin) {
			got = append(got, fmt.Sprint(p.Kind, " ", p.Name, " ", p.X, " ", p.W))
		}
		share := func(h float64) string { return percentOf(h, c.hours) }
		want := []string{
			"sleep Sleep 0% " + share(6), "nap Nap " + share(12) + " " + share(1), "sleep Sleep " + share(c.hours-1) + " " + share(1),
			"workout Run " + share(17) + " " + share(1),
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q\nwant %q", name, got, want)
		}
	}
	d := mustDay(t, "2026-11-23")
	first := s.periods(dayFacts{sleeps: []metric.Session{sleepSession(d, at(d, -1), true, long(at(d, -1), at(d, 6)))}}, d, berlin)
	if first[0].From != "23:00" || first[0].To != "06:00" {
		t.Errorf("the night is told as %s to %s", first[0].From, first[0].To)
	}
}

func TestNight(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	d := mustDay(t, "2026-11-23")
	start := d.In(w.zone).Add(-time.Hour)
	min := time.Minute
	night := sleepSession(d, start, true, stretch{1, 60 * min}, stretch{0, 90 * min}, stretch{2, 100 * min}, stretch{3, 30 * min}, stretch{1, 120 * min}, stretch{4, 20 * min})
	short := sleepSession(d, d.In(w.zone).Add(13*time.Hour), false, stretch{1, 25 * min}, stretch{3, 5 * min})
	n := s.nightOf([]metric.Session{night, short, sleepSession(d+1, start.Add(24*time.Hour), true, stretch{1, 600 * min})}, d, w.zone)
	var got []string
	for _, l := range n.Lanes {
		got = append(got, fmt.Sprint(l.Stage, " ", l.Time, " ", l.Percent, " ", strings.Count(string(l.Path), "M")))
	}
	want := []string{"awake 30 min 8 1", "rem 1 h 40 min 25 1", "light 3 h 0 min 45 2", "deep 1 h 30 min 23 1"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("lanes %q, want %q", got, want)
	}
	if n.Empty || n.From != "23:00" || n.To != "06:00" || n.Wide != "420" || n.Asleep != "6 h 30 min" || n.High != 4*laneHeight || strings.Count(string(n.Links), "M") != 4 {
		t.Errorf("%+v", n)
	}
	if len(n.Naps) != 1 || n.Naps[0] != (nap{"13:00", "13:30", "25 min"}) {
		t.Errorf("naps %+v", n.Naps)
	}

	// A tracker without stages has no deep sleep and no REM.
	night.Title = "CLASSIC"
	if n := s.nightOf([]metric.Session{night}, d, w.zone); len(n.Lanes) != 3 || n.Lanes[1].Name != "restless" || n.Lanes[2].Name != "asleep" {
		t.Errorf("classic: %+v", n.Lanes)
	}
	// A night whose stages are not known is told all the same; of two main ones the longer.
	bare := metric.Session{Kind: metric.Sleep, Day: d, Start: start, End: start.Add(8 * time.Hour), Main: true}
	if n := s.nightOf([]metric.Session{short, bare, night}, d, w.zone); n.Empty || n.Asleep != "8 h 0 min" || len(n.Lanes) != 0 || len(n.Naps) != 2 {
		t.Errorf("without stages: %+v", n)
	}
	if n := s.nightOf(nil, d, w.zone); !n.Empty {
		t.Error("a night out of nothing")
	}
}

// A past day shows what it had, and the page of a person with nothing says so.
func TestPastDay(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	body := v.page("/?day=2026-11-21")
	for _, want := range []string{"Heart rate", "Steps by the hour", `class="stage deep"`, "Resting heart rate", `value="2026-11-21"`, "<h1>2026-11-21</h1>"} {
		if !strings.Contains(body, want) {
			t.Errorf("a past day lacks %q", want)
		}
	}
	if strings.Contains(body, "days ago") || strings.Contains(body, "Battery") {
		t.Error("a past day shows what is new today")
	}
	if body := v.page("/?person=anna&day=2026-11-21"); !strings.Contains(body, "Nothing has been fetched of this day") || strings.Contains(body, "<svg class=\"curve\"") {
		t.Error("a person with nothing has a day")
	}
	for _, id := range w.read {
		if id == metric.HeartRate {
			t.Error("raw heart rate was read")
		}
	}
}

//go:build !race

package dashboard

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// everyQuery runs every query of every dashboard as it is opened for the first time, and wants something of each.
func everyQuery(t *testing.T, d Dialect, db database) {
	t.Helper()
	files, err := Files(d)
	if err != nil {
		t.Fatal(err)
	}
	everyQueryOf(t, d, db, files)
}

// everyQueryOf does so with those files, and returns them read.
func everyQueryOf(t *testing.T, d Dialect, db database, files []File) (read []file) {
	t.Helper()
	asked := 0
	for _, f := range files {
		v, x := opened(t, d, db, f, nil)
		for _, p := range x.Panels {
			deltas := 0 // of what is above and what is below, one is there
			for _, q := range p.Targets {
				asked++
				rows := 0
				for _, a := range v.run(p, q) {
					rows += len(a.rows)
				}
				if oneOfTwo.MatchString(q.Query) {
					if deltas += rows; deltas > 0 || q.RefID < p.Targets[len(p.Targets)-1].RefID {
						continue
					}
				}
				if rows == 0 {
					t.Errorf("%s, panel %q, query %s: %d rows\n%s", f.Name, p.Title, q.RefID, rows, v.query(p, q))
				}
			}
		}
		read = append(read, x)
	}
	if asked < 80 {
		t.Errorf("only %d queries", asked)
	}
	return read
}

// drawnValues are the values of a column by the time at which a panel draws them.
func drawnValues(v *viewer, p panelJSON, q targetJSON, column string) map[time.Time]float64 {
	v.t.Helper()
	out := map[time.Time]float64{}
	for at, n := range values(v.t, v.run(p, q), column) {
		out[at.Add(p.later(q))] = n
	}
	return out
}

// noon is when the values of a day are drawn.
func noon(day metric.Day) time.Time { return someone.Midnight(day).Add(12 * time.Hour).UTC() }

// values are the values of a column by time, of all tables of an answer; the column is a name, or the last one.
func values(t testing.TB, frames []frame, column string) map[time.Time]float64 {
	t.Helper()
	out := map[time.Time]float64{}
	for _, f := range frames {
		at := max(f.column("time"), f.column("_time"))
		i := f.column(column)
		if name := f.column("_field"); i < 0 && name >= 0 {
			for _, r := range f.rows {
				if r[name] == column {
					out[r[at].(time.Time)] = r[f.column("_value")].(float64)
				}
			}
			continue
		}
		if i < 0 {
			t.Fatalf("no column %q, only %q", column, f.names)
		}
		for _, r := range f.rows {
			if n, ok := r[i].(float64); ok {
				out[r[at].(time.Time)] = n
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("%q has no values", column)
	}
	return out
}

// truths compares what panels show with what the simulated person did; lost are nights that the server is known to lose.
func truths(t *testing.T, d Dialect, db database, lost ...string) {
	t.Helper()
	v, x := opened(t, d, db, theDashboard(t, d, "fitbit-fetch"), nil)
	loc := someone.Zone(0)
	v.from = time.Date(2025, 11, 20, 0, 0, 0, 0, loc) // the whole year, with both changes of the clocks
	v.to = time.Date(2026, 11, 18, 23, 59, 59, 0, loc)
	first, last := metric.DayOf(v.from.In(loc)), metric.DayOf(v.to.In(loc))

	p := panelOf(t, x, "Steps by day")
	steps := drawnValues(v, p, p.Targets[0], "Steps")
	days := 0
	for day := first; day <= last; day++ {
		if someone.DayTotals(day).Steps > 0 {
			days++
		}
		if want := float64(someone.DayTotals(day).Steps); steps[noon(day)] != want {
			t.Errorf("steps by day, %s: another figure than the truth", day)
		}
	}
	if len(steps) != days {
		t.Errorf("steps by day: %d days, want %d", len(steps), days)
	}

	p = panelOf(t, x, "Steps by week")
	weeks := drawnValues(v, p, p.Targets[0], "Steps")
	if len(weeks) < 52 {
		t.Errorf("only %d weeks", len(weeks))
	}
	for at, n := range weeks {
		monday := metric.DayOf(at.In(loc))
		if monday.Civil().Weekday() != time.Monday {
			t.Errorf("a week is drawn on a %s", monday.Civil().Weekday())
		}
		want := 0.0
		for day := max(monday, first); day < monday+7 && day <= last; day++ {
			want += float64(someone.DayTotals(day).Steps)
		}
		if n != want {
			t.Errorf("week of %s: another figure than the truth", monday)
		}
	}
	p = panelOf(t, x, "Time asleep, with naps")
	asleep := drawnValues(v, p, p.Targets[0], "Asleep")
	nights := 0
	for day := first + 1; day <= last; day++ {
		n, ok := someone.MainNight(day)
		if !ok {
			continue
		}
		nights++
		got := 0.0
		for h := range 3 { // the window may be an hour off where the clocks change
			got += asleep[noon(day).Add(time.Duration(h-1)*time.Hour)]
		}
		slept := sleptMinutes(n)
		if slices.Contains(lost, day.String()) {
			slept = 0
		}
		if math.Abs(60*got-slept) > 2 {
			t.Errorf("night of %s: another figure than the truth", day)
		}
	}
	if nights < 300 {
		t.Errorf("only %d nights", nights)
	}
}

// sleptMinutes is the time asleep.
func sleptMinutes(n simulate.Night) float64 {
	slept := 0.0
	for _, s := range n.Stages {
		if s.Stage != simulate.Awake {
			slept += s.End.Sub(s.Start).Minutes()
		}
	}
	return slept
}

// hoursOfDays checks the heat map of steps by hour: every local hour has what was walked in it, on days of 23 and 25 hours, too.
func hoursOfDays(t *testing.T, d Dialect, db database) {
	t.Helper()
	v, x := opened(t, d, db, theDashboard(t, d, "fitbit-fetch"), nil)
	loc := someone.Zone(0)
	p := panelOf(t, x, "Steps by hour")
	for _, day := range []metric.Day{date(t, "2026-03-29"), date(t, "2026-10-25"), date(t, "2026-07-01")} {
		span := someone.DaySpan(day)
		v.from, v.to = span.Start, span.End.Add(-time.Millisecond)
		want := map[int]float64{} // by the clock's hour; the hour that comes twice counts once
		for _, c := range someone.Steps(span) {
			want[c.Time.In(loc).Hour()] += float64(c.Value)
		}
		got := map[int]float64{}
		if d == InfluxQL {
			for at, n := range values(t, v.run(p, p.Targets[0]), "Steps") {
				got[at.In(loc).Hour()] += n
			}
		} else {
			for _, f := range v.run(p, p.Targets[0]) {
				for i, name := range f.names {
					if h := len(name) == 2; h {
						if n, ok := f.rows[0][i].(float64); ok {
							got[int(name[0]-'0')*10+int(name[1]-'0')] += n
						}
					}
				}
			}
		}
		for h := range 24 {
			if got[h] != want[h] {
				t.Errorf("%s, %d o'clock: another figure than the truth", day, h)
			}
		}
	}
	p = panelOf(t, x, "Band worn")
	v.from, v.to = someone.Midnight(date(t, "2026-10-25")), someone.Midnight(date(t, "2026-10-26")).Add(-time.Millisecond)
	for at, n := range drawnValues(v, p, p.Targets[0], "Worn") {
		if !at.Equal(v.from.Add(12 * time.Hour)) {
			t.Errorf("the day of 25 hours is drawn at %s", at)
		}
		if n < 12 || n > 25 {
			t.Error("on the day of 25 hours the band was worn for another time than it was")
		}
	}
}

func date(t testing.TB, s string) metric.Day {
	t.Helper()
	d, err := metric.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// units checks that a reader sees the same weight and distance whatever the database holds.
func units(t *testing.T, d Dialect, databases map[string]database) {
	t.Helper()
	at, grams, _, ok := newestWeighing()
	if !ok {
		t.Fatal("the person was never weighed")
	}
	day := metric.DayOf(now.In(someone.Zone(0))) - 1
	km := float64(someone.DayTotals(day).Millimetre) / 1e6
	for stored, db := range databases {
		for _, c := range []struct {
			choose   string
			imperial bool
			label    string
		}{{"As stored", stored == "python", "As stored" + map[string]string{"metric": "0", "python": "1"}[stored]}, {"Metric", false, ""}, {"Imperial", true, ""}} {
			v, x := opened(t, d, db, theDashboard(t, d, "fitbit-fetch"), map[string]string{"units": c.choose})
			weight, distance := grams/1000, km
			if c.imperial {
				weight, distance = weight/0.45359237, distance/1.609344
			}
			for title, want := range map[string]float64{"Weight": weight, "Distance": distance} {
				p := panelOf(t, x, title)
				if title == "Distance" {
					p = panelOf(t, file{Panels: x.Panels[20:]}, title) // the one by day
				}
				suffix := orElse(c.label, c.choose+map[string]string{"metric": "0", "python": "1"}[stored])
				got := drawnValues(v, p, p.Targets[0], title+" ["+suffix+"]")
				key := noon(day)
				if title == "Weight" {
					key = at
				}
				found := false
				for instant, n := range got {
					if instant.Truncate(time.Second).Equal(key.Truncate(time.Second)) {
						found = true
						if math.Abs(n-want) > 0.01*want/100+0.005 {
							t.Errorf("%s, %s of a database with %s: %.3f times the truth", c.choose, title, stored, n/want)
						}
					}
				}
				if !found {
					t.Errorf("%s, %s: not there", c.choose, title)
				}
			}
		}
	}
}

func newestWeighing() (at time.Time, grams, fat float64, ok bool) {
	for day := metric.DayOf(now.In(someone.Zone(0))) - 1; day > metric.DayOf(now)-30; day-- {
		if at, grams, fat, ok = someone.Weighing(day); ok {
			return
		}
	}
	return
}

// The InfluxQL dashboards on a real InfluxDB 1.
func TestInfluxDB1(t *testing.T) {
	s := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	fill(t, s.URL, "fitbit", "metric")
	fill(t, s.URL, "pounds", "python")
	db := influxQL{url: s.URL, database: "fitbit"}
	t.Run("every query", func(t *testing.T) { everyQuery(t, InfluxQL, db) })
	t.Run("every query, with the Python project's units", func(t *testing.T) { everyQuery(t, InfluxQL, influxQL{url: s.URL, database: "pounds"}) })
	t.Run("truths", func(t *testing.T) { truths(t, InfluxQL, db) })
	t.Run("hours of days", func(t *testing.T) { hoursOfDays(t, InfluxQL, db) })
	t.Run("readers", func(t *testing.T) { readers(t, InfluxQL, db) })
	t.Run("in UTC", func(t *testing.T) { anyZone(t, InfluxQL, db) })
	t.Run("counts", func(t *testing.T) { counts(t, InfluxQL, db) })
	t.Run("tracks", func(t *testing.T) { tracks(t, InfluxQL, db) })
	t.Run("usual", func(t *testing.T) { usual(t, InfluxQL, db) })
	t.Run("units", func(t *testing.T) {
		units(t, InfluxQL, map[string]database{"metric": db, "python": influxQL{url: s.URL, database: "pounds"}})
	})
	t.Run("persons", func(t *testing.T) {
		s.Query("", "CREATE DATABASE two")
		s.Put("two", twoPeople())
		persons(t, InfluxQL, influxQL{url: s.URL, database: "two"})
	})
	t.Run("an empty database", func(t *testing.T) {
		s.Query("", "CREATE DATABASE empty")
		nothingBreaks(t, InfluxQL, influxQL{url: s.URL, database: "empty"})
	})
}

// twoPeople are steps of two people on two days.
func twoPeople() string {
	day := someone.Midnight(metric.DayOf(now) - 1).UnixNano()
	text := ""
	for _, l := range []struct {
		tags  string
		steps int
	}{{"Device=Charge\\ 6", 1000}, {"Device=Inspire\\ 3,Person=Kim", 2000}, {"Device=Inspire\\ 3,Person=Ann\\ Lee", 3000}} {
		text += "Total\\ Steps," + l.tags + " value=" + itoa(l.steps) + " " + itoa(int(day)) + "\n"
	}
	return text
}

// persons checks that each person sees their own, and the first only what has no name.
func persons(t *testing.T, d Dialect, db database) {
	t.Helper()
	for who, want := range map[string]float64{"First person": 1000, "Kim": 2000, "Ann Lee": 3000} {
		v, x := opened(t, d, db, theDashboard(t, d, "fitbit-fetch"), map[string]string{"person": who})
		p := panelOf(t, x, "Steps by day")
		for _, n := range values(t, v.run(p, p.Targets[0]), "Steps") {
			if n != want {
				t.Errorf("%s sees %v steps, want %v", who, n, want)
			}
		}
	}
}

// nothingBreaks wants every query to be understood where there are no data at all.
func nothingBreaks(t *testing.T, d Dialect, db database) {
	t.Helper()
	files, err := Files(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		v, x := opened(t, d, db, f, nil)
		for _, p := range x.Panels {
			for _, q := range p.Targets {
				for _, a := range v.run(p, q) {
					if len(a.rows) > 0 && p.Type != "stat" {
						t.Errorf("%s, panel %q: %d rows of nothing", f.Name, p.Title, len(a.rows))
					}
				}
			}
		}
	}
}

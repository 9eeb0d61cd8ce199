//go:build !race

package dashboard

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// readers asks as people in several zones do, who look at somebody in Berlin: what is of a day stands on that day for each of them.
func readers(t *testing.T, d Dialect, db database, lost ...string) {
	t.Helper()
	today := metric.DayOf(now.In(someone.Zone(0)))
	for _, zone := range []string{"Europe/Berlin", "utc", "UTC", "America/New_York", "Asia/Tokyo"} {
		v, x := openedIn(t, d, db, theDashboard(t, d, "fitbit-fetch"), zone, nil)
		loc := location(t, zone)
		byDate := func(title string, target int, column string) map[string]float64 {
			p := panelOf(t, x, title)
			out := map[string]float64{}
			for at, n := range drawnValues(v, p, p.Targets[target], column) {
				out[at.In(loc).Format(time.DateOnly)] += n
			}
			return out
		}
		steps := byDate("Steps by day", 0, "Steps")
		asleep := byDate("Time asleep, with naps", 0, "Asleep")
		for day := today - 20; day < today; day++ {
			if steps[day.String()] != float64(someone.DayTotals(day).Steps) {
				t.Errorf("%s, %s: other steps than were walked", zone, day)
			}
			if n, ok := someone.MainNight(day); ok && math.Abs(asleep[day.String()]*60-sleptMinutes(n)) > 2 && !slices.Contains(lost, day.String()) {
				t.Errorf("%s, %s: another night than was slept", zone, day)
			}
		}
		p := panelOf(t, x, "Steps")
		seen := 0.0
		for _, f := range v.run(p, p.Targets[0]) {
			for _, r := range f.rows {
				seen, _ = r[slices.IndexFunc(f.names, func(s string) bool { return s == "Steps" || s == "_value" })].(float64)
			}
		}
		if want := steps[today.String()]; seen == 0 || seen != want {
			t.Errorf("%s: the steps of today are %v, on their day there are %v", zone, seen, want)
		}
	}
}

// anyZone runs every query of every dashboard as Grafana in UTC does: none fails.
func anyZone(t *testing.T, d Dialect, db database) {
	t.Helper()
	files, err := Files(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		v, x := openedIn(t, d, db, f, "utc", nil)
		for _, p := range x.Panels {
			for _, q := range p.Targets {
				v.run(p, q)
			}
		}
	}
}

// oneValue is the only value of a query's answer, if it answers.
func oneValue(v *viewer, p panelJSON, q targetJSON) (float64, bool) {
	v.t.Helper()
	for _, f := range v.run(p, q) {
		for _, r := range f.rows {
			for i, name := range f.names {
				if n, ok := r[i].(float64); ok && name != "time" {
					return n, true
				}
			}
		}
	}
	return 0, false
}

// counts checks the figures that count days: of ranges that begin at any hour, and where none counts.
func counts(t *testing.T, d Dialect, db database) {
	t.Helper()
	v, x := opened(t, d, db, theDashboard(t, d, "fitbit-fetch-data"), nil)
	short, worn := panelOf(t, x, "Days under 10 hours"), panelOf(t, x, "Minutes of heart rate by day")
	for back := range 40 {
		v.to = now.Add(-time.Duration(back) * 17 * time.Hour)
		v.from = v.to.Add(-20 * 24 * time.Hour)
		want := 0.0
		for _, n := range values(t, v.run(worn, worn.Targets[0]), "Minutes") {
			if n < 600 {
				want++
			}
		}
		got, ok := oneValue(v, short, short.Targets[0])
		if !ok || got != want {
			t.Errorf("days under 10 hours of the range up to %s: %v, %t; want %v", v.to, got, ok, want)
		}
	}
	v, x = opened(t, d, db, theDashboard(t, d, "fitbit-fetch"), nil)
	p := panelOf(t, x, "Days with 10,000 steps")
	none := false
	for day := metric.DayOf(now) - 30; day < metric.DayOf(now)-1; day++ {
		v.from, v.to = someone.Midnight(day), someone.Midnight(day+1).Add(-time.Millisecond)
		want := 0.0
		if someone.DayTotals(day).Steps >= 10000 {
			want = 1
		}
		none = none || want == 0
		if got, ok := oneValue(v, p, p.Targets[0]); !ok || got != want {
			t.Errorf("days with 10,000 steps of %s: %v, %t; want %v", day, got, ok, want)
		}
	}
	if !none {
		t.Error("each day has 10,000 steps: that proves nothing")
	}
	v.from, v.to = now.AddDate(-9, 0, 0), now.AddDate(-9, 0, 5)
	if _, ok := oneValue(v, p, p.Targets[0]); ok {
		t.Error("days without data are counted")
	}
}

// tracks checks that the variable offers the workouts of the range alone, and that each of them can be drawn along its distance.
func tracks(t *testing.T, d Dialect, db database) {
	t.Helper()
	file := theDashboard(t, d, "fitbit-fetch")
	v, x := opened(t, d, db, file, nil)
	stops, shown := 0, 0
	for week := range 20 {
		v.to = now.AddDate(0, 0, -7*week)
		v.from = v.to.AddDate(0, 0, -7)
		v.open(x)
		offered := v.values["workout"][0]
		want := ""
		for day := metric.DayOf(v.from); day <= metric.DayOf(v.to); day++ {
			for _, w := range someone.Workouts(day) {
				if track := someone.Track(w); track != nil && w.Start.Before(v.to) && track[len(track)-1].Time.After(v.from) {
					want = w.Start.UTC().Format("2006-01-02T15:04:05")
				}
			}
		}
		if (want == "") != (offered == "") {
			t.Errorf("the week to %s offers %q, its newest is of %q", v.to, offered, want)
		}
		if offered == "" {
			continue
		}
		for _, title := range []string{"Pace and heart rate along the way", "Altitude along the way"} {
			p := panelOf(t, x, title)
			last := -1.0
			rows := 0
			for _, f := range v.run(p, p.Targets[0]) {
				at := slices.IndexFunc(f.names, func(s string) bool { return strings.HasPrefix(s, "Distance") })
				for _, r := range f.rows {
					rows++
					n, ok := r[at].(float64)
					if !ok || n <= last {
						t.Fatalf("%s, workout %s: the distance does not grow", title, offered)
					}
					last = n
				}
			}
			if rows < 50 {
				t.Errorf("%s, workout %s: %d points", title, offered, rows)
			}
		}
		shown++
		for day := metric.DayOf(v.from); day <= metric.DayOf(v.to); day++ {
			for _, w := range someone.Workouts(day) {
				track := someone.Track(w)
				for i := 1; i < len(track); i++ {
					if track[i].Distance == track[i-1].Distance {
						stops++
					}
				}
			}
		}
	}
	if shown < 10 || stops < 20 {
		t.Errorf("%d workouts with %d points of standing: that proves nothing", shown, stops)
	}
}

// usual checks what a night is held against: the mean of the others.
func usual(t *testing.T, d Dialect, db database) {
	t.Helper()
	v, x := opened(t, d, db, theDashboard(t, d, "fitbit-fetch"), nil)
	for _, c := range []struct{ figure, chart, night string }{{"HRV", "Heart-rate variability against your own range", "Night"}, {"Resting heart rate", "Resting heart rate", "Resting heart rate"}} {
		var chart panelJSON
		for _, p := range x.Panels {
			if p.Title == c.chart && p.Type == "timeseries" {
				chart = p
			}
		}
		at := slices.IndexFunc(chart.Targets, func(q targetJSON) bool { return slices.Contains(columnsOf(q), c.night) })
		if at < 0 {
			t.Fatalf("%s has no %s", c.chart, c.night)
		}
		fractions := 0
		for back := range 10 {
			v.to = now.AddDate(0, 0, -back)
			v.from = v.to.Add(-30 * 24 * time.Hour) // for the chart: the figure has a range of its own
			nights := values(t, v.run(chart, chart.Targets[at]), c.night)
			var newest time.Time
			for at := range nights {
				if at.After(newest) {
					newest = at
				}
			}
			sum := 0.0
			for at, n := range nights {
				if at != newest {
					sum += n
				}
			}
			want := nights[newest] - sum/float64(len(nights)-1)
			if want != math.Trunc(want) {
				fractions++
			}
			v.from = v.to.AddDate(0, 0, -3)
			p := panelOf(t, x, c.figure)
			above, is := oneValue(v, p, p.Targets[1])
			below, isBelow := oneValue(v, p, p.Targets[2])
			if is == isBelow || math.Abs(above-below-want) > 0.001 {
				t.Errorf("%s up to %s: it is another difference than that from the mean of the others", c.figure, v.to)
			}
		}
		if fractions == 0 {
			t.Errorf("%s: only whole differences: that proves nothing", c.figure)
		}
	}
}

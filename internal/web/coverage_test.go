package web

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// written is states as letters.
func written(all []dayState) string {
	var b strings.Builder
	for _, s := range all {
		b.WriteString(s.String()[:1])
	}
	return b.String()
}

// Seven days of one feed: u unwanted, n none, h have, e early, m missing, f flying.
func TestStatesOfAFeed(t *testing.T) {
	berlin := metric.NewCalendar(metric.Zones{{Name: "Europe/Berlin"}})
	first := mustDay(t, "2026-10-22") // the clocks change on the fourth day
	last := first + 6
	days := func(a, b int, final bool) metric.Covered {
		return metric.Covered{Span: metric.DaySpan(first+metric.Day(a), first+metric.Day(b)), Final: final}
	}
	at := func(day int, hours float64) time.Time {
		return berlin.Midnight(first + metric.Day(day)).Add(time.Duration(hours * float64(time.Hour)))
	}
	times := func(a, b time.Time, final bool) metric.Covered {
		return metric.Covered{Span: metric.Span{Start: a, End: b}, Final: final}
	}
	all := []metric.Day{first, first + 1, first + 2, first + 3, first + 4, first + 5, first + 6}
	for name, c := range map[string]struct {
		axis   metric.Axis
		asked  []metric.Covered
		days   []metric.Day
		start  metric.Day
		depth  time.Duration
		asking []metric.Span
		want   string
	}{
		"nothing asked":               {axis: metric.Days, start: first, want: "mmmmmmm"},
		"all here":                    {axis: metric.Days, asked: []metric.Covered{days(0, 6, true)}, days: all, start: first, want: "hhhhhhh"},
		"asked, and nothing is there": {axis: metric.Days, asked: []metric.Covered{days(0, 6, true)}, days: all[2:4], start: first, want: "nnhhnnn"},
		"today too early":             {axis: metric.Days, asked: []metric.Covered{days(0, 5, true), days(6, 6, false)}, days: all, start: first, want: "hhhhhhe"},
		"early without data":          {axis: metric.Days, asked: []metric.Covered{days(0, 4, true), days(5, 6, false)}, start: first, want: "nnnnnee"},
		"a hole":                      {axis: metric.Days, asked: []metric.Covered{days(0, 1, true), days(4, 6, true)}, days: all, start: first, want: "hhmmhhh"},
		"before history begins":       {axis: metric.Days, asked: []metric.Covered{days(5, 6, true)}, days: all, start: first + 3, want: "uuummhh"},
		"asked of before it begins":   {axis: metric.Days, asked: []metric.Covered{days(1, 6, true)}, days: all[1:], start: first + 3, want: "uhhhhhh"},
		"no deeper than":              {axis: metric.Days, start: first, depth: 48 * time.Hour, want: "uuuummm"},
		"in flight":                   {axis: metric.Days, asked: []metric.Covered{days(4, 6, true)}, days: all, start: first, asking: []metric.Span{metric.DaySpan(first+2, first+3)}, want: "mmffhhh"},
		"asked once more":             {axis: metric.Days, asked: []metric.Covered{days(0, 6, true)}, days: all, start: first, asking: []metric.Span{metric.DaySpan(last, last)}, want: "hhhhhhf"},
		"nothing in flight of it":     {axis: metric.Days, asked: []metric.Covered{days(0, 6, true)}, days: all, start: first, asking: []metric.Span{{}}, want: "hhhhhhh"},

		"instants":                     {asked: []metric.Covered{times(at(0, 0), at(7, 0), true)}, days: all, start: first, want: "hhhhhhh"},
		"up to the last sync":          {asked: []metric.Covered{times(at(0, 0), at(6, 9), true)}, days: all, start: first, want: "hhhhhhe"},
		"the device was away":          {asked: []metric.Covered{times(at(0, 0), at(4, 9), true)}, days: all, start: first, want: "hhhhemm"},
		"a hole of an hour":            {asked: []metric.Covered{times(at(0, 0), at(2, 5), true), times(at(2, 6), at(7, 0), true)}, days: all, start: first, want: "hhmhhhh"},
		"not final in between":         {asked: []metric.Covered{times(at(0, 0), at(2, 5), true), times(at(2, 5), at(2, 6), false), times(at(2, 6), at(7, 0), true)}, days: all, start: first, want: "hhehhhh"},
		"the day of 25 hours is whole": {asked: []metric.Covered{times(at(3, 0), at(3, 25), true), times(at(5, 0), at(7, 0), true)}, days: all, start: first, want: "mmmhmhh"},
		"24 of its hours are not":      {asked: []metric.Covered{times(at(3, 0), at(3, 24), true), times(at(5, 0), at(7, 0), true)}, days: all, start: first, want: "mmmmmhh"},
		"begins within a day":          {asked: []metric.Covered{times(at(3, 1), at(7, 0), true)}, days: all, start: first, want: "mmmmhhh"},
	} {
		f := FeedCoverage{Feed: metric.Feed{Axis: c.axis, Depth: c.depth}, Asked: c.asked, Days: c.days}
		if got := written(f.states(berlin, c.start, first, last, c.asking)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// feed is one of a series, of which the last days are in these states.
func feed(series metric.ID, last metric.Day, letters string) FeedCoverage {
	f := FeedCoverage{Feed: metric.Feed{ID: string(series), Series: []metric.ID{series}, Axis: metric.Days}}
	for i, l := range letters {
		d := last - metric.Day(len(letters)-1-i)
		if l == 'm' {
			continue
		}
		f.Asked = append(f.Asked, metric.Covered{Span: metric.DaySpan(d, d), Final: l != 'e'})
		if l == 'h' {
			f.Days = append(f.Days, d)
		}
	}
	return f
}

// Feeds that are shown together: what is still to come stands before what is here.
func TestCalendarOfGroups(t *testing.T) {
	utc := metric.NewCalendar(nil)
	today := mustDay(t, "2026-03-10")
	track := feed(metric.Track, today, "mmmmmm")
	track.Feed.Trigger = metric.OnWish
	behind := feed(metric.HeartRateMinute, today, "mmmmmm")
	behind.Feed.Behind = string(metric.HeartRate)
	denied := feed("spo2", today, "mmmmmm")
	denied.Denied = true
	c := Coverage{Start: today - 5, Feeds: []FeedCoverage{
		feed(metric.HeartRate, today, "mmhhhe"), behind, feed("steps", today, "nhhnhe"), track, denied, feed("hrv", today, "nnhnhh"),
	}}
	asking := map[string][]metric.Span{"steps": {metric.DaySpan(today-4, today-4)}}
	for _, tc := range []struct{ group, want, gaps string }{
		{"", "mfhhhe", "[2026-03-05 2026-03-05]"},
		{"heart", "mmhhhe", "[2026-03-05 2026-03-06]"},
		{"activity", "nfhnhe", ""},
		{"night", "uuuuuu", ""},
	} {
		got := coverOf(c, utc, today, tc.group, asking)
		all := ""
		for _, y := range got.Years {
			all = unrolled(t, y.Runs) + all
		}
		if all != strings.Trim(tc.want, "u") {
			t.Errorf("group %q: %s, want %s", tc.group, all, tc.want)
		}
		var gaps []string
		for _, g := range got.Gaps {
			gaps = append(gaps, fmt.Sprintf("[%s %s]", g.First, g.Last))
		}
		if strings.Join(gaps, "") != tc.gaps {
			t.Errorf("group %q: gaps %v, want %s", tc.group, gaps, tc.gaps)
		}
		if fmt.Sprint(got.Groups) != "[heart activity night]" {
			t.Errorf("groups %v", got.Groups)
		}
		if wantDenied := tc.group == "" || tc.group == "night"; wantDenied != (got.DeniedNames() == "spo2") {
			t.Errorf("group %q: denied %q", tc.group, got.DeniedNames())
		}
	}
	// Where raw heart rate is left out, its minutes are what counts.
	c.Feeds = c.Feeds[1:2]
	if got := coverOf(c, utc, today, "", nil); unrolled(t, got.Years[0].Runs) != "mmmmmm" {
		t.Errorf("minutes alone: %+v", got.Years)
	}
	if got := coverOf(Coverage{Start: today + 5}, utc, today, "", nil); len(got.Years)+len(got.Gaps)+len(got.Table) != 0 {
		t.Errorf("nothing: %+v", got)
	}
}

// unrolled writes runs as letters.
func unrolled(t *testing.T, runs string) string {
	t.Helper()
	out := ""
	for _, m := range regexp.MustCompile(`([a-z])(\d+)`).FindAllStringSubmatch(runs, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		out += strings.Repeat(m[1], n)
	}
	return out
}

// An archive with gaps over years: each day is drawn once, in its place, in the colour of its state.
func TestCalendarOfYears(t *testing.T) {
	utc := metric.NewCalendar(nil)
	first, today := mustDay(t, "2009-06-01"), mustDay(t, "2026-11-23")
	f := FeedCoverage{Feed: metric.Feed{ID: "steps", Series: []metric.ID{"steps"}, Axis: metric.Days}, Asked: []metric.Covered{
		{Span: metric.DaySpan(first, mustDay(t, "2013-05-06")), Final: true},
		{Span: metric.DaySpan(mustDay(t, "2013-06-01"), mustDay(t, "2016-02-29")), Final: true},
		{Span: metric.DaySpan(mustDay(t, "2016-03-02"), today-1), Final: true}, {Span: metric.DaySpan(today, today)}}}
	for d := mustDay(t, "2012-01-03"); d <= today; d++ {
		if d%11 > 0 {
			f.Days = append(f.Days, d)
		}
	}
	got := coverOf(Coverage{Start: first, Feeds: []FeedCoverage{f}}, utc, today, "activity", nil)
	if len(got.Years) != 15 || got.Years[0].Year != 2026 || got.Years[14].Year != 2012 || got.Before != 2012 {
		t.Fatalf("%d years, nothing before %d", len(got.Years), got.Before)
	}
	want := f.states(utc, first, first, today, nil)
	total := 0
	for _, y := range got.Years {
		drawn := map[int]string{}
		for _, p := range y.Paths {
			for _, i := range boxes(t, string(p.Path)) {
				if drawn[i] != "" {
					t.Fatalf("%d: cell %d is drawn twice", y.Year, i)
				}
				drawn[i] = p.State
			}
		}
		begin := mustDay(t, fmt.Sprintf("%d-01-01", y.Year))
		monday := (int(begin.Civil().Weekday()) + 6) % 7
		for i, s := range drawn {
			d := begin + metric.Day(i-monday)
			if i/7 > 53 || want[d-first].String() != s {
				t.Fatalf("%s is drawn as %s in cell %d, but is %s", d, s, i, want[d-first])
			}
		}
		total += len(drawn)
	}
	if n := int(today-mustDay(t, "2012-01-01")) + 1; total != n {
		t.Errorf("%d days are drawn of %d", total, n)
	}
	if len(got.Gaps) != 2 || got.Gaps[0] != (gap{mustDay(t, "2016-03-01"), mustDay(t, "2016-03-01"), 1}) || got.Gaps[1].Days != 25 {
		t.Errorf("gaps %+v", got.Gaps)
	}
	if len(got.Table) != 15 || got.Table[0].Name != "2026" || got.Table[13].Counts[2] != 25 {
		t.Errorf("table %+v", got.Table)
	}
	for _, c := range got.States { // each fact on its own, those of before the first year too
		n := strings.Count(written(want), c.State[:1])
		if c.Days != n {
			t.Errorf("%d days are %s, want %d", c.Days, c.State, n)
		}
	}
}

// boxes returns the cells of a path.
func boxes(t *testing.T, path string) []int {
	t.Helper()
	var out []int
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z`).FindAllStringSubmatch(path, -1) {
		var v [5]int
		for i := range v {
			v[i], _ = strconv.Atoi(m[i+1])
		}
		for x := 0; x < v[2]/cell; x++ {
			for y := 0; y < v[3]/cell; y++ {
				out = append(out, (v[0]/cell+x)*7+v[1]/cell+y)
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no cells in %q", path)
	}
	return out
}

// The page tells the five facts apart, and what is missing can be fetched from there.
func TestCoverageOnThePage(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	v := s.visitor(t)
	body := v.page("/history?range=quarter&group=heart")
	for _, st := range shownStates {
		if !strings.Contains(body, `<li data-state="`+st.String()+`"`) || !strings.Contains(body, `<path class="`+st.String()+`"`) {
			t.Errorf("there is nothing %s", st)
		}
	}
	today := metric.DayOf(noon.In(w.zone))
	form := fmt.Sprintf(`name="first" value="%s"><input type="hidden" name="last" value="%s"`, today-319, today-311)
	if !strings.Contains(body, form) || !strings.Contains(body, `name="back" value="history"`) {
		t.Errorf("there is no form for the days that are missing:\n%s", body[strings.Index(body, "Days not asked yet"):])
	}
	got := v.post("/backfill", "person", "main", "first", (today - 319).String(), "last", (today - 311).String(), "back", "history")
	if got.Header().Get("Location") != "history?person=main" || len(w.told()) != 1 {
		t.Errorf("back to %q, told %q", got.Header().Get("Location"), w.told())
	}
	if !strings.Contains(v.page("/history"), "what is missing is fetched next") {
		t.Error("the page does not tell what came of it")
	}
}

package web

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// Each series of days with a sensor, each value of a night and each weighing is a chart and a column of the table; nothing dense is read.
func TestEverySeriesOfDays(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	body := s.visitor(t).page("/history")
	for _, row := range metric.Default() {
		for _, f := range row.Fields {
			if f.Sensor == "" {
				continue
			}
			dense := row.Sampling != metric.Daily && slices.Contains([]metric.ID{metric.HeartRate, metric.SleepLevels, metric.Battery}, row.ID)
			shown := strings.Contains(body, `data-sensor="`+f.Sensor+`"`) && strings.Contains(body, ">"+translations.Lookup("en").Page("sensor_"+f.Sensor)+"</th>")
			if shown == dense {
				t.Errorf("%s of %s: shown %v", f.Sensor, row.ID, shown)
			}
		}
	}
	for _, id := range w.read {
		if row := metric.Default().Must(id); row.Sampling == metric.Intraday && !slices.Contains([]metric.ID{metric.Weight, metric.BMI, "body_fat", "core_temperature"}, id) {
			t.Errorf("History reads %s", id)
		}
	}
	before := len(w.read)
	s.visitor(t).page("/history")
	if len(w.read) != before {
		t.Error("a second visitor costs as much as the first")
	}
}

func TestRolling(t *testing.T) {
	no := metric.Absent()
	for name, c := range map[string]struct{ in, want []float64 }{
		"as always":     {[]float64{1, 2, 3, 4, 5, 6}, []float64{no, no, 2, 2.5, 3.5, 4.5}},
		"with a gap":    {[]float64{1, 2, 3, no, no, no, 7}, []float64{no, no, 2, 2, no, no, no}},
		"too few":       {[]float64{no, 1, no, 2}, []float64{no, no, no, no}},
		"nothing":       {nil, []float64{}},
		"a late begin":  {[]float64{no, no, 3, 6, 9}, []float64{no, no, no, no, 6}},
		"over the edge": {[]float64{0, 0, 0, 8, 8, 8, 8}, []float64{no, no, 0, 2, 4, 6, 8}},
	} {
		if got := rolling(c.in, 4); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// blocks answers every question after samples with the same.
type blocks struct {
	Program
	of map[metric.ID][]metric.Block
}

func (b blocks) Samples(_ context.Context, _ string, id metric.ID, _, _ metric.Day) ([]metric.Block, error) {
	return b.of[id], nil
}

// sampled is a block of a series' first field.
func sampled(id metric.ID, tag string, values map[time.Time]float64) metric.Block {
	row := metric.Default().Must(id)
	b := metric.Block{Series: id}
	if tag != "" {
		b.Tags = []string{tag}
	}
	times := make([]time.Time, 0, len(values))
	for at := range values {
		times = append(times, at)
	}
	slices.SortFunc(times, time.Time.Compare)
	for _, at := range times {
		row := make([]float64, len(row.Fields))
		for i := range row {
			row[i] = metric.Absent()
		}
		row[0] = values[at]
		b.Append(at.UnixNano(), row...)
	}
	return b
}

// What a day's value is, for each kind of series, over a change of clocks and a journey.
func TestValuesOfDays(t *testing.T) {
	zones := metric.Zones{{From: 0, Name: "Europe/Berlin"}, {From: mustDay(t, "2026-10-27"), Name: "America/New_York"}}
	cal := metric.NewCalendar(zones)
	first, today := mustDay(t, "2026-10-23"), mustDay(t, "2026-10-29")
	values := func(from float64) map[time.Time]float64 {
		out := map[time.Time]float64{}
		for d := first - 1; d <= today; d++ {
			out[cal.Midnight(d)] = from + float64(d-first)
		}
		return out
	}
	night := sampled(metric.SleepSummary, "True", map[time.Time]float64{cal.Midnight(first + 2).Add(-time.Hour): 91})
	bed := metric.Default().Must(metric.SleepSummary).Field("minutesInBed")
	night.Values[bed][0] = 8 * 60
	napped := sampled(metric.SleepSummary, "False", map[time.Time]float64{cal.Midnight(first + 3).Add(14 * time.Hour): 50})
	evening := cal.Midnight(first + 1).Add(20 * time.Hour)
	g := gatherer{cal: cal, first: first, today: today, ask: blocks{of: map[metric.ID][]metric.Block{
		"resting_heart_rate": {sampled("resting_heart_rate", "", values(50))},
		"steps":              {sampled("steps", "", values(1000))},
		metric.SleepSummary:  {night, napped},
		metric.Weight:        {sampled(metric.Weight, "", map[time.Time]float64{evening: 81, evening.Add(-12 * time.Hour): 80}), sampled(metric.Weight, "", map[time.Time]float64{evening.Add(-time.Hour): 99})},
		"hrv":                {sampled("hrv", "", map[time.Time]float64{cal.Midnight(first): metric.Absent()})},
	}}}
	found, err := g.all(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	no := metric.Absent()
	for sensor, want := range map[string][]float64{
		"resting_heart_rate": {50, 51, 52, 53, 54, 55, 56},
		"steps":              {1000, 1001, 1002, 1003, 1004, 1005, no}, // today's are still counted
		"sleep_efficiency":   {no, no, 91, no, no, no, no},             // on the day of waking; a nap is none
		"weight":             {no, 81, no, no, no, no, no},             // the last of the day
	} {
		if fmt.Sprint(found[sensor]) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", sensor, found[sensor], want)
		}
	}
	if v, ok := found["hrv"]; ok {
		t.Errorf("a series without a value has %v", v)
	}
	if got := earliest(found, first, today); got != first {
		t.Errorf("the earliest is %s", got)
	}
	if got := earliest(nil, first, today); got != today {
		t.Errorf("without values the earliest is %s", got)
	}
}

// The script gets what the page tells, a number or null for each day.
func TestSeriesAnswer(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	today := metric.DayOf(noon.In(w.zone))
	begin := today - metric.Day(w.days)
	for begin%97 < 5 { // days off
		begin++
	}
	for name, days := range map[string]int{"quarter": 91, "year": 365, "all": int(today-begin) + 1, "nonsense": 365} {
		got := v.get("/series?range=" + name + "&group=activity")
		var a struct {
			First  string
			Series map[string]struct {
				Bars          bool
				Values, Means []*float64
			}
		}
		if err := json.Unmarshal(got.Body.Bytes(), &a); err != nil || got.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("%s: status %d, %v", name, got.Code, err)
		}
		steps := a.Series["steps"]
		if len(steps.Values) != days || len(steps.Means) != days || !steps.Bars || a.Series["floors"].Values == nil || a.Series["weight"].Values != nil {
			t.Errorf("%s: from %s, %d values, %d means", name, a.First, len(steps.Values), len(steps.Means))
			continue
		}
		if first := mustDay(t, a.First); first != today-metric.Day(days)+1 {
			t.Errorf("%s begins on %s", name, a.First)
		}
		if steps.Values[days-1] != nil || name != "all" && steps.Means[0] == nil {
			t.Errorf("%s: today's steps are shown, or the line of means begins late", name)
		}
	}
	for _, a := range []string{"/series", "/series?group=nothing", "/series?group=heart&person=anna", "/series?group=heart&person=nobody"} {
		if got := v.get(a); got.Code != 404 {
			t.Errorf("%s: status %d", a, got.Code)
		}
	}
}

func TestNumbers(t *testing.T) {
	got, err := json.Marshal(numbers{[]float64{1.25, metric.Absent(), -3, 1e7, 0.04}, 1})
	if err != nil || string(got) != "[1.3,null,-3,10000000,0]" {
		t.Errorf("%s, %v", got, err)
	}
}

// The table has a row for each month, or each year where there are many months, and each cell is the mean.
func TestTrendsTable(t *testing.T) {
	s := newWorld(t, simulate.Config{}).server(Config{})
	for name, c := range map[string]struct {
		first, last string
		rows        string
		newest      string
	}{
		"months": {"2026-09-15", "2026-11-02", "2026-11 2026-10 2026-09", "2"},
		"years":  {"2023-11-02", "2026-01-03", "2026 2025 2024 2023", "3"},
	} {
		from := mustDay(t, c.first)
		days := int(mustDay(t, c.last)-from) + 1
		values := make([]float64, days)
		for i := range values {
			values[i] = float64((from + metric.Day(i)).Civil().Day() * 2)
		}
		values[0] = math.NaN()
		got := s.arrange(map[string][]float64{"resting_heart_rate": values}, from, trends{First: from, Last: mustDay(t, c.last)})
		var rows []string
		for _, r := range got.Groups[0].Table {
			rows = append(rows, r.Name)
		}
		cell := strings.TrimSuffix(got.Groups[0].Table[0].Cells[0], "\u00a0bpm")
		want := map[string]string{"2": "3", "3": "4"}[c.newest] // 2 and 4; 2, 4 and 6
		if strings.Join(rows, " ") != c.rows || cell != want {
			t.Errorf("%s: rows %q, newest %q", name, rows, cell)
		}
	}
}

// A person with nothing is told so, and sees no empty charts.
func TestHistoryOfNothing(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	body := w.server(Config{}).visitor(t).page("/history?person=anna&range=all")
	for _, want := range []string{"No values of days yet", "Nothing has been asked yet"} {
		if !strings.Contains(body, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(body, "<figure") || strings.Contains(body, `class="year"`) {
		t.Error("there are empty charts")
	}
}

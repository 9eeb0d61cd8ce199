package archive

import (
	"fmt"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Each kind of series tells its days in the person's own calendar, and a day whose samples have vanished is none.
func TestDays(t *testing.T) {
	a := newArchive(t)
	berlin := metric.NewCalendar(metric.Zones{{Name: "Europe/Berlin"}})
	night := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC) // 23:00 in Berlin
	mustPut(t, a, stepsBatch(metric.Span{Start: night, End: night.Add(2 * time.Hour)}, func(int) float64 { return 1 }))

	daily := metric.Block{Series: "steps", Device: "Charge 5"}
	for _, d := range []metric.Day{20000, 20001, 20045} {
		daily.Append(berlin.Midnight(d).UnixNano(), 5)
	}
	span := metric.DaySpan(20000, 20045)
	totals := metric.Batch{Person: "me", Source: "google", Feed: "totals", Axis: metric.Days, Span: span,
		Bounds: metric.Span{Start: berlin.Midnight(20000), End: berlin.Midnight(20046)}, Asked: span.End, Final: span.End, Series: []metric.ID{"steps"}, Blocks: []metric.Block{daily}}
	mustPut(t, a, totals)

	sleep := metric.Block{Series: metric.SleepSummary, Device: "Charge 5", Tags: []string{"True"}}
	start := berlin.Midnight(20600).Add(-time.Hour)
	sleep.Append(start.UnixNano(), 90, 0, 400, 0, 420, 20, 200, 100, 100, 0)
	sleep.Values = sleep.Values[:len(metric.Default().Must(metric.SleepSummary).Fields)]
	nights := metric.DaySpan(20600, 20600)
	mustPut(t, a, metric.Batch{Person: "me", Source: "google", Feed: "sleep", Axis: metric.Days, Kind: metric.Sleep, Span: nights, Asked: nights.End, Final: nights.End,
		Series:   []metric.ID{metric.SleepSummary},
		Sessions: []metric.Session{{Kind: metric.Sleep, Key: "1", Day: 20600, Start: start, End: start.Add(7 * time.Hour), Main: true, Blocks: []metric.Block{sleep}}}})

	check := func(what string, person string, series metric.ID, want ...metric.Day) {
		t.Helper()
		got, err := a.Days(t.Context(), person, series, berlin)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, %v; want %v", what, got, err, want)
		}
	}
	check("minutes over a midnight", "me", metric.Steps, metric.DayOf(night), metric.DayOf(night)+1)
	check("a value a day", "me", "steps", 20000, 20001, 20045)
	check("a night", "me", metric.SleepSummary, 20600)
	check("nothing", "me", metric.Weight)
	check("nobody", "you", "steps")
	totals.Blocks = nil
	mustPut(t, a, totals)
	check("vanished", "me", "steps")
	if _, err := a.Days(t.Context(), "me", "no such series", berlin); err == nil {
		t.Error("a series that is not in the catalogue has days")
	}
}

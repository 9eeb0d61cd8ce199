package plan

import (
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A series that had a value on most days stops; a sparse one, one whose device has not synced, and one whose feed is not answered do not.
func TestStoppedSeries(t *testing.T) {
	today := metric.Day(20000)
	every := func(step, until metric.Day) (out []metric.Day) {
		for d := today - 60; d <= until; d += step {
			out = append(out, d)
		}
		return out
	}
	cover := []metric.Covered{{Span: metric.DaySpan(today-100, today), Final: true}}
	for name, c := range map[string]struct {
		feed  metric.Feed
		days  []metric.Day
		cover []metric.Covered
		upTo  metric.Day
		want  int // days without a value; 0 for not stopped
	}{
		"stopped":       {metric.Feed{}, every(1, today-5), cover, today, 5},
		"goes on":       {metric.Feed{}, every(1, today-2), cover, today, 0},
		"sparse":        {metric.Feed{}, every(3, today-8), cover, today, 0},
		"by hand":       {metric.Feed{Trigger: metric.OnClock}, every(1, today-8), cover, today, 0},
		"workouts":      {metric.Feed{Kind: metric.Workout}, every(1, today-8), cover, today, 0},
		"not synced":    {metric.Feed{}, every(1, today-8), cover, today - 7, 0},
		"not answered":  {metric.Feed{}, every(1, today-8), nil, today, 0},
		"never":         {metric.Feed{}, nil, cover, today, 0},
		"long ago":      {metric.Feed{}, every(1, today-8), cover, today + 90, 0},
		"not final yet": {metric.Feed{}, every(1, today-8), []metric.Covered{{Span: metric.DaySpan(today-100, today)}}, today, 0},
	} {
		c.feed.ID, c.feed.Series, c.feed.Axis = "spo2", []metric.ID{"spo2"}, metric.Days
		got, err := StoppedSeries([]metric.Feed{c.feed}, map[string][]metric.Covered{"spo2": c.cover}, nil, c.upTo,
			func(metric.ID) ([]metric.Day, error) { return c.days, nil })
		if err != nil || (c.want == 0) != (len(got) == 0) || len(got) > 0 && got[0].Days != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

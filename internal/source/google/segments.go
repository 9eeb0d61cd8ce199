package google

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// levelWords are the levels of activity, in the order of the fields of activity_minutes.
var levelWords = []string{"SEDENTARY", "LIGHTLY_ACTIVE", "MODERATELY_ACTIVE", "VERY_ACTIVE"}

// levelSegments is the other way to the minutes at each level: the segments themselves, added up by calendar day.
func levelSegments() *Row {
	return &Row{Type: "activity-level", Op: Reconcile, Shape: Interval, fetch: fetchSegments, Mask: true}
}

// fetchSegments adds up segments by level and calendar day. A segment over midnight is parted there.
func fetchSegments(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	form := newForm()
	form.at(f.member).slot = valueObject
	form.known("name", "dataPointName", "dataSource", f.member+".interval.civilStartTime", f.member+".interval.civilEndTime")
	start, end := form.instant(f.member+".interval.startTime"), form.instant(f.member+".interval.endTime")
	before, after := form.seconds(f.member+".interval.startUtcOffset"), form.seconds(f.member+".interval.endUtcOffset")
	word := form.word(f.member+".activityLevelType", levelWords)

	days := map[metric.Day]*[4]float64{} // seconds
	add := func(d metric.Day, level int, seconds float64) {
		if days[d] == nil {
			days[d] = &[4]float64{}
		}
		days[d][level] += seconds
	}
	// From a day earlier, for the segment that reaches over the first midnight.
	filter := between("activity_level.interval.civil_start_time", req.Span.Start.Add(-day).Format(time.DateOnly), req.Span.End.Format(time.DateOnly))
	l := &listing{s: s, feed: f.Feed.ID, form: form, name: dataPoints, token: getToken, first: f.get(Reconcile, filter, s.pageSize(f)),
		mask: "nextPageToken,dataPoints(" + form.root.mask() + ")", each: func(r *record) error {
			if !r.seen || r.words[word] < 0 {
				return nil
			}
			if r.times[start] == 0 || r.times[end] == 0 {
				return fmt.Errorf("%w: a segment has no start or no end", answer.ErrShape)
			}
			from, to := at(r.times[start]), at(r.times[end])
			for from.Before(to) {
				d := dayAt(from, seconds(r.numbers[before]))
				midnight := (d + 1).Civil().Add(-time.Duration(seconds(r.numbers[before])) * time.Second)
				if !midnight.Before(to) || dayAt(to, seconds(r.numbers[after])) == d {
					midnight = to
				}
				add(d, r.words[word], midnight.Sub(from).Seconds())
				from = midnight
			}
			return nil
		}}
	err := l.run(ctx)
	batch.Requests += l.cost
	if err != nil {
		return err
	}
	first, last := req.Span.Days()
	block := f.blocks(req.Device, metric.Span{})[0]
	for _, d := range sortedKeys(days) {
		if d < first || d > last {
			continue
		}
		values := make([]float64, len(levelWords))
		for i, v := range days[d] {
			values[i] = whole(v / 60)
		}
		block.Append(req.Zones.Midnight(d).UnixNano(), values...)
	}
	batch.Blocks = metric.Tidied([]metric.Block{block})
	return nil
}

func sortedKeys(days map[metric.Day]*[4]float64) []metric.Day {
	out := make([]metric.Day, 0, len(days))
	for d := range days {
		out = append(out, d)
	}
	slices.Sort(out)
	return out
}

package google

import (
	"context"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// levelWords are the levels of activity, in the order of the fields of activity_minutes.
var levelWords = []string{"SEDENTARY", "LIGHTLY_ACTIVE", "MODERATELY_ACTIVE", "VERY_ACTIVE"}

// levelSegments is the other way to the minutes at each level: the segments themselves, added up by calendar day.
func levelSegments() *Row {
	return &Row{Type: "activity-level", Op: Reconcile, Shape: Interval, fetch: fetchSegments, Mask: true}
}

// segment is a time at one level, with the offsets at its ends in seconds east of UTC.
type segment struct {
	from, to    time.Time
	level       int
	first, last int
}

// days are those it lies in; near its begin where it ends before that.
func (g segment) days() metric.Span {
	return metric.Span{Start: dayAt(g.from, g.first).Civil(), End: (max(dayAt(g.from, g.first), dayAt(g.to, g.last)) + 1).Civil()}
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
	var segments []segment
	// From a day earlier, for the segment that reaches over the first midnight.
	filter := between("activity_level.interval.civil_start_time", req.Span.Start.Add(-day).Format(time.DateOnly), req.Span.End.Format(time.DateOnly))
	l := &listing{s: s, feed: f.Feed.ID, form: form, name: dataPoints, token: getToken, first: f.get(Reconcile, filter, s.pageSize(f)), batch: batch, span: req.Span,
		each: func(r *record) (metric.Span, fate) {
			begin, end := r.times[start], r.times[end]
			switch {
			case begin == 0:
				return beginless(end, req.Span), unreadable
			case end == 0:
				return near(at(begin), req.Span), unreadable
			}
			g := segment{from: at(begin), to: at(end), level: r.words[word]}
			g.first, g.last = offsets(r, before, after, g.from, g.to, req.Zones)
			if g.level < 0 {
				return g.days(), unreadable
			}
			segments = append(segments, g)
			if r.odd || g.to.Before(g.from) {
				return near(g.from, req.Span), impossible
			}
			return metric.Span{}, understood
		}}
	if !req.Plain {
		l.mask = "nextPageToken,dataPoints(" + form.root.mask() + ")"
	}
	err := l.run(ctx)
	batch.Requests += l.cost
	if err != nil {
		return err
	}
	slices.SortStableFunc(segments, func(a, b segment) int { return a.from.Compare(b.from) })
	var counted time.Time
	for _, g := range segments {
		if g.from.Before(counted) { // what stands twice counts once
			g.from = counted
		}
		for g.from.Before(g.to) {
			d := dayAt(g.from, g.first)
			midnight := (d + 1).Civil().Add(-time.Duration(g.first) * time.Second)
			if !midnight.Before(g.to) || dayAt(g.to, g.last) == d {
				midnight = g.to
			}
			add(d, g.level, midnight.Sub(g.from).Seconds())
			g.from = midnight
		}
		if g.to.After(counted) {
			counted = g.to
		}
	}
	first, last := req.Span.Days()
	block := f.blocks(req.Device, metric.Span{})[0]
	for _, d := range sortedKeys(days) {
		if d < first || d > last {
			continue
		}
		values := make([]float64, len(levelWords))
		for i, v := range days[d] {
			if values[i] = whole(v / 60); values[i] == 0 && slices.ContainsFunc(batch.Odd, func(s metric.Span) bool { return s.Contains(d.Civil()) }) {
				values[i] = metric.Absent() // what was not understood may be of this level
			}
		}
		block.Append(req.Zones.Midnight(d).UnixNano(), values...)
	}
	batch.Blocks = metric.Tidied([]metric.Block{block})
	return nil
}

// offsets are those at both ends, in seconds east of UTC.
func offsets(r *record, before, after int, from, to time.Time, zones metric.Zones) (first, last int) {
	a, began := r.offset(before)
	b, ended := r.offset(after)
	return bothOffsets(a, b, began, ended, from, to, zones)
}

func sortedKeys(days map[metric.Day]*[4]float64) []metric.Day {
	out := make([]metric.Day, 0, len(days))
	for d := range days {
		out = append(out, d)
	}
	slices.Sort(out)
	return out
}

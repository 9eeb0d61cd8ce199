package fitbit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// fetchHeart reads raw heart rate and makes the minutes of it. It asks to the end of the last minute, so that a minute which begins
// inside the span is always whole.
func fetchHeart(ctx context.Context, q *query) error {
	wide := q.req.Span
	wide.End = wide.End.Add(time.Minute - 1).Truncate(time.Minute)
	raw := metric.Block{Series: metric.HeartRate, Device: q.req.Device, Values: make([][]float64, 1)}
	err := q.intraday(ctx, "heart", "1sec", wide, &raw, func(time.Time, float64) bool { return true })
	if err != nil {
		return err
	}
	minutes := metric.MinutesOf(raw)
	raw.Crop(q.req.Span)
	minutes.Crop(q.req.Span)
	for _, b := range []metric.Block{raw, minutes} {
		if b.Len() > 0 && q.wants(b.Series) {
			q.batch.Blocks = append(q.batch.Blocks, b)
		}
	}
	return nil
}

// fetchSteps reads the steps of each minute. The service fills minutes that it knows nothing of with zeros: one that was not over at
// the last sync is not measured yet.
func fetchSteps(ctx context.Context, q *query) error {
	steps := metric.Block{Series: metric.Steps, Device: q.req.Device, Values: make([][]float64, 1)}
	err := q.intraday(ctx, "steps", "1min", q.req.Span, &steps, func(at time.Time, v float64) bool {
		return v != 0 || !at.Add(time.Minute).After(q.req.Final)
	})
	if steps.Crop(q.req.Span); steps.Len() > 0 {
		q.batch.Blocks = []metric.Block{steps}
	}
	return err
}

// fetchMinutes reads what of a quantity each minute has, of the minutes that have any. One that was not over at the last sync is not
// measured yet, whatever it has: the service fills it with zeros, or with what a body burns at rest.
func fetchMinutes(name string) fetchFunc {
	return func(ctx context.Context, q *query) error {
		b := metric.Block{Series: q.feed.Feed.Series[0], Device: q.req.Device, Values: make([][]float64, 1)}
		err := q.intraday(ctx, name, "1min", q.req.Span, &b, func(at time.Time, v float64) bool {
			return v != 0 && !at.Add(time.Minute).After(q.req.Final)
		})
		if b.Crop(q.req.Span); b.Len() > 0 {
			q.batch.Blocks = []metric.Block{b}
		}
		return err
	}
}

// intraday reads the values inside days, newest day first: each day takes a request of its own.
func (q *query) intraday(ctx context.Context, name, detail string, span metric.Span, to *metric.Block, keep func(time.Time, float64) bool) error {
	zones := q.req.Zones
	first, last := dayAt(zones, span.Start), dayAt(zones, span.End.Add(-1))
	for d := last; d >= first; d-- {
		if err := q.part(q.day(ctx, name, detail, d, span, to, keep), zones.Bounds(metric.Days, metric.DaySpan(d, d))); err != nil {
			return err
		}
	}
	to.Tidy()
	return nil
}

// day reads one day, or the part of it that is in the span.
func (q *query) day(ctx context.Context, name, detail string, d metric.Day, span metric.Span, to *metric.Block, keep func(time.Time, float64) bool) error {
	const shape = "/1/user/-/activities/%s/date/%s/1d/%s%s.json"
	clock := wall{zones: q.req.Zones}
	field := q.feed.series[0].Fields[0]
	q.on(d)
	part := partOf(q.req.Zones, d, span)
	what := question{path: fmt.Sprintf(shape, name, d, detail, part), shown: fmt.Sprintf(shape, name, "{day}", detail, "")}
	key := "activities-" + name
	return q.list(ctx, what, listing{key: key + "-intraday", other: map[string]func(any){key: nil}, absent: noMinutes, each: nil, dataset: func(at time.Duration, v float64) error {
		when, ok := clock.at(d.Civil().Add(at))
		if !ok && v == 0 { // the service fills an hour that the clocks skip
			return nil
		}
		if !ok || !field.Possible(v) {
			q.misread(key)
			return nil
		}
		if field.Kind == metric.Int {
			v = math.Round(v)
		}
		if keep(when, v) {
			to.Append(when.UnixNano(), v)
		}
		return nil
	}})
}

// partOf is the window of a day's clock that is to be asked for; empty for the whole day. A window is no cheaper, but smaller. Where
// the clocks change on the day, or the window would reach to its end, all of it is asked.
func partOf(zones metric.Zones, d metric.Day, span metric.Span) string {
	begin, end := zones.Midnight(d), zones.Midnight(d+1)
	until := span.End.Add(time.Minute) // whether a window's last minute is in it is not documented
	if end.Sub(begin) != day || !span.Start.After(begin) || !until.Before(end) {
		return ""
	}
	text := func(t time.Time) string { return time.Time{}.Add(t.Sub(begin)).Format("15:04") }
	return "/time/" + text(span.Start) + "/" + text(until)
}

// noMinutes is an answer that has the day's head, and not its values.
func noMinutes() error {
	return &source.Error{Kind: source.Denied, Reason: reasonPersonal, Hint: hintPersonal, Err: errors.New("the answer has no minute values")}
}

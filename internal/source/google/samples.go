package google

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

type fetchFunc func(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error
type afterFunc func(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error

// fetchSamples reads a feed of one of the common shapes, in as many pieces as its longest span makes necessary.
func fetchSamples(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	blocks := f.blocks(req.Device, req.Span)
	for _, span := range pieces(req.Span, f.Feed.Max) {
		l := s.listing(f, req, span, blocks)
		err := l.run(ctx)
		batch.Requests += l.cost
		if err != nil {
			return err
		}
	}
	f.learn(blocks[0].Len(), req.Span)
	batch.Blocks = metric.Tidied(blocks)
	return nil
}

// listing is the question for one piece of a request.
func (s *Source) listing(f *feed, req metric.Request, span metric.Span, blocks []metric.Block) *listing {
	l := &listing{s: s, feed: f.Feed.ID, form: f.form, name: dataPoints, token: getToken, each: f.instants(span, blocks)}
	if f.when < 0 {
		l.each = f.days(span, req.Zones, blocks)
	}
	if f.Op == RollUp || f.Op == DailyRollUp {
		l.name = rollUpPoints
		l.first, l.token = f.post(span, s.pageSize(f), s.cfg.Family)
	} else {
		l.first = f.get(f.Op, f.filter(span), s.pageSize(f))
	}
	if f.Mask && !s.whole(f, span) {
		l.mask = "nextPageToken," + l.name + "(" + f.form.root.mask() + ")"
	}
	return l
}

// instants puts points at their instant.
func (f *feed) instants(span metric.Span, blocks []metric.Block) func(*record) error {
	from, to := span.Start.UnixNano(), span.End.UnixNano()
	return func(r *record) error {
		if !r.seen {
			return nil
		}
		t := r.times[f.when]
		if t == 0 {
			return fmt.Errorf("%w: a point of %s has no time", answer.ErrShape, f.Type)
		}
		if cut := t - t%int64(time.Second); f.Whole && cut >= from {
			t = cut
		}
		if t >= from && t < to {
			f.put(r, t, blocks)
		}
		return nil
	}
}

// days puts points at the midnight that begins their day.
func (f *feed) days(span metric.Span, zones metric.Zones, blocks []metric.Block) func(*record) error {
	first, last := span.Days()
	return func(r *record) error {
		if !r.seen {
			return nil
		}
		day, ok := dayOf(r.numbers[f.date[0]], r.numbers[f.date[1]], r.numbers[f.date[2]])
		if !ok {
			return fmt.Errorf("%w: a point of %s has no date", answer.ErrShape, f.Type)
		}
		if day >= first && day <= last {
			f.put(r, zones.Midnight(day).UnixNano(), blocks)
		}
		return nil
	}
}

func dayOf(y, m, d float64) (metric.Day, bool) {
	if !(y >= minYear && y <= maxYear && m >= 1 && m <= 12 && d >= 1 && d <= 31) {
		return 0, false
	}
	return metric.DayOf(time.Date(int(y), time.Month(m), int(d), 0, 0, 0, 0, time.UTC)), true
}

// put appends a record's values to the blocks. Where a series has no value at all in it there is no sample.
func (f *feed) put(r *record, t int64, blocks []metric.Block) {
	for i := range blocks {
		b := &blocks[i]
		any := false
		for j := range f.cols[i] {
			v := f.cols[i][j].value(r)
			b.Values[j] = append(b.Values[j], v)
			any = any || metric.Present(v)
		}
		if any {
			b.Times = append(b.Times, t)
			continue
		}
		for j := range b.Values {
			b.Values[j] = b.Values[j][:len(b.Times)]
		}
	}
}

// filter is the question's range in the service's grammar: >= and < only.
func (f *feed) filter(span metric.Span) string {
	name := snake(f.Type)
	if f.when < 0 {
		return between(name+".date", span.Start.Format(time.DateOnly), span.End.Format(time.DateOnly))
	}
	if f.Shape == Interval {
		return between(name+".interval.start_time", rfc3339(span.Start), rfc3339(span.End))
	}
	return between(name+".sample_time.physical_time", rfc3339(span.Start), rfc3339(span.End))
}

func between(member, from, to string) string {
	return fmt.Sprintf("%s >= %q AND %s < %q", member, from, member, to)
}

// pieces cuts a span into pieces no longer than longest, newest first.
func pieces(span metric.Span, longest time.Duration) []metric.Span {
	if longest <= 0 || span.Len() <= longest {
		return []metric.Span{span}
	}
	var out []metric.Span
	for at := span.Start; at.Before(span.End); at = at.Add(longest) {
		out = append(out, metric.Span{Start: at, End: at.Add(longest)}.Overlap(span))
	}
	slices.Reverse(out)
	return out
}

// refusedOperation reports whether the service refuses a whole operation of a type: the row's other way may work.
func refusedOperation(err error) bool {
	var e *source.Error
	return errors.As(err, &e) && e.Status == http.StatusBadRequest && (e.Kind == source.Bad || e.Kind == source.Denied)
}

// id is the last part of a resource name such as users/1/dataTypes/sleep/dataPoints/2.
func id(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// whole rounds a present value.
func whole(v float64) float64 { return math.Round(v) }

package google

import (
	"cmp"
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
)

type fetchFunc func(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error
type afterFunc func(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error

// fetchSamples reads a feed of one of the common shapes, in as many pieces as its longest span makes necessary.
func fetchSamples(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	longest, points, lost := s.longest(f), 0, 0
	blocks := f.blocks(req.Device, req.Span)
	for _, span := range pieces(req.Span, longest) {
		l := s.listing(f, req, span, blocks)
		l.batch, l.span = batch, span
		err := l.runMasked(ctx)
		batch.Requests += l.cost
		points, lost = points+l.points, lost+l.lost
		if shorter := (*tooLong)(nil); errors.As(err, &shorter) && s.shorten(f, time.Duration(shorter.days)*day) {
			batch.Odd = nil
			return fetchSamples(ctx, s, f, req, batch)
		}
		if err != nil {
			return err
		}
	}
	if err := noneReadable(f.Feed.ID, points, lost); err != nil {
		return err
	}
	f.learn(blocks[0].Len(), req.Span)
	batch.Blocks = metric.Tidied(blocks)
	return nil
}

// longest is the longest span that one question of a feed may have; 0 for no limit.
func (s *Source) longest(f *feed) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.longestOf(f)
}

func (s *Source) longestOf(f *feed) time.Duration { return cmp.Or(s.limit[f.Feed.ID], f.Feed.Max) }

// shorten takes in what the service says is the longest span, unless that was kept to already. A short question is refused too where the
// days of one page would be more.
func (s *Source) shorten(f *feed, to time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was := s.longestOf(f); was > 0 && to >= was {
		return false
	}
	s.limit[f.Feed.ID] = to
	s.cfg.Log.Info("the service takes shorter questions only", "feed", f.Feed.ID, "days", int(to/day))
	return true
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
	if f.Mask && !req.Plain && !s.whole(f, span) {
		read := f.form.root.mask()
		if f.zeros() { // what is left out is 0 then, so nothing of the object is cut off: its number may only have another name
			read = f.member
		}
		l.mask = "nextPageToken," + l.name + "(" + read + ")"
	}
	return l
}

// instants puts points at their instant.
func (f *feed) instants(span metric.Span, blocks []metric.Block) func(*record) (metric.Span, fate) {
	from, to := span.Start.UnixNano(), span.End.UnixNano()
	return func(r *record) (metric.Span, fate) {
		t := r.times[f.when]
		if t == 0 {
			return span, unreadable
		}
		around := func() metric.Span { return metric.DaySpan(dayAt(at(t), 0), dayAt(at(t), 0)).Overlap(span) }
		if !r.seen {
			return around(), f.without(r)
		}
		if cut := t - t%int64(time.Second); f.Whole && cut >= from {
			t = cut
		}
		if t < from || t >= to {
			return metric.Span{}, understood
		}
		if fate := f.put(r, t, blocks); fate != understood {
			return around(), fate
		}
		return metric.Span{}, understood
	}
}

// days puts points at the midnight that begins their day.
func (f *feed) days(span metric.Span, zones metric.Zones, blocks []metric.Block) func(*record) (metric.Span, fate) {
	first, last := span.Days()
	return func(r *record) (metric.Span, fate) {
		day, ok := dayOf(r.numbers[f.date[0]], r.numbers[f.date[1]], r.numbers[f.date[2]])
		if !ok {
			return span, unreadable
		}
		around := metric.DaySpan(day, day).Overlap(span)
		switch {
		case !r.seen:
			return around, f.without(r)
		case f.Op == DailyRollUp && !f.ofDay(r, day, last):
			return around, impossible
		case day < first || day > last:
			return around, understood
		}
		return around, f.put(r, zones.Midnight(day).UnixNano(), blocks)
	}
}

// ofDay reports whether a window is the day's: of one that begins later or goes on longer, nothing is known of the day. One that ends
// earlier is as much of the day as there is, which is odd but for the last day that was asked for.
func (f *feed) ofDay(r *record, day, last metric.Day) bool {
	number := func(slot int) float64 { return r.numbers[slot] }
	begin, fits := clockOf(number(f.clock[0]), number(f.clock[1]), number(f.clock[2]))
	if !fits || begin > 0 {
		return false
	}
	if !slices.ContainsFunc(f.end[:], func(slot int) bool { return metric.Present(r.numbers[slot]) }) {
		return true
	}
	until, exists := dayOf(number(f.end[0]), number(f.end[1]), number(f.end[2]))
	clock, fits := clockOf(number(f.end[3]), number(f.end[4]), number(f.end[5]))
	if !exists || !fits {
		r.odd = true
		return true
	}
	length := until.Civil().Add(clock).Sub(day.Civil())
	r.odd = r.odd || length < 24*time.Hour-time.Minute && day != last // 23:59:59 is an end, too
	return length >= 0 && length <= 24*time.Hour
}

// without is the fate of a point that does not carry its value. A window of a roll-up may be empty; then there is nothing else in it.
func (f *feed) without(r *record) fate {
	if (f.Op == RollUp || f.Op == DailyRollUp) && !r.beside {
		if r.odd {
			return impossible
		}
		return understood
	}
	return unreadable
}

// dayOf returns a calendar day; one that does not exist is none.
func dayOf(y, m, d float64) (metric.Day, bool) {
	if !(y >= minYear && y <= maxYear && m >= 1 && m <= 12 && d >= 1 && d <= float64(daysIn(int(y), int(m)))) ||
		y != math.Trunc(y) || m != math.Trunc(m) || d != math.Trunc(d) {
		return 0, false
	}
	return metric.DayOf(time.Date(int(y), time.Month(m), int(d), 0, 0, 0, 0, time.UTC)), true
}

// put appends a record's values to the blocks. Where a series has no value at all in it there is no sample.
func (f *feed) put(r *record, t int64, blocks []metric.Block) fate {
	told, some := true, false
	for i := range blocks {
		b := &blocks[i]
		any := false
		for j := range f.cols[i] {
			c := &f.cols[i][j]
			v, said := c.value(r)
			told = told && said
			b.Values[j] = append(b.Values[j], v)
			any = any || metric.Present(v)
		}
		some = some || any
		if any {
			b.Times = append(b.Times, t)
			continue
		}
		for j := range b.Values {
			b.Values[j] = b.Values[j][:len(b.Times)]
		}
	}
	switch {
	case !some && (r.broken || r.strange && !told):
		return unreadable
	case r.odd || !told:
		return impossible
	case !some && f.body && f.Op != RollUp && f.Op != DailyRollUp: // a point without its value; of a sum, 0 is left out
		return unreadable
	}
	return understood
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

// idOf is the last part of a resource name such as users/1/dataTypes/sleep/dataPoints/2; empty for what is no such name.
func idOf(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[i+1:]
	}
	return ""
}

// whole rounds a present value.
func whole(v float64) float64 { return math.Round(v) }

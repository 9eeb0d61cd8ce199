package fitbit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// fetchDays reads a feed of one of the common shapes: each of its addresses that fills a series asked for.
func fetchDays(ctx context.Context, q *query) error {
	rows := newTable(q)
	for _, r := range q.feed.resources {
		if err := q.days(ctx, r, rows); err != nil {
			return err
		}
	}
	rows.measured()
	q.batch.Blocks = rows.blocks()
	return nil
}

// days asks one address for all days of the request.
func (q *query) days(ctx context.Context, r *resource, rows *table) error {
	if !slices.ContainsFunc(r.columns, func(c column) bool { return q.wants(q.feed.series[c.series].ID) }) {
		return nil
	}
	first, last := q.dates()
	return q.span(ctx, r, first, last, true, rows)
}

// dates are the first and last date that can hold a sample of the span.
func (q *query) dates() (first, last metric.Day) {
	if q.feed.Feed.Axis == metric.Days {
		return q.req.Span.Days()
	}
	first, last = dayAt(q.req.Zones, q.req.Span.Start), dayAt(q.req.Zones, q.req.Span.End.Add(-1))+1
	return first, max(first, min(last, dayAt(q.req.Zones, q.cfg.Now())))
}

// dayAt is the person's day at t: the last one that has begun.
func dayAt(z metric.Zones, t time.Time) metric.Day {
	d := metric.DayOf(t.UTC()) + 2 // no zone is two days ahead of UTC
	for z.Midnight(d).After(t) {
		d--
	}
	return d
}

// span asks for the days from first to last. A range that the service finds too long is asked for in halves, once.
func (q *query) span(ctx context.Context, r *resource, first, last metric.Day, halves bool, rows *table) error {
	path := strings.Replace(r.Path, "{days}", first.String()+"/"+last.String(), 1)
	read := map[metric.Day]bool{}
	err := q.list(ctx, question{path: path, shown: strings.Replace(r.Path, "{days}", "{days}", 1)}, listing{key: r.Key, nothing: r.Nothing, each: func(e any) error {
		rows.strange = r.known.note(q.notes, r.Key, e)
		return rows.take(r, e, read)
	}})
	if !halves || !tooLong(err) || first >= last {
		days := metric.DaySpan(first, last)
		if q.feed.Feed.Axis == metric.Instants {
			days = q.req.Zones.Bounds(metric.Days, days)
		}
		return q.part(err, days)
	}
	middle := first + (last-first)/2
	if err := q.span(ctx, r, middle+1, last, false, rows); err != nil {
		return err
	}
	return q.span(ctx, r, first, middle, false, rows)
}

// tooLong reports whether a refusal may be about the length of a range.
func tooLong(err error) bool {
	status := statusOf(err)
	return status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
}

// A table gathers the samples of a request: several addresses may fill one sample.
type table struct {
	q       *query
	bounds  metric.Span
	rows    []map[int64][]float64 // by series
	fill    bool                  // only what is not there yet is taken in
	strange bool                  // there are members in the element in hand that are not known: what seems to be left out may only have another name
}

func newTable(q *query) *table {
	t := &table{q: q, bounds: q.req.Zones.Bounds(q.feed.Feed.Axis, q.req.Span)}
	for range q.feed.series {
		t.rows = append(t.rows, map[int64][]float64{})
	}
	return t
}

// take reads one element of a list.
func (t *table) take(r *resource, e any, seen map[metric.Day]bool) error {
	element, ok := e.(map[string]any)
	if !ok {
		return fmt.Errorf("%w: the list holds %s", answer.ErrShape, kindOf(e))
	}
	switch r.Points {
	case Minutes:
		return t.minutes(r, element)
	case Logs:
		return t.log(r, element)
	case Stamped:
		return t.stamped(r, element)
	}
	d, err := dayOf(element)
	if err != nil {
		return err
	}
	t.q.on(d)
	if seen[d] {
		t.q.misread(r.Key + ": a day that comes twice")
	}
	seen[d] = true
	return t.put(r, element, t.q.req.Zones.Midnight(d))
}

// dayOf is the date of an element.
func dayOf(element map[string]any) (metric.Day, error) {
	text, _ := element["dateTime"].(string)
	d, ok := parseDay(text)
	if !ok {
		return 0, fmt.Errorf("%w: an element has no date", answer.ErrShape)
	}
	return d, nil
}

// minutes reads the list inside an element.
func (t *table) minutes(r *resource, element map[string]any) error {
	d, err := dayOf(element)
	if err != nil {
		return err
	}
	list, ok := element["minutes"].([]any)
	if !ok {
		return fmt.Errorf("%w: minutes is %s, not a list", answer.ErrShape, kindOf(element["minutes"]))
	}
	t.q.where = t.q.req.Zones.Bounds(metric.Days, metric.DaySpan(d-1, d)).Overlap(t.q.req.Span) // a night begins on the day before
	clock := wall{zones: t.q.req.Zones}
	var first error
	lost := 0
	for _, m := range list {
		if err := t.minute(r, m, d, &clock); errors.Is(err, answer.ErrShape) {
			t.q.misread(r.Key + ".minutes")
			first = cmp.Or(first, err)
			lost++
		} else if err != nil {
			return err
		}
	}
	if lost > 0 && lost == len(list) {
		return first
	}
	return nil
}

func (t *table) minute(r *resource, m any, d metric.Day, clock *wall) error {
	text, err := parsePath("minute").word(m)
	if err != nil {
		return err
	}
	civil, ok := parseCivil(text)
	if at, bare := parseClock(text); bare {
		civil, ok = d.Civil().Add(at), true
	}
	if !ok {
		return fmt.Errorf("%w: a minute has no time", answer.ErrShape)
	}
	at, ok := clock.at(civil)
	if !ok {
		return fmt.Errorf("%w: a time that the clocks skip", answer.ErrShape)
	}
	return t.put(r, m, at)
}

// log reads an entry with date and time.
func (t *table) log(r *resource, element map[string]any) error {
	date, _ := element["date"].(string)
	clock, ok := element["time"].(string)
	d, dated := parseDay(date)
	at, given := parseClock(clock)
	if dated {
		t.q.on(d)
	}
	switch v, there := element["time"]; {
	case there && v == nil:
		t.q.misread(r.Key + ".time")
	case !ok && (there || t.strange):
		return fmt.Errorf("%w: an entry has a time that is none", answer.ErrShape)
	}
	if !dated || !given && clock != "" {
		return fmt.Errorf("%w: an entry has no date, or no time", answer.ErrShape)
	}
	if !given {
		at = day - time.Second // as the service writes where it does not know
	}
	return t.entry(r, element, d.Civil().Add(at))
}

// stamped reads an entry with one time. Of several at the same second the last one counts.
func (t *table) stamped(r *resource, element map[string]any) error {
	text, _ := element["dateTime"].(string)
	civil, ok := parseCivil(text)
	if !ok {
		return fmt.Errorf("%w: an entry has no time", answer.ErrShape)
	}
	return t.entry(r, element, civil)
}

// entry takes in what a person has entered at a local time.
func (t *table) entry(r *resource, element map[string]any, civil time.Time) error {
	w := wall{zones: t.q.req.Zones}
	t.q.on(metric.DayOf(civil))
	at, ok := w.at(civil)
	if !ok {
		return fmt.Errorf("%w: a time that the clocks skip", answer.ErrShape)
	}
	return t.put(r, element, at)
}

// put takes an element's values in at an instant. What in it cannot be understood is left out; an element of which nothing can be is of
// another shape.
func (t *table) put(r *resource, e any, at time.Time) error {
	values := make([]float64, len(r.columns))
	some, odd := false, error(nil)
	bySeries := make([]bool, len(t.rows))
	for i, c := range r.columns {
		v, err := c.number(e)
		field := t.q.feed.series[c.series].Fields[c.field]
		switch {
		case err != nil:
		case metric.Present(v) && !field.Possible(v) && (!c.Positive || v < -1):
			err = fmt.Errorf("%w: %s cannot be that", answer.ErrShape, c.Path)
		case metric.Present(v) && !field.Possible(v): // "not available", as this service writes it
			t.q.notes.Add(answer.PointOdd, r.Key+"."+c.Path, nil)
		case !metric.Present(v) && t.strange:
			err = fmt.Errorf("%w: %s has another name now", answer.ErrShape, c.Path)
		}
		if values[i] = v; !field.Possible(v) {
			values[i] = metric.Absent()
		}
		odd = cmp.Or(odd, err)
		there := metric.Present(values[i])
		some, bySeries[c.series] = some || there, bySeries[c.series] || there
	}
	switch {
	case some:
	case odd != nil:
		return odd
	case !r.Sparse:
		return fmt.Errorf("%w: an element of %s has no value", answer.ErrShape, r.Key)
	}
	lacks := !r.Sparse && slices.ContainsFunc(r.columns, func(c column) bool { return !bySeries[c.series] })
	if odd != nil || lacks {
		t.q.misread(r.Key)
	}
	if !t.bounds.Contains(at) {
		return nil
	}
	for i, c := range r.columns {
		if v := values[i]; metric.Present(v) {
			t.set(c.series, at, c.field, v)
		}
	}
	for _, c := range r.columns {
		if row, ok := t.rows[c.series][at.UnixNano()]; ok && c.Zero && odd == nil && !metric.Present(row[c.field]) {
			row[c.field] = 0
		}
	}
	return nil
}

// set fills one field.
func (t *table) set(series int, at time.Time, field int, v float64) {
	ns := at.UnixNano()
	row := t.rows[series][ns]
	if row == nil {
		row = make([]float64, len(t.q.feed.series[series].Fields))
		for i := range row {
			row[i] = metric.Absent()
		}
		t.rows[series][ns] = row
	}
	if t.q.feed.series[series].Fields[field].Kind == metric.Int {
		v = math.Round(v)
	}
	if !t.fill || !metric.Present(row[field]) {
		row[field] = v
	}
}

// lacks reports whether a field of a day is not there that was asked for.
func (t *table) lacks(d metric.Day) bool {
	at := t.q.req.Zones.Midnight(d).UnixNano()
	for i, s := range t.q.feed.series {
		row := t.rows[i][at]
		if t.q.wants(s.ID) && (row == nil || slices.ContainsFunc(row, func(v float64) bool { return !metric.Present(v) })) {
			return true
		}
	}
	return false
}

// measured takes away the zeros of days of which the service may not know anything yet: those that are not final, and on which
// nothing has moved. What a body burns at rest says nothing of that.
func (t *table) measured() {
	dense := func(r *resource) bool { return r.Dense }
	if !slices.ContainsFunc(t.q.feed.resources, dense) {
		return
	}
	open := t.q.req.Zones.Midnight(metric.DayOf(t.q.req.Final))
	moved := map[int64]bool{}
	for i, s := range t.q.feed.series {
		for at, row := range t.rows[i] {
			moved[at] = moved[at] || s.ID != "calories" && !still(row)
		}
	}
	for i := range t.rows {
		maps.DeleteFunc(t.rows[i], func(at int64, row []float64) bool {
			return !moved[at] && still(row) && !time.Unix(0, at).Before(open)
		})
	}
}

// still reports whether nothing in a row is above zero.
func still(row []float64) bool {
	return !slices.ContainsFunc(row, func(v float64) bool { return v > 0 })
}

// blocks are the samples in the order of time, without series that were not asked for.
func (t *table) blocks() []metric.Block {
	var out []metric.Block
	for i, s := range t.q.feed.series {
		if len(t.rows[i]) == 0 || !t.q.wants(s.ID) {
			continue
		}
		b := metric.Block{Series: s.ID}
		if !s.NoDevice {
			b.Device = t.q.req.Device
		}
		for _, at := range slices.Sorted(maps.Keys(t.rows[i])) {
			b.Append(at, t.rows[i][at]...)
		}
		out = append(out, b)
	}
	return out
}

// number reads a column's value; NaN where it is missing.
func (c column) number(e any) (float64, error) {
	if !c.Range {
		return c.path.number(e)
	}
	at, err := c.path.of(e)
	low, high, both := "", "", false
	if text, ok := at.(string); ok {
		low, high, both = strings.Cut(strings.TrimSpace(text), "-")
	}
	if err != nil || !both || low == "" {
		return c.path.number(e)
	}
	from, ok1 := asNumber(low)
	to, ok2 := asNumber(high)
	if !ok1 || !ok2 {
		return metric.Absent(), fmt.Errorf("%w: %s is no range", answer.ErrShape, c.Path)
	}
	return (from + to) / 2, nil
}

// fetchBreathing asks for the rates of the stages, which bring that of the whole sleep along. Where they are not given, that alone.
func fetchBreathing(ctx context.Context, q *query) error {
	rows := newTable(q)
	err := q.days(ctx, q.feed.resources[0], rows)
	var e *source.Error
	if errors.As(err, &e) && e.Kind == source.Denied && q.wants("breathing_rate") {
		rows = newTable(q)
		q.batch.Series = []metric.ID{"breathing_rate"}
		err = q.days(ctx, q.feed.resources[1], rows)
	}
	q.batch.Blocks = rows.blocks()
	return err
}

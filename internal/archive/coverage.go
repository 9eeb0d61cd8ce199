package archive

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// settled is how long after its end an answer may still change: one asked later is as good as any other asked later.
const settled = 30 * 24 * time.Hour

// patience is how long a span waits to be asked again in which something could not be understood. After the last it stays as it is, until
// another version of what reads it comes.
var patience = []time.Duration{24 * time.Hour, 2 * 24 * time.Hour, 7 * 24 * time.Hour}

// cover returns rows with the overlapping part replaced by the answer of a batch, which is final up to b.Final. What is doubted is asked again a day
// later. Neighbours that say the same become one.
func cover(rows []metric.Covered, b *metric.Batch, doubted bool) []metric.Covered {
	span, final := b.Span, b.Final
	out := uncover(rows, span)
	if final.Before(span.Start) {
		final = span.Start
	}
	if final.After(span.End) {
		final = span.End
	}
	var again time.Time
	if doubted {
		again = b.Asked.Add(secondLook)
	}
	for _, c := range []metric.Covered{
		{Span: metric.Span{Start: span.Start, End: final}, Asked: b.Asked, Final: true, Reader: b.Reader, Again: again},
		{Span: metric.Span{Start: final, End: span.End}, Asked: b.Asked, Reader: b.Reader, Again: again},
	} {
		for _, s := range c.Span.Subtract(b.Odd) {
			plain := c
			plain.Span = s
			out = append(out, plain)
		}
		for _, odd := range b.Odd {
			odd = odd.Overlap(c.Span)
			if odd.Empty() {
				continue
			}
			strange := c
			strange.Span, strange.Odd = odd, oddBefore(rows, odd, b.Reader)+1
			if n := strange.Odd - 1; n < len(patience) {
				strange.Again = b.Asked.Add(patience[n])
			}
			out = append(out, strange)
		}
	}
	slices.SortFunc(out, func(a, b metric.Covered) int { return a.Span.Start.Compare(b.Span.Start) })
	return join(out)
}

// oddBefore is how often a span has been odd to the same reader.
func oddBefore(rows []metric.Covered, span metric.Span, reader int) int {
	n := 0
	for _, r := range rows {
		if r.Reader == reader && !r.Span.Overlap(span).Empty() {
			n = max(n, r.Odd)
		}
	}
	return n
}

// uncover returns rows without what is in span.
func uncover(rows []metric.Covered, span metric.Span) []metric.Covered {
	var out []metric.Covered
	for _, r := range rows {
		for _, rest := range r.Span.Subtract([]metric.Span{span}) {
			r.Span = rest
			out = append(out, r)
		}
	}
	return out
}

// join makes one of neighbours that say the same: both final or both not, and asked in the same hour or both settled.
func join(rows []metric.Covered) []metric.Covered {
	var out []metric.Covered
	for _, r := range rows {
		if len(out) == 0 {
			out = append(out, r)
			continue
		}
		l := &out[len(out)-1]
		hour := l.Asked.UTC().Truncate(time.Hour).Equal(r.Asked.UTC().Truncate(time.Hour))
		old := isSettled(*l) && isSettled(r)
		switch {
		case !l.Span.End.Equal(r.Span.Start) || l.Final != r.Final || !hour && !old || l.Reader != r.Reader || l.Odd != r.Odd || !l.Again.Equal(r.Again):
			out = append(out, r)
			continue
		case old && r.Asked.After(l.Asked): // it must stay settled
			l.Asked = r.Asked
		case !old && r.Asked.Before(l.Asked):
			l.Asked = r.Asked
		}
		l.Span.End = r.Span.End
	}
	return out
}

func isSettled(c metric.Covered) bool { return c.Asked.Sub(c.Span.End) >= settled }

// Coverage returns what a source has been asked for a person, by feed: ascending, not overlapping.
func (a *Archive) Coverage(ctx context.Context, person, source string) (map[string][]metric.Covered, error) {
	out, err := covered(ctx, a.read, person, source)
	if err != nil {
		return nil, fmt.Errorf("reading the coverage: %w", explain(err))
	}
	return out, nil
}

// covered reads the coverage of all feeds of a source.
func covered(ctx context.Context, db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, person, source string) (map[string][]metric.Covered, error) {
	rows, err := db.QueryContext(ctx, `SELECT feed, start, "end", asked, final, reader, odd, again FROM coverage WHERE person = ? AND source = ?
		ORDER BY feed, start`, person, source)
	if err != nil {
		return nil, err
	}
	return scanCoverage(rows)
}

func scanCoverage(rows *sql.Rows) (map[string][]metric.Covered, error) {
	defer rows.Close()
	out := map[string][]metric.Covered{}
	for rows.Next() {
		var feed string
		var start, end, asked, again int64
		var c metric.Covered
		if err := rows.Scan(&feed, &start, &end, &asked, &c.Final, &c.Reader, &c.Odd, &again); err != nil {
			return nil, err
		}
		c.Span, c.Asked, c.Again = metric.Span{Start: instant(start), End: instant(end)}, instant(asked), instant(again)
		out[feed] = append(out[feed], c)
	}
	return out, rows.Err()
}

// Uncover forgets that a span of a feed (on its own axis) was asked: it will be asked again.
func (a *Archive) Uncover(ctx context.Context, person, source, feed string, span metric.Span) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.update(ctx, func(tx *sql.Tx) error {
		return recoverage(ctx, tx, person, source, feed, span, func(rows []metric.Covered) []metric.Covered { return uncover(rows, span) })
	})
	if err != nil {
		return fmt.Errorf("opening %s %s again: %w", feed, span, err)
	}
	return nil
}

// uncoverAll forgets that a span of instants was asked, for all feeds of a source; first and last are both in it. On the axis
// Days it forgets a day more on both sides.
func uncoverAll(ctx context.Context, tx *sql.Tx, person, source string, first, last int64) error {
	span := metric.Span{Start: instant(first).Truncate(24 * time.Hour).Add(-24 * time.Hour), End: instant(last).Truncate(24 * time.Hour).Add(48 * time.Hour)}
	feeds, err := covered(ctx, tx, person, source)
	if err != nil {
		return err
	}
	for feed := range feeds {
		err := recoverage(ctx, tx, person, source, feed, span, func(rows []metric.Covered) []metric.Covered { return uncover(rows, span) })
		if err != nil {
			return err
		}
	}
	return nil
}

// recoverage rewrites the rows of a feed that overlap or touch span.
func recoverage(ctx context.Context, tx *sql.Tx, person, source, feed string, span metric.Span, fn func([]metric.Covered) []metric.Covered) error {
	rows, err := tx.QueryContext(ctx, `DELETE FROM coverage WHERE person = ? AND source = ? AND feed = ? AND start <= ? AND "end" >= ?
		RETURNING feed, start, "end", asked, final, reader, odd, again`, person, source, feed, nanos(span.End), nanos(span.Start))
	if err != nil {
		return err
	}
	old, err := scanCoverage(rows)
	if err != nil {
		return err
	}
	slices.SortFunc(old[feed], func(a, b metric.Covered) int { return cmp.Compare(nanos(a.Span.Start), nanos(b.Span.Start)) })
	for _, c := range fn(old[feed]) {
		_, err := tx.ExecContext(ctx, "INSERT INTO coverage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			person, source, feed, nanos(c.Span.Start), nanos(c.Span.End), nanos(c.Asked), c.Final, c.Reader, c.Odd, nanos(c.Again))
		if err != nil {
			return err
		}
	}
	return nil
}

// nanos returns an instant as it is stored; the zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// instant is the inverse of nanos.
func instant(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

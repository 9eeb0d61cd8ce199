package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// An oddity is a span of an answer in which something could not be understood.
type oddity struct {
	span    metric.Span // on the feed's axis
	at      metric.Span // the same as instants
	misread bool        // what the archive has of it came from an older version of what reads the feed
}

// oddities takes in where the batch is odd.
func (p *put) oddities() error {
	b := p.b
	if len(b.Odd) == 0 {
		return nil
	}
	cover, err := covered(p.ctx, p.tx, b.Person, b.Source)
	if err != nil {
		return err
	}
	for i, s := range b.Odd {
		o := oddity{span: s, at: s, misread: slices.ContainsFunc(cover[b.Feed], func(c metric.Covered) bool {
			return c.Reader < b.Reader && !c.Span.Overlap(s).Empty()
		})}
		if b.Axis != metric.Instants {
			if i >= len(b.OddAt) {
				return fmt.Errorf("the odd days %s need their bounds as instants", s)
			}
			o.at = b.OddAt[i]
		}
		p.odd = append(p.odd, o)
	}
	return nil
}

// keeps reports whether a value stays that an odd answer does not have. What no body has does not, nor do zeros of an older version: it
// took for 0 what was not there. What has no unit is no amount: the level of deep sleep is 0.
func (o *oddity) keeps(f metric.Field, v float64) bool {
	return f.Possible(v) && (v != 0 || !o.misread || f.Unit == metric.None)
}

// kept says what of a series does not vanish though it is not in the answer.
func (p *put) kept(row metric.Series) keeper {
	if _, spared := p.spared[row.ID]; spared {
		return func(int64, int, float64) bool { return true }
	}
	if len(p.odd) == 0 {
		return nil
	}
	return func(t int64, field int, v float64) bool {
		return slices.ContainsFunc(p.odd, func(o oddity) bool {
			return t >= o.at.Start.UnixNano() && t < o.at.End.UnixNano() && o.keeps(row.Fields[field], v)
		})
	}
}

// keptOn is the same of a session on that day.
func (p *put) keptOn(row metric.Series, day metric.Day) keeper {
	o := p.oddOn(day)
	if o == nil {
		return nil
	}
	return func(_ int64, field int, v float64) bool { return o.keeps(row.Fields[field], v) }
}

// oddOn returns what of that day could not be understood, or nil.
func (p *put) oddOn(day metric.Day) *oddity {
	if p.b.Session != "" { // a follow-up
		return nil
	}
	i := slices.IndexFunc(p.odd, func(o oddity) bool { return o.span.Contains(day.Civil()) })
	if i < 0 {
		return nil
	}
	return &p.odd[i]
}

// Vouch looks through what older versions of what reads sieved feeds (metric.Feed.Sieve) have stored. Days without a value that nobody can
// have count as read by the feed's own version from then on; the others keep theirs, and are to be asked again. Of a feed of tracks it is
// each track that is to be asked again, among the sessions whose own feed was read by an older version.
func (a *Archive) Vouch(ctx context.Context, person, source string, feeds []metric.Feed) error {
	cover, err := a.Coverage(ctx, person, source)
	if err != nil {
		return err
	}
	for _, f := range feeds {
		if !f.Sieve {
			continue
		}
		if f.Trigger == metric.OnWish {
			err = a.vouchTracks(ctx, person, source, f, older(feeds, f.Kind, cover))
		} else {
			err = a.vouchDays(ctx, person, source, f, cover[f.ID])
		}
		if err != nil {
			return fmt.Errorf("looking through what was read of %s: %w", f.ID, explain(err))
		}
	}
	return nil
}

// older returns the days whose sessions of a kind were read by an older version.
func older(feeds []metric.Feed, kind metric.SessionKind, cover map[string][]metric.Covered) []metric.Span {
	var out []metric.Span
	for _, f := range feeds {
		for _, c := range cover[f.ID] {
			if f.Kind == kind && f.Trigger != metric.OnWish && c.Reader < f.Reader {
				out = append(out, c.Span)
			}
		}
	}
	return out
}

func (a *Archive) vouchDays(ctx context.Context, person, source string, f metric.Feed, cover []metric.Covered) error {
	for _, c := range cover {
		if c.Reader >= f.Reader {
			continue
		}
		var wrong []metric.Span
		for _, id := range f.Series {
			row, err := a.row(id)
			if err != nil {
				return err
			}
			err = a.impossible(ctx, row, `SELECT id FROM chunk WHERE person = ? AND series = ? AND source = ? AND last >= ? AND first < ? ORDER BY unit`,
				[]any{person, id, source, nanos(c.Span.Start), nanos(c.Span.End)}, func(_, t int64) {
					day := instant(t).Truncate(24 * time.Hour)
					if s := (metric.Span{Start: day, End: day.Add(24 * time.Hour)}).Overlap(c.Span); c.Span.Contains(instant(t)) {
						wrong = metric.Union(wrong, s)
					}
				})
			if err != nil {
				return err
			}
		}
		a.mu.Lock()
		err := a.update(ctx, func(tx *sql.Tx) error {
			return recoverage(ctx, tx, person, source, f.ID, c.Span, func(rows []metric.Covered) []metric.Covered { return vouched(rows, c.Span, wrong, f.Reader) })
		})
		a.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// vouched returns rows, of which those in span that are not wrong are as good as read by that version.
func vouched(rows []metric.Covered, span metric.Span, wrong []metric.Span, reader int) []metric.Covered {
	var out []metric.Covered
	for _, r := range rows {
		in := r.Span.Overlap(span)
		if in.Empty() || r.Reader >= reader {
			out = append(out, r)
			continue
		}
		good := in.Subtract(wrong)
		for _, s := range r.Span.Subtract(good) {
			bad := r
			bad.Span = s
			out = append(out, bad)
		}
		for _, s := range good {
			fine := r
			fine.Span, fine.Reader = s, reader
			out = append(out, fine)
		}
	}
	slices.SortFunc(out, func(a, b metric.Covered) int { return a.Span.Start.Compare(b.Span.Start) })
	return join(out)
}

// vouchTracks has the tracks of those days forget that they were fetched, where they hold what nobody can have.
func (a *Archive) vouchTracks(ctx context.Context, person, source string, f metric.Feed, days []metric.Span) error {
	for _, span := range days {
		first, last := span.Days()
		for _, id := range f.Series {
			row, err := a.row(id)
			if err != nil {
				return err
			}
			wrong := map[int64]bool{}
			err = a.impossible(ctx, row, `SELECT id FROM chunk WHERE person = ? AND series = ? AND source = ? AND unit BETWEEN ? AND ? AND session <> 0 ORDER BY unit`,
				[]any{person, id, source, int(first), int(last)}, func(session, _ int64) { wrong[session] = true })
			if err != nil {
				return err
			}
			for session := range wrong {
				a.mu.Lock()
				err := a.update(ctx, func(tx *sql.Tx) error {
					_, err := tx.ExecContext(ctx, "UPDATE session SET track_updated = NULL WHERE id = ?", session)
					return err
				})
				a.mu.Unlock()
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// impossible reports each sample, by its session and instant, of the chunks that a query names that has a value which nobody can have.
func (a *Archive) impossible(ctx context.Context, row metric.Series, query string, args []any, found func(session, t int64)) error {
	ids, err := a.chunkIDs(ctx, query, args...)
	if err != nil {
		return err
	}
	for _, id := range ids {
		var session int64
		var data []byte
		err := a.read.QueryRowContext(ctx, "SELECT session, data FROM chunk WHERE id = ?", id).Scan(&session, &data)
		if errors.Is(err, sql.ErrNoRows) {
			continue // it has gone meanwhile
		}
		if err != nil {
			return err
		}
		s, err := a.unpack(data)
		if err != nil {
			return fmt.Errorf("chunk %d: %w", id, err)
		}
		for f, col := range s.cols {
			for i, v := range col {
				if metric.Present(v) && !row.Fields[f].Possible(v) {
					found(session, s.times[i])
				}
			}
		}
	}
	return nil
}

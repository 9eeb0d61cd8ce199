package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// ErrMasked says that an answer which was asked for with a mask would make something vanish or become zero. A member that has another name
// now is cut away by a mask, so the same has to be asked without one.
var ErrMasked = errors.New("an answer with a mask lacks what was there before")

// An answer in which more than half of what the archive has of a span is gone, and that much of it, is doubted: services have been
// seen to lose a month for a day. It is believed when another one says the same, asked for a day later.
const (
	muchSamples  = 10
	muchSessions = 3
	secondLook   = 24 * time.Hour
	tooLate      = 48 * time.Hour // later than this, what was said first says nothing any more
)

// loss counts what of a series, or of sessions, is in the span of an answer, and what of that is not in the answer.
type loss struct{ held, gone int }

func (l loss) mass(id metric.ID) bool {
	much := muchSamples
	if id == "" {
		much = muchSessions
	}
	return l.gone >= much && 2*l.gone > l.held
}

// errDoubted ends a Put that is to be done once more, sparing those series.
type errDoubted struct{ series map[metric.ID]loss }

func (e *errDoubted) Error() string { return "most of what there was is gone" }

// count adds what a chunk has, and loses, to what is known of its series.
func (p *put) count(id metric.ID, old *samples, lo, hi int64, gone []lost) {
	l := p.tally[id]
	for _, rev := range old.revs[old.index(lo):old.index(hi)] {
		if rev > 0 {
			l.held++
		}
	}
	for _, g := range gone {
		if !g.partial {
			l.gone++
		}
	}
	p.tally[id] = l
}

// zeroed reports whether a value that is not zero becomes zero.
func zeroed(old, in *samples, lo, hi int64) bool {
	i := in.index(lo)
	for a := old.index(lo); a < old.index(hi); a++ {
		for i < in.len() && in.times[i] < old.times[a] {
			i++
		}
		if i == in.len() {
			return false
		}
		if in.times[i] != old.times[a] {
			continue
		}
		for f := range old.cols {
			if in.cols[f][i] == 0 && old.cols[f][a] != 0 && old.cols[f][a] == old.cols[f][a] {
				return true
			}
		}
	}
	return false
}

// judge looks at what is gone. Where that is doubted, the Put ends with errDoubted, unless it spares it already; then the doubt is kept.
func (p *put) judge() error {
	b := p.b
	if !b.Live {
		return nil
	}
	doubted := map[metric.ID]loss{}
	for id, l := range p.tally {
		spared, ok := p.spared[id]
		switch {
		case ok:
			if err := p.doubt(id, spared.gone); err != nil {
				return err
			}
		case l.mass(id):
			first, err := p.saidFirst(id)
			if err != nil {
				return err
			}
			if age := b.Asked.Sub(first); first.IsZero() || age < secondLook || age > tooLate {
				doubted[id] = l
				continue
			}
			if err := p.resolve(id); err != nil {
				return err
			}
		case l.held > 0:
			if err := p.resolve(id); err != nil {
				return err
			}
		}
	}
	if len(doubted) > 0 {
		return &errDoubted{doubted}
	}
	return nil
}

// saidFirst is when an answer was asked for that said the same before; zero for none.
func (p *put) saidFirst(id metric.ID) (time.Time, error) {
	var first int64
	err := p.tx.QueryRowContext(p.ctx, `SELECT coalesce(min(first), 0) FROM doubt WHERE person = ? AND source = ? AND feed = ? AND series = ?
		AND start < ? AND "end" > ?`, p.b.Person, p.b.Source, p.b.Feed, string(id), nanos(p.b.Span.End), nanos(p.b.Span.Start)).Scan(&first)
	return instant(first), err
}

// doubt keeps that an answer is not believed. One that says the same within a day leaves it as it was.
func (p *put) doubt(id metric.ID, gone int) error {
	first, err := p.saidFirst(id)
	if err != nil {
		return err
	}
	if age := p.b.Asked.Sub(first); first.IsZero() || age > tooLate {
		first = p.b.Asked
	}
	if err := p.resolve(id); err != nil {
		return err
	}
	_, err = p.exec("INSERT INTO doubt VALUES (?, ?, ?, ?, ?, ?, ?, ?)", p.b.Person, p.b.Source, p.b.Feed, string(id),
		nanos(p.b.Span.Start), nanos(p.b.Span.End), nanos(first), gone)
	return err
}

// resolve forgets what was doubted of the span.
func (p *put) resolve(id metric.ID) error {
	_, err := p.exec(`DELETE FROM doubt WHERE person = ? AND source = ? AND feed = ? AND series = ? AND start < ? AND "end" > ?`,
		p.b.Person, p.b.Source, p.b.Feed, string(id), nanos(p.b.Span.End), nanos(p.b.Span.Start))
	return err
}

// A Doubt is an answer that is not believed yet: most of what the archive has of a span was gone in it.
type Doubt struct {
	Feed   string
	Series metric.ID // empty for sessions
	Span   metric.Span
	Since  time.Time // when it was asked for
	Gone   int       // samples or sessions
}

// What names the series, or the feed where it is sessions that are doubted.
func (d Doubt) What() string { return cmp.Or(string(d.Series), d.Feed) }

// Doubts returns what of a source's answers for a person is not believed yet.
func (a *Archive) Doubts(ctx context.Context, person, source string) ([]Doubt, error) {
	rows, err := a.read.QueryContext(ctx, `SELECT feed, series, start, "end", first, gone FROM doubt WHERE person = ? AND source = ? ORDER BY feed, series, start`, person, source)
	if err != nil {
		return nil, fmt.Errorf("reading what is doubted: %w", explain(err))
	}
	defer rows.Close()
	var out []Doubt
	for rows.Next() {
		var d Doubt
		var start, end, first int64
		if err := rows.Scan(&d.Feed, &d.Series, &start, &end, &first, &d.Gone); err != nil {
			return nil, fmt.Errorf("reading what is doubted: %w", explain(err))
		}
		d.Span, d.Since = metric.Span{Start: instant(start), End: instant(end)}, instant(first)
		out = append(out, d)
	}
	return out, explain(rows.Err())
}

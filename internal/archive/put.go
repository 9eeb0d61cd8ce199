package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// put is one Put on its way.
type put struct {
	a   *Archive
	ctx context.Context
	tx  *sql.Tx
	c   *codec
	b   *metric.Batch

	rev      int64 // the revision it makes, if it changes anything
	used     bool  // it does
	change   Change
	series   map[metric.ID]bool // those that changed
	sessions map[string]bool    // keys of those that changed
	buried   map[metric.ID]bool // whether there are tombs of a series
	gone     []lost
	fresh    []lost // visible samples of this revision, where they may meet a tomb

	odd    []oddity           // of the batch: there nothing vanishes that can be right
	tally  map[metric.ID]loss // what goes, by series; under the empty name of sessions
	spared map[metric.ID]loss // the same, of what is doubted: nothing of that vanishes
}

// Put is the commit point: when it returns without error, the answer and its coverage are on disk together; otherwise nothing
// of it is. What the archive holds of b.Series inside the span and is not in b has vanished. Samples without any value are left
// out, and what the person leaves out (Forget). A follow-up for a session that is gone changes nothing.
//
// Nothing vanishes in b.Odd but what no body has, and the zeros of an older version of what reads the feed, which may never have been told.
// Where a live source says that most of a span is gone, nothing of that does until it has said so twice (Doubts). Where a masked answer would make anything vanish or become zero, ErrMasked is returned: without the mask it may be there.
func (a *Archive) Put(ctx context.Context, b metric.Batch) (Change, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.attempt(ctx, &b, nil)
	if doubted := (*errDoubted)(nil); errors.As(err, &doubted) {
		p, err = a.attempt(ctx, &b, doubted.series)
	}
	if err != nil {
		return Change{}, fmt.Errorf("storing the answer of %s for %s: %w", b.Source, b.Feed, err)
	}
	p.committed()
	for _, s := range a.cfg.Catalogue {
		if p.series[s.ID] {
			p.change.Series = append(p.change.Series, s.ID)
		}
	}
	p.change.Sessions = slices.Sorted(maps.Keys(p.sessions))
	return p.change, nil
}

// attempt puts b; of the series in spared nothing vanishes.
func (a *Archive) attempt(ctx context.Context, b *metric.Batch, spared map[metric.ID]loss) (*put, error) {
	p := a.newPut(ctx, b)
	p.spared = spared
	return p, p.within(p.run)
}

func (a *Archive) newPut(ctx context.Context, b *metric.Batch) *put {
	return &put{a: a, ctx: ctx, b: b, rev: a.rev + 1,
		series: map[metric.ID]bool{}, sessions: map[string]bool{}, buried: map[metric.ID]bool{}, tally: map[metric.ID]loss{}}
}

// within runs do in a transaction.
func (p *put) within(do func() error) error {
	p.c = p.a.codecs.get()
	defer p.a.codecs.put(p.c)
	return p.a.update(p.ctx, func(tx *sql.Tx) error {
		p.tx = tx
		return do()
	})
}

// committed takes in that what was changed is on disk.
func (p *put) committed() {
	if p.used {
		p.a.rev = p.rev
		p.a.announce()
	}
	p.change.Rev = p.a.rev
}

func (p *put) run() error {
	rows, err := p.rows()
	if err != nil {
		return err
	}
	if p.b.Session != "" {
		if err := p.followUp(rows); err != nil {
			return err
		}
	} else {
		if err := p.answer(rows); err != nil {
			return err
		}
	}
	if err := p.bury(); err != nil {
		return err
	}
	if p.used {
		_, err = p.exec("UPDATE head SET rev = ?", p.rev)
	}
	return err
}

// answer stores an answer for a span.
func (p *put) answer(rows []metric.Series) error {
	b := p.b
	if b.Span.Empty() {
		return fmt.Errorf("the span %s is empty", b.Span)
	}
	if err := p.oddities(); err != nil {
		return err
	}
	var ofSessions []metric.Series
	for _, row := range rows {
		if row.Sampling == metric.Sessions {
			ofSessions = append(ofSessions, row)
			continue
		}
		if err := p.instants(row); err != nil {
			return err
		}
	}
	if b.Kind != "" {
		if err := p.putSessions(ofSessions); err != nil {
			return err
		}
	} else if len(ofSessions) > 0 {
		return fmt.Errorf("series %s lives in sessions; the answer is of none", ofSessions[0].ID)
	}
	if err := p.judge(); err != nil {
		return err
	}
	return recoverage(p.ctx, p.tx, b.Person, b.Source, b.Feed, b.Span, func(old []metric.Covered) []metric.Covered {
		return cover(old, b, len(p.spared) > 0)
	})
}

// rows returns the catalogue's rows of the batch's series, without what the person leaves out, and checks the batch.
func (p *put) rows() ([]metric.Series, error) {
	b := p.b
	if b.Person == "" || b.Source == "" || b.Feed == "" {
		return nil, errors.New("a batch needs a person, a source and a feed")
	}
	leave := p.a.leave[b.Person]
	var rows []metric.Series
	for _, id := range b.Series {
		row, err := p.a.row(id)
		if err != nil {
			return nil, err
		}
		if !leave[id] {
			rows = append(rows, row)
		}
	}
	for i := range b.Blocks {
		if id := b.Blocks[i].Series; !slices.Contains(b.Series, id) {
			return nil, fmt.Errorf("samples of %s, for which the feed does not answer", id)
		}
	}
	for _, s := range b.Sessions {
		for i := range s.Blocks {
			if id := s.Blocks[i].Series; !slices.Contains(b.Series, id) {
				return nil, fmt.Errorf("samples of %s, for which the feed does not answer", id)
			}
		}
	}
	return rows, nil
}

// instants stores the answer for a series whose samples stand for themselves.
func (p *put) instants(row metric.Series) error {
	b := p.b
	bounds := b.Bounds
	if bounds.Empty() {
		if b.Axis != metric.Instants {
			return fmt.Errorf("series %s: an answer for days needs its bounds as instants", row.ID)
		}
		bounds = b.Span
	}
	lo, hi := bounds.Start.UnixNano(), bounds.End.UnixNano()
	in, err := gather(row, blocksOf(b.Blocks, row.ID))
	if err != nil {
		return err
	}
	for _, s := range in {
		if n := s.len(); n > 0 && (s.times[0] < lo || s.times[n-1] >= hi) {
			return fmt.Errorf("series %s: samples outside of the span %s", row.ID, bounds)
		}
	}
	todo, err := p.unitsHeld(row, unitOf(row, lo), unitOf(row, hi-1))
	if err != nil {
		return err
	}
	for _, s := range in {
		for i := 0; i < s.len(); {
			u := unitOf(row, s.times[i])
			todo[u] = true
			i = s.index(unitEnd(row, u))
		}
	}
	for _, u := range slices.Sorted(maps.Keys(todo)) {
		g, err := p.load(row, u)
		if err != nil {
			return err
		}
		from, to := max(lo, unitStart(u)), min(hi, unitEnd(row, u))
		if err := p.mergeUnit(g, in, from, to); err != nil {
			return err
		}
		if err := p.settle(g, false); err != nil {
			return err
		}
	}
	return nil
}

// mergeUnit merges the answer for the instants from lo to before hi into the own chunks of a group.
func (p *put) mergeUnit(g *group, in map[string]*samples, lo, hi int64) error {
	none := newSamples(len(g.row.Fields), 0)
	seen := map[string]bool{}
	for _, c := range g.chunks {
		if c.source != p.b.Source {
			continue
		}
		seen[c.tags] = true
		s := in[c.tags]
		if s == nil {
			s = none
		}
		if err := p.mergeChunk(g, c, s, lo, hi, p.kept(g.row)); err != nil {
			return err
		}
	}
	for tags, s := range in {
		if !seen[tags] && s.index(lo) < s.index(hi) {
			c := g.add(p.b.Source, 0, tags)
			if err := p.mergeChunk(g, c, s, lo, hi, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *put) mergeChunk(g *group, c *chunk, in *samples, lo, hi int64, kept keeper) error {
	if err := p.open(c); err != nil {
		return err
	}
	name := func(t int64, device string) point { return point{g.row.ID, t, device, c.tags} }
	now, gone, err := merge(c.data, in, in.index(lo), in.index(hi), lo, hi, name, kept)
	if err != nil {
		return fmt.Errorf("series %s: %w", g.row.ID, err)
	}
	if p.b.Masked && now != c.data && (len(gone) > 0 || zeroed(c.data, in, lo, hi)) {
		return ErrMasked
	}
	if p.b.Live && g.row.Sampling != metric.Sessions {
		p.count(g.row.ID, c.data, lo, hi, gone)
	}
	c.dirty = c.dirty || now != c.data
	c.data = now
	g.gone = append(g.gone, gone...)
	return nil
}

func blocksOf(blocks []metric.Block, id metric.ID) []*metric.Block {
	var out []*metric.Block
	for i := range blocks {
		if blocks[i].Series == id {
			out = append(out, &blocks[i])
		}
	}
	return out
}

func (p *put) exec(query string, args ...any) (sql.Result, error) {
	return p.tx.ExecContext(p.ctx, query, args...)
}

// always is the span of a whole session: its samples live and die with it.
const (
	alwaysFrom int64 = math.MinInt64
	alwaysTo   int64 = math.MaxInt64
)

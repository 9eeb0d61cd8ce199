package archive

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// chunk is one row of the table chunk, while it is changed.
type chunk struct {
	id      int64 // 0 for a new one
	source  string
	session int64
	tags    string
	packed  []byte
	data    *samples // nil until opened
	dirty   bool
}

// group is all chunks of one series in one unit span, of all sources: what one decision about precedence needs.
type group struct {
	row    metric.Series
	unit   int
	chunks []*chunk
	gone   []lost
}

func (g *group) add(source string, session int64, tags string) *chunk {
	c := &chunk{source: source, session: session, tags: tags, data: newSamples(len(g.row.Fields), 0)}
	g.chunks = append(g.chunks, c)
	return c
}

// unitsHeld returns the units from first to last of which there is any chunk of the series by the batch's source.
func (p *put) unitsHeld(row metric.Series, first, last int) (map[int]bool, error) {
	rows, err := p.tx.QueryContext(p.ctx, `SELECT DISTINCT unit FROM chunk WHERE person = ? AND series = ? AND unit BETWEEN ? AND ?
		AND source = ?`, p.b.Person, row.ID, first, last, p.b.Source)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int]bool{}
	for rows.Next() {
		var u int
		if err := rows.Scan(&u); err != nil {
			return nil, err
		}
		out[u] = true
	}
	return out, rows.Err()
}

func (p *put) load(row metric.Series, unit int) (*group, error) {
	rows, err := p.tx.QueryContext(p.ctx, `SELECT id, source, session, tags, data FROM chunk WHERE person = ? AND series = ? AND unit = ?
		ORDER BY id`, p.b.Person, row.ID, unit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	g := &group{row: row, unit: unit}
	for rows.Next() {
		c := &chunk{}
		if err := rows.Scan(&c.id, &c.source, &c.session, &c.tags, &c.packed); err != nil {
			return nil, err
		}
		g.chunks = append(g.chunks, c)
	}
	return g, rows.Err()
}

// open decodes a chunk.
func (p *put) open(c *chunk) error {
	if c.data != nil {
		return nil
	}
	c.data = &samples{}
	if err := p.c.decode(c.data, c.packed); err != nil {
		return fmt.Errorf("chunk %d: %w", c.id, err)
	}
	c.packed = nil
	return nil
}

// settle decides what of a changed group is visible, gives what has become so the new revision, and writes what changed. With
// force it looks again even where nothing was merged.
func (p *put) settle(g *group, force bool) error {
	dirty, mixed := force, false
	for _, c := range g.chunks {
		dirty = dirty || c.dirty
		mixed = mixed || c.source != g.chunks[0].source
	}
	if !dirty {
		return nil
	}
	visible := func(*chunk, int) bool { return true }
	if mixed || force {
		for _, c := range g.chunks {
			if err := p.open(c); err != nil {
				return err
			}
		}
	}
	if mixed {
		win := p.winners(g)
		visible = func(c *chunk, i int) bool { return win[slot(g.row, c.data.times[i])] == c.source }
	}
	for _, c := range g.chunks {
		if c.data != nil {
			p.reveal(g, c, visible)
		}
	}
	if len(g.gone) > 0 {
		p.used = true
		p.series[g.row.ID] = true
	}
	if err := p.notice(g); err != nil {
		return err
	}
	for _, c := range g.chunks {
		if c.dirty {
			if err := p.save(g, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// slot names the part of a unit span within which sources are never mixed: of daily series each instant, of others all of it.
func slot(row metric.Series, t int64) int64 {
	if row.Sampling == metric.Daily {
		return t
	}
	return 0
}

// winners returns the source that is visible, by slot: the highest-ranked one that has data there.
func (p *put) winners(g *group) map[int64]string {
	win := map[int64]string{}
	for _, c := range g.chunks {
		n := c.data.len()
		if g.row.Sampling != metric.Daily {
			n = min(n, 1)
		}
		for i := range n {
			at := slot(g.row, c.data.times[i])
			if w, ok := win[at]; !ok || p.a.better(c.source, w) {
				win[at] = c.source
			}
		}
	}
	return win
}

// better reports whether source x goes before source y.
func (a *Archive) better(x, y string) bool {
	rank := func(s string) int {
		if i := slices.Index(a.cfg.Rank, s); i >= 0 {
			return i
		}
		return math.MaxInt
	}
	return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x, y)) < 0
}

// reveal gives the samples of a chunk their revisions.
func (p *put) reveal(g *group, c *chunk, visible func(*chunk, int) bool) {
	s := c.data
	for i, rev := range s.revs {
		switch show := visible(c, i); {
		case show && rev <= 0:
			if rev == isChanged {
				p.change.Changed++
			} else {
				p.change.Added++
			}
			s.revs[i] = p.rev
			c.dirty, p.used, p.series[g.row.ID] = true, true, true
		case !show && (rev > 0 || rev == isChanged):
			had := s.mask(i)
			if rev == isChanged {
				had = 1<<len(s.cols) - 1 // any of them
			}
			g.gone = append(g.gone, lost{point: point{g.row.ID, s.times[i], s.devices[s.dev[i]], c.tags}, fields: had})
			s.revs[i] = 0
			c.dirty = true
		case !show:
			s.revs[i] = 0
		}
	}
}

// notice remembers which points are lost, and which are fresh if a tomb may be theirs. Those of sessions may have come from
// another group; all others only from their own.
func (p *put) notice(g *group) error {
	p.gone = append(p.gone, g.gone...)
	if len(g.gone) == 0 && g.row.Sampling != metric.Sessions {
		known, ok := p.buried[g.row.ID]
		if !ok {
			err := p.tx.QueryRowContext(p.ctx, "SELECT EXISTS (SELECT 1 FROM tomb WHERE person = ? AND series = ?)", p.b.Person, g.row.ID).Scan(&known)
			if err != nil {
				return err
			}
			p.buried[g.row.ID] = known
		}
		if !known {
			return nil
		}
	}
	for _, c := range g.chunks {
		if c.data == nil {
			continue
		}
		for i, rev := range c.data.revs {
			if rev == p.rev {
				p.fresh = append(p.fresh, lost{point: point{g.row.ID, c.data.times[i], c.data.devices[c.data.dev[i]], c.tags}, fields: c.data.mask(i)})
			}
		}
	}
	return nil
}

// save writes a chunk, or removes it if nothing is left in it.
func (p *put) save(g *group, c *chunk) error {
	s := c.data
	if s.len() == 0 {
		_, err := p.exec("DELETE FROM chunk WHERE id = ?", c.id)
		return err
	}
	shown := 0
	for _, r := range s.revs {
		if r > 0 {
			shown++
		}
	}
	rev, first, last := slices.Max(s.revs), s.times[0], s.times[s.len()-1]
	packed := p.c.encode(s)
	if c.id != 0 {
		_, err := p.exec("UPDATE chunk SET rev = ?, first = ?, last = ?, count = ?, shown = ?, data = ? WHERE id = ?",
			rev, first, last, s.len(), shown, packed, c.id)
		return err
	}
	_, err := p.exec(`INSERT INTO chunk (person, series, unit, source, session, tags, rev, first, last, count, shown, data)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p.b.Person, string(g.row.ID), g.unit, c.source, c.session, c.tags, rev, first, last, s.len(), shown, packed)
	return err
}

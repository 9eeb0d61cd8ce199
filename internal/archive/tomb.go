package archive

import (
	"database/sql"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// bury turns the lost points into tombs, but for those where a fresh sample overwrites all that stood there, and takes away the
// tombs that fresh samples overwrite.
func (p *put) bury() error {
	fresh := make(map[point]uint64, len(p.fresh))
	for _, f := range p.fresh {
		fresh[f.point] |= f.fields
	}
	if err := p.exhume(fresh); err != nil {
		return err
	}
	var dead []lost
	for _, l := range p.gone {
		has, ok := fresh[l.point]
		switch {
		case ok && l.fields&^has == 0:
			if !l.partial { // it moved here from another source or session
				p.change.Added--
				p.change.Changed++
			}
			continue
		case l.partial: // told as changed
		case !ok:
			p.change.Vanished++
		default:
			p.change.Added--
			p.change.Changed++
		}
		dead = append(dead, l)
	}
	for _, l := range dead {
		if err := p.digTomb(l); err != nil {
			return err
		}
	}
	return p.spare(dead)
}

func (p *put) digTomb(l lost) error {
	var before uint64
	err := p.tx.QueryRowContext(p.ctx, `DELETE FROM tomb WHERE person = ? AND series = ? AND time = ? AND device = ? AND tags = ?
		RETURNING fields`, p.b.Person, l.series, l.time, l.device, l.tags).Scan(&before)
	if err != nil && err != sql.ErrNoRows {
		return err
	}
	_, err = p.exec("INSERT INTO tomb (rev, person, series, time, device, tags, fields) VALUES (?, ?, ?, ?, ?, ?, ?)",
		p.rev, p.b.Person, string(l.series), l.time, l.device, l.tags, int64(l.fields|before))
	return err
}

// exhume removes the tombs whose points fresh samples overwrite in all fields.
func (p *put) exhume(fresh map[point]uint64) error {
	lo, hi := map[metric.ID]int64{}, map[metric.ID]int64{}
	for at := range fresh {
		if _, ok := lo[at.series]; !ok {
			lo[at.series], hi[at.series] = at.time, at.time
		}
		lo[at.series], hi[at.series] = min(lo[at.series], at.time), max(hi[at.series], at.time)
	}
	for series := range lo {
		rows, err := p.tx.QueryContext(p.ctx, "SELECT id, time, device, tags, fields FROM tomb WHERE person = ? AND series = ? AND time BETWEEN ? AND ?",
			p.b.Person, series, lo[series], hi[series])
		if err != nil {
			return err
		}
		var over []int64
		for rows.Next() {
			var id, fields int64
			at := point{series: series}
			if err := rows.Scan(&id, &at.time, &at.device, &at.tags, &fields); err != nil {
				rows.Close()
				return err
			}
			if has, ok := fresh[at]; ok && uint64(fields)&^has == 0 {
				over = append(over, id)
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, id := range over {
			if _, err := p.exec("DELETE FROM tomb WHERE id = ?", id); err != nil {
				return err
			}
		}
	}
	return nil
}

// spare gives visible samples that stand at the same point of the same measurement as a dead one the new revision: they go down
// with it in a sink, and must be written again. There are such where several series write one measurement, and where two
// sessions have a sample at the same instant.
func (p *put) spare(dead []lost) error {
	doomed := map[metric.ID]map[point]bool{} // by the series that may have such samples
	for _, l := range dead {
		for _, id := range p.a.neighbours(l.series) {
			if doomed[id] == nil {
				doomed[id] = map[point]bool{}
			}
			at := l.point
			at.series = id
			doomed[id][at] = true
		}
	}
	for id, points := range doomed {
		row, err := p.a.row(id)
		if err != nil {
			return err
		}
		first, last := int64(0), int64(0)
		for at := range points {
			if first == 0 && last == 0 {
				first, last = at.time, at.time
			}
			first, last = min(first, at.time), max(last, at.time)
		}
		units, err := p.unitsAround(row, first, last)
		if err != nil {
			return err
		}
		for _, u := range units {
			g, err := p.load(row, u)
			if err != nil {
				return err
			}
			if err := p.spareGroup(g, points); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *put) spareGroup(g *group, points map[point]bool) error {
	for _, c := range g.chunks {
		if err := p.open(c); err != nil {
			return err
		}
		s := c.data
		for i, rev := range s.revs {
			if rev > 0 && rev != p.rev && points[point{g.row.ID, s.times[i], s.devices[s.dev[i]], c.tags}] {
				s.revs[i] = p.rev
				c.dirty = true
			}
		}
		if c.dirty {
			if err := p.save(g, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// neighbours returns the series that may have a sample at the same point of the same measurement.
func (a *Archive) neighbours(id metric.ID) []metric.ID {
	row, err := a.row(id)
	if err != nil {
		return nil
	}
	var out []metric.ID
	for _, s := range a.cfg.Catalogue {
		if s.Measurement == row.Measurement && (s.ID != id || s.Sampling == metric.Sessions) {
			out = append(out, s.ID)
		}
	}
	return out
}

// unitsAround returns the units of the chunks that have visible samples from first to last.
func (p *put) unitsAround(row metric.Series, first, last int64) ([]int, error) {
	return p.numbers(`SELECT DISTINCT unit FROM chunk WHERE person = ? AND series = ? AND unit BETWEEN ? AND ?
		AND last >= ? AND first <= ? AND rev > 0 ORDER BY unit`, p.b.Person, row.ID, unitOf(row, first)-2, unitOf(row, last)+2, first, last)
}

// numbers returns the one column of what a query finds.
func (p *put) numbers(query string, args ...any) ([]int, error) {
	rows, err := p.tx.QueryContext(p.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int
	for rows.Next() {
		var u int
		if err := rows.Scan(&u); err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, rows.Err()
}

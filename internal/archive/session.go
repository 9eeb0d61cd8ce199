package archive

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// heldSession is a session as the archive has it.
type heldSession struct {
	id int64
	metric.Session
}

const sessionColumns = `id, kind, key, day, start, "end", "offset", title, main, has_track, updated`

func scanSession(scan func(...any) error) (h heldSession, err error) {
	var start, end, updated int64
	err = scan(&h.id, &h.Kind, &h.Key, &h.Day, &start, &end, &h.Offset, &h.Title, &h.Main, &h.HasTrack, &updated)
	h.Start, h.End, h.Updated = instant(start), instant(end), instant(updated)
	return h, err
}

// putSessions stores all sessions of a kind in a span of days: those the archive holds and that are not among them have vanished.
func (p *put) putSessions(rows []metric.Series) error {
	b := p.b
	held, err := p.sessionsHeld()
	if err != nil {
		return err
	}
	days := map[int]bool{}                  // to be looked at
	answer := map[int64]*metric.Session{}   // by id; nil for a vanished one
	series := map[metric.ID]metric.Series{} // to be looked at
	for _, row := range rows {
		series[row.ID] = row
	}
	moved := false
	for i := range b.Sessions {
		s := &b.Sessions[i]
		if s.Kind != b.Kind || s.Key == "" || !b.Span.Contains(s.Day.Civil()) {
			return fmt.Errorf("a session of kind %q on %s does not belong to an answer of kind %q for %s", s.Kind, s.Day, b.Kind, b.Span)
		}
		id, from, err := p.putSession(s)
		if err != nil {
			return err
		}
		if _, twice := answer[id]; twice {
			continue
		}
		answer[id] = s
		days[int(s.Day)] = true
		if from != s.Day {
			days[int(from)], moved = true, true
			if err := p.seriesOf(id, series); err != nil {
				return err
			}
		}
		delete(held, id)
	}
	if p.b.Live {
		p.tally[""] = loss{held: len(held) + len(answer), gone: p.goneOf(held)}
	}
	_, spared := p.spared[""]
	for id, h := range held {
		if spared || p.oddOn(h.Day) != nil {
			continue
		}
		answer[id] = nil
		days[int(h.Day)] = true
		if err := p.seriesOf(id, series); err != nil {
			return err
		}
		if _, err := p.exec("DELETE FROM session WHERE id = ?", id); err != nil {
			return err
		}
		p.used = true
	}
	for _, day := range slices.Sorted(maps.Keys(days)) {
		for _, row := range p.a.cfg.Catalogue {
			if _, ok := series[row.ID]; !ok {
				continue
			}
			if err := p.sessionUnit(row, day, answer, moved, slices.Contains(b.Series, row.ID)); err != nil {
				return err
			}
		}
	}
	return nil
}

// goneOf is how many sessions go for good.
func (p *put) goneOf(held map[int64]heldSession) int {
	n := 0
	for _, h := range held {
		if p.oddOn(h.Day) == nil {
			n++
		}
	}
	return n
}

// sessionUnit merges the sessions of one day into one series. Of a series for which the feed does not answer (a track), only
// that of vanished sessions goes.
func (p *put) sessionUnit(row metric.Series, day int, answer map[int64]*metric.Session, moved, answered bool) error {
	g, err := p.load(row, day)
	if err != nil {
		return err
	}
	none := newSamples(len(row.Fields), 0)
	ins := map[int64]map[string]*samples{}
	for id, s := range answer {
		if s == nil || int(s.Day) != day || !answered {
			continue
		}
		if ins[id], err = gather(row, blocksOf(s.Blocks, row.ID)); err != nil {
			return fmt.Errorf("session %s: %w", s.Day, err)
		}
	}
	for _, c := range slices.Clone(g.chunks) {
		s, known := answer[c.session]
		if c.source != p.b.Source || !known || s != nil && !answered {
			continue
		}
		in, kept := none, keeper(nil)
		if own := ins[c.session][c.tags]; own != nil {
			in = own
			delete(ins[c.session], c.tags)
		}
		if s != nil && (in != none || len(ins[c.session]) == 0) {
			kept = p.keptOn(row, s.Day)
		}
		if err := p.mergeSession(g, c, in, s, kept); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ins)) {
		for tags, in := range ins[id] {
			if in.len() > 0 {
				if err := p.mergeSession(g, g.add(p.b.Source, id, tags), in, answer[id], nil); err != nil {
					return err
				}
			}
		}
	}
	return p.settle(g, moved)
}

func (p *put) mergeSession(g *group, c *chunk, in *samples, s *metric.Session, kept keeper) error {
	if err := p.mergeChunk(g, c, in, alwaysFrom, alwaysTo, kept); err != nil {
		return err
	}
	if c.dirty && s != nil {
		p.sessions[s.Key] = true
	}
	return nil
}

// putSession enters a session or brings it up to date, and moves its chunks if its day has changed. It returns its id and the
// day it had before.
func (p *put) putSession(s *metric.Session) (id int64, before metric.Day, err error) {
	b := p.b
	row := p.tx.QueryRowContext(p.ctx, "SELECT "+sessionColumns+" FROM session WHERE person = ? AND source = ? AND kind = ? AND key = ?",
		b.Person, b.Source, string(s.Kind), s.Key)
	h, err := scanSession(row.Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		p.used, p.sessions[s.Key] = true, true
		res, err := p.exec(`INSERT INTO session (person, source, kind, key, day, start, "end", "offset", title, main, has_track, updated, rev)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, b.Person, b.Source, string(s.Kind), s.Key, int(s.Day), nanos(s.Start), nanos(s.End),
			s.Offset, s.Title, s.Main, s.HasTrack, nanos(s.Updated), p.rev)
		if err != nil {
			return 0, 0, err
		}
		id, err = res.LastInsertId()
		return id, s.Day, err
	case err != nil:
		return 0, 0, err
	}
	if !sameSession(h.Session, *s) {
		p.used, p.sessions[s.Key] = true, true
	} else if h.Updated.Equal(s.Updated) {
		return h.id, h.Day, nil
	}
	_, err = p.exec(`UPDATE session SET day = ?, start = ?, "end" = ?, "offset" = ?, title = ?, main = ?, has_track = ?, updated = ?, rev = ?
		WHERE id = ?`, int(s.Day), nanos(s.Start), nanos(s.End), s.Offset, s.Title, s.Main, s.HasTrack, nanos(s.Updated), p.rev, h.id)
	if err == nil && h.Day != s.Day {
		_, err = p.exec("UPDATE chunk SET unit = ? WHERE session = ?", int(s.Day), h.id)
	}
	return h.id, h.Day, err
}

// sameSession compares all that people see: not Updated, which a provider may touch for nothing.
func sameSession(x, y metric.Session) bool {
	return x.Day == y.Day && x.Start.Equal(y.Start) && x.End.Equal(y.End) && x.Offset == y.Offset && x.Title == y.Title &&
		x.Main == y.Main && x.HasTrack == y.HasTrack
}

// sessionsHeld returns the sessions of the batch's kind that the archive has in its span.
func (p *put) sessionsHeld() (map[int64]heldSession, error) {
	first, last := p.b.Span.Days()
	rows, err := p.tx.QueryContext(p.ctx, "SELECT "+sessionColumns+" FROM session WHERE person = ? AND source = ? AND kind = ? AND day BETWEEN ? AND ?",
		p.b.Person, p.b.Source, string(p.b.Kind), int(first), int(last))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]heldSession{}
	for rows.Next() {
		h, err := scanSession(rows.Scan)
		if err != nil {
			return nil, err
		}
		if p.b.Span.Contains(h.Day.Civil()) {
			out[h.id] = h
		}
	}
	return out, rows.Err()
}

// seriesOf adds the series that have chunks of a session.
func (p *put) seriesOf(id int64, to map[metric.ID]metric.Series) error {
	rows, err := p.tx.QueryContext(p.ctx, "SELECT DISTINCT series FROM chunk WHERE session = ?", id)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var series metric.ID
		if err := rows.Scan(&series); err != nil {
			return err
		}
		if row, ok := p.a.cfg.Catalogue.Lookup(series); ok {
			to[series] = row
		}
	}
	return rows.Err()
}

// followUp replaces what a session has of the batch's series.
func (p *put) followUp(rows []metric.Series) error {
	b := p.b
	s := metric.Session{Key: b.Session}
	var id int64
	err := p.tx.QueryRowContext(p.ctx, "SELECT id, day FROM session WHERE person = ? AND source = ? AND key = ? AND (kind = ? OR ? = '')",
		b.Person, b.Source, b.Session, string(b.Kind), string(b.Kind)).Scan(&id, &s.Day)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	s.Blocks = b.Blocks
	for _, row := range rows {
		if row.Sampling != metric.Sessions {
			return fmt.Errorf("series %s does not live in sessions", row.ID)
		}
		if err := p.sessionUnit(row, int(s.Day), map[int64]*metric.Session{id: &s}, false, true); err != nil {
			return err
		}
	}
	_, err = p.exec("UPDATE session SET track_updated = ? WHERE id = ?", nanos(b.Updated), id)
	return err
}

package archive

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// queue is what one sink has still to take, as far as it is known: newest first, so that a sink behind by years gets today at once.
type queue struct {
	rev   int64 // the archive's revision it was listed at
	items []waiting
}

type waiting struct {
	chunk, rev, last int64
	count            int
}

// isDue is true of the chunks (c) that a sink (s) has not taken; a is what it has taken of a chunk ahead of its cursor.
const isDue = ` FROM sink s JOIN chunk c ON c.rev > s.rev LEFT JOIN ahead a ON a.sink = s.name AND a.chunk = c.id
	WHERE s.name = ? AND (a.rev IS NULL OR a.rev < c.rev)`

// Due returns what a sink has not taken: about max samples, at least one chunk, newest first. A chunk comes whole, one piece
// per device. Samples that must not be written before a tomb of the same point is out of the way are held back until Ack has
// seen that tomb. One goroutine per sink; what one call gave is written before the next call. Empty: nothing is due.
func (a *Archive) Due(ctx context.Context, sink string, max int) ([]Piece, error) {
	a.delivery.Lock()
	defer a.delivery.Unlock()
	out, err := a.due(ctx, sink, max)
	if err != nil {
		return nil, fmt.Errorf("reading what is due: %w", explain(err))
	}
	return out, nil
}

func (a *Archive) due(ctx context.Context, sink string, max int) ([]Piece, error) {
	tx, err := a.readFor(ctx, sink)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	q, err := a.refresh(ctx, tx, sink)
	if err != nil {
		return nil, err
	}
	var dead bool
	err = tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM tomb WHERE id > (SELECT tomb FROM sink WHERE name = ?))", sink).Scan(&dead)
	if err != nil {
		return nil, err
	}
	var out []Piece
	kept := q.items[:0]
	size, i := 0, 0
	for ; i < len(q.items) && (size == 0 || size < max); i++ {
		w := q.items[i]
		pieces, held, err := a.pieces(ctx, tx, sink, w.chunk, dead)
		if err != nil {
			kept = append(kept, q.items[i:]...)
			q.items = kept
			return nil, err
		}
		if len(pieces) > 0 || held {
			kept = append(kept, w)
		}
		for k := range pieces {
			pieces[k].parts = len(pieces)
			size += pieces[k].Block.Len()
		}
		out = append(out, pieces...)
	}
	q.items = append(kept, q.items[i:]...)
	return out, nil
}

// readFor begins a reading transaction in which the sink has a cursor.
func (a *Archive) readFor(ctx context.Context, sink string) (*sql.Tx, error) {
	var known bool
	if err := a.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sink WHERE name = ?)", sink).Scan(&known); err != nil {
		return nil, err
	}
	if !known {
		_, err := a.write.ExecContext(ctx, "INSERT INTO sink VALUES (?, 0, 0) ON CONFLICT DO NOTHING", sink)
		if err != nil {
			return nil, err
		}
	}
	return a.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
}

// refresh brings a sink's queue up to the archive's revision.
func (a *Archive) refresh(ctx context.Context, tx *sql.Tx, sink string) (*queue, error) {
	var head int64
	if err := tx.QueryRowContext(ctx, "SELECT rev FROM head").Scan(&head); err != nil {
		return nil, err
	}
	q := a.queues[sink]
	if q != nil && q.rev == head {
		return q, nil
	}
	since := int64(0)
	if q != nil {
		since = q.rev
	}
	rows, err := tx.QueryContext(ctx, "SELECT c.id, c.rev, c.last, c.count"+isDue+" AND c.rev > ?", sink, since)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	again := map[int64]bool{}
	var items []waiting
	for rows.Next() {
		var w waiting
		if err := rows.Scan(&w.chunk, &w.rev, &w.last, &w.count); err != nil {
			return nil, err
		}
		items = append(items, w)
		again[w.chunk] = true
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if q == nil {
		q = &queue{}
	}
	for _, w := range q.items {
		if !again[w.chunk] {
			items = append(items, w)
		}
	}
	slices.SortFunc(items, func(x, y waiting) int { return cmp.Or(cmp.Compare(y.last, x.last), cmp.Compare(x.chunk, y.chunk)) })
	q.items, q.rev = items, head
	a.queues[sink] = q
	return q, nil
}

// pieces reads what a sink has not taken of a chunk. held says that it has to wait for a tomb.
func (a *Archive) pieces(ctx context.Context, tx *sql.Tx, sink string, id int64, dead bool) (out []Piece, held bool, err error) {
	var p Piece
	var series metric.ID
	var tags string
	var after int64
	var data sql.RawBytes
	rows, err := tx.QueryContext(ctx, `SELECT c.person, c.series, c.tags, c.rev, max(s.rev, coalesce(a.rev, 0)), c.data
		FROM chunk c, sink s LEFT JOIN ahead a ON a.sink = s.name AND a.chunk = c.id WHERE c.id = ? AND s.name = ?`, id, sink)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, false, rows.Err()
	}
	if err := rows.Scan(&p.Person, &series, &tags, &p.Rev, &after, &data); err != nil {
		return nil, false, err
	}
	row, err := a.row(series)
	if err != nil {
		return nil, false, nil // an older program's row, left out since
	}
	s, err := a.unpack(data)
	if err != nil {
		return nil, false, fmt.Errorf("chunk %d: %w", id, err)
	}
	rows.Close()
	p.Chunk = id
	if dead {
		held, err = a.blocked(ctx, tx, sink, p.Person, row, tags, s, after)
		if held || err != nil {
			return nil, held, err
		}
	}
	for _, b := range s.blocks(series, unpackTags(row, tags), func(i int) bool { return s.revs[i] > after }) {
		p.Block = b
		out = append(out, p)
	}
	return out, false, nil
}

// blocked reports whether a tomb that the sink has not passed stands where a sample newer than after would be written.
func (a *Archive) blocked(ctx context.Context, tx *sql.Tx, sink, person string, row metric.Series, tags string, s *samples, after int64) (bool, error) {
	var names []string
	for _, r := range a.cfg.Catalogue {
		if r.Measurement == row.Measurement {
			names = append(names, string(r.ID))
		}
	}
	args := []any{sink, person, tags, s.times[0], s.times[s.len()-1]}
	for _, n := range names {
		args = append(args, n)
	}
	rows, err := tx.QueryContext(ctx, `SELECT time, device FROM tomb WHERE id > (SELECT tomb FROM sink WHERE name = ?) AND person = ?
		AND tags = ? AND time BETWEEN ? AND ? AND series IN (?`+strings.Repeat(", ?", len(names)-1)+")", args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		var t int64
		var device string
		if err := rows.Scan(&t, &device); err != nil {
			return false, err
		}
		if i := s.index(t); i < s.len() && s.times[i] == t && s.revs[i] > after && s.devices[s.dev[i]] == device {
			return true, nil
		}
	}
	return false, rows.Err()
}

// DueTombs returns up to max samples that the sink may hold and that have vanished, in the order in which they did.
func (a *Archive) DueTombs(ctx context.Context, sink string, max int) ([]Tomb, error) {
	a.delivery.Lock()
	defer a.delivery.Unlock()
	out, err := a.dueTombs(ctx, sink, max)
	if err != nil {
		return nil, fmt.Errorf("reading what has vanished: %w", explain(err))
	}
	return out, nil
}

func (a *Archive) dueTombs(ctx context.Context, sink string, max int) ([]Tomb, error) {
	tx, err := a.readFor(ctx, sink)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, `SELECT id, rev, person, series, time, device, tags FROM tomb
		WHERE id > (SELECT tomb FROM sink WHERE name = ?) ORDER BY id LIMIT ?`, sink, max)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Tomb
	for rows.Next() {
		var t Tomb
		var tags string
		if err := rows.Scan(&t.ID, &t.Rev, &t.Person, &t.Series, &t.Time, &t.Device, &tags); err != nil {
			return nil, err
		}
		row, _ := a.row(t.Series) // of an unknown one, the tags as they are
		t.Tags = unpackTags(row, tags)
		out = append(out, t)
	}
	return out, rows.Err()
}

// Ack says that the sink is done with these. A chunk counts when all pieces that Due made of it are there; one that has changed
// since stays due for what changed. Tombs count in their order: one behind a tomb that is not acknowledged comes again.
func (a *Archive) Ack(ctx context.Context, sink string, pieces []Piece, tombs []Tomb) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delivery.Lock()
	defer a.delivery.Unlock()
	taken := whole(pieces)
	var left []waiting
	if q := a.queues[sink]; q != nil {
		left = slices.DeleteFunc(slices.Clone(q.items), func(w waiting) bool { return taken[w.chunk] >= w.rev })
	}
	err := a.update(ctx, func(tx *sql.Tx) error {
		for id, rev := range taken {
			_, err := tx.ExecContext(ctx, `INSERT INTO ahead SELECT ?, id, ? FROM chunk WHERE id = ?
				ON CONFLICT DO UPDATE SET rev = max(rev, excluded.rev)`, sink, rev, id)
			if err != nil {
				return err
			}
		}
		if err := passTombs(ctx, tx, sink, tombs); err != nil {
			return err
		}
		if len(left) > 0 {
			return nil
		}
		return catchUp(ctx, tx, sink)
	})
	if err != nil {
		return fmt.Errorf("acknowledging: %w", err)
	}
	if q := a.queues[sink]; q != nil {
		q.items = left
	}
	return nil
}

// whole returns the revisions of the chunks of which all pieces are there.
func whole(pieces []Piece) map[int64]int64 {
	seen := map[int64]int{}
	taken := map[int64]int64{}
	for _, p := range pieces {
		seen[p.Chunk]++
		if seen[p.Chunk] >= p.parts {
			taken[p.Chunk] = p.Rev
		}
	}
	return taken
}

// passTombs moves a sink's place among the tombs on, and removes those that every sink has passed.
func passTombs(ctx context.Context, tx *sql.Tx, sink string, tombs []Tomb) error {
	if len(tombs) == 0 {
		return nil
	}
	passed := map[int64]bool{}
	for _, t := range tombs {
		passed[t.ID] = true
	}
	rows, err := tx.QueryContext(ctx, "SELECT id FROM tomb WHERE id > (SELECT tomb FROM sink WHERE name = ?) ORDER BY id LIMIT ?", sink, len(tombs)+1)
	if err != nil {
		return err
	}
	to := int64(0)
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			rows.Close()
			return err
		}
		if !passed[id] {
			break
		}
		to = id
	}
	if err := errors.Join(rows.Close(), rows.Err()); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE sink SET tomb = max(tomb, ?) WHERE name = ?", to, sink); err != nil {
		return err
	}
	return dropTombs(ctx, tx)
}

func dropTombs(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM tomb WHERE id <= (SELECT coalesce(min(tomb), 9223372036854775807) FROM sink)")
	return err
}

// catchUp moves a sink's cursor to the head if nothing is due before it.
func catchUp(ctx context.Context, tx *sql.Tx, sink string) error {
	var due bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1"+isDue+")", sink).Scan(&due); err != nil || due {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE sink SET rev = (SELECT rev FROM head) WHERE name = ?", sink); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM ahead WHERE sink = ?", sink)
	return err
}

// Backlog tells what a sink has still to take.
func (a *Archive) Backlog(ctx context.Context, sink string) (Backlog, error) {
	a.delivery.Lock()
	defer a.delivery.Unlock()
	var b Backlog
	tx, err := a.readFor(ctx, sink)
	if err != nil {
		return b, fmt.Errorf("counting what is due: %w", explain(err))
	}
	defer tx.Rollback()
	var oldest int64
	err = tx.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(c.shown), 0), coalesce(min(c.first), 0)"+isDue, sink).Scan(&b.Chunks, &b.Samples, &oldest)
	if err == nil {
		err = tx.QueryRowContext(ctx, "SELECT count(*) FROM tomb WHERE id > (SELECT tomb FROM sink WHERE name = ?)", sink).Scan(&b.Tombs)
	}
	if err != nil {
		return Backlog{}, fmt.Errorf("counting what is due: %w", explain(err))
	}
	b.Oldest = instant(oldest)
	return b, nil
}

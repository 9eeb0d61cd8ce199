package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Read yields the visible samples of a series in a span of instants: blocks ascending by unit, each within one unit and of one
// device and one set of tags. Each unit is read when its turn comes, so that a long reading holds up nobody.
func (a *Archive) Read(ctx context.Context, person string, series metric.ID, span metric.Span) iter.Seq2[metric.Block, error] {
	return func(yield func(metric.Block, error) bool) {
		row, err := a.row(series)
		if err != nil {
			yield(metric.Block{}, err)
			return
		}
		if span.Empty() {
			return
		}
		lo, hi := span.Start.UnixNano(), span.End.UnixNano()
		ids, err := a.chunkIDs(ctx, `SELECT id FROM chunk WHERE person = ? AND series = ? AND unit BETWEEN ? AND ? AND last >= ? AND first < ?
			AND rev > 0 ORDER BY unit, first, id`, person, series, unitOf(row, lo)-2, unitOf(row, hi-1)+2, lo, hi)
		if err != nil {
			yield(metric.Block{}, fmt.Errorf("reading %s: %w", series, explain(err)))
			return
		}
		for _, id := range ids {
			blocks, err := a.readChunk(ctx, row, id, func(t int64) bool { return t >= lo && t < hi })
			if err != nil {
				yield(metric.Block{}, fmt.Errorf("reading %s: %w", series, explain(err)))
				return
			}
			for _, b := range blocks {
				if !yield(b, nil) {
					return
				}
			}
		}
	}
}

func (a *Archive) chunkIDs(ctx context.Context, query string, args ...any) ([]int64, error) {
	rows, err := a.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// readChunk returns the visible samples of a chunk at the instants wanted; nothing if it has gone meanwhile.
func (a *Archive) readChunk(ctx context.Context, row metric.Series, id int64, want func(t int64) bool) ([]metric.Block, error) {
	var tags string
	var data []byte
	err := a.read.QueryRowContext(ctx, "SELECT tags, data FROM chunk WHERE id = ?", id).Scan(&tags, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := a.unpack(data)
	if err != nil {
		return nil, fmt.Errorf("chunk %d: %w", id, err)
	}
	return s.blocks(row.ID, unpackTags(row, tags), func(i int) bool { return s.revs[i] > 0 && want(s.times[i]) }), nil
}

func (a *Archive) unpack(data []byte) (*samples, error) {
	c := a.codecs.get()
	defer a.codecs.put(c)
	s := &samples{}
	return s, c.decode(s, data)
}

// Newest returns the newest visible sample of a series as a block of one, and its source; false where there is none.
func (a *Archive) Newest(ctx context.Context, person string, series metric.ID) (metric.Block, string, bool, error) {
	b, source, err := a.newest(ctx, person, series, "")
	if err != nil {
		return metric.Block{}, "", false, fmt.Errorf("reading the newest of %s: %w", series, explain(err))
	}
	return b, source, b.Len() > 0, nil
}

// NewestFrom returns when the newest visible sample is of that one source gave of a series; zero where it gave none.
func (a *Archive) NewestFrom(ctx context.Context, person, source string, series metric.ID) (time.Time, error) {
	b, _, err := a.newest(ctx, person, series, source)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the newest of %s from %s: %w", series, source, explain(err))
	}
	if b.Len() == 0 {
		return time.Time{}, nil
	}
	return time.Unix(0, b.Times[0]).UTC(), nil
}

// newest is of one source; of all where only is empty.
func (a *Archive) newest(ctx context.Context, person string, series metric.ID, only string) (best metric.Block, source string, err error) {
	row, err := a.row(series)
	if err != nil {
		return best, "", err
	}
	rows, err := a.read.QueryContext(ctx, "SELECT unit, source, tags, last, data FROM chunk WHERE person = ? AND series = ? AND rev > 0 AND ? IN ('', source) ORDER BY unit DESC",
		person, series, only)
	if err != nil {
		return best, "", err
	}
	defer rows.Close()
	found := 0 // the unit in which best was found
	for rows.Next() {
		var unit int
		var last int64
		var from, tags string
		var data sql.RawBytes
		if err := rows.Scan(&unit, &from, &tags, &last, &data); err != nil {
			return best, "", err
		}
		if best.Len() > 0 && unit < found-2 { // the day of a session and its instants may lie that far apart
			break
		}
		if best.Len() > 0 && last <= best.Times[0] {
			continue
		}
		s, err := a.unpack(data)
		if err != nil {
			return best, "", err
		}
		i := s.len() - 1
		for i >= 0 && s.revs[i] <= 0 {
			i--
		}
		if i >= 0 && (best.Len() == 0 || s.times[i] > best.Times[0]) {
			best = s.blocks(series, unpackTags(row, tags), func(k int) bool { return k == i })[0]
			source, found = from, max(found, unit)
		}
	}
	return best, source, rows.Err()
}

// Sessions returns the sessions of a kind whose day is in days (axis Days), with their visible blocks, by day and start. Of
// each day, those of the highest-ranked source that has any.
func (a *Archive) Sessions(ctx context.Context, person string, kind metric.SessionKind, days metric.Span) ([]metric.Session, error) {
	out, err := a.sessions(ctx, person, kind, days)
	if err != nil {
		return nil, fmt.Errorf("reading the sessions of kind %s: %w", kind, explain(err))
	}
	return out, nil
}

func (a *Archive) sessions(ctx context.Context, person string, kind metric.SessionKind, days metric.Span) ([]metric.Session, error) {
	if days.Empty() {
		return nil, nil
	}
	first, last := days.Days()
	rows, err := a.read.QueryContext(ctx, "SELECT source, "+sessionColumns+` FROM session WHERE person = ? AND kind = ? AND day BETWEEN ? AND ?
		ORDER BY day, start, id`, person, string(kind), int(first), int(last))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var held []heldSession
	var sources []string
	best := map[metric.Day]string{}
	for rows.Next() {
		var source string
		h, err := scanSession(func(to ...any) error { return rows.Scan(append([]any{&source}, to...)...) })
		if err != nil {
			return nil, err
		}
		if w, ok := best[h.Day]; !ok || a.better(source, w) {
			best[h.Day] = source
		}
		held, sources = append(held, h), append(sources, source)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	var out []metric.Session
	for i, h := range held {
		if sources[i] != best[h.Day] {
			continue
		}
		if err := a.fill(ctx, &h); err != nil {
			return nil, err
		}
		out = append(out, h.Session)
	}
	return out, nil
}

// fill reads the blocks of a session, in the order of the catalogue.
func (a *Archive) fill(ctx context.Context, h *heldSession) error {
	rows, err := a.read.QueryContext(ctx, "SELECT id, series FROM chunk WHERE session = ? AND rev > 0 ORDER BY id", h.id)
	if err != nil {
		return err
	}
	ids := map[metric.ID][]int64{}
	for rows.Next() {
		var id int64
		var series metric.ID
		if err := rows.Scan(&id, &series); err != nil {
			rows.Close()
			return err
		}
		ids[series] = append(ids[series], id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, row := range a.cfg.Catalogue {
		for _, id := range ids[row.ID] {
			blocks, err := a.readChunk(ctx, row, id, func(int64) bool { return true })
			if err != nil {
				return err
			}
			h.Blocks = append(h.Blocks, blocks...)
		}
	}
	return nil
}

// Tracks returns the sessions whose track has not been fetched for their Updated, newest first.
func (a *Archive) Tracks(ctx context.Context, person, source string) ([]metric.SessionRef, error) {
	rows, err := a.read.QueryContext(ctx, "SELECT "+sessionColumns+` FROM session WHERE person = ? AND source = ? AND has_track
		AND track_updated IS NOT updated ORDER BY start DESC, id DESC`, person, source)
	if err != nil {
		return nil, fmt.Errorf("reading the tracks to be fetched: %w", explain(err))
	}
	defer rows.Close()
	var out []metric.SessionRef
	for rows.Next() {
		h, err := scanSession(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("reading the tracks to be fetched: %w", explain(err))
		}
		out = append(out, metric.SessionRef{Kind: h.Kind, Key: h.Key, Day: h.Day, Start: h.Start, Title: h.Title, Updated: h.Updated})
	}
	return out, explain(rows.Err())
}

// Counts returns what the archive holds of a person, by series in the catalogue's order.
func (a *Archive) Counts(ctx context.Context, person string) ([]Count, error) {
	rows, err := a.read.QueryContext(ctx, `SELECT series, sum(shown), sum(count - shown), min(first), max(last), sum(length(data)) FROM chunk
		WHERE person = ? GROUP BY series`, person)
	if err != nil {
		return nil, fmt.Errorf("counting: %w", explain(err))
	}
	defer rows.Close()
	var out []Count
	for rows.Next() {
		var c Count
		var first, last int64
		if err := rows.Scan(&c.Series, &c.Samples, &c.Hidden, &first, &last, &c.Bytes); err != nil {
			return nil, fmt.Errorf("counting: %w", explain(err))
		}
		c.First, c.Last = instant(first), instant(last)
		out = append(out, c)
	}
	place := func(c Count) int {
		return slices.IndexFunc(a.cfg.Catalogue, func(s metric.Series) bool { return s.ID == c.Series })
	}
	slices.SortFunc(out, func(x, y Count) int { return place(x) - place(y) })
	return out, explain(rows.Err())
}

// Stats returns what the archive holds altogether.
func (a *Archive) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	err := a.read.QueryRowContext(ctx, `SELECT (SELECT rev FROM head), (SELECT count(*) FROM chunk), (SELECT coalesce(sum(shown), 0) FROM chunk),
		(SELECT count(*) FROM tomb)`).Scan(&s.Rev, &s.Chunks, &s.Samples, &s.Tombs)
	if err != nil {
		return s, fmt.Errorf("counting: %w", explain(err))
	}
	rows, err := a.read.QueryContext(ctx, "SELECT DISTINCT person FROM chunk ORDER BY person")
	if err != nil {
		return s, fmt.Errorf("counting: %w", explain(err))
	}
	defer rows.Close()
	for rows.Next() {
		var p string
		if err := rows.Scan(&p); err != nil {
			return s, fmt.Errorf("counting: %w", explain(err))
		}
		s.Persons = append(s.Persons, p)
	}
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(a.cfg.Path + suffix); err == nil {
			s.Bytes += info.Size()
		}
	}
	return s, explain(rows.Err())
}

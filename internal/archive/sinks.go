package archive

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// Rewind starts a sink again at 0: it was emptied, or takes more now. What it refused before does not count any more: it is asked to
// take that once more, and refuses it again where it must.
func (a *Archive) Rewind(ctx context.Context, sink string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delivery.Lock()
	defer a.delivery.Unlock()
	err := a.update(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"ahead", "quarantine"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE sink = ?", sink); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "UPDATE sink SET rev = 0, tomb = 0 WHERE name = ?", sink)
		return err
	})
	if err != nil {
		return fmt.Errorf("starting a sink again: %w", err)
	}
	delete(a.queues, sink)
	a.announce()
	return nil
}

// DropSink drops the cursors of all sinks but keep, with what they held up, and enters those of keep that are new: from then on
// tombs are kept for them.
func (a *Archive) DropSink(ctx context.Context, keep []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delivery.Lock()
	defer a.delivery.Unlock()
	err := a.update(ctx, func(tx *sql.Tx) error {
		for _, s := range keep {
			if _, err := tx.ExecContext(ctx, "INSERT INTO sink VALUES (?, 0, 0) ON CONFLICT DO NOTHING", s); err != nil {
				return err
			}
		}
		rows, err := tx.QueryContext(ctx, "SELECT name FROM sink UNION SELECT sink FROM quarantine")
		if err != nil {
			return err
		}
		names, err := scanStrings(rows)
		if err != nil {
			return err
		}
		for _, s := range names {
			if slices.Contains(keep, s) {
				continue
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM sink WHERE name = ?", s); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM quarantine WHERE sink = ?", s); err != nil {
				return err
			}
			delete(a.queues, s)
		}
		return dropTombs(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("dropping sinks: %w", err)
	}
	return nil
}

func scanStrings(rows *sql.Rows) ([]string, error) {
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// Quarantine records samples that a sink will never take. Groups alike in sink, person, series, field and reason become one.
func (a *Archive) Quarantine(ctx context.Context, q Quarantined) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
			hint = excluded.hint, count = count + excluded.count, first = min(first, excluded.first), last = max(last, excluded.last), at = excluded.at`,
			q.Sink, q.Person, string(q.Series), q.Field, q.Reason, q.Hint, q.Count, nanos(q.First), nanos(q.Last), nanos(q.At))
		return err
	})
	if err != nil {
		return fmt.Errorf("recording what a sink refused: %w", err)
	}
	return nil
}

// Quarantined returns what a sink will never take, newest first.
func (a *Archive) Quarantined(ctx context.Context, sink string) ([]Quarantined, error) {
	rows, err := a.read.QueryContext(ctx, `SELECT sink, person, series, field, reason, hint, count, first, last, at FROM quarantine
		WHERE sink = ? ORDER BY at DESC, person, series, field`, sink)
	if err != nil {
		return nil, fmt.Errorf("reading what a sink refused: %w", explain(err))
	}
	defer rows.Close()
	var out []Quarantined
	for rows.Next() {
		var q Quarantined
		var first, last, at int64
		if err := rows.Scan(&q.Sink, &q.Person, &q.Series, &q.Field, &q.Reason, &q.Hint, &q.Count, &first, &last, &at); err != nil {
			return nil, fmt.Errorf("reading what a sink refused: %w", explain(err))
		}
		q.First, q.Last, q.At = instant(first), instant(last), instant(at)
		out = append(out, q)
	}
	return out, explain(rows.Err())
}

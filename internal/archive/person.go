package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// State returns a small document, or nil where there is none.
func (a *Archive) State(ctx context.Context, person, key string) ([]byte, error) {
	var value []byte
	err := a.read.QueryRowContext(ctx, "SELECT value FROM state WHERE person = ? AND key = ?", person, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state %s: %w", key, explain(err))
	}
	return value, nil
}

// SetState keeps a small document; nil removes it.
func (a *Archive) SetState(ctx context.Context, person, key string, value []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.update(ctx, func(tx *sql.Tx) (err error) {
		if value == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM state WHERE person = ? AND key = ?", person, key)
		} else {
			_, err = tx.ExecContext(ctx, "INSERT INTO state VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", person, key, value)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping the state %s: %w", key, err)
	}
	return nil
}

// Erase removes all of a person from the archive, and from the snapshot beside it. Sinks keep what they were given.
func (a *Archive) Erase(ctx context.Context, person string) error {
	if err := a.erase(ctx, person); err != nil {
		return fmt.Errorf("erasing a person: %w", err)
	}
	snapshot := a.cfg.Path + snapshotSuffix
	if !exists(snapshot) {
		return nil
	}
	return a.Snapshot(ctx, snapshot)
}

func (a *Archive) erase(ctx context.Context, person string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.update(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"chunk", "session", "coverage", "doubt", "tomb", "state", "quarantine"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE person = ?", person); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "UPDATE head SET rev = ?", a.rev+1)
		return err
	})
	if err != nil {
		return err
	}
	a.rev++
	a.announce()
	return a.shrink(ctx)
}

// shrink gives the space of what was removed back, so that nothing of it is left in the file.
func (a *Archive) shrink(ctx context.Context) error {
	for _, do := range []string{"VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := a.write.ExecContext(ctx, do); err != nil {
			return explain(err)
		}
	}
	return nil
}

// Forget sets the series that the person leaves out: what the archive holds of them is removed, and Put keeps nothing of them
// until Forget is called with another list. To be called at each start. Sinks keep what they were given.
func (a *Archive) Forget(ctx context.Context, person string, series []metric.ID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	leave := map[metric.ID]bool{}
	removed := int64(0)
	err := a.update(ctx, func(tx *sql.Tx) error {
		for _, id := range series {
			leave[id] = true
			res, err := tx.ExecContext(ctx, "DELETE FROM chunk WHERE person = ? AND series = ?", person, string(id))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			removed += n
			if _, err := tx.ExecContext(ctx, "DELETE FROM tomb WHERE person = ? AND series = ?", person, string(id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("leaving out series: %w", err)
	}
	a.leave[person] = leave
	if removed == 0 {
		return nil
	}
	a.announce()
	if err := a.shrink(ctx); err != nil {
		return fmt.Errorf("leaving out series: %w", err)
	}
	return nil
}

package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Snapshot writes a consistent copy to the file to, atomically, while the archive goes on. Two at once to the same file are an error.
func (a *Archive) Snapshot(ctx context.Context, to string) error {
	if err := a.snapshot(ctx, to); err != nil {
		return fmt.Errorf("writing the snapshot %s: %w", to, explain(err))
	}
	return nil
}

func (a *Archive) snapshot(ctx context.Context, to string) (err error) {
	temp := to + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) { // of one that was interrupted
		return err
	}
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	_, err = a.read.ExecContext(ctx, "VACUUM INTO ?", temp)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return replace(temp, to)
}

package archive

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
)

// Snapshot writes a consistent copy to the file to, atomically, while the archive goes on; a link is written through. Of two at once,
// the second waits for the first.
func (a *Archive) Snapshot(ctx context.Context, to string) error {
	a.copying.Lock()
	defer a.copying.Unlock()
	if err := a.snapshot(ctx, to); err != nil {
		return fmt.Errorf("writing the snapshot %s: %w", to, explainAt(err, to))
	}
	return nil
}

func (a *Archive) snapshot(ctx context.Context, to string) error {
	if a.itself(to) {
		return &Error{Err: errors.New("that is the archive itself, which is in use"), Hint: "Name another file."}
	}
	f, err := atomicfile.Create(to, 0o600)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := a.read.ExecContext(ctx, "VACUUM INTO ?", f.Name()); err != nil {
		return err
	}
	return f.Commit()
}

// itself reports whether path leads to one of the files in use. In the place of the database, a copy would take what comes after it: the
// open one has no name then.
func (a *Archive) itself(path string) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, suffix := range append(files(), lockSuffix) {
		if info, err := os.Stat(a.cfg.Path + suffix); err == nil && os.SameFile(info, there) {
			return true
		}
	}
	return false
}

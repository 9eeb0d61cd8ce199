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
	return leadsTo(path, a.cfg.Path, append(files(), lockSuffix)...)
}

// Belongs reports whether path leads to a file of the archive at database: one of those in use, or its snapshot.
func Belongs(path, database string) bool {
	return leadsTo(path, database, append(files(), lockSuffix, snapshotSuffix)...)
}

// leadsTo reports whether path is, or is a link to, the database with one of the suffixes.
func leadsTo(path, database string, suffixes ...string) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, suffix := range suffixes {
		if info, err := os.Stat(database + suffix); err == nil && os.SameFile(info, there) {
			return true
		}
	}
	return false
}

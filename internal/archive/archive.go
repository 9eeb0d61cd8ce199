// Package archive is the embedded store: the one place where "fetched" becomes true.
//
// One SQLite file holds, per person, the samples as chunks of compressed columns (chunk), the nights and workouts they belong
// to (session), what has been asked (coverage), what has vanished (tomb), small documents (state), and how far each sink has
// come (sink, ahead). Put is the commit point. One process owns the file; one goroutine at a time writes, any number read.
package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Config is what an archive needs. Path, Catalogue and Now are required.
type Config struct {
	Path      string           // the file; Path.lock and Path.snapshot lie beside it
	Catalogue metric.Catalogue // the rows it may hold
	Rank      []string         // sources, best first; sources not named come after these, by name
	Now       func() time.Time
	Log       *slog.Logger // nil for none
}

// ErrOwned says that another process has the archive.
var ErrOwned = errors.New("the archive is owned by another process")

// ErrNewer says that the file was written by a newer version of the program.
var ErrNewer = errors.New("the archive was written by a newer version")

// Error is a failure with what the user can do about it.
type Error struct {
	Hint string
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Report tells what happened at Open.
type Report struct {
	Created  bool     // a new file was begun
	Aside    string   // where a broken file was moved; empty for not
	Reason   string   // why it was taken for broken
	Restored string   // the snapshot it was restored from; empty for none
	From, To int      // versions of the schema before and after; equal where nothing was migrated
	Dropped  []string // chunks that could not be read, in words; their time is open again and will be asked again
}

// Change is what a Put changed. Samples that are not visible, because a better source has data there, are not counted.
type Change struct {
	Rev      int64 // the revision after it
	Added    int
	Changed  int
	Vanished int
	Series   []metric.ID // those that changed
	Sessions []string    // keys of those new or changed
}

// Archive is an open archive. All its methods may be called from any goroutine.
type Archive struct {
	cfg    Config
	lock   *os.File
	write  *sql.DB // one connection
	read   *sql.DB // a few
	report Report

	codecs codecs

	mu    sync.Mutex                    // held by the one writer
	rev   int64                         // the newest revision
	leave map[string]map[metric.ID]bool // by person, what is left out

	delivery sync.Mutex // taken after mu
	queues   map[string]*queue

	copying sync.Mutex // held by the one who writes a snapshot

	signal  sync.Mutex
	changed chan struct{}
}

// Report tells what happened at Open.
func (a *Archive) Report() Report { return a.report }

// Changed returns a channel that is closed at the next commit that changed data.
func (a *Archive) Changed() <-chan struct{} {
	a.signal.Lock()
	defer a.signal.Unlock()
	return a.changed
}

func (a *Archive) announce() {
	a.signal.Lock()
	defer a.signal.Unlock()
	close(a.changed)
	a.changed = make(chan struct{})
}

// row returns the catalogue's row of a series.
func (a *Archive) row(id metric.ID) (metric.Series, error) {
	s, ok := a.cfg.Catalogue.Lookup(id)
	if !ok {
		return s, fmt.Errorf("series %q is not in the catalogue", id)
	}
	return s, nil
}

// update runs fn in the one write transaction; what fn returns an error for has not happened. mu is held.
func (a *Archive) update(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := a.write.BeginTx(ctx, nil)
	if err != nil {
		return explain(err)
	}
	if err := fn(tx); err != nil {
		tx.Rollback()
		return explain(err)
	}
	return explain(tx.Commit())
}

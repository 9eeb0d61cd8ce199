package archive

import (
	"context"
	"errors"
	"iter"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

var errSoon = errors.New("not there yet")

type lock struct{}
type queue struct{}

// Open opens the archive, or begins a new one where there is none. A broken file is moved aside and restored from
// Path.snapshot where that is there; a missing one is restored likewise. Report tells. Errors: ErrOwned, ErrNewer, the disk's.
func Open(ctx context.Context, cfg Config) (*Archive, error) { return nil, errSoon }

// Close ends all access and lets go of the lock.
func (a *Archive) Close() error { return errSoon }

// Put is the commit point: when it returns without error, the answer and its coverage are on disk together.
func (a *Archive) Put(ctx context.Context, b metric.Batch) (Change, error) { return Change{}, errSoon }

// Coverage returns what a source has been asked for a person, by feed: ascending, not overlapping.
func (a *Archive) Coverage(ctx context.Context, person, source string) (map[string][]metric.Covered, error) {
	return nil, errSoon
}

// Uncover forgets that a span of a feed (on its own axis) was asked: it will be asked again.
func (a *Archive) Uncover(ctx context.Context, person, source, feed string, span metric.Span) error {
	return errSoon
}

// Tracks returns the sessions whose track has not been fetched for their Updated, newest first.
func (a *Archive) Tracks(ctx context.Context, person, source string) ([]metric.SessionRef, error) {
	return nil, errSoon
}

// Sessions returns the sessions of a kind whose day is in days (axis Days), with their visible blocks, by day and start. Of
// each day, those of the highest-ranked source that has any.
func (a *Archive) Sessions(ctx context.Context, person string, kind metric.SessionKind, days metric.Span) ([]metric.Session, error) {
	return nil, errSoon
}

// Read yields the visible samples of a series in a span of instants: blocks ascending by unit, each within one unit.
func (a *Archive) Read(ctx context.Context, person string, series metric.ID, span metric.Span) iter.Seq2[metric.Block, error] {
	return nil
}

// Newest returns the newest visible sample of a series as a block of one, and its source; false where there is none.
func (a *Archive) Newest(ctx context.Context, person string, series metric.ID) (metric.Block, string, bool, error) {
	return metric.Block{}, "", false, errSoon
}

// Counts returns what the archive holds of a person, by series in the catalogue's order.
func (a *Archive) Counts(ctx context.Context, person string) ([]Count, error) { return nil, errSoon }

// Stats returns what the archive holds altogether.
func (a *Archive) Stats(ctx context.Context) (Stats, error) { return Stats{}, errSoon }

// State returns a small document, or nil where there is none.
func (a *Archive) State(ctx context.Context, person, key string) ([]byte, error) { return nil, errSoon }

// SetState keeps a small document; nil removes it.
func (a *Archive) SetState(ctx context.Context, person, key string, value []byte) error {
	return errSoon
}

// Erase removes all of a person from the archive, and from the snapshot beside it. Sinks keep what they were given.
func (a *Archive) Erase(ctx context.Context, person string) error { return errSoon }

// Forget sets the series that the person leaves out: what the archive holds of them is removed, and Put keeps nothing of them
// until Forget is called with another list. To be called at each start. Sinks keep what they were given.
func (a *Archive) Forget(ctx context.Context, person string, series []metric.ID) error {
	return errSoon
}

// Snapshot writes a consistent copy to the file to, atomically, while the archive goes on.
func (a *Archive) Snapshot(ctx context.Context, to string) error { return errSoon }

// Due returns what a sink has not taken: about max samples, at least one chunk, newest first. A chunk comes whole, one piece
// per device. Samples that must not be written before a tomb of the same point is out of the way are held back until Ack has
// seen that tomb. One goroutine per sink; what one call gave is written before the next call. Empty: nothing is due.
func (a *Archive) Due(ctx context.Context, sink string, max int) ([]Piece, error) {
	return nil, errSoon
}

// DueTombs returns up to max samples that the sink may hold and that have vanished, oldest revision first.
func (a *Archive) DueTombs(ctx context.Context, sink string, max int) ([]Tomb, error) {
	return nil, errSoon
}

// Ack says that the sink is done with these. A chunk that has changed since Due stays due for what changed.
func (a *Archive) Ack(ctx context.Context, sink string, pieces []Piece, tombs []Tomb) error {
	return errSoon
}

// Backlog tells what a sink has still to take.
func (a *Archive) Backlog(ctx context.Context, sink string) (Backlog, error) {
	return Backlog{}, errSoon
}

// Rewind starts a sink again at 0: it was emptied.
func (a *Archive) Rewind(ctx context.Context, sink string) error { return errSoon }

// DropSink drops the cursors of all sinks but keep, and enters those of keep that are new.
func (a *Archive) DropSink(ctx context.Context, keep []string) error { return errSoon }

// Quarantine records samples that a sink will never take; groups alike in all but time and count are added up.
func (a *Archive) Quarantine(ctx context.Context, q Quarantined) error { return errSoon }

// Quarantined returns what a sink will never take, newest first.
func (a *Archive) Quarantined(ctx context.Context, sink string) ([]Quarantined, error) {
	return nil, errSoon
}

// Package deliver is the loop that takes from the archive what a sink has not got yet, hands it over in batches and acknowledges.
// Any outage of any length loses nothing: what is not acknowledged stays due.
package deliver

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// Archive is what delivery needs of the archive.
type Archive interface {
	Due(ctx context.Context, sink string, max int) ([]archive.Piece, error)
	DueTombs(ctx context.Context, sink string, max int) ([]archive.Tomb, error)
	Ack(ctx context.Context, sink string, pieces []archive.Piece, tombs []archive.Tomb) error
	Backlog(ctx context.Context, sink string) (archive.Backlog, error)
	Rewind(ctx context.Context, sink string) error
	Changed() <-chan struct{}
	Quarantine(ctx context.Context, q archive.Quarantined) error
	State(ctx context.Context, person, key string) ([]byte, error)
	SetState(ctx context.Context, person, key string, value []byte) error
	Read(ctx context.Context, person string, series metric.ID, span metric.Span) iter.Seq2[metric.Block, error]
}

// Config is what a Deliverer needs. Log and Status may be nil.
type Config struct {
	Archive   Archive
	Sink      sink.Sink
	Catalogue metric.Catalogue
	Persons   []metric.Person
	Clock     clock.Clock
	Log       *slog.Logger
	Status    func(Status) // called after every change, from the loop's goroutine
}

const (
	maxBatch   = 5000             // samples in one request
	maxTombs   = 500              // deleted in one go
	firstRetry = time.Second      // after a failure, doubled until
	lastRetry  = 5 * time.Minute  // this
	probeEvery = 5 * time.Minute  // looks whether the database has been emptied
	saveEvery  = 10 * time.Second // of what is known to be there, while much is delivered
)

// Deliverer delivers to one sink.
type Deliverer struct {
	cfg     Config
	name    string
	persons map[string]metric.Person
	said    map[string]bool // what has been warned about

	turn chan struct{} // holds a token while Run or DrainOnce works: one goroutine calls a sink

	witnesses witnesses
	status    board
}

// New returns a deliverer. It starts nothing.
func New(cfg Config) *Deliverer {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Deliverer{cfg: cfg, name: cfg.Sink.Name(), persons: map[string]metric.Person{}, said: map[string]bool{}, turn: make(chan struct{}, 1)}
	d.cfg.Log = cfg.Log.With("sink", d.name)
	for _, p := range cfg.Persons {
		d.persons[p.ID] = p
	}
	d.status.hook = cfg.Status
	d.status.now.Sink = d.name
	return d
}

// Run delivers until ctx ends, and then returns nil. Failures of the sink or the archive are logged, shown in the status and
// tried again.
func (d *Deliverer) Run(ctx context.Context) error {
	if d.take(ctx) != nil {
		return nil
	}
	defer d.release()
	failures := 0
	for ctx.Err() == nil {
		changed := d.cfg.Archive.Changed() // before looking, so that no change slips between
		err := d.drain(ctx)
		if ctx.Err() != nil {
			break
		}
		wait := probeEvery
		if err != nil {
			wait = backoff(failures)
			failures++
			d.failed(ctx, err, failures, wait)
			changed = nil // more to deliver does not mend a sink
		} else {
			failures = 0
		}
		timer := time.NewTimer(d.cfg.Clock.Real(wait))
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
			d.witnesses.due = true // it may have been emptied, above all while it was away
		}
		timer.Stop()
	}
	return nil
}

// DrainOnce delivers all that is due and returns; the first failure ends it. While Run works it waits.
func (d *Deliverer) DrainOnce(ctx context.Context) error {
	if err := d.take(ctx); err != nil {
		return err
	}
	defer d.release()
	err := d.drain(ctx)
	if err != nil && ctx.Err() == nil {
		d.status.failed(d.cfg.Clock.Now(), err, hintOf(err), time.Time{})
	}
	return err
}

func (d *Deliverer) take(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Deliverer) release() { <-d.turn }

// drain looks whether the sink still holds what it got, where that is due, then delivers until nothing is.
func (d *Deliverer) drain(ctx context.Context) error {
	if err := d.probe(ctx); err != nil {
		return err
	}
	for {
		n, err := d.round(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if err := d.saveWitnesses(ctx, false); err != nil {
			return err
		}
	}
	if err := d.saveWitnesses(ctx, true); err != nil {
		return err
	}
	d.status.idle(d.cfg.Clock.Now())
	return nil
}

// failed says what went wrong: the first time and then whenever it is something else, so that a night's outage is a few lines.
func (d *Deliverer) failed(ctx context.Context, err error, failures int, wait time.Duration) {
	if d.status.news(err) { // in the log first: whoever sees it in the status finds it there
		d.cfg.Log.Warn("delivery stopped for now; nothing is lost", "error", err, "hint", hintOf(err))
	} else {
		d.cfg.Log.Debug("delivery failed again", "error", err, "failures", failures, "wait", wait.Round(time.Second))
	}
	now := d.cfg.Clock.Now()
	d.status.failed(now, err, hintOf(err), now.Add(wait))
	if b, err := d.cfg.Archive.Backlog(ctx, d.name); err == nil {
		d.status.behind(b)
	}
}

// backoff returns how long to wait after that many failures in a row: from 1 s to 5 min, each between half of it and the whole,
// so that many homes do not knock at the same moment.
func backoff(failures int) time.Duration {
	d := lastRetry
	if failures < 9 {
		d = min(firstRetry<<failures, lastRetry)
	}
	return d/2 + rand.N(d/2+1)
}

// hintOf returns the cure an error carries, whoever made it.
func hintOf(err error) string {
	var s *sink.Error
	if errors.As(err, &s) {
		return s.Hint
	}
	var a *archive.Error
	if errors.As(err, &a) {
		return a.Hint
	}
	return ""
}

// Package sink is the contract between the program and the databases it delivers to.
package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A Sink takes samples. Write is idempotent: the same samples may come again after an interruption.
//
// Write returns nil when all is in; *Rejected when some samples will never be taken and all others are in; any other error
// when nothing may be taken for granted: the caller keeps the batch and comes back. One goroutine calls a sink.
type Sink interface {
	// Name is kind, address and database, without credentials: the identity of the sink's cursor.
	Name() string
	Write(ctx context.Context, blocks []Points) error
}

// A Deleter can remove single samples. An error with ErrCannotDelete behind it says that it never will: then what has vanished
// stays.
type Deleter interface {
	Delete(ctx context.Context, tombs []Tombstone) error
}

// ErrCannotDelete is behind the error of a Deleter that has no way, or no right, to remove samples.
var ErrCannotDelete = errors.New("samples cannot be deleted")

// A Preparer can make a batch ready for sending (encode, compress) while another one is on its way. Prepare may run in another
// goroutine than Write; the blocks must not change until the batch is written or given up.
type Preparer interface {
	Prepare(blocks []Points) Prepared
}

// Prepared is a batch made ready. Write is called once and answers as a Sink's Write does. Two batches with different samples may
// be written at once.
type Prepared interface {
	Write(ctx context.Context) error
}

// A Prober can tell whether a sample is there: so an emptied database is noticed.
type Prober interface {
	Holds(ctx context.Context, p Points) (bool, error)
}

// Traits are what a sink can tell and do; the suite tests what is declared.
type Traits struct {
	Conflicts   bool          // it tells a field type conflict
	ParseErrors bool          // it tells a point that it cannot hold, such as one before its time begins
	Deletes     bool          // it removes single samples
	Creates     bool          // it creates its database
	Reads       bool          // it can be asked what it holds
	Overwrites  bool          // a sample written again, with other values, takes the place of the first
	Integers    bool          // it keeps integers apart from other numbers
	Names       bool          // it takes every character in names
	Precision   time.Duration // of its instants
}

// Points is a block and whose it is.
type Points struct {
	Person metric.Person
	Block  *metric.Block
}

// Tombstone names a sample that has vanished.
type Tombstone struct {
	Person metric.Person
	Series metric.ID
	Device string
	Tags   []string
	Time   int64 // UTC, nanoseconds
}

// Rejected says which samples will never be taken. All others of the batch are in.
type Rejected struct {
	Items []Rejection
}

// Rejection is one group of samples refused for one reason.
type Rejection struct {
	Series metric.ID
	Field  string // the field that was left out; empty where whole samples were
	Count  int
	First  time.Time
	Last   time.Time
	Reason string // the database's own words
	Hint   string // the cure
}

func (r *Rejected) Error() string {
	var parts []string
	for _, i := range r.Items {
		what := string(i.Series)
		if i.Field != "" {
			what += " field " + i.Field
		}
		parts = append(parts, fmt.Sprintf("%d of %s: %s", i.Count, what, i.Reason))
	}
	return "rejected for good: " + strings.Join(parts, "; ")
}

// Error is a failure that keeps the batch.
type Error struct {
	Status int
	Hint   string
	Err    error
}

func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("HTTP %d: %v", e.Status, e.Err)
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Package source is the contract between the program and the services it takes data from.
package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A Source answers requests for one person.
//
// Fetch asks for one span of one feed and pages until the answer is whole: a batch is never a part. It may be called from two
// goroutines at once (live and history). It repeats a request by itself only where the service asked for it within seconds; all
// other waiting is the caller's. Every error it returns is an *Error, or the context's.
type Source interface {
	Name() string
	Feeds() []metric.Feed
	Fetch(ctx context.Context, req metric.Request) (metric.Batch, error)
}

// A Describer can tell who the person is and what devices there are.
type Describer interface {
	Describe(ctx context.Context) (Description, error)
	// Devices is the cheap question asked often: one request.
	Devices(ctx context.Context) ([]metric.Device, error)
}

// A Limiter is a source whose service allows so few requests that they have to be planned with.
type Limiter interface {
	Budget() metric.Budget
	Pace() metric.Pace
}

// An Importer streams batches out of a file or a database.
type Importer interface {
	Import(ctx context.Context, put func(metric.Batch) error) error
}

// Description is what a service says of a person.
type Description struct {
	Account string     // stable id at this service
	Zone    string     // as metric.LoadZone takes it; empty where unknown
	Since   metric.Day // before it there is nothing to ask for; 0 where unknown
	Devices []metric.Device
}

// Kind is the class of an error: what the caller does about it.
type Kind uint8

const (
	Retry   Kind = iota // transient: ask again, not before Until
	Limited             // the service's limit: nothing before Until
	Auth                // the user must act: stop asking until authorized again
	Denied              // this feed is not granted or not supported: skip only it
	Gone                // the service is retired
	Bad                 // we asked wrongly or cannot read the answer: record it, go on with the rest
)

func (k Kind) String() string {
	return [...]string{"retry", "limited", "authorization", "denied", "gone", "bad"}[k]
}

// An Error carries its class and what the user can do.
type Error struct {
	Kind   Kind
	Feed   string
	Status int       // HTTP status, 0 where there was no answer
	Reason string    // the service's own word for it, e.g. ACCESS_TOKEN_SCOPE_INSUFFICIENT
	Bare   bool      // Denied: the service does not say why, so it may be a passing fault
	Until  time.Time // Retry, Limited: not before; zero where unknown
	Hint   string    // what the user can do, one or two sentences
	Err    error
}

func (e *Error) Error() string {
	s := e.Kind.String()
	if e.Feed != "" {
		s = fmt.Sprintf("feed %s: %s", e.Feed, s)
	}
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d", e.Status)
		if e.Reason != "" {
			s += " " + e.Reason
		}
		s += ")"
	} else if e.Reason != "" {
		s += " (" + e.Reason + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the class of err; errors that are no *Error are Retry.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Retry
}

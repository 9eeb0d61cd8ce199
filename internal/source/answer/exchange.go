// Package answer reads what comes back over HTTP, whatever the service: the body of an answer within bounds, what in it is not
// known, its shape without any value of it for bug reports, and the documents that services have in common.
package answer

import (
	"errors"
	"net/url"
	"time"
)

// ErrShape is an answer that is JSON, but not of the shape this client can read. Taking it for "no data" would delete history.
var ErrShape = errors.New("answer of an unknown shape")

// An Exchange is one request and its fate, for the log of requests and for bug reports. It names no person and no value.
type Exchange struct {
	Time     time.Time
	Feed     string
	Method   string
	Path     string // without ids
	Status   int    // 0 where no answer came
	Duration time.Duration
	Bytes    int64  // of the answer, as they came over the network
	Kind     string // class of the error; empty for success
	Shape    string // keys and types of the answer: for failures, and where shapes are asked for
}

// StripURL takes the address off an error of net/http: it may hold ids.
func StripURL(err error) error {
	for u := (*url.Error)(nil); errors.As(err, &u); {
		err = u.Err
	}
	return err
}

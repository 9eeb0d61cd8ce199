// Package ask sends the questions of a source: one request at a time, bounded in time and size, repeated where that helps at once,
// watched, and with a class and a cure for whatever fails. What differs between services is in Config.
package ask

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// A Question is one request, as often as it has to be sent.
type Question struct {
	Feed   string
	Method string // GET where empty
	Path   string // below the base
	Shown  string // the same without ids and dates
	Query  url.Values
	Body   []byte // JSON; nil for none
	Scope  string // the permission that it needs, in words
}

// Config is a service. All but Wait, Observer and Soon is required.
type Config struct {
	HTTP     *http.Client // puts the authorization on
	Base     string       // address of the service
	Timeout  time.Duration
	Now      func() time.Time
	Observer func(answer.Exchange)
	Header   map[string]string // of each request

	Surprises *answer.Surprises
	Hints     Hints

	Wait   func(ctx context.Context) error // holds a request back until the limits allow it; every attempt counts
	Tries  int                             // quick repetitions of one request
	First  time.Duration                   // about how long before the first of them; each further one waits twice as long
	Soon   func(*source.Error) bool        // what is worth a quick repetition besides what did not answer
	Refuse func(r Refusal, scope string) *source.Error
	Unsent func(err error) *source.Error // what the service's own token source says; nil for nothing
	Known  func(reason string) bool      // a reason that is no surprise
}

// Hints are what the user can do about failures that all services have.
type Hints struct {
	Server, Network, HTML, Address, Report, Cut string
}

// quickWait is a wait that is still quick.
const quickWait = 10 * time.Second

// An Engine asks one service for one person. Its methods may be called from several goroutines.
type Engine struct {
	cfg    Config
	shapes atomic.Bool
	bodies sync.Pool

	mu     sync.Mutex
	broken map[string]int // answers in a row that could not be read, by feed
}

// New makes an Engine. It sends nothing.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg, broken: map[string]int{}}
	e.bodies.New = func() any { return answer.NewBody() }
	return e
}

// Shapes switches whether the observer gets the shape of every answer, not only of failures.
func (e *Engine) Shapes(on bool) { e.shapes.Store(on) }

// Ask sends q until it is answered, and lets read take the answer. Only what failed before any of the answer was read is repeated.
// It returns how many requests that took. Its errors are *source.Error, or the context's.
func (e *Engine) Ask(ctx context.Context, q Question, read func(*answer.Body) error) (int, error) {
	for try := 0; ; try++ {
		if err := e.wait(ctx); err != nil {
			return try, err
		}
		err := e.attempt(ctx, q, read)
		if err == nil {
			e.readable(q.Feed)
			return try + 1, nil
		}
		if ctx.Err() != nil {
			return try + 1, ctx.Err()
		}
		pause, again := e.pause(err, try)
		if !again {
			err.Feed = q.Feed
			if err.Status >= 400 && err.Reason != "" && !e.cfg.Known(err.Reason) {
				e.cfg.Surprises.Add(q.Feed, answer.ReasonUnknown, clip(err.Reason, 64), 1, e.cfg.Now())
			}
			return try + 1, err
		}
		if err := clock.Real().Sleep(ctx, pause); err != nil {
			return try + 1, err
		}
	}
}

func (e *Engine) wait(ctx context.Context) error {
	if e.cfg.Wait != nil {
		if err := e.cfg.Wait(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// pause says whether a failed request is worth repeating at once, and after how long.
func (e *Engine) pause(err *source.Error, try int) (time.Duration, bool) {
	quick := err.Kind == source.Retry && !errors.Is(err, context.DeadlineExceeded) && (err.Status == 0 || err.Status >= 500)
	quick = quick || e.cfg.Soon != nil && e.cfg.Soon(err)
	wait := time.Duration(float64(e.cfg.First<<try) * (0.5 + rand.Float64()))
	if !err.Until.IsZero() {
		wait = err.Until.Sub(e.cfg.Now())
	}
	return max(wait, 0), quick && try < e.cfg.Tries && wait <= quickWait
}

// attempt sends q once.
func (e *Engine) attempt(ctx context.Context, q Question, read func(*answer.Body) error) *source.Error {
	ctx, cancel := context.WithTimeout(ctx, e.cfg.Timeout)
	defer cancel()
	b := e.bodies.Get().(*answer.Body)
	defer e.bodies.Put(b)
	b.Reset()
	seen := answer.Exchange{Time: e.cfg.Now(), Feed: q.Feed, Method: method(q), Path: q.Shown}
	err := e.exchange(ctx, q, b, read, &seen.Status)
	if e.cfg.Observer != nil {
		seen.Duration, seen.Bytes = e.cfg.Now().Sub(seen.Time), b.Network()
		if err != nil {
			seen.Kind = err.Kind.String()
		}
		if len(b.Head) > 0 && (err != nil || e.shapes.Load()) {
			seen.Shape = answer.ShapeOf(b.Head)
		}
		e.cfg.Observer(seen)
	}
	return err
}

func method(q Question) string {
	if q.Method == "" {
		return http.MethodGet
	}
	return q.Method
}

func (e *Engine) exchange(ctx context.Context, q Question, b *answer.Body, read func(*answer.Body) error, status *int) *source.Error {
	req, err := e.request(ctx, q)
	if err != nil {
		return &source.Error{Kind: source.Bad, Hint: e.cfg.Hints.Address, Err: err}
	}
	resp, err := e.cfg.HTTP.Do(req)
	if err != nil {
		return e.timed(ctx, e.unsent(answer.StripURL(err)))
	}
	defer resp.Body.Close()
	*status = resp.StatusCode
	err = b.Open(resp)
	if resp.StatusCode != http.StatusOK {
		var text []byte
		if err == nil {
			text, _ = io.ReadAll(io.LimitReader(b, 64<<10)) // the status says enough where the text is broken
		}
		return e.cfg.Refuse(ParseRefusal(resp.StatusCode, resp.Header, text, e.cfg.Now()), q.Scope)
	}
	if err == nil {
		err = read(b)
	}
	if err != nil {
		return e.timed(ctx, e.unread(q.Feed, resp.StatusCode, err))
	}
	return nil
}

// timed says so where the time for one request ran out.
func (e *Engine) timed(ctx context.Context, err *source.Error) *source.Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err.Kind, err.Status, err.Err = source.Retry, 0, fmt.Errorf("no whole answer within %v: %w", e.cfg.Timeout, context.DeadlineExceeded)
		err.Hint = e.cfg.Hints.Server
	}
	return err
}

func (e *Engine) request(ctx context.Context, q Question) (*http.Request, error) {
	address := e.cfg.Base + q.Path
	if len(q.Query) > 0 {
		address += "?" + q.Query.Encode()
	}
	var content io.Reader
	if q.Body != nil {
		content = bytes.NewReader(q.Body)
	}
	req, err := http.NewRequestWithContext(ctx, method(q), address, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	for name, value := range e.cfg.Header {
		req.Header.Set(name, value)
	}
	if q.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

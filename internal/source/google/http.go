package google

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// A question is one request, as often as it has to be sent.
type question struct {
	feed   string
	method string
	path   string // below the base
	shown  string // the same without ids
	query  url.Values
	body   []byte
	scope  string
}

const (
	extraTries = 2                // quick repetitions of one request
	quickWait  = 10 * time.Second // a wait that is still quick
)

// ask sends q until it is answered, and lets read take the answer. Only what failed before any of the answer was read is repeated.
// It returns how many requests that took.
func (s *Source) ask(ctx context.Context, q question, read func(*answer.Body) error) (int, error) {
	for try := 0; ; try++ {
		if err := s.wait(ctx); err != nil {
			return try, err
		}
		err := s.attempt(ctx, q, read)
		if err == nil {
			s.limited.Store(0)
			return try + 1, nil
		}
		if ctx.Err() != nil {
			return try + 1, ctx.Err()
		}
		pause, again := s.pause(err, try)
		if !again {
			err.Feed = q.feed
			s.note(q.feed, err)
			return try + 1, err
		}
		if err := clock.Real().Sleep(ctx, pause); err != nil {
			return try + 1, err
		}
	}
}

// pause says whether a failed request is worth repeating at once, and after how long.
func (s *Source) pause(err *source.Error, try int) (time.Duration, bool) {
	now := s.cfg.Now()
	quick := err.Kind == source.Limited || err.Kind == source.Retry && !errors.Is(err, context.DeadlineExceeded) && (err.Status == 0 || err.Status >= 500)
	wait := time.Duration(float64(time.Second<<try) * (0.5 + rand.Float64()))
	if !err.Until.IsZero() {
		wait = err.Until.Sub(now)
	}
	if quick && try < extraTries && wait <= quickWait {
		return max(wait, 0), true
	}
	if err.Kind == source.Limited && err.Until.IsZero() {
		runs := min(s.limited.Add(1), 5)
		err.Until = now.Add(time.Minute << (runs - 1))
	}
	return 0, false
}

func (s *Source) note(feed string, err *source.Error) {
	if err.Status >= 400 && err.Reason != "" && strings.Contains(err.Reason, "_") && !knownReason(err.Reason) && !knownStatus(err.Reason) {
		s.surprises.Add(feed, answer.ReasonUnknown, clip(err.Reason, 64), 1, s.cfg.Now())
	}
}

// knownStatus reports whether word is one of Google's general error words.
func knownStatus(word string) bool {
	switch word {
	case "INVALID_ARGUMENT", "FAILED_PRECONDITION", "PERMISSION_DENIED", "NOT_FOUND", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED",
		"invalid_grant", "invalid_client", "unauthorized_client":
		return true
	}
	return false
}

// wait holds a request back until the limits allow it. Every attempt counts.
func (s *Source) wait(ctx context.Context) error {
	for _, l := range s.limits {
		if err := l.Wait(ctx); err != nil {
			if ctx.Err() == nil { // the wait would outlast the context
				return context.DeadlineExceeded
			}
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// attempt sends q once.
func (s *Source) attempt(ctx context.Context, q question, read func(*answer.Body) error) *source.Error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	b := s.bodies.Get().(*answer.Body)
	defer s.bodies.Put(b)
	b.Reset()
	seen := answer.Exchange{Time: s.cfg.Now(), Feed: q.feed, Method: q.method, Path: q.shown}
	err := s.exchange(ctx, q, b, read, &seen.Status)
	if s.cfg.Observer != nil {
		seen.Duration, seen.Bytes = s.cfg.Now().Sub(seen.Time), b.Network()
		if err != nil {
			seen.Kind = err.Kind.String()
		}
		if len(b.Head) > 0 && (err != nil || s.shapes.Load()) {
			seen.Shape = answer.ShapeOf(b.Head)
		}
		s.cfg.Observer(seen)
	}
	return err
}

func (s *Source) exchange(ctx context.Context, q question, b *answer.Body, read func(*answer.Body) error, status *int) *source.Error {
	req, err := s.request(ctx, q)
	if err != nil {
		return &source.Error{Kind: source.Bad, Hint: hintAddress, Err: err}
	}
	resp, err := s.cfg.HTTP.Do(req)
	if err != nil {
		return s.timed(ctx, unsent(answer.StripURL(err)))
	}
	defer resp.Body.Close()
	*status = resp.StatusCode
	err = b.Open(resp)
	if resp.StatusCode != http.StatusOK {
		var text []byte
		if err == nil {
			text, _ = io.ReadAll(io.LimitReader(b, 64<<10)) // the status says enough where the text is broken
		}
		return refuse(resp.StatusCode, resp.Header, text, q.scope, s.cfg.Now())
	}
	if err != nil {
		return s.timed(ctx, unread(resp.StatusCode, err))
	}
	if err := read(b); err != nil {
		return s.timed(ctx, unread(resp.StatusCode, err))
	}
	return nil
}

// timed says so where the time for one request ran out.
func (s *Source) timed(ctx context.Context, e *source.Error) *source.Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Kind, e.Status, e.Err = source.Retry, 0, fmt.Errorf("no whole answer within %v: %w", s.cfg.Timeout, context.DeadlineExceeded)
		e.Hint = hintServer
	}
	return e
}

func (s *Source) request(ctx context.Context, q question) (*http.Request, error) {
	path := q.path
	if rest, ok := strings.CutPrefix(path, "/v4/"); ok && s.cfg.Version != "" {
		path = "/" + s.cfg.Version + "/" + rest
	}
	address := s.cfg.Base + path
	if len(q.query) > 0 {
		address += "?" + q.query.Encode()
	}
	var content io.Reader
	if q.body != nil {
		content = bytes.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, address, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("User-Agent", "fitbit-fetch (gzip)") // Google packs only for those who say gzip in both headers
	if q.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

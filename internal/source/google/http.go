package google

import (
	"context"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/ask"
)

// A question is one request, as often as it has to be sent.
type question = ask.Question

// engine is how this service is asked.
func (s *Source) newEngine() *ask.Engine {
	return ask.New(ask.Config{
		HTTP: s.cfg.HTTP, Base: s.cfg.Base, Timeout: s.cfg.Timeout, Now: s.cfg.Now, Observer: s.cfg.Observer, Surprises: &s.surprises,
		Header: map[string]string{"User-Agent": "fitbit-fetch (gzip)"}, // Google packs only for those who say gzip in both headers
		Hints:  ask.Hints{Server: hintServer, Network: hintNetwork, HTML: hintHTML, Address: hintAddress, Report: hintReport, Cut: hintCut},
		Wait:   s.wait, Tries: 2, First: time.Second, Soon: func(e *source.Error) bool { return e.Kind == source.Limited },
		Refuse: refuse, Unsent: unsent, Known: func(reason string) bool {
			return !strings.Contains(reason, "_") || knownReason(reason) || knownStatus(reason)
		},
	})
}

// ask sends q until it is answered. A limit without an end is waited for, longer each time.
func (s *Source) ask(ctx context.Context, q question, read func(*answer.Body) error) (int, error) {
	if rest, ok := strings.CutPrefix(q.Path, "/v4/"); ok && s.cfg.Version != "" {
		q.Path = "/" + s.cfg.Version + "/" + rest
	}
	n, err := s.engine.Ask(ctx, q, read)
	switch e, ok := err.(*source.Error); {
	case err == nil:
		s.limited.Store(0)
	case ok && e.Kind == source.Limited && e.Until.IsZero():
		e.Until = s.cfg.Now().Add(time.Minute << (min(s.limited.Add(1), 5) - 1))
	}
	return n, err
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

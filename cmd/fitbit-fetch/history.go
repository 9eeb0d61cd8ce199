package main

import (
	"slices"
	"sync"

	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// history keeps the last requests and their fate. Failures are kept longer than successes: they are what one looks for.
type history struct {
	mu     sync.Mutex
	good   ring[answer.Exchange]
	bad    ring[answer.Exchange]
	events ring[collect.Event] // that went well
	failed ring[collect.Event]
}

// eventShown is what a bug report tells of a request of the plan. It has no health value.
type eventShown struct {
	At, Span, Feed, Lane, Why, Took string
	Requests                        int
	Added, Changed, Vanished        int
	Err                             string `json:",omitempty"`
}

func newHistory() *history {
	return &history{good: newRing[answer.Exchange](200), bad: newRing[answer.Exchange](200), events: newRing[collect.Event](200), failed: newRing[collect.Event](200)}
}

func (h *history) exchange(e answer.Exchange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Kind == "" {
		h.good.add(e)
	} else {
		h.bad.add(e)
	}
}

func (h *history) event(e collect.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Err == nil {
		h.events.add(e)
	} else {
		h.failed.add(e)
	}
}

// list returns the last requests of the plan, oldest first.
func (h *history) list() []collect.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all()
}

// all is both, in order of time.
func (h *history) all() []collect.Event {
	both := append(h.events.list(), h.failed.list()...)
	slices.SortStableFunc(both, func(a, b collect.Event) int { return a.At.Compare(b.At) })
	return both
}

// lists returns all that is kept, oldest first.
func (h *history) lists() (good, bad []answer.Exchange, events []eventShown) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.all() {
		events = append(events, reported(e))
	}
	return h.good.list(), h.bad.list(), events
}

// reported is an event as a bug report tells it.
func reported(e collect.Event) eventShown {
	s := eventShown{
		At: e.At.UTC().Format("2006-01-02T15:04:05Z"), Span: e.Span.String(), Feed: e.Feed, Lane: e.Lane.String(), Why: e.Why, Took: e.Took.String(),
		Requests: e.Requests, Added: e.Change.Added, Changed: e.Change.Changed, Vanished: e.Change.Vanished,
	}
	if e.Err != nil {
		s.Err = e.Err.Error()
	}
	return s
}

// ring keeps the newest items.
type ring[T any] struct {
	items []T
	next  int
}

func newRing[T any](n int) ring[T] { return ring[T]{items: make([]T, 0, n)} }

func (r *ring[T]) add(t T) {
	if len(r.items) < cap(r.items) {
		r.items = append(r.items, t)
		return
	}
	r.items[r.next] = t
	r.next = (r.next + 1) % len(r.items)
}

func (r *ring[T]) list() []T {
	return append(append([]T{}, r.items[r.next:]...), r.items[:r.next]...)
}

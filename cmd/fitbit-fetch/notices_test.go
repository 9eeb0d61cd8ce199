package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/supervisor"
)

// memoryBoard is Home Assistant as far as notifications go: they live as long as it does.
type memoryBoard struct {
	mu    sync.Mutex
	up    bool
	deaf  bool // nobody can listen
	shows map[string]string
	calls int
	heard []func(supervisor.NoticeChange)
	ended chan struct{}
}

func newMemoryBoard() *memoryBoard {
	return &memoryBoard{up: true, shows: map[string]string{}, ended: make(chan struct{})}
}

var errAway = errors.New("502")

func (b *memoryBoard) tell(kind supervisor.NoticeKind, ids ...string) {
	for _, f := range b.heard {
		f(supervisor.NoticeChange{Kind: kind, IDs: ids})
	}
}

func (b *memoryBoard) Notify(_ context.Context, n supervisor.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.up {
		return errAway
	}
	b.calls++
	b.shows[n.ID] = n.Message
	b.tell(supervisor.NoticesAdded, n.ID)
	return nil
}

func (b *memoryBoard) Dismiss(_ context.Context, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.up {
		return errAway
	}
	b.calls++
	delete(b.shows, id)
	b.tell(supervisor.NoticesRemoved, id)
	return nil
}

func (b *memoryBoard) WatchNotices(ctx context.Context, changed func(supervisor.NoticeChange)) error {
	b.mu.Lock()
	if !b.up || b.deaf {
		b.mu.Unlock()
		return errAway
	}
	ended := b.ended
	b.heard = append(b.heard, changed)
	changed(supervisor.NoticeChange{Kind: supervisor.NoticesCurrent, IDs: slices.Sorted(maps.Keys(b.shows))})
	b.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-ended:
		return errAway
	}
}

// user dismisses a notification by hand.
func (b *memoryBoard) user(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.shows, id)
	b.tell(supervisor.NoticesRemoved, id)
}

// stop is the end of Home Assistant, or of the line to it alone; start is its beginning, or that of the line.
func (b *memoryBoard) stop(lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.up, b.heard = false, nil
	if lost {
		clear(b.shows)
	}
	close(b.ended)
	b.ended = make(chan struct{})
}

func (b *memoryBoard) start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.up = true
}

// stateMap keeps states in memory.
type stateMap map[string][]byte

func (m stateMap) State(_ context.Context, person, key string) ([]byte, error) {
	return m[person+"/"+key], nil
}

func (m stateMap) SetState(_ context.Context, person, key string, value []byte) error {
	m[person+"/"+key] = value
	return nil
}

// TestNotices: what stands is shown for as long as it stands, over every restart of Home Assistant, and what somebody has dismissed
// stays dismissed until its matter is another one.
func TestNotices(t *testing.T) {
	type step struct {
		do   func(n *notices, b *memoryBoard) // nil: we start again
		want string                           // what is shown, sorted
	}
	set := func(id, matter, text string) func(*notices, *memoryBoard) {
		return func(n *notices, _ *memoryBoard) { n.set(id, notice{matter, text}) }
	}
	user := func(id string) func(*notices, *memoryBoard) {
		return func(_ *notices, b *memoryBoard) { b.user(id) }
	}
	down := func(_ *notices, b *memoryBoard) { b.stop(true) }
	cut := func(_ *notices, b *memoryBoard) { b.stop(false) }
	up := func(_ *notices, b *memoryBoard) { b.start() }
	for name, steps := range map[string][]step{
		"shown and taken back":             {{set("a", "m", "text"), "map[a:text]"}, {set("a", "", ""), "map[]"}},
		"a restart":                        {{set("a", "m", "text"), "map[a:text]"}, {down, "map[]"}, {up, "map[a:text]"}},
		"two restarts":                     {{set("a", "m", "text"), "map[a:text]"}, {down, "map[]"}, {up, "map[a:text]"}, {down, "map[]"}, {up, "map[a:text]"}},
		"settled during a restart":         {{set("a", "m", "text"), "map[a:text]"}, {down, "map[]"}, {set("a", "", ""), "map[]"}, {up, "map[]"}},
		"the line is cut, nothing is lost": {{set("a", "m", "text"), "map[a:text]"}, {cut, "map[a:text]"}, {up, "map[a:text]"}},
		"it arises while it is away":       {{down, "map[]"}, {set("a", "m", "text"), "map[]"}, {up, "map[a:text]"}},
		"dismissed":                        {{set("a", "m", "text"), "map[a:text]"}, {user("a"), "map[]"}, {set("a", "m", "text"), "map[]"}},
		"dismissed, in other words":        {{set("a", "m", "in 71 hours"), "map[a:in 71 hours]"}, {user("a"), "map[]"}, {set("a", "m", "in 70 hours"), "map[]"}},
		"not dismissed, in other words":    {{set("a", "m", "in 71 hours"), "map[a:in 71 hours]"}, {set("a", "m", "in 70 hours"), "map[a:in 70 hours]"}},
		"dismissed, then another matter":   {{set("a", "m", "text"), "map[a:text]"}, {user("a"), "map[]"}, {set("a", "n", "more"), "map[a:more]"}},
		"dismissed, settled, and again":    {{set("a", "m", "text"), "map[a:text]"}, {user("a"), "map[]"}, {set("a", "", ""), "map[]"}, {set("a", "m", "text"), "map[a:text]"}},
		"dismissed, and a restart":         {{set("a", "m", "text"), "map[a:text]"}, {user("a"), "map[]"}, {down, "map[]"}, {up, "map[]"}},
		"of two, one dismissed":            {{set("a", "m", "text"), "map[a:text]"}, {set("b", "m", "other"), "map[a:text b:other]"}, {user("a"), "map[b:other]"}, {down, "map[]"}, {up, "map[b:other]"}},
		"dismissed, and we start again":    {{set("a", "m", "text"), "map[a:text]"}, {user("a"), "map[]"}, {nil, "map[]"}, {set("a", "m", "text"), "map[]"}, {set("a", "n", "more"), "map[a:more]"}},
		"settled, and we start again":      {{set("a", "m", "text"), "map[a:text]"}, {user("a"), "map[]"}, {set("a", "", ""), "map[]"}, {nil, "map[]"}, {set("a", "m", "text"), "map[a:text]"}},
		"somebody else's":                  {{set("a", "m", "text"), "map[a:text]"}, {user("b"), "map[a:text]"}},
		"nobody can listen":                {{func(_ *notices, b *memoryBoard) { b.deaf = true; b.stop(false); b.start() }, "map[]"}, {set("a", "m", "text"), "map[a:text]"}, {set("a", "m", "other"), "map[a:text]"}, {set("a", "n", "more"), "map[a:more]"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newMemoryBoard()
				store := stateMap{}
				var n *notices
				var wg sync.WaitGroup
				start := func() (stop func()) {
					n = newNotices(b, slog.New(slog.DiscardHandler))
					n.recall(t.Context(), store)
					ctx, cancel := context.WithCancel(t.Context())
					wg.Go(func() { n.run(ctx) })
					wg.Go(func() { n.watch(ctx) })
					synctest.Wait()
					return func() { cancel(); wg.Wait() }
				}
				stop := start()
				for i, s := range steps {
					if s.do != nil {
						s.do(n, b)
					} else { // the app starts again, and Home Assistant goes on
						stop()
						b.heard = nil
						stop = start()
					}
					time.Sleep(2 * askMost) // in a bubble
					synctest.Wait()
					b.mu.Lock()
					if got := fmt.Sprint(b.shows); got != s.want {
						t.Errorf("step %d: %s is shown, want %s", i+1, got, s.want)
					}
					b.mu.Unlock()
				}
				calls := b.calls
				time.Sleep(time.Hour)
				if b.calls != calls {
					t.Errorf("%d calls while nothing changed", b.calls-calls)
				}
				stop()
			})
		})
	}
}

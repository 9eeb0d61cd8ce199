package main

import "sync"

// broadcast wakes all who wait for the next change of something. Its zero value is ready. Who takes the channel first and looks at the thing
// then misses no change.
type broadcast struct {
	mu   sync.Mutex
	next chan struct{}
}

// changed is closed at the next change.
func (b *broadcast) changed() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

// fire is called behind a change.
func (b *broadcast) fire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

package main

import "sync"

// memo keeps what was counted in the archive until the archive changes, or else what mark is made of: a page that is open looks every
// few seconds, and counting years of chunks anew each time would cost more than all the fetching of a day.
type memo[T any] struct {
	mu      sync.Mutex
	changed <-chan struct{} // of the archive, from before value was counted; nil for nothing counted yet
	mark    any
	value   T
}

// get returns what count returns, or returned. changed is the archive's signal of now.
func (m *memo[T]) get(changed <-chan struct{}, mark any, count func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changed == changed && m.mark == mark {
		return m.value, nil
	}
	v, err := count()
	if err == nil {
		m.changed, m.mark, m.value = changed, mark, v
	}
	return v, err
}

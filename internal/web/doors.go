package web

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// doors keeps connections on which nothing is asked from holding those out who want to ask: while many are open, those are closed
// that have rested for a while, the longest first. A browser opens another when it needs one.
type doors struct {
	many  int // open at once
	while time.Duration

	mu       sync.Mutex
	open     int
	resting  []*resting // the longest first
	watching bool
}

// resting is a connection that waits for its next request, or has never sent one.
type resting struct {
	conn net.Conn
	old  bool // it rested a while ago, too
}

// changed is told of every connection's states by the server.
func (d *doors) changed(c net.Conn, state http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.resting = slices.DeleteFunc(d.resting, func(r *resting) bool { return r.conn == c })
	switch state {
	case http.StateNew:
		d.open++
		d.resting = append(d.resting, &resting{conn: c})
	case http.StateIdle:
		d.resting = append(d.resting, &resting{conn: c})
	case http.StateClosed, http.StateHijacked:
		d.open--
	}
	d.watch(d.open)
}

// watch looks again after a while, as long as many are open. The lock is held.
func (d *doors) watch(open int) {
	if open > d.many && !d.watching {
		d.watching = true
		time.AfterFunc(d.while, d.sweep)
	}
}

// sweep closes as many of those that rested all the while as are too many.
func (d *doors) sweep() {
	var tooMany []net.Conn
	d.mu.Lock()
	d.resting = slices.DeleteFunc(d.resting, func(r *resting) bool {
		if r.old && d.open-len(tooMany) > d.many {
			tooMany = append(tooMany, r.conn)
			return true
		}
		r.old = true
		return false
	})
	d.watching = false
	d.watch(d.open - len(tooMany))
	d.mu.Unlock()
	for _, c := range tooMany {
		c.Close()
	}
}

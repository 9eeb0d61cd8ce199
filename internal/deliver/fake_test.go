package deliver

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// shelf is an archive in memory: pieces and tombs with an acknowledgement each.
type shelf struct {
	mu         sync.Mutex
	pieces     []archive.Piece
	tombs      []archive.Tomb
	acked      map[int64]bool // pieces by chunk
	ackedTombs map[int64]bool
	rewinds    int
	quarantine []archive.Quarantined
	state      map[string][]byte
	changed    chan struct{}
	dueErr     error
}

func newShelf() *shelf {
	return &shelf{acked: map[int64]bool{}, ackedTombs: map[int64]bool{}, state: map[string][]byte{}, changed: make(chan struct{})}
}

// put adds a chunk of n samples of a series, a second apart.
func (s *shelf) put(person string, series metric.ID, at time.Time, n int) {
	b := metric.Block{Series: series, Device: "D"}
	for i := range n {
		b.Append(at.Add(time.Duration(i)*time.Second).UnixNano(), 60)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieces = append(s.pieces, archive.Piece{Chunk: int64(len(s.pieces) + 1), Rev: 1, Person: person, Block: b})
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *shelf) Due(_ context.Context, _ string, max int) ([]archive.Piece, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []archive.Piece
	size := 0
	for _, p := range s.pieces {
		if !s.acked[p.Chunk] && size < max {
			out = append(out, p)
			size += p.Block.Len()
		}
	}
	return out, s.dueErr
}

func (s *shelf) DueTombs(_ context.Context, _ string, max int) ([]archive.Tomb, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []archive.Tomb
	for _, t := range s.tombs {
		if !s.ackedTombs[t.ID] && len(out) < max {
			out = append(out, t)
		}
	}
	return out, nil
}

func (s *shelf) Ack(_ context.Context, _ string, pieces []archive.Piece, tombs []archive.Tomb) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range pieces {
		s.acked[p.Chunk] = true
	}
	for _, t := range tombs {
		s.ackedTombs[t.ID] = true
	}
	return nil
}

func (s *shelf) Backlog(context.Context, string) (archive.Backlog, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b archive.Backlog
	for _, p := range s.pieces {
		if !s.acked[p.Chunk] {
			b.Chunks++
			b.Samples += p.Block.Len()
		}
	}
	return b, nil
}

func (s *shelf) Rewind(context.Context, string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rewinds++
	clear(s.acked)
	return nil
}

func (s *shelf) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *shelf) Quarantine(_ context.Context, q archive.Quarantined) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quarantine = append(s.quarantine, q)
	return nil
}

func (s *shelf) Read(context.Context, string, metric.ID, metric.Span) iter.Seq2[metric.Block, error] {
	return func(func(metric.Block, error) bool) {}
}

func (s *shelf) State(_ context.Context, person, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state[person+key], nil
}

func (s *shelf) SetState(_ context.Context, person, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state[person+key] = value
	return nil
}

// point is one sample in a pool.
type point struct {
	person string
	series metric.ID
	time   int64
}

// pool is a sink in memory.
type pool struct {
	mu      sync.Mutex
	points  map[point]bool
	writes  []int // samples of each
	tries   []time.Time
	down    error
	reject  map[metric.ID]bool // series refused for good
	deleted []sink.Tombstone
	keeps   bool // it has no right to delete
	inside  int
	overlap bool
	took    time.Duration // of a write
}

func newPool() *pool { return &pool{points: map[point]bool{}} }

func (p *pool) Name() string { return "pool" }

func (p *pool) Write(ctx context.Context, blocks []sink.Points) error {
	p.mu.Lock()
	p.inside++
	p.overlap = p.overlap || p.inside > 1
	p.mu.Unlock()
	defer func() { p.mu.Lock(); p.inside--; p.mu.Unlock() }()
	if p.took > 0 {
		select {
		case <-time.After(p.took):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries = append(p.tries, time.Now())
	if p.down != nil {
		return p.down
	}
	n := 0
	var rejected sink.Rejected
	for _, b := range blocks {
		n += b.Block.Len()
		if p.reject[b.Block.Series] {
			rejected.Items = append(rejected.Items, sink.Rejection{Series: b.Block.Series, Count: b.Block.Len(), Reason: "no", Hint: "cure"})
			continue
		}
		for _, t := range b.Block.Times {
			p.points[point{b.Person.ID, b.Block.Series, t}] = true
		}
	}
	p.writes = append(p.writes, n)
	if rejected.Items != nil {
		return &rejected
	}
	return nil
}

func (p *pool) Delete(_ context.Context, tombs []sink.Tombstone) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down != nil {
		return p.down
	}
	if p.keeps {
		return fmt.Errorf("no right: %w", sink.ErrCannotDelete)
	}
	for _, t := range tombs {
		delete(p.points, point{t.Person.ID, t.Series, t.Time})
	}
	p.deleted = append(p.deleted, tombs...)
	return nil
}

func (p *pool) Holds(_ context.Context, x sink.Points) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down != nil {
		return false, p.down
	}
	return p.points[point{x.Person.ID, x.Block.Series, x.Block.Times[x.Block.Len()-1]}], nil
}

func (p *pool) set(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
}

func (p *pool) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.points)
}

var errDown = &sink.Error{Status: 503, Hint: "wait", Err: errors.New("down")}

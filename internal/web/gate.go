package web

import (
	"context"
	"errors"
	"sync"
	"time"
)

// gate lets requests in, except while the program behind the page is exchanged for one that was built anew: those that come then
// wait, so that a browser notices nothing but a moment's delay.
type gate struct {
	mu     sync.Mutex
	shut   chan struct{} // closed when the gate opens; nil while it is open
	inside int
	empty  chan struct{} // closed when nobody is inside; nil where nobody waits for that
	ctx    context.Context
	cancel context.CancelFunc
}

func newGate() *gate {
	g := &gate{}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

var errShut = errors.New("the program is being built anew")

// enter waits until the gate is open, for so long. The returned context ends when everybody is shown out.
func (g *gate) enter(ctx context.Context, patience time.Duration) (in context.Context, leave func(), err error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		g.mu.Lock()
		shut := g.shut
		if shut == nil {
			g.inside++
			ctx, cancel := context.WithCancel(ctx)
			stop := context.AfterFunc(g.ctx, cancel)
			g.mu.Unlock()
			return ctx, func() { stop(); cancel(); g.leave() }, nil
		}
		g.mu.Unlock()
		select {
		case <-shut:
		case <-late.C:
			return ctx, func() {}, errShut
		case <-ctx.Done():
			return ctx, func() {}, ctx.Err()
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// close lets nobody in any more; those inside go on.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

// clear shows everybody out and waits until they are.
func (g *gate) clear() {
	g.close()
	g.mu.Lock()
	g.cancel()
	g.ctx, g.cancel = context.WithCancel(context.Background())
	var empty chan struct{}
	if g.inside > 0 {
		empty = make(chan struct{})
		g.empty = empty
	}
	g.mu.Unlock()
	if empty != nil {
		<-empty
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

// Exchange puts another program behind the page: build ends the old one and makes the new. Nobody is inside meanwhile, and who comes
// waits. Where build fails the old one stays, which must then still answer.
func (s *Server) Exchange(build func() (Program, error)) error {
	s.gate.clear()
	defer s.gate.open()
	p, err := build()
	if err != nil {
		return err
	}
	s.cfg.Program = p
	s.status.drop()
	s.values.drop()
	s.days.drop()
	s.trends.drop()
	s.coverage.drop()
	return nil
}

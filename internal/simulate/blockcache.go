package simulate

import (
	"sync"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// blockCache keeps the last encoded days, so that the pages of a day do not each encode it anew.
type blockCache struct {
	mu    sync.Mutex
	order []blockKey
	held  map[blockKey]*block
	bytes int
}

type blockKey struct {
	p           *Person
	t           *dataType
	day         metric.Day
	list, phone bool
	fields      string
}

const blockBytes = 48 << 20

func (c *blockCache) get(k blockKey, fill func() *block) *block {
	c.mu.Lock()
	b, ok := c.held[k]
	c.mu.Unlock()
	if ok {
		return b
	}
	b = fill()
	c.mu.Lock()
	defer c.mu.Unlock()
	if held, ok := c.held[k]; ok {
		return held
	}
	if c.held == nil {
		c.held = map[blockKey]*block{}
	}
	c.held[k] = b
	c.order = append(c.order, k)
	c.bytes += b.size()
	for c.bytes > blockBytes && len(c.order) > 1 {
		old := c.order[0]
		c.order = append(c.order[:0], c.order[1:]...)
		c.bytes -= c.held[old].size()
		delete(c.held, old)
	}
	return b
}

func (b *block) size() int { return cap(b.b) + cap(b.points)*48 }

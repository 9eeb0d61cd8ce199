package influx

import (
	"bytes"
	"context"

	"github.com/klauspost/compress/gzip"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// part is a run of samples of one block, and which of their fields are left out.
type part struct {
	sink.Points
	from, to int
	omit     uint64 // bit per field of the row
}

// prepared is a batch, encoded and compressed unless the units are not known yet.
type prepared struct {
	sink  *Sink
	parts []part
	body  *buffer
}

// Prepare encodes and compresses blocks. It takes no network, so it can run while another batch is on its way.
func (s *Sink) Prepare(blocks []sink.Points) sink.Prepared {
	p := &prepared{sink: s, parts: make([]part, 0, len(blocks))}
	for _, b := range blocks {
		p.parts = append(p.parts, part{Points: s.asThere(b), to: b.Block.Len()})
	}
	if s.device.Load() != nil && (s.decided.Load() != nil || !s.needsUnits(p.parts)) {
		p.body = s.encode(p.parts)
	}
	return p
}

// Write sends the batch and answers as sink.Sink's Write does.
func (p *prepared) Write(ctx context.Context) error {
	s := p.sink
	if err := p.ready(ctx); err != nil {
		return err
	}
	body := p.body
	p.body = nil
	var refused refusals
	if err := s.send(ctx, p.parts, body, &refused); err != nil {
		return err
	}
	return refused.err()
}

// ready sees to what has to be known before the first lines go out. Batches that go out at once find it out once.
func (p *prepared) ready(ctx context.Context) error {
	s := p.sink
	s.first.Lock()
	defer s.first.Unlock()
	if err := s.meet(ctx); err != nil {
		return err
	}
	if p.body == nil {
		if err := s.settleDevice(ctx, p.parts); err != nil {
			return err
		}
		for i := range p.parts {
			p.parts[i].Points = s.asThere(p.parts[i].Points)
		}
		if err := s.decide(ctx, p.parts); err != nil {
			return err
		}
		p.body = s.encode(p.parts)
	}
	return nil
}

// buffer holds a compressed batch and what made it; all of it is used again.
type buffer struct {
	body  bytes.Buffer
	zip   *gzip.Writer
	lines []byte
	count int // of lines
}

func newBuffer() *buffer {
	b := &buffer{}
	b.zip, _ = gzip.NewWriterLevel(&b.body, gzip.BestSpeed) // the level is one there is
	return b
}

// stride is how many samples are encoded before they are compressed: enough to be quick, few enough to stay in the cache.
const stride = 512

// encode returns the parts as gzipped lines. The buffer goes back with free.
func (s *Sink) encode(parts []part) *buffer {
	enc := s.decided.Load()
	if enc == nil {
		enc = s.metric // nothing in parts has units to decide on
	}
	b := s.buffers.Get().(*buffer)
	b.body.Reset()
	b.zip.Reset(&b.body)
	b.count = 0
	for _, p := range parts {
		for from := p.from; from < p.to; from += stride {
			var n int
			b.lines, n = enc.Append(b.lines[:0], p.Person, p.Block, from, min(from+stride, p.to), p.omit)
			b.count += n
			b.zip.Write(b.lines) // into memory: cannot fail
		}
	}
	b.zip.Close()
	return b
}

func (s *Sink) free(b *buffer) { s.buffers.Put(b) }

// samples returns how many samples the parts hold.
func samples(parts []part) int {
	n := 0
	for _, p := range parts {
		n += p.to - p.from
	}
	return n
}

// halves splits the parts into two of the same number of samples. There must be two at least.
func halves(parts []part) (first, second []part) {
	left := samples(parts) / 2
	for i, p := range parts {
		if n := p.to - p.from; n <= left {
			left -= n
			continue
		}
		if left == 0 {
			return append(first, parts[:i]...), append(second, parts[i:]...)
		}
		a, b := p, p
		a.to = p.from + left
		b.from = a.to
		return append(append(first, parts[:i]...), a), append(append(second, b), parts[i+1:]...)
	}
	return parts, nil
}

// row returns the catalogue's row of the part's block.
func (s *Sink) row(p part) metric.Series { return s.cfg.Catalogue.Must(p.Block.Series) }

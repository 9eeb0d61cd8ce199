package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// maxDue is about how many samples are asked of the archive at once: some megabytes, and few acknowledgements.
const maxDue = 50_000

// round delivers one handful: the tombs that are due, or the pieces. It returns how many there were; 0 is all done. Tombs go
// first, so that a sample which takes the place of a vanished one is written after the delete.
func (d *Deliverer) round(ctx context.Context) (int, error) {
	if n, err := d.bury(ctx); n > 0 || err != nil {
		return n, err
	}
	pieces, err := d.cfg.Archive.Due(ctx, d.name, maxDue)
	if err != nil {
		return 0, err
	}
	if len(pieces) == 0 {
		return 0, nil
	}
	done, writeErr := d.write(ctx, d.batches(pieces))
	if done > 0 {
		if err := d.cfg.Archive.Ack(ctx, d.name, pieces[:done], nil); err != nil {
			return 0, errors.Join(writeErr, err)
		}
	}
	if writeErr != nil {
		return 0, writeErr
	}
	if slices.ContainsFunc(pieces, func(p archive.Piece) bool { return p.Block.Series == metric.SleepLevels }) {
		if err := d.coverAgain(ctx); err != nil {
			return 0, err
		}
	}
	return len(pieces), nil
}

// batch is one request's worth of samples of one person.
type batch struct {
	person  metric.Person
	points  []sink.Points
	samples int
	last    int // index of the last piece that ends in it, -1 for none
}

// batches cuts pieces, in order, into batches of at most maxBatch samples that never mix persons.
func (d *Deliverer) batches(pieces []archive.Piece) []batch {
	var out []batch
	for i := range pieces {
		person, known := d.person(pieces[i].Person)
		block := &pieces[i].Block
		for from := 0; known && from < block.Len(); {
			if len(out) == 0 || out[len(out)-1].person.ID != person.ID || out[len(out)-1].samples >= maxBatch {
				out = append(out, batch{person: person, last: -1})
			}
			b := &out[len(out)-1]
			n := min(maxBatch-b.samples, block.Len()-from)
			b.points = append(b.points, sink.Points{Person: person, Block: slice(block, from, from+n)})
			b.samples += n
			from += n
		}
		if len(out) == 0 { // a piece without samples is done with the batch before it
			out = append(out, batch{person: person})
		}
		out[len(out)-1].last = i
	}
	return out
}

// slice returns the samples [from, to) of b, sharing its columns.
func slice(b *metric.Block, from, to int) *metric.Block {
	if from == 0 && to == b.Len() {
		return b
	}
	s := *b
	s.Times = b.Times[from:to]
	s.Values = make([][]float64, len(b.Values))
	for f := range b.Values {
		s.Values[f] = b.Values[f][from:to]
	}
	return &s
}

// person returns whose samples those are. Somebody who is no longer in the settings gets nothing delivered: which tag they had
// is not known.
func (d *Deliverer) person(id string) (metric.Person, bool) {
	p, ok := d.persons[id]
	if !ok && !d.said["person "+id] {
		d.said["person "+id] = true
		d.cfg.Log.Warn("the archive holds samples of a person who is not in the settings; they are not delivered. Once the person is back there, run: fitbit-fetch replay", "person", id)
	}
	return p, ok
}

// flight is a batch on its way.
type flight struct {
	batch
	landed chan error // nil where it starts only when it is waited for
}

// write hands the batches over and returns how many pieces are in whole, in their order. Where the sink can prepare batches ahead,
// two are on their way while the next is made ready: so neither we nor the database wait for the other.
func (d *Deliverer) write(ctx context.Context, batches []batch) (done int, err error) {
	flights := make(chan flight) // one is waited for, one stands before the channel
	stop := make(chan struct{})
	go func() {
		defer close(flights)
		for _, b := range batches {
			f := d.start(ctx, b)
			select {
			case flights <- f:
			case <-stop:
				f.abandon()
				return
			}
		}
	}()
	defer func() { // all have landed before the pieces are let go
		close(stop)
		for f := range flights {
			f.abandon()
		}
	}()
	for f := range flights {
		if err := d.land(ctx, f); err != nil {
			return done, err
		}
		if f.last >= 0 {
			done = f.last + 1
		}
	}
	return done, nil
}

// start puts a batch on its way, if the sink can have two at once.
func (d *Deliverer) start(ctx context.Context, b batch) flight {
	f := flight{batch: b}
	if p, ok := d.cfg.Sink.(sink.Preparer); ok && b.samples > 0 {
		ready := p.Prepare(b.points)
		f.landed = make(chan error, 1)
		go func() { f.landed <- ready.Write(ctx) }()
	}
	return f
}

// land waits until a batch is in, and deals with the answer.
func (d *Deliverer) land(ctx context.Context, f flight) error {
	switch {
	case f.samples == 0:
		return nil
	case f.landed != nil:
		return d.settle(ctx, f.batch, <-f.landed)
	}
	return d.settle(ctx, f.batch, d.cfg.Sink.Write(ctx, f.points))
}

// abandon waits for a batch whose answer does not count any more: what is in of it will be written again.
func (f flight) abandon() {
	if f.landed != nil {
		<-f.landed
	}
}

// settle deals with the sink's answer to a batch: what is in counts, what will never be taken is put into quarantine and said
// once, and any other error is returned.
func (d *Deliverer) settle(ctx context.Context, b batch, err error) error {
	var rejected *sink.Rejected
	if err != nil && !errors.As(err, &rejected) {
		return err
	}
	now := d.cfg.Clock.Now()
	lost := 0
	refused := map[metric.ID]bool{}
	if rejected != nil {
		for _, r := range rejected.Items {
			refused[r.Series] = true
			q := archive.Quarantined{Sink: d.name, Person: b.person.ID, Series: r.Series, Field: r.Field, Count: r.Count,
				First: r.First, Last: r.Last, Reason: r.Reason, Hint: r.Hint, At: now}
			if err := d.cfg.Archive.Quarantine(ctx, q); err != nil {
				return fmt.Errorf("putting samples into quarantine: %w", err)
			}
			if r.Field == "" {
				lost += r.Count
			}
			d.sayRefused(r)
			d.status.refuse(r)
		}
	}
	for _, p := range b.points {
		if !refused[p.Block.Series] {
			d.witnesses.saw(p)
		}
	}
	d.wrote(b.samples - lost)
	return nil
}

// wrote counts samples that are in. Where that ends an outage, the log says so before the status.
func (d *Deliverer) wrote(n int) {
	if d.status.out() {
		d.cfg.Log.Info("delivery goes on")
	}
	d.status.wrote(d.cfg.Clock.Now(), n)
}

// sayRefused logs a refusal once per series, field and reason.
func (d *Deliverer) sayRefused(r sink.Rejection) {
	key := string(r.Series) + "\x00" + r.Field + "\x00" + r.Reason
	if d.said[key] {
		return
	}
	d.said[key] = true
	d.cfg.Log.Warn("the database refuses samples for good; all others are in", "series", r.Series, "field", r.Field,
		"count", r.Count, "first", r.First, "last", r.Last, "reason", r.Reason, "hint", r.Hint)
}

package deliver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// A witness is a sample known to be in the sink. When none of the witnesses is there any more, the database has been emptied, or
// restored from an older copy, and all has to be delivered again. The archive's newest sample would not do: it may not have been
// delivered yet, or have been refused.
type witness struct {
	Person string
	Series metric.ID
	Device string
	Tags   []string
	Time   int64
}

// maxWitnesses bounds how many are kept and asked for: of different series, so that one vanished or expired sample proves nothing.
const maxWitnesses = 8

type witnesses struct {
	known   []witness // latest seen last
	loaded  bool
	due     bool // to be asked
	dirty   bool
	saved   time.Time
	rewound bool // and no witness has been found there since
}

// saw remembers the newest sample of p, which the sink has taken.
func (w *witnesses) saw(p sink.Points) {
	n := p.Block.Len() - 1
	seen := witness{p.Person.ID, p.Block.Series, p.Block.Device, slices.Clone(p.Block.Tags), p.Block.Times[n]}
	i := slices.IndexFunc(w.known, func(o witness) bool { return o.Person == seen.Person && o.Series == seen.Series })
	switch {
	case i < 0 && len(w.known) == maxWitnesses:
		w.known = slices.Delete(w.known, 0, 1)
	case i >= 0 && w.known[i].Time >= seen.Time:
		return // history is being delivered; an older sample may leave the database sooner
	case i >= 0:
		w.known = slices.Delete(w.known, i, i+1)
	}
	w.known = append(w.known, seen)
	w.dirty = true
}

// forget drops witnesses that have been deleted on purpose.
func (w *witnesses) forget(dead []sink.Tombstone) {
	w.known = slices.DeleteFunc(w.known, func(o witness) bool {
		gone := slices.ContainsFunc(dead, func(t sink.Tombstone) bool {
			return t.Person.ID == o.Person && t.Series == o.Series && t.Time == o.Time
		})
		w.dirty = w.dirty || gone
		return gone
	})
}

func (d *Deliverer) witnessKey() string { return "witnesses/" + d.name }

// probe asks the sink for the witnesses, at the start, after every failure and from time to time. If all are gone it returns the
// cursor to the beginning: once, until a witness has been found again, so that a database which swallows everything is not
// filled for ever.
func (d *Deliverer) probe(ctx context.Context) error {
	prober, ok := d.cfg.Sink.(sink.Prober)
	w := &d.witnesses
	if !ok || (w.loaded && !w.due) {
		return nil
	}
	if !w.loaded {
		text, err := d.cfg.Archive.State(ctx, "", d.witnessKey())
		if err != nil {
			return fmt.Errorf("reading what the sink should hold: %w", err)
		}
		if len(text) > 0 && json.Unmarshal(text, &w.known) != nil {
			w.known = nil // only a check is lost
		}
		w.loaded = true
	}
	asked := 0
	for _, o := range slices.Backward(w.known) {
		person, known := d.persons[o.Person]
		row, listed := d.cfg.Catalogue.Lookup(o.Series)
		if !known || !listed || len(o.Tags) > len(row.Tags) {
			continue
		}
		there, err := prober.Holds(ctx, sink.Points{Person: person, Block: &metric.Block{
			Series: o.Series, Device: o.Device, Tags: o.Tags, Times: []int64{o.Time}}})
		if err != nil {
			return err
		}
		if there {
			w.due, w.rewound = false, false
			return nil
		}
		asked++
	}
	w.due = false
	if asked == 0 || w.rewound {
		return nil
	}
	if err := d.cfg.Archive.Rewind(ctx, d.name); err != nil {
		return fmt.Errorf("starting delivery anew: %w", err)
	}
	d.cfg.Log.Warn("the database no longer holds what was delivered to it: it was emptied, or restored from an older copy. All is delivered again from the archive")
	if err := d.saveCovers(ctx, nil); err != nil { // what they covered is gone
		return err
	}
	w.rewound = true
	w.known, w.dirty = nil, true
	d.status.emptied(d.cfg.Clock.Now())
	return nil
}

// saveWitnesses writes the witnesses down for the next start; while much is delivered, only now and then.
func (d *Deliverer) saveWitnesses(ctx context.Context, now bool) error {
	w := &d.witnesses
	at := d.cfg.Clock.Now()
	if !w.dirty || (!now && at.Sub(w.saved) < saveEvery) {
		return nil
	}
	text, err := json.Marshal(w.known)
	if err != nil {
		return fmt.Errorf("saving what the sink holds: %w", err)
	}
	if err := d.cfg.Archive.SetState(ctx, "", d.witnessKey(), text); err != nil {
		return fmt.Errorf("saving what the sink holds: %w", err)
	}
	w.dirty, w.saved = false, at
	return nil
}

package deliver

import (
	"context"
	"errors"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// bury carries out what has vanished and acknowledges the tombs; it returns how many. A delete takes the whole point: where another
// series has fields in it, or the sample is back by now, the archive has made those due again and holds them back until the tomb
// is acknowledged. Interrupted anywhere, it is simply done once more.
func (d *Deliverer) bury(ctx context.Context) (int, error) {
	tombs, err := d.cfg.Archive.DueTombs(ctx, d.name, maxTombs)
	if err != nil {
		return 0, err
	}
	if len(tombs) == 0 {
		return 0, nil
	}
	var dead []sink.Tombstone
	for _, t := range tombs {
		if p, known := d.person(t.Person); known {
			dead = append(dead, sink.Tombstone{Person: p, Series: t.Series, Device: t.Device, Tags: t.Tags, Time: t.Time})
		}
	}
	err = sink.ErrCannotDelete
	if deleter, ok := d.cfg.Sink.(sink.Deleter); ok && d.traits().Deletes {
		err = deleter.Delete(ctx, dead)
	}
	if errors.Is(err, sink.ErrCannotDelete) {
		err = d.coverAll(ctx, dead)
	}
	if err != nil {
		return 0, err
	}
	d.witnesses.forget(dead)
	if err := d.cfg.Archive.Ack(ctx, d.name, nil, tombs); err != nil {
		return 0, err
	}
	d.wrote(0)
	return len(tombs), nil
}

// traits are what the sink declares; one that declares nothing does what its methods say.
func (d *Deliverer) traits() sink.Traits {
	if t, ok := d.cfg.Sink.(interface{ Traits() sink.Traits }); ok {
		return t.Traits()
	}
	return sink.Traits{Deletes: true, Overwrites: true}
}

package deliver

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// bury deletes vanished samples and acknowledges their tombs; it returns how many. A delete takes the whole point, and another
// series may have fields in it, or the sample may be back by now: what the archive holds there is written again after it.
// Interrupted anywhere, it is simply done once more.
func (d *Deliverer) bury(ctx context.Context) (int, error) {
	tombs, err := d.cfg.Archive.DueTombs(ctx, d.name, maxTombs)
	if err != nil {
		return 0, fmt.Errorf("reading what has vanished: %w", err)
	}
	if len(tombs) == 0 {
		return 0, nil
	}
	if deleter, ok := d.cfg.Sink.(sink.Deleter); ok {
		var dead []sink.Tombstone
		for _, t := range tombs {
			if p, known := d.person(t.Person); known {
				dead = append(dead, sink.Tombstone{Person: p, Series: t.Series, Device: t.Device, Tags: t.Tags, Time: t.Time})
			}
		}
		if err := deleter.Delete(ctx, dead); err != nil {
			return 0, err
		}
		d.witnesses.forget(dead)
		if err := d.restore(ctx, dead); err != nil {
			return 0, err
		}
	}
	if err := d.cfg.Archive.Ack(ctx, d.name, nil, tombs); err != nil {
		return 0, fmt.Errorf("acknowledging: %w", err)
	}
	if d.status.wrote(d.cfg.Clock.Now(), 0) {
		d.cfg.Log.Info("delivery goes on")
	}
	return len(tombs), nil
}

// spot is where dead points may have living neighbours: one series of one person.
type spot struct {
	person metric.Person
	series metric.ID
}

// restore writes again what the archive holds at the points just deleted.
func (d *Deliverer) restore(ctx context.Context, dead []sink.Tombstone) error {
	spots := map[spot][]sink.Tombstone{}
	var order []spot
	for _, t := range dead {
		for _, id := range d.sharing(t.Series) {
			at := spot{t.Person, id}
			if spots[at] == nil {
				order = append(order, at)
			}
			spots[at] = append(spots[at], t)
		}
	}
	var pieces []archive.Piece
	for _, at := range order {
		found, err := d.living(ctx, at, spots[at])
		if err != nil {
			return err
		}
		pieces = append(pieces, found...)
	}
	if len(pieces) == 0 {
		return nil
	}
	_, err := d.write(ctx, d.batches(pieces))
	return err
}

// sharing returns the series whose samples may share a point with one of that series, itself among them.
func (d *Deliverer) sharing(id metric.ID) []metric.ID {
	measurement := d.cfg.Catalogue.Must(id).Measurement
	var out []metric.ID
	for _, s := range d.cfg.Catalogue {
		if s.Measurement == measurement {
			out = append(out, s.ID)
		}
	}
	return out
}

// living returns the samples of one series that stand exactly where the tombs say. The tombs are looked up in stretches without
// gaps of more than a day, so that neither years are read for two instants nor the archive is asked for each.
func (d *Deliverer) living(ctx context.Context, at spot, tombs []sink.Tombstone) ([]archive.Piece, error) {
	tombs = slices.SortedFunc(slices.Values(tombs), func(a, b sink.Tombstone) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	var out []archive.Piece
	for len(tombs) > 0 {
		n := 1
		for n < len(tombs) && tombs[n].Time-tombs[n-1].Time <= int64(24*time.Hour) {
			n++
		}
		span := metric.Span{Start: time.Unix(0, tombs[0].Time).UTC(), End: time.Unix(0, tombs[n-1].Time+1).UTC()}
		for block, err := range d.cfg.Archive.Read(ctx, at.person.ID, at.series, span) {
			if err != nil {
				return nil, fmt.Errorf("reading what stands beside vanished samples: %w", err)
			}
			if b := among(block, tombs[:n]); b.Len() > 0 {
				out = append(out, archive.Piece{Person: at.person.ID, Block: b})
			}
		}
		tombs = tombs[n:]
	}
	return out, nil
}

// among returns the samples of b at the tombs' points.
func among(b metric.Block, tombs []sink.Tombstone) metric.Block {
	kept := metric.Block{Series: b.Series, Device: b.Device, Tags: b.Tags}
	for _, t := range tombs {
		i, found := slices.BinarySearch(b.Times, t.Time)
		if found && t.Device == b.Device && slices.Equal(t.Tags, b.Tags) && (kept.Len() == 0 || kept.Times[kept.Len()-1] < t.Time) {
			kept.Append(t.Time, b.Row(i)...)
		}
	}
	return kept
}

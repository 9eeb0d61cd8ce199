package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// A cover is for a sink that cannot delete: at the instant of a stage of sleep that has vanished it writes the level now valid, for
// no time, so that curves and sums are right. When the night changes again, so may the level.
type cover struct {
	Person string
	Device string
	Tags   []string
	Time   int64 // of the vanished stage
	At     int64 // where the cover stands: the same, or behind it in a sink that does not overwrite
	Level  float64
}

const (
	longestStage = 12 * time.Hour
	keepCovers   = 60 * 24 * time.Hour // no night changes after that
)

func (d *Deliverer) coverKey() string { return "covers/" + d.name }

// coverAll covers vanished stages, and reports all else that has vanished: it stays in the sink.
func (d *Deliverer) coverAll(ctx context.Context, dead []sink.Tombstone) error {
	var stay []sink.Tombstone
	var fresh []cover
	for _, t := range dead {
		c := cover{Person: t.Person.ID, Device: t.Device, Tags: t.Tags, Time: t.Time, At: t.Time}
		now := valid{}
		if t.Series == metric.SleepLevels {
			var err error
			if now, err = d.validAt(ctx, c); err != nil {
				return err
			}
		}
		switch {
		case !now.found:
			stay = append(stay, t)
		case now.exact && d.traits().Overwrites: // it is back, and will be written
		default:
			c.Level = now.level
			if traits := d.traits(); !traits.Overwrites {
				c.At += int64(max(traits.Precision, 1))
			}
			fresh = append(fresh, c)
		}
	}
	if err := d.writeCovers(ctx, fresh); err != nil {
		return err
	}
	if len(fresh) > 0 {
		d.sayOnce("stages", "this database cannot delete: vanished stages of sleep are overwritten with the level now valid")
		known, err := d.covers(ctx)
		if err != nil {
			return err
		}
		if err := d.saveCovers(ctx, append(known, fresh...)); err != nil {
			return err
		}
	}
	return d.reportStaying(ctx, stay)
}

// coverAgain looks after stages have been delivered whether the covers are still right.
func (d *Deliverer) coverAgain(ctx context.Context) error {
	known, err := d.covers(ctx)
	if err != nil || len(known) == 0 {
		return err
	}
	newest := slices.MaxFunc(known, func(a, b cover) int { return int(min(max(a.Time-b.Time, -1), 1)) }).Time
	var keep, again []cover
	for _, c := range known {
		if c.Time < newest-int64(keepCovers) {
			continue
		}
		now, err := d.validAt(ctx, c)
		if err != nil {
			return err
		}
		traits := d.traits()
		switch {
		case now.exact && traits.Overwrites:
			continue // the stage is back and has taken its place
		case now.found && now.level != c.Level:
			c.Level = now.level
			if !traits.Overwrites {
				c.At += int64(max(traits.Precision, 1))
			}
			again = append(again, c)
		}
		keep = append(keep, c)
	}
	if len(again) == 0 && len(keep) == len(known) {
		return nil
	}
	if err := d.writeCovers(ctx, again); err != nil {
		return err
	}
	return d.saveCovers(ctx, keep)
}

func (d *Deliverer) writeCovers(ctx context.Context, covers []cover) error {
	var points []sink.Points
	for _, c := range covers {
		p, known := d.person(c.Person)
		if !known {
			continue
		}
		row := d.cfg.Catalogue.Must(metric.SleepLevels)
		values := make([]float64, len(row.Fields)) // it lasts no time
		values[row.Field("level")] = c.Level
		b := &metric.Block{Series: metric.SleepLevels, Device: c.Device, Tags: c.Tags}
		b.Append(c.At, values...)
		points = append(points, sink.Points{Person: p, Block: b})
	}
	if len(points) == 0 {
		return nil
	}
	var rejected *sink.Rejected // of a field that the sink refuses anyway: it has been said
	if err := d.cfg.Sink.Write(ctx, points); err != nil && !errors.As(err, &rejected) {
		return err
	}
	return nil
}

// valid is the stage that the archive has at an instant.
type valid struct {
	found bool
	exact bool // one begins then
	level float64
}

func (d *Deliverer) validAt(ctx context.Context, c cover) (valid, error) {
	row := d.cfg.Catalogue.Must(metric.SleepLevels)
	level, lasts := row.Field("level"), row.Field("duration_seconds")
	at := time.Unix(0, c.Time).UTC()
	var best valid
	began := int64(0)
	for b, err := range d.cfg.Archive.Read(ctx, c.Person, metric.SleepLevels, metric.Span{Start: at.Add(-longestStage), End: at.Add(1)}) {
		if err != nil {
			return valid{}, fmt.Errorf("reading the stage at %s: %w", at, err)
		}
		if b.Device != c.Device || !slices.Equal(b.Tags, c.Tags) {
			continue
		}
		for i, from := range b.Times {
			until := from + int64(b.Values[lasts][i]*float64(time.Second))
			if from == c.Time || from >= began && from < c.Time && c.Time < until {
				best, began = valid{true, from == c.Time, b.Values[level][i]}, from
			}
		}
	}
	return best, nil
}

func (d *Deliverer) covers(ctx context.Context) ([]cover, error) {
	text, err := d.cfg.Archive.State(ctx, "", d.coverKey())
	if err != nil {
		return nil, fmt.Errorf("reading the stages covered: %w", err)
	}
	var out []cover
	if len(text) > 0 && json.Unmarshal(text, &out) != nil {
		return nil, nil // what stands there stays as it is
	}
	return out, nil
}

// saveCovers keeps the covers; of one instant the last.
func (d *Deliverer) saveCovers(ctx context.Context, covers []cover) error {
	var kept []cover
	for i, c := range covers {
		later := slices.ContainsFunc(covers[i+1:], func(o cover) bool {
			return o.Person == c.Person && o.Device == c.Device && slices.Equal(o.Tags, c.Tags) && o.Time == c.Time
		})
		if !later {
			kept = append(kept, c)
		}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("saving the stages covered: %w", err)
	}
	if err := d.cfg.Archive.SetState(ctx, "", d.coverKey(), text); err != nil {
		return fmt.Errorf("saving the stages covered: %w", err)
	}
	return nil
}

// reportStaying puts vanished samples that stay in the sink where people see them.
func (d *Deliverer) reportStaying(ctx context.Context, stay []sink.Tombstone) error {
	var groups []archive.Quarantined
	for _, t := range stay {
		at := time.Unix(0, t.Time).UTC()
		i := slices.IndexFunc(groups, func(q archive.Quarantined) bool { return q.Person == t.Person.ID && q.Series == t.Series })
		if i < 0 {
			groups = append(groups, archive.Quarantined{Sink: d.name, Person: t.Person.ID, Series: t.Series, First: at, Last: at, At: d.cfg.Clock.Now(),
				Reason: "removal: this database cannot delete, so what has vanished at the service stays in it",
				Hint:   "Nothing else is touched by them. To be rid of them empty the database; it is filled again by itself, or by: fitbit-fetch replay."})
			i = len(groups) - 1
		}
		q := &groups[i]
		q.Count++
		if at.Before(q.First) {
			q.First = at
		}
		if at.After(q.Last) {
			q.Last = at
		}
	}
	for _, q := range groups {
		if err := d.cfg.Archive.Quarantine(ctx, q); err != nil {
			return fmt.Errorf("noting what stays in the database: %w", err)
		}
		d.sayOnce("stay "+string(q.Series), "this database cannot delete: vanished samples stay in it", "series", q.Series, "count", q.Count, "hint", q.Hint)
	}
	return nil
}

// sayOnce warns of what would otherwise be said with every batch.
func (d *Deliverer) sayOnce(key, text string, args ...any) {
	if !d.said[key] {
		d.said[key] = true
		d.cfg.Log.Warn(text, args...)
	}
}

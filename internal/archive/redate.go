package archive

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A Redating says how a person's days are dated anew.
type Redating struct {
	Person   string
	Was, Now metric.Zones
	Key      string // a state that is kept with it: Value
	Value    []byte
	Source   string
	Again    []metric.Feed // of Source, to be asked again: the zone decides more of what they brought
}

// Redate moves the samples of daily series, of all sources, from the midnights of the zones they were dated by to those in which the
// person lives, in one transaction with the state. Where a sample stands already, it stays. What stands at no midnight of either, nor
// at one in UTC (where days whose zone is not known are put), is left alone. Sinks get the moved ones as vanished and new.
func (a *Archive) Redate(ctx context.Context, r Redating) (Change, error) {
	was, now, utc := metric.NewCalendar(r.Was), metric.NewCalendar(r.Now), metric.NewCalendar(nil)
	move := func(t int64) int64 {
		at := instant(t)
		for _, c := range []metric.Calendar{now, was, utc} {
			if d := c.Day(at); c.Midnight(d).Equal(at) {
				return now.Midnight(d).UnixNano()
			}
		}
		return t
	}
	change, err := a.revise(ctx, r.Person, func(p *put) error {
		for _, row := range a.cfg.Catalogue {
			if row.Sampling != metric.Daily {
				continue
			}
			if err := p.redate(row, move); err != nil {
				return fmt.Errorf("series %s: %w", row.ID, err)
			}
		}
		p.b.Source = r.Source
		for _, feed := range r.Again {
			if err := p.again(feed, was, now); err != nil {
				return fmt.Errorf("feed %s: %w", feed.ID, err)
			}
		}
		_, err := p.exec("INSERT INTO state VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", r.Person, r.Key, r.Value)
		return err
	})
	if err != nil {
		return Change{}, fmt.Errorf("dating a person's days anew: %w", err)
	}
	return change, nil
}

// again forgets that a feed was asked. What it brought stays until the new answers are there, but for what stands before the first of the
// days: no answer will reach there.
func (p *put) again(feed metric.Feed, was, now metric.Calendar) error {
	var start sql.NullInt64
	err := p.tx.QueryRowContext(p.ctx, "SELECT min(start) FROM coverage WHERE person = ? AND source = ? AND feed = ?", p.b.Person, p.b.Source, feed.ID).Scan(&start)
	if err != nil || !start.Valid {
		return err
	}
	first := metric.DayOf(instant(start.Int64))
	if feed.Axis == metric.Instants {
		first = was.Day(instant(start.Int64))
	}
	p.b.Bounds = metric.Span{Start: was.Midnight(first), End: now.Midnight(first)}
	for _, id := range feed.Series {
		row, err := p.a.row(id)
		if err != nil {
			return err
		}
		if row.Sampling != metric.Intraday || p.b.Bounds.Empty() {
			continue
		}
		if err := p.instants(row); err != nil {
			return err
		}
	}
	_, err = p.exec("DELETE FROM coverage WHERE person = ? AND source = ? AND feed = ?", p.b.Person, p.b.Source, feed.ID)
	return err
}

// redate moves the samples of a series. All sources are moved before anything is decided: which of them is visible is decided by instant.
func (p *put) redate(row metric.Series, move func(int64) int64) error {
	units, err := p.units(row)
	if err != nil {
		return err
	}
	in, moved := map[string]map[string]*samples{}, false // by source and tags
	todo := map[int]bool{}
	for _, stay := range []bool{true, false} { // where a moved one meets one that stands, that one stays
		for _, u := range units {
			todo[u] = true
			g, err := p.load(row, u)
			if err != nil {
				return err
			}
			for _, c := range g.chunks {
				if err := p.open(c); err != nil {
					return err
				}
				if in[c.source] == nil {
					in[c.source] = map[string]*samples{}
				}
				to := in[c.source][c.tags]
				if to == nil {
					to = newSamples(len(row.Fields), c.data.len())
					in[c.source][c.tags] = to
				}
				for i, t := range c.data.times {
					at := move(t)
					if (at == t) != stay {
						continue
					}
					moved = moved || at != t
					todo[unitOf(row, at)] = true
					to.copy(c.data, i, at)
				}
			}
		}
	}
	if !moved {
		return nil
	}
	for _, byTags := range in {
		for _, s := range byTags {
			s.sort()
		}
	}
	for _, u := range slices.Sorted(maps.Keys(todo)) {
		g, err := p.load(row, u)
		if err != nil {
			return err
		}
		for _, source := range slices.Sorted(maps.Keys(in)) {
			p.b.Source = source
			if err := p.mergeUnit(g, in[source], unitStart(u), unitEnd(row, u)); err != nil {
				return err
			}
		}
		if err := p.settle(g, false); err != nil {
			return err
		}
	}
	return nil
}

// copy appends sample i of another at an instant, as one that an answer brought.
func (s *samples) copy(o *samples, i int, at int64) {
	s.times = append(s.times, at)
	for f := range s.cols {
		s.cols[f] = append(s.cols[f], o.cols[f][i])
	}
	s.dev = append(s.dev, s.device(o.devices[o.dev[i]]))
	s.revs = append(s.revs, isNew)
}

// atOnce is how many unit spans get their device in one transaction.
const atOnce = 31

// Name gives the samples that a source measured and that were stored without a device their device, where the series has the tag. Sinks
// get them as vanished and new. It is done in parts, each in a transaction: after an interruption it is to be called again.
func (a *Archive) Name(ctx context.Context, person, source, device string) error {
	for _, row := range a.cfg.Catalogue {
		if row.NoDevice {
			continue
		}
		var units []int
		if _, err := a.revise(ctx, person, func(p *put) (err error) {
			units, err = p.units(row)
			return err
		}); err != nil {
			return fmt.Errorf("naming the device of %s: %w", row.ID, err)
		}
		for part := range slices.Chunk(units, atOnce) {
			if _, err := a.revise(ctx, person, func(p *put) error {
				p.b.Source = source
				for _, u := range part {
					if err := p.nameUnit(row, u, device); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return fmt.Errorf("naming the device of %s: %w", row.ID, err)
			}
		}
	}
	return nil
}

func (p *put) nameUnit(row metric.Series, unit int, device string) error {
	g, err := p.load(row, unit)
	if err != nil {
		return err
	}
	for _, c := range g.chunks {
		if c.source != p.b.Source {
			continue
		}
		if err := p.open(c); err != nil {
			return err
		}
		s := c.data
		named := s.device(device)
		for i, d := range s.dev {
			if s.devices[d] != "" {
				continue
			}
			if s.revs[i] > 0 {
				g.gone = append(g.gone, lost{point: point{row.ID, s.times[i], "", c.tags}, fields: s.mask(i)})
				s.revs[i] = isNew
			}
			s.dev[i] = named
			c.dirty = true
		}
	}
	return p.settle(g, false)
}

// units returns the units of which there is any chunk of the series, ascending.
func (p *put) units(row metric.Series) ([]int, error) {
	return p.numbers("SELECT DISTINCT unit FROM chunk WHERE person = ? AND series = ? ORDER BY unit", p.b.Person, string(row.ID))
}

// revise changes what the archive holds of a person, in one transaction, without an answer of a source.
func (a *Archive) revise(ctx context.Context, person string, do func(*put) error) (Change, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.newPut(ctx, &metric.Batch{Person: person})
	err := p.within(func() error {
		if err := do(p); err != nil {
			return err
		}
		if err := p.bury(); err != nil || !p.used {
			return err
		}
		_, err := p.exec("UPDATE head SET rev = ?", p.rev)
		return err
	})
	if err != nil {
		return Change{}, explain(err)
	}
	p.committed()
	return p.change, nil
}

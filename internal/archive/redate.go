package archive

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Redate moves what a source has told of days to other instants: of each daily sample, move returns where it belongs, which may be where it
// is. Sinks get both, what is there now and what is not there any more. Done again it changes nothing, if move leaves alone what it has moved.
func (a *Archive) Redate(ctx context.Context, person, source string, move func(t int64) int64) (Change, error) {
	return a.rework(ctx, person, source, func(p *put, row metric.Series) error {
		if row.Sampling != metric.Daily {
			return nil
		}
		return p.redate(row, move)
	})
}

// NameDevice gives samples of a source that were stored without the name of a device that name.
func (a *Archive) NameDevice(ctx context.Context, person, source, device string) (Change, error) {
	return a.rework(ctx, person, source, func(p *put, row metric.Series) error {
		if row.NoDevice || device == "" {
			return nil
		}
		return p.nameDevice(row, device)
	})
}

// rework changes what is held of a source, series by series, each in a transaction of its own.
func (a *Archive) rework(ctx context.Context, person, source string, change func(*put, metric.Series) error) (Change, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all Change
	for _, row := range a.cfg.Catalogue {
		p := &put{a: a, ctx: ctx, b: &metric.Batch{Person: person, Source: source}, c: a.codecs.get(), rev: a.rev + 1,
			series: map[metric.ID]bool{}, sessions: map[string]bool{}, buried: map[metric.ID]bool{}, tally: map[metric.ID]loss{}}
		err := a.update(ctx, func(tx *sql.Tx) error {
			p.tx = tx
			if err := change(p, row); err != nil || !p.used {
				return err
			}
			if err := p.bury(); err != nil {
				return err
			}
			_, err := p.exec("UPDATE head SET rev = ?", p.rev)
			return err
		})
		a.codecs.put(p.c)
		if err != nil {
			return all, fmt.Errorf("dating %s anew: %w", row.ID, err)
		}
		if p.used {
			a.rev = p.rev
			a.announce()
			all.Rev, all.Series = a.rev, append(all.Series, row.ID)
		}
	}
	return all, nil
}

// redate moves the samples of a daily series.
func (p *put) redate(row metric.Series, move func(t int64) int64) error {
	units, err := p.unitsHeld(row, -1<<31, 1<<31-1)
	if err != nil {
		return err
	}
	moved := map[string]*samples{}
	changed := false
	lo, hi := int64(0), int64(0)
	for i, u := range slices.Sorted(maps.Keys(units)) {
		g, err := p.load(row, u)
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
			to := moved[c.tags]
			if to == nil {
				to = newSamples(len(row.Fields), c.data.len())
				moved[c.tags] = to
			}
			for j, t := range c.data.times {
				if lo == 0 && hi == 0 && i == 0 && j == 0 {
					lo, hi = t, t
				}
				now := move(t)
				changed = changed || now != t
				lo, hi = min(lo, t, now), max(hi, t, now)
				n := to.len()
				to.devices = append(to.devices[:len(to.devices):len(to.devices)], missingDevices(to.devices, c.data.devices)...)
				to.take(c.data, j, j+1)
				to.times[n], to.revs[n] = now, isNew
				to.dev[n] = uint16(slices.Index(to.devices, c.data.devices[c.data.dev[j]]))
			}
		}
	}
	if !changed {
		return nil
	}
	for _, s := range moved {
		s.sort()
	}
	todo := units
	for _, s := range moved {
		for _, t := range s.times {
			todo[unitOf(row, t)] = true
		}
	}
	for _, u := range slices.Sorted(maps.Keys(todo)) {
		g, err := p.load(row, u)
		if err != nil {
			return err
		}
		if err := p.mergeUnit(g, moved, max(lo, unitStart(u)), min(hi+1, unitEnd(row, u))); err != nil {
			return err
		}
		if err := p.settle(g, false); err != nil {
			return err
		}
	}
	return nil
}

// missingDevices are the names of which have is without.
func missingDevices(have, names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(have, n) {
			out = append(out, n)
		}
	}
	return out
}

// nameDevice gives the samples of a series that have no device's name one.
func (p *put) nameDevice(row metric.Series, device string) error {
	units, err := p.unitsHeld(row, -1<<31, 1<<31-1)
	if err != nil {
		return err
	}
	for _, u := range slices.Sorted(maps.Keys(units)) {
		g, err := p.load(row, u)
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
			none := slices.Index(s.devices, "")
			if none < 0 {
				continue
			}
			named := s.device(device)
			for i, d := range s.dev {
				if int(d) != none {
					continue
				}
				if s.revs[i] > 0 {
					g.gone = append(g.gone, lost{point: point{row.ID, s.times[i], "", c.tags}, fields: s.mask(i)})
					s.revs[i] = isNew
				}
				s.dev[i], c.dirty = named, true
			}
		}
		if err := p.settle(g, false); err != nil {
			return err
		}
	}
	return nil
}

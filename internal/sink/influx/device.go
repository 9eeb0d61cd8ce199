package influx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// A database that the Python project filled has the Device that its owner made up (DEVICENAME). Written beside it, the service's own
// name would make a second series of everything: two points in place of one, and every sum doubled.
//
// Config.Adopt lets the sink go on in the name that is there. It applies to the first person alone, who has no tag Person: the
// Python project knows no other. What was found is remembered beside the units.

// DeviceDecision is the name under which is remembered what was found for a sink; see Device.
func DeviceDecision(sink string) string { return sink + " device" }

func (s *Sink) deviceDecision() string { return DeviceDecision(s.Name()) }

// Device returns the Device that a remembered decision means; empty for the service's own name.
func Device(decision string) string { return strings.TrimPrefix(decision, asCalled) }

// recallDevice takes up what was found before. It reports whether the Device is settled.
func (s *Sink) recallDevice(ctx context.Context) (bool, error) {
	if s.device.Load() != nil {
		return true, nil
	}
	if s.cfg.Deciding == nil {
		return false, nil
	}
	found, err := s.cfg.Deciding.Load(ctx, s.deviceDecision())
	if err != nil {
		return false, fmt.Errorf("reading the Device decided for InfluxDB: %w", err)
	}
	if found == "" {
		return false, nil
	}
	s.useDevice(found)
	return true, nil
}

func (s *Sink) useDevice(found string) {
	found = Device(found)
	s.device.Store(&found)
}

// settleDevice finds out which Device the first person's points have, before the first of them is written.
func (s *Sink) settleDevice(ctx context.Context, parts []part) error {
	if settled, err := s.recallDevice(ctx); settled || err != nil {
		return err
	}
	own, ok := s.ownDevice(parts)
	if !ok {
		return nil
	}
	there, err := s.devices(ctx)
	switch {
	case errors.Is(err, errForbidden), errors.Is(err, errAbsent):
	case err != nil:
		return err
	}
	found := choose(own, there)
	if s.cfg.Deciding != nil {
		if err := s.cfg.Deciding.Save(ctx, s.deviceDecision(), found); err != nil {
			return fmt.Errorf("saving the Device decided for InfluxDB: %w", err)
		}
	}
	if found != asCalled {
		s.cfg.Log.Info("goes on in the tag Device that the database has; to have another, set the option device", "device", found, "instead", own, "database", s.cfg.Database)
	}
	s.useDevice(found)
	return nil
}

// asCalled is the decision to write what the service calls the device. No Device is a lone blank.
const asCalled = " "

// choose decides which Device to write: the service's name where it is there already or nothing is; else the newest that is there.
func choose(own string, there []string) string {
	if len(there) == 0 || slices.Contains(there, own) {
		return asCalled
	}
	return there[0]
}

// ownDevice is the Device that the first person's points come with. It reports whether there are any.
func (s *Sink) ownDevice(parts []part) (string, bool) {
	for _, p := range parts {
		if p.Person.Tag == "" && p.from < p.to && !s.row(p).NoDevice {
			return lineproto.Clean(p.Block.Device), true
		}
	}
	return "", false
}

// devices returns the values of the tag Device of points without a Person, the one with the newest point first.
func (s *Sink) devices(ctx context.Context) ([]string, error) {
	var statements []string
	for _, row := range s.cfg.Catalogue {
		if row.Python && !row.NoDevice {
			field := quoteName(lineproto.Clean(row.Fields[0].Key))
			statements = append(statements, fmt.Sprintf("SELECT last(%s) FROM %s GROUP BY %s, %s", field, quoteName(lineproto.Clean(row.Measurement)), quoteName(lineproto.DeviceTag), quoteName(lineproto.PersonTag)))
		}
	}
	results, err := s.ask(ctx, statements...)
	if err != nil {
		return nil, err
	}
	newest := map[string]float64{}
	var out []string
	for _, r := range results {
		for _, table := range r.Series {
			name := table.Tags[lineproto.DeviceTag]
			if name == "" || table.Tags[lineproto.PersonTag] != "" || len(table.Values) == 0 {
				continue
			}
			at, _ := number(table.Values[0][0])
			if was, seen := newest[name]; !seen {
				out = append(out, name)
			} else if at < was {
				continue
			}
			newest[name] = at
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Compare(newest[b], newest[a]) })
	return out, nil
}

// asThere returns the points as they stand in the database: with the Device that it goes on in.
func (s *Sink) asThere(p sink.Points) sink.Points {
	name := s.device.Load()
	if name == nil || *name == "" || p.Person.Tag != "" {
		return p
	}
	b := *p.Block
	b.Device = *name
	return sink.Points{Person: p.Person, Block: &b}
}

// tombsThere does so with what vanishes.
func (s *Sink) tombsThere(tombs []sink.Tombstone) []sink.Tombstone {
	out := slices.Clone(tombs)
	for i, t := range out {
		out[i].Device = s.asThere(sink.Points{Person: t.Person, Block: &metric.Block{Device: t.Device}}).Block.Device
	}
	return out
}

package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// AccountKey is the archive's state that holds the id of the person's account at a source.
func AccountKey(source string) string { return "account:" + source }

func stateKey(source string) string { return "collect:" + source }

// state is what outlives a restart beside the coverage. Losing it costs a few requests, nothing else.
type state struct {
	Devices []device              `json:"devices,omitempty"`
	First   string                `json:"first_tracker,omitempty"` // id of the tracker whose battery carries no tag
	Battery map[string]level      `json:"battery,omitempty"`       // by device id: what was last stored
	Seen    time.Time             `json:"sync_seen"`               // when, by our clock, the newest sync was first seen
	Before  time.Time             `json:"sync_before"`             // the sync before the newest
	Since   metric.Day            `json:"since,omitempty"`         // before it the service has nothing
	Denied  map[string]time.Time  `json:"denied,omitempty"`
	Settled map[string]metric.Day `json:"settled,omitempty"`
	Wishes  []wish                `json:"wishes,omitempty"`
	LeftOut []metric.ID           `json:"left_out,omitempty"`
	Redated time.Time             `json:"redated,omitzero"` // when the days were last dated anew
	Named   bool                  `json:"named,omitempty"`  // what was stored while the device was not known has it, or there was none to know

	Missed map[string][]metric.Span `json:"missed,omitempty"` // by feed, on its axis: asked in vain, and not there yet
}

// device is a metric.Device as JSON holds it: an unknown battery is absent.
type device struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Tracker  bool      `json:"tracker"`
	LastSync time.Time `json:"last_sync"`
	Battery  *float64  `json:"battery,omitempty"`
}

type level struct {
	Percent float64   `json:"percent"`
	Sync    time.Time `json:"sync"`
}

type wish struct {
	First metric.Day `json:"first"`
	Last  metric.Day `json:"last"`
	At    time.Time  `json:"at"`
}

func (s state) wishes() []plan.Wish {
	var out []plan.Wish
	for _, w := range s.Wishes {
		out = append(out, plan.Wish{Days: metric.DaySpan(w.First, w.Last), At: w.At})
	}
	return out
}

func (s state) devices() []metric.Device {
	var out []metric.Device
	for _, d := range s.Devices {
		m := metric.Device{ID: d.ID, Name: d.Name, Tracker: d.Tracker, LastSync: d.LastSync, Battery: metric.Absent()}
		if d.Battery != nil {
			m.Battery = *d.Battery
		}
		out = append(out, m)
	}
	return out
}

func (s *state) setDevices(devices []metric.Device) {
	s.Devices = nil
	for _, d := range devices {
		k := device{ID: d.ID, Name: d.Name, Tracker: d.Tracker, LastSync: d.LastSync}
		if metric.Present(d.Battery) {
			k.Battery = &d.Battery
		}
		s.Devices = append(s.Devices, k)
	}
}

// load reads what an earlier run left, and has the archive forget what the user leaves out.
func (l *loop) load() error {
	if err := loadJSON(l, stateKey(l.cfg.Source.Name()), &l.state); err != nil {
		return err
	}
	s := &l.state
	if s.Denied == nil {
		s.Denied = map[string]time.Time{}
	}
	if s.Settled == nil {
		s.Settled = map[string]metric.Day{}
	}
	if s.Battery == nil {
		s.Battery = map[string]level{}
	}
	held, err := l.readPause(l.ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.pause = held
	l.mu.Unlock()
	zones, err := Zones(l.ctx, l.cfg.Archive, l.cfg.Person.ID)
	if err != nil {
		return err
	}
	l.zones = zones
	l.quiet = plan.Quiet{From: 23 * 60, To: 6*60 + 30}
	if l.cfg.Zone != "" {
		if err := l.livesIn(l.cfg.Zone, metric.ZoneOption); err != nil {
			return err
		}
	}
	if _, ok := l.cfg.Source.(source.Describer); !ok {
		l.described = l.cfg.Clock.Now()
	}
	l.phase(Working, "", "")
	if err := l.forget(); err != nil {
		return err
	}
	return l.cfg.Archive.Vouch(l.ctx, l.cfg.Person.ID, l.cfg.Source.Name(), l.feeds)
}

// forget has the archive drop the series left out, and opens again what had been left out before.
func (l *loop) forget() error {
	if err := l.cfg.Archive.Forget(l.ctx, l.cfg.Person.ID, l.cfg.LeaveOut); err != nil {
		return fmt.Errorf("dropping the series left out: %w", err)
	}
	for _, f := range l.feeds {
		back := slices.ContainsFunc(f.Series, func(id metric.ID) bool {
			return slices.Contains(l.state.LeftOut, id) && !slices.Contains(l.cfg.LeaveOut, id)
		})
		if !back {
			continue
		}
		all := metric.Span{Start: time.Unix(0, 0).UTC(), End: l.cfg.Clock.Now().UTC().AddDate(1, 0, 0)}
		if err := l.cfg.Archive.Uncover(l.ctx, l.cfg.Person.ID, l.cfg.Source.Name(), f.ID, all); err != nil {
			return fmt.Errorf("opening feed %s again: %w", f.ID, err)
		}
	}
	l.state.LeftOut = slices.Clone(l.cfg.LeaveOut)
	l.save()
	return nil
}

func loadJSON(l *loop, key string, into any) error {
	b, err := l.cfg.Archive.State(l.ctx, l.cfg.Person.ID, key)
	if err != nil {
		return fmt.Errorf("reading state %s: %w", key, err)
	}
	if b == nil {
		return nil
	}
	if err := json.Unmarshal(b, into); err != nil { // written by another version, perhaps: it costs only requests
		l.cfg.Log.Warn("a state could not be read and is begun anew", "key", key, "error", err)
	}
	return nil
}

// save keeps the state. A failure is logged: the next save keeps it all again.
func (l *loop) save() {
	b, err := json.Marshal(l.state)
	if err == nil {
		err = l.cfg.Archive.SetState(l.ctx, l.cfg.Person.ID, stateKey(l.cfg.Source.Name()), b)
	}
	if err != nil && l.ctx.Err() == nil {
		l.cfg.Log.Warn("the state could not be kept", "error", err)
	}
}

// Devices reads a person's devices as a source last told of them; nil where it never has.
func Devices(ctx context.Context, a interface {
	State(ctx context.Context, person, key string) ([]byte, error)
}, person, source string) ([]metric.Device, error) {
	b, err := a.State(ctx, person, stateKey(source))
	if err != nil {
		return nil, fmt.Errorf("reading the devices: %w", err)
	}
	var s state
	if b == nil || json.Unmarshal(b, &s) != nil { // of another version, perhaps: the service will tell
		return nil, nil
	}
	return s.devices(), nil
}

package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// ZonesKey is the archive's state that holds a person's dated list of zones.
const ZonesKey = "zones"

// zone is an entry of the dated list as the archive holds it.
type zone struct {
	From string            `json:"from"` // YYYY-MM-DD
	Name string            `json:"name"`
	By   metric.ZoneOrigin `json:"by,omitempty"`
}

// Zones reads a person's dated list of zones; it is empty where none is known yet.
func Zones(ctx context.Context, a interface {
	State(ctx context.Context, person, key string) ([]byte, error)
}, person string) (metric.Zones, error) {
	b, err := a.State(ctx, person, ZonesKey)
	if err != nil {
		return nil, fmt.Errorf("reading the zones: %w", err)
	}
	if b == nil {
		return nil, nil
	}
	var list []zone
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("reading the zones: %w", err)
	}
	var out metric.Zones
	for _, z := range list {
		d, err := metric.ParseDay(z.From)
		if err != nil {
			return nil, fmt.Errorf("reading the zones: %w", err)
		}
		out = append(out, metric.ZoneEntry{From: d, Name: z.Name, By: z.By})
	}
	return out, nil
}

func packZones(z metric.Zones) ([]byte, error) {
	list := make([]zone, len(z))
	for i, e := range z {
		list[i] = zone{e.From.String(), e.Name, e.By}
	}
	return json.Marshal(list)
}

// ZoneOf decides in which zone a person lives: as the option says, else the service, else the machine, else UTC. What stands in for a
// zone that is not known is told as such by its origin.
func ZoneOf(option string, d source.Description, machine string) (name string, by metric.ZoneOrigin) {
	switch {
	case option != "":
		return option, metric.ZoneOption
	case metric.IsOffset(d.Zone):
		return d.Zone, metric.ZoneOffset
	case d.Zone != "":
		return d.Zone, metric.ZoneService
	case machine != "":
		return machine, metric.ZoneMachine
	}
	return "UTC", metric.ZoneAssumed
}

// ZoneText says which zone a person's days are dated by and who told it. A hint says what to do where it only stands in for another.
func ZoneText(name string, by metric.ZoneOrigin) (text, hint string) {
	hint = "Set the option time_zone (LOCAL_TIMEZONE) to a name such as Europe/Berlin. The days that are there are then dated anew."
	switch by {
	case metric.ZoneOption:
		return name + " (as the options say)", ""
	case metric.ZoneOffset:
		return name + " (the service gives the zone a name that is not known: this is its offset from UTC, which has no summer time)", hint
	case metric.ZoneMachine:
		return name + " (the zone of this machine: the service does not tell the person's)", hint
	case metric.ZoneAssumed:
		return name + " (neither the service nor this machine tells the person's zone)", hint
	}
	return name + " (as the service says)", ""
}

// livesAs takes in what the service says of the person's zone.
func (l *loop) livesAs(d source.Description) error {
	if d.Zone != "" {
		if _, err := metric.LoadZone(d.Zone); err != nil {
			l.cfg.Log.Warn("an unknown time zone is passed over", "zone", d.Zone)
			d.Zone = ""
		}
	}
	return l.livesIn(ZoneOf(l.cfg.Zone, d, l.cfg.Machine))
}

// livesIn takes in the zone that is known best now.
func (l *loop) livesIn(name string, by metric.ZoneOrigin) error {
	loc, err := metric.LoadZone(name)
	if err != nil {
		return fmt.Errorf("the person's zone: %w", err)
	}
	z, anew := rezone(l.zones, name, by, metric.DayOf(l.cfg.Clock.Now().In(loc)))
	if anew {
		l.anew = z
		if l.idle() {
			return l.dateAnew()
		}
		return nil
	}
	l.anew = nil
	if slices.Equal(z, l.zones) {
		return nil
	}
	b, err := packZones(z)
	if err == nil {
		err = l.cfg.Archive.SetState(l.ctx, l.cfg.Person.ID, ZonesKey, b)
	}
	if err != nil {
		return fmt.Errorf("keeping the zones: %w", err)
	}
	l.tellZone(z, "the person's time zone has changed")
	l.zones = z
	return nil
}

// tellZone logs the zone that is in force from now on, and what to do where it only stands in.
func (l *loop) tellZone(z metric.Zones, what string) {
	e := z[len(z)-1]
	if text, hint := ZoneText(e.Name, e.By); hint != "" {
		l.cfg.Log.Warn("the person's time zone is not known for sure", "zone", text, "hint", hint)
		return
	}
	l.cfg.Log.Info(what, "zone", e.Name, "from", e.From.String())
}

// rezone returns the list of zones with one that is known now, and whether the past days have to be dated anew by it: they have where
// another one only stood in for it. Else another zone is a move, from today on, and past days never move. One that is less sure than what
// is known changes nothing. A list of an earlier version may have been preceded by days in UTC: it is dated anew once.
func rezone(z metric.Zones, name string, by metric.ZoneOrigin, today metric.Day) (_ metric.Zones, anew bool) {
	z = slices.Clone(z)
	for i := range z {
		if z[i].By == "" {
			z[i].By, anew = metric.ZoneService, true
		}
	}
	n := len(z)
	k := n
	for k > 0 && by.Surer(z[k-1].By) {
		k--
	}
	told := metric.ZoneEntry{From: today, Name: name, By: by}
	switch {
	case n == 0:
		told.From = 0
		return metric.Zones{told}, true
	case k < n:
		told.From = z[k].From
		if k > 0 && z[k-1].Name == name {
			return z[:k], true
		}
		return append(z[:k], told), true
	case z[n-1].By.Surer(by):
	case by.Provisional() && !z[n-1].By.Provisional():
	case z[n-1].Name == name:
		z[n-1].By = by
	case z[n-1].From >= today:
		z[n-1].Name, z[n-1].By = name, by
	default:
		z = append(z, told)
	}
	return z, anew
}

// nameless reports whether samples that were stored while the device was not known can be given it.
func (l *loop) nameless() bool { return !l.state.Named && l.device() != "" }

// dateAnew dates by the zone, and names by the device, what was stored before they were known. Nothing is in flight. After an
// interruption it is done again: what it has to do shows in the archive's state until it is done.
func (l *loop) dateAnew() error {
	if l.anew != nil {
		b, err := packZones(l.anew)
		if err != nil {
			return fmt.Errorf("keeping the zones: %w", err)
		}
		var again []metric.Feed
		for _, f := range l.feeds {
			if f.Civil && !sameDating(l.zones, l.anew) {
				again = append(again, f)
			}
		}
		change, err := l.cfg.Archive.Redate(l.ctx, archive.Redating{Person: l.cfg.Person.ID, Was: l.zones, Now: l.anew, Key: ZonesKey, Value: b,
			Source: l.cfg.Source.Name(), Again: again})
		if err != nil {
			return err
		}
		l.tellZone(l.anew, "the person's time zone is known")
		if n := change.Added + change.Changed; n > 0 {
			l.cfg.Log.Info("days are dated anew by it", "samples", n)
		}
		l.zones, l.anew, l.stale = l.anew, nil, true
		clear(l.state.Settled)
		l.state.Redated = l.cfg.Clock.Now()
		l.save()
	}
	if l.nameless() {
		if err := l.cfg.Archive.Name(l.ctx, l.cfg.Person.ID, l.cfg.Source.Name(), l.device()); err != nil {
			return err
		}
		l.state.Named = true
		l.save()
	}
	return nil
}

// datedAnew reports whether a request is the first for some of its span since the days were dated anew.
func (l *loop) datedAnew(r metric.Request) bool {
	if l.state.Redated.IsZero() || !l.feed(r.Feed).Civil {
		return false
	}
	var since []metric.Span
	for _, c := range l.cover[r.Feed] {
		since = append(since, c.Span)
	}
	return len(r.Span.Overlap(metric.Span{End: l.state.Redated}).Subtract(since)) > 0
}

// sameDating reports whether two lists put all days in the same zones.
func sameDating(x, y metric.Zones) bool {
	if len(x) == 0 {
		x = metric.Zones{{Name: "UTC"}}
	}
	return slices.EqualFunc(x, y, func(a, b metric.ZoneEntry) bool { return a.From == b.From && a.Name == b.Name })
}

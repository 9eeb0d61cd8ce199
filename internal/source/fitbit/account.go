package fitbit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

const profilePath, devicesPath = "/1/user/-/profile.json", "/1/user/-/devices.json"

// Describe implements source.Describer: the account and its zone, and the devices as far as they were allowed.
func (s *Source) Describe(ctx context.Context) (source.Description, error) {
	d, err := s.profile(ctx)
	if err != nil {
		return source.Description{}, err
	}
	if d.Devices, err = s.Devices(ctx); left(err) {
		err = nil
	}
	return d, err
}

// profile asks whose data these are. Of a profile's many other members nothing is used, and none is a surprise.
func (s *Source) profile(ctx context.Context) (source.Description, error) {
	var d source.Description
	_, err := s.ask(ctx, "profile", scopeProfile, question{path: profilePath, shown: profilePath}, func(b *answer.Body) error {
		doc, err := readDocument(b)
		if err != nil {
			return err
		}
		r := &reader{element: doc}
		d.Account, d.Zone = r.word("user.encodedId"), r.word("user.timezone")
		if joined, ok := parseDay(r.word("user.memberSince")); ok {
			d.Since = joined
		}
		if d.Account == "" {
			return fmt.Errorf("%w: no encodedId", answer.ErrShape)
		}
		d.Zone = metric.ZoneName(d.Zone, r.number("user.offsetFromUTCMillis")/1000)
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = s.told || err == nil || left(err)
	if err != nil {
		return d, s.failed(ctx, &feed{Row: Row{Feed: metric.Feed{ID: "profile"}}}, err)
	}
	s.zone = d.Zone
	return d, nil
}

// zones is where the person lives now: as the profile said, else as the options say; nil where nobody does.
func (s *Source) zones(ctx context.Context) (metric.Zones, error) {
	s.mu.Lock()
	zone, told := s.zone, s.told
	s.mu.Unlock()
	if !told {
		d, err := s.profile(ctx)
		if err != nil && !left(err) {
			return nil, err
		}
		zone = d.Zone
	}
	if zone = cmp.Or(zone, s.cfg.Zone); zone == "" {
		return nil, nil
	}
	return metric.Zones{{Name: zone}}, nil
}

// left reports whether err only means that one thing is not given.
func left(err error) bool {
	var e *source.Error
	return errors.As(err, &e) && (e.Kind == source.Denied || e.Kind == source.Bad)
}

// deviceKnown are the members of a device.
var deviceKnown = knownOf("battery", "batteryLevel", "deviceVersion", "features", "id", "lastSyncTime", "mac", "type")

// Devices implements source.Describer. The times of their syncs are local: they are read in the zone the person lives in now. Where
// nobody tells it, a sync's time is not known.
func (s *Source) Devices(ctx context.Context) ([]metric.Device, error) {
	q := &query{Source: s, feed: &feed{Row: Row{Feed: metric.Feed{ID: "devices"}, Scope: scopeSettings}}, batch: &metric.Batch{}, notes: &answer.Notes{}}
	defer func() { q.notes.Hand(&s.surprises, "devices", s.cfg.Now()) }()
	zones, err := s.zones(ctx)
	if err != nil {
		return nil, err
	}
	var out []metric.Device
	err = q.list(ctx, question{path: devicesPath, shown: devicesPath}, listing{each: func(e any) error {
		deviceKnown.note(q.notes, "devices", e)
		r := &reader{element: e}
		d := metric.Device{ID: r.word("id"), Name: r.word("deviceVersion"), Battery: r.number("batteryLevel"), Tracker: strings.EqualFold(r.word("type"), "TRACKER")}
		if !metric.Present(d.Battery) && r.word("battery") == "Empty" {
			d.Battery = 0
		}
		if civil, ok := parseCivil(r.word("lastSyncTime")); ok && zones != nil {
			w := wall{zones: zones}
			if at, ok := w.near(civil, s.cfg.Now()); ok {
				d.LastSync = at
			}
		}
		if d.ID == "" {
			return fmt.Errorf("%w: a device has no id", answer.ErrShape)
		}
		if d.Battery < 0 || d.Battery > 100 {
			r.note("batteryLevel", answer.ErrShape)
			d.Battery = metric.Absent()
		}
		q.counted("devices", r, false)
		out = append(out, d)
		return nil
	}})
	if err != nil {
		return nil, s.failed(ctx, q.feed, err)
	}
	return out, nil
}

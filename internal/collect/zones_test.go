package collect

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// TestRezone: what only stood in for the person's zone gives way for all its days; a known zone for those from today on.
func TestRezone(t *testing.T) {
	entry := func(from metric.Day, name string, by metric.ZoneOrigin) metric.ZoneEntry {
		return metric.ZoneEntry{From: from, Name: name, By: by}
	}
	const berlin, tokyo, fixed = "Europe/Berlin", "Asia/Tokyo", "UTC+09:00"
	for _, c := range []struct {
		name string
		was  metric.Zones
		zone string
		by   metric.ZoneOrigin
		want metric.Zones
		anew bool
	}{
		{"nothing known", nil, berlin, metric.ZoneService, metric.Zones{entry(0, berlin, metric.ZoneService)}, true},
		{"nobody tells", nil, "UTC", metric.ZoneAssumed, metric.Zones{entry(0, "UTC", metric.ZoneAssumed)}, true},
		{"told later", metric.Zones{entry(0, "UTC", metric.ZoneAssumed)}, berlin, metric.ZoneService, metric.Zones{entry(0, berlin, metric.ZoneService)}, true},
		{"the same as assumed", metric.Zones{entry(0, "UTC", metric.ZoneAssumed)}, "UTC", metric.ZoneService, metric.Zones{entry(0, "UTC", metric.ZoneService)}, true},
		{"offset, then the option", metric.Zones{entry(0, fixed, metric.ZoneOffset)}, tokyo, metric.ZoneOption, metric.Zones{entry(0, tokyo, metric.ZoneOption)}, true},
		{"a summer and a winter by offset", metric.Zones{entry(0, "UTC+01:00", metric.ZoneOffset), entry(50, "UTC+02:00", metric.ZoneOffset)}, berlin, metric.ZoneOption,
			metric.Zones{entry(0, berlin, metric.ZoneOption)}, true},
		{"the clock of an offset changes", metric.Zones{entry(0, "UTC+01:00", metric.ZoneOffset)}, "UTC+02:00", metric.ZoneOffset,
			metric.Zones{entry(0, "UTC+01:00", metric.ZoneOffset), entry(100, "UTC+02:00", metric.ZoneOffset)}, false},
		{"a journey", metric.Zones{entry(0, berlin, metric.ZoneService)}, tokyo, metric.ZoneService,
			metric.Zones{entry(0, berlin, metric.ZoneService), entry(100, tokyo, metric.ZoneService)}, false},
		{"a journey of which only the end is provisional", metric.Zones{entry(0, berlin, metric.ZoneService), entry(90, fixed, metric.ZoneOffset)}, tokyo, metric.ZoneService,
			metric.Zones{entry(0, berlin, metric.ZoneService), entry(90, tokyo, metric.ZoneService)}, true},
		{"back to what it was", metric.Zones{entry(0, berlin, metric.ZoneService), entry(90, "UTC", metric.ZoneAssumed)}, berlin, metric.ZoneService,
			metric.Zones{entry(0, berlin, metric.ZoneService)}, true},
		{"the service is silent now", metric.Zones{entry(0, berlin, metric.ZoneService)}, "UTC", metric.ZoneMachine, metric.Zones{entry(0, berlin, metric.ZoneService)}, false},
		{"the option says the same", metric.Zones{entry(0, berlin, metric.ZoneService)}, berlin, metric.ZoneOption, metric.Zones{entry(0, berlin, metric.ZoneOption)}, false},
		{"of an earlier version", metric.Zones{entry(0, berlin, "")}, berlin, metric.ZoneService, metric.Zones{entry(0, berlin, metric.ZoneService)}, true},
		{"twice on a day", metric.Zones{entry(0, berlin, metric.ZoneService), entry(100, tokyo, metric.ZoneService)}, "Asia/Seoul", metric.ZoneService,
			metric.Zones{entry(0, berlin, metric.ZoneService), entry(100, "Asia/Seoul", metric.ZoneService)}, false},
	} {
		got, anew := rezone(c.was, c.zone, c.by, 100)
		if fmt.Sprint(got) != fmt.Sprint(c.want) || anew != c.anew {
			t.Errorf("%s: %v, anew %v; want %v, %v", c.name, got, anew, c.want, c.anew)
		}
	}
}

// TestZoneAndDeviceLate: signed in without the settings, then with them. What was dated and named without them is dated and named anew,
// once nothing that was asked for before is in flight.
func TestZoneAndDeviceLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs = every15(4000)
		s.zone = ""
		s.devices = func() error { return &source.Error{Kind: source.Denied, Reason: "ACCESS_TOKEN_SCOPE_INSUFFICIENT"} }
		again := make(chan struct{})
		cfg := config(s, a)
		cfg.Reauthorized, cfg.Machine = again, "America/New_York"
		c := New(cfg)
		stop := start(t, c)
		pass(time.Hour)
		if z := c.Status().Zones; len(z) != 1 || z[0].Name != "America/New_York" || z[0].By != metric.ZoneMachine {
			t.Errorf("zones %v while the service tells none", z)
		}
		if _, hint := ZoneText(c.Status().Zones[0].Name, c.Status().Zones[0].By); hint == "" {
			t.Error("nothing is said of a zone that only stands in")
		}
		if len(a.asked("steps_day", epoch)) == 0 {
			t.Fatal("nothing was fetched without the settings")
		}
		s.set(func() { s.zone, s.devices = "Europe/Berlin", nil })
		again <- struct{}{}
		at := time.Now()
		pass(time.Hour)
		if err := stop(); err != nil {
			t.Error(err)
		}
		last := a.redated[len(a.redated)-1]
		if len(a.redated) != 2 || last.Was[0].Name != "America/New_York" || last.Now[0].Name != "Europe/Berlin" || last.Key != ZonesKey {
			t.Errorf("dated anew: %+v", a.redated)
		}
		if len(a.named) != 1 || a.named[0] != "Charge 5" {
			t.Errorf("devices given: %q", a.named)
		}
		for _, b := range a.batches {
			for _, bl := range b.Blocks {
				if b.Feed == "steps_day" && b.Asked.After(at.Add(time.Minute)) && bl.Device != "Charge 5" {
					t.Errorf("asked for at %s without the device", b.Asked)
				}
			}
		}
		if z, err := Zones(t.Context(), a, "me"); err != nil || len(z) != 1 || z[0].By != metric.ZoneService {
			t.Errorf("zones %v, %v", z, err)
		}
	})
}

// TestZoneInFlight: days are dated anew only when all that was asked for under the old zone is put away.
func TestZoneInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newService(three()), newStore()
		s.syncs, s.zone, a.slow = every15(400), "", time.Minute
		cfg := config(s, a)
		cfg.Start, cfg.Machine = metric.DayOf(epoch)-365, "America/New_York" // where it is evening
		c := New(cfg)
		stop := start(t, c)
		pass(time.Hour)
		s.set(func() { s.zone = "Europe/Berlin" })
		pass(4 * time.Hour)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if z := c.Status().Zones; len(a.redated) != 2 || z[0].Name != "Europe/Berlin" || a.early {
			t.Errorf("zones %v, dated anew %d times, while an answer was on its way: %v", z, len(a.redated), a.early)
		}
		if n := len(a.batches); n < 100 {
			t.Errorf("%d answers: history was not in flight", n)
		}
	})
}

// TestSettingsUnreadable: one answer that cannot be read is no reason to go on without the zone.
func TestSettingsUnreadable(t *testing.T) {
	for fails, want := range map[int]metric.ZoneOrigin{1: metric.ZoneService, 5: metric.ZoneAssumed} {
		synctest.Test(t, func(t *testing.T) {
			s, a := newService(three()), newStore()
			s.syncs = every15(400)
			s.describe = func() error {
				if fails--; fails >= 0 {
					return &source.Error{Kind: source.Bad}
				}
				return nil
			}
			c := New(config(s, a))
			stop := start(t, c)
			pass(10 * time.Minute)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if z := c.Status().Zones; len(z) != 1 || z[0].By != want || len(a.redated) != 1 {
				t.Errorf("zones %v, want one by %s; dated anew %d times", z, want, len(a.redated))
			}
			if len(a.batches) == 0 {
				t.Error("nothing was fetched")
			}
		})
	}
}

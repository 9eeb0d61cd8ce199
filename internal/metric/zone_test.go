package metric

import (
	"testing"
	"time"
)

func TestLoadZone(t *testing.T) {
	at := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for name, want := range map[string]int{
		"UTC": 0, "Europe/Berlin": 7200, "US/Pacific": -7 * 3600, "Etc/GMT-8": 8 * 3600, "GMT+08:00": 8 * 3600, "UTC+8": 8 * 3600,
		"UTC+0530": 19800, "UTC-09:30": -34200, "GMT-3": -3 * 3600, "UTC+00:00": 0,
	} {
		loc, err := LoadZone(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, got := at.In(loc).Zone(); got != want {
			t.Errorf("%s is %d s east of UTC, want %d", name, got, want)
		}
		if again, err := LoadZone(loc.String()); err != nil || again.String() != loc.String() {
			t.Errorf("%s is named %s, which leads to %v: %v", name, loc, again, err)
		}
	}
	for _, name := range []string{"", "Local", "Asia/Beijing", "Nowhere", "UTC+19", "UTC+08:75", "+08:00", "CET+1"} {
		if loc, err := LoadZone(name); err == nil {
			t.Errorf("%q is taken for %s", name, loc)
		}
	}
}

func TestSurer(t *testing.T) {
	for i, o := range zoneOrigins {
		for j, p := range zoneOrigins {
			if want := i > j && j < 3; o.Surer(p) != want {
				t.Errorf("%s surer than %s: %v", o, p, !want)
			}
		}
	}
}

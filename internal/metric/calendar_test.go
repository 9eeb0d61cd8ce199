package metric

import (
	"testing"
	"time"
)

func TestCalendar(t *testing.T) {
	day := func(s string) Day { d, _ := ParseDay(s); return d }
	z := Zones{{From: day("2026-01-01"), Name: "Europe/Berlin"}, {From: day("2026-07-10"), Name: "Pacific/Kiritimati"}, {From: day("2026-07-24"), Name: "Europe/Berlin"}}
	c := NewCalendar(z)
	for d := day("2025-12-25"); d < day("2026-12-01"); d++ {
		if !c.Midnight(d).Equal(z.Midnight(d)) || c.Zone(d).String() != z.On(d).String() {
			t.Fatalf("%s begins at %s in %s, want %s in %s", d, c.Midnight(d), c.Zone(d), z.Midnight(d), z.On(d))
		}
		if got := c.Day(c.Midnight(d)); got != d {
			t.Errorf("the midnight of %s is on %s", d, got)
		}
		if got := c.Day(c.Midnight(d + 1).Add(-1)); got != d {
			t.Errorf("the last moment of %s is on %s", d, got)
		}
	}
	at := time.Date(2026, 11, 20, 23, 30, 0, 0, time.UTC)
	if got := NewCalendar(nil).Day(at); got != day("2026-11-20") {
		t.Errorf("without zones it is %s", got)
	}
}

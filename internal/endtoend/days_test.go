package endtoend

import (
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// What stands in InfluxDB is what two people did, through both days of a year on which the clocks change, and in a plain week.
func TestTruth(t *testing.T) {
	cases := []struct {
		name, zone  string
		first, last string // whole days, and the morning and noon of the last
	}{
		{"Berlin in spring", "Europe/Berlin", "2026-03-28", "2026-03-30"},
		{"Berlin in autumn", "Europe/Berlin", "2026-10-24", "2026-10-26"},
		{"New York in spring", "America/New_York", "2026-03-07", "2026-03-09"},
		{"New York in autumn", "America/New_York", "2026-10-31", "2026-11-02"},
		{"Kolkata", "Asia/Kolkata", "2026-01-12", "2026-01-18"},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
			first, last := day(t, c.first), day(t, c.last)
			a, b := person(uint64(100+i), c.zone, "", first), person(uint64(200+i), c.zone, "Pixel Watch 3", first)
			at := calm(last, 14, a, b)
			people := still([]time.Time{at}, a, b)
			a, b = people[0], people[1]
			w := newWorld(t, at, 1, a, b)
			h := newHome(t, w, first, db.URL)
			p := h.run()
			h.settle(p, "complete history")
			zone := a.Zone(last)
			want := truthOf(a, "", first, at).plus(truthOf(b, "Kim", first, at).points)
			got := held(t, db, h.name)
			same(t, "InfluxDB and the people's lives", want, got, zone)
			same(t, "InfluxDB and the archive", h.exported(), got, zone)
			endsWell(t, p)
			t.Logf("%d values of %d series, %d requests", got.len(), len(got), len(w.asked("/dataTypes/")))
		})
	}
}

//go:build influxdb2

package endtoend

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// From an InfluxDB 1 to an InfluxDB 2: it is added, catches up, and takes the old one's place; there it is emptied, and filled again. All
// points are in it each time.
func TestInfluxDB2Moving(t *testing.T) {
	t.Parallel()
	const speed = 600
	old, fresh := influxd.Start(t, influxd.Config{Version: influxd.V1_8}), influxd.Start(t, influxd.Config{Version: influxd.V2_7})
	today := day(t, "2026-06-17")
	p := person(51, "Europe/Berlin", "", today)
	at := calm(today, 12, p)
	p = still([]time.Time{at}, p)[0]
	w := newWorld(t, at, speed, p)
	h := newHome(t, w, today-2, old.URL)
	run := h.run()
	h.settle(run, "complete history")
	end := func() {
		t.Helper()
		if code, _ := run.Stop(); code != 0 {
			t.Fatalf("stopped with code %d", code)
		}
	}
	end()

	second := fmt.Sprintf("version: 2, url: %q, org: %q, bucket: %s, token: %q", fresh.URL, influxd.Org, h.name, influxd.Token)
	h.more = "more_databases:\n  - {" + second + "}\n"
	if code, said := h.do("check"); code != 0 || !strings.Contains(said, "will be created") {
		t.Errorf("check: code %d, said:\n%s", code, said)
	}
	run = h.run()
	h.await(run, "both to have everything", func(s status) bool { return len(s.Sinks) == 2 && s.delivered() })
	want := h.exported()
	same(t, "in the new one", want, held(t, fresh, h.name), p.Zone(today))
	same(t, "in the old one", want, held(t, old, h.name), p.Zone(today))
	t.Logf("both have %d values", want.len())
	end()

	h.db, h.more = "", "influxdb: {"+second+"}\n"
	old.Stop()
	run = h.run()
	h.await(run, "the new one to have its place", func(s status) bool { return len(s.Sinks) == 1 && s.delivered() })
	fresh.Drop(h.name)
	h.await(run, "a word of the emptied bucket", func(status) bool {
		return strings.Contains(run.Out.String(), "All is delivered again from the archive")
	})
	h.await(run, "all of it again", status.delivered)
	same(t, "after it was emptied", h.exported(), held(t, fresh, h.name), p.Zone(today))
	end()
}

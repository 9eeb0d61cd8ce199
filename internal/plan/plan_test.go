package plan

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

var update = flag.Bool("update", false, "write the golden files anew")

// judge checks what the scenario promises.
func (w *world) judge() {
	w.t.Helper()
	cal := newCalendar(w.in.Zones)
	for h, n := range w.counts {
		if !w.sc.Steady {
			break
		}
		most := 100
		from, _ := cal.quiet(h, w.in.Quiet)
		to, _ := cal.quiet(h.Add(time.Hour-time.Second), w.in.Quiet)
		if from && to && !w.up(h) {
			most = 20
		}
		if n > most {
			w.t.Errorf("%d requests in the hour of %s, want at most %d", n, h, most)
		}
	}
	if soon, n := w.soon(); w.sc.Ninety && (n == 0 || soon*100 < n*95) {
		w.t.Errorf("%d of %d syncs were answered within 90 s", soon, n)
	}
	w.in.Now = w.now
	if d := Next(w.in); w.sc.Done && d.Remaining.Days > 0.01 {
		w.t.Errorf("%.2f feed-days of history remain", d.Remaining.Days)
	}
}

// up reports whether the person is up in the hour that begins at h, though it is quiet, or was until just before.
func (w *world) up(h time.Time) bool {
	return slices.ContainsFunc(w.sc.Up, func(a [2]time.Time) bool {
		return !metric.Span{Start: h, End: h.Add(time.Hour)}.Overlap(metric.Span{Start: a[0], End: a[1].Add(closeSyncs)}).Empty()
	})
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, g[i], strings.Join(w[min(i, len(w)):min(i+1, len(w))], ""))
		}
	}
	return "the golden file is longer"
}

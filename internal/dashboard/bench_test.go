//go:build !race

package dashboard

import (
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// BenchmarkPanels asks what each panel asks, at its dashboard's default range and over all there is, of an InfluxDB 1.8.3 that holds
// a year of raw heart rate (and all the rest). make bench runs it; docs/performance.md has the figures.
func BenchmarkPanels(b *testing.B) {
	rawArchive(b)
	s := influxd.Start(b, influxd.Config{Version: influxd.V1_8})
	fill(b, s.URL, "fitbit", "metric")
	db := influxQL{url: s.URL, database: "fitbit"}
	files, err := Files(InfluxQL)
	if err != nil {
		b.Fatal(err)
	}
	for _, wide := range []struct {
		name string
		from time.Duration // 0 for the default
	}{{"default range", 0}, {"a year", 365 * 24 * time.Hour}} {
		b.Run(wide.name, func(b *testing.B) {
			var slowest, whole time.Duration
			var which string
			panels := 0
			for b.Loop() {
				slowest, whole, panels = 0, 0, 0
				for _, f := range files {
					v, x := opened(b, InfluxQL, db, f, nil)
					if wide.from > 0 {
						v.from = v.to.Add(-wide.from)
					}
					for _, p := range x.Panels {
						panels++
						for _, q := range p.Targets {
							began := time.Now()
							v.run(p, q)
							took := time.Since(began)
							whole += took
							if took > slowest {
								slowest, which = took, f.Name+", "+p.Title
							}
						}
					}
				}
			}
			b.Logf("slowest: %s", which)
			b.ReportMetric(float64(slowest.Milliseconds()), "ms-slowest-query")
			b.ReportMetric(float64(whole.Milliseconds()), "ms-all-queries")
			b.ReportMetric(float64(panels), "panels")
		})
	}
}

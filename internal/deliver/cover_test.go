package deliver_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/deliver"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/influx"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/core3"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/victoria"
)

// stage is one of a night: minutes after its start, and a level.
type stage struct{ minute, lasts, level int }

// putNight puts a night's stages, and when it woke.
func putNight(t *testing.T, a *archive.Archive, stages []stage) {
	t.Helper()
	levels := metric.Block{Series: metric.SleepLevels, Device: "D", Tags: []string{"True"}}
	for _, s := range stages {
		levels.Append(start.Add(time.Duration(s.minute)*time.Minute).UnixNano(), float64(s.level), float64(60*s.lasts))
	}
	day := metric.DayOf(start)
	_, err := a.Put(t.Context(), metric.Batch{Person: "me", Source: "google", Asked: start, Feed: "sleep", Axis: metric.Days, Span: metric.DaySpan(day, day), Kind: metric.Sleep,
		Series:   []metric.ID{metric.SleepLevels},
		Sessions: []metric.Session{{Kind: metric.Sleep, Key: "n1", Day: day, Start: start, End: start.Add(8 * time.Hour), Updated: start, Blocks: []metric.Block{levels}}}})
	if err != nil {
		t.Fatal(err)
	}
}

// curve is the level at each minute, as a chart draws it, and the minutes that all stages last.
func curve(rows []sinktest.Row, minutes int) (levels []float64, lasts float64) {
	slices.SortFunc(rows, func(a, b sinktest.Row) int { return cmp.Compare(a.Time, b.Time) })
	number := func(v any) float64 {
		if n, ok := v.(int64); ok {
			return float64(n)
		}
		return v.(float64)
	}
	levels = make([]float64, minutes)
	for _, r := range rows {
		lasts += number(r.Fields["duration_seconds"]) / 60
		for m := range levels {
			if !time.Unix(0, r.Time).After(start.Add(time.Duration(m)*time.Minute + 30*time.Second)) {
				levels[m] = number(r.Fields["level"])
			}
		}
	}
	return levels, lasts
}

// TestNightAgainWithoutDelete has a night computed again and again, for databases that cannot delete: the curve of the stages is
// right after each time, and where the database overwrites so is their sum.
func TestNightAgainWithoutDelete(t *testing.T) {
	nights := [][]stage{
		{{0, 10, 1}, {10, 10, 2}, {20, 10, 0}, {30, 30, 1}},
		{{5, 5, 3}, {10, 15, 2}, {25, 35, 0}},           // 0, 20 and 30 have vanished
		{{5, 5, 3}, {10, 15, 1}, {25, 35, 3}},           // nothing more, but other levels where they were
		{{5, 15, 1}, {20, 10, 0}, {30, 30, 2}},          // 20 and 30 are back, 10 and 25 gone
		{{5, 15, 3}, {20, 5, 2}, {25, 35, 1}},           // and the other way round
		{{5, 55, 2}},                                    // one only
		{{5, 5, 1}, {10, 10, 2}, {20, 40, 0}},           // and back
		{{5, 5, 1}, {10, 10, 2}, {20, 40, 3}},           //
		{{5, 5, 1}, {10, 10, 2}, {20, 40, 3}},           // nothing new
		{{5, 20, 3}, {25, 5, 0}, {30, 30, 1}},           //
		{{5, 5, 1}, {10, 20, 0}, {30, 30, 2}},           //
		{{5, 2, 1}, {7, 3, 3}, {10, 5, 0}, {15, 45, 1}}, //
	}
	// VictoriaMetrics does not overwrite either, so a stage with another level is beyond help there. Others can be covered.
	lost := [][]stage{nights[0], nights[1], {{5, 5, 3}, {10, 50, 2}}, {{5, 55, 3}}, {{5, 55, 3}}}
	core, vm := core3.Start(t), victoria.Start(t)
	tests := []struct {
		name   string
		config influx.Config
		nights [][]stage
		rows   func() []sinktest.Row
	}{
		{"InfluxDB 3 double", influx.Config{Version: influx.V3, URL: core.URL, Database: "db", Token: core3.Token}, nights, func() []sinktest.Row { return core.Rows("db", "Sleep Levels") }},
		{"VictoriaMetrics", influx.Config{Version: influx.VictoriaMetrics, URL: vm.URL, Username: victoria.User, Password: victoria.Password}, lost, func() []sinktest.Row { return vm.Rows("Sleep Levels") }},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			a := newArchive(t)
			c.config.Catalogue, c.config.Units = metric.Default(), influx.Metric
			s, err := influx.New(c.config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			for i, night := range c.nights {
				putNight(t, a, night)
				// A deliverer of its own each time: what it has to know is in the archive.
				d := deliver.New(deliver.Config{Archive: a, Sink: s, Catalogue: metric.Default(), Persons: persons})
				if err := d.DrainOnce(t.Context()); err != nil {
					t.Fatal(err)
				}
				var truth []sinktest.Row
				for _, s := range night {
					truth = append(truth, sinktest.Row{Time: start.Add(time.Duration(s.minute) * time.Minute).UnixNano(),
						Fields: map[string]any{"level": int64(s.level), "duration_seconds": int64(60 * s.lasts)}})
				}
				want, sum := curve(truth, 60)
				got, lasts := curve(c.rows(), 60)
				if !slices.Equal(got[5:], want[5:]) {
					t.Errorf("night %d:\n got %v\nwant %v", i, got[5:], want[5:])
				}
				if i > 0 {
					sum += 10 // the first stage began before the night does by now: it stays
				}
				if s.Traits().Overwrites && lasts != sum {
					t.Errorf("night %d: the stages last %v minutes, want %v", i, lasts, sum)
				}
			}
			stay, err := a.Quarantined(t.Context(), s.Name())
			if err != nil || len(stay) != 1 || stay[0].Count != 1 || !stay[0].First.Equal(start) || stay[0].Hint == "" {
				t.Errorf("reported %+v, %v; want the stage at the start, which stays", stay, err)
			}
		})
	}
}

package archive

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// lifeDay puts a day of a life as dense as the live service's: heart rate, its minutes, steps, a night, totals, battery.
func lifeDay(t *testing.T, a *Archive, r *rand.Rand, day metric.Day) {
	mustPut(t, a, heartDay(r, day))
	start := day.Civil()
	mustPut(t, a, stepsBatch(hours(start, 0, 24), func(m int) float64 {
		if m < 420 || r.IntN(3) > 0 {
			return -1
		}
		return float64(r.IntN(120))
	}))
	var stages []float64
	for range 45 {
		stages = append(stages, float64(r.IntN(4)))
	}
	n := night(true, stages...)
	s := &n.Sessions[0]
	shift := start.Sub(metric.DayOf(noon).Civil())
	s.Key, s.Day, n.Span = "night "+day.String(), day, metric.DaySpan(day, day)
	for i := range s.Blocks {
		for k := range s.Blocks[i].Times {
			s.Blocks[i].Times[k] += int64(shift)
		}
	}
	mustPut(t, a, n)
	span := metric.DaySpan(day, day)
	for _, row := range a.cfg.Catalogue {
		if row.Sampling != metric.Daily {
			continue
		}
		b := metric.Block{Series: row.ID, Device: "Charge 5"}
		values := make([]float64, len(row.Fields))
		for i := range values {
			values[i] = math.Round(r.Float64()*1e6) / 1e3
		}
		b.Append(start.UnixNano(), values...)
		mustPut(t, a, metric.Batch{Person: "me", Source: "google", Feed: string(row.ID), Axis: metric.Days, Span: span, Bounds: span, Asked: span.End,
			Final: span.End, Series: []metric.ID{row.ID}, Blocks: []metric.Block{b}})
	}
	for id, every := range map[metric.ID]time.Duration{metric.Battery: time.Hour, "spo2_intraday": 3 * time.Minute, "hrv_intraday": 5 * time.Minute, metric.Weight: 24 * time.Hour} {
		row := a.cfg.Catalogue.Must(id)
		b := metric.Block{Series: id, Device: "Charge 5"}
		for at := start; at.Before(start.Add(7 * time.Hour)); at = at.Add(every) {
			values := make([]float64, len(row.Fields))
			for i := range values {
				values[i] = math.Round(r.Float64()*1000) / 10
			}
			b.Append(at.UnixNano(), values...)
		}
		mustPut(t, a, metric.Batch{Person: "me", Source: "google", Feed: string(id), Span: hours(start, 0, 24), Asked: span.End, Final: span.End,
			Series: []metric.ID{id}, Blocks: []metric.Block{b}})
	}
}

// A year of a life takes at most 15 MB on disk.
func TestSizeOfAYear(t *testing.T) {
	a := openAt(t, config(filepath.Join(t.TempDir(), "archive.db")))
	r := rand.New(rand.NewPCG(2, 2))
	const days = 10
	for d := range days {
		lifeDay(t, a, r, metric.Day(20000+d))
	}
	counts, err := a.Counts(t.Context(), "me")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counts {
		if c.Bytes > 3000 {
			t.Logf("%s: %d samples a day, %.2f B each", c.Series, c.Samples/days, float64(c.Bytes)/float64(c.Samples))
		}
	}
	if err := a.Close(); err != nil { // which moves the log into the file
		t.Fatal(err)
	}
	info, err := os.Stat(a.cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	year := float64(info.Size()) / days * 365 / 1e6
	t.Logf("%.1f MB a year", year)
	if year > 15 {
		t.Errorf("a year takes %.1f MB, more than 15", year)
	}
}

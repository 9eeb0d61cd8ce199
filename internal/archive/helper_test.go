package archive

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func config(path string) Config {
	return Config{Path: path, Catalogue: metric.Default(), Rank: []string{"google", "fitbit"},
		Now: func() time.Time { return noon }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func openAt(t testing.TB, cfg Config) *Archive {
	t.Helper()
	a, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func newArchive(t testing.TB) *Archive {
	t.Helper()
	return openAt(t, config(filepath.Join(t.TempDir(), "archive.db")))
}

func mustPut(t testing.TB, a *Archive, b metric.Batch) Change {
	t.Helper()
	c, err := a.Put(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// hours returns the span of hours from to to of a day.
func hours(day time.Time, from, to int) metric.Span {
	day = day.Truncate(24 * time.Hour)
	return metric.Span{Start: day.Add(time.Duration(from) * time.Hour), End: day.Add(time.Duration(to) * time.Hour)}
}

// stepsBatch answers for steps per minute in a span, each minute with what value says; negative for none.
func stepsBatch(span metric.Span, value func(minute int) float64) metric.Batch {
	b := metric.Block{Series: metric.Steps, Device: "Charge 5"}
	for i, t := 0, span.Start; t.Before(span.End); i, t = i+1, t.Add(time.Minute) {
		if v := value(i); v >= 0 {
			b.Append(t.UnixNano(), v)
		}
	}
	return metric.Batch{Person: "me", Source: "google", Feed: "steps", Span: span, Asked: span.End, Final: span.End,
		Series: []metric.ID{metric.Steps}, Blocks: metric.Tidied([]metric.Block{b})}
}

// heartDay answers for a day of heart rate, every 1 to 5 s, and its minutes, as dense as the live service's.
func heartDay(r *rand.Rand, day metric.Day) metric.Batch {
	raw := metric.Block{Series: metric.HeartRate, Device: "Charge 5"}
	minute := metric.Block{Series: metric.HeartRateMinute, Device: "Charge 5"}
	start := day.Civil()
	level, sum, n, lo, hi, at := 70.0, 0.0, 0.0, 999.0, 0.0, start
	for t := start; t.Before(start.Add(24 * time.Hour)); t = t.Add(time.Duration([]int{1, 2, 3, 3, 3, 4, 5}[r.IntN(7)]) * time.Second) {
		if m := t.Truncate(time.Minute); m != at {
			minute.Append(at.UnixNano(), sum/n, lo, hi)
			sum, n, lo, hi, at = 0, 0, 999, 0, m
		}
		level += r.NormFloat64()*1.3 - (level-75)*0.01
		v := float64(int(level))
		raw.Append(t.UnixNano(), v)
		sum, n, lo, hi = sum+v, n+1, min(lo, v), max(hi, v)
	}
	minute.Append(at.UnixNano(), sum/n, lo, hi)
	span := metric.DaySpan(day, day)
	return metric.Batch{Person: "me", Source: "google", Feed: "heart", Span: span, Asked: span.End, Final: span.End,
		Series: []metric.ID{metric.HeartRate, metric.HeartRateMinute}, Blocks: []metric.Block{raw, minute}}
}

// covers reports whether all from from to to has been asked.
func covers(rows []metric.Covered, from, to time.Time) bool {
	var spans []metric.Span
	for _, r := range rows {
		spans = append(spans, r.Span)
	}
	return len(metric.Span{Start: from, End: to}.Subtract(spans)) == 0
}

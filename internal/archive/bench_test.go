package archive

import (
	"context"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

func samplesIn(b metric.Batch) (n int) {
	for i := range b.Blocks {
		n += b.Blocks[i].Len()
	}
	return n
}

// A day of heart rate and its minutes, put into an archive that does not have it.
func BenchmarkPutHeartDay(b *testing.B) {
	a := newArchive(b)
	r := rand.New(rand.NewPCG(1, 1))
	n := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		day := heartDay(r, metric.Day(20000+i))
		n += samplesIn(day)
		b.StartTimer()
		mustPut(b, a, day)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/sample")
	if info, err := os.Stat(a.cfg.Path); err == nil {
		b.ReportMetric(float64(info.Size())/float64(n), "B/sample")
	}
}

// A day that brings nothing new.
func BenchmarkPutHeartDayAgain(b *testing.B) {
	a := newArchive(b)
	day := heartDay(rand.New(rand.NewPCG(1, 1)), 20000)
	mustPut(b, a, day)
	for b.Loop() {
		mustPut(b, a, day)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*samplesIn(day)), "ns/sample")
}

// Reading it back for a sink.
func BenchmarkDue(b *testing.B) {
	a := newArchive(b)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 14 {
		mustPut(b, a, heartDay(r, metric.Day(20000+i)))
	}
	ctx := context.Background()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		for {
			pieces, err := a.Due(ctx, "sink", 30000)
			if err != nil {
				b.Fatal(err)
			}
			if len(pieces) == 0 {
				break
			}
			for i := range pieces {
				n += pieces[i].Block.Len()
			}
			if err := a.Ack(ctx, "sink", pieces, nil); err != nil {
				b.Fatal(err)
			}
		}
		if err := a.Rewind(ctx, "sink"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/sample")
}

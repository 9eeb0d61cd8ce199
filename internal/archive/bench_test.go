//go:build unix

package archive

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// cpu returns the time this process has computed, kernel and collector included: other work on the machine does not count.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

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
	n, used := 0, time.Duration(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		day := heartDay(r, metric.Day(20000+i))
		n += samplesIn(day)
		b.StartTimer()
		before := cpu()
		mustPut(b, a, day)
		used += cpu() - before
	}
	b.ReportMetric(float64(used.Nanoseconds())/float64(n), "cpu-ns/sample")
}

// A day that brings nothing new.
func BenchmarkPutHeartDayAgain(b *testing.B) {
	a := newArchive(b)
	day := heartDay(rand.New(rand.NewPCG(1, 1)), 20000)
	mustPut(b, a, day)
	before := cpu()
	for b.Loop() {
		mustPut(b, a, day)
	}
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N*samplesIn(day)), "cpu-ns/sample")
}

// Reading it back for a sink.
func BenchmarkDue(b *testing.B) {
	a := newArchive(b)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 14 {
		mustPut(b, a, heartDay(r, metric.Day(20000+i)))
	}
	ctx := context.Background()
	n, before := 0, cpu()
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
	b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(n), "cpu-ns/sample")
}

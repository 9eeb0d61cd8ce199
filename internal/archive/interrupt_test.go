package archive

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Whatever is done with an archive is interrupted at each of its steps, one after the other, until it comes through: each time it is an
// error, and nothing of it has happened. What came through then is the same as if it had never been interrupted.
func TestInterruptedAnywhere(t *testing.T) {
	dir := t.TempDir()
	day := metric.DayOf(noon)
	steps := func(n int) metric.Batch {
		return stepsBatch(hours(noon.AddDate(0, 0, -n), 0, 24), func(m int) float64 { return float64((m*m + n) % 97) })
	}
	for _, op := range []struct {
		name string
		do   func(ctx context.Context, a *Archive) error
		late bool // something may have happened: it goes on after its commit
	}{
		{"put a day", func(ctx context.Context, a *Archive) error { _, err := a.Put(ctx, steps(5)); return err }, false},
		{"put a night", func(ctx context.Context, a *Archive) error { _, err := a.Put(ctx, night(true, 1, 0, 2, 3)); return err }, false},
		{"put a night that was shorter", func(ctx context.Context, a *Archive) error { _, err := a.Put(ctx, night(true, 1)); return err }, false},
		{"put less than there was", func(ctx context.Context, a *Archive) error {
			_, err := a.Put(ctx, stepsBatch(hours(noon, 0, 2), func(m int) float64 { return float64(m - 25) })) // 18 more have vanished
			return err
		}, false},
		{"uncover", func(ctx context.Context, a *Archive) error {
			return a.Uncover(ctx, "me", "google", "steps", hours(noon, 3, 5))
		}, false},
		{"set a state", func(ctx context.Context, a *Archive) error { return a.SetState(ctx, "me", "k", []byte("v")) }, false},
		{"remove a state", func(ctx context.Context, a *Archive) error { return a.SetState(ctx, "me", "k", nil) }, false},
		{"state", func(ctx context.Context, a *Archive) error { _, err := a.State(ctx, "me", "zones"); return err }, false},
		{"coverage", func(ctx context.Context, a *Archive) error { _, err := a.Coverage(ctx, "me", "google"); return err }, false},
		{"days", func(ctx context.Context, a *Archive) error {
			_, err := a.Days(ctx, "me", metric.Steps, metric.NewCalendar(nil))
			return err
		}, false},
		{"read", func(ctx context.Context, a *Archive) error {
			for _, err := range a.Read(ctx, "me", metric.Steps, metric.DaySpan(day-9, day)) {
				if err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"newest", func(ctx context.Context, a *Archive) error {
			_, _, _, err := a.Newest(ctx, "me", metric.Steps)
			return err
		}, false},
		{"sessions", func(ctx context.Context, a *Archive) error {
			_, err := a.Sessions(ctx, "me", metric.Sleep, metric.DaySpan(day-9, day))
			return err
		}, false},
		{"tracks", func(ctx context.Context, a *Archive) error { _, err := a.Tracks(ctx, "me", "google"); return err }, false},
		{"counts", func(ctx context.Context, a *Archive) error { _, err := a.Counts(ctx, "me"); return err }, false},
		{"stats", func(ctx context.Context, a *Archive) error { _, err := a.Stats(ctx); return err }, false},
		{"backlog", func(ctx context.Context, a *Archive) error { _, err := a.Backlog(ctx, "influx"); return err }, false},
		{"deliver what has vanished", func(ctx context.Context, a *Archive) error {
			tombs, err := a.DueTombs(ctx, "influx", 9)
			if err != nil {
				return err
			}
			return a.Ack(ctx, "influx", nil, tombs)
		}, false},
		{"deliver", func(ctx context.Context, a *Archive) error {
			pieces, err := a.Due(ctx, "influx", 2000)
			if err != nil {
				return err
			}
			return a.Ack(ctx, "influx", pieces, nil)
		}, false},
		{"quarantine", func(ctx context.Context, a *Archive) error {
			return a.Quarantine(ctx, Quarantined{Sink: "influx", Person: "me", Series: metric.Steps, Reason: "no", Count: 1})
		}, false},
		{"quarantined", func(ctx context.Context, a *Archive) error { _, err := a.Quarantined(ctx, "influx"); return err }, false},
		{"snapshot", func(ctx context.Context, a *Archive) error { return a.Snapshot(ctx, filepath.Join(dir, "copy.db")) }, false},
		{"rewind", func(ctx context.Context, a *Archive) error { return a.Rewind(ctx, "influx") }, false},
		{"drop a sink", func(ctx context.Context, a *Archive) error { return a.DropSink(ctx, []string{"other"}) }, false},
		{"forget", func(ctx context.Context, a *Archive) error {
			return a.Forget(ctx, "me", []metric.ID{metric.SleepLevels})
		}, true},
		{"erase", func(ctx context.Context, a *Archive) error { return a.Erase(ctx, "me") }, true},
	} {
		t.Run(op.name, func(t *testing.T) {
			interrupted, never := interruptible(t, steps), interruptible(t, steps)
			before, failed := dump(t, interrupted), 0
			for n := range int64(1000) {
				err := op.do(newCountdown(n), interrupted)
				if err == nil {
					break
				}
				failed++
				if strings.Contains(err.Error(), ".tmp") {
					t.Errorf("after %d looks: %v", n, err)
				}
				if got := dump(t, interrupted); got != before && !op.late {
					t.Fatalf("after %d looks something had happened (%v)", n, err)
				}
			}
			if failed == 0 || failed == 1000 {
				t.Fatalf("it was interrupted %d times", failed)
			}
			if err := op.do(t.Context(), never); err != nil {
				t.Fatal(err)
			}
			if got, want := dump(t, interrupted), dump(t, never); got != want && !op.late {
				t.Errorf("what came through is not what comes through at once:\n%s\n%s", got, want)
			}
			for _, a := range []*Archive{interrupted, never} {
				n, _ := take(t, a, "fresh")
				if want := interruptibleHeld(t, a); n != want {
					t.Errorf("a new sink got %d samples of %d", n, want)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// interruptible is an archive with some of everything; a sink has taken part of it.
func interruptible(t *testing.T, steps func(int) metric.Batch) *Archive {
	t.Helper()
	a := newArchive(t)
	mustPut(t, a, steps(0))
	mustPut(t, a, night(true, 1, 0, 2))
	pieces, err := a.Due(t.Context(), "influx", 1)
	if err == nil {
		err = a.Ack(t.Context(), "influx", pieces, nil)
	}
	if err == nil {
		err = a.SetState(t.Context(), "me", "k", []byte("before"))
	}
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, a, stepsBatch(hours(noon, 0, 1), func(m int) float64 { return float64(m - 7) })) // so that some have vanished
	mustPut(t, a, steps(1))
	return a
}

func interruptibleHeld(t *testing.T, a *Archive) (n int) {
	t.Helper()
	counts, err := a.Counts(t.Context(), "me")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counts {
		n += c.Samples
	}
	return n
}

// dump is all that the database holds.
func dump(t *testing.T, a *Archive) string {
	t.Helper()
	var b strings.Builder
	for _, table := range []string{"head", "chunk", "session", "coverage", "doubt", "tomb", "state", "sink", "ahead", "quarantine"} {
		rows, err := a.write.Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			row := make([]any, len(names))
			at := make([]any, len(names))
			for i := range row {
				at[i] = &row[i]
			}
			if err := rows.Scan(at...); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %q\n", table, fmt.Sprint(row...))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// Behind a checksum that is right: bytes that mean nothing are an error, wherever they stand.
func TestUnpackNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	c := &codec{}
	refused := map[string]int{}
	var whole []byte
	for i := range 4000 {
		if i%50 == 0 {
			whole = c.encode(randomSamples(r))
			whole = whole[:len(whole)-4]
		}
		data := bytes.Clone(whole)
		switch r.IntN(3) {
		case 0:
			data = data[:r.IntN(len(data))]
		case 1:
			at := r.IntN(len(data))
			data = append(data[:at:at], append([]byte{byte(r.IntN(256))}, data[at:]...)...)
		default:
			for range 1 + r.IntN(3) {
				data[r.IntN(min(len(data), 40))] = byte(r.IntN(256))
			}
		}
		s := &samples{}
		err := c.unpack(s, data)
		if err == nil {
			for _, col := range s.cols {
				if len(col) != s.len() {
					t.Fatalf("%d values for %d samples", len(col), s.len())
				}
			}
			continue
		}
		refused[strings.TrimRight(err.Error(), "0123456789")]++
	}
	if len(refused) < 8 {
		t.Errorf("the noise met %d kinds of refusal: %v", len(refused), refused)
	}
}

//go:build unix

package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// childEnv makes the test binary play the process that dies.
const childEnv = "ARCHIVE_TEST_CHILD"

func TestMain(m *testing.M) {
	var err error
	switch role, path, _ := strings.Cut(os.Getenv(childEnv), ":"); role {
	case "":
		os.Exit(m.Run())
	case "put":
		err = childPut(path)
	case "full":
		err = childFull(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, role, path string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role+":"+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// crashBatch answers for the nth day before noon's: steps of all its minutes.
func crashBatch(n int) metric.Batch {
	return stepsBatch(hours(noon.AddDate(0, 0, -n), 0, 24), func(m int) float64 { return float64((m*7 + n*n) % 113) })
}

// childPut puts one day after the other, and says so when each is on disk, until it is killed.
func childPut(path string) error {
	ctx := context.Background()
	a, err := Open(ctx, config(path))
	if err != nil {
		return err
	}
	cov, err := a.Coverage(ctx, "me", "google")
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		b := crashBatch(n)
		if covers(cov["steps"], b.Span.Start, b.Span.End) {
			continue
		}
		if _, err := a.Put(ctx, b); err != nil {
			return err
		}
		fmt.Println(n)
		pieces, err := a.Due(ctx, "influx", 3000)
		if err != nil {
			return err
		}
		if err := a.Ack(ctx, "influx", pieces, nil); err != nil {
			return err
		}
	}
}

func TestKilledAtAnyMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "archive.db")
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	r := rand.New(rand.NewPCG(8, 8))
	told := map[int]bool{}
	for round := range rounds {
		cmd, out := child(t, "put", path)
		left, at := 1+r.IntN(12), time.Duration(r.IntN(9000))*time.Microsecond
		scan := bufio.NewScanner(out)
		for scan.Scan() {
			n, err := strconv.Atoi(scan.Text())
			if err != nil {
				t.Fatal(err)
			}
			if told[n] {
				t.Fatalf("round %d: day %d was asked twice", round, n)
			}
			told[n] = true
			if left--; left == 0 {
				time.AfterFunc(at, func() { cmd.Process.Kill() })
			}
		}
		cmd.Wait()
		checkCrashed(t, path, told)
	}
	a := openAt(t, config(path))
	if n, _ := take(t, a, "fresh"); n != stepsHeld(t, a) {
		t.Errorf("a new sink got %d of %d samples", n, stepsHeld(t, a))
	}
}

// checkCrashed opens what a dead process left: every day it told of is there and whole, any other is there whole or not at all.
func checkCrashed(t *testing.T, path string, told map[int]bool) {
	t.Helper()
	a := openAt(t, config(path))
	defer a.Close()
	if rep := a.Report(); rep.Aside != "" || len(rep.Dropped) > 0 {
		t.Fatalf("broken: %+v", rep)
	}
	cov, err := a.Coverage(t.Context(), "me", "google")
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(told) + 2 {
		b := crashBatch(n)
		covered := covers(cov["steps"], b.Span.Start, b.Span.End)
		if told[n] && !covered {
			t.Fatalf("day %d was told to be on disk, and is not", n)
		}
		got := 0
		for bl, err := range a.Read(t.Context(), "me", metric.Steps, b.Span) {
			if err != nil {
				t.Fatal(err)
			}
			got += bl.Len()
		}
		if want := map[bool]int{true: 1440}[covered]; got != want {
			t.Fatalf("day %d: %d samples, covered %v", n, got, covered)
		}
		if covered {
			told[n] = true // it was on disk, and only the word of it was lost
		}
	}
}

// childFull puts days into an archive whose files may not grow beyond a limit, a higher one each time; then into one without.
func childFull(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx := context.Background()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		return err
	}
	failed := 0
	for limit := uint64(0); limit < 400<<10; limit += 14<<10 + 512 {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: was.Max}); err != nil {
			return err
		}
		err := fillUp(ctx, path, &failed)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("limit %d: %w", limit, err)
		}
	}
	fmt.Println("failed", failed)
	return nil
}

// fillUp puts days until one fails; it tells those that did not. A day that failed is put again by the next call.
func fillUp(ctx context.Context, path string, failed *int) error {
	var e *Error
	a, err := Open(ctx, config(path))
	if err != nil {
		*failed++
		if !errors.As(err, &e) && !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("opening: no hint in %w", err)
		}
		return nil
	}
	defer a.Close()
	if rep := a.Report(); rep.Aside != "" {
		return fmt.Errorf("a full disk was taken for a broken file: %s", rep.Reason)
	}
	cov, err := a.Coverage(ctx, "me", "google")
	if err != nil {
		return err
	}
	for n := range 400 {
		b := crashBatch(n)
		if covers(cov["steps"], b.Span.Start, b.Span.End) {
			continue
		}
		if _, err := a.Put(ctx, b); err != nil {
			*failed++
			if !errors.As(err, &e) || e.Hint == "" {
				return fmt.Errorf("putting: no hint in %w", err)
			}
			return nil
		}
		fmt.Println(n)
	}
	return nil
}

func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "archive.db")
	cmd, out := child(t, "full", path)
	told, failed := map[int]bool{}, 0
	scan := bufio.NewScanner(out)
	for scan.Scan() {
		if n, ok := strings.CutPrefix(scan.Text(), "failed "); ok {
			failed, _ = strconv.Atoi(n)
			continue
		}
		n, err := strconv.Atoi(scan.Text())
		if err != nil {
			t.Fatal(err)
		}
		if told[n] {
			t.Fatalf("day %d was asked twice", n)
		}
		told[n] = true
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if failed < 15 || len(told) < 20 {
		t.Fatalf("%d failures, %d days stored: the sweep of limits proves nothing", failed, len(told))
	}
	checkCrashed(t, path, told)
}

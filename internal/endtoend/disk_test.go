//go:build linux

package endtoend

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// A file that may not grow is what a full disk is: wherever the limit falls, there is a message with the cure, and when there is
// room again the same process, or where it could not even begin the next one, brings everything.
func TestFileLimit(t *testing.T) {
	t.Parallel()
	db := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	for i, kb := range []int{4, 40, 90, 150, 250, 600} {
		t.Run(fmt.Sprintf("%d kB", kb), func(t *testing.T) {
			t.Parallel()
			w, p, at := diskWorld(t, uint64(400+i))
			h := newHome(t, w, p.Day(at)-1, db.URL)
			h.name = fmt.Sprintf("limit%d", kb)
			cmd := h.command()
			cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -S -f %d; exec "$0" "$@"`, kb*2)}, append([]string{binary}, cmd.Args[1:]...)...)
			cmd.Path = "/bin/sh"
			run := proctest.Start(t, "the program", cmd, io.Discard) // through a pipe: its log is no file that may not grow
			if h.full(run) {
				if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}, nil); err != nil {
					t.Fatal(err)
				}
			} else {
				run = h.run()
			}
			h.recovers(run, p, at, db)
		})
	}
}

// A disk that is really full, and has room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	db := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	w, p, at := diskWorld(t, 420)
	h := newHome(t, w, p.Day(at)-1, db.URL)
	small := filepath.Join(h.dir, "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatalf("a small disk cannot be mounted: %v. Run the tests as root, or in a name space of their own: unshare --map-root-user --mount go test …", err)
	}
	t.Cleanup(func() { syscall.Unmount(small, syscall.MNT_DETACH) })
	h.more = "archive: " + filepath.Join(small, "archive.db") + "\n"
	filler := filepath.Join(small, "filler")
	if err := os.WriteFile(filler, make([]byte, 3900<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	run := h.run()
	if !h.full(run) {
		t.Fatalf("the program ended on a full disk; it said:\n%s", run.Tail())
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	h.recovers(run, p, at, db)
}

// diskWorld is a person whose tracker is still, in a world that runs fast: pauses are short.
func diskWorld(t *testing.T, seed uint64) (*world, *simulate.Person, time.Time) {
	t.Helper()
	today := day(t, "2026-04-22")
	p := person(seed, "Europe/Berlin", "", today)
	at := calm(today, 11, p)
	p = still([]time.Time{at}, p)[0]
	return newWorld(t, at, 600, p), p, at
}

// full waits for the message that the disk is full; it reports whether the program still runs. One that ended must have said it.
func (h *home) full(run *proctest.Process) bool {
	h.t.Helper()
	proctest.Until(h.t, "the full disk to be noticed", func() bool {
		if s := run.Out.String(); run.Ended() || strings.Contains(s, "could not be stored") || strings.Contains(s, "could not be saved") {
			return true
		}
		if s, ok := h.status(); ok && s.settled() {
			h.t.Fatal("the limit was never reached: the test says nothing")
		}
		return false
	}, run.Tail)
	said := run.Out.String()
	if strings.Contains(said, "goroutine ") || strings.Contains(said, "SIGXFSZ") {
		h.t.Fatalf("the program crashed:\n%s", said)
	}
	if run.Ended() {
		if run.Code != 1 || !strings.Contains(said, "space") {
			h.t.Errorf("ended with code %d, and did not name the cure:\n%s", run.Code, said)
		}
		return false
	}
	if !strings.Contains(said, "disk") && !strings.Contains(said, "file too large") && !strings.Contains(said, "no space") {
		h.t.Errorf("nothing in the log says what is wrong:\n%s", proctest.Tail(said))
	}
	cured := func(s status) bool {
		for _, f := range s.People[0].Collect.Feeds {
			if strings.Contains(f.Hint, "space") {
				return true
			}
		}
		for _, k := range s.Sinks {
			if strings.Contains(k.Status.Hint, "space") {
				return true
			}
		}
		return false
	}
	h.await(run, "the cure in the status", cured)
	return true
}

// recovers waits until all is there by itself.
func (h *home) recovers(run *proctest.Process, p *simulate.Person, at time.Time, db *influxd.Server) {
	h.t.Helper()
	h.settle(run, "everything, once there is room")
	got := held(h.t, db, h.name)
	same(h.t, "InfluxDB and the person's life", truthOf(p, "", h.start, at).points, got, p.Zone(h.start))
	same(h.t, "InfluxDB and the archive", h.exported(), got, p.Zone(h.start))
	if code, _ := run.Stop(); code != 0 {
		h.t.Errorf("stopped with code %d:\n%s", code, run.Tail())
	}
}

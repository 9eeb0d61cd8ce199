package bench

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

const (
	years = 2
	speed = 1440 // of a told day in a real minute
	quiet = time.Minute

	settling = 45 * time.Second // after a start, which asks for all that may have changed meanwhile
)

// home is a user with everything: a long archive, InfluxDB, Mosquitto, and the page.
type home struct {
	*rig
	data string
	page string // its address
	more string // options
}

// newHome fetches the years, and delivers them. Nothing of that is measured.
func newHome(b *testing.B, days int) *home {
	b.Helper()
	r := newRig(b)
	db := influxd.Start(b, influxd.Config{Version: influxd.V1_8})
	h := &home{rig: r, page: fmt.Sprintf("127.0.0.1:%d", proctest.FreePort(b))}
	h.more = fmt.Sprintf("backfill_start: %d\nlog_level: warning\ninfluxdb: {url: %s, database: life}\nmqtt: {host: 127.0.0.1, port: %d}\npage: {listen: '%s'}\n",
		days, db.URL, proctest.StartBroker(b).Port, h.page)
	var err error
	if h.data, err = os.MkdirTemp(r.dir, "home"); err != nil {
		b.Fatal(err)
	}
	file := r.write(h.data, r.service, now, "polite: no\n"+h.more)
	r.authorize(file)
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		b.Fatal(err)
	}
	r.run(file, "backfill", "--from", at.AddDate(0, 0, -days).Format(time.DateOnly))
	return h
}

// live starts the program in the service's time and waits until it has nothing to do; two pages are open from then on.
func (h *home) live(service, clock string) (cmd *exec.Cmd, file string) {
	h.b.Helper()
	file = h.write(h.data, service, clock, h.more)
	if err := os.Remove(filepath.Join(h.data, "token.json")); err != nil { // another service knows nothing of it
		h.b.Fatal(err)
	}
	h.authorize(file)
	cmd = exec.Command(h.program, "--config", file)
	cmd.Stderr = os.Stderr
	h.start(cmd)
	h.await(file, time.Now(), func(s standing) bool { return s.Running && s.People[0].Collect.Remaining.Total > 0 && !s.behind() })
	for _, page := range []string{"today", "status"} {
		resp, err := http.Get("http://" + h.page + "/events?page=" + page)
		if err != nil {
			h.b.Fatal(err)
		}
		go func() {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}()
	}
	return cmd, file
}

// stop ends the program as its users do, and returns the CPU that it took in all.
func (h *home) stop(cmd *exec.Cmd) time.Duration {
	h.b.Helper()
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		h.b.Fatalf("stopping: %v", err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// BenchmarkLiving is the whole program with an archive of two years, InfluxDB, MQTT and two open pages: a told day in a minute, for
// what fetching, delivering and publishing cost; and a real minute, for what being looked at costs.
func BenchmarkLiving(b *testing.B) {
	h := newHome(b, years*365)
	for b.Loop() {
		began := time.Now()
		fast := h.serve(now + fmt.Sprintf("@%d", speed))
		at, _ := time.Parse(time.RFC3339, now)
		told := func() string {
			return at.Add(time.Since(began)*speed).UTC().Format(time.RFC3339) + fmt.Sprintf("@%d", speed)
		}
		cmd, file := h.live(fast, told())
		before := h.samples(file)
		peak := h.watch(cmd.Process.Pid, 24*time.Hour/speed)
		peak.atLeast(peakOf(cmd.Process.Pid)) // at the start, too
		fetched := h.samples(file) - before
		day := h.stop(cmd)
		if fetched < 20_000 {
			b.Errorf("only %d samples were fetched in a day", fetched)
		}

		at = at.Add(time.Since(began) * speed)
		slow := h.serve(at.UTC().Format(time.RFC3339))
		cmd, _ = h.live(slow, at.UTC().Format(time.RFC3339))
		h.watch(cmd.Process.Pid, settling)
		cpu := cpuOf(b, cmd.Process.Pid)
		idle := h.watch(cmd.Process.Pid, quiet)
		minute := cpuOf(b, cmd.Process.Pid) - cpu
		h.stop(cmd)

		b.Logf("a told day: %v of CPU for %d samples, %v; a real minute with two pages open: %v of CPU, %v", day.Round(time.Millisecond), fetched, peak, minute, idle)
		b.ReportMetric(day.Seconds(), "s-CPU/told-day")
		b.ReportMetric(minute.Seconds()*(24*60), "s-CPU/day-looked-at")
		peak.report(b, "peak")
		idle.report(b, "looked-at")
	}
}

func (s standing) behind() bool {
	for _, k := range s.Sinks {
		if k.Backlog.Samples > 0 {
			return true
		}
	}
	return false
}

// samples counts what the archive holds.
func (r *rig) samples(file string) (n int) {
	r.b.Helper()
	r.await(file, time.Now(), func(s standing) bool {
		n = s.Archive.Samples
		return true
	})
	return n
}

// watch lets time pass, and returns the most memory that the process held meanwhile.
func (r *rig) watch(pid int, long time.Duration) (most footprint) {
	r.b.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(long); time.Now().Before(end); <-tick.C {
		now := footprintOf(pid)
		if now.rss == 0 {
			r.b.Fatal("the program has ended")
		}
		most.atLeast(now)
	}
	return most
}

// cpuOf returns the CPU that a running process has taken, to a hundredth of a second.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	var user, system int64
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond
}

package endtoend

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// InfluxDB is away for an hour while a person lives on, and comes back; later somebody empties it. All points return by
// themselves, and the service is not asked again for any of them.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	const speed = 600
	db := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	today := day(t, "2026-06-17")
	p := person(33, "Europe/Berlin", "", today)
	at := calm(today, 12, p)
	p = still([]time.Time{at.Add(3 * time.Hour)}, p)[0] // so that nothing but the database moves at the end
	w := newWorld(t, at, speed, p)
	h := newHome(t, w, today-2, db.URL)
	run := h.run()
	h.settle(run, "complete history")

	db.Kill()
	away := w.now()
	broken := h.await(run, "a message that the database is away", func(s status) bool {
		return w.now().Sub(away) > time.Hour && len(s.Sinks) == 1 && s.Sinks[0].Status.Error != "" && s.Sinks[0].Backlog.Samples > 0
	})
	if k := broken.Sinks[0]; k.Status.Hint == "" {
		t.Errorf("no cure beside %q", k.Status.Error)
	}
	if n := strings.Count(run.Out.String(), "delivery stopped for now; nothing is lost"); n != 1 {
		t.Errorf("an hour's outage was reported %d times in the log, want once", n)
	}
	db.Start()
	h.await(run, "delivery to go on", status.delivered)

	// Six hours behind the last sync late data have been looked for, and nothing is left to ask.
	h.await(run, "the evening", func(s status) bool { return w.now().After(at.Add(9*time.Hour+30*time.Minute)) && s.settled() })
	want := h.exported()
	same(t, "after the outage", want, held(t, db, h.name), p.Zone(today))

	w.google.ClearLog()
	db.Query("", "DROP DATABASE "+h.name)
	h.await(run, "a word of the emptied database", func(status) bool {
		return strings.Contains(run.Out.String(), "All is delivered again from the archive")
	})
	h.await(run, "all of it again", status.delivered) // asked behind that word
	got := held(t, db, h.name)
	same(t, "after it was emptied", h.exported(), got, p.Zone(today))
	morning := at.Add(18 * time.Hour) // then the plan looks for the new night by itself, should the machine be so slow
	for _, l := range w.asked("/dataTypes/") {
		if f := parse(l).feed; l.Time.Before(morning) && f != "weight" && f != "body_fat" && f != "core_temperature" { // asked by the clock, every hour
			t.Errorf("%s was asked while the database was filled again", f)
		}
	}
	t.Logf("%d samples waited behind the outage; %d values came back into the emptied database", broken.Sinks[0].Backlog.Samples, got.len())
	if code, _ := run.Stop(); code != 0 {
		t.Errorf("stopped with code %d", code)
	}
}

// A second run says what is wrong, at once; commands go to the first.
func TestSecondRun(t *testing.T) {
	t.Parallel()
	today := day(t, "2026-06-17")
	p := person(34, "Europe/Berlin", "", today)
	w := newWorld(t, calm(today, 12, p), 1, p)
	h := newHome(t, w, today-1, "")
	run := h.run()
	h.settle(run, "complete history")
	second := h.run("run")
	if code := second.End(); code != 1 || !strings.Contains(second.Out.String(), "another process") && !strings.Contains(second.Out.String(), "runs already") {
		t.Errorf("code %d, said:\n%s", code, second.Tail())
	}
	if run.Ended() {
		t.Error("the first one ended")
	}
	client := h.run("status")
	if code := client.End(); code != 0 || !strings.Contains(client.Out.String(), "running since") {
		t.Errorf("status: code %d, said:\n%s", code, client.Out.String())
	}
}

// SIGTERM ends the program by itself and with code 0, also while the service or the database never answers.
func TestStop(t *testing.T) {
	t.Parallel()
	today := day(t, "2026-06-17")
	silent := hangs(t)
	for name, c := range map[string]struct {
		hang string // part of a path that the service does not answer
		db   string
	}{
		"while it fetches":            {hang: "/dataTypes/"},
		"before it knows the account": {hang: "identity"},
		"while a token is renewed":    {hang: "/token"},
		"while the database hangs":    {db: silent},
		"while both hang":             {hang: "heart-rate", db: silent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := person(35, "Europe/Berlin", "", today)
			w := newWorld(t, calm(today, 12, p), 1, p)
			hanging := make(chan struct{}, 1000)
			if c.hang != "" {
				w.before(hang(c.hang, hanging))
			}
			h := newHome(t, w, today-1, c.db)
			run := h.run()
			if c.hang != "" {
				<-hanging
			} else {
				h.await(run, "samples to deliver", func(s status) bool { return s.Archive.Samples > 1000 })
			}
			endsWell(t, run)
		})
	}
}

// endsWell stops a program, which has to end by itself: after grace it would say so, and end with another code. How long it took is
// the machine's.
func endsWell(t *testing.T, run *proctest.Process) {
	t.Helper()
	code, took := run.Stop()
	if said := run.Out.String(); code != 0 || strings.Contains(said, "stopping took too long") {
		t.Errorf("stopped with code %d after %v; it said:\n%s", code, took, proctest.Tail(said))
	}
	t.Logf("stopped after %v", took.Round(time.Millisecond))
}

// hangs is the address of a database that takes connections and never answers.
func hangs(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range conns {
					c.Close()
				}
				return
			}
			conns = append(conns, c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

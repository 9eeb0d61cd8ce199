package endtoend

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// hang lets requests whose path holds part wait for ever, and tells of each.
func hang(part string, told chan<- struct{}) front {
	return func(rw http.ResponseWriter, r *http.Request, service http.Handler) {
		if !strings.Contains(r.URL.Path, part) {
			service.ServeHTTP(rw, r)
			return
		}
		io.Copy(io.Discard, r.Body) // only then does the server notice that the client has gone
		told <- struct{}{}
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
}

// Answers that are torn, no JSON, endless or slow: the status names the error and the feed, the other feeds go on, the program
// stays small, and when the service is well again all is there.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		fault simulate.Fault
		kind  string // of the error shown; empty for one that heals before it shows
	}{
		{"no byte", simulate.Fault{Cut: -1}, "retry"},
		{"one byte", simulate.Fault{Cut: 1}, "retry"},
		{"cut in the head of the compressed answer", simulate.Fault{Cut: 9}, "retry"},
		{"cut in a name", simulate.Fault{Cut: 300}, "retry"},
		{"cut in the middle", simulate.Fault{Cut: 420}, "retry"},
		{"connection closed", simulate.Fault{Drop: true}, "retry"},
		{"garbage", simulate.Fault{Junk: true}, "bad"},
		{"a page of HTML", simulate.Fault{HTML: true}, ""},
		{"a hundred megabytes", simulate.Fault{Huge: 100 << 20}, "bad"},
		{"an error of the service", simulate.Fault{Status: 500}, "retry"},
		{"an error of a proxy", simulate.Fault{Status: 502, Body: "<html>bad gateway</html>"}, "retry"},
		{"an empty object", simulate.Fault{Status: 200, Body: "{}"}, "none"},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			badAnswer(t, uint64(300+i), c.fault, c.kind)
		})
	}
}

func badAnswer(t *testing.T, seed uint64, fault simulate.Fault, kind string) {
	const sick = "steps_intraday"
	today := day(t, "2026-06-17")
	p := person(seed, "Asia/Kolkata", "", today)
	at := calm(today, 12, p)
	p = still([]time.Time{at}, p)[0]
	w := newWorld(t, at, 1800, p)
	h := newHome(t, w, today, "")
	h.more = "leave_out: [heart_rate, heart_rate_minute]\n" // many, and not what this is about
	w.google.Script(func(r *http.Request) *simulate.Fault {
		if strings.Contains(r.URL.Path, "/dataTypes/steps/dataPoints:reconcile") {
			return &fault
		}
		return nil
	})
	run := h.run()
	if kind != "none" {
		s := h.await(run, "the error in the status", func(s status) bool {
			if len(s.People) != 1 || len(s.People[0].Collect.Feeds) <= 15 {
				return false
			}
			f := s.People[0].Collect.Feeds[sick]
			return f.Error != "" && (kind == "" || f.Kind == kind) // what cannot be read is tried again before it is the service's own
		})
		f := s.People[0].Collect.Feeds[sick]
		if f.Hint == "" {
			t.Errorf("shown as %q: %s (%s)", f.Kind, f.Error, f.Hint)
		}
		for id, o := range s.People[0].Collect.Feeds {
			if id != sick && o.Error != "" {
				t.Errorf("%s fails as well: %s", id, o.Error)
			}
		}
		if _, said := h.do("status"); !strings.Contains(said, "! "+sick+": ") {
			t.Errorf("the command shows nothing of it:\n%s", said)
		}
		if got := h.exported(); len(got["Total Steps|Device=Charge 6|value"]) != 1 {
			t.Error("the steps of the day did not come, though only its minutes fail")
		}
	} else {
		h.settle(run, "an empty day")
	}
	w.google.Script(nil)
	want := truthOf(p, "", today, at)
	h.await(run, "recovery", func(s status) bool {
		if kind == "none" { // only the next reading of late data can tell
			return w.now().After(at.Add(8 * time.Hour))
		}
		return len(s.People) == 1 && s.People[0].Collect.Feeds[sick].Error == "" && s.settled()
	})
	got := h.exported()
	if kind != "none" {
		same(t, "minutes with steps", points{"s": want.points["Steps_Intraday|Device=Charge 6|value"]}, points{"s": got["Steps_Intraday|Device=Charge 6|value"]}, p.Zone(today))
	}
	if peak := peakRSS(t, run); peak > 64<<20 {
		t.Errorf("%d MB at peak, want at most 64", peak>>20)
	} else {
		t.Logf("%d MB at peak", peak>>20)
	}
}

// peakRSS is the most memory a process has had, in bytes.
func peakRSS(t *testing.T, p *proctest.Process) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// A slow answer holds up nothing but itself, and is taken when it has come.
func TestSlowDrip(t *testing.T) {
	t.Parallel()
	today := day(t, "2026-06-17")
	p := person(360, "Asia/Kolkata", "", today)
	at := calm(today, 12, p)
	p = still([]time.Time{at}, p)[0]
	w := newWorld(t, at, 60, p)
	h := newHome(t, w, today-20, "")
	h.more = "leave_out: [heart_rate, heart_rate_minute]\n"
	w.google.Script(func(r *http.Request) *simulate.Fault {
		// The history of steps, of which there are many, comes in small pieces.
		if l := parse(simulate.Logged{Path: r.URL.Path, Query: r.URL.RawQuery}); l.feed == "steps_intraday" && l.span.Len() > 72*time.Hour {
			return &simulate.Fault{Drip: 20 * time.Millisecond, Bytes: 512}
		}
		return nil
	})
	run := h.run()
	h.await(run, "all other feeds", func(s status) bool { return len(s.People) == 1 && len(s.People[0].Collect.Feeds) >= 23 })
	h.settle(run, "the slow one")
	same(t, "minutes with steps", points{"s": truthOf(p, "", today-20, at).points["Steps_Intraday|Device=Charge 6|value"]},
		points{"s": h.exported()["Steps_Intraday|Device=Charge 6|value"]}, p.Zone(today))
}

// The token service answers, and the program dies before it has saved the answer: the next start goes on.
func TestKilledAtRefresh(t *testing.T) {
	t.Parallel()
	today := day(t, "2026-06-17")
	p := person(361, "Europe/Berlin", "", today)
	w := newWorld(t, calm(today, 12, p), 1, p)
	h := newHome(t, w, today, "")
	h.more = "leave_out: [heart_rate, heart_rate_minute]\n"
	for n := range 12 {
		answered := make(chan struct{})
		w.before(func(rw http.ResponseWriter, r *http.Request, service http.Handler) {
			if r.URL.Path != simulate.PathToken {
				service.ServeHTTP(rw, r)
				return
			}
			rec := httptest.NewRecorder()
			service.ServeHTTP(rec, r)
			relay(rw, rec)
			close(answered)
			w.before(nil)
		})
		run := h.run()
		run.Reach("a question after a token", answered)
		time.Sleep(time.Duration(n) * 300 * time.Microsecond)
		run.Kill()
		if w.front.Load() != nil {
			t.Fatal("the front is still there")
		}
		// A token that was saved would do for an hour: as if that had passed.
		w.at(w.now().Add(2*time.Hour), 1)
		if n%2 == 1 {
			h.authorize(0, w.google.Grant(p))
		}
	}
	run := h.run()
	h.await(run, "data", func(s status) bool { return s.Archive.Samples > 100 && s.People[0].Collect.Phase == "working" })
}

package endtoend

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// world is a simulated service with its people, on the loopback, and the time it is there.
type world struct {
	t      *testing.T
	google *simulate.Google
	people []*simulate.Person
	server *httptest.Server
	time   atomic.Pointer[told]
	front  atomic.Pointer[front]
}

// told is the time of a world: it began at an instant and runs so many times as fast as ours.
type told struct {
	clock.Clock
	speed float64
}

// front stands before the service and may do something else in its place.
type front func(w http.ResponseWriter, r *http.Request, service http.Handler)

// newWorld starts a service that has no limits, at an instant.
func newWorld(t *testing.T, at time.Time, speed float64, people ...*simulate.Person) *world {
	t.Helper()
	proctest.NotShort(t)
	w := &world{t: t, people: people}
	w.at(at, speed)
	// A token is good for an hour of ours, however fast the world runs: while the machine does something else, none grows old on its way.
	life := time.Duration(speed * float64(time.Hour))
	w.google = simulate.NewGoogle(simulate.Config{Persons: people, Now: w.now, NoQuota: true, AutoApprove: true, TokenLife: life})
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if f := w.front.Load(); f != nil {
			(*f)(rw, r, w.google)
			return
		}
		w.google.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		w.server.CloseClientConnections()
		w.server.Close()
	})
	return w
}

// at moves the world to another time. Programs that run do not notice: they have to be started again.
func (w *world) at(start time.Time, speed float64) {
	w.time.Store(&told{clock.At(start, speed), speed})
}

func (w *world) now() time.Time { return w.time.Load().Now().UTC() }

func (w *world) speed() float64 { return w.time.Load().speed }

// before puts f in front of the service; nil takes it away.
func (w *world) before(f front) {
	if f == nil {
		w.front.Store(nil)
		return
	}
	w.front.Store(&f)
}

// asked returns the requests since the last ClearLog whose path holds part.
func (w *world) asked(part string) []simulate.Logged {
	var out []simulate.Logged
	for _, l := range w.google.Log() {
		if strings.Contains(l.Path, part) {
			out = append(out, l)
		}
	}
	return out
}

// calm returns an instant of the day, at about that hour of the person's clock, just behind a sync and well before the next one
// of any of the people: what is asked then stays the truth for some minutes.
func calm(d metric.Day, hour int, people ...*simulate.Person) time.Time {
	at := people[0].Midnight(d).Add(time.Duration(hour) * time.Hour)
	for ; ; at = at.Add(time.Minute) {
		quiet := true
		for _, p := range people {
			quiet = quiet && len(p.Syncs(metric.Span{Start: at.Add(-5 * time.Second), End: at.Add(5 * time.Minute)})) == 0
		}
		if quiet {
			return at
		}
	}
}

// still returns people who are the same, but of whom nothing is known after the last of the instants, nor for hours after each of the
// others: what is true at the instant stays true, however fast the world runs, and however long a busy machine takes.
func still(at []time.Time, people ...*simulate.Person) []*simulate.Person {
	var out []*simulate.Person
	for _, p := range people {
		q := &simulate.Person{Seed: p.Seed, Zones: p.Zones, Start: p.Start, Device: p.Device, Offline: p.Offline, Rewrite: p.Rewrite, Last: at[len(at)-1]}
		for _, t := range at[:len(at)-1] {
			q.Offline = append(q.Offline, metric.Span{Start: t, End: t.Add(12 * time.Hour)})
		}
		out = append(out, q)
	}
	return out
}

// person makes one who has lived there for a year and more before that day.
func person(seed uint64, zone, device string, before metric.Day) *simulate.Person {
	return &simulate.Person{Seed: seed, Zones: metric.Zones{{From: 0, Name: zone}}, Start: before - 400, Device: device}
}

// day reads a date of a test.
func day(t *testing.T, s string) metric.Day {
	t.Helper()
	d, err := metric.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// relay hands on an answer that was looked at.
func relay(rw http.ResponseWriter, rec *httptest.ResponseRecorder) {
	for k, v := range rec.Header() {
		rw.Header()[k] = v
	}
	rw.WriteHeader(rec.Code)
	rw.Write(rec.Body.Bytes())
	http.NewResponseController(rw).Flush()
}

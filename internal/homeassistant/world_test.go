package homeassistant

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// fakeArchive holds what a test puts into it. It is both the archive and the newest values.
type fakeArchive struct {
	mu       sync.Mutex
	values   map[string][]latest.Value
	sessions map[string][]metric.Session
	states   map[string]string
	changed  chan struct{}
	fail     error

	keepFails error
}

func newArchive() *fakeArchive {
	return &fakeArchive{values: map[string][]latest.Value{}, sessions: map[string][]metric.Session{}, states: map[string]string{}, changed: make(chan struct{})}
}

func (a *fakeArchive) Sessions(_ context.Context, person string, kind metric.SessionKind, days metric.Span) ([]metric.Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []metric.Session
	for _, s := range a.sessions[person] {
		if s.Kind == kind && days.Contains(s.Day.Civil()) {
			out = append(out, s)
		}
	}
	return out, a.fail
}

func (a *fakeArchive) State(_ context.Context, person, key string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s, ok := a.states[person+"/"+key]; ok {
		return []byte(s), nil
	}
	return nil, nil
}

func (a *fakeArchive) SetState(_ context.Context, person, key string, value []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keepFails != nil {
		return a.keepFails
	}
	a.states[person+"/"+key] = string(value)
	return nil
}

func (a *fakeArchive) Snapshot(_ context.Context, who string) ([]latest.Value, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]latest.Value(nil), a.values[who]...), a.fail
}

func (a *fakeArchive) Changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

// change changes the archive, and says so.
func (a *fakeArchive) change(f func(a *fakeArchive)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a)
	close(a.changed)
	a.changed = make(chan struct{})
}

// value sets the newest value of a sensor.
func (a *fakeArchive) value(who, sensor string, v float64, at time.Time) {
	for _, row := range metric.Default() {
		for _, f := range row.Fields {
			if f.Sensor != sensor {
				continue
			}
			a.set(who, latest.Value{Series: row.ID, Field: f, Value: v, At: at, Live: at})
			return
		}
	}
	panic("no sensor " + sensor)
}

func (a *fakeArchive) set(who string, v latest.Value) {
	for i, old := range a.values[who] {
		if old.Series == v.Series && old.Field.Key == v.Field.Key {
			a.values[who][i] = v
			return
		}
	}
	a.values[who] = append(a.values[who], v)
}

// world is a publisher with all it needs but a broker.
type world struct {
	archive *fakeArchive
	log     *lockedBuffer
	zones   metric.Zones
	cfg     Config
	timing  timing // of run

	mu      sync.Mutex
	broker  Broker
	devices []metric.Device
	service Service
	syncs   int
	asked   int // for the broker
}

var berlin = metric.Zones{{From: 0, Name: "Europe/Berlin"}}

func newWorld(now time.Time, speed float64) *world {
	w := &world{archive: newArchive(), log: &lockedBuffer{}, zones: berlin, timing: impatient, service: Service{Backfill: math.NaN(), Left: -1}}
	w.cfg = Config{
		Archive: w.archive, Latest: w.archive, Catalogue: metric.Default(), Clock: clock.At(now, speed), Log: slog.New(slog.NewTextHandler(w.log, nil)),
		People: []Person{w.person("me", "Anna")},
		Broker: func(context.Context) (Broker, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.asked++
			return w.broker, nil
		},
		Changed: w.archive.Changed,
		Service: func() Service {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.service
		},
		Sync: func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.syncs++
		},
		Version: "1.2.3",
	}
	return w
}

func (w *world) person(id, name string) Person {
	return Person{Person: metric.Person{ID: id}, Name: name, Zones: func() metric.Zones { return w.zones }, Devices: func() []metric.Device {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.devices
	}}
}

func (w *world) setBroker(b Broker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broker = b
}

func (w *world) synced() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.syncs
}

func (w *world) attempts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// impatient is the timing of tests.
var impatient = timing{
	quiet: 10 * time.Millisecond, glance: 15 * time.Millisecond, pause: 30 * time.Millisecond, tick: 100 * time.Millisecond, settle: 150 * time.Millisecond, birth: 10 * time.Millisecond,
	echo: 700 * time.Millisecond, ack: 5 * time.Second, first: 20 * time.Millisecond, near: 100 * time.Millisecond, refused: 100 * time.Millisecond, far: 100 * time.Millisecond, fleeting: 2 * time.Second,
	renew: 300 * time.Millisecond, answer: 50 * time.Millisecond, handover: 200 * time.Millisecond, abandoned: time.Hour, grant: time.Minute,
}

// run starts a publisher; stop ends it and waits.
func (w *world) run(t *testing.T) (p *Publisher, stop func()) {
	t.Helper()
	p = New(w.cfg)
	p.timing = w.timing
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return p, stop
}

// watcher is Home Assistant's side: it has everything that is published, retained or not.
var watchers atomic.Int64 // no two have the same client id

type watcher struct {
	client mqtt.Client

	mu       sync.Mutex
	all      []mqtt.Message
	retained map[string]string
}

func watch(t *testing.T, o *mqtt.ClientOptions) *watcher {
	t.Helper()
	w := &watcher{retained: map[string]string{}}
	o.SetClientID("watcher" + strconv.FormatInt(watchers.Add(1), 10)).SetAutoReconnect(false).SetProtocolVersion(4).SetOrderMatters(true)
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all = append(w.all, m)
		w.retained[m.Topic()] = string(m.Payload())
	})
	w.client = mqtt.NewClient(o)
	if k := w.client.Connect(); !k.Wait() || k.Error() != nil {
		t.Fatalf("the watcher cannot connect: %v", k.Error())
	}
	if k := w.client.Subscribe("#", 1, nil); !k.Wait() || k.Error() != nil {
		t.Fatalf("the watcher cannot subscribe: %v", k.Error())
	}
	t.Cleanup(func() { w.client.Disconnect(100) })
	return w
}

func (w *watcher) get(topic string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.retained[topic]
}

// value is the value of a state topic.
func (w *watcher) value(topic string) any {
	var s state
	json.Unmarshal([]byte(w.get(topic)), &s)
	return s.Value
}

// clear forgets what came until now.
func (w *watcher) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = nil
	clear(w.retained)
}

// count returns how many messages came on a topic, and how many of them were sent to be retained by the broker.
func (w *watcher) count(topic string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, m := range w.all {
		if m.Topic() == topic {
			n++
		}
	}
	return n
}

func (w *watcher) publish(t *testing.T, topic, text string, retain bool) {
	t.Helper()
	if k := w.client.Publish(topic, 1, retain, text); !k.Wait() || k.Error() != nil {
		t.Fatalf("publishing to %s: %v", topic, k.Error())
	}
}

// until waits for something that happens soon.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	proctest.Until(t, what, ok, nil)
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

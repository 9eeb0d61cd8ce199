//go:build homeassistant

package realhome

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// binary is the program under test; TestMain builds it, and nothing changes it later.
var binary string

func TestMain(m *testing.M) { os.Exit(proctest.Main(m, &binary)) }

// world is the simulated service with two people, the broker, and the program that stands between them.
type world struct {
	t      *testing.T
	google *simulate.Google
	clock  atomic.Pointer[clock.Clock]
	url    string // of the service
	dir    string // of the program

	midnight time.Time // the next one of both people

	conf    string // file of the broker
	port    int
	broker  *proctest.Process
	program *proctest.Process
	seen    topics
}

// topics are what is retained at the broker, as an observer who is always connected sees it.
type topics struct {
	mu  sync.Mutex
	now map[string]string
}

func (s *topics) set(topic, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now[topic] = text
}

// clear forgets what came until now.
func (s *topics) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.now)
}

func (s *topics) get(topic string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now[topic]
}

const observer = "observer"

// newWorld starts everything but the program.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, port: proctest.FreePort(t), seen: topics{now: map[string]string{}}}
	dir, err := os.MkdirTemp("", "home-") // short: a socket's path is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w.dir = dir
	today, err := metric.ParseDay("2026-11-20")
	if err != nil {
		t.Fatal(err)
	}
	zone := metric.Zones{{From: 0, Name: "Europe/Berlin"}}
	w.midnight = (today + 1).In(time.UTC).Add(-time.Hour) // in Berlin
	people := []*simulate.Person{{Seed: 1, Zones: zone, Start: today - 60}, {Seed: 2, Zones: zone, Start: today - 60, Device: "Versa 4"}}
	at := people[0].Midnight(today).Add(10 * time.Hour)
	for i, p := range people { // nobody's tracker syncs while we compare
		people[i] = &simulate.Person{Seed: p.Seed, Zones: p.Zones, Start: p.Start, Device: p.Device, Offline: []metric.Span{{Start: at, End: at.Add(time.Hour)}, {Start: w.midnight.Add(-10 * time.Minute), End: w.midnight.Add(10 * time.Minute)}}}
	}
	w.at(at)
	w.google = simulate.NewGoogle(simulate.Config{Persons: people, Now: w.now, NoQuota: true, AutoApprove: true})
	server := httptest.NewServer(w.google)
	t.Cleanup(server.Close)
	w.url = server.URL
	for i, name := range []string{"token.json", "token-kim.json"} {
		text := fmt.Sprintf(`{"access_token": "", "refresh_token": %q}`, w.google.Grant(people[i]))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.conf = filepath.Join(t.TempDir(), "mosquitto.conf")
	text := fmt.Sprintf("user root\nallow_anonymous true\nlistener %d 127.0.0.1\nlog_type all\n", w.port)
	if err := os.WriteFile(w.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.startBroker()
	w.observe()
	return w
}

// at moves the world to another time. The program does not notice: it has to be started again.
func (w *world) at(start time.Time) {
	c := clock.At(start, 1)
	w.clock.Store(&c)
}

func (w *world) now() time.Time { return w.clock.Load().Now().UTC() }

func (w *world) startBroker() {
	w.t.Helper()
	w.broker = proctest.Start(w.t, "mosquitto", exec.Command(proctest.Mosquitto(w.t), "-c", w.conf))
	until(w.t, "mosquitto listens", 10*time.Second, func() string {
		if !proctest.Listening(w.port) {
			return "it does not"
		}
		return ""
	})
}

var connected = regexp.MustCompile(`New client connected from \S+ as (\S+)`)

// joined waits until both the program and Home Assistant are connected to the broker that runs now.
func (w *world) joined() time.Duration {
	w.t.Helper()
	return until(w.t, "both ends are connected to the broker", time.Minute, func() string {
		who := map[string]bool{}
		for _, m := range connected.FindAllStringSubmatch(w.broker.Out.String(), -1) {
			who[m[1]] = m[1] != observer
		}
		delete(who, observer)
		if len(who) < 2 {
			return fmt.Sprintf("only %v", who)
		}
		return ""
	})
}

// observe notes what is published.
func (w *world) observe() {
	w.t.Helper()
	note := func(_ mqtt.Client, m mqtt.Message) { w.seen.set(m.Topic(), string(m.Payload())) }
	o := mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", w.port)).SetClientID(observer).SetMaxReconnectInterval(time.Second)
	o.SetOnConnectHandler(func(c mqtt.Client) { c.Subscribe("#", 1, note) })
	c := mqtt.NewClient(o)
	if token := c.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		w.t.Fatalf("the observer does not connect: %v", token.Error())
	}
	w.t.Cleanup(func() { c.Disconnect(0) })
}

// startProgram runs the program with further options, as YAML.
func (w *world) startProgram(more string) {
	w.t.Helper()
	c := simulate.DefaultClient()
	text := fmt.Sprintf("client_id: %s\nclient_secret: %s\nservice: {api_url: '%s', auth_url: '%s', token_url: '%s', revoke_url: '%s'}\n", c.ID, c.Secret,
		w.url, w.url+simulate.PathAuth, w.url+simulate.PathToken, w.url+simulate.PathRevoke) +
		fmt.Sprintf("data_dir: %s\npolite: no\nbackfill_start: 2026-11-06\npage: {listen: 'off'}\nclock: %s@1\n", w.dir, w.now().Format(time.RFC3339Nano)) +
		fmt.Sprintf("mqtt: {host: 127.0.0.1, port: %d}\ninfluxdb: {url: 'http://127.0.0.1:1'}\npersons: [{name: Kim}]\n", w.port) + more
	file := filepath.Join(w.t.TempDir(), "options.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(binary, "--config", file, "run")
	cmd.Dir = w.dir
	cmd.Env = []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	w.program = proctest.Start(w.t, "fitbit-fetch", cmd)
}

// stopProgram ends the program as a user does.
func (w *world) stopProgram() {
	w.t.Helper()
	if code, _ := w.program.Stop(); code != 0 {
		w.t.Fatalf("the program ended with %d; it said:\n%s", code, w.program.Tail())
	}
}

// announcement is a device as it is announced.
type announcement struct {
	name string
	keys []string // of its entities
}

// announced returns the devices that are announced now, by their id.
func (w *world) announced() map[string]announcement {
	w.seen.mu.Lock()
	defer w.seen.mu.Unlock()
	out := map[string]announcement{}
	for topic, text := range w.seen.now {
		id, ours := strings.CutPrefix(topic, "homeassistant/device/fitbit_fetch_")
		var body struct {
			Device     struct{ Name string }
			Components map[string]map[string]any
		}
		if !ours || json.Unmarshal([]byte(text), &body) != nil {
			continue
		}
		a := announcement{name: body.Device.Name}
		for key, c := range body.Components {
			if len(c) > 1 { // otherwise its removal
				a.keys = append(a.keys, key)
			}
		}
		out[strings.TrimSuffix(id, "/config")] = a
	}
	return out
}

// until waits until is says nothing is missing any more, and returns how long that took.
func until(t *testing.T, what string, most time.Duration, is func() string) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := is()
		if missing == "" {
			return time.Since(began)
		}
		if time.Since(began) > most {
			t.Fatalf("%s: not within %v: %s", what, most, missing)
		}
		<-tick.C
	}
}

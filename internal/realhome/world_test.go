//go:build homeassistant

package realhome

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/supervisor/supervisortest"
)

// world is the simulated service with two people, the broker, Supervisor, and the program that runs as its app.
type world struct {
	t      *testing.T
	google *simulate.Google
	people []*simulate.Person
	clock  atomic.Pointer[clock.Clock]
	url    string // of the service

	midnight time.Time // the next one of both people

	app        supervisortest.App
	supervisor *supervisortest.Supervisor
	door       *http.Server // Supervisor's; nil while it is down

	root    string         // of the app's container
	form    map[string]any // what the user has put into the app's form
	conf    string         // file of the broker
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

// The users of the broker: the observer, Home Assistant, and the apps, whose password Supervisor gives them.
const (
	observer  = "observer"
	homeUser  = "homeassistant"
	appsUser  = "addons"
	password  = "correct-horse" // of all of them
	port      = 1883
	mosquitto = brokerAddress + ":1883"
)

// newWorld starts the service and the broker. Supervisor and the program are made by it, too, and are started later.
func newWorld(t *testing.T, core supervisortest.Core, restart func()) *world {
	t.Helper()
	w := &world{t: t, seen: topics{now: map[string]string{}}}
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
	w.people = people
	w.at(at)
	w.google = simulate.NewGoogle(simulate.Config{Persons: people, Now: w.now, NoQuota: true, AutoApprove: true})
	server := httptest.NewServer(w.google)
	t.Cleanup(server.Close)
	w.url = server.URL
	w.installBroker()
	w.startBroker()
	w.observe()
	w.install(core, restart)
	return w
}

// at moves the world to another time. The program does not notice: it has to be started again.
func (w *world) at(start time.Time) {
	c := clock.At(start, 1)
	w.clock.Store(&c)
}

func (w *world) now() time.Time { return w.clock.Load().Now().UTC() }

// installBroker gives Mosquitto its users.
func (w *world) installBroker() {
	w.t.Helper()
	dir := w.t.TempDir()
	users := filepath.Join(dir, "users")
	for i, name := range []string{observer, homeUser, appsUser} {
		args := []string{"-b", users, name, password}
		if i == 0 {
			args = append([]string{"-c"}, args...)
		}
		if out, err := exec.Command("mosquitto_passwd", args...).CombinedOutput(); err != nil {
			w.t.Fatalf("mosquitto_passwd: %v: %s", err, out)
		}
	}
	w.conf = filepath.Join(dir, "mosquitto.conf")
	text := fmt.Sprintf("user root\nallow_anonymous false\npassword_file %s\nlistener %d %s\nlog_type all\n", users, port, brokerAddress)
	if err := os.WriteFile(w.conf, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) startBroker() {
	w.t.Helper()
	w.broker = proctest.Start(w.t, "mosquitto", exec.Command(proctest.Mosquitto(w.t), "-c", w.conf))
	until(w.t, "mosquitto listens", func() string {
		c, err := net.Dial("tcp", mosquitto)
		if err != nil {
			return err.Error()
		}
		c.Close()
		return ""
	})
}

var connected = regexp.MustCompile(`New client connected from \S+ as \S+ \(.*u'([^']+)'\)`)

// joined waits until both the program and Home Assistant are connected to the broker that runs now.
func (w *world) joined() time.Duration {
	w.t.Helper()
	return until(w.t, "both ends are connected to the broker", func() string {
		who := map[string]bool{}
		for _, m := range connected.FindAllStringSubmatch(w.broker.Out.String(), -1) {
			who[m[1]] = true
		}
		if !who[homeUser] || !who[appsUser] {
			return fmt.Sprintf("only %v", who)
		}
		return ""
	})
}

// observe notes what is published.
func (w *world) observe() {
	w.t.Helper()
	note := func(_ mqtt.Client, m mqtt.Message) { w.seen.set(m.Topic(), string(m.Payload())) }
	o := mqtt.NewClientOptions().AddBroker("tcp://" + mosquitto).SetClientID(observer).SetUsername(observer).SetPassword(password)
	o.SetMaxReconnectInterval(time.Second).SetOnConnectHandler(func(c mqtt.Client) { c.Subscribe("#", 1, note) })
	c := mqtt.NewClient(o)
	token := c.Connect()
	proctest.Receive(w.t, "the observer to connect", token.Done(), nil)
	if token.Error() != nil {
		w.t.Fatalf("the observer does not connect: %v", token.Error())
	}
	w.t.Cleanup(func() { c.Disconnect(0) })
}

// install makes Supervisor, and the app's container with the files that its image has, and those that every container gets.
func (w *world) install(core supervisortest.Core, restart func()) {
	w.t.Helper()
	app, err := supervisortest.ReadApp("../../fitbit_fetch/config.yaml")
	if err != nil {
		w.t.Fatal(err)
	}
	w.app = app
	w.supervisor = supervisortest.New(supervisortest.Config{App: app, Core: core, Restart: restart})
	w.provide()
	c := simulate.DefaultClient()
	w.form = map[string]any{
		"client_id": c.ID, "client_secret": c.Secret, "refresh_token": w.google.Grant(w.people[0]), "backfill_start": "2026-11-06",
		"persons": []any{map[string]any{"name": "Kim", "refresh_token": w.google.Grant(w.people[1])}},
		// Nobody is there: an entity says so.
		"influxdb": map[string]any{"username": "fitbit", "password": password},
	}
	w.root, err = os.MkdirTemp("", "home-") // short: a socket's path is
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { os.RemoveAll(w.root) })
	for _, dir := range []string{"usr/bin", "etc/ssl/certs", "data", "tmp", "proc"} {
		if err := os.MkdirAll(filepath.Join(w.root, dir), 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := syscall.Mount("proc", filepath.Join(w.root, "proc"), "proc", 0, ""); err != nil {
		w.t.Fatalf("missing: the right to mount: %v", err)
	}
	w.t.Cleanup(func() { syscall.Unmount(filepath.Join(w.root, "proc"), syscall.MNT_DETACH) })
	w.write("usr/bin/fitbit-fetch", binary, 0o755)
	w.write("etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt", 0o644)
	hosts := fmt.Sprintf("127.0.0.1 localhost\n%s supervisor hassio\n%s core-mosquitto\n%s a0d7b954-influxdb\n%s %s\n", supervisortest.Address, brokerAddress, strangers,
		supervisortest.AppAddress, strings.ReplaceAll(w.app.Slug, "_", "-"))
	if err := os.WriteFile(filepath.Join(w.root, "etc/hosts"), []byte(hosts), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// write copies a file into the app's container.
func (w *world) write(name, from string, mode os.FileMode) {
	w.t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.root, name), text, mode)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// provide has Supervisor know the broker, as the Mosquitto app says it.
func (w *world) provide() {
	w.supervisor.SetBroker(&supervisortest.Broker{App: "core_mosquitto", Host: "core-mosquitto", Port: port, Username: appsUser, Password: password, Protocol: "3.1.1"})
}

// openDoor has Supervisor answer.
func (w *world) openDoor() {
	w.t.Helper()
	l, err := net.Listen("tcp", supervisortest.Address+":80")
	if err != nil {
		w.t.Fatal(err)
	}
	w.door = &http.Server{Handler: w.supervisor}
	go w.door.Serve(l)
	w.t.Cleanup(w.closeDoor)
}

// closeDoor has nobody listen there.
func (w *world) closeDoor() {
	if w.door != nil {
		w.door.Close()
		w.door = nil
	}
}

var imageEnv = regexp.MustCompile(`(?m)^ENV (.*)$`)

// environment is what the app's image and Supervisor give to the program, and, since both are simulated, where the service is and
// what the time.
func (w *world) environment() []string {
	w.t.Helper()
	text, err := os.ReadFile("../../fitbit_fetch/Dockerfile")
	if err != nil {
		w.t.Fatal(err)
	}
	image := imageEnv.FindSubmatch(text)
	if image == nil {
		w.t.Fatal("the Dockerfile has no ENV")
	}
	env := strings.Fields(string(image[1]))
	return append(env, "HOSTNAME="+strings.ReplaceAll(w.app.Slug, "_", "-"), "HOME=/root", "TZ=Europe/Berlin", "SUPERVISOR_TOKEN="+w.app.Token, "HASSIO_TOKEN="+w.app.Token,
		"FITBIT_FETCH_API_URL="+w.url, "FITBIT_FETCH_AUTH_URL="+w.url+simulate.PathAuth, "FITBIT_FETCH_TOKEN_URL="+w.url+simulate.PathToken,
		"FITBIT_FETCH_REVOKE_URL="+w.url+simulate.PathRevoke, "FITBIT_FETCH_POLITE=no", "FITBIT_FETCH_CLOCK="+w.now().Format(time.RFC3339Nano)+"@1")
}

// command is one of the program, in its container.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command("/usr/bin/fitbit-fetch", args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", w.environment(), &syscall.SysProcAttr{Chroot: w.root}
	return cmd
}

// startProgram starts the app, with what the form says now and more.
func (w *world) startProgram(more map[string]any) {
	w.t.Helper()
	form := maps.Clone(w.form)
	maps.Copy(form, more)
	options, err := w.app.Options(form)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.root, "data/options.json"), options, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.program = proctest.Start(w.t, "fitbit-fetch", w.command())
}

// stopProgram ends the program as a user does.
func (w *world) stopProgram() {
	w.t.Helper()
	if code := end(w.t, "the program", w.program); code != 0 {
		w.t.Fatalf("the program ended with %d; it said:\n%s", code, w.program.Tail())
	}
}

// end stops a process as a user does, and returns its exit code.
func end(t *testing.T, name string, p *proctest.Process) int {
	t.Helper()
	syscall.Kill(p.Pid(), syscall.SIGTERM) // it may have ended
	until(t, name+" ends", func() string {
		if !p.Ended() {
			return "it runs on: " + p.Tail()
		}
		return ""
	})
	return p.Code
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

// until waits until is says nothing is missing any more, and returns how long that took. Its deadline is the test's own.
func until(t *testing.T, what string, is func() string) time.Duration {
	t.Helper()
	missing := ""
	return proctest.Until(t, what, func() bool { missing = is(); return missing == "" }, func() string { return missing })
}

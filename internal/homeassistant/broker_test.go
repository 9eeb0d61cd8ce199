package homeassistant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

const (
	stepsTopic   = "fitbit_fetch/me/steps"
	aliveTopic   = "fitbit_fetch/availability"
	personTopic  = "homeassistant/device/fitbit_fetch_me/config"
	programTopic = "homeassistant/device/fitbit_fetch_service/config"
	birth        = "homeassistant/status"
	pressTopic   = "fitbit_fetch/service/sync/press"

	today = metric.Day(20777) // 2026-11-20
)

var noon = time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)

// stepping is a world in which steps are counted.
func stepping(b *testBroker) *world {
	w := newWorld(noon, 1)
	w.archive.value("me", "steps", 8231, berlin.Midnight(today))
	w.archive.value("me", "hrv", 41.26, berlin.Midnight(today))
	w.setBroker(b.at(user, secret))
	return w
}

func TestPublishes(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		w := stepping(b)
		ha := watch(t, b.admin())
		p, stop := w.run(t)
		until(t, "the steps are there", func() bool { return ha.value(stepsTopic) == 8231.0 })
		if got := ha.get(aliveTopic); got != online {
			t.Errorf("availability is %q", got)
		}
		var d payload
		if err := json.Unmarshal([]byte(ha.get(personTopic)), &d); err != nil {
			t.Fatal(err)
		}
		if c := d.Components["steps"]; c.UniqueID != "fitbit_fetch_me_steps" || c.DefaultEntityID != "sensor.fitbit_anna_steps" || c.StateTopic != stepsTopic {
			t.Errorf("announced as %+v", c)
		}
		if s := p.Status(); !s.Connected || s.Problem != "" {
			t.Errorf("status %+v", s)
		}
		w.archive.change(func(a *fakeArchive) { a.value("me", "steps", 8300, berlin.Midnight(today)) })
		until(t, "a change is there", func() bool { return ha.value(stepsTopic) == 8300.0 })
		if n := ha.count("fitbit_fetch/me/hrv"); n != 1 {
			t.Errorf("what did not change was published %d times", n)
		}
		late := watch(t, b.admin())
		until(t, "all is retained", func() bool { return late.value(stepsTopic) == 8300.0 && late.get(personTopic) == ha.get(personTopic) })
		stop()
		until(t, "it says goodbye", func() bool { return ha.get(aliveTopic) == offline })
		if p.Status().Connected {
			t.Error("it is stopped, and connected")
		}
	})
}

func TestWrongPassword(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		w := stepping(b)
		w.setBroker(b.at(user, "wrong-staple"))
		p, _ := w.run(t)
		refused := func() bool { return strings.Contains(p.Status().Problem, "refuses our user name or password") }
		until(t, "it says why", refused)
		if s := p.Status(); s.Connected || s.Hint == "" {
			t.Errorf("status %+v", s)
		}
		w.setBroker(b.at(user, secret))
		until(t, "the new password is taken", func() bool { return p.Status().Connected })

		b.kill(t) // and now it is changed in the broker
		b.password(t, "battery-staple")
		b.start(t)
		until(t, "it says why", refused)
		w.setBroker(b.at(user, "battery-staple"))
		until(t, "the changed password is taken", func() bool { return p.Status().Connected })
		for _, word := range []string{secret, "wrong-staple", "battery-staple"} {
			if strings.Contains(w.log.String(), word) {
				t.Error("a password is in the log")
			}
		}
	})
}

// Whatever is wrong is said in clear words, once, with a hint; and it is over when it is over.
func TestTroubles(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		port := func(scheme, host string, port int) func(Broker) Broker {
			return func(x Broker) Broker { x.URL = fmt.Sprintf("%s://%s:%d", scheme, host, port); return x }
		}
		for name, c := range map[string]struct {
			change func(Broker) Broker
			want   string
		}{
			"nothing there":     {port("mqtt", "127.0.0.1", proctest.FreePort(t)), "nothing listens at"},
			"no such host":      {port("mqtt", "core-mosquitto.invalid", 1883), "core-mosquitto.invalid is not known"},
			"unknown authority": {port("mqtts", "127.0.0.1", b.tls), "signed by an unknown authority"},
			"another name":      {func(x Broker) Broker { x.CA = b.ca; return port("mqtts", "localhost", b.tls)(x) }, "for another name"},
			"TLS at plain port": {port("mqtts", "127.0.0.1", b.plain), ""},
			"plain at TLS port": {port("mqtt", "127.0.0.1", b.tls), ""},
			"no address":        {func(x Broker) Broker { x.URL = "core-mosquitto"; return x }, "is not one"},
			"http":              {port("http", "127.0.0.1", b.plain), `begins with "http"`},
			"no CA file":        {func(x Broker) Broker { x.CA = "/nowhere/ca.pem"; return x }, "authority: open /nowhere/ca.pem"},
		} {
			t.Run(name, func(t *testing.T) {
				w := stepping(b)
				w.setBroker(c.change(b.at(user, secret)))
				p, _ := w.run(t)
				until(t, "it says what is wrong", func() bool { return p.Status().Problem != "" })
				s := p.Status()
				if s.Connected || s.Hint == "" || !strings.Contains(s.Problem, c.want) {
					t.Errorf("status %+v, want %q", s, c.want)
				}
				until(t, "it is tried again", func() bool { return w.attempts() > 3 })
				w.setBroker(b.at(user, secret))
				until(t, "it is cured", func() bool { return p.Status().Connected })
				if n := strings.Count(w.log.String(), "level=WARN"); n != 1 {
					t.Errorf("it was said %d times:\n%s", n, w.log)
				}
			})
		}
	})
}

func TestTLS(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		for name, change := range map[string]func(*Broker){
			"own authority":      func(x *Broker) { x.CA = b.ca },
			"whoever":            func(x *Broker) { x.Insecure = true },
			"own, another check": func(x *Broker) { x.CA, x.URL = b.ca, strings.Replace(x.URL, "mqtts", "ssl", 1) },
		} {
			t.Run(name, func(t *testing.T) {
				w := stepping(b)
				at := b.at(user, secret)
				at.URL = fmt.Sprintf("mqtts://127.0.0.1:%d", b.tls)
				change(&at)
				w.setBroker(at)
				ha := watch(t, b.admin())
				w.run(t)
				until(t, "the steps are there", func() bool { return ha.value(stepsTopic) == 8231.0 })
			})
		}
	})
}

// A killed broker forgets what it retained, and one that comes late knows nothing at all.
func TestBrokerKilled(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		b.kill(t)
		w := stepping(b)
		p, _ := w.run(t)
		until(t, "it says that nobody is there", func() bool { return strings.Contains(p.Status().Problem, "nothing listens") })
		for range 2 {
			b.start(t)
			ha := watch(t, b.admin())
			until(t, "all is there", func() bool {
				return ha.value(stepsTopic) == 8231.0 && ha.get(personTopic) != "" && ha.get(programTopic) != "" && ha.get(aliveTopic) == online
			})
			b.kill(t)
			until(t, "it is noticed", func() bool { return !p.Status().Connected })
		}
	})
}

// cable is a way to the broker that can be cut.
type cable struct {
	listener net.Listener
	mu       sync.Mutex
	ends     []net.Conn
}

func newCable(t *testing.T, to int) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
			if err != nil {
				in.Close()
				continue
			}
			c.mu.Lock()
			c.ends = append(c.ends, in, out)
			c.mu.Unlock()
			all.Go(func() { io.Copy(in, out); in.Close() })
			all.Go(func() { io.Copy(out, in); out.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); c.cut(); all.Wait() })
	return c
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.ends {
		e.Close()
	}
	c.ends = nil
}

func TestLastWill(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		c := newCable(t, b.plain)
		w := stepping(b)
		w.setBroker(Broker{URL: "mqtt://" + c.listener.Addr().String(), Username: user, Password: secret})
		ha := watch(t, b.admin())
		w.run(t)
		until(t, "it is online", func() bool { return ha.get(aliveTopic) == online && ha.value(stepsTopic) != nil })
		c.listener.Close() // no way back
		c.cut()
		until(t, "the broker tells its end", func() bool { return ha.get(aliveTopic) == offline })
		w.setBroker(b.at(user, secret))
		until(t, "it is back", func() bool { return ha.get(aliveTopic) == online })
	})
}

// rival is another program with our client id, that comes again and again.
type rival struct {
	mu   sync.Mutex
	came int
}

func (r *rival) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.came
}

func compete(t *testing.T, b *testBroker, id string) *rival {
	t.Helper()
	r := &rival{}
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			lost := make(chan struct{})
			o := b.admin().SetClientID(id).SetProtocolVersion(4).SetAutoReconnect(false)
			o.SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) })
			c := mqtt.NewClient(o)
			k := c.Connect()
			select {
			case <-k.Done():
			case <-stop:
				c.Disconnect(0)
				return
			}
			if k.Error() != nil {
				continue
			}
			r.mu.Lock()
			r.came++
			r.mu.Unlock()
			again := time.NewTimer(100 * time.Millisecond)
			select {
			case <-lost:
			case <-again.C:
				c.Disconnect(10)
			case <-stop:
				c.Disconnect(100)
				return
			}
			again.Stop()
		}
	})
	t.Cleanup(func() { close(stop); done.Wait() })
	return r
}

// Two programs with one client id throw each other out for ever, unless one of them gives way.
func TestDuplicateClientID(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		w := stepping(b)
		p, _ := w.run(t)
		until(t, "it is connected", func() bool { return p.Status().Connected })
		var m memory
		text, _ := w.archive.State(t.Context(), "", stateKey)
		if err := json.Unmarshal(text, &m); err != nil || m.Client == "" {
			t.Fatalf("no client id is kept: %s (%v)", text, err)
		}
		other := compete(t, b, m.Client)
		ha := watch(t, b.admin())
		if b.strict {
			hint := "another program may use the client id " + m.Client
			until(t, "it says so", func() bool { return strings.Contains(w.log.String(), hint) })
			until(t, "it is back", func() bool { return ha.get(aliveTopic) == online && p.Status().Connected })
		}
		n, came := ha.count(aliveTopic), other.times()
		until(t, "the other comes and goes", func() bool { return other.times() > came+5 })
		if got := ha.count(aliveTopic); b.strict && (got != n || !p.Status().Connected) {
			t.Errorf("it was thrown out again: %d, %d", n, got)
		}
		w.archive.change(func(a *fakeArchive) { a.value("me", "steps", 8300, berlin.Midnight(today)) })
		until(t, "it publishes", func() bool { return ha.value(stepsTopic) == 8300.0 })
	})
}

func TestBirth(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		ha := watch(t, b.admin())
		ha.publish(t, birth, online, true) // of old: it says nothing
		until(t, "it is of old", func() bool { return ha.get(birth) == online })
		w := stepping(b)
		w.run(t)
		until(t, "the steps are there", func() bool { return ha.value(stepsTopic) == 8231.0 })
		n := ha.count(personTopic)
		ha.publish(t, birth, online, false)
		until(t, "all is announced again", func() bool {
			return ha.count(personTopic) == n+1 && ha.count(programTopic) == n+1 && ha.count(stepsTopic) == n+1 && ha.count("fitbit_fetch/me/hrv") == n+1
		})
		if n != 1 {
			t.Errorf("a retained birth message was taken for a birth: announced %d times", n)
		}
	})
}

// With a prefix of its own, Home Assistant's default topic of birth is heard all the same.
func TestBirthWithPrefix(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		ha := watch(t, b.admin())
		w := stepping(b)
		w.cfg.Prefix = "home/devices"
		w.run(t)
		until(t, "the steps are there", func() bool { return ha.value(stepsTopic) == 8231.0 })
		const config = "home/devices/device/fitbit_fetch_me/config"
		for i, topic := range []string{birth, "home/devices/status"} {
			ha.publish(t, topic, online, false)
			until(t, "all is announced again after "+topic, func() bool { return ha.count(config) == i+2 && ha.count(stepsTopic) == i+2 })
		}
	})
}

// What the broker's rules forbid is dropped without a word, or the connection with it.
func TestAccessRules(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		ha := watch(t, b.admin())
		w := stepping(b)
		w.setBroker(b.at(guest, secret))
		p, stop := w.run(t)
		until(t, "what is ours is enough", func() bool { return ha.value(stepsTopic) == 8231.0 && ha.get(personTopic) != "" })
		stop()
		if s := p.Status(); s.Problem != "" {
			t.Errorf("it complains: %+v", s)
		}
		w = stepping(b)
		w.setBroker(b.at(narrow, secret))
		p, _ = w.run(t)
		until(t, "it says what it may not", func() bool { return strings.Contains(p.Status().Hint, "access rules") })
	})
}

func TestButton(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		ha := watch(t, b.admin())
		ha.publish(t, pressTopic, press, true) // of old
		until(t, "it is of old", func() bool { return ha.get(pressTopic) == press })
		w := stepping(b)
		w.run(t)
		until(t, "the steps are there", func() bool { return ha.value(stepsTopic) == 8231.0 })
		ha.publish(t, pressTopic, "something", false)
		ha.publish(t, pressTopic, press, false)
		until(t, "it is asked to fetch", func() bool { return w.synced() > 0 })
		if n := w.synced(); n != 1 {
			t.Errorf("asked to fetch %d times", n)
		}
	})
}

// Restarted, it announces what it announced before, whether there is a value now or not.
func TestRestart(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		ha := watch(t, b.admin())
		w := stepping(b)
		_, stop := w.run(t)
		until(t, "the steps are there", func() bool { return ha.value(stepsTopic) == 8231.0 })
		was := ha.get(personTopic)
		stop()
		ha.clear()
		w.archive.change(func(a *fakeArchive) { a.values["me"] = nil })
		w.run(t)
		until(t, "it is announced", func() bool { return ha.get(personTopic) != "" })
		if now := ha.get(personTopic); now != was {
			t.Errorf("announced\n%s\nwas\n%s", now, was)
		}
		if ha.count(stepsTopic) != 0 {
			t.Error("there are steps")
		}
	})
}

func TestWebsocket(t *testing.T) {
	b := embedded(t)
	b.start(t)
	w := stepping(b)
	w.setBroker(Broker{URL: fmt.Sprintf("ws://127.0.0.1:%d", b.web), Username: user, Password: secret})
	ha := watch(t, b.admin())
	w.run(t)
	until(t, "the steps are there", func() bool { return ha.value(stepsTopic) == 8231.0 })
}

// Nobody knows of a broker, and then somebody does. A password in an address that is none is not told.
func TestNoBroker(t *testing.T) {
	b := embedded(t)
	b.start(t)
	w := stepping(b)
	none := &Error{Err: errors.New("there is no broker"), Hint: "install the Mosquitto broker app"}
	ask := w.cfg.Broker
	var mu sync.Mutex
	there := false
	w.cfg.Broker = func(ctx context.Context) (Broker, error) {
		mu.Lock()
		defer mu.Unlock()
		if !there {
			return Broker{}, none
		}
		return ask(ctx)
	}
	p, _ := w.run(t)
	until(t, "it says so", func() bool {
		s := p.Status()
		return strings.Contains(s.Problem, "there is no broker") && s.Hint == none.Hint
	})
	w.setBroker(Broker{URL: "fetch:battery-staple@host"})
	mu.Lock()
	there = true
	mu.Unlock()
	until(t, "it says so", func() bool { return strings.Contains(p.Status().Problem, "is not one") })
	if strings.Contains(w.log.String(), "staple") {
		t.Error("a password is in the log")
	}
	w.setBroker(b.at(user, secret))
	until(t, "it is found", func() bool { return p.Status().Connected })
}

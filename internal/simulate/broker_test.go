package simulate

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// heard is what a client of the broker has heard.
type heard struct {
	mu  sync.Mutex
	all []string // topic, payload, and whether it was retained
}

func (h *heard) note(_ mqtt.Client, m mqtt.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, fmt.Sprintf("%s=%s %v", m.Topic(), m.Payload(), m.Retained()))
}

func (h *heard) await(t *testing.T, want ...string) {
	t.Helper()
	got := func() string {
		h.mu.Lock()
		defer h.mu.Unlock()
		return strings.Join(h.all, ", ")
	}
	proctest.Until(t, strings.Join(want, ", "), func() bool { return got() == strings.Join(want, ", ") }, got)
}

// startBroker returns the address of a broker, and what ends it.
func startBroker(t *testing.T) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- NewBroker().Serve(ctx, l) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

func client(t *testing.T, address, id string, change func(*mqtt.ClientOptions)) mqtt.Client {
	t.Helper()
	o := mqtt.NewClientOptions().AddBroker("tcp://" + address).SetClientID(id).SetAutoReconnect(false).SetOrderMatters(true)
	if change != nil {
		change(o)
	}
	c := mqtt.NewClient(o)
	done(t, c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func done(t *testing.T, token mqtt.Token) {
	t.Helper()
	proctest.Receive(t, "the broker's answer", token.Done(), nil)
	if err := token.Error(); err != nil {
		t.Fatal(err)
	}
}

func TestBroker(t *testing.T) {
	address, stop := startBroker(t)
	writer := client(t, address, "writer", func(o *mqtt.ClientOptions) { o.SetWill("alive", "offline", 1, true) })
	var early, late heard
	reader := client(t, address, "reader", func(o *mqtt.ClientOptions) { o.SetDefaultPublishHandler(early.note) })
	done(t, reader.SubscribeMultiple(map[string]byte{"a/+": 1, "a/#": 0, "alive": 1}, nil)) // each message once, though two filters match
	for qos := range byte(3) {
		done(t, writer.Publish(fmt.Sprintf("a/%d", qos), qos, true, "x"))
	}
	done(t, writer.Publish("a/0", 1, true, "")) // no longer retained
	done(t, writer.Publish("b", 1, true, "elsewhere"))
	early.await(t, "a/0=x false", "a/1=x false", "a/2=x false", "a/0= false")
	done(t, reader.Unsubscribe("a/+", "a/#"))
	done(t, writer.Publish("a/3", 1, false, "unheard"))
	done(t, client(t, address, "late", nil).Subscribe("a/1", 1, late.note))
	late.await(t, "a/1=x true")
	client(t, address, "writer", nil) // takes the place of the first, whose will is done
	early.await(t, "a/0=x false", "a/1=x false", "a/2=x false", "a/0= false", "alive=offline false")
	polite := client(t, address, "polite", func(o *mqtt.ClientOptions) { o.SetWill("alive", "gone", 1, false) })
	polite.Disconnect(100)
	stop() // and returns, whoever is connected
	early.await(t, "a/0=x false", "a/1=x false", "a/2=x false", "a/0= false", "alive=offline false")
}

// Mosquitto's own programs get on with it, as the demo says.
func TestBrokerWithMosquitto(t *testing.T) {
	address, _ := startBroker(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		out, err := exec.Command(args[0], append(args[1:], "-h", "127.0.0.1", "-p", port)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s (make tools installs it): %v\n%s", args[0], err, out)
		}
		return string(out)
	}
	run("mosquitto_pub", "-t", "fitbit_fetch/default/steps", "-m", "42", "-r", "-q", "2")
	if got := run("mosquitto_sub", "-v", "-t", "#", "-C", "1", "-W", "10"); got != "fitbit_fetch/default/steps 42\n" {
		t.Errorf("mosquitto_sub says %q", got)
	}
	if out, err := exec.Command("mosquitto_sub", "-V", "5", "-t", "#", "-W", "5", "-h", "127.0.0.1", "-p", port).CombinedOutput(); !strings.Contains(string(out), "rotocol") || err == nil {
		t.Errorf("MQTT 5 is taken: %v %s", err, out)
	}
}

// What is no MQTT, or breaks off, ends that connection and no other.
func TestBrokerAndNonsense(t *testing.T) {
	address, _ := startBroker(t)
	for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "\x10\x02ab", "\xc0\x00", ""} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	var h heard
	c := client(t, address, "", nil)
	done(t, c.Subscribe("#", 0, h.note))
	done(t, c.Publish("a", 1, false, "b"))
	h.await(t, "a=b false")
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"#", "a/b", true}, {"#", "$SYS/x", false}, {"$SYS/#", "$SYS/x", true}, {"a/#", "a", true}, {"a/#", "a/b/c", true}, {"a/#", "ab", false},
		{"+", "a", true}, {"+", "a/b", false}, {"a/+/c", "a/b/c", true}, {"a/+", "a", false}, {"a", "a/b", false}, {"a/b", "a", false}, {"a/b", "a/b", true},
	} {
		if got := matches(c.filter, c.topic); got != c.want {
			t.Errorf("%s and %s: %v", c.filter, c.topic, got)
		}
	}
}

package proctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Broker is a Mosquitto that takes everybody, until the test ends.
type Broker struct {
	Port   int
	t      testing.TB
	client mqtt.Client // of Listen
}

// StartBroker starts one. It may take a moment until it listens.
func StartBroker(t testing.TB) *Broker {
	t.Helper()
	b := &Broker{Port: FreePort(t), t: t}
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "user root\nallow_anonymous true\nlistener %d 127.0.0.1\n", b.Port), 0o600); err != nil {
		t.Fatal(err)
	}
	Start(t, "mosquitto", exec.Command(Mosquitto(t), "-c", conf))
	return b
}

// BrokerAt is one that somebody else has started on this machine.
func BrokerAt(t testing.TB, port int) *Broker { return &Broker{Port: port, t: t} }

// Topics is what was last published on each topic. It may be used by several goroutines.
type Topics struct {
	mu   sync.Mutex
	last map[string]string
}

// Get returns what stands on a topic; empty for nothing.
func (t *Topics) Get(topic string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last[topic]
}

// Below returns what stands on all topics that begin so.
func (t *Topics) Below(prefix string) map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]string{}
	for topic, text := range t.last {
		if strings.HasPrefix(topic, prefix) {
			out[topic] = text
		}
	}
	return out
}

// Listen notes what is published, and what is retained.
func (b *Broker) Listen() *Topics {
	b.t.Helper()
	topics := &Topics{last: map[string]string{}}
	note := func(_ mqtt.Client, m mqtt.Message) {
		topics.mu.Lock()
		defer topics.mu.Unlock()
		topics.last[m.Topic()] = string(m.Payload())
	}
	o := mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", b.Port)).SetClientID("listener")
	b.client = mqtt.NewClient(o.SetConnectRetry(true).SetConnectRetryInterval(50 * time.Millisecond))
	for _, step := range []func() mqtt.Token{b.client.Connect, func() mqtt.Token { return b.client.Subscribe("#", 1, note) }} {
		token := step()
		Receive(b.t, "Mosquitto to be listened to", token.Done(), nil)
		if err := token.Error(); err != nil {
			b.t.Fatalf("Mosquitto cannot be listened to: %v", err)
		}
	}
	b.t.Cleanup(func() { b.client.Disconnect(0) })
	return topics
}

// Publish publishes, once Listen does.
func (b *Broker) Publish(topic, text string) {
	b.t.Helper()
	token := b.client.Publish(topic, 1, false, text)
	Receive(b.t, "Mosquitto to take a message", token.Done(), nil)
	if err := token.Error(); err != nil {
		b.t.Fatalf("Mosquitto does not take a message: %v", err)
	}
}

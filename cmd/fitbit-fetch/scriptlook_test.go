package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// startBroker starts Mosquitto and sets the options that reach it.
func startBroker(ts *testscript.TestScript, w *scriptWorld, _ []string) {
	port := strconv.Itoa(proctest.FreePort(ts))
	conf := ts.MkAbs("mosquitto.conf")
	ts.Check(os.WriteFile(conf, []byte("user root\nallow_anonymous true\nlistener "+port+" 127.0.0.1\n"), 0o600))
	cmd := exec.Command(proctest.Mosquitto(ts), "-c", conf)
	if err := cmd.Start(); err != nil {
		ts.Fatalf("starting Mosquitto (make tools installs it): %v", err)
	}
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	listen(ts, w, port)
	ts.Setenv("FITBIT_FETCH_MQTT_HOST", "127.0.0.1")
	ts.Setenv("FITBIT_FETCH_MQTT_PORT", port)
}

// listenTo listens at the broker, and has shown look at the page, whose addresses a file holds.
func listenTo(ts *testscript.TestScript, w *scriptWorld, args []string) {
	m := regexp.MustCompile(`mqtt://127\.0\.0\.1:(\d+)`).FindStringSubmatch(ts.ReadFile(args[0]))
	if m == nil {
		ts.Fatalf("%s holds no broker's address", args[0])
	}
	listen(ts, w, m[1])
	if m := regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`).FindStringSubmatch(ts.ReadFile(args[0])); m != nil {
		ts.Setenv("FITBIT_FETCH_PAGE_LISTEN", m[1])
	}
}

// listen notes what is published at the broker on a port.
func listen(ts *testscript.TestScript, w *scriptWorld, port string) {
	w.topics = &topics{now: map[string]string{}}
	opts := mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:" + port).SetClientID("script").SetConnectRetry(true).SetConnectRetryInterval(50 * time.Millisecond)
	client := mqtt.NewClient(opts)
	if t := client.Connect(); !t.WaitTimeout(30*time.Second) || t.Error() != nil {
		ts.Fatalf("the broker cannot be reached: %v", t.Error())
	}
	ts.Defer(func() { client.Disconnect(0) })
	t := client.Subscribe("#", 1, func(_ mqtt.Client, m mqtt.Message) { w.topics.set(m.Topic(), string(m.Payload())) })
	if !t.WaitTimeout(30*time.Second) || t.Error() != nil {
		ts.Fatalf("listening to all topics: %v", t.Error())
	}
	w.press = func(topic string) error {
		t := client.Publish(topic, 1, false, "PRESS")
		t.Wait()
		return t.Error()
	}
}

// topics is what was last published on each topic.
type topics struct {
	mu  sync.Mutex
	now map[string]string
}

func (t *topics) set(topic, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now[topic] = text
}

func (t *topics) get(topic string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now[topic]
}

// heard waits until what stands on a topic matches.
func heard(ts *testscript.TestScript, w *scriptWorld, args []string) {
	eventually(ts, args[0], args[1], func() string { return w.topics.get(args[0]) })
}

// press presses a button of Home Assistant's.
func press(ts *testscript.TestScript, w *scriptWorld, args []string) { ts.Check(w.press(args[0])) }

// startPage gives the program's page a place.
func startPage(ts *testscript.TestScript, _ *scriptWorld, _ []string) {
	ts.Setenv("FITBIT_FETCH_PAGE_LISTEN", "127.0.0.1:"+strconv.Itoa(proctest.FreePort(ts)))
}

// onPage waits until a page of the program holds what is wanted.
func onPage(ts *testscript.TestScript, _ *scriptWorld, args []string) {
	eventually(ts, args[0], args[1], func() string {
		resp, err := http.Get("http://" + ts.Getenv("FITBIT_FETCH_PAGE_LISTEN") + args[0])
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return err.Error()
		}
		return resp.Status + "\n" + string(text)
	})
}

func eventually(ts *testscript.TestScript, what, want string, now func() string) {
	re := regexp.MustCompile(want)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(60 * time.Second)
	for {
		text := now()
		if re.MatchString(text) {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			ts.Fatalf("%s does not hold %q after a minute:\n%s", what, want, strings.TrimSpace(text))
		}
	}
}

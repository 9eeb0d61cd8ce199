package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/rogpeppe/go-internal/testscript"
)

// freePort returns a port of this machine that nobody uses.
func freePort(ts *testscript.TestScript) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	return port
}

// startBroker starts an MQTT broker and sets the options that reach it.
func startBroker(ts *testscript.TestScript, w *scriptWorld, _ []string) {
	port := freePort(ts)
	s := mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	ts.Check(s.AddHook(new(auth.AllowHook), nil))
	ts.Check(s.AddListener(listeners.NewTCP(listeners.Config{ID: "script", Address: "127.0.0.1:" + port})))
	ts.Check(s.Serve())
	ts.Defer(func() { s.Close() })
	w.topics = &topics{now: map[string]string{}}
	ts.Check(s.Subscribe("#", 1, func(_ *mochi.Client, _ packets.Subscription, p packets.Packet) {
		w.topics.set(p.TopicName, string(p.Payload))
	}))
	w.press = func(topic string) error { return s.Publish(topic, []byte("PRESS"), false, 0) }
	ts.Setenv("FITBIT_FETCH_MQTT_HOST", "127.0.0.1")
	ts.Setenv("FITBIT_FETCH_MQTT_PORT", port)
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
	ts.Setenv("FITBIT_FETCH_PAGE_LISTEN", "127.0.0.1:"+freePort(ts))
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

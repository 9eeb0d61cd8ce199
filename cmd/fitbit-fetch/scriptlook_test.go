package main

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// startBroker starts Mosquitto and sets the options that reach it.
func startBroker(t *testing.T, ts *testscript.TestScript, w *scriptWorld, _ []string) {
	w.broker = proctest.StartBroker(t)
	w.topics = w.broker.Listen()
	ts.Setenv("FITBIT_FETCH_MQTT_HOST", "127.0.0.1")
	ts.Setenv("FITBIT_FETCH_MQTT_PORT", strconv.Itoa(w.broker.Port))
}

// listenTo listens at the broker, and has shown look at the page, whose addresses a file holds.
func listenTo(t *testing.T, ts *testscript.TestScript, w *scriptWorld, args []string) {
	m := regexp.MustCompile(`mqtt://127\.0\.0\.1:(\d+)`).FindStringSubmatch(ts.ReadFile(args[0]))
	if m == nil {
		ts.Fatalf("%s holds no broker's address", args[0])
	}
	port, err := strconv.Atoi(m[1])
	ts.Check(err)
	w.broker = proctest.BrokerAt(t, port)
	w.topics = w.broker.Listen()
	if m := regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`).FindStringSubmatch(ts.ReadFile(args[0])); m != nil {
		ts.Setenv("FITBIT_FETCH_PAGE_LISTEN", m[1])
	}
}

// heard waits until what stands on a topic matches.
func heard(t *testing.T, ts *testscript.TestScript, w *scriptWorld, args []string) {
	eventually(t, ts, args[0], args[1], func() string { return w.topics.Get(args[0]) })
}

// press presses a button of Home Assistant's.
func press(_ *testscript.TestScript, w *scriptWorld, args []string) {
	w.broker.Publish(args[0], "PRESS")
}

// startPage gives the program's page a place.
func startPage(t *testing.T, ts *testscript.TestScript, _ *scriptWorld, _ []string) {
	ts.Setenv("FITBIT_FETCH_PAGE_LISTEN", fmt.Sprintf("127.0.0.1:%d", proctest.FreePort(t)))
}

// onPage waits until a page of the program holds what is wanted.
func onPage(t *testing.T, ts *testscript.TestScript, _ *scriptWorld, args []string) {
	eventually(t, ts, args[0], args[1], func() string { return get("http://" + ts.Getenv("FITBIT_FETCH_PAGE_LISTEN") + args[0]) })
}

// get returns the status and the text of what is at an address, or why there is none.
func get(address string) string {
	resp, err := http.Get(address)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return resp.Status + "\n" + string(text)
}

// eventually waits until what is looked at matches.
func eventually(t *testing.T, ts *testscript.TestScript, what, want string, now func() string) {
	re, text := regexp.MustCompile(want), ""
	proctest.Until(script{t, ts}, fmt.Sprintf("%q in %s", want, what), func() bool {
		text = now()
		return re.MatchString(text)
	}, func() string { return strings.TrimSpace(text) })
}

// script is the test of a script: it fails where the script stands.
type script struct {
	*testing.T
	ts *testscript.TestScript
}

func (s script) Fatalf(format string, args ...any) { s.ts.Fatalf(format, args...) }

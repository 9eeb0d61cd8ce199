package endtoend

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// SIGTERM ends the program by itself and with code 0 while everything is in use: pages open with their streams of events, a visitor
// who never reads, MQTT connected, and a database that takes connections and never answers. Home Assistant is told that we are gone.
func TestStopInUse(t *testing.T) {
	t.Parallel()
	today := day(t, "2026-06-17")
	p := person(36, "Europe/Berlin", "", today)
	w := newWorld(t, calm(today, 12, p), 1, p)
	h := newHome(t, w, today-1, hangs(t))
	broker := proctest.StartBroker(t)
	topics, page := broker.Listen(), fmt.Sprintf("127.0.0.1:%d", proctest.FreePort(t))
	available := func() string { return topics.Get("fitbit_fetch/availability") }
	h.more = fmt.Sprintf("mqtt: {host: 127.0.0.1, port: %d}\n", broker.Port)
	cmd := h.command()
	cmd.Env = append(cmd.Env, "FITBIT_FETCH_PAGE_LISTEN="+page)
	run := proctest.Start(t, "fitbit-fetch", cmd)
	h.await(run, "samples to deliver", func(s status) bool {
		return s.Archive.Samples > 1000 && available() == "online"
	})
	for _, name := range []string{"today", "status", "setup"} {
		resp, err := http.Get("http://" + page + "/events?page=" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || line == "" {
			t.Fatalf("the page %s gets no events: %v", name, err)
		}
	}
	silent, err := net.Dial("tcp", page)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	io.WriteString(silent, "POST /sync HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nto") // and no more

	endsWell(t, run)
	proctest.Until(t, "the word offline in Home Assistant", func() bool { return available() == "offline" }, available)
}

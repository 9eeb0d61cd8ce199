package endtoend

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// An authorization that is taken back stops all questions and names the cure; authorized again through the running process, it
// goes on by itself.
func TestAuthorizationDies(t *testing.T) {
	t.Parallel()
	today := day(t, "2026-06-17")
	p := person(500, "Europe/Berlin", "", today)
	at := calm(today, 12, p)
	w := newWorld(t, at, 120, p)
	h := newHome(t, w, today, "")
	h.more = "leave_out: [heart_rate, heart_rate_minute]\n"
	refresh := w.google.Grant(p)
	h.authorize(0, refresh)
	run := h.run()
	h.await(run, "data", func(s status) bool { return s.Archive.Samples > 100 })

	resp, err := http.PostForm(w.server.URL+simulate.PathRevoke, url.Values{"token": {refresh}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	s := h.await(run, "a call for the user", func(s status) bool { return s.People[0].Collect.Phase == "authorization needed" })
	if !strings.Contains(s.People[0].Collect.Hint, "uthorize") {
		t.Errorf("no cure: %q", s.People[0].Collect.Hint)
	}
	if hint := s.People[0].Collect.Hint; !strings.Contains(run.Out.String(), fmt.Sprintf("hint=%q", hint)) { // the log comes before the status
		t.Errorf("the status says %q, and the log:\n%s", hint, run.Tail())
	}
	// Who watches the authorization says so by itself, when it is its turn.
	proctest.Until(t, "the command in the log", func() bool { return strings.Contains(run.Out.String(), "fitbit-fetch authorize") }, run.Tail)
	w.google.ClearLog()
	silent := w.now().Add(20 * time.Minute)
	h.await(run, "time to pass", func(status) bool { return w.now().After(silent) })
	if log := w.google.Log(); len(log) > 0 {
		t.Errorf("%d requests within 20 minutes without an authorization, the first for %s", len(log), log[0].Path)
	}

	h.consent(t)
	h.await(run, "work to go on", func(s status) bool {
		return s.People[0].Collect.Phase == "working" && len(w.asked("pairedDevices")) > 1
	})
	if code, _ := run.Stop(); code != 0 {
		t.Errorf("stopped with code %d", code)
	}
}

// consent does what a person does: runs authorize, opens the address, and pastes the one on which the browser ends. It returns
// what the program said.
func (h *home) consent(t *testing.T) string {
	t.Helper()
	cmd := h.command("authorize")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		w.Close()
	}()
	t.Cleanup(func() { cmd.Process.Kill() }) // it has ended unless the test failed
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		address := strings.TrimSpace(lines.Text())
		if !strings.HasPrefix(address, h.w.server.URL) {
			continue
		}
		browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := browser.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		io.WriteString(in, resp.Header.Get("Location")+"\n")
	}
	in.Close()
	if err := proctest.Receive(t, "the end of authorize", ended, said.String); err != nil {
		t.Fatalf("authorize: %v; it said:\n%s", err, said.String())
	}
	return said.String()
}

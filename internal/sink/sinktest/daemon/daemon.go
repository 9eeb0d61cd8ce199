// Package daemon runs real servers for tests, on the loopback only.
package daemon

import (
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// Daemon is one server. It is ended when the test ends.
type Daemon struct {
	t     testing.TB
	name  string
	args  []string
	env   []string
	ready string
	now   *proctest.Process // nil while it is stopped
}

// Start runs a program and waits until it answers at the address ready.
func Start(t testing.TB, ready string, env []string, name string, args ...string) *Daemon {
	t.Helper()
	d := &Daemon{t: t, name: name, args: args, env: env, ready: ready}
	d.Start()
	return d
}

// Start starts a stopped server again, with what it held.
func (d *Daemon) Start() {
	d.t.Helper()
	cmd := exec.Command(d.name, d.args...)
	cmd.Env = append(os.Environ(), d.env...)
	d.now = proctest.Start(d.t, d.name, cmd)
	proctest.Until(d.t, d.name+" to answer", func() bool {
		if d.now.Ended() {
			d.t.Fatalf("%s did not start:\n%s", d.name, d.now.Tail())
		}
		resp, err := http.Get(d.ready)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode/100 == 2
	}, d.now.Tail)
}

// Stop stops the server and waits for its end.
func (d *Daemon) Stop() {
	if d.now != nil {
		d.now.Stop()
		d.now = nil
	}
}

// Kill ends the server as a power cut would.
func (d *Daemon) Kill() {
	if d.now != nil {
		d.now.Kill()
		d.now = nil
	}
}

// Pid is the process that runs, 0 for none.
func (d *Daemon) Pid() int {
	if d.now == nil {
		return 0
	}
	return d.now.Pid()
}

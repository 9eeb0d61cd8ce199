// Package daemon runs real servers for tests, on the loopback only.
package daemon

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Daemon is one server. It is stopped when the test ends.
type Daemon struct {
	t     testing.TB
	name  string
	args  []string
	env   []string
	ready string
	cmd   *exec.Cmd
	log   *os.File
}

// Start runs a program and waits until it answers at the address ready. Its output goes into a file in dir.
func Start(t testing.TB, dir, ready string, env []string, name string, args ...string) *Daemon {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{t: t, name: name, args: args, env: env, ready: ready, log: log}
	t.Cleanup(func() {
		d.Stop()
		log.Close()
	})
	d.Start()
	return d
}

// Start starts a stopped server again, with what it held.
func (d *Daemon) Start() {
	d.t.Helper()
	d.cmd = exec.Command(d.name, d.args...)
	d.cmd.Env = append(os.Environ(), d.env...)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	d.cmd.SysProcAttr = childAttr()
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		resp, err := http.Get(d.ready)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode/100 == 2 {
				return
			}
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(d.log.Name())
			d.t.Fatalf("%s did not start: %v\n%s", d.name, err, said)
		}
	}
}

// Stop stops the server and waits for its end.
func (d *Daemon) Stop() { d.end(syscall.SIGTERM) }

// Kill ends the server as a power cut would.
func (d *Daemon) Kill() { d.end(syscall.SIGKILL) }

func (d *Daemon) end(sig syscall.Signal) {
	if d.cmd == nil {
		return
	}
	d.cmd.Process.Signal(sig)
	d.cmd.Wait() // its fate does not matter
	d.cmd = nil
}

// Pid is the process that runs, 0 for none.
func (d *Daemon) Pid() int {
	if d.cmd == nil {
		return 0
	}
	return d.cmd.Process.Pid
}

// FreePorts returns ports that nobody listens on now.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all at the end, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

package proctest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs. It is killed, with what it has started, when the test ends.
type Process struct {
	Out  Output        // standard output and error
	Done chan struct{} // closed at the end
	Code int           // valid once Done is closed; -1 where a signal ended it

	t    testing.TB
	name string
	cmd  *exec.Cmd
}

// Output is what a process says. It can be read while it is written.
type Output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	file *os.File // in place of b; it has no name
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return o.b.String()
	}
	all, err := io.ReadAll(io.NewSectionReader(o.file, 0, math.MaxInt64))
	if err != nil {
		return fmt.Sprintf("what it said cannot be read: %v", err)
	}
	return string(all)
}

// into lets a command write into a file, with nobody between.
func (o *Output) into(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	f, err := os.CreateTemp("", "fitbit-fetch-test-output-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // what tells of a failure may still ask
		said := o.String()
		o.mu.Lock()
		defer o.mu.Unlock()
		o.b.WriteString(said)
		o.file = nil
		f.Close()
	})
	o.file, cmd.Stdout, cmd.Stderr = f, f, f
}

// Start runs a command, in its own root where it has one. What it says is in Out as soon as it has said it: whoever learns in another
// way, as from its page, that something is in its log finds it there. With further writers it goes through a pipe to all of them, and is
// there a little later.
func Start(t testing.TB, name string, cmd *exec.Cmd, also ...io.Writer) *Process {
	t.Helper()
	NotShort(t)
	p := &Process{t: t, name: name, cmd: cmd, Done: make(chan struct{})}
	attr := childAttr()
	if cmd.SysProcAttr != nil {
		attr.Chroot = cmd.SysProcAttr.Chroot
	}
	if len(also) == 0 {
		p.Out.into(t, cmd)
	} else {
		w := io.MultiWriter(append(also, &p.Out)...)
		cmd.Stdout, cmd.Stderr = w, w
	}
	cmd.SysProcAttr = attr
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		cmd.Wait() // its fate is in the state
		p.Code = cmd.ProcessState.ExitCode()
		close(p.Done)
	}()
	t.Cleanup(p.Kill)
	return p
}

// Pid is the id of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Kill ends the process, and what it has started, as a power cut would.
func (p *Process) Kill() {
	syscall.Kill(-p.Pid(), syscall.SIGKILL) // it may have ended
	<-p.Done
}

// Stop ends the process as a user does, and returns its exit code and how long that took, which is to be reported, not to be judged: a
// busy machine takes its time.
func (p *Process) Stop() (code int, took time.Duration) {
	p.t.Helper()
	began := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	code = p.End()
	return code, time.Since(began)
}

// End waits for the end and returns the exit code.
func (p *Process) End() int {
	p.t.Helper()
	Receive(p.t, "the end of "+p.name, p.Done, func() string { return "it said:\n" + p.Tail() })
	return p.Code
}

// Reach waits until something has happened, which a channel says. A program that ends before has failed.
func (p *Process) Reach(what string, happened <-chan struct{}) {
	p.t.Helper()
	ctx, cancel := Limit(context.Background(), p.t)
	defer cancel()
	select {
	case <-happened:
	case <-p.Done:
		p.t.Fatalf("waiting for %s: %s ended with code %d; it said:\n%s", what, p.name, p.Code, p.Tail())
	case <-ctx.Done():
		p.t.Fatalf("waited in vain for %s of %s; it said:\n%s", what, p.name, p.Tail())
	}
}

// Ended reports whether it has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.Done:
		return true
	default:
		return false
	}
}

// Tail is the end of what it said.
func (p *Process) Tail() string { return Tail(p.Out.String()) }

// Tail is the end of a log, in whole lines.
func Tail(s string) string {
	const most = 6000
	if len(s) <= most {
		return s
	}
	s = s[len(s)-most:]
	return "…" + s[strings.IndexByte(s, '\n')+1:]
}

package control

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// start serves handle on a socket and returns its path; the server is stopped, and waited for, at the end of the test.
func start(t *testing.T, handle Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	ready := make(chan struct{})
	go func() { close(ready); done <- Serve(ctx, []string{path}, handle) }()
	<-ready
	proctest.Until(t, "somebody to listen", func() bool { // the file is there a moment before anybody does
		if fi, err := os.Stat(path); err == nil && fi.Mode().Perm() != 0o600 {
			t.Fatalf("socket mode %v, want 0600", fi.Mode().Perm())
		}
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, nil)
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return path
}

func TestCommandRunsInTheOwner(t *testing.T) {
	path := start(t, func(_ context.Context, c Call, in io.Reader, out, errs io.Writer) int {
		fmt.Fprintf(out, "%s in %s\n", strings.Join(c.Args, " "), c.Dir)
		s := bufio.NewScanner(in)
		for s.Scan() {
			fmt.Fprintf(out, "got %s\n", s.Text())
		}
		fmt.Fprint(errs, "done\n")
		return 7
	})
	var out, errs bytes.Buffer
	code, err := Do(t.Context(), []string{path}, Call{Args: []string{"status", "-v"}, Dir: "/here"}, strings.NewReader("a\nb\n"), &out, &errs)
	if err != nil || code != 7 {
		t.Fatalf("code %d, err %v", code, err)
	}
	if want := "status -v in /here\ngot a\ngot b\n"; out.String() != want || errs.String() != "done\n" {
		t.Errorf("out %q, err %q", out.String(), errs.String())
	}
}

func TestClientGoesAway(t *testing.T) {
	ended := make(chan struct{})
	path := start(t, func(ctx context.Context, _ Call, _ io.Reader, out, _ io.Writer) int {
		fmt.Fprint(out, "x")
		<-ctx.Done()
		close(ended)
		return 0
	})
	ctx, cancel := context.WithCancel(t.Context())
	out := writerFunc(func(p []byte) (int, error) {
		if len(p) > 0 {
			cancel()
		}
		return len(p), nil
	})
	r, w := io.Pipe() // standard input that stays open
	defer w.Close()
	if _, err := Do(ctx, []string{path}, Call{}, r, out, io.Discard); !errors.Is(err, context.Canceled) {
		t.Fatalf("err %v, want context.Canceled", err)
	}
	<-ended
}

func TestNobody(t *testing.T) {
	dir := t.TempDir()
	if _, err := Do(t.Context(), []string{filepath.Join(dir, "none")}, Call{}, nil, io.Discard, io.Discard); !errors.Is(err, ErrNobody) {
		t.Errorf("no socket: %v", err)
	}
	// A process that was killed leaves its socket behind; the next owner takes its place.
	left := filepath.Join(dir, "left")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := Do(t.Context(), []string{left}, Call{}, nil, io.Discard, io.Discard); !errors.Is(err, ErrNobody) {
		t.Errorf("socket of a dead process: %v", err)
	}
}

// A folder that can have no socket, as some that are lent to containers, is passed over by both sides.
func TestPlaceWithoutSockets(t *testing.T) {
	good := start(t, func(context.Context, Call, io.Reader, io.Writer, io.Writer) int { return 3 })
	none := filepath.Join(t.TempDir(), "no folder", "s")
	taken := t.TempDir() // dialling it gives an error that is not "nobody"
	if code, err := Do(t.Context(), []string{none, taken, good}, Call{}, strings.NewReader(""), io.Discard, io.Discard); code != 3 || err != nil {
		t.Errorf("code %d, err %v", code, err)
	}
	second := filepath.Join(t.TempDir(), "s")
	l, err := listenAt([]string{none, second})
	if err != nil || l.Addr().String() != second {
		t.Fatalf("listening: %v, %v", l, err)
	}
	l.Close()
	if _, err := listenAt([]string{none}); err == nil {
		t.Error("listens in a folder that is not there")
	}
}

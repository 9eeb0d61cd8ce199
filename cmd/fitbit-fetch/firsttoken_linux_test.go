package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// terminal is one at which the program runs: what is typed goes into keys, what is seen comes out of it.
func terminal(t *testing.T) (keys, screen *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return keys, screen
}

// TestRefreshTokenIsNotShown: what is typed at the question is not echoed, and the terminal is as before when the question is left.
func TestRefreshTokenIsNotShown(t *testing.T) {
	keys, screen := terminal(t)
	c := newContainer(t, "HEALTH_API_PROVIDER=google", "CLIENT_ID=x", "GOOGLE_HEALTH_BASE_URL=http://127.0.0.1:1", "GOOGLE_OAUTH_TOKEN_URL=http://127.0.0.1:1/token")
	c.give("tokens", os.Getuid())
	cmd := exec.Command(filepath.Join(c.dir, "fitbit-fetch"))
	cmd.Dir, cmd.Env = c.dir, c.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var seen proctest.Output
	go func() { // ends when keys is closed
		b := make([]byte, 4096)
		for {
			n, err := keys.Read(b)
			seen.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	echoes := func() bool {
		term, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
		return err == nil && term.Lflag&unix.ECHO != 0
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		proctest.Until(t, what, ok, func() string { return "seen:\n" + seen.String() })
	}
	asked := func(times int) func() bool {
		return func() bool { return strings.Count(seen.String(), "Refresh token: ") == times && !echoes() }
	}
	until("the question", asked(1))
	if _, err := keys.WriteString("1//typed-in-secret\n"); err != nil {
		t.Fatal(err)
	}
	until("the question again", asked(2))
	if text := seen.String(); strings.Contains(text, "typed-in") || !strings.Contains(text, "That did not work") {
		t.Errorf("seen:\n%s", text)
	}
	if _, err := keys.WriteString("\x03"); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("left with %v; seen:\n%s", err, seen.String())
	}
	if !echoes() {
		t.Error("the terminal was left mute")
	}
}

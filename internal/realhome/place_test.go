//go:build homeassistant

package realhome

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/supervisor/supervisortest"
)

// Who has which address on the network of the apps, which the test has for itself.
const (
	coreAddress   = "172.30.32.1" // Home Assistant's machine
	brokerAddress = "172.30.33.2"
	strangers     = "172.30.33.9" // of another app
)

// inside names the built program to the test once it is in its own place.
const inside = "FITBIT_FETCH_TEST_PROGRAM"

// binary is the program under test; TestMain builds it, and nothing changes it later.
var binary = os.Getenv(inside)

// TestMain builds the program, and runs the tests in a network and among mounts of their own: there they can have the addresses that
// Supervisor's network has, and this machine's are left alone.
func TestMain(m *testing.M) {
	code, err := 0, error(nil)
	if binary == "" {
		code, err = enter()
	} else if err = furnish(); err == nil {
		code = m.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// enter runs this test again inside.
func enter() (int, error) {
	if os.Getuid() != 0 {
		return 1, errors.New("missing: root, for a network and mounts of the test's own. Run: sudo make test-homeassistant")
	}
	program, remove, err := proctest.Build()
	if err != nil {
		return 1, err
	}
	defer remove()
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Env = append(os.Environ(), inside+"="+program)
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := again.Start(); err != nil {
		return 1, fmt.Errorf("missing: the right to make a network and mounts of the test's own (CAP_SYS_ADMIN; a container has it with --privileged): %w", err)
	}
	again.Wait() // its fate is in the state
	return again.ProcessState.ExitCode(), nil
}

// furnish gives the new network its addresses.
func furnish() error {
	commands := [][]string{{"link", "set", "lo", "up"}}
	for _, a := range []string{coreAddress, supervisortest.Address, brokerAddress, supervisortest.AppAddress, strangers} {
		commands = append(commands, []string{"addr", "add", a + "/32", "dev", "lo"})
	}
	for _, c := range commands {
		if out, err := exec.Command("ip", c...).CombinedOutput(); err != nil {
			return fmt.Errorf("missing: addresses of Supervisor's network (ip %v): %w: %s; ip is of the package iproute2", c, err, out)
		}
	}
	return nil
}

// Command fitbit-fetch brings a person's Fitbit and Google Health data into a local archive and from there into InfluxDB.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // zones exist in an image without files, too

	"golang.org/x/term"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// version is set by the linker.
var version = "dev"

// Exit codes.
const (
	exitOK        = 0
	exitFailed    = 1 // the command could not do its work
	exitUsage     = 2 // the command was called wrongly
	exitConfig    = 3 // an option is wrong
	exitAuthorize = 4 // the person has to authorize
	exitUnhealthy = 5 // healthcheck: the service is not well

	exitStopped = 130 // stopped by a signal before the work was done; run, demo and simulate end with 0 then
)

// A command is one word of the command line.
type command struct {
	name    string
	args    string // for the usage line
	summary string // one line for the list
	verb    string // a word that has to follow the name, before the flags
	help    string // the rest of its help
	alone   bool   // runs in its own process and opens no archive
	bare    bool   // needs no options either
	held    bool   // of use while options are wrong, too
	raw     bool   // what it prints are data, a packed report, or secrets that are asked for: nothing is taken out of it
	run     func(ctx context.Context, c *call) error
	flags   func(fs *flag.FlagSet, c *call)
}

// commands is the only list of commands.
func commands() []command {
	list := []command{
		runCommand(), demoCommand(), authorizeCommand(), deauthorizeCommand(), backfillCommand(), planCommand(), checkCommand(),
		pauseCommand(), resumeCommand(), exportCommand(), dashboardsCommand(), replayCommand(), snapshotCommand(), statusCommand(), diagnoseCommand(),
		eraseCommand(), healthcheckCommand(), simulateCommand(), optionsCommand(), versionCommand(),
	}
	for i := range list {
		if !list[i].raw {
			list[i].run = reporting(list[i].run)
		}
	}
	return list
}

// A call is one command as it was called.
type call struct {
	args   []string                        // behind the flags
	config string                          // YAML file as said with --config
	system func(file string) config.Inputs // where options may come from; nil for a call over the socket, which has them
	dir    string                          // relative paths are meant against it
	tty    bool                            // somebody watches
	wide   int                             // columns of the terminal
	size   func() (wide, high int)         // of the terminal, as it is now; nil for a call over the socket
	stdin  io.Reader
	secret func(ctx context.Context, question string) (string, error) // asks at the terminal without showing the answer; nil where there is none
	stdout io.Writer
	stderr io.Writer
	app    *app           // nil for a command that runs alone
	kept   *logKeeper     // the last lines of the log, of run
	opts   config.Options // as this process reads them
	inputs config.Inputs  // from where
	flags  any            // what the command's flags filled
}

// path returns p as the caller meant it.
func (c *call) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

// An exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode returns the code for err.
func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, context.Canceled):
		return exitStopped
	case isAuthError(err):
		return exitAuthorize
	}
	return exitFailed
}

func main() { os.Exit(program(config.System)) }

// program is the whole of it; system says where options may come from.
func program(system func(file string) config.Inputs) int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signals = append(signals, syscall.SIGHUP) // the terminal was closed
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	wide, _, err := term.GetSize(int(os.Stdout.Fd()))
	dir, _ := os.Getwd()
	c := &call{
		system: system, dir: dir, tty: err == nil, wide: wide, size: terminalSize, stdin: os.Stdin, stdout: &printer{out: os.Stdout}, stderr: redact.Writer(os.Stderr),
		secret: terminalSecret(os.Stdout),
	}
	// The heap is small and short-lived; collecting a little later costs memory that we do not have to spare, a little earlier costs
	// time: this is the measured middle.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	return dispatch(ctx, c, os.Args[1:])
}

// terminalSize returns the columns and lines of the terminal; 80 and 24 where it does not tell.
func terminalSize() (wide, high int) {
	wide, high, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || wide <= 0 || high <= 0 {
		return 80, 24
	}
	return wide, high
}

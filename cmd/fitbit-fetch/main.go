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
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // zones exist in an image without files, too

	"golang.org/x/term"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/control"
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
)

// A command is one word of the command line.
type command struct {
	name    string
	args    string // for the usage line
	summary string // one line for the list
	help    string // the rest of its help
	alone   bool   // runs in its own process and opens no archive
	run     func(ctx context.Context, c *call) error
	flags   func(fs *flag.FlagSet, c *call)
}

// commands is the only list of commands.
func commands() []command {
	return []command{
		runCommand(), demoCommand(), authorizeCommand(), deauthorizeCommand(), backfillCommand(), planCommand(), checkCommand(),
		exportCommand(), replayCommand(), snapshotCommand(), statusCommand(), diagnoseCommand(), eraseCommand(),
		healthcheckCommand(), simulateCommand(), versionCommand(),
	}
}

// A call is one command as it was called.
type call struct {
	args   []string // behind the flags
	dir    string   // relative paths are meant against it
	tty    bool     // somebody watches
	wide   int      // columns of the terminal
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	app    *app           // nil for a command that runs alone
	opts   config.Options // as this process reads them
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
	case err == nil || errors.Is(err, context.Canceled):
		return exitOK
	case errors.As(err, &e):
		return e.code
	case isAuthError(err):
		return exitAuthorize
	}
	return exitFailed
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wide, _, err := term.GetSize(int(os.Stdout.Fd()))
	dir, _ := os.Getwd()
	c := &call{
		dir: dir, tty: err == nil, wide: wide, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	}
	// The heap is small and short-lived; collecting a little later costs memory that we do not have to spare, a little earlier costs
	// time: this is the measured middle.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	os.Exit(dispatch(ctx, c, os.Args[1:]))
}

// dispatch finds the command, and runs it here or in the process that owns the archive.
func dispatch(ctx context.Context, c *call, args []string) int {
	global := flag.NewFlagSet("fitbit-fetch", flag.ContinueOnError)
	global.SetOutput(io.Discard)
	file := global.String("config", "", "YAML file with options")
	if err := global.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			usage(c.stdout)
			return exitOK
		}
		fmt.Fprintf(c.stderr, "fitbit-fetch: %v; see fitbit-fetch --help\n", err)
		return exitUsage
	}
	args = global.Args()
	name := "run"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	if name == "help" {
		if len(args) == 0 {
			usage(c.stdout)
			return exitOK
		}
		name, args = args[0], []string{"--help"}
	}
	cmd, ok := find(name)
	if !ok {
		fmt.Fprintf(c.stderr, "fitbit-fetch: there is no command %q; see fitbit-fetch --help\n", name)
		return exitUsage
	}
	if help, err := cmd.parse(c, args); help || err != nil {
		return c.finish(err)
	}
	opts, err := loadOptions(*file, c)
	if err != nil {
		return c.finish(err)
	}
	c.opts = opts
	if cmd.alone {
		return c.finish(cmd.run(ctx, c))
	}
	code, err := control.Do(ctx, opts.Socket(), control.Call{Args: append([]string{name}, args...), Dir: c.dir, TTY: c.tty, Wide: c.wide}, c.stdin, c.stdout, c.stderr)
	if err == nil {
		return code
	}
	if !errors.Is(err, control.ErrNobody) {
		return c.finish(err)
	}
	a, err := openApp(ctx, opts, c.logger())
	if err != nil {
		return c.finish(err)
	}
	c.app = a
	err = cmd.run(ctx, c)
	return c.finish(errors.Join(err, a.Close()))
}

// serveCall runs a command that came over the socket.
func serveCall(a *app) control.Handler {
	return func(ctx context.Context, in control.Call, stdin io.Reader, stdout, stderr io.Writer) int {
		c := &call{dir: in.Dir, tty: in.TTY, wide: in.Wide, stdin: stdin, stdout: stdout, stderr: stderr, app: a, opts: a.opts}
		if len(in.Args) == 0 {
			return c.finish(usageError("no command"))
		}
		cmd, ok := find(in.Args[0])
		if !ok || cmd.alone {
			return c.finish(usageError("the running fitbit-fetch (%s) does not know the command %q; it may be another version", version, in.Args[0]))
		}
		if help, err := cmd.parse(c, in.Args[1:]); help || err != nil {
			return c.finish(err)
		}
		return c.finish(cmd.run(ctx, c))
	}
}

// finish shows err, with its cure, and returns the exit code.
func (c *call) finish(err error) int {
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(c.stderr, "fitbit-fetch: %v\n", err)
		if h := hint(err); h != "" {
			fmt.Fprintf(c.stderr, "  %s\n", h)
		}
	}
	return exitCode(err)
}

func find(name string) (command, bool) {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, false
	}
	return all[i], true
}

// parse reads the flags behind the command's name into c. help is true when they asked for help, which has then been shown.
func (cmd command) parse(c *call, args []string) (help bool, err error) {
	fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	if cmd.flags != nil {
		cmd.flags(fs, c)
	}
	err = fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(c.stdout, "Usage: %s\n\n%s\n", strings.TrimSpace("fitbit-fetch "+cmd.name+" "+cmd.args), cmd.summary)
		if cmd.help != "" {
			fmt.Fprintf(c.stdout, "\n%s\n", strings.TrimSpace(cmd.help))
		}
		if cmd.flags != nil {
			fmt.Fprint(c.stdout, "\nFlags:\n")
			fs.SetOutput(c.stdout)
			fs.PrintDefaults()
		}
		return true, nil
	}
	if err != nil {
		return false, usageError("%w; see fitbit-fetch %s --help", err, cmd.name)
	}
	c.args = fs.Args()
	if cmd.args == "" && len(c.args) > 0 || cmd.args != "" && !strings.Contains(cmd.args, "[") && len(c.args) > 1 {
		return false, usageError("%s: too many arguments: %q; see fitbit-fetch %s --help", cmd.name, c.args, cmd.name)
	}
	return false, nil
}

func usage(w io.Writer) {
	fmt.Fprint(w, `fitbit-fetch brings your Fitbit and Google Health data home: into a local archive, InfluxDB, Grafana and Home Assistant.

Usage: fitbit-fetch [--config FILE] [COMMAND] [FLAGS]

`)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-12s %s\n", c.name, c.summary)
	}
	fmt.Fprintf(w, `
fitbit-fetch COMMAND --help tells more. Without a command it runs.
Commands that need the archive are done by the running fitbit-fetch, where there is one.

Options are read from a YAML file (--config, or FITBIT_FETCH_CONFIG), /data/options.json and the environment; each is described in
docs/configuration.md, and fitbit-fetch check says what is wrong with them.

Exit codes: %d done, %d failed, %d called wrongly, %d an option is wrong, %d authorization needed, %d not healthy.
`, exitOK, exitFailed, exitUsage, exitConfig, exitAuthorize, exitUnhealthy)
}

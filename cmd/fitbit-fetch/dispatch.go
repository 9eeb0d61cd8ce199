package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/control"
	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// dispatch finds the command, and runs it here or in the process that owns the archive.
func dispatch(ctx context.Context, c *call, args []string) int {
	global := flag.NewFlagSet("fitbit-fetch", flag.ContinueOnError)
	global.SetOutput(io.Discard)
	global.StringVar(&c.config, "config", "", "")
	if err := global.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			usage(c.stdout)
			return c.finish(nil)
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
			return c.finish(nil)
		}
		name, args = args[0], []string{"--help"}
	}
	cmd, ok := find(name)
	if !ok {
		return c.finish(usageError("there is no command %q; see fitbit-fetch --help", name))
	}
	if help, err := cmd.parse(c, args); help || err != nil {
		return c.finish(err)
	}
	if !cmd.bare {
		c.inputs = c.system(c.config).Remember()
		opts, err := loadOptions(c.inputs)
		if err == nil && len(opts.Wrong) > 0 && !cmd.held {
			err = &exitError{exitConfig, opts.Wrong}
		}
		if err == nil {
			err = becomeOwner(opts)
		}
		if err != nil {
			return c.finish(err)
		}
		c.opts = opts
	}
	if cmd.alone {
		return c.finish(cmd.run(ctx, c))
	}
	return c.withArchive(ctx, cmd, append([]string{name}, args...))
}

// The archive may be owned for a moment by a command, or by a process that has just been started and does not listen yet.
const (
	ownedTries = 20
	ownedPause = 100 * time.Millisecond
)

// withArchive runs cmd in the process that owns the archive, or here where there is none.
func (c *call) withArchive(ctx context.Context, cmd command, args []string) int {
	for try := 1; ; try++ {
		code, err := control.Do(ctx, c.opts.Sockets(), control.Call{Args: args, Dir: c.dir, TTY: c.tty, Wide: c.wide}, c.stdin, c.stdout, c.stderr)
		if err == nil {
			return code
		}
		if !errors.Is(err, control.ErrNobody) {
			return c.finish(err)
		}
		a, err := openApp(ctx, c.opts, c.quietLogger())
		switch {
		case err == nil:
			c.app = a
			return c.finish(c.runHere(ctx, cmd))
		case !errors.Is(err, archive.ErrOwned) || try == ownedTries:
			return c.finish(err)
		}
		if err := clock.Real().Sleep(ctx, ownedPause); err != nil {
			return c.finish(err)
		}
	}
}

// runHere runs cmd with the archive that this process has opened, and serves other commands meanwhile: one may ask how a long
// backfill stands.
func (c *call) runHere(ctx context.Context, cmd command) error {
	serving, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := control.Serve(serving, c.opts.Sockets(), serveCall(c.app)); err != nil {
			c.app.log.Warn("other commands cannot be served meanwhile", "err", err)
		}
	})
	err := cmd.run(ctx, c)
	stop()
	wg.Wait()
	return errors.Join(err, c.app.Close())
}

// openOwned opens the program for run, and waits for a command that has the archive for a moment.
func openOwned(ctx context.Context, opts config.Options, log *slog.Logger) (*app, error) {
	for try := 1; ; try++ {
		a, err := openApp(ctx, opts, log)
		if !errors.Is(err, archive.ErrOwned) || try == ownedTries {
			return a, err
		}
		if err := clock.Real().Sleep(ctx, ownedPause); err != nil {
			return nil, err
		}
	}
}

// loadOptions reads the options. Home Assistant's app gets some even where others are wrong: it has no terminal on which an end
// could be read, so it stays up and tells them everywhere else.
func loadOptions(in config.Inputs) (config.Options, error) {
	opts, err := config.Load(in)
	var wrong config.Problems
	switch {
	case err == nil:
		return opts, nil
	case opts.InApp && errors.As(err, &wrong):
		return opts.Held(wrong), nil
	}
	return opts, &exitError{exitConfig, err}
}

// serveCall runs a command that came over the socket.
func serveCall(a *app) control.Handler {
	return func(ctx context.Context, in control.Call, stdin io.Reader, stdout, stderr io.Writer) int {
		c := &call{dir: in.Dir, tty: in.TTY, wide: in.Wide, stdin: stdin, stdout: stdout, stderr: redact.Writer(stderr), app: a, opts: a.opts}
		if len(in.Args) == 0 {
			return c.finish(usageError("no command"))
		}
		cmd, ok := find(in.Args[0])
		if !ok || cmd.alone {
			return c.finish(usageError("the running fitbit-fetch (%s) does not know the command %q; it may be another version", programVersion(), in.Args[0]))
		}
		if help, err := cmd.parse(c, in.Args[1:]); help || err != nil {
			return c.finish(err)
		}
		return c.finish(cmd.run(ctx, c))
	}
}

// finish shows err, with its cure, and returns the exit code.
func (c *call) finish(err error) int {
	if p, ok := c.stdout.(*printer); ok && err == nil {
		err = p.failed()
	}
	code := exitCode(err)
	switch {
	case code == exitStopped:
		fmt.Fprintln(c.stderr, "fitbit-fetch: stopped before it was done")
	case err != nil:
		fmt.Fprintf(c.stderr, "fitbit-fetch: %v\n", err)
		for _, h := range hints(err) {
			fmt.Fprintf(c.stderr, "%s\n", c.wrap(h, "  → ", "    "))
		}
	}
	return code
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
	if !cmd.bare {
		fs.StringVar(&c.config, "config", c.config, "YAML `file` with options")
	}
	said := cmd.verb == ""
	if !said && len(args) > 0 && args[0] == cmd.verb {
		args, said = args[1:], true
	}
	err = fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		cmd.showHelp(c, fs)
		return true, nil
	}
	if err != nil {
		return false, usageError("%w; see fitbit-fetch %s --help", err, cmd.name)
	}
	if !said {
		return false, usageError("want: fitbit-fetch %s %s; see fitbit-fetch %[1]s --help", cmd.name, cmd.verb)
	}
	c.args = fs.Args()
	most := len(strings.Fields(cmd.args))
	if len(c.args) > most {
		return false, usageError("%s: too many arguments: %q; see fitbit-fetch %s --help", cmd.name, c.args[most:], cmd.name)
	}
	return false, nil
}

// showHelp shows what the command does and its flags.
func (cmd command) showHelp(c *call, fs *flag.FlagSet) {
	fmt.Fprintf(c.stdout, "Usage: %s\n\n%s\n", strings.Join(strings.Fields("fitbit-fetch "+cmd.name+" "+cmd.verb+" "+cmd.args), " "), c.wrap(sentence(cmd.summary), "", ""))
	if cmd.help != "" {
		fmt.Fprintf(c.stdout, "\n%s\n", c.wrap(cmd.help, "", ""))
	}
	title := "\nFlags:\n"
	fs.VisitAll(func(f *flag.Flag) {
		what, text := flag.UnquoteUsage(f)
		dash := "--"
		if len(f.Name) == 1 {
			dash = "-"
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" && f.Name != "config" {
			text += " (default: " + f.DefValue + ")"
		}
		fmt.Fprintf(c.stdout, "%s  %s\n%s\n", title, strings.TrimSpace(dash+f.Name+" "+what), c.wrap(text, "        ", "        "))
		title = ""
	})
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

func usage(w io.Writer) {
	fmt.Fprint(w, `fitbit-fetch brings your Fitbit and Google Health data home: into a local
archive, and from there into InfluxDB for Grafana.

Usage: fitbit-fetch [--config FILE] [COMMAND] [FLAGS]

`)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-12s %s\n", c.name, c.summary)
	}
	fmt.Fprintf(w, `
fitbit-fetch COMMAND --help tells more. Without a command it runs.
Commands that need the archive are done by the running fitbit-fetch, where
there is one.

Options are read from a YAML file (--config, or FITBIT_FETCH_CONFIG),
/data/options.json and the environment; fitbit-fetch options lists them,
and fitbit-fetch check says what is wrong with them.

Exit codes: %d done, %d failed, %d called wrongly, %d an option is wrong,
%d authorization needed, %d not healthy, %d stopped before it was done.
`, exitOK, exitFailed, exitUsage, exitConfig, exitAuthorize, exitUnhealthy, exitStopped)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
)

func runCommand() command {
	return command{
		name: "run", summary: "fetch, keep and deliver, until stopped (the default)", alone: true,
		help: `Runs until SIGTERM or Ctrl-C, and stops cleanly within 5 seconds. With MANUAL_START_DATE, or AUTO_DATE_RANGE=False, it fetches those days,
delivers them, and ends with exit code 0.`,
		run: func(ctx context.Context, c *call) error { return c.runLoops(ctx) },
	}
}

// stopWithin is how long a clean stop may take.
const stopWithin = 5 * time.Second

func (c *call) runLoops(ctx context.Context) error {
	if c.opts.Manual.Bulk {
		return c.bulk(ctx)
	}
	a, err := openApp(ctx, c.opts, c.logger())
	if errors.Is(err, archive.ErrOwned) {
		return fmt.Errorf("%w; every other command is done by the process that runs already, so there is no need for a second one", err)
	}
	if err != nil {
		return err
	}
	a.log.Info("fitbit-fetch runs", "version", programVersion(), "archive", a.opts.Archive, "persons", len(a.people), "sinks", len(a.sinks))
	if len(a.sinks) == 0 {
		a.log.Warn("no database is configured: data are kept in the archive alone", "hint", "set INFLUXDB_HOST (docs/configuration.md); what was kept is delivered then")
	}
	for _, p := range a.people {
		if s := p.tokens.State(a.clock.Now()); s.Hint != "" {
			p.log.Warn("authorization: "+s.Text, "hint", s.Hint)
		}
	}
	// A stop that hangs must not keep the container from stopping: all that counts is on disk already.
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(stopWithin, func() {
			a.log.Error("stopping took too long; ending at once. What was fetched is safe")
			os.Exit(exitFailed)
		})
	})
	defer stop()
	err = a.Run(ctx)
	a.log.Info("fitbit-fetch stops")
	return errors.Join(err, a.Close())
}

// logger writes to standard error, or to the file that the options name.
func (c *call) logger() *slog.Logger {
	w := c.stderr
	if path := c.opts.Log.File; path != "" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			fmt.Fprintf(c.stderr, "fitbit-fetch: the log file cannot be written, logging here instead: %v\n", err)
		} else {
			w = f
		}
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: c.opts.Log.Level}))
}

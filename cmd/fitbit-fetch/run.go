package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

func runCommand() command {
	return command{
		name: "run", held: true, summary: "fetch, keep and deliver, until stopped (the default)", alone: true,
		help: `Runs until SIGTERM or Ctrl-C, and stops cleanly within 8 seconds. With MANUAL_START_DATE, or AUTO_DATE_RANGE=False, it
fetches those days, delivers them, and ends with exit code 0; started again for the same days it asks for nothing.

A person who has not authorized yet is asked for a refresh token where there is a terminal, and otherwise waited for: fitbit-fetch
authorize, from anywhere, lets it go on.`,
		run: func(ctx context.Context, c *call) error { return c.runLoops(ctx) },
	}
}

// stopWithin is how long a clean stop may take: 3 s of it for an answer of the token service that is on its way (see app.Close), the rest for
// a busy machine. Docker and Supervisor kill what is still there after 10 s.
const stopWithin = 8 * time.Second

func (c *call) runLoops(ctx context.Context) error {
	if c.tty && c.opts.Persons[0].ClientID == "" && c.opts.Page.Listen == "off" && len(c.opts.Wrong) == 0 {
		// Somebody watches and can do something about it. A container would only be started again and again: there it waits.
		return noClient(c.opts.Persons[0].ID, c.opts.Provider)
	}
	if c.opts.Manual.Bulk {
		return c.bulk(ctx)
	}
	log, closeLog := c.logger()
	defer closeLog()
	a, err := openOwned(ctx, c.opts, log)
	if err != nil && stopped(ctx, err) == nil {
		return nil
	}
	if errors.Is(err, archive.ErrOwned) {
		return fmt.Errorf("%w; every other command is done by the process that runs already, so there is no need for a second one", err)
	}
	if err != nil {
		return err
	}
	a.log.Info("fitbit-fetch runs", "version", programVersion(), "archive", a.opts.Archive, "persons", len(a.people), "sinks", len(a.sinks))
	a.tellNotes()
	for _, w := range a.opts.Wrong {
		a.log.Error("options: "+w.String(), "hint", heldHint)
	}
	if err := a.settleSinks(ctx); err != nil {
		return errors.Join(stopped(ctx, err), a.Close())
	}
	if err := c.askTokens(ctx, a); err != nil {
		return errors.Join(stopped(ctx, err), a.Close())
	}
	// A stop that hangs must not keep the container from stopping: all that counts is on disk already.
	done := make(chan struct{})
	defer close(done)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(stopWithin):
			a.log.Error("stopping took too long; ending at once. What was fetched is safe")
			os.Exit(exitFailed)
		case <-done:
		}
	})()
	a.renewable(c.inputs)
	a.kept = c.kept
	err = (&runner{app: a}).run(ctx)
	log.Info("fitbit-fetch stops")
	return err
}

// stopped returns err, or nil where it only says that run was told to stop, which may be at any moment.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// noClient says what to do before anything can be fetched.
func noClient(person, provider string) error {
	return &exitError{exitConfig, fmt.Errorf(`person %s has no client id, so no service can be asked yet. Set %s
(README.md, "Set it up", says where they come from), then:
  fitbit-fetch authorize
To see what it does without any account: fitbit-fetch demo`, person, clientOptions[provider])}
}

// tellNotes logs what there is to say about the options.
func (a *app) tellNotes() {
	for _, n := range a.opts.Notes {
		a.log.Warn("options: " + n)
	}
}

// settleSinks forgets the sinks that are not configured any more, with what was kept for them. It is for run alone: a command that
// is called without the options of the running process must not cost a database its place.
func (a *app) settleSinks(ctx context.Context) error {
	if a.held() {
		return nil
	}
	if a.opts.DryRun {
		a.log.Warn("dry run: nothing is written to a database; what is fetched is kept in the archive, and delivered once DRY_RUN_MODE is off")
		return nil
	}
	var keep []string
	for _, t := range a.sinks {
		keep = append(keep, t.sink.Name())
	}
	if len(keep) == 0 {
		cure := "set INFLUXDB_HOST (docs/configuration.md); what was kept is delivered then"
		if a.opts.InApp {
			cure = "if you have one, fill in the section InfluxDB on the Configuration tab; what was kept is delivered then"
		}
		a.log.Warn("no database is configured: data are kept in the archive alone", "hint", cure)
	}
	return a.archive.DropSink(ctx, keep)
}

// awaitAuthorization returns when the person has authorized. A refresh token in the options is taken over; where that cannot be
// done for the moment, it is tried again.
func (p *person) awaitAuthorization(ctx context.Context, a *app) error {
	pause := takeFirst
	told := false
	for {
		changed := p.tokens.Changed()
		err := p.takeOver(ctx, a)
		s := p.tokens.State(a.clock.Now())
		if s.Standing != auth.Missing {
			return nil
		}
		var again <-chan time.Time
		switch {
		case err != nil && ctx.Err() == nil:
			p.log.Warn("the authorization in the options could not be taken over", "err", err, "hint", hint(err))
			if !isAuthError(err) {
				again = time.After(pause)
				pause = min(2*pause, takeMost)
			}
		case !told && p.opts.ClientID == "":
			p.log.Warn("there is no client id yet; waiting", "hint", a.clientCure())
		case !told:
			p.log.Warn(s.Text+" Waiting.", "hint", s.Hint)
			p.offerVisit(a)
		}
		told = true
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-again:
		}
	}
}

// authorized returns nil if the person's data can be asked for, after taking over a refresh token of the options.
func (p *person) authorized(ctx context.Context, a *app) error {
	if err := p.takeOver(ctx, a); err != nil {
		return err
	}
	s := p.tokens.State(a.clock.Now())
	if s.Standing != auth.Missing && s.Standing != auth.Dead {
		return nil
	}
	if p.opts.ClientID == "" {
		return noClient(p.ID, a.opts.Provider)
	}
	return &source.Error{Kind: source.Auth, Err: fmt.Errorf("person %s: %s", p.ID, s.Text), Hint: s.Hint}
}

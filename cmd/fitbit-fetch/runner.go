package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/web"
)

// runner is the program as run has it: it runs, and is built anew in the same process when an option was given on the page. The
// page alone stays, and keeps its visitors waiting meanwhile.
type runner struct {
	app  *app
	page *web.Server // nil for none
}

// run runs until ctx ends. The app is closed then.
func (r *runner) run(ctx context.Context) error {
	serving, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	if r.page = r.app.newPage(); r.page != nil {
		wg.Go(func() { r.app.servePage(serving, r.page) })
	}
	defer wg.Wait()
	defer stop()
	for {
		again, err := r.once(ctx)
		if !again {
			stop()
			wg.Wait() // nobody must ask an archive that is closed
			return errors.Join(err, r.app.Close())
		}
		if err := r.exchange(func() (web.Program, error) { return r.rebuild(ctx) }); err != nil {
			return stopped(ctx, err)
		}
	}
}

// renewWithin is how long the loops may take to stop.
const renewWithin = time.Minute

// once runs the loops until ctx ends, or until there are other options to run with: again is true then.
func (r *runner) once(ctx context.Context) (again bool, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	ended := make(chan struct{})
	wg.Go(func() {
		select {
		case <-r.app.renew:
			again = true
			stop()
		case <-running.Done():
			return
		}
		select {
		case <-ended:
		case <-time.After(renewWithin): // a process that hangs here would look alive and do nothing
			r.app.log.Error("the loops do not stop to be built anew; ending. What was fetched and what was given is safe")
			os.Exit(exitFailed)
		}
	})
	err = r.app.Run(running)
	close(ended)
	stop()
	wg.Wait()
	if ctx.Err() != nil || err != nil && !again {
		return false, stopped(ctx, err)
	}
	return again, nil
}

func (r *runner) exchange(build func() (web.Program, error)) error {
	if r.page == nil {
		_, err := build()
		return err
	}
	return r.page.Exchange(build)
}

// rebuild closes the program and opens it with the options as they are now. Where that fails it goes on with those it had.
func (r *runner) rebuild(ctx context.Context) (web.Program, error) {
	old := r.app
	if err := old.Close(); err != nil {
		old.log.Warn("closing before the program is built anew", "err", err)
	}
	a, err := r.open(ctx, old)
	if err != nil && ctx.Err() == nil {
		old.log.Error("the options given on the page cannot be used; those before go on", "err", err, "hint", hint(err))
		a, err = openOwned(ctx, old.opts, old.log)
	}
	if err != nil {
		return nil, fmt.Errorf("building the program anew: %w", err)
	}
	a.renewable(old.inputs)
	a.kept, a.started = old.kept, old.started
	r.app = a
	if err := a.settleSinks(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	a.log.Info("the program was built anew", "persons", len(a.people), "sinks", len(a.sinks))
	return page{a}, nil
}

// open opens the program with the options as they are now, and the clock it has.
func (r *runner) open(ctx context.Context, old *app) (*app, error) {
	opts, err := loadOptions(old.inputs)
	if err != nil {
		return nil, err
	}
	opts.Clock = old.opts.Clock
	return openOwned(ctx, opts, old.log)
}

// renewable lets the page give options.
func (a *app) renewable(in config.Inputs) {
	a.inputs, a.renew = in, make(chan struct{}, 1)
}

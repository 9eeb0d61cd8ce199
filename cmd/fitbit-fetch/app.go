package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/advice"
	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/control"
	"github.com/fitbit-fetch/fitbit-fetch/internal/deliver"
	"github.com/fitbit-fetch/fitbit-fetch/internal/grafana"
	"github.com/fitbit-fetch/fitbit-fetch/internal/homeassistant"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/supervisor"
)

// app is the program with its archive open: what the commands work on.
type app struct {
	opts       config.Options
	clock      clock.Clock
	log        *slog.Logger
	catalogue  metric.Catalogue
	archive    *archive.Archive
	latest     *latest.Latest
	people     []*person
	sinks      []*target
	supervisor *supervisor.Client // nil outside of Home Assistant's app
	started    time.Time
	stats      memo[archive.Stats]
	announced  announced

	inputs config.Inputs // where the options came from
	renew  chan struct{} // the program is to be built anew; nil where nothing can be given on the page
	saving sync.Mutex    // held while options of the page are kept
	kept   *logKeeper    // nil where nothing of the log is kept
	bulk   bool          // this process is a bulk update

	occupied chan struct{} // whether another publishes the sensors has changed

	mu      sync.Mutex
	running bool                     // the loops run, and the socket is served
	sensors *homeassistant.Publisher // nil where nothing is, or was, published
}

// person is whose data it is, and all that belongs to them alone.
type person struct {
	metric.Person
	opts     config.Person
	service  service
	tokens   *auth.TokenSource
	flow     *auth.Flow
	wire     http.RoundTripper // to the service, past what counts the requests
	http     *http.Client      // the same, with the authorization
	source   source.Source
	probe    prober // what diagnose may ask of the source
	collect  *collect.Collector
	archive  *archive.Archive
	recent   *history
	counts   memo[[]archive.Count]
	stopped  memo[[]plan.Stopped]
	values   memo[[]latest.Value]
	beats    memo[[]metric.Block] // of the day looked at last
	again    chan struct{}        // the person has authorized again
	attempts attempts             // to use what the options hold
	taking   sync.Mutex           // held while an authorization of the options is taken over
	log      *slog.Logger
}

// target is a sink and the loop that delivers to it.
type target struct {
	sink    checkedSink
	deliver *deliver.Deliverer
	backlog memo[archive.Backlog]
	refused memo[[]archive.Quarantined]
}

// checkedSink is what check needs of a sink, beyond delivery.
type checkedSink interface {
	sink.Sink
	Check(ctx context.Context) (string, error)
	Close() error
}

// zones returns the person's dated list of zones; UTC where none is known yet.
func (p *person) zones(ctx context.Context) metric.Zones {
	z, err := collect.Zones(ctx, p.archive, p.ID)
	if err != nil {
		p.log.Warn("reading the list of time zones", "err", err)
	}
	return z
}

// openApp opens the archive and builds everything; it starts nothing.
func openApp(ctx context.Context, opts config.Options, log *slog.Logger) (*app, error) {
	if err := checkFolders(opts); err != nil {
		return nil, err
	}
	a := &app{occupied: make(chan struct{}, 1), opts: opts, clock: opts.Clock, log: log, catalogue: metric.Default()}
	if opts.InApp {
		a.supervisor = supervisor.FromEnv(os.Getenv)
	}
	a.started = a.clock.Now()
	var err error
	a.archive, err = archive.Open(ctx, archive.Config{
		Path: opts.Archive, Catalogue: a.catalogue, Rank: sourceRank, Now: a.clock.Now, Log: log.With("part", "archive"),
	})
	if err != nil {
		return nil, fmt.Errorf("opening the archive %s: %w", opts.Archive, err)
	}
	a.latest = latest.New(a.archive, a.catalogue, opts.Provider)
	if err := a.wire(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Close lets go of everything; the loops have ended before.
func (a *app) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	var errs []error
	for _, p := range a.people {
		if p.tokens != nil {
			p.tokens.Close(ctx)
		}
		if p.http != nil {
			p.http.CloseIdleConnections()
		}
	}
	for _, t := range a.sinks {
		errs = append(errs, t.sink.Close())
	}
	errs = append(errs, a.archive.Close())
	return errors.Join(errs...)
}

// Run runs all loops until ctx ends, and waits for them. A person whose service is gone does not stop the others.
func (a *app) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.setRunning(true)
	defer a.setRunning(false)
	for _, p := range a.people {
		if !a.held() {
			a.runPerson(ctx, &wg, p)
		}
	}
	for _, t := range a.sinks {
		wg.Go(func() {
			if err := t.deliver.Run(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("delivering has ended", "sink", t.sink.Name(), "err", err, "hint", hint(err))
			}
		})
	}
	wg.Go(func() { giveBack(ctx) })
	wg.Go(func() { a.publish(ctx) })
	wg.Go(func() { a.notify(ctx) })
	return control.Serve(ctx, a.opts.Sockets(), serveCall(a))
}

// runPerson starts what keeps a person's authorization alive, and what fetches.
func (a *app) runPerson(ctx context.Context, wg *sync.WaitGroup, p *person) {
	wg.Go(func() { p.tokens.Run(ctx) })
	wg.Go(func() { p.watchAuthorization(ctx, a) })
	wg.Go(func() {
		if p.awaitAuthorization(ctx, a) != nil {
			return
		}
		if err := p.collect.Run(ctx); err != nil {
			p.log.Error("collecting has ended", "err", err, "hint", hint(err))
		}
	})
}

func (a *app) setRunning(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = on
}

func (a *app) isRunning() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running
}

// hints returns what the user can do about err: one advice for each of the errors joined in it.
func hints(err error) []string {
	var out []string
	add := func(h string) {
		if h != "" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	for err != nil {
		switch e := err.(type) {
		case *source.Error:
			add(e.Hint)
		case *sink.Error:
			add(e.Hint)
		case *archive.Error:
			add(e.Hint)
		case *atomicfile.Error:
			add(e.Hint)
		case *grafana.Error:
			add(e.Hint)
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				for _, h := range hints(e) {
					add(h)
				}
			}
			return out
		}
		err = errors.Unwrap(err)
	}
	return out
}

// advice is what the user is told to do, in the words of the place where the program runs. All that is shown in Home Assistant goes
// through here: the page, notifications, sensors and the log.
func (a *app) advice(text string) string {
	if a.opts.InApp {
		return advice.InApp(text)
	}
	return text
}

// hint is hints in one line, for the log.
func hint(err error) string { return strings.Join(hints(err), " ") }

// isAuthError reports whether the person has to authorize.
func isAuthError(err error) bool {
	var s *source.Error
	return errors.As(err, &s) && s.Kind == source.Auth
}

// leaveOut lists the series that are neither asked for nor kept.
func (a *app) leaveOut() []metric.ID {
	out := a.catalogue.LeftOut(a.opts.LeaveOut, a.opts.TakeIn)
	if a.opts.HeartRate == "minute" {
		out = append(out, metric.HeartRate)
	}
	return out
}

// hostOf returns the host, with its port where it has one, of an address.
func hostOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("service address %q: want http:// or https:// and a host", address)
	}
	return u.Host, nil
}

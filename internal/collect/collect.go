// Package collect is the loop between a source and the archive: it asks the plan what to fetch, fetches it, and puts the answer
// into the archive.
//
// One goroutine decides; two lanes fetch, one for today and one for history; one more puts history's answer away while its next
// one is being fetched. Nothing is kept that the archive does not keep: after any interruption the plan decides anew from what
// the archive covers.
package collect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// Archive is what collect needs of the archive. Its methods are called from several goroutines.
type Archive interface {
	Put(ctx context.Context, b metric.Batch) (archive.Change, error)
	Coverage(ctx context.Context, person, source string) (map[string][]metric.Covered, error)
	Uncover(ctx context.Context, person, source, feed string, span metric.Span) error
	Tracks(ctx context.Context, person, source string) ([]metric.SessionRef, error)
	Sessions(ctx context.Context, person string, kind metric.SessionKind, days metric.Span) ([]metric.Session, error)
	State(ctx context.Context, person, key string) ([]byte, error)
	SetState(ctx context.Context, person, key string, value []byte) error
	Forget(ctx context.Context, person string, series []metric.ID) error
	Redate(ctx context.Context, r archive.Redating) (archive.Change, error)
	Name(ctx context.Context, person, source, device string) error
	Vouch(ctx context.Context, person, source string, feeds []metric.Feed) error
}

// Clock tells the time; clock.Clock is one. Real turns a told duration into a real one.
type Clock interface {
	Now() time.Time
	Real(d time.Duration) time.Duration
}

// Config is what a Collector needs. Person, Source, Archive and Clock are required.
type Config struct {
	Person  metric.Person
	Source  source.Source // asked for devices and the account too if it is a source.Describer
	Archive Archive
	Clock   Clock
	Log     *slog.Logger // nil for none

	LeaveOut   []metric.ID // series neither asked for nor kept
	DeviceName string      // value of the tag Device; empty for the name of the first tracker
	Start      metric.Day  // history goes back to this day
	Zone       string      // as metric.LoadZone takes it; empty for what the service says
	Machine    string      // the zone of the machine, which stands in while the service tells none; empty where unknown
	Quiet      *plan.Quiet // when the person sleeps; nil to learn it from the nights

	Reauthorized <-chan struct{} // tells that the user has authorized again; may be nil
	Events       func(Event)     // told of every request and its fate, from the loop's goroutine; may be nil
}

// Event is a request that has ended.
type Event struct {
	At       time.Time // told time of the end
	Took     time.Duration
	Lane     plan.Lane
	Feed     string
	Span     metric.Span
	Axis     metric.Axis
	Session  string // key of the session whose track was asked for
	Why      string
	Requests int
	Change   archive.Change
	Err      error
}

// Collector collects one person's data from one source.
type Collector struct {
	cfg     Config
	feeds   []metric.Feed
	limits  source.Limiter
	running atomic.Bool
	poke    chan struct{} // something outside has changed

	looks chan look

	mu     sync.Mutex
	status Status
	force  bool    // Sync was called
	orders []order // not taken by the loop yet
	pause  *pause  // nil for none
}

// New returns a Collector; it starts nothing.
func New(cfg Config) *Collector {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Events == nil {
		cfg.Events = func(Event) {}
	}
	limits, ok := cfg.Source.(source.Limiter)
	if !ok {
		limits = unlimited{}
	}
	c := &Collector{cfg: cfg, limits: limits, poke: make(chan struct{}, 1), looks: make(chan look)}
	c.feeds = wanted(cfg.Source.Feeds(), cfg.LeaveOut)
	c.status = Status{Person: cfg.Person.ID, Source: cfg.Source.Name(), Phase: Idle, Feeds: map[string]FeedStatus{}}
	return c
}

// unlimited is a service that allows what the plan asks of one by itself.
type unlimited struct{}

func (unlimited) Budget() metric.Budget { return metric.Budget{Left: -1} }
func (unlimited) Pace() metric.Pace     { return metric.Pace{} }

// wanted returns the feeds that bring a series which is not left out. A feed is needless too where another one, made to stand
// behind it, brings all that is wanted of it.
func wanted(feeds []metric.Feed, leaveOut []metric.ID) []metric.Feed {
	kept := func(f metric.Feed) []metric.ID {
		return slices.DeleteFunc(slices.Clone(f.Series), func(id metric.ID) bool { return slices.Contains(leaveOut, id) })
	}
	var out []metric.Feed
	for _, f := range feeds {
		series := kept(f)
		replaced := slices.ContainsFunc(feeds, func(b metric.Feed) bool {
			return b.Behind == f.ID && !slices.ContainsFunc(series, func(id metric.ID) bool { return !slices.Contains(b.Series, id) })
		})
		if len(series) > 0 && !(replaced && len(series) < len(f.Series)) {
			out = append(out, f)
		}
	}
	return out
}

// ErrRunning says that the Collector is collecting already.
var ErrRunning = errors.New("this person's data are being collected already")

// Run collects until ctx ends, and returns nil then; or until the service is gone for good, and returns the *source.Error that
// says so.
func (c *Collector) Run(ctx context.Context) error { return c.run(ctx, nil) }

// loop is a run of the Collector. One goroutine owns it.
type loop struct {
	*Collector
	ctx     context.Context
	jobs    context.Context // ends with ctx, and when the user must authorize again
	stop    context.CancelFunc
	wg      sync.WaitGroup
	results chan result
	once    bool
	done    func(plan.Decision) bool // nil to go on for ever
	ending  bool                     // done: nothing more is started

	state     state
	zones     metric.Zones
	anew      metric.Zones // by these all days are to be dated anew as soon as nothing is in flight; nil for not
	quiet     plan.Quiet
	quietAt   time.Time // when it was last looked at
	learnt    bool      // there were nights enough
	described time.Time // when the service last told who it is about; zero for not in this run
	polled    time.Time
	forced    time.Time
	fates     fates
	polls     []time.Time // questions after the devices in the last hour
	reads     []time.Time // paced requests of the last hour beside them
	all       []time.Time // all requests of the last hour
	pace      []mark
	waiting   []order // somebody waits until they are fulfilled
	auth      error
	lookAgain time.Time                // when what stops everything is looked at again; zero: only the user can end it
	looked    int                      // how often that was, without an answer since
	suspects  map[string]*source.Error // feeds refused as if there were no authorization at all: the devices are asked whether that is so
	probe     bool                     // the devices are to be asked whether the service answers at all
	out       map[string]*outage       // by feed

	cover map[string][]metric.Covered
	track []metric.SessionRef
	stale bool // cover and track have to be read again

	live    *job
	history *job
	ready   *result // history's answer that waits for the one before it to be put away
	putting *job
}

func (c *Collector) run(ctx context.Context, done func(plan.Decision) bool) error {
	if !c.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer c.running.Store(false)
	l := c.newLoop(ctx, done != nil)
	l.done = done
	defer l.drain()
	if err := l.load(); err != nil {
		return err
	}
	for {
		d, err := l.step()
		if err != nil || ctx.Err() != nil {
			return l.leave(err)
		}
		if d == nil {
			l.aloft()
		}
		l.report(d)
		if d != nil && l.ending && l.idle() {
			return l.leave(nil)
		}
		if err := l.wait(d); err != nil {
			return l.leave(err)
		}
	}
}

func (c *Collector) newLoop(ctx context.Context, once bool) *loop {
	l := &loop{Collector: c, ctx: ctx, results: make(chan result), once: once, stale: true, fates: newFates(),
		suspects: map[string]*source.Error{}, out: map[string]*outage{}}
	l.jobs, l.stop = context.WithCancel(ctx)
	return l
}

func (l *loop) idle() bool {
	return l.live == nil && l.history == nil && l.ready == nil && l.putting == nil
}

func (l *loop) leave(err error) error {
	if l.ctx.Err() != nil {
		err = nil
		if l.once {
			err = l.ctx.Err()
		}
	}
	l.phase(Idle, "", "")
	return err
}

// drain ends the jobs and waits for them.
func (l *loop) drain() {
	l.stop()
	go func() {
		l.wg.Wait()
		close(l.results)
	}()
	for range l.results {
	}
}

// step takes what has come from outside, decides, and starts what is to be done. It returns the decision, or nil where none
// could be made yet.
func (l *loop) step() (*plan.Decision, error) {
	l.takeOrders()
	now := l.cfg.Clock.Now()
	if until, paused := l.paused(now); paused {
		if l.once {
			return nil, errPaused(until)
		}
		return nil, nil
	}
	if l.auth != nil && l.once {
		return nil, l.auth
	}
	if l.auth != nil || len(l.suspects) > 0 || l.probe {
		if l.probing(now); l.auth != nil || len(l.suspects) > 0 {
			return nil, nil
		}
	}
	if l.describeDue(now) {
		if l.live == nil && !l.fates.held(describe, now) {
			l.startDescribe()
		}
		if l.described.IsZero() {
			return nil, nil
		}
	}
	if l.anew != nil || l.nameless() { // an answer that was asked for before it is dated as it was asked for
		if !l.idle() {
			return nil, nil
		}
		if err := l.dateAnew(); err != nil {
			return nil, err
		}
	}
	l.learnQuiet(now)
	if l.stale {
		if err := l.read(); err != nil {
			return nil, err
		}
	}
	d := plan.Next(l.input(now))
	defer l.decided(now, d) // with what is started now: a status that says nothing is in flight can be relied on
	if l.granted(d); l.done != nil {
		if l.ending = l.done(d); l.ending {
			return &d, nil
		}
	}
	for _, it := range d.Items {
		if it.Lane == plan.Live && l.live == nil {
			l.startLive(it)
		}
		if it.Lane == plan.History && l.history == nil && l.ready == nil {
			l.startHistory(it)
		}
	}
	return &d, nil
}

// granted forgets the user's wishes once they are fulfilled.
func (l *loop) granted(d plan.Decision) {
	if len(l.state.Wishes) > 0 && d.Wished.Done() && l.idle() {
		l.leftOver()
		l.state.Wishes = nil
		l.save()
	}
}

// read reads the coverage and the tracks that are wanted.
func (l *loop) read() error {
	var err error
	if l.cover, err = l.cfg.Archive.Coverage(l.ctx, l.cfg.Person.ID, l.cfg.Source.Name()); err != nil {
		return fmt.Errorf("reading the coverage: %w", err)
	}
	if l.track, err = l.cfg.Archive.Tracks(l.ctx, l.cfg.Person.ID, l.cfg.Source.Name()); err != nil {
		return fmt.Errorf("reading the wanted tracks: %w", err)
	}
	l.stale = false
	if n := len(l.state.Missed); n > 0 {
		before := l.state.Missed
		if l.state.arrived(l.feeds, l.cover, l.track); !reflect.DeepEqual(before, l.state.Missed) {
			l.save()
		}
	}
	l.over()
	return nil
}

// input gathers all the plan may know.
func (l *loop) input(now time.Time) plan.Input {
	_, describes := l.cfg.Source.(source.Describer)
	in := plan.Input{
		Person: l.cfg.Person.ID, Now: now, Zones: l.zones, Feeds: l.feeds, Coverage: l.cover,
		Denied: l.state.Denied, Failed: l.fates.failed, Aside: l.fates.aside, Settled: l.state.Settled,
		Devices: l.state.devices(), NoDevices: !describes, Polled: l.polled, Seen: l.state.Seen, Tracks: l.track,
		Wishes: l.state.wishes(), Start: max(l.cfg.Start, l.state.Since), Quiet: l.quiet, Before: l.state.Before, Hold: l.fates.hold, HoldWhy: l.fates.why, Polls: l.polls, Reads: l.reads,
		Budget: l.limits.Budget(), Pace: l.limits.Pace(), Alone: l.alone(), Busy: plan.Busy{Live: l.live != nil, History: l.history != nil || l.ready != nil},
	}
	for _, j := range []*job{l.live, l.history, l.putting} {
		if j != nil && j.item.Feed != describe && j.item.Feed != plan.Poll {
			in.Pending = append(in.Pending, j.item.Request)
		}
	}
	if l.ready != nil {
		in.Pending = append(in.Pending, l.ready.job.item.Request)
	}
	return in
}

// alone reports whether nothing but the user's wishes is to be fetched: the program ends with them, so that of what a service allows in
// an hour nothing need be kept for today.
func (l *loop) alone() bool { return l.once && len(l.state.Wishes) > 0 && l.limits.Budget().Left >= 0 }

// wait blocks until something has happened or is due.
func (l *loop) wait(d *plan.Decision) error {
	now := l.cfg.Clock.Now()
	pause := time.Minute
	if d != nil {
		pause = d.Wake.Sub(now)
	} else if until := l.Status().PausedUntil; until.After(now) {
		pause = until.Sub(now)
	} else if until := l.lookAgain; l.auth != nil && until.After(now) {
		pause = until.Sub(now)
	} else if until := l.fates.failed[describe]; l.auth == nil && until.After(now) {
		pause = until.Sub(now)
	}
	// Not longer than a few minutes: the machine's clock may be set, which no timer notices.
	t := time.NewTimer(max(l.cfg.Clock.Real(min(max(pause, 10*time.Millisecond), 5*time.Minute)), time.Millisecond))
	defer t.Stop()
	select {
	case <-l.ctx.Done():
		return nil
	case <-t.C:
	case <-l.poke:
	case <-l.cfg.Reauthorized:
		l.reauthorized()
	case k := <-l.looks:
		k.at(l)
		close(k.done)
	case r := <-l.results:
		return l.finish(r)
	}
	return nil
}

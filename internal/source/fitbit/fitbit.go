// Package fitbit asks the Fitbit Web API.
//
// The way through it: feeds.go says what can be asked; Fetch asks it (days.go, intraday.go, activity.go, sleep.go, workouts.go),
// each address as a request that is watched (http.go) and counted against the service's 150 requests an hour (budget.go); tree.go
// reads an answer's elements, wall.go its local times; errors.go says what a refusal means and what cures it.
package fitbit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/ask"
)

// DefaultBase is the service's address.
const DefaultBase = "https://api.fitbit.com"

// Name is the source's name in batches.
const Name = "fitbit"

// Config is what a Source needs. Only HTTP and Catalogue have no default.
type Config struct {
	HTTP      *http.Client // puts the authorization on, renews it, and goes through Budget
	Budget    *Budget      // nil for no limit: for simulated services only
	Base      string       // address of the service
	Person    string       // id of the person whose authorization HTTP puts on
	Zone      string       // where the person lives if the profile does not say
	Catalogue metric.Catalogue
	Now       func() time.Time
	Timeout   time.Duration // for one request, its whole answer included
	Log       *slog.Logger
	Observer  func(answer.Exchange) // called behind every request, from the goroutine of Fetch
}

// A Source asks the service for one person.
type Source struct {
	cfg       Config
	feeds     []*feed
	engine    *ask.Engine
	surprises answer.Surprises

	mu   sync.Mutex
	zone string // of the profile, when it was last asked
	told bool   // it has been asked, or will not be given
}

// New makes a Source. It sends nothing.
func New(cfg Config) (*Source, error) {
	cfg.Base = strings.TrimSuffix(cmp.Or(cfg.Base, DefaultBase), "/")
	cfg.Timeout = cmp.Or(cfg.Timeout, 90*time.Second)
	if cfg.HTTP == nil {
		return nil, errors.New("fitbit: no HTTP client given")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Source{cfg: cfg}
	s.engine = s.newEngine()
	for _, row := range rows() {
		f, err := compile(row, cfg.Catalogue)
		if err != nil {
			return nil, fmt.Errorf("fitbit: %w", err)
		}
		s.feeds = append(s.feeds, f)
	}
	return s, nil
}

// Name implements source.Source.
func (s *Source) Name() string { return Name }

// Feeds implements source.Source.
func (s *Source) Feeds() []metric.Feed {
	out := make([]metric.Feed, len(s.feeds))
	for i, f := range s.feeds {
		out[i] = f.Feed
		out[i].Series = slices.Clone(f.Feed.Series)
		out[i].Civil = !s.cfg.Catalogue.AllDaily(f.Feed.Series) // all times are those of the person's clock
	}
	return out
}

// Surprises returns what the decoders did not know so far, in order.
func (s *Source) Surprises() []answer.Surprise { return s.surprises.List() }

// Shapes switches whether the observer gets the shape of every answer, not only of failures.
func (s *Source) Shapes(on bool) { s.engine.Shapes(on) }

// Fetch implements source.Source.
func (s *Source) Fetch(ctx context.Context, req metric.Request) (metric.Batch, error) {
	i := slices.IndexFunc(s.feeds, func(f *feed) bool { return f.Feed.ID == req.Feed })
	if i < 0 {
		return metric.Batch{}, &source.Error{Kind: source.Bad, Feed: req.Feed, Hint: hintReport, Err: errors.New("no feed of that name")}
	}
	f := s.feeds[i]
	if f.Feed.Trigger != metric.OnWish && req.Span.Empty() {
		return metric.Batch{}, &source.Error{Kind: source.Bad, Feed: req.Feed, Hint: hintReport, Err: fmt.Errorf("span %v is empty", req.Span)}
	}
	batch := metric.Batch{Person: req.Person, Source: Name, Feed: req.Feed, Axis: f.Feed.Axis, Span: req.Span, Asked: s.cfg.Now(),
		Final: req.Final, Series: wanted(f.Feed.Series, req.Series), Kind: f.Feed.Kind}
	q := &query{Source: s, feed: f, req: req, batch: &batch, notes: &answer.Notes{}}
	fetch := f.fetch
	if fetch == nil {
		fetch = fetchDays
	}
	err := fetch(ctx, q)
	if err == nil {
		err = q.readable()
	}
	q.notes.Hand(&s.surprises, f.Feed.ID, s.cfg.Now())
	if err != nil {
		return metric.Batch{}, s.failed(ctx, f, err)
	}
	return batch, nil
}

// wanted is what is asked of a feed's series: all where nothing is said.
func wanted(series, only []metric.ID) []metric.ID {
	out := slices.Clone(series)
	if len(only) == 0 {
		return out
	}
	return slices.DeleteFunc(out, func(id metric.ID) bool { return !slices.Contains(only, id) })
}

// A query is one Fetch on its way.
type query struct {
	*Source
	feed   *feed
	req    metric.Request
	batch  *metric.Batch
	notes  *answer.Notes
	unsaid []string    // keys of the sleeps of which the service does not say whether they are the main one
	where  metric.Span // of the element in hand, on the feed's axis: all that is asked for as long as its day is not known

	parts  int    // answers that were needed
	unread []part // those that are of another shape
}

// A part is what one of several answers was needed for, on the feed's axis.
type part struct {
	span metric.Span
	err  error
}

// on says which day the element in hand is of.
func (q *query) on(d metric.Day) {
	span := metric.DaySpan(d, d)
	if q.feed.Feed.Axis == metric.Instants {
		span = q.req.Zones.Bounds(metric.Days, span)
	}
	q.where = span.Overlap(q.req.Span)
}

// misread counts what could not be understood in the element in hand: its day is not final.
func (q *query) misread(path string) {
	q.notes.Add(answer.PointOdd, path, nil)
	q.batch.Odd = metric.Union(q.batch.Odd, q.where)
}

// part takes the error of one answer of several. One of another shape is passed over: it costs only what it was needed for.
func (q *query) part(err error, span metric.Span) error {
	q.parts++
	if !errors.Is(err, answer.ErrShape) {
		return err
	}
	q.unread = append(q.unread, part{span.Overlap(q.req.Span), err})
	return nil
}

// readable counts the answers that could not be read. Where none could be, that is an error.
func (q *query) readable() error {
	if len(q.unread) > 0 && len(q.unread) == q.parts {
		return q.unread[0].err
	}
	for _, p := range q.unread {
		q.where = p.span
		q.misread("answer")
	}
	return nil
}

type fetchFunc func(ctx context.Context, q *query) error

// wants reports whether a series is asked for.
func (q *query) wants(id metric.ID) bool { return slices.Contains(q.batch.Series, id) }

// failed completes an error.
func (s *Source) failed(ctx context.Context, f *feed, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var e *source.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return err
		}
		return &source.Error{Kind: source.Bad, Feed: f.Feed.ID, Hint: hintReport, Err: err}
	}
	e.Feed = f.Feed.ID
	return e
}

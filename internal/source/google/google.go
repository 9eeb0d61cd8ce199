// Package google asks the Google Health API v4.
//
// The way through it: feeds.go says what can be asked; Fetch asks it (samples.go, sleep.go, workouts.go, track.go), page by page
// (pages.go), each page as a request that is limited, repeated and watched (http.go, package ask); walk.go reads an answer token by token by
// the form of its row (row.go, form.go); errors.go says what a refusal means and what cures it.
package google

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
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/ask"
)

// DefaultBase is the service's address.
const DefaultBase = "https://health.googleapis.com"

// Name is the source's name in batches.
const Name = "google"

// Config is what a Source needs. Only HTTP and Catalogue have no default.
type Config struct {
	HTTP      *http.Client // puts the authorization on, and renews it
	Base      string       // address of the service
	Version   string       // of the API, as its paths begin; empty for v4
	Person    string       // id of the person whose authorization HTTP puts on
	Catalogue metric.Catalogue
	Now       func() time.Time
	Family    string // data source family of the totals, e.g. google-wearables; empty for all sources
	PerSecond float64
	Burst     int
	PerMinute int
	Unlimited bool          // no politeness: for simulated servers only
	Timeout   time.Duration // for one request, its whole answer included
	Log       *slog.Logger
	Observer  func(answer.Exchange) // called behind every request, from the goroutine of Fetch
	Rows      []Row                 // feeds besides those of the table
}

// A Source asks the service for one person.
type Source struct {
	cfg       Config
	feeds     []*feed
	limits    []*rate.Limiter
	limited   atomic.Int64 // refusals for the limit in a row
	engine    *ask.Engine
	masks     atomic.Bool // a mask has been seen to work
	unmasked  atomic.Bool // masks are refused
	surprises answer.Surprises
	heights   heights

	mu      sync.Mutex
	limit   map[string]time.Duration // longest span of a feed's questions, where the service has said so
	size    map[string]int           // page size of a feed whose pages came too slowly
	wholly  map[string]time.Time     // when a feed was last asked without mask
	refused map[string]time.Time     // when a feed's first way was refused
}

// New makes a Source. It sends nothing.
func New(cfg Config) (*Source, error) {
	cfg.Base = strings.TrimSuffix(cmp.Or(cfg.Base, DefaultBase), "/")
	cfg.PerSecond = cmp.Or(cfg.PerSecond, 2)
	cfg.Burst = cmp.Or(cfg.Burst, 5)
	cfg.PerMinute = cmp.Or(cfg.PerMinute, 300)
	cfg.Timeout = cmp.Or(cfg.Timeout, 2*time.Minute)
	if cfg.HTTP == nil {
		return nil, errors.New("google: no HTTP client given")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Family != "" && !strings.Contains(cfg.Family, "/") {
		cfg.Family = "users/me/dataSourceFamilies/" + cfg.Family
	}
	s := &Source{cfg: cfg, limit: map[string]time.Duration{}, size: map[string]int{}, wholly: map[string]time.Time{}, refused: map[string]time.Time{}}
	s.engine = s.newEngine()
	if !cfg.Unlimited {
		s.limits = []*rate.Limiter{
			rate.NewLimiter(rate.Limit(cfg.PerSecond), cfg.Burst),
			rate.NewLimiter(rate.Every(time.Minute/time.Duration(cfg.PerMinute)), cfg.PerMinute),
		}
	}
	for _, row := range slices.Concat(rows(), cfg.Rows) {
		f, err := compile(row, cfg.Catalogue)
		if err != nil {
			return nil, fmt.Errorf("google: %w", err)
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
		out[i].Civil = f.Feed.Axis == metric.Days && !s.cfg.Catalogue.AllDaily(f.Feed.Series)
	}
	return out
}

// Left returns how many requests the limit of a minute leaves at the moment.
func (s *Source) Left() int {
	if len(s.limits) == 0 {
		return s.cfg.PerMinute
	}
	return int(s.limits[len(s.limits)-1].Tokens())
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
	batch := metric.Batch{Person: req.Person, Source: Name, Feed: req.Feed, Axis: f.Feed.Axis, Span: req.Span, Asked: s.cfg.Now(),
		Final: req.Final, Series: slices.Clone(f.Feed.Series), Kind: f.Feed.Kind}
	if f.Feed.Trigger != metric.OnWish && req.Span.Empty() {
		return metric.Batch{}, &source.Error{Kind: source.Bad, Feed: req.Feed, Hint: hintReport, Err: fmt.Errorf("span %v is empty", req.Span)}
	}
	if err := s.fetch(ctx, f, req, &batch); err != nil {
		return metric.Batch{}, s.failed(ctx, f, err)
	}
	return batch, nil
}

// fetch asks in the row's way and, where the service refuses that, in its other way for a day.
func (s *Source) fetch(ctx context.Context, f *feed, req metric.Request, batch *metric.Batch) error {
	if f.other != nil && s.wasRefused(f) {
		return f.other.ask(ctx, s, req, batch)
	}
	err := f.ask(ctx, s, req, batch)
	if f.other == nil || !refusedOperation(err) {
		return err
	}
	s.mu.Lock()
	s.refused[f.Feed.ID] = s.cfg.Now()
	s.mu.Unlock()
	batch.Blocks = nil
	return f.other.ask(ctx, s, req, batch)
}

func (s *Source) wasRefused(f *feed) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.refused[f.Feed.ID]
	return ok && s.cfg.Now().Sub(at) < 24*time.Hour
}

func (f *feed) ask(ctx context.Context, s *Source, req metric.Request, batch *metric.Batch) error {
	fetch := f.fetch
	if fetch == nil {
		fetch = fetchSamples
	}
	if err := fetch(ctx, s, f, req, batch); err != nil || f.after == nil {
		return err
	}
	return f.after(ctx, s, f, req, batch)
}

// failed completes an error, and makes pages smaller where they came too slowly.
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
	if e.Status == http.StatusGatewayTimeout || errors.Is(err, context.DeadlineExceeded) {
		s.mu.Lock()
		s.size[f.Feed.ID] = max(s.sizeOf(f)/2, 625)
		s.mu.Unlock()
	}
	return e
}

const (
	longPage    = 10000 // points of a page at most
	sessionPage = 25
)

// pageSize is how many points a page is asked to have.
func (s *Source) pageSize(f *feed) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sizeOf(f)
}

func (s *Source) sizeOf(f *feed) int {
	switch {
	case f.Op == DailyRollUp:
		return int(s.longestOf(f) / day)
	case f.Feed.Kind != "":
		return sessionPage
	case f.Op == RollUp && s.limit[f.Feed.ID] > 0: // which the windows of a page must not be longer than, either
		return min(cmp.Or(s.size[f.Feed.ID], longPage), int(s.limit[f.Feed.ID]/time.Minute))
	}
	return cmp.Or(s.size[f.Feed.ID], longPage)
}

// whole reports whether a feed is to be asked without mask this time: once a day for a short span, so that what is new in the
// service's answers is seen.
func (s *Source) whole(f *feed, span metric.Span) bool {
	if span.Len() > 6*time.Hour {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if at, ok := s.wholly[f.Feed.ID]; ok && now.Sub(at) < 24*time.Hour {
		return false
	}
	s.wholly[f.Feed.ID] = now
	return true
}

package collect

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// store is an archive in memory: coverage, state, and the batches as they came.
type store struct {
	mu      sync.Mutex
	cover   map[string][]metric.Covered
	state   map[string][]byte
	batches []metric.Batch
	forgot  []metric.ID
	nights  []metric.Session
	tracks  []metric.SessionRef
	fail    error         // what Put returns
	slow    time.Duration // how long Put takes
	putting int           // batches that are being put
	redated []archive.Redating
	early   bool     // days were dated anew while an answer was on its way
	named   []string // devices given
}

func newStore() *store {
	return &store{cover: map[string][]metric.Covered{}, state: map[string][]byte{}}
}

func (s *store) Put(ctx context.Context, b metric.Batch) (archive.Change, error) {
	s.count(1)
	defer s.count(-1)
	if s.slow > 0 {
		select {
		case <-ctx.Done():
			return archive.Change{}, ctx.Err()
		case <-time.After(s.slow):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return archive.Change{}, s.fail
	}
	for _, bl := range b.Blocks {
		for _, t := range bl.Times {
			if !b.Bounds.Contains(time.Unix(0, t)) && b.Session == "" {
				return archive.Change{}, fmt.Errorf("a sample of %s outside the span", bl.Series)
			}
		}
	}
	s.batches = append(s.batches, b)
	if b.Session != "" {
		s.tracks = slices.DeleteFunc(s.tracks, func(t metric.SessionRef) bool { return t.Key == b.Session })
		return archive.Change{Rev: int64(len(s.batches))}, nil
	}
	var out []metric.Covered
	for _, c := range s.cover[b.Feed] {
		for _, p := range c.Span.Subtract([]metric.Span{b.Span}) {
			out = append(out, metric.Covered{Span: p, Asked: c.Asked, Final: c.Final})
		}
	}
	if done := b.Span.Overlap(metric.Span{End: b.Final}); !done.Empty() {
		out = append(out, metric.Covered{Span: done, Asked: b.Asked, Final: true})
	}
	if open := b.Span.Overlap(metric.Span{Start: b.Final, End: b.Span.End}); !open.Empty() {
		out = append(out, metric.Covered{Span: open, Asked: b.Asked})
	}
	slices.SortFunc(out, func(a, b metric.Covered) int { return a.Span.Start.Compare(b.Span.Start) })
	s.cover[b.Feed] = out
	return archive.Change{Rev: int64(len(s.batches)), Added: len(b.Blocks)}, nil
}

func (s *store) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putting += n
}

func (s *store) Coverage(context.Context, string, string) (map[string][]metric.Covered, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]metric.Covered{}
	for k, v := range s.cover {
		out[k] = slices.Clone(v)
	}
	return out, nil
}

func (s *store) Uncover(_ context.Context, _, _, feed string, span metric.Span) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []metric.Covered
	for _, c := range s.cover[feed] {
		for _, p := range c.Span.Subtract([]metric.Span{span}) {
			out = append(out, metric.Covered{Span: p, Asked: c.Asked, Final: c.Final})
		}
	}
	s.cover[feed] = out
	return nil
}

func (s *store) Tracks(context.Context, string, string) ([]metric.SessionRef, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tracks), nil
}

func (s *store) Sessions(context.Context, string, metric.SessionKind, metric.Span) ([]metric.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nights, nil
}

func (s *store) State(_ context.Context, _, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state[key], nil
}

func (s *store) SetState(_ context.Context, _, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state[key] = value
	return nil
}

func (s *store) Forget(_ context.Context, _ string, series []metric.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgot = series
	return nil
}

func (s *store) Redate(_ context.Context, r archive.Redating) (archive.Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.putting > 0 {
		s.early = true
	}
	s.redated = append(s.redated, r)
	s.state[r.Key] = r.Value
	for _, f := range r.Again {
		delete(s.cover, f.ID)
	}
	return archive.Change{}, nil
}

func (s *store) Name(_ context.Context, _, _, device string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.named = append(s.named, device)
	return nil
}

// Vouch has nothing to do: no older version has stored anything.
func (s *store) Vouch(context.Context, string, string, []metric.Feed) error { return nil }

// asked returns the requests put away for a feed since an instant.
func (s *store) asked(feed string, since time.Time) []metric.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []metric.Batch
	for _, b := range s.batches {
		if b.Feed == feed && !b.Asked.Before(since) {
			out = append(out, b)
		}
	}
	return out
}

// service is a source whose devices sync at given times and which answers every request after a delay.
type service struct {
	feeds []metric.Feed
	delay time.Duration

	mu       sync.Mutex
	syncs    []time.Time // ascending
	account  string
	zone     string
	battery  float64
	now      func() time.Time
	answer   func(metric.Request) error // nil for no error
	devices  func() error
	describe func() error // nil for no error
	refused  error        // what Describe returns
	requests []request
	flying   map[string]int
	most     map[string]int // most requests in flight at once, by what
}

type request struct {
	at   time.Time
	feed string
	span metric.Span
}

func newService(feeds []metric.Feed) *service {
	return &service{feeds: feeds, delay: 300 * time.Millisecond, account: "ACCOUNT1234", zone: "Europe/Berlin", battery: 80,
		now: time.Now, flying: map[string]int{}, most: map[string]int{}}
}

func (s *service) Name() string         { return "google" }
func (s *service) Feeds() []metric.Feed { return s.feeds }

func (s *service) work(ctx context.Context, feed string, span metric.Span) error {
	s.mu.Lock()
	s.requests = append(s.requests, request{s.now(), feed, span})
	s.flying["all"]++
	s.most["all"] = max(s.most["all"], s.flying["all"])
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.flying["all"]--
		s.mu.Unlock()
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.delay):
		return nil
	}
}

func (s *service) Fetch(ctx context.Context, r metric.Request) (metric.Batch, error) {
	if err := s.work(ctx, r.Feed, r.Span); err != nil {
		return metric.Batch{}, err
	}
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		if err := answer(r); err != nil {
			return metric.Batch{}, err
		}
	}
	b := metric.Batch{Person: r.Person, Source: "google", Feed: r.Feed, Span: r.Span, Final: r.Final, Requests: 1}
	if r.Session != nil {
		b.Session, b.Kind, b.Updated = r.Session.Key, r.Session.Kind, r.Session.Updated
		return b, nil
	}
	for _, f := range s.feeds {
		if f.ID != r.Feed || f.Kind != "" {
			continue
		}
		bounds := r.Zones.Bounds(f.Axis, r.Span)
		for _, id := range f.Series {
			block := metric.Block{Series: id, Device: r.Device}
			block.Append(bounds.Start.UnixNano(), 1)
			b.Blocks, b.Series = append(b.Blocks, block), append(b.Series, id)
		}
	}
	return b, nil
}

func (s *service) Describe(ctx context.Context) (source.Description, error) {
	if err := s.work(ctx, describe, metric.Span{}); err != nil {
		return source.Description{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.describe != nil {
		if err := s.describe(); err != nil {
			return source.Description{}, err
		}
	}
	if s.refused != nil {
		return source.Description{}, s.refused
	}
	return source.Description{Account: s.account, Zone: s.zone}, nil
}

func (s *service) Devices(ctx context.Context) ([]metric.Device, error) {
	if err := s.work(ctx, "devices", metric.Span{}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.devices != nil {
		if err := s.devices(); err != nil {
			return nil, err
		}
	}
	var last time.Time
	for _, t := range s.syncs {
		if !t.After(s.now()) {
			last = t
		}
	}
	return []metric.Device{{ID: "1", Name: "Charge 5", Tracker: true, LastSync: last, Battery: s.battery}}, nil
}

// made returns the requests made from an instant on, of one feed or of all.
func (s *service) made(feed string, from time.Time) []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []request
	for _, r := range s.requests {
		if (feed == "" || r.feed == feed) && !r.at.Before(from) {
			out = append(out, r)
		}
	}
	return out
}

const days = 24 * time.Hour

// three feeds are enough for most tests: raw heart rate, its minutes behind it, and a day's total.
func three() []metric.Feed {
	return []metric.Feed{
		{ID: "heart_rate", Series: []metric.ID{metric.HeartRate, metric.HeartRateMinute}, Rank: metric.RankRaw, Max: 7 * days, Chunk: days, Cost: 3},
		{ID: "heart_rate_minute", Series: []metric.ID{metric.HeartRateMinute}, Rank: metric.RankMinute, Max: 14 * days, Chunk: 14 * days, Cost: 0.2, Behind: "heart_rate"},
		{ID: "steps_day", Series: []metric.ID{"steps"}, Axis: metric.Days, Max: 90 * days, Chunk: 90 * days, Every: time.Hour},
	}
}

// pass lets the bubble's time go by.
func pass(d time.Duration) { <-time.After(d) }

// set changes the service between two requests.
func (s *service) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

package fitbit

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

const (
	headerLimit     = "Fitbit-Rate-Limit-Limit"
	headerRemaining = "Fitbit-Rate-Limit-Remaining"
	headerReset     = "Fitbit-Rate-Limit-Reset"

	hourly = 150             // requests of a window where the service does not say
	window = time.Hour       // the length of a window
	guard  = 6 * time.Second // behind the end of a window: two clocks, and a second that was cut off
	same   = 90 * time.Second

	// reserve is what a whole window keeps for today. History gets the rest of it, and towards its end also what today did not need.
	reserve = 32
)

// A Budget counts the requests of a window of the service: a fixed one, which begins with its first request or with the clock hour,
// and only the service's headers tell when it ends. Those tell late how much is left, so the own count is the other bound. It is an
// http.RoundTripper's middle: whatever is sent through it counts, each attempt, and nothing is sent while nothing is left.
type Budget struct {
	Next http.RoundTripper
	Now  func() time.Time

	mu    sync.Mutex
	limit int
	used  int       // since the window began, by our own count
	told  int       // by the service's count; -1 where it has not said
	ends  time.Time // zero before the first answer
}

// State returns how many requests are left of how many, and when the window ends: zero where none is running.
func (b *Budget) State() (left, limit int, reset time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn(b.Now())
	return b.left(), b.limit, b.ends
}

// Budget implements source.Limiter.
func (s *Source) Budget() metric.Budget {
	if s.cfg.Budget == nil {
		return metric.Budget{Left: -1}
	}
	left, limit, reset := s.cfg.Budget.State()
	return metric.Budget{Left: left, Limit: limit, Reset: reset, Reserve: reserve, Window: window}
}

// Pace implements source.Limiter: some 29 requests an hour over a day, so that four fifths of the service's 150 are left for history.
func (s *Source) Pace() metric.Pace {
	if s.cfg.Budget == nil {
		return metric.Pace{}
	}
	return metric.Pace{Awake: 170 * time.Second, Filling: 5 * time.Minute, Asleep: 13 * time.Minute, Reread: day, Sync: 60, Late: 24, Rest: 20}
}

// turn forgets a window that has ended. One that ends later than a window is long was seen under another clock.
func (b *Budget) turn(now time.Time) {
	if b.limit == 0 {
		b.limit = hourly
	}
	if !now.Before(b.ends) || b.ends.Sub(now) > 2*window {
		b.used, b.told, b.ends = 0, -1, time.Time{}
	}
}

func (b *Budget) left() int {
	left := b.limit - b.used
	if b.told >= 0 {
		left = min(left, b.told)
	}
	return max(left, 0)
}

// RoundTrip implements http.RoundTripper.
func (b *Budget) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := b.take(); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	resp, err := b.Next.RoundTrip(req)
	if err == nil {
		b.hear(resp)
	}
	return resp, err
}

// take books one request, or says until when there is none.
func (b *Budget) take() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	b.turn(now)
	if b.left() == 0 {
		return &source.Error{Kind: source.Limited, Reason: reasonBudget, Until: b.ends, Hint: hintLimited, Err: errors.New("this hour's requests are used up; nothing was sent")}
	}
	if b.ends.IsZero() { // until the answer says better
		b.ends = now.Add(window + guard)
	}
	b.used++
	if b.told > 0 {
		b.told--
	}
	return nil
}

// hear takes in what an answer says of the window.
func (b *Budget) hear(resp *http.Response) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	limit, okLimit := count(resp.Header.Get(headerLimit))
	left, okLeft := count(resp.Header.Get(headerRemaining))
	if okLimit && limit > 0 {
		b.limit = limit
	}
	if rest, ok := seconds(resp.Header.Get(headerReset)); ok {
		ends := now.Add(rest + guard)
		if ends.Sub(b.ends) > same && okLeft { // the service is in another window than we thought
			b.used = max(b.limit-left, 1)
			b.told = -1
		}
		b.ends = ends
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		b.told, b.ends = 0, later(b.ends, whenAgain(resp.Header, now))
	case okLeft && (b.told < 0 || left < b.told):
		b.told = left
	}
}

func count(v string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(v))
	return n, err == nil && n >= 0
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

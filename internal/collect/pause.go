package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// PauseKey is the archive's state that holds until when nothing is asked.
const PauseKey = "pause"

// pause is kept in the archive, so that it outlives a restart.
type pause struct {
	Until time.Time `json:"until"` // zero: until it is ended
}

func (p *pause) at(now time.Time) bool {
	return p != nil && (p.Until.IsZero() || p.Until.After(now))
}

// Pause has nothing asked of the service until then, or with the zero time until Resume. A request in flight is finished.
func (c *Collector) Pause(ctx context.Context, until time.Time) error {
	return c.setPause(ctx, &pause{Until: until.UTC()})
}

// Resume ends a pause.
func (c *Collector) Resume(ctx context.Context) error { return c.setPause(ctx, nil) }

func (c *Collector) setPause(ctx context.Context, p *pause) error {
	var b []byte
	if p != nil {
		var err error
		if b, err = json.Marshal(p); err != nil {
			return fmt.Errorf("keeping the pause: %w", err)
		}
	}
	if err := c.cfg.Archive.SetState(ctx, c.cfg.Person.ID, PauseKey, b); err != nil {
		return fmt.Errorf("keeping the pause: %w", err)
	}
	c.mu.Lock()
	c.pause = p
	c.mu.Unlock()
	c.nudge()
	return nil
}

// Paused tells whether nothing is asked now, and until when; zero means until Resume.
func (c *Collector) Paused(ctx context.Context) (paused bool, until time.Time, err error) {
	p, err := c.readPause(ctx)
	if err != nil || !p.at(c.cfg.Clock.Now()) {
		return false, time.Time{}, err
	}
	return true, p.Until, nil
}

func (c *Collector) readPause(ctx context.Context) (*pause, error) {
	b, err := c.cfg.Archive.State(ctx, c.cfg.Person.ID, PauseKey)
	if err != nil || b == nil {
		return nil, err
	}
	var p pause
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("reading the pause: %w", err)
	}
	return &p, nil
}

// paused reports whether nothing may be asked, and shows it. Those who wait for days are told.
func (l *loop) paused(now time.Time) (until time.Time, paused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.status
	s.Paused, s.PausedUntil = l.pause.at(now), time.Time{}
	if !s.Paused {
		return time.Time{}, false
	}
	s.PausedUntil, s.Next, s.Why = l.pause.Until, l.pause.Until, ""
	s.Live, s.History = doing(l.live), doing(l.history)
	if s.History == nil {
		s.History = doing(l.putting)
	}
	for _, o := range l.waiting {
		o.done <- errPaused(s.PausedUntil)
	}
	l.waiting = nil
	return s.PausedUntil, true
}

// errPaused tells those who want something fetched now.
func errPaused(until time.Time) error {
	text := "fetching is paused"
	if !until.IsZero() {
		text += " until " + until.Format("2006-01-02 15:04 UTC")
	}
	return &source.Error{Kind: source.Retry, Reason: "paused", Until: until, Err: fmt.Errorf("%s", text),
		Hint: "End the pause on the page, or with: fitbit-fetch resume"}
}

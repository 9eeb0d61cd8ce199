package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
)

// Owed returns what was asked in vain and is not there yet, in this run or an earlier one. It looks at the archive alone.
func (c *Collector) Owed(ctx context.Context) ([]plan.Gap, error) {
	b, err := c.cfg.Archive.State(ctx, c.cfg.Person.ID, stateKey(c.cfg.Source.Name()))
	if err != nil {
		return nil, fmt.Errorf("reading what was asked in vain: %w", err)
	}
	var s state
	if b == nil || json.Unmarshal(b, &s) != nil || len(s.Missed) == 0 {
		return nil, nil
	}
	cover, err := c.cfg.Archive.Coverage(ctx, c.cfg.Person.ID, c.cfg.Source.Name())
	if err != nil {
		return nil, fmt.Errorf("reading the coverage: %w", err)
	}
	tracks, err := c.cfg.Archive.Tracks(ctx, c.cfg.Person.ID, c.cfg.Source.Name())
	if err != nil {
		return nil, fmt.Errorf("reading the wanted tracks: %w", err)
	}
	s.arrived(c.feeds, cover, tracks)
	return s.owed(c.feeds), nil
}

func (s *state) owed(feeds []metric.Feed) []plan.Gap {
	var out []plan.Gap
	for _, f := range feeds {
		axis := f.Axis
		if f.Trigger == metric.OnWish {
			axis = metric.Days
		}
		for _, span := range s.Missed[f.ID] {
			out = append(out, plan.Gap{Feed: f.ID, Axis: axis, Span: span})
		}
	}
	return out
}

// sliver is not worth a request.
const sliver = 2 * time.Minute

// arrived takes what has been answered meanwhile out of what is missed, and what is not asked for any more.
func (s *state) arrived(feeds []metric.Feed, cover map[string][]metric.Covered, tracks []metric.SessionRef) {
	missed := map[string][]metric.Span{}
	for _, f := range feeds {
		var there []metric.Span
		for _, c := range cover[f.ID] {
			there = append(there, c.Span)
		}
		for _, span := range s.Missed[f.ID] {
			left := span.Subtract(there)
			if f.Trigger == metric.OnWish {
				left = nil
				for _, t := range tracks {
					if t.Kind == f.Kind && span.Contains(t.Day.Civil()) {
						left = metric.Union(left, metric.DaySpan(t.Day, t.Day))
					}
				}
			}
			for _, l := range left {
				if l.Len() >= sliver {
					missed[f.ID] = append(missed[f.ID], l)
				}
			}
		}
	}
	s.Missed = missed
}

// missed keeps that a span of a feed was asked in vain.
func (l *loop) missed(feed string, span metric.Span) {
	if !slices.ContainsFunc(l.feeds, func(f metric.Feed) bool { return f.ID == feed }) {
		return // the question after devices or account
	}
	if l.state.Missed == nil {
		l.state.Missed = map[string][]metric.Span{}
	}
	l.state.Missed[feed] = metric.Union(l.state.Missed[feed], span)
	l.state.arrived(l.feeds, l.cover, l.track)
}

// leftOver keeps what is not answered of the wishes that end: whoever made them is told.
func (l *loop) leftOver() {
	for _, w := range l.state.wishes() {
		for _, g := range plan.Missing(l.input(l.cfg.Clock.Now()), w) {
			l.missed(g.Feed, g.Span)
		}
	}
}

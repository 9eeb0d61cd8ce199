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

// Missing is what was asked of a feed in vain and is not there yet. Of a feed of tracks it is the days of their sessions.
type Missing struct {
	Feed  string
	Spans []metric.Span // on the axis Days
}

// Missing returns what was asked in vain and is not there yet, in this run or an earlier one. It asks the archive alone.
func (c *Collector) Missing(ctx context.Context) ([]Missing, error) {
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
	zones, err := Zones(ctx, c.cfg.Archive, c.cfg.Person.ID)
	if err != nil {
		return nil, err
	}
	s.arrived(c.feeds, cover, tracks)
	var out []Missing
	for _, f := range c.feeds {
		m := Missing{Feed: f.ID}
		for _, span := range s.Missed[f.ID] {
			if f.Axis == metric.Instants && f.Trigger != metric.OnWish {
				span = metric.DaySpan(plan.DayAt(zones, span.Start), plan.DayAt(zones, span.End.Add(-1)))
			}
			m.Spans = metric.Union(m.Spans, span)
		}
		if len(m.Spans) > 0 {
			out = append(out, m)
		}
	}
	return out, nil
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
func (l *loop) missed(feed string, spans ...metric.Span) {
	if !slices.ContainsFunc(l.feeds, func(f metric.Feed) bool { return f.ID == feed }) {
		return // the question after devices or account
	}
	if l.state.Missed == nil {
		l.state.Missed = map[string][]metric.Span{}
	}
	for _, s := range spans {
		l.state.Missed[feed] = metric.Union(l.state.Missed[feed], s)
	}
	l.state.arrived(l.feeds, l.cover, l.track)
}

// leftOver keeps what is not answered of the wishes that end: whoever made them is told.
func (l *loop) leftOver() {
	for feed, spans := range plan.Unanswered(l.input(l.cfg.Clock.Now())) {
		l.missed(feed, spans...)
	}
}

package influx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// maxStatements bounds the text of one request: the client package puts it into the address, and proxies allow about 8 KB of
// that once it is escaped.
const maxStatements = 4000

// Delete removes single samples: exact instants with exact tags, and proves that they are gone. It removes the whole point, so
// fields that another series wrote to the same point go with it: the caller writes those again.
func (s *Sink) Delete(ctx context.Context, tombs []sink.Tombstone) error {
	if len(tombs) == 0 {
		return nil
	}
	if !s.dialect.traits.Deletes {
		return fmt.Errorf("%s: %w", s.dialect.title, sink.ErrCannotDelete)
	}
	if _, err := s.recallDevice(ctx); err != nil {
		return err
	}
	tombs = s.tombsThere(tombs)
	others, err := s.otherTags(ctx, tombs)
	switch {
	case errors.Is(err, errAbsent):
		return nil // with the database went the samples
	case errors.Is(err, errForbidden):
		s.warnOnce("cannot read the InfluxDB database: that vanished samples are deleted there is not checked", "database", s.cfg.Database)
	case err != nil:
		return fmt.Errorf("reading tag keys: %w", err)
	}
	blind := err != nil
	for len(tombs) > 0 {
		var erase, look []string
		size := 0
		for len(erase) < len(tombs) && size < maxStatements {
			t := tombs[len(erase)]
			p := sink.Points{Person: t.Person, Block: &metric.Block{Series: t.Series, Device: t.Device, Tags: t.Tags}}
			point := s.from(p) + " WHERE " + s.where(p, t.Time)
			for _, key := range others[s.from(p)] {
				point += fmt.Sprintf(" AND %s = ''", quoteName(key))
			}
			erase = append(erase, "DELETE FROM "+point)
			look = append(look, "SELECT * FROM "+point)
			size += len(point)
		}
		tombs = tombs[len(erase):]
		if err := s.erase(ctx, erase, look, blind); err != nil {
			return err
		}
	}
	return nil
}

// erase runs deletes and looks whether they did anything: some statements report success and delete nothing.
func (s *Sink) erase(ctx context.Context, erase, look []string, blind bool) error {
	switch _, err := s.run(ctx, strings.Join(erase, ";")); {
	case errors.Is(err, errForbidden):
		return fmt.Errorf("deleting %d points: %w: %w", len(erase), err, sink.ErrCannotDelete)
	case err != nil:
		return fmt.Errorf("deleting %d points: %w", len(erase), err)
	}
	if blind {
		return nil
	}
	results, err := s.ask(ctx, look...)
	if err != nil {
		return fmt.Errorf("looking whether %d points are gone: %w", len(look), err)
	}
	left := 0
	for _, r := range results {
		if holds(r) {
			left++
		}
	}
	if left > 0 {
		return &sink.Error{
			Hint: "InfluxDB reported success but still holds the points. Vanished samples stay visible there until it deletes them; it is tried again. InfluxDB's log may say more.",
			Err:  fmt.Errorf("%d of %d deleted points are still there", left, len(look)),
		}
	}
	return nil
}

// otherTags returns, by quoted measurement, the tag keys in the database that our rows do not have: points that carry one are
// somebody else's and must not be matched.
func (s *Sink) otherTags(ctx context.Context, tombs []sink.Tombstone) (map[string][]string, error) {
	known := map[string][]string{}
	var order, statements []string
	for _, t := range tombs {
		p := sink.Points{Block: &metric.Block{Series: t.Series}}
		from := s.from(p)
		if _, seen := known[from]; seen {
			continue
		}
		s.metric.Tags(p.Person, p.Block, func(key, _ string) { known[from] = append(known[from], key) })
		order = append(order, from)
		statements = append(statements, "SHOW TAG KEYS FROM "+from)
	}
	results, err := s.ask(ctx, statements...)
	if err != nil {
		return nil, err
	}
	others := map[string][]string{}
	for i, r := range results {
		for _, row := range r.Series {
			for _, v := range row.Values {
				if key, ok := v[0].(string); ok && !slices.Contains(known[order[i]], key) {
					others[order[i]] = append(others[order[i]], key)
				}
			}
		}
	}
	return others, nil
}

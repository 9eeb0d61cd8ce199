package influx

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/lineproto"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// send writes the parts until all that can be stored is: what the database will not take is left out and noted, the rest is
// sent again. It ends because every round leaves out at least one field or sample. body holds the parts encoded and is freed.
func (s *Sink) send(ctx context.Context, parts []part, body *buffer, refused *refusals) error {
	created := false
	for {
		if body.count == 0 {
			s.free(body)
			return nil
		}
		v, err := s.post(ctx, body.body.Bytes())
		if err != nil {
			// The transport may still be reading the body: let the collector have it.
			return err
		}
		if v.kind == stored {
			s.free(body)
			return nil
		}
		s.free(body)
		switch v.kind {
		case conflict:
			if !s.strip(parts, v, refused) {
				return s.divide(ctx, parts, v, refused)
			}
		case beyond:
			hint := s.dialect.words.expired(s.cfg, s.policy(ctx))
			if parts = s.dropOldest(parts, v, hint, refused); parts == nil {
				return v.err
			}
		case named:
			var ok bool
			if parts, ok = s.leaveOut(parts, v, refused); !ok {
				return s.divide(ctx, parts, v, refused)
			}
		case noDatabase:
			if created || s.dialect.create == nil {
				return v.err
			}
			if err := s.create(ctx); err != nil {
				return &sink.Error{Status: v.err.Status, Hint: v.err.Hint, Err: fmt.Errorf("creating %s %q: %w", s.dialect.noun, s.cfg.Database, err)}
			}
			created = true
		case tooLarge, unreadable:
			return s.divide(ctx, parts, v, refused)
		default:
			return v.err
		}
		body = s.encode(parts)
	}
}

const unreadableHint = "The database cannot read or will not hold these samples; all others are in. If a limit of the database is named (max-series-per-database, max-values-per-tag), raise it, then run: fitbit-fetch replay."

// divide finds the samples that cannot be taken by sending halves.
func (s *Sink) divide(ctx context.Context, parts []part, v verdict, refused *refusals) error {
	if samples(parts) > 1 {
		first, second := halves(parts)
		if err := s.send(ctx, first, s.encode(first), refused); err != nil {
			return err
		}
		return s.send(ctx, second, s.encode(second), refused)
	}
	if v.kind == tooLarge {
		return v.err
	}
	for _, p := range parts {
		if p.from == p.to {
			continue
		}
		r := sink.Rejection{Series: p.Block.Series, Reason: v.reason, Hint: unreadableHint}
		include(&r, p.Block.Times[p.from])
		refused.add(r)
	}
	return nil
}

// create makes the database.
func (s *Sink) create(ctx context.Context) error {
	if err := s.dialect.create(s, ctx); err != nil {
		return err
	}
	s.found.Store(nil)
	s.cfg.Log.Info("created the "+s.dialect.noun+" in "+s.dialect.title, "database", s.cfg.Database)
	return nil
}

// strip leaves the field the verdict names out of all samples of its measurement. It reports whether there was any. The
// database keeps types per shard (a week), so where the conflict is in one shard only, the count includes samples of others that the
// first attempt stored whole: it says at most how many went without the field.
func (s *Sink) strip(parts []part, v verdict, refused *refusals) bool {
	var found []sink.Rejection
	for i := range parts {
		p := &parts[i]
		row := s.row(*p)
		if lineproto.Clean(row.Measurement) != v.measurement {
			continue
		}
		f := slices.IndexFunc(row.Fields, func(f metric.Field) bool { return lineproto.Clean(f.Key) == v.field })
		if f < 0 || p.omit&(1<<f) != 0 {
			continue
		}
		p.omit |= 1 << f
		r := sink.Rejection{Series: row.ID, Field: row.Fields[f].Key, Reason: v.reason, Hint: s.dialect.words.conflict(s.cfg, v)}
		for j := p.from; j < p.to; j++ {
			if lineproto.Storable(row.Fields[f].Kind, p.Block.Values[f][j]) {
				include(&r, p.Block.Times[j])
			}
		}
		if r.Count > 0 {
			found = append(found, r)
		}
	}
	for _, r := range found {
		refused.add(r)
	}
	return len(found) > 0
}

// dropOldest leaves out the samples that lie before the retention policy: as many of the oldest as the verdict counts. It
// returns nil when there is nothing to leave out.
func (s *Sink) dropOldest(parts []part, v verdict, hint string, refused *refusals) []part {
	var times []int64
	for _, p := range parts {
		times = append(times, p.Block.Times[p.from:p.to]...)
	}
	if v.dropped == 0 || len(times) == 0 {
		return nil
	}
	slices.Sort(times)
	cut := times[min(v.dropped, len(times))-1]
	kept := make([]part, 0, len(parts))
	for _, p := range parts {
		r := sink.Rejection{Series: p.Block.Series, Reason: v.reason, Hint: hint}
		for p.from < p.to && p.Block.Times[p.from] <= cut {
			include(&r, p.Block.Times[p.from])
			p.from++
		}
		if r.Count > 0 {
			refused.add(r)
		}
		kept = append(kept, p)
	}
	return kept
}

// policy is the name, as InfluxQL writes it, of the retention policy that points go into: the database's default may have any name. Where
// the user may not see it, the words for where it can be seen stand in its place.
func (s *Sink) policy(ctx context.Context) string {
	if s.cfg.RetentionPolicy != "" || s.cfg.Version != V1 {
		return quoteName(s.cfg.RetentionPolicy)
	}
	if results, err := s.ask(ctx, "SHOW RETENTION POLICIES ON "+quoteName(s.cfg.Database)); err == nil {
		for _, row := range results[0].Series {
			name, standard := slices.Index(row.Columns, "name"), slices.Index(row.Columns, "default")
			for _, v := range row.Values {
				if name < 0 || standard < 0 || v[standard] != true {
					continue
				}
				if text, ok := v[name].(string); ok {
					return quoteName(text)
				}
			}
		}
	}
	return "(the default one of SHOW RETENTION POLICIES ON " + quoteName(s.cfg.Database) + ")"
}

// refusals gathers what will never be taken: one entry per series, field and reason.
type refusals struct {
	items []sink.Rejection
}

func (r *refusals) add(n sink.Rejection) {
	i := slices.IndexFunc(r.items, func(o sink.Rejection) bool {
		return o.Series == n.Series && o.Field == n.Field && o.Reason == n.Reason
	})
	if i < 0 {
		r.items = append(r.items, n)
		return
	}
	o := &r.items[i]
	o.Count += n.Count
	if n.First.Before(o.First) {
		o.First = n.First
	}
	if n.Last.After(o.Last) {
		o.Last = n.Last
	}
}

func (r *refusals) err() error {
	if len(r.items) == 0 {
		return nil
	}
	return &sink.Rejected{Items: r.items}
}

// include counts a sample into r; samples come in ascending time.
func include(r *sink.Rejection, t int64) {
	r.Last = time.Unix(0, t).UTC()
	if r.Count == 0 {
		r.First = r.Last
	}
	r.Count++
}

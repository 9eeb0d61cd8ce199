package sourcetest

import (
	"fmt"
	"math"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Check says what is wrong with a batch that answers req by feed; nothing where it keeps the contract.
func Check(cat metric.Catalogue, name string, feed metric.Feed, req metric.Request, b metric.Batch) []string {
	var bad []string
	complain := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	if b.Person != req.Person || b.Source != name || b.Feed != req.Feed || b.Axis != feed.Axis || b.Kind != feed.Kind {
		complain("batch is of person %q, source %q, feed %q, axis %d, kind %q", b.Person, b.Source, b.Feed, b.Axis, b.Kind)
	}
	if b.Span != req.Span {
		complain("span %v, asked %v", b.Span, req.Span)
	}
	if b.Asked.IsZero() || b.Requests < 1 {
		complain("asked %v, %d requests", b.Asked, b.Requests)
	}
	if b.Final.After(req.Final) {
		complain("final to %v, asked for %v", b.Final, req.Final)
	}
	for _, id := range b.Series {
		if !slices.Contains(feed.Series, id) {
			complain("answers for %s, which is not the feed's", id)
		}
	}
	followUp := feed.Trigger == metric.OnWish
	if followUp && (req.Session == nil || b.Session != req.Session.Key || !b.Updated.Equal(req.Session.Updated)) {
		complain("session %q, updated %v", b.Session, b.Updated)
	}
	seen := map[string]bool{}
	for _, block := range b.Blocks {
		bad = append(bad, checkBlock(cat, b, block)...)
		if !followUp {
			bad = append(bad, checkSpan(req, feed.Axis, block)...)
		}
		key := fmt.Sprint(block.Series, block.Tags, block.Device)
		if seen[key] {
			complain("two blocks of %s", key)
		}
		seen[key] = true
	}
	return append(bad, checkSessions(cat, feed, req, b)...)
}

// checkBlock looks at one block by itself.
func checkBlock(cat metric.Catalogue, batch metric.Batch, b metric.Block) []string {
	var bad []string
	complain := func(format string, args ...any) {
		bad = append(bad, fmt.Sprintf("block of %s: ", b.Series)+fmt.Sprintf(format, args...))
	}
	row, ok := cat.Lookup(b.Series)
	if !ok || !slices.Contains(batch.Series, b.Series) {
		complain("not among the batch's series %v", batch.Series)
		return bad
	}
	if b.Len() == 0 {
		complain("empty")
	}
	if len(b.Tags) != len(row.Tags) {
		complain("%d tags, want %v", len(b.Tags), row.Tags)
	}
	if row.NoDevice && b.Device != "" {
		complain("Device %q, but the row has none", b.Device)
	}
	if len(b.Values) != len(row.Fields) {
		complain("%d columns for %d fields", len(b.Values), len(row.Fields))
		return bad
	}
	for i, col := range b.Values {
		if len(col) != b.Len() {
			complain("column %s has %d values for %d times", row.Fields[i].Key, len(col), b.Len())
			return bad
		}
	}
	for i, t := range b.Times {
		if i > 0 && t <= b.Times[i-1] {
			complain("time %d is not after the one before", t)
			break
		}
	}
	for i := range b.Times {
		any := false
		for f, v := range b.Row(i) {
			any = any || metric.Present(v)
			if metric.Present(v) && (math.IsInf(v, 0) || row.Fields[f].Kind == metric.Int && v != math.Trunc(v)) {
				complain("%s = %v", row.Fields[f].Key, v)
			}
		}
		if !any {
			complain("a sample without any value")
		}
	}
	return bad
}

// checkSpan looks whether all samples are inside the span that was asked for.
func checkSpan(req metric.Request, axis metric.Axis, b metric.Block) []string {
	from, to := req.Span.Start.UnixNano(), req.Span.End.UnixNano()
	if axis == metric.Days {
		first, last := req.Span.Days()
		from, to = req.Zones.Midnight(first).UnixNano(), req.Zones.Midnight(last+1).UnixNano()
	}
	for _, t := range b.Times {
		if t < from || t >= to {
			return []string{fmt.Sprintf("block of %s: a sample outside the span", b.Series)}
		}
	}
	return nil
}

func checkSessions(cat metric.Catalogue, feed metric.Feed, req metric.Request, b metric.Batch) []string {
	var bad []string
	if len(b.Sessions) > 0 && feed.Kind == "" {
		return []string{"sessions of a feed that has none"}
	}
	first, last := req.Span.Days()
	keys := map[string]bool{}
	for _, s := range b.Sessions {
		if s.Kind != feed.Kind || s.Key == "" || keys[s.Key] {
			bad = append(bad, fmt.Sprintf("session of kind %q with key %q (twice: %v)", s.Kind, s.Key, keys[s.Key]))
		}
		keys[s.Key] = true
		if s.Day < first || s.Day > last || s.End.Before(s.Start) {
			bad = append(bad, fmt.Sprintf("session of %v from %v to %v, asked for %v to %v", s.Day, s.Start, s.End, first, last))
		}
		for _, block := range s.Blocks {
			bad = append(bad, checkBlock(cat, b, block)...)
		}
	}
	return bad
}

package google

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// A sessionReader reads the sessions of one request. It is made anew for each.
type sessionReader struct {
	form   *form
	member string              // of filters: the civil time that decides a session's day
	take   func(*record) error // reads one session
	passed func() bool         // a session before the span has been read
}

// readSessions asks for the sessions whose day is in the span. Where the service refuses the filter, everything is asked, newest first, until
// the span has been passed.
func (s *Source) readSessions(ctx context.Context, f *feed, req metric.Request, batch *metric.Batch, r sessionReader) error {
	filter := between(r.member, req.Span.Start.Format(time.DateOnly), req.Span.End.Format(time.DateOnly))
	l := &listing{s: s, feed: f.Feed.ID, form: r.form, name: dataPoints, token: getToken, each: r.take}
	if !s.wasRefused(f) {
		l.first = f.get(Reconcile, filter, sessionPage)
		err := l.run(ctx)
		batch.Requests += l.cost
		if !refusedOperation(err) {
			return err
		}
		s.mu.Lock()
		s.refused[f.Feed.ID] = s.cfg.Now()
		s.mu.Unlock()
	}
	l.first, l.done, l.cost = f.get(List, "", sessionPage), r.passed, 0
	err := l.run(ctx)
	batch.Requests += l.cost
	return err
}

// odd counts points that cannot be.
func (s *Source) odd(f *feed) func(path string) {
	return func(path string) { s.surprises.Add(f.Feed.ID, answer.PointOdd, path, 1, s.cfg.Now()) }
}

// common are the members that nights and workouts share.
type common struct {
	name, merged, start, end, startOffset, endOffset, updated int
}

func commonOf(f *form, member string) common {
	f.at(member).slot = valueObject
	f.known("dataSource", member+".createTime", member+".interval.civilStartTime", member+".interval.civilEndTime")
	in := member + ".interval."
	return common{
		name: f.text("name"), merged: f.text("dataPointName"),
		start: f.instant(in + "startTime"), end: f.instant(in + "endTime"),
		startOffset: f.seconds(in + "startUtcOffset"), endOffset: f.seconds(in + "endUtcOffset"),
		updated: f.instant(member + ".updateTime"),
	}
}

// session begins a session; its Day is left to the kind.
func (c common) session(kind metric.SessionKind, r *record) metric.Session {
	s := metric.Session{Kind: kind, Key: id(cmp.Or(r.texts[c.name], r.texts[c.merged])), Start: at(r.times[c.start]), End: at(r.times[c.end]),
		Offset: seconds(r.numbers[c.startOffset])}
	if s.Key == "" {
		s.Key = rfc3339(s.Start)
	}
	if u := r.times[c.updated]; u != 0 {
		s.Updated = at(u)
	}
	return s
}

func at(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// seconds is an offset; a missing one is that of UTC.
func seconds(v float64) int {
	if !metric.Present(v) {
		return 0
	}
	return int(v)
}

// dayAt is the calendar day at t, that many seconds east of UTC.
func dayAt(t time.Time, offset int) metric.Day {
	return metric.DayOf(t.UTC().Add(time.Duration(offset) * time.Second))
}

// keep adds a session, or replaces the one of the same key: the last one read stays.
func keep(sessions []metric.Session, s metric.Session) []metric.Session {
	if i := slices.IndexFunc(sessions, func(o metric.Session) bool { return o.Key == s.Key }); i >= 0 {
		sessions[i] = s
		return sessions
	}
	return append(sessions, s)
}

// inOrder sorts sessions by their start.
func inOrder(sessions []metric.Session) []metric.Session {
	slices.SortFunc(sessions, func(a, b metric.Session) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Key, b.Key)) })
	return sessions
}

// notFinal takes everything from day on out of what is final in a batch.
func notFinal(batch *metric.Batch, day metric.Day) {
	if batch.Final.IsZero() || !batch.Final.After(day.Civil()) {
		return
	}
	batch.Final = day.Civil()
	if !batch.Final.After(batch.Span.Start) {
		batch.Final = time.Time{}
	}
}

package google

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// A sessionReader reads the sessions of one request. It is made anew for each.
type sessionReader struct {
	form   *form
	member string                            // of filters: the civil time that decides a session's day
	take   func(*record) (metric.Span, fate) // reads one session
	passed func() bool                       // a page of sessions that are all before the span has been read
}

// readSessions asks for the sessions whose day is in the span. Where the service refuses the filter, everything is asked, newest first, until
// the span has been passed.
func (s *Source) readSessions(ctx context.Context, f *feed, req metric.Request, batch *metric.Batch, r sessionReader) error {
	filter := between(r.member, req.Span.Start.Format(time.DateOnly), req.Span.End.Format(time.DateOnly))
	l := &listing{s: s, feed: f.Feed.ID, form: r.form, name: dataPoints, token: getToken, each: r.take, batch: batch, span: req.Span}
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

// common are the members that nights and workouts share.
type common struct {
	name, merged, platform, start, end, updated int
	startOffset, endOffset                      int
	startCivil, endCivil                        [6]int // year, month, day, hours, minutes, seconds
}

func commonOf(f *form, member string) common {
	f.at(member).slot = valueObject
	f.known(member + ".createTime")
	in := member + ".interval."
	c := common{
		name: f.text("name"), merged: f.text("dataPointName"), platform: f.text("dataSource.platform"),
		start: f.instant(in + "startTime"), end: f.instant(in + "endTime"),
		startOffset: f.seconds(in + "startUtcOffset"), endOffset: f.seconds(in + "endUtcOffset"),
		updated: f.instant(member + ".updateTime"),
	}
	f.at("dataSource").open = true
	for path, to := range map[string]*[6]int{in + "civilStartTime": &c.startCivil, in + "civilEndTime": &c.endCivil} {
		for i, part := range []string{"date.year", "date.month", "date.day", "time.hours", "time.minutes", "time.seconds"} {
			to[i] = f.number(path + "." + part)
		}
		f.known(path + ".time.nanos")
	}
	return c
}

// session begins a session; its Day is left to the kind. endOffset is that of its end, in seconds east of UTC.
func (c common) session(kind metric.SessionKind, r *record, zones metric.Zones) (s metric.Session, endOffset int) {
	s = metric.Session{Kind: kind, Key: c.key(r), Start: at(r.times[c.start]), End: at(r.times[c.end])}
	if u := r.times[c.updated]; u != 0 {
		s.Updated = at(u)
	}
	begin, beginTold := c.offset(r, c.startOffset, c.startCivil, s.Start)
	end, endTold := c.offset(r, c.endOffset, c.endCivil, s.End)
	switch {
	case !beginTold && endTold:
		begin = end
	case !beginTold:
		begin = offsetIn(zones, s.Start)
	}
	if !endTold {
		end = begin
		if !beginTold {
			end = offsetIn(zones, s.End)
		}
	}
	s.Offset = begin
	return s, end
}

// key is the id of a session; empty where it has none. By its id it is known again when it comes once more.
func (c common) key(r *record) string { return idOf(cmp.Or(r.texts[c.name], r.texts[c.merged])) }

// offset is the one in a slot, if there is one; one that no place on Earth has is odd.
func (r *record) offset(slot int) (seconds int, told bool) {
	v := r.numbers[slot]
	if told = v == math.Trunc(v) && math.Abs(v) <= metric.FarthestOffset; told {
		return int(v), true
	}
	r.odd = r.odd || metric.Present(v)
	return 0, false
}

// offset is what the service says of the offset at one end: by itself, or by the civil time there.
func (c common) offset(r *record, slot int, civil [6]int, t time.Time) (seconds int, told bool) {
	if seconds, told = r.offset(slot); told {
		return seconds, true
	}
	day, ok := dayOf(r.numbers[civil[0]], r.numbers[civil[1]], r.numbers[civil[2]])
	if !ok {
		return 0, false
	}
	local := day.Civil()
	for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} { // what is left out is 0
		if v := r.numbers[civil[3+i]]; metric.Present(v) {
			local = local.Add(time.Duration(v) * unit)
		}
	}
	v := local.Sub(t.Truncate(time.Second)) / time.Second
	return int(v), v >= -metric.FarthestOffset && v <= metric.FarthestOffset
}

// offsetIn is the offset of the person's own zone.
func offsetIn(zones metric.Zones, t time.Time) int {
	cal := metric.NewCalendar(zones)
	_, seconds := t.In(cal.Zone(cal.Day(t))).Zone()
	return seconds
}

// order is whether a list is in the order of starts, newest first, and how far back it has come.
type order struct {
	last   time.Time
	broken bool
	passed bool
}

// see notes a session of the list, which is before the span where its day is.
func (o *order) see(start time.Time, day metric.Day, span metric.Span) {
	first, _ := span.Days()
	o.broken = o.broken || !o.last.IsZero() && start.After(o.last)
	o.last, o.passed = start, o.passed || day < first
}

// over reports whether nothing of the span comes any more.
func (o *order) over() bool { return o.passed && !o.broken }

// near are the days that a session may be of whose day is not known for sure.
func near(t time.Time, span metric.Span) metric.Span {
	day := dayAt(t, 0)
	return metric.DaySpan(day-1, day+1).Overlap(span)
}

// beginless are the days that something may be of whose begin cannot be read; its end may be known, or 0.
func beginless(end int64, span metric.Span) metric.Span {
	if end == 0 {
		return span
	}
	return near(at(end), span)
}

// unfinishedAt reports whether a session without an end may still be going on.
func unfinishedAt(start, now time.Time) bool { return now.Sub(start) < unfinished }

func at(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// dayAt is the calendar day at t, that many seconds east of UTC.
func dayAt(t time.Time, offset int) metric.Day {
	return metric.DayOf(t.UTC().Add(time.Duration(offset) * time.Second))
}

// together is how long two sessions are at the same time, as a share of the longer and of the shorter one.
func together(a, b metric.Session) (ofLonger, ofShorter float64) {
	both := metric.Span{Start: a.Start, End: a.End}.Overlap(metric.Span{Start: b.Start, End: b.End}).Len()
	long, short := max(a.End.Sub(a.Start), b.End.Sub(b.Start)), min(a.End.Sub(a.Start), b.End.Sub(b.Start))
	if both <= 0 || short <= 0 {
		return 0, 0
	}
	return both.Seconds() / long.Seconds(), both.Seconds() / short.Seconds()
}

// A heard session is one with what tells whether another is its mirror: the same, as another program passed it on.
type heard struct {
	metric.Session
	platform string
	bare     bool // nothing was measured in it
	unsummed bool // it has no summary, which the service makes of its own devices' nights
}

// own is the platform of the service's own devices.
const own = "FITBIT"

// mirrors reports whether h only repeats o.
func (h heard) mirrors(o heard) bool {
	ofLonger, ofShorter := together(h.Session, o.Session)
	switch {
	case h.Key == o.Key && h.Key != "":
		return false
	case h.bare != o.bare:
		return h.bare && ofShorter >= 0.5
	case ofLonger < 0.8:
		return false
	case (h.platform == own) != (o.platform == own):
		return o.platform == own
	case h.unsummed != o.unsummed: // where no platform is told, as in what the service has merged
		return h.unsummed
	case h.platform == o.platform:
		return false
	}
	return h.Key > o.Key // the same one of two strangers each time
}

// unmirrored returns the sessions without those that only repeat another. Of those with the same key the last one read stays.
func unmirrored(all []heard) []metric.Session {
	var out []metric.Session
	for _, h := range all {
		if h.Key != "" && !slices.ContainsFunc(all, h.mirrors) { // one without an id is not known again, but it may be the one that others repeat
			out = answer.Keep(out, h.Session)
		}
	}
	return answer.InOrder(out)
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

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
	passed func(again bool) bool             // sessions before the span have been read, and none of it comes any more
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
	s.Offset, endOffset = bothOffsets(begin, end, beginTold, endTold, s.Start, s.End, zones)
	return s, endOffset
}

// bothOffsets fills in the offsets that are not told. A missing one is the person's zone's; where the other end is told to be elsewhere, it
// is that of the other end.
func bothOffsets(first, last int, firstTold, lastTold bool, from, to time.Time, zones metric.Zones) (int, int) {
	other := func(told int, there, here time.Time) int {
		if told == offsetIn(zones, there) { // at home: clocks may be changed in between
			return offsetIn(zones, here)
		}
		return told
	}
	switch {
	case firstTold && lastTold:
		return first, last
	case firstTold:
		return first, other(first, from, to)
	case lastTold:
		return other(last, to, from), last
	}
	return offsetIn(zones, from), offsetIn(zones, to)
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
	var at [6]float64
	any := false
	for i, slot := range civil {
		at[i] = r.numbers[slot]
		any = any || metric.Present(at[i])
	}
	if !any || t.UnixNano() == 0 {
		return 0, false
	}
	day, ok := dayOf(at[0], at[1], at[2])
	clock, fits := clockOf(at[3], at[4], at[5])
	v := day.Civil().Add(clock).Sub(t.Truncate(time.Second)) / time.Second
	if !ok || !fits || v < -metric.FarthestOffset || v > metric.FarthestOffset { // there is no such time, or nobody has it then
		r.odd = true
		return 0, false
	}
	return int(v), true
}

// clockOf is a time of day since midnight, of which what is left out is 0; fits says whether there is such a one.
func clockOf(hours, minutes, seconds float64) (clock time.Duration, fits bool) {
	fits = true
	for _, part := range []struct {
		v, most float64
		unit    time.Duration
	}{{hours, 23, time.Hour}, {minutes, 59, time.Minute}, {seconds, 59, time.Second}} {
		if metric.Present(part.v) {
			clock += time.Duration(part.v) * part.unit
			fits = fits && part.v >= 0 && part.v <= part.most && part.v == math.Trunc(part.v)
		}
	}
	return clock, fits || hours == 24 && clock == 24*time.Hour // a day's end
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
	early  bool // by the first page, the list was in order and had come that far
	pages  int
}

// see notes a session of the list, which is before the span where its day is.
func (o *order) see(start time.Time, day metric.Day, span metric.Span) {
	first, _ := span.Days()
	o.broken = o.broken || !o.last.IsZero() && start.After(o.last)
	o.last, o.passed = start, o.passed || day < first
}

// over reports, behind a page, whether nothing of the span comes any more; again says that the list begins anew. One page is too little to
// tell a list that is in no order.
func (o *order) over(again bool) bool {
	o.pages++
	done := o.passed && !o.broken
	o.early = o.early || done && o.pages == 1
	return done && o.pages > 1 || again && o.early
}

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
	switch {
	case short == 0 && !a.Start.Before(b.Start) && !a.End.After(b.End), short == 0 && !b.Start.Before(a.Start) && !b.End.After(a.End):
		return 0, 1 // a moment inside
	case both <= 0:
		return 0, 0
	}
	return both.Seconds() / long.Seconds(), both.Seconds() / short.Seconds()
}

// A heard session is one with what tells whether another is its mirror: the same, as another program passed it on.
type heard struct {
	metric.Session
	platform string
	bare     bool        // nothing was measured in it
	empty    bool        // it is none that is kept
	unsummed bool        // it has no summary, which the service makes of its own devices' nights
	doubt    metric.Span // the days that are odd by it, if it is no mirror
}

// own is the platform of the service's own devices.
const own = "FITBIT"

// mirrors reports whether h only repeats o.
func (h heard) mirrors(o heard) bool {
	ofLonger, ofShorter := together(h.Session, o.Session)
	same := ofLonger >= 0.8
	// One may do two workouts at a time, but not sleep twice.
	within := h.Kind == metric.Sleep && ofShorter >= 0.8 && h.End.Sub(h.Start) < o.End.Sub(o.Start)
	switch {
	case h.Key == o.Key && h.Key != "":
		return false
	case h.bare != o.bare, h.empty != o.empty:
		return (h.bare && !o.bare || h.empty && !o.empty) && ofShorter >= 0.5
	case !same && !within:
		return false
	case (h.platform == own) != (o.platform == own):
		return o.platform == own
	case h.unsummed != o.unsummed: // where no platform is told, as in what the service has merged
		return h.unsummed
	case h.platform == o.platform && !h.bare:
		return false
	}
	return !same || h.Key > o.Key // the same one of two each time
}

// settle puts the sessions into a batch, without those that only repeat another. Of those with the same key the last one read stays.
func (s *Source) settle(f *feed, batch *metric.Batch, all []heard) {
	var out []metric.Session
	for _, h := range all {
		if slices.ContainsFunc(all, h.mirrors) {
			continue
		}
		if !h.doubt.Empty() {
			s.surprises.Add(f.Feed.ID, answer.PointOdd, dataPoints, 1, s.cfg.Now())
			batch.Odd = metric.Union(batch.Odd, h.doubt)
		}
		if h.Key != "" && !h.empty { // one without an id is not known again, but it may be the one that others repeat
			out = answer.Keep(out, h.Session)
		}
	}
	batch.Sessions = answer.InOrder(out)
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

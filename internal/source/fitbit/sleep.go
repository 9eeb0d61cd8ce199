package fitbit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// levels are the words of a sleep's levels, and the number that each has in the database since the Python project.
var levels = map[string]float64{"deep": 0, "light": 1, "asleep": 1, "rem": 2, "restless": 2, "wake": 3, "awake": 3}

const (
	levelAwake   = 3.0
	levelUnknown = 4.0
)

// sleepKnown are the members of a sleep.
var sleepKnown = knownOf("dateOfSleep", "duration", "efficiency", "endTime", "infoCode", "isMainSleep", "logId", "logType", "minutesAfterWakeup", "minutesAsleep",
	"minutesAwake", "minutesToFallAsleep", "startTime", "timeInBed", "type", "levels.data[].dateTime", "levels.data[].level", "levels.data[].seconds",
	"levels.shortData[].dateTime", "levels.shortData[].level", "levels.shortData[].seconds", "levels.summary")

// fetchSleep reads the sleeps whose day of waking is in the span.
func fetchSleep(ctx context.Context, q *query) error {
	const shape = "/1.2/user/-/sleep/date/%s.json"
	first, last := q.req.Span.Days()
	for _, piece := range pieces(first, last, metric.Day(q.feed.Feed.Max/day)) {
		pending := time.Duration(-1)
		what := question{path: fmt.Sprintf(shape, piece[0].String()+"/"+piece[1].String()), shown: fmt.Sprintf(shape, "{days}")}
		err := q.list(ctx, what, listing{
			key:  "sleep",
			each: q.sleep,
			other: map[string]func(any){"summary": nil, "meta": func(v any) {
				if ms, err := parsePath("retryDuration").number(v); err == nil && ms >= 0 {
					pending = time.Duration(ms) * time.Millisecond
				}
			}},
			absent: func() error {
				if pending < 0 {
					return fmt.Errorf("%w: no sleep in it", answer.ErrShape)
				}
				return &source.Error{Kind: source.Retry, Reason: reasonPending, Until: q.cfg.Now().Add(pending), Hint: hintPending, Err: errors.New("the service is still computing")}
			},
		})
		if err != nil {
			return err
		}
	}
	q.batch.Sessions = inOrder(q.batch.Sessions)
	return nil
}

// pieces cuts days into pieces of at most so many, newest first.
func pieces(first, last, most metric.Day) [][2]metric.Day {
	var out [][2]metric.Day
	for d := first; d <= last; d += most {
		out = append(out, [2]metric.Day{d, min(d+most-1, last)})
	}
	slices.Reverse(out)
	return out
}

// inOrder sorts sessions by their start.
func inOrder(sessions []metric.Session) []metric.Session {
	slices.SortFunc(sessions, func(a, b metric.Session) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Key, b.Key)) })
	return sessions
}

// keep adds a session, or replaces the one of the same key: the last one read stays.
func keep(sessions []metric.Session, s metric.Session) []metric.Session {
	if i := slices.IndexFunc(sessions, func(o metric.Session) bool { return o.Key == s.Key }); i >= 0 {
		sessions[i] = s
		return sessions
	}
	return append(sessions, s)
}

// A reader reads members of one element and keeps the first error.
type reader struct {
	element any
	err     error
}

func (r *reader) number(p string) float64 {
	v, err := parsePath(p).number(r.element)
	r.err = cmp.Or(r.err, err)
	return v
}

func (r *reader) word(p string) string {
	v, err := parsePath(p).word(r.element)
	r.err = cmp.Or(r.err, err)
	return v
}

func (r *reader) flag(p string) bool {
	v, err := parsePath(p).of(r.element)
	on, ok := v.(bool)
	if err == nil && !ok && v != nil {
		err = fmt.Errorf("%w: %s is %s, not true or false", answer.ErrShape, p, kindOf(v))
	}
	r.err = cmp.Or(r.err, err)
	return on
}

func (r *reader) list(p string) []any {
	v, err := parsePath(p).of(r.element)
	l, ok := v.([]any)
	if err == nil && !ok && v != nil {
		err = fmt.Errorf("%w: %s is %s, not a list", answer.ErrShape, p, kindOf(v))
	}
	r.err = cmp.Or(r.err, err)
	return l
}

// sleep takes one sleep in.
func (q *query) sleep(e any) error {
	sleepKnown.note(q.notes, "sleep", e)
	r := &reader{element: e}
	s := metric.Session{Kind: metric.Sleep, Key: r.word("logId"), Title: r.word("type"), Main: r.flag("isMainSleep")}
	start, okStart := parseCivil(r.word("startTime"))
	end, okEnd := parseCivil(r.word("endTime"))
	woke, okDay := parseDay(r.word("dateOfSleep"))
	lasted := r.number("duration")
	if r.err != nil {
		return r.err
	}
	if !okStart || !okEnd || s.Key == "" {
		return fmt.Errorf("%w: a sleep has no id, no start or no end", answer.ErrShape)
	}
	if s.Day = woke; !okDay {
		s.Day = metric.DayOf(end)
	}
	if first, last := q.req.Span.Days(); s.Day < first || s.Day > last {
		return nil
	}
	if !metric.Present(lasted) {
		lasted = float64(end.Sub(start).Milliseconds())
	}
	w := wall{zones: q.req.Zones}
	var ok bool
	if s.Start, s.End, ok = w.lasting(start, end, time.Duration(lasted)*time.Millisecond); !ok || s.End.Before(s.Start) {
		q.odd("sleep: one that ends before it begins, or in an hour that the clocks skip")
		return nil
	}
	s.Offset = int(offset(w.zones.On(metric.DayOf(start)), s.Start).Seconds())
	stages, err := q.stages(r, &w, s)
	if err != nil {
		return err
	}
	s.Blocks = []metric.Block{q.sleepSummary(r, s), q.sleepLevels(s, stages)}
	s.Blocks = slices.DeleteFunc(s.Blocks, func(b metric.Block) bool { return !q.wants(b.Series) || allAbsent(b.Row(0)) })
	q.batch.Sessions = keep(q.batch.Sessions, s)
	return r.err
}

// lasting returns start and end of what lasted that long: where the clocks show one of them twice, the length tells which it was.
func (w *wall) lasting(start, end time.Time, length time.Duration) (time.Time, time.Time, bool) {
	a, b, ok := w.both(start)
	if !ok {
		return a, b, false
	}
	till, ok := w.near(end, a.Add(length))
	if !b.IsZero() {
		if other, _ := w.near(end, b.Add(length)); (other.Sub(b) - length).Abs() < (till.Sub(a) - length).Abs() {
			return b, other, ok
		}
	}
	return a, till, ok
}

// A stage of a sleep, in the order of time.
type stage struct {
	start time.Time
	long  time.Duration
	level float64
}

// stages reads the levels of a sleep and cuts the short wakes, which lie over them, out.
func (q *query) stages(r *reader, w *wall, s metric.Session) ([]stage, error) {
	long, err := q.readStages(r, w, s, "levels.data")
	if err != nil {
		return nil, err
	}
	short, err := q.readStages(r, w, s, "levels.shortData")
	if err != nil {
		return nil, err
	}
	for _, wake := range short {
		long = overlaid(long, wake)
	}
	return long, nil
}

func (q *query) readStages(r *reader, w *wall, s metric.Session, path string) ([]stage, error) {
	var out []stage
	expected := s.Start
	for _, e := range r.list(path) {
		one := &reader{element: e}
		civil, ok := parseCivil(one.word("dateTime"))
		word, long := one.word("level"), one.number("seconds")
		if one.err == nil && (!ok || !metric.Present(long)) {
			one.err = fmt.Errorf("%w: a level of a sleep has no time or no length", answer.ErrShape)
		}
		if one.err != nil {
			return nil, one.err
		}
		level, known := levels[word]
		if !known {
			q.notes.Add(answer.WordUnknown, path, []byte(word))
			level = levelUnknown
		}
		st := stage{level: level, long: time.Duration(min(max(long, 0), 1e6)) * time.Second}
		if st.start, ok = w.near(civil, expected); !ok {
			q.odd(path + ": a time that the clocks skip")
			continue
		}
		expected = st.start.Add(st.long)
		out = append(out, st)
	}
	slices.SortStableFunc(out, func(a, b stage) int { return a.start.Compare(b.start) })
	return out, r.err
}

// overlaid cuts a short stage out of the long ones it lies over and puts it in their place.
func overlaid(long []stage, short stage) []stage {
	from, to := short.start, short.start.Add(short.long)
	var out []stage
	for _, l := range long {
		end := l.start.Add(l.long)
		if !l.start.Before(to) || !end.After(from) {
			out = append(out, l)
			continue
		}
		if l.start.Before(from) {
			out = append(out, stage{l.start, from.Sub(l.start), l.level})
		}
		if end.After(to) {
			out = append(out, stage{to, end.Sub(to), l.level})
		}
	}
	out = append(out, short)
	slices.SortStableFunc(out, func(a, b stage) int { return a.start.Compare(b.start) })
	return out
}

// tag is a boolean as the Python project wrote it.
func tag(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// sleepSummary is the one sample of SleepSummary, at the sleep's start. A classic log has its own levels: asleep counts as light,
// restless as REM, as the Python project had it.
func (q *query) sleepSummary(r *reader, s metric.Session) metric.Block {
	row := q.feed.series[0]
	values := make([]float64, len(row.Fields))
	for i := range values {
		values[i] = metric.Absent()
	}
	set := func(key string, v float64) { values[row.Field(key)] = math.Round(v) }
	for key, path := range map[string]string{"efficiency": "efficiency", "minutesInBed": "timeInBed", "minutesAsleep": "minutesAsleep", "minutesAwake": "minutesAwake",
		"minutesToFallAsleep": "minutesToFallAsleep", "minutesAfterWakeup": "minutesAfterWakeup"} {
		set(key, r.number(path))
	}
	minutes := func(level string) float64 { return r.number("levels.summary." + level + ".minutes") }
	switch {
	case s.Title == "classic":
		set("minutesLight", minutes("asleep"))
		set("minutesREM", minutes("restless"))
		set("minutesDeep", 0)
	default:
		set("minutesLight", minutes("light"))
		set("minutesREM", minutes("rem"))
		set("minutesDeep", minutes("deep"))
	}
	b := metric.Block{Series: row.ID, Device: q.req.Device, Tags: []string{tag(s.Main)}}
	b.Append(s.Start.UnixNano(), values...)
	return b
}

// sleepLevels is a sample for each level, at its start, and a closing one at the time of waking.
func (q *query) sleepLevels(s metric.Session, stages []stage) metric.Block {
	row := q.feed.series[1]
	level, duration := row.Field("level"), row.Field("duration_seconds")
	b := metric.Block{Series: row.ID, Device: q.req.Device, Tags: []string{tag(s.Main)}, Values: make([][]float64, len(row.Fields))}
	add := func(at time.Time, lv, seconds float64) {
		b.Times = append(b.Times, at.UnixNano())
		b.Values[level] = append(b.Values[level], lv)
		b.Values[duration] = append(b.Values[duration], seconds)
	}
	for _, st := range stages {
		add(st.start, st.level, st.long.Seconds())
	}
	add(s.End, levelAwake, metric.Absent())
	b.Tidy()
	return b
}

// fetchWorkouts reads the workouts that began on the days of the span, in the person's own time then. The service lists them from a
// day on, oldest first; the list is left where the span ends.
func fetchWorkouts(ctx context.Context, q *query) error {
	first, last := q.req.Span.Days()
	next := question{path: listPath, shown: listPath, query: url.Values{"afterDate": {(first - 2).String()}, "sort": {"asc"}, "offset": {"0"}, "limit": {"100"}}}
	seen := map[string]bool{}
	for range 500 {
		passed, follow, listed, read := false, "", 0, 0
		err := q.list(ctx, next, listing{
			key: "activities",
			each: func(e any) error {
				s, err := q.workout(e)
				if err == nil && s.Key != "" && s.Day >= first && s.Day <= last {
					q.batch.Sessions = keep(q.batch.Sessions, s)
				}
				passed = passed || s.Key != "" && s.Day > last+1
				if listed++; s.Key != "" {
					read++
				}
				return err
			},
			other: map[string]func(any){"pagination": func(v any) { follow, _ = parsePath("next").word(v) }},
		})
		if err != nil {
			return err
		}
		if listed > 0 && read == 0 { // one is an oddity; all are another shape
			return fmt.Errorf("%w: no workout of the list has an id and a start", answer.ErrShape)
		}
		if follow == "" || passed {
			q.batch.Sessions = inOrder(q.batch.Sessions)
			return nil
		}
		if next, err = nextPage(follow); err != nil {
			return err
		}
		if seen[next.query.Encode()] {
			return fmt.Errorf("%w: a page of the list of workouts came again", answer.ErrShape)
		}
		seen[next.query.Encode()] = true
	}
	return fmt.Errorf("%w: the list of workouts does not end", answer.ErrShape)
}

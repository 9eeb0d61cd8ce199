package fitbit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// levels are the words of a sleep's levels, and the number that each has in the database since the Python project.
var levels = map[string]float64{"deep": 0, "light": 1, "asleep": 1, "rem": 2, "restless": 2, "wake": 3, "awake": 3}

// sleepKnown are the members of a sleep.
var sleepKnown = knownOf(slices.Concat([]string{"dateOfSleep", "duration", "efficiency", "endTime", "infoCode", "isMainSleep", "logId", "logType", "minutesAfterWakeup", "minutesAsleep",
	"minutesAwake", "minutesToFallAsleep", "startTime", "timeInBed", "type", "levels.data[].dateTime", "levels.data[].level", "levels.data[].seconds",
	"levels.shortData[].dateTime", "levels.shortData[].level", "levels.shortData[].seconds"}, sums("deep", "light", "rem", "wake", "asleep", "restless", "awake"))...)

// sums are the members in which levels are summed up.
func sums(levels ...string) []string {
	var out []string
	for _, level := range levels {
		for _, of := range []string{"count", "minutes", "thirtyDayAvgMinutes"} {
			out = append(out, "levels.summary."+level+"."+of)
		}
	}
	return out
}

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
		if err = q.part(err, metric.DaySpan(piece[0], piece[1])); err != nil {
			return err
		}
	}
	q.batch.Sessions = answer.InOrder(q.batch.Sessions)
	answer.ChooseMain(q.batch.Sessions, func(key string) bool { return !slices.Contains(q.unsaid, key) })
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

// A reader reads members of one element. What cannot be read is absent, and noted.
type reader struct {
	element any
	odd     []string // paths of what cannot be read
	lacks   bool     // a member is not there
}

func (r *reader) note(p string, err error) {
	if err != nil {
		r.odd = append(r.odd, p)
	}
}

func (r *reader) number(p string) float64 {
	v, err := parsePath(p).number(r.element)
	r.note(p, err)
	r.lacks = r.lacks || !metric.Present(v)
	return v
}

func (r *reader) word(p string) string {
	v, err := parsePath(p).word(r.element)
	r.note(p, err)
	r.lacks = r.lacks || v == ""
	return v
}

// flag reads true or false; told is whether it is there.
func (r *reader) flag(p string) (on, told bool) { return typed[bool](r, p) }

// object reads an object; ok is whether it is there.
func (r *reader) object(p string) (o map[string]any, ok bool) { return typed[map[string]any](r, p) }

func (r *reader) list(p string) []any {
	l, _ := typed[[]any](r, p)
	return l
}

// typed reads a member that is of one type, or not there.
func typed[T any](r *reader, p string) (v T, ok bool) {
	raw, err := parsePath(p).of(r.element)
	v, ok = raw.(T)
	if err == nil && !ok && raw != nil {
		err = answer.ErrShape
	}
	r.note(p, err)
	r.lacks = r.lacks || !ok
	return v, ok
}

// within keeps a value that the field can have.
func (r *reader) within(f metric.Field, p string, v float64) float64 {
	if metric.Present(v) && !f.Possible(v) {
		r.note(p, answer.ErrShape)
		return metric.Absent()
	}
	return v
}

// counted notes what could not be read in an element of a list. Where there are members in it that are not known, what it lacks may only
// have another name.
func (q *query) counted(at string, r *reader, strange bool) {
	for _, p := range r.odd {
		q.misread(at + "." + p)
	}
	if len(r.odd) == 0 && strange && r.lacks {
		q.misread(at)
	}
}

// sleep takes one sleep in.
func (q *query) sleep(e any) error {
	strange := sleepKnown.note(q.notes, "sleep", e)
	r := &reader{element: e}
	s := metric.Session{Kind: metric.Sleep, Key: r.word("logId"), Title: r.word("type")}
	var told bool
	if s.Main, told = r.flag("isMainSleep"); !told {
		q.unsaid = append(q.unsaid, s.Key)
	}
	if s.Title != "" && s.Title != "stages" && s.Title != "classic" {
		q.notes.Add(answer.WordUnknown, "sleep.type", []byte(s.Title))
		r.note("type", answer.ErrShape)
	}
	if in, ok := r.object("levels"); ok {
		if len(in) == 0 { // where there are none, the object is missing, or its lists are empty
			r.note("levels", answer.ErrShape)
		}
		for name := range in {
			if name != "data" && name != "shortData" && name != "summary" { // one of these has another name now
				r.note(shortLevels, answer.ErrShape)
			}
		}
	}
	start, okStart := parseCivil(r.word("startTime"))
	end, okEnd := parseCivil(r.word("endTime"))
	woke, okDay := parseDay(r.word("dateOfSleep"))
	switch {
	case okDay:
		s.Day = woke
	case okEnd:
		s.Day = metric.DayOf(end)
	case okStart:
		s.Day = metric.DayOf(start) + 1
	}
	if s.Day != 0 {
		q.where = metric.DaySpan(s.Day-1, s.Day+1).Overlap(q.req.Span)
	}
	if !okStart || !okEnd || s.Key == "" || !digits(s.Key) {
		return fmt.Errorf("%w: a sleep has no id, no start or no end", answer.ErrShape)
	}
	if !okDay {
		r.note("dateOfSleep", answer.ErrShape)
	}
	if first, last := q.req.Span.Days(); s.Day < first || s.Day > last {
		return nil
	}
	q.on(s.Day)
	lasted := r.number("duration")
	if lasted < 0 {
		r.note("duration", answer.ErrShape)
		lasted = metric.Absent()
	}
	if !metric.Present(lasted) {
		lasted = float64(end.Sub(start).Milliseconds())
	}
	w := wall{zones: q.req.Zones}
	var ok bool
	if s.Start, s.End, ok = w.lasting(start, end, time.Duration(lasted)*time.Millisecond); !ok || s.End.Before(s.Start) {
		return fmt.Errorf("%w: a sleep ends before it begins, or in an hour that the clocks skip", answer.ErrShape)
	}
	s.Offset = int(offset(w.zones.On(metric.DayOf(start)), s.Start).Seconds())
	stages := q.stages(r, &w, s)
	summary := q.sleepSummary(r, s, stages)
	s.Blocks = []metric.Block{summary}
	if !slices.Contains(r.odd, shortLevels) { // otherwise no stage is known to be as long as it seems
		s.Blocks = append(s.Blocks, q.sleepLevels(s, stages))
	}
	s.Blocks = slices.DeleteFunc(s.Blocks, func(b metric.Block) bool { return !q.wants(b.Series) || allAbsent(b.Row(0)) })
	q.batch.Sessions = answer.Keep(q.batch.Sessions, s)
	q.counted("sleep", r, strange)
	return nil
}

// lasting returns start and end of what lasted that long: where the clocks show one of them twice, the length tells which it was. An end
// that the clocks skip is by the start's clock, which ran on.
func (w *wall) lasting(start, end time.Time, length time.Duration) (time.Time, time.Time, bool) {
	a, b, ok := w.both(start)
	if !ok {
		return a, b, false
	}
	till, ok := w.near(end, a.Add(length))
	if !ok {
		return a, a.Add(end.Sub(start)), true
	}
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

// A level is a stage as the service writes it.
type level struct {
	civil time.Time
	long  time.Duration
	level float64
}

// shortLevels is where the short wakes are.
const shortLevels = "levels.shortData"

// stages reads the levels of a sleep and cuts the short wakes, which lie over them, out.
func (q *query) stages(r *reader, w *wall, s metric.Session) []stage {
	long, short := q.levels(r, "levels.data"), q.levels(r, shortLevels)
	at := w.runs(s, long, short)
	out := staged(long, s, at)
	for _, wake := range staged(short, s, at) {
		out = overlaid(out, wake)
	}
	return out
}

// levels reads a list of levels. One that cannot be read costs only itself.
func (q *query) levels(r *reader, path string) []level {
	var out []level
	for _, e := range r.list(path) {
		one := &reader{element: e}
		civil, ok := parseCivil(one.word("dateTime"))
		word, long := one.word("level"), one.number("seconds")
		lv, known := levels[word]
		if !known && word != "" {
			q.notes.Add(answer.WordUnknown, path, []byte(word))
		}
		if !ok || !known || !(long >= 0) {
			r.note(path, answer.ErrShape)
			continue
		}
		out = append(out, level{civil, time.Duration(min(long, 1e6)) * time.Second, lv})
	}
	return out
}

// clockwork turns what a clock showed into an instant, the nearest to an expected one; false for what it never shows.
type clockwork func(civil, expected time.Time) (time.Time, bool)

// runs finds out by which clock the levels of a sleep were written: by the one on the wall, or, in a night in which that was set, by one
// that ran on. Only by that is there a time which the clocks on walls skip. Otherwise, by the right one each level begins where the one
// before it ends.
func (w *wall) runs(s metric.Session, levels, short []level) clockwork {
	on := func(civil, _ time.Time) (time.Time, bool) {
		return civil.Add(-time.Duration(s.Offset) * time.Second), true
	}
	for _, l := range slices.Concat(levels, short) {
		if _, ok := w.near(l.civil, s.Start); !ok {
			return on
		}
	}
	gaps := func(at clockwork) (sum time.Duration) {
		expected := s.Start
		for _, l := range levels {
			start, _ := at(l.civil, expected)
			sum += start.Sub(expected).Abs()
			expected = start.Add(l.long)
		}
		return sum
	}
	if gaps(on) < gaps(w.near) {
		return on
	}
	return w.near
}

// staged returns levels as stages in the order of time.
func staged(levels []level, s metric.Session, at clockwork) []stage {
	var out []stage
	expected := s.Start
	for _, l := range levels {
		start, _ := at(l.civil, expected)
		out = append(out, stage{start: start, long: l.long, level: l.level})
		expected = start.Add(l.long)
	}
	slices.SortStableFunc(out, func(a, b stage) int { return a.start.Compare(b.start) })
	return slices.Compact(out)
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

// sleepSummary is the one sample of SleepSummary, at the sleep's start. A classic log has its own levels: asleep counts as light,
// restless as REM, as the Python project had it. Minutes by stage that the service does not sum up are counted from the stages.
func (q *query) sleepSummary(r *reader, s metric.Session, stages []stage) metric.Block {
	row := q.feed.series[0]
	values := make([]float64, len(row.Fields))
	for i := range values {
		values[i] = metric.Absent()
	}
	set := func(key, path string, v float64) {
		i := row.Field(key)
		values[i] = r.within(row.Fields[i], path, math.Round(v))
	}
	for key, path := range map[string]string{"efficiency": "efficiency", "minutesInBed": "timeInBed", "minutesAsleep": "minutesAsleep", "minutesAwake": "minutesAwake",
		"minutesToFallAsleep": "minutesToFallAsleep", "minutesAfterWakeup": "minutesAfterWakeup"} {
		set(key, path, r.number(path))
	}
	const summary = "levels.summary"
	of, _ := r.object(summary)
	counted := !slices.ContainsFunc(r.odd, func(p string) bool { return strings.HasPrefix(p, "levels") })
	classic := s.Title == "classic"
	for _, f := range []struct {
		key, word string
		level     float64
	}{{"minutesLight", word(classic, "asleep", "light"), 1}, {"minutesREM", word(classic, "restless", "rem"), 2}, {"minutesDeep", word(classic, "", "deep"), 0}} {
		path := summary + "." + f.word + ".minutes"
		switch {
		case f.word == "":
			set(f.key, path, 0)
		case len(of) == 0 && len(stages) > 0 && counted:
			set(f.key, path, minutesAt(stages, f.level))
		default:
			set(f.key, path, r.number(path))
		}
	}
	b := metric.Block{Series: row.ID, Device: q.req.Device, Tags: []string{answer.MainTag(s.Main)}}
	b.Append(s.Start.UnixNano(), values...)
	return b
}

func word(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

func minutesAt(stages []stage, level float64) float64 {
	var sum time.Duration
	for _, st := range stages {
		if st.level == level {
			sum += st.long
		}
	}
	return sum.Minutes()
}

// sleepLevels is a sample for each level, at its start, and a closing one at the time of waking.
func (q *query) sleepLevels(s metric.Session, stages []stage) metric.Block {
	row := q.feed.series[1]
	level, duration := row.Field("level"), row.Field("duration_seconds")
	b := metric.Block{Series: row.ID, Device: q.req.Device, Tags: []string{answer.MainTag(s.Main)}, Values: make([][]float64, len(row.Fields))}
	add := func(at time.Time, lv, seconds float64) {
		b.Times = append(b.Times, at.UnixNano())
		b.Values[level] = append(b.Values[level], lv)
		b.Values[duration] = append(b.Values[duration], seconds)
	}
	for _, st := range stages {
		add(st.start, st.level, st.long.Seconds())
	}
	add(s.End, answer.LevelAwake, metric.Absent())
	b.Tidy()
	return b
}

// fetchWorkouts reads the workouts that began on the days of the span, in the person's own time then. The service lists them from a
// day on, oldest first; the list is left where the span ends.
func fetchWorkouts(ctx context.Context, q *query) error {
	first, last := q.req.Span.Days()
	next := question{path: listPath, shown: listPath, query: url.Values{"afterDate": {(first - 2).String()}, "sort": {"asc"}, "offset": {"0"}, "limit": {"100"}}}
	seen := map[string]bool{}
	var before time.Time
	broken := false // the list is not in the order of time: it is read to its end
	for range 500 {
		passed, paged, follow := false, false, ""
		err := q.list(ctx, next, listing{
			key: "activities",
			each: func(e any) error {
				s, err := q.workout(e)
				if err != nil {
					return err
				}
				if s.Day >= first && s.Day <= last {
					q.batch.Sessions = answer.Keep(q.batch.Sessions, s)
				}
				broken = broken || s.Start.Before(before)
				before, passed = s.Start, passed || s.Day > last+1
				return nil
			},
			other: map[string]func(any){"pagination": func(v any) {
				var err error
				follow, err = parsePath("next").word(v)
				object, _ := v.(map[string]any)
				strange := pageKnown.note(q.notes, "pagination", v)
				_, told := object["next"]
				paged = err == nil && v != nil && (told || !strange)
			}},
		})
		if err = q.part(err, q.req.Span); err != nil {
			return err
		}
		if !paged { // what comes behind this page would be lost
			return fmt.Errorf("%w: a page does not tell whether it is the last", answer.ErrShape)
		}
		if follow == "" || passed && !broken {
			q.batch.Sessions = answer.InOrder(q.batch.Sessions)
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

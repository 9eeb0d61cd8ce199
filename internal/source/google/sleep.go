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

// The words of a sleep's stages, and the level that each has in the database since the Python project.
var (
	stageWords  = []string{"DEEP", "LIGHT", "ASLEEP", "REM", "RESTLESS", "AWAKE", "SLEEP_STAGE_TYPE_UNSPECIFIED"}
	stageLevels = []float64{0, 1, 1, 2, 2, 3, 4}
)

const (
	levelUnknown = 4.0
	classic      = "CLASSIC" // a sleep with the stages ASLEEP, RESTLESS and AWAKE

	// unfinished is how long a sleep may stay unprocessed before what there is of it is taken, or the lack of it accepted.
	unfinished = 48 * time.Hour

	longestNight = 16 * time.Hour
	asDoubtful   = 2.0  // minutes by which the summary of a stage may differ from the stages themselves
	wholeNight   = 0.95 // of a sleep, that its stages have to cover to be the judge of its summary
)

// groups are the stages that become one field: its key, and the levels in it.
var groups = [...]struct {
	key   string
	level float64
}{{"minutesDeep", 0}, {"minutesLight", 1}, {"minutesREM", 2}, {"", answer.LevelAwake}}

// nights reads the sleeps of one request.
type nights struct {
	feed  *feed
	req   metric.Request
	batch *metric.Batch
	now   time.Time
	order order
	heard []heard
	told  map[string]bool // of the sleeps, by key: the service says whether it is the main one, or that it is a nap

	form *form
	common
	kind, processed, main, nap, summary     int
	asleep, awake, toFall, afterWake, inBed int
	list, rows                              int // whether the lists of stages, and of their sums, could be understood

	stages []stage           // of the sleep in hand
	sums   []stageSum        // of the sleep in hand
	doubt  bool              // not all of sums could be understood
	torn   [len(groups)]bool // of these groups
	gap    bool              // not all of stages could be understood
}

type stage struct {
	start, end int64
	level      float64
}

// stageSum is a row of the summary: minutes of a stage.
type stageSum struct {
	word    int
	minutes float64
}

// fetchSleep reads the sleeps that ended on the days of the span, in the sleeper's own time. One that is still going on is left out, and its
// day not final.
func fetchSleep(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	n := &nights{feed: f, req: req, batch: batch, now: s.cfg.Now(), form: newForm(), told: map[string]bool{}}
	n.prepare()
	err := s.readSessions(ctx, f, req, batch, sessionReader{form: n.form, member: "sleep.interval.civil_end_time", take: n.take, passed: n.order.over})
	if err != nil {
		return err
	}
	s.settle(f, batch, n.heard)
	answer.ChooseMain(batch.Sessions, func(key string) bool { return n.told[key] })
	return nil
}

func (n *nights) prepare() {
	f := n.form
	n.common = commonOf(f, "sleep")
	n.kind = f.text("sleep.type")
	n.processed, n.main, n.nap = f.flag("sleep.metadata.processed"), f.flag("sleep.metadata.mainSleep"), f.flag("sleep.metadata.nap")
	f.known("sleep.metadata.stagesStatus", "sleep.metadata.manuallyEdited", "sleep.metadata.externalId",
		"sleep.shortAwakenings", "sleep.outOfBedSegments")

	sum := "sleep.summary."
	n.asleep, n.awake = f.number(sum+"minutesAsleep"), f.number(sum+"minutesAwake")
	n.toFall, n.afterWake = f.number(sum+"minutesToFallAsleep"), f.number(sum+"minutesAfterWakeUp")
	n.inBed, n.summary = f.number(sum+"minutesInSleepPeriod"), f.object("sleep.summary")
	word, minutes := f.word(sum+"stagesSummary[].type", stageWords), f.number(sum+"stagesSummary[].minutes")
	f.known(sum + "stagesSummary[].count")
	n.rows = f.object(sum + "stagesSummary[]")
	f.list(sum+"stagesSummary", func(r *record) {
		row := stageSum{r.words[word], r.numbers[minutes]}
		other := slices.ContainsFunc(n.sums, func(o stageSum) bool { return o.word == row.word && o.minutes != row.minutes })
		switch {
		case row.word < 0:
			n.doubt, r.odd = true, true
		case !(row.minutes >= 0) || other: // of two that differ, neither is known to be right, but the stages may tell
			n.doubt, r.odd = true, r.odd || !other
			if i := groupOf(stageLevels[row.word]); i >= 0 {
				n.torn[i] = true
			}
		case !slices.Contains(n.sums, row): // the same twice counts once
			n.sums = append(n.sums, row)
		}
	})

	st := "sleep.stages[]."
	kind, start, end := f.word(st+"type", stageWords), f.instant(st+"startTime"), f.instant(st+"endTime")
	f.known(st+"startUtcOffset", st+"endUtcOffset", st+"createTime", st+"updateTime")
	n.list = f.object("sleep.stages[]")
	f.list("sleep.stages", func(r *record) {
		s, w := stage{r.times[start], r.times[end], levelUnknown}, r.words[kind]
		if w >= 0 {
			s.level = stageLevels[w]
		}
		if r.odd || s.start == 0 || s.end < s.start || w == wordUnknown || w == wordMissing && r.strange {
			n.gap, r.odd = true, true
			return
		}
		n.stages = append(n.stages, s)
	})
}

// take reads one sleep.
func (n *nights) take(r *record) (metric.Span, fate) {
	defer func() {
		n.stages, n.sums, n.doubt, n.torn, n.gap = n.stages[:0], n.sums[:0], false, [len(groups)]bool{}, false
	}()
	begin, end := r.times[n.start], r.times[n.end]
	if begin == 0 {
		return beginless(end, n.req.Span), unreadable
	}
	s, endOffset := n.session(metric.Sleep, r, n.req.Zones)
	if end == 0 {
		n.order.see(s.Start, dayAt(s.Start, s.Offset)+1, n.req.Span)
		if unfinishedAt(s.Start, n.now) {
			day := dayAt(s.Start, s.Offset)
			if n.now.Sub(s.Start) < longestNight { // it goes on
				day = dayAt(n.now, s.Offset)
			}
			notFinal(n.batch, day)
			return metric.Span{}, understood
		}
		return near(s.Start, n.req.Span), impossible
	}
	s.Day = dayAt(s.End, endOffset)
	first, last := n.req.Span.Days()
	around := metric.DaySpan(s.Day, s.Day).Overlap(n.req.Span)
	n.order.see(s.Start, s.Day+1, n.req.Span) // a day of grace: the list is in the order of starts
	if s.End.Before(s.Start) || s.End.After(n.now.Add(day)) {
		return around, impossible
	}
	n.gap, n.doubt = n.gap || r.numbers[n.list] == listOdd, n.doubt || r.numbers[n.rows] == listOdd
	stages := tidied(n.stages)
	if kept := slices.DeleteFunc(stages, func(st stage) bool { return st.end < r.times[n.start] || st.start > r.times[n.end] }); len(kept) < len(stages) {
		stages, n.gap, r.odd = kept, true, true
	}
	whole := n.summarized(r)
	sums, summed := n.sum(s, stages, whole)
	switch done, old := r.numbers[n.processed] == 1, n.now.Sub(s.End) >= unfinished; {
	case (!done || !whole && len(stages) == 0) && !old:
		if s.Day <= last {
			notFinal(n.batch, s.Day)
		}
		return metric.Span{}, understood
	case s.Day < first || s.Day > last:
		return metric.Span{}, understood
	case !whole && len(stages) == 0 && (r.odd || r.strange):
		return around, impossible
	case !whole && len(stages) == 0: // a night of which nothing is known, if it is not another one's mirror
		n.heard = append(n.heard, heard{Session: s, platform: r.texts[n.platform], bare: true, empty: true, doubt: around})
		return around, understood
	}
	s.Title, s.Main = r.texts[n.kind], r.numbers[n.main] == 1
	n.told[s.Key] = metric.Present(r.numbers[n.main]) || r.numbers[n.nap] == 1
	summary, told := n.summaryOf(r, s, stages, sums, summed, whole)
	s.Blocks = []metric.Block{summary, n.levels(s, stages)}
	n.heard = append(n.heard, heard{Session: s, platform: r.texts[n.platform], bare: len(stages) == 0 && !n.measured(r), unsummed: !whole})
	switch {
	case s.Key == "":
		return around, unreadable
	case !told || r.odd || r.strange && (s.Title == "" || r.times[n.updated] == 0):
		return around, impossible
	}
	return around, understood
}

// members are those of the summary that are numbers.
func (n *nights) members() []int { return []int{n.asleep, n.awake, n.toFall, n.afterWake, n.inBed} }

// summarized reports whether there is anything in the summary.
func (n *nights) summarized(r *record) bool {
	return len(n.sums) > 0 || slices.ContainsFunc(n.members(), func(slot int) bool { return metric.Present(r.numbers[slot]) })
}

// measured reports whether anything in the summary is more than 0.
func (n *nights) measured(r *record) bool {
	return slices.ContainsFunc(n.sums, func(s stageSum) bool { return s.minutes > 0 }) ||
		slices.ContainsFunc(n.members(), func(slot int) bool { return r.numbers[slot] > 0 })
}

// tidied returns stages in order, each once.
func tidied(stages []stage) []stage {
	slices.SortStableFunc(stages, func(a, b stage) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end), cmp.Compare(a.level, b.level))
	})
	return slices.Compact(stages)
}

// sum adds up the minutes of each group of stages; absent where they are not known. Where the stages themselves are there for the whole
// night, they are the judge; where there is no summary, each counts. summed says whether all that there is was understood.
func (n *nights) sum(s metric.Session, stages []stage, whole bool) (minutes [len(groups)]float64, summed bool) {
	var byStage, bySum [len(groups)]float64
	covered, twice, until := 0.0, 0.0, int64(math.MinInt64)
	for _, st := range stages { // no moment counts twice
		i := groupOf(st.level)
		if i < 0 {
			continue
		}
		length := float64(max(st.end-max(st.start, until), 0)) / 1e9 / 60
		covered, twice = covered+length, twice+float64(st.end-st.start)/1e9/60-length
		byStage[i] += length
		until = max(until, st.end)
	}
	judge := len(stages) > 0 && !n.gap && twice <= asDoubtful && covered >= wholeNight*s.End.Sub(s.Start).Minutes()
	for i := range groups {
		bySum[i] = metric.Absent()
	}
	for _, row := range n.sums {
		if i := groupOf(stageLevels[row.word]); i >= 0 && !n.torn[i] {
			if !metric.Present(bySum[i]) {
				bySum[i] = 0
			}
			bySum[i] += row.minutes
		}
	}
	switch {
	case judge && n.doubt:
		return byStage, true
	case judge:
		for i := range groups {
			if len(n.sums) == 0 || math.Abs(byStage[i]-bySum[i]) > asDoubtful {
				return byStage, true
			}
		}
	case !whole && !n.doubt && !n.gap: // of a part of the night, it is not known what there was none of
		for i := range groups {
			if byStage[i] > 0 {
				bySum[i] = byStage[i]
			}
		}
	}
	for i := range groups {
		if judge && !metric.Present(bySum[i]) {
			bySum[i] = byStage[i]
		}
	}
	return bySum, judge || len(n.sums) > 0 && !n.doubt
}

func groupOf(level float64) int {
	for i, g := range groups {
		if g.level == level {
			return i
		}
	}
	return -1
}

// summaryOf is the one sample of SleepSummary, at the sleep's start. told says whether all in it is as the service says it.
func (n *nights) summaryOf(r *record, s metric.Session, stages []stage, sums [len(groups)]float64, summed, whole bool) (block metric.Block, told bool) {
	row := n.feed.series[0]
	values := make([]float64, len(row.Fields))
	for i := range values {
		values[i] = metric.Absent()
	}
	told = (!n.doubt || summed) && !(r.strange && (!summed || len(stages) == 0))
	set := func(key string, v float64) {
		i := row.Field(key)
		switch {
		case !metric.Present(v):
			told = told && !r.strange
		case row.Fields[i].Possible(v):
			values[i] = math.Round(v)
		default:
			told = false
		}
	}
	asleep, awake, bed := r.numbers[n.asleep], r.numbers[n.awake], r.numbers[n.inBed]
	if !whole && !r.strange && !r.odd { // there is none; one that cannot be understood is another matter
		bed = s.End.Sub(s.Start).Minutes()
		if s.Title == classic { // its restless minutes, which stand where REM does, are none asleep to the service
			asleep, awake = known(sums[0], sums[1]), known(sums[2], sums[3])
		} else {
			asleep, awake = known(sums[0], sums[1], sums[2]), sums[3]
		}
	}
	if bed > 0 && (whole || summed) {
		set("efficiency", 100*asleep/bed)
	}
	set("minutesInBed", bed)
	set("minutesAsleep", asleep)
	set("minutesAwake", awake)
	set("minutesToFallAsleep", r.numbers[n.toFall])
	set("minutesAfterWakeup", r.numbers[n.afterWake])
	if s.Title == classic && summed && !metric.Present(sums[0]) { // it knows no depth, and has 0 of it since the Python project
		sums[0] = 0
	}
	for i, g := range groups {
		if g.key != "" && metric.Present(sums[i]) {
			set(g.key, sums[i])
		}
	}
	b := metric.Block{Series: row.ID, Device: n.req.Device, Tags: []string{answer.MainTag(s.Main)}}
	b.Append(s.Start.UnixNano(), values...)
	return b, told
}

// known adds up what is known; absent where nothing is.
func known(parts ...float64) float64 {
	sum := metric.Absent()
	for _, v := range parts {
		switch {
		case !metric.Present(v):
		case metric.Present(sum):
			sum += v
		default:
			sum = v
		}
	}
	return sum
}

// levels is a sample for each stage, at its start, and a closing one at the time of waking.
func (n *nights) levels(s metric.Session, stages []stage) metric.Block {
	row := n.feed.series[1]
	level, duration := row.Field("level"), row.Field("duration_seconds")
	b := metric.Block{Series: row.ID, Device: n.req.Device, Tags: []string{answer.MainTag(s.Main)}, Values: make([][]float64, len(row.Fields))}
	add := func(t int64, lv, d float64) {
		b.Times = append(b.Times, t)
		b.Values[level] = append(b.Values[level], lv)
		b.Values[duration] = append(b.Values[duration], d)
	}
	for _, st := range stages {
		add(st.start, st.level, math.Round(float64(st.end-st.start)/1e9))
	}
	add(s.End.UnixNano(), answer.LevelAwake, metric.Absent())
	b.Tidy()
	return b
}

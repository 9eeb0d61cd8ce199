package google

import (
	"context"
	"fmt"
	"math"
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
	deep, light, asleep, rem, restless = 0, 1, 2, 3, 4 // indexes of stageWords

	levelAwake   = 3.0
	levelUnknown = 4.0

	// unfinished is how long a sleep may stay unprocessed before what there is of it is taken, or the lack of it accepted.
	unfinished = 48 * time.Hour
)

// nights reads the sleeps of one request.
type nights struct {
	feed   *feed
	req    metric.Request
	batch  *metric.Batch
	now    time.Time
	passed bool
	odd    func(path string) // counts what cannot be

	form *form
	common
	kind, processed, main, summary          int
	asleep, awake, toFall, afterWake, inBed int

	stages  []stage   // of the sleep in hand
	minutes []float64 // of the sleep in hand, by stage word
	summed  bool      // any of minutes is there
}

type stage struct {
	start, end int64
	level      float64
}

// fetchSleep reads the sleeps that ended on the days of the span, in the sleeper's own time. One that is still going on is left out, and its
// day not final.
func fetchSleep(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	n := &nights{feed: f, req: req, batch: batch, now: s.cfg.Now(), odd: s.odd(f), form: newForm(), minutes: make([]float64, len(stageWords))}
	n.prepare()
	err := s.readSessions(ctx, f, req, batch, sessionReader{form: n.form, member: "sleep.interval.civil_end_time", take: n.take,
		passed: func() bool { return n.passed }})
	batch.Sessions = inOrder(batch.Sessions)
	return err
}

func (n *nights) prepare() {
	f := n.form
	n.common = commonOf(f, "sleep")
	n.kind = f.text("sleep.type")
	n.processed, n.main = f.flag("sleep.metadata.processed"), f.flag("sleep.metadata.mainSleep")
	f.known("sleep.metadata.stagesStatus", "sleep.metadata.nap", "sleep.metadata.manuallyEdited", "sleep.metadata.externalId",
		"sleep.shortAwakenings", "sleep.outOfBedSegments")

	sum := "sleep.summary."
	n.asleep, n.awake = f.number(sum+"minutesAsleep"), f.number(sum+"minutesAwake")
	n.toFall, n.afterWake = f.number(sum+"minutesToFallAsleep"), f.number(sum+"minutesAfterWakeUp")
	n.inBed, n.summary = f.number(sum+"minutesInSleepPeriod"), f.object("sleep.summary")
	word, minutes := f.word(sum+"stagesSummary[].type", stageWords), f.number(sum+"stagesSummary[].minutes")
	f.known(sum + "stagesSummary[].count")
	f.list(sum+"stagesSummary", func(r *record) {
		n.summed = true
		if w := r.words[word]; w >= 0 && metric.Present(r.numbers[minutes]) {
			n.minutes[w] += r.numbers[minutes]
		}
	})

	st := "sleep.stages[]."
	kind, start, end := f.word(st+"type", stageWords), f.instant(st+"startTime"), f.instant(st+"endTime")
	f.known(st+"startUtcOffset", st+"endUtcOffset", st+"createTime", st+"updateTime")
	f.list("sleep.stages", func(r *record) {
		level := levelUnknown
		if w := r.words[kind]; w >= 0 {
			level = stageLevels[w]
		}
		n.stages = append(n.stages, stage{r.times[start], r.times[end], level})
	})
}

// take reads one sleep.
func (n *nights) take(r *record) error {
	stages, summed := n.stages, n.summed
	minutes := append([]float64(nil), n.minutes...)
	n.stages, n.summed = n.stages[:0], false
	clear(n.minutes)
	if !r.seen {
		return nil
	}
	if r.times[n.start] == 0 || r.times[n.end] == 0 {
		return fmt.Errorf("%w: a sleep has no start or no end", answer.ErrShape)
	}
	s := n.session(metric.Sleep, r)
	if s.End.Before(s.Start) {
		n.odd("sleep.interval")
		return nil
	}
	s.Day = dayAt(s.End, seconds(r.numbers[n.endOffset]))
	first, last := n.req.Span.Days()
	n.passed = n.passed || s.Day < first-1 // one day of grace: the list is in the order of starts
	whole := metric.Present(r.numbers[n.summary])
	if !whole || r.numbers[n.processed] != 1 {
		if recent := n.now.Sub(s.End) < unfinished; recent || !whole {
			if recent && s.Day <= last {
				notFinal(n.batch, s.Day)
			}
			return nil
		}
	}
	if s.Day < first || s.Day > last {
		return nil
	}
	s.Title, s.Main = r.texts[n.kind], r.numbers[n.main] == 1
	s.Blocks = []metric.Block{n.summaryOf(r, s, minutes, summed), n.levels(s, stages)}
	n.batch.Sessions = keep(n.batch.Sessions, s)
	return nil
}

// tag is a boolean as the Python project wrote it.
func tag(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// summaryOf is the one sample of SleepSummary, at the sleep's start.
func (n *nights) summaryOf(r *record, s metric.Session, minutes []float64, summed bool) metric.Block {
	row := n.feed.series[0]
	values := make([]float64, len(row.Fields))
	for i := range values {
		values[i] = metric.Absent()
	}
	set := func(key string, v float64) { values[row.Field(key)] = math.Round(v) }
	number := func(slot int) float64 { // the summary is there, so what is left out of it is 0
		if v := r.numbers[slot]; metric.Present(v) {
			return v
		}
		return 0
	}
	bed := r.numbers[n.inBed]
	if !metric.Present(bed) {
		bed = s.End.Sub(s.Start).Minutes()
	}
	if bed > 0 {
		set("efficiency", 100*number(n.asleep)/bed)
	}
	set("minutesInBed", bed)
	set("minutesAsleep", number(n.asleep))
	set("minutesAwake", number(n.awake))
	set("minutesToFallAsleep", number(n.toFall))
	set("minutesAfterWakeup", number(n.afterWake))
	if summed {
		set("minutesLight", minutes[light]+minutes[asleep])
		set("minutesREM", minutes[rem]+minutes[restless])
		set("minutesDeep", minutes[deep])
	}
	b := metric.Block{Series: row.ID, Device: n.req.Device, Tags: []string{tag(s.Main)}}
	b.Append(s.Start.UnixNano(), values...)
	return b
}

// levels is a sample for each stage, at its start, and a closing one at the time of waking.
func (n *nights) levels(s metric.Session, stages []stage) metric.Block {
	row := n.feed.series[1]
	level, duration := row.Field("level"), row.Field("duration_seconds")
	b := metric.Block{Series: row.ID, Device: n.req.Device, Tags: []string{tag(s.Main)}, Values: make([][]float64, len(row.Fields))}
	add := func(t int64, lv, d float64) {
		b.Times = append(b.Times, t)
		b.Values[level] = append(b.Values[level], lv)
		b.Values[duration] = append(b.Values[duration], d)
	}
	for _, st := range stages {
		if st.start != 0 && st.end >= st.start {
			add(st.start, st.level, math.Round(float64(st.end-st.start)/1e9))
		}
	}
	add(s.End.UnixNano(), levelAwake, metric.Absent())
	b.Tidy()
	return b
}

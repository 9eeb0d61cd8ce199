package google

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// workouts reads the workouts of one request.
type workouts struct {
	feed  *feed
	req   metric.Request
	batch *metric.Batch
	now   time.Time
	order order
	heard []heard

	form *form
	common
	title, typ, active, gps            int
	calories, distance, steps, average int
}

// fetchWorkouts reads the workouts that began on the days of the span, in the person's own time then.
func fetchWorkouts(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	w := &workouts{feed: f, req: req, batch: batch, now: s.cfg.Now(), form: newForm()}
	w.prepare()
	err := s.readSessions(ctx, f, req, batch, sessionReader{form: w.form, member: "exercise.interval.civil_start_time", take: w.take,
		passed: w.order.over})
	batch.Sessions = unmirrored(w.heard)
	return err
}

func (w *workouts) prepare() {
	f := w.form
	w.common = commonOf(f, "exercise")
	w.title, w.typ = f.text("exercise.displayName"), f.text("exercise.exerciseType")
	w.active, w.gps = f.seconds("exercise.activeDuration"), f.flag("exercise.exerciseMetadata.hasGps")
	sum := "exercise.metricsSummary."
	w.calories, w.distance = f.number(sum+"caloriesKcal"), f.number(sum+"distanceMillimeters")
	w.steps, w.average = f.number(sum+"steps"), f.number(sum+"averageHeartRateBeatsPerMinute")
	f.known("exercise.notes", "exercise.exerciseMetadata.poolLengthMillimeters", "exercise.splits", "exercise.splitSummaries", "exercise.exerciseEvents")
	for _, k := range []string{"activeZoneMinutes", "averagePaceSecondsPerMeter", "averageSpeedMillimetersPerSecond", "elevationGainMillimeters",
		"runVo2Max", "totalSwimLengths", "heartRateZoneDurations", "mobilityMetrics"} {
		f.known(sum + k)
	}
}

// take reads one workout.
func (w *workouts) take(r *record) (metric.Span, fate) {
	begin, end := r.times[w.start], r.times[w.end]
	if begin == 0 {
		return beginless(end, w.req.Span), unreadable
	}
	s, _ := w.session(metric.Workout, r, w.req.Zones)
	s.Day = dayAt(s.Start, s.Offset)
	first, last := w.req.Span.Days()
	w.order.see(s.Start, s.Day, w.req.Span)
	around := metric.DaySpan(s.Day, s.Day).Overlap(w.req.Span)
	switch {
	case s.Day < first || s.Day > last:
		return metric.Span{}, understood
	case end == 0 && unfinishedAt(s.Start, w.now):
		notFinal(w.batch, s.Day)
		return around, understood
	case s.End.Before(s.Start):
		return around, impossible
	}
	s.Title, s.HasTrack = cmp.Or(r.texts[w.title], r.texts[w.typ], answer.Unnamed), r.numbers[w.gps] == 1
	block, told := w.sample(r, s)
	s.Blocks = []metric.Block{block}
	bare := true
	for _, slot := range []int{w.calories, w.distance, w.steps, w.average} {
		bare = bare && !(r.numbers[slot] > 0)
	}
	w.heard = append(w.heard, heard{Session: s, platform: r.texts[w.platform], bare: bare})
	switch {
	case s.Key == "":
		return around, unreadable
	case !told || r.odd || r.strange && (r.texts[w.title] == "" || !metric.Present(r.numbers[w.gps]) || r.times[w.updated] == 0):
		return around, impossible
	}
	return around, understood
}

// sample is the one sample of a workout, at its start. told says whether all in it is as the service says it.
func (w *workouts) sample(r *record, s metric.Session) (block metric.Block, told bool) {
	row := w.feed.series[0]
	values := make([]float64, len(row.Fields))
	told = true
	for key, v := range map[string]float64{
		"ActiveDuration":   math.Round(r.numbers[w.active] * 1000),
		"AverageHeartRate": math.Round(r.numbers[w.average]),
		"calories":         math.Round(r.numbers[w.calories]),
		"duration":         float64(s.End.Sub(s.Start).Milliseconds()),
		"steps":            math.Round(r.numbers[w.steps]),
		"distance":         r.numbers[w.distance] / 1e6,
	} {
		i := row.Field(key)
		if values[i] = v; metric.Present(v) && !row.Fields[i].Possible(v) {
			values[i], told = metric.Absent(), false
		} else if !metric.Present(v) && r.strange {
			told = false
		}
	}
	b := metric.Block{Series: row.ID, Tags: []string{s.Title}}
	b.Append(s.Start.UnixNano(), values...)
	return b, told
}

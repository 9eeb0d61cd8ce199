package google

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// unnamed is the name of a workout that has none, as the Python project wrote it.
const unnamed = "Unknown-Activity"

// workouts reads the workouts of one request.
type workouts struct {
	feed   *feed
	req    metric.Request
	batch  *metric.Batch
	passed bool
	bare   []metric.Session  // those without any metric
	odd    func(path string) // counts what cannot be

	form *form
	common
	title, typ, active, gps            int
	calories, distance, steps, average int
}

// fetchWorkouts reads the workouts that began on the days of the span, in the person's own time then.
func fetchWorkouts(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	w := &workouts{feed: f, req: req, batch: batch, odd: s.odd(f), form: newForm()}
	w.prepare()
	err := s.readSessions(ctx, f, req, batch, sessionReader{form: w.form, member: "exercise.interval.civil_start_time", take: w.take,
		passed: func() bool { return w.passed }})
	w.bareOnes()
	batch.Sessions = inOrder(batch.Sessions)
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
func (w *workouts) take(r *record) error {
	if !r.seen {
		return nil
	}
	if r.times[w.start] == 0 || r.times[w.end] == 0 {
		return fmt.Errorf("%w: a workout has no start or no end", answer.ErrShape)
	}
	s := w.session(metric.Workout, r)
	if s.End.Before(s.Start) {
		w.odd("exercise.interval")
		return nil
	}
	s.Day = dayAt(s.Start, s.Offset)
	first, last := w.req.Span.Days()
	w.passed = w.passed || s.Day < first
	if s.Day < first || s.Day > last {
		return nil
	}
	s.Title, s.HasTrack = cmp.Or(r.texts[w.title], r.texts[w.typ], unnamed), r.numbers[w.gps] == 1
	s.Blocks = []metric.Block{w.sample(r, s)}
	bare := true
	for _, slot := range []int{w.calories, w.distance, w.steps, w.average} {
		bare = bare && !metric.Present(r.numbers[slot])
	}
	if bare {
		w.bare = append(w.bare, s)
		return nil
	}
	w.batch.Sessions = keep(w.batch.Sessions, s)
	return nil
}

// sample is the one sample of a workout, at its start.
func (w *workouts) sample(r *record, s metric.Session) metric.Block {
	row := w.feed.series[0]
	values := make([]float64, len(row.Fields))
	for key, v := range map[string]float64{
		"ActiveDuration":   math.Round(r.numbers[w.active] * 1000),
		"AverageHeartRate": math.Round(r.numbers[w.average]),
		"calories":         math.Round(r.numbers[w.calories]),
		"duration":         float64(s.End.Sub(s.Start).Milliseconds()),
		"steps":            math.Round(r.numbers[w.steps]),
		"distance":         r.numbers[w.distance] / 1e6,
	} {
		values[row.Field(key)] = v
	}
	b := metric.Block{Series: row.ID, Tags: []string{s.Title}}
	b.Append(s.Start.UnixNano(), values...)
	return b
}

// bareOnes takes in the workouts without any metric, but for those which repeat another one: some apps mirror a session that way.
func (w *workouts) bareOnes() {
	for _, b := range w.bare {
		mirror := slices.ContainsFunc(w.batch.Sessions, func(o metric.Session) bool {
			return o.Key != b.Key && o.Start.Before(b.End) && b.Start.Before(o.End)
		})
		if !mirror {
			w.batch.Sessions = keep(w.batch.Sessions, b)
		}
	}
}

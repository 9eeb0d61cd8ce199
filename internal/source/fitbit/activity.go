package fitbit

import (
	"context"
	"fmt"
	"net/http"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// summaries is how many days are asked for by the summary of each day, which brings in one request what takes nine for longer spans.
// It counts what was entered by hand too; a day that is over is read again from the tracker's own series with the late data.
const summaries = 2

// holes is of how many days at most a summary is asked for what could not be read of them in longer spans: those of late data.
const holes = 7

// fetchActivity reads what a tracker adds up in a day. A total that cannot be read in a longer span is taken from the day's summary, if it
// is one of the last days: the archive may hold it from a time when the day was not over, and would keep that.
func fetchActivity(ctx context.Context, q *query) error {
	first, last := q.req.Span.Days()
	rows := newTable(q)
	long := last-first+1 > summaries
	if long {
		for _, r := range q.feed.resources {
			if err := q.days(ctx, r, rows); err != nil {
				return err
			}
		}
		rows.fill = true
	}
	asked := 0
	for d := last; d >= first && (!long || asked < holes); d-- {
		if long && (len(q.batch.Odd)+len(q.unread) == 0 || d > dayAt(q.req.Zones, q.cfg.Now()) || !rows.lacks(d)) {
			continue
		}
		asked++
		if err := q.part(q.summary(ctx, d, rows), metric.DaySpan(d, d)); err != nil {
			return err
		}
	}
	rows.measured()
	q.batch.Blocks = rows.blocks()
	return nil
}

// summaryPaths are the members of a summary by series and field.
var summaryPaths = []Selector{
	{Series: "steps", Field: "value", Path: "summary.steps"},
	{Series: "distance", Field: "value", Path: "summary.distances[activity=tracker].distance"},
	{Series: "calories", Field: "value", Path: "summary.caloriesOut"},
	{Series: "activity_minutes", Field: "minutesSedentary", Path: "summary.sedentaryMinutes"},
	{Series: "activity_minutes", Field: "minutesLightlyActive", Path: "summary.lightlyActiveMinutes"},
	{Series: "activity_minutes", Field: "minutesFairlyActive", Path: "summary.fairlyActiveMinutes"},
	{Series: "activity_minutes", Field: "minutesVeryActive", Path: "summary.veryActiveMinutes"},
	{Series: "floors", Field: "value", Path: "summary.floors"},
	{Series: "elevation", Field: "value", Path: "summary.elevation"},
}

// summaryKnown are those that are left alone: heart zones and resting rate have a feed of their own.
var summaryKnown = []string{"activities", "goals", "summary.activeScore", "summary.activityCalories", "summary.caloriesBMR", "summary.calorieEstimationMu",
	"summary.caloriesBMRUnestimated", "summary.caloriesOutUnestimated", "summary.calorieEstimationSmoothedMu", "summary.useEstimation", "summary.customHeartRateZones",
	"summary.heartRateZones", "summary.marginalCalories", "summary.restingHeartRate"}

func (q *query) summary(ctx context.Context, d metric.Day, rows *table) error {
	const shape = "/1/user/-/activities/date/%s.json"
	r := &resource{Resource: Resource{Key: "summary", Known: summaryKnown, Sparse: true}}
	paths := summaryKnown
	for _, sel := range summaryPaths {
		c, err := q.feed.column(sel)
		if err != nil {
			return err
		}
		r.columns, paths = append(r.columns, c), append(paths[:len(paths):len(paths)], sel.Path)
	}
	return q.ask(ctx, question{path: fmt.Sprintf(shape, d), shown: fmt.Sprintf(shape, "{day}")}, func(b *answer.Body) error {
		doc, err := readDocument(b)
		if err != nil {
			return err
		}
		if sum, _ := doc["summary"].(map[string]any); len(sum) == 0 {
			return fmt.Errorf("%w: no summary in it", answer.ErrShape)
		}
		q.on(d)
		rows.strange = knownOf(paths...).note(q.notes, "", doc)
		return rows.put(r, doc, q.req.Zones.Midnight(d))
	})
}

// readDocument reads an answer that is one object.
func readDocument(b *answer.Body) (map[string]any, error) {
	dec, err := b.JSON("{")
	if err != nil {
		return nil, err
	}
	v, err := readTree(dec)
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), b.End()
}

// fetchTrack reads the track of one workout. A workout that is gone at the service has an empty one, for good.
func fetchTrack(ctx context.Context, q *query) error {
	s := q.req.Session
	if s == nil || !digits(s.Key) {
		return badRequest("a track needs the id of its workout")
	}
	q.batch.Kind, q.batch.Session, q.batch.Updated = s.Kind, s.Key, s.Updated
	if q.batch.Kind == "" {
		q.batch.Kind = metric.Workout
	}
	const shape = "/1/user/-/activities/%s.tcx"
	var track metric.Block
	err := q.ask(ctx, question{path: fmt.Sprintf(shape, s.Key), shown: fmt.Sprintf(shape, "{id}"), query: map[string][]string{"includePartialTCX": {"true"}}},
		func(b *answer.Body) error {
			c, r, err := b.First()
			switch {
			case err != nil:
				return err
			case c == '<' && answer.IsHTML(b.Head):
				return answer.ErrHTML
			case c != '<':
				return fmt.Errorf("%w: the track is no XML", answer.ErrShape)
			}
			var odd int
			if track, odd, err = answer.ReadTCX(r, q.feed.series[0], b.Next); odd > 0 {
				q.surprises.Add(q.feed.Feed.ID, answer.PointOdd, "Trackpoint", odd, q.cfg.Now())
			}
			return err
		})
	if statusOf(err) == http.StatusNotFound {
		return nil
	}
	track.Tags = []string{answer.ActivityID(*s)}
	q.batch.Blocks = metric.Tidied([]metric.Block{track})
	return err
}

func digits(s string) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

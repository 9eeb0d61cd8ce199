package fitbit

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

const (
	listPath = "/1/user/-/activities/list.json"

	// unnamed is the name of a workout that has none, as the Python project wrote it.
	unnamed = "Unknown-Activity"

	kilometresOfMile = 1.609344
)

// workoutKnown are the members of a workout.
var workoutKnown = knownOf("activeDuration", "activeZoneMinutes", "activityLevel", "activityName", "activityTypeId", "averageHeartRate", "calories", "caloriesLink",
	"detailsLink", "distance", "distanceUnit", "duration", "elevationGain", "hasActiveZoneMinutes", "hasGps", "heartRateLink", "heartRateZones", "inProgress",
	"intervalWorkoutData", "lastModified", "logId", "logType", "manualInsulin", "manualValuesSpecified", "originalDuration", "originalStartTime", "pace", "poolLength",
	"poolLengthUnit", "shouldFetchDetails", "source", "speed", "startTime", "steps", "swimLengths", "tcxLink", "customHeartRateZones", "vo2Max")

// nextPage is the address of a list's next page, at our own service: the link names its host, which may be another one's.
func nextPage(link string) (question, error) {
	u, err := url.Parse(link)
	if err != nil || !strings.HasSuffix(u.Path, "/activities/list.json") {
		return question{}, fmt.Errorf("%w: the next page has no address of a list", answer.ErrShape)
	}
	return question{path: listPath, shown: listPath, query: u.Query()}, nil
}

// workout reads one workout; none where it has no id or no start.
func (q *query) workout(e any) (metric.Session, error) {
	workoutKnown.note(q.notes, "activities", e)
	r := &reader{element: e}
	s := metric.Session{Kind: metric.Workout, Key: r.word("logId"), Title: cmp.Or(r.word("activityName"), unnamed), HasTrack: r.flag("hasGps")}
	start, lasted := r.word("startTime"), r.number("duration")
	if t, err := time.Parse(time.RFC3339Nano, r.word("lastModified")); err == nil {
		s.Updated = t.UTC()
	}
	active, average := r.number("activeDuration"), r.number("averageHeartRate")
	calories, steps, far := r.number("calories"), r.number("steps"), r.number("distance")
	if r.word("distanceUnit") == "Mile" {
		far *= kilometresOfMile
	}
	link := r.word("heartRateLink")
	if r.err != nil {
		return s, r.err
	}
	if !q.begins(&s, start, link) {
		q.odd("activities: a workout without id, or without a start that can be read")
		return metric.Session{}, nil
	}
	s.End = s.Start
	if metric.Present(lasted) && lasted > 0 {
		s.End = s.Start.Add(time.Duration(lasted) * time.Millisecond)
	}
	row := q.feed.series[0]
	values := make([]float64, len(row.Fields))
	for key, v := range map[string]float64{"ActiveDuration": active, "AverageHeartRate": average, "calories": calories, "duration": lasted, "steps": steps} {
		values[row.Field(key)] = math.Round(v)
	}
	values[row.Field("distance")] = far
	if allAbsent(values) {
		return s, nil
	}
	b := metric.Block{Series: row.ID, Tags: []string{s.Title}}
	b.Append(s.Start.UnixNano(), values...)
	s.Blocks = []metric.Block{b}
	return s, nil
}

func allAbsent(values []float64) bool {
	for _, v := range values {
		if metric.Present(v) {
			return false
		}
	}
	return true
}

// begins sets start, day and offset. A start with a Z was written from the local clock in old logs: it is local where the link to its
// heart rate names the same time of day, or there is no such link.
func (q *query) begins(s *metric.Session, text, link string) bool {
	t, err := time.Parse(time.RFC3339Nano, text)
	civil, zone := t.UTC(), strings.HasSuffix(text, "Z")
	switch {
	case err == nil && !sane(t), s.Key == "":
		return false
	case err == nil && !zone:
		_, s.Offset = t.Zone()
		s.Start, s.Day = t.UTC(), metric.DayOf(t)
		return true
	case err == nil && zone && link != "" && !strings.Contains(link, "/time/"+civil.Format("15:04")):
		s.Start, s.Day = civil, dayAt(q.req.Zones, civil)
		s.Offset = int(offset(q.req.Zones.On(s.Day), civil).Seconds())
		return true
	case err != nil:
		var ok bool
		if civil, ok = parseCivil(text); !ok {
			return false
		}
	}
	w := wall{zones: q.req.Zones}
	at, ok := w.at(civil)
	s.Start, s.Day = at, metric.DayOf(civil)
	s.Offset = int(offset(q.req.Zones.On(s.Day), at).Seconds())
	return ok
}

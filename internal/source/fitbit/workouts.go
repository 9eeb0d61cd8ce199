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

	kilometresOfMile = 1.609344
)

// workoutKnown are the members of a workout.
var workoutKnown = knownOf("activeDuration", "activeZoneMinutes", "activityLevel", "activityName", "activityTypeId", "averageHeartRate", "calories", "caloriesLink",
	"detailsLink", "distance", "distanceUnit", "duration", "elevationGain", "hasActiveZoneMinutes", "hasGps", "heartRateLink", "heartRateZones", "inProgress",
	"intervalWorkoutData", "lastModified", "logId", "logType", "manualInsulin", "manualValuesSpecified", "originalDuration", "originalStartTime", "pace", "poolLength",
	"poolLengthUnit", "shouldFetchDetails", "source", "speed", "startTime", "steps", "swimLengths", "tcxLink", "customHeartRateZones", "vo2Max")

// pageKnown are the members of what tells the next page.
var pageKnown = knownOf("afterDate", "beforeDate", "limit", "next", "offset", "previous", "sort")

// nextPage is the address of a list's next page, at our own service: the link names its host, which may be another one's.
func nextPage(link string) (question, error) {
	u, err := url.Parse(link)
	if err != nil || !strings.HasSuffix(u.Path, "/activities/list.json") {
		return question{}, fmt.Errorf("%w: the next page has no address of a list", answer.ErrShape)
	}
	return question{path: listPath, shown: listPath, query: u.Query()}, nil
}

// lengths are kilometres of a unit, by its name in answers.
var lengths = map[string]float64{"Kilometer": 1, "Mile": kilometresOfMile, "Meter": 0.001, "Yard": 0.0009144, "Foot": 0.0003048}

// workout reads one workout.
func (q *query) workout(e any) (metric.Session, error) {
	strange := workoutKnown.note(q.notes, "activities", e)
	r := &reader{element: e}
	s := metric.Session{Kind: metric.Workout, Key: r.word("logId"), Title: cmp.Or(r.word("activityName"), answer.Unnamed)}
	s.HasTrack, _ = r.flag("hasGps")
	if !q.begins(&s, r.word("startTime"), r.word("heartRateLink")) {
		return metric.Session{}, fmt.Errorf("%w: a workout has no id, or no start that can be read", answer.ErrShape)
	}
	q.on(s.Day)
	if text := r.word("lastModified"); text != "" {
		t, err := time.Parse(time.RFC3339Nano, text)
		r.note("lastModified", err)
		if err == nil {
			s.Updated = t.UTC()
		}
	}
	lasted, far := r.number("duration"), r.number("distance")
	if unit := r.word("distanceUnit"); metric.Present(far) {
		per, known := lengths[unit]
		if !known {
			q.notes.Add(answer.UnitUnknown, "activities.distanceUnit", []byte(unit))
			r.note("distanceUnit", answer.ErrShape)
			per = metric.Absent()
		}
		far *= per
	}
	s.End = s.Start
	if metric.Present(lasted) && lasted > 0 {
		s.End = s.Start.Add(time.Duration(lasted) * time.Millisecond)
	}
	row := q.feed.series[0]
	values := make([]float64, len(row.Fields))
	for key, v := range map[string]float64{"ActiveDuration": math.Round(r.number("activeDuration")), "AverageHeartRate": math.Round(r.number("averageHeartRate")),
		"calories": math.Round(r.number("calories")), "duration": math.Round(lasted), "steps": math.Round(r.number("steps")), "distance": far} {
		i := row.Field(key)
		values[i] = r.within(row.Fields[i], key, v)
	}
	q.counted("activities", r, strange)
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
	case err == nil && !sane(t), s.Key == "" || !digits(s.Key):
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

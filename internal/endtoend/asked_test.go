package endtoend

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// request is what the service was asked, as its log tells.
type request struct {
	feed string // of the Google source; empty for what covers nothing: devices, settings, heights
	span metric.Span
	days bool // the span is one of calendar days
	id   string
}

var (
	operation = regexp.MustCompile(`/dataTypes/([a-z0-9-]+)/dataPoints(?::(\w+)|/(\d+):exportExerciseTcx)?$`)
	bound     = regexp.MustCompile(`(>=|<) "([^"]+)"`)
)

// feedOf names the feed that a data type and an operation belong to.
func feedOf(kind, op string) string {
	named := map[string]string{
		"heart-rate reconcile": "heart_rate", "heart-rate rollUp": "heart_rate_minute", "daily-resting-heart-rate reconcile": "resting_heart_rate",
		"time-in-heart-rate-zone dailyRollUp": "heart_zones", "active-zone-minutes dailyRollUp": "active_zone_minutes",
		"daily-heart-rate-variability reconcile": "hrv", "heart-rate-variability reconcile": "hrv_intraday", "steps reconcile": "steps_intraday", "distance reconcile": "distance_intraday", "floors reconcile": "floors_intraday",
		"altitude reconcile": "elevation_intraday", "total-calories rollUp": "calories_intraday",
		"steps dailyRollUp": "steps", "distance dailyRollUp": "distance", "total-calories dailyRollUp": "calories",
		"active-energy-burned dailyRollUp": "active_calories", "floors dailyRollUp": "floors", "altitude dailyRollUp": "elevation",
		"activity-level dailyRollUp": "activity_minutes", "sleep reconcile": "sleep", "daily-respiratory-rate reconcile": "breathing_rate",
		"respiratory-rate-sleep-summary reconcile": "breathing_rate_stages", "daily-oxygen-saturation reconcile": "spo2",
		"oxygen-saturation reconcile": "spo2_intraday", "daily-sleep-temperature-derivations reconcile": "skin_temperature",
		"weight reconcile": "weight", "body-fat reconcile": "body_fat", "core-body-temperature reconcile": "core_temperature", "daily-vo2-max reconcile": "vo2_max", "exercise reconcile": "workouts",
	}
	return named[kind+" "+op]
}

// parse reads a line of the service's log.
func parse(l simulate.Logged) request {
	m := operation.FindStringSubmatch(l.Path)
	switch {
	case m == nil:
		return request{}
	case m[3] != "":
		return request{feed: "track", id: m[3]}
	}
	r := request{feed: feedOf(m[1], m[2])}
	if strings.HasSuffix(m[2], "ollUp") {
		r.ofBody(l.Body)
		return r
	}
	for _, b := range bound.FindAllStringSubmatch(filterOf(l.Query), -1) {
		t, err := time.Parse(time.RFC3339Nano, b[2])
		if err != nil {
			t, _ = time.Parse(time.DateOnly, b[2])
			r.days = true
		}
		if b[1] == "<" {
			r.span.End = t
		} else {
			r.span.Start = t
		}
	}
	return r
}

// ofBody reads the range of a roll-up.
func (r *request) ofBody(body string) {
	type civil struct {
		Date struct{ Year, Month, Day int }
	}
	var b struct {
		Range struct {
			StartTime, EndTime time.Time
			Start, End         *civil
		}
	}
	if json.Unmarshal([]byte(body), &b) != nil {
		return
	}
	r.span = metric.Span{Start: b.Range.StartTime, End: b.Range.EndTime}
	if s, e := b.Range.Start, b.Range.End; s != nil && e != nil {
		r.days = true
		r.span.Start = time.Date(s.Date.Year, time.Month(s.Date.Month), s.Date.Day, 0, 0, 0, 0, time.UTC)
		r.span.End = time.Date(e.Date.Year, time.Month(e.Date.Month), e.Date.Day, 0, 0, 0, 0, time.UTC)
	}
}

// again returns how much of a request had been answered finally before.
func (r request) again(cover []metric.Covered) (sum time.Duration) {
	for _, c := range cover {
		if o := c.Span.Overlap(r.span); c.Final && !o.Empty() {
			sum += o.Len()
		}
	}
	return sum
}

func filterOf(query string) string {
	v, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	return v.Get("filter")
}

// Package oddtest judges what a client made of a service that answers oddly (simulate.Oddities): no value may differ from what it is without
// oddities, none may be invented, and one may be missing only where something that it is made of was taken, at its own time.
package oddtest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// madeOf says of which data types of Google, and of which lists of the Fitbit Web API, a series is made.
var madeOf = map[metric.ID][]string{
	metric.HeartRate:           {"heart-rate", "activities-heart-intraday"},
	metric.HeartRateMinute:     {"heart-rate", "heart-rate windows", "activities-heart-intraday"},
	"resting_heart_rate":       {"daily-resting-heart-rate", "activities-heart"},
	"heart_zones":              {"time-in-heart-rate-zone windows", "activities-heart"},
	"active_zone_minutes":      {"active-zone-minutes windows", "activities-active-zone-minutes"},
	"hrv":                      {"daily-heart-rate-variability", "hrv"},
	"hrv_intraday":             {"heart-rate-variability", "hrv minutes"},
	metric.Steps:               {"steps", "activities-steps-intraday"},
	"calories_intraday":        {"total-calories windows", "activities-calories-intraday"},
	"distance_intraday":        {"distance", "activities-distance-intraday"},
	"floors_intraday":          {"floors", "activities-floors-intraday"},
	"elevation_intraday":       {"altitude", "activities-elevation-intraday"},
	"steps":                    {"steps windows", "activities-tracker-steps"},
	"distance":                 {"distance windows", "activities-tracker-distance"},
	"calories":                 {"total-calories windows", "activities-tracker-calories"},
	"active_calories":          {"active-energy-burned windows", "activities-activityCalories"},
	"floors":                   {"floors windows", "activities-tracker-floors"},
	"elevation":                {"altitude windows", "activities-tracker-elevation"},
	"activity_minutes":         {"activity-level windows", "activities-tracker-minutesSedentary", "activities-tracker-minutesLightlyActive", "activities-tracker-minutesFairlyActive", "activities-tracker-minutesVeryActive"},
	metric.SleepSummary:        {"sleep"},
	metric.SleepLevels:         {"sleep"},
	"breathing_rate":           {"daily-respiratory-rate", "br"},
	"breathing_rate_stages":    {"respiratory-rate-sleep-summary", "br"},
	"spo2":                     {"daily-oxygen-saturation", "spo2"},
	"spo2_intraday":            {"oxygen-saturation", "spo2 minutes"},
	"skin_temperature":         {"daily-sleep-temperature-derivations", "tempSkin"},
	"skin_temperature_nightly": {"daily-sleep-temperature-derivations"},
	metric.Weight:              {"weight"},
	metric.BMI:                 {"weight", "height"},
	"body_fat":                 {"body-fat", "fat"},
	"core_temperature":         {"core-body-temperature", "tempCore"},
	"vo2_max":                  {"daily-vo2-max", "cardioScore"},
	metric.Workouts:            {"exercise", "activities"},
	metric.Track:               {"exercise", "activities"},
}

// Kinds that take nothing and are asked about all the same.
const (
	// A member beside the others that is not known: where the Fitbit Web API leaves a zero out, a client cannot tell any more whether that has
	// another name now.
	stranger = "stranger"
	// A way in metres or yards: worked out again, it may differ in the last digit.
	otherUnit = "other unit"
)

// Taken is what was taken from one person, ready to be asked.
type Taken struct {
	p     *simulate.Person
	all   map[string][]taken // by data type
	Kinds map[string]int     // how often each kind of oddity was made, those too that take nothing
}

// taken is one oddity: a day, a session, or a moment as long as nothing.
type taken struct {
	metric.Span
	kind  string
	loses bool
}

// Of reads the record of what was made odd.
func Of(p *simulate.Person, record []simulate.Taken) (*Taken, error) {
	t := &Taken{p: p, all: map[string][]taken{}, Kinds: map[string]int{}}
	for _, x := range record {
		t.Kinds[x.Kind]++
		if !x.Loses() && x.Kind != stranger && x.Kind != otherUnit {
			continue
		}
		s, err := t.span(x)
		if err != nil {
			return nil, fmt.Errorf("%+v: %w", x, err)
		}
		t.all[x.Type] = append(t.all[x.Type], taken{s, x.Kind, x.Loses()})
	}
	return t, nil
}

// ever is after all that was computed again.
var ever = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// span is the time of what was made odd: of its day, its session or its moment.
func (t *Taken) span(x simulate.Taken) (metric.Span, error) {
	if d, err := metric.ParseDay(x.Time); err == nil {
		return t.p.DaySpan(d), nil
	}
	at, err := time.Parse(time.RFC3339, x.Time)
	for _, layout := range []string{"2006-01-02T15:04:05.999", "2006-01-02T15:04"} {
		if err == nil {
			break
		}
		at, err = time.ParseInLocation(layout, strings.TrimSuffix(x.Time, "Z"), t.p.Zone(t.p.Start))
	}
	if err != nil {
		return metric.Span{}, err
	}
	s := metric.Span{Start: at, End: at}
	begins := func(start time.Time) bool { return start.Truncate(time.Minute).Equal(at.Truncate(time.Minute)) }
	for d := t.p.Day(at); d <= t.p.Day(at)+1; d++ {
		for _, n := range slices.Concat(t.p.Nights(d), t.p.NightsAt(d, ever)) { // one computed again begins at another time
			if x.Type == "sleep" && begins(n.Start) {
				s.End = n.End
			}
		}
		for _, w := range t.p.Workouts(d) {
			if (x.Type == "exercise" || x.Type == "activities") && begins(w.Start) {
				s.End = w.End
			}
		}
	}
	return s, nil
}

// At reports whether something was taken of what a value is made of. Of kinds, where any are given.
func (t *Taken) At(series metric.ID, at time.Time, kinds ...string) bool {
	step := time.Second
	if series == metric.HeartRateMinute {
		step = time.Minute
	}
	for _, of := range madeOf[series] {
		for _, x := range t.all[of] {
			if len(kinds) > 0 && !slices.Contains(kinds, x.kind) || len(kinds) == 0 && !x.loses {
				continue
			}
			moment := x.End.Sub(x.Start) == 0
			switch when := at.Truncate(step); {
			case series == metric.BMI && of == "height": // it is that of all weights after it
				return true
			case moment && when.Equal(x.Start.Truncate(step)):
				return true
			case !moment && !when.Before(x.Start.Truncate(time.Minute)) && (at.Before(x.End) || at.Equal(x.End) && series == metric.SleepLevels):
				return true
			}
		}
	}
	return false
}

// Touched reports whether anything in a span was made odd of what a series is made of, even if nothing was taken.
func (t *Taken) Touched(series metric.ID, span metric.Span) bool {
	for _, of := range madeOf[series] {
		for _, x := range t.all[of] {
			if series == metric.BMI && of == "height" || x.Start.Before(span.End) && !x.End.Before(span.Start) {
				return true
			}
		}
	}
	return false
}

// A Key names one sample.
type Key struct {
	Series metric.ID
	At     int64  // nanoseconds since 1970
	Tags   string // with the device
}

// Values are what an archive holds, by sample and field.
type Values map[Key]map[string]float64

// Read returns what an archive holds of a person in a span, without the battery, which is that of the moment it was asked for.
func Read(t testing.TB, a *archive.Archive, person string, span metric.Span) Values {
	t.Helper()
	out := Values{}
	for _, row := range metric.Default() {
		if row.ID == metric.Battery {
			continue
		}
		for b, err := range a.Read(t.Context(), person, row.ID, span) {
			if err != nil {
				t.Fatal(err)
			}
			for i, at := range b.Times {
				fields := map[string]float64{}
				for f, v := range b.Row(i) {
					if metric.Present(v) {
						fields[row.Fields[f].Key] = v
					}
				}
				out[Key{row.ID, at, fmt.Sprintf("%q %q", b.Device, b.Tags)}] = fields
			}
		}
	}
	return out
}

// Judge holds values of a service that answered oddly against those of the same service without oddities, and returns how many samples are
// missing or lack a field.
func (t *Taken) Judge(tb testing.TB, got, want Values) (missing int) {
	tb.Helper()
	said := map[string]int{}
	say := func(k Key, what string) {
		if n := string(k.Series) + " " + what; said[n] < 3 {
			said[n]++
			tb.Errorf("%s: %s at %s %s is %v, without oddities %v", what, k.Series, time.Unix(0, k.At).UTC().Format(time.RFC3339), k.Tags, got[k], want[k])
		}
	}
	for k, w := range want {
		g, ok := got[k]
		at := time.Unix(0, k.At)
		if !ok {
			if missing++; !t.At(k.Series, at) {
				say(k, "missing")
			}
			continue
		}
		lacks, zeros := false, true // all that is lacking is zero
		for f, v := range w {
			x, ok := g[f]
			switch {
			case !ok:
				lacks, zeros = true, zeros && v == 0
			case !t.near(k.Series, at, f, x, v, w):
				say(k, "different")
			}
		}
		if lacks {
			if missing++; !t.At(k.Series, at) && !(zeros && t.At(k.Series, at, stranger)) {
				say(k, "lacking")
			}
		}
		for f := range g {
			if _, ok := w[f]; !ok {
				say(k, "more")
			}
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok && !t.untimed(k, got[k], want) {
			say(k, "invented")
		}
	}
	tb.Logf("%d of %d samples are missing or lack a field; oddities %v", missing, len(want), t.Kinds)
	return missing
}

// untimed reports whether a sample is an entry by hand of which the time of the day was taken: it stands at the day's last second, where the
// Fitbit Web API itself puts what it does not know the time of.
func (t *Taken) untimed(k Key, got map[string]float64, want Values) bool {
	at := time.Unix(0, k.At)
	day := t.p.DaySpan(t.p.Day(at))
	if !at.Equal(day.End.Add(-time.Second)) {
		return false
	}
	for other, fields := range want {
		if when := time.Unix(0, other.At); other.Series == k.Series && day.Contains(when) && maps.Equal(fields, got) && t.At(k.Series, when, "no time") {
			return true
		}
	}
	return false
}

// near reports whether a field is as it should be. Only what the program itself works out of several elements may differ, where one of
// them was taken: the mean of a minute is then that of its other readings, and minutes that no summary states are counted from the
// stages, and rounded otherwise.
func (t *Taken) near(series metric.ID, at time.Time, field string, got, want float64, clean map[string]float64) bool {
	switch {
	case got == want:
		return true
	case series == metric.HeartRateMinute && t.At(series, at):
		return got >= clean["min"] && got <= clean["max"]
	case series == metric.Workouts && field == "distance" && t.At(series, at, otherUnit):
		return math.Abs(got-want) <= 1e-9*want
	case series == metric.SleepSummary && t.At(series, at, "no summary"):
		off := 1.0
		if field == "efficiency" { // of two such numbers
			off = math.Ceil(200 / clean["minutesInBed"])
		}
		return math.Abs(got-want) <= off
	}
	return false
}

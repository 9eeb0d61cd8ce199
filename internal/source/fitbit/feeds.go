package fitbit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const (
	day    = 24 * time.Hour
	month  = 30 * day
	year   = 365 * day
	decade = 1095 * day // three years: the longest range of the daily series

	scopeActivity    = "activity"
	scopeHeart       = "heartrate"
	scopeSleep       = "sleep"
	scopeOxygen      = "oxygen_saturation"
	scopeBreathing   = "respiratory_rate"
	scopeTemperature = "temperature"
	scopeFitness     = "cardio_fitness"
	scopeWeight      = "weight"
	scopeSettings    = "settings"
	scopeProfile     = "profile"
	scopeLocation    = "location"
)

// readerVersion is that of what reads the answers. 1: the stages of nights in which the clocks were set were dropped or an hour off, and a
// night of which it is not said was no main one; metres and yards were read as kilometres; a heart that stands still was believed, and
// lowered its minute's mean; zone minutes whose sum is missing had 0 for it. 2: a past day's total could be that of its middle.
const readerVersion = 2

// rows is the table of feeds: what can be asked, how, and what is read of the answer. A request costs the same however many days it
// asks for, up to the limit of its address, so each asks for as many as it may. First come those of which a request or two bring
// years, then those of a month a request; raw heart rate and steps take a request for each day.
func rows() []Row {
	rows := all()
	for i := range rows {
		rows[i].Feed.Reader = readerVersion
	}
	return rows
}

func all() []Row {
	return []Row{
		{Feed: long("activity", decade, 9, 30*time.Minute, "steps", "distance", "calories", "activity_minutes", "floors", "elevation"), Scope: scopeActivity, fetch: fetchActivity,
			Ask: []Resource{
				tracker("steps", "steps", "value"), tracker("distance", "distance", "value"), tracker("calories", "calories", "value"),
				tracker("minutesSedentary", "activity_minutes", "minutesSedentary"), tracker("minutesLightlyActive", "activity_minutes", "minutesLightlyActive"),
				tracker("minutesFairlyActive", "activity_minutes", "minutesFairlyActive"), tracker("minutesVeryActive", "activity_minutes", "minutesVeryActive"),
				tracker("floors", "floors", "value"), tracker("elevation", "elevation", "value"),
			}},
		{Feed: long("heart_days", year, 1, 2*time.Hour, "resting_heart_rate", "heart_zones"), Scope: scopeHeart, Ask: []Resource{{
			Path: "/1/user/-/activities/heart/date/{days}.json", Key: "activities-heart", Sparse: true,
			Read: []Selector{
				{Series: "resting_heart_rate", Field: "value", Path: "value.restingHeartRate", Positive: true},
				{Series: "heart_zones", Field: "Normal", Path: "value.heartRateZones[name=Out of Range].minutes"},
				{Series: "heart_zones", Field: "Fat Burn", Path: "value.heartRateZones[name=Fat Burn].minutes"},
				{Series: "heart_zones", Field: "Cardio", Path: "value.heartRateZones[name=Cardio].minutes"},
				{Series: "heart_zones", Field: "Peak", Path: "value.heartRateZones[name=Peak].minutes"},
			},
			Known: []string{"value.customHeartRateZones", "value.heartRateZones[].caloriesOut", "value.heartRateZones[].max", "value.heartRateZones[].min"}}}},
		{Feed: long("active_zone_minutes", decade, 1, time.Hour, "active_zone_minutes"), Scope: scopeActivity, Ask: []Resource{{
			Path: "/1/user/-/activities/active-zone-minutes/date/{days}.json", Key: "activities-active-zone-minutes",
			Read: []Selector{
				{Field: "activeZoneMinutes", Path: "value.activeZoneMinutes"}, {Field: "fatBurnActiveZoneMinutes", Path: "value.fatBurnActiveZoneMinutes", Zero: true},
				{Field: "cardioActiveZoneMinutes", Path: "value.cardioActiveZoneMinutes", Zero: true}, {Field: "peakActiveZoneMinutes", Path: "value.peakActiveZoneMinutes", Zero: true},
			}}}},
		{Feed: settles(long("spo2", 2*year, 1, time.Hour, "spo2")), Scope: scopeOxygen, Ask: []Resource{{
			Path: "/1/user/-/spo2/date/{days}.json", Nothing: true,
			Read: []Selector{{Field: "avg", Path: "value.avg", Positive: true}, {Field: "min", Path: "value.min", Positive: true}, {Field: "max", Path: "value.max", Positive: true}}}}},
		{Feed: metric.Feed{ID: "sleep", Series: ids(metric.SleepSummary, metric.SleepLevels), Axis: metric.Days, Kind: metric.Sleep, Max: 100 * day, Chunk: 100 * day,
			Cost: 1.0 / 100, Every: 90 * time.Minute, Whole: true}, Scope: scopeSleep, fetch: fetchSleep},
		{Feed: metric.Feed{ID: "workouts", Series: ids(metric.Workouts), Axis: metric.Days, Kind: metric.Workout, Chunk: 10 * decade,
			Cost: 0.5 / 100, Every: time.Hour, Whole: true}, Scope: scopeActivity, fetch: fetchWorkouts},
		// A month a request
		{Feed: settles(monthly("hrv", month, time.Hour, "hrv")), Scope: scopeHeart, Ask: []Resource{{
			Path: "/1/user/-/hrv/date/{days}.json", Key: "hrv",
			Read: []Selector{{Field: "dailyRmssd", Path: "value.dailyRmssd", Positive: true}, {Field: "deepRmssd", Path: "value.deepRmssd", Positive: true}}}}},
		{Feed: settles(monthly("breathing_rate", month, time.Hour, "breathing_rate", "breathing_rate_stages")), Scope: scopeBreathing, fetch: fetchBreathing, Ask: []Resource{{
			Path: "/1/user/-/br/date/{days}/all.json", Key: "br", Nothing: true,
			Read: []Selector{
				{Series: "breathing_rate", Field: "value", Path: "value.fullSleepSummary.breathingRate", Positive: true},
				{Series: "breathing_rate_stages", Field: "full", Path: "value.fullSleepSummary.breathingRate", Positive: true},
				{Series: "breathing_rate_stages", Field: "deep", Path: "value.deepSleepSummary.breathingRate", Positive: true},
				{Series: "breathing_rate_stages", Field: "light", Path: "value.lightSleepSummary.breathingRate", Positive: true},
				{Series: "breathing_rate_stages", Field: "rem", Path: "value.remSleepSummary.breathingRate", Positive: true},
			}}, {
			Path: "/1/user/-/br/date/{days}.json", Key: "br", Nothing: true,
			Read: []Selector{{Series: "breathing_rate", Field: "value", Path: "value.breathingRate", Positive: true}}}}},
		{Feed: settles(monthly("skin_temperature", month, time.Hour, "skin_temperature")), Scope: scopeTemperature, Ask: []Resource{{
			Path: "/1/user/-/temp/skin/date/{days}.json", Key: "tempSkin", Known: []string{"logType"},
			Read: []Selector{{Field: "RelativeValue", Path: "value.nightlyRelative"}}}}},
		{Feed: settles(monthly("vo2_max", month, 4*time.Hour, "vo2_max")), Scope: scopeFitness, Ask: []Resource{{
			Path: "/1/user/-/cardioscore/date/{days}.json", Key: "cardioScore",
			Read: []Selector{{Field: "value", Path: "value.vo2Max", Positive: true, Range: true}}}}},
		{Feed: nightly("hrv_intraday"), Scope: scopeHeart, Ask: []Resource{{
			Path: "/1/user/-/hrv/date/{days}/all.json", Key: "hrv", Points: Minutes, Known: []string{"value.coverage", "value.hf", "value.lf"},
			Read: []Selector{{Field: "rmssd", Path: "value.rmssd", Positive: true}}}}},
		{Feed: nightly("spo2_intraday"), Scope: scopeOxygen, Ask: []Resource{{
			Path: "/1/user/-/spo2/date/{days}/all.json", Points: Minutes, Nothing: true,
			Read: []Selector{{Field: "value", Path: "value", Positive: true}}}}},
		{Feed: monthly("active_calories", month, 3*time.Hour, "active_calories"), Scope: scopeActivity, Ask: []Resource{{
			Path: "/1/user/-/activities/activityCalories/date/{days}.json", Key: "activities-activityCalories", Dense: true,
			Read: []Selector{{Field: "value", Path: "value"}}}}},
		{Feed: byClock(monthly("weight", 31*day, 3*time.Hour, metric.Weight, metric.BMI)), Scope: scopeWeight, Ask: []Resource{{
			Path: "/1/user/-/body/log/weight/date/{days}.json", Key: "weight", Points: Logs, Known: []string{"fat", "logId", "source"},
			Read: []Selector{{Series: metric.Weight, Field: "value", Path: "weight", Positive: true}, {Series: metric.BMI, Field: "value", Path: "bmi", Positive: true}}}}},
		{Feed: byClock(monthly("body_fat", month, 6*time.Hour, "body_fat")), Scope: scopeWeight, Ask: []Resource{{
			Path: "/1/user/-/body/log/fat/date/{days}.json", Key: "fat", Points: Logs, Known: []string{"logId", "source"},
			Read: []Selector{{Field: "value", Path: "fat", Positive: true}}}}},
		{Feed: byClock(monthly("core_temperature", month, 6*time.Hour, "core_temperature")), Scope: scopeTemperature, Ask: []Resource{{
			Path: "/1/user/-/temp/core/date/{days}.json", Key: "tempCore", Points: Stamped,
			Read: []Selector{{Field: "value", Path: "value", Positive: true}}}}},
		// A day a request
		{Feed: daily("heart_rate", metric.HeartRate, metric.HeartRateMinute), Scope: scopeHeart, fetch: fetchHeart},
		{Feed: daily("steps_intraday", metric.Steps), Scope: scopeActivity, fetch: fetchSteps},
		{Feed: optional("calories_intraday"), Scope: scopeActivity, fetch: fetchMinutes("calories")},
		{Feed: optional("distance_intraday"), Scope: scopeActivity, fetch: fetchMinutes("distance")},
		{Feed: optional("floors_intraday"), Scope: scopeActivity, fetch: fetchMinutes("floors")},
		{Feed: optional("elevation_intraday"), Scope: scopeActivity, fetch: fetchMinutes("elevation")},
		{Feed: metric.Feed{ID: "track", Series: ids(metric.Track), Axis: metric.Days, Kind: metric.Workout, Trigger: metric.OnWish, Rank: metric.RankRaw, Cost: 1, Sieve: true},
			Scope: scopeActivity + " and " + scopeLocation, fetch: fetchTrack},
	}
}

func ids(series ...metric.ID) []metric.ID { return series }

// long is what some requests bring for years.
func long(id string, chunk time.Duration, requests int, every time.Duration, series ...metric.ID) metric.Feed {
	return metric.Feed{ID: id, Series: series, Axis: metric.Days, Max: chunk, Chunk: chunk, Cost: float64(requests) / (chunk.Hours() / 24), Every: every, Whole: true}
}

// monthly is what one request brings for a month.
func monthly(id string, chunk, every time.Duration, series ...metric.ID) metric.Feed {
	f := long(id, chunk, 1, every, series...)
	f.Rank = metric.RankMinute
	return f
}

// settles says that a day has one value, which does not change once it is there.
func settles(f metric.Feed) metric.Feed {
	f.Settles = true
	return f
}

// nightly are many values of a night. The service files the evening under the day of waking, so a date more is asked than the span
// has: the documentation's own examples of "30 days" have 31 dates.
func nightly(series metric.ID) metric.Feed {
	return metric.Feed{ID: string(series), Series: ids(series), Rank: metric.RankMinute, Chunk: month, Cost: 1.0 / 30, Every: 4 * time.Hour, Whole: true}
}

// byClock is what no tracker's sync announces: scales and entries by hand.
func byClock(f metric.Feed) metric.Feed {
	f.Trigger = metric.OnClock
	return f
}

// daily are many values of a day: a day takes a request.
func daily(id string, series ...metric.ID) metric.Feed {
	return metric.Feed{ID: id, Series: series, Rank: metric.RankMinute, Chunk: day, Cost: 1, Sieve: true}
}

// optional are the minutes of a day that few want. They share the hour's requests with the rest, so they are not asked at each sync.
func optional(series metric.ID) metric.Feed {
	f := daily(string(series), series)
	f.Every = time.Hour
	return f
}

// Points says what an element of an answer's list holds.
type Points uint8

const (
	OfDay   Points = iota // dateTime and the values of that day
	Minutes               // dateTime and a list of minutes, each with its own time
	Logs                  // an entry with date and time
	Stamped               // an entry whose dateTime is a time
)

// A Row is one feed: what is asked, and what is read of the answer.
type Row struct {
	Feed  metric.Feed
	Scope string // the permission it needs
	Ask   []Resource

	fetch fetchFunc // where the shape is not a common one
}

// A Resource is one address.
type Resource struct {
	Path    string // {days} becomes the first and last date
	Key     string // of the list in the answer; empty where the answer is the list itself, or one element of it
	Points  Points
	Read    []Selector
	Known   []string // members of an element that are left alone
	Nothing bool     // an empty object says that there is nothing
	Sparse  bool     // an element may have no value of what is read
	Dense   bool     // every day has a value: a zero since the last sync is not measured yet
}

// tracker is the daily series of what the device alone measured, without what was entered by hand.
func tracker(name string, series metric.ID, field string) Resource {
	return Resource{Path: "/1/user/-/activities/tracker/" + name + "/date/{days}.json", Key: "activities-tracker-" + name, Dense: true,
		Read: []Selector{{Series: series, Field: field, Path: "value"}}}
}

// A Selector fills one field of one series.
type Selector struct {
	Series   metric.ID // the feed's first where empty
	Field    string    // key of the field
	Path     string    // inside the element, or inside the minute
	Positive bool      // 0 and below stand for "not available"
	Zero     bool      // missing beside others of its series it is 0
	Range    bool      // may be a range such as "42-46": its middle is taken
}

// A feed is a row made ready.
type feed struct {
	Row
	series    []metric.Series
	resources []*resource
}

type resource struct {
	Resource
	columns []column
	known   known
}

type column struct {
	Selector
	series int // in the feed
	field  int
	path   path
	whole  bool
}

// compile makes a row ready, or says what is wrong with it.
func compile(r Row, cat metric.Catalogue) (*feed, error) {
	f := &feed{Row: r}
	for _, id := range r.Feed.Series {
		s, ok := cat.Lookup(id)
		if !ok {
			return nil, fmt.Errorf("feed %s: no series %q in the catalogue", r.Feed.ID, id)
		}
		f.series = append(f.series, s)
	}
	for _, a := range r.Ask {
		res := &resource{Resource: a}
		paths := append([]string{}, a.Known...)
		for _, sel := range a.Read {
			c, err := f.column(sel)
			if err != nil {
				return nil, fmt.Errorf("feed %s: %w", r.Feed.ID, err)
			}
			res.columns = append(res.columns, c)
			paths = append(paths, sel.Path)
		}
		res.known = elementOf(a.Points, paths)
		f.resources = append(f.resources, res)
	}
	return f, nil
}

// elementOf are the members of an element that are known.
func elementOf(points Points, paths []string) known {
	switch points {
	case Minutes:
		return known{"dateTime": nil, "minutes": knownOf(append(paths, "minute")...)}
	case Logs:
		return knownOf(append(paths, "date", "time")...)
	}
	return knownOf(append(paths, "dateTime")...)
}

func (f *feed) column(sel Selector) (column, error) {
	at := 0
	if sel.Series != "" {
		at = slices.Index(f.Feed.Series, sel.Series)
	}
	if at < 0 {
		return column{}, fmt.Errorf("selector of %q: the feed does not answer for that series", sel.Series)
	}
	field := f.series[at].Field(sel.Field)
	if field < 0 || strings.TrimSpace(sel.Path) == "" {
		return column{}, fmt.Errorf("series %s: no field %q, or no path to it", f.series[at].ID, sel.Field)
	}
	return column{Selector: sel, series: at, field: field, path: parsePath(sel.Path), whole: f.series[at].Fields[field].Kind == metric.Int}, nil
}

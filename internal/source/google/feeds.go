package google

import (
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const (
	day      = 24 * time.Hour
	twoWeeks = 14 * day // longest range of roll-ups of heart rate and total calories
	quarter  = 90 * day // longest range of the other roll-ups
	month    = 30 * day
	year     = 365 * day

	scopeHealth   = "health_metrics_and_measurements"
	scopeActivity = "activity_and_fitness"
	scopeSleep    = "sleep"
	scopeLocation = "location"
)

// rows is the table of feeds: what can be asked, how, and what is read of the answer. Feeds come in the order in which they are
// worth asking. Cost is requests per day of history at the densities people have measured: 27,500 raw heart rates a day in pages
// of 5,000, 260 minutes with steps, 480 minutes of blood oxygen.
func rows() []Row {
	rows := table()
	for i := range rows {
		rows[i].Feed.Reader = readerVersion
	}
	return rows
}

// readerVersion is that of what reads the answers. 1: it took what was not there, or has another name now, for 0, doubled the stages of
// nights, dated sleeps and workouts without an offset in UTC, and took mirrors for workouts. 2: minutes of steps whose count has another
// name were 0, and restless minutes of a night without a summary were asleep.
const readerVersion = 2

func table() []Row {
	return []Row{
		// Heart
		{Feed: metric.Feed{ID: "heart_rate", Series: ids(metric.HeartRate, metric.HeartRateMinute), Rank: metric.RankRaw, Chunk: day, Cost: 5.5, Sieve: true},
			Type: "heart-rate", Op: Reconcile, Shape: Sample, Scope: scopeHealth, Mask: true, fetch: fetchHeart,
			Read: []Selector{{Field: "value", Path: "beatsPerMinute"}}, Known: []string{"metadata"}},
		{Feed: metric.Feed{ID: "heart_rate_minute", Series: ids(metric.HeartRateMinute), Rank: metric.RankMinute, Max: twoWeeks, Chunk: twoWeeks,
			Cost: 3.0 / 14, Behind: "heart_rate"},
			Type: "heart-rate", Op: RollUp, Scope: scopeHealth, Mask: true,
			Read: []Selector{{Field: "mean", Path: "beatsPerMinuteAvg", Digits: 2}, {Field: "min", Path: "beatsPerMinuteMin"}, {Field: "max", Path: "beatsPerMinuteMax"}}},
		{Feed: nightly("resting_heart_rate"), Type: "daily-resting-heart-rate", Op: Reconcile, Shape: Daily, Scope: scopeHealth,
			Read: []Selector{{Field: "value", Path: "beatsPerMinute"}}, Known: []string{"dailyRestingHeartRateMetadata"}},
		{Feed: total("heart_zones", quarter), Type: "time-in-heart-rate-zone", Op: DailyRollUp, Scope: scopeActivity,
			Read: []Selector{
				{Field: "Normal", Path: "timeInHeartRateZones[heartRateZone=LIGHT].duration", Per: 60, Time: true},
				{Field: "Fat Burn", Path: "timeInHeartRateZones[heartRateZone=MODERATE].duration", Per: 60, Time: true},
				{Field: "Cardio", Path: "timeInHeartRateZones[heartRateZone=VIGOROUS].duration", Per: 60, Time: true},
				{Field: "Peak", Path: "timeInHeartRateZones[heartRateZone=PEAK].duration", Per: 60, Time: true},
			}},
		{Feed: total("active_zone_minutes", quarter), Type: "active-zone-minutes", Op: DailyRollUp, Scope: scopeActivity,
			Read: []Selector{
				{Field: "activeZoneMinutes", Path: "sumInFatBurnHeartZone + sumInCardioHeartZone + sumInPeakHeartZone", Zero: true},
				{Field: "fatBurnActiveZoneMinutes", Path: "sumInFatBurnHeartZone", Zero: true},
				{Field: "cardioActiveZoneMinutes", Path: "sumInCardioHeartZone", Zero: true},
				{Field: "peakActiveZoneMinutes", Path: "sumInPeakHeartZone", Zero: true},
			}},
		{Feed: nightly("hrv"), Type: "daily-heart-rate-variability", Op: Reconcile, Shape: Daily, Scope: scopeHealth,
			Read: []Selector{{Field: "dailyRmssd", Path: "averageHeartRateVariabilityMilliseconds"},
				{Field: "deepRmssd", Path: "deepSleepRootMeanSquareOfSuccessiveDifferencesMilliseconds"}},
			Known: []string{"entropy", "nonRemHeartRateBeatsPerMinute"}},
		{Feed: nightlyMinutes("hrv_intraday", quarter, 1.0/90), Type: "heart-rate-variability", Op: Reconcile, Shape: Sample, Scope: scopeHealth, Mask: true,
			Read:  []Selector{{Field: "rmssd", Path: "rootMeanSquareOfSuccessiveDifferencesMilliseconds"}, {Field: "sdnn", Path: "standardDeviationMilliseconds"}},
			Known: []string{"metadata"}},
		// Activity
		{Feed: minutely(metric.Steps), Type: "steps", Op: Reconcile, Shape: Interval, Scope: scopeActivity, Mask: true,
			Read: []Selector{{Field: "value", Path: "count", Zero: true}}},
		{Feed: metric.Feed{ID: "calories_intraday", Series: ids("calories_intraday"), Rank: metric.RankMinute, Max: twoWeeks, Chunk: twoWeeks, Cost: 3.0 / 14, Every: time.Hour},
			Type: "total-calories", Op: RollUp, Scope: scopeActivity, Mask: true,
			Read: []Selector{{Field: "value", Path: "kcalSum"}}},
		{Feed: optional("distance_intraday"), Type: "distance", Op: Reconcile, Shape: Interval, Scope: scopeActivity, Mask: true,
			Read: []Selector{{Field: "value", Path: "millimeters", Per: 1e6}}},
		{Feed: optional("floors_intraday"), Type: "floors", Op: Reconcile, Shape: Interval, Scope: scopeActivity, Mask: true,
			Read: []Selector{{Field: "value", Path: "count"}}},
		{Feed: optional("elevation_intraday"), Type: "altitude", Op: Reconcile, Shape: Interval, Scope: scopeActivity, Mask: true,
			Read: []Selector{{Field: "value", Path: "gainMillimeters", Per: 1000}}},
		{Feed: total("steps", quarter), Type: "steps", Op: DailyRollUp, Scope: scopeActivity,
			Read: []Selector{{Field: "value", Path: "countSum", Zero: true}}},
		{Feed: total("distance", quarter), Type: "distance", Op: DailyRollUp, Scope: scopeActivity,
			Read: []Selector{{Field: "value", Path: "millimetersSum", Per: 1e6, Zero: true}}},
		{Feed: total("calories", twoWeeks), Type: "total-calories", Op: DailyRollUp, Scope: scopeActivity,
			Read: []Selector{{Field: "value", Path: "kcalSum", Zero: true}}},
		{Feed: total("active_calories", quarter), Type: "active-energy-burned", Op: DailyRollUp, Scope: scopeActivity,
			Read: []Selector{{Field: "value", Path: "kcalSum", Zero: true}}},
		{Feed: total("floors", quarter), Type: "floors", Op: DailyRollUp, Scope: scopeActivity,
			Read: []Selector{{Field: "value", Path: "countSum", Zero: true}}},
		{Feed: total("elevation", quarter), Type: "altitude", Op: DailyRollUp, Scope: scopeActivity,
			Read: []Selector{{Field: "value", Path: "gainMillimetersSum", Per: 1000, Zero: true}}},
		{Feed: total("activity_minutes", quarter), Type: "activity-level", Op: DailyRollUp, Scope: scopeActivity, instead: levelSegments(),
			Read: []Selector{
				{Field: "minutesSedentary", Path: "activityLevelRollupsByActivityLevelType[activityLevelType=SEDENTARY].totalDuration", Per: 60, Time: true},
				{Field: "minutesLightlyActive", Path: "activityLevelRollupsByActivityLevelType[activityLevelType=LIGHTLY_ACTIVE].totalDuration", Per: 60, Time: true},
				{Field: "minutesFairlyActive", Path: "activityLevelRollupsByActivityLevelType[activityLevelType=MODERATELY_ACTIVE].totalDuration", Per: 60, Time: true},
				{Field: "minutesVeryActive", Path: "activityLevelRollupsByActivityLevelType[activityLevelType=VERY_ACTIVE].totalDuration", Per: 60, Time: true},
			}},
		// Night
		{Feed: metric.Feed{ID: "sleep", Series: ids(metric.SleepSummary, metric.SleepLevels), Axis: metric.Days, Kind: metric.Sleep, Chunk: month, Cost: 2.0 / 30},
			Type: "sleep", Op: Reconcile, Scope: scopeSleep, fetch: fetchSleep},
		{Feed: nightly("breathing_rate"), Type: "daily-respiratory-rate", Op: Reconcile, Shape: Daily, Scope: scopeHealth,
			Read: []Selector{{Field: "value", Path: "breathsPerMinute"}}},
		{Feed: nightlyMinutes("breathing_rate_stages", year, 1.0/365), Type: "respiratory-rate-sleep-summary", Op: Reconcile, Shape: Sample, Scope: scopeHealth,
			Read: []Selector{{Field: "full", Path: "fullSleepStats.breathsPerMinute"}, {Field: "deep", Path: "deepSleepStats.breathsPerMinute"},
				{Field: "light", Path: "lightSleepStats.breathsPerMinute"}, {Field: "rem", Path: "remSleepStats.breathsPerMinute"}},
			Known: []string{"fullSleepStats.standardDeviation", "fullSleepStats.signalToNoise", "deepSleepStats.standardDeviation", "deepSleepStats.signalToNoise",
				"lightSleepStats.standardDeviation", "lightSleepStats.signalToNoise", "remSleepStats.standardDeviation", "remSleepStats.signalToNoise"}},
		{Feed: nightly("spo2"), Type: "daily-oxygen-saturation", Op: Reconcile, Shape: Daily, Scope: scopeHealth,
			Read:  []Selector{{Field: "avg", Path: "averagePercentage"}, {Field: "min", Path: "lowerBoundPercentage"}, {Field: "max", Path: "upperBoundPercentage"}},
			Known: []string{"standardDeviationPercentage"}},
		{Feed: nightlyMinutes("spo2_intraday", twoWeeks, 1.0/14), Type: "oxygen-saturation", Op: Reconcile, Shape: Sample, Scope: scopeHealth, Mask: true,
			Read: []Selector{{Field: "value", Path: "percentage"}}},
		{Feed: nightly("skin_temperature", "skin_temperature", "skin_temperature_nightly"), Type: "daily-sleep-temperature-derivations", Op: Reconcile, Shape: Daily, Scope: scopeHealth,
			Read: []Selector{{Field: "RelativeValue", Path: "nightlyTemperatureCelsius - baselineTemperatureCelsius", Digits: 2, Void: "baselineTemperatureCelsius",
				Terms: metric.Positive},
				{Series: "skin_temperature_nightly", Field: "NightlyValue", Path: "nightlyTemperatureCelsius", Digits: 2}},
			Known: []string{"relativeNightlyStddev30dCelsius"}},
		// Body
		{Feed: byClock(metric.Weight, metric.Weight, metric.BMI), Type: "weight", Op: Reconcile, Shape: Sample, Whole: true, Scope: scopeHealth, after: addBMI,
			Read: []Selector{{Field: "value", Path: "weightGrams", Per: 1000}}, Known: []string{"notes"}},
		{Feed: byClock("body_fat", "body_fat"), Type: "body-fat", Op: Reconcile, Shape: Sample, Scope: scopeHealth,
			Read: []Selector{{Field: "value", Path: "percentage"}}},
		{Feed: byClock("core_temperature", "core_temperature"), Type: "core-body-temperature", Op: Reconcile, Shape: Sample, Scope: scopeHealth,
			Read: []Selector{{Field: "value", Path: "temperatureCelsius"}}, Known: []string{"measurementLocation", "id"}},
		{Feed: nightly("vo2_max"), Type: "daily-vo2-max", Op: Reconcile, Shape: Daily, Scope: scopeActivity,
			Read: []Selector{{Field: "value", Path: "vo2Max"}}, Known: []string{"vo2MaxCovariance", "estimated", "cardioFitnessLevel"}},
		// Workouts
		{Feed: metric.Feed{ID: "workouts", Series: ids(metric.Workouts), Axis: metric.Days, Kind: metric.Workout, Chunk: month, Cost: 2.0 / 30},
			Type: "exercise", Op: Reconcile, Scope: scopeActivity, fetch: fetchWorkouts},
		{Feed: metric.Feed{ID: "track", Series: ids(metric.Track), Axis: metric.Days, Kind: metric.Workout, Trigger: metric.OnWish, Rank: metric.RankRaw, Cost: 1, Sieve: true},
			Type: "exercise", Op: Tcx, Scope: scopeLocation, fetch: fetchTrack},
	}
}

func ids(series ...metric.ID) []metric.ID { return series }

// total is a running total of the day: it changes with every sync, and is read every half hour at most.
func total(series metric.ID, longest time.Duration) metric.Feed {
	return metric.Feed{ID: string(series), Series: ids(series), Axis: metric.Days, Max: longest, Chunk: longest,
		Cost: float64(day) / float64(longest), Every: 30 * time.Minute}
}

// minutely are values of minutes in which something moved, of which a page holds a month.
func minutely(series metric.ID) metric.Feed {
	return metric.Feed{ID: string(series), Series: ids(series), Rank: metric.RankMinute, Chunk: month, Cost: 1.0 / 30}
}

// optional are those that few want: they are not asked at each sync.
func optional(series metric.ID) metric.Feed {
	f := minutely(series)
	f.Every = time.Hour
	return f
}

// nightly is one value a day, which comes with the sync after waking.
func nightly(feed metric.ID, series ...metric.ID) metric.Feed {
	if len(series) == 0 {
		series = ids(feed)
	}
	return metric.Feed{ID: string(feed), Series: series, Axis: metric.Days, Chunk: year, Cost: 1.0 / 365, Every: time.Hour, Settles: true}
}

// nightlyMinutes are many values of a night, which come with the sync after waking.
func nightlyMinutes(series metric.ID, chunk time.Duration, cost float64) metric.Feed {
	return metric.Feed{ID: string(series), Series: ids(series), Rank: metric.RankMinute, Chunk: chunk, Cost: cost, Every: time.Hour}
}

// byClock is what no tracker's sync announces: scales and entries by hand.
func byClock(feed metric.ID, series ...metric.ID) metric.Feed {
	return metric.Feed{ID: string(feed), Series: series, Trigger: metric.OnClock, Chunk: year, Cost: 1.0 / 365, Every: time.Hour}
}

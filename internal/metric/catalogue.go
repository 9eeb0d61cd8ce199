package metric

import (
	"fmt"
	"slices"
)

// ID names one series of the catalogue.
type ID string

// The series that code has to name. Every other series is known by its row alone.
const (
	HeartRate       ID = "heart_rate"
	HeartRateMinute ID = "heart_rate_minute"
	Steps           ID = "steps_intraday"
	SleepSummary    ID = "sleep_summary"
	SleepLevels     ID = "sleep_levels"
	Workouts        ID = "workouts"
	Track           ID = "track"
	Weight          ID = "weight"
	BMI             ID = "bmi"
	Battery         ID = "battery"
)

// Kind is the type of a field in InfluxDB. It never changes once a field has been written.
type Kind uint8

// Int is written with the suffix i, Float without.
const (
	Float Kind = iota
	Int
)

func (k Kind) String() string { return [...]string{"float", "integer"}[k] }

// Unit is the unit of a field, as it is held inside: always metric.
type Unit string

// The units of the catalogue. The last three are those in which the Python project wrote some fields.
const (
	None          Unit = ""
	BPM           Unit = "bpm"
	Count         Unit = "count"
	Kilometre     Unit = "km"
	Metre         Unit = "m"
	Kilocalorie   Unit = "kcal"
	Minute        Unit = "min"
	Second        Unit = "s"
	Millisecond   Unit = "ms"
	Percent       Unit = "%"
	Celsius       Unit = "°C"
	Kilogram      Unit = "kg"
	BodyMassIndex Unit = "kg/m²"
	BreathsPerMin Unit = "breaths/min"
	VO2           Unit = "mL/kg/min"
	Degree        Unit = "°"
	KilometreHour Unit = "km/h"
	Pound         Unit = "lb"
	Mile          Unit = "mi"
	Fahrenheit    Unit = "°F"
)

// Sampling says how a series comes: many times a day, once a day, or with a session.
type Sampling uint8

const (
	Intraday Sampling = iota // any number of samples a day, each at its own instant
	Daily                    // one sample a day, at the local midnight that begins the day
	Sessions                 // samples that live and die with a night or a workout
)

func (s Sampling) String() string { return [...]string{"intraday", "daily", "session"}[s] }

// Bound says which values of a field a body or a device can have. What lies outside stands for "not available".
type Bound uint8

// The bounds.
const (
	Any         Bound = iota
	NotNegative       // sums, minutes and durations
	Positive          // what no living body has 0 of
)

// ordinary are the bounds of fields by their unit, where their row does not say otherwise.
var ordinary = map[Unit]Bound{BPM: Positive, Millisecond: Positive, BreathsPerMin: Positive, VO2: Positive, Percent: Positive, Kilogram: Positive, BodyMassIndex: Positive,
	Count: NotNegative, Kilometre: NotNegative, Kilocalorie: NotNegative, Minute: NotNegative, Second: NotNegative}

// beyond is more than any value can be: numbers from there on are none that was measured.
const beyond = 1e15

// A Field is one InfluxDB field of a series.
type Field struct {
	Key    string // InfluxDB field key: case and blanks exact
	Kind   Kind
	Unit   Unit   // unit inside and, unless Python says otherwise, in InfluxDB
	Bound  Bound  // which values it can have
	Python Unit   // unit in which the Python project wrote this field, where that is another
	Sensor string // key of the Home Assistant sensor it becomes; empty for none
}

// Possible reports whether the field can have that value.
func (f Field) Possible(v float64) bool {
	return v > -beyond && v < beyond && f.Bound.Holds(v)
}

// Holds reports whether v is on the right side of zero.
func (b Bound) Holds(v float64) bool {
	return b == Any || v > 0 || b == NotNegative && v == 0
}

// A Series is one row of the catalogue.
type Series struct {
	ID          ID
	Measurement string // InfluxDB measurement: case and blanks exact
	Fields      []Field
	Tags        []string // tag keys in the order of Block.Tags; Device and Person are not among them
	NoDevice    bool     // the Python project writes it without the tag Device
	Sampling    Sampling
	LateDays    int    // how many days back a value may still appear or change
	Python      bool   // the Python project writes this measurement and these fields
	Optional    bool   // neither asked for nor kept unless the user takes it in
	Doc         string // one sentence for docs/schema.md
}

// Field returns the index of the field with that key, or -1.
func (s Series) Field(key string) int {
	return slices.IndexFunc(s.Fields, func(f Field) bool { return f.Key == key })
}

// AllDaily reports whether each of the series comes once a day.
func (c Catalogue) AllDaily(series []ID) bool {
	return !slices.ContainsFunc(series, func(id ID) bool {
		s, ok := c.Lookup(id)
		return !ok || s.Sampling != Daily
	})
}

// Catalogue is the one table of series. A program gets it from Default and hands it on, so that a test can hand on a longer one.
type Catalogue []Series

// Lookup returns the row with that id.
func (c Catalogue) Lookup(id ID) (Series, bool) {
	i := slices.IndexFunc(c, func(s Series) bool { return s.ID == id })
	if i < 0 {
		return Series{}, false
	}
	return c[i], true
}

// Must returns the row with that id and panics where there is none: for ids that the program itself names.
func (c Catalogue) Must(id ID) Series {
	s, ok := c.Lookup(id)
	if !ok {
		panic(fmt.Sprintf("metric: no series %q in the catalogue", id))
	}
	return s
}

// LeftOut is what is neither asked for nor kept: the series that the user leaves out, and the optional ones that are not taken in.
func (c Catalogue) LeftOut(leaveOut, takeIn []ID) []ID {
	out := slices.Clone(leaveOut)
	for _, s := range c {
		if s.Optional && !slices.Contains(takeIn, s.ID) && !slices.Contains(out, s.ID) {
			out = append(out, s.ID)
		}
	}
	return out
}

func floats(unit Unit, keys ...string) []Field { return fields(Float, unit, keys) }
func ints(unit Unit, keys ...string) []Field   { return fields(Int, unit, keys) }

// bounded gives fields another bound than the ordinary one of their unit.
func bounded(b Bound, fields []Field) []Field {
	for i := range fields {
		fields[i].Bound = b
	}
	return fields
}

// fields builds the fields of one kind and unit; a key may carry its sensor behind a "→".
func fields(kind Kind, unit Unit, keys []string) []Field {
	out := make([]Field, 0, len(keys))
	for _, k := range keys {
		f := Field{Key: k, Kind: kind, Unit: unit, Bound: ordinary[unit]}
		for i, r := range k {
			if r == '→' {
				f.Key, f.Sensor = k[:i], k[i+len("→"):]
				break
			}
		}
		out = append(out, f)
	}
	return out
}

// Default returns the catalogue. Names, tags, keys and kinds of the rows marked Python are those of the Python project,
// and never change.
func Default() Catalogue {
	return Catalogue{
		// Heart
		{ID: HeartRate, Measurement: "HeartRate_Intraday", Fields: ints(BPM, "value→heart_rate"), LateDays: 30, Python: true,
			Doc: "Heart rate as the device measured it, every 1 to 5 s."},
		{ID: HeartRateMinute, Measurement: "HeartRate_Minute", Fields: floats(BPM, "mean", "min", "max"), LateDays: 30,
			Doc: "Heart rate of each minute: mean, lowest and highest."},
		{ID: "resting_heart_rate", Measurement: "RestingHR", Fields: ints(BPM, "value→resting_heart_rate"), Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Resting heart rate of the day."},
		{ID: "heart_zones", Measurement: "HR zones", Fields: ints(Minute, "Normal→hr_zone_normal", "Fat Burn→hr_zone_fat_burn", "Cardio→hr_zone_cardio", "Peak→hr_zone_peak"), Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Minutes in each heart-rate zone."},
		{ID: "active_zone_minutes", Measurement: "HR zones", Fields: ints(Minute, "activeZoneMinutes→azm", "fatBurnActiveZoneMinutes→azm_fat_burn", "cardioActiveZoneMinutes→azm_cardio", "peakActiveZoneMinutes→azm_peak"), Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Active zone minutes; cardio and peak count twice."},
		{ID: "hrv", Measurement: "HRV", Fields: floats(Millisecond, "dailyRmssd→hrv", "deepRmssd→hrv_deep"), Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Heart-rate variability of the night (RMSSD), whole and in deep sleep."},
		{ID: "hrv_intraday", Measurement: "HRV_Intraday", Fields: floats(Millisecond, "rmssd", "sdnn"), LateDays: 30,
			Doc: "Heart-rate variability every few minutes of sleep."},
		// Activity
		{ID: Steps, Measurement: "Steps_Intraday", Fields: ints(Count, "value"), LateDays: 30, Python: true,
			Doc: "Steps per minute; minutes without steps may be missing."},
		{ID: "calories_intraday", Measurement: "Calories_Intraday", Fields: floats(Kilocalorie, "value"), LateDays: 30, Optional: true,
			Doc: "Calories burned in each minute, basal rate included."},
		{ID: "distance_intraday", Measurement: "Distance_Intraday", Fields: floats(Kilometre, "value"), LateDays: 30, Optional: true,
			Doc: "Distance of each minute with any."},
		{ID: "floors_intraday", Measurement: "Floors_Intraday", Fields: ints(Count, "value"), LateDays: 30, Optional: true,
			Doc: "Floors climbed in each minute with any."},
		{ID: "elevation_intraday", Measurement: "Elevation_Intraday", Fields: floats(Metre, "value"), LateDays: 30, Optional: true,
			Doc: "Elevation gained in each minute with any."},
		{ID: "steps", Measurement: "Total Steps", Fields: floats(Count, "value→steps"), Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Steps of the day."},
		{ID: "distance", Measurement: "distance", Fields: []Field{{Key: "value", Unit: Kilometre, Bound: NotNegative, Python: Mile, Sensor: "distance"}}, Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Distance of the day."},
		{ID: "calories", Measurement: "calories", Fields: floats(Kilocalorie, "value→calories"), Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Calories burned in the day, basal rate included."},
		{ID: "active_calories", Measurement: "active_calories", Fields: floats(Kilocalorie, "value→calories_active"), Sampling: Daily, LateDays: 30,
			Doc: "Calories burned by activity in the day, without the basal rate."},
		{ID: "floors", Measurement: "floors", Fields: floats(Count, "value→floors"), Sampling: Daily, LateDays: 30,
			Doc: "Floors climbed in the day."},
		{ID: "elevation", Measurement: "elevation", Fields: floats(Metre, "value→elevation"), Sampling: Daily, LateDays: 30,
			Doc: "Elevation gained in the day."},
		{ID: "activity_minutes", Measurement: "Activity Minutes", Fields: ints(Minute, "minutesSedentary→minutes_sedentary", "minutesLightlyActive→minutes_light", "minutesFairlyActive→minutes_fair", "minutesVeryActive→minutes_very"), Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Minutes of the day at each level of activity."},
		// Night
		{ID: SleepSummary, Measurement: "Sleep Summary", Tags: []string{"isMainSleep"}, Sampling: Sessions, LateDays: 30, Python: true,
			Fields: slices.Concat(bounded(NotNegative, ints(Percent, "efficiency→sleep_efficiency")), ints(Minute, "minutesAfterWakeup→sleep_after_wakeup", "minutesAsleep→sleep_asleep", "minutesToFallAsleep→sleep_to_fall_asleep", "minutesInBed→sleep_in_bed", "minutesAwake→sleep_awake", "minutesLight→sleep_light", "minutesREM→sleep_rem", "minutesDeep→sleep_deep")),
			Doc:    "One sleep, at its start."},
		{ID: SleepLevels, Measurement: "Sleep Levels", Tags: []string{"isMainSleep"}, Sampling: Sessions, LateDays: 30, Python: true,
			Fields: slices.Concat(ints(None, "level→sleep_stage"), ints(Second, "duration_seconds")),
			Doc:    "Stages of a sleep, each at its start: deep 0, light or asleep 1, REM or restless 2, awake 3, unknown 4; a closing 3 without duration at the end."},
		{ID: "breathing_rate", Measurement: "BreathingRate", Fields: floats(BreathsPerMin, "value→breathing_rate"), Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Breathing rate of the night."},
		{ID: "breathing_rate_stages", Measurement: "BreathingRate_Stages", Fields: floats(BreathsPerMin, "full", "deep", "light", "rem"), LateDays: 30,
			Doc: "Breathing rate of a sleep, whole and by stage."},
		{ID: "spo2", Measurement: "SPO2", Fields: floats(Percent, "avg→spo2", "max→spo2_max", "min→spo2_min"), Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Blood oxygen of the night."},
		{ID: "spo2_intraday", Measurement: "SPO2_Intraday", Fields: floats(Percent, "value"), LateDays: 30, Python: true,
			Doc: "Blood oxygen per minute of sleep."},
		{ID: "skin_temperature", Measurement: "Skin Temperature Variation", Fields: []Field{{Key: "RelativeValue", Unit: Celsius, Python: Fahrenheit, Sensor: "skin_temperature"}}, Sampling: Daily, LateDays: 30, Python: true,
			Doc: "Skin temperature of the night against the person's own baseline."},
		{ID: "skin_temperature_nightly", Measurement: "Skin Temperature Variation", Fields: bounded(Positive, floats(Celsius, "NightlyValue")), Sampling: Daily, LateDays: 30,
			Doc: "Skin temperature of the night as it was measured: it is there before there is a baseline."},
		// Body
		{ID: Weight, Measurement: "weight", Fields: []Field{{Key: "value", Unit: Kilogram, Bound: Positive, Python: Pound, Sensor: "weight"}}, LateDays: 30, Python: true,
			Doc: "Body weight."},
		{ID: BMI, Measurement: "bmi", Fields: floats(BodyMassIndex, "value→bmi"), LateDays: 30, Python: true,
			Doc: "Body mass index, from weight and height."},
		{ID: "body_fat", Measurement: "body_fat", Fields: floats(Percent, "value→body_fat"), LateDays: 30,
			Doc: "Body fat."},
		{ID: "core_temperature", Measurement: "core_temperature", Fields: bounded(Positive, floats(Celsius, "value→core_temperature")), LateDays: 30,
			Doc: "Body temperature, as it was measured with a thermometer and entered."},
		{ID: "vo2_max", Measurement: "VO2Max", Fields: floats(VO2, "value→vo2_max"), Sampling: Daily, LateDays: 30,
			Doc: "Cardio fitness (VO2max)."},
		// Workouts
		{ID: Workouts, Measurement: "Activity Records", Tags: []string{"ActivityName"}, NoDevice: true, Sampling: Sessions, LateDays: 30, Python: true,
			Fields: slices.Concat(bounded(NotNegative, ints(Millisecond, "ActiveDuration")), ints(BPM, "AverageHeartRate"), ints(Kilocalorie, "calories"), bounded(NotNegative, ints(Millisecond, "duration")), ints(Count, "steps"), []Field{{Key: "distance", Unit: Kilometre, Bound: NotNegative, Python: Mile}}),
			Doc:    "One workout, at its start."},
		{ID: Track, Measurement: "GPS", Tags: []string{"ActivityID"}, NoDevice: true, Sampling: Sessions, LateDays: 30, Python: true,
			Fields: slices.Concat(floats(Degree, "lat", "lon"), floats(Metre, "altitude"), bounded(NotNegative, floats(Metre, "distance")), bounded(NotNegative, floats(KilometreHour, "speed_kph")), ints(BPM, "heart_rate")),
			Doc:    "The track of a workout with GPS."},
		// Device
		{ID: Battery, Measurement: "DeviceBatteryLevel", Tags: []string{"Tracker"}, NoDevice: true, Fields: bounded(NotNegative, floats(Percent, "value→battery")), LateDays: 2, Python: true,
			Doc: "Battery of a tracker, at its last sync; the first tracker is not tagged."},
	}
}

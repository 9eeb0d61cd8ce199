package homeassistant

// Place says whose entity it is.
type Place uint8

const (
	OfPerson  Place = iota // of a person's device
	OfTracker              // of each device that a person wears or stands on
	OfService              // of the program itself
)

// The platforms of Home Assistant that are used.
const (
	Sensor       = "sensor"
	BinarySensor = "binary_sensor"
	Event        = "event"
	Button       = "button"
)

// An Entity is one row of the table of entities. What feeds it is the sensor key of a field in the catalogue, or this package.
type Entity struct {
	Place       Place
	Key         string // never changes: ids are made of it
	Name        string // English
	Platform    string
	Unit        string
	DeviceClass string
	StateClass  string
	Precision   int    // digits behind the point that are shown; -1 for what is no number
	Icon        string // empty: as the device class has it
	Diagnostic  bool
	Off         bool     // the user has to enable it
	Values      []string // an enum's options, or an event's types
	Whole       bool     // of a night: the sum over all sleeps of the day; otherwise it is of the main one
}

const (
	total       = "total_increasing"
	measurement = "measurement"
)

// counter is a sensor that counts up through the day.
func counter(key, name, unit, class string, precision int, icon string) Entity {
	return Entity{Key: key, Name: name, Platform: Sensor, Unit: unit, DeviceClass: class, StateClass: total, Precision: precision, Icon: icon}
}

// gauge is a sensor of a measured value.
func gauge(key, name, unit, class string, precision int, icon string) Entity {
	return Entity{Key: key, Name: name, Platform: Sensor, Unit: unit, DeviceClass: class, StateClass: measurement, Precision: precision, Icon: icon}
}

// word is a sensor that is no number: an instant, a text, one of some words.
func word(key, name, class, icon string, values ...string) Entity {
	return Entity{Key: key, Name: name, Platform: Sensor, DeviceClass: class, Precision: -1, Icon: icon, Values: values}
}

// other is an entity of another platform.
func other(platform, key, name, class, icon string, values ...string) Entity {
	return Entity{Key: key, Name: name, Platform: platform, DeviceClass: class, Precision: -1, Icon: icon, Values: values}
}

// summed marks what is added up over all sleeps of a day.
func summed(rows ...Entity) []Entity {
	for i := range rows {
		rows[i].Whole = true
	}
	return rows
}

// off marks what the user has to enable.
func off(rows ...Entity) []Entity {
	for i := range rows {
		rows[i].Off = true
	}
	return rows
}

// of gives entities to another place than a person; those are all but the button about the program and its devices.
func of(place Place, rows ...Entity) []Entity {
	for i := range rows {
		rows[i].Place, rows[i].Diagnostic = place, rows[i].Platform != Button
	}
	return rows
}

// join makes one list of rows and lists of rows.
func join(lists ...[]Entity) []Entity {
	var out []Entity
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// Entities returns the table of all entities, in the order in which they are documented.
func Entities() []Entity {
	return join(activity(), heart(), night(), body(), events(), trackers(), service())
}

func activity() []Entity {
	return join(
		[]Entity{
			counter("steps", "Steps", "steps", "", 0, "mdi:walk"),
			counter("distance", "Distance", "km", "distance", 2, "mdi:map-marker-distance"),
			counter("floors", "Floors", "floors", "", 0, "mdi:stairs-up"),
			counter("calories", "Calories burned", "kcal", "", 0, "mdi:fire"),
			counter("calories_active", "Active calories", "kcal", "", 0, "mdi:fire-circle"),
			counter("minutes_light", "Lightly active time", "min", "duration", 0, "mdi:walk"),
			counter("minutes_fair", "Fairly active time", "min", "duration", 0, "mdi:run"),
			counter("minutes_very", "Very active time", "min", "duration", 0, "mdi:run-fast"),
			counter("azm", "Active zone minutes", "min", "duration", 0, "mdi:heart-flash"),
		},
		off(
			counter("elevation", "Elevation gain", "m", "distance", 0, "mdi:elevation-rise"),
			counter("minutes_sedentary", "Sedentary time", "min", "duration", 0, "mdi:seat"),
			counter("azm_fat_burn", "Active zone minutes in fat burn", "min", "duration", 0, "mdi:heart-flash"),
			counter("azm_cardio", "Active zone minutes in cardio", "min", "duration", 0, "mdi:heart-flash"),
			counter("azm_peak", "Active zone minutes in peak", "min", "duration", 0, "mdi:heart-flash"),
		),
	)
}

func heart() []Entity {
	return join(
		[]Entity{
			gauge("heart_rate", "Heart rate", "bpm", "", 0, "mdi:heart-pulse"),
			gauge("resting_heart_rate", "Resting heart rate", "bpm", "", 0, "mdi:heart"),
			gauge("hrv", "Heart rate variability", "ms", "", 0, "mdi:heart-settings"),
			gauge("vo2_max", "Cardio fitness (VO2max)", "mL/kg/min", "", 1, "mdi:speedometer"),
		},
		off(
			gauge("hrv_deep", "Heart rate variability in deep sleep", "ms", "", 0, "mdi:heart-settings"),
			counter("hr_zone_normal", "Time below the fat burn zone", "min", "duration", 0, "mdi:heart-outline"),
			counter("hr_zone_fat_burn", "Time in the fat burn zone", "min", "duration", 0, "mdi:heart-half-full"),
			counter("hr_zone_cardio", "Time in the cardio zone", "min", "duration", 0, "mdi:heart"),
			counter("hr_zone_peak", "Time in the peak zone", "min", "duration", 0, "mdi:heart-flash"),
		),
	)
}

func night() []Entity {
	return join(
		summed(
			gauge("sleep_asleep", "Time asleep", "min", "duration", 0, "mdi:sleep"),
			gauge("sleep_in_bed", "Time in bed", "min", "duration", 0, "mdi:bed"),
			gauge("sleep_awake", "Time awake in bed", "min", "duration", 0, "mdi:bed-clock"),
			gauge("sleep_deep", "Deep sleep", "min", "duration", 0, "mdi:power-sleep"),
			gauge("sleep_light", "Light sleep", "min", "duration", 0, "mdi:sleep"),
			gauge("sleep_rem", "REM sleep", "min", "duration", 0, "mdi:eye-closed"),
		),
		[]Entity{
			gauge("sleep_efficiency", "Sleep efficiency", "%", "", 0, "mdi:bed-outline"),
			word("sleep_start", "Fell asleep", "timestamp", "mdi:weather-night"),
			word("sleep_end", "Woke up", "timestamp", "mdi:weather-sunset-up"),
			gauge("breathing_rate", "Breathing rate", "breaths/min", "", 1, "mdi:lungs"),
			gauge("spo2", "Blood oxygen", "%", "", 1, "mdi:water-percent"),
			gauge("skin_temperature", "Skin temperature deviation", "°C", "temperature_delta", 1, "mdi:thermometer-lines"),
			other(BinarySensor, "sleeping", "Sleeping", "", "mdi:sleep"),
		},
		off(
			gauge("sleep_to_fall_asleep", "Time to fall asleep", "min", "duration", 0, "mdi:timer-sand"),
			gauge("sleep_after_wakeup", "Time in bed after waking", "min", "duration", 0, "mdi:bed-clock"),
			word("sleep_stage", "Last sleep stage", "enum", "mdi:chart-timeline-variant", "awake", "light", "deep", "rem", "asleep", "restless"),
			gauge("spo2_min", "Lowest blood oxygen", "%", "", 1, "mdi:water-percent"),
			gauge("spo2_max", "Highest blood oxygen", "%", "", 1, "mdi:water-percent"),
		),
	)
}

func body() []Entity {
	return []Entity{
		gauge("weight", "Weight", "kg", "weight", 1, "mdi:scale-bathroom"),
		gauge("bmi", "Body mass index", "kg/m²", "", 1, "mdi:human"),
		gauge("body_fat", "Body fat", "%", "", 1, "mdi:percent"),
		gauge("core_temperature", "Body temperature", "°C", "temperature", 1, ""),
		other(BinarySensor, "worn", "Worn", "", "mdi:watch"),
	}
}

func events() []Entity {
	return []Entity{
		other(Event, "workout", "Workout", "", "mdi:run-fast", "workout"),
		other(Event, "night_complete", "Night complete", "", "mdi:weather-sunset-up", nightWhole, nightCorrected),
	}
}

func trackers() []Entity {
	return of(OfTracker,
		gauge("battery", "Battery", "%", "battery", 0, ""),
		word("last_sync", "Last sync", "timestamp", "mdi:watch-import"),
	)
}

func service() []Entity {
	return join(
		of(OfService,
			other(BinarySensor, "connectivity", "Health service", "connectivity", ""),
			other(BinarySensor, "authorization", "Authorization", "problem", ""),
			other(BinarySensor, "influxdb", "InfluxDB", "connectivity", ""),
			word("last_fetch", "Last fetch", "timestamp", "mdi:download"),
			word("last_error", "Last error", "", "mdi:alert-circle-outline"),
			other(Button, "sync", "Sync now", "", "mdi:sync"),
		),
		off(of(OfService,
			word("next_fetch", "Next fetch", "timestamp", "mdi:download-outline"),
			gauge("requests", "Requests in the last hour", "requests", "", 0, "mdi:counter"),
			gauge("requests_left", "Requests left", "requests", "", 0, "mdi:gauge"),
			gauge("backfill", "Backfill progress", "%", "", 0, "mdi:progress-download"),
		)...),
	)
}

package simulate

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// workoutKey is the number of a workout's log.
func (p *Person) workoutKey(d metric.Day, n int) uint64 {
	return 50_000_000_000 + hash(p.Seed, saltLegacy+0x400, int64(d)*16+int64(n))%10_000_000_000
}

// workouts answers with pages of workouts, to the end of the person's history.
func (c *fitbitCall) workouts(asked) (any, *fitbitError) {
	l, err := c.parseList(100)
	if err != nil {
		return nil, err
	}
	logs, skip, more := []obj{}, l.offset, false
	l.walk(c, func(d metric.Day) bool {
		plan := c.p.plannedWorkouts(d)
		order := make([]int, len(plan))
		for i := range order {
			order[i] = i
		}
		if l.before != "" {
			slices.Reverse(order)
		}
		for _, i := range order {
			switch {
			case plan[i].end.After(c.horizon) || !l.holds(c, plan[i].start):
			case skip > 0:
				skip--
			case len(logs) == l.limit:
				more = true
				return false
			default:
				logs = append(logs, c.workoutLog(&c.p.Workouts(d)[i], i))
			}
		}
		return true
	})
	return obj{"activities": logs, "pagination": l.pagination(c, more)}, nil
}

// activityTypeID is the service's number for a kind of workout.
func activityTypeID(kind string) int {
	switch kind {
	case "WALKING":
		return 90013
	case "RUNNING":
		return 90009
	case "OUTDOOR_BIKE":
		return 1071
	case "TREADMILL":
		return 20049
	}
	return 2131
}

// workoutLog is one workout of the list. Unlike all else, its times carry an offset.
func (c *fitbitCall) workoutLog(w *Workout, n int) obj {
	key := c.p.workoutKey(w.Day, n)
	ms := w.End.Sub(w.Start).Milliseconds()
	log := obj{
		"activeDuration": w.Active.Milliseconds(), "activityTypeId": activityTypeID(w.Type), "calories": w.Kcal, "duration": ms, "hasActiveZoneMinutes": true, "hasGps": w.GPS,
		"inProgress": false, "lastModified": w.Created.UTC().Format("2006-01-02T15:04:05.000Z"), "logId": key, "logType": "tracker",
		"manualValuesSpecified": obj{"calories": false, "distance": false, "steps": false}, "originalDuration": ms, "originalStartTime": c.zoned(w.Start), "startTime": c.zoned(w.Start),
		"intervalWorkoutData": obj{"intervalSummaries": []obj{}, "numRepeats": 0}, "activeZoneMinutes": workoutZoneMinutes(w), "heartRateZones": c.workoutZones(w),
		"activityLevel": []obj{{"minutes": 0, "name": "sedentary"}, {"minutes": 0, "name": "lightly"}, {"minutes": 0, "name": "fairly"}, {"minutes": int(w.Active / time.Minute), "name": "very"}},
		"caloriesLink":  c.workoutLink("calories", "1min", w, "15:04"), "heartRateLink": c.workoutLink("heart", "1sec", w, "15:04:05"),
		"tcxLink": c.link("/1/user/-/activities/" + strconv.FormatUint(key, 10) + ".tcx"),
		"source":  obj{"id": c.p.devices(c.now, c.horizon)[0].id, "name": c.p.Tracker(), "trackerFeatures": []string{"GPS", "HEARTRATE"}, "type": "tracker", "url": "https://www.fitbit.com/"},
	}
	if hash(c.p.Seed, saltLegacy+0x500, int64(key))%40 != 0 { // a few have no name
		log["activityName"] = w.Name
	}
	if w.AverageHeart > 0 {
		log["averageHeartRate"] = w.AverageHeart
	}
	if w.Steps > 0 {
		log["steps"] = w.Steps
	}
	if w.Gain > 0 {
		log["elevationGain"] = c.units.rise(w.Gain)
	}
	if way := c.units.way(w.Millimetre); way > 0 {
		log["distance"], log["distanceUnit"] = way, c.units.distanceName()
		log["pace"], log["speed"] = round(w.Active.Seconds()/way, 4), round(way/w.Active.Hours(), 4)
	}
	return log
}

func (c *fitbitCall) workoutLink(what, detail string, w *Workout, layout string) string {
	clock := func(t time.Time) (string, string) {
		local := time.Unix(c.local(t.Unix()), 0).UTC()
		return local.Format(time.DateOnly), local.Format(layout)
	}
	d1, t1 := clock(w.Start)
	d2, t2 := clock(w.End)
	return c.link("/1/user/-/activities/" + what + "/date/" + d1 + "/" + d2 + "/" + detail + "/time/" + t1 + "/" + t2 + ".json")
}

func workoutZoneMinutes(w *Workout) obj {
	zones := make([]obj, 0, 4)
	for z := ZoneLight; z <= ZonePeak; z++ {
		zones = append(zones, obj{"minuteMultiplier": [...]int{0, 1, 2, 2}[z], "minutes": int(w.InZone[z] / time.Minute), "order": int(z),
			"type": [...]string{"OUT_OF_ZONE", "FAT_BURN", "CARDIO", "PEAK"}[z], "zoneName": [...]string{"Out of Range", "Fat Burn", "Cardio", "Peak"}[z]})
	}
	return obj{"minutesInHeartRateZones": zones, "totalMinutes": w.AZM}
}

// workoutZones shares the energy out by time.
func (c *fitbitCall) workoutZones(w *Workout) []obj {
	t, total := Totals{Worn: 1}, time.Duration(0)
	for _, d := range w.InZone {
		total += d
	}
	for z, d := range w.InZone {
		t.ZoneMinute[z] = int(d / time.Minute)
		t.ZoneEnergy[z] = int(float64(w.Kcal) * 10_000 * d.Seconds() / max(1, total.Seconds()))
	}
	return c.zones(w.Day, t)
}

// tcx answers with the way of a workout.
func (c *fitbitCall) tcx(id string) (any, *fitbitError) {
	for _, scope := range []string{"activity", "location"} {
		if err := c.need(scope); err != nil {
			return nil, err
		}
	}
	for d := c.today(); d >= c.p.Start; d-- {
		for n, planned := range c.p.plannedWorkouts(d) {
			if strconv.FormatUint(c.p.workoutKey(d, n), 10) == id && !planned.end.After(c.horizon) {
				w := c.p.Workouts(d)[n]
				return xmlAnswer(c.p.tcx(w, c.r.URL.Query().Get("includePartialTCX") == "true", &legacyTCX{c.p.Offset(w.Start), c.p.Tracker()})), nil
			}
		}
	}
	return nil, fitbitErr(http.StatusNotFound, "not_found", "logId", "The log does not exist: "+id)
}

// daySummary answers with one day in numbers, where the series have strings.
func (c *fitbitCall) daySummary(q asked) (any, *fitbitError) {
	t := c.totals(q.first)
	way := c.units.way(t.Millimetre)
	kcal := func(n int) int { return int(math.Round(float64(n) / 10_000)) }
	summary := obj{
		"activeScore": -1, "activityCalories": kcal(t.Active), "caloriesBMR": kcal(t.Total - t.Active), "caloriesOut": kcal(t.Total), "marginalCalories": kcal(t.Active), "steps": t.Steps,
		"distances": []obj{{"activity": "total", "distance": way}, {"activity": "tracker", "distance": way}, {"activity": "loggedActivities", "distance": 0.0}},
		"elevation": c.units.rise(t.Gain), "floors": t.Floors, "sedentaryMinutes": t.Level[Sedentary], "lightlyActiveMinutes": t.Level[LightlyActive],
		"fairlyActiveMinutes": t.Level[ModeratelyActive], "veryActiveMinutes": t.Level[VeryActive],
	}
	if t.Worn > 0 {
		heart := c.heartDay(q.first, t)
		summary["heartRateZones"] = heart["heartRateZones"]
		if rest, ok := heart["restingHeartRate"]; ok {
			summary["restingHeartRate"] = rest
		}
	}
	activities := []obj{}
	for n, w := range c.p.Workouts(q.first) {
		if !w.End.After(c.horizon) {
			activities = append(activities, c.oldLog(&w, n))
		}
	}
	goals := obj{"activeMinutes": 30, "caloriesOut": 2500, "distance": c.units.way(8_050_000), "floors": 10, "steps": 10_000}
	return obj{"activities": activities, "goals": goals, "summary": summary}, nil
}

// oldLog is a workout in the form of the daily summary.
func (c *fitbitCall) oldLog(w *Workout, n int) obj {
	local := time.Unix(c.local(w.Start.Unix()), 0).UTC()
	return obj{"activityId": activityTypeID(w.Type), "activityParentId": activityTypeID(w.Type), "activityParentName": w.Name, "calories": w.Kcal, "description": "",
		"distance": c.units.way(w.Millimetre), "duration": w.Active.Milliseconds(), "hasActiveZoneMinutes": true, "hasStartTime": true, "isFavorite": false,
		"lastModified": w.Created.UTC().Format("2006-01-02T15:04:05.000Z"), "logId": c.p.workoutKey(w.Day, n), "name": w.Name,
		"startDate": local.Format(time.DateOnly), "startTime": local.Format("15:04"), "steps": w.Steps}
}

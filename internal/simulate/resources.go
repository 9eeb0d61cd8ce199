package simulate

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// getIdentity answers with any scope.
func getIdentity(w http.ResponseWriter, c *call) *apiError {
	return c.object(w, "identity", func(e *enc) {
		e.str("name", "users/"+c.p.Account()+"/identity")
		e.str("healthUserId", c.p.Account())
		e.str("legacyUserId", c.p.LegacyAccount())
	})
}

// resource answers with an object that one scope guards.
func resource(name, scope string, write func(*enc, *call)) handler {
	return func(w http.ResponseWriter, c *call) *apiError {
		if err := c.need(scope); err != nil {
			return err
		}
		return c.object(w, name, func(e *enc) {
			e.str("name", "users/"+c.p.Account()+"/"+name)
			write(e, c)
		})
	}
}

func writeSettings(e *enc, c *call) {
	zone := c.p.Zone(c.p.Day(c.now))
	e.str("timeZone", zone.String())
	e.seconds("utcOffset", c.p.Offset(c.now))
	e.str("languageLocale", "en_US")
	e.str("distanceUnit", "DISTANCE_UNIT_KILOMETERS")
	e.str("weightUnit", "WEIGHT_UNIT_KILOGRAMS")
	e.str("heightUnit", "HEIGHT_UNIT_CENTIMETERS")
	e.str("temperatureUnit", "TEMPERATURE_UNIT_CELSIUS")
	e.str("waterUnit", "WATER_UNIT_ML")
	e.str("swimUnit", "SWIM_UNIT_METERS")
	e.str("glucoseUnit", "GLUCOSE_UNIT_MG_DL")
	e.str("strideLengthWalkingType", "STRIDE_LENGTH_TYPE_AUTO")
	e.str("strideLengthRunningType", "STRIDE_LENGTH_TYPE_AUTO")
	e.yes("autoStrideEnabled", true)
	e.str("foodLanguageCode", "en-US")
}

func writeProfile(e *enc, c *call) {
	e.int32("age", c.p.Age())
	e.date("membershipStartDate", c.p.Start)
	if c.grant.has(activity) {
		e.int32("autoWalkingStrideLengthMm", 735)
		e.int32("autoRunningStrideLengthMm", 1010)
	}
}

func writeIRN(e *enc, c *call) {
	e.yes("onboardingStatus", true)
	e.yes("enrollmentStatus", true)
	e.time("updateTime", c.p.Midnight(c.p.Start).Add(9*time.Hour))
}

// device is one paired device.
type device struct {
	id, kind, version, mac string
	sync                   time.Time
	battery                int
	features               []string
}

// devices returns the tracker, and the scale that sends the weighings, at an instant whose last sync is horizon.
func (p *Person) devices(now, horizon time.Time) []device {
	h := hash(p.Seed, saltKey, -3)
	id := strconv.FormatUint(1e9+h%9e9, 10)
	mac := strings.ToUpper(strconv.FormatUint(1<<47|h>>17, 16))
	tracker := device{id: id, kind: "TRACKER", version: p.Tracker(), mac: mac[:12], sync: horizon,
		features: []string{"STEPS", "HEART_RATE", "SPO2", "SKIN_TEMPERATURE"}}
	if !horizon.IsZero() {
		tracker.battery = p.Battery(horizon)
	}
	scale := device{id: strconv.FormatUint(1e9+h>>7%9e9, 10), kind: "SCALE", version: "Aria Air", mac: mac[1:12] + "7", battery: 71}
	for d := p.Day(now); d >= p.Start; d-- {
		if at, _, _, ok := p.Weighing(d); ok && !at.After(now) {
			scale.sync = at.Truncate(time.Second)
			break
		}
	}
	return []device{tracker, scale}
}

func (d *device) write(e *enc) {
	e.str("name", "users/"+e.p.Account()+"/pairedDevices/"+d.id)
	e.str("deviceType", d.kind)
	e.str("batteryStatus", batteryWord(d.battery))
	e.int32("batteryLevel", d.battery)
	if !d.sync.IsZero() {
		e.time("lastSyncTime", d.sync)
	}
	e.str("deviceVersion", d.version)
	e.str("macAddress", d.mac)
	if len(d.features) > 0 && e.array("features") {
		for _, f := range d.features {
			e.comma()
			e.b = appendString(e.b, f)
		}
		e.endArray()
	}
}

func batteryWord(percent int) string {
	switch {
	case percent > 60:
		return "High"
	case percent > 25:
		return "Medium"
	case percent > 5:
		return "Low"
	}
	return "Empty"
}

func listDevices(w http.ResponseWriter, c *call) *apiError {
	if err := c.need(settings); err != nil {
		return err
	}
	v := c.r.URL.Query()
	size, err := pageSize(v.Get("pageSize"), 5, 100)
	if err != nil {
		return err
	}
	sum, from := checksum(c.p.Account(), "pairedDevices"), 0
	if s := v.Get("pageToken"); s != "" {
		at, ok := parseCursor(s, sum)
		if !ok {
			return invalid("INVALID_PAGE_TOKEN", "The page token is invalid or belongs to another request.")
		}
		from = at.index
	}
	all := c.p.devices(c.now, c.horizon)
	return c.object(w, "devices", func(e *enc) {
		to := min(from+size, len(all))
		if from < to && e.array("pairedDevices") {
			for i := from; i < to; i++ {
				e.item()
				all[i].write(e)
				e.done()
			}
			e.endArray()
		}
		if to < len(all) {
			e.str("nextPageToken", cursor{index: to}.token(sum))
		}
	})
}

func getDevice(w http.ResponseWriter, c *call, id string) *apiError {
	if err := c.need(settings); err != nil {
		return err
	}
	for _, d := range c.p.devices(c.now, c.horizon) {
		if d.id == id {
			return c.object(w, "device", d.write)
		}
	}
	return notFound()
}

// exportTCX answers with the way of a workout: plain with alt=media, else as bytes in JSON.
func (g *Google) exportTCX(name, id string) handler {
	return func(w http.ResponseWriter, c *call) *apiError {
		if name != "exercise" {
			return badParent("Only exercises can be exported.")
		}
		for _, s := range []string{location, activity} {
			if err := c.need(s); err != nil {
				return err
			}
		}
		workout, ok := c.workout(id)
		if !ok || g.byName["exercise"].fill == nil {
			return notFound()
		}
		partial := c.r.URL.Query().Get("partialData") == "true"
		if !workout.GPS && !partial {
			return invalid("EXERCISE_WITHOUT_GPS_DATA", "The exercise has no GPS data; set partialData to export it nevertheless.")
		}
		tcx := c.p.tcx(workout, partial, nil)
		if c.r.URL.Query().Get("alt") == "media" {
			w.Header().Set("Content-Type", "application/vnd.garmin.tcx+xml")
			g.send(w, c.r, http.StatusOK, tcx)
			return nil
		}
		return c.object(w, "tcx", func(e *enc) { e.str("tcxData", base64.StdEncoding.EncodeToString(tcx)) })
	}
}

// workout finds a workout that has been synced.
func (c *call) workout(id string) (Workout, bool) {
	for d := c.newest(); d >= c.p.Start; d-- {
		for n := range c.p.plannedWorkouts(d) {
			if c.p.key(saltWorkout, d, n) == id {
				w := c.p.Workouts(d)[n]
				return w, !w.End.After(c.horizon)
			}
		}
	}
	return Workout{}, false
}

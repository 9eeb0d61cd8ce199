package simulate

import (
	"strconv"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// weighing is one stand on the scale.
type weighing struct {
	at         time.Time
	grams, fat float64
}

// weighingOf returns the weighing of a day, once it was sent. A scale needs no sync of the tracker.
func (c *fitbitCall) weighingOf(d metric.Day) (weighing, bool) {
	at, grams, fat, ok := c.p.Weighing(d)
	return weighing{at, grams, fat}, ok && !at.After(c.now)
}

// bmi is the same in every unit system.
func (p *Person) bmi(grams float64) float64 {
	m := float64(p.HeightMillimetre()) / 1000
	return round(grams/1000/(m*m), 2)
}

func (c *fitbitCall) weighingLog(d metric.Day, w weighing) obj {
	return obj{"date": d.String(), "time": timeOfDay(c.local(w.at.Unix()) % 86400), "logId": w.at.UnixMilli(), "source": "AriaAir", "fat": w.fat}
}

// weightLog answers with the weighings: each has its body fat and body mass index.
func (c *fitbitCall) weightLog(q asked) (any, *fitbitError) {
	out := []obj{}
	c.eachDay(q, func(d metric.Day) {
		if w, ok := c.weighingOf(d); ok {
			log := c.weighingLog(d, w)
			log["weight"], log["bmi"] = c.units.mass(w.grams), c.p.bmi(w.grams)
			out = append(out, log)
		}
	})
	return obj{"weight": out}, nil
}

func (c *fitbitCall) fatLog(q asked) (any, *fitbitError) {
	out := []obj{}
	c.eachDay(q, func(d metric.Day) {
		if w, ok := c.weighingOf(d); ok {
			out = append(out, c.weighingLog(d, w))
		}
	})
	return obj{"fat": out}, nil
}

// bodySeries answers with one string a day: the last weighing is carried forward.
func (c *fitbitCall) bodySeries(q asked) (any, *fitbitError) {
	out := []obj{}
	var last weighing
	for d := max(q.first, c.p.Start); d > c.p.Start && last.grams == 0; d-- {
		last, _ = c.weighingOf(d)
	}
	if last.grams == 0 {
		last, _ = c.weighingOf(c.p.Start)
	}
	c.eachDay(q, func(d metric.Day) {
		if w, ok := c.weighingOf(d); ok {
			last = w
		}
		if last.grams == 0 {
			return
		}
		x := last.fat
		switch q.route.of {
		case "bmi":
			x = c.p.bmi(last.grams)
		case "weight":
			x = c.units.mass(last.grams)
		}
		out = append(out, obj{"dateTime": d.String(), "value": strconv.FormatFloat(x, 'f', -1, 64)})
	})
	return obj{"body-" + q.route.of: out}, nil
}

// deviceList answers with the tracker and the scale. The scale does not tell its battery in percent.
func (c *fitbitCall) deviceList(asked) (any, *fitbitError) {
	out := []obj{}
	for _, d := range c.p.devices(c.now, c.horizon) {
		if d.sync.IsZero() {
			continue
		}
		one := obj{"battery": batteryWord(d.battery), "deviceVersion": d.version, "features": []string{}, "id": d.id, "lastSyncTime": c.stamp(d.sync), "mac": d.mac, "type": d.kind}
		if d.kind == "TRACKER" {
			one["batteryLevel"] = d.battery
		}
		out = append(out, one)
	}
	return out, nil
}

// profile answers with who the person is, and in which zone their clock runs now.
func (c *fitbitCall) profile(asked) (any, *fitbitError) {
	today := c.p.Day(c.now)
	steps, days := 0, 0
	for d := max(today-7, c.p.Start); d < today; d++ {
		t := c.totals(d)
		steps, days = steps+t.Steps, days+1
	}
	var last weighing
	for d := today; d >= c.p.Start && last.grams == 0; d-- {
		last, _ = c.weighingOf(d)
	}
	id := c.p.LegacyAccount()
	user := obj{
		"age": c.p.Age(), "avatar": "https://static0.fitbit.com/images/profile/defaultProfile_100.png", "averageDailySteps": steps / max(1, days), "clockTimeDisplayFormat": "24hour", "country": "DE",
		"dateOfBirth": strconv.Itoa(today.Civil().Year()-c.p.Age()) + "-01-01", "displayName": "Person " + id, "distanceUnit": "METRIC", "encodedId": id, "features": obj{"exerciseGoal": true},
		"fullName": "Person " + id, "gender": "NA", "height": c.units.tall(c.p.HeightMillimetre()), "heightUnit": "METRIC", "languageLocale": "en_US", "locale": "en_US",
		"memberSince": c.p.Start.String(), "offsetFromUTCMillis": c.p.Offset(c.now) * 1000, "sleepTracking": "Normal", "startDayOfWeek": "MONDAY",
		"strideLengthRunning": c.units.tall(1010), "strideLengthWalking": c.units.tall(735), "timezone": c.p.Zone(today).String(), "topBadges": []obj{}, "waterUnit": "METRIC", "weightUnit": "METRIC",
	}
	if last.grams > 0 {
		user["weight"] = c.units.mass(last.grams)
	}
	return obj{"user": user}, nil
}

package simulate

import (
	"math"
	"strconv"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// heart answers for the heart: zones and resting rate of each day, and the readings where they are asked for.
func (c *fitbitCall) heart(q asked) (any, *fitbitError) {
	days := []obj{}
	c.eachDay(q, func(d metric.Day) {
		if !q.windowed {
			days = append(days, obj{"dateTime": d.String(), "value": c.heartDay(d, c.totals(d))})
			return
		}
		// a part of a day has another head: the zones beside the date, and the mean as a string
		head := c.heartDay(d, c.windowTotals(q, d))
		delete(head, "restingHeartRate")
		head["dateTime"], head["value"] = d.String(), c.meanHeart(q, d)
		days = append(days, head)
	})
	answer := obj{"activities-heart": days}
	if q.detail != "" && c.intraday() {
		answer["activities-heart-intraday"] = c.heartReadings(q)
	}
	return answer, nil
}

// heartDay is a day's zones and resting rate. Sleep counts to the lowest zone, which the service calls out of range.
func (c *fitbitCall) heartDay(d metric.Day, t Totals) obj {
	asleep, asleepEnergy := t.Worn, t.Total
	for z := range t.ZoneMinute {
		asleep, asleepEnergy = asleep-t.ZoneMinute[z], asleepEnergy-t.ZoneEnergy[z]
	}
	t.ZoneMinute[ZoneLight] += asleep
	t.ZoneEnergy[ZoneLight] += asleepEnergy
	value := obj{"customHeartRateZones": []obj{}, "heartRateZones": c.zones(d, t)}
	if v, ok := c.vital(d, 0); ok {
		value["restingHeartRate"] = v.RestingHR
	}
	return value
}

// zones writes the minutes and kcal in each zone; those of a day without the band are bare.
func (c *fitbitCall) zones(d metric.Day, t Totals) []obj {
	limits := c.p.ZoneLimits(d)
	zones := make([]obj, 0, 4)
	for z := ZoneLight; z <= ZonePeak; z++ {
		top := 220
		if z < ZonePeak {
			top = limits[z+1]
		}
		one := obj{"name": [...]string{"Out of Range", "Fat Burn", "Cardio", "Peak"}[z], "min": limits[z], "max": top}
		if t.Worn > 0 {
			one["minutes"], one["caloriesOut"] = t.ZoneMinute[z], float64(t.ZoneEnergy[z])/10_000
		}
		zones = append(zones, one)
	}
	return zones
}

// A heartValue is one reading.
type heartValue struct {
	Time  string `json:"time"`
	Value int    `json:"value"`
}

// heartReadings returns the readings as they were measured, or their means on a grid.
func (c *fitbitCall) heartReadings(q asked) dataset {
	out := []heartValue{}
	if q.detail == "1sec" {
		c.eachReading(q, true, func(local int64, bpm uint8) {
			out = append(out, heartValue{timeOfDay(local % 86400), int(bpm)})
		})
		return dataset{out, 1, "second"}
	}
	step := q.grid() * 60
	at, sum, n := int64(-1), 0, 0
	flush := func() {
		if n > 0 {
			out = append(out, heartValue{timeOfDay(at % 86400), int(math.Round(float64(sum) / float64(n)))})
		}
	}
	c.eachReading(q, false, func(local int64, bpm uint8) {
		if slot := local - local%step; slot != at {
			flush()
			at, sum, n = slot, 0, 0
		}
		sum, n = sum+int(bpm), n+1
	})
	flush()
	return dataset{out, int(q.grid()), "minute"}
}

// eachReading calls f with the readings of a request that a sync has brought. Seldom leaves out what the service does: it has a
// reading every 5 to 15 seconds, and all of them only of a workout.
func (c *fitbitCall) eachReading(q asked, seldom bool, f func(local int64, bpm uint8)) {
	end := c.horizon.Unix()
	for d := max(q.first, c.p.Start-1); d <= min(q.last, c.today()); d++ {
		span := c.span(d)
		from, to := span.Start.Unix(), span.End.Unix()
		for own := max(c.p.Day(span.Start), c.p.Start); c.p.Midnight(own).Before(span.End); own++ {
			day, training := c.p.beatsOf(own), c.p.plannedWorkouts(own)
			next := int64(math.MinInt64)
			for i, at := range day.at {
				if seldom && at < next && !inWorkout(training, at) {
					continue
				}
				next = at + 5 + int64(mix(uint64(at))%3)*5
				if at < from || at >= to || at > end {
					continue
				}
				if local := c.local(at); q.within(d, local) {
					f(local, day.bpm[i])
				}
			}
		}
	}
}

func inWorkout(all []plannedWorkout, at int64) bool {
	for i := range all {
		if at >= all[i].start.Unix() && at < all[i].end.Unix() {
			return true
		}
	}
	return false
}

// meanHeart is the mean of the part of a day that was asked for.
func (c *fitbitCall) meanHeart(q asked, d metric.Day) string {
	day := q.on(d)
	sum, n := 0, 0
	c.eachReading(day, true, func(_ int64, bpm uint8) { sum, n = sum+int(bpm), n+1 })
	if n == 0 {
		return "0"
	}
	return strconv.FormatFloat(round(float64(sum)/float64(n), 2), 'f', -1, 64)
}

// zoneMinutes answers for active zone minutes. Zones without any are left out, and days without the band.
func (c *fitbitCall) zoneMinutes(q asked) (any, *fitbitError) {
	if q.detail != "" {
		return c.zoneMinutesByMinute(q)
	}
	days := []obj{}
	c.eachDay(q, func(d metric.Day) {
		if t := c.totals(d); t.Worn > 0 {
			days = append(days, obj{"dateTime": d.String(), "value": zoneMinuteValue(t.AZM)})
		}
	})
	return obj{"activities-active-zone-minutes": days}, nil
}

func zoneMinuteValue(azm [ZonePeak + 1]int) obj {
	value, sum := obj{}, 0
	for z := ZoneModerate; z <= ZonePeak; z++ {
		if azm[z] > 0 {
			value[[...]string{"", "fatBurn", "cardio", "peak"}[z]+"ActiveZoneMinutes"] = azm[z]
			sum += azm[z]
		}
	}
	if sum > 0 {
		value["activeZoneMinutes"] = sum
	}
	return value
}

func (c *fitbitCall) zoneMinutesByMinute(q asked) (any, *fitbitError) {
	if err := c.needIntraday(); err != nil {
		return nil, err
	}
	days := []obj{}
	step, synced := q.grid()*60, c.synced()
	for d := q.first; d <= q.last; d++ {
		day := q.on(d)
		minutes := []obj{}
		at, azm := int64(-1), [ZonePeak + 1]int{}
		flush := func() {
			if value := zoneMinuteValue(azm); len(value) > 0 {
				minutes = append(minutes, obj{"minute": d.String() + "T" + timeOfDay(at%86400), "value": value})
			}
		}
		c.eachMinute(day, func(m *Minute, local int64) {
			if slot := local - local%step; slot != at {
				flush()
				at, azm = slot, [ZonePeak + 1]int{}
			}
			if m.Start.Before(synced) {
				azm[m.Zone] += m.AZM()
			}
		})
		flush()
		if len(minutes) > 0 {
			days = append(days, obj{"dateTime": d.String(), "minutes": minutes})
		}
	}
	return obj{"activities-active-zone-minutes-intraday": days}, nil
}

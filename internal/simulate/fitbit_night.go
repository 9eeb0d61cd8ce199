package simulate

import (
	"fmt"
	"math"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// How long after a sleep was computed the values of the night appear; those of the blood take up to an hour.
const (
	nightDelay  = 15 * time.Minute
	oxygenDelay = 45 * time.Minute // at most, behind nightDelay
)

// vital returns what was derived from the night of day d, once the service has it.
func (c *fitbitCall) vital(d metric.Day, delay time.Duration) (Vital, bool) {
	v, ok := c.p.Vitals(d)
	return v, ok && !c.now.Before(v.Night.Updated.Add(delay))
}

// eachNight calls f with the nights of a request.
func (c *fitbitCall) eachNight(q asked, f func(metric.Day, *Vital)) {
	c.eachDay(q, func(d metric.Day) {
		if v, ok := c.vital(d, nightDelay); ok {
			f(d, &v)
		}
	})
}

// hrv answers with the variability of each night, or with its five minutes.
func (c *fitbitCall) hrv(q asked) (any, *fitbitError) {
	if q.all {
		if err := c.needIntraday(); err != nil {
			return nil, err
		}
	}
	out := []obj{}
	c.eachNight(q, func(d metric.Day, v *Vital) {
		if !q.all {
			out = append(out, obj{"dateTime": d.String(), "value": obj{"dailyRmssd": v.HRV, "deepRmssd": v.HRVDeep}})
			return
		}
		r := c.p.random(d, saltLegacy)
		minutes := []obj{}
		at, rmssd, _ := c.p.HRVs(d)
		for i := range at {
			minutes = append(minutes, obj{"minute": c.stamp(at[i]), "value": obj{"rmssd": rmssd[i], "coverage": round(r.between(0.8, 1), 3),
				"hf": round(rmssd[i]*rmssd[i]*r.between(0.15, 0.4), 3), "lf": round(rmssd[i]*rmssd[i]*r.between(0.3, 0.9), 3)}})
		}
		out = append(out, obj{"dateTime": d.String(), "minutes": minutes})
	})
	return obj{"hrv": out}, nil
}

// breathing answers with the breathing rate of each night, or with its stages: -1 where one could not be told.
func (c *fitbitCall) breathing(q asked) (any, *fitbitError) {
	if q.all {
		if err := c.needIntraday(); err != nil {
			return nil, err
		}
	}
	out := []obj{}
	rate := func(x float64) obj { return obj{"breathingRate": x} }
	c.eachNight(q, func(d metric.Day, v *Vital) {
		value := rate(v.Breaths)
		if q.all {
			rem := v.BreathREM
			if hash(c.p.Seed, saltLegacy, int64(d))%9 == 0 {
				rem = -1
			}
			value = obj{"fullSleepSummary": rate(v.Breaths), "deepSleepSummary": rate(v.BreathDeep), "lightSleepSummary": rate(v.BreathLight), "remSleepSummary": rate(rem)}
		}
		out = append(out, obj{"dateTime": d.String(), "value": value})
	})
	if len(out) == 0 && c.f.cfg.BareEmpty {
		return obj{}, nil
	}
	return obj{"br": out}, nil
}

// oxygen answers with the blood oxygen of each night, or with its minutes: a bare object for one date, a bare list for several.
func (c *fitbitCall) oxygen(q asked) (any, *fitbitError) {
	if q.all {
		if err := c.needIntraday(); err != nil {
			return nil, err
		}
	}
	out := []obj{}
	c.eachDay(q, func(d metric.Day) {
		late := time.Duration(hash(c.p.Seed, saltLegacy+0x100, int64(d)) % uint64(oxygenDelay))
		v, ok := c.vital(d, nightDelay+late)
		switch {
		case !ok:
		case q.all:
			out = append(out, obj{"dateTime": d.String(), "minutes": c.oxygenMinutes(d)})
		default:
			out = append(out, obj{"dateTime": d.String(), "value": obj{"avg": v.SpO2, "min": v.SpO2Low, "max": v.SpO2High}})
		}
	})
	switch {
	case len(out) == 0 && c.f.cfg.BareEmpty:
		return obj{}, nil
	case len(out) == 1 && q.single:
		return out[0], nil
	}
	return out, nil
}

// oxygenMinutes has gaps: in one night of ten nine minutes of ten are missing.
func (c *fitbitCall) oxygenMinutes(d metric.Day) []obj {
	r := c.p.random(d, saltLegacy+0x200)
	share := 0.9
	if r.chance(0.1) {
		share = 0.1
	}
	out := []obj{}
	for _, x := range c.p.SpO2(d) {
		if r.chance(share) {
			out = append(out, obj{"minute": c.stamp(x.Time)[:len("2006-01-02T15:04:05")], "value": x.Value})
		}
	}
	return out
}

// skinTemperature answers with the difference to the person's own baseline, once there is one.
func (c *fitbitCall) skinTemperature(q asked) (any, *fitbitError) {
	out := []obj{}
	c.eachNight(q, func(d metric.Day, v *Vital) {
		if !math.IsNaN(v.Baseline) {
			out = append(out, obj{"dateTime": d.String(), "logType": "dedicated_temp_sensor", "value": obj{"nightlyRelative": c.units.warmer(v.Skin - v.Baseline)}})
		}
	})
	return obj{"tempSkin": out}, nil
}

// coreTemperature answers with what the person measured and entered.
func (c *fitbitCall) coreTemperature(q asked) (any, *fitbitError) {
	out := []obj{}
	c.eachDay(q, func(d metric.Day) {
		for _, x := range c.p.CoreTemperatures(d) {
			if !x.Time.After(c.now) {
				out = append(out, obj{"dateTime": c.stamp(x.Time)[:len("2006-01-02T15:04:05")], "value": c.units.warm(x.Value)})
			}
		}
	})
	return obj{"tempCore": out}, nil
}

// cardioScore answers with VO2max: a number after a run with GPS, otherwise a range.
func (c *fitbitCall) cardioScore(q asked) (any, *fitbitError) {
	out := []obj{}
	c.eachNight(q, func(d metric.Day, v *Vital) {
		x := int(math.Round(v.VO2Max))
		text := fmt.Sprintf("%d-%d", x-2, x+2)
		if c.p.ranWithGPS(d) {
			text = fmt.Sprint(x)
		}
		out = append(out, obj{"dateTime": d.String(), "value": obj{"vo2Max": text}})
	})
	return obj{"cardioScore": out}, nil
}

// ranWithGPS reports whether there was a run in the week before day d.
func (p *Person) ranWithGPS(d metric.Day) bool {
	for n := d - 7; n < d; n++ {
		for _, w := range p.plannedWorkouts(n) {
			if w.gps && w.kind == "RUNNING" {
				return true
			}
		}
	}
	return false
}

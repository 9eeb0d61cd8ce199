package simulate

import (
	"math"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A window is one stretch of a roll-up, as far as the tracker has synced. It may be empty.
type window struct {
	p      *Person
	span   metric.Span // cut at the last sync
	whole  metric.Span // cut at now: for what needs no sync
	member string
}

// totals returns the sums of the window; false where nothing was worn.
func (w window) totals() (Totals, bool) {
	t := w.p.TotalsOf(w.span)
	return t, t.Worn > 0
}

// sum writes one member of the window's value; a true zero is an empty object, as the wire leaves zeros out.
func (w window) sum(e *enc, write func(t *Totals)) {
	t, worn := w.totals()
	if worn && e.open(w.member) {
		write(&t)
		e.end()
	}
}

func rollSteps(e *enc, w window) {
	w.sum(e, func(t *Totals) { e.count("countSum", int64(t.Steps)) })
}

func rollDistance(e *enc, w window) {
	w.sum(e, func(t *Totals) { e.count("millimetersSum", int64(t.Millimetre)) })
}

func rollFloors(e *enc, w window) {
	w.sum(e, func(t *Totals) { e.count("countSum", int64(t.Floors)) })
}

func rollAltitude(e *enc, w window) {
	w.sum(e, func(t *Totals) { e.count("gainMillimetersSum", int64(t.Gain)) })
}

func rollActiveEnergy(e *enc, w window) {
	w.sum(e, func(t *Totals) {
		if t.Active > 0 {
			e.kcal("kcalSum", t.Active)
		}
	})
}

func rollTotalCalories(e *enc, w window) {
	w.sum(e, func(t *Totals) { e.kcal("kcalSum", t.Total) })
}

func rollActiveMinutes(e *enc, w window) {
	w.sum(e, func(t *Totals) {
		if !e.array("activeMinutesRollupByActivityLevel") {
			return
		}
		for l := LightlyActive; l <= VeryActive; l++ {
			e.item()
			e.str("activityLevel", activeName(l))
			e.count("activeMinutesSum", int64(t.Level[l]))
			e.done()
		}
		e.endArray()
	})
}

func rollActivityLevel(e *enc, w window) {
	w.sum(e, func(t *Totals) {
		if !e.array("activityLevelRollupsByActivityLevelType") {
			return
		}
		for l := Sedentary; l <= VeryActive; l++ {
			if t.Level[l] > 0 {
				e.item()
				e.str("activityLevelType", levelName(l))
				e.seconds("totalDuration", 60*t.Level[l])
				e.done()
			}
		}
		e.endArray()
	})
}

// rollSedentary adds up the sedentary periods: a minute counts only as part of a long one.
func rollSedentary(e *enc, w window) {
	if _, worn := w.totals(); !worn || !e.open(w.member) {
		return
	}
	sum := time.Duration(0)
	for d := w.p.Day(w.span.Start); w.p.Midnight(d).Before(w.span.End); d++ {
		for _, s := range w.p.SedentaryPeriods(d) {
			if o := (metric.Span{Start: s.Start, End: s.End}).Overlap(w.span); !o.Empty() {
				sum += o.Len()
			}
		}
	}
	e.duration("durationSum", sum)
	e.end()
}

func rollZoneMinutes(e *enc, w window) {
	w.sum(e, func(t *Totals) {
		e.count("sumInFatBurnHeartZone", int64(t.AZM[ZoneModerate]))
		e.count("sumInCardioHeartZone", int64(t.AZM[ZoneVigorous]))
		e.count("sumInPeakHeartZone", int64(t.AZM[ZonePeak]))
	})
}

func rollTimeInZone(e *enc, w window) {
	w.sum(e, func(t *Totals) {
		if !e.array("timeInHeartRateZones") {
			return
		}
		for z := ZoneLight; z <= ZonePeak; z++ {
			if t.ZoneMinute[z] > 0 {
				e.item()
				e.str("heartRateZone", zoneName(z))
				e.seconds("duration", 60*t.ZoneMinute[z])
				e.done()
			}
		}
		e.endArray()
	})
}

func rollZoneCalories(e *enc, w window) {
	w.sum(e, func(t *Totals) {
		if !e.array("caloriesInHeartRateZones") {
			return
		}
		for z := ZoneLight; z <= ZonePeak; z++ {
			if t.ZoneEnergy[z] > 0 {
				e.item()
				e.str("heartRateZone", zoneName(z))
				e.kcal("kcal", t.ZoneEnergy[z])
				e.done()
			}
		}
		e.endArray()
	})
}

func rollHeartRate(e *enc, w window) {
	sum, n, low, high := 0, 0, math.MaxInt, 0
	w.p.eachBeat(w.span, func(_ int64, bpm uint8) {
		v := int(bpm)
		sum, n, low, high = sum+v, n+1, min(low, v), max(high, v)
	})
	if n > 0 && e.open(w.member) {
		e.double("beatsPerMinuteAvg", float64(sum)/float64(n))
		e.double("beatsPerMinuteMin", float64(low))
		e.double("beatsPerMinuteMax", float64(high))
		e.end()
	}
}

func rollWeight(e *enc, w window) {
	w.weighings(e, "weightGramsAvg", func(grams, _ float64) float64 { return grams })
}

func rollBodyFat(e *enc, w window) {
	w.weighings(e, "bodyFatPercentageAvg", func(_, fat float64) float64 { return fat })
}

func (w window) weighings(e *enc, member string, of func(grams, fat float64) float64) {
	sum, n := 0.0, 0.0
	for d := w.p.Day(w.whole.Start); w.p.Midnight(d).Before(w.whole.End); d++ {
		if at, grams, fat, ok := w.p.Weighing(d); ok && w.whole.Contains(at) {
			sum, n = sum+of(grams, fat), n+1
		}
	}
	if n > 0 && e.open(w.member) {
		e.double(member, sum/n)
		e.end()
	}
}

func rollCoreTemperature(e *enc, w window) {
	sum, n, low, high := 0.0, 0.0, math.Inf(1), math.Inf(-1)
	for d := w.p.Day(w.whole.Start); w.p.Midnight(d).Before(w.whole.End); d++ {
		for _, x := range w.p.CoreTemperatures(d) {
			if w.whole.Contains(x.Time) {
				sum, n, low, high = sum+x.Value, n+1, min(low, x.Value), max(high, x.Value)
			}
		}
	}
	if n > 0 && e.open(w.member) {
		e.double("temperatureCelsiusAvg", sum/n)
		e.double("temperatureCelsiusMin", low)
		e.double("temperatureCelsiusMax", high)
		e.end()
	}
}

func rollHRVRange(e *enc, w window) {
	w.ranges(e, "averageHeartRateVariabilityMilliseconds", 7, func(v *Vital) float64 { return v.HRV })
}

func rollRestingRange(e *enc, w window) {
	w.ranges(e, "beatsPerMinute", 3.5, func(v *Vital) float64 { return float64(v.RestingHR) })
}

// ranges writes the range in which the person's values of the window usually are.
func (w window) ranges(e *enc, member string, around float64, of func(*Vital) float64) {
	low, high := math.Inf(1), math.Inf(-1)
	for d := w.p.Day(w.span.Start); w.p.Midnight(d).Before(w.span.End); d++ {
		if v, ok := w.p.Vitals(d); ok && v.Night.End.Before(w.span.End) {
			low, high = min(low, of(&v)-around), max(high, of(&v)+around)
		}
	}
	if low <= high && e.open(w.member) {
		e.double(member+"Min", round(low, 1))
		e.double(member+"Max", round(high, 1))
		e.end()
	}
}

func rollNothing(*enc, window) {}

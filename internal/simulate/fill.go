package simulate

import (
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// minutesBackwards calls f with the minutes of the day that were worn, newest first.
func (b *block) minutesBackwards(d metric.Day, f func(m *Minute, start int64)) {
	all := b.p.Minutes(d)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Worn {
			f(&all[i], all[i].Start.Unix())
		}
	}
}

// counts writes one point for each minute with a count, and beside it what the phone counted when it was carried.
func (b *block) counts(d metric.Day, member string, of func(*Minute) int, mobile bool) {
	carried := b.p.random(d, saltPhone)
	b.minutesBackwards(d, func(m *Minute, start int64) {
		v := of(m)
		share := carried.float()
		if v <= 0 {
			return
		}
		b.spanPoint(b.device, start, start+60, func() { b.int64(member, int64(v)) })
		if mobile && b.phone && share < 0.7 {
			if w := int64(float64(v) * (0.8 + 0.25*share)); w > 0 {
				b.spanPoint(b.mobile, start, start+60, func() { b.int64(member, w) })
			}
		}
	})
}

func fillSteps(b *block, d metric.Day) {
	b.counts(d, "count", func(m *Minute) int { return m.Steps }, true)
}

func fillDistance(b *block, d metric.Day) {
	b.counts(d, "millimeters", func(m *Minute) int { return m.Millimetre }, true)
}

func fillFloors(b *block, d metric.Day) {
	b.counts(d, "count", func(m *Minute) int { return m.Floors }, false)
}

func fillAltitude(b *block, d metric.Day) {
	b.counts(d, "gainMillimeters", func(m *Minute) int { return m.Gain }, false)
}

func fillActiveEnergy(b *block, d metric.Day) {
	b.minutesBackwards(d, func(m *Minute, start int64) {
		if m.Active > 0 {
			b.spanPoint(b.device, start, start+60, func() { b.kcal("kcal", m.Active) })
		}
	})
}

func fillActiveMinutes(b *block, d metric.Day) {
	b.minutesBackwards(d, func(m *Minute, start int64) {
		if m.Level == Sedentary {
			return
		}
		b.spanPoint(b.device, start, start+60, func() {
			if b.array("activeMinutesByActivityLevel") {
				b.item()
				b.str("activityLevel", activeName(m.Level))
				b.int64("activeMinutes", 1)
				b.done()
				b.endArray()
			}
		})
	})
}

func activeName(l Level) string { return [...]string{"", "LIGHT", "MODERATE", "VIGOROUS"}[l] }

func levelName(l Level) string {
	return [...]string{"SEDENTARY", "LIGHTLY_ACTIVE", "MODERATELY_ACTIVE", "VERY_ACTIVE"}[l]
}

func zoneName(z Zone) string { return [...]string{"LIGHT", "MODERATE", "VIGOROUS", "PEAK"}[z] }

// A Segment is a stretch of one activity level.
type Segment struct {
	Start, End time.Time
	Level      Level
}

// Segments returns the activity levels of day d in order: runs of worn minutes of one level, cut at midnight.
func (p *Person) Segments(d metric.Day) []Segment {
	return p.runs(d, func(m *Minute) (Level, bool) { return m.Level, m.Worn })
}

// SedentaryPeriods returns the waking stretches of at least 20 sedentary minutes.
func (p *Person) SedentaryPeriods(d metric.Day) []Segment {
	all := p.runs(d, func(m *Minute) (Level, bool) { return Sedentary, m.Worn && !m.Asleep && m.Level == Sedentary })
	out := all[:0]
	for _, s := range all {
		if s.End.Sub(s.Start) >= sedentaryLeast {
			out = append(out, s)
		}
	}
	return out
}

const sedentaryLeast = 20 * time.Minute

func (p *Person) runs(d metric.Day, of func(*Minute) (Level, bool)) []Segment {
	var out []Segment
	all := p.Minutes(d)
	for i := range all {
		m := &all[i]
		l, ok := of(m)
		if !ok {
			continue
		}
		end := m.Start.Add(time.Minute)
		if n := len(out) - 1; n >= 0 && out[n].Level == l && out[n].End.Equal(m.Start) {
			out[n].End = end
		} else {
			out = append(out, Segment{m.Start, end, l})
		}
	}
	return out
}

func fillActivityLevel(b *block, d metric.Day) {
	all := b.p.Segments(d)
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i]
		b.spanPoint(b.device, s.Start.Unix(), s.End.Unix(), func() { b.str("activityLevelType", levelName(s.Level)) })
	}
}

func fillSedentary(b *block, d metric.Day) {
	all := b.p.SedentaryPeriods(d)
	for i := len(all) - 1; i >= 0; i-- {
		b.spanPoint(b.device, all[i].Start.Unix(), all[i].End.Unix(), nil)
	}
}

func fillZoneMinutes(b *block, d metric.Day) {
	b.minutesBackwards(d, func(m *Minute, start int64) {
		if n := m.AZM(); n > 0 {
			b.spanPoint(b.device, start, start+60, func() {
				b.str("heartRateZone", [...]string{"", "FAT_BURN", "CARDIO", "PEAK"}[m.Zone])
				b.int64("activeZoneMinutes", int64(n))
			})
		}
	})
}

func fillTimeInZone(b *block, d metric.Day) {
	b.minutesBackwards(d, func(m *Minute, start int64) {
		if !m.Asleep {
			b.spanPoint(b.device, start, start+60, func() { b.str("heartRateZoneType", zoneName(m.Zone)) })
		}
	})
}

func fillHeartRate(b *block, d metric.Day) {
	day := b.p.beatsOf(d)
	for i := len(day.at) - 1; i >= 0; i-- {
		if len(b.points) == 1 {
			b.reserve(i + 1)
		}
		ok := b.begin("", b.device)
		if ok {
			b.sampleTime(day.at[i], 0)
			b.int64("beatsPerMinute", int64(day.bpm[i]))
		}
		b.finish(ok, day.at[i]*1e9, day.at[i]*1e9)
	}
}

// nightSample writes one sample of a night; it is there once the night is processed.
func (b *block) nightSample(t time.Time, n Night, value func()) {
	ok := b.begin("", b.device)
	if ok {
		b.sampleTime(t.Unix(), 0)
		value()
	}
	b.finish(ok, t.UnixNano(), n.End.UnixNano())
}

// inDay calls each with the two nights whose samples may fall into day d, newest first, and whether an instant is in the day.
func (b *block) inDay(d metric.Day, each func(night metric.Day, within func(time.Time) bool)) {
	span := b.p.DaySpan(d)
	for n := d + 1; n >= d; n-- {
		each(n, span.Contains)
	}
}

func fillSpO2(b *block, d metric.Day) {
	b.inDay(d, func(night metric.Day, within func(time.Time) bool) {
		n, ok := b.p.MainNight(night)
		if !ok {
			return
		}
		all := b.p.spo2(n)
		for i := len(all) - 1; i >= 0; i-- {
			if within(all[i].Time) {
				b.nightSample(all[i].Time, n, func() { b.double("percentage", all[i].Value) })
			}
		}
	})
}

func fillHRV(b *block, d metric.Day) {
	b.inDay(d, func(night metric.Day, within func(time.Time) bool) {
		n, _ := b.p.MainNight(night)
		at, rmssd, sdnn := b.p.HRVs(night)
		for i := len(at) - 1; i >= 0; i-- {
			if within(at[i]) {
				b.nightSample(at[i], n, func() {
					b.double("rootMeanSquareOfSuccessiveDifferencesMilliseconds", rmssd[i])
					b.double("standardDeviationMilliseconds", sdnn[i])
				})
			}
		}
	})
}

func fillVO2Max(b *block, d metric.Day) {
	if v, ok := b.p.Vitals(d); ok {
		b.dayPoint(d, v.Night.End, func() {
			b.double("vo2Max", v.VO2Max)
			b.yes("estimated", true)
			b.str("cardioFitnessLevel", "GOOD")
		})
	}
}

func fillDailyHRV(b *block, d metric.Day) {
	if v, ok := b.p.Vitals(d); ok {
		b.dayPoint(d, v.Night.End, func() {
			b.double("averageHeartRateVariabilityMilliseconds", v.HRV)
			b.double("deepSleepRootMeanSquareOfSuccessiveDifferencesMilliseconds", v.HRVDeep)
			b.double("entropy", v.Entropy)
			b.int64("nonRemHeartRateBeatsPerMinute", int64(v.NonREM))
		})
	}
}

func fillZoneLimits(b *block, d metric.Day) {
	v, ok := b.p.Vitals(d)
	if !ok {
		return
	}
	limits := b.p.ZoneLimits(d)
	b.dayPoint(d, v.Night.End, func() {
		if !b.array("heartRateZones") {
			return
		}
		for z := ZoneLight; z <= ZonePeak; z++ {
			top := 220
			if z < ZonePeak {
				top = limits[z+1] - 1
			}
			b.item()
			b.str("heartRateZoneType", zoneName(z))
			b.int64("minBeatsPerMinute", int64(limits[z]))
			b.int64("maxBeatsPerMinute", int64(top))
			b.done()
		}
		b.endArray()
	})
}

func fillRestingHR(b *block, d metric.Day) {
	if v, ok := b.p.Vitals(d); ok {
		b.dayPoint(d, v.Night.End, func() {
			b.int64("beatsPerMinute", int64(v.RestingHR))
			if b.open("dailyRestingHeartRateMetadata") {
				b.str("calculationMethod", "WITH_SLEEP")
				b.end()
			}
		})
	}
}

func fillDailySpO2(b *block, d metric.Day) {
	if v, ok := b.p.Vitals(d); ok {
		b.dayPoint(d, v.Night.End, func() {
			b.double("averagePercentage", v.SpO2)
			b.double("lowerBoundPercentage", v.SpO2Low)
			b.double("upperBoundPercentage", v.SpO2High)
			b.double("standardDeviationPercentage", v.SpO2SD)
		})
	}
}

func fillBreathing(b *block, d metric.Day) {
	if v, ok := b.p.Vitals(d); ok {
		b.dayPoint(d, v.Night.End, func() { b.double("breathsPerMinute", v.Breaths) })
	}
}

func fillBreathingStages(b *block, d metric.Day) {
	v, ok := b.p.Vitals(d)
	if !ok {
		return
	}
	b.nightSample(v.Night.End, v.Night, func() {
		stats := func(name string, x float64) {
			if b.open(name) {
				b.double("breathsPerMinute", x)
				b.double("standardDeviation", 1.1)
				b.end()
			}
		}
		stats("fullSleepStats", v.Breaths)
		stats("deepSleepStats", v.BreathDeep)
		stats("lightSleepStats", v.BreathLight)
		stats("remSleepStats", v.BreathREM)
	})
}

func fillSkin(b *block, d metric.Day) {
	if v, ok := b.p.Vitals(d); ok {
		b.dayPoint(d, v.Night.End, func() {
			b.double("nightlyTemperatureCelsius", v.Skin)
			b.double("baselineTemperatureCelsius", v.Baseline)
			b.double("relativeNightlyStddev30dCelsius", v.SkinSD)
		})
	}
}

// entry writes a point that was entered by hand or sent by a scale.
func (b *block) entry(t time.Time, id string, value func()) {
	ok := b.begin(id, b.device)
	if ok {
		b.sampleTime(t.Unix(), t.Nanosecond())
		value()
	}
	b.finish(ok, t.UnixNano(), t.UnixNano())
}

func fillWeight(b *block, d metric.Day) {
	if at, grams, _, ok := b.p.Weighing(d); ok {
		b.entry(at, b.p.key(saltWeight, d, 0), func() { b.double("weightGrams", grams) })
	}
}

func fillBodyFat(b *block, d metric.Day) {
	if at, _, fat, ok := b.p.Weighing(d); ok {
		b.entry(at, b.p.key(saltWeight, d, 1), func() { b.double("percentage", fat) })
	}
}

func fillCoreTemperature(b *block, d metric.Day) {
	all := b.p.CoreTemperatures(d)
	for i := len(all) - 1; i >= 0; i-- {
		b.entry(all[i].Time, "", func() { b.double("temperatureCelsius", all[i].Value) })
	}
}

func fillHeight(b *block, d metric.Day) {
	if d == b.p.Start {
		b.entry(b.p.HeightEntered(), b.p.key(saltWeight, d, 2), func() { b.int64("heightMillimeters", int64(b.p.HeightMillimetre())) })
	}
}

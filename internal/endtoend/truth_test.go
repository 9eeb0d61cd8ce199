package endtoend

import (
	"math"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// truth writes down what one person did, as it should stand in the database: it knows the person and the catalogue's schema, and
// nothing of the way between.
type truth struct {
	points
	p       *simulate.Person
	tag     string // of the person; empty for the first
	first   metric.Day
	now     time.Time
	horizon time.Time // the last sync
	factor  func(measurement, field string) float64
}

// truthOf returns all of the days from first to now that a fetch at now can know. The battery is seen at now alone.
func truthOf(p *simulate.Person, tag string, first metric.Day, now time.Time) *truth {
	t := &truth{points: points{}, p: p, tag: tag, first: first, now: now, horizon: p.LastSync(now), factor: func(string, string) float64 { return 1 }}
	t.all()
	return t
}

func (t *truth) all() {
	t.heart()
	t.minutes()
	t.days()
	t.night1()
	t.battery(t.now)
}

// days are what is known by the day: sums, vitals, entries by hand, nights and workouts.
func (t *truth) days() {
	for d := t.first; d <= t.p.Day(t.now); d++ {
		t.totals(d)
		t.vitals(d)
		t.body(d)
		for _, n := range t.p.NightsAt(d, t.now) {
			t.night(n)
		}
		for _, w := range t.p.Workouts(d) {
			if !w.End.After(t.horizon) {
				t.workout(w)
			}
		}
	}
}

// put adds fields of one sample; tags are sorted as the database sorts them.
func (t *truth) put(measurement string, at time.Time, device bool, tags []string, fields map[string]float64) {
	tags = slices.Clone(tags)
	if device {
		tags = append(tags, "Device="+t.p.Tracker())
	}
	if t.tag != "" {
		tags = append(tags, "Person="+t.tag)
	}
	slices.Sort(tags)
	for f, v := range fields {
		t.add(measurement, tags, f, at.UnixNano(), v*t.factor(measurement, f))
	}
}

func (t *truth) one(measurement string, at time.Time, v float64) {
	t.put(measurement, at, true, nil, map[string]float64{"value": v})
}

// span is all the time there is something to know of: a sync is asked up to its own instant.
func (t *truth) span() metric.Span {
	return metric.Span{Start: t.p.Midnight(t.first), End: t.horizon}
}

func (t *truth) heart() {
	type sum struct{ n, total, low, high int }
	sums := map[time.Time]*sum{}
	for _, b := range t.p.HeartRates(metric.Span{Start: t.span().Start, End: t.horizon.Add(1)}) {
		if b.Time.Before(t.horizon) {
			t.one("HeartRate_Intraday", b.Time, float64(b.BPM))
		}
		m := b.Time.Truncate(time.Minute)
		s := sums[m]
		if s == nil {
			s = &sum{low: b.BPM, high: b.BPM}
			sums[m] = s
		}
		s.n, s.total, s.low, s.high = s.n+1, s.total+b.BPM, min(s.low, b.BPM), max(s.high, b.BPM)
	}
	for m, s := range sums {
		mean := math.Round(float64(s.total)/float64(s.n)*100) / 100
		t.put("HeartRate_Minute", m, true, nil, map[string]float64{"mean": mean, "min": float64(s.low), "max": float64(s.high)})
	}
}

// minutes are those that were over at the last sync.
func (t *truth) minutes() {
	for _, c := range t.p.Steps(metric.Span{Start: t.span().Start, End: t.horizon.Add(-time.Minute + 1)}) {
		t.one("Steps_Intraday", c.Time, float64(c.Value))
	}
}

// totals are the sums of a day, at its local midnight; of the running one as far as it has been synced.
func (t *truth) totals(d metric.Day) {
	span := t.p.DaySpan(d)
	if t.horizon.Before(span.End) {
		span.End = t.horizon.Add(-time.Minute + 1)
	}
	s := t.p.TotalsOf(span)
	if s.Worn == 0 {
		return
	}
	at := t.p.Midnight(d)
	t.one("Total Steps", at, float64(s.Steps))
	t.one("distance", at, float64(s.Millimetre)/1e6)
	t.one("calories", at, float64(s.Total)/1e4)
	t.one("active_calories", at, float64(s.Active)/1e4)
	t.one("floors", at, float64(s.Floors))
	t.one("elevation", at, float64(s.Gain)/1e3)
	t.put("Activity Minutes", at, true, nil, map[string]float64{"minutesSedentary": float64(s.Level[simulate.Sedentary]), "minutesLightlyActive": float64(s.Level[simulate.LightlyActive]),
		"minutesFairlyActive": float64(s.Level[simulate.ModeratelyActive]), "minutesVeryActive": float64(s.Level[simulate.VeryActive])})
	azm := s.AZM
	zones := map[string]float64{
		"activeZoneMinutes":        float64(azm[simulate.ZoneModerate] + azm[simulate.ZoneVigorous] + azm[simulate.ZonePeak]),
		"fatBurnActiveZoneMinutes": float64(azm[simulate.ZoneModerate]), "cardioActiveZoneMinutes": float64(azm[simulate.ZoneVigorous]),
		"peakActiveZoneMinutes": float64(azm[simulate.ZonePeak]),
	}
	if z := s.ZoneMinute; z != [4]int{} { // nothing is said of a day all asleep
		zones["Normal"], zones["Fat Burn"], zones["Cardio"], zones["Peak"] = float64(z[0]), float64(z[1]), float64(z[2]), float64(z[3])
	}
	t.put("HR zones", at, true, nil, zones)
}

// vitals are what the service derives from the night that ended on d.
func (t *truth) vitals(d metric.Day) {
	v, ok := t.p.Vitals(d)
	if !ok || v.Night.End.After(t.horizon) {
		return
	}
	at := t.p.Midnight(d)
	t.one("RestingHR", at, float64(v.RestingHR))
	t.put("HRV", at, true, nil, map[string]float64{"dailyRmssd": v.HRV, "deepRmssd": v.HRVDeep})
	t.one("BreathingRate", at, v.Breaths)
	t.put("SPO2", at, true, nil, map[string]float64{"avg": v.SpO2, "min": v.SpO2Low, "max": v.SpO2High})
	t.put("Skin Temperature Variation", at, true, nil, map[string]float64{"RelativeValue": math.Round((v.Skin-v.Baseline)*100) / 100, "NightlyValue": math.Round(v.Skin*100) / 100})
	t.one("VO2Max", at, v.VO2Max)
	t.put("BreathingRate_Stages", v.Night.End, true, nil, map[string]float64{"full": v.Breaths, "deep": v.BreathDeep, "light": v.BreathLight, "rem": v.BreathREM})
}

// night1 are the readings within nights, of which the first may have begun before the first day.
func (t *truth) night1() {
	for d := t.first; d <= t.p.Day(t.now)+1; d++ {
		n, ok := t.p.MainNight(d)
		if !ok || n.End.After(t.horizon) {
			continue
		}
		for _, r := range t.p.SpO2(d) {
			if t.span().Contains(r.Time) {
				t.one("SPO2_Intraday", r.Time, r.Value)
			}
		}
		at, rmssd, sdnn := t.p.HRVs(d)
		for i := range at {
			if t.span().Contains(at[i]) {
				t.put("HRV_Intraday", at[i], true, nil, map[string]float64{"rmssd": rmssd[i], "sdnn": sdnn[i]})
			}
		}
	}
}

func (t *truth) body(d metric.Day) {
	for _, x := range t.p.CoreTemperatures(d) {
		if !x.Time.After(t.now) {
			t.one("core_temperature", x.Time, x.Value)
		}
	}
	at, grams, fat, ok := t.p.Weighing(d)
	if !ok || at.After(t.now) {
		return
	}
	t.one("body_fat", at, fat)
	at = at.Truncate(time.Second)
	t.one("weight", at, grams/1000)
	height := float64(t.p.HeightMillimetre()) / 1000
	t.one("bmi", at, grams/1000/(height*height))
}

// night is a sleep, once the service has processed it.
func (t *truth) night(n simulate.Night) {
	if !n.Processed {
		return
	}
	tag := "isMainSleep=False"
	if n.Main {
		tag = "isMainSleep=True"
	}
	s := n.Summary()
	whole := func(stages ...simulate.Stage) (sum float64) {
		for _, st := range stages {
			d, _ := n.InStage(st)
			sum += math.Round(d.Minutes())
		}
		return sum
	}
	t.put("Sleep Summary", n.Start, true, []string{tag}, map[string]float64{
		"efficiency": math.Round(100 * float64(s.Asleep) / float64(s.InPeriod)), "minutesInBed": float64(s.InPeriod),
		"minutesAsleep": float64(s.Asleep), "minutesAwake": float64(s.Awake), "minutesToFallAsleep": float64(s.ToFallAsleep), "minutesAfterWakeup": float64(s.AfterWakeUp),
		"minutesLight": whole(simulate.Light, simulate.Asleep), "minutesREM": whole(simulate.REM, simulate.Restless), "minutesDeep": whole(simulate.Deep),
	})
	level := map[simulate.Stage]float64{simulate.Deep: 0, simulate.Light: 1, simulate.Asleep: 1, simulate.REM: 2, simulate.Restless: 2, simulate.Awake: 3}
	for _, st := range n.Stages {
		t.put("Sleep Levels", st.Start, true, []string{tag}, map[string]float64{"level": level[st.Stage], "duration_seconds": st.End.Sub(st.Start).Seconds()})
	}
	t.put("Sleep Levels", n.End, true, []string{tag}, map[string]float64{"level": 3})
}

func (t *truth) workout(w simulate.Workout) {
	fields := map[string]float64{"ActiveDuration": float64(w.Active.Milliseconds()), "duration": float64(w.End.Sub(w.Start).Milliseconds()), "calories": float64(w.Kcal)}
	for name, v := range map[string]float64{"AverageHeartRate": float64(w.AverageHeart), "steps": float64(w.Steps), "distance": float64(w.Millimetre) / 1e6} {
		if v != 0 {
			fields[name] = v
		}
	}
	t.put("Activity Records", w.Start, false, []string{"ActivityName=" + w.Name}, fields)
	var before simulate.TrackPoint // that has a place
	id := "ActivityID=" + w.Start.UTC().Format("2006-01-02T15:04:05") + "+00:00-" + w.Name
	for _, p := range t.p.Track(w) {
		fields := map[string]float64{}
		if !p.NoFix {
			fields["lat"], fields["lon"], fields["altitude"], fields["distance"] = p.Lat, p.Lon, p.Altitude, p.Distance
			if !before.Time.IsZero() {
				fields["speed_kph"] = (p.Distance - before.Distance) / p.Time.Sub(before.Time).Seconds() * 3.6
			}
			before = p
		}
		if p.Heart > 0 {
			fields["heart_rate"] = float64(p.Heart)
		}
		t.put("GPS", p.Time, false, []string{id}, fields)
	}
}

// battery is what the tracker told at its last sync before an instant at which the service was asked.
func (t *truth) battery(asked time.Time) {
	at := t.p.LastSync(asked)
	t.put("DeviceBatteryLevel", at, false, nil, map[string]float64{"value": float64(t.p.Battery(at))})
}

package simulate

import (
	"math"
	"strconv"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// fillSleep writes the sleeps that woke on day d, as the service shows them now.
func fillSleep(b *block, d metric.Day) {
	all := b.p.NightsAt(d, b.now)
	for i := len(all) - 1; i >= 0; i-- {
		n := &all[i]
		ok := b.begin(n.Key, b.device)
		if ok {
			b.night(n)
		}
		b.finish(ok, n.End.UnixNano(), always)
	}
}

func (b *block) night(n *Night) {
	b.interval(n.Start.Unix(), n.End.Unix(), false)
	kind := "STAGES"
	if n.Nap {
		kind = "CLASSIC"
	}
	b.str("type", kind)
	if b.open("metadata") {
		if n.Processed {
			status := "SUCCEEDED"
			if n.Nap {
				status = "REJECTED_NAP"
			}
			b.str("stagesStatus", status)
		}
		b.yes("processed", n.Processed)
		b.yes("mainSleep", n.Main)
		b.yes("nap", n.Nap)
		b.end()
	}
	if n.Processed && b.open("summary") {
		b.nightSummary(n)
		b.end()
	}
	b.stages("stages", n.Stages)
	if len(n.Awakenings) > 0 {
		b.stages("shortAwakenings", n.Awakenings)
	}
	b.time("createTime", n.Created)
	b.time("updateTime", n.Updated)
}

// A Summary is what the service adds up of a sleep, in whole minutes.
type Summary struct {
	InPeriod, AfterWakeUp, ToFallAsleep, Asleep, Awake int
}

// Summary returns the sums of a sleep's stages.
func (n *Night) Summary() Summary {
	awake, _ := n.InStage(Awake)
	restless, _ := n.InStage(Restless)
	total := n.End.Sub(n.Start)
	s := Summary{InPeriod: int(total / time.Minute), Asleep: int((total - awake - restless) / time.Minute)}
	s.Awake = s.InPeriod - s.Asleep
	if k := len(n.Stages) - 1; k > 0 && n.Stages[k].Stage == Awake {
		s.AfterWakeUp = int(n.Stages[k].End.Sub(n.Stages[k].Start) / time.Minute)
	}
	if len(n.Stages) > 1 && n.Stages[0].Stage == Awake {
		s.ToFallAsleep = int(n.Stages[0].End.Sub(n.Stages[0].Start) / time.Minute)
	}
	return s
}

func (b *block) nightSummary(n *Night) {
	s := n.Summary()
	b.int64("minutesInSleepPeriod", int64(s.InPeriod))
	b.int64("minutesAfterWakeUp", int64(s.AfterWakeUp))
	b.int64("minutesToFallAsleep", int64(s.ToFallAsleep))
	b.int64("minutesAsleep", int64(s.Asleep))
	b.int64("minutesAwake", int64(s.Awake))
	if !b.array("stagesSummary") {
		return
	}
	for st := Awake; st <= Restless; st++ {
		if d, count := n.InStage(st); count > 0 {
			b.item()
			b.str("type", st.String())
			b.count("minutes", int64(math.Round(d.Minutes())))
			b.int64("count", int64(count))
			b.done()
		}
	}
	b.endArray()
}

func (b *block) stages(name string, all []StageSpan) {
	if !b.array(name) {
		return
	}
	for _, s := range all {
		b.item()
		b.bounds(s.Start.Unix(), s.End.Unix())
		b.str("type", s.Stage.String())
		b.done()
	}
	b.endArray()
}

// fillExercise writes the workouts of day d.
func fillExercise(b *block, d metric.Day) {
	all := b.p.Workouts(d)
	for i := len(all) - 1; i >= 0; i-- {
		w := &all[i]
		ok := b.begin(w.Key, b.device)
		if ok {
			b.workout(w)
		}
		b.finish(ok, w.Start.UnixNano(), w.End.UnixNano())
	}
}

func (b *block) workout(w *Workout) {
	b.interval(w.Start.Unix(), w.End.Unix(), false)
	b.str("exerciseType", w.Type)
	b.str("displayName", w.Name)
	b.duration("activeDuration", w.Active)
	if b.open("exerciseMetadata") {
		b.yes("hasGps", w.GPS)
		b.end()
	}
	if b.open("metricsSummary") {
		b.workoutSummary(w)
		b.end()
	}
	if b.array("exerciseEvents") {
		for i, t := range [2]time.Time{w.Start, w.End} {
			b.item()
			b.time("eventTime", t)
			b.writeOffset("eventUtcOffset", t.Unix())
			b.str("exerciseEventType", [2]string{"START", "STOP"}[i])
			b.done()
		}
		b.endArray()
	}
	b.time("createTime", w.Created)
	b.time("updateTime", w.Created)
}

func (b *block) workoutSummary(w *Workout) {
	b.double("caloriesKcal", float64(w.Kcal))
	if w.Millimetre > 0 {
		b.double("distanceMillimeters", float64(w.Millimetre))
		b.double("averageSpeedMillimetersPerSecond", round(float64(w.Millimetre)/w.Active.Seconds(), 3))
		b.double("averagePaceSecondsPerMeter", round(w.Active.Seconds()*1000/float64(w.Millimetre), 4))
	}
	b.count("steps", int64(w.Steps))
	b.count("averageHeartRateBeatsPerMinute", int64(w.AverageHeart))
	b.count("activeZoneMinutes", int64(w.AZM))
	if w.Gain > 0 {
		b.double("elevationGainMillimeters", float64(w.Gain))
	}
	if b.open("heartRateZoneDurations") {
		for z, name := range [4]string{"lightTime", "moderateTime", "vigorousTime", "peakTime"} {
			b.duration(name, w.InZone[z])
		}
		b.end()
	}
}

// tcxSport is the format's word for a kind of workout: it has three.
func tcxSport(kind string) string {
	switch kind {
	case "RUNNING", "TREADMILL":
		return "Running"
	case "OUTDOOR_BIKE":
		return "Biking"
	}
	return "Other"
}

// legacyTCX is what the old service does otherwise: local times with an offset, and who made the track.
type legacyTCX struct {
	offset  int // seconds east of UTC
	tracker string
}

// tcx writes a workout in Garmin's TrainingCenterDatabase format. Without track it has times and heart rates only. old may be nil.
func (p *Person) tcx(w Workout, partial bool, old *legacyTCX) []byte {
	b := []byte(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2">
  <Activities>
    <Activity Sport="` + tcxSport(w.Type) + `">
      <Id>`)
	zone, extra := time.UTC, ""
	if old != nil {
		zone, extra = time.FixedZone("", old.offset), "<Intensity>Active</Intensity><TriggerMethod>Manual</TriggerMethod>"
	}
	stamp := func(t time.Time) {
		layout := "2006-01-02T15:04:05.000Z"
		if old != nil {
			layout = "2006-01-02T15:04:05.000-07:00"
		}
		b = t.In(zone).AppendFormat(b, layout)
	}
	stamp(w.Start)
	b = append(b, "</Id>\n      <Lap StartTime=\""...)
	stamp(w.Start)
	b = append(b, "\">\n        <TotalTimeSeconds>"...)
	b = strconv.AppendFloat(b, w.Active.Seconds(), 'f', 1, 64)
	b = append(b, "</TotalTimeSeconds>\n        <DistanceMeters>"...)
	b = strconv.AppendFloat(b, float64(w.Millimetre)/1000, 'f', 2, 64)
	b = append(b, "</DistanceMeters>\n        <Calories>"...)
	b = strconv.AppendInt(b, int64(w.Kcal), 10)
	b = append(b, "</Calories>\n        "+extra+"<Track>\n"...)
	points := p.Track(w)
	if points == nil && partial {
		for _, h := range p.HeartRates(metric.Span{Start: w.Start, End: w.End}) {
			points = append(points, TrackPoint{Time: h.Time, Heart: h.BPM, NoFix: true})
		}
	}
	number := func(tag string, v float64, digits int) {
		b = append(append(append(b, '<'), tag...), '>')
		b = strconv.AppendFloat(b, v, 'f', digits, 64)
		b = append(append(append(b, "</"...), tag...), '>')
	}
	for i := range points {
		t := &points[i]
		b = append(b, "          <Trackpoint><Time>"...)
		stamp(t.Time)
		b = append(b, "</Time>"...)
		if !t.NoFix {
			b = append(b, "<Position>"...)
			number("LatitudeDegrees", t.Lat, 6)
			number("LongitudeDegrees", t.Lon, 6)
			b = append(b, "</Position>"...)
			number("AltitudeMeters", t.Altitude, 1)
			number("DistanceMeters", t.Distance, 2)
		}
		if t.Heart > 0 {
			b = append(b, "<HeartRateBpm><Value>"...)
			b = append(strconv.AppendInt(b, int64(t.Heart), 10), "</Value></HeartRateBpm>"...)
		}
		b = append(b, "</Trackpoint>\n"...)
	}
	b = append(b, "        </Track>\n      </Lap>\n"...)
	if old != nil {
		b = append(b, `      <Creator xsi:type="Device_t" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><Name>Fitbit `+old.tracker+"</Name><UnitId>0</UnitId><ProductID>0</ProductID></Creator>\n"...)
	}
	return append(b, "    </Activity>\n  </Activities>\n</TrainingCenterDatabase>\n"...)
}

package endtoend

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// A night that the service computes again leaves no stale stage behind, and harms neither the next night nor the other person's,
// nor what the Python project wrote into the same database, in its units.
func TestNightComputedAgain(t *testing.T) {
	t.Parallel()
	const zone = "Europe/Berlin"
	db := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	night := day(t, "2026-11-18")
	a, b := sleepers(t, zone, night)
	a.Rewrite = []simulate.Rewrite{{Day: night, At: a.Midnight(night + 1).Add(9 * time.Hour)}}
	then, later := calm(night, 15, a, b), calm(night+2, 15, a, b)
	people := still([]time.Time{then, later}, a, b)
	a = people[0]

	w := newWorld(t, then, 600, people...)
	w.at(then, 1)
	h := newHome(t, w, night-1, db.URL)
	db.Query("", "CREATE DATABASE "+h.name)
	old, _ := a.MainNight(night)
	python := asPython(t, a, old)
	db.Put(h.name, python)
	before := parseLines(t, python)

	p := h.run()
	h.settle(p, "complete history")
	life := func(now time.Time) points {
		out := points{}
		for i, who := range w.people {
			tr := &truth{points: out, p: who, tag: tagOf(i), first: night - 1, now: now, horizon: who.LastSync(now), factor: pythonUnits}
			tr.all()
		}
		return out.plus(before)
	}
	first := life(then)
	same(t, "before it is computed again", first, held(t, db, h.name), a.Zone(night))
	p.Stop()

	// The day after the next, in the afternoon: by then the night was computed again, the last days have been read again.
	stages := len(first["Sleep Levels|Device=Charge 6,isMainSleep=True|level"])
	w.at(later, 600)
	p = h.run()
	h.awaitAll(p, "the night computed again")
	again := life(later)
	for k, s := range first { // the battery then
		if strings.HasPrefix(k, "DeviceBatteryLevel") {
			again.plus(points{k: s})
		}
	}
	got := held(t, db, h.name)
	same(t, "after it was computed again", again, got, a.Zone(night))
	gone := 0
	for at := range first["Sleep Levels|Device=Charge 6,isMainSleep=True|level"] {
		if _, ok := got["Sleep Levels|Device=Charge 6,isMainSleep=True|level"][at]; !ok {
			gone++
		}
	}
	if gone < 5 {
		t.Errorf("%d of %d stages have gone: the night was hardly computed again, and the test says nothing", gone, stages)
	}
	t.Logf("%d of %d stages were stale and have gone; %d values of the Python project stand", gone, stages, before.len())
}

// sleepers returns two people who both sleep with their bands on in that night and the next one.
func sleepers(t *testing.T, zone string, night metric.Day) (a, b *simulate.Person) {
	t.Helper()
	find := func(seed uint64, device string) *simulate.Person {
		for ; ; seed++ {
			p := person(seed, zone, device, night)
			_, one := p.MainNight(night)
			_, next := p.MainNight(night + 1)
			if one && next {
				return p
			}
		}
	}
	return find(1, ""), find(50, "Pixel Watch 3")
}

// asPython returns lines as the Python project wrote them: weight in pounds, another tracker's stages at the very instants of a
// night of ours, the same measurements of an earlier tracker and of a time before ours.
func asPython(t *testing.T, p *simulate.Person, n simulate.Night) string {
	t.Helper()
	var b strings.Builder
	for _, s := range n.Stages {
		fmt.Fprintf(&b, "Sleep\\ Levels,Device=Versa,isMainSleep=True level=2i,duration_seconds=30i %d\n", s.Start.UnixNano())
	}
	long := n.Start.AddDate(0, -6, 0).Truncate(time.Second)
	at := func(d time.Duration) int64 { return long.Add(d).UnixNano() }
	for i := range 200 {
		fmt.Fprintf(&b, "HeartRate_Intraday,Device=Charge\\ 6 value=%di %d\n", 60+i%20, at(time.Duration(i)*5*time.Second))
		fmt.Fprintf(&b, "HeartRate_Intraday,Device=Versa value=%di %d\n", 60+i%20, n.Start.Add(time.Duration(i)*time.Second).UnixNano())
		fmt.Fprintf(&b, "Steps_Intraday,Device=Charge\\ 6 value=%di %d\n", i, at(time.Duration(i)*time.Minute))
	}
	fmt.Fprintf(&b, "Sleep\\ Levels,Device=Charge\\ 6,isMainSleep=True level=1i,duration_seconds=600i %d\n", at(0))
	fmt.Fprintf(&b, "Sleep\\ Summary,Device=Charge\\ 6,isMainSleep=True efficiency=91i,minutesAfterWakeup=1i,minutesAsleep=400i,minutesToFallAsleep=3i,minutesInBed=440i,minutesAwake=40i,minutesLight=200i,minutesREM=100i,minutesDeep=100i %d\n", at(0))
	fmt.Fprintf(&b, "weight,Device=Charge\\ 6 value=171.2 %d\n", at(0))
	fmt.Fprintf(&b, "bmi,Device=Charge\\ 6 value=24.1 %d\n", at(0))
	fmt.Fprintf(&b, "Total\\ Steps,Device=Charge\\ 6 value=9120 %d\n", at(0))
	fmt.Fprintf(&b, "distance,Device=Charge\\ 6 value=4.2 %d\n", at(0))
	fmt.Fprintf(&b, "RestingHR,Device=Charge\\ 6 value=58i %d\n", at(0))
	fmt.Fprintf(&b, "DeviceBatteryLevel value=71 %d\n", at(0))
	fmt.Fprintf(&b, "Activity\\ Records,ActivityName=Walk ActiveDuration=600000i,AverageHeartRate=98i,calories=60i,duration=600000i,steps=900i,distance=0.6 %d\n", at(0))
	return b.String()
}

// pythonUnits is what our values are multiplied with where the database goes on in the Python project's units.
func pythonUnits(measurement, field string) float64 {
	switch measurement + " " + field {
	case "weight value":
		return 1 / 0.45359237
	case "distance value", "Activity Records distance":
		return 1 / 1.609344
	case "Skin Temperature Variation RelativeValue":
		return 1.8
	}
	return 1
}

// A week without a sync arrives whole when the phone is back, and the other person's week is not asked for again.
func TestLateWeek(t *testing.T) {
	t.Parallel()
	const zone = "America/New_York"
	db := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	first := day(t, "2026-09-07")
	a, b := person(11, zone, "", first), person(12, zone, "Pixel Watch 3", first)
	a.Offline = []metric.Span{{Start: a.Midnight(first + 1).Add(10 * time.Hour), End: a.Midnight(first + 8).Add(10 * time.Hour)}}

	then, later := calm(first+7, 15, b), calm(first+8, 15, a, b)
	people := still([]time.Time{then, later}, a, b)
	a, b = people[0], people[1]
	w := newWorld(t, then, 600, a, b)
	w.at(then, 1)
	h := newHome(t, w, first, db.URL)
	p := h.run()
	h.settle(p, "what there is before the sync")
	early := truthOf(a, "", first, then).plus(truthOf(b, "Kim", first, then).points)
	same(t, "while it was away", early, held(t, db, h.name), a.Zone(first))
	p.Stop()

	w.at(later, 600)
	w.google.ClearLog()
	p = h.run()
	h.awaitAll(p, "the late week")
	late := truthOf(a, "", first, later).plus(truthOf(b, "Kim", first, later).points)
	for k, s := range early {
		if strings.HasPrefix(k, "DeviceBatteryLevel") {
			late.plus(points{k: s})
		}
	}
	got := held(t, db, h.name)
	same(t, "after it came back", late, got, a.Zone(first))
	same(t, "InfluxDB and the archive", h.exported(), got, a.Zone(first))
	t.Logf("%d values before, %d after, %d requests for the rest", early.len(), late.len(), len(w.asked("/dataTypes/")))
}

// The simulated phone counts the same steps as the watch: where a list of the service holds both, the sum would be wrong.
func TestPhoneAndWatchAreTold(t *testing.T) {
	p := person(100, "Europe/Berlin", "", day(t, "2026-03-28"))
	sum := 0
	for _, c := range p.Steps(p.DaySpan(day(t, "2026-03-28"))) {
		sum += c.Value
	}
	if total := p.DayTotals(day(t, "2026-03-28")); p.NoPhone || total.Steps != sum || sum == 0 {
		t.Errorf("minutes add up to %d, the day says %d, phone left at home: %v", sum, total.Steps, p.NoPhone)
	}
}

package simulate

import (
	"math"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Level is how active a minute is.
type Level uint8

const (
	Sedentary Level = iota
	LightlyActive
	ModeratelyActive
	VeryActive
	NotWorn // nothing was measured
)

// Zone is a heart-rate zone.
type Zone uint8

const (
	ZoneLight Zone = iota
	ZoneModerate
	ZoneVigorous
	ZonePeak
)

// A Minute is what the tracker counted in one minute.
type Minute struct {
	Start      time.Time
	Worn       bool
	Asleep     bool
	Steps      int
	Millimetre int // distance
	Floors     int
	Gain       int // altitude gained, mm
	Active     int // active energy, 0.0001 kcal
	Basal      int // basal energy, 0.0001 kcal
	Level      Level
	Zone       Zone
}

// AZM returns the active zone minutes of the minute: 2 in the two upper zones.
func (m *Minute) AZM() int {
	switch {
	case !m.Worn || m.Asleep || m.Zone == ZoneLight:
		return 0
	case m.Zone == ZoneModerate:
		return 1
	}
	return 2
}

// minutes is one day of a person, minute by minute.
type minutes struct {
	start time.Time
	all   []Minute
	heart []float32 // the slow curve of the heart rate at the middle of each minute, bpm; one more than all, the next day's first
}

const basalPerMinute = 11_500 // 0.0001 kcal

// Minutes returns the minutes of that day, whether worn or not: 1380 to 1500 of them, save on a journey.
func (p *Person) Minutes(d metric.Day) []Minute { return p.minutesOf(d).all }

func (p *Person) minutesOf(d metric.Day) *minutes {
	return cached(p, &p.minds, d, 100, p.computeMinutes)
}

// dayPlan is what fills a day: who sleeps, trains and wears the band when.
type dayPlan struct {
	off     []metric.Span
	nights  []Night
	workout []plannedWorkout
	rest    float64
}

func (p *Person) planOf(d metric.Day) dayPlan {
	pl := dayPlan{off: p.Off(d), nights: p.Nights(d), workout: p.plannedWorkouts(d), rest: p.restingHeart(d)}
	if n, ok := p.MainNight(d + 1); ok {
		pl.nights = append(pl.nights, n)
	}
	return pl
}

func (p *Person) computeMinutes(d metric.Day) *minutes {
	span := p.DaySpan(d)
	n := int(span.Len() / time.Minute)
	m := &minutes{start: span.Start, all: make([]Minute, n), heart: make([]float32, n+1)}
	if d < p.Start {
		for i := range m.all {
			m.all[i] = Minute{Start: span.Start.Add(time.Duration(i) * time.Minute), Level: NotWorn}
		}
		return m
	}
	pl := p.planOf(d)
	stage := make([]Stage, n)
	asleep := make([]bool, n)
	for i := range m.all {
		m.all[i].Start, m.all[i].Worn = span.Start.Add(time.Duration(i)*time.Minute), true
	}
	index := func(t time.Time) int { return min(max(int(t.Sub(span.Start)/time.Minute), 0), n) }
	for _, s := range pl.off {
		up := index(s.End.Add(59 * time.Second))
		for i := index(s.Start); i < up; i++ {
			m.all[i].Worn = false
		}
	}
	for k := range pl.nights {
		for _, s := range pl.nights[k].Stages {
			for i := index(s.Start); i < index(s.End); i++ {
				stage[i], asleep[i] = s.Stage, true
			}
		}
	}
	for i := range asleep {
		m.all[i].Asleep = asleep[i]
	}
	effort := p.move(d, m.all, pl)
	p.slowHeart(d, m, stage, effort, pl.rest)
	p.grade(d, m)
	return m
}

// move lets the person walk and train. It returns how far each minute lifts the heart rate, in bpm.
func (p *Person) move(d metric.Day, all []Minute, pl dayPlan) []float32 {
	r := p.random(d, saltMinutes)
	effort := make([]float32, len(all))
	stride := 690 + float64(hash(p.Seed, saltMinutes, -1)%90)
	left, cadence := 0, 0.0
	for i := range all {
		m := &all[i]
		draw, side := r.float(), r.float()
		if !m.Worn || m.Asleep {
			left = 0
			continue
		}
		if w := workoutAt(pl.workout, m.Start); w != nil {
			w.sport.minute(m, effort, i, draw, stride)
			left = 0
			continue
		}
		if left == 0 && draw < 0.066 {
			left, cadence = 1+int(side*side*14), 14+52*side
		}
		if left > 0 {
			left--
			walk(m, cadence*(0.75+0.5*draw), stride, side)
			effort[i] = float32(m.Steps) * 0.3
			continue
		}
		effort[i] = float32(4 * side)
		if wave(p.Seed, saltMinutes, float64(m.Start.Unix())/1500) > 0.02 { // standing, tidying up: energy without steps
			m.Active = int(900 + 3800*side)
			effort[i] += 5
		}
	}
	return effort
}

// walk fills a minute with a walk of so many steps.
func walk(m *Minute, steps, stride, side float64) {
	m.Steps = int(steps)
	if m.Steps >= 18 { // the tracker counts shorter ones as no way
		m.Millimetre = int(steps * stride)
	}
	m.Active = int(3000 + 380*steps)
	if m.Steps > 30 && side < 0.05 {
		m.Floors, m.Gain = 1, 3048
	}
}

// slowHeart draws the curve under the readings: sleep, waking hours and effort, followed with the delay of a heart.
func (p *Person) slowHeart(d metric.Day, m *minutes, stage []Stage, effort []float32, rest float64) {
	base := float64(m.start.Unix()) / 60
	y := -1.0
	for i := range m.heart {
		k := min(i, len(m.all)-1)
		x := rest + 5*wave(p.Seed, saltHeartSlow, (base+float64(i))/37) + 3*wave(p.Seed, saltHeartSlow+0x100, (base+float64(i))/7)
		if m.all[k].Asleep {
			x += [...]float64{Awake: 7, Light: 1, Deep: -4, REM: 4, Asleep: 2, Restless: 6}[stage[k]]
		} else {
			x += 16 + float64(effort[k])
		}
		switch {
		case y < 0:
			y = x
		case x > y:
			y += (x - y) * 0.45
		default:
			y += (x - y) * 0.28
		}
		m.heart[i] = float32(y)
	}
}

// grade gives each worn minute its zone and level.
func (p *Person) grade(d metric.Day, m *minutes) {
	limits := p.ZoneLimits(d)
	for i := range m.all {
		x := &m.all[i]
		if !x.Worn {
			x.Level = NotWorn
			continue
		}
		x.Basal = basalPerMinute
		hr := int(math.Round(float64(m.heart[i]+m.heart[i+1]) / 2))
		for z := ZonePeak; z > ZoneLight; z-- {
			if hr >= limits[z] {
				x.Zone = z
				break
			}
		}
		switch {
		case x.Active > 80_000:
			x.Level = VeryActive
		case x.Active > 24_000:
			x.Level = ModeratelyActive
		case x.Active > 3000:
			x.Level = LightlyActive
		}
	}
}

// maxHeart is 220 - age.
func (p *Person) maxHeart() int { return 220 - p.Age() }

// Age returns the person's age in years.
func (p *Person) Age() int { return 28 + int(hash(p.Seed, saltRest, -1)%30) }

// restingHeart returns the resting heart rate under the curve of day d, in bpm.
func (p *Person) restingHeart(d metric.Day) float64 {
	base := 50 + float64(hash(p.Seed, saltRest, -2)%12)
	return base + 3*wave(p.Seed, saltRest, float64(d)/9) + 2*wave(p.Seed, saltRest+0x100, float64(d)/70)
}

// ZoneLimits returns the lowest heart rate of each zone on day d, by the Karvonen formula.
func (p *Person) ZoneLimits(d metric.Day) [4]int {
	rest := math.Round(p.restingHeart(d))
	reserve := float64(p.maxHeart()) - rest
	at := func(x float64) int { return int(math.Round(rest + x*reserve)) }
	return [4]int{30, at(0.4), at(0.6), at(0.85)}
}

package simulate

import (
	"math"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A Workout is one exercise.
type Workout struct {
	Day          metric.Day // the day of its start
	Key          string
	Type         string // of the service, e.g. RUNNING
	Name         string // as shown to the user
	Start, End   time.Time
	Active       time.Duration
	GPS          bool
	Steps        int
	Millimetre   int
	Gain         int // mm
	Kcal         int
	AverageHeart int
	AZM          int
	InZone       [4]time.Duration
	Created      time.Time // the sync that brought it
}

// sport is a kind of workout: what one minute of it is.
type sport struct {
	kind, name string
	gps        bool
	steps      float64 // per minute
	speed      float64 // mm per minute, for one without steps
	kcal       float64 // per minute
	lift       float32 // of the heart rate, bpm
}

func sports() [5]sport {
	return [5]sport{
		{kind: "WALKING", name: "Walk", gps: true, steps: 106, kcal: 5, lift: 36},
		{kind: "RUNNING", name: "Run", gps: true, steps: 164, kcal: 11.5, lift: 84},
		{kind: "OUTDOOR_BIKE", name: "Outdoor Bike", gps: true, speed: 335_000, kcal: 8.6, lift: 66},
		{kind: "STRENGTH_TRAINING", name: "Weights", steps: 9, kcal: 5.4, lift: 42},
		{kind: "TREADMILL", name: "Treadmill", steps: 158, kcal: 10.8, lift: 80},
	}
}

type plannedWorkout struct {
	sport
	start, end time.Time
	n          int
}

func workoutAt(all []plannedWorkout, t time.Time) *plannedWorkout {
	for i := range all {
		if !t.Add(time.Minute).After(all[i].start) || !t.Before(all[i].end) {
			continue
		}
		return &all[i]
	}
	return nil
}

// minute fills one minute of the sport.
func (s *sport) minute(m *Minute, effort []float32, i int, draw, stride float64) {
	effort[i] = s.lift * float32(0.9+0.2*draw)
	m.Active = int(s.kcal * (0.85 + 0.3*draw) * 10_000)
	m.Steps = int(s.steps * (0.92 + 0.16*draw))
	switch {
	case s.speed > 0:
		m.Millimetre = int(s.speed * (0.8 + 0.4*draw))
	case s.steps > 20:
		m.Millimetre = int(float64(m.Steps) * stride * (1 + 0.0025*max(0, s.steps-100)))
	}
	if s.gps && draw > 0.955 {
		m.Floors, m.Gain = 1, 3048
	}
}

// plannedWorkouts draws when the person trains on day d: two days of three, now and then twice.
func (p *Person) plannedWorkouts(d metric.Day) []plannedWorkout {
	if d < p.Start || p.DayOff(d) {
		return nil
	}
	r := p.random(d, saltWorkout)
	var out []plannedWorkout
	span := p.DaySpan(d)
	add := func(start time.Time, seconds int) {
		k := r.intn(5)
		if r.chance(0.25) {
			k = 1
		}
		w := plannedWorkout{sport: sports()[k], start: start, end: start.Add(time.Duration(seconds) * time.Second), n: len(out)}
		if !w.start.Before(span.Start) && !w.end.After(span.End) {
			out = append(out, w)
		}
	}
	if !r.chance(0.66) {
		return nil
	}
	switch r.intn(3) {
	case 0:
		add(p.wake(d).Add(time.Duration(75*60+r.intn(1500))*time.Second), 25*60+r.intn(2000))
	case 1:
		add(p.clock(d, 12*60+12).Add(time.Duration(r.intn(600))*time.Second), 20*60+r.intn(2400))
	default:
		add(p.clock(d, 17*60+30).Add(time.Duration(r.intn(2400))*time.Second), 25*60+r.intn(2700))
	}
	if r.chance(0.12) && len(out) == 1 && out[0].start.Before(p.clock(d, 16*60)) {
		add(p.clock(d, 17*60+35).Add(time.Duration(r.intn(1200))*time.Second), 25*60+r.intn(2000))
	}
	return out
}

// Workouts returns the workouts of day d in order of their start.
func (p *Person) Workouts(d metric.Day) []Workout {
	plan := p.plannedWorkouts(d)
	if len(plan) == 0 {
		return nil
	}
	out := make([]Workout, 0, len(plan))
	m := p.minutesOf(d)
	for _, w := range plan {
		x := Workout{Day: d, Key: p.key(saltWorkout, d, w.n), Type: w.kind, Name: w.name, Start: w.start, End: w.end,
			Active: w.end.Sub(w.start), GPS: w.gps, Created: p.NextSync(w.end)}
		kcal, heart, n := 0, 0.0, 0
		for i := range m.all {
			y := &m.all[i]
			if workoutAt(plan[w.n:w.n+1], y.Start) == nil || !y.Worn {
				continue
			}
			x.Steps, x.Millimetre, x.Gain, x.AZM = x.Steps+y.Steps, x.Millimetre+y.Millimetre, x.Gain+y.Gain, x.AZM+y.AZM()
			x.InZone[y.Zone] += time.Minute
			kcal += y.Active + y.Basal
			heart += float64(m.heart[i]+m.heart[i+1]) / 2
			n++
		}
		x.Kcal = int(math.Round(float64(kcal) / 10_000))
		if n > 0 {
			x.AverageHeart = int(math.Round(heart / float64(n)))
		}
		out = append(out, x)
	}
	return out
}

// A TrackPoint is one position of a workout with GPS.
type TrackPoint struct {
	Time     time.Time
	Lat, Lon float64 // degrees
	Altitude float64 // m above sea level
	Distance float64 // m since the start
	Heart    int     // bpm; 0 where none was measured
	NoFix    bool    // no position at this instant
}

// A stop is a time within a track at which the person stands, in seconds since its start.
type stop struct{ from, to float64 }

// stops draws where the person stands on the way of a workout with GPS: now and then at a traffic light, seldom for a pause.
func (p *Person) stops(w Workout) []stop {
	r := p.random(w.Day, saltStop+0x100*uint64(w.Start.Second()+1))
	total := w.End.Sub(w.Start).Seconds()
	var out []stop
	for t := 90.0; ; {
		t += 240 + 900*r.float()
		long := 12 + 63*r.float()
		if r.chance(0.12) {
			long = 120 + 200*r.float()
		}
		if t+long > total-60 { // the way ends in motion
			return out
		}
		out = append(out, stop{t, t + long})
		t += long
	}
}

// moved is how many of the first t seconds were not spent standing.
func moved(stops []stop, t float64) float64 {
	out := t
	for _, s := range stops {
		if t > s.from {
			out -= min(t, s.to) - s.from
		}
	}
	return out
}

// Track returns the way of a workout with GPS, a point about every 3 s; nil for one without. While the person stands, the points have
// one place and one distance.
func (p *Person) Track(w Workout) []TrackPoint {
	if !w.GPS {
		return nil
	}
	r := p.random(w.Day, saltTrack+0x100*uint64(w.Start.Second()+1))
	home := hash(p.Seed, saltTrack, -1)
	lat, lon := 47+float64(home%500)/100, 7+float64(home>>16%600)/100
	heading, total := 2*math.Pi*r.float(), w.End.Sub(w.Start).Seconds()
	metres := float64(w.Millimetre) / 1000
	alt, done := 120+float64(home>>32%300), 0.0
	heart := p.HeartRates(metric.Span{Start: w.Start, End: w.End.Add(time.Second)})
	stops := p.stops(w)
	moving := moved(stops, total)
	var out []TrackPoint
	k := 0
	for t := 0.0; t <= total; t += 3 {
		at := w.Start.Add(time.Duration(t) * time.Second)
		// speed swings gently around the mean; the last point has gone all the way
		share := moved(stops, t) / moving
		dist := metres * (share + 0.02*math.Sin(2*math.Pi*share))
		step := dist - done
		done = dist
		heading += 0.08 * r.bell()
		lat += step * math.Cos(heading) / 111_320
		lon += step * math.Sin(heading) / (111_320 * math.Cos(lat*math.Pi/180))
		alt += 0.15 * r.bell()
		for k+1 < len(heart) && !heart[k+1].Time.After(at) {
			k++
		}
		pt := TrackPoint{Time: at, Lat: round(lat, 6), Lon: round(lon, 6), Altitude: round(alt, 1), Distance: round(dist, 2), NoFix: t > 0 && r.chance(0.004)}
		if len(heart) > 0 && !heart[k].Time.After(at) && at.Sub(heart[k].Time) < 10*time.Second {
			pt.Heart = heart[k].BPM
		}
		out = append(out, pt)
	}
	return out
}

func round(x float64, digits int) float64 {
	f := math.Pow10(digits)
	return math.Round(x*f) / f
}

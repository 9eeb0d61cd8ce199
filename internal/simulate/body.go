package simulate

import (
	"math"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A Reading is one value at one instant.
type Reading struct {
	Time  time.Time
	Value float64
}

// HeightMillimetre is the person's height, entered on the first day.
func (p *Person) HeightMillimetre() int { return 1610 + int(hash(p.Seed, saltWeight, -1)%320) }

// HeightEntered returns when.
func (p *Person) HeightEntered() time.Time {
	return p.clock(p.Start, 8*60+3).Add(749348 * time.Microsecond)
}

// Weighing returns the weighing of day d: grams and body fat in percent; about every third day, after waking.
func (p *Person) Weighing(d metric.Day) (at time.Time, grams, fat float64, ok bool) {
	r := p.random(d, saltWeight)
	if d < p.Start || d != p.Start && !r.chance(0.36) {
		return at, 0, 0, false
	}
	base := 58_000 + float64(hash(p.Seed, saltWeight, -2)%30_000)
	trend := 1800*wave(p.Seed, saltWeight, float64(d)/60) + 350*wave(p.Seed, saltWeight+0x100, float64(d)/3)
	at = p.wake(d).Add(time.Duration(12+r.intn(30))*time.Minute + time.Duration(r.intn(1e6))*time.Microsecond)
	if p.over(at) {
		return time.Time{}, 0, 0, false
	}
	fat = 21 + 2*wave(p.Seed, saltWeight+0x200, float64(d)/80) + 0.4*r.bell()
	return at, math.Round((base+trend)/10) * 10, round(fat, 1), true
}

// A Vital is what the service derives from one main sleep. It carries the day of waking.
type Vital struct {
	Day         metric.Day
	Night       Night
	RestingHR   int
	HRV         float64 // ms RMSSD
	HRVDeep     float64
	Entropy     float64
	NonREM      int // bpm
	SpO2        float64
	SpO2Low     float64
	SpO2High    float64
	SpO2SD      float64
	Breaths     float64 // per minute: full, and by stage
	BreathDeep  float64
	BreathLight float64
	BreathREM   float64
	Skin        float64 // °C, nightly
	Baseline    float64 // °C, NaN in the first nights
	SkinSD      float64
	VO2Max      float64
}

const baselineNights = 7 // nights before the first baseline of the skin temperature

// Vitals returns what was derived from the main sleep of day d; false where there was none.
func (p *Person) Vitals(d metric.Day) (Vital, bool) {
	n, ok := p.MainNight(d)
	if !ok {
		return Vital{}, false
	}
	r := p.random(d, saltVitals)
	v := Vital{Day: d, Night: n, RestingHR: int(math.Round(p.restingHeart(d)))}
	v.HRV = round(p.hrvLevel(d), 1)
	v.HRVDeep = round(p.hrvLevel(d)*0.93+r.bell(), 1)
	v.Entropy = round(2.5+0.15*r.bell(), 3)
	v.NonREM = v.RestingHR - 1
	low, high, sum, sq, k := 100.0, 0.0, 0.0, 0.0, 0
	for _, x := range p.spo2(n) {
		low, high, sum, sq, k = min(low, x.Value), max(high, x.Value), sum+x.Value, sq+x.Value*x.Value, k+1
	}
	mean := sum / float64(k)
	v.SpO2, v.SpO2Low, v.SpO2High = round(mean, 1), low, high
	v.SpO2SD = round(math.Sqrt(max(0, sq/float64(k)-mean*mean)), 2)
	v.Breaths = round(14+1.2*wave(p.Seed, saltVitals+0x100, float64(d)/12)+0.2*r.bell(), 1)
	v.BreathDeep, v.BreathLight, v.BreathREM = round(v.Breaths-0.4, 1), round(v.Breaths+0.1, 1), round(v.Breaths+0.8, 1)
	v.Skin = p.skin(d)
	v.Baseline, v.SkinSD = p.baseline(d)
	v.VO2Max = round(41+4*wave(p.Seed, saltVitals+0x200, float64(d)/50), 1)
	return v, true
}

func (p *Person) hrvLevel(d metric.Day) float64 {
	return 42 + 9*wave(p.Seed, saltVitals+0x300, float64(d)/5)
}

func (p *Person) skin(d metric.Day) float64 {
	r := p.random(d, saltVitals+0x400)
	return round(33.8+0.5*wave(p.Seed, saltVitals+0x400, float64(d)/20)+0.25*r.bell(), 2)
}

// baseline is the median of the nights within the 30 days before, and their spread; NaN while there are too few.
func (p *Person) baseline(d metric.Day) (median, spread float64) {
	var all []float64
	sum, sq := 0.0, 0.0
	for n := max(d-30, p.Start); n < d; n++ {
		if !p.nightOff(n) {
			x := p.skin(n)
			all = append(all, x)
			sum, sq = sum+x, sq+x*x
		}
	}
	if len(all) < baselineNights {
		return math.NaN(), math.NaN()
	}
	slices.Sort(all)
	k := float64(len(all))
	return all[len(all)/2], round(math.Sqrt(max(0, sq/k-sum*sum/k/k)), 2)
}

// SpO2 returns the blood oxygen of every minute of the main sleep of day d, in percent.
func (p *Person) SpO2(d metric.Day) []Reading {
	n, ok := p.MainNight(d)
	if !ok {
		return nil
	}
	return p.spo2(n)
}

func (p *Person) spo2(n Night) []Reading {
	r := p.random(n.Day, saltVitals+0x500)
	out := make([]Reading, 0, 600)
	for t := n.Start.Truncate(time.Minute).Add(5 * time.Minute); t.Before(n.End); t = t.Add(time.Minute) {
		x := 96.2 + 1.1*wave(p.Seed, saltVitals+0x500, float64(t.Unix())/1500) + 0.3*r.bell()
		out = append(out, Reading{t, round(min(x, 100), 1)})
	}
	return out
}

// HRVs returns the heart-rate variability every 5 minutes of the main sleep of day d: RMSSD and SDNN, in ms.
func (p *Person) HRVs(d metric.Day) (at []time.Time, rmssd, sdnn []float64) {
	n, ok := p.MainNight(d)
	if !ok {
		return nil, nil, nil
	}
	r := p.random(d, saltVitals+0x600)
	level := p.hrvLevel(d)
	for t := n.Start.Truncate(5 * time.Minute).Add(10 * time.Minute); t.Before(n.End); t = t.Add(5 * time.Minute) {
		x := max(8, level+7*wave(p.Seed, saltVitals+0x600, float64(t.Unix())/2400)+2*r.bell())
		at, rmssd, sdnn = append(at, t), append(rmssd, round(x, 3)), append(sdnn, round(x*1.32+r.bell(), 3))
	}
	return at, rmssd, sdnn
}

// CoreTemperatures returns what the person measured with a thermometer on day d and entered: now and then, and several times when ill.
func (p *Person) CoreTemperatures(d metric.Day) []Reading {
	r := p.random(d, saltCore)
	if d < p.Start || !r.chance(0.3) {
		return nil
	}
	times, high := 1, 37.2
	if r.chance(0.2) {
		times, high = 3, 39.4
	}
	var out []Reading
	for at := p.clock(d, 9*60+r.intn(60)); p.Day(at) == d && len(out) < times; at = at.Add(time.Duration(200+r.intn(200)) * time.Minute) {
		if p.over(at) {
			break
		}
		out = append(out, Reading{at, round(r.between(36.3, high), 1)})
	}
	return out
}

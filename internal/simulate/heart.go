package simulate

import (
	"sort"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A Beat is one reading of the heart rate.
type Beat struct {
	Time time.Time
	BPM  int
}

// beats is a day of readings: seconds since 1970, ascending.
type beats struct {
	at  []int64
	bpm []uint8
}

// HeartRates returns the readings in s, ascending.
func (p *Person) HeartRates(s metric.Span) []Beat {
	var out []Beat
	p.eachBeat(s, func(at int64, bpm uint8) { out = append(out, Beat{time.Unix(at, 0).UTC(), int(bpm)}) })
	return out
}

func (p *Person) eachBeat(s metric.Span, f func(at int64, bpm uint8)) {
	if s.Empty() {
		return
	}
	from, to := ceilSecond(s.Start), ceilSecond(s.End)
	for d := max(p.Day(s.Start), p.Start); p.Midnight(d).Before(s.End); d++ {
		b := p.beatsOf(d)
		i := sort.Search(len(b.at), func(i int) bool { return b.at[i] >= from })
		for ; i < len(b.at) && b.at[i] < to; i++ {
			f(b.at[i], b.bpm[i])
		}
	}
}

func ceilSecond(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }

func (p *Person) beatsOf(d metric.Day) *beats {
	return cached(p, &p.beats, d, 20, p.computeBeats)
}

// computeBeats puts a reading on the slow curve every 1 to 5 s where the band is worn: a small wandering error, no white noise.
func (p *Person) computeBeats(d metric.Day) *beats {
	m := p.minutesOf(d)
	b := &beats{at: make([]int64, 0, len(m.all)*20), bpm: make([]uint8, 0, len(m.all)*20)}
	r := p.random(d, saltHeart)
	// 16 draws of the pause between two readings: mean 3.06 s
	pause := [16]int8{1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5}
	start := m.start.Unix()
	length := int64(len(m.all)) * 60
	wander := 0.0
	for t := int64(r.next() % 5); t < length; {
		i := t / 60
		if !m.all[i].Worn {
			t = (i+1)*60 + int64(r.next()%20)
			continue
		}
		x := r.next()
		wander = wander*0.8 + 1.15*(float64(x>>44)/(1<<20)+float64(x>>20&0xfffff)/(1<<20)-1)
		f := float64(t-i*60) / 60
		v := float64(m.heart[i])*(1-f) + float64(m.heart[i+1])*f + wander + 0.5
		b.at = append(b.at, start+t)
		b.bpm = append(b.bpm, uint8(min(max(v, 30), 220)))
		t += int64(pause[x&15])
	}
	return b
}

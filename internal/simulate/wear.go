package simulate

import (
	"math"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const (
	chargeEvery = 6    // days between two charges
	drainPerDay = 13.5 // percent
)

// DayOff reports whether the band stays in the drawer all that day.
func (p *Person) DayOff(d metric.Day) bool {
	return d > p.Start && hash(p.Seed, saltDayOff, int64(d))%31 == 0
}

// nightOff reports whether the band is off in the night that ends on day d.
func (p *Person) nightOff(d metric.Day) bool {
	return d <= p.Start || hash(p.Seed, saltNightOff, int64(d))%29 == 0 || p.DayOff(d) || p.DayOff(d-1)
}

// chargeDay reports whether the band is charged in the evening of that day.
func (p *Person) chargeDay(d metric.Day) bool {
	return (int64(d)+int64(p.Seed%chargeEvery))%chargeEvery == 0
}

// charging returns when the band is on its charger on a charge day.
func (p *Person) charging(d metric.Day) metric.Span {
	r := p.random(d, saltCharge)
	start := p.clock(d, 19*60+30+r.intn(30))
	return metric.Span{Start: start, End: start.Add(time.Duration(70+r.intn(30)) * time.Minute)}
}

// Off returns the spans of that day in which the band is not on the wrist, in order and apart; one that belongs to a night
// without the band begins on the evening before.
func (p *Person) Off(d metric.Day) []metric.Span {
	var out []metric.Span
	day := p.DaySpan(d)
	if p.DayOff(d) {
		return []metric.Span{day}
	}
	add := func(s metric.Span) {
		if s = s.Overlap(day); !s.Empty() {
			out = append(out, s)
		}
	}
	r := p.random(d, saltOffWrist)
	wake := p.wake(d)
	shower := wake.Add(time.Duration(15+r.intn(20)) * time.Minute)
	add(metric.Span{Start: shower, End: shower.Add(time.Duration(8+r.intn(12)) * time.Minute)})
	if r.chance(0.1) { // an errand without it
		start := p.clock(d, 16*60+r.intn(30))
		add(metric.Span{Start: start, End: start.Add(time.Duration(20+r.intn(30)) * time.Minute)})
	}
	if p.chargeDay(d) {
		add(p.charging(d))
	}
	for n := d; n <= d+1; n++ {
		if p.nightOff(n) {
			add(metric.Span{Start: p.bed(n), End: p.wake(n)})
		}
	}
	return join(out)
}

// join sorts spans and joins those that touch.
func join(spans []metric.Span) []metric.Span {
	slices.SortFunc(spans, func(a, b metric.Span) int { return a.Start.Compare(b.Start) })
	var out []metric.Span
	for _, s := range spans {
		if n := len(out); n > 0 && !s.Start.After(out[n-1].End) {
			if s.End.After(out[n-1].End) {
				out[n-1].End = s.End
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// Battery returns the tracker's charge at t in percent, 0 to 100.
func (p *Person) Battery(t time.Time) int {
	d := p.Day(t)
	for !p.chargeDay(d) || p.charging(d).Start.After(t) {
		d--
	}
	c := p.charging(d)
	if t.Before(c.End) {
		low := 100 - drainPerDay*chargeEvery
		return int(low + (100-low)*t.Sub(c.Start).Seconds()/c.Len().Seconds())
	}
	return int(math.Max(0, 100-drainPerDay*t.Sub(c.End).Hours()/24))
}

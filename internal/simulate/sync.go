package simulate

import (
	"slices"
	"sort"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Syncs returns the instants in s at which the tracker brought its readings to the service, in order.
func (p *Person) Syncs(s metric.Span) []time.Time {
	var out []time.Time
	if s.Empty() {
		return nil
	}
	for d := p.Day(s.Start); p.Midnight(d).Before(s.End); d++ {
		for _, t := range p.syncsOf(d) {
			if s.Contains(t) {
				out = append(out, t)
			}
		}
	}
	return out
}

// LastSync returns the newest sync at or before now; zero when there was none yet.
func (p *Person) LastSync(now time.Time) time.Time {
	for d := p.Day(now); d >= p.Start; d-- {
		day := p.syncsOf(d)
		if i := sort.Search(len(day), func(i int) bool { return day[i].After(now) }); i > 0 {
			return day[i-1]
		}
	}
	return time.Time{}
}

// NextSync returns the first sync at or after t; where there is none before the person's end, an instant that nobody reaches.
func (p *Person) NextSync(t time.Time) time.Time {
	for d := max(p.Day(t), p.Start); ; d++ {
		if p.over(p.Midnight(d)) {
			return later(t, p.Last).AddDate(100, 0, 0)
		}
		day := p.syncsOf(d)
		if i := sort.Search(len(day), func(i int) bool { return !day[i].Before(t) }); i < len(day) {
			return day[i]
		}
	}
}

func (p *Person) syncsOf(d metric.Day) []time.Time {
	return cached(p, &p.syncd, d, 64, p.computeSyncs)
}

// computeSyncs draws the syncs of a day: about every quarter of an hour awake, at most hourly asleep, now and then hours late.
func (p *Person) computeSyncs(d metric.Day) []time.Time {
	if d < p.Start {
		return nil
	}
	r := p.random(d, saltSync)
	day := p.DaySpan(d)
	wake, bed := p.wake(d), p.bed(d+1)
	asleep := func(t time.Time) bool { return t.Before(wake) || !t.Before(bed) }
	var out []time.Time
	t := day.Start.Add(-time.Minute)
	for {
		switch {
		case asleep(t):
			next := t.Add(time.Duration(r.between(61, 150) * float64(time.Minute)))
			if t.Before(wake) && next.After(wake) {
				next = wake.Add(time.Duration(r.between(2, 15) * float64(time.Minute)))
				next = later(next, t.Add(15*time.Minute))
			}
			t = next
		case r.chance(0.008):
			t = t.Add(time.Duration(r.between(100, 300) * float64(time.Minute)))
		default:
			t = t.Add(time.Duration(r.between(11, 19) * float64(time.Minute)))
		}
		t = t.Truncate(time.Second)
		if !t.Before(day.End) {
			return out
		}
		if !p.over(t) && !slices.ContainsFunc(p.Offline, func(s metric.Span) bool { return s.Contains(t) }) {
			out = append(out, t)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

package simulate

import (
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// A Count is what was counted in one minute.
type Count struct {
	Time  time.Time // its start
	Value int
}

// Steps returns the minutes with steps that begin in s.
func (p *Person) Steps(s metric.Span) []Count {
	var out []Count
	p.eachMinute(s, func(m *Minute) {
		if m.Steps > 0 {
			out = append(out, Count{m.Start, m.Steps})
		}
	})
	return out
}

// eachMinute calls f with every minute that begins in s, worn or not.
func (p *Person) eachMinute(s metric.Span, f func(*Minute)) {
	if s.Empty() {
		return
	}
	for d := max(p.Day(s.Start), p.Start); p.Midnight(d).Before(s.End); d++ {
		all := p.minutesOf(d).all
		for i := range all {
			if s.Contains(all[i].Start) {
				f(&all[i])
			}
		}
	}
}

// Totals is what minutes add up to: the sums of Minutes, no more.
type Totals struct {
	Worn       int // minutes in which anything was measured
	Steps      int
	Millimetre int
	Floors     int
	Gain       int               // mm
	Active     int               // 0.0001 kcal
	Total      int               // 0.0001 kcal, active and basal
	Level      [4]int            // minutes at each Level
	ZoneMinute [4]int            // waking minutes in each Zone
	ZoneEnergy [4]int            // 0.0001 kcal, waking
	AZM        [ZonePeak + 1]int // by zone; of ZoneLight none
	Sedentary  time.Duration     // in sedentary periods
}

// DayTotals returns the totals of day d.
func (p *Person) DayTotals(d metric.Day) Totals { return p.TotalsOf(p.DaySpan(d)) }

// TotalsOf returns the totals of the minutes that begin in s.
func (p *Person) TotalsOf(s metric.Span) Totals {
	var t Totals
	p.eachMinute(s, func(m *Minute) { t.add(m) })
	return t
}

func (t *Totals) add(m *Minute) {
	if !m.Worn {
		return
	}
	t.Worn++
	t.Steps += m.Steps
	t.Millimetre += m.Millimetre
	t.Floors += m.Floors
	t.Gain += m.Gain
	t.Active += m.Active
	t.Total += m.Active + m.Basal
	t.Level[m.Level]++
	if !m.Asleep {
		t.ZoneMinute[m.Zone]++
		t.ZoneEnergy[m.Zone] += m.Active + m.Basal
		t.AZM[m.Zone] += m.AZM()
		if m.Level == Sedentary {
			t.Sedentary += time.Minute
		}
	}
}

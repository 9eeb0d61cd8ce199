package simulate

import (
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Stage is a stage of sleep.
type Stage uint8

const (
	Awake Stage = iota
	Light
	Deep
	REM
	Asleep   // classic
	Restless // classic
)

func (s Stage) String() string {
	return [...]string{"AWAKE", "LIGHT", "DEEP", "REM", "ASLEEP", "RESTLESS"}[s]
}

// A StageSpan is one stretch of one stage, in whole half minutes.
type StageSpan struct {
	Start, End time.Time
	Stage      Stage
}

// A Night is one sleep: a main one with stages or a classic nap. Stages are contiguous from Start to End.
type Night struct {
	Day        metric.Day // the day of waking
	Key        string
	Start, End time.Time
	Main, Nap  bool
	Stages     []StageSpan
	Awakenings []StageSpan // short ones, inside other stages
	Created    time.Time   // when the service first showed it
	Updated    time.Time   // when it was last computed
	Processed  bool        // false: in progress, End is the last sync
}

// bed returns when the person goes to sleep before day d, on a half minute.
func (p *Person) bed(d metric.Day) time.Time {
	r := p.random(d, saltBed)
	t := p.clock(d-1, 22*60+10+r.intn(130)).Add(time.Duration(r.intn(2)) * 30 * time.Second)
	if w := p.wake(d); w.Sub(t) > 10*time.Hour { // a journey to the west: the night is not longer for it
		return w.Add(-8 * time.Hour)
	}
	return t
}

// wake returns when the person wakes up on day d, on a half minute.
func (p *Person) wake(d metric.Day) time.Time {
	r := p.random(d, saltBed+0x100)
	m := 6*60 + 15 + r.intn(110)
	if wd := d.Civil().Weekday(); wd == time.Saturday || wd == time.Sunday {
		m += 50
	}
	return p.clock(d, m).Add(time.Duration(r.intn(2)) * 30 * time.Second)
}

// MainNight returns the night that ends on day d, as the service first computes it; false where the band was off or the person
// did not sleep three hours.
func (p *Person) MainNight(d metric.Day) (Night, bool) {
	if p.nightOff(d) {
		return Night{}, false
	}
	n := Night{Day: d, Key: p.key(saltBed, d, 0), Start: p.bed(d), End: p.wake(d), Main: true, Processed: true}
	if n.End.Sub(n.Start) < 3*time.Hour {
		return Night{}, false
	}
	p.fillNight(&n, saltStages)
	n.Created = p.NextSync(n.Start.Add(70 * time.Minute))
	n.Updated = p.processed(n.End)
	return n, true
}

// processed returns when the service has computed a sleep that ended at end.
func (p *Person) processed(end time.Time) time.Time {
	return p.NextSync(end.Add(2 * time.Minute)).Add(343679 * time.Microsecond)
}

// Nap returns the nap of day d.
func (p *Person) Nap(d metric.Day) (Night, bool) {
	r := p.random(d, saltNap)
	if p.DayOff(d) || d < p.Start || !r.chance(0.17) {
		return Night{}, false
	}
	start := p.clock(d, 13*60+40+r.intn(50))
	n := Night{Day: d, Key: p.key(saltNap, d, 0), Start: start, End: start.Add(time.Duration(65+r.intn(60)) * 30 * time.Second), Nap: true, Processed: true}
	_, slept := p.MainNight(d)
	n.Main = !slept
	span := p.DaySpan(d)
	if n.Start.Before(span.Start) || n.End.After(span.End) {
		return Night{}, false
	}
	for t := n.Start; t.Before(n.End); {
		st, halves := Asleep, 8+r.intn(30)
		switch r.intn(5) {
		case 0:
			st, halves = Restless, 1+r.intn(6)
		case 1:
			st, halves = Awake, 1+r.intn(4)
		}
		n.add(&t, st, halves)
	}
	n.Created, n.Updated = p.NextSync(n.End), p.processed(n.End)
	return n, true
}

// Nights returns the sleeps of day d, in order of their start, as first computed.
func (p *Person) Nights(d metric.Day) []Night {
	var out []Night
	if n, ok := p.MainNight(d); ok {
		out = append(out, n)
	}
	if n, ok := p.Nap(d); ok {
		out = append(out, n)
	}
	return out
}

// NightsAt returns the sleeps of day d as the service shows them at now: nothing of one that no sync has brought yet, a sleep in
// progress without Processed, and a computed-again one after its time.
func (p *Person) NightsAt(d metric.Day, now time.Time) []Night {
	var out []Night
	for _, n := range p.Nights(d) {
		if now.Before(n.Created) {
			continue
		}
		if now.Before(n.Updated) {
			n = p.inProgress(n, now)
			out = append(out, n)
			continue
		}
		for _, w := range p.Rewrite {
			if w.Day == d && !n.Nap && !now.Before(w.At) && w.At.After(n.Updated) {
				n = p.again(n, w.At)
			}
		}
		out = append(out, n)
	}
	return out
}

// inProgress cuts a sleep at the last sync.
func (p *Person) inProgress(n Night, now time.Time) Night {
	n.Processed, n.Awakenings = false, nil
	last := p.LastSync(now)
	n.Updated = last
	if !last.Before(n.End) {
		return n
	}
	n.End = last.Truncate(30 * time.Second)
	for i, s := range n.Stages {
		if !s.End.Before(n.End) {
			n.Stages = n.Stages[: i+1 : i+1]
			n.Stages[i].End = n.End
			if !s.Start.Before(n.End) {
				n.Stages = n.Stages[:i]
			}
			break
		}
	}
	return n
}

// again computes a night anew: it starts at another time and has other stages.
func (p *Person) again(n Night, at time.Time) Night {
	r := p.random(n.Day, saltAgain)
	n.Start = n.Start.Add(time.Duration(10+r.intn(40)) * 30 * time.Second)
	n.Updated = at
	p.fillNight(&n, saltAgain+0x100)
	return n
}

// add puts a stretch of so many half minutes behind the last, cut at the end of the night, and moves t there.
func (n *Night) add(t *time.Time, st Stage, halves int) {
	end := t.Add(time.Duration(halves) * 30 * time.Second)
	if end.After(n.End) {
		end = n.End
	}
	if !t.Before(end) {
		return
	}
	if i := len(n.Stages) - 1; i >= 0 && n.Stages[i].Stage == st {
		n.Stages[i].End = end
	} else {
		n.Stages = append(n.Stages, StageSpan{*t, end, st})
	}
	*t = end
}

// fillNight draws cycles of about 90 minutes: deep sleep early, REM late.
func (p *Person) fillNight(n *Night, salt uint64) {
	r := p.random(n.Day, salt)
	n.Stages, n.Awakenings = nil, nil
	t := n.Start
	n.add(&t, Awake, 2+r.intn(8))
	for cycle := 0; t.Before(n.End); cycle++ {
		n.add(&t, Light, 20+r.intn(50))
		if r.chance(0.5) {
			n.add(&t, Awake, 2+r.intn(6))
			n.add(&t, Light, 10+r.intn(20))
		}
		if deep := 50 - 14*cycle + r.intn(24); deep > 8 {
			n.add(&t, Deep, deep)
			n.add(&t, Light, 14+r.intn(30))
		}
		n.add(&t, REM, 10+9*cycle+r.intn(24))
		if r.chance(0.6) {
			n.add(&t, Awake, 1+r.intn(9))
		}
	}
	for _, s := range n.Stages {
		if s.Stage == Light && r.chance(0.3) && s.End.Sub(s.Start) > 5*time.Minute {
			at := s.Start.Add(time.Duration(1+r.intn(6)) * 30 * time.Second)
			n.Awakenings = append(n.Awakenings, StageSpan{at, at.Add(time.Duration(1+r.intn(4)) * 30 * time.Second), Awake})
		}
	}
}

// InStage returns the time spent in a stage.
func (n *Night) InStage(st Stage) (d time.Duration, count int) {
	for _, s := range n.Stages {
		if s.Stage == st {
			d += s.End.Sub(s.Start)
			count++
		}
	}
	return d, count
}

// StageAt returns the stage at t; Awake outside of the sleep.
func (n *Night) StageAt(t time.Time) Stage {
	for _, s := range n.Stages {
		if !t.Before(s.Start) && t.Before(s.End) {
			return s.Stage
		}
	}
	return Awake
}

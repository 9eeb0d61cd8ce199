package collect

import (
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
)

const (
	nightsWanted = 14
	nightsNeeded = 5
	learnEvery   = 24 * time.Hour
)

// learnQuiet finds out once a day when the person usually sleeps.
func (l *loop) learnQuiet(now time.Time) {
	if l.cfg.Quiet != nil {
		l.quiet = *l.cfg.Quiet
		return
	}
	every := learnEvery
	if !l.learnt {
		every = time.Hour // the nights may not have been fetched yet
	}
	if age := now.Sub(l.quietAt); !l.quietAt.IsZero() && age >= 0 && age < every {
		return
	}
	l.quietAt = now
	today := plan.DayAt(l.zones, now)
	nights, err := l.cfg.Archive.Sessions(l.ctx, l.cfg.Person.ID, metric.Sleep, metric.DaySpan(today-21, today))
	if err != nil {
		if l.ctx.Err() == nil {
			l.cfg.Log.Warn("the nights could not be read; the usual hours of sleep stand", "error", err)
		}
		return
	}
	if q, ok := usualSleep(nights); ok {
		l.quiet, l.learnt = q, true
	}
}

// usualSleep returns the median times of falling asleep and waking of the last main sleeps, and whether there are enough.
func usualSleep(nights []metric.Session) (plan.Quiet, bool) {
	var from, to []int
	for _, n := range slices.Backward(nights) {
		if !n.Main || len(from) == nightsWanted {
			continue
		}
		shift := time.Duration(n.Offset) * time.Second
		start, end := n.Start.UTC().Add(shift), n.End.UTC().Add(shift)
		// Counted from noon, so that times about midnight do not fall apart.
		from = append(from, (minute(start)+12*60)%(24*60))
		to = append(to, (minute(start)+12*60)%(24*60)+int(end.Sub(start).Minutes()))
	}
	if len(from) < nightsNeeded {
		return plan.Quiet{}, false
	}
	slices.Sort(from)
	slices.Sort(to)
	f, t := from[len(from)/2], to[len(to)/2]
	if t-f < 3*60 || t-f > 10*60 {
		return plan.Quiet{}, false
	}
	return plan.Quiet{From: (f + 12*60) % (24 * 60), To: (t + 12*60) % (24 * 60)}, true
}

func minute(t time.Time) int { return t.Hour()*60 + t.Minute() }

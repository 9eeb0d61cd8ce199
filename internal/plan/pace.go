package plan

import (
	"slices"
	"time"
)

// How often the devices are asked. A night's syncs are rare and come at some distance from each other, so the questions of a
// night are spent where a sync is likely.
const (
	pollAwake  = 75 * time.Second
	pollBlind  = 15 * time.Minute
	pollAsleep = 210 * time.Second
	pollLikely = 140 * time.Second // asleep, from likelyFrom to likelyTo after the last sync
	pollRest   = 12 * time.Minute  // asleep, before that
	likelyFrom = 38 * time.Minute
	likelyTo   = 80 * time.Minute
	settling   = 12 * time.Minute
	closeSyncs = 20 * time.Minute // syncs of somebody asleep are further apart
)

// Together is how far apart two syncs are that are one: a phone's second look at the device moments later.
const Together = time.Minute

// How many reads an hour may have beside the questions after the devices, by what they are for: the last ones are kept for what
// matters most. In the quiet window the questions count too, and nothing is read but what a sync brought.
const (
	mostAwake   = 50 // what a sync brought, for the feeds asked at every sync
	lateAwake   = 41 // late data
	restAwake   = 36 // everything else of today
	mostAsleep  = 20 // with the questions
	readsAsleep = 2  // kept for reads
)

// filled is how few requests of history are none to speak of.
const filled = 20

// poll reports whether the devices are to be asked now, and notes when they will be.
func (p *planner) poll() bool {
	if p.in.NoDevices || !p.allowed(Poll) {
		return false
	}
	if p.in.Polled.IsZero() || p.in.Polled.After(p.in.Now) {
		return true
	}
	due := p.in.Polled.Add(p.interval())
	if due.After(p.in.Now) {
		p.later(due)
		return false
	}
	return !p.quiet || p.stir || p.fits(p.polls, 1, mostAsleep-max(readsAsleep, len(p.reads)))
}

func (p *planner) interval() time.Duration {
	age, pace := p.in.Now.Sub(p.sync), p.in.Pace
	switch {
	case p.blind:
		return pollBlind
	case pace.Awake > 0 && p.quiet && !p.stir && !p.evening():
		return pace.Asleep
	case pace.Awake > 0 && p.filling:
		return pace.Filling
	case pace.Awake > 0:
		return pace.Awake
	case !p.quiet, p.stir, p.evening():
		return pollAwake
	case age < likelyFrom:
		return min(pollRest, max(likelyFrom-p.in.Polled.Sub(p.sync), pollLikely))
	case age < likelyTo:
		return pollLikely
	}
	return pollAsleep
}

// evening reports whether the quiet window has just begun, and the last sync of the evening is still to come.
func (p *planner) evening() bool {
	return p.quiet && p.sync.Before(p.asleep) && p.in.Now.Sub(p.asleep) < settling
}

// room reports whether n more reads fit in this hour, and notes when they will.
func (p *planner) room(n, most int) bool { return p.fits(p.reads, n, most) }

// roomAsleep reports whether one more read fits in this hour of the quiet window.
func (p *planner) roomAsleep() bool {
	all := slices.Concat(p.polls, p.reads)
	slices.SortFunc(all, time.Time.Compare)
	return p.fits(all, 1, mostAsleep)
}

func (p *planner) fits(made []time.Time, n, most int) bool {
	over := len(made) + min(n, most) - most
	if over <= 0 {
		return true
	}
	if over > len(made) {
		return false
	}
	p.later(made[over-1].Add(time.Hour + time.Millisecond))
	return false
}

// within returns the times after from and up to now, in order.
func within(times []time.Time, from, now time.Time) []time.Time {
	var out []time.Time
	for _, t := range times {
		if t.After(from) && !t.After(now) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

// affordable reports whether the budget allows n requests beside those kept for today, and notes when it will.
func (p *planner) affordable(n int) bool {
	b := p.in.Budget
	if b.Left < 0 || !b.Reset.After(p.in.Now) {
		return true
	}
	spare := b.Left - min(n, 10)
	if spare >= p.reserve() {
		return true
	}
	p.later(b.Reset)
	if b.Window > 0 && b.Reserve > 0 && spare >= 0 && !p.in.Alone {
		p.later(b.Reset.Add(-b.Window * time.Duration(spare) / time.Duration(b.Reserve)))
	}
	return false
}

// reserve is what is kept for today now: of a budget with a window as much as today may need of what is left of it.
func (p *planner) reserve() int {
	b := p.in.Budget
	switch {
	case p.in.Alone:
		return 0
	case b.Window <= 0:
		return b.Reserve
	}
	left := min(b.Reset.Sub(p.in.Now), b.Window)
	return int((time.Duration(b.Reserve)*left + b.Window - 1) / b.Window)
}

// most returns how many reads an hour may have by what they are for.
func (p *planner) most() (sync, late, rest int) {
	if pace := p.in.Pace; pace.Awake > 0 {
		return pace.Sync, pace.Late, pace.Rest
	}
	return mostAwake, lateAwake, restAwake
}

package plan

import "time"

// How often the devices are asked. A night's syncs are rare and come at some distance from each other, so the questions of a
// night are spent where a sync is likely.
const (
	pollAwake  = 75 * time.Second
	pollBlind  = 15 * time.Minute
	pollAsleep = 210 * time.Second
	pollLikely = 165 * time.Second // asleep, from likelyFrom to likelyTo after the last sync
	pollRest   = 10 * time.Minute  // asleep, before that
	likelyFrom = 25 * time.Minute
	likelyTo   = 80 * time.Minute
)

// How many requests an hour may have, by what they are for: the last ones are kept for what matters most.
const (
	mostAwake   = 98 // what a sync brought, to the feeds asked at every sync
	lateAwake   = 88 // late data
	restAwake   = 80 // everything else of today
	mostAsleep  = 20 // what a sync brought; nothing else is read in the quiet window
	pollsAsleep = 18
)

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
	return !p.quiet || p.room(1, pollsAsleep)
}

func (p *planner) interval() time.Duration {
	age := p.in.Now.Sub(p.sync)
	switch {
	case p.blind:
		return pollBlind
	case !p.quiet:
		return pollAwake
	case age < likelyFrom:
		return min(pollRest, max(likelyFrom-p.in.Polled.Sub(p.sync), pollLikely))
	case age < likelyTo:
		return pollLikely
	}
	return pollAsleep
}

// room reports whether n more requests fit in this hour, and notes when they will.
func (p *planner) room(n, most int) bool {
	n = min(n, most)
	over := len(p.recent) + n - most
	if over <= 0 {
		return true
	}
	p.later(p.recent[over-1].Add(time.Hour + time.Millisecond))
	return false
}

// affordable reports whether the budget allows n requests beside those kept for today, and notes when it will.
func (p *planner) affordable(n int) bool {
	b := p.in.Budget
	if b.Left < 0 || b.Left-min(n, 10) >= b.Reserve || !b.Reset.After(p.in.Now) {
		return true
	}
	p.later(b.Reset)
	return false
}

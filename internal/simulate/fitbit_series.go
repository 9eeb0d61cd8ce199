package simulate

import (
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// fitbitResource is a quantity of the activity series: what a day and a minute have of it, in whole numbers that can be added up,
// and how the service writes such a sum.
type fitbitResource struct {
	name      string
	noTracker bool // no series of the tracker alone
	total     func(*Totals) int
	minute    func(*Minute) int // nil for none
	number    func(units, int) float64
	text      func(units, int) string
}

func fitbitResources() []fitbitResource {
	count := func(_ units, n int) float64 { return float64(n) }
	countText := func(_ units, n int) string { return strconv.Itoa(n) }
	kcal := func(_ units, n int) float64 { return float64(n) / 10_000 }
	kcalText := func(_ units, n int) string { return strconv.Itoa(int(math.Round(float64(n) / 10_000))) }
	level := func(l Level) func(*Totals) int { return func(t *Totals) int { return t.Level[l] } }
	return []fitbitResource{
		{name: "steps", total: func(t *Totals) int { return t.Steps }, minute: func(m *Minute) int { return m.Steps }, number: count, text: countText},
		{name: "distance", total: func(t *Totals) int { return t.Millimetre }, minute: func(m *Minute) int { return m.Millimetre },
			number: units.way, text: func(u units, n int) string { return decimal(u.way(n)) }},
		{name: "floors", total: func(t *Totals) int { return t.Floors }, minute: func(m *Minute) int { return m.Floors }, number: count, text: countText},
		{name: "elevation", total: func(t *Totals) int { return t.Gain }, minute: func(m *Minute) int { return m.Gain },
			number: units.rise, text: func(u units, n int) string { return decimal(u.rise(n)) }},
		{name: "calories", total: func(t *Totals) int { return t.Total }, minute: func(m *Minute) int { return m.Active + m.Basal }, number: kcal, text: kcalText},
		{name: "caloriesBMR", total: func(t *Totals) int { return t.Total - t.Active }, text: kcalText},
		{name: "activityCalories", total: func(t *Totals) int { return t.Active }, text: kcalText},
		{name: "minutesSedentary", total: level(Sedentary), text: countText},
		{name: "minutesLightlyActive", total: level(LightlyActive), text: countText},
		{name: "minutesFairlyActive", total: level(ModeratelyActive), text: countText},
		{name: "minutesVeryActive", total: level(VeryActive), text: countText},
		{name: "swimming-strokes", noTracker: true, total: func(*Totals) int { return 0 }, minute: func(*Minute) int { return 0 }, number: count, text: countText},
	}
}

func fitbitResourceOf(name string) fitbitResource {
	for _, r := range fitbitResources() {
		if r.name == name {
			return r
		}
	}
	panic("simulate: no resource " + name) // the table of routes names only those
}

// fitbitDays keeps the totals of whole days, so that a series of three years is added up once.
type fitbitDays struct {
	mu   sync.Mutex
	held map[fitbitDayKey]Totals
}

type fitbitDayKey struct {
	p   *Person
	day metric.Day
}

const fitbitDaysKept = 10_000

func (k *fitbitDays) get(key fitbitDayKey, add func() Totals) Totals {
	k.mu.Lock()
	t, ok := k.held[key]
	k.mu.Unlock()
	if ok {
		return t
	}
	t = add()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held == nil || len(k.held) >= fitbitDaysKept {
		k.held = map[fitbitDayKey]Totals{}
	}
	k.held[key] = t
	return t
}

// synced is the end of the last minute that a sync has brought.
func (c *fitbitCall) synced() time.Time { return c.horizon.Truncate(time.Minute) }

// totals returns what a day has so far.
func (c *fitbitCall) totals(d metric.Day) Totals {
	s := c.span(d)
	if end := c.synced(); end.Before(s.End) {
		s.End = end
		return c.p.TotalsOf(s)
	}
	if c.utc {
		return c.p.TotalsOf(s)
	}
	return c.f.days.get(fitbitDayKey{c.p, d}, func() Totals { return c.p.TotalsOf(s) })
}

// eachDay calls f with the days of a request that the person has lived.
func (c *fitbitCall) eachDay(q asked, f func(metric.Day)) {
	for d := max(q.first, c.p.Start); d <= min(q.last, c.today()); d++ {
		f(d)
	}
}

// series answers for the activity series: a string for each day, and the minutes where they are asked for.
func (c *fitbitCall) series(q asked) (any, *fitbitError) {
	r := fitbitResourceOf(q.route.of)
	key := "activities-" + r.name
	if q.route.tracker {
		key = "activities-tracker-" + r.name
	}
	days := []obj{}
	c.eachDay(q, func(d metric.Day) {
		t := c.totals(d)
		if q.windowed {
			t = c.windowTotals(q, d)
		}
		days = append(days, obj{"dateTime": d.String(), "value": r.text(c.units, r.total(&t))})
	})
	answer := obj{key: days}
	if q.detail != "" && c.intraday() {
		answer[key+"-intraday"] = c.activityMinutes(q, r)
	}
	return answer, nil
}

// A minuteValue is one entry of the minutes of a day.
type minuteValue struct {
	Level *int    `json:"level,omitempty"`
	Mets  *int    `json:"mets,omitempty"`
	Time  string  `json:"time"`
	Value float64 `json:"value"`
}

// A dataset is the minutes of a request.
type dataset struct {
	Dataset  any    `json:"dataset"`
	Interval int    `json:"datasetInterval"`
	Type     string `json:"datasetType"`
}

// grid returns the minutes between two entries.
func (q asked) grid() int64 {
	n, _ := strconv.Atoi(q.detail[:len(q.detail)-len("min")])
	return int64(n)
}

// activityMinutes fills every minute until now, with zeros where nothing was counted or no sync has been.
func (c *fitbitCall) activityMinutes(q asked, r fitbitResource) dataset {
	var out []minuteValue
	step, synced := q.grid()*60, c.synced()
	at, sum, level, mets, n := int64(-1), 0, 0, 0, 0
	flush := func() {
		if at < 0 {
			return
		}
		v := minuteValue{Time: timeOfDay(at % 86400), Value: r.number(c.units, sum)}
		if r.name == "calories" {
			l, m := level, mets/n
			v.Level, v.Mets = &l, &m
		}
		out = append(out, v)
	}
	c.eachMinute(q, func(m *Minute, local int64) {
		if slot := local - local%step; slot != at {
			flush()
			at, sum, level, mets, n = slot, 0, 0, 0, 0
		}
		n++
		mets += 10
		if m.Start.Before(synced) && m.Worn {
			sum += r.minute(m)
			mets += m.Active * 10 / basalPerMinute
			level = max(level, int(m.Level))
		}
	})
	flush()
	if out == nil {
		out = []minuteValue{}
	}
	return dataset{out, int(q.grid()), "minute"}
}

// eachMinute calls f with the minutes of a request until now, and the seconds of the person's clock at each.
func (c *fitbitCall) eachMinute(q asked, f func(m *Minute, local int64)) {
	for d := q.first; d <= min(q.last, c.today()); d++ {
		span := c.span(d)
		for own := c.p.Day(span.Start); c.p.Midnight(own).Before(span.End); own++ {
			all := c.p.minutesOf(own).all
			for i := range all {
				m := &all[i]
				if !span.Contains(m.Start) || m.Start.After(c.now) {
					continue
				}
				if local := c.local(m.Start.Unix()); q.within(d, local) {
					f(m, local)
				}
			}
		}
	}
}

// windowTotals adds up the part of a day that was asked for.
func (c *fitbitCall) windowTotals(q asked, d metric.Day) Totals {
	var t Totals
	synced := c.synced()
	day := q.on(d)
	c.eachMinute(day, func(m *Minute, _ int64) {
		if m.Start.Before(synced) {
			t.add(m)
		}
	})
	return t
}

package simulate

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// shortWake is the longest waking that overlays another stage, in place of being one.
const shortWake = 3 * time.Minute

// sleeps returns the sleeps of day d that the service has computed, and whether it is at one just now.
func (c *fitbitCall) sleeps(d metric.Day) (out []Night, pending bool) {
	for _, n := range c.p.NightsAt(d, c.now) {
		switch {
		case !n.Processed:
		case c.now.Before(n.Updated.Add(c.f.cfg.Pending)):
			pending = true
		default:
			out = append(out, n)
		}
	}
	return out, pending
}

// sleep answers with the sleeps that woke on some days, newest first.
func (c *fitbitCall) sleep(q asked) (any, *fitbitError) {
	logs := []obj{}
	stages, asleep, inBed := map[string]int{}, 0, 0
	for d := min(q.last, c.today()); d >= max(q.first, c.p.Start); d-- {
		all, pending := c.sleeps(d)
		if pending {
			return obj{"meta": obj{"retryDuration": c.f.cfg.Pending.Milliseconds(), "state": "pending"}}, nil
		}
		for i := len(all) - 1; i >= 0; i-- {
			log, minutes := c.sleepLog(&all[i])
			logs = append(logs, log)
			asleep += log["minutesAsleep"].(int)
			inBed += log["timeInBed"].(int)
			if !all[i].Nap {
				for name, m := range minutes {
					stages[name] += m
				}
			}
		}
	}
	answer := obj{"sleep": logs}
	if q.single {
		sums := obj{"totalMinutesAsleep": asleep, "totalSleepRecords": len(logs), "totalTimeInBed": inBed}
		if len(stages) > 0 {
			sums["stages"] = stages
		}
		answer["summary"] = sums
	}
	return answer, nil
}

// sleepKey is the number of a sleep's log: a night computed again has another one.
func (p *Person) sleepKey(n *Night) uint64 {
	at := int64(n.Day) * 16
	if n.Nap {
		at++
	}
	if again := slices.IndexFunc(p.Rewrite, func(w Rewrite) bool { return w.Day == n.Day && w.At.Equal(n.Updated) }); again >= 0 && !n.Nap {
		at += 2
	}
	return 30_000_000_000 + hash(p.Seed, saltLegacy+0x300, at)%10_000_000_000
}

// A legacyStage is a stretch of a level.
type legacyStage struct {
	DateTime string `json:"dateTime"`
	Level    string `json:"level"`
	Seconds  int    `json:"seconds"`
}

// sleepLog is one sleep, and its whole minutes by level.
func (c *fitbitCall) sleepLog(n *Night) (obj, map[string]int) {
	if n.Nap {
		return c.classicLog(n)
	}
	data, short := hypnogram(n)
	levels := obj{"data": c.legacyStages(data), "shortData": c.legacyStages(short)}
	minutes, counts := stageMinutes(n, data, short)
	usual := c.usualStages(n.Day)
	summary := obj{}
	for name, m := range minutes {
		summary[name] = obj{"count": counts[name], "minutes": m, "thirtyDayAvgMinutes": usual[name]}
	}
	levels["summary"] = summary
	log := c.sleepHead(n, n.Start, n.End, minutes["deep"]+minutes["light"]+minutes["rem"], minutes["wake"])
	log["type"], log["infoCode"], log["levels"] = "stages", 0, levels
	return log, minutes
}

// sleepHead is what both kinds of log have.
func (c *fitbitCall) sleepHead(n *Night, start, end time.Time, asleep, awake int) obj {
	s := n.Summary()
	return obj{
		"dateOfSleep": n.Day.String(), "startTime": c.stamp(start), "endTime": c.stamp(end), "duration": end.Sub(start).Milliseconds(),
		"timeInBed": int(end.Sub(start) / time.Minute), "minutesAsleep": asleep, "minutesAwake": awake, "minutesToFallAsleep": 0, "minutesAfterWakeup": s.AfterWakeUp,
		"efficiency": int(math.Round(100 * float64(asleep) / float64(max(1, asleep+awake-s.AfterWakeUp)))), "isMainSleep": n.Main, "logId": c.p.sleepKey(n), "logType": "auto_detected",
	}
}

func legacyLevel(s Stage) string {
	return [...]string{Awake: "wake", Light: "light", Deep: "deep", REM: "rem", Asleep: "asleep", Restless: "restless"}[s]
}

func (c *fitbitCall) legacyStages(all []StageSpan) []legacyStage {
	out := make([]legacyStage, len(all))
	for i, s := range all {
		out[i] = legacyStage{c.stamp(s.Start), legacyLevel(s.Stage), int(s.End.Sub(s.Start) / time.Second)}
	}
	return out
}

// hypnogram takes the short wakings out of the stages and lays them over what was before.
func hypnogram(n *Night) (data, short []StageSpan) {
	for i, s := range n.Stages {
		if s.Stage == Awake && s.End.Sub(s.Start) <= shortWake && i > 0 && i < len(n.Stages)-1 {
			short = append(short, s)
			data[len(data)-1].End = s.End
			continue
		}
		if k := len(data) - 1; k >= 0 && data[k].Stage == s.Stage {
			data[k].End = s.End
			continue
		}
		data = append(data, s)
	}
	short = append(short, n.Awakenings...)
	slices.SortFunc(short, func(a, b StageSpan) int { return a.Start.Compare(b.Start) })
	return data, short
}

// stageMinutes adds up a night by level: the short wakings count as such, and not to what they overlay.
func stageMinutes(n *Night, data, short []StageSpan) (minutes, counts map[string]int) {
	length := map[string]time.Duration{"deep": 0, "light": 0, "rem": 0, "wake": 0}
	counts = map[string]int{}
	for _, s := range data {
		length[legacyLevel(s.Stage)] += s.End.Sub(s.Start)
		counts[legacyLevel(s.Stage)]++
	}
	for _, w := range short {
		counts["wake"]++
		for _, s := range data {
			if o := (metric.Span{Start: s.Start, End: s.End}).Overlap(metric.Span{Start: w.Start, End: w.End}); !o.Empty() {
				length[legacyLevel(s.Stage)] -= o.Len()
				length["wake"] += o.Len()
			}
		}
	}
	minutes = map[string]int{"wake": int(n.End.Sub(n.Start) / time.Minute)}
	for _, name := range []string{"deep", "light", "rem"} {
		minutes[name] = int(math.Round(length[name].Minutes()))
		minutes["wake"] -= minutes[name]
	}
	return minutes, counts
}

// usualStages are the means of the thirty days before.
func (c *fitbitCall) usualStages(d metric.Day) map[string]int {
	sum, nights := map[string]int{}, 0
	for n := max(d-30, c.p.Start); n < d; n++ {
		if night, ok := c.p.MainNight(n); ok {
			data, short := hypnogram(&night)
			minutes, _ := stageMinutes(&night, data, short)
			for name, m := range minutes {
				sum[name] += m
			}
			nights++
		}
	}
	for name := range sum {
		sum[name] /= nights
	}
	return sum
}

// classicLog is a sleep without stages, in whole minutes.
func (c *fitbitCall) classicLog(n *Night) (obj, map[string]int) {
	minute := func(t time.Time) time.Time { return n.Start.Add(t.Sub(n.Start).Truncate(time.Minute)) }
	data := []legacyStage{}
	minutes, counts := map[string]int{"asleep": 0, "awake": 0, "restless": 0}, map[string]int{}
	for _, s := range n.Stages {
		from, to := minute(s.Start), minute(s.End)
		if !from.Before(to) {
			continue
		}
		name := legacyLevel(s.Stage)
		if s.Stage == Awake {
			name = "awake"
		}
		data = append(data, legacyStage{c.stamp(from), name, int(to.Sub(from) / time.Second)})
		minutes[name] += int(to.Sub(from) / time.Minute)
		counts[name]++
	}
	summary := obj{}
	for name, m := range minutes {
		summary[name] = obj{"count": counts[name], "minutes": m}
	}
	log := c.sleepHead(n, n.Start, minute(n.End), minutes["asleep"], minutes["awake"]+minutes["restless"])
	log["type"], log["infoCode"], log["minutesAfterWakeup"] = "classic", 2, 0
	log["efficiency"] = int(math.Round(100 * float64(minutes["asleep"]) / float64(max(1, log["timeInBed"].(int)))))
	log["levels"] = obj{"data": data, "summary": summary}
	return log, minutes
}

// listed is a request for a list: pages from a day on, forwards or backwards.
type listed struct {
	before, after string // one of them
	offset, limit int
	at            time.Time // as the person's clock shows it, in UTC
}

// parseList reads the query of a list. The service takes no offset but those of its own links.
func (c *fitbitCall) parseList(most int) (listed, *fitbitError) {
	v := c.r.URL.Query()
	l := listed{before: v.Get("beforeDate"), after: v.Get("afterDate")}
	bad := func(field, message string) (listed, *fitbitError) { return l, fitbitInvalid(field, message) }
	var err1, err2 error
	l.limit, err1 = strconv.Atoi(v.Get("limit"))
	l.offset, err2 = strconv.Atoi(v.Get("offset"))
	switch {
	case (l.before == "") == (l.after == ""):
		return bad("beforeDate", "Exactly one of beforeDate and afterDate is required.")
	case l.before != "" && v.Get("sort") != "desc" || l.after != "" && v.Get("sort") != "asc":
		return bad("sort", "Invalid sort: "+v.Get("sort"))
	case err1 != nil || l.limit < 1 || l.limit > most:
		return bad("limit", "Invalid limit: "+v.Get("limit"))
	case err2 != nil || l.offset < 0 || l.offset%l.limit != 0:
		return bad("offset", "Invalid offset: "+v.Get("offset"))
	}
	s := l.before + l.after
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, s); err == nil {
			l.at = at
			return l, nil
		}
	}
	return bad("date", "Invalid date: "+s)
}

// holds reports whether something that began at start belongs to the list.
func (l listed) holds(c *fitbitCall, start time.Time) bool {
	local := time.Unix(c.local(start.Unix()), 0)
	if l.before != "" {
		return local.Before(l.at)
	}
	return !local.Before(l.at)
}

// walk calls f with the days of the list in its order, until f returns false.
func (l listed) walk(c *fitbitCall, f func(metric.Day) bool) {
	d, end, step := max(metric.DayOf(l.at)-1, c.p.Start), c.today(), metric.Day(1)
	if l.before != "" {
		d, end, step = min(metric.DayOf(l.at)+1, c.today()), c.p.Start, -1
	}
	for ; (end-d)*step >= 0; d += step {
		if !f(d) {
			return
		}
	}
}

// pagination tells of the page, with an absolute link to the next where there is one.
func (l listed) pagination(c *fitbitCall, more bool) obj {
	out := obj{"limit": l.limit, "offset": l.offset, "next": "", "previous": "", "sort": "asc", "afterDate": l.after}
	if l.before != "" {
		delete(out, "afterDate")
		out["sort"], out["beforeDate"] = "desc", l.before
	}
	link := func(offset int) string {
		v := c.r.URL.Query()
		v.Set("offset", strconv.Itoa(offset))
		return c.link(c.r.URL.Path) + "?" + v.Encode()
	}
	if more {
		out["next"] = link(l.offset + l.limit)
	}
	if l.offset > 0 {
		out["previous"] = link(l.offset - l.limit)
	}
	return out
}

// link makes an absolute link to the address at which the client reached the server.
func (c *fitbitCall) link(path string) string {
	host := c.r.Host
	if host == "" {
		host = c.r.URL.Host
	}
	scheme := "http"
	if c.r.TLS != nil || c.r.URL.Scheme == "https" || strings.EqualFold(c.r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + host + path
}

// sleepList answers with pages of sleeps.
func (c *fitbitCall) sleepList(asked) (any, *fitbitError) {
	l, err := c.parseList(100)
	if err != nil {
		return nil, err
	}
	logs, skip, more := []obj{}, l.offset, false
	l.walk(c, func(d metric.Day) bool {
		all, _ := c.sleeps(d)
		if l.before != "" {
			slices.Reverse(all)
		}
		for i := range all {
			switch {
			case !l.holds(c, all[i].Start):
			case skip > 0:
				skip--
			case len(logs) == l.limit:
				more = true
				return false
			default:
				log, _ := c.sleepLog(&all[i])
				logs = append(logs, log)
			}
		}
		return true
	})
	return obj{"sleep": logs, "pagination": l.pagination(c, more)}, nil
}

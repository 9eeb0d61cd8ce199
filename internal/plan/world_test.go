package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// scenario is a folder of testdata: weeks of a person's life.
type scenario struct {
	About   string
	Start   time.Time
	Hours   int
	History string     // history goes back to this day
	Zones   []zoneFrom // told by the service from an instant on
	Feeds   string     // all, or few
	Covered bool       // history was complete at the start
	Polled  bool       // and the devices were known
	Syncs   bool
	Away    [][2]time.Time // the device does not sync
	Up      [][2]time.Time // the person is up in the quiet window, and the device syncs as by day
	Off     [][2]time.Time // the program does not run
	Double  bool           // every sync is followed by another one 3 s later
	Denied  map[string][2]time.Time
	Budget  *struct{ PerHour, Reserve int }
	Wishes  []struct {
		At   time.Time
		Days [2]string
	}
	Tracks []struct {
		At  time.Time
		Day string
		Key string
	}
	Show   [][2]time.Time // what is printed line by line
	Took   float64        // seconds of a request of a day of history; 0 for 1
	Steady bool           // the limits of requests per hour hold
	Ninety bool           // so does the rule of 90 s
	Done   bool           // history is complete at the end
}

type zoneFrom struct {
	At   time.Time
	Name string
}

// flight is a request on its way.
type flight struct {
	it    Item
	final time.Time
	asked time.Time
	back  time.Time
	put   time.Time // when it enters the coverage
}

// world is a toy model of a person, a service and a collector: the service answers everything, perfectly.
type world struct {
	t     *testing.T
	sc    scenario
	in    Input
	now   time.Time
	syncs []time.Time
	rnd   *rand.Rand

	flying   [2]*flight
	putting  []*flight
	used     int // of this hour's budget
	hour     time.Time
	counts   map[time.Time]int // all requests by hour
	paced    map[time.Time]int
	answered map[time.Time]time.Time
	out      strings.Builder
}

func readScenario(t *testing.T, path string) scenario {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var sc scenario
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&sc); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return sc
}

func newWorld(t *testing.T, sc scenario) *world {
	w := &world{t: t, sc: sc, now: sc.Start, rnd: rand.New(rand.NewPCG(7, 9)), counts: map[time.Time]int{}, paced: map[time.Time]int{},
		answered: map[time.Time]time.Time{}}
	w.in = Input{Person: "me", Feeds: few(), Coverage: map[string][]metric.Covered{}, Denied: map[string]time.Time{},
		Settled: map[string]metric.Day{}, Start: mustDay(t, sc.History), Quiet: Quiet{23 * 60, 6*60 + 30}, Budget: Budget{Left: -1}}
	if sc.Feeds == "all" {
		w.in.Feeds = all()
	}
	w.zones()
	if sc.Syncs {
		w.makeSyncs()
	}
	if sc.Covered {
		w.coverAll()
	}
	return w
}

func mustDay(t *testing.T, s string) metric.Day {
	t.Helper()
	d, err := metric.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// zones takes in what the service says of the zone by now.
func (w *world) zones() {
	for _, z := range w.sc.Zones[len(w.in.Zones):] {
		if !z.At.After(w.now) {
			e := metric.ZoneEntry{Name: z.Name}
			if loc, err := time.LoadLocation(z.Name); err == nil && len(w.in.Zones) > 0 {
				e.From = metric.DayOf(w.now.In(loc))
			}
			w.in.Zones = append(slices.Clone(w.in.Zones), e)
		}
	}
}

// makeSyncs has the phone sync about every 15 minutes by day and about every hour by night.
func (w *world) makeSyncs() {
	end := w.sc.Start.Add(time.Duration(w.sc.Hours) * time.Hour)
	for at := w.sc.Start.Add(-3 * time.Minute); at.Before(end); {
		away := slices.ContainsFunc(w.sc.Away, func(a [2]time.Time) bool { return !at.Before(a[0]) && at.Before(a[1]) })
		if !away {
			w.syncs = append(w.syncs, at)
			if w.sc.Double {
				w.syncs = append(w.syncs, at.Add(3*time.Second))
			}
		}
		gap := 11*time.Minute + time.Duration(w.rnd.Int64N(int64(8*time.Minute)))
		up := slices.ContainsFunc(w.sc.Up, func(a [2]time.Time) bool { return !at.Before(a[0]) && at.Before(a[1]) })
		if in, _ := newCalendar(w.in.Zones).quiet(at, w.in.Quiet); in && !up {
			gap = 50*time.Minute + time.Duration(w.rnd.Int64N(int64(20*time.Minute)))
		}
		at = at.Add(gap).Truncate(time.Second)
	}
}

// coverAll fills the coverage as a service that has been asked all along would have left it.
func (w *world) coverAll() {
	c := newCalendar(w.in.Zones)
	last := w.sc.Start.Add(-3 * time.Minute)
	for i, f := range w.in.Feeds {
		if f.Behind != "" || f.Trigger == metric.OnWish {
			continue
		}
		s := metric.Span{Start: c.midnight(w.in.Start), End: last}
		fin := last
		if f.Axis == metric.Days {
			s = metric.DaySpan(w.in.Start, c.day(last))
			fin = c.day(last.Add(-Lead)).Civil()
		}
		asked := w.sc.Start.Add(-time.Duration(i) * time.Minute)
		w.cover(&flight{it: Item{Request: metric.Request{Feed: f.ID, Span: s}}, final: fin, asked: asked})
	}
}

// cover is what the archive does with an answer.
func (w *world) cover(f *flight) {
	id := f.it.Feed
	if f.it.Session != nil {
		w.in.Tracks = slices.DeleteFunc(w.in.Tracks, func(t metric.SessionRef) bool { return t.Key == f.it.Session.Key })
		return
	}
	var out []metric.Covered
	for _, c := range w.in.Coverage[id] {
		for _, p := range c.Span.Subtract([]metric.Span{f.it.Span}) {
			out = append(out, metric.Covered{Span: p, Asked: c.Asked, Final: c.Final})
		}
	}
	for _, p := range []metric.Covered{
		{Span: f.it.Span.Overlap(metric.Span{End: f.final}), Asked: f.asked, Final: true},
		{Span: f.it.Span.Overlap(metric.Span{Start: f.final, End: f.it.Span.End}), Asked: f.asked},
	} {
		if !p.Span.Empty() {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b metric.Covered) int { return a.Span.Start.Compare(b.Span.Start) })
	w.in.Coverage[id] = out
}

func (w *world) lastSync() time.Time {
	i, found := slices.BinarySearchFunc(w.syncs, w.now, time.Time.Compare)
	if found {
		return w.now
	}
	if i == 0 {
		return time.Time{}
	}
	return w.syncs[i-1]
}

func (w *world) feed(id string) metric.Feed {
	for _, f := range w.in.Feeds {
		if f.ID == id {
			return f
		}
	}
	w.t.Fatalf("the plan asks for %q, which is no feed", id)
	return metric.Feed{}
}

// run lives through the scenario and returns its log.
func (w *world) run() string {
	end := w.sc.Start.Add(time.Duration(w.sc.Hours) * time.Hour)
	steps := 0
	for w.now.Before(end) {
		if steps++; steps > 400_000 {
			w.t.Fatal("the plan never comes to rest")
		}
		next := end
		if until := w.off(); until.After(w.now) {
			next = until
			w.flying, w.putting = [2]*flight{}, nil
			w.in.Polled = time.Time{} // as after a start
		} else {
			next = w.decide(next)
		}
		w.advance(next)
	}
	w.summary()
	return w.out.String()
}

func (w *world) off() time.Time {
	for _, o := range w.sc.Off {
		if !w.now.Before(o[0]) && w.now.Before(o[1]) {
			return o[1]
		}
	}
	return time.Time{}
}

// decide asks the plan, starts what it says, and returns when something happens next.
func (w *world) decide(next time.Time) time.Time {
	w.zones()
	w.in.Now = w.now
	w.budget()
	w.in.Busy = Busy{Live: w.flying[Live] != nil, History: w.flying[History] != nil || len(w.putting) > 1}
	w.in.Pending = nil
	for _, f := range slices.Concat(w.flying[:], w.putting) {
		if f != nil && f.it.Feed != Poll {
			w.in.Pending = append(w.in.Pending, f.it.Request)
		}
	}
	old := func(t time.Time) bool { return !t.After(w.now.Add(-time.Hour)) }
	w.in.Polls, w.in.Reads = slices.DeleteFunc(w.in.Polls, old), slices.DeleteFunc(w.in.Reads, old)
	for _, wi := range w.sc.Wishes {
		if !wi.At.After(w.now) && len(w.in.Wishes) < len(w.sc.Wishes) {
			days := metric.DaySpan(mustDay(w.t, wi.Days[0]), mustDay(w.t, wi.Days[1]))
			w.in.Wishes = append(w.in.Wishes, Wish{Days: days, At: wi.At})
			w.uncover(days)
		}
	}
	for i := 0; i < len(w.sc.Tracks); i++ {
		if tr := w.sc.Tracks[i]; !tr.At.After(w.now) {
			w.in.Tracks = append(w.in.Tracks, metric.SessionRef{Kind: metric.Workout, Key: tr.Key, Day: mustDay(w.t, tr.Day)})
			w.sc.Tracks = slices.Delete(w.sc.Tracks, i, i+1)
			i--
		}
	}
	d := Next(w.in)
	w.invariants(d)
	var started [2]bool
	for _, it := range d.Items {
		if !started[it.Lane] {
			started[it.Lane] = true
			w.start(it)
		}
	}
	if d.Wake.Before(next) && d.Wake.After(w.now) {
		next = d.Wake
	}
	for _, f := range slices.Concat(w.flying[:], w.putting) {
		if f != nil {
			at := f.back
			if !f.put.IsZero() {
				at = f.put
			}
			if at.Before(next) {
				next = at
			}
		}
	}
	return next
}

func (w *world) budget() {
	if w.sc.Budget == nil {
		return
	}
	if h := w.now.Truncate(time.Hour); h != w.hour {
		w.hour, w.used = h, 0
	}
	w.in.Budget = Budget{Left: max(0, w.sc.Budget.PerHour-w.used), Reset: w.hour.Add(time.Hour), Reserve: w.sc.Budget.Reserve}
}

func (w *world) start(it Item) {
	if w.flying[it.Lane] != nil {
		w.t.Fatalf("two requests in lane %s at %s", it.Lane, w.now)
	}
	f := &flight{it: it, asked: w.now, back: w.now.Add(time.Second)}
	n := 1
	if it.Feed != Poll && it.Session == nil {
		feed := w.feed(it.Feed)
		f.final = w.final(feed)
		n = max(1, int(feed.Cost*it.Span.Len().Hours()/24))
		if it.Lane == History || !it.Paced {
			took := cmp.Or(w.sc.Took, 1) * float64(n)
			f.back = w.now.Add(time.Duration(took * float64(time.Second)))
		}
	}
	w.flying[it.Lane] = f
	w.used += n
	hour := w.now.Truncate(time.Hour)
	w.counts[hour] += n
	if it.Paced {
		w.paced[hour] += n
		if it.Feed == Poll {
			w.in.Polls = append(w.in.Polls, w.now)
		} else {
			w.in.Reads = append(w.in.Reads, slices.Repeat([]time.Time{w.now}, n)...)
		}
	}
	w.print(it)
}

func (w *world) final(f metric.Feed) time.Time {
	until := w.now
	if last := LastSync(w.in.Devices); f.Trigger == metric.OnSync && !last.IsZero() && last.Before(w.now) {
		until = last
	}
	if f.Axis == metric.Days {
		return DayAt(w.in.Zones, until.Add(-Lead)).Civil()
	}
	return until
}

// advance moves the time and takes in what has come back.
func (w *world) advance(to time.Time) {
	if !to.After(w.now) {
		to = w.now.Add(time.Millisecond)
	}
	w.now = to
	for lane, f := range w.flying {
		if f == nil || f.back.After(w.now) {
			continue
		}
		w.flying[lane] = nil
		switch {
		case f.it.Feed == Poll:
			w.polled()
		case w.refused(f):
		case Lane(lane) == History:
			f.put = w.now.Add(200 * time.Millisecond)
			w.putting = append(w.putting, f)
		default:
			w.arrived(f)
		}
	}
	w.putting = slices.DeleteFunc(w.putting, func(f *flight) bool {
		if f.put.After(w.now) {
			return false
		}
		w.arrived(f)
		return true
	})
}

func (w *world) refused(f *flight) bool {
	d, ok := w.sc.Denied[f.it.Feed]
	if !ok || w.now.Before(d[0]) || !w.now.Before(d[1]) {
		return false
	}
	w.in.Denied[f.it.Feed] = w.now.Add(24 * time.Hour)
	return true
}

func (w *world) arrived(f *flight) {
	w.cover(f)
	if w.feed(f.it.Feed).Settles && w.now.In(w.in.Zones.Now()).Hour() >= 8 {
		w.in.Settled[f.it.Feed] = DayAt(w.in.Zones, w.now)
	}
	if f.it.Feed == "heart_rate" {
		for _, s := range slices.Backward(w.syncs) {
			if s.After(f.asked) || s.After(f.it.Span.End) {
				continue
			}
			if _, ok := w.answered[s]; ok {
				break
			}
			w.answered[s] = w.now
		}
	}
}

func (w *world) polled() {
	before, last := LastSync(w.in.Devices), w.lastSync()
	if !last.Equal(before) || w.in.Seen.IsZero() {
		w.in.Seen = w.now
	}
	if last.Sub(before) > Together {
		w.in.Before = before
	}
	w.in.Polled = w.now
	w.in.Devices = []metric.Device{{ID: "1", Name: "Charge 5", Tracker: true, LastSync: last}}
}

func (w *world) print(it Item) {
	shown := slices.ContainsFunc(w.sc.Show, func(s [2]time.Time) bool { return !w.now.Before(s[0]) && w.now.Before(s[1]) })
	if !shown || it.Feed == Poll {
		return
	}
	loc := w.in.Zones.Now()
	span := it.Span.Start.In(loc).Format("2006-01-02 15:04") + " to " + it.Span.End.In(loc).Format("01-02 15:04 MST")
	if it.Session != nil {
		span = it.Session.Key
	} else if w.feed(it.Feed).Axis == metric.Days {
		first, last := it.Span.Days()
		span = days(first, last)
	}
	why, _, _ := strings.Cut(it.Why, "; ")
	fmt.Fprintf(&w.out, "%s  %-7s  %-17s  %s  (%s)\n", w.now.In(loc).Format("01-02 15:04:05"), it.Lane, it.Feed, span, why)
}

// summary prints the requests of every hour, a line a day, and how soon syncs were answered.
func (w *world) summary() {
	loc := w.in.Zones.Now()
	fmt.Fprintf(&w.out, "\nrequests per hour of the day, %s\n", loc)
	first := w.sc.Start.In(loc)
	at := time.Date(first.Year(), first.Month(), first.Day(), 0, 0, 0, 0, loc)
	for end := w.sc.Start.Add(time.Duration(w.sc.Hours) * time.Hour); at.Before(end); at = at.AddDate(0, 0, 1) {
		fmt.Fprintf(&w.out, "%s ", at.Format(time.DateOnly))
		for h := at; h.Before(at.AddDate(0, 0, 1)); h = h.Add(time.Hour) {
			fmt.Fprintf(&w.out, " %3d", w.counts[h.UTC()])
		}
		fmt.Fprintln(&w.out)
	}
	if soon, n := w.soon(); n > 0 {
		fmt.Fprintf(&w.out, "\n%d of %d syncs were answered within 90 s\n", soon, n)
	}
	d := Next(w.in)
	fmt.Fprintf(&w.out, "%.1f of %.1f feed-days remain, %.1f requests\n", d.Remaining.Days, d.Remaining.Total, d.Remaining.Requests)
}

func (w *world) soon() (soon, n int) {
	for _, s := range w.syncs {
		if s.Before(w.sc.Start) || s.After(w.now.Add(-2*time.Minute)) {
			continue
		}
		n++
		if at, ok := w.answered[s]; ok && at.Sub(s) <= 90*time.Second {
			soon++
		}
	}
	return soon, n
}

// invariants hold for every decision.
func (w *world) invariants(d Decision) {
	w.t.Helper()
	in := w.in
	if !d.Wake.After(in.Now) {
		w.t.Fatalf("at %s the plan wants to be woken at %s, which is no later", in.Now, d.Wake)
	}
	for _, it := range d.Items {
		switch {
		case in.Busy.Live && it.Lane == Live, in.Busy.History && it.Lane == History:
			w.t.Fatalf("an item for a busy lane: %+v", it)
		case it.Why == "":
			w.t.Fatalf("an item without a reason: %+v", it)
		case it.Feed == Poll || it.Session != nil:
			continue
		}
		f := w.feed(it.Feed)
		limit := in.Now
		first := newCalendar(in.Zones).midnight(in.Start)
		if f.Axis == metric.Days {
			limit, first = (newCalendar(in.Zones).day(in.Now) + 1).Civil(), in.Start.Civil()
			if it.Span.Start.Truncate(day) != it.Span.Start || it.Span.End.Truncate(day) != it.Span.End {
				w.t.Fatalf("%s: %s are no whole days", it.Feed, it.Span)
			}
		}
		if len(in.Wishes) > 0 {
			first = time.Time{}
		}
		until := in.Denied[f.ID]
		switch {
		case it.Span.Empty():
			w.t.Fatalf("an empty span: %+v", it)
		case it.Span.End.After(limit):
			w.t.Fatalf("%s at %s: %s reaches beyond now", it.Feed, in.Now, it.Span)
		case it.Span.Start.Before(first):
			w.t.Fatalf("%s: %s begins before the start of history", it.Feed, it.Span)
		case f.Max > 0 && it.Span.Len() > f.Max:
			w.t.Fatalf("%s: %s is longer than one request may be", it.Feed, it.Span)
		case f.Chunk > 0 && it.Span.Len() > f.Chunk+time.Hour:
			w.t.Fatalf("%s: %s is longer than a chunk", it.Feed, it.Span)
		case in.Now.Before(until):
			w.t.Fatalf("%s is asked although it is denied until %s", it.Feed, until)
		case it.Lane == History && in.Budget.Left >= 0 && in.Budget.Left-1 < in.Budget.Reserve:
			w.t.Fatalf("history takes from the reserve: %d left", in.Budget.Left)
		}
		w.notTwice(f, it)
	}
}

// notTwice: what is final is asked again only for a sync's lead, as late data, or by a wish.
func (w *world) notTwice(f metric.Feed, it Item) {
	if len(w.in.Wishes) > 0 || strings.Contains(it.Why, "read again") {
		return
	}
	var again time.Duration
	for _, c := range w.in.Coverage[f.ID] {
		if o := c.Span.Overlap(it.Span); c.Final && !o.Empty() {
			again += o.Len()
		}
	}
	if it.Lane == History && again > 0 {
		w.t.Fatalf("%s: %s of %s is final already (%s)", f.ID, again, it.Span, it.Why)
	}
	if again > Lead {
		w.t.Fatalf("%s: %s of %s is final already (%s)", f.ID, again, it.Span, it.Why)
	}
	if f.Behind != "" && it.Lane == Live && w.in.Denied[f.Behind].IsZero() {
		w.t.Fatalf("%s is asked live although %s is there", f.ID, f.Behind)
	}
}

// few are enough to see every rule.
func few() []metric.Feed {
	return []metric.Feed{
		{ID: "heart_rate", Rank: metric.RankRaw, Chunk: day, Cost: 5.5},
		{ID: "heart_rate_minute", Rank: metric.RankMinute, Max: 14 * day, Chunk: 14 * day, Cost: 3. / 14, Behind: "heart_rate"},
		{ID: "steps_intraday", Rank: metric.RankMinute, Chunk: 30 * day, Cost: 1. / 30},
		{ID: "sleep", Axis: metric.Days, Kind: metric.Sleep, Chunk: 30 * day, Cost: 2. / 30},
		{ID: "steps", Axis: metric.Days, Max: 90 * day, Chunk: 90 * day, Cost: 1. / 90, Every: 30 * time.Minute},
		{ID: "resting_heart_rate", Axis: metric.Days, Chunk: 365 * day, Cost: 1. / 365, Every: time.Hour, Settles: true},
		{ID: "weight", Trigger: metric.OnClock, Chunk: 365 * day, Cost: 1. / 365, Every: time.Hour},
		{ID: "track", Axis: metric.Days, Kind: metric.Workout, Trigger: metric.OnWish, Rank: metric.RankRaw, Cost: 1},
	}
}

// all is as many feeds as the live service has.
func all() []metric.Feed {
	out := few()
	for _, id := range []string{"active_zone_minutes", "heart_zones", "distance", "calories", "active_calories", "floors", "elevation", "activity_minutes"} {
		f := out[4]
		f.ID = id
		out = append(out, f)
	}
	for _, id := range []string{"hrv", "breathing_rate", "spo2", "skin_temperature", "vo2_max"} {
		f := out[5]
		f.ID = id
		out = append(out, f)
	}
	for _, id := range []string{"hrv_intraday", "breathing_rate_stages", "spo2_intraday"} {
		out = append(out, metric.Feed{ID: id, Rank: metric.RankMinute, Chunk: 90 * day, Cost: 1. / 90, Every: time.Hour})
	}
	out = append(out, metric.Feed{ID: "workouts", Axis: metric.Days, Kind: metric.Workout, Chunk: 30 * day, Cost: 2. / 30},
		metric.Feed{ID: "body_fat", Trigger: metric.OnClock, Chunk: 365 * day, Cost: 1. / 365, Every: time.Hour})
	return out
}

// uncover takes the coverage of days away, as a wish to have them asked again does.
func (w *world) uncover(days metric.Span) {
	for _, f := range w.in.Feeds {
		span := days
		if f.Axis == metric.Instants {
			span = w.in.Zones.Bounds(metric.Days, days)
		}
		var left []metric.Covered
		for _, c := range w.in.Coverage[f.ID] {
			for _, s := range c.Span.Subtract([]metric.Span{span}) {
				left = append(left, metric.Covered{Span: s, Asked: c.Asked, Final: c.Final})
			}
		}
		w.in.Coverage[f.ID] = left
	}
}

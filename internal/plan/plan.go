// Package plan decides what to ask a source next, and why. It is a function of its input: no clock, no network, no disk.
//
// The order: the question after the devices when it is due; what a sync brought, today before yesterday; what was missed while
// the device or the program was away; and beside that, one at a time, the user's wishes, late data read again, and history:
// cheap long-range feeds first, then minute values, then raw ones with the tracks, newest first.
package plan

import (
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Input is all a decision may know. One person, one source.
type Input struct {
	Person    string
	Now       time.Time
	Zones     metric.Zones
	Feeds     []metric.Feed               // without those the user left out
	Coverage  map[string][]metric.Covered // by feed, in order, not overlapping
	Pending   []metric.Request            // asked, but not in Coverage yet
	Denied    map[string]time.Time        // feeds the service refused: not before
	Failed    map[string]time.Time        // feeds whose last request failed, or "feed/session" for a track: not before
	Aside     map[string][]Aside          // spans whose answer could not be read, by feed
	Settled   map[string]metric.Day       // feeds with Settles: the newest day that has a value
	Devices   []metric.Device             // as last seen
	NoDevices bool                        // the source cannot tell of devices
	Polled    time.Time                   // when the devices were last asked; zero for never
	Seen      time.Time                   // when, by our clock, the newest LastSync was first seen; zero for never
	Tracks    []metric.SessionRef         // sessions that want their track, newest first
	Wishes    []Wish                      // of the user
	Start     metric.Day                  // history goes back to this day
	Quiet     Quiet                       // when the person usually sleeps
	Before    time.Time                   // the LastSync before the newest, not Together with it; zero where none is known
	Hold      time.Time                   // nothing is asked until then
	HoldWhy   string                      // in words
	Polls     []time.Time                 // of the last hour: the questions after the devices
	Reads     []time.Time                 // of the last hour: the other requests that Item.Paced is about
	Budget    Budget
	Pace      metric.Pace
	Alone     bool // only the wishes, and nothing of today: the program ends with them
	Busy      Busy // what is in flight already
	Preview   int  // history items to list; 0 for 1
}

// Aside is a span of a feed that is left alone for a while.
type Aside struct {
	Span  metric.Span
	Until time.Time
}

// Wish is a span of days that the user wants, made at an instant: what is missing of them is asked for before ordinary history. To
// have all of them asked again, their coverage is taken away first.
type Wish struct {
	Days metric.Span // on the axis Days
	At   time.Time
}

// Quiet is a window of local time, as minutes after midnight; it may reach over midnight. From equal to To is no window.
type Quiet struct{ From, To int }

// Budget is what the service still allows.
type Budget = metric.Budget

// Busy names the lanes that have a request in flight.
type Busy struct{ Live, History bool }

// Lane says which of the two requests in flight an item takes.
type Lane uint8

const (
	Live Lane = iota
	History
)

func (l Lane) String() string { return [...]string{"live", "history"}[l] }

// Poll is the feed name of the question after the devices.
const Poll = "devices"

// Item is one request to make.
type Item struct {
	metric.Request
	Lane  Lane
	Paced bool   // it counts against the requests of an hour; what fills a hole or history does not
	Why   string // in words, for the page and the log
}

// Decision is what to do now.
type Decision struct {
	Items     []Item    // in order; of each lane the first is to be sent now
	Wake      time.Time // when to decide again if nothing happens before
	Why       string    // why nothing is to be done, or until when
	Remaining Remaining // history still to fetch
	Wished    Remaining // of the user's wishes
	Misread   float64   // feed-days that another version has read, and that are to be read again
}

// Remaining is what is still to fetch.
type Remaining struct {
	Requests float64 // estimated
	Days     float64 // of feed-days
	Total    float64 // of feed-days, with what is fetched
	Tracks   int     // of workouts; of wishes only
}

// Done reports whether nothing worth a request is left.
func (r Remaining) Done() bool { return r.Days < 0.001 && r.Tracks == 0 }

// longest is how long an entry of Denied, Failed, Aside or Hold may reach ahead. One that reaches further was written while the
// clock was wrong.
const longest = 25 * time.Hour

// Next decides. Its answer depends on in alone.
func Next(in Input) Decision {
	p := newPlanner(in)
	var d Decision
	p.remaining(&d)
	p.filling = d.Remaining.Requests >= filled
	switch {
	case p.inForce(in.Hold):
		p.later(in.Hold)
		d.Why = in.HoldWhy + " until " + p.clockTime(in.Hold)
	case in.Budget.Left == 0 && in.Budget.Reset.After(in.Now):
		p.later(in.Budget.Reset)
		d.Why = "the budget is used up; it is full again at " + p.clockTime(in.Budget.Reset)
	default:
		if !in.Busy.Live {
			d.Items = append(d.Items, p.live()...)
		}
		if !in.Busy.History {
			d.Items = append(d.Items, p.history()...)
		}
		if len(d.Items) == 0 {
			d.Why = p.idle()
		}
	}
	d.Wake = p.wake
	return d
}

// planner holds what follows from the input at once.
type planner struct {
	in      Input
	cal     calendar
	today   metric.Day
	sync    time.Time // newest LastSync, at most now; where no device tells, now
	blind   bool      // no device tells when it synced
	ahead   bool      // the devices' clock is ahead of ours
	quiet   bool
	asleep  time.Time   // start of the quiet window that now is in
	stir    bool        // it is quiet, but the person is awake
	filling bool        // history is being fetched
	polls   []time.Time // those that count now, in order
	reads   []time.Time
	fields  []*field
	byID    map[string]*field
	wake    time.Time
}

func newPlanner(in Input) *planner {
	p := &planner{in: in, cal: newCalendar(in.Zones), byID: map[string]*field{}, wake: in.Now.Add(15 * time.Minute)}
	p.in.Now = in.Now.UTC()
	p.today = p.cal.day(in.Now)
	p.sync = LastSync(in.Devices)
	p.blind, p.ahead = p.sync.IsZero(), p.sync.After(in.Now)
	if p.blind || p.ahead {
		p.sync = p.in.Now
	}
	if p.in.Seen.After(in.Now) { // seen while the clock was wrong
		p.in.Seen = p.in.Now
	}
	p.quiet, p.asleep = p.cal.quiet(in.Now, in.Quiet)
	p.stir = p.quiet && p.stirring()
	p.later(p.cal.nextEdge(in.Now, in.Quiet))
	from := in.Now.Add(-time.Hour)
	if p.quiet && p.asleep.After(from) {
		from = p.asleep
	}
	p.polls, p.reads = within(in.Polls, from, in.Now), within(in.Reads, from, in.Now)
	for i, f := range in.Feeds {
		fd := p.newField(f, i)
		p.fields = append(p.fields, fd)
		p.byID[f.ID] = fd
	}
	for _, fd := range p.fields {
		fd.behind = p.active(fd.Behind)
	}
	return p
}

// stirring reports whether the person is awake in the quiet window: only then do syncs follow each other closely in it.
func (p *planner) stirring() bool {
	before := p.in.Before
	return !p.blind && !before.Before(p.asleep) && p.sync.After(before) && p.sync.Sub(before) < closeSyncs && p.in.Now.Sub(p.sync) < closeSyncs
}

// LastSync returns the newest sync of the trackers, zero where none tells.
func LastSync(devices []metric.Device) time.Time {
	var last time.Time
	for _, d := range devices {
		if d.Tracker && d.LastSync.After(last) {
			last = d.LastSync.UTC()
		}
	}
	return last
}

// active returns the field with that id if the service answers for it, else nil.
func (p *planner) active(id string) *field {
	fd := p.byID[id]
	if fd == nil || p.inForce(p.in.Denied[id]) {
		return nil
	}
	return fd
}

// inForce reports whether a "not before" still holds.
func (p *planner) inForce(until time.Time) bool {
	return until.After(p.in.Now) && until.Before(p.in.Now.Add(longest))
}

// later notes that something becomes due at t.
func (p *planner) later(t time.Time) {
	if t.After(p.in.Now) && t.Before(p.wake) {
		p.wake = t
	}
}

// allowed reports whether a feed may be asked now, and notes when it may be. One that has failed is tried again with one request, and
// what becomes of it is awaited.
func (p *planner) allowed(id string) bool {
	if _, failed := p.in.Failed[id]; failed && slices.ContainsFunc(p.in.Pending, func(r metric.Request) bool { return r.Feed == id }) {
		return false
	}
	for _, until := range []time.Time{p.in.Denied[id], p.in.Failed[id]} {
		if p.inForce(until) {
			p.later(until)
			return false
		}
	}
	return true
}

func (p *planner) item(f *field, lane Lane, span metric.Span, why string) Item {
	return Item{Lane: lane, Why: why, Request: metric.Request{Person: p.in.Person, Feed: f.ID, Span: span, Zones: p.in.Zones}}
}

// Package plan decides what to ask a source next, and why. It is a function of its input: no clock, no network, no disk.
package plan

import (
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Input is all a decision may know. One person, one source.
type Input struct {
	Person   string
	Now      time.Time
	Zones    metric.Zones
	Feeds    []metric.Feed               // without those the user left out
	Coverage map[string][]metric.Covered // by feed, in order, not overlapping
	Denied   map[string]time.Time        // feeds the service refused: not before
	Failed   map[string]time.Time        // feeds whose last request failed: not before
	Settled  map[string]metric.Day       // feeds with Settles: the newest day that has a value
	Devices  []metric.Device             // as last seen
	Polled   time.Time                   // when the devices were last asked; zero for never
	Synced   time.Time                   // the device's last sync that the coverage accounts for (S0); zero for none
	Tracks   []metric.SessionRef         // sessions that want their track, newest first
	Wishes   []metric.Span               // of the user: days to be asked again, on the axis Days
	Start    metric.Day                  // history goes back to this day
	Quiet    Quiet                       // when the person usually sleeps
	Budget   Budget
	Busy     Busy // what is in flight already
}

// Quiet is a window of local time, as minutes after midnight; it may reach over midnight.
type Quiet struct{ From, To int }

// Budget is what the service still allows.
type Budget struct {
	Left    int       // requests left in this window; negative for no limit
	Reset   time.Time // when it is full again
	Reserve int       // kept for today
}

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
	Lane Lane
	Why  string // in words, for the page and the log
}

// Decision is what to do now.
type Decision struct {
	Items     []Item    // in order; of each lane the first is to be sent now
	Wake      time.Time // when to decide again if nothing happens before
	Why       string    // why nothing is to be done, or until when
	Remaining Remaining // history still to fetch
}

// Remaining is the history still to fetch.
type Remaining struct {
	Requests float64 // estimated
	Days     float64 // of feed-days
	Total    float64 // of feed-days, with what is fetched
}

// Package metric is the vocabulary of the program: what is measured (the catalogue), and the shapes in which readings travel
// from a source through the archive to a sink. It imports nothing of ours.
package metric

import (
	"math"
	"time"
)

// A Block holds samples of one series that share their tags, column by column.
// Times are ascending and distinct. Every column of Values is as long as Times; a missing value is NaN, never 0.
type Block struct {
	Series ID
	Device string      // value of the tag Device
	Tags   []string    // values of the row's own tags, in the row's order; an empty value is no tag
	Times  []int64     // UTC, nanoseconds since 1970
	Values [][]float64 // one column per field of the row, in the row's unit
}

// Len returns the number of samples.
func (b *Block) Len() int { return len(b.Times) }

// Append adds a sample behind the last; values are in the order of the row's fields.
func (b *Block) Append(t int64, values ...float64) {
	if b.Values == nil {
		b.Values = make([][]float64, len(values))
	}
	b.Times = append(b.Times, t)
	for i, v := range values {
		b.Values[i] = append(b.Values[i], v)
	}
}

// Row returns the values of sample i in the order of the row's fields.
func (b *Block) Row(i int) []float64 {
	out := make([]float64, len(b.Values))
	for f := range b.Values {
		out[f] = b.Values[f][i]
	}
	return out
}

// Absent is a value that is not there.
func Absent() float64 { return math.NaN() }

// Present reports whether v is there.
func Present(v float64) bool { return !math.IsNaN(v) }

// SessionKind tells nights from workouts.
type SessionKind string

const (
	Sleep   SessionKind = "sleep"
	Workout SessionKind = "workout"
)

// A Session is a document with the provider's key and a day, and the samples that live and die with it.
type Session struct {
	Kind     SessionKind
	Key      string // the provider's key: the same session keeps it when it is computed again
	Day      Day    // sleep: the day of waking; workout: the day of its start
	Start    time.Time
	End      time.Time
	Offset   int       // seconds east of UTC at Start
	Title    string    // workout: its name; sleep: its type
	Main     bool      // sleep: the main one of its day
	HasTrack bool      // a track can be asked for
	Updated  time.Time // when the provider last changed it
	Blocks   []Block
}

// A Batch is what a source answered to one request.
type Batch struct {
	Person   string
	Source   string
	Feed     string
	Axis     Axis
	Span     Span      // what it answers for, even where nothing is in it
	Bounds   Span      // Span as instants (Zones.Bounds): needed on the axis Days where the feed is not one of sessions
	Asked    time.Time // when
	Final    time.Time // on the feed's axis: up to here the answer will not change but by late data; zero for nothing of it
	Odd      []Span    // on the feed's axis: parts of Span in which something could not be understood. Nothing of them is final, and nothing there vanishes or loses a field
	OddAt    []Span    // Odd as instants (Zones.Bounds): needed on the axis Days where the feed is not one of sessions
	Masked   bool      // asked for with a mask, which cuts off what it does not name: of a renamed member nothing would be seen
	Series   []ID      // those it answers for: what the archive holds of them inside Span and is not here has vanished
	Blocks   []Block   // samples outside Span are an error
	Sessions []Session // for a feed of sessions: all of that kind whose Day is in Span
	Kind     SessionKind
	Session  string    // for a follow-up (a track): the key of the session whose samples these are; Span is then not used
	Updated  time.Time // for a follow-up: the session's Updated that it was fetched for
	Requests int       // what it cost
	Reader   int       // the feed's version of what has read it
	Live     bool      // of a service that is asked again: that much is gone at once is believed only when it says so twice
}

// Device is one of a person's devices.
type Device struct {
	ID       string
	Name     string    // product name, e.g. "Charge 5"
	Tracker  bool      // false for a scale
	LastSync time.Time // zero where the service does not say
	Battery  float64   // percent; NaN where unknown
}

// A Person is whose data it is.
type Person struct {
	ID  string // short and stable: names files and keys
	Tag string // value of the tag Person; empty for the first person
}

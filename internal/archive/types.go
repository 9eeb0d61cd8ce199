package archive

import (
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Piece is what a sink has not taken yet of one chunk.
type Piece struct {
	Chunk  int64
	Rev    int64 // the chunk's revision when it was read
	Person string
	Block  metric.Block // only the samples this sink has not taken

	parts int // how many pieces Due made of this chunk: one per device
}

// Tomb names a visible sample that has vanished.
type Tomb struct {
	ID, Rev int64
	Person  string
	Series  metric.ID
	Device  string
	Tags    []string
	Time    int64 // UTC, nanoseconds
}

// Backlog is what a sink has still to take.
type Backlog struct {
	Chunks  int
	Samples int // an estimate: whole chunks are counted
	Tombs   int
	Oldest  time.Time // of the samples; zero where there are none
}

// Quarantined is a group of samples that a sink will never take.
type Quarantined struct {
	Sink        string
	Person      string
	Series      metric.ID
	Field       string // the field that was left out; empty where whole samples were
	Count       int
	First, Last time.Time
	Reason      string // the database's own words
	Hint        string // the cure
	At          time.Time
}

// Count is what the archive holds of one series of a person.
type Count struct {
	Series      metric.ID
	Samples     int // visible ones
	Hidden      int // kept, but a better source has data there
	First, Last time.Time
	Bytes       int64 // of compressed data
}

// Stats is what the archive holds altogether.
type Stats struct {
	Rev     int64
	Bytes   int64 // on disk: the file and its write-ahead log
	Chunks  int
	Samples int
	Tombs   int
	Persons []string // those it has samples of
}

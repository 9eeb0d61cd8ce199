package metric

import "time"

// Trigger says what makes a feed worth asking again.
type Trigger uint8

const (
	OnSync  Trigger = iota // a device's sync brings its data
	OnClock                // no device stands behind it: asked by the clock
	OnWish                 // asked only for a session that wants it: a track
)

// Rank orders history: lower ranks are fetched first.
type Rank uint8

const (
	RankLong   Rank = iota // cheap: one request brings weeks or months
	RankMinute             // minute values
	RankRaw                // raw heart rate and the like, and tracks
)

// A Budget is what a service still allows.
type Budget struct {
	Left    int           // requests left in this window; negative for no limit
	Reset   time.Time     // when it is full again
	Limit   int           // requests of a whole window; 0 where unknown
	Reserve int           // kept for today
	Window  time.Duration // over which the reserve is needed: it shrinks with what is left of it. 0 for one that stays
}

// A Pace is how often a service is asked about today. The zero value is for one that allows hundreds of requests a minute.
type Pace struct {
	Awake   time.Duration // from one question after the devices to the next, by day
	Filling time.Duration // the same while history is being fetched
	Asleep  time.Duration // by night
	Reread  time.Duration // from one reading again of the last two days to the next
	Sync    int           // reads an hour of what is asked at every sync
	Late    int           // the same of late data
	Rest    int           // and of everything else of today
}

// A Feed is one kind of request to one source. Coverage is kept per feed.
type Feed struct {
	ID      string
	Series  []ID // the series it answers for
	Axis    Axis
	Kind    SessionKind // for a feed of sessions
	Trigger Trigger
	Rank    Rank
	Max     time.Duration // the longest span of one request; 0 for no limit
	Chunk   time.Duration // the span of one request for history, at most Max
	Cost    float64       // requests per day of history, for the remaining time
	Every   time.Duration // live: not more often than this, even when syncs come quicker; 0 for at every sync
	Settles bool          // live: once today has a value, today's is not asked again before the daily re-read
	Behind  string        // the feed whose coverage makes this one needless: minute summaries behind raw heart rate
	Depth   time.Duration // history: how far back at most; 0 for as far as the user says
	Reader  int           // version of what reads its answers: raised where it now reads better what it once misread, so that history is asked again
	Sieve   bool          // Reader: of what an older version read only days (or tracks) with values that nobody can have are asked again, since each costs a request
	Civil   bool          // the zone decides more than at which midnight its daily values stand: they are asked again when it is corrected
	Whole   bool          // a request costs the same however long its span is: the newest days come with all of their chunk
}

// Covered is a span of a feed that has been answered.
type Covered struct {
	Span  Span
	Asked time.Time
	Final bool // false: asked too early, before the device had synced past it

	Reader int       // version of what has read the answer
	Odd    int       // answers in a row in which something could not be understood
	Again  time.Time // when it is to be asked again for that, or because too much was gone; zero for not
}

// A Request is one question to a source.
type Request struct {
	Person  string
	Feed    string
	Series  []ID // of the feed's series those that are wanted; none for all
	Span    Span
	Zones   Zones
	Session *SessionRef // a track's session
	Final   time.Time   // copied into the batch
	Device  string      // value of the tag Device
	Plain   bool        // ask without a mask: what came with one is doubted
	Devices []Device
}

// SessionRef names a session that wants a follow-up.
type SessionRef struct {
	Kind    SessionKind
	Key     string
	Day     Day
	Start   time.Time
	Title   string
	Updated time.Time
}

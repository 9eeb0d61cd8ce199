// Package homeassistant shows the latest values in Home Assistant, by MQTT discovery.
//
// entity.go is the table of entities. view.go turns what is known at one moment into devices and states, a pure function with
// night.go and wear.go beside it; events.go tells what has just happened; serve.go brings what changed to one connection;
// broker.go makes connections and says why one cannot be made; owner.go keeps two programs from publishing below the same topics. What
// has been announced is remembered (memory.go), so that it stays, and is removed when it must go (withdraw.go); so are the ids that
// persons have (ids.go).
package homeassistant

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Archive is what it reads, and where it remembers what it has announced.
type Archive interface {
	Sessions(ctx context.Context, person string, kind metric.SessionKind, days metric.Span) ([]metric.Session, error)
	State(ctx context.Context, person, key string) ([]byte, error)
	SetState(ctx context.Context, person, key string, value []byte) error
}

// Latest tells the newest values of a person.
type Latest interface {
	Snapshot(ctx context.Context, who string) ([]latest.Value, error)
}

// A Person is somebody whose values are published.
type Person struct {
	metric.Person
	Name     string                 // of the device in Home Assistant, behind "Fitbit"; empty for none
	Devices  func() []metric.Device // nil as long as nothing is known of them
	Zones    func() metric.Zones
	LeaveOut []metric.ID // series that are not kept: what was announced of them is removed
}

// Service is how the program itself is doing.
type Service struct {
	Unauthorized bool      // somebody has to authorize again
	Unanswered   time.Time // when the health service was last asked in vain; zero for never
	InfluxDB     bool      // there is one
	Connected    bool      // and it takes what it is given
	LastFetch    time.Time // zero before the first
	NextFetch    time.Time
	Requests     int     // in the last hour
	Left         int     // requests that the service's limit leaves; negative where nobody knows
	Backfill     float64 // percent; NaN where there is none
	LastError    string
	Stopped      []string // series that had a value on most days and have none any more, while the service answers and the device syncs
}

// A Broker is where to connect to.
type Broker struct {
	URL      string // mqtt://, mqtts://, ws:// or wss://, with host and mostly port
	Username string
	Password string
	CA       string // file of certificates in PEM, for a broker whose own authority signed its certificate
	Insecure bool   // whoever answers is trusted
	ClientID string // empty: one of its own making, that stays
}

// Config is what a Publisher needs.
type Config struct {
	Archive   Archive
	Latest    Latest
	Catalogue metric.Catalogue
	Clock     clock.Clock
	Log       *slog.Logger
	People    []Person

	Broker  func(ctx context.Context) (Broker, error) // asked before every attempt to connect; an *Error may carry a hint
	Changed func() <-chan struct{}                    // closed at the next change of the archive
	Service func() Service
	Sync    func() // the button was pressed; must not block
	Noticed func() // Status().Occupied has changed; must not block; may be nil

	Words   func(key string) string // the name of an entity, by its key; empty, or a nil Words, for English
	Hide    []string                // keys of entities that are not published
	Off     bool                    // nothing is published; what was published before is removed
	Keep    bool                    // who and what is missing now may only be mistaken for gone: nothing that was announced is removed
	Prefix  string                  // of discovery; empty: homeassistant
	Node    string                  // begins all topics and ids of this installation; empty: fitbit_fetch
	Host    string                  // name of this machine, for others that would publish below the same node; may be empty
	Version string                  // of the program
	Support string                  // where help is found; may be empty

	// Page is the address of the program's page, http(s):// or homeassistant://, empty while it is not known. The one last known is kept
	// over a restart. Nil for no page.
	Page func() string
	// Restated is closed at the next change of what Words or Page give; nil where they never change.
	Restated func() <-chan struct{}
}

// Status is how the connection to the broker is doing.
type Status struct {
	Connected bool
	Since     time.Time // of Connected, or of its loss
	Problem   string    // why there is no connection, or what is wrong with it; empty for nothing
	Hint      string    // the cure
	Occupied  bool      // another program publishes in our place
	Withdrawn bool      // somebody had all removed by Withdraw
}

// Publisher publishes. It is made by New, and works while Run does.
type Publisher struct {
	cfg      Config
	log      *slog.Logger
	entities map[string]Entity // by key
	table    []Entity
	timing   timing

	mu     sync.Mutex
	status Status
	said   report

	withdrawn bool // as remembered
	wishes    chan wish

	mem   *memory  // of Run alone, as kept
	kept  string   // its text in the archive
	run   string   // tells this process from others
	rival sighting // who publishes in our place, of Run alone

	dial func(ctx context.Context, b Broker, client string, t terms) (link, error)
}

// timing is how long it waits, in real time. Tests are less patient.
type timing struct {
	quiet    time.Duration // after a change, for what comes with it
	glance   time.Duration // between two readings of the archive
	pause    time.Duration // from telling of a change to telling of the next one
	tick     time.Duration // between two looks when nothing changes
	settle   time.Duration // from an announcement to the first event, for Home Assistant to subscribe
	birth    time.Duration // at most, from Home Assistant's birth to the announcement
	echo     time.Duration // for the broker to give back our own message
	ack      time.Duration // for the broker to take a message
	first    time.Duration // from a failed attempt to connect to the next
	near     time.Duration // at most, where the broker's machine answers
	refused  time.Duration // at most, where somebody has to change something
	far      time.Duration // at most, where it does not
	fleeting time.Duration // a connection that ends earlier is none

	renew     time.Duration // from one renewal of the owner's record to the next
	answer    time.Duration // for a living owner to renew its record when asked
	handover  time.Duration // from a released record to another taking it: the owner may only be starting again
	abandoned time.Duration // after which a record that nobody renews is free to take

	grant time.Duration // for what somebody asks for, until they are told that it takes longer
}

// prefix is Home Assistant's own default.
const prefix = "homeassistant"

// New returns a Publisher. It starts nothing.
func New(cfg Config) *Publisher {
	cfg.Prefix = cmp.Or(cfg.Prefix, prefix)
	cfg.Node = cmp.Or(cfg.Node, "fitbit_fetch")
	p := &Publisher{cfg: cfg, log: cfg.Log, table: Entities(), entities: map[string]Entity{}, timing: timing{
		quiet: 200 * time.Millisecond, glance: 700 * time.Millisecond, pause: 5 * time.Second, tick: 30 * time.Second, settle: 3 * time.Second, birth: time.Second,
		echo: 5 * time.Second, ack: 15 * time.Second, first: 500 * time.Millisecond, near: 3 * time.Second, refused: 15 * time.Second, far: time.Minute, fleeting: 30 * time.Second,
		renew: time.Minute, answer: time.Second, handover: time.Minute, abandoned: 3 * time.Minute,
		grant: 30 * time.Second,
	}, run: randomID(8), wishes: make(chan wish)}
	p.dial = p.connect
	for _, e := range p.table {
		p.entities[e.Key] = e
	}
	return p
}

// Status tells how the connection is doing. It may be called from any goroutine.
func (p *Publisher) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status
	s.Withdrawn = p.withdrawn
	return s
}

// name is what an entity is called.
func (p *Publisher) name(e Entity) string {
	if p.cfg.Words != nil {
		if s := p.cfg.Words(e.Key); s != "" {
			return s
		}
	}
	return e.Name
}

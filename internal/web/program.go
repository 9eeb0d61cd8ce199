package web

import (
	"context"
	"io"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Program is what the page shows and sets in motion. Its methods may be called from many goroutines. An error's text is shown to
// the user, with the Hint of a *source.Error in its chain; it must hold no secret.
type Program interface {
	People(ctx context.Context) ([]Person, error)
	Status(ctx context.Context) (Status, error)
	// Values returns the newest value of each field.
	Values(ctx context.Context, person string) ([]latest.Value, error)
	// Samples returns what there is of a series from the first to the last day of the person's calendar, both in it.
	Samples(ctx context.Context, person string, series metric.ID, first, last metric.Day) ([]metric.Block, error)
	// Sessions returns the nights or workouts of these days, with their samples, in order.
	Sessions(ctx context.Context, person string, kind metric.SessionKind, first, last metric.Day) ([]metric.Session, error)
	// Coverage returns what has been asked of a person's days, and what came.
	Coverage(ctx context.Context, person string) (Coverage, error)

	Begin(ctx context.Context, person string) (auth.Visit, error)
	Finish(ctx context.Context, person, pasted string, newPerson bool) (auth.Grant, error)
	UseRefreshToken(ctx context.Context, person, refresh string, newPerson bool) (auth.Grant, error)
	Deauthorize(ctx context.Context, person string) error

	// Sync, Backfill and Replay set something going and return at once.
	Sync(ctx context.Context, person string) error
	// Backfill fetches the days from first to last, both in it; again asks even for what was fetched before.
	Backfill(ctx context.Context, person string, first, last metric.Day, again bool) error
	// Replay delivers the whole archive to a sink once more.
	Replay(ctx context.Context, sink string) error
	// Check tries every connection.
	Check(ctx context.Context) ([]Finding, error)
	// Diagnose writes a zip without secrets and readings; ask has each feed asked once, for the shape of its answer.
	Diagnose(ctx context.Context, ask bool, w io.Writer) error
	// Erase deletes all that the archive holds of a person.
	Erase(ctx context.Context, person string) error

	// Publish has the sensors removed from Home Assistant, and none published until it is called again.
	Publish(ctx context.Context, on bool) error

	// Pause has nothing asked for a person until then, or with the zero time until Resume.
	Pause(ctx context.Context, person string, until time.Time) error
	Resume(ctx context.Context, person string) error
	// Export writes what the archive holds, as it reads it.
	Export(ctx context.Context, e Export, w io.Writer) error
	// Snapshot writes a copy of the archive and returns where.
	Snapshot(ctx context.Context) (path string, err error)
	// Next returns what is asked next, with the reasons, and asks nothing.
	Next(ctx context.Context, person string) ([]Request, error)

	// Settings are the options that can be given on the page.
	Settings(ctx context.Context) (Settings, error)
	// Save keeps options by their names and has the program built anew with them; an empty value takes one out.
	Save(ctx context.Context, values map[string]string) error
	// TryDatabase tries a database with options that are not kept. It tells what it found; the Reason of an error names a section
	// of the help.
	TryDatabase(ctx context.Context, values map[string]string) (found string, err error)
	// Dashboards puts the dashboards into a Grafana, or brings them up to date. What was done before an error is returned, too; its
	// Reason names a section of the help.
	Dashboards(ctx context.Context, g Grafana) (Installed, error)
}

// Settings are the options that can be given on the page.
type Settings struct {
	Fixed     string             // why nothing can be given here; empty where it can
	Values    map[string]Setting // by the option's name
	Providers []Choice
	Versions  []Choice // of InfluxDB
	Database  bool     // one is written to
	App       bool     // this is Home Assistant's app
	Grafana   string   // where one may be found
	Source    string   // address of the database that the dashboards would ask; empty where there is none
}

// Setting is how an option stands.
type Setting struct {
	Value string // never of a secret
	Set   bool
	Where string // where it is given, if that overrules the page
}

// Choice is one of several; Problem tells why it cannot be chosen.
type Choice struct {
	ID, Title, Problem string
	Address            string // of a database: where it is usually found; empty where nobody knows
	Example            string // of such an address
}

// Export says what is to be exported.
type Export struct {
	Person      string   // empty for all
	Series      []string // none for all
	First, Last metric.Day
	CSV         bool // otherwise line protocol
}

// Person is somebody whose data is fetched.
type Person struct {
	ID       string
	Zone     *time.Location // where the person is now; nil for UTC
	Zones    metric.Zones   // where they were before; nil for always there
	Service  string         // as people call it, e.g. Google
	Client   bool           // a client id is given
	Redirect string         // the registered redirect address
	Auth     auth.State
	Granted  []auth.Scope
}

// Status is how everything stands. It holds no reading and no secret.
type Status struct {
	Version string
	Since   time.Time // of this process
	Notes   []Problem // what concerns nobody in particular: wrong options, a mended archive
	People  []Work
	Sinks   []Sink
	Logs    []Log
	Sensors Sensors
	Bytes   int64 // of the archive
	Samples int64
}

// Sensors is whether there are sensors in Home Assistant.
type Sensors uint8

const (
	NoSensors Sensors = iota // nobody knows of a broker
	SensorsPublished
	SensorsRemoved // on this page
)

// Log is the last lines of our own log about a person, a database or a part of the program, newest first.
type Log struct {
	About string
	Lines []Line
}

// Line is one of a log.
type Line struct {
	At    time.Time
	Level string // info, warn or error
	Text  string
}

// Problem is what is wrong and what the user can do.
type Problem struct {
	Text string
	Hint string
}

// Coverage is what is known of a person's days.
type Coverage struct {
	Start metric.Day // nothing of before it is asked for
	Feeds []FeedCoverage
}

// FeedCoverage is what has been asked of one feed, and what came.
type FeedCoverage struct {
	Feed   metric.Feed
	Denied bool             // the service refuses it
	Asked  []metric.Covered // in order, not overlapping
	Days   []metric.Day     // that have data, in order
}

// Work is what is being done for a person.
type Work struct {
	Person    string
	Problem   Problem   // what stops everything; zero for nothing
	Help      string    // the section of the help about it; empty for none
	Paused    bool      // as the user wishes
	Until     time.Time // of the pause; zero: until resumed
	Doing     []Doing   // what is being fetched now
	Why       string    // why nothing is
	Next      time.Time
	Hold      time.Time // the service asked for silence until then; zero for not
	LastSync  time.Time // of the devices
	LastFetch time.Time
	LastHour  int // requests
	Devices   []metric.Device
	History   History
	Feeds     []FeedProblem
	Told      []Told
	Counts    []Count
	Requests  []Request // newest first
}

// Doing is a request in flight.
type Doing struct {
	Feed  string
	Span  metric.Span // on the feed's axis
	Why   string
	Since time.Time
}

// History is how much of the past is fetched.
type History struct {
	Known    bool          // false: not looked at yet
	Share    float64       // 0 to 1
	Requests float64       // to go
	Left     time.Duration // 0 for complete or unknown
}

// Count is what the archive holds of a series.
type Count struct {
	Series      string
	Samples     int64
	First, Last time.Time
}

// FeedProblem is a feed whose last request failed.
type FeedProblem struct {
	Feed   string
	Error  string
	Hint   string
	Failed time.Time
	Again  time.Time // when it is asked again
}

// Told is something about the data of a series or feed that the user should know.
type Told struct {
	Kind string // missing: asked in vain; gone: not listed any more, which is not believed yet; odd: not understood; stopped: no value any more
	What string // series or feed
	Days string // YYYY-MM-DD, or first and last
}

// Request is one that was answered, or failed.
type Request struct {
	At    time.Time
	Took  time.Duration
	Feed  string
	What  string // the days or the time asked for
	Why   string
	Fate  string // what came of it, in words
	Error string // empty where it went well
}

// Sink is how a database stands.
type Sink struct {
	Name    string
	Working bool
	Behind  int64     // samples to deliver
	Remove  int64     // to remove
	Oldest  time.Time // what is longest waiting; zero where unknown
	Rate    float64   // samples per second; 0 while nothing is delivered
	Problem Problem   // of the last failure
	Since   time.Time // of the first failure in a row
	Retry   time.Time
	Success time.Time
	Refused []Refusal
}

// Refusal is what a sink will never take.
type Refusal struct {
	What   string
	Count  int64
	Reason string
	Hint   string
}

// Finding is the result of one check.
type Finding struct {
	OK   bool
	What string
	Text string
	Hint string
}

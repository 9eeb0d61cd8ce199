// Package sourcetest is the suite that every source passes: what the rest of the program relies on, with lies and interruptions.
//
// A new source's first commit is a test that calls Run with a function which makes it together with the service it asks.
package sourcetest

import (
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// A Lie is a way in which a service fails.
type Lie string

// The lies of the suite. Each has the class that a source must make of it.
const (
	Cut          Lie = "cut"          // the connection ends in the middle of an answer
	Page         Lie = "page"         // a web page, with status 200
	Junk         Lie = "junk"         // bytes of no form, with status 200
	Shapeless    Lie = "shapeless"    // the service's own form, but with other types of value
	Down         Lie = "down"         // status 503
	Dropped      Lie = "dropped"      // the connection ends without an answer
	Busy         Lie = "busy"         // the limit is reached; the service says for 10 minutes
	Unauthorized Lie = "unauthorized" // the authorization is not taken
	Forbidden    Lie = "forbidden"    // this is not granted
	Hanging      Lie = "hanging"      // no answer, ever
	Truth        Lie = ""             // the service is well
)

// kinds are the classes that a lie may be taken for.
var kinds = map[Lie][]source.Kind{
	Cut:          {source.Retry},
	Page:         {source.Retry, source.Bad},
	Junk:         {source.Retry, source.Bad},
	Shapeless:    {source.Bad, source.Retry},
	Down:         {source.Retry},
	Dropped:      {source.Retry},
	Busy:         {source.Limited},
	Unauthorized: {source.Auth},
	Forbidden:    {source.Denied},
}

// A Target is a source under test and the service it asks. It is made inside a synctest bubble: no network, and time stands still
// while anything runs.
type Target struct {
	Source    source.Source
	Catalogue metric.Catalogue
	Now       func() time.Time                 // the clock of source and service
	Claims    []metric.ID                      // the series that the source says it brings: each needs a feed
	Request   func(feed string) metric.Request // one for which the service has data
	Barren    []string                         // feeds for which it has none
	Tell      func(Lie)                        // makes the service lie from now on
}

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) Target) {
	t.Run("Feeds", func(t *testing.T) { bubble(t, open, testFeeds) })
	t.Run("Answers", func(t *testing.T) { bubble(t, open, testAnswers) })
	t.Run("Halves", func(t *testing.T) { bubble(t, open, testHalves) })
	t.Run("Lies", func(t *testing.T) { testLies(t, open) })
	t.Run("Cancelled", func(t *testing.T) { bubble(t, open, testCancelled) })
	t.Run("TwoAtOnce", func(t *testing.T) { bubble(t, open, testTwoAtOnce) })
	t.Run("Strange", func(t *testing.T) { bubble(t, open, testStrange) })
	t.Run("Describe", func(t *testing.T) { bubble(t, open, testDescribe) })
}

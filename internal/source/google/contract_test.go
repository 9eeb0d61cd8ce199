package google_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

const simulatedNow = "2026-11-22T12:00:00Z"

// simulated is a source that asks a simulated service.
type simulated struct {
	person *simulate.Person
	server *simulate.Google
	source *google.Source
	now    func() time.Time
}

func newSimulated(t testing.TB, zone string, change func(*google.Config, *simulate.Config)) *simulated {
	t.Helper()
	start, err := metric.ParseDay("2026-01-01")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, simulatedNow)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s := &simulated{now: func() time.Time { return at.Add(time.Since(began)) }}
	s.person = &simulate.Person{Seed: 7, Start: start, Zones: metric.Zones{{From: start, Name: zone}}}
	theirs := simulate.Config{Persons: []*simulate.Person{s.person}, Now: s.now, NoQuota: true}
	ours := google.Config{Person: "anna", Catalogue: metric.Default(), Now: s.now, Unlimited: true}
	if change != nil {
		change(&ours, &theirs)
	}
	s.server = simulate.NewGoogle(theirs)
	ours.HTTP = &http.Client{Transport: simulate.Transport{Handler: s.server, Token: s.server.AccessToken(s.person)}}
	if s.source, err = google.New(ours); err != nil {
		t.Fatal(err)
	}
	return s
}

// request is one that has data, over several days.
func (s *simulated) request(feed string) metric.Request {
	req := metric.Request{Person: "anna", Feed: feed, Zones: s.person.Zones, Device: "Charge 6"}
	today := s.person.Day(s.now())
	req.Span = metric.Span{Start: s.person.Midnight(today - 4), End: s.person.Midnight(today - 3).Add(13*time.Hour + 7*time.Second)}
	for _, f := range s.source.Feeds() {
		switch {
		case f.ID != feed:
		case f.Axis == metric.Days:
			req.Span = metric.DaySpan(today-12, today-3)
		case f.Trigger == metric.OnClock:
			req.Span.Start = req.Span.Start.AddDate(0, 0, -30)
		}
	}
	req.Final = req.Span.End
	if feed == string(metric.Track) {
		req.Session = s.track(today)
	}
	return req
}

// track is the newest workout with a track before a day.
func (s *simulated) track(before metric.Day) *metric.SessionRef {
	for d := before - 1; d >= s.person.Start; d-- {
		for _, w := range s.person.Workouts(d) {
			if w.GPS {
				return &metric.SessionRef{Kind: metric.Workout, Key: w.Key, Day: d, Start: w.Start, Title: w.Name, Updated: w.End}
			}
		}
	}
	return nil
}

// lies are the suite's lies as the simulated service tells them.
func (s *simulated) tell(lie sourcetest.Lie) {
	refused := func(status int, body string) *simulate.Fault { return &simulate.Fault{Status: status, Body: body} }
	fault := map[sourcetest.Lie]*simulate.Fault{
		sourcetest.Cut:          {Cut: 40},
		sourcetest.Page:         {HTML: true},
		sourcetest.Junk:         {Junk: true},
		sourcetest.Shapeless:    refused(http.StatusOK, `{"dataPoints":"many","rollupDataPoints":7,"pairedDevices":{},"healthUserId":[],"tcxData":{}}`),
		sourcetest.Down:         simulate.Unavailable(),
		sourcetest.Dropped:      {Drop: true},
		sourcetest.Busy:         simulate.TooMany(600),
		sourcetest.Unauthorized: refused(http.StatusUnauthorized, `{"error":{"code":401,"status":"UNAUTHENTICATED","message":"no"}}`),
		sourcetest.Forbidden: refused(http.StatusForbidden, `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"no",`+
			`"details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}`),
		sourcetest.Hanging: {Hang: true},
	}[lie]
	s.server.Script(func(*http.Request) *simulate.Fault { return fault })
}

func TestContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Target {
		s := newSimulated(t, "Europe/Berlin", nil)
		cat := metric.Default()
		var claims []metric.ID
		for _, row := range cat {
			if row.ID != metric.Battery { // the collector makes it of what Devices says
				claims = append(claims, row.ID)
			}
		}
		return sourcetest.Target{Source: s.source, Catalogue: cat, Now: s.now, Claims: claims, Request: s.request, Tell: s.tell}
	})
}

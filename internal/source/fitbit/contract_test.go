package fitbit_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/fitbit"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

const simulatedNow = "2026-11-22T12:00:00Z"

// simulated is a source that asks a simulated service.
type simulated struct {
	person *simulate.Person
	server *simulate.Fitbit
	source *fitbit.Source
	budget *fitbit.Budget
	now    func() time.Time
}

func newSimulated(t testing.TB, zone string, change func(*simulate.FitbitConfig)) *simulated {
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
	cfg := simulate.FitbitConfig{Persons: []*simulate.Person{s.person}, Now: s.now, NoLimit: true}
	if change != nil {
		change(&cfg)
	}
	s.server = simulate.NewFitbit(cfg)
	s.budget = &fitbit.Budget{Next: simulate.Transport{Handler: s.server, Token: s.server.AccessToken(s.person)}, Now: s.now}
	var to http.RoundTripper = s.budget
	counted := s.budget
	if cfg.NoLimit {
		to, counted = s.budget.Next, nil
	}
	s.source, err = fitbit.New(fitbit.Config{HTTP: &http.Client{Transport: to}, Budget: counted, Person: "anna", Catalogue: metric.Default(), Now: s.now})
	if err != nil {
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
		case f.Trigger == metric.OnClock:
			req.Span = metric.DaySpan(today-28, today-3)
		case f.Axis == metric.Days:
			req.Span = metric.DaySpan(today-12, today-3)
		}
	}
	req.Final = req.Span.End
	if feed == string(metric.Track) {
		req.Session = s.track(today)
	}
	return req
}

// track is the newest workout with a track before a day, under the key that the service gives it.
func (s *simulated) track(before metric.Day) *metric.SessionRef {
	b, err := s.source.Fetch(bg, metric.Request{Feed: "workouts", Span: metric.DaySpan(s.person.Start, before-1), Zones: s.person.Zones})
	if err != nil {
		panic(err)
	}
	for i := len(b.Sessions) - 1; i >= 0; i-- {
		if w := b.Sessions[i]; w.HasTrack {
			return &metric.SessionRef{Kind: metric.Workout, Key: w.Key, Day: w.Day, Start: w.Start, Title: w.Title, Updated: w.Updated}
		}
	}
	return nil
}

// tell makes the simulated service tell one of the suite's lies.
func (s *simulated) tell(lie sourcetest.Lie) {
	refused := func(status int, body string) *simulate.Fault { return &simulate.Fault{Status: status, Body: body} }
	lies := `"many"`
	var shapeless []string
	for _, key := range strings.Fields("activities-heart-intraday activities-steps-intraday activities-calories-intraday activities-distance-intraday activities-floors-intraday activities-elevation-intraday activities-heart activities-active-zone-minutes hrv br tempSkin tempCore cardioScore sleep activities weight fat user summary") {
		shapeless = append(shapeless, `"`+key+`":`+lies)
	}
	fault := map[sourcetest.Lie]*simulate.Fault{
		sourcetest.Cut:          {Cut: 40},
		sourcetest.Page:         {HTML: true},
		sourcetest.Junk:         {Junk: true},
		sourcetest.Shapeless:    refused(http.StatusOK, "{"+strings.Join(shapeless, ",")+"}"),
		sourcetest.Down:         simulate.Unavailable(),
		sourcetest.Dropped:      {Drop: true},
		sourcetest.Busy:         {Status: http.StatusTooManyRequests, Header: http.Header{"Fitbit-Rate-Limit-Reset": {"600"}}},
		sourcetest.Unauthorized: refused(http.StatusUnauthorized, `{"errors":[{"errorType":"invalid_token","message":"Access token invalid: abc. Visit x"}],"success":false}`),
		sourcetest.Forbidden:    simulate.FitbitForbidden(),
		sourcetest.Hanging:      {Hang: true},
	}[lie]
	s.server.Script(func(*http.Request) *simulate.Fault { return fault })
}

func TestContract(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Target {
		s := newSimulated(t, "Europe/Berlin", nil)
		cat := metric.Default()
		var claims []metric.ID
		for _, row := range cat {
			// The collector makes the battery of what Devices says; this service tells no skin temperature but against the baseline.
			if row.ID != metric.Battery && row.ID != "skin_temperature_nightly" {
				claims = append(claims, row.ID)
			}
		}
		requests := map[string]metric.Request{}
		for _, f := range s.source.Feeds() {
			requests[f.ID] = s.request(f.ID)
		}
		return sourcetest.Target{Source: s.source, Catalogue: cat, Now: s.now, Claims: claims, Tell: s.tell, Request: func(feed string) metric.Request { return requests[feed] }}
	})
}

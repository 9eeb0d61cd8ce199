package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// statusData is what the page Status shows.
type statusData struct {
	Status Status
	Work   Work // of the person shown
	Busy   bool // something is being fetched
	Next   []Request
	Series []metric.ID // that can be exported
	Pauses []time.Duration
	Today  metric.Day
	First  metric.Day
}

func (s *Server) showStatus(w http.ResponseWriter, r *request) {
	people, p, err := s.person(r.Context(), r.URL.Query().Get("person"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d, err := s.statusData(r.Context(), p)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d.Next = s.next(r.Context(), p)
	s.render(w, r, "status", http.StatusOK, view{Title: "status_title", People: people, Person: p, Notes: s.sessions.takeNotes(r.identity), Data: d})
}

const (
	maxRequests = 10 // shown at once, of those that went well
	maxFailed   = 10
	nextWait    = 2 * time.Second
)

// next is what is asked next; nothing where it cannot be told at once.
func (s *Server) next(ctx context.Context, p Person) []Request {
	ctx, cancel := context.WithTimeout(ctx, nextWait)
	defer cancel()
	list, err := s.cfg.Program.Next(ctx, p.ID)
	if err != nil {
		s.cfg.Log.Debug("what is asked next cannot be told now", "error", err)
	}
	return list
}

// newest keeps some of each: failures are what one looks for, and successes must not push them out.
func newest(all []Request) []Request {
	good, failed := 0, 0
	return slices.DeleteFunc(slices.Clone(all), func(r Request) bool {
		if r.Error != "" {
			failed++
			return failed > maxFailed
		}
		good++
		return good > maxRequests
	})
}

func (s *Server) statusData(ctx context.Context, p Person) (statusData, error) {
	d := statusData{Today: metric.DayOf(s.cfg.Clock.Now().In(zone(p))), First: firstDay}
	var err error
	if d.Status, err = s.statusNow(ctx); err != nil {
		return d, err
	}
	if i := slices.IndexFunc(d.Status.People, func(x Work) bool { return x.Person == p.ID }); i >= 0 {
		d.Work = d.Status.People[i]
	}
	d.Work.Requests = newest(d.Work.Requests)
	for _, row := range metric.Default() {
		d.Series = append(d.Series, row.ID)
	}
	d.Pauses = pauses
	d.Busy = len(d.Work.Doing) > 0
	return d, nil
}

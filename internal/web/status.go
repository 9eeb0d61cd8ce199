package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// statusData is what the page Status shows.
type statusData struct {
	Status Status
	Work   Work // of the person shown
	Busy   bool // something is being fetched
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
	s.render(w, r, "status", http.StatusOK, view{Title: "status_title", People: people, Person: p, Notes: s.sessions.takeNotes(r.identity), Data: d})
}

const maxRequests = 15 // shown at once

func (s *Server) statusData(ctx context.Context, p Person) (statusData, error) {
	d := statusData{Today: metric.DayOf(s.cfg.Clock.Now().In(zone(p))), First: firstDay}
	var err error
	if d.Status, err = s.statusNow(ctx); err != nil {
		return d, err
	}
	if i := slices.IndexFunc(d.Status.People, func(x Work) bool { return x.Person == p.ID }); i >= 0 {
		d.Work = d.Status.People[i]
	}
	d.Work.Requests = d.Work.Requests[:min(len(d.Work.Requests), maxRequests)]
	d.Busy = len(d.Work.Doing) > 0
	return d, nil
}

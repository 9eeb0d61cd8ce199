package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// historyData is what History shows.
type historyData struct {
	*trends
	Cover cover
}

// Ranges are those one can choose.
func (historyData) Ranges() []string {
	var out []string
	for _, r := range ranges {
		out = append(out, r.Name)
	}
	return out
}

// States are the columns of the calendar's table.
func (historyData) States() []dayState { return shownStates }

func (s *Server) history(w http.ResponseWriter, r *request) {
	q := r.URL.Query()
	people, p, err := s.person(r.Context(), q.Get("person"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d, err := s.historyData(r.Context(), p, q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "history", http.StatusOK, view{Title: "trends_title", People: people, Person: p, Notes: s.sessions.takeNotes(r.identity), Data: d})
}

// historyData gathers the charts of a range and the calendar of a group.
func (s *Server) historyData(ctx context.Context, p Person, q url.Values) (historyData, error) {
	t, err := s.trendsNow(ctx, p, q.Get("range"))
	if err != nil {
		return historyData{}, err
	}
	now := s.cfg.Clock.Now()
	c, err := s.coverage.slot(p.ID).get(now, s.told(coverageFresh), func() (Coverage, error) { return s.cfg.Program.Coverage(ctx, p.ID) })
	if err != nil {
		return historyData{}, err
	}
	st, err := s.statusNow(ctx)
	if err != nil {
		return historyData{}, err
	}
	asking := map[string][]metric.Span{}
	for _, work := range st.People {
		for _, d := range work.Doing {
			if work.Person == p.ID {
				asking[d.Feed] = append(asking[d.Feed], d.Span)
			}
		}
	}
	group := ""
	for _, g := range groups {
		if g.name == q.Get("group") {
			group = g.name
		}
	}
	cal := calendar(p)
	return historyData{trends: t, Cover: coverOf(c, cal, cal.Day(now), group, asking)}, nil
}

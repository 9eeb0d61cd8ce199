package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// exportWait is how long a visitor may take to accept a piece of an export.
const exportWait = time.Minute

// export streams what the archive holds. What fails before the first byte is told on the page; what fails behind it breaks the
// download, so that nobody takes a part for the whole.
func (s *Server) export(w http.ResponseWriter, r *request) {
	_, p, err := s.person(r.Context(), r.PostForm.Get("person"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	wish := Export{CSV: r.PostForm.Get("format") == "csv", Series: r.PostForm["series"]}
	if r.PostForm.Get("everybody") == "" {
		wish.Person = p.ID
	}
	ending := map[bool]string{true: "csv", false: "lp"}[wish.CSV]
	out := &download{w: w, out: http.NewResponseController(w), name: fmt.Sprintf("fitbit-fetch-%s.%s", s.cfg.Clock.Now().In(zone(p)).Format("2006-01-02-1504"), ending)}
	n := s.tryFor(r, "export", 0, func(ctx context.Context) (note, error) {
		today := metric.DayOf(s.cfg.Clock.Now().In(zone(p)))
		if wish.First, wish.Last = firstDay, today; r.PostForm.Get("first") != "" || r.PostForm.Get("last") != "" {
			from := r.PostForm.Get("first")
			if from == "" {
				from = firstDay.String()
			}
			if wish.First, wish.Last, err = span(from, r.PostForm.Get("last"), today); err != nil {
				return note{}, err
			}
		}
		known := metric.Default()
		if i := slices.IndexFunc(wish.Series, func(id string) bool { _, ok := known.Lookup(metric.ID(id)); return !ok }); i >= 0 {
			return note{}, errNoSeries
		}
		err := s.cfg.Program.Export(ctx, wish, out)
		if err == nil && !out.begun {
			err = errNothing
		}
		return note{}, err
	})
	switch {
	case n.OK:
	case out.begun:
		panic(http.ErrAbortHandler)
	default:
		s.sessions.tell(r.identity, n)
		s.back(w, r)
	}
}

// download is the body of an answer that is a file. Its headers go out with its first byte.
type download struct {
	w     http.ResponseWriter
	out   *http.ResponseController
	name  string
	begun bool
}

func (d *download) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		h := d.w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", d.name))
		h.Set("X-Accel-Buffering", "no")
	}
	// The whole may take long; only a visitor who takes nothing is left.
	_ = d.out.SetWriteDeadline(clock.Real().Now().Add(exportWait)) // a writer without deadlines needs none
	return d.w.Write(p)
}

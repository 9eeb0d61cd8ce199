package web

import (
	"cmp"
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

// export leads to what the archive holds. What is wrong with the choice is shown on the page.
func (s *Server) export(w http.ResponseWriter, r *request) {
	_, p, err := s.person(r.Context(), r.PostForm.Get("person"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	wish, err := s.exportWish(r, p)
	if err != nil {
		s.sessions.tell(r.identity, s.failure(err))
		s.back(w, r)
		return
	}
	ending := map[bool]string{true: "csv", false: "lp"}[wish.CSV]
	s.hand(w, r, &ticket{kind: "text/plain; charset=utf-8", name: fmt.Sprintf("fitbit-fetch-%s.%s", s.cfg.Clock.Now().In(zone(p)).Format("2006-01-02-1504"), ending),
		write: func(ctx context.Context, r *request, w http.ResponseWriter, t *ticket, s *Server) {
			s.writeExport(ctx, r, w, t, wish)
		}})
}

// exportWish reads the form.
func (s *Server) exportWish(r *request, p Person) (Export, error) {
	wish := Export{CSV: r.PostForm.Get("format") == "csv", Series: r.PostForm["series"]}
	if r.PostForm.Get("everybody") == "" {
		wish.Person = p.ID
	}
	today := metric.DayOf(s.cfg.Clock.Now().In(zone(p)))
	if wish.First, wish.Last = firstDay, today; r.PostForm.Get("first") != "" || r.PostForm.Get("last") != "" {
		var err error
		if wish.First, wish.Last, err = span(cmp.Or(r.PostForm.Get("first"), firstDay.String()), r.PostForm.Get("last"), today); err != nil {
			return wish, err
		}
	}
	known := metric.Default()
	if slices.ContainsFunc(wish.Series, func(id string) bool { _, ok := known.Lookup(metric.ID(id)); return !ok }) {
		return wish, errNoSeries
	}
	return wish, nil
}

// writeExport streams an export. What fails before the first byte is shown on a page; what fails behind it breaks the download, so that
// nobody takes a part for the whole. One that is fetched again at once waits until the first attempt is over.
func (s *Server) writeExport(ctx context.Context, r *request, w http.ResponseWriter, t *ticket, wish Export) {
	if r.Method == http.MethodHead {
		t.head(w)
		return
	}
	wait := time.NewTimer(maxWaiting)
	defer wait.Stop()
	select {
	case s.exports <- struct{}{}:
		defer func() { <-s.exports }()
	case <-wait.C:
		s.notHanded(w, r, t, http.StatusServiceUnavailable, note{Title: s.word("busy_title"), Hint: s.word("busy_hint")})
		return
	case <-ctx.Done(): // maybe only because the program is exchanged; an empty file is no answer to a visitor who is still there
		s.notHanded(w, r, t, http.StatusServiceUnavailable, note{Title: s.word("busy_title"), Hint: s.word("busy_hint")})
		return
	}
	out := &download{w: w, out: http.NewResponseController(w), ticket: t}
	n := s.tryFor(r, "export", 0, func(ctx context.Context) (note, error) {
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
		s.notHanded(w, r, t, http.StatusInternalServerError, n)
	}
}

// notHanded shows, in place of a file, why there is none, and leads back.
func (s *Server) notHanded(w http.ResponseWriter, r *request, t *ticket, status int, n note) {
	s.render(w, r, "failed", status, view{Title: "export_title", Notes: []note{n}, Data: t.back})
}

// download is the body of an answer that is a file. Its headers go out with its first byte.
type download struct {
	w      http.ResponseWriter
	out    *http.ResponseController
	ticket *ticket
	begun  bool
}

func (d *download) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.ticket.head(d.w)
	}
	// The whole may take long; only a visitor who takes nothing is left.
	_ = d.out.SetWriteDeadline(clock.Real().Now().Add(exportWait)) // a writer without deadlines needs none
	return d.w.Write(p)
}

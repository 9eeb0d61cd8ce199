package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
)

// Fragments of the pages that are kept up to date: each is a template of that name and an element of that id.
var fragments = map[string][]string{
	"today":   {"live-heart", "live-day", "live-tiles"},
	"history": {"live-trends", "live-coverage"},
	"status":  {"live-work", "live-feeds", "live-sinks", "live-requests", "live-logs"},
	"setup":   {"live-auth"},
	"first":   {"live-first"},
}

const (
	eventsEvery = 2 * time.Second
	eventsCalm  = 10 * time.Second // at most, while nothing changes
	eventsAlive = 20 * time.Second // something is sent at least so often, so that a dead line is noticed
	eventsWrite = 10 * time.Second
)

// stream sends the fragments of a page that have changed, as server-sent events: {"id": "html", …}. The first comes at once, and {}
// where nothing has changed for a while, so that the script notices where nothing gets through: what stands between may gather an
// answer before it hands it on, such as the ingress of Home Assistant 2025.12, which compresses it. Then the script asks for pieces.
func (s *Server) stream(w http.ResponseWriter, r *request) {
	q := r.URL.Query()
	names, ok := fragments[q.Get("page")]
	if !ok || r.ContentLength != 0 { // behind a body that nobody reads, the visitor's going away would not be noticed
		s.refuse(w, http.StatusNotFound, "refused_path")
		return
	}
	select {
	case s.events <- struct{}{}:
		defer func() { <-s.events }()
	default:
		w.Header().Set("Retry-After", "30")
		s.refuse(w, http.StatusServiceUnavailable, "refused_busy")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Cache-Control", "no-store, no-transform") // who compresses would hold it back
	out := http.NewResponseController(w)
	sent, quiet, pause := map[string]string{}, time.Duration(0), eventsEvery
	for {
		if _, ok := s.identity(r.Request); !ok { // signed out meanwhile
			return
		}
		changed, err := s.changed(r.Context(), names, q, s.sessions.token(r.identity), sent)
		text := ""
		switch {
		case err != nil:
			return // the browser asks again, and the page tells
		case len(changed) > 0:
			data, err := json.Marshal(changed)
			if err != nil {
				return
			}
			text = fmt.Sprintf("data: %s\n\n", data)
		case quiet >= eventsAlive || len(sent) == 0:
			text = "data: {}\n\n"
		}
		if len(changed) > 0 {
			pause = eventsEvery
		} else {
			pause = min(pause*3/2, eventsCalm)
		}
		if quiet += pause; text != "" {
			quiet = 0
			if out.SetWriteDeadline(clock.Real().Now().Add(eventsWrite)) != nil {
				return
			}
			if _, err := w.Write([]byte(text)); err != nil || out.Flush() != nil {
				return
			}
		}
		next := time.NewTimer(pause)
		select {
		case <-r.Context().Done():
			next.Stop()
			return
		case <-s.stop:
			next.Stop()
			return
		case <-next.C:
		}
	}
}

// pieces answers once with all fragments of a page, {"sum": "…", "pieces": {"id": "html", …}}, for those whom events do not reach;
// with nothing where they are as the visitor has them, by their sum.
func (s *Server) pieces(w http.ResponseWriter, r *request) {
	q := r.URL.Query()
	names, ok := fragments[q.Get("page")]
	if !ok {
		s.refuse(w, http.StatusNotFound, "refused_path")
		return
	}
	all, err := s.fragmentsOf(r.Context(), names, q, s.sessions.token(r.identity), map[string]string{})
	if err != nil {
		s.refuse(w, http.StatusServiceUnavailable, "refused_broken")
		return
	}
	text, err := json.Marshal(all)
	if err != nil {
		s.refuse(w, http.StatusInternalServerError, "refused_broken")
		return
	}
	hash := sha256.Sum256(text)
	sum := hex.EncodeToString(hash[:6])
	if q.Get("had") == sum {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"sum":%q,"pieces":%s}`, sum, text)
}

// changed is fragmentsOf for a visitor who is not inside yet.
func (s *Server) changed(ctx context.Context, names []string, q url.Values, token string, sent map[string]string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, eventsWrite)
	defer cancel()
	ctx, leave, err := s.gate.enter(ctx, eventsWrite)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.fragmentsOf(ctx, names, q, token, sent)
}

// fragmentsOf renders the fragments and returns those that are not as they were sent.
func (s *Server) fragmentsOf(ctx context.Context, names []string, q url.Values, token string, sent map[string]string) (map[string]string, error) {
	people, p, err := s.person(ctx, q.Get("person"))
	if err != nil {
		return nil, err
	}
	v := view{Page: q.Get("page"), Token: token, People: people, Person: p, Now: s.cfg.Clock.Now()}
	switch v.Page {
	case "today":
		v.Data, err = s.todayData(ctx, p, q.Get("day"))
	case "history":
		v.Data, err = s.historyData(ctx, p, q)
	case "status":
		v.Data, err = s.statusData(ctx, p)
	case "setup":
		d := setupData{Person: p, Step: "connect"}
		d.Settings, err = s.cfg.Program.Settings(ctx)
		v.Data = d
	case "first":
		v.Data, err = s.firstData(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range names {
		var b bytes.Buffer
		if err := s.templates.ExecuteTemplate(&b, name, v); err != nil {
			s.cfg.Log.Error("a piece of a page could not be made", "piece", name, "error", err)
			return nil, err
		}
		if html := s.leaving(b.String()); sent[name] != html {
			sent[name], out[name] = html, html
		}
	}
	return out, nil
}

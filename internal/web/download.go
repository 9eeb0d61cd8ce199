package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
)

// A download is asked for by a form and fetched by GET, from an address that is good for a while: apps that show web pages, such as
// Home Assistant's, fetch what a page offers a second time by themselves, and know no other way than GET. The address is no secret
// that opens anything else, cannot be guessed, and is good for the session only that asked for it.
const (
	ticketLife = 10 * time.Minute // in real time
	maxTickets = 32
	maxReports = 3 // of them hold a whole file in memory
)

// ticket is a download that was asked for.
type ticket struct {
	identity string
	back     string // the page that the form stood on
	made     time.Time
	name     string // of the file
	kind     string // its media type
	data     []byte // the file, where it was made already
	write    func(ctx context.Context, r *request, w http.ResponseWriter, t *ticket, s *Server)
}

// hand sends the browser to what was asked for.
func (s *Server) hand(w http.ResponseWriter, r *request, t *ticket) {
	t.identity, t.back, t.made = r.identity, backTo(r), clock.Real().Now()
	key := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropTickets(t.made, maxTickets-1, func(*ticket) bool { return true })
	if t.data != nil {
		s.dropTickets(t.made, maxReports-1, func(t *ticket) bool { return t.data != nil })
	}
	s.tickets[key] = t
	redirect(w, "download?"+url.Values{"key": {key}}.Encode())
}

// dropTickets forgets those that are too old, and of some the oldest until most are left. The lock is held.
func (s *Server) dropTickets(now time.Time, most int, of func(*ticket) bool) {
	for {
		n, oldest := 0, ""
		for key, t := range s.tickets {
			if now.Sub(t.made) > ticketLife {
				delete(s.tickets, key)
				continue
			}
			if of(t) {
				n++
				if oldest == "" || t.made.Before(s.tickets[oldest].made) {
					oldest = key
				}
			}
		}
		if n <= most {
			return
		}
		delete(s.tickets, oldest)
	}
}

// download hands a file out, as often as it is asked for.
func (s *Server) download(w http.ResponseWriter, r *request) {
	s.mu.Lock()
	s.dropTickets(clock.Real().Now(), maxTickets, func(*ticket) bool { return true })
	t := s.tickets[r.URL.Query().Get("key")]
	s.mu.Unlock()
	if t == nil || t.identity != r.identity {
		s.turnAway(w, r.Request, http.StatusNotFound, "refused_download")
		return
	}
	if t.data == nil {
		t.write(r.Context(), r, w, t, s)
		return
	}
	t.head(w)
	http.ServeContent(w, r.Request, "", t.made, bytes.NewReader(t.data))
}

// head sets the headers of the file.
func (t *ticket) head(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", t.kind)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", t.name))
	h.Set("X-Accel-Buffering", "no")
}

package web

import (
	"net/http"
	"strings"
	"time"
)

// carried are what is taken over from every form: whom it is about, and where it stood.
var carried = []string{"person", "back", "step"}

// fieldWords name the fields of forms that are sent once more.
var fieldWords = map[string]string{
	"first": "backfill_first", "last": "backfill_last", "again": "backfill_again", "sink": "replay_sink", "format": "export_format", "series": "export_series",
	"everybody": "export_everybody", "ask": "diagnose_ask", "length": "pause_length", "do": "",
}

// resend is a form that came with the token of an earlier process, or of another session: nothing was done. It can be sent once more.
type resend struct {
	Action   string
	Title    string
	Download bool
	Fields   []resendField
	Back     string
}

// resendField is a field, and what is shown of it.
type resendField struct{ Name, Word, Value, Shown string }

// stale answers a form that is out of date: with the same form to be sent once more, or, where it holds secrets or deletes something,
// with the page that it stood on, on which what is no secret is filled in.
func (s *Server) stale(w http.ResponseWriter, r *request, at route) {
	if !readsPages(r.Request) {
		s.refuse(w, http.StatusForbidden, "refused_token")
		return
	}
	if at.resend == nil {
		n := note{Title: s.word("stale_title"), Hint: s.word("stale_again")}
		if at.keep != nil {
			at.keep(s, r, &n)
		}
		s.sessions.tell(r.identity, n)
		s.back(w, r)
		return
	}
	d := resend{Action: strings.TrimPrefix(r.URL.Path, "/"), Title: at.resend.title, Download: at.resend.download, Back: backTo(r)}
	for _, name := range append(at.resend.fields, carried...) {
		for _, v := range r.PostForm[name] {
			d.Fields = append(d.Fields, resendField{name, fieldWords[name], v, s.shownAgain(name, v)})
		}
	}
	s.render(w, r, "stale", http.StatusForbidden, view{Title: "stale_title", Data: d})
}

// shownAgain is the value of a field as its form shows it.
func (s *Server) shownAgain(name, value string) string {
	if length, err := time.ParseDuration(value); name == "length" && err == nil {
		return s.lasting(length)
	}
	if value == "1" {
		return "✓" // a box that is ticked
	}
	return value
}

// resending is what may be sent once more of a form, none of which is a secret.
type resending struct {
	title    string // of the action
	fields   []string
	download bool
}

// keepDatabase fills the form of the database in again.
func (s *Server) keepDatabase(r *request, _ *note) {
	values := map[string]string{}
	for _, name := range databaseFields {
		if databaseSecrets[name] == nil {
			values[name] = strings.TrimSpace(r.PostForm.Get(name))
		}
	}
	values["url"] = public(values["url"])
	s.keepDraft(r.identity, values, false)
}

// keepClient fills the client id in again, and with it the choice of the service.
func (s *Server) keepClient(r *request, _ *note) {
	s.keepDraft(clientDraft(r.identity), map[string]string{"client_id": strings.TrimSpace(r.PostForm.Get("client_id")), "provider": strings.TrimSpace(r.PostForm.Get("provider"))}, false)
}

func clientDraft(identity string) string { return "client of " + identity }

// recallClient puts what keepClient kept into the settings that a page shows.
func (s *Server) recallClient(identity string, set Settings) Settings {
	d, ok := s.draft(clientDraft(identity))
	if !ok {
		return set
	}
	values := map[string]Setting{}
	for name, v := range set.Values {
		if text := d.values[name]; text != "" && v.Where == "" {
			v.Value = text
		}
		values[name] = v
	}
	set.Values = values
	return set
}

// keepGrafana fills the address of Grafana in again.
func (s *Server) keepGrafana(r *request, n *note) {
	n.Address = public(strings.TrimSpace(r.PostForm.Get("url")))
}

// readsPages reports whether a request is that of a browser that shows what it gets.
func readsPages(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// turnAway refuses a request: in a browser with a page that leads back, and for anything else in one sentence. Nothing of the request is
// in it, and the program is not asked.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, status int, key string) {
	if !readsPages(r) || r.Method == http.MethodHead {
		s.refuse(w, status, key)
		return
	}
	s.render(w, &request{Request: r}, "failed", status, view{Title: "failed_page", Notes: []note{{Title: s.word(key)}}})
}

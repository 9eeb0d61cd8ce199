package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
)

// setupData is what the wizard shows.
type setupData struct {
	Person  Person
	Visit   *auth.Visit // begun here and still good
	Connect bool        // authorize now, rather than show that all is well
	Help    []string    // sections of the help
	Open    string      // the section that opens
}

// helpSections are what goes wrong on the way, in the order in which people meet it. Each has a title, help_NAME_title, and its
// text, help_NAME.
var helpSections = []string{"client", "blocked", "embedded", "redirect", "testuser", "unverified", "deadpage", "scopes", "seven", "api", "linked", "another"}

// helpFor names the section for what auth and the service call a failure.
var helpFor = map[string]string{
	"no_client": "client", "invalid_client": "client", "client_changed": "client", "redirect_uri_mismatch": "redirect", "access_denied": "testuser",
	"paste": "deadpage", "state": "deadpage", "not_begun": "deadpage", "expired": "deadpage", "no_refresh_token": "another", "other_account": "another",
	"SERVICE_DISABLED": "api", "ACCOUNT_NOT_LINKED": "linked", "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "scopes",
}

func (s *Server) setup(w http.ResponseWriter, r *request) {
	people, p, err := s.person(r.Context(), r.URL.Query().Get("person"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d := setupData{Person: p, Visit: s.visit(p.ID), Help: helpSections}
	d.Connect = p.Auth.Standing == auth.Missing || p.Auth.Standing == auth.Dead || d.Visit != nil
	notes := s.sessions.takeNotes(r.identity)
	for _, n := range notes {
		if n.Help != "" {
			d.Open = n.Help
		}
	}
	s.render(w, r, "setup", http.StatusOK, view{Title: "setup_title", People: people, Person: p, Notes: notes, Data: d})
}

// visit returns the authorization that was begun for a person, while it is good.
func (s *Server) visit(person string) *auth.Visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.visits[person]
	if !ok {
		return nil
	}
	if !s.cfg.Clock.Now().Before(v.Expires) {
		delete(s.visits, person)
		return nil
	}
	return &v
}

func (s *Server) forgetVisit(person string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.visits, person)
}

// begin makes the link to the consent page.
func (s *Server) begin(w http.ResponseWriter, r *request) {
	_, p, err := s.person(r.Context(), r.PostForm.Get("person"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v, err := s.cfg.Program.Begin(r.Context(), p.ID)
	if err != nil {
		s.sessions.tell(r.identity, s.failure(err))
	} else {
		s.mu.Lock()
		s.visits[p.ID] = v
		s.mu.Unlock()
	}
	s.back(w, r)
}

// finish takes what was brought back from the consent page. It is never shown again.
func (s *Server) finish(w http.ResponseWriter, r *request) {
	s.forPerson(w, r, "finish", func(ctx context.Context, p Person) (note, error) {
		take := s.cfg.Program.Finish
		if r.PostForm.Get("kind") == "refresh" {
			take = s.cfg.Program.UseRefreshToken
		}
		g, err := take(ctx, p.ID, r.PostForm.Get("pasted"), r.PostForm.Get("newperson") != "")
		if err != nil {
			return note{}, err
		}
		s.forgetVisit(p.ID)
		n := note{Title: s.word("finish_done", "service", p.Service), Lines: told(g)}
		if len(g.Missing) > 0 {
			n.Hint, n.Help = s.word("finish_missing", "n", fmt.Sprint(len(g.Missing))), "scopes"
		}
		return n, nil
	})
}

// told is what a grant says beyond the rights, which the page lists.
func told(g auth.Grant) []string {
	about := func(words string, scopes []auth.Scope) bool {
		return slices.ContainsFunc(scopes, func(s auth.Scope) bool {
			return strings.Contains(words, s.Short()+" (") || strings.Contains(words, s.Short()+".")
		})
	}
	var out []string
	for _, w := range g.Words {
		if !about(w, g.Granted) && !about(w, g.Missing) {
			out = append(out, w)
		}
	}
	return out
}

// confirmations are the actions that ask twice.
var confirmations = map[string]bool{"deauthorize": true, "erase": true}

func (s *Server) confirm(w http.ResponseWriter, r *request) {
	what := r.URL.Query().Get("what")
	people, p, err := s.person(r.Context(), r.URL.Query().Get("person"))
	if err == nil && !confirmations[what] {
		err = errNobody
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, "confirm", http.StatusOK, view{Title: what + "_title", People: people, Person: p, Data: what})
}

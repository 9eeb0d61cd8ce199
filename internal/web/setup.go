package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// steps of the wizard, in order. Each is a page, and has its sections of the help.
var steps = []string{"client", "connect", "database", "values"}

// helpSections are what goes wrong on the way, by step, in the order in which people meet it. Each has a title, help_NAME_title,
// and its text, help_NAME.
var helpSections = map[string][]string{
	"client":  {"client", "blocked"},
	"connect": {"embedded", "redirect", "testuser", "unverified", "deadpage", "scopes", "seven", "api", "blocked", "linked", "another", "client", "gone"},
	"database": {"db1_user", "db1_rights", "db1_database", "db2_user", "db2_rights", "db2_database", "db2_org", "db3_user", "dbv_user",
		"db_host", "db_silent", "db_other", "db_tls", "db_trouble"},
	"dashboards": {"grafana_login", "grafana_rights", "grafana_silent", "grafana_other", "grafana_old", "grafana_taken", "grafana_database"},
	"values":     {"linked", "api", "scopes", "gone"},
}

// fitbitSections are those for a person at Fitbit, where they are others.
var fitbitSections = map[string][]string{
	"client":  {"fitbit_client", "gone"},
	"connect": {"fitbit_redirect", "deadpage", "fitbit_scopes", "fitbit_another", "fitbit_client", "gone"},
	"values":  {"fitbit_minutes", "fitbit_scopes", "gone"},
}

// fitbit is what people call the service whose pages are not Google's.
const fitbit = "Fitbit"

// sections are those of a step for a person's service.
func sections(step, service string) []string {
	if own := fitbitSections[step]; service == fitbit && own != nil {
		return own
	}
	return helpSections[step]
}

// helpFor names the section for what auth, the service and a database call a failure; a section's own name leads to it, too.
var helpFor = map[string]string{
	"no_client": "client", "invalid_client": "client", "client_changed": "client", "unauthorized_client": "client", "deleted_client": "client", "disabled_client": "client",
	"invalid_request": "client", "redirect_uri_mismatch": "redirect",
	"access_denied": "testuser", "admin_policy_enforced": "testuser", "org_internal": "testuser",
	"paste": "deadpage", "state": "deadpage", "not_begun": "deadpage", "expired": "deadpage", "invalid_grant": "deadpage",
	"no_refresh_token": "another", "other_account": "another", "ANOTHER_ACCOUNT": "another", "RESOURCE_PERMISSION_DENIED": "another",
	"SERVICE_DISABLED": "api", "invalid_scope": "api", "ACCOUNT_NOT_LINKED": "linked", "FAILED_PRECONDITION": "linked",
	"ACCESS_TOKEN_SCOPE_INSUFFICIENT": "scopes", "MISSING_OAUTH_SCOPE": "scopes", "insufficient_scope": "scopes",
	"db3_rights": "db3_user", "db3_database": "db3_user", "dbv_rights": "dbv_user", "dbv_database": "db_other", "grafana_address": "grafana_silent",
	"no_intraday": "minutes", "insufficient_permissions": "minutes",
}

// helpOn returns the section about a failure; empty where there is none.
func helpOn(e *source.Error) string {
	if e.Kind == source.Gone {
		return "gone"
	}
	if slices.Contains(helpSections["database"], e.Reason) || slices.Contains(helpSections["dashboards"], e.Reason) {
		return e.Reason
	}
	if kind, trouble, _ := strings.Cut(e.Reason, "_"); strings.HasPrefix(kind, "db") && slices.Contains(helpSections["database"], "db_"+trouble) {
		return "db_" + trouble // it is the same with every kind
	}
	return helpFor[e.Reason]
}

// DatabaseReason is the Reason of an error of a database of that version.
func DatabaseReason(version, trouble string) string { return "db" + short(version) + "_" + trouble }

// short is a database's version as it stands in the names of help sections and styles.
func short(version string) string { return strings.TrimSuffix(version, "ictoriametrics") }

// sectionOf is the style of a section of the help that is about one kind of database: it is shown with that choice only.
func sectionOf(section string) string {
	if kind, ok := strings.CutPrefix(section, "db"); ok {
		if kind, _, _ = strings.Cut(kind, "_"); kind != "" {
			return "of" + kind
		}
	}
	return ""
}

// HelpOn names the section of the help about a service's word for a failure, or about a service that is gone; empty for none.
func HelpOn(reason string, gone bool) string {
	e := source.Error{Reason: reason}
	if gone {
		e.Kind = source.Gone
	}
	return helpOn(&e)
}

// setupData is what the wizard shows.
type setupData struct {
	Person   Person
	Step     string
	Done     map[string]bool // steps
	Visit    *auth.Visit     // begun here and still good
	Connect  bool            // authorize now, rather than show that all is well
	Help     []string        // sections of the help
	Open     string          // the section that opens
	Settings Settings
	Database form
	First    first
}

func (s *Server) setup(w http.ResponseWriter, r *request) {
	people, p, err := s.person(r.Context(), r.URL.Query().Get("person"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d, err := s.setupData(r, p, r.URL.Query().Get("step"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if want := r.URL.Query().Get("help"); slices.Contains(d.Help, want) {
		d.Open = want
	}
	notes := s.sessions.takeNotes(r.identity)
	for _, n := range notes {
		if n.Help != "" {
			d.Open = n.Help
		}
	}
	if own := "fitbit_" + d.Open; slices.Contains(d.Help, own) {
		d.Open = own
	}
	s.render(w, r, "setup", http.StatusOK, view{Title: "setup_title", People: people, Person: p, Notes: notes, Data: d})
}

func (s *Server) setupData(r *request, p Person, step string) (d setupData, err error) {
	d = setupData{Person: p, Visit: s.visit(p.ID)}
	if d.Settings, err = s.cfg.Program.Settings(r.Context()); err != nil {
		return d, err
	}
	d.Settings = s.recallClient(r.identity, d.Settings)
	standing := p.Auth.Standing
	d.Connect = standing == auth.Missing || standing == auth.Dead || d.Visit != nil
	d.Done = map[string]bool{"client": p.Client, "connect": standing == auth.Good || standing == auth.Ending, "database": d.Settings.Database}
	if d.Step = step; !slices.Contains(steps, step) {
		d.Step = "connect"
		if !p.Client {
			d.Step = "client"
		}
	}
	d.Help = sections(d.Step, p.Service)
	switch {
	case d.Step == "connect" && (standing == auth.Ending || standing == auth.Dead && !p.Auth.Ends.IsZero()):
		d.Open = "seven"
	case d.Step == "connect" && len(p.Auth.Missing) > 0:
		d.Open = "scopes"
	case d.Step == "database":
		d.Database = s.databaseForm(r.identity, d.Settings)
	case d.Step == "values":
		first, err := s.firstData(r.Context(), p)
		if err != nil {
			return d, err
		}
		d.First = first.First
		d.Open = d.First.Help
	}
	return d, nil
}

// DatabaseName and DatabaseUser are what the help tells to make in the database's own interface.
func (d setupData) DatabaseName() string {
	return cmp.Or(d.Database.Fields["database"].Value, "FitbitHealthStats")
}
func (d setupData) DatabaseUser() string {
	return cmp.Or(d.Database.Fields["username"].Value, "fitbit")
}

// stepAddress is the relative address of a step for a person.
func stepAddress(step string, p Person) string { return pageAddress("setup", p, "step", step) }

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
		if !g.RefreshExpires.IsZero() {
			n.Help = "seven"
		}
		if len(g.Missing) > 0 {
			n.Hint, n.Help = s.word("finish_missing", "n", fmt.Sprint(len(g.Missing))), "scopes"
		}
		if g.Trouble != nil {
			n.Help = helpOn(g.Trouble)
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
var confirmations = map[string]bool{"deauthorize": true, "erase": true, "sensors": true}

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

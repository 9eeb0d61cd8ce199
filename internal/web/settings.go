package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// save keeps options and closes the gate until the program has been built anew with them: the next page shows how it is then.
func (s *Server) save(ctx context.Context, values map[string]string) error {
	if err := s.cfg.Program.Save(ctx, values); err != nil {
		return err
	}
	s.gate.close()
	return nil
}

// client takes the id and the secret with which the service knows the program. The secret is never shown again; an empty field
// leaves it as it is.
func (s *Server) client(w http.ResponseWriter, r *request) {
	s.forPerson(w, r, "client", func(ctx context.Context, p Person) (note, error) {
		set, err := s.cfg.Program.Settings(ctx)
		if err != nil {
			return note{}, err
		}
		values := map[string]string{}
		for _, name := range []string{"provider", "client_id", "client_secret"} {
			if text := strings.TrimSpace(r.PostForm.Get(name)); text != "" && set.Values[name].Where == "" {
				values[name] = text
			}
		}
		known := set.Values["client_id"].Value
		secretless := cmp.Or(values["provider"], set.Values["provider"].Value) == "fitbit" // its applications with PKCE need none
		switch {
		case values["client_id"] == "" && known == "":
			return note{}, incomplete(p.Service, "the client id is missing")
		case values["client_secret"] != "":
		case secretless && values["client_id"] != "" && values["client_id"] != known && set.Values["client_secret"].Where == "":
			values["client_secret"] = "" // the one before belongs to another id
		case !secretless && (values["client_id"] != known || !set.Values["client_secret"].Set):
			return note{}, incomplete(p.Service, "the client secret is missing")
		}
		if err := s.save(ctx, values); err != nil {
			return note{}, err
		}
		s.forgetVisit(p.ID)
		s.dropDraft(clientDraft(r.identity))
		r.PostForm.Set("step", "connect")
		return note{Title: s.word("client_done"), Hint: s.word("client_next", "service", p.Service)}, nil
	})
}

func incomplete(service, what string) error {
	from := "the page Clients of Google Auth Platform"
	if service == fitbit {
		from = "the page of your application at dev.fitbit.com"
	}
	return &source.Error{Kind: source.Bad, Reason: "no_client", Err: errors.New(what), Hint: "Copy both from " + from + "; a secret goes with the id it was made for."}
}

// databaseFields are the options of a database, by the names of their fields in the form.
var databaseFields = []string{"version", "url", "database", "username", "password", "org", "bucket", "token"}

// ofOthers are those that an InfluxDB 1 does not have: they are left out where they are neither said nor were before.
var ofOthers = map[string]bool{"org": true, "bucket": true, "token": true}

// databaseSecrets are those of them that are never shown, each with the fields that say where it goes.
var databaseSecrets = map[string][]string{"password": {"url", "username"}, "token": {"url", "org"}}

// form is what the fields of a database show.
type form struct {
	Fields map[string]Setting // by field
	Typed  bool               // it was filled in, tried and is not kept yet
	Failed bool               // and did not work
}

// draft is what somebody has filled in. It is kept for a while, so that a password need not be typed twice.
type draft struct {
	values  map[string]string // by field
	failed  bool
	expires time.Time
}

const draftLife = 15 * time.Minute

// databaseForm fills the form in: what was typed last, else what is kept.
func (s *Server) databaseForm(identity string, set Settings) form {
	d, typed := s.draft(identity)
	f := form{Fields: map[string]Setting{}, Typed: typed, Failed: d.failed}
	for _, name := range databaseFields {
		v := set.Values["influxdb."+name]
		if typed && v.Where == "" {
			v.Value, v.Set = d.values[name], d.values[name] != ""
		}
		if databaseSecrets[name] != nil {
			v.Value = ""
		}
		f.Fields[name] = v
	}
	return f
}

func (s *Server) draft(identity string) (draft, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.drafts[identity]
	if ok && !s.cfg.Clock.Now().Before(d.expires) {
		delete(s.drafts, identity)
		return draft{}, false
	}
	return d, ok
}

func (s *Server) keepDraft(identity string, values map[string]string, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.drafts) >= maxSessions {
		clear(s.drafts)
	}
	s.drafts[identity] = draft{values: values, failed: failed, expires: s.cfg.Clock.Now().Add(draftLife)}
}

func (s *Server) dropDraft(identity string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.drafts, identity)
}

// database tries what was filled in, keeps it, or gives the database up.
func (s *Server) database(w http.ResponseWriter, r *request) {
	do := r.PostForm.Get("do")
	s.forPerson(w, r, "database", func(ctx context.Context, p Person) (note, error) {
		set, err := s.cfg.Program.Settings(ctx)
		if err != nil {
			return note{}, err
		}
		values, typed := s.filledIn(r, set)
		if do == "off" || typed["version"] == "off" {
			return s.noDatabase(ctx, r, set)
		}
		found, err := s.cfg.Program.TryDatabase(ctx, values)
		s.keepDraft(r.identity, typed, err != nil)
		if err != nil && do != "anyway" {
			return note{}, err
		}
		if do != "save" && do != "anyway" {
			return note{Title: s.word("db_works"), Lines: []string{sentence(found)}, Hint: s.word("db_works_next")}, nil
		}
		if err := s.save(ctx, values); err != nil {
			return note{}, err
		}
		s.dropDraft(r.identity)
		r.PostForm.Set("step", "values")
		return note{Title: s.word("db_saved"), Lines: []string{sentence(found)}}, nil
	})
}

// noDatabase takes all of a database out.
func (s *Server) noDatabase(ctx context.Context, r *request, set Settings) (note, error) {
	values := map[string]string{}
	for _, name := range databaseFields {
		if set.Values["influxdb."+name].Where == "" {
			values["influxdb."+name] = ""
		}
	}
	if _, ours := values["influxdb.version"]; ours {
		values["influxdb.version"] = "off"
	}
	if err := s.save(ctx, values); err != nil {
		return note{}, err
	}
	s.dropDraft(r.identity)
	r.PostForm.Set("step", "values")
	return note{Title: s.word("db_off_done"), Hint: s.word("db_off_hint")}, nil
}

// filledIn reads the form: the options by their names, but for those that another place gives, and the fields as they were typed.
// A secret that is not typed again stays, as long as it goes to the same place and with the same name.
func (s *Server) filledIn(r *request, set Settings) (values, typed map[string]string) {
	values, typed = map[string]string{}, map[string]string{}
	for _, name := range databaseFields {
		input := name
		if name == "token" {
			input = "api_token" // the form's own token has that name
		}
		typed[name] = r.PostForm.Get(input)
		if databaseSecrets[name] == nil {
			typed[name] = strings.TrimSpace(typed[name])
		}
	}
	keeps := map[string]bool{} // the kept one goes on
	d, drafted := s.draft(r.identity)
	for name, with := range databaseSecrets {
		same := func(other func(field string) string) bool {
			return !slices.ContainsFunc(with, func(field string) bool { return typed[field] != other(field) })
		}
		switch {
		case typed[name] != "":
		case drafted && d.values[name] != "" && same(func(field string) string { return d.values[field] }):
			typed[name] = d.values[name]
		default:
			keeps[name] = same(func(field string) string { return set.Values["influxdb."+field].Value })
		}
	}
	for _, name := range databaseFields {
		kept := set.Values["influxdb."+name]
		new := typed[name] != "" || kept.Set || kept.Value != ""
		if kept.Where == "" && !keeps[name] && (new || !ofOthers[name]) {
			values["influxdb."+name] = typed[name]
		}
	}
	return values, typed
}

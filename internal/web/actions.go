package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// act does one thing, once at a time, and shows what came of it on the page that the form stood on.
func (s *Server) act(w http.ResponseWriter, r *request, name string, do func(ctx context.Context) (note, error)) {
	n := s.try(r, name, do)
	s.sessions.tell(r.identity, n)
	s.status.drop()
	s.back(w, r)
}

func (s *Server) try(r *request, name string, do func(ctx context.Context) (note, error)) note {
	return s.tryFor(r, name, maxAnswer-10*time.Second, do)
}

// tryFor is try with another limit; 0 is none.
func (s *Server) tryFor(r *request, name string, limit time.Duration, do func(ctx context.Context) (note, error)) note {
	if _, runs := s.busy.LoadOrStore(name, true); runs {
		return note{Title: s.word("busy_title"), Hint: s.word("busy_hint")}
	}
	defer s.busy.Delete(name)
	ctx, cancel := context.WithCancel(r.Context())
	if limit > 0 {
		ctx, cancel = context.WithTimeout(r.Context(), limit)
	}
	defer cancel()
	n, err := do(ctx)
	if err != nil {
		s.cfg.Log.Warn("an action of the page failed", "action", name, "class", source.KindOf(err).String())
		return s.failure(err)
	}
	s.cfg.Log.Info("done on the page", "action", name)
	n.OK = !slices.ContainsFunc(n.Findings, func(f Finding) bool { return !f.OK })
	return n
}

// failure shows an error with its cure.
func (s *Server) failure(err error) note {
	n := note{Title: s.word("failed_title"), Lines: []string{sentence(err.Error())}}
	var e *source.Error
	if errors.As(err, &e) {
		n.Hint = e.Hint
		if e.Err != nil {
			n.Lines[0] = sentence(e.Err.Error())
		}
		n.Help = helpOn(e)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		n.Lines[0], n.Hint = s.word("failed_slow"), s.word("failed_slow_hint")
	}
	return n
}

// sentence makes a sentence of an error's text.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.ContainsAny(text[len(text)-1:], ".!?:") {
		text += "."
	}
	return text
}

// person finds the one a form or an address is about: the first where none is named.
func (s *Server) person(ctx context.Context, id string) ([]Person, Person, error) {
	people, err := s.cfg.Program.People(ctx)
	if err != nil {
		return nil, Person{}, err
	}
	if len(people) == 0 {
		return nil, Person{}, errors.New("nobody is configured")
	}
	if id == "" {
		return people, people[0], nil
	}
	i := slices.IndexFunc(people, func(p Person) bool { return p.ID == id })
	if i < 0 {
		return nil, Person{}, errNobody
	}
	return people, people[i], nil
}

var (
	errNobody   = errors.New("there is nobody of that name")
	errNoSeries = errors.New("there is no such series")
	errNothing  = errors.New("the archive holds nothing of that")
)

// forPerson is act for the person of the form.
func (s *Server) forPerson(w http.ResponseWriter, r *request, name string, do func(ctx context.Context, p Person) (note, error)) {
	_, p, err := s.person(r.Context(), r.PostForm.Get("person"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	r.PostForm.Set("person", p.ID)
	s.act(w, r, name+" "+p.ID, func(ctx context.Context) (note, error) { return do(ctx, p) })
}

func (s *Server) sync(w http.ResponseWriter, r *request) {
	s.forPerson(w, r, "sync", func(ctx context.Context, p Person) (note, error) {
		return note{Title: s.word("sync_done")}, s.cfg.Program.Sync(ctx, p.ID)
	})
}

func (s *Server) backfill(w http.ResponseWriter, r *request) {
	s.forPerson(w, r, "backfill", func(ctx context.Context, p Person) (note, error) {
		today := metric.DayOf(s.cfg.Clock.Now().In(zone(p)))
		first, last, err := span(r.PostForm.Get("first"), r.PostForm.Get("last"), today)
		if err != nil {
			return note{}, err
		}
		err = s.cfg.Program.Backfill(ctx, p.ID, first, last, r.PostForm.Get("again") != "")
		return note{Title: s.word("backfill_done", "first", first, "last", last)}, err
	})
}

// firstDay is before any data there can be.
var firstDay = metric.DayOf(time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC))

// span reads the days of a form; an empty last day is today.
func span(from, to string, today metric.Day) (first, last metric.Day, err error) {
	if first, err = metric.ParseDay(from); err != nil {
		return 0, 0, wrongDays("the first day is missing or is not written YYYY-MM-DD")
	}
	last = today
	if to != "" {
		if last, err = metric.ParseDay(to); err != nil {
			return 0, 0, wrongDays("the last day is not written YYYY-MM-DD")
		}
	}
	switch {
	case first > last:
		return 0, 0, wrongDays("the first day is after the last")
	case last > today:
		return 0, 0, wrongDays("these days are not over yet, or have not begun")
	case first < firstDay:
		return 0, 0, wrongDays("there is no data of before " + firstDay.String())
	}
	return first, last, nil
}

func wrongDays(what string) error {
	return &source.Error{Kind: source.Bad, Reason: "days", Err: errors.New(what), Hint: "Choose the days again; an empty last day means today."}
}

func (s *Server) replay(w http.ResponseWriter, r *request) {
	name := r.PostForm.Get("sink")
	s.act(w, r, "replay", func(ctx context.Context) (note, error) {
		st, err := s.cfg.Program.Status(ctx)
		if err != nil {
			return note{}, err
		}
		if !slices.ContainsFunc(st.Sinks, func(k Sink) bool { return k.Name == name }) {
			return note{}, errors.New("there is no database of that name")
		}
		return note{Title: s.word("replay_done", "sink", name)}, s.cfg.Program.Replay(ctx, name)
	})
}

// pauses are the lengths that the form offers; none is until resumed.
var pauses = []time.Duration{time.Hour, 8 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

func (s *Server) pause(w http.ResponseWriter, r *request) {
	s.forPerson(w, r, "pause", func(ctx context.Context, p Person) (note, error) {
		if r.PostForm.Get("do") == "resume" {
			return note{Title: s.word("resume_done")}, s.cfg.Program.Resume(ctx, p.ID)
		}
		length, err := time.ParseDuration(r.PostForm.Get("length"))
		if err != nil {
			length = 0
		}
		if length <= 0 {
			return note{Title: s.word("pause_done")}, s.cfg.Program.Pause(ctx, p.ID, time.Time{})
		}
		until := s.cfg.Clock.Now().Add(length)
		return note{Title: s.word("pause_done_until", "at", s.when(until, p))}, s.cfg.Program.Pause(ctx, p.ID, until)
	})
}

func (s *Server) snapshot(w http.ResponseWriter, r *request) {
	s.act(w, r, "snapshot", func(ctx context.Context) (note, error) {
		path, err := s.cfg.Program.Snapshot(ctx)
		return note{Title: s.word("snapshot_done", "path", path)}, err
	})
}

func (s *Server) check(w http.ResponseWriter, r *request) {
	s.act(w, r, "check", func(ctx context.Context) (note, error) {
		found, err := s.cfg.Program.Check(ctx)
		return note{Title: s.word("check_done"), Findings: found}, err
	})
}

// diagnose leads to the zip. It is made in memory first, so that a failure can still be shown, and is kept for as long as it can be
// fetched: with it the service may be asked.
func (s *Server) diagnose(w http.ResponseWriter, r *request) {
	var zip limited
	n := s.try(r, "diagnose", func(ctx context.Context) (note, error) {
		return note{}, s.cfg.Program.Diagnose(ctx, r.PostForm.Get("ask") != "", &zip)
	})
	if !n.OK {
		s.sessions.tell(r.identity, n)
		s.back(w, r)
		return
	}
	s.hand(w, r, &ticket{kind: "application/zip", name: fmt.Sprintf("fitbit-fetch-report-%s.zip", s.cfg.Clock.Now().Format("2006-01-02-1504")), data: zip.Bytes()})
}

// limited is a buffer that does not grow for ever.
type limited struct{ bytes.Buffer }

const maxReport = 16 << 20

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxReport {
		return 0, errors.New("the report is too large to be downloaded here")
	}
	return l.Buffer.Write(p)
}

func (s *Server) deauthorize(w http.ResponseWriter, r *request) {
	s.forPerson(w, r, "deauthorize", func(ctx context.Context, p Person) (note, error) {
		s.forgetVisit(p.ID)
		return note{Title: s.word("deauthorize_done")}, s.cfg.Program.Deauthorize(ctx, p.ID)
	})
}

// sensors removes the sensors from Home Assistant, or publishes them again.
func (s *Server) sensors(w http.ResponseWriter, r *request) {
	s.act(w, r, "sensors", func(ctx context.Context) (note, error) {
		if r.PostForm.Get("do") == "publish" {
			return note{Title: s.word("sensors_again_done")}, s.cfg.Program.Publish(ctx, true)
		}
		return note{Title: s.word("sensors_done")}, s.cfg.Program.Publish(ctx, false)
	})
}

// erase deletes only what was written out.
func (s *Server) erase(w http.ResponseWriter, r *request) {
	s.forPerson(w, r, "erase", func(ctx context.Context, p Person) (note, error) {
		if strings.TrimSpace(r.PostForm.Get("typed")) != p.ID {
			return note{}, &source.Error{Kind: source.Bad, Reason: "typed", Err: errors.New("nothing was deleted: the name was not typed as it is shown"), Hint: "Type the name to go on, or leave everything as it is."}
		}
		if p.Auth.Standing == auth.Good || p.Auth.Standing == auth.Ending {
			return note{}, &source.Error{Kind: source.Bad, Reason: "authorized", Err: errors.New("nothing was deleted: the authorization is in force, and everything would be fetched again"), Hint: "Take the authorization back first, then erase."}
		}
		return note{Title: s.word("erase_done", "person", p.ID)}, s.cfg.Program.Erase(ctx, p.ID)
	})
}

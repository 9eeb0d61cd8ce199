package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// view is what every page is rendered from.
type view struct {
	Page   string // its template
	Title  string // key of the text
	Token  string
	Logout bool // somebody is signed in here
	Notes  []note
	About  []Problem // what concerns nobody in particular
	People []Person  // the persons one can switch between
	Person Person
	Now    time.Time
	Data   any
}

// render writes a page, or nothing of it.
func (s *Server) render(w http.ResponseWriter, r *request, page string, status int, v view) {
	v.Page, v.Token, v.Now = page, s.sessions.token(r.identity), s.cfg.Clock.Now()
	v.Logout = strings.HasPrefix(r.identity, "signed in ")
	if r.identity != "" && page != "login" {
		if now, err := s.statusNow(r.Context()); err == nil { // without it, the page says what it can
			v.About = now.Notes
		}
	}
	var b bytes.Buffer
	if err := s.templates.ExecuteTemplate(&b, page+".html", v); err != nil {
		s.cfg.Log.Error("a page could not be made", "page", page, "error", err)
		s.refuse(w, http.StatusInternalServerError, "refused_broken")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, s.leaving(b.String()))
}

// leaving is HTML as a visitor gets it, whole pages and pieces of them: without secrets, and with all advice in the words of the place
// where the program runs.
func (s *Server) leaving(html string) string {
	if s.cfg.Advice != nil {
		html = s.cfg.Advice(html)
	}
	return redact.Text(html)
}

// fail shows a page that cannot be shown.
func (s *Server) fail(w http.ResponseWriter, r *request, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, errNobody) {
		status = http.StatusNotFound
	} else {
		s.cfg.Log.Warn("a page could not be shown", "error", err)
	}
	s.render(w, r, "failed", status, view{Title: "failed_page", Notes: []note{s.failure(err)}})
}

// parse reads the templates with their functions.
func (s *Server) parse() *template.Template {
	sums := s.assets()
	t := template.New("").Funcs(template.FuncMap{
		"w":        s.text,
		"asset":    func(name string) string { return "static/" + name + "?v=" + sums[name].sum },
		"page":     pageAddress,
		"ago":      s.ago,
		"when":     s.when,
		"datetime": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"clock":    func(t time.Time, p Person) string { return t.In(zone(p)).Format("15:04") },
		"time":     func(t time.Time, loc *time.Location) string { return t.In(loc).Format("15:04") },
		"key":      func(parts ...string) string { return strings.Join(parts, "_") },
		"here":     here,
		"count":    count,
		"lasting":  s.lasting,
		"sentence": sentence,
		"percent":  func(share float64) int { return int(100 * share) },
		"known":    metric.Present,
		"step":     stepAddress,
		"id":       func(s string) string { return strings.ReplaceAll(s, " ", "-") },
		"of":       sectionOf,
		"ofchoice": func(id string) string { return "of" + short(id) },
		"dbname":   func(id string) string { return "db" + short(id) },
		"steps":    func() []string { return steps },
		"add":      func(a, b int) int { return a + b },
		"bytes":    bytesText,
		"words":    func(id string) string { return strings.ReplaceAll(id, "_", " ") },
	})
	return template.Must(t.ParseFS(files, "templates/*.html"))
}

// pageAddress is the relative address of a page about a person.
func pageAddress(page string, p Person, more ...string) string {
	q := url.Values{}
	if p.ID != "" {
		q.Set("person", p.ID)
	}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			q.Set(more[i], more[i+1])
		}
	}
	if len(q) == 0 {
		return page
	}
	return page + "?" + q.Encode()
}

// here is the address of the page of that name, for a link to it and for the way back to it.
func here(page string) string {
	if page == "status" || page == "setup" || page == "history" || page == "dashboards" {
		return page
	}
	return "./"
}

// calendar knows a person's days, those of before a move too.
func calendar(p Person) metric.Calendar {
	if len(p.Zones) == 0 {
		return metric.NewCalendar(metric.Zones{{Name: zone(p).String()}})
	}
	return metric.NewCalendar(p.Zones)
}

func zone(p Person) *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// ago tells how long something has been, in words that change slowly.
func (s *Server) ago(t time.Time) string {
	if t.IsZero() {
		return s.word("never")
	}
	switch d := s.cfg.Clock.Now().Sub(t); {
	case d < -time.Minute:
		return s.word("in_time", "time", s.lasting(-d))
	case d < time.Minute:
		return s.word("just_now")
	default:
		return s.word("ago", "time", s.lasting(d))
	}
}

// lasting tells a duration by its largest unit.
func (s *Server) lasting(d time.Duration) string {
	switch {
	case d < time.Second:
		return s.word("milliseconds", "n", d.Milliseconds())
	case d < time.Minute:
		return s.word("seconds", "n", int(d.Seconds()))
	case d < time.Hour:
		return s.word("minutes", "n", int(d.Minutes()))
	case d < 48*time.Hour:
		return s.word("hours", "n", int(d.Hours()))
	}
	return s.word("days", "n", int(d.Hours()/24))
}

// when tells an instant on a person's clock, with the day where it is not today.
func (s *Server) when(t time.Time, p Person) string {
	if t.IsZero() {
		return s.word("never")
	}
	t = t.In(zone(p))
	if metric.DayOf(t) == metric.DayOf(s.cfg.Clock.Now().In(zone(p))) {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// bytesText tells the size of a file.
func bytesText(n int64) string {
	for _, unit := range []string{"B", "kB", "MB"} {
		if n < 1000 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n = (n + 500) / 1000
	}
	return fmt.Sprintf("%d GB", n)
}

// thin stands between groups of three digits.
const thin = "\u202f"

// count writes a whole number in groups of three.
func count(n any) string {
	var v int64
	switch n := n.(type) {
	case int:
		v = int64(n)
	case int64:
		v = n
	case float64:
		v = int64(n + 0.5)
	}
	text := fmt.Sprint(v)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + thin + text[i:]
	}
	return text
}

// cached keeps an answer for a moment, so that many visitors cost as much as one.
type cached[T any] struct {
	mu    sync.Mutex
	at    time.Time
	value T
}

func (c *cached[T]) get(now time.Time, fresh time.Duration, ask func() (T, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := now.Sub(c.at); !c.at.IsZero() && age >= 0 && age < fresh {
		return c.value, nil
	}
	v, err := ask()
	if err == nil {
		c.at, c.value = now, v
	}
	return v, err
}

func (c *cached[T]) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = time.Time{}
}

// shelf holds answers by key, a few of them: readings are the dearest thing to ask for.
type shelf[T any] struct {
	mu   sync.Mutex
	held map[string]*cached[T]
}

const maxHeld = 64

func (s *shelf[T]) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = nil
}

func (s *shelf[T]) slot(key string) *cached[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil || len(s.held) >= maxHeld {
		s.held = map[string]*cached[T]{}
	}
	if s.held[key] == nil {
		s.held[key] = &cached[T]{}
	}
	return s.held[key]
}

// In real time, so that a fast clock does not make the page busy.
const (
	statusFresh   = time.Second
	valuesFresh   = 3 * time.Second
	dayFresh      = 15 * time.Second
	coverageFresh = 20 * time.Second
	trendsFresh   = time.Minute
)

// told is how long d of real time is on the told clock.
func (s *Server) told(d time.Duration) time.Duration {
	return time.Duration(float64(d) * float64(time.Hour) / float64(s.cfg.Clock.Real(time.Hour)))
}

func (s *Server) statusNow(ctx context.Context) (Status, error) {
	return s.status.get(s.cfg.Clock.Now(), s.told(statusFresh), func() (Status, error) { return s.cfg.Program.Status(ctx) })
}

// Package web is the page: behind Home Assistant's ingress, or standing alone.
//
// Everything is rendered here and works without a script; the script only puts newer pieces in place as they come (events.go).
// All addresses are relative, because ingress hands out the page below a path that changes.
//
// Nobody but ingress and this machine itself is served (peer.go); beyond the machine a password is needed (session.go). What changes
// something is a POST that carries the session's token (routes.go).
package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

//go:embed static templates
var files embed.FS

// Config is what a Server needs. Only Program and Log are.
type Config struct {
	Listen   string // host:port; empty for :8099 behind ingress and with a password, else 127.0.0.1:8099
	Ingress  bool   // behind Home Assistant's ingress: its Supervisor and this machine are the only peers
	Password string // standing alone: needed for peers beyond this machine
	Clock    clock.Clock
	Log      *slog.Logger
	Language string // one of translations.Languages; empty for the one that the browser asks for
	Program  Program
	Advice   func(text string) string // puts what the user is told to do into the words of the place; nil leaves it as it is
}

// Limits on what visitors can make it do.
const (
	maxConns   = 512
	manyConns  = 384 // from here on, those that rest are closed
	maxWorking = 32  // requests being answered at once; the others wait
	maxWaiting = 15 * time.Second
	maxEvents  = 24 // pages that are kept up to date
	maxBody    = 64 << 10
	maxHeader  = 32 << 10
	patience   = 20 * time.Second // for a request to arrive
	maxAnswer  = 2 * time.Minute
)

// Server is the page, in one language.
type Server struct {
	*shared
	words     translations.Words
	templates *template.Template
}

// shared is what all languages have in common.
type shared struct {
	cfg      Config
	sessions *sessions
	handler  http.Handler
	working  chan struct{}
	events   chan struct{}
	exports  chan struct{} // one at a time
	busy     sync.Map      // actions that run, by name: each once at a time
	status   cached[Status]
	values   shelf[[]latest.Value]
	days     shelf[dayFacts]
	trends   shelf[*trends]
	coverage shelf[Coverage]
	gate     *gate

	mu      sync.Mutex
	tongues map[string]*Server    // by language, beside English
	visits  map[string]auth.Visit // begun authorizations, by person
	tickets map[string]*ticket    // downloads that were asked for, by their keys
	drafts  map[string]draft      // what was filled in for a database and is not kept yet, by identity

	patience time.Duration
	conns    int // at once
	many     int
	stop     chan struct{} // closed when events have to end
}

// New returns a server; nothing listens yet.
func New(cfg Config) *Server {
	s := (&shared{
		cfg: cfg, tongues: map[string]*Server{}, sessions: newSessions(cfg.Clock.Now), visits: map[string]auth.Visit{}, drafts: map[string]draft{}, tickets: map[string]*ticket{}, exports: make(chan struct{}, 1), gate: newGate(),
		patience: patience, conns: maxConns, many: manyConns,
		working: make(chan struct{}, maxWorking), events: make(chan struct{}, maxEvents), stop: make(chan struct{}),
	}).speaking(translations.English)
	s.handler = s.routes()
	return s
}

// Run serves the page until ctx is done. It may be called once. An error says why nobody can be served; the rest of the program
// goes on without the page.
func (s *Server) Run(ctx context.Context) error {
	address, err := s.address()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("opening the page at %s: %w", address, err)
	}
	return s.serve(ctx, l)
}

// address is where to listen.
func (s *Server) address() (string, error) {
	switch {
	case s.cfg.Listen == "" && (s.cfg.Ingress || s.cfg.Password != ""):
		return ":8099", nil
	case s.cfg.Listen == "":
		return "127.0.0.1:8099", nil
	case s.cfg.Ingress || s.cfg.Password != "" || local(s.cfg.Listen):
		return s.cfg.Listen, nil
	}
	return "", fmt.Errorf("the page is not opened at %s: beyond this machine it needs a password. Set one, or listen at 127.0.0.1", s.cfg.Listen)
}

func (s *Server) serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: s.patience, ReadTimeout: s.patience, WriteTimeout: maxAnswer, IdleTimeout: maxAnswer,
		MaxHeaderBytes: maxHeader, ConnState: (&doors{many: s.many, while: s.patience / 20}).changed, ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	s.cfg.Log.Info("the page is open", "address", l.Addr().String(), "ingress", s.cfg.Ingress)
	done := make(chan struct{})
	stopped := context.AfterFunc(ctx, func() {
		defer close(done)
		close(s.stop)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(netutil.LimitListener(l, s.conns))
	if !stopped() {
		<-done
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving the page: %w", err)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

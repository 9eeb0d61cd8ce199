package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	cookieName  = "fitbit_fetch"
	sessionLife = 7 * 24 * time.Hour // without a visit
	maxSessions = 64
	maxGuessers = 1024
	maxNotes    = 8
)

// sessions knows who is signed in and what is to be shown to whom. All of it is forgotten at the end of the process.
type sessions struct {
	key [32]byte // of the tokens in forms
	now func() time.Time

	mu     sync.Mutex
	signed map[string]time.Time // last visit
	notes  map[string][]note    // by identity
	guess  map[netip.Addr]*rate.Limiter
}

func newSessions(now func() time.Time) *sessions {
	s := &sessions{now: now, signed: map[string]time.Time{}, notes: map[string][]note{}, guess: map[netip.Addr]*rate.Limiter{}}
	rand.Read(s.key[:])
	return s
}

// identity names whose session a request belongs to; ok is false where somebody has to sign in first. Ingress has checked its
// user already, and its headers count only from its own peer.
func (s *Server) identity(r *http.Request) (id string, ok bool) {
	switch {
	case s.cfg.Ingress && peerOf(r) == supervisor:
		return "user " + r.Header.Get("X-Remote-User-Id"), true
	case s.cfg.Ingress || s.cfg.Password == "":
		return "local", true
	}
	c, err := r.Cookie(cookieName)
	if err != nil || !s.sessions.visit(c.Value) {
		return "", false
	}
	return "signed in " + c.Value, true
}

// token is what every form of a session carries.
func (s *sessions) token(identity string) string {
	m := hmac.New(sha256.New, s.key[:])
	m.Write([]byte(identity))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (s *sessions) checkToken(identity, token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.token(identity))) == 1
}

// visit reports whether that session exists, and keeps it alive.
func (s *sessions) visit(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.signed[id]
	if !ok {
		return false
	}
	now := s.now()
	if now.Sub(last) > sessionLife {
		delete(s.signed, id)
		return false
	}
	s.signed[id] = now
	return true
}

// begin makes a session; the one longest without a visit goes where there are too many.
func (s *sessions) begin() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.signed) >= maxSessions {
		oldest := ""
		for id, last := range s.signed {
			if oldest == "" || last.Before(s.signed[oldest]) {
				oldest = id
			}
		}
		delete(s.signed, oldest)
		delete(s.notes, "signed in "+oldest)
	}
	id := rand.Text()
	s.signed[id] = s.now()
	return id
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.signed, id)
	delete(s.notes, "signed in "+id)
}

// mayGuess limits how often a peer tries passwords.
func (s *sessions) mayGuess(peer netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.guess[peer]
	if l == nil {
		if len(s.guess) >= maxGuessers {
			clear(s.guess)
		}
		l = rate.NewLimiter(rate.Every(5*time.Second), 8)
		s.guess[peer] = l
	}
	return l.AllowN(s.now(), 1)
}

// samePassword compares in a time that tells nothing, not even the length.
func samePassword(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// note is the result of an action, shown once on the next page.
type note struct {
	OK       bool
	Title    string
	Lines    []string
	Hint     string
	Help     string    // a section of the help that opens
	Findings []Finding // of a check
	Items    []Item    // put into a Grafana
	Address  string    // of that Grafana, for the form
}

func (s *sessions) tell(identity string, n note) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes) >= maxSessions {
		clear(s.notes)
	}
	list := append(s.notes[identity], n)
	s.notes[identity] = list[max(0, len(list)-maxNotes):]
}

func (s *sessions) takeNotes(identity string) []note {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notes[identity]
	delete(s.notes, identity)
	return n
}

func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	secure := r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode, MaxAge: age})
}

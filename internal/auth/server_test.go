package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// service is an OAuth service with a resource, whose answers a test can bend. All its secrets begin with "SECRET".
type service struct {
	*httptest.Server
	mu        sync.Mutex
	n         int
	rotate    bool              // every refresh makes the old refresh token void
	lives     int               // expires_in
	sevenDays int               // refresh_token_expires_in, 0 for none
	scope     string            // granted
	codes     map[string]string // code to challenge
	redirect  string            // registered
	secret    string            // the client's
	refreshes int
	valid     map[string]bool // refresh tokens
	access    map[string]bool
	fault     func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	revoked   []string
	seen      []string // grant types asked for
}

func newService(t *testing.T) *service {
	s := &service{lives: 3600, codes: map[string]string{}, redirect: "http://localhost:8080", secret: "SECRET-client",
		valid: map[string]bool{"SECRET-refresh-0": true}, access: map[string]bool{}, scope: strings.Join(Google().scopeIDs(), " ")}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /revoke", s.revoke)
	mux.HandleFunc("/data", s.data)
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("a request with secrets was redirected") })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *service) client() Client {
	return Client{Provider: Google().At(s.URL+"/auth", s.URL+"/token", s.URL+"/revoke"), ID: "client-1", Secret: "SECRET-client", Redirect: "http://localhost:8080"}
}

// consent plays the person at the consent page and returns the address the browser ends at.
func (s *service) consent(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	code := fmt.Sprintf("4/SECRET-code-%d", s.n)
	s.codes[code] = q.Get("code_challenge")
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "scope": {s.scope}}
	return q.Get("redirect_uri") + "/?" + back.Encode()
}

func (s *service) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.ParseForm()
	s.seen = append(s.seen, r.Form.Get("grant_type"))
	if s.fault != nil && s.fault(w, r) {
		return
	}
	if r.Form.Get("client_id") != "client-1" || r.Form.Get("client_secret") != s.secret {
		refuse(w, 401, "invalid_client", "The OAuth client was not found.")
		return
	}
	answer := map[string]any{"token_type": "Bearer", "expires_in": s.lives, "scope": s.scope}
	switch r.Form.Get("grant_type") {
	case "authorization_code":
		sum := sha256.Sum256([]byte(r.Form.Get("code_verifier")))
		challenge, known := s.codes[r.Form.Get("code")]
		if r.Form.Get("redirect_uri") != s.redirect {
			refuse(w, 400, "redirect_uri_mismatch", "Bad Request")
			return
		}
		if !known || challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
			refuse(w, 400, "invalid_grant", "Malformed auth code: "+r.Form.Get("code"))
			return
		}
		delete(s.codes, r.Form.Get("code"))
		answer["refresh_token"] = s.newRefresh()
	case "refresh_token":
		s.refreshes++
		old := r.Form.Get("refresh_token")
		if !s.valid[old] {
			refuse(w, 400, "invalid_grant", "Token has been expired or revoked: "+old)
			return
		}
		if s.rotate {
			delete(s.valid, old)
			answer["refresh_token"] = s.newRefresh()
		}
	}
	if s.sevenDays > 0 {
		answer["refresh_token_expires_in"] = s.sevenDays
	}
	s.n++
	access := fmt.Sprintf("SECRET-access-%d", s.n)
	s.access[access] = true
	answer["access_token"] = access
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func (s *service) newRefresh() string {
	s.n++
	refresh := fmt.Sprintf("SECRET-refresh-%d", s.n)
	s.valid[refresh] = true
	return refresh
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
}

func (s *service) revoke(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil && s.fault(w, r) {
		return
	}
	token := r.FormValue("token")
	s.revoked = append(s.revoked, token)
	if !s.valid[token] {
		refuse(w, 400, "invalid_token", "Token expired or revoked")
		return
	}
	delete(s.valid, token)
}

// data answers to a good bearer with the request's body.
func (s *service) data(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	good := s.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	s.mu.Unlock()
	if !good {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var b bytes.Buffer
	b.ReadFrom(r.Body)
	w.Write(b.Bytes())
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refreshes
}

// asked is how many requests the token service had.
func (s *service) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

func (s *service) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// rig is a token source on a service, with its log.
type rig struct {
	*service
	clock  *clock
	file   *File
	tokens *TokenSource
	log    *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newRig starts with an authorization whose access token has ended, unless start says otherwise.
func newRig(t *testing.T, start ...Token) *rig {
	t.Helper()
	r := &rig{service: newService(t), clock: newClock(), log: &syncBuffer{}}
	r.file = NewFile(filepath.Join(t.TempDir(), "tokens", "token.json"))
	tok := Token{Provider: "google", Access: "SECRET-access-0", Refresh: "SECRET-refresh-0", Expiry: r.clock.Now().Add(-time.Hour), SavedAt: r.clock.Now().Add(-2 * time.Hour)}
	if len(start) > 0 {
		tok = start[0]
	}
	if !tok.Empty() {
		if err := NewFile(r.file.Path()).Save(tok, r.clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	r.open(t)
	return r
}

func (r *rig) open(t *testing.T) {
	t.Helper()
	log := r.logger()
	tokens, err := New(Config{Client: r.client(), File: r.file, Now: r.clock.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	r.tokens = tokens
	t.Cleanup(func() {
		tokens.Close(context.Background())
		if strings.Contains(r.log.String(), "SECRET") {
			t.Errorf("the log holds a secret:\n%s", r.log)
		}
	})
}

func (r *rig) flow(known, account string) *Flow {
	return NewFlow(FlowConfig{Client: r.client(), Tokens: r.tokens, Now: r.clock.Now, Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Known:    func(context.Context) (string, error) { return known, nil },
		Identity: func(context.Context, string) (string, error) { return account, nil }})
}

// wantError checks class, reason and that a hint is there and no secret anywhere.
func wantError(t *testing.T, err error, kind source.Kind, reason, hint string) {
	t.Helper()
	var e *source.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no *source.Error", err)
	}
	if e.Kind != kind || e.Reason != reason || !strings.Contains(e.Hint, hint) || e.Hint == "" {
		t.Fatalf("error %v, hint %q; want %v, reason %q, hint with %q", e, e.Hint, kind, reason, hint)
	}
	for _, s := range []string{e.Error(), e.Hint, fmt.Sprintf("%#v", e)} {
		if strings.Contains(s, "SECRET") {
			t.Fatalf("a secret in %q", s)
		}
	}
}

func (r *rig) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

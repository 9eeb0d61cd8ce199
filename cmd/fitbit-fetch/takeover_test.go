package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// tokenService answers like the service that exchanges codes for tokens.
type tokenService struct {
	mu     sync.Mutex
	answer string // empty: nobody answers
	status int
}

func (s *tokenService) set(status int, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.answer = status, answer
}

func (s *tokenService) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer == "" {
		return nil, errors.New("no route to host")
	}
	return &http.Response{StatusCode: s.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(s.answer)), Request: r}, nil
}

// TestNoticeWhileRunning: whatever becomes of an authorization while the program runs, and of the address in the options meanwhile,
// whoever has to authorize is asked to, and nobody else is.
func TestNoticeWhileRunning(t *testing.T) {
	const (
		accepted = `{"access_token":"ya29.x","refresh_token":"1//y","expires_in":3600,"token_type":"Bearer","scope":"https://www.googleapis.com/auth/googlehealth.sleep.readonly"}`
		refused  = `{"error":"invalid_grant"}`
	)
	for name, c := range map[string]struct {
		ends    time.Duration // of the authorization at the start
		address bool          // there is one in the options
		then    func(s *tokenService, tokens *auth.TokenSource)
		want    string
	}{
		"dead":                               {-time.Hour, false, nil, "ended on"},
		"dead, and the address is accepted":  {-time.Hour, true, func(s *tokenService, _ *auth.TokenSource) { s.set(200, accepted) }, ""},
		"dead, and the address is refused":   {-time.Hour, true, func(s *tokenService, _ *auth.TokenSource) { s.set(400, refused) }, "ended on"},
		"dead, and nobody answers for hours": {-time.Hour, true, nil, "ended on"},
		"taken back":                         {0, false, func(_ *tokenService, tokens *auth.TokenSource) { tokens.Forget() }, "Not authorized"},
		"taken back, and dead before":        {-time.Hour, false, func(_ *tokenService, tokens *auth.TokenSource) { tokens.Forget() }, "Not authorized"},
		"good":                               {0, false, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(), Rank: sourceRank, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			synctest.Test(t, func(t *testing.T) {
				log, service := slog.New(slog.DiscardHandler), &tokenService{}
				client := auth.Client{Provider: auth.Google(), ID: "id", Secret: "secret", Redirect: "http://localhost:8080/", HTTP: &http.Client{Transport: service}}
				token := auth.Token{Provider: "google", Access: "ya29.old", Refresh: "1//old", Expiry: time.Now().Add(time.Hour), SavedAt: time.Now()}
				if c.ends != 0 {
					token.RefreshExpires = time.Now().Add(c.ends)
				}
				file := auth.NewFile(filepath.Join(t.TempDir(), "token.json"))
				if err := file.Save(token, time.Now()); err != nil {
					t.Fatal(err)
				}
				tokens, err := auth.New(auth.Config{Client: client, File: file, Now: time.Now, Log: log})
				if err != nil {
					t.Fatal(err)
				}
				p := &person{Person: metric.Person{ID: "me"}, archive: store, tokens: tokens, log: log, again: make(chan struct{}, 1)}
				p.flow = auth.NewFlow(auth.FlowConfig{Client: client, Tokens: tokens, Now: time.Now, Log: log})
				if c.address {
					visit, err := p.flow.Begin()
					if err != nil {
						t.Fatal(err)
					}
					u, err := url.Parse(visit.URL)
					if err != nil {
						t.Fatal(err)
					}
					p.opts.AuthorizationAddress = config.NewSecret(client.Redirect + "?state=" + u.Query().Get("state") + "&code=4/x")
				}
				a := &app{clock: clock.Real(), log: log}
				board := newMemoryBoard()
				n := newNotices(board, log)
				var wg sync.WaitGroup
				ctx := t.Context()
				for _, f := range []func(){func() { n.run(ctx) }, func() { n.watch(ctx) }, func() { p.watchAuthorization(ctx, a) }, func() { a.notifyPerson(ctx, p, n) }} {
					wg.Go(f)
				}
				t.Cleanup(wg.Wait)
				time.Sleep(time.Second)
				if c.then != nil {
					c.then(service, tokens)
				}
				time.Sleep(6 * time.Hour)
				if good := tokens.State(time.Now()).Standing == auth.Good; good != (c.want == "") {
					t.Errorf("authorized: %v", good)
				}
				board.mu.Lock()
				defer board.mu.Unlock()
				if got := board.shows["fitbit_fetch_authorization_me"]; !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
					t.Errorf("shown %q, want %q", got, c.want)
				}
			})
		})
	}
}

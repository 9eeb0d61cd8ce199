package auth

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

const fitbitService = "https://fitbit.example"

// fitbitRig is a person at a simulated Fitbit.
type fitbitRig struct {
	clock  *clock
	server *simulate.Fitbit
	client Client
	file   *File
	log    bytes.Buffer
	lost   int // so many answers of the token service are lost on their way
}

func newFitbitRig(t *testing.T, typ simulate.AppType, secret bool, change func(*simulate.FitbitConfig)) *fitbitRig {
	t.Helper()
	r := &fitbitRig{clock: newClock(), file: NewFile(filepath.Join(t.TempDir(), "token.json"))}
	app := simulate.DefaultFitbitApp()
	app.Type = typ
	cfg := simulate.FitbitConfig{Persons: []*simulate.Person{{Seed: 3, Start: metric.DayOf(r.clock.Now()) - 30}}, Now: r.clock.Now, Apps: []simulate.FitbitApp{app}, AutoApprove: true}
	if change != nil {
		change(&cfg)
	}
	r.server = simulate.NewFitbit(cfg)
	r.client = Client{Provider: Fitbit().At(fitbitService+"/oauth2/authorize", fitbitService+"/oauth2/token", fitbitService+"/oauth2/revoke"), ID: app.ID, Redirect: app.Redirects[0],
		HTTP: &http.Client{Transport: roundTrip(r.roundTrip)}}
	if secret {
		r.client.Secret = app.Secret
	}
	t.Cleanup(func() {
		if tok, err := r.file.Reload(); err == nil && tok.Refresh != "" && strings.Contains(r.log.String(), tok.Refresh) {
			t.Error("the log holds a token")
		}
	})
	return r
}

// roundTrip asks the server; an answer may be lost behind it.
func (r *fitbitRig) roundTrip(req *http.Request) (*http.Response, error) {
	resp, err := simulate.Transport{Handler: r.server}.RoundTrip(req)
	if r.lost > 0 && req.URL.Path == "/oauth2/token" {
		r.lost--
		return nil, errors.New("connection reset")
	}
	return resp, err
}

func (r *fitbitRig) tokens(t *testing.T, file *File) *TokenSource {
	t.Helper()
	s, err := New(Config{Client: r.client, File: file, Now: r.clock.Now, Log: slog.New(slog.NewTextHandler(&r.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// authorize goes through the consent page.
func (r *fitbitRig) authorize(t *testing.T, tokens *TokenSource) (Grant, error) {
	t.Helper()
	f := NewFlow(FlowConfig{Client: r.client, Tokens: tokens, Now: r.clock.Now, Log: slog.New(slog.NewTextHandler(&r.log, nil))})
	visit, err := f.Begin()
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Transport: roundTrip(r.roundTrip), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(visit.URL)
	if err != nil {
		t.Fatal(err)
	}
	back := resp.Header.Get("Location")
	if !strings.HasSuffix(back, "#_=_") {
		t.Fatalf("status %d, the browser ends at %q", resp.StatusCode, back)
	}
	return f.Finish(t.Context(), back, false)
}

// Each type of application signs in, with the secret in a header or with its id alone.
func TestFitbitApplicationTypes(t *testing.T) {
	for _, c := range []struct {
		name   string
		typ    simulate.AppType
		secret bool
		works  bool
	}{
		{"personal with secret", simulate.PersonalApp, true, true}, {"personal without", simulate.PersonalApp, false, true}, {"server", simulate.ServerApp, true, true},
		{"server without secret", simulate.ServerApp, false, false}, {"client", simulate.ClientApp, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newFitbitRig(t, c.typ, c.secret, nil)
			tokens := r.tokens(t, r.file)
			g, err := r.authorize(t, tokens)
			if !c.works {
				wantError(t, err, source.Auth, "invalid_client", "dev.fitbit.com")
				return
			}
			if err != nil || len(g.Missing) != 0 || len(g.Granted) != len(Fitbit().Scopes) {
				t.Fatalf("%v, granted %v, missing %v", err, g.Granted, g.Missing)
			}
			if _, err := tokens.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.clock.add(8 * time.Hour)
			if _, err := tokens.Token(t.Context()); err != nil {
				t.Fatalf("renewing: %v", err)
			}
			f := NewFlow(FlowConfig{Client: r.client, Tokens: tokens, Now: r.clock.Now, Log: slog.New(slog.DiscardHandler)})
			if err := f.Revoke(t.Context()); err != nil {
				t.Errorf("revoking: %v", err)
			}
		})
	}
}

// Boxes that were not ticked are told, with what they cost.
func TestFitbitMissingScopes(t *testing.T) {
	r := newFitbitRig(t, simulate.PersonalApp, true, func(c *simulate.FitbitConfig) { c.Deny = []string{"temperature", "weight"} })
	g, err := r.authorize(t, r.tokens(t, r.file))
	if err != nil || len(g.Missing) != 2 || !strings.Contains(strings.Join(g.Words, " "), "Without it there is no data on: skin temperature.") {
		t.Fatalf("%v, missing %v: %v", err, g.Missing, g.Words)
	}
}

// A refresh token is used once: the next one is on disk before its access token is handed out, for as many renewals as one likes.
func TestFitbitRotation(t *testing.T) {
	r := newFitbitRig(t, simulate.PersonalApp, true, nil)
	if _, err := r.authorize(t, r.tokens(t, r.file)); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 10 {
		tokens := r.tokens(t, NewFile(r.file.Path())) // as after a start
		r.clock.add(8 * time.Hour)
		access, err := tokens.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		disk, err := NewFile(r.file.Path()).Load(r.clock.Now())
		if err != nil || disk.Token.Access != access || seen[disk.Token.Refresh] {
			t.Fatalf("the token in use is not the one on disk, or its refresh token is an old one: %v", err)
		}
		seen[disk.Token.Refresh] = true
	}
}

// What was answered and not saved (killed in between, or lost on the way) is answered again for two minutes. Later the person must act.
func TestFitbitReplay(t *testing.T) {
	for _, c := range []struct {
		name  string
		later time.Duration
		works bool
	}{{"at once", time.Second, true}, {"in time", 110 * time.Second, true}, {"too late", 3 * time.Minute, false}} {
		t.Run(c.name, func(t *testing.T) {
			r := newFitbitRig(t, simulate.PersonalApp, true, nil)
			if _, err := r.authorize(t, r.tokens(t, r.file)); err != nil {
				t.Fatal(err)
			}
			r.clock.add(8 * time.Hour)
			killed := NewFile(r.file.Path())
			killed.write = func(string, []byte, fs.FileMode) error { return errors.New("killed") }
			if _, err := r.tokens(t, killed).Token(t.Context()); err == nil {
				t.Fatal("a token was handed out that is not on disk")
			}
			r.clock.add(c.later)
			_, err := r.tokens(t, NewFile(r.file.Path())).Token(t.Context())
			if c.works && err != nil {
				t.Error(err)
			}
			if !c.works {
				wantError(t, err, source.Auth, "invalid_grant", "Authorize again")
			}
		})
	}
}

// An answer that was lost on its way is asked for again with the same refresh token.
func TestFitbitLostAnswer(t *testing.T) {
	r := newFitbitRig(t, simulate.PersonalApp, false, nil)
	tokens := r.tokens(t, r.file)
	if _, err := r.authorize(t, tokens); err != nil {
		t.Fatal(err)
	}
	r.clock.add(8 * time.Hour)
	r.lost = 3
	for range 3 {
		if _, err := tokens.Token(t.Context()); source.KindOf(err) != source.Retry {
			t.Fatalf("%v, want one that passes by itself", err)
		}
		r.clock.add(20 * time.Second)
	}
	if _, err := tokens.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
}

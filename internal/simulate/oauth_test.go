package simulate_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// lab is a server on a port with a clock that tests move.
type lab struct {
	t      *testing.T
	g      *simulate.Google
	srv    *httptest.Server
	now    time.Time
	client simulate.Client
}

func newLab(t *testing.T, cfg simulate.Config) *lab {
	l := &lab{t: t, now: instant(t, "2025-04-10T12:00:00Z"), client: simulate.DefaultClient()}
	if cfg.Persons == nil {
		cfg.Persons = []*simulate.Person{berlin(t)}
	}
	if len(cfg.Clients) > 0 {
		l.client = cfg.Clients[0]
	}
	cfg.Now = func() time.Time { return l.now }
	l.g = simulate.NewGoogle(cfg)
	l.srv = httptest.NewServer(l.g)
	t.Cleanup(l.srv.Close)
	return l
}

func (l *lab) config(scopes ...string) *oauth2.Config {
	return &oauth2.Config{ClientID: l.client.ID, ClientSecret: l.client.Secret, RedirectURL: "http://localhost:8080", Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: l.srv.URL + simulate.PathAuth, TokenURL: l.srv.URL + simulate.PathToken, AuthStyle: oauth2.AuthStyleInParams}}
}

// browse opens the page, or posts it, and returns where the browser is sent, or the page.
func (l *lab) browse(page string, form url.Values) (to *url.URL, code int, body string) {
	l.t.Helper()
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var resp *http.Response
	var err error
	if form == nil {
		resp, err = c.Get(page)
	} else {
		resp, err = c.PostForm(page, form)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	to, _ = resp.Location()
	return to, resp.StatusCode, string(b)
}

// refused returns the error word and status of a failed exchange or refresh.
func refused(err error) (string, int) {
	var e *oauth2.RetrieveError
	if !errors.As(err, &e) {
		return "", 0
	}
	return e.ErrorCode, e.Response.StatusCode
}

// TestConsent goes the whole way with x/oauth2: page, button, code, PKCE, refresh, revocation.
func TestConsent(t *testing.T) {
	l := newLab(t, simulate.Config{})
	cfg := l.config(simulate.ScopePrefix+"sleep.readonly", simulate.ScopePrefix+"settings.readonly")
	verifier := oauth2.GenerateVerifier()
	page := cfg.AuthCodeURL("a state", oauth2.AccessTypeOffline, oauth2.ApprovalForce, oauth2.S256ChallengeOption(verifier))
	_, code, body := l.browse(page, nil)
	if code != http.StatusOK || !strings.Contains(body, "<button") || !strings.Contains(body, "sleep.readonly") {
		t.Fatalf("the page: %d %s", code, body)
	}
	to, code, _ := l.browse(page, url.Values{"choice": {"allow"}, "granted": {cfg.Scopes[0]}})
	if code != http.StatusFound || to.Host != "localhost:8080" || to.Query().Get("state") != "a state" || to.Query().Get("scope") != cfg.Scopes[0] {
		t.Fatalf("redirected with %d to %v", code, to)
	}
	ctx := context.Background()
	if _, err := cfg.Exchange(ctx, to.Query().Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Fatal("exchanged with another verifier")
	} else if word, status := refused(err); word != "invalid_grant" || status != 400 {
		t.Errorf("another verifier: %v", err)
	}
	to, _, _ = l.browse(page, url.Values{"choice": {"allow"}, "granted": {cfg.Scopes[0]}})
	tok, err := cfg.Exchange(ctx, to.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil || tok.RefreshToken == "" || tok.Extra("scope") != cfg.Scopes[0] || tok.Extra("refresh_token_expires_in") != nil {
		t.Fatalf("exchange: %v %v", tok, err)
	}
	if _, err := cfg.Exchange(ctx, to.Query().Get("code"), oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code was good twice")
	}
	if code, _ := get(t, l.g, tok.AccessToken, "/v4/users/me/settings"); code != http.StatusForbidden {
		t.Errorf("an unticked scope was granted: %d", code)
	}
	l.now = l.now.Add(time.Hour)
	if code, _ := get(t, l.g, tok.AccessToken, "/v4/users/me/identity"); code != http.StatusUnauthorized {
		t.Errorf("an old access token: %d", code)
	}
	fresh, err := cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
	if err != nil || fresh.AccessToken == tok.AccessToken {
		t.Fatalf("refresh: %v", err)
	}
	if code, _ := get(t, l.g, fresh.AccessToken, "/v4/users/me/identity"); code != http.StatusOK {
		t.Errorf("a fresh access token: %d", code)
	}
	if _, code, _ := l.browse(l.srv.URL+simulate.PathRevoke, url.Values{"token": {fresh.AccessToken}}); code != http.StatusOK {
		t.Errorf("revoke: %d", code)
	}
	if code, _ := get(t, l.g, fresh.AccessToken, "/v4/users/me/identity"); code != http.StatusUnauthorized {
		t.Errorf("a revoked access token: %d", code)
	}
	_, err = cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
	if word, status := refused(err); word != "invalid_grant" || status != 400 {
		t.Errorf("a revoked refresh token: %v", err)
	}
}

// TestConsentRefused asks the page for what it must refuse.
func TestConsentRefused(t *testing.T) {
	web := simulate.Client{ID: "web", Secret: "s", Redirects: []string{"http://localhost:8080"}}
	l := newLab(t, simulate.Config{Clients: []simulate.Client{web}})
	good := url.Values{"client_id": {"web"}, "redirect_uri": {"http://localhost:8080"}, "response_type": {"code"}, "scope": {simulate.ScopePrefix + "sleep.readonly"}, "state": {"x"}}
	for _, x := range []struct {
		name, key, value string
		code             int
		text             string
	}{
		{"client", "client_id", "other", 401, "invalid_client"},
		{"redirect", "redirect_uri", "http://localhost:8080/", 400, "redirect_uri_mismatch"},
		{"loopback of a web client", "redirect_uri", "http://127.0.0.1:9999", 400, "redirect_uri_mismatch"},
		{"scope", "scope", "https://www.googleapis.com/auth/fitness.sleep.read", 400, "invalid_scope"},
		{"no scope", "scope", "", 400, "invalid_request"},
		{"plain challenge", "code_challenge", "abc", 400, "invalid_request"},
		{"token flow", "response_type", "token", 400, "unsupported_response_type"},
	} {
		q := url.Values{}
		for k, v := range good {
			q[k] = v
		}
		q.Set(x.key, x.value)
		if _, code, body := l.browse(l.srv.URL+simulate.PathAuth+"?"+q.Encode(), nil); code != x.code || !strings.Contains(body, x.text) {
			t.Errorf("%s: %d %s", x.name, code, body)
		}
	}
	to, _, _ := l.browse(l.srv.URL+simulate.PathAuth+"?"+good.Encode(), url.Values{"choice": {"deny"}})
	if to == nil || to.Query().Get("error") != "access_denied" || to.Query().Get("state") != "x" {
		t.Errorf("cancelled: %v", to)
	}
}

// TestTokenRefused sends to the token address what it must refuse.
func TestTokenRefused(t *testing.T) {
	p := berlin(t)
	l := newLab(t, simulate.Config{Persons: []*simulate.Person{p}, AutoApprove: true})
	cfg := l.config(simulate.ScopePrefix + "sleep.readonly")
	consent := func() string {
		to, _, _ := l.browse(cfg.AuthCodeURL("s", oauth2.AccessTypeOffline), nil)
		return to.Query().Get("code")
	}
	refresh := l.g.Grant(p)
	base := url.Values{"client_id": {l.client.ID}, "client_secret": {l.client.Secret}}
	for _, x := range []struct {
		name string
		form url.Values
		code int
		word string
	}{
		{"good refresh", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}, 200, ""},
		{"standing refresh token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {l.client.Refresh}}, 200, ""},
		{"unknown refresh token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"1//x"}}, 400, "invalid_grant"},
		{"secret", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_secret": {"x"}}, 401, "invalid_client"},
		{"client", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"x"}}, 401, "invalid_client"},
		{"grant type", url.Values{"grant_type": {"password"}}, 400, "unsupported_grant_type"},
		{"unknown code", url.Values{"grant_type": {"authorization_code"}, "code": {"4/x"}, "redirect_uri": {cfg.RedirectURL}}, 400, "invalid_grant"},
		{"good code", url.Values{"grant_type": {"authorization_code"}, "code": {consent()}, "redirect_uri": {cfg.RedirectURL}}, 200, ""},
		{"other redirect", url.Values{"grant_type": {"authorization_code"}, "code": {consent()}, "redirect_uri": {"http://localhost:9"}}, 400, "redirect_uri_mismatch"},
	} {
		form := url.Values{}
		for k, v := range base {
			form[k] = v
		}
		for k, v := range x.form {
			form[k] = v
		}
		_, code, body := l.browse(l.srv.URL+simulate.PathToken, form)
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || code != x.code || answer.Error != x.word {
			t.Errorf("%s: %d %s", x.name, code, body)
		}
	}
	old := consent()
	l.now = l.now.Add(11 * time.Minute)
	if _, err := cfg.Exchange(context.Background(), old); err == nil {
		t.Error("a code of 11 minutes was good")
	}
}

// TestTestingGrants lets a refresh token die after seven days.
func TestTestingGrants(t *testing.T) {
	p := berlin(t)
	l := newLab(t, simulate.Config{Persons: []*simulate.Person{p}, Testing: true, AutoApprove: true, Deny: []string{"location"}})
	cfg := l.config(simulate.Scopes()...)
	to, _, _ := l.browse(cfg.AuthCodeURL("s", oauth2.AccessTypeOffline), nil)
	tok, err := cfg.Exchange(context.Background(), to.Query().Get("code"))
	if err != nil || tok.Extra("refresh_token_expires_in") != 604799.0 {
		t.Fatalf("%v: %v", tok.Extra("refresh_token_expires_in"), err)
	}
	if granted, _ := tok.Extra("scope").(string); strings.Contains(granted, "location") || !strings.Contains(granted, "sleep") {
		t.Errorf("granted %q", granted)
	}
	l.now = l.now.Add(6*24*time.Hour + 23*time.Hour)
	source := func() error {
		_, err := cfg.TokenSource(context.Background(), &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
		return err
	}
	if err := source(); err != nil {
		t.Errorf("after almost seven days: %v", err)
	}
	l.now = l.now.Add(time.Hour)
	if word, _ := refused(source()); word != "invalid_grant" {
		t.Errorf("after seven days: %v", source())
	}
}

// TestTwoPersons keeps two people apart.
func TestTwoPersons(t *testing.T) {
	a, b := berlin(t), berlin(t)
	b.Seed = 8
	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{a, b}, Now: fixed(instant(t, "2025-04-10T12:00:00Z")), NoQuota: true})
	ask := func(p *simulate.Person, path string) string {
		code, body := get(t, g, g.AccessToken(p), path)
		if code != http.StatusOK {
			t.Fatalf("%s: %d", path, code)
		}
		return string(body)
	}
	for _, path := range []string{"/v4/users/me/identity", "/v4/users/me/dataTypes/heart-rate/dataPoints?pageSize=10", "/v4/users/me/dataTypes/sleep/dataPoints?pageSize=1"} {
		if ask(a, path) == ask(b, path) {
			t.Errorf("%s: both persons get the same", path)
		}
	}
	g.Withdraw(a)
	if code, _ := get(t, g, g.AccessToken(b), "/v4/users/me/identity"); code != http.StatusOK {
		t.Errorf("one person withdrew, the other gets %d", code)
	}
}

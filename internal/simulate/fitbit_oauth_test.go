package simulate_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// fitbitLab is a Fitbit server on a port with a clock that tests move.
type fitbitLab struct {
	*testing.T
	f    *simulate.Fitbit
	p    *simulate.Person
	srv  *httptest.Server
	now  time.Time
	apps []simulate.FitbitApp
}

func newFitbitLab(t *testing.T, cfg simulate.FitbitConfig) *fitbitLab {
	l := &fitbitLab{T: t, p: berlin(t), now: instant(t, "2025-04-10T12:00:00Z")}
	if cfg.Apps == nil {
		cfg.Apps = []simulate.FitbitApp{simulate.DefaultFitbitApp()}
	}
	cfg.Persons, cfg.Now, l.apps = []*simulate.Person{l.p}, func() time.Time { return l.now }, cfg.Apps
	l.f = simulate.NewFitbit(cfg)
	l.srv = httptest.NewServer(l.f)
	t.Cleanup(l.srv.Close)
	return l
}

func (l *fitbitLab) config(scopes ...string) *oauth2.Config {
	return &oauth2.Config{ClientID: l.apps[0].ID, ClientSecret: l.apps[0].Secret, RedirectURL: "http://localhost:8080", Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: l.srv.URL + simulate.FitbitPathAuth, TokenURL: l.srv.URL + simulate.FitbitPathToken, AuthStyle: oauth2.AuthStyleInHeader}}
}

// browse opens the page, or posts it, and returns where the browser is sent, or the page.
func (l *fitbitLab) browse(page string, form url.Values) (to *url.URL, code int, body string) {
	l.Helper()
	return (&lab{t: l.T}).browse(page, form)
}

// post asks the token address, or another, with Basic unless user is empty.
func (l *fitbitLab) post(path, user, secret string, form url.Values) (int, string) {
	l.Helper()
	r, err := http.NewRequest(http.MethodPost, l.srv.URL+path, strings.NewReader(form.Encode()))
	must(l, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != "" {
		r.SetBasicAuth(user, secret)
	}
	return l.send(r)
}

func (l *fitbitLab) send(r *http.Request) (int, string) {
	l.Helper()
	resp, err := http.DefaultClient.Do(r)
	must(l, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(l, err)
	return resp.StatusCode, string(b)
}

// pair is what the token address gives.
type pair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Expires int    `json:"expires_in"`
	Type    string `json:"token_type"`
	User    string `json:"user_id"`
	Scope   string
}

// renew takes a refresh token to the token address.
func (l *fitbitLab) renew(token string) (int, pair, string) {
	l.Helper()
	code, body := l.post(simulate.FitbitPathToken, l.apps[0].ID, l.apps[0].Secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	var x pair
	must(l, json.Unmarshal([]byte(body), &x))
	return code, x, body
}

// TestFitbitConsent goes the whole way with x/oauth2: page, button, code, PKCE, refresh, introspection, revocation.
func TestFitbitConsent(t *testing.T) {
	l := newFitbitLab(t, simulate.FitbitConfig{})
	cfg, ctx := l.config("sleep", "settings"), context.Background()
	verifier := oauth2.GenerateVerifier()
	page := cfg.AuthCodeURL("a state", oauth2.S256ChallengeOption(verifier))
	if _, code, body := l.browse(page, nil); code != http.StatusOK || !strings.Contains(body, "<button") || !strings.Contains(body, "settings") {
		t.Fatalf("the page: %d %s", code, body)
	}
	consent := func() string {
		to, code, _ := l.browse(page, url.Values{"choice": {"allow"}, "granted": {"sleep"}})
		if code != http.StatusFound || to.Host != "localhost:8080" || to.Query().Get("state") != "a state" || to.Fragment != "_=_" || !regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(to.Query().Get("code")) {
			t.Fatalf("redirected with %d to %v", code, to)
		}
		return to.Query().Get("code")
	}
	code := consent()
	_, err := cfg.Exchange(ctx, code, oauth2.VerifierOption(oauth2.GenerateVerifier()))
	if status, body := fitbitRefused(err); status != 400 || !strings.Contains(body, `"invalid_grant"`) {
		t.Errorf("another verifier: %v", err)
	}
	code = consent()
	tok, err := cfg.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if tok.Extra("scope") != "sleep" || tok.Extra("user_id") != l.p.LegacyAccount() || tok.Extra("expires_in") != 28800.0 || tok.TokenType != "Bearer" || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(tok.RefreshToken) {
		t.Errorf("exchanged for %v %v %v %v", tok.Extra("scope"), tok.Extra("user_id"), tok.Extra("expires_in"), tok.TokenType)
	}
	_, err = cfg.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if status, body := fitbitRefused(err); status != 400 || !strings.HasPrefix(body, `{"errors":[{"errorType":"invalid_grant","message":"Authorization code invalid: `+code) {
		t.Errorf("a code twice: %v", err)
	}
	checkJWT(t, tok.AccessToken, l)
	if code, _, _ := fetch(t, l.f, tok.AccessToken, user+"devices.json"); code != http.StatusForbidden {
		t.Errorf("an unticked scope was granted: %d", code)
	}
	l.introspect(tok.AccessToken)
	l.now = l.now.Add(8 * time.Hour)
	if code, body, _ := fetch(t, l.f, tok.AccessToken, "/1.2/user/-/sleep/date/2025-04-09.json"); code != http.StatusUnauthorized || at(t, body, "errors 0 errorType") != `"expired_token"` {
		t.Errorf("after eight hours: %d %s", code, body)
	}
	fresh, err := cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: tok.RefreshToken}).Token()
	if err != nil || fresh.AccessToken == tok.AccessToken || fresh.RefreshToken == tok.RefreshToken {
		t.Fatalf("refreshed: %v", err)
	}
	if code, body := l.post(simulate.FitbitPathRevoke, l.apps[0].ID, l.apps[0].Secret, url.Values{"token": {fresh.AccessToken}}); code != http.StatusOK || body != "" {
		t.Errorf("revoked: %d %s", code, body)
	}
	if code, body, _ := fetch(t, l.f, fresh.AccessToken, "/1.2/user/-/sleep/date/2025-04-09.json"); code != http.StatusUnauthorized || at(t, body, "errors 0 errorType") != `"invalid_token"` {
		t.Errorf("a revoked token: %d %s", code, body)
	}
	if code, _, body := l.renew(fresh.RefreshToken); code != 400 || !strings.Contains(body, "invalid_grant") {
		t.Errorf("a revoked refresh token: %d %s", code, body)
	}
}

func fitbitRefused(err error) (int, string) {
	var e *oauth2.RetrieveError
	if !errors.As(err, &e) {
		return 0, ""
	}
	return e.Response.StatusCode, string(e.Body)
}

// checkJWT looks into an access token.
func checkJWT(t *testing.T, token string, l *fitbitLab) {
	t.Helper()
	part := strings.Split(token, ".")
	if len(part) != 3 {
		t.Fatalf("a token of %d parts", len(part))
	}
	raw, err := base64.RawURLEncoding.DecodeString(part[1])
	must(t, err)
	var claims struct {
		Sub, Aud, Iss, Typ, Scopes string
		Exp, Iat                   int64
	}
	must(t, json.Unmarshal(raw, &claims))
	if claims.Sub != l.p.LegacyAccount() || claims.Aud != l.apps[0].ID || claims.Iss != "Fitbit" || claims.Typ != "access_token" || claims.Scopes != "rsle" || claims.Exp-claims.Iat != 28800 || claims.Iat != l.now.Unix() {
		t.Errorf("claims %+v", claims)
	}
}

func (l *fitbitLab) introspect(token string) {
	l.Helper()
	ask := func(about string) string {
		r, err := http.NewRequest(http.MethodPost, l.srv.URL+simulate.FitbitPathIntrospect, strings.NewReader(url.Values{"token": {about}}.Encode()))
		must(l, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer "+token)
		_, body := l.send(r)
		return body
	}
	want := fmt.Sprintf(`{"active":true,"client_id":"%s","exp":%d,"iat":%d,"scope":"{SLEEP=READ}","token_type":"access_token","user_id":"%s"}`, l.apps[0].ID, l.now.Add(8*time.Hour).UnixMilli(), l.now.UnixMilli(), l.p.LegacyAccount())
	if got := ask(token); got != want {
		l.Errorf("introspected %s, want %s", got, want)
	}
	if got := ask("abc"); got != `{"active":false}` {
		l.Errorf("introspected %s", got)
	}
}

// TestFitbitRefresh goes through the life of refresh tokens: single use, the repeated request, and what ends its time.
func TestFitbitRefresh(t *testing.T) {
	for _, x := range []struct {
		name   string
		after  time.Duration
		before func(l *fitbitLab, got pair) // what happens between the two requests
		same   bool
	}{
		{"at once", 0, nil, true},
		{"almost two minutes later", 119 * time.Second, nil, true},
		{"two minutes later", 120 * time.Second, nil, false},
		{"after the new access token was used", time.Second, func(l *fitbitLab, got pair) { fetch(l, l.f, got.Access, user+"profile.json") }, false},
		{"after the new refresh token was used", time.Second, func(l *fitbitLab, got pair) { l.renew(got.Refresh) }, false},
		{"after another consent", time.Second, func(l *fitbitLab, _ pair) { l.f.Grant(l.p) }, false},
		{"after the person withdrew", time.Second, func(l *fitbitLab, _ pair) { l.f.Withdraw(l.p) }, false},
	} {
		l := newFitbitLab(t, simulate.FitbitConfig{})
		first := simulate.DefaultFitbitApp().Refresh
		older := l.f.AccessToken(l.p)
		code, got, body := l.renew(first)
		if code != 200 || got.Access == "" || got.Refresh == first || got.Expires != 28800 || got.Type != "Bearer" || got.User != l.p.LegacyAccount() || len(strings.Fields(got.Scope)) != 15 {
			t.Fatalf("%s: %d %s", x.name, code, body)
		}
		if code, _, _ := fetch(t, l.f, older, user+"profile.json"); code != 200 {
			t.Errorf("%s: a refresh killed the older access token", x.name)
		}
		if x.before != nil {
			x.before(l, got)
		}
		l.now = l.now.Add(x.after)
		code, again, body := l.renew(first)
		want := `{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid: ` + first + `. Visit https://dev.fitbit.com/docs/oauth2 for more information on the Fitbit Web API authorization process."}],"success":false}`
		if x.same && (code != 200 || again != got) || !x.same && (code != 400 || body != want) {
			t.Errorf("%s: %d %s", x.name, code, body)
		}
	}
	// a request that is not the same is no repetition
	l := newFitbitLab(t, simulate.FitbitConfig{})
	first := simulate.DefaultFitbitApp().Refresh
	l.renew(first)
	if code, _ := l.post(simulate.FitbitPathToken, l.apps[0].ID, l.apps[0].Secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first}, "expires_in": {"28800"}}); code != 400 {
		t.Errorf("another request with a spent token: %d", code)
	}
	// one refresh token per person and app
	old := l.f.Grant(l.p)
	l.f.Grant(l.p)
	if code, _, _ := l.renew(old); code != 400 {
		t.Errorf("the refresh token of an older consent: %d", code)
	}
}

// TestFitbitSignIn wants each type of app to sign in by its own rules.
func TestFitbitSignIn(t *testing.T) {
	app := simulate.DefaultFitbitApp()
	for _, x := range []struct {
		name   string
		kind   simulate.AppType
		basic  bool
		secret string
		query  string
		form   url.Values
		code   int
		word   string
	}{
		{"a server with Basic", simulate.ServerApp, true, app.Secret, "", nil, 200, ""},
		{"a server with Basic and its id", simulate.ServerApp, true, app.Secret, "", url.Values{"client_id": {app.ID}}, 200, ""},
		{"a server without", simulate.ServerApp, false, "", "", url.Values{"client_id": {app.ID}}, 401, "invalid_client"},
		{"a client with its id", simulate.ClientApp, false, "", "", url.Values{"client_id": {app.ID}}, 200, ""},
		{"a client with Basic", simulate.ClientApp, true, app.Secret, "", nil, 401, "invalid_client"},
		{"a personal app with Basic", simulate.PersonalApp, true, app.Secret, "", nil, 200, ""},
		{"a personal app with its id", simulate.PersonalApp, false, "", "", url.Values{"client_id": {app.ID}}, 200, ""},
		{"a wrong secret", simulate.PersonalApp, true, "wrong", "", nil, 401, "invalid_client"},
		{"an unknown app", simulate.PersonalApp, false, "", "", url.Values{"client_id": {"22XXXX"}}, 401, "invalid_client"},
		{"nobody", simulate.PersonalApp, false, "", "", nil, 400, "invalid_request"},
		{"an id in the address beside Basic", simulate.PersonalApp, true, app.Secret, "?client_id=" + app.ID, nil, 400, "invalid_request"},
		{"no refresh token", simulate.PersonalApp, true, app.Secret, "", url.Values{"refresh_token": {""}}, 400, "invalid_request"},
		{"no kind of grant", simulate.PersonalApp, true, app.Secret, "", url.Values{"grant_type": {""}}, 400, "invalid_request"},
		{"another kind of grant", simulate.PersonalApp, true, app.Secret, "", url.Values{"grant_type": {"password"}}, 400, "unsupported_grant_type"},
		{"no code", simulate.PersonalApp, true, app.Secret, "", url.Values{"grant_type": {"authorization_code"}}, 400, "invalid_request"},
		{"an unknown code", simulate.PersonalApp, true, app.Secret, "", url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}, 400, "invalid_grant"},
	} {
		own := app
		own.Type = x.kind
		l := newFitbitLab(t, simulate.FitbitConfig{Apps: []simulate.FitbitApp{own}})
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {app.Refresh}}
		for k, v := range x.form {
			form[k] = v
		}
		name := ""
		if x.basic {
			name = app.ID
		}
		code, body := l.post(simulate.FitbitPathToken+x.query, name, x.secret, form)
		word := strings.Trim(at(t, []byte(body), "errors 0 errorType"), `"`)
		if word == "<none>" {
			word = ""
		}
		if code != x.code || word != x.word {
			t.Errorf("%s: %d %s", x.name, code, body)
		}
	}
}

// TestFitbitConsentRefused asks the page for what it must refuse, and wants the words that the developers' site lists.
func TestFitbitConsentRefused(t *testing.T) {
	app := simulate.DefaultFitbitApp()
	two := app
	two.ID, two.Refresh, two.Redirects = "23WXYZ", "", []string{"http://localhost:8080", "http://localhost:9090/back"}
	l := newFitbitLab(t, simulate.FitbitConfig{Apps: []simulate.FitbitApp{app, two}})
	good := url.Values{"client_id": {app.ID}, "redirect_uri": {"http://localhost:8080"}, "response_type": {"code"}, "scope": {"sleep weight"}, "state": {"x"}}
	for _, x := range []struct{ name, key, value, text string }{
		{"good", "", "", ""},
		{"no redirect where one is registered", "redirect_uri", "", ""},
		{"plain challenge", "code_challenge", strings.Repeat("a", 43), ""},
		{"no client", "client_id", "", "invalid_request - Missing parameters: client_id"},
		{"client", "client_id", "22XXXX", "unauthorized_client - Invalid client_id"},
		{"redirect", "redirect_uri", "http://localhost:8080/", "invalid_request - Invalid redirect_uri parameter value"},
		{"token flow", "response_type", "token", "unsupported_response_type - Invalid response_type parameter value"},
		{"short challenge", "code_challenge", "abc", "invalid_request - The code_challenge parameter length must be between 43 and 128"},
		{"method", "code_challenge_method", "S512", "invalid_request - Unsupported code_challenge_method"},
		{"no scope", "scope", "", "invalid_request - Missing parameters: scope"},
		{"scope", "scope", "sleep mood", "invalid_scope - Invalid scope: mood"},
	} {
		q := url.Values{}
		for k, v := range good {
			q[k] = v
		}
		if x.key != "" {
			q.Set(x.key, x.value)
		}
		_, code, body := l.browse(l.srv.URL+simulate.FitbitPathAuth+"?"+q.Encode(), nil)
		if x.text == "" && code != http.StatusOK || x.text != "" && (code != http.StatusBadRequest || !strings.Contains(body, x.text)) {
			t.Errorf("%s: %d %s", x.name, code, body)
		}
	}
	q := url.Values{"client_id": {two.ID}, "response_type": {"code"}, "scope": {"sleep"}}
	if _, code, _ := l.browse(l.srv.URL+simulate.FitbitPathAuth+"?"+q.Encode(), nil); code != http.StatusBadRequest {
		t.Errorf("no redirect where two are registered: %d", code)
	}
	to, _, _ := l.browse(l.srv.URL+simulate.FitbitPathAuth+"?"+good.Encode(), url.Values{"choice": {"deny"}})
	if to == nil || to.Query().Get("error") != "access_denied" || to.Query().Get("state") != "x" || to.Fragment != "_=_" {
		t.Errorf("cancelled: %v", to)
	}
}

// TestFitbitCode lets a code grow old, and exchanges one with another redirect and with a plain verifier.
func TestFitbitCode(t *testing.T) {
	l := newFitbitLab(t, simulate.FitbitConfig{AutoApprove: true, Deny: []string{"location"}})
	cfg := l.config("location", "sleep")
	plain := strings.Repeat("b", 50)
	consent := func(more ...oauth2.AuthCodeOption) string {
		to, _, _ := l.browse(cfg.AuthCodeURL("s", more...), nil)
		return to.Query().Get("code")
	}
	for _, x := range []struct {
		name     string
		wait     time.Duration
		redirect string
		ask      []oauth2.AuthCodeOption
		give     []oauth2.AuthCodeOption
		good     bool
	}{
		{"good", 0, "", nil, nil, true},
		{"ten minutes old", 10 * time.Minute, "", nil, nil, false},
		{"almost ten minutes old", 10*time.Minute - time.Second, "", nil, nil, true},
		{"another redirect", 0, "http://localhost:9090", nil, nil, false},
		{"plain", 0, "", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("code_challenge", plain)}, []oauth2.AuthCodeOption{oauth2.VerifierOption(plain)}, true},
		{"plain and wrong", 0, "", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("code_challenge", plain)}, []oauth2.AuthCodeOption{oauth2.VerifierOption(plain + "c")}, false},
		{"no verifier", 0, "", []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("code_challenge", plain)}, nil, false},
	} {
		code := consent(x.ask...)
		l.now = l.now.Add(x.wait)
		own := *cfg
		if x.redirect != "" {
			own.RedirectURL = x.redirect
		}
		tok, err := own.Exchange(context.Background(), code, x.give...)
		if (err == nil) != x.good {
			t.Errorf("%s: %v", x.name, err)
		}
		if err == nil && tok.Extra("scope") != "sleep" {
			t.Errorf("%s: granted %v", x.name, tok.Extra("scope"))
		}
	}
}

// TestFitbitTwoPersons keeps two people and their windows apart.
func TestFitbitTwoPersons(t *testing.T) {
	a, b := berlin(t), berlin(t)
	b.Seed = 8
	f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{a, b}, Now: fixed(instant(t, "2025-04-10T12:00:00Z")), PerHour: 3})
	for _, path := range []string{"profile.json", "activities/heart/date/2025-04-09/1d/1min.json", "spo2/date/2025-04-09.json"} {
		_, one, _ := fetch(t, f, f.AccessToken(a), user+path)
		_, two, _ := fetch(t, f, f.AccessToken(b), user+path)
		if string(one) == string(two) {
			t.Errorf("%s: both persons get the same", path)
		}
	}
	if code, _, _ := fetch(t, f, f.AccessToken(a), user+"profile.json"); code != http.StatusTooManyRequests {
		t.Errorf("the fourth request of a: %d", code)
	}
	f.Withdraw(a)
	if code, _, _ := fetch(t, f, f.AccessToken(b), user+"profile.json"); code != http.StatusTooManyRequests {
		t.Errorf("one person withdrew, the other gets %d", code)
	}
}

package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// timeout bounds one request to the token service.
const timeout = 30 * time.Second

// A Client is the program as the service knows it. It prints without its secret.
type Client struct {
	Provider Provider
	ID       string
	Secret   string
	Redirect string       // the registered redirect address
	HTTP     *http.Client // nil for the default one
}

// String implements fmt.Stringer without the secret.
func (c Client) String() string { return fmt.Sprintf("auth.Client(%s)", c.Provider.Name) }

// GoString implements fmt.GoStringer without the secret.
func (c Client) GoString() string { return c.String() }

// LogValue tells what may stand in a log.
func (c Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// style is how this client tells who it is: without a secret there is nothing for a header.
func (c Client) style() oauth2.AuthStyle {
	if c.Secret == "" {
		return oauth2.AuthStyleInParams
	}
	return c.Provider.Style
}

func (c Client) oauth() *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.ID, ClientSecret: c.Secret, RedirectURL: c.Redirect, Scopes: c.Provider.scopeIDs(),
		Endpoint: oauth2.Endpoint{AuthURL: c.Provider.AuthURL, TokenURL: c.Provider.TokenURL, AuthStyle: c.style()},
	}
}

// client never follows a redirect: a request that carries secrets goes where it was sent or nowhere.
func (c Client) client() *http.Client {
	var h http.Client
	if c.HTTP != nil {
		h = *c.HTTP
	}
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &h
}

func (c Client) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return context.WithValue(ctx, oauth2.HTTPClient, c.client()), cancel
}

// exchange turns a code into tokens.
func (c Client) exchange(ctx context.Context, code, verifier string, now func() time.Time) (Token, error) {
	ctx, cancel := c.context(ctx)
	defer cancel()
	got, err := c.oauth().Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Token{}, c.classify("exchanging the code", err, now(), code, verifier)
	}
	at := now()
	t, err := c.token(got, Token{Authorized: at}, at)
	if err != nil {
		return Token{}, c.classify("exchanging the code", err, at, code, verifier)
	}
	return t, nil
}

// refresh turns a refresh token into new tokens. What the answer leaves out stays as it was.
func (c Client) refresh(ctx context.Context, old Token, now func() time.Time) (Token, error) {
	ctx, cancel := c.context(ctx)
	defer cancel()
	got, err := c.oauth().TokenSource(ctx, &oauth2.Token{RefreshToken: old.Refresh}).Token()
	if err != nil {
		return Token{}, c.classify("refreshing the access token", err, now(), old.Access, old.Refresh)
	}
	at := now()
	t, err := c.token(got, old, at)
	if err != nil {
		return Token{}, c.classify("refreshing the access token", err, at, old.Access, old.Refresh)
	}
	return t, nil
}

// token takes over the service's answer. Its end is reckoned on our clock, which may be a shifted one.
func (c Client) token(got *oauth2.Token, old Token, at time.Time) (Token, error) {
	t := old
	t.Provider, t.Access, t.SavedAt = c.Provider.Name, got.AccessToken, at
	life := time.Duration(got.ExpiresIn) * time.Second
	if life <= 0 {
		life = time.Hour // the service did not say; a 401 will
	}
	t.Expiry = at.Add(life)
	if got.RefreshToken != old.Refresh {
		t.Refresh, t.RefreshExpires = got.RefreshToken, time.Time{}
	}
	switch in := secondsOf(got.Extra("refresh_token_expires_in")); {
	case in > 0:
		t.RefreshExpires = at.Add(in)
	case !t.RefreshExpires.IsZero() && at.After(t.RefreshExpires):
		t.RefreshExpires = time.Time{} // it outlived its announced end
	}
	if scope, ok := got.Extra("scope").(string); ok && scope != "" {
		t.Scopes = strings.Fields(scope)
	}
	return t, errors.Join(checkToken(t.Access), checkToken(t.Refresh))
}

// revoke takes the right back at the service. A token that it does not know any more is revoked already.
func (c Client) revoke(ctx context.Context, token string, now time.Time) error {
	ctx, cancel := c.context(ctx)
	defer cancel()
	form := url.Values{"token": {token}}
	if c.Provider.Style == oauth2.AuthStyleInHeader && c.Secret == "" {
		form.Set("client_id", c.ID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Provider.RevokeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("revoking: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.style() == oauth2.AuthStyleInHeader {
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	}
	resp, err := c.client().Do(req)
	if err != nil {
		return c.classify("revoking", err, now, token)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusBadRequest {
		return nil
	}
	return c.classify("revoking", &oauth2.RetrieveError{Response: resp}, now, token)
}

package auth

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

func (r *rig) http() *http.Client {
	return &http.Client{Transport: &Transport{Tokens: r.tokens, Host: strings.TrimPrefix(r.URL, "http://"), Base: http.DefaultTransport}}
}

func TestBearerAndOneRepetition(t *testing.T) {
	r := newRig(t)
	stale := use(t, r, 1)
	r.change(func() { delete(r.access, stale) }) // taken back before its end
	// A token of this minute is not renewed yet, and its refusal does not say that the user has to act.
	_, err := r.http().Post(r.URL+"/data", "text/plain", strings.NewReader("body"))
	wantError(t, err, source.Retry, "fresh_token_refused", "")
	if r.count() != 1 {
		t.Fatalf("%d refreshes", r.count())
	}
	r.clock.add(forcedPause)
	resp, err := r.http().Post(r.URL+"/data", "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || string(body) != "body" || r.count() != 2 {
		t.Fatalf("status %d, body %q, %d refreshes", resp.StatusCode, body, r.count())
	}
}

func TestBodyIsSentAgain(t *testing.T) {
	r := newRig(t)
	use(t, r, 1)
	r.clock.add(forcedPause)
	var bodies []string
	h := r.http()
	h.Transport.(*Transport).Base = roundTrip(func(req *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(req.Body)
		bodies = append(bodies, string(body))
		return &http.Response{StatusCode: 401, Body: http.NoBody, Request: req}, nil
	})
	if _, err := h.Post(r.URL+"/data", "text/plain", strings.NewReader("body")); err != nil || strings.Join(bodies, " ") != "body body" {
		t.Fatalf("%q, %v", bodies, err)
	}
}

func TestRefusedTokenIsNotTheLastResort(t *testing.T) {
	r := newRig(t)
	refused := use(t, r, 1)
	r.clock.add(forcedPause)
	r.change(func() {
		r.fault = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }
	})
	_, err := r.tokens.Renew(t.Context(), refused)
	wantError(t, err, source.Retry, "", "")
}

func TestStill401(t *testing.T) {
	r := newRig(t)
	use(t, r, 1)
	r.clock.add(forcedPause)
	attempts := 0
	h := r.http()
	h.Transport.(*Transport).Base = roundTrip(func(req *http.Request) (*http.Response, error) {
		attempts++
		return &http.Response{StatusCode: 401, Body: io.NopCloser(strings.NewReader("")), Request: req}, nil
	})
	resp, err := h.Get(r.URL + "/data")
	if err != nil || resp.StatusCode != 401 || attempts != 2 || r.count() != 2 {
		t.Fatalf("%v, %v, %d attempts, %d refreshes", resp, err, attempts, r.count())
	}
}

func TestRefusalReachesTheCaller(t *testing.T) {
	r := newRig(t)
	r.change(func() { clear(r.valid) })
	_, err := r.http().Get(r.URL + "/data")
	wantError(t, err, source.Auth, "invalid_grant", "Authorize again")
}

func TestNoBearerForOthers(t *testing.T) {
	r := newRig(t)
	var got http.Header
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { got = req.Header }))
	defer elsewhere.Close()
	h := r.http()
	base := h.Transport.(*Transport).Base
	h.Transport.(*Transport).Base = roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.URL.Path != "/data" {
			return base.RoundTrip(req)
		}
		return &http.Response{StatusCode: 302, Header: http.Header{"Location": {elsewhere.URL}}, Body: http.NoBody, Request: req}, nil
	})
	resp, err := h.Get(r.URL + "/data")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got == nil || got.Get("Authorization") != "" {
		t.Fatalf("headers elsewhere: %v", got)
	}
}

func TestBodyThatCannotBeRepeated(t *testing.T) {
	r := newRig(t)
	use(t, r, 1)
	r.change(func() { clear(r.access) })
	r.clock.add(forcedPause)
	resp, err := r.http().Post(r.URL+"/data", "text/plain", io.MultiReader(strings.NewReader("once")))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	var e *source.Error
	if errors.As(err, &e) {
		t.Fatal(e)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

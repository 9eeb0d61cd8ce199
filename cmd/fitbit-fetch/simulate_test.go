package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// TestBothServices wants each service to answer under its own paths, with the same person, and each printed app to be good.
func TestBothServices(t *testing.T) {
	clk, err := clock.Parse(told)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		flags simulateFlags
		code  int // of Fitbit's token address
	}{
		{simulateFlags{app: "personal"}, http.StatusOK}, {simulateFlags{app: "server"}, http.StatusOK}, {simulateFlags{app: "client"}, http.StatusUnauthorized}, // it has no secret
		{simulateFlags{app: "personal", retired: true}, http.StatusGone},
	} {
		f := x.flags
		f.persons, f.seed, f.zone, f.start, f.pageCap = 2, 1, "Europe/Berlin", "2026-11-01", 5000
		cfg, old := bothWorlds(t, f, clk)
		h := bothServices(simulate.NewGoogle(cfg), simulate.NewFitbit(old))
		for _, app := range old.Apps {
			r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader("grant_type=refresh_token&refresh_token="+app.Refresh))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth(app.ID, app.Secret)
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != x.code {
				t.Errorf("%+v: Fitbit's token address: %d", x.flags, w.Code)
			}
		}
		for path, want := range map[string]int{"/v4/users/me/identity": http.StatusUnauthorized, "/token": http.StatusNotFound, "/1/user/-/profile.json": map[bool]int{false: http.StatusUnauthorized, true: http.StatusGone}[f.retired]} {
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil)); w.Code != want {
				t.Errorf("%+v: %s: %d", x.flags, path, w.Code)
			}
		}
	}
}

// bothWorlds is what the command simulate would serve with those flags, as either service.
func bothWorlds(t *testing.T, f simulateFlags, clk clock.Clock) (simulate.Config, simulate.FitbitConfig) {
	t.Helper()
	cfg, err := f.world(clk)
	if err != nil {
		t.Fatal(err)
	}
	old, err := f.fitbitWorld(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, old
}

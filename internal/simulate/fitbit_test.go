package simulate_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// fitbit is a Fitbit server for one person without limits, at a fixed time.
func fitbit(p *simulate.Person, now time.Time) *simulate.Fitbit {
	return simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: fixed(now), NoLimit: true})
}

// fetch asks a handler without a network; header comes in pairs.
func fetch(t testing.TB, h http.Handler, token, path string, header ...string) (int, []byte, http.Header) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://fitbit.example"+path, nil)
	must(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := simulate.Transport{Handler: h}.RoundTrip(r)
	must(t, err)
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, b, resp.Header
}

// read asks for JSON and decodes it.
func read[T any](t testing.TB, h http.Handler, token, path string, header ...string) T {
	t.Helper()
	code, body, _ := fetch(t, h, token, path, header...)
	var v T
	if code != http.StatusOK {
		t.Fatalf("%s: %d %.300s", path, code, body)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s: %v in %.300s", path, err, body)
	}
	return v
}

// TestFitbitAnswers asks for everything once.
func TestFitbitAnswers(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-04-10T12:00:00Z"))
	token := f.AccessToken(p)
	for _, path := range []string{
		"/1/user/-/activities/heart/date/2025-04-09/1d/1sec.json",
		"/1/user/-/activities/heart/date/2025-04-09/1d/1min/time/08:00/08:10.json",
		"/1/user/-/activities/heart/date/2025-04-07/2025-04-09.json",
		"/1/user/-/activities/steps/date/2025-04-09/1d/15min.json",
		"/1/user/-/activities/calories/date/2025-04-09/1d/1min/time/08:00/08:03.json",
		"/1/user/-/activities/distance/date/2025-04-07/2025-04-09.json",
		"/1/user/-/activities/active-zone-minutes/date/2025-04-01/2025-04-09.json",
		"/1/user/-/activities/active-zone-minutes/date/2025-04-09/1d/1min.json",
		"/1/user/-/activities/date/2025-04-09.json",
		"/1/user/-/activities/list.json?beforeDate=2025-04-10&sort=desc&offset=0&limit=2",
		"/1/user/-/hrv/date/2025-04-09.json",
		"/1/user/-/hrv/date/2025-04-09/all.json",
		"/1/user/-/br/date/2025-04-08/2025-04-09/all.json",
		"/1/user/-/spo2/date/2025-04-09.json",
		"/1/user/-/spo2/date/2025-04-08/2025-04-09.json",
		"/1/user/-/temp/skin/date/2025-04-08/2025-04-09.json",
		"/1/user/-/temp/core/date/2025-04-01/2025-04-30.json",
		"/1/user/-/cardioscore/date/2025-04-08/2025-04-09.json",
		"/1.2/user/-/sleep/date/2025-04-09.json",
		"/1.2/user/-/sleep/list.json?afterDate=2025-04-01&sort=asc&offset=0&limit=2",
		"/1/user/-/body/log/weight/date/2025-04-01/2025-04-09.json",
		"/1/user/-/body/log/fat/date/2025-04-09/1m.json",
		"/1/user/-/body/weight/date/2025-04-09/7d.json",
		"/1/user/-/devices.json", "/1/user/-/profile.json",
	} {
		if code, body, _ := fetch(t, f, token, path); code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

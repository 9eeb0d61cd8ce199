package simulate_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

func do(t testing.TB, g *simulate.Google, token, method, path, body string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, "https://health.example"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := simulate.Transport{Handler: g}.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

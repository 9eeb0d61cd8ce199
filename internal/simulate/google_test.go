package simulate_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

func day(t testing.TB, s string) metric.Day {
	t.Helper()
	d, err := metric.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// berlin is a person in Berlin from 2025-01-01 on.
func berlin(t testing.TB) *simulate.Person {
	start := day(t, "2025-01-01")
	return &simulate.Person{Seed: 7, Start: start, Zones: metric.Zones{{From: start, Name: "Europe/Berlin"}}}
}

func fixed(at time.Time) func() time.Time { return func() time.Time { return at } }

// get asks a server without a network.
func get(t testing.TB, g *simulate.Google, token, path string) (int, []byte) {
	t.Helper()
	return do(t, g, token, http.MethodGet, path, "")
}

package fitbit

import (
	"flag"
	"net/http"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var golden = sourcetest.Golden{Base: DefaultBase, Open: func(t testing.TB, c sourcetest.Case, client *http.Client) sourcetest.Watched {
	return newSource(t, client, func() time.Time { return c.Now })
}}

func TestGolden(t *testing.T) {
	g := golden
	g.Update = *update
	g.Run(t)
}

func newSource(t testing.TB, client *http.Client, now func() time.Time) *Source {
	t.Helper()
	s, err := New(Config{HTTP: client, Person: "anna", Catalogue: metric.Default(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

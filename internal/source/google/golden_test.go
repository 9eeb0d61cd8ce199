package google

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
	s, err := New(Config{HTTP: client, Person: "anna", Catalogue: metric.Default(), Now: func() time.Time { return c.Now }, Unlimited: true, Family: c.Family})
	if err != nil {
		t.Fatal(err)
	}
	return s
}}

func TestGolden(t *testing.T) {
	g := golden
	g.Update = *update
	g.Run(t)
}

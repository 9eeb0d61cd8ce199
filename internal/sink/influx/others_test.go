package influx

import (
	"fmt"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/core3"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/victoria"
)

// openOther makes a sink on a server that is no InfluxDB 1 or 2.
func openOther(t testing.TB, cfg Config) *Sink {
	t.Helper()
	cfg.Units, cfg.Catalogue = Metric, sinktest.Catalogue()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestInfluxDB3Double runs the suite against a double of InfluxDB 3 Core, made from its documents: no real one can be had here.
func TestInfluxDB3Double(t *testing.T) {
	srv := core3.Start(t)
	n := 0
	sinktest.Run(t, dialects[V3].traits, func(t *testing.T) sinktest.Subject {
		n++
		cfg := Config{Version: V3, URL: srv.URL, Database: fmt.Sprintf("db%d", n), Token: core3.Token}
		wrong := cfg
		wrong.Token = "wrong"
		return sinktest.Subject{
			Sink: openOther(t, cfg), Stranger: openOther(t, wrong),
			Rows:  func(t testing.TB, m string) []sinktest.Row { return srv.Rows(cfg.Database, m) },
			Put:   func(t testing.TB, lines string) { srv.Put(cfg.Database, lines) },
			Empty: func(t testing.TB) { srv.Drop(cfg.Database) },
			Stop:  srv.Stop, Start: srv.Start,
		}
	})
}

func TestVictoriaMetrics(t *testing.T) {
	srv := victoria.Start(t)
	cfg := Config{Version: VictoriaMetrics, URL: srv.URL, Username: victoria.User, Password: victoria.Password}
	wrong := cfg
	wrong.Password = "wrong"
	sinktest.Run(t, dialects[VictoriaMetrics].traits, func(t *testing.T) sinktest.Subject {
		srv.Empty()
		return sinktest.Subject{
			Sink: openOther(t, cfg), Stranger: openOther(t, wrong),
			Rows:  func(t testing.TB, m string) []sinktest.Row { return srv.Rows(m) },
			Empty: func(t testing.TB) { srv.Empty() },
			Stop:  srv.Stop, Start: srv.Start,
		}
	})
}

package web

import (
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

func TestEveryPage(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	for _, a := range []string{"/", "/?person=anna", "/?day=2026-11-20", "/status", "/status?person=anna", "/setup", "/setup?person=anna", "/confirm?what=erase&person=main", "/confirm?what=deauthorize"} {
		if n := len(v.page(a)); n > 60_000 {
			t.Errorf("%s has %d bytes", a, n)
		}
	}
}

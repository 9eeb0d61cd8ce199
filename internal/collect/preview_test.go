package collect

import (
	"testing"
	"testing/synctest"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/plan"
)

// TestPreviewBeforeTheFirstQuestion: a command that only shows the plan has asked for no devices, and tells all the same what comes
// behind that question. It asks nothing.
func TestPreviewBeforeTheFirstQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(three())
		cfg := config(s, newStore())
		cfg.Start = metric.DayOf(epoch) - 20
		d, err := New(cfg).Preview(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Items) < 4 || d.Items[0].Feed != plan.Poll || d.Items[1].Feed == plan.Poll {
			t.Errorf("%d items %+v, want the devices first and then what follows", len(d.Items), d.Items)
		}
		if made := s.made("", epoch); len(made) > 0 {
			t.Errorf("%d requests were made", len(made))
		}
	})
}

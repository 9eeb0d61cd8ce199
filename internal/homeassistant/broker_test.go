package homeassistant

import (
	"encoding/json"
	"testing"
	"time"
)

const (
	stepsTopic   = "fitbit_fetch/me/steps"
	aliveTopic   = "fitbit_fetch/availability"
	personTopic  = "homeassistant/device/fitbit_fetch_me/config"
	programTopic = "homeassistant/device/fitbit_fetch_service/config"
)

var noon = time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)

// stepping is a world in which steps are counted.
func stepping(b *testBroker) *world {
	w := newWorld(noon, 1)
	w.archive.value("me", "steps", 8231, berlin.Midnight(20777))
	w.archive.value("me", "hrv", 41.26, berlin.Midnight(20777))
	w.setBroker(b.at(user, secret))
	return w
}

func TestPublishes(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		w := stepping(b)
		ha := watch(t, b.admin())
		p, stop := w.run(t)
		until(t, "the steps are there", func() bool { return ha.value(stepsTopic) == 8231.0 })
		if got := ha.get(aliveTopic); got != "online" {
			t.Errorf("availability is %q", got)
		}
		var d payload
		if err := json.Unmarshal([]byte(ha.get(personTopic)), &d); err != nil {
			t.Fatal(err)
		}
		if c := d.Components["steps"]; c.UniqueID != "fitbit_fetch_me_steps" || c.DefaultEntityID != "sensor.fitbit_anna_steps" || c.StateTopic != stepsTopic {
			t.Errorf("announced as %+v", c)
		}
		if s := p.Status(); !s.Connected || s.Problem != "" {
			t.Errorf("status %+v", s)
		}
		w.archive.change(func(a *fakeArchive) { a.value("me", "steps", 8300, berlin.Midnight(20777)) })
		until(t, "a change is there", func() bool { return ha.value(stepsTopic) == 8300.0 })
		late := watch(t, b.admin())
		until(t, "all is retained", func() bool { return late.value(stepsTopic) == 8300.0 && late.get(personTopic) == ha.get(personTopic) })
		stop()
		until(t, "it says goodbye", func() bool { return ha.get(aliveTopic) == "offline" })
	})
}

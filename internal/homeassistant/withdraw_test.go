package homeassistant

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// foreign is what others keep at a broker, some of it below topics that look like ours.
var foreign = map[string]string{
	"zigbee2mqtt/lamp":                                    `{"state":"ON"}`,
	"homeassistant/device/zigbee_1/config":                `{"device":{"identifiers":["z"]},"availability":[{"topic":"zigbee2mqtt/bridge/state"}]}`,
	"homeassistant/sensor/fitbit_fetch_me/config":         `{"name":"by hand"}`,
	"homeassistant/device/fitbit_fetch_2_me/config":       `{"device":{"identifiers":["fitbit_fetch_2_me"]},"availability":[{"topic":"fitbit_fetch_2/availability"}]}`,
	"homeassistant/device/fitbit_fetch_me_by_hand/config": `hello`,
	"fitbit_fetch_2/me/steps":                             `{"value":2}`,
	"fitbit_fetch_2/availability":                         `online`,
	"fitbit_fetch/me/steps/goal":                          `{"value":10000}`,
	"fitbit_fetch/notes":                                  `by hand`,
	"fitbit_fetch/me/mood":                                `{"value":"good"}`,
	"fitbit_fetch/me/weight":                              `74`,
}

// withForeign is a hub at which others have retained something.
func withForeign() *hub {
	h := newHub()
	for topic, text := range foreign {
		h.publish(message{topic, text, true})
	}
	return h
}

// ours is what a hub has retained, without what others have.
func (h *hub) ours(t *testing.T) []string {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	out := []string{}
	for _, topic := range slices.Sorted(maps.Keys(h.retained)) {
		if text, ok := foreign[topic]; !ok {
			out = append(out, topic)
		} else if text != h.retained[topic] {
			t.Errorf("%s, which is another's, is now %q", topic, h.retained[topic])
		}
	}
	for topic := range foreign {
		if _, ok := h.retained[topic]; !ok {
			t.Errorf("%s, which is another's, was removed", topic)
		}
	}
	return out
}

// household is a world with two persons and two trackers.
func household() *world {
	w := counting(8231)
	w.archive.value("me", "hrv", 40, berlin.Midnight(today))
	w.archive.value("kim", "steps", 300, berlin.Midnight(today))
	w.archive.sessions["me"] = []metric.Session{{Kind: metric.Sleep, Key: "n", Day: today, Start: noon.Add(-10 * time.Hour), End: noon.Add(-3 * time.Hour), Main: true}}
	w.cfg.People = append(w.cfg.People, w.person("kim", "Kim"))
	w.devices = []metric.Device{{ID: "1", Name: "Charge 6", Tracker: true, Battery: 50}}
	return w
}

// Switched off, all that was published is removed, once; what others have stays.
func TestOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := withForeign(), household()
		p := w.program(t, h, "alpha")
		pass(10 * time.Second)
		if n := len(h.ours(t)); n < 15 {
			t.Fatalf("only %d are retained", n)
		}
		p.stop()
		left := len(h.ours(t))
		h.published("alpha")

		w.cfg.Off = true
		h.bury("alpha", true)
		p = w.program(t, h, "alpha")
		pass(10 * time.Minute)
		if n := len(h.ours(t)); n != left || p.Status().Problem == "" {
			t.Errorf("the broker is not there: %d of %d; %+v", n, left, p.Status())
		}
		h.bury("alpha", false)
		pass(2 * time.Minute)
		if got := h.ours(t); len(got) > 0 || p.Status().Problem != "" {
			t.Errorf("left: %q; %+v", got, p.Status())
		}
		removed := h.published("alpha")
		for i, m := range removed {
			if m.payload != "" {
				t.Errorf("published %+v", m)
			}
			if i > 0 && strings.HasSuffix(m.topic, "/config") && !strings.HasSuffix(removed[i-1].topic, "/config") {
				t.Error("a state was removed before its device")
			}
		}
		p.stop()

		asked := w.attempts()
		p = w.program(t, h, "alpha")
		pass(time.Hour)
		p.stop()
		if w.attempts() != asked || len(h.published("alpha")) > 0 {
			t.Error("it was done, and is done again")
		}
		w.cfg.Off = false
		p = w.program(t, h, "alpha")
		defer p.stop()
		pass(10 * time.Second)
		if len(h.ours(t)) != left+1 { // and the owner's record
			t.Errorf("on again: %q", h.ours(t))
		}
	})
}

// Switched off, while another has taken over below the same topics: they are the other's now.
func TestOffBesideAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := withForeign(), household()
		p := w.program(t, h, "alpha")
		pass(10 * time.Second)
		p.stop()
		h.published("alpha")
		other := household().program(t, h, "beta")
		defer other.stop()
		pass(10 * time.Second)
		had := h.ours(t)
		w.cfg.Off = true
		p = w.program(t, h, "alpha")
		defer p.stop()
		pass(10 * time.Minute)
		if got := h.ours(t); !slices.Equal(got, had) || len(h.published("alpha")) > 0 {
			t.Errorf("left %q of %q", got, had)
		}
		if n := strings.Count(w.log.String(), "nothing was removed"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}

// Wrong options are no reason to remove anything: who is in them may only be mistaken for off.
func TestOffHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := withForeign(), household()
		p := w.program(t, h, "alpha")
		pass(10 * time.Second)
		p.stop()
		had := h.ours(t)
		w.cfg.Off, w.cfg.Keep = true, true
		p = w.program(t, h, "alpha")
		defer p.stop()
		pass(10 * time.Minute)
		if got := h.ours(t); !slices.Equal(got, had) {
			t.Errorf("left %q of %q", got, had)
		}
	})
}

// Removed on the page: all is gone and stays so, over a restart, until it is published again. Nothing need be remembered for that.
func TestWithdraw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := withForeign(), household()
		p := w.program(t, h, "alpha")
		pass(10 * time.Second)
		had := h.ours(t)
		if err := p.Withdraw(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := h.ours(t); len(got) > 0 || !p.Status().Withdrawn {
			t.Errorf("left: %q; %+v", got, p.Status())
		}
		w.archive.change(func(a *fakeArchive) { a.value("me", "steps", 9000, berlin.Midnight(today)) })
		pass(time.Hour)
		p.stop()
		p = w.program(t, h, "alpha")
		pass(time.Hour)
		if got := h.ours(t); len(got) > 0 || !p.Status().Withdrawn {
			t.Errorf("after a restart: %q; %+v", got, p.Status())
		}
		if err := p.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if got := h.ours(t); !slices.Equal(got, had) || p.Status().Withdrawn {
			t.Errorf("published again: %q", got)
		}
		p.stop()

		clear(w.archive.states) // an archive that was lost
		p = w.program(t, h, "alpha")
		defer p.stop()
		w.cfg.People = nil
		if err := p.Withdraw(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := h.ours(t); len(got) > 0 {
			t.Errorf("left: %q", got)
		}
	})
}

// What cannot be removed now is removed later, and whoever asks is answered.
func TestWithdrawInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := withForeign(), household()
		p := w.program(t, h, "alpha")
		defer p.stop()
		pass(10 * time.Second)
		h.bury("alpha", true)
		h.cut("alpha")
		if err := p.Withdraw(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing listens") {
			t.Errorf("the broker is not there: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Withdraw(ctx); err == nil {
			t.Error("once more: no error")
		}
		pass(time.Minute)
		h.bury("alpha", false)
		pass(time.Minute)
		if got := h.ours(t); len(got) > 0 {
			t.Errorf("left: %q", got)
		}
		other := household().program(t, h, "beta")
		defer other.stop()
		pass(10 * time.Second)
		had := h.ours(t)
		if err := p.Withdraw(t.Context()); !errors.Is(err, errOthers) {
			t.Errorf("another publishes: %v", err)
		}
		if got := h.ours(t); !slices.Equal(got, had) {
			t.Errorf("left %q of %q", got, had)
		}
	})
}

// Below other topics than before: those of before are removed.
func TestMove(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"prefix": func(c *Config) { c.Prefix = "home/devices" },
		"node":   func(c *Config) { c.Node = "fitbit_fetch_kids" },
		"both":   func(c *Config) { c.Prefix, c.Node = "ha", "watches" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, w := withForeign(), household()
				p := w.program(t, h, "alpha")
				pass(10 * time.Second)
				n := len(h.ours(t))
				p.stop()
				change(&w.cfg)
				p = w.program(t, h, "alpha")
				defer p.stop()
				pass(10 * time.Second)
				got := h.ours(t)
				for _, topic := range got {
					if !strings.HasPrefix(topic, p.cfg.Node+"/") && !strings.HasPrefix(topic, p.cfg.Prefix+"/device/"+p.cfg.Node+"_") {
						t.Errorf("left: %s", topic)
					}
				}
				if len(got) != n {
					t.Errorf("%d topics, there were %d", len(got), n)
				}
			})
		})
	}
}

// While options are wrong, it goes on below the topics of before: those of a mistake are not believed.
func TestMoveHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := withForeign(), household()
		w.cfg.Prefix, w.cfg.Node = "ha", "watches"
		p := w.program(t, h, "alpha")
		pass(10 * time.Second)
		had := h.ours(t)
		p.stop()
		w.cfg.Prefix, w.cfg.Node, w.cfg.Keep = "", "", true
		p = w.program(t, h, "alpha")
		defer p.stop()
		pass(10 * time.Second)
		if got := h.ours(t); !slices.Equal(got, had) {
			t.Errorf("left %q of %q", got, had)
		}
	})
}

// Persons, trackers and series that are no more in the options leave nothing behind.
func TestNothingStaysOfThoseWhoLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := withForeign(), household()
		p := w.program(t, h, "alpha")
		pass(10 * time.Second)
		p.stop()
		w.cfg.People = w.cfg.People[:1]
		w.cfg.People[0].LeaveOut = []metric.ID{"hrv"}
		w.devices = []metric.Device{{ID: "2", Name: "Sense 2", Tracker: true, Battery: 60}}
		p = w.program(t, h, "alpha")
		defer p.stop()
		pass(10 * time.Second)
		trackers := 0
		for _, topic := range h.ours(t) {
			if strings.Contains(topic, "kim") || strings.HasSuffix(topic, "/hrv") {
				t.Errorf("left: %s", topic)
			}
			if strings.HasSuffix(topic, "/battery") {
				trackers++
			}
		}
		if trackers != 1 {
			t.Errorf("%d trackers", trackers)
		}
	})
}

// Who only waited for a node that another owned has published nothing there, and removes nothing, even while the other is away.
func TestWaitingLeavesOthersAlone(t *testing.T) {
	for name, change := range map[string]func(c *Config){
		"another node":   func(c *Config) { c.Node = "fitbit_fetch_kids" },
		"another prefix": func(c *Config) { c.Prefix = "home/devices" },
		"switched off":   func(c *Config) { c.Off = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, w := withForeign(), household()
				a := w.program(t, h, "alpha")
				pass(10 * time.Second)
				wb := household()
				b := wb.program(t, h, "beta")
				pass(10 * time.Second)
				if !b.Status().Occupied {
					t.Fatal("the second one does not wait")
				}
				b.stop()
				a.stop()
				had := h.ours(t)
				change(&wb.cfg)
				b = wb.program(t, h, "beta")
				defer b.stop()
				pass(10 * time.Second)
				got := h.ours(t)
				for _, topic := range had {
					if !slices.Contains(got, topic) {
						t.Errorf("removed: %s", topic)
					}
				}
			})
		})
	}
}

// At a real broker nothing of ours is left.
func TestOffAtBrokers(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		ha := watch(t, b.admin())
		for topic, text := range foreign {
			ha.publish(t, topic, text, true)
		}
		w := household()
		w.setBroker(b.at(user, secret))
		_, stop := w.run(t)
		until(t, "all is published", func() bool { return ha.value(stepsTopic) == 8231.0 && ha.value("fitbit_fetch/kim/steps") == 300.0 })
		stop()
		w.cfg.Off = true
		w.run(t)
		until(t, "it says so", func() bool { return strings.Contains(w.log.String(), "the sensors are removed") })
		late := watch(t, b.admin())
		late.publish(t, "marker", "x", true) // behind its own subscription: what another says may overtake what is retained
		until(t, "what is retained has come", func() bool { return late.get("marker") == "x" })
		late.mu.Lock()
		defer late.mu.Unlock()
		delete(late.retained, "marker")
		if !maps.Equal(late.retained, foreign) {
			t.Errorf("left: %q", slices.Sorted(maps.Keys(late.retained)))
		}
	})
}

package homeassistant

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// counting is a world of its own in which so many steps have been counted.
func counting(steps float64) *world {
	w := newWorld(noon, 1)
	w.archive.value("me", "steps", steps, berlin.Midnight(today))
	return w
}

// Two programs at one broker: the first one publishes, the other says so and publishes nothing, until the first has ended.
func TestTwoPrograms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		a := counting(1).program(t, h, "alpha")
		defer a.stop()
		pass(10 * time.Second)
		wb := counting(2)
		b := wb.program(t, h, "beta")
		defer b.stop()
		pass(time.Hour)
		if got := h.published("beta"); len(got) > 0 {
			t.Fatalf("the second one published %v", got)
		}
		s := b.Status()
		if !s.Occupied || !strings.Contains(s.Problem, "another Fitbit Fetch publishes the sensors by this broker on alpha") || !strings.Contains(s.Hint, "mqtt.node") {
			t.Errorf("status %+v", s)
		}
		if n := strings.Count(wb.log.String(), "level=WARN"); n != 1 {
			t.Errorf("said %d times:\n%s", n, wb.log)
		}
		if s := a.Status(); s.Problem != "" || !s.Connected {
			t.Errorf("the first one: %+v", s)
		}
		if !strings.Contains(h.get(stepsTopic), `"value":1`) || h.get(aliveTopic) != online || h.owner() != "alpha" {
			t.Errorf("%s, %s, %s", h.get(stepsTopic), h.get(aliveTopic), h.owner())
		}

		h.cut("beta") // the end of the second one is nobody's business
		pass(time.Second)
		if got := h.get(aliveTopic); got != online {
			t.Fatalf("the end of the second one has made the first one's entities %s", got)
		}
		if got := h.published("beta"); len(got) > 0 {
			t.Fatalf("at the end of the second one the broker published %v", got)
		}
		pass(time.Minute)
		a.stop()
		if h.get(aliveTopic) != offline || h.get("fitbit_fetch/owner") != "" {
			t.Errorf("the first one left %s and %q", h.get(aliveTopic), h.get("fitbit_fetch/owner"))
		}
		pass(30 * time.Second)
		if h.owner() != "" {
			t.Error("the node was taken at once: the first one may only be starting again")
		}
		pass(time.Minute)
		if !strings.Contains(h.get(stepsTopic), `"value":2`) || h.get(aliveTopic) != online || h.owner() != "beta" || b.Status().Problem != "" {
			t.Errorf("afterwards %s, %s, %s, %+v", h.get(stepsTopic), h.get(aliveTopic), h.owner(), b.Status())
		}
	})
}

// An owner that starts again has its node back at once, with or without a goodbye, while another waits.
func TestOwnerStartsAgain(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprint("killed ", killed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, w := newHub(), counting(1)
				a := w.program(t, h, "alpha")
				pass(10 * time.Second)
				b := counting(2).program(t, h, "beta")
				defer b.stop()
				pass(10 * time.Second)
				if killed {
					a.kill()
				} else {
					a.stop()
				}
				pass(20 * time.Second)
				h.bury("alpha", false)
				if killed {
					a.stop() // in this bubble it still runs
				}
				again := w.program(t, h, "alpha")
				defer again.stop()
				defer a.stop()
				pass(5 * time.Second)
				if h.owner() != "alpha" || h.get(aliveTopic) != online || again.Status().Problem != "" {
					t.Errorf("the owner is %q, %s, %+v", h.owner(), h.get(aliveTopic), again.Status())
				}
				pass(time.Hour)
				if got := h.published("beta"); len(got) > 0 || h.owner() != "alpha" {
					t.Errorf("the second one published %v", got)
				}
			})
		})
	}
}

// A power cut locks nobody out: what nobody has renewed for three minutes is free, whatever the clocks of the two machines show.
func TestAbandonedNode(t *testing.T) {
	for _, skew := range []time.Duration{0, -6 * time.Hour, 6 * time.Hour, -24 * 365 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub()
				a := counting(1).program(t, h, "alpha")
				defer a.stop()
				pass(10 * time.Second)
				wb := newWorld(noon.Add(skew), 1)
				wb.archive.value("me", "steps", 2, berlin.Midnight(today))
				b := wb.program(t, h, "beta")
				defer b.stop()
				pass(time.Hour)
				if h.owner() != "alpha" {
					t.Fatal("a living owner was displaced")
				}
				a.kill()
				begin := time.Now()
				for h.owner() == "alpha" && time.Since(begin) < time.Hour {
					pass(time.Second)
				}
				if d := since(begin); h.owner() != "beta" || d < 110*time.Second || d > 185*time.Second {
					t.Errorf("%q after %v", h.owner(), d)
				}
			})
		})
	}
}

// A record that was there before we came, and whose owner does not answer, is waited for just as long.
func TestAbandonedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		h.publish(message{"fitbit_fetch/owner", `{"id":"other","run":"r","host":"gamma","renewed":"2020-01-01T00:00:00Z"}`, true})
		b := counting(2).program(t, h, "beta")
		defer b.stop()
		pass(10 * time.Second)
		if !b.Status().Occupied {
			t.Error("it does not say who is there")
		}
		h.cut("beta") // a connection that breaks does not start the three minutes again
		pass(2 * time.Minute)
		if h.owner() != "gamma" {
			t.Error("taken too early")
		}
		pass(70 * time.Second)
		if h.owner() != "beta" || b.Status().Occupied {
			t.Errorf("after three minutes the owner is %q", h.owner())
		}
	})
}

// What somebody else wrote there is no owner.
func TestNoRecord(t *testing.T) {
	for _, text := range []string{"", "hello", "{}", `{"id":7}`, `{"ask":"x"}`, `[]`, "\xff"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHub()
			h.publish(message{"fitbit_fetch/owner", text, true})
			b := counting(2).program(t, h, "beta")
			defer b.stop()
			pass(10 * time.Second)
			if h.owner() != "beta" {
				t.Errorf("%q keeps us out: %+v", text, b.Status())
			}
		})
	}
}

// Any number that start at one moment: one of them publishes, the others nothing.
func TestStartTogether(t *testing.T) {
	for round := range 20 {
		synctest.Test(t, func(t *testing.T) {
			h := newHub()
			var all []*program
			hosts := []string{"alpha", "beta", "gamma", "delta"}
			for i, host := range hosts {
				p := counting(float64(i+1)).program(t, h, host)
				defer p.stop()
				all = append(all, p)
				time.Sleep(time.Duration(round%5) * 300 * time.Millisecond)
			}
			pass(10 * time.Second)
			owner := h.owner()
			for _, host := range hosts {
				h.published(host)
			}
			pass(10 * time.Minute)
			free := 0
			for i, p := range all {
				if !p.Status().Occupied {
					free++
				}
				if got := h.published(hosts[i]); len(got) > 0 && hosts[i] != owner {
					t.Errorf("round %d: %s owns the node, and %s published %v", round, owner, hosts[i], got)
				}
			}
			if free != 1 || h.owner() != owner || h.get(aliveTopic) != online {
				t.Errorf("round %d: %d think they own the node; %s, before %s; %s", round, free, h.owner(), owner, h.get(aliveTopic))
			}
		})
	}
}

// A broker that loses what it retained, or a user who clears the topic: the owner stays who it was.
func TestRecordIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		a := counting(1).program(t, h, "alpha")
		defer a.stop()
		pass(10 * time.Second)
		b := counting(2).program(t, h, "beta")
		defer b.stop()
		pass(10 * time.Second)
		h.publish(message{"fitbit_fetch/owner", "", true})
		pass(time.Second)
		if h.owner() != "alpha" {
			t.Errorf("cleared: %q", h.owner())
		}
		h.bury("", true)
		h.cut("alpha")
		h.cut("beta")
		pass(10 * time.Second)
		h.mu.Lock()
		clear(h.retained)
		h.mu.Unlock()
		h.bury("", false)
		pass(2 * time.Minute)
		free := 0
		for _, p := range []*program{a, b} {
			if !p.Status().Occupied {
				free++
			}
		}
		if free != 1 || h.get(aliveTopic) != online || h.get(stepsTopic) == "" { // whoever comes first
			t.Errorf("%d own the node, %q by its record; %s", free, h.owner(), h.get(aliveTopic))
		}
	})
}

// A restored copy has the same id: it is found out all the same.
func TestCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHub(), counting(1)
		a := w.program(t, h, "alpha")
		defer a.stop()
		pass(10 * time.Second)
		copied := counting(2)
		text, _ := w.archive.State(t.Context(), "", stateKey)
		copied.archive.states["/"+stateKey] = string(text)
		b := copied.program(t, h, "beta")
		defer b.stop()
		pass(10 * time.Minute)
		if s := b.Status(); !s.Occupied || !strings.Contains(s.Problem, "a copy of this one on alpha") {
			t.Errorf("status %+v", s)
		}
		if got := h.published("beta"); len(got) > 0 || a.Status().Problem != "" {
			t.Errorf("the copy published %v; %+v", got, a.Status())
		}
	})
}

// An owner that was cut off for long, and displaced, does not come back over the other.
func TestDisplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		a := counting(1).program(t, h, "alpha")
		defer a.stop()
		pass(10 * time.Second)
		b := counting(2).program(t, h, "beta")
		defer b.stop()
		pass(10 * time.Second)
		a.kill()
		pass(5 * time.Minute)
		if h.owner() != "beta" {
			t.Fatalf("the owner is %q", h.owner())
		}
		h.published("alpha")
		h.bury("alpha", false)
		pass(10 * time.Minute)
		if got := h.published("alpha"); len(got) > 0 || h.owner() != "beta" || h.get(aliveTopic) != online || !a.Status().Occupied {
			t.Errorf("published %v; %s, %s, %+v", got, h.owner(), h.get(aliveTopic), a.Status())
		}
	})
}

// Two that each own the node on a connection of their own, as after a network was in two: one of them gives way, and says nothing that
// would make the other's entities unavailable.
func TestTwoOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		a := counting(1).program(t, h, "alpha")
		defer a.stop()
		pass(10 * time.Second)
		for _, run := range []string{"0000", "zzzz"} { // smaller and greater than any
			h.published("alpha")
			text, err := json.Marshal(record{ID: "other", Run: run, Host: "gamma"})
			if err != nil {
				t.Fatal(err)
			}
			h.publish(message{"fitbit_fetch/owner", string(text), true})
			pass(2 * time.Second)
			gone := run == "0000"
			if a.Status().Occupied != gone || (h.owner() == "alpha") == gone {
				t.Errorf("against %s: %+v, the owner is %s", run, a.Status(), h.owner())
			}
			if got := h.published("alpha"); slices.ContainsFunc(got, func(m message) bool { return m.payload == offline }) {
				t.Errorf("against %s: %v", run, got)
			}
			pass(4 * time.Minute) // nobody renews it
			if h.owner() != "alpha" || a.Status().Occupied {
				t.Errorf("against %s, in the end: %s", run, h.owner())
			}
		}
	})
}

// Somebody's goodbye in our name, such as an old version's, is set right at once.
func TestAvailabilityIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		a := counting(1).program(t, h, "alpha")
		defer a.stop()
		pass(10 * time.Second)
		h.publish(message{aliveTopic, offline, true})
		pass(time.Millisecond)
		if h.get(aliveTopic) != online {
			t.Error("our entities are unavailable")
		}
	})
}

// Two nodes do not know of each other.
func TestTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		a := counting(1).program(t, h, "alpha")
		defer a.stop()
		w := counting(2)
		w.cfg.Node = "fitbit_fetch_2"
		b := w.program(t, h, "beta")
		defer b.stop()
		pass(10 * time.Second)
		if !strings.Contains(h.get(stepsTopic), `"value":1`) || !strings.Contains(h.get("fitbit_fetch_2/me/steps"), `"value":2`) || a.Status().Occupied || b.Status().Occupied {
			t.Errorf("%s, %s", h.get(stepsTopic), h.get("fitbit_fetch_2/me/steps"))
		}
	})
}

// At real brokers: the second publisher waits, its end by force harms nobody, and it takes over when the first one is killed.
func TestTwoPublishers(t *testing.T) {
	each(t, func(t *testing.T, b *testBroker) {
		ha := watch(t, b.admin())
		first := stepping(b)
		cut := newCable(t, b.plain)
		first.setBroker(Broker{URL: "mqtt://" + cut.listener.Addr().String(), Username: user, Password: secret})
		first.timing.echo = time.Hour // a busy machine is no reason to complain
		pa, stop := first.run(t)
		until(t, "the first one publishes", func() bool { return ha.value(stepsTopic) == 8231.0 })

		second := stepping(b)
		second.archive.value("me", "steps", 17, berlin.Midnight(today))
		way := newCable(t, b.plain)
		second.setBroker(Broker{URL: "mqtt://" + way.listener.Addr().String(), Username: user, Password: secret})
		pb, stopSecond := second.run(t)
		until(t, "the second one says why it does not", func() bool { return pb.Status().Occupied })
		n := ha.count(aliveTopic)
		way.cut()
		until(t, "the second one is back", func() bool { return second.attempts() > 1 && pb.Status().Occupied && pb.Status().Connected })
		renewed := ha.count("fitbit_fetch/owner")
		until(t, "the first one renews its record", func() bool { return ha.count("fitbit_fetch/owner") > renewed+1 })
		if got := ha.count(aliveTopic); got != n || ha.value(stepsTopic) != 8231.0 || pa.Status().Problem != "" {
			t.Errorf("%d messages on availability, %d before; steps %v; %+v", got, n, ha.value(stepsTopic), pa.Status())
		}

		stopSecond()
		first.setBroker(Broker{URL: "mqtt://127.0.0.1:1"}) // it does not find its way back
		cut.listener.Close()
		cut.cut()
		until(t, "the first one's end is noticed", func() bool { return ha.get(aliveTopic) == offline })
		if ha.get("fitbit_fetch/owner") == "" {
			t.Error("the second one has released what is not its own")
		}
		second.timing.abandoned = 100 * time.Millisecond
		second.run(t)
		until(t, "the second one takes over", func() bool { return ha.get(aliveTopic) == online && ha.value(stepsTopic) == 17.0 })
		stop()
	})
}

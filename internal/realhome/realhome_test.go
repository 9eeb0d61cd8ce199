//go:build homeassistant

package realhome

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/homeassistant"
)

// back is how long entities may be away once both ends are up.
const back = 5 * time.Second

// soon is how long after a start all of which there are data is announced.
const soon = time.Second

// a thing is an entity that Home Assistant has to have.
type thing struct {
	homeassistant.Entity
	device, name string // identifier and name of its device
	id, unique   string
	topic        string
}

// things returns all entities of the table for both people, their trackers and the program; without are keys that are left out.
func (w *world) things(without ...string) (all []thing, missing string) {
	devices := map[homeassistant.Place][][3]string{ // id, name, begin of the entity ids
		homeassistant.OfService: {{"service", "Fitbit Fetch", "fitbit_fetch"}},
		homeassistant.OfPerson:  {{"default", "Fitbit", "fitbit"}, {"kim", "Fitbit Kim", "fitbit_kim"}},
	}
	announced := w.announced()
	begins := map[string]string{"Charge 6": "fitbit_charge_6", "Aria Air": "fitbit_aria_air", "Versa 4 Kim": "fitbit_kim_versa_4", "Aria Air Kim": "fitbit_kim_aria_air"}
	for id, a := range announced {
		if begin, ok := begins[a.name]; ok {
			devices[homeassistant.OfTracker] = append(devices[homeassistant.OfTracker], [3]string{id, a.name, begin})
		}
	}
	var lack []string
	if n := len(devices[homeassistant.OfTracker]); n != len(begins) {
		lack = append(lack, fmt.Sprintf("there are %d trackers and scales", n))
	}
	for _, e := range homeassistant.Entities() {
		for _, d := range devices[e.Place] {
			if slices.Contains(without, e.Key) {
				continue
			}
			if !slices.Contains(announced[d[0]].keys, e.Key) {
				lack = append(lack, d[0]+"/"+e.Key)
			}
			all = append(all, thing{e, "fitbit_fetch_" + d[0], d[1], e.Platform + "." + d[2] + "_" + e.Key, "fitbit_fetch_" + d[0] + "_" + e.Key, "fitbit_fetch/" + d[0] + "/" + e.Key})
		}
	}
	return all, strings.Join(lack, ", ")
}

// wrong says what is not right with the states of all things that are enabled; empty for nothing.
func (w *world) wrong(h *home, all []thing, enabled func(thing) bool) string {
	states := h.states()
	var out []string
	for _, e := range all {
		s, ok := states[e.id]
		if !enabled(e) {
			if ok {
				out = append(out, e.id+" has a state")
			}
			continue
		}
		if !ok {
			out = append(out, e.id+" does not exist")
			continue
		}
		if text := differs(e, s, w.seen.get(e.topic)); text != "" {
			out = append(out, e.id+": "+text)
		}
	}
	if len(out) > 5 {
		out = append(out[:5], fmt.Sprintf("and %d more", len(out)-5))
	}
	return strings.Join(out, "; ")
}

// differs holds a state against the table and what was published.
func differs(e thing, s state, published string) string {
	attribute := func(name string) string {
		text, _ := s.Attributes[name].(string)
		return text
	}
	for _, c := range [][3]string{
		{"unit", attribute("unit_of_measurement"), e.Unit}, {"device class", attribute("device_class"), e.DeviceClass},
		{"state class", attribute("state_class"), e.StateClass}, {"name", attribute("friendly_name"), e.name + " " + e.Name},
		{"icon", attribute("icon"), e.Icon},
	} {
		if c[1] != c[2] && !(c[0] == "device class" && e.Platform == homeassistant.Button) {
			return fmt.Sprintf("its %s is %q, want %q", c[0], c[1], c[2])
		}
	}
	if s.State == "unavailable" {
		return "it is unavailable"
	}
	if e.Platform == homeassistant.Button || e.Platform == homeassistant.Event {
		return "" // what they show is when, by Home Assistant's own clock
	}
	var body struct {
		Value any
		At    string `json:"measured_at"`
	}
	if err := json.Unmarshal([]byte(published), &body); err != nil {
		return fmt.Sprintf("%q was published", published)
	}
	if !same(e, s.State, body.Value) {
		return fmt.Sprintf("its state is %q, published is %v", s.State, body.Value)
	}
	if e.Place == homeassistant.OfPerson && attribute("measured_at") != body.At {
		return fmt.Sprintf("it was measured at %q, published is %q", attribute("measured_at"), body.At)
	}
	return ""
}

// same reports whether a state shows a published value.
func same(e thing, shown string, value any) bool {
	switch v := value.(type) {
	case nil:
		return shown == "unknown"
	case float64:
		f, err := strconv.ParseFloat(shown, 64)
		return err == nil && f == v
	case string:
		if e.DeviceClass == "timestamp" {
			a, errA := time.Parse(time.RFC3339, shown)
			b, errB := time.Parse(time.RFC3339, v)
			return errA == nil && errB == nil && a.Equal(b)
		}
		return shown == v || e.Platform == homeassistant.BinarySensor && shown == strings.ToLower(v)
	}
	return false
}

// complaints are what Home Assistant's log says against us.
func (h *home) complaints() []string {
	text := h.said.String()
	if file, err := os.ReadFile(h.config + "/home-assistant.log"); err == nil {
		text += string(file)
	}
	var out []string
	for _, line := range strings.Split(text, "\n") {
		low := strings.ToLower(line)
		for _, word := range []string{"fitbit", "discovery", "template", "increasing", "components.sensor", "components.mqtt.entity"} {
			if strings.Contains(low, word) {
				out = append(out, line)
				break
			}
		}
	}
	return out
}

// registered compares the registries with the table.
func registered(t *testing.T, h *home, all []thing, disabled bool) {
	t.Helper()
	entries, devices := h.entries(), h.devices()
	for _, e := range all {
		got, ok := entries[e.unique]
		if !ok {
			t.Errorf("%s is not in the registry", e.unique)
			continue
		}
		want := entry{ID: e.id, Unique: e.unique, Platform: "mqtt", Device: devices[e.device].ID, Name: e.Name}
		if e.Off && disabled {
			want.DisabledBy = "integration"
		}
		if e.Diagnostic {
			want.Category = "diagnostic"
		}
		if got != want {
			t.Errorf("%s is registered as\n%+v, want\n%+v", e.unique, got, want)
		}
		if d := devices[e.device]; d.Name != e.name {
			t.Errorf("%s is called %q, want %q", e.device, d.Name, e.name)
		}
	}
	if len(entries) != len(all) {
		t.Errorf("MQTT has %d entities, want %d", len(entries), len(all))
	}
	service := devices["fitbit_fetch_service"].ID
	for id, d := range devices {
		via := ""
		if person, tracker, _ := strings.Cut(strings.TrimPrefix(id, "fitbit_fetch_"), "_"); tracker != "" {
			via = devices["fitbit_fetch_"+person].ID
		} else if person != "service" {
			via = service
		}
		if d.Via != via {
			t.Errorf("%s belongs to %q, want %q", id, d.Via, via)
		}
	}
	if len(devices) != 7 {
		t.Errorf("MQTT has %d devices, want the program, two people, and each one's tracker and scale", len(devices))
	}
}

// life is one life of all parts: each step goes on where the one before it ended.
type life struct {
	*testing.T
	*world
	home *home
	all  []thing // that have to be there
}

func byDefault(e thing) bool { return !e.Off }
func always(thing) bool      { return true }

func TestHomeAssistant(t *testing.T) {
	w := newWorld(t)
	began := time.Now()
	l := &life{t, w, newHome(t, cmp.Or(os.Getenv("HOMEASSISTANT_VERSION"), "2026.11.0")), nil}
	t.Logf("Home Assistant runs for the first time after %v", time.Since(began))
	l.home.mqtt(w.port)
	l.appear()
	l.restartHome()
	l.killBroker()
	l.killProgram()
	l.button()
	l.remove()
	l.pass()
	for _, line := range l.home.complaints() {
		t.Errorf("Home Assistant's log: %s", line)
	}
}

// appear starts the program for the first time.
func (l *life) appear() {
	l.startProgram("")
	took := until(l.T, "all entities are announced", time.Minute, func() (missing string) {
		l.all, missing = l.things()
		return missing
	})
	l.Logf("%d entities announced %v after the program's start", len(l.all), took)
	l.Logf("all right in Home Assistant after %v more", until(l.T, "entities", 30*time.Second, func() string { return l.wrong(l.home, l.all, byDefault) }))
	registered(l.T, l.home, l.all, true)
}

// returned wants all entities back soon.
func (l *life) returned(what string) {
	l.T.Helper()
	l.Logf("%s: all is back after %v", what, until(l.T, what, back, func() string { return l.wrong(l.home, l.all, always) }))
}

// restartHome restarts Home Assistant, once its user has enabled all entities.
func (l *life) restartHome() {
	for _, e := range l.all {
		if e.Off {
			l.home.command(nil, map[string]any{"type": "config/entity_registry/update", "entity_id": e.id, "disabled_by": nil})
		}
	}
	l.home.restart()
	l.Logf("Home Assistant runs again after %v", l.home.running())
	l.returned("Home Assistant restarted")
	registered(l.T, l.home, l.all, false)
}

func (l *life) killBroker() {
	l.broker.Kill()
	l.home.lost("the broker was killed")
	l.startBroker()
	l.Logf("the broker was killed: both ends are connected again after %v", l.joined())
	l.returned("the broker killed")
}

func (l *life) killProgram() {
	l.program.Kill()
	l.home.lost("the program was killed")
	l.seen.clear()
	l.startProgram("")
	took := until(l.T, "all entities are announced again", time.Minute, func() (missing string) {
		_, missing = l.things()
		return missing
	})
	l.Logf("the program was killed: all is announced %v after its start", took)
	if took > soon {
		l.Errorf("from a start to the announcement of all it takes %v, want %v", took, soon)
	}
	l.returned("the program killed")
}

// lost waits until an entity is unavailable.
func (h *home) lost(what string) {
	h.t.Helper()
	until(h.t, what+": entities are unavailable", 10*time.Second, func() string {
		if s := h.states()["sensor.fitbit_steps"].State; s != "unavailable" {
			return "the steps are " + s
		}
		return ""
	})
}

// button presses the button in Home Assistant: the service is asked at once.
func (l *life) button() {
	asked := func() int {
		n := 0
		for _, r := range l.google.Log() {
			if strings.Contains(r.Path, "pairedDevices") {
				n++
			}
		}
		return n
	}
	before := asked()
	l.home.do(http.MethodPost, "/api/services/button/press", map[string]string{"entity_id": "button.fitbit_fetch_sync"}, nil)
	l.Logf("the button: the service is asked after %v", until(l.T, "the button", 10*time.Second, func() string {
		if asked() == before || !strings.Contains(l.program.Out.String(), "Home Assistant asks to fetch now") {
			return "nothing was asked"
		}
		return ""
	}))
}

// remove leaves a series out.
func (l *life) remove() {
	l.stopProgram()
	l.startProgram(leaveOut)
	l.all, _ = l.things("weight")
	l.Logf("removed after %v", until(l.T, "what is left out is removed", 30*time.Second, func() string {
		if n := len(l.home.entries()); n != len(l.all) {
			return fmt.Sprintf("there are %d entities, want %d", n, len(l.all))
		}
		return l.wrong(l.home, l.all, always)
	}))
	registered(l.T, l.home, l.all, false)
}

const leaveOut = "leave_out: [weight]\n"

// pass goes to just before midnight, and over it: counters begin again.
func (l *life) pass() {
	l.stopProgram()
	l.at(l.midnight.Add(-15 * time.Second))
	l.startProgram(leaveOut)
	steps := func() float64 {
		f, err := strconv.ParseFloat(l.home.states()["sensor.fitbit_steps"].State, 64)
		if err != nil {
			return -1
		}
		return f
	}
	before := 0.0
	until(l.T, "the steps before midnight", 14*time.Second, func() string {
		before = steps()
		if text := l.wrong(l.home, l.all, always); before < 1000 || text != "" {
			return fmt.Sprintf("%g steps; %s", before, text)
		}
		return ""
	})
	until(l.T, "the steps begin again at midnight", 30*time.Second, func() string {
		if n := steps(); n != 0 {
			return fmt.Sprintf("%g steps", n)
		}
		return ""
	})
	late := l.now().Sub(l.midnight)
	l.Logf("midnight: from %g steps to none, %v late", before, late)
	if late < 0 || late > back {
		l.Errorf("the steps began again %v after midnight", late)
	}
}

//go:build homeassistant

package realhome

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/homeassistant"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/supervisor/supervisortest"
)

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

// complaints are what Home Assistant's log says against us, and with more words against others.
func (h *home) complaints(more ...string) []string {
	words := append(more, "fitbit", "discovery", "template", "increasing", "components.sensor", "components.mqtt.entity")
	var out []string
	for _, line := range strings.Split(h.said.String(), "\n") {
		low := strings.ToLower(line)
		if slices.ContainsFunc(words, func(word string) bool { return strings.Contains(low, word) }) {
			out = append(out, line)
		}
	}
	return out
}

// registered compares the registries with the table.
func (l *life) registered(disabled bool) {
	l.Helper()
	entries, devices := l.home.entries(), l.home.devices()
	for _, e := range l.all {
		got, ok := entries[e.unique]
		if !ok {
			l.Errorf("%s is not in the registry", e.unique)
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
			l.Errorf("%s is registered as\n%+v, want\n%+v", e.unique, got, want)
		}
		if d := devices[e.device]; d.Name != e.name {
			l.Errorf("%s is called %q, want %q", e.device, d.Name, e.name)
		}
	}
	if len(entries) != len(l.all) || len(entries) <= 100 {
		l.Errorf("MQTT has %d entities, want %d", len(entries), len(l.all))
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
			l.Errorf("%s belongs to %q, want %q", id, d.Via, via)
		}
	}
	if len(devices) != 7 {
		l.Errorf("MQTT has %d devices, want the program, two people, and each one's tracker and scale", len(devices))
	}
}

// page is where Home Assistant of this version shows an app's page.
func (l *life) page() string {
	if l.old() {
		return "/hassio/ingress/" + l.app.Slug
	}
	return "/app/" + l.app.Slug
}

// linked waits until every device has its link.
func (l *life) linked(what string) {
	l.Helper()
	want := "homeassistant:/" + l.page()
	l.Logf("%s: each device has its link after %v", what, until(l.T, what+": the devices' links", func() string {
		for id, d := range l.home.devices() {
			if d.Page != want {
				return fmt.Sprintf("%s has %q, want %q", id, d.Page, want)
			}
		}
		return ""
	}))
}

// life is one life of all parts: each step goes on where the one before it ended.
type life struct {
	*testing.T
	*world
	home *home
	tab  *tab
	all  []thing // that have to be there
}

// old reports whether Supervisor still brings the part of the interface that shows an app's page.
func (l *life) old() bool { return strings.HasPrefix(l.home.version, "2025.") }

func byDefault(e thing) bool { return !e.Off }
func always(thing) bool      { return true }

func TestHomeAssistant(t *testing.T) {
	began := time.Now()
	h := newHome(t, cmp.Or(os.Getenv("HOMEASSISTANT_VERSION"), "2026.11.0"))
	w := newWorld(t, h.core(), func() { h.asked <- struct{}{} })
	l := &life{t, w, h, nil, nil}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Home Assistant said:\n%s\nThe program said:\n%s", proctest.Tail(h.said.String()), w.program.Tail())
		}
	})
	// Whoever starts a machine starts all at once: the app asks for what is not there yet.
	w.openDoor()
	h.start()
	w.startProgram(nil)
	h.running()
	t.Logf("Home Assistant runs for the first time after %v", time.Since(began))
	h.mqtt()
	l.appear()
	l.linked("the first start")
	l.stranger()
	l.look()
	l.export()
	l.button()
	l.notify()
	l.restartHome()
	l.complain(h.complaints("components.hassio", "aiohasupervisor"))
	l.killBroker()
	l.killProgram()
	l.withoutSupervisor()
	l.remove()
	l.pass()
	l.complain(h.complaints())
	for _, what := range w.supervisor.Unknown() {
		if !l.old() || what != entrypoint {
			t.Errorf("nobody answers %s at Supervisor", what)
		}
	}
}

func (l *life) complain(lines []string) {
	l.Helper()
	for _, line := range lines {
		l.Errorf("Home Assistant's log: %s", line)
	}
}

// appear waits for what the program brings when it starts for the first time.
func (l *life) appear() {
	took := until(l.T, "all entities are announced", func() (missing string) {
		l.all, missing = l.things()
		return missing
	})
	l.Logf("%d entities announced after %v", len(l.all), took)
	l.Logf("all right in Home Assistant after %v more", until(l.T, "entities", func() string { return l.wrong(l.home, l.all, byDefault) }))
	l.registered(true)
}

// stranger asks for the page from another app's address: it is for Supervisor alone. The health check is for the container.
func (l *life) stranger() {
	from := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(strangers)}}).DialContext}}
	resp, err := from.Get(fmt.Sprintf("http://%s:%d/", supervisortest.AppAddress, supervisortest.IngressPort))
	if err != nil {
		l.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		l.Errorf("another app sees the page: %s", resp.Status)
	}
	if out, err := l.command("healthcheck").CombinedOutput(); err != nil {
		l.Errorf("the health check: %v: %s", err, out)
	}
}

// returned wants all entities back.
func (l *life) returned(what string) {
	l.Helper()
	l.Logf("%s: all is back after %v", what, until(l.T, what, func() string { return l.wrong(l.home, l.all, always) }))
	l.linked(what)
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
	l.registered(false)
}

func (l *life) killBroker() {
	l.broker.Kill()
	l.lost("the broker was killed")
	l.startBroker()
	l.Logf("the broker was killed: both ends are connected again after %v", l.joined())
	l.returned("the broker killed")
}

func (l *life) killProgram() {
	l.program.Kill()
	l.lost("the program was killed")
	l.seen.clear()
	l.startProgram(nil)
	l.Logf("the program was killed: all is announced %v after its start", until(l.T, "all entities are announced again", func() (missing string) {
		_, missing = l.things()
		return missing
	}))
	l.returned("the program killed")
}

// withoutSupervisor starts the app while Supervisor starts, too: at first nobody answers, then only that it is not ready.
func (l *life) withoutSupervisor() {
	l.program.Kill()
	l.closeDoor()
	l.lost("Supervisor was stopped")
	l.seen.clear()
	l.startProgram(nil)
	until(l.T, "the program asks for the broker", func() string {
		if !strings.Contains(l.program.Out.String(), "Home Assistant knows no MQTT broker yet") {
			return l.program.Tail()
		}
		return ""
	})
	l.supervisor.SetState("setup")
	l.openDoor()
	before := l.supervisor.Refused()
	until(l.T, "the program is told to wait", func() string {
		if l.supervisor.Refused() == before {
			return "it does not ask"
		}
		return ""
	})
	l.supervisor.SetState("running")
	l.returned("Supervisor back")
	l.show()
}

// lost waits until an entity is unavailable.
func (l *life) lost(what string) {
	l.Helper()
	until(l.T, what+": entities are unavailable", func() string {
		if s := l.home.states()["sensor.fitbit_steps"].State; s != "unavailable" {
			return "the steps are " + s
		}
		return ""
	})
}

// leaveOut is how the form says that a series is left out.
var leaveOut = map[string]any{"leave_out": []any{"weight"}}

// remove leaves a series out.
func (l *life) remove() {
	l.stopProgram()
	l.startProgram(leaveOut)
	l.all, _ = l.things("weight")
	l.Logf("removed after %v", until(l.T, "what is left out is removed", func() string {
		if n := len(l.home.entries()); n != len(l.all) {
			return fmt.Sprintf("there are %d entities, want %d", n, len(l.all))
		}
		return l.wrong(l.home, l.all, always)
	}))
	l.registered(false)
}

// pass goes to just before midnight, and over it: counters begin again. How long before, depends on how busy the machine is: the
// steps of the old day have to be seen before it ends.
func (l *life) pass() {
	steps := func() float64 {
		f, err := strconv.ParseFloat(l.home.states()["sensor.fitbit_steps"].State, 64)
		if err != nil {
			return -1
		}
		return f
	}
	before := 0.0
	for early := 5 * time.Second; ; early *= 2 {
		l.stopProgram()
		l.at(l.midnight.Add(-early))
		l.startProgram(leaveOut)
		until(l.T, "the steps before midnight", func() string {
			before = steps()
			if text := l.wrong(l.home, l.all, always); (before < 1000 || text != "") && l.now().Before(l.midnight) {
				return fmt.Sprintf("%g steps; %s", before, text)
			}
			return ""
		})
		if l.now().Before(l.midnight) {
			break
		}
	}
	until(l.T, "the steps begin again at midnight", func() string {
		if n := steps(); n != 0 {
			return fmt.Sprintf("%g steps", n)
		}
		return ""
	})
	late := l.now().Sub(l.midnight)
	l.Logf("midnight: from %g steps to none, %v late", before, late)
	if late < 0 {
		l.Errorf("the steps began again %v before midnight", -late)
	}
}

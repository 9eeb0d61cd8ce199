package endtoend

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

var entityID = regexp.MustCompile(`\b(?:sensor|binary_sensor|event|button)\.fitbit_\w+`)

// Every entity that the app's documentation names, in its table and in its automations, is one that Home Assistant gets of a person
// who lives with a Charge 6; and every one that it gets of them stands in the table.
func TestDocumentedEntities(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../fitbit_fetch/DOCS.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, id := range entityID.FindAllString(string(docs), -1) {
		if !strings.HasPrefix(id, "sensor.fitbit_kim_") { // of somebody with a name
			named[id] = true
		}
	}
	automations := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllString(string(docs), -1)
	if len(named) < 40 || len(automations) != 6 || len(entityID.FindAllString(strings.Join(automations, ""), -1)) < 6 {
		t.Fatalf("%d entities, %d automations", len(named), len(automations))
	}
	today := day(t, "2026-06-17")
	p := person(37, "Europe/Berlin", "", today)
	w := newWorld(t, calm(today, 14, p), 1, p)
	h := newHome(t, w, today-14, influxd.Start(t, influxd.Config{Version: influxd.V1_8}).URL)
	broker := proctest.StartBroker(t)
	topics := broker.Listen()
	h.more = fmt.Sprintf("mqtt: {host: 127.0.0.1, port: %d}\n", broker.Port)
	run := h.run()
	h.settle(run, "complete history")

	var there map[string]bool
	lacking := func() []string {
		there = announced(t, topics)
		var out []string
		for id := range named {
			if !there[id] {
				out = append(out, id)
			}
		}
		slices.Sort(out)
		return out
	}
	proctest.Until(t, "all entities that DOCS.md names", func() bool { return len(lacking()) == 0 },
		func() string {
			return fmt.Sprintf("Home Assistant does not get %q; it gets %q", lacking(), slices.Sorted(maps.Keys(there)))
		})
	for id := range there {
		_, what, _ := strings.Cut(id, ".")
		if !named[id] && !strings.HasPrefix(what, "fitbit_aria_air_") { // of a scale
			t.Errorf("Home Assistant gets %s, which DOCS.md does not name", id)
		}
	}
}

// announced returns the ids of all entities that are announced now.
func announced(t *testing.T, topics *proctest.Topics) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for topic, text := range topics.Below("homeassistant/device/") {
		var d struct {
			Components map[string]struct {
				ID string `json:"default_entity_id"`
			}
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatalf("%s: %v", topic, err)
		}
		for _, c := range d.Components {
			out[c.ID] = true
		}
	}
	return out
}

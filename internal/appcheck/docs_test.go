package appcheck

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fitbit-fetch/fitbit-fetch/internal/homeassistant"
)

func readDocs(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(appDir, "DOCS.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestDocsExplainEveryOption, by its name in the table of its section.
func TestDocsExplainEveryOption(t *testing.T) {
	docs := readDocs(t)
	schema, _ := readConfig(t).values["schema"].(map[string]any)
	n := 0
	explained := func(path string) {
		n++
		if !strings.Contains(docs, "| `"+path+"` |") {
			t.Errorf("DOCS.md does not explain %s", path)
		}
	}
	for key, value := range schema {
		section, ok := value.(map[string]any)
		if !ok {
			explained(key)
		}
		for sub := range section {
			explained(key + "." + sub)
		}
	}
	// And the other way round: no option that is gone.
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:[a-z_]+\\.)?[a-z_]+)` \\| (?:[^|]*) \\|$").FindAllStringSubmatch(docs, -1) {
		top, sub, nested := strings.Cut(m[1], ".")
		section, _ := schema[top].(map[string]any)
		if _, ok := schema[top]; !ok || nested && section[sub] == nil {
			t.Errorf("DOCS.md explains %s, which is no option", m[1])
		}
	}
	if n < 30 {
		t.Errorf("%d options", n)
	}
}

// TestDocsListEveryEntity: the table and the entities are the same set, with the names, units and what is switched off at first.
func TestDocsListEveryEntity(t *testing.T) {
	listed := map[string][3]string{} // name, unit, note
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:sensor|binary_sensor|event|button)\\.\\w+)` \\| (.*?) \\| ?(.*?) ?\\| ?(.*?) ?\\|$").FindAllStringSubmatch(readDocs(t), -1) {
		if _, twice := listed[m[1]]; twice {
			t.Errorf("DOCS.md lists %s twice", m[1])
		}
		listed[m[1]] = [3]string{m[2], m[3], m[4]}
	}
	begins := map[homeassistant.Place]string{homeassistant.OfPerson: "fitbit_", homeassistant.OfTracker: "fitbit_charge_6_", homeassistant.OfService: "fitbit_fetch_"}
	for _, e := range homeassistant.Entities() {
		id := e.Platform + "." + begins[e.Place] + e.Key
		row, ok := listed[id]
		delete(listed, id)
		unit := e.Unit
		if e.DeviceClass == "timestamp" {
			unit = "time"
		}
		off := row[2] == "off" || strings.HasPrefix(row[2], "off;")
		if !ok || row[0] != e.Name || row[1] != unit || off != e.Off {
			t.Errorf("%s is listed as %q, want %q in %q, off: %v", id, row, e.Name, unit, e.Off)
		}
	}
	for id := range listed {
		t.Errorf("DOCS.md lists %s, which there is not", id)
	}
}

// TestDocsAutomations: six, which load as YAML and name only entities that there are, or that their text says to make.
func TestDocsAutomations(t *testing.T) {
	docs := readDocs(t)
	found := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(docs, -1)
	if len(found) != 6 {
		t.Errorf("%d automations", len(found))
	}
	for _, m := range found {
		var a map[string]any
		if err := yaml.Unmarshal([]byte(m[1]), &a); err != nil {
			t.Errorf("%v in\n%s", err, m[1])
			continue
		}
		if a["alias"] == nil || a["triggers"] == nil || a["actions"] == nil {
			t.Errorf("%v is no automation", a["alias"])
		}
		for _, e := range regexp.MustCompile(`\b(?:sensor|event|binary_sensor)\.fitbit_\w+`).FindAllString(m[1], -1) {
			if !strings.Contains(docs, "| `"+e+"` |") {
				t.Errorf("%v names %s, which there is not", a["alias"], e)
			}
		}
	}
}

// TestOldestHomeAssistant: what is to be tested once for each release is the oldest version that the app can be installed in.
func TestOldestHomeAssistant(t *testing.T) {
	oldest, _ := readConfig(t).values["homeassistant"].(string)
	for _, name := range []string{"CONTRIBUTING.md", "docs/releasing.md"} {
		if oldest == "" || !strings.Contains(readGuide(t, name), "make test-homeassistant HOMEASSISTANT_VERSION="+oldest+"\n") {
			t.Errorf("%s does not say how to test with Home Assistant %s", name, oldest)
		}
	}
}

// TestBrandWords: the former word stands once in each document for users.
func TestBrandWords(t *testing.T) {
	if n := strings.Count(readDocs(t), "app (add-on)"); n != 1 {
		t.Errorf("DOCS.md says app (add-on) %d times", n)
	}
}

package homeassistant

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// refused is what Home Assistant's MQTT integration (2025.12 to 2026.11, written from its schemas) would not take of a discovery
// message: what rejects the device, and what costs an entity. A field that is not known here counts, too: it would be ignored there.
func refused(topic, text string) (out []string) {
	no := func(format string, args ...any) { out = append(out, topic+": "+fmt.Sprintf(format, args...)) }
	if !regexp.MustCompile(`^[^#+]+/device(/[a-zA-Z0-9_-]+)?/[a-zA-Z0-9_-]+/config$`).MatchString(topic) {
		no("no topic of a device")
	}
	if text == "" {
		return out // its removal
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		no("%v", err)
		return out
	}
	c := checker{no: no}
	c.object("", body, map[string]rule{
		"device": c.device, "origin": c.origin, "availability": c.availability, "qos": among(0.0, 1.0, 2.0), "components": c.components,
	}, "device", "origin", "components")
	return out
}

// rule says why a value is not taken; empty for nothing.
type rule func(value any) string

type checker struct {
	no func(format string, args ...any)
}

// object holds the fields of an object against their rules. No field is null: what is not there is left out.
func (c checker) object(at string, value any, rules map[string]rule, required ...string) string {
	o, ok := value.(map[string]any)
	if !ok {
		return "no object"
	}
	for _, key := range required {
		if _, ok := o[key]; !ok {
			c.no("%s lacks %s", at, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		rule, ok := rules[key]
		if !ok {
			c.no("%s%s is not known", at, key)
		} else if why := rule(o[key]); why != "" {
			c.no("%s%s: %s: %v", at, key, why, o[key])
		}
	}
	return ""
}

func text(value any) string {
	if s, ok := value.(string); !ok || strings.TrimSpace(s) == "" {
		return "no text"
	}
	return ""
}

func among(all ...any) rule {
	return func(value any) string {
		if !slices.Contains(all, value) {
			return fmt.Sprintf("none of %v", all)
		}
		return ""
	}
}

func list(of rule) rule {
	return func(value any) string {
		items, ok := value.([]any)
		if !ok || len(items) == 0 {
			return "no list, or an empty one"
		}
		for i, item := range items {
			if why := of(item); why != "" {
				return why
			}
			if slices.Contains(items[:i], item) {
				return "twice the same"
			}
		}
		return ""
	}
}

// linkAddress is what is taken of a configuration_url and a support_url: http, https, or Home Assistant's own pages, with a host. A path
// alone rejects the whole device.
func linkAddress(value any) string {
	s, ok := value.(string)
	if !ok || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' }) {
		return "invalid url"
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "homeassistant" {
		return "invalid url"
	}
	if p := u.Port(); p != "" {
		if _, err := strconv.ParseUint(p, 10, 16); err != nil {
			return "invalid url"
		}
	}
	return ""
}

// aTopic is one to publish to: without wildcards and control characters.
func aTopic(value any) string {
	s, ok := value.(string)
	if !ok || s == "" || len(s) > 65535 || strings.ContainsAny(s, "#+\x00") || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f }) {
		return "no topic"
	}
	return ""
}

// template is one that is written whole. Whether it does what it should is seen in a real Home Assistant.
func template(value any) string {
	s, ok := value.(string)
	if !ok || !strings.Contains(s, "{{") || strings.Count(s, "{{") != strings.Count(s, "}}") {
		return "no template"
	}
	return ""
}

func (c checker) device(value any) string {
	return c.object("device.", value, map[string]rule{
		"identifiers": list(text), "name": text, "manufacturer": text, "model": text, "sw_version": text, "via_device": text, "configuration_url": linkAddress,
	}, "identifiers", "name")
}

func (c checker) origin(value any) string {
	return c.object("origin.", value, map[string]rule{"name": text, "sw_version": text, "support_url": linkAddress}, "name")
}

func (c checker) availability(value any) string {
	items, ok := value.([]any)
	if !ok || len(items) == 0 {
		return "no list"
	}
	for _, item := range items {
		if why := c.object("availability.", item, map[string]rule{"topic": aTopic}, "topic"); why != "" {
			return why
		}
	}
	return ""
}

// components are the entities, each by the schema of its platform. One with nothing but its platform is its removal.
func (c checker) components(value any) string {
	all, ok := value.(map[string]any)
	if !ok {
		return "no object"
	}
	unique := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		o, _ := all[key].(map[string]any)
		platform, _ := o["platform"].(string)
		if !slices.Contains([]string{Sensor, BinarySensor, Event, Button}, platform) {
			c.no("%s is a %q", key, platform)
			continue
		}
		if len(o) == 1 {
			continue
		}
		rules := map[string]rule{
			"platform": text, "unique_id": text, "name": text, "icon": matches(`^[a-z]+:[a-z0-9-]+$`), "entity_category": among("diagnostic"),
			"enabled_by_default": among(true, false), "default_entity_id": matches(`^` + platform + `\.[a-z0-9]+(_[a-z0-9]+)*$`),
			"json_attributes_topic": aTopic, "json_attributes_template": template,
		}
		required := []string{"unique_id", "default_entity_id", "name", "state_topic"}
		switch platform {
		case Sensor:
			maps.Copy(rules, map[string]rule{
				"state_topic": aTopic, "value_template": template, "unit_of_measurement": text, "device_class": text, "options": list(text),
				"state_class": among("measurement", "total", "total_increasing"), "suggested_display_precision": count,
			})
			c.number(key, o)
		case BinarySensor:
			maps.Copy(rules, map[string]rule{"state_topic": aTopic, "value_template": template, "device_class": among("problem", "connectivity")})
		case Event:
			maps.Copy(rules, map[string]rule{"state_topic": aTopic, "event_types": list(text)})
			required = append(required, "event_types")
		case Button:
			rules["command_topic"] = aTopic
			required = []string{"unique_id", "default_entity_id", "name", "command_topic"}
		}
		if why := c.object(key+".", o, rules, required...); why != "" {
			c.no("%s: %s", key, why)
		}
		id := platform + fmt.Sprint(o["unique_id"])
		if unique[id] {
			c.no("%s has the unique id of another", key)
		}
		unique[id] = true
	}
	return ""
}

func matches(expression string) rule {
	re := regexp.MustCompile(expression)
	return func(value any) string {
		if s, ok := value.(string); !ok || !re.MatchString(s) {
			return "not " + expression
		}
		return ""
	}
}

func count(value any) string {
	if f, ok := value.(float64); !ok || f < 0 || f != float64(int(f)) {
		return "no count"
	}
	return ""
}

// number holds what depends on one another: device class, state class, unit and options.
func (c checker) number(key string, o map[string]any) {
	s := func(name string) string { v, _ := o[name].(string); return v }
	class, ok := classes[s("device_class")]
	switch {
	case !ok:
		c.no("%s has no device class %q", key, s("device_class"))
	case class.units != nil && !slices.Contains(class.units, s("unit_of_measurement")):
		c.no("%s: device class %q in %q", key, s("device_class"), s("unit_of_measurement"))
	case !slices.Contains(class.states, s("state_class")):
		c.no("%s: device class %q with state class %q", key, s("device_class"), s("state_class"))
	case (o["options"] != nil) != (s("device_class") == "enum"):
		c.no("%s: options with device class %q", key, s("device_class"))
	}
}

// sentConfigs are the discovery messages that any test of this package has had published, and what would be refused of them. TestMain
// fails where there is something.
var sentConfigs struct {
	sync.Mutex
	refused []string
}

// judge holds a message that is published against Home Assistant's schema, if it is a discovery.
func judge(m message) {
	if !strings.HasSuffix(m.topic, "/config") {
		return
	}
	why := refused(m.topic, m.payload)
	sentConfigs.Lock()
	defer sentConfigs.Unlock()
	sentConfigs.refused = append(sentConfigs.refused, why...)
}

// pages are where the program's page can be.
var pages = []string{"", "homeassistant://app/1a2b3c4d_fitbit_fetch", "homeassistant://hassio/ingress/1a2b3c4d_fitbit_fetch", "https://fitbit.example:8443/x"}

// TestEveryConfigIsTaken: whatever is announced of a device, with all entities that it can have, is by the schema.
func TestEveryConfigIsTaken(t *testing.T) {
	for _, page := range pages {
		for _, name := range []string{"Fitbit", "Fitbit Anna", "Fitbit Аня", `Fitbit "Zoë" {{ 1 }}`} {
			w := newWorld(noon, 1)
			w.cfg.Page = func() string { return page }
			w.cfg.Support = "https://github.com/example/example/issues"
			p := New(w.cfg)
			if err := p.recall(t.Context()); err != nil {
				t.Fatal(err)
			}
			for place, d := range map[Place]device{
				OfService: {id: serviceID, entity: "fitbit_fetch", name: "Fitbit Fetch"},
				OfPerson:  {id: "me", via: serviceID, entity: "fitbit_anna", name: name, maker: "Fitbit"},
				OfTracker: {id: "me_0123456789", via: "me", entity: "fitbit_anna_charge_6", name: "Charge 6", model: "Charge 6", maker: "Fitbit"},
			} {
				keys := map[string]string{}
				for _, e := range Entities() {
					if e.Place == place {
						keys[e.Key] = e.Platform
					}
				}
				m, err := p.discovery(d, keys, map[string]string{"left_out": Sensor})
				if err != nil {
					t.Fatal(err)
				}
				for _, why := range refused(m.topic, m.payload) {
					t.Errorf("%q, %q: %s", page, name, why)
				}
			}
		}
	}
}

// TestRefusedConfigs: the schema finds what Home Assistant refuses.
func TestRefusedConfigs(t *testing.T) {
	const good = `{"device":{"identifiers":["a"],"name":"A","configuration_url":"homeassistant://app/x"},"origin":{"name":"F","support_url":"https://example.com"},` +
		`"availability":[{"topic":"a/b"}],"qos":1,"components":{"steps":{"platform":"sensor","unique_id":"u","default_entity_id":"sensor.steps","name":"Steps","state_topic":"t",` +
		`"state_class":"total_increasing","unit_of_measurement":"steps"},"go":{"platform":"button","unique_id":"g","default_entity_id":"button.go","name":"Go","command_topic":"c"}}}`
	const topic = "homeassistant/device/a/config"
	if why := refused(topic, good); len(why) > 0 {
		t.Fatal(why)
	}
	for _, change := range [][2]string{
		{"homeassistant://app/x", "/app/x"}, {"homeassistant://app/x", ""}, {"homeassistant://app/x", "app/x"}, {"homeassistant://app/x", "ftp://a/x"},
		{"homeassistant://app/x", "http://"}, {"homeassistant://app/x", "homeassistant:/app/x"}, {"homeassistant://app/x", "http://a b/"}, {"https://example.com", "example.com"},
		{`"identifiers":["a"]`, `"identifiers":[]`}, {`"identifiers":["a"],`, ``}, {`"name":"A"`, `"name":""`}, {`"name":"A"`, `"name":null`}, {`"origin":{"name":"F","support_url":"https://example.com"},`, ``},
		{`"qos":1`, `"qos":3`}, {`"qos":1`, `"qos":"1"`}, {`"topic":"a/b"`, `"topic":"a/+"`}, {`"platform":"sensor"`, `"platform":"sensors"`}, {`"unique_id":"u",`, ``},
		{"sensor.steps", "steps"}, {"sensor.steps", "sensor.Steps"}, {"sensor.steps", "button.steps"}, {`"state_topic":"t",`, ``}, {"total_increasing", "counting"},
		{`"unit_of_measurement":"steps"`, `"unit_of_measurement":"steps","device_class":"weight"`}, {`"unit_of_measurement":"steps"`, `"options":["a"]`},
		{`"command_topic":"c"`, `"state_topic":"c"`}, {`"name":"Go"`, `"name":"Go","entity_category":"config"`}, {`"name":"Go"`, `"name":"Go","object_id":"go"`}, {`"qos":1`, `"page":1`},
	} {
		if !strings.Contains(good, change[0]) {
			t.Fatalf("there is no %s", change[0])
		}
		if why := refused(topic, strings.Replace(good, change[0], change[1], 1)); len(why) == 0 {
			t.Errorf("%s for %s: taken", change[1], change[0])
		}
	}
	for _, other := range []string{"homeassistant/device/a b/config", "homeassistant/sensor/a/config", "homeassistant/device/a"} {
		if len(refused(other, good)) == 0 {
			t.Errorf("%s: taken", other)
		}
	}
}

// TestLateLink: the address of the page may come when everything has long been announced; it is announced then, once, and is known
// from then on, even where nobody says it after a restart.
func TestLateLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(noon, 1)
		w.archive.value("me", "steps", 1, noon)
		var mu sync.Mutex // the publisher asks while the address changes
		var at string
		changed := make(chan struct{})
		w.cfg.Page = func() string {
			mu.Lock()
			defer mu.Unlock()
			return at
		}
		w.cfg.Restated = func() <-chan struct{} {
			mu.Lock()
			defer mu.Unlock()
			return changed
		}
		configs := func(r *recorder) (out []string) {
			for _, m := range r.messages {
				if strings.HasSuffix(m.topic, "/config") {
					link := regexp.MustCompile(`"configuration_url":"([^"]*)"`).FindStringSubmatch(m.payload)
					out = append(out, strings.Join(link[min(1, len(link)):], ""))
				}
			}
			return out
		}
		r, stop := w.live(t)
		pass(time.Hour)
		if got := configs(r); !slices.Equal(got, []string{"", ""}) {
			t.Errorf("before it is known: %q", got)
		}
		r.clear()
		mu.Lock()
		at = pages[1]
		close(changed)
		changed = make(chan struct{})
		mu.Unlock()
		pass(time.Second)
		if got := configs(r); !slices.Equal(got, []string{pages[1], pages[1]}) {
			t.Errorf("once it is known: %q", got)
		}
		r.clear()
		pass(time.Hour)
		if got := configs(r); len(got) > 0 {
			t.Errorf("later: %q", got)
		}
		stop()
		mu.Lock()
		at = ""
		mu.Unlock()
		r, stop = w.live(t)
		defer stop()
		if got := configs(r); !slices.Equal(got, []string{pages[1], pages[1]}) {
			t.Errorf("after a restart: %q", got)
		}
	})
}

package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// appForm is what stands in the app's config.yaml about options.
type appForm struct {
	Options map[string]any `yaml:"options"`
	Schema  map[string]any `yaml:"schema"`
}

func readForm(t *testing.T) appForm {
	t.Helper()
	data, err := os.ReadFile("../../fitbit_fetch/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var f appForm
	if err := yaml.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// flatten calls f with the path of every value of a section.
func flatten(prefix string, section map[string]any, f func(path string, value any)) {
	for _, key := range slices.Sorted(maps.Keys(section)) {
		if sub, ok := section[key].(map[string]any); ok {
			flatten(prefix+key+".", sub, f)
		} else {
			f(prefix+key, section[key])
		}
	}
}

// TestFormHasEveryOption compares the form of Home Assistant's app with the list of options, both ways.
func TestFormHasEveryOption(t *testing.T) {
	want := map[string]row{}
	for _, r := range rows() {
		if !r.hidden && !r.apart {
			want[r.path] = r
		}
	}
	form := readForm(t)
	persons, ok := form.Schema["persons"].([]any)
	if !ok || len(persons) != 1 {
		t.Fatalf("persons are %v", form.Schema["persons"])
	}
	databases, ok := form.Schema["more_databases"].([]any)
	if !ok || len(databases) != 1 {
		t.Fatalf("more_databases are %v", form.Schema["more_databases"])
	}
	delete(form.Schema, "persons")
	delete(form.Schema, "more_databases")
	flatten("", form.Schema, func(path string, value any) {
		r, ok := want[path]
		if !ok {
			t.Errorf("%s of the form is no option of the list", path)
			return
		}
		delete(want, path)
		fits(t, path, r, value)
	})
	for path := range want {
		t.Errorf("%s is missing in the form", path)
	}

	each(t, "persons", persons[0], "", func(r row) bool { return r.person })
	each(t, "more_databases", databases[0], "influxdb.", func(r row) bool { return r.database })
}

// each compares what a list in the form has of each of its items with the options that each has.
func each(t *testing.T, name string, item any, prefix string, has func(row) bool) {
	t.Helper()
	want := map[string]row{}
	for _, r := range rows() {
		if has(r) && !r.apart {
			want[strings.TrimPrefix(r.path, prefix)] = r
		}
	}
	for path, value := range item.(map[string]any) {
		r, ok := want[path]
		if !ok {
			t.Errorf("%s: %s of the form is no option of the list", name, path)
			continue
		}
		delete(want, path)
		if path == "name" {
			value = fmt.Sprint(value) + "?" // a further person must have one
		}
		fits(t, name+"."+path, r, value)
	}
	for path := range want {
		t.Errorf("%s: %s is missing in the form", name, path)
	}
}

// fits compares the type in the form with what the option takes. All is optional: an app that cannot start cannot say what it lacks.
func fits(t *testing.T, path string, r row, value any) {
	t.Helper()
	if items, ok := value.([]any); ok != r.list || ok && len(items) != 1 {
		t.Errorf("%s: %v, but the option is a list: %v", path, value, r.list)
		return
	} else if ok {
		value = items[0]
	}
	want := "str?"
	switch {
	case r.secret:
		want = "password?"
	case r.kind == "yes or no":
		want = "bool?"
	case r.kind == "number":
		want = "port?"
	case strings.HasPrefix(fmt.Sprint(value), "list("):
		want = "list(" + strings.ReplaceAll(r.kind, ", ", "|") + ")?"
	}
	if value != want {
		t.Errorf("%s: %v in the form, want %s", path, value, want)
	}
}

// TestFormBegins says that what the form begins with is what the list of options says.
func TestFormBegins(t *testing.T) {
	list := map[string]row{}
	for _, r := range rows() {
		list[r.path] = r
	}
	n := 0
	flatten("", readForm(t).Options, func(path string, value any) {
		n++
		if items, ok := value.([]any); ok && len(items) == 0 {
			return
		}
		r := list[path]
		want := r.def
		if r.app != "" {
			want = r.app
		}
		if got := fmt.Sprint(value); got != want {
			t.Errorf("%s begins with %q, want %q", path, got, want)
		}
	})
	if n == 0 {
		t.Error("the form begins with nothing")
	}
	for path, r := range list {
		if r.app != "" {
			found := false
			flatten("", readForm(t).Options, func(p string, _ any) { found = found || p == path })
			if !found {
				t.Errorf("%s does not begin with %s", path, r.app)
			}
		}
	}
}

// formJSON is options.json as Supervisor writes it: what the form begins with, and over it what the user said.
func formJSON(t *testing.T, user map[string]any) Inputs {
	t.Helper()
	options := merge(readForm(t).Options, user)
	data, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	return world(map[string]string{"TZ": "Europe/Berlin", "SUPERVISOR_TOKEN": "x"}, map[string]string{"/data/options.json": string(data)})
}

func merge(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	for k, v := range over {
		if sub, ok := v.(map[string]any); ok {
			b, _ := out[k].(map[string]any)
			out[k] = merge(b, sub)
			continue
		}
		out[k] = v
	}
	return out
}

// TestAppUntouched is the app as it was installed.
func TestAppUntouched(t *testing.T) {
	o, err := Load(formJSON(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if !o.InApp || o.DataDir != "/data" || o.InfluxDB.On || !o.MQTT.On || !o.MQTT.Ask || o.MQTT.Prefix != "homeassistant" || o.Language != "" || o.Sensors != "all" {
		t.Errorf("%+v", o)
	}
	if len(o.Persons) != 1 || len(o.Notes) != 0 || o.Provider != "google" {
		t.Errorf("%+v", o)
	}
}

// TestAppInfluxDB says when the database is on: the address alone, which the form begins with, is nobody's wish.
func TestAppInfluxDB(t *testing.T) {
	for name, tt := range map[string]struct {
		influx map[string]any
		on     bool
		url    string
	}{
		"community app": {map[string]any{"username": "fitbit", "password": "p"}, true, CommunityInfluxDB},
		"other machine": {map[string]any{"url": "http://192.168.1.20:8086"}, true, "http://192.168.1.20:8086"},
		"off":           {map[string]any{"username": "fitbit", "password": "p", "version": "off"}, false, ""},
		"2":             {map[string]any{"version": "2", "url": "http://i:8086", "org": "o", "bucket": "b", "token": "t"}, true, "http://i:8086"},
		"database only": {map[string]any{"database": "Mine"}, false, ""},
	} {
		o, err := Load(formJSON(t, map[string]any{"influxdb": tt.influx}))
		if err != nil || o.InfluxDB.On != tt.on || o.InfluxDB.URL != tt.url {
			t.Errorf("%s: %+v, %v", name, o.InfluxDB, err)
		}
	}
	_, err := Load(formJSON(t, map[string]any{"influxdb": map[string]any{"password": "p"}}))
	if err == nil || !strings.Contains(err.Error(), "influxdb.username") {
		t.Errorf("password alone: %v", err)
	}
}

// TestDocsNameEveryMistake: what can be entered in the form and is refused has a row in DOCS.md; cmd/fitbit-fetch lives through them.
func TestDocsNameEveryMistake(t *testing.T) {
	docs, err := os.ReadFile("../../fitbit_fetch/DOCS.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range rows() {
		var o Options
		kind := form(t, r.path)
		free := kind == "str?" || kind == "password?" // whatever else there is, the form refuses by itself
		if !free || r.set(target{&o, &Person{}, &InfluxDB{}}, ":/ ?#+") == nil {
			continue
		}
		n++
		if !regexp.MustCompile(`\| \*` + regexp.QuoteMeta(r.path) + `(\[0\])?: "`).Match(docs) {
			t.Errorf("DOCS.md does not say what is told of a wrong %s", r.path)
		}
	}
	if n < 5 {
		t.Errorf("only %d options can be wrong", n)
	}
}

// form is the type of an option in the app's form; empty where it is not in it.
func form(t *testing.T, path string) string {
	t.Helper()
	var found string
	flatten("", readForm(t).Schema, func(p string, value any) {
		if items, ok := value.([]any); ok && len(items) == 1 {
			value = items[0]
		}
		if p == path {
			found = fmt.Sprint(value)
		}
	})
	return found
}

// TestHeld is what the app stays up with.
func TestHeld(t *testing.T) {
	for name, tt := range map[string]struct {
		user    map[string]any
		persons int
		mqtt    MQTT
	}{
		"persons": {map[string]any{"persons": []any{map[string]any{"name": "Kim"}, map[string]any{"name": ""}, map[string]any{"name": "kim"}}}, 2,
			MQTT{On: true, Ask: true, Prefix: "homeassistant", Node: "fitbit_fetch"}},
		"no broker": {map[string]any{"mqtt": map[string]any{"host": "b", "password": "p", "discovery_prefix": "ha"}}, 1, MQTT{On: true, Ask: true, Prefix: "ha", Node: "fitbit_fetch"}},
		"no certificate": {map[string]any{"mqtt": map[string]any{"host": "b", "tls_ca": "/data/options.json"}}, 1,
			MQTT{On: true, Ask: true, Prefix: "homeassistant", Node: "fitbit_fetch"}},
		"another broker": {map[string]any{"time_zone": "Mars", "mqtt": map[string]any{"host": "b"}}, 1, MQTT{On: true, Host: "b", Port: 1883, Prefix: "homeassistant", Node: "fitbit_fetch"}},
	} {
		in := formJSON(t, tt.user)
		in.Abs = func(path string) (string, error) { return path, nil }
		o, err := Load(in)
		var wrong Problems
		if !errors.As(err, &wrong) {
			t.Fatalf("%s: %v", name, err)
		}
		h := o.Held(wrong)
		if len(h.Persons) != tt.persons || h.MQTT != tt.mqtt || len(h.Wrong) == 0 || h.DataDir != "/data" {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// TestMQTT says which broker is meant, inside and outside of the app.
func TestMQTT(t *testing.T) {
	for name, tt := range map[string]struct {
		user  map[string]any
		want  MQTT
		notes int
	}{
		"found":      {nil, MQTT{On: true, Ask: true, Prefix: "homeassistant", Node: "fitbit_fetch"}, 0},
		"switched":   {map[string]any{"enabled": false, "host": "b", "username": "u"}, MQTT{Host: "b", Port: 1883, Username: "u", Prefix: "homeassistant", Node: "fitbit_fetch"}, 0},
		"off, found": {map[string]any{"enabled": false}, MQTT{Ask: true, Prefix: "homeassistant", Node: "fitbit_fetch"}, 0},
		"off, wrong": {map[string]any{"enabled": false, "host": "b", "tls_ca": "/nowhere"}, MQTT{Host: "b", Port: 8883, TLS: true, CA: "/app/nowhere", Prefix: "homeassistant", Node: "fitbit_fetch"}, 0},
		"node":       {map[string]any{"node": "kids_2"}, MQTT{On: true, Ask: true, Prefix: "homeassistant", Node: "kids_2"}, 0},
		"other":      {map[string]any{"host": "b"}, MQTT{On: true, Host: "b", Port: 1883, Prefix: "homeassistant", Node: "fitbit_fetch"}, 0},
		"TLS":        {map[string]any{"host": "b", "tls": true}, MQTT{On: true, Host: "b", Port: 8883, TLS: true, Prefix: "homeassistant", Node: "fitbit_fetch"}, 0},
		"own CA":     {map[string]any{"host": "b", "tls_ca": "/ssl/ca.pem", "port": 1}, MQTT{On: true, Host: "b", Port: 1, TLS: true, CA: "/app/ssl/ca.pem", Prefix: "homeassistant", Node: "fitbit_fetch"}, 0},
		"no host":    {map[string]any{"username": "u", "tls_ca": "/ssl/ca.pem"}, MQTT{On: true, Ask: true, Prefix: "homeassistant", Node: "fitbit_fetch"}, 2},
		"prefix":     {map[string]any{"discovery_prefix": "ha/disco"}, MQTT{On: true, Ask: true, Prefix: "ha/disco", Node: "fitbit_fetch"}, 0},
		"IPv6":       {map[string]any{"host": "[fd00::1]"}, MQTT{On: true, Host: "fd00::1", Port: 1883, Prefix: "homeassistant", Node: "fitbit_fetch"}, 0},
		"port is \"": {map[string]any{"host": "b", "port": "1884"}, MQTT{On: true, Host: "b", Port: 1884, Prefix: "homeassistant", Node: "fitbit_fetch"}, 0},
	} {
		o, err := Load(formJSON(t, map[string]any{"mqtt": tt.user}))
		if err != nil || o.MQTT != tt.want || len(o.Notes) != tt.notes {
			t.Errorf("%s: %+v, %q, %v", name, o.MQTT, o.Notes, err)
		}
	}
	o, err := Load(world(map[string]string{"FITBIT_FETCH_MQTT_HOST": "b", "FITBIT_FETCH_MQTT_USERNAME": "u", "FITBIT_FETCH_MQTT_PASSWORD": "p"}, nil))
	if err != nil || !o.MQTT.On || o.MQTT.Ask || o.MQTT.Password.Reveal() != "p" {
		t.Errorf("outside: %+v, %v", o.MQTT, err)
	}
	if o, err := Load(world(map[string]string{"FITBIT_FETCH_MQTT_USERNAME": "u"}, nil)); err != nil || o.MQTT.On {
		t.Errorf("outside, no host: %+v, %v", o.MQTT, err)
	}
}

// TestAppPerson has the authorization without a terminal.
func TestAppPerson(t *testing.T) {
	o, err := Load(formJSON(t, map[string]any{
		"client_id": "1-a.apps.googleusercontent.com", "client_secret": "s", "authorization_address": " http://localhost:8080/?state=x&code=4/y ",
		"language": "pt-BR", "persons": []any{map[string]any{"name": "Kim", "authorization_address": "http://localhost:8080/?state=z&code=4/w"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if o.Persons[0].AuthorizationAddress.Reveal() != "http://localhost:8080/?state=x&code=4/y" || !strings.Contains(o.Persons[1].AuthorizationAddress.Reveal(), "state=z") ||
		o.Persons[1].ClientID != o.Persons[0].ClientID || o.Language != "pt-BR" {
		t.Errorf("%+v", o)
	}
}

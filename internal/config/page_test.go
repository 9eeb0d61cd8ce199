package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const pageFile = "/people/kim/.local/state/fitbit-fetch/page.json"

func TestPageIsTheLowestPlace(t *testing.T) {
	page := `{"client_id": "of-the-page", "client_secret": "s-page", "influxdb": {"url": "http://page:8086", "username": "kim", "password": "p-page"}}`
	tests := []struct {
		name       string
		env        map[string]string
		options    string // of the app, where there is one
		id, secret string
		url, user  string
		given      string // paths that another place says, with commas between
	}{
		{"alone", nil, "", "of-the-page", "s-page", "http://page:8086", "kim", ""},
		{"a client elsewhere", map[string]string{"GOOGLE_CLIENT_ID": "env", "GOOGLE_CLIENT_SECRET": "s-env"}, "", "env", "s-env", "http://page:8086", "kim", "client_id client_secret"},
		{"half a client elsewhere", map[string]string{"GOOGLE_CLIENT_ID": "env"}, "", "env", "", "http://page:8086", "kim", "client_id client_secret"},
		{"an address elsewhere", map[string]string{"INFLUXDB_HOST": "env"}, "", "of-the-page", "s-page", "http://env:8086", "kim", "influxdb.host influxdb.port influxdb.url"},
		{"the form as it begins", nil, `{"client_id": "", "influxdb": {"version": "1", "url": "http://a0d7b954-influxdb:8086", "database": "FitbitHealthStats", "username": ""}}`,
			"of-the-page", "s-page", "http://page:8086", "kim", ""},
		{"the form with an address", nil, `{"influxdb": {"version": "1", "url": "http://nas:8086"}}`, "of-the-page", "s-page", "http://nas:8086", "kim", "influxdb.host influxdb.port influxdb.url"},
		{"the form with a user", nil, `{"influxdb": {"url": "http://a0d7b954-influxdb:8086", "username": "form"}}`, "of-the-page", "s-page", "http://page:8086", "form", "influxdb.password influxdb.username"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{pageFile: page}
			if c.options != "" {
				files = map[string]string{"/data/options.json": c.options, "/data/page.json": page}
			}
			env := map[string]string{}
			maps.Copy(env, c.env)
			o, err := Load(world(env, files))
			if err != nil {
				t.Fatal(err)
			}
			p, db := o.Persons[0], o.InfluxDB
			if p.ClientID != c.id || p.ClientSecret.Reveal() != c.secret || db.URL != c.url || db.Username != c.user || !db.On {
				t.Errorf("client %s, database %s of %q, on %v", p.ClientID, db.URL, db.Username, db.On)
			}
			if given := strings.Join(sorted(o.Given), " "); given != c.given {
				t.Errorf("given elsewhere: %q, want %q", given, c.given)
			}
			for path, where := range o.Given {
				if where == "" || strings.Contains(where, pageName) {
					t.Errorf("%s is said at %q", path, where)
				}
			}
		})
	}
}

// The community app's address alone switches nothing on, unless it was chosen on the page.
func TestPresetChosenOnThePage(t *testing.T) {
	form := `{"influxdb": {"version": "1", "url": "http://a0d7b954-influxdb:8086", "database": "FitbitHealthStats"}}`
	for page, on := range map[string]bool{`{}`: false, `{"influxdb": {"url": "http://a0d7b954-influxdb:8086"}}`: true, `{"influxdb": {"url": "http://a0d7b954-influxdb:8086", "version": "off"}}`: false} {
		o, err := Load(world(map[string]string{}, map[string]string{"/data/options.json": form, "/data/page.json": page}))
		if err != nil || o.InfluxDB.On != on {
			t.Errorf("%s: on %v, %v", page, o.InfluxDB.On, err)
		}
	}
}

// Whatever stands in the page's file, the program starts, and says what it left aside.
func TestBrokenPageFile(t *testing.T) {
	for text, note := range map[string]string{
		`{"client_id": `:                 "has to be given there again",
		`[]`:                             "has to be given there again",
		`{"influxdb": {"url": "nas"}}`:   "what was given on the page is left aside",
		`{"log_level": "debug", "x": 1}`: "",
	} {
		o, err := Load(world(map[string]string{}, map[string]string{pageFile: text}))
		if notes := strings.Join(o.Notes, " "); err != nil || !strings.Contains(notes, note) || note == "" && notes != "" {
			t.Errorf("%s: %q, %v", text, notes, err)
		}
	}
}

func TestChangeOfWhatIsGivenElsewhere(t *testing.T) {
	in := world(map[string]string{"GOOGLE_CLIENT_ID": "env"}, map[string]string{})
	o, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Change(in, o, map[string]string{"client_secret": "GOCSPX-x"}); err == nil || !strings.Contains(err.Error(), "GOOGLE_CLIENT_ID") || strings.Contains(err.Error(), "GOCSPX") {
		t.Errorf("%v", err)
	}
}

func TestChange(t *testing.T) {
	dir := t.TempDir()
	in := Inputs{App: filepath.Join(dir, "options.json"), ReadFile: os.ReadFile, Abs: filepath.Abs, Env: func(name string) string {
		return map[string]string{"FITBIT_FETCH_DATA_DIR": dir}[name]
	}}.Remember()
	o, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	broken := time.Date(2026, 11, 23, 7, 30, 0, 0, time.UTC)
	change := func(values map[string]string) Options {
		t.Helper()
		before, data, err := Change(in, o, values)
		if err == nil {
			err = WritePage(o, data, broken)
		}
		if err != nil {
			t.Fatal(err)
		}
		after, err := Load(in)
		a, b := after.Persons[0], before.Persons[0]
		if err != nil || a.ClientID != b.ClientID || a.ClientSecret.Reveal() != b.ClientSecret.Reveal() || after.InfluxDB.URL != before.InfluxDB.URL || after.InfluxDB.On != before.InfluxDB.On {
			t.Fatalf("on disk: %+v, %v; tried: %+v", after, err, before)
		}
		return after
	}
	change(map[string]string{"client_id": " one ", "client_secret": "secret-1"})
	o = change(map[string]string{"influxdb.url": "http://nas:8086", "influxdb.password": "p", "influxdb.username": "u"})
	if o.Persons[0].ClientID != "one" || o.Persons[0].ClientSecret.Reveal() != "secret-1" || !o.InfluxDB.On {
		t.Errorf("a later change has lost an earlier one: %+v", o)
	}
	o = change(map[string]string{"influxdb.url": "", "influxdb.password": "", "influxdb.username": ""})
	if o.InfluxDB.On {
		t.Error("taken out, and still there")
	}
	if info, err := os.Stat(o.PageFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for path, text := range map[string]string{"page.password": "x", "influxdb.url": "nas", "influxdb.version": "7"} {
		if _, data, err := Change(in, o, map[string]string{path: text}); err == nil || data != nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s %q: %v", path, text, err)
		}
	}

	// Each broken file is kept aside.
	for i, suffix := range []string{"", "-2"} {
		text := fmt.Sprintf("{ %d", i)
		if err := os.WriteFile(o.PageFile(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		change(map[string]string{"client_id": "two"})
		if got, err := os.ReadFile(o.PageFile() + ".unreadable-20261123T073000Z" + suffix); err != nil || string(got) != text {
			t.Errorf("%q (%v)", got, err)
		}
	}

	// What another place says meanwhile is not taken over by accident.
	if err := os.WriteFile(in.App, []byte(`{"client_id": "three"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if o, err := Load(in); err != nil || o.InApp || o.Persons[0].ClientID != "two" {
		t.Errorf("%+v, %v", o.Persons[0], err)
	}
}

package appcheck

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const root = "../.."

var appDir = filepath.Join(root, "fitbit_fetch")

// config is the app's config.yaml.
type config struct {
	doc    *yaml.Node
	values map[string]any
}

func readConfig(t *testing.T) config {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(appDir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return parseConfig(t, string(data))
}

func parseConfig(t *testing.T, text string) config {
	t.Helper()
	var doc yaml.Node
	c := config{values: map[string]any{}}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	c.doc = doc.Content[0]
	if err := c.doc.Decode(&c.values); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c config) node(t *testing.T, key string) *yaml.Node {
	t.Helper()
	for i := 0; i < len(c.doc.Content); i += 2 {
		if c.doc.Content[i].Value == key {
			return c.doc.Content[i+1]
		}
	}
	t.Fatalf("config.yaml has no %s", key)
	return nil
}

// known are the keys that the linter takes, with the default that must not be written out (nil for none).
var known = map[string]any{
	"name": nil, "version": nil, "slug": nil, "description": nil, "arch": nil, "url": nil, "image": nil, "homeassistant": nil, "services": nil, "map": nil,
	"backup_pre": nil, "backup_post": nil, "backup_exclude": nil, "ports": nil, "ports_description": nil, "ingress_entry": nil, "panel_title": nil, "environment": nil,
	"discovery": nil, "breaking_versions": nil, "privileged": nil, "devices": nil, "machine": nil,
	"startup": "application", "boot": "auto", "init": true, "stage": "stable", "ingress": false, "ingress_port": 8099, "ingress_stream": false, "panel_icon": "mdi:puzzle",
	"panel_admin": true, "hassio_api": false, "hassio_role": "default", "homeassistant_api": false, "auth_api": false, "stdin": false, "tmpfs": false, "apparmor": true,
	"backup": "hot", "timeout": 10, "options": map[string]any{}, "schema": map[string]any{}, "host_network": false, "host_pid": false, "host_ipc": false, "host_uts": false,
	"host_dbus": false, "docker_api": false, "full_access": false, "kernel_modules": false, "devicetree": false, "legacy": false, "journald": false, "realtime": false,
	"usb": false, "uart": false, "gpio": false, "video": false, "audio": false, "udev": false, "ulimits": map[string]any{},
}

var (
	slugForm    = regexp.MustCompile(`^[-_.A-Za-z0-9]+$`)
	serviceForm = regexp.MustCompile(`^(mqtt|mysql):(provide|want|need)$`)
	mapForm     = regexp.MustCompile(`^(addon_config|addons|all_addon_configs|backup|config|data|homeassistant_config|media|share|ssl)(:(ro|rw))?$`)
	imageForm   = regexp.MustCompile(`^[a-z0-9.-]+(/[a-z0-9._{}-]+)+$`)
)

// lint returns what the linter of apps has to say.
func lint(c config) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	v := c.values
	for _, key := range []string{"name", "version", "slug", "description", "arch"} {
		if v[key] == nil {
			say("%s is missing", key)
		}
	}
	for key, value := range v {
		def, ok := known[key]
		switch {
		case !ok:
			say("%s is not known", key)
		case def != nil && reflect.DeepEqual(def, value):
			say("%s is set to its default", key)
		}
	}
	list := func(key string, form *regexp.Regexp) {
		items, _ := v[key].([]any)
		for _, item := range items {
			if s, ok := item.(string); !ok || !form.MatchString(s) {
				say("%s: %v", key, item)
			}
		}
	}
	list("services", serviceForm)
	list("map", mapForm)
	list("arch", regexp.MustCompile(`^(aarch64|amd64)$`))
	for key, form := range map[string]*regexp.Regexp{"slug": slugForm, "image": imageForm} {
		if s, ok := v[key].(string); ok && !form.MatchString(s) {
			say("%s: %s", key, s)
		}
	}
	if _, ok := v["version"].(string); !ok {
		say("the version is no text")
	}
	if v["ingress_port"] == 0 && v["host_network"] != true {
		say("ingress_port is 0")
	}
	if v["backup"] == "cold" && (v["backup_pre"] != nil || v["backup_post"] != nil) {
		say("a command for the backup of an app that is stopped for it")
	}
	slices.Sort(out)
	return out
}

func TestLint(t *testing.T) {
	for _, problem := range lint(readConfig(t)) {
		t.Error(problem)
	}
}

// TestLinter breaks the rules.
func TestLinter(t *testing.T) {
	got := lint(parseConfig(t, `
name: x
version: 1.0
slug: a b
arch: [armv7]
watchdog: tcp://x
boot: auto
options: {}
host_network: false
services: [mqtt:must]
map: [home:rw]
image: GHCR.io/x
backup: cold
backup_pre: x
`))
	want := []string{"a command for the backup of an app that is stopped for it", "arch: armv7", "boot is set to its default", "description is missing",
		"host_network is set to its default", "image: GHCR.io/x", "map: home:rw", "options is set to its default", "services: mqtt:must", "slug: a b",
		"the version is no text", "watchdog is not known"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// rating is Supervisor's formula for the security of an app, from 1 to 8; profile: there is an apparmor.txt.
func rating(c config, profile bool) int {
	v, n := c.values, 5
	on := func(key string) bool { return v[key] == true }
	switch {
	case v["apparmor"] == false:
		n--
	case profile:
		n++
	}
	switch {
	case on("ingress"):
		n += 2
	case on("auth_api"):
		n++
	}
	privileged, _ := v["privileged"].([]any)
	if len(privileged) > 0 || on("kernel_modules") {
		n--
	}
	switch v["hassio_role"] {
	case "manager":
		n--
	case "admin":
		n -= 2
	}
	if on("host_network") {
		n--
	}
	if on("host_pid") {
		n -= 2
	}
	if on("host_uts") && slices.Contains(privileged, any("SYS_ADMIN")) {
		n--
	}
	if on("docker_api") || on("full_access") {
		return 1
	}
	return min(max(n, 1), 8)
}

// TestRating wants the highest rating that can be had: 8 with a page behind ingress, 6 for an app without one.
func TestRating(t *testing.T) {
	c := readConfig(t)
	_, err := os.Stat(filepath.Join(appDir, "apparmor.txt"))
	want := 6
	if c.values["ingress"] == true {
		want = 8
	}
	if got := rating(c, err == nil); got != want {
		t.Errorf("rating %d, want %d", got, want)
	}
	if got := rating(parseConfig(t, "ingress: true\nhost_network: true\nhassio_role: admin\n"), false); got != 4 {
		t.Errorf("an app with too many rights has %d", got)
	}
}

// element is Supervisor's expression for the types in a schema, in Go's syntax.
var element = regexp.MustCompile(`^(?:|bool|email|url|port|device(?:\((subsystem=[a-z]+)\))?|str(?:\((\d+)?,(\d+)?\))?|password(?:\((\d+)?,(\d+)?\))?` +
	`|int(?:\((-?\d+)?,(-?\d+)?\))?|float(?:\((-?\d*\.?\d+)?,(-?\d*\.?\d+)?\))?|match\((.*)\)|list\((.+)\))\??$`)

// validate holds options against a schema as Supervisor does.
func validate(path string, schema map[string]any, options map[string]any) []string {
	var out []string
	for key, value := range options {
		typ, ok := schema[key]
		if !ok {
			out = append(out, path+key+" is not in the schema")
			continue
		}
		out = append(out, validateValue(path+key, typ, value)...)
	}
	for key, typ := range schema {
		if items, ok := typ.([]any); ok && len(items) > 0 {
			typ = items[0]
		}
		s, single := typ.(string)
		if _, there := options[key]; !there && (!single || !strings.HasSuffix(s, "?")) {
			out = append(out, path+key+" is missing")
		}
	}
	return out
}

func validateValue(path string, typ, value any) []string {
	switch typ := typ.(type) {
	case map[string]any:
		m, ok := value.(map[string]any)
		if !ok {
			return []string{path + " is no section"}
		}
		return validate(path+".", typ, m)
	case []any:
		items, ok := value.([]any)
		if !ok {
			return []string{path + " is no list"}
		}
		var out []string
		for i, item := range items {
			out = append(out, validateValue(fmt.Sprintf("%s[%d]", path, i), typ[0], item)...)
		}
		return out
	case string:
		if !element.MatchString(typ) {
			return []string{path + " has the unknown type " + typ}
		}
		return validateSingle(path, strings.TrimSuffix(typ, "?"), value)
	}
	return []string{path + " has no type"}
}

func validateSingle(path, typ string, value any) []string {
	text := fmt.Sprint(value)
	bad := value == nil
	switch {
	case typ == "bool":
		_, ok := value.(bool)
		bad = bad || !ok
	case typ == "port":
		n, ok := value.(int)
		bad = bad || !ok || n < 1 || n > 65535
	case typ == "url" || typ == "email":
		bad = bad || text == ""
	case strings.HasPrefix(typ, "list("):
		bad = bad || !slices.Contains(strings.Split(strings.TrimSuffix(strings.TrimPrefix(typ, "list("), ")"), "|"), text)
	case strings.HasPrefix(typ, "str"), strings.HasPrefix(typ, "password"):
		_, ok := value.(string)
		bad = bad || !ok
	}
	if bad {
		return []string{fmt.Sprintf("%s: %v is no %s", path, value, typ)}
	}
	return nil
}

// TestOptionsFitTheirSchema: what the form begins with starts the app. An option that were required would keep an update from
// being installed by itself.
func TestOptionsFitTheirSchema(t *testing.T) {
	v := readConfig(t).values
	schema, _ := v["schema"].(map[string]any)
	options, _ := v["options"].(map[string]any)
	if len(schema) == 0 || len(options) == 0 {
		t.Fatal("no schema or no options")
	}
	for _, problem := range validate("", schema, options) {
		t.Error(problem)
	}
	// Every type is one that Supervisor knows, inside lists too.
	var walk func(path string, typ any)
	walk = func(path string, typ any) {
		switch typ := typ.(type) {
		case string:
			if typ == "" || !element.MatchString(typ) {
				t.Errorf("%s has the unknown type %q", path, typ)
			}
		case []any:
			if len(typ) != 1 {
				t.Fatalf("%s has %d types", path, len(typ))
			}
			walk(path+"[]", typ[0])
		case map[string]any:
			if strings.Count(path, ".") > 1 {
				t.Errorf("%s lies too deep for the form", path)
			}
			for key, sub := range typ {
				walk(path+"."+key, sub)
			}
		}
	}
	walk("", schema)
	// A list of sections without a default, or a section, would be missing.
	wrong := parseConfig(t, "schema:\n  a: {b: 'str?'}\n  c: [{d: str}]\n  e: url?\n  f: list(x|y)\n  g: port?\noptions:\n  e: ''\n  f: z\n  g: 70000\n  h: 1\n").values
	if got := validate("", wrong["schema"].(map[string]any), wrong["options"].(map[string]any)); len(got) != 6 {
		t.Errorf("%q", got)
	}
}

// TestOnlyOneConfig: Supervisor takes every config.yaml (.yml, .json) of the repository for an app.
func TestOnlyOneConfig(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "rootfs" || strings.HasPrefix(name, ".") && path != root) {
			return fs.SkipDir
		}
		switch name {
		case "config.yaml", "config.yml", "config.json":
			seen++
			if filepath.Dir(path) != appDir {
				t.Errorf("%s would be taken for an app", path)
			}
		}
		inApp := strings.HasPrefix(path, appDir+string(filepath.Separator))
		if inApp && d.Type()&fs.ModeSymlink != 0 {
			t.Errorf("%s is a link, which dangles where only the folder is copied", path)
		}
		if inApp && strings.HasPrefix(name, "build.") {
			t.Errorf("%s is a file for a builder that is gone", path)
		}
		return nil
	})
	if err != nil || seen != 1 {
		t.Fatalf("%d config files, %v", seen, err)
	}
}

// TestRepositoryFile has what the store asks for.
func TestRepositoryFile(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "repository.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := yaml.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got["name"] == "" || got["maintainer"] == "" || got["url"] != readConfig(t).values["url"] || len(got) != 3 {
		t.Errorf("repository.yaml holds %v", got)
	}
}

// TestBackupHoldsTheSnapshot: the live archive stays out, what a restore needs is in. Supervisor matches a pattern from the right.
func TestBackupHoldsTheSnapshot(t *testing.T) {
	v := readConfig(t).values
	if v["backup_pre"] != "fitbit-fetch snapshot" {
		t.Errorf("before a backup: %v", v["backup_pre"])
	}
	excluded := func(name string) bool {
		for _, p := range v["backup_exclude"].([]any) {
			if ok, err := filepath.Match(p.(string), name); err != nil || ok {
				return true
			}
		}
		return false
	}
	for name, want := range map[string]bool{
		"archive.db": true, "archive.db-wal": true, "archive.db-shm": true, "control.sock": true,
		"archive.db.snapshot": false, "token.json": false, "token-kim.json": false, "options.json": false,
	} {
		if excluded(name) != want {
			t.Errorf("%s is left out of a backup: %v", name, !want)
		}
	}
}

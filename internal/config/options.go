// Package config reads the options from their places (what was given on the page, a YAML file, Home Assistant's options.json, the
// environment) into one Options value, and reports all that is wrong with them at once. rows is the one list of options: what is parsed, shown by the
// help and written to docs/configuration.md comes from there.
//
// Only cmd imports it; every other package gets its own small struct.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// FirstPerson is the id of the first person; it never changes, whatever the person is called.
const FirstPerson = "default"

// Options is all that can be set. It prints, and is marshalled, without its secrets.
type Options struct {
	DataDir   string      `json:"data_dir"`
	Archive   string      `json:"archive"`
	Provider  string      `json:"provider"` // google or fitbit
	Redirect  string      `json:"redirect_uri"`
	Service   Service     `json:"service"`
	Persons   []Person    `json:"persons"` // the first is the default one
	Backfill  Start       `json:"backfill_start"`
	HeartRate string      `json:"heart_rate_detail"` // raw or minute
	LeaveOut  []metric.ID `json:"leave_out"`
	TakeIn    []metric.ID `json:"take_in,omitempty"`
	InfluxDB  InfluxDB    `json:"influxdb"`
	More      []InfluxDB  `json:"more_databases,omitempty"` // each with a cursor of its own, as the first
	MQTT      MQTT        `json:"mqtt"`
	Sensors   string      `json:"sensors"`  // all or missing
	Language  string      `json:"language"` // one of translations.Languages; empty: Home Assistant's in its app, else en
	Page      Page        `json:"page"`
	Log       Log         `json:"log"`
	DryRun    bool        `json:"dry_run"`
	Manual    Manual      `json:"manual"`
	Polite    bool        `json:"polite"`
	Clock     clock.Clock `json:"-"`
	InApp     bool        `json:"in_app"`          // there is an options.json: we are Home Assistant's app
	Notes     []string    `json:"notes,omitempty"` // what was taken otherwise than it may have been meant; for the log
	Wrong     Problems    `json:"wrong,omitempty"` // of Held: nothing may be asked or delivered

	// Given tells where an option that could be given on the page is said already, by its path.
	Given map[string]string `json:"-"`
}

// Service holds the addresses of the service; an empty one is the provider's own.
type Service struct {
	API        string `json:"api_url"`
	APIVersion string `json:"api_version"`
	Auth       string `json:"auth_url"`
	Token      string `json:"token_url"`
	Revoke     string `json:"revoke_url"`
}

// Person is one person's part.
type Person struct {
	ID           string `json:"id"`   // short and stable: names files and keys
	Name         string `json:"name"` // as called; the tag Person of every further person
	ClientID     string `json:"client_id"`
	ClientSecret Secret `json:"client_secret"`
	RefreshToken Secret `json:"refresh_token"` // taken over when the token file holds none
	TokenFile    string `json:"token_file"`

	AuthorizationAddress Secret `json:"authorization_address"` // what the browser brought back; taken over once

	Device   string `json:"device"`    // empty: as the service calls it
	TimeZone string `json:"time_zone"` // empty: as the service says
}

// Metric returns the person as the other packages know it.
func (p Person) Metric() metric.Person {
	if p.ID == FirstPerson {
		return metric.Person{ID: p.ID}
	}
	return metric.Person{ID: p.ID, Tag: p.Name}
}

// VictoriaMetrics is the version of a database that is no InfluxDB but takes its lines.
const VictoriaMetrics = "victoriametrics"

// InfluxDB is a database to deliver to.
type InfluxDB struct {
	On       bool   `json:"on"`
	Version  string `json:"version"` // 1, 2, 3 or VictoriaMetrics; empty for none
	URL      string `json:"url"`     // with scheme and port, made from host and port where those are used
	Database string `json:"database"`
	Username string `json:"username"`
	Password Secret `json:"password"`
	Token    Secret `json:"token"`
	Org      string `json:"org"`
	Bucket   string `json:"bucket"`
	Units    string `json:"units"` // auto, metric or python
	CA       string `json:"tls_ca"`
	Insecure bool   `json:"tls_insecure"`

	host string
	port int
	at   string // where it stands, in messages; empty for the first
}

// Databases are all that are delivered to.
func (o Options) Databases() []InfluxDB {
	var out []InfluxDB
	for _, db := range append([]InfluxDB{o.InfluxDB}, o.More...) {
		if db.On {
			out = append(out, db)
		}
	}
	return out
}

// Kind is what the database is, as people call it.
func (db InfluxDB) Kind() string {
	if db.Version == VictoriaMetrics {
		return "VictoriaMetrics"
	}
	return "InfluxDB " + db.Version
}

// MQTT is the broker that Home Assistant listens to.
type MQTT struct {
	On       bool   `json:"on"`  // otherwise what was published before is removed, where the broker is known
	Ask      bool   `json:"ask"` // there is no host: Supervisor knows the broker, and its user and password
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Username string `json:"username"`
	Password Secret `json:"password"`
	TLS      bool   `json:"tls"`
	CA       string `json:"tls_ca"` // PEM file; empty: the system's authorities
	Insecure bool   `json:"tls_insecure"`
	Prefix   string `json:"discovery_prefix"`
	Node     string `json:"node"` // begins all topics and ids
}

// Page is the web page.
type Page struct {
	Listen   string `json:"listen"` // host:port, or off; empty: where the page decides
	Password Secret `json:"password"`
}

// Log says what is logged and where.
type Log struct {
	Level slog.Level `json:"level"`
	File  string     `json:"file"` // empty: standard error only
}

// Manual is the Python project's bulk update.
type Manual struct {
	Bulk bool       // fetch the days From to To, then end
	From metric.Day // 0: ask at the terminal
	To   metric.Day // 0: today
	auto *bool
}

// MarshalJSON writes the days as YYYY-MM-DD.
func (m Manual) MarshalJSON() ([]byte, error) {
	day := func(d metric.Day) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	return json.Marshal(map[string]any{"bulk": m.Bulk, "from": day(m.From), "to": day(m.To)})
}

// Start is how far back history goes.
type Start struct {
	All  bool
	Days int        // before today, where above 0
	Date metric.Day // otherwise
}

// firstDay is before any Fitbit tracker was sold.
const firstDay = metric.Day(14245) // 2009-01-01

// Day returns the first day of history, given today.
func (s Start) Day(today metric.Day) metric.Day {
	switch {
	case s.All:
		return firstDay
	case s.Days > 0:
		return max(today-metric.Day(s.Days), firstDay)
	}
	return s.Date
}

// MarshalText writes the start as it can be said in the options.
func (s Start) MarshalText() ([]byte, error) {
	switch {
	case s.All:
		return []byte("all"), nil
	case s.Days > 0:
		return fmt.Appendf(nil, "%d", s.Days), nil
	}
	return []byte(s.Date.String()), nil
}

// Sockets is where the running process may listen for commands: beside the archive, or, where a socket cannot be there, among the
// temporary files.
func (o Options) Sockets() []string {
	path := filepath.Join(o.DataDir, "control.sock")
	sum := sha256.Sum256([]byte(path))
	places := []string{filepath.Join(os.TempDir(), "fitbit-fetch-"+hex.EncodeToString(sum[:8])+".sock")}
	if len(path) < 100 { // the system takes about a hundred bytes
		places = append([]string{path}, places...)
	}
	return places
}

// stateDir is the folder for a program's data where nothing was said; empty where the system names none.
func stateDir(env func(string) string) string {
	switch {
	case env("STATE_DIRECTORY") != "":
		return filepath.SplitList(env("STATE_DIRECTORY"))[0]
	case env("XDG_STATE_HOME") != "":
		return filepath.Join(env("XDG_STATE_HOME"), "fitbit-fetch")
	case runtime.GOOS == "windows" && env("LOCALAPPDATA") != "":
		return filepath.Join(env("LOCALAPPDATA"), "fitbit-fetch")
	case env("HOME") != "":
		return filepath.Join(env("HOME"), ".local", "state", "fitbit-fetch")
	}
	return ""
}

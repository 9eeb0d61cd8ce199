// Package grafana brings the dashboards into a Grafana by its HTTP API: a data source, a folder, the dashboards in the language that
// the database understands, and an alert rule that is paused.
//
//	report, err := grafana.Install(ctx, grafana.Config{URL: …, User: …, Password: …, Database: grafana.Database{…}})
//
// It may be called again at any time. What Grafana holds of ours and nobody changed is brought up to date; what somebody changed is
// left as it is, and where there is something newer, that is put beside it. Nothing is written down on our side: the history that
// Grafana keeps of each dashboard tells whose the last change was. Neither passwords nor tokens are kept or logged.
package grafana

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// HomeAssistant is where the community's Grafana app listens for other apps.
const HomeAssistant = "http://a0d7b954-grafana:3000"

// Config says where, as whom, and for which database.
type Config struct {
	URL      string
	User     string // with Password; or Token alone
	Password string
	Token    string // of a service account with the role Editor and the right to make data sources, or Admin
	Database Database
	HTTP     *http.Client // nil for the default one
}

// Database is the InfluxDB as Grafana reaches it.
type Database struct {
	Version  int // 1, 2 or 3
	URL      string
	Name     string // database; bucket of version 2
	User     string // version 1
	Password string
	Org      string // version 2
	Token    string // versions 2 and 3
}

// A Report says what was done.
type Report struct {
	Grafana string // its version
	Items   []Item
}

// Item is one thing and what became of it.
type Item struct {
	Kind string // data source, folder, dashboard, alert rule
	Name string
	Fate Fate
	URL  string // of a dashboard
}

// Fate is what became of a thing.
type Fate string

const (
	Created Fate = "created"
	Updated Fate = "updated"
	Same    Fate = "up to date"
	Kept    Fate = "changed by you and left alone"
	Beside  Fate = "the newer version, beside the one you changed"
	Files   Fate = "comes from provisioning files and was left alone"
)

// An Error carries what the user can do.
type Error struct {
	Class  Class
	Status int // of HTTP; 0 where there was no answer
	Hint   string
	Err    error
}

// Class is what kind of failure it is, for those who tell it in words of their own.
type Class string

const (
	Address    Class = "address"  // none of a Grafana, as it is written
	Silent     Class = "silent"   // nobody answers there
	Other      Class = "other"    // what answers is no Grafana, or one in trouble
	Old        Class = "old"      // too old for the dashboards
	Login      Class = "login"    // neither user with password nor token, or wrong ones
	Rights     Class = "rights"   // this account may not do it
	Taken      Class = "taken"    // something else of that name is there
	NoDatabase Class = "database" // no InfluxDB to make a data source of
)

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Names that we use in Grafana.
const (
	folderUID   = "fitbit-fetch"
	folderTitle = "Fitbit"
	ruleUID     = "fitbit-fetch-no-data"
)

// Install brings everything into Grafana. What was done before an error is in the report.
func Install(ctx context.Context, cfg Config) (Report, error) {
	var r Report
	if err := cfg.check(); err != nil {
		return r, err
	}
	c := newClient(cfg)
	version, err := c.health(ctx)
	r.Grafana = version
	if err != nil {
		return r, err
	}
	all, err := bundled(cfg.Database.dialect())
	if err != nil {
		return r, err
	}
	steps := []func(context.Context) (Item, error){c.source, c.folder}
	for _, d := range all {
		steps = append(steps, func(ctx context.Context) (Item, error) { return c.dashboard(ctx, d) })
	}
	for _, step := range append(steps, c.rule) {
		item, err := step(ctx)
		if err != nil {
			return r, err
		}
		r.Items = append(r.Items, item)
	}
	return r, nil
}

func (c Config) check() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "": // not repeated: a password may stand in it
		return &Error{Class: Address, Err: errors.New("that is no address of a Grafana"), Hint: "Say it with http:// or https:// before it, such as " + HomeAssistant + "."}
	case u.User != nil:
		return &Error{Class: Address, Err: errors.New("there is a user in the address of Grafana"), Hint: "Give the user and the password beside the address, not in it."}
	case c.Token == "" && (c.User == "" || c.Password == ""):
		return &Error{Class: Login, Err: errors.New("neither a user with a password nor a token was given"), Hint: "Give a Grafana user and password, or the token of a service account."}
	case c.Database.URL == "" || c.Database.Name == "":
		return &Error{Class: NoDatabase, Err: errors.New("no InfluxDB is known to make a data source of"), Hint: "Set the options of influxdb first; fitbit-fetch options lists them."}
	case c.Database.Version < 1 || c.Database.Version > 3:
		return &Error{Class: NoDatabase, Err: fmt.Errorf("InfluxDB %d is not known", c.Database.Version)}
	}
	return nil
}

// dialect is the query language of the database's dashboards.
func (d Database) dialect() string {
	if d.Version == 2 {
		return "flux"
	}
	return "influxql"
}

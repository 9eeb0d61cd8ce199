package grafana

import (
	"context"
	"maps"
	"net/http"
	"reflect"
)

// A sourceJSON is a data source as Grafana's API has it, and as its provisioning files have it.
type sourceJSON struct {
	ID       int64             `json:"id,omitempty" yaml:"-"`
	UID      string            `json:"uid" yaml:"uid"`
	Name     string            `json:"name" yaml:"name"`
	Type     string            `json:"type" yaml:"type"`
	Access   string            `json:"access" yaml:"access"`
	URL      string            `json:"url" yaml:"url"`
	User     string            `json:"user" yaml:"user,omitempty"`
	Default  bool              `json:"isDefault" yaml:"-"`
	Version  int               `json:"version,omitempty" yaml:"-"`
	JSON     map[string]any    `json:"jsonData" yaml:"jsonData"`
	Secrets  map[string]string `json:"secureJsonData,omitempty" yaml:"secureJsonData"`
	ReadOnly bool              `json:"readOnly,omitempty" yaml:"-"`
}

// sourceUID is the data source that the dashboards begin with.
func (d Database) sourceUID() string { return "fitbit-fetch-" + d.dialect() }

// source describes the data source for a database.
func (d Database) source() sourceJSON {
	s := sourceJSON{UID: d.sourceUID(), Name: "Fitbit Fetch (InfluxQL)", Type: "influxdb", Access: "proxy", URL: d.URL, JSON: map[string]any{}, Secrets: map[string]string{}}
	if d.Version == 2 {
		s.Name = "Fitbit Fetch (Flux)"
		s.JSON["version"], s.JSON["organization"], s.JSON["defaultBucket"] = "Flux", d.Org, d.Name
		s.Secrets["token"] = d.Token
		return s
	}
	s.JSON["dbName"], s.JSON["httpMode"] = d.Name, "GET"
	if d.Version == 3 {
		if d.Token != "" {
			s.JSON["httpHeaderName1"], s.Secrets["httpHeaderValue1"] = "Authorization", "Token "+d.Token
		}
		return s
	}
	s.User = d.User
	if d.Password != "" {
		s.Secrets["password"] = d.Password
	}
	return s
}

// source makes the data source, or brings what we set of it up to date; settings that somebody added stay.
func (c *client) source(ctx context.Context) (Item, error) {
	want := c.cfg.Database.source()
	item := Item{Kind: "data source", Name: want.Name}
	var is sourceJSON
	_, err := c.call(ctx, http.MethodGet, "/api/datasources/uid/"+want.UID, nil, &is)
	switch {
	case missing(err):
		item.Fate = Created
		_, err = c.call(ctx, http.MethodPost, "/api/datasources", want, nil)
		return item, err
	case err != nil:
		return item, err
	case is.ReadOnly:
		item.Fate = Files
		return item, nil
	}
	item.Name = is.Name
	merged := is
	merged.URL, merged.User, merged.Type, merged.Access = want.URL, want.User, want.Type, want.Access
	merged.JSON = maps.Clone(is.JSON)
	if merged.JSON == nil {
		merged.JSON = map[string]any{}
	}
	maps.Copy(merged.JSON, want.JSON)
	item.Fate = Same
	if !reflect.DeepEqual(merged, is) {
		item.Fate = Updated
	}
	if item.Fate == Updated || len(want.Secrets) > 0 { // Grafana does not tell secrets, so they are sent again
		merged.Secrets = want.Secrets
		_, err = c.call(ctx, http.MethodPut, "/api/datasources/uid/"+want.UID, merged, nil)
	}
	return item, err
}

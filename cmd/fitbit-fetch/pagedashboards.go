package main

import (
	"context"
	"errors"

	"github.com/fitbit-fetch/fitbit-fetch/internal/grafana"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/web"
)

// kindsShown and fatesShown are the page's names of what Grafana got and what became of it.
var (
	kindsShown = map[string]string{"data source": "source", "folder": "folder", "dashboard": "dashboard", "alert rule": "rule"}
	fatesShown = map[grafana.Fate]string{
		grafana.Created: "created", grafana.Updated: "updated", grafana.Same: "same", grafana.Kept: "kept", grafana.Beside: "beside", grafana.Files: "files",
	}
)

// grafanaAddresses are what the page tells of Grafana: where one may be found, and the database that the dashboards would ask.
func (p page) grafanaAddresses() (found, asked string) {
	found = "http://localhost:3000"
	if p.opts.InApp {
		found = grafana.HomeAssistant
	}
	db, err := grafanaDatabase(databaseForGrafana(p.opts), "")
	if err != nil {
		return found, ""
	}
	return found, db.URL
}

func (p page) Dashboards(ctx context.Context, g web.Grafana) (web.Installed, error) {
	db, err := grafanaDatabase(databaseForGrafana(p.opts), g.Database)
	if err != nil {
		return web.Installed{}, grafanaTrouble(err)
	}
	report, err := grafana.Install(ctx, grafana.Config{URL: g.URL, User: g.User, Password: g.Password, Token: g.Token, Database: db})
	out := web.Installed{Version: report.Grafana}
	for _, i := range report.Items {
		out.Items = append(out.Items, web.Item{Kind: kindsShown[i.Kind], Name: i.Name, Fate: fatesShown[i.Fate], URL: i.URL})
	}
	return out, grafanaTrouble(err)
}

// grafanaTrouble gives an error the name of its section in the page's help.
func grafanaTrouble(err error) error {
	var e *grafana.Error
	if !errors.As(err, &e) {
		return err
	}
	return &source.Error{Kind: source.Retry, Reason: "grafana_" + string(e.Class), Err: err, Hint: e.Hint}
}

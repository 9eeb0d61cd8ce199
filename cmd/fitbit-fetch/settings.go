package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/certificate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/web"
)

// providerChoices and databaseChoices are what the page offers.
var (
	providerChoices = []web.Choice{
		{ID: "google", Title: "Google Health API"},
		{ID: "fitbit", Title: "Fitbit Web API"},
	}
	databaseChoices = []web.Choice{
		{ID: "1", Title: "InfluxDB 1", Example: "http://192.168.1.20:8086"}, {ID: "2", Title: "InfluxDB 2", Example: "http://192.168.1.20:8086"},
		{ID: "3", Title: "InfluxDB 3", Example: "http://192.168.1.20:8181"}, {ID: config.VictoriaMetrics, Title: "VictoriaMetrics", Example: "http://192.168.1.20:8428"},
	}
)

// databasesFound are the choices with where each is usually found: in Home Assistant the community's InfluxDB 1 alone is known,
// elsewhere it is this machine.
func databasesFound(inApp bool) []web.Choice {
	out := slices.Clone(databaseChoices)
	for i, c := range out {
		switch {
		case !inApp:
			out[i].Address = strings.Replace(c.Example, "192.168.1.20", "localhost", 1)
		case c.ID == "1":
			out[i].Address = config.CommunityInfluxDB
		}
	}
	return out
}

func (p page) Settings(context.Context) (web.Settings, error) {
	o, first := p.opts, p.opts.Persons[0]
	s := web.Settings{App: o.InApp, Database: o.InfluxDB.On, Values: map[string]web.Setting{}}
	if p.renew == nil {
		s.Fixed = "This is a demo: its account and its database are made up, and nothing can be changed here."
	}
	s.Providers = providerChoices
	s.Versions = databasesFound(o.InApp)
	s.Grafana, s.Source = p.grafanaAddresses()
	db := o.InfluxDB
	if !db.On { // what the form begins with
		db.URL, db.Database = s.Versions[0].Address, "FitbitHealthStats"
	}
	version := cmp.Or(db.Version, "off")
	for path, value := range map[string]string{
		"provider": o.Provider, "client_id": first.ClientID, "influxdb.version": version, "influxdb.url": db.URL, "influxdb.database": db.Database, "influxdb.username": db.Username,
		"influxdb.org": db.Org, "influxdb.bucket": db.Bucket,
	} {
		s.Values[path] = web.Setting{Value: value, Set: value != "", Where: o.Given[path]}
	}
	s.Values["client_secret"] = web.Setting{Set: first.ClientSecret.Set(), Where: o.Given["client_secret"]}
	s.Values["influxdb.token"] = web.Setting{Set: db.Token.Set(), Where: o.Given["influxdb.token"]}
	s.Values["influxdb.password"] = web.Setting{Set: db.Password.Set(), Where: o.Given["influxdb.password"]}
	return s, nil
}

// changed returns the options as they would be with values, and the page's file that makes them so.
func (p page) changed(values map[string]string) (config.Options, []byte, error) {
	if p.renew == nil {
		return p.opts, nil, errors.New("nothing can be changed in a demo")
	}
	opts, data, err := config.Change(p.inputs, p.opts, values)
	opts.Clock = p.opts.Clock
	return opts, data, wrongOptions(err)
}

// wrongOptions tells what is wrong with options as the page shows it.
func wrongOptions(err error) error {
	var wrong config.Problems
	if !errors.As(err, &wrong) {
		return err
	}
	var lines []string
	for _, w := range wrong {
		lines = append(lines, strings.TrimSuffix(w.Where, " in page.json")+": "+w.What)
	}
	return &source.Error{Kind: source.Bad, Reason: "options", Err: errors.New(strings.Join(lines, "; ")), Hint: "Nothing was changed. Correct it and try again."}
}

func (p page) Save(_ context.Context, values map[string]string) error {
	p.saving.Lock()
	defer p.saving.Unlock()
	opts, data, err := p.changed(values)
	if err == nil && values["client_id"] != "" {
		err = checkClient(services[opts.Provider]().provider, opts.Persons[0])
	}
	if err != nil {
		return err
	}
	if err := config.WritePage(p.opts, data, p.clock.Now()); err != nil {
		return &source.Error{Kind: source.Retry, Reason: "not_saved", Err: err, Hint: "The data folder must be writable and its disk must have room."}
	}
	p.log.Info("options were given on the page; the program is built anew with them", "names", strings.Join(sortedKeys(values), " "))
	select {
	case p.renew <- struct{}{}:
	default: // it is about to be
	}
	return nil
}

// checkClient recognises what is often pasted into the wrong field.
func checkClient(p auth.Provider, o config.Person) error {
	secret := o.ClientSecret.Reveal()
	text := ""
	switch {
	case p.Prefixes.Secret != "" && strings.HasPrefix(o.ClientID, p.Prefixes.Secret), p.Prefixes.IDSuffix != "" && strings.HasSuffix(secret, p.Prefixes.IDSuffix):
		text = "client id and client secret are in each other's field"
	case strings.ContainsAny(o.ClientID, " /@") || strings.ContainsAny(secret, " \t"):
		text = "there is something in client id or secret that does not belong there, such as a blank"
	default:
		return nil
	}
	return &source.Error{Kind: source.Bad, Reason: "no_client", Err: errors.New(text), Hint: p.Cures.Client}
}

func (p page) TryDatabase(ctx context.Context, values map[string]string) (string, error) {
	opts, _, err := p.changed(values)
	if err != nil {
		return "", err
	}
	if !opts.InfluxDB.On {
		return "", &source.Error{Kind: source.Bad, Reason: "options", Err: errors.New("no address is given"), Hint: "Give the address of the database, such as http://influxdb:8086."}
	}
	s, err := p.newInflux(opts.InfluxDB)
	if err != nil {
		return "", &source.Error{Kind: source.Bad, Reason: "options", Err: err, Hint: "Nothing was changed. Correct it and try again."}
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text, err := s.Check(ctx)
	if err == nil {
		return text, nil
	}
	return text, &source.Error{Kind: source.Retry, Reason: web.DatabaseReason(opts.InfluxDB.Version, databaseTrouble(err)), Err: err, Hint: hint(err)}
}

// databaseTrouble names what is wrong, as the help of the page does.
func databaseTrouble(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	var answer *sink.Error
	errors.As(err, &answer)
	switch {
	case errors.As(err, &dns):
		return "host"
	case certificate.Of(err) != certificate.None:
		return "tls"
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		return "silent"
	case answer == nil:
		return "other"
	case answer.Status == 401:
		return "user"
	case answer.Status == 403:
		return "rights"
	case answer.Status >= 500:
		return "trouble"
	case strings.Contains(err.Error(), "organization name"):
		return "org"
	case answer.Status == 404 && (strings.Contains(err.Error(), "database not found") || strings.Contains(err.Error(), "bucket")):
		return "database"
	}
	return "other"
}

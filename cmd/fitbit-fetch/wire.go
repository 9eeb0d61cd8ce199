package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/deliver"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/influx"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/fitbit"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

// sourceRank orders the sources, best first: where two have data of the same time, the first one's are shown.
var sourceRank = []string{google.Name, fitbit.Name}

// wire builds the persons, each with a source, and the sinks. This file is the only list of sources and sinks.
func (a *app) wire() error {
	for _, o := range a.opts.Persons {
		p, err := a.newPerson(o)
		if err != nil {
			return fmt.Errorf("person %s: %w", o.ID, err)
		}
		a.people = append(a.people, p)
	}
	if a.opts.DryRun || a.held() {
		return nil
	}
	for _, o := range a.opts.Databases() {
		s, err := a.newInflux(o)
		if err != nil {
			return fmt.Errorf("database %s: %w", o.URL, err)
		}
		a.addSink(s)
	}
	return nil
}

func (a *app) addSink(s checkedSink) {
	var people []metric.Person
	for _, p := range a.people {
		people = append(people, p.Person)
	}
	a.sinks = append(a.sinks, &target{sink: s, deliver: deliver.New(deliver.Config{
		Archive: a.archive, Sink: s, Catalogue: a.catalogue, Persons: people, Clock: a.clock, Log: a.log.With("part", "deliver"),
	})})
}

// newPerson builds one person.
func (a *app) newPerson(o config.Person) (*person, error) {
	p := &person{Person: o.Metric(), opts: o, archive: a.archive, recent: newHistory(), log: a.log.With("person", o.ID)}
	known, ok := services[a.opts.Provider]
	if !ok {
		return nil, fmt.Errorf("there is no provider %q", a.opts.Provider)
	}
	p.service = known()
	client := auth.Client{Provider: p.service.provider.At(a.opts.Service.Auth, a.opts.Service.Token, a.opts.Service.Revoke), ID: o.ClientID, Secret: o.ClientSecret.Reveal(), Redirect: a.opts.Redirect}
	tokens, err := auth.New(auth.Config{Client: client, File: auth.NewFile(o.TokenFile), Now: a.clock.Now, Log: p.log.With("part", "auth")})
	if err != nil {
		return nil, err
	}
	p.tokens = tokens
	host, err := hostOf(cmp.Or(a.opts.Service.API, p.service.base))
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // the sources unpack by themselves
	p.wire = transport
	if p.service.limit != nil && a.opts.Polite {
		p.wire = p.service.limit(transport, a.clock.Now)
	}
	p.http = &http.Client{Transport: &auth.Transport{Tokens: tokens, Host: host, Base: p.wire}}
	if p.probe, err = p.service.open(a, p, p.http, p.recent.exchange); err != nil {
		return nil, err
	}
	p.source = p.probe
	p.flow = auth.NewFlow(auth.FlowConfig{
		Client: client, Tokens: tokens, Now: a.clock.Now, Log: p.log.With("part", "auth"),
		Known: func(ctx context.Context) (string, error) {
			b, err := a.archive.State(ctx, p.ID, collect.AccountKey(p.source.Name()))
			return string(b), err
		},
		Identity: a.identity(p),
	})
	p.again = make(chan struct{}, 1)
	p.collect = collect.New(collect.Config{
		Person: p.Person, Source: p.source, Archive: a.archive, Clock: a.clock, Log: p.log.With("part", "collect"),
		LeaveOut: a.leaveOut(), DeviceName: o.Device, Start: a.opts.Backfill.Day(metric.DayOf(a.clock.Now())), Zone: o.TimeZone, Machine: machineZone(),
		Reauthorized: p.again, Events: p.recent.event,
	})
	return p, nil
}

// machineZone is the zone of the machine, which Home Assistant sets for its apps; empty where nobody has set one.
func machineZone() string {
	name := strings.TrimPrefix(os.Getenv("TZ"), ":")
	if _, err := metric.LoadZone(name); err != nil {
		return ""
	}
	return name
}

// A service is a provider: how it authorizes, and the source that asks it.
type service struct {
	provider auth.Provider
	base     string                                                             // address of the API
	limit    func(to http.RoundTripper, now func() time.Time) http.RoundTripper // counts requests; nil where the source does
	open     func(a *app, p *person, h *http.Client, watch func(answer.Exchange)) (prober, error)
}

// clientOptions are the variables that hold client id and secret, by provider.
var clientOptions = map[string]string{google.Name: "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET", fitbit.Name: "CLIENT_ID and CLIENT_SECRET"}

// services are the providers by their names in the options.
var services = map[string]func() service{
	google.Name: func() service {
		return service{provider: auth.Google(), base: google.DefaultBase,
			open: func(a *app, p *person, h *http.Client, watch func(answer.Exchange)) (prober, error) {
				return google.New(google.Config{HTTP: h, Base: a.opts.Service.API, Version: a.opts.Service.APIVersion, Person: p.ID, Catalogue: a.catalogue, Now: a.clock.Now, Unlimited: !a.opts.Polite,
					Log: p.log.With("part", google.Name), Observer: watch})
			}}
	},
	fitbit.Name: func() service {
		var budget *fitbit.Budget
		return service{provider: auth.Fitbit(), base: fitbit.DefaultBase,
			limit: func(to http.RoundTripper, now func() time.Time) http.RoundTripper {
				budget = &fitbit.Budget{Next: to, Now: now}
				return budget
			},
			open: func(a *app, p *person, h *http.Client, watch func(answer.Exchange)) (prober, error) {
				return fitbit.New(fitbit.Config{HTTP: h, Budget: budget, Base: a.opts.Service.API, Person: p.ID, Zone: p.opts.TimeZone, Catalogue: a.catalogue, Now: a.clock.Now,
					Log: p.log.With("part", fitbit.Name), Observer: watch})
			}}
	},
}

// prober is a source with what diagnose asks of one.
type prober interface {
	source.Source
	source.Describer
	Surprises() []answer.Surprise
	Shapes(on bool)
}

// identity asks whose account an access token is of, before the token is kept.
func (a *app) identity(p *person) func(ctx context.Context, access string) (string, error) {
	return func(ctx context.Context, access string) (string, error) {
		s, err := p.service.open(a, p, &http.Client{Transport: &oauth2.Transport{Base: p.wire, Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: access})}}, nil)
		if err != nil {
			return "", err
		}
		d, err := s.Describe(ctx)
		return d.Account, err
	}
}

// newInflux builds the sink for a database that speaks InfluxDB's write protocol.
func (a *app) newInflux(o config.InfluxDB) (checkedSink, error) {
	return influx.New(influx.Config{
		Version: influx.Version(o.Version), URL: o.URL, Database: cmp.Or(o.Bucket, o.Database), Org: o.Org, Token: o.Token.Reveal(),
		Username: o.Username, Password: o.Password.Reveal(), CAFile: o.CA, Insecure: o.Insecure,
		Units: influx.Units(o.Units), Adopt: len(a.opts.Persons) > 0 && a.opts.Persons[0].Device == "", Deciding: deliver.Decisions{Archive: a.archive}, Catalogue: a.catalogue, Log: a.log.With("part", "influxdb"),
	})
}

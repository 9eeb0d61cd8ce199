package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

type simulateFlags struct {
	listen  string
	persons int
	seed    uint64
	zone    string
	device  string
	start   string
	clock   string
	quota   bool
	testing bool
	approve bool
	pageCap int
	api     string
	app     string
	hours   bool
	retired bool
	odd     string // a seed; empty for none
}

func simulateCommand() command {
	return command{
		name: "simulate", raw: true, summary: "serve a simulated person as Google Health API and Fitbit Web API", alone: true, bare: true,
		help: `Serves OAuth and the API on one address, and prints options with which fitbit-fetch (or another client) reaches it:
  fitbit-fetch simulate > simulated.yaml &
  FITBIT_FETCH_DATA_DIR=simulated fitbit-fetch --config simulated.yaml
Both services are there at once, under the paths that the live ones have: Google's under /v4/, /o/oauth2/v2/auth, /token and /revoke;
Fitbit's under /1/, /1.1/, /1.2/ and /oauth2/. --api says whose options are printed.
The same seed is the same person, to the last heartbeat.
With --odd both answer as real services do on bad days: values that no body has, members renamed or missing, times that cannot be read,
elements that stand twice or are another app's copies, and now and then an answer that is none. The same seed is odd in the same places.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &simulateFlags{}
			c.flags = f
			fs.StringVar(&f.listen, "listen", "127.0.0.1:8085", "`address` to serve on; port 0 for a free one")
			fs.IntVar(&f.persons, "persons", 1, "how many people")
			fs.Uint64Var(&f.seed, "seed", 1, "who they are")
			fs.StringVar(&f.zone, "zone", "Europe/Berlin", "where they live")
			fs.StringVar(&f.device, "device", "", "what they wear (default: Charge 6)")
			fs.StringVar(&f.start, "start", "", "first `day` of data (default: two years ago)")
			fs.StringVar(&f.clock, "clock", "", "START@SPEED, such as 2026-11-20T07:00:00Z@60 (default: the real time)")
			fs.StringVar(&f.api, "api", "google", "whose options are printed: google or fitbit")
			fs.BoolVar(&f.quota, "quota", true, "keep to the services' limits (Google's 300 requests a minute, Fitbit's 150 an hour)")
			fs.BoolVar(&f.testing, "testing", false, "Google: authorizations end after 7 days, as for an app in testing")
			fs.BoolVar(&f.approve, "auto-approve", false, "the consent page agrees by itself")
			fs.IntVar(&f.pageCap, "page-cap", 5000, "Google: heart-rate points in a page at most")
			fs.StringVar(&f.app, "app", "personal", "Fitbit: type of the application: personal, server or client; the last two see no minutes")
			fs.BoolVar(&f.hours, "full-hours", false, "Fitbit: the limit's hour is the clock's, not one that begins with a request")
			fs.BoolVar(&f.retired, "retired", false, "Fitbit: the service is gone, as it has been since November 2026 (410)")
			fs.StringVar(&f.odd, "odd", "", "answer oddly now and then, at places told by this `seed` (default: never)")
		},
		run: func(ctx context.Context, c *call) error { return c.simulate(ctx, c.flags.(*simulateFlags)) },
	}
}

func (c *call) simulate(ctx context.Context, f *simulateFlags) error {
	clk, err := clock.Parse(f.clock)
	if err != nil {
		return usageError("--clock: %w", err)
	}
	if f.persons < 1 {
		return usageError("--persons must be above 0")
	}
	if f.api != "google" && f.api != "fitbit" {
		return usageError("--api %q: google or fitbit", f.api)
	}
	cfg, err := f.world(clk)
	if err != nil {
		return err
	}
	old, err := f.fitbitWorld(cfg)
	if err != nil {
		return err
	}
	if f.odd != "" {
		seed, err := strconv.ParseUint(f.odd, 10, 64)
		if err != nil {
			return usageError("--odd %q: a whole number, 0 or above", f.odd)
		}
		cfg.Odd, old.Odd = &simulate.Oddities{Seed: seed}, &simulate.Oddities{Seed: seed}
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", f.listen, err)
	}
	base := "http://" + l.Addr().String()
	if f.api == "fitbit" {
		f.writeApps(c.stdout, base, clk, old)
	} else {
		f.writeClients(c.stdout, base, clk, cfg)
	}
	return serveHTTP(ctx, l, bothServices(simulate.NewGoogle(cfg), simulate.NewFitbit(old)))
}

// bothServices serves two services on one port: their paths are apart.
func bothServices(google *simulate.Google, fitbit *simulate.Fitbit) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fitbit.Serves(r.URL.Path) {
			fitbit.ServeHTTP(w, r)
		} else {
			google.ServeHTTP(w, r)
		}
	})
}

// fitbitWorld is the Fitbit Web API with the people of cfg.
func (f *simulateFlags) fitbitWorld(cfg simulate.Config) (simulate.FitbitConfig, error) {
	old := simulate.FitbitConfig{Persons: cfg.Persons, Now: cfg.Now, NoLimit: !f.quota, AutoApprove: f.approve, FullHours: f.hours}
	kind, ok := map[string]simulate.AppType{"personal": simulate.PersonalApp, "server": simulate.ServerApp, "client": simulate.ClientApp}[f.app]
	if !ok {
		return old, usageError("--app %q: personal, server or client", f.app)
	}
	if f.retired {
		old.Retired = cfg.Now()
	}
	for i, p := range cfg.Persons {
		app := simulate.DefaultFitbitApp()
		app.Person, app.Type = p, kind
		if i > 0 {
			app.ID = fmt.Sprintf("23AB%02d", i+1)
			app.Refresh = fmt.Sprintf("%s%04x", strings.Repeat("5a", 30), i+1)
		}
		old.Apps = append(old.Apps, app)
	}
	return old, nil
}

// world is the simulated service with its people.
func (f *simulateFlags) world(clk clock.Clock) (simulate.Config, error) {
	cfg := simulate.Config{Now: clk.Now, NoQuota: !f.quota, Testing: f.testing, AutoApprove: f.approve, PageCap: f.pageCap, NoEmptyPages: !f.quota}
	if _, err := time.LoadLocation(f.zone); err != nil {
		return cfg, usageError("--zone %q: no such time zone", f.zone)
	}
	today := metric.DayOf(clk.Now())
	start := today - 730
	if f.start != "" {
		d, err := metric.ParseDay(f.start)
		if err != nil {
			return cfg, usageError("--start: %w", err)
		}
		start = d
	}
	for i := range f.persons {
		p := &simulate.Person{Seed: f.seed + uint64(i), Zones: metric.Zones{{From: 0, Name: f.zone}}, Start: start, Device: f.device}
		cfg.Persons = append(cfg.Persons, p)
		client := simulate.DefaultClient()
		client.Person = p
		if i > 0 {
			client.ID = fmt.Sprintf("simulated-client-%d.apps.googleusercontent.com", i+1)
			client.Refresh = fmt.Sprintf("1//simulated-refresh-token-%d", i+1)
		}
		cfg.Clients = append(cfg.Clients, client)
	}
	return cfg, nil
}

// printed is an OAuth client as it stands in options.
type printed struct{ id, secret, refresh string }

// writeClients prints options that reach the simulated Google service, as a YAML file for --config.
func (f *simulateFlags) writeClients(w io.Writer, base string, clk clock.Clock, cfg simulate.Config) {
	all := make([]printed, len(cfg.Clients))
	for i, c := range cfg.Clients {
		all[i] = printed{c.ID, c.Secret, c.Refresh}
	}
	f.writeOptions(w, base, clk, cfg.Clients[0].Redirects[0], [3]string{simulate.PathAuth, simulate.PathToken, simulate.PathRevoke}, all)
}

// writeApps prints those that reach the simulated Fitbit service. An app of the type client has no secret.
func (f *simulateFlags) writeApps(w io.Writer, base string, clk clock.Clock, cfg simulate.FitbitConfig) {
	all := make([]printed, len(cfg.Apps))
	for i, a := range cfg.Apps {
		all[i] = printed{a.ID, a.Secret, a.Refresh}
		if a.Type == simulate.ClientApp {
			all[i].secret = ""
		}
	}
	f.writeOptions(w, base, clk, cfg.Apps[0].Redirects[0], [3]string{simulate.FitbitPathAuth, simulate.FitbitPathToken, simulate.FitbitPathRevoke}, all)
}

func (f *simulateFlags) writeOptions(w io.Writer, base string, clk clock.Clock, redirect string, path [3]string, all []printed) {
	fmt.Fprintf(w, "# Options for fitbit-fetch --config FILE; the simulated service is at %s\n", base)
	person := func(indent string, c printed) {
		fmt.Fprintf(w, "%sclient_id: %s\n", indent, c.id)
		if c.secret != "" {
			fmt.Fprintf(w, "%sclient_secret: %s\n", indent, c.secret)
		}
		fmt.Fprintf(w, "%srefresh_token: %s\n", indent, c.refresh)
	}
	fmt.Fprintf(w, "provider: %s\n", f.api)
	person("", all[0])
	fmt.Fprintf(w, "redirect_uri: %s\n", redirect)
	fmt.Fprintf(w, "service:\n  api_url: %s\n  auth_url: %s\n  token_url: %s\n  revoke_url: %s\n", base, base+path[0], base+path[1], base+path[2])
	if !f.quota {
		fmt.Fprintln(w, "polite: no")
	}
	if f.clock != "" {
		_, speed, sped := strings.Cut(f.clock, "@")
		now := clk.Now().UTC().Format(time.RFC3339)
		if sped {
			now += "@" + speed
		}
		fmt.Fprintf(w, "clock: %q # as of the start of this service\n", now)
	}
	if len(all) > 1 {
		fmt.Fprintln(w, "persons:")
	}
	for i, c := range all[1:] {
		fmt.Fprintf(w, "  - name: Person %d\n", i+2)
		person("    ", c)
	}
}

// serveHTTP serves h until ctx ends.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

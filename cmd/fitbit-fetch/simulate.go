package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
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
}

func simulateCommand() command {
	return command{
		name: "simulate", summary: "serve a simulated person as the Google Health API", alone: true, bare: true,
		help: `Serves OAuth and the API on one address, and prints options with which fitbit-fetch (or another client) reaches it:
  fitbit-fetch simulate > simulated.yaml &
  FITBIT_FETCH_DATA_DIR=simulated fitbit-fetch --config simulated.yaml
The same seed is the same person, to the last heartbeat.`,
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
			fs.BoolVar(&f.quota, "quota", true, "keep to the service's limits (300 requests a minute)")
			fs.BoolVar(&f.testing, "testing", false, "authorizations end after 7 days, as for an app in testing")
			fs.BoolVar(&f.approve, "auto-approve", false, "the consent page agrees by itself")
			fs.IntVar(&f.pageCap, "page-cap", 5000, "heart-rate points in a page at most")
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
	cfg, err := f.world(clk)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", f.listen, err)
	}
	base := "http://" + l.Addr().String()
	f.writeClients(c.stdout, base, clk, cfg)
	return serveHTTP(ctx, l, simulate.NewGoogle(cfg))
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

// writeClients prints options that reach the simulated service, as a YAML file for --config.
func (f *simulateFlags) writeClients(w io.Writer, base string, clk clock.Clock, cfg simulate.Config) {
	fmt.Fprintf(w, "# Options for fitbit-fetch --config FILE; the simulated service is at %s\n", base)
	person := func(indent string, c simulate.Client) {
		fmt.Fprintf(w, "%sclient_id: %s\n%sclient_secret: %s\n%srefresh_token: %s\n", indent, c.ID, indent, c.Secret, indent, c.Refresh)
	}
	fmt.Fprintln(w, "provider: google")
	person("", cfg.Clients[0])
	fmt.Fprintf(w, "redirect_uri: %s\n", cfg.Clients[0].Redirects[0])
	fmt.Fprintf(w, "service:\n  api_url: %s\n  auth_url: %s\n  token_url: %s\n  revoke_url: %s\n", base, base+simulate.PathAuth, base+simulate.PathToken, base+simulate.PathRevoke)
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
	if len(cfg.Clients) > 1 {
		fmt.Fprintln(w, "persons:")
	}
	for i, c := range cfg.Clients[1:] {
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

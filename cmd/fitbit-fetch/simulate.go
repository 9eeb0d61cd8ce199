package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
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
		name: "simulate", summary: "serve a simulated person as the Google Health API, for anyone who writes a client", alone: true,
		help: `Serves OAuth and the API on one address, and prints options with which fitbit-fetch (or another client) reaches it. The same seed is the same
person, to the last heartbeat.`,
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
	cfg, err := f.world(clk)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", f.listen, err)
	}
	base := "http://" + l.Addr().String()
	writeClients(c.stdout, base, cfg)
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

// writeClients prints options that reach the simulated service.
func writeClients(w io.Writer, base string, cfg simulate.Config) {
	fmt.Fprintf(w, "# options for fitbit-fetch; the service is at %s\n", base)
	fmt.Fprintf(w, "provider: google\nservice:\n  api_url: %s\n  auth_url: %s\n  token_url: %s\n  revoke_url: %s\n", base, base+simulate.PathAuth, base+simulate.PathToken, base+simulate.PathRevoke)
	fmt.Fprintln(w, "persons:")
	for i, c := range cfg.Clients {
		fmt.Fprintf(w, "  - id: person%d\n    client_id: %s\n    client_secret: %s\n    refresh_token: %s\n", i+1, c.ID, c.Secret, c.Refresh)
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

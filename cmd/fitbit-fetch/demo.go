package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

type demoFlags struct {
	influx   string
	database string
	days     int
	speed    float64
	seed     uint64
	data     string
	stay     time.Duration
}

func demoCommand() command {
	return command{
		name: "demo", raw: true, summary: "the whole program with a simulated person; no account needed", alone: true, bare: true,
		help: `Starts a simulated person and the service that holds their data, authorizes there, fetches their history and then lives on with them, a
minute each second, until Ctrl-C. A page and an MQTT broker show the newest values. Where no terminal is, it ends when everything has been
fetched. Nothing leaves this machine, and nothing stays on it.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &demoFlags{}
			c.flags = f
			fs.StringVar(&f.influx, "influx", "", "write to a real InfluxDB 1 at this `URL`, too")
			fs.StringVar(&f.database, "database", "fitbit_fetch_demo", "its database")
			fs.IntVar(&f.days, "days", 30, "days of history")
			fs.Float64Var(&f.speed, "speed", 60, "how many times faster than real time the person lives")
			fs.Uint64Var(&f.seed, "seed", 1, "who the person is")
			fs.StringVar(&f.data, "data", "", "keep the archive in this `folder` (default: a temporary one)")
			fs.DurationVar(&f.stay, "stay", 0, "go on so long behind the history, then end (default: until Ctrl-C in a terminal, otherwise not at all)")
		},
		run: func(ctx context.Context, c *call) error { return c.demo(ctx, c.flags.(*demoFlags)) },
	}
}

func (c *call) demo(ctx context.Context, f *demoFlags) (err error) {
	if f.days < 1 || f.speed <= 0 {
		return usageError("--days and --speed must be above 0")
	}
	data := c.path(f.data)
	if data == "" {
		if data, err = os.MkdirTemp("", "fitbit-fetch-demo-"); err != nil {
			return fmt.Errorf("making a folder for the demo: %w", err)
		}
		defer os.RemoveAll(data)
	} else if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("making a folder for the demo: %w", err)
	}
	world := &simulateFlags{persons: 1, seed: f.seed, zone: "Europe/Berlin", approve: true, pageCap: 5000}
	clk := clock.At(byDay(time.Now(), world.zone), f.speed)
	cfg, err := world.world(clk)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("starting the simulated service: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { serveHTTP(ctx, l, simulate.NewGoogle(cfg)) })
	sensors, err := listenNear("127.0.0.1:1883")
	if err != nil {
		return fmt.Errorf("starting the MQTT broker: %w", err)
	}
	farewell, hangUp := context.WithCancel(context.WithoutCancel(ctx)) // the program says goodbye to it
	defer hangUp()
	wg.Go(func() { simulate.NewBroker().Serve(farewell, sensors) })

	opts, err := f.options(data, "http://"+l.Addr().String(), sensors.Addr().String(), clk, cfg.Clients[0])
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(data, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the demo's log: %w", err)
	}
	defer logFile.Close()
	a, err := openApp(ctx, opts, slog.New(redact.Handler(slog.NewTextHandler(logFile, nil))))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	for _, t := range a.sinks {
		if _, err := t.sink.Check(ctx); err != nil {
			return err
		}
	}
	if err := demoAuthorize(ctx, a.people[0]); err != nil {
		return fmt.Errorf("authorizing at the simulated service: %w", err)
	}
	return c.demoRun(ctx, &demo{call: c, demoFlags: f, app: a, who: a.people[0], device: cfg.Persons[0].Tracker(), began: time.Now()})
}

// listenNear listens at a place, or at a free port of this machine where that is taken.
func listenNear(place string) (net.Listener, error) {
	if l, err := net.Listen("tcp", place); err == nil {
		return l, nil
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// pagePlace is where the demo serves its page: the usual place, or a free one where that is taken.
func pagePlace() string {
	l, err := listenNear("127.0.0.1:8099")
	if err != nil {
		return "off"
	}
	defer l.Close()
	return l.Addr().String()
}

// demoRun runs the program and shows how it goes.
func (c *call) demoRun(ctx context.Context, d *demo) error {
	running, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	if s := d.app.newPage(); s != nil {
		var wg sync.WaitGroup
		defer wg.Wait()
		defer end()
		wg.Go(func() { d.app.servePage(running, s) })
	}
	go func() {
		ended <- d.app.Run(running)
		end()
	}()
	if c.tty {
		d.screen = newScreen(c)
		d.watch(running)
		d.screen.leave()
	} else {
		fmt.Fprintln(c.stdout, c.wrap(d.intro(), "", ""))
		for _, l := range d.places() {
			fmt.Fprintln(c.stdout, "  "+l.text())
		}
		d.watch(running)
	}
	end()
	if err := <-ended; err != nil {
		return err
	}
	return d.finish()
}

// byDay is the newest instant at which people are up and about: at night there is little to see.
func byDay(now time.Time, zone string) time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return now
	}
	t := now.In(loc)
	const from, to = 9, 17
	switch {
	case t.Hour() >= to:
		return time.Date(t.Year(), t.Month(), t.Day(), to, 0, 0, 0, loc)
	case t.Hour() < from:
		return time.Date(t.Year(), t.Month(), t.Day()-1, to, 0, 0, 0, loc)
	}
	return now
}

// options are those of a user whose service is the simulated one.
func (f *demoFlags) options(data, base, broker string, clk clock.Clock, client simulate.Client) (config.Options, error) {
	env := map[string]string{
		"FITBIT_FETCH_DATA_DIR": data, "GOOGLE_CLIENT_ID": client.ID, "GOOGLE_CLIENT_SECRET": client.Secret,
		"FITBIT_FETCH_BACKFILL_START": fmt.Sprint(f.days), "FITBIT_FETCH_POLITE": "no", "FITBIT_FETCH_PAGE_LISTEN": pagePlace(),
		"FITBIT_FETCH_API_URL": base, "FITBIT_FETCH_AUTH_URL": base + simulate.PathAuth,
		"FITBIT_FETCH_TOKEN_URL": base + simulate.PathToken, "FITBIT_FETCH_REVOKE_URL": base + simulate.PathRevoke,
	}
	env["FITBIT_FETCH_MQTT_HOST"], env["FITBIT_FETCH_MQTT_PORT"], _ = strings.Cut(broker, ":")
	if f.influx != "" {
		env["INFLUXDB_URL"], env["INFLUXDB_DATABASE"] = f.influx, f.database
	}
	in := config.System("")
	in.App = filepath.Join(data, "no-options.json") // a real app's options are not the demo's
	in.Env = func(name string) string { return env[name] }
	opts, err := config.Load(in)
	opts.Clock = clk
	return opts, err
}

// demoAuthorize does what a person would do: it opens the consent page, and brings back the address on which the browser ends.
func demoAuthorize(ctx context.Context, p *person) error {
	visit, err := p.flow.Begin()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, visit.URL, nil)
	if err != nil {
		return err
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	_, err = p.flow.Finish(ctx, resp.Header.Get("Location"), false)
	return err
}

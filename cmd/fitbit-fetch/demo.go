package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
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
		name: "demo", summary: "the whole program with a simulated person; no account needed", alone: true, bare: true,
		help: `Starts a simulated person and the service that holds their data, authorizes there, fetches their history and then lives on with them, one minute
a second. Nothing leaves this machine. Ctrl-C ends it.`,
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
	}
	clk := clock.At(time.Now(), f.speed)
	world := &simulateFlags{persons: 1, seed: f.seed, zone: "Europe/Berlin", approve: true, pageCap: 5000}
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

	opts, err := f.options(data, "http://"+l.Addr().String(), clk, cfg.Clients[0])
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(filepath.Join(data, "demo.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the demo's log: %w", err)
	}
	defer logFile.Close()
	a, err := openApp(ctx, opts, slog.New(slog.NewTextHandler(logFile, nil)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	fmt.Fprintf(c.stdout, "A simulated person wears a %s. Their data lie at a simulated Google Health service, at %s.\n", cfg.Persons[0].Tracker(), l.Addr())
	if err := c.demoAuthorize(ctx, a.people[0]); err != nil {
		return fmt.Errorf("authorizing at the simulated service: %w", err)
	}
	running, end := context.WithCancel(ctx)
	wg.Go(func() { a.Run(running) })
	c.demoWatch(ctx, a, f)
	end()
	return c.demoEnd(a)
}

// options are those of a user whose service is the simulated one.
func (f *demoFlags) options(data, base string, clk clock.Clock, client simulate.Client) (config.Options, error) {
	env := map[string]string{
		"FITBIT_FETCH_DATA_DIR": data, "GOOGLE_CLIENT_ID": client.ID, "GOOGLE_CLIENT_SECRET": client.Secret,
		"FITBIT_FETCH_BACKFILL_START": fmt.Sprint(f.days), "FITBIT_FETCH_POLITE": "no",
		"FITBIT_FETCH_API_URL": base, "FITBIT_FETCH_AUTH_URL": base + simulate.PathAuth,
		"FITBIT_FETCH_TOKEN_URL": base + simulate.PathToken, "FITBIT_FETCH_REVOKE_URL": base + simulate.PathRevoke,
	}
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
func (c *call) demoAuthorize(ctx context.Context, p *person) error {
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
	grant, err := p.flow.Finish(ctx, resp.Header.Get("Location"), false)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "Authorized as account %s. From here on it is the real program: plan, fetch, archive, deliver.\n\n", grant.Account)
	return nil
}

// demoWatch shows how it goes until there is nothing more to see.
func (c *call) demoWatch(ctx context.Context, a *app, f *demoFlags) {
	every := time.Second
	if c.tty {
		every = 250 * time.Millisecond
	}
	t := time.NewTicker(every)
	defer t.Stop()
	p := a.people[0]
	began := time.Now()
	var complete time.Time
	drawn := 0
	for {
		s := p.collect.Status()
		r, err := a.status(ctx)
		if err != nil {
			return
		}
		if complete.IsZero() && s.Phase == collect.Working && !s.LastFetch.IsZero() && s.Remaining.Total > 0 && s.Remaining.Days < 0.01 && r.delivered() {
			complete = time.Now()
		}
		if c.tty {
			lines := c.demoScreen(a, p, s, r, began, complete)
			c.redraw(lines, drawn)
			drawn = len(lines)
		} else {
			fmt.Fprintf(c.stdout, "%s  %s samples kept\n", progressText(s, a), countText(r.Archive.Samples))
		}
		if !complete.IsZero() && (f.stay > 0 || !c.tty) && time.Since(complete) >= f.stay {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// delivered reports whether every sink has everything.
func (r *report) delivered() bool {
	for _, s := range r.Sinks {
		if s.Backlog.Samples+s.Backlog.Tombs > 0 {
			return false
		}
	}
	return true
}

// redraw replaces the lines drawn before.
func (c *call) redraw(lines []string, before int) {
	var b strings.Builder
	if before > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", before)
	}
	for _, l := range lines {
		b.WriteString("\r\x1b[K" + cut(l, c.wide) + "\n")
	}
	b.WriteString("\x1b[J")
	io.WriteString(c.stdout, b.String())
}

// demoScreen is what one sees of the demo.
func (c *call) demoScreen(a *app, p *person, s collect.Status, r report, began, complete time.Time) []string {
	zones := s.Zones
	now := a.clock.Now()
	lines := []string{
		fmt.Sprintf("It is %s for the person; %s since the start", now.In(zones.Now()).Format("Monday 2 January, 15:04"), durationText(time.Since(began))),
		"",
	}
	if complete.IsZero() {
		lines = append(lines, "history   "+progressText(s, a))
	} else {
		lines = append(lines, fmt.Sprintf("history   %s complete after %s", bar(1, 24), durationText(complete.Sub(began))))
	}
	lines = append(lines, fmt.Sprintf("archive   %s samples, %s", countText(r.Archive.Samples), bytesText(r.Archive.Bytes)))
	for _, k := range r.Sinks {
		state := "has everything"
		switch {
		case k.Status.Error != "":
			state = k.Status.Error
		case k.Backlog.Samples > 0:
			state = countText(k.Backlog.Samples) + " samples to go"
		}
		lines = append(lines, "database  "+state)
	}
	for _, d := range s.Devices {
		lines = append(lines, fmt.Sprintf("device    %s, synced at %s, battery %.0f %%", d.Name, d.LastSync.In(zones.Now()).Format("15:04"), d.Battery))
	}
	if s.Why != "" {
		lines = append(lines, "plan      "+s.Why)
	} else if s.Live != nil {
		lines = append(lines, "plan      "+s.Live.Why)
	} else if s.History != nil {
		lines = append(lines, "plan      "+s.History.Why)
	}
	lines = append(lines, "")
	return append(lines, c.demoValues(a, p, zones)...)
}

// demoValues are the latest values, as a table.
func (c *call) demoValues(a *app, p *person, zones metric.Zones) []string {
	values, err := a.latest.Snapshot(context.Background(), p.ID)
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	for _, v := range values {
		if v.Field.Sensor == "" {
			continue
		}
		row := a.catalogue.Must(v.Series)
		at := v.At.In(zones.Now()).Format("2 Jan 15:04")
		if row.Sampling == metric.Daily {
			at = v.At.In(zones.Now()).Format("2 Jan")
		}
		name := row.Measurement
		if v.Field.Key != "value" {
			name += " " + v.Field.Key
		}
		lines = append(lines, fmt.Sprintf("  %-40s %9s %-12s %s", name, numberText(v.Value, v.Field), v.Field.Unit, at))
	}
	return lines
}

// numberText writes a value as a person reads it.
func numberText(v float64, f metric.Field) string {
	if f.Kind == metric.Int || v == float64(int64(v)) {
		return countText(int(v))
	}
	return fmt.Sprintf("%.2f", v)
}

// demoEnd says what there was to see.
func (c *call) demoEnd(a *app) error {
	ctx := context.Background()
	r, err := a.status(ctx)
	if err != nil {
		return err
	}
	p := a.people[0]
	fmt.Fprintf(c.stdout, "\nThe latest values:\n%s\n", strings.Join(c.demoValues(a, p, p.zones(ctx)), "\n"))
	fmt.Fprintf(c.stdout, "\nThe archive holds %s samples in %s.", countText(r.Archive.Samples), bytesText(r.Archive.Bytes))
	for _, k := range r.Sinks {
		fmt.Fprintf(c.stdout, " %s took %s points.", k.Status.Sink, countText(int(k.Status.Written)))
	}
	fmt.Fprintln(c.stdout, "\nWith your own account: README.md, \"Set it up\".")
	return nil
}

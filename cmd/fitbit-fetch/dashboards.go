package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/grafana"
)

type dashboardsFlags struct {
	url    string
	user   string
	token  bool
	influx string
}

func dashboardsCommand() command {
	return command{
		name: "dashboards", verb: "install", summary: "bring the dashboards into Grafana, and keep them up to date", alone: true,
		help: `Makes a data source for the InfluxDB of the options, the folder Fitbit, the dashboards, and an alert rule for 24 hours without data, which is paused.
Called again it brings them up to date. A dashboard that you changed stays as it is; where there is a newer version of it, that lies beside it.
The password or token is asked for each time and never stored. In a script, give user and password as two lines, or the token as one, on standard input.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &dashboardsFlags{}
			c.flags = f
			fs.StringVar(&f.url, "url", grafana.HomeAssistant, "`address` of Grafana")
			fs.StringVar(&f.user, "user", "", "Grafana's `user`; asked for otherwise")
			fs.BoolVar(&f.token, "token", false, "sign in with the token of a service account instead of a user")
			fs.StringVar(&f.influx, "influxdb-url", "", "`address` of InfluxDB as Grafana reaches it, where that is another than ours")
		},
		run: func(ctx context.Context, c *call) error { return c.installDashboards(ctx, c.flags.(*dashboardsFlags)) },
	}
}

func (c *call) installDashboards(ctx context.Context, f *dashboardsFlags) error {
	db, err := grafanaDatabase(databaseForGrafana(c.opts), f.influx)
	if err != nil {
		return err
	}
	cfg := grafana.Config{URL: f.url, User: f.user, Database: db}
	in := bufio.NewReader(c.stdin)
	ask := func(what string, hidden bool) (string, error) {
		fmt.Fprintf(c.stdout, "%s: ", what)
		return c.answer(in, what, hidden)
	}
	switch {
	case f.token:
		cfg.Token, err = ask("Token of the service account", true)
	default:
		if cfg.User == "" {
			if cfg.User, err = ask("User of Grafana", false); err != nil {
				return err
			}
		}
		cfg.Password, err = ask("Password", true)
	}
	if err != nil {
		return err
	}
	report, err := grafana.Install(ctx, cfg)
	if report.Grafana != "" {
		fmt.Fprintf(c.stdout, "Grafana %s\n", report.Grafana)
	}
	for _, i := range report.Items {
		fmt.Fprintln(c.stdout, c.wrap(fmt.Sprintf("%s %s: %s", i.Kind, i.Name, i.Fate), "  ", "    "))
		if i.URL != "" {
			fmt.Fprintf(c.stdout, "    %s\n", i.URL)
		}
	}
	return err
}

// answer reads a line; a hidden one is not shown on the terminal.
func (c *call) answer(in *bufio.Reader, what string, hidden bool) (string, error) {
	if fd := int(os.Stdin.Fd()); hidden && c.stdin == io.Reader(os.Stdin) && in.Buffered() == 0 && term.IsTerminal(fd) {
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(c.stdout)
		return strings.TrimSpace(string(b)), err
	}
	line, err := in.ReadString('\n')
	fmt.Fprintln(c.stdout)
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("nothing was given for: %s", strings.ToLower(what))
	}
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	return line, nil
}

// databaseForGrafana is the first database that is an InfluxDB.
func databaseForGrafana(o config.Options) config.InfluxDB {
	for _, db := range o.Databases() {
		if db.Version != config.VictoriaMetrics {
			return db
		}
	}
	return o.InfluxDB
}

// grafanaDatabase is our InfluxDB as Grafana's data source.
func grafanaDatabase(o config.InfluxDB, url string) (grafana.Database, error) {
	if !o.On {
		return grafana.Database{}, &grafana.Error{Class: grafana.NoDatabase, Err: errors.New("no database is configured"), Hint: "Set the options of influxdb first; docs/configuration.md lists them."}
	}
	version, err := strconv.Atoi(o.Version)
	if err != nil {
		return grafana.Database{}, &grafana.Error{Class: grafana.NoDatabase, Err: fmt.Errorf("the dashboards ask InfluxDB, not %s", o.Version), Hint: "Deliver to an InfluxDB, too (the option databases), or make panels of your own with Grafana's Prometheus data source."}
	}
	d := grafana.Database{Version: version, URL: o.URL, Name: o.Database, User: o.Username, Password: o.Password.Reveal(), Org: o.Org, Token: o.Token.Reveal()}
	if url != "" {
		d.URL = url
	}
	if version == 2 {
		d.Name = o.Bucket
	}
	return d, nil
}

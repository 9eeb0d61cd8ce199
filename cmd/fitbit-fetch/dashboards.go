package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/grafana"
)

type dashboardsFlags struct {
	url    string
	user   string
	token  bool
	influx string
	files  string
}

func dashboardsCommand() command {
	return command{
		name: "dashboards", verb: "install", summary: "bring the dashboards into Grafana, and keep them up to date", alone: true,
		help: `Makes a data source for the InfluxDB of the options, the folder Fitbit, the dashboards, and an alert rule for 24 hours without data, which is paused.
Called again it brings them up to date. A dashboard that you changed stays as it is; where there is a newer version of it, that lies beside it.
The password or token is asked for each time and never stored. In a script, give user and password as two lines, or the token as one, on standard input.

With --files it asks Grafana for nothing, and writes what Grafana reads at its own start: give the folder that Grafana has as
/etc/grafana/provisioning. Where the database is comes then from Grafana's environment, under the names of our own options.`,
		flags: func(fs *flag.FlagSet, c *call) {
			f := &dashboardsFlags{}
			c.flags = f
			fs.StringVar(&f.url, "url", grafana.HomeAssistant, "`address` of Grafana")
			fs.StringVar(&f.user, "user", "", "Grafana's `user`; asked for otherwise")
			fs.BoolVar(&f.token, "token", false, "sign in with the token of a service account instead of a user")
			fs.StringVar(&f.influx, "influxdb-url", "", "`address` of InfluxDB as Grafana reaches it, where that is another than ours")
			fs.StringVar(&f.files, "files", "", "write provisioning files into this `folder` instead")
		},
		run: func(ctx context.Context, c *call) error { return c.installDashboards(ctx, c.flags.(*dashboardsFlags)) },
	}
}

func (c *call) installDashboards(ctx context.Context, f *dashboardsFlags) error {
	db, err := grafanaDatabase(databaseForGrafana(c.opts), f.influx)
	if err != nil {
		return err
	}
	if f.files != "" {
		return c.provision(c.path(f.files), db.Version)
	}
	cfg := grafana.Config{URL: f.url, User: f.user, Database: db}
	in := bufio.NewReader(c.stdin)
	ask := func(what string, hidden bool) (string, error) { return c.answer(ctx, in, what, hidden) }
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

// provision writes the files that Grafana reads at its start, and removes dashboards that are ours no more.
func (c *call) provision(dir string, version int) error {
	files, err := grafana.Provisioning(version, path.Join(grafana.ProvisioningDir, grafana.BoardsDir))
	if err != nil {
		return err
	}
	boards, err := grafana.Boards(version)
	if err != nil {
		return err
	}
	ours := map[string]bool{}
	for _, f := range append(boards, files...) { // the dashboards first: a Grafana that runs would look for them
		to := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("making Grafana's folder: %w", err)
		}
		if err := atomicfile.Write(to, f.Data, 0o644); err != nil {
			return err
		}
		ours[to] = true
		fmt.Fprintln(c.stdout, to)
	}
	if err := os.MkdirAll(filepath.Join(dir, "plugins"), 0o755); err != nil { // Grafana complains where there is none
		return fmt.Errorf("making Grafana's folder: %w", err)
	}
	old, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(grafana.BoardsDir), "*.json"))
	for _, name := range old {
		if !ours[name] {
			if err := os.Remove(name); err != nil {
				return fmt.Errorf("removing a dashboard of before: %w", err)
			}
		}
	}
	return nil
}

// answer asks for a line; a hidden one is not shown on the terminal.
func (c *call) answer(ctx context.Context, in *bufio.Reader, what string, hidden bool) (string, error) {
	if hidden && c.secret != nil && in.Buffered() == 0 {
		text, err := c.secret(ctx, what+": ")
		return strings.TrimSpace(text), err
	}
	fmt.Fprintf(c.stdout, "%s: ", what)
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

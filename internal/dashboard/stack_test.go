//go:build !race

package dashboard

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
	"github.com/fitbit-fetch/fitbit-fetch/internal/stack"
)

// A newcomer has compose.yml and nothing else, and runs docker compose up -d: every panel of every dashboard has something in it, the
// first of them on Grafana's home page, and nobody has touched Grafana. The containers are processes here, which stand at the addresses
// of this machine in place of the names in the stack; the data are the year that was fetched before, beside the token file.
func TestStack(t *testing.T) {
	influx := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	stackLives(t, "1", influx.URL, "", func(s dataSource) database {
		if s.User != "" || s.Secure.Password != "" || s.Settings["dbName"] == "" {
			t.Errorf("Grafana asks for %q as %q", s.Settings["dbName"], s.User)
		}
		return influxQL{url: s.URL, database: s.Settings["dbName"]}
	})
}

// stackLives starts the stack for a version of InfluxDB that listens at an address, and looks into its Grafana.
func stackLives(t *testing.T, version, influx, token string, asked func(dataSource) database) {
	t.Helper()
	p, err := stack.Load(t, stack.Text(t, version), map[string]string{"GOOGLE_CLIENT_ID": "simulated-client.apps.googleusercontent.com", "GOOGLE_CLIENT_SECRET": "simulated-secret", "INFLUXDB_TOKEN": token})
	if err != nil {
		t.Fatal(err)
	}
	year, program := archive(t)
	host := t.TempDir()
	tokens, files := filepath.Join(host, "tokens"), filepath.Join(host, "grafana-files")
	for from, to := range map[string]string{"archive.db": "archive.db", "token.json": "fitbit.token"} {
		copyFile(t, filepath.Join(year, from), filepath.Join(tokens, to))
	}
	here := strings.NewReplacer("http://influxdb:8086", influx, "/app/tokens", tokens, "/app/logs", filepath.Join(host, "logs"), "/grafana", files)
	start := func(service string, more ...string) *proctest.Process {
		s := p.Services[service]
		cmd := exec.Command(program)
		cmd.Env = []string{"STATE_DIRECTORY=" + filepath.Join(host, "data")} // as the image says
		for _, word := range s.Command {
			cmd.Args = append(cmd.Args, here.Replace(word))
		}
		for name, value := range stack.Environment(s) {
			cmd.Env = append(cmd.Env, name+"="+here.Replace(value))
		}
		cmd.Env = append(cmd.Env, more...)
		return proctest.Start(t, service, cmd)
	}
	api := service(t, program)
	run := start(stack.Program, "FITBIT_FETCH_API_URL="+api, "FITBIT_FETCH_TOKEN_URL="+api+"/token", "FITBIT_FETCH_AUTH_URL="+api+"/o/oauth2/v2/auth", "FITBIT_FETCH_REVOKE_URL="+api+"/revoke",
		"FITBIT_FETCH_POLITE=no", "FITBIT_FETCH_CLOCK="+now.Format(time.RFC3339), fmt.Sprintf("FITBIT_FETCH_PAGE_LISTEN=127.0.0.1:%d", proctest.FreePort(t)))
	if code := start(stack.Files).End(); code != 0 {
		t.Fatalf("the service that brings Grafana its files ended with %d", code)
	}
	if proctest.Until(t, "the database to get everything", func() bool { return run.Ended() || delivered(t, program, tokens) }, run.Tail); run.Ended() {
		t.Fatalf("the program ended:\n%s", run.Tail())
	}

	env := stack.Environment(p.Services[stack.Grafana])
	g := readGrafana(t, files, func(name string) string { return here.Replace(env[name]) })
	home, ok := strings.CutPrefix(env["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"], "/etc/grafana/provisioning/")
	if !ok || !slices.Contains(g.names, home) || !strings.HasSuffix(home, "/fitbit-fetch.json") {
		t.Errorf("Grafana's home page is %q of %q", home, g.names)
	}
	dialect := InfluxQL
	if version == "2" {
		dialect = Flux
	}
	for i, x := range everyQueryOf(t, dialect, asked(g.source), g.boards) {
		for _, variable := range x.Vars.List {
			if variable.Type == "datasource" && (variable.Current == nil || variable.Current.Value != g.source.UID) {
				t.Errorf("%s does not begin with the data source %s", g.boards[i].Name, g.source.UID)
			}
		}
	}
	if len(g.boards) < 3 {
		t.Errorf("%d dashboards", len(g.boards))
	}
	if code, _ := run.Stop(); code != 0 {
		t.Errorf("the program ended with %d", code)
	}
}

// provisionedGrafana is what a Grafana makes of its provisioning files.
type provisionedGrafana struct {
	source dataSource
	boards []File
	names  []string // of all files
}

// A dataSource is what stands of one in its file.
type dataSource struct {
	UID, Type, Access, URL, User string
	Settings                     map[string]string                `yaml:"jsonData"`
	Secure                       struct{ Password, Token string } `yaml:"secureJsonData"`
}

func readGrafana(t *testing.T, dir string, env func(string) string) provisionedGrafana {
	t.Helper()
	var g provisionedGrafana
	read := func(kind string, into any) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, kind, "fitbit-fetch.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(os.Expand(string(text), env)), into); err != nil {
			t.Fatal(err)
		}
	}
	var sources struct{ Datasources []dataSource }
	read("datasources", &sources)
	g.source = sources.Datasources[0]
	if s := g.source; s.Type != "influxdb" || s.Access != "proxy" {
		t.Fatalf("the data source is a %s by %s", s.Type, s.Access)
	}
	var providers struct {
		Providers []struct{ Options struct{ Path string } }
	}
	read("dashboards", &providers)
	at, ok := strings.CutPrefix(providers.Providers[0].Options.Path, "/etc/grafana/provisioning/")
	if !ok {
		t.Fatalf("Grafana looks for dashboards in %q, which is not what it shares", providers.Providers[0].Options.Path)
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Paused bool `yaml:"isPaused"`
				Data   []struct {
					Source string `yaml:"datasourceUid"`
				}
			}
		}
	}
	read("alerting", &rules)
	if r := rules.Groups[0].Rules[0]; !r.Paused || r.Data[0].Source != g.source.UID {
		t.Error("the alert rule rings, or asks elsewhere")
	}
	names, err := filepath.Glob(filepath.Join(dir, at, "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no dashboards in %s: %v", at, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f := File{Name: filepath.Base(name), JSON: text}
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		g.boards = append(g.boards, f)
		g.names = append(g.names, at+"/"+filepath.Base(name))
	}
	return g
}

// service starts the simulated service at the instant of the tests and returns its address.
func service(t *testing.T, program string) string {
	t.Helper()
	cmd := exec.Command(program, "simulate", "--quota=false", "--listen", "127.0.0.1:0", "--clock", now.Format(time.RFC3339))
	cmd.Env = clean()
	r, w := io.Pipe()
	s := proctest.Start(t, "the simulated service", cmd, w)
	go func() { <-s.Done; w.Close() }()
	t.Cleanup(func() { r.Close() })
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if _, at, ok := strings.Cut(lines.Text(), "api_url: "); ok {
			go io.Copy(io.Discard, r) // until it is stopped
			return at
		}
	}
	t.Fatalf("the simulated service does not say where it is:\n%s", s.Tail())
	return ""
}

// delivered reports whether the database has everything, as status tells it.
func delivered(t *testing.T, program, data string) bool {
	t.Helper()
	cmd := exec.Command(program, "status")
	cmd.Env = append(clean(), "TOKEN_FILE_PATH="+filepath.Join(data, "fitbit.token"))
	out, err := cmd.CombinedOutput()
	return err == nil && strings.Contains(string(out), "has everything")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

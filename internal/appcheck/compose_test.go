package appcheck

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	options "github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/stack"
)

// secrets is what .env must hold for any of the variants.
var secrets = map[string]string{"INFLUXDB_TOKEN": "a-long-word", "INFLUXDB_V3_ACCESS_TOKEN": "apiv3_word"}

// composed is compose.yml for a version of InfluxDB.
func composed(t *testing.T, version string, env map[string]string, profiles ...string) *types.Project {
	t.Helper()
	p, err := stack.Load(t, stack.Text(t, version), env, profiles...)
	if err != nil {
		t.Fatalf("compose.yml for InfluxDB %s: %v", version, err)
	}
	return p
}

// variables are the names in the environment that the program knows.
func variables(t *testing.T) map[string]bool {
	t.Helper()
	var help bytes.Buffer
	if err := options.WriteDocs(&help); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, m := range regexp.MustCompile("`([A-Z][A-Z0-9_]+)`").FindAllStringSubmatch(help.String(), -1) {
		out[m[1]] = true
	}
	return out
}

// inStack reads options in a container of a service.
func inStack(env map[string]string) (options.Options, error) {
	return options.Load(options.Inputs{
		App: "/data/options.json", Env: func(name string) string { return env[name] },
		ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }, Abs: filepath.Abs,
	})
}

// TestCompose: the stack is one that Docker Compose reads, with nothing in .env, for each version of InfluxDB; and the program knows
// all that it is told there.
func TestCompose(t *testing.T) {
	known := variables(t)
	for _, influx := range []string{"1", "2", "3"} {
		t.Run("InfluxDB "+influx, func(t *testing.T) {
			env := secrets
			if influx == "1" {
				env = nil
			}
			p := composed(t, influx, env)
			if len(p.Services) != 4 {
				t.Fatalf("without a profile there are the services %q", p.ServiceNames())
			}
			for name, s := range p.Services {
				switch {
				case s.Build == nil && (strings.HasSuffix(s.Image, ":latest") || !strings.Contains(s.Image, ":")):
					t.Errorf("%s runs %q, which is no version", name, s.Image)
				case name != stack.Files && s.Restart != types.RestartPolicyUnlessStopped || name == stack.Files && s.Restart != "":
					t.Errorf("%s starts again: %q", name, s.Restart)
				}
				for _, port := range s.Ports {
					if port.HostIP != "127.0.0.1" {
						t.Errorf("%s is open to %q without anybody's will", name, port.HostIP)
					}
				}
				for _, v := range s.Volumes {
					if v.Type == types.VolumeTypeBind && name != stack.Program {
						t.Errorf("%s needs %s beside compose.yml", name, v.Source)
					}
				}
			}
			for _, name := range []string{stack.Program, stack.Files} {
				for v := range stack.Environment(p.Services[name]) {
					if !known[v] {
						t.Errorf("%s is told %s, which is no option", name, v)
					}
				}
			}
			theProgram(t, p, influx)
			theGrafana(t, p)
		})
	}
}

// theProgram looks at the program's options as it would read them, and where it keeps things.
func theProgram(t *testing.T, p *types.Project, influx string) {
	t.Helper()
	s := p.Services[stack.Program]
	opts, err := inStack(stack.Environment(s))
	if err != nil {
		t.Fatal(err)
	}
	db := opts.InfluxDB
	host, port := strings.TrimPrefix(db.URL, "http://"), "8086"
	if influx == "3" {
		port = "8181"
	}
	if len(opts.Notes) > 0 || !db.On || db.Version != influx || host != net.JoinHostPort(stack.InfluxDB, port) || influx != "2" && db.Database == "" {
		t.Errorf("database %s at %s, %q", db.Version, db.URL, opts.Notes)
	}
	if opts.Provider != "google" || opts.Manual.Bulk || !opts.Page.Password.Set() || opts.MQTT.On || opts.InApp {
		t.Errorf("provider %s, bulk %v, MQTT %v", opts.Provider, opts.Manual.Bulk, opts.MQTT.On)
	}
	mounted := map[string]string{}
	for _, v := range s.Volumes {
		mounted[v.Target] = filepath.Base(v.Source)
	}
	if len(mounted) != 2 || mounted["/app/tokens"] != "tokens" || mounted["/app/logs"] != "logs" {
		t.Errorf("mounted are %q", mounted)
	}
	for what, path := range map[string]string{"the archive": opts.Archive, "the authorization": opts.Persons[0].TokenFile, "the log": opts.Log.File, "the socket": opts.Sockets()[0]} {
		if mounted[filepath.Dir(path)] == "" {
			t.Errorf("%s is %s, which goes with the container", what, path)
		}
	}
	if s.User != "1000:1000" {
		t.Errorf("runs as %q", s.User)
	}
	docker, err := os.ReadFile(filepath.Join(appDir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`ENV .*(FITBIT_FETCH_DATA_DIR|TOKEN_FILE_PATH)`).Match(docker) {
		t.Error("the image overrules where the folder of the tokens lies")
	}
	if h := s.HealthCheck; h == nil || !slices.Equal(h.Test, []string{"CMD", "fitbit-fetch", "healthcheck"}) {
		t.Error("nobody asks after its health")
	}
	for _, want := range s.Ports {
		if want.Target != 8099 {
			t.Errorf("port %d", want.Target)
		}
	}
}

// theGrafana wants Grafana to wait for its files, and to find them where it looks.
func theGrafana(t *testing.T, p *types.Project) {
	t.Helper()
	g, files := p.Services[stack.Grafana], p.Services[stack.Files]
	if g.DependsOn[stack.Files].Condition != types.ServiceConditionCompletedSuccessfully {
		t.Error("Grafana does not wait for its dashboards")
	}
	if len(files.Volumes) != 1 || files.Command[len(files.Command)-1] != files.Volumes[0].Target {
		t.Errorf("the files are written to %q, which is not what is mounted", files.Command)
	}
	shared := false
	for _, v := range g.Volumes {
		shared = shared || v.Source == files.Volumes[0].Source && v.Target == "/etc/grafana/provisioning" && v.ReadOnly
	}
	if !shared {
		t.Error("Grafana does not see the files")
	}
	env := stack.Environment(g)
	for name, value := range stack.Environment(files) {
		if env[name] != value {
			t.Errorf("Grafana has another %s than its files were made for", name)
		}
	}
}

// TestComposePasswords: opened to the network, the stack wants a password of one's own, and uses it everywhere.
func TestComposePasswords(t *testing.T) {
	text := stack.Text(t, "1")
	if _, err := stack.Load(t, text, map[string]string{"LISTEN": "0.0.0.0"}); err == nil || !strings.Contains(err.Error(), "PASSWORD") {
		t.Errorf("open with the password that everybody knows: %v", err)
	}
	p, err := stack.Load(t, text, map[string]string{"LISTEN": "0.0.0.0", "PASSWORD": "of my own", "MQTT_HOST": stack.Broker}, "mqtt")
	if err != nil {
		t.Fatal(err)
	}
	for name, variable := range map[string]string{stack.Program: "FITBIT_FETCH_PAGE_PASSWORD", stack.Grafana: "GF_SECURITY_ADMIN_PASSWORD", stack.Broker: "PASSWORD"} {
		s := p.Services[name]
		if stack.Environment(s)[variable] != "of my own" || len(s.Ports) != 1 || s.Ports[0].HostIP != "0.0.0.0" {
			t.Errorf("%s has another password or address", name)
		}
	}
	opts, err := inStack(stack.Environment(p.Services[stack.Program]))
	if err != nil {
		t.Fatal(err)
	}
	if m := opts.MQTT; !m.On || m.Host != stack.Broker || m.Username != stack.Environment(p.Services[stack.Broker])["USERNAME"] || m.Password.Reveal() != "of my own" {
		t.Error("the program does not find the broker")
	}
	if _, err := stack.Load(t, stack.Text(t, "2"), nil); err == nil || !strings.Contains(err.Error(), "INFLUXDB_TOKEN") {
		t.Errorf("InfluxDB 2 without a token: %v", err)
	}
}

// TestComposeBroker runs the broker's command as the container would: it lets in who knows the password, and nobody else.
func TestComposeBroker(t *testing.T) {
	p := composed(t, "1", nil, "mqtt")
	s := p.Services[stack.Broker]
	dir := t.TempDir()
	port := proctest.FreePort(t)
	command := slices.Clone([]string(s.Command))
	for i, c := range command {
		command[i] = strings.NewReplacer("/mosquitto/data", dir, "listener 1883", "listener "+strconv.Itoa(port)+" 127.0.0.1").Replace(c)
	}
	if os.Getuid() == 0 { // in the container it is not root either
		if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, 1883, 1883); err != nil {
			t.Fatal(err)
		}
		command = append([]string{"setpriv", "--reuid", "1883", "--regid", "1883", "--clear-groups"}, command...)
	}
	run := exec.Command(command[0], command[1:]...)
	run.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin"}
	for name, value := range stack.Environment(s) {
		run.Env = append(run.Env, name+"="+value)
	}
	broker := proctest.Start(t, "mosquitto", run)
	if proctest.Until(t, "the broker to listen", func() bool { return broker.Ended() || proctest.Listening(port) }, broker.Tail); broker.Ended() {
		t.Fatalf("the broker ended:\n%s", broker.Tail())
	}
	publish := func(password string) error {
		return exec.Command("mosquitto_pub", "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-u", "fitbit", "-P", password, "-t", "x", "-m", "y").Run()
	}
	if err := publish("fitbit"); err != nil {
		t.Errorf("with the password: %v\n%s", err, broker.Tail())
	}
	if publish("wrong") == nil {
		t.Error("any password does")
	}
}

// TestEnvExample: each name in .env.example is one that compose.yml asks for, and the other way round but for what few need.
func TestEnvExample(t *testing.T) {
	example, err := os.ReadFile(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{"COMPOSE_PROFILES": true}
	for _, m := range regexp.MustCompile(`[^$]\$\{([A-Z0-9_]+)`).FindAllSubmatch(text, -1) {
		asked[string(m[1])] = true
	}
	n := 0
	for _, m := range regexp.MustCompile(`(?m)^(?:# )?([A-Z0-9_]+)=`).FindAllSubmatch(example, -1) {
		n++
		if !asked[string(m[1])] {
			t.Errorf(".env.example has %s, which compose.yml does not ask for", m[1])
		}
	}
	if n < 10 {
		t.Errorf("%d names", n)
	}
	if p := composed(t, "1", secrets); p.Name != "fitbit-fetch" {
		t.Errorf("its volumes begin with %s", p.Name)
	}
}

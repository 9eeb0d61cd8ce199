package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fitbit-fetch/fitbit-fetch/internal/config"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// appFolder names the variable that says where a test has the app's /data.
const appFolder = "TEST_APP_FOLDER"

// inApp is main as Home Assistant's app, with another folder in the place of /data.
func inApp() {
	os.Exit(program(func(file string) config.Inputs {
		in := config.System(file)
		in.App = filepath.Join(os.Getenv(appFolder), "options.json")
		return in
	}))
}

// mistake is a row of DOCS.md's tables of options that do not fit.
type mistake struct {
	options map[string]any
	message string
	stops   bool // nothing is fetched
}

var (
	mistakeRow = regexp.MustCompile("(?m)^\\| (`[a-z_.]+: [^|]*) \\| \\*([^|]*)\\* \\| [^|]+ \\|$")
	example    = regexp.MustCompile("`([a-z_.]+: [^`]*)`")
)

// mistakes reads the tables.
func mistakes(t *testing.T) []mistake {
	t.Helper()
	docs, err := os.ReadFile("../../fitbit_fetch/DOCS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, ok := strings.Cut(string(docs), "### Options that do not fit together\n")
	wrong, aside, ok2 := strings.Cut(tables, "These are left aside")
	aside, _, ok3 := strings.Cut(aside, "\n## ")
	if !ok || !ok2 || !ok3 {
		t.Fatal("DOCS.md has no tables of options that do not fit")
	}
	var out []mistake
	for _, table := range []string{wrong, aside} {
		rows := mistakeRow.FindAllStringSubmatch(table, -1)
		if lines := strings.Count(table, "\n| "); len(rows) == 0 || len(rows) != lines-1 { // but the head
			t.Fatalf("%d of %d rows can be read", len(rows), lines-1)
		}
		for _, row := range rows {
			m := mistake{options: map[string]any{}, message: row[2], stops: table == wrong}
			for _, e := range example.FindAllStringSubmatch(row[1], -1) {
				path, text, _ := strings.Cut(e[1], ": ")
				var value any
				if err := yaml.Unmarshal([]byte(text), &value); err != nil {
					t.Fatalf("%s: %v", e[1], err)
				}
				if section, key, nested := strings.Cut(path, "."); nested {
					sub, _ := m.options[section].(map[string]any)
					m.options[section] = merged(sub, map[string]any{key: value})
				} else {
					m.options[path] = value
				}
			}
			out = append(out, m)
		}
	}
	return out
}

func merged(base, over map[string]any) map[string]any {
	out := map[string]any{}
	maps.Copy(out, base)
	for k, v := range over {
		if sub, ok := v.(map[string]any); ok {
			b, _ := base[k].(map[string]any)
			v = merged(b, sub)
		}
		out[k] = v
	}
	return out
}

// apartment is where the app lives: a Home Assistant that is no more than a broker and a Supervisor.
type apartment struct {
	t      *testing.T
	dir    string
	page   string
	said   *os.File // its log, over all its lives
	broker int      // its port
	topics *proctest.Topics
	env    []string

	mu      sync.Mutex
	notices map[string]string // shown in Home Assistant, by id
}

func newApartment(t *testing.T, options map[string]any) *apartment {
	t.Helper()
	broker := proctest.StartBroker(t)
	return newApartmentAt(t, options, broker.Port, broker.Listen())
}

// newApartmentAt is one with a broker that is there already.
func newApartmentAt(t *testing.T, options map[string]any, broker int, topics *proctest.Topics) *apartment {
	t.Helper()
	dir, err := os.MkdirTemp("", "app-") // short: a socket's path is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	a := &apartment{t: t, dir: dir, broker: broker, topics: topics, notices: map[string]string{}}
	if a.said, err = os.Create(filepath.Join(t.TempDir(), "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.said.Close() })
	a.enter(options)
	supervisor := httptest.NewServer(a.supervisor(broker))
	t.Cleanup(supervisor.Close)
	a.page = fmt.Sprintf("127.0.0.1:%d", proctest.FreePort(t))
	// Supervisor is reached by its name, which only the proxy knows here.
	a.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, appFolder + "=" + dir, "SUPERVISOR_TOKEN=token-of-supervisor",
		"HTTP_PROXY=" + supervisor.URL, "FITBIT_FETCH_PAGE_LISTEN=" + a.page}
	return a
}

// enter writes options.json as Supervisor does: what the form begins with, and over it what the user said.
func (a *apartment) enter(options map[string]any) {
	a.t.Helper()
	form, err := os.ReadFile("../../fitbit_fetch/config.yaml")
	if err != nil {
		a.t.Fatal(err)
	}
	var begins struct{ Options map[string]any }
	if err := yaml.Unmarshal(form, &begins); err != nil {
		a.t.Fatal(err)
	}
	text, err := json.Marshal(merged(begins.Options, options))
	if err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.dir, "options.json"), text, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// supervisor answers as Home Assistant's does, as far as we ask.
func (a *apartment) supervisor(port int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Host != "supervisor" || r.Header.Get("Authorization") != "Bearer token-of-supervisor" {
			http.Error(w, "unknown", http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/services/mqtt":
			fmt.Fprintf(w, `{"result":"ok","data":{"addon":"core_mosquitto","host":"127.0.0.1","port":%d,"ssl":false,"username":"","password":"","protocol":"3.1.1"}}`, port)
		case "/addons/self/info":
			io.WriteString(w, `{"result":"ok","data":{"slug":"local_fitbit_fetch","version":"1","ingress_entry":"/api/hassio_ingress/x"}}`)
		case "/core/api/config":
			io.WriteString(w, `{"version":"2026.11.0","language":"en","time_zone":"Europe/Berlin","state":"RUNNING","components":["mqtt"]}`)
		case "/core/api/services/persistent_notification/create", "/core/api/services/persistent_notification/dismiss":
			var n struct {
				ID      string `json:"notification_id"`
				Message string
			}
			if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			a.mu.Lock()
			a.notices[n.ID] = n.Message
			a.mu.Unlock()
			io.WriteString(w, "[]")
		default:
			http.NotFound(w, r)
		}
	})
}

func (a *apartment) notice(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.notices[id]
}

func (a *apartment) command(args ...string) *exec.Cmd {
	cmd := exec.Command("fitbit-fetch-app", args...)
	cmd.Env, cmd.Dir = a.env, a.dir
	return cmd
}

// look gets a page as the user reads it.
func (a *apartment) look(path string) string {
	return html.UnescapeString(get("http://" + a.page + path))
}

// log is what the program has said.
func (a *apartment) log() string {
	a.t.Helper()
	text, err := os.ReadFile(a.said.Name())
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// lastError is the state of the sensor.
func (a *apartment) lastError() string {
	var state struct{ Value string }
	if json.Unmarshal([]byte(a.topics.Get("fitbit_fetch/service/last_error")), &state) != nil {
		return ""
	}
	return state.Value
}

// holds waits until what is looked at holds a text.
func (a *apartment) holds(what, text string, look func() string) {
	a.t.Helper()
	proctest.Until(a.t, fmt.Sprintf("%q in %s", text, what), func() bool { return strings.Contains(look(), text) },
		func() string { return look() + "\nlog:\n" + a.log() })
}

// TestMistakes lives through every row of DOCS.md's tables of options that do not fit: the app stays up, and its message stands on
// every page, in the log, in the sensor, and, where nothing is fetched, in a notification.
func TestMistakes(t *testing.T) {
	all := mistakes(t)
	if len(all) < 20 {
		t.Fatalf("%d rows", len(all))
	}
	for _, m := range all {
		t.Run(strings.ReplaceAll(m.message, "/", "|"), func(t *testing.T) {
			t.Parallel()
			a := newApartment(t, m.options)
			a.lives(m)
		})
	}
}

// start runs the app; stop ends it as Supervisor does, and wants it to have lived until then.
func (a *apartment) start() (stop func()) {
	a.t.Helper()
	run := a.command()
	run.Stdout, run.Stderr = a.said, a.said
	if err := run.Start(); err != nil {
		a.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	a.t.Cleanup(func() { run.Process.Kill() })
	return func() {
		a.t.Helper()
		select {
		case err := <-ended:
			a.t.Fatalf("the app has ended: %v\n%s", err, a.log())
		default:
		}
		run.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			a.t.Errorf("stopped with %v\n%s", err, a.log())
		}
	}
}

func (a *apartment) lives(m mistake) {
	t := a.t
	stop := a.start()
	a.holds("the log", strings.Trim(strconv.Quote(m.message), `"`), a.log)
	for _, path := range []string{"/", "/status", "/setup"} {
		a.holds("the page "+path, m.message, func() string { return a.look(path) })
	}
	a.holds("the sensor", m.message, a.lastError)
	if got := a.lastError(); got != m.message {
		t.Errorf("the sensor tells more: %q", got)
	}
	if m.stops {
		a.holds("the notification", m.message, func() string { return a.notice("fitbit_fetch_options") })
	} else if got := a.notice("fitbit_fetch_options"); got != "" {
		t.Errorf("a notification: %q", got)
	}
	stop()
}

// TestCommandsWithMistakes: what Home Assistant starts beside the app goes on while an option is wrong: the health check, and the copy
// before a backup. Others say why they cannot.
func TestCommandsWithMistakes(t *testing.T) {
	t.Parallel()
	a := newApartment(t, map[string]any{"influxdb": map[string]any{"password": "x"}})
	stop := a.start()
	a.holds("the sensor", "influxdb.username", a.lastError)
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"healthcheck", 0, "well"}, {"snapshot", 0, "written"}, {"status", 0, "running since"},
		{"check", exitConfig, "is missing beside the password"}, {"backfill", exitConfig, "is missing beside the password"},
	} {
		cmd := a.command(c.args)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.code || !bytes.Contains(out, []byte(c.says)) {
			t.Errorf("%s: code %d, want %d: %s", c.args, got, c.code, out)
		}
	}
	stop()
}

// TestMistakeRemovesNothing: a person whose name is emptied by mistake is still there in Home Assistant, and the notification goes
// once the mistake is mended.
func TestMistakeRemovesNothing(t *testing.T) {
	right := map[string]any{"persons": []any{map[string]any{"name": "Kim"}}}
	wrong := map[string]any{"persons": []any{map[string]any{"name": ""}}}
	a := newApartment(t, right)
	kim := func() string { return a.topics.Get("homeassistant/device/fitbit_fetch_kim/config") }
	notice := func() string { return a.notice("fitbit_fetch_options") }
	stop := a.start()
	a.holds("the device of Kim", "Kim", kim)
	stop()
	a.enter(wrong)
	stop = a.start()
	a.holds("the sensor", "this person needs a name", a.lastError)
	a.holds("the notification", "this person needs a name", notice)
	stop()
	if kim() == "" {
		t.Error("the device of Kim is removed")
	}
	a.enter(right)
	stop = a.start()
	a.holds("the sensor", "none", a.lastError)
	a.holds("the notification", "gone", func() string { return cmp.Or(notice(), "gone") })
	stop()
}

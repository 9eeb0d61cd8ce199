//go:build homeassistant

package realhome

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// home is a Home Assistant with a configuration of its own. Its log, over all its lives, is in said.
type home struct {
	t       *testing.T
	version string
	config  string
	base    string
	token   string
	process *proctest.Process
	said    proctest.Output
}

const configuration = `homeassistant:
  time_zone: Europe/Berlin
  unit_system: metric
  latitude: 52.5
  longitude: 13.4
  elevation: 34
  country: DE
  currency: EUR
api:
config:
onboarding:
history:
recorder:
  commit_interval: 1
logger:
  default: warning
`

// newHome starts a Home Assistant that has never run, and makes its first user.
func newHome(t *testing.T, version string) *home {
	t.Helper()
	port := proctest.FreePort(t)
	h := &home{t: t, version: version, config: t.TempDir(), base: fmt.Sprintf("http://127.0.0.1:%d", port)}
	http := map[string]any{"version": 3, "minor_version": 1, "key": "http", "data": map[string]any{
		"stable": map[string]any{
			"server_port": port, "server_host": []string{"127.0.0.1"}, "cors_allowed_origins": []string{}, "login_attempts_threshold": -1,
			"ip_ban_enabled": true, "ssl_profile": "intermediate_v6", "use_x_frame_options": true, "created_at": "2026-01-01T00:00:00+00:00",
			"error": nil, "error_message": nil,
		},
		"pending": nil, "yaml_migration_done": true,
	}}
	yaml := configuration
	if strings.HasPrefix(version, "2025.") { // it still takes its address from YAML
		yaml += fmt.Sprintf("http:\n  server_host: 127.0.0.1\n  server_port: %d\n", port)
	} else {
		h.write(".storage/http", http)
	}
	if err := os.WriteFile(filepath.Join(h.config, "configuration.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.onboard()
	h.running()
	return h
}

func (h *home) write(name string, body any) {
	h.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		h.t.Fatal(err)
	}
	path := filepath.Join(h.config, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) start() {
	h.t.Helper()
	h.process = proctest.Start(h.t, "Home Assistant", exec.Command("../../scripts/home-assistant", h.version, h.config), &h.said)
	until(h.t, "Home Assistant answers", time.Minute, func() string {
		if h.process.Ended() {
			h.t.Fatalf("Home Assistant ended with %d:\n%s", h.process.Code, proctest.Tail(h.said.String()))
		}
		resp, err := http.Get(h.base + "/api/")
		if err != nil {
			return err.Error()
		}
		resp.Body.Close()
		return ""
	})
}

// running waits until everything is set up.
func (h *home) running() time.Duration {
	h.t.Helper()
	return until(h.t, "Home Assistant runs", time.Minute, func() string {
		var c struct{ State string }
		if err := h.ask(http.MethodGet, "/api/config", nil, &c); err != nil {
			return err.Error()
		}
		if c.State != "RUNNING" {
			return c.State
		}
		return ""
	})
}

// onboard makes the first user, and signs in.
func (h *home) onboard() {
	h.t.Helper()
	client := h.base + "/"
	var code struct {
		Code string `json:"auth_code"`
	}
	h.do(http.MethodPost, "/api/onboarding/users", map[string]string{"client_id": client, "name": "Test", "username": "test", "password": "correct-horse", "language": "en"}, &code)
	resp, err := http.PostForm(h.base+"/auth/token", url.Values{"grant_type": {"authorization_code"}, "code": {code.Code}, "client_id": {client}})
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil || token.Access == "" {
		h.t.Fatalf("no access token: %s, %v", resp.Status, err)
	}
	h.token = token.Access
}

// mqtt sets its MQTT integration up.
func (h *home) mqtt(port int) {
	h.t.Helper()
	var flow struct {
		ID string `json:"flow_id"`
	}
	h.do(http.MethodPost, "/api/config/config_entries/flow", map[string]any{"handler": "mqtt"}, &flow)
	body := map[string]any{"broker": "127.0.0.1", "port": port}
	if !strings.HasPrefix(h.version, "2025.") {
		body["protocol"] = "5"
		body["other_settings"] = map[string]any{"set_client_cert": false, "set_ca_cert": "off", "transport": "tcp"}
	}
	var made struct {
		Type   string
		Errors any
		Result struct{ State string }
	}
	h.do(http.MethodPost, "/api/config/config_entries/flow/"+flow.ID, body, &made)
	if made.Type != "create_entry" || made.Result.State != "loaded" {
		h.t.Fatalf("the MQTT integration is not set up: %+v", made)
	}
}

func (h *home) do(method, path string, body, answer any) {
	h.t.Helper()
	if err := h.ask(method, path, body, answer); err != nil {
		h.t.Fatalf("%v; Home Assistant said:\n%s", err, proctest.Tail(h.said.String()))
	}
}

func (h *home) ask(method, path string, body, answer any) error {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, h.base+path, in)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if h.token != "" {
		req.Header.Set("Authorization", "Bearer "+h.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// command asks by WebSocket, which has what the plain API has not. The messages' shape is {"type": …} and what belongs to it.
func (h *home) command(answer any, messages ...map[string]any) {
	h.t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(h.base, "http")+"/api/websocket", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	var hello map[string]any
	for _, step := range []func() error{
		func() error { return c.ReadJSON(&hello) },
		func() error { return c.WriteJSON(map[string]any{"type": "auth", "access_token": h.token}) },
		func() error { return c.ReadJSON(&hello) },
	} {
		if err := step(); err != nil {
			h.t.Fatal(err)
		}
	}
	for i, m := range messages {
		m["id"] = i + 1
		var got struct {
			Success bool
			Error   any
			Result  json.RawMessage
		}
		if err := c.WriteJSON(m); err != nil {
			h.t.Fatal(err)
		}
		if err := c.ReadJSON(&got); err != nil || !got.Success {
			h.t.Fatalf("%v: %v, %v", m, err, got.Error)
		}
		if answer == nil {
			continue
		}
		if err := json.Unmarshal(got.Result, answer); err != nil {
			h.t.Fatal(err)
		}
	}
}

// state is an entity's state as Home Assistant has it.
type state struct {
	ID         string `json:"entity_id"`
	State      string
	Attributes map[string]any
}

func (h *home) states() map[string]state {
	h.t.Helper()
	var list []state
	h.do(http.MethodGet, "/api/states", nil, &list)
	out := map[string]state{}
	for _, s := range list {
		out[s.ID] = s
	}
	return out
}

// entry is an entity of the registry.
type entry struct {
	ID         string `json:"entity_id"`
	Unique     string `json:"unique_id"`
	Platform   string
	Device     string `json:"device_id"`
	DisabledBy string `json:"disabled_by"`
	Category   string `json:"entity_category"`
	Name       string `json:"original_name"`
}

// entries returns what MQTT has in the registry, by unique id.
func (h *home) entries() map[string]entry {
	h.t.Helper()
	var list []entry
	h.command(&list, map[string]any{"type": "config/entity_registry/list"})
	out := map[string]entry{}
	for _, e := range list {
		if e.Platform == "mqtt" {
			out[e.Unique] = e
		}
	}
	return out
}

// deviceEntry is a device of the registry.
type deviceEntry struct {
	ID                        string
	Identifiers               [][]string
	Name, Manufacturer, Model string
	Via                       string `json:"via_device_id"`
}

// devices returns the devices by their identifier at MQTT.
func (h *home) devices() map[string]deviceEntry {
	h.t.Helper()
	var list []deviceEntry
	h.command(&list, map[string]any{"type": "config/device_registry/list"})
	out := map[string]deviceEntry{}
	for _, d := range list {
		for _, id := range d.Identifiers {
			if id[0] == "mqtt" {
				out[id[1]] = d
			}
		}
	}
	return out
}

// restart has Home Assistant restart itself.
func (h *home) restart() {
	h.t.Helper()
	const again = 100                                                                    // the exit code by which it asks to be started again
	h.ask(http.MethodPost, "/api/services/homeassistant/restart", map[string]any{}, nil) // it may go before it has answered
	if code := h.process.Wait(time.Minute); code != again {
		h.t.Fatalf("Home Assistant ended with %d:\n%s", code, proctest.Tail(h.said.String()))
	}
	h.start()
}

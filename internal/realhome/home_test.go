//go:build homeassistant

package realhome

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/supervisor/supervisortest"
)

// home is a Home Assistant with a configuration of its own, which runs under Supervisor. Its log, over all its runs, is in said.
type home struct {
	t       *testing.T
	version string
	config  string
	base    string
	process *proctest.Process
	said    proctest.Output
	asked   chan struct{} // Supervisor is to start it again
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

const (
	homePort  = 8123
	homeName  = "home.example" // what people call it, from outside
	homeToken = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
)

// A home's one user, as Home Assistant stores it, and a token of it that does not end.
const (
	userID       = "5f0c7f3c2a0b4f6f8f2d3c1b0a998877"
	userName     = "test"
	userPassword = "correct-horse"
	// bcrypt of the password, with the least rounds: it protects nothing.
	userHash = "JDJiJDA0JE9UVGc2Y2tXc0p1V3gzTW1CeThRcGV1TFF5Z0hWbkkuS3BCQVBFV1FYWW01eDNkYkZ0Z0hH"
	tokenID  = "6a1d8e4d3b1c5a7a9a3e4d2c1b0aaa99"
	tokenKey = "a key of the test alone, of 32 bytes and more"
)

// newHome makes one that has never run. Its set-up is done: it begins with a user.
func newHome(t *testing.T, version string) *home {
	t.Helper()
	h := &home{t: t, version: version, config: t.TempDir(), base: fmt.Sprintf("http://%s:%d", coreAddress, homePort), asked: make(chan struct{}, 1)}
	if !strings.HasPrefix(version, "2025.") { // under Supervisor it has another port now; before, this one was everybody's
		h.store("http", 3, map[string]any{
			"stable": map[string]any{
				"server_port": homePort, "server_host": []string{coreAddress}, "cors_allowed_origins": []string{}, "login_attempts_threshold": -1,
				"ip_ban_enabled": true, "ssl_profile": "intermediate_v6", "use_x_frame_options": true, "created_at": "2026-01-01T00:00:00+00:00",
				"error": nil, "error_message": nil,
			},
			"pending": nil, "yaml_migration_done": true,
		})
	}
	if err := os.WriteFile(filepath.Join(h.config, "configuration.yaml"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	h.store("onboarding", 4, map[string]any{"done": []string{"user", "core_config", "analytics", "integration"}})
	h.store("auth_provider.homeassistant", 1, map[string]any{"users": []any{map[string]any{"username": userName, "password": userHash}}})
	h.store("auth", 1, map[string]any{
		"users": []any{map[string]any{
			"id": userID, "group_ids": []string{"system-admin"}, "is_owner": true, "is_active": true, "name": "Test", "system_generated": false, "local_only": false,
		}},
		"groups":      []any{map[string]any{"id": "system-admin", "name": "Administrators"}, map[string]any{"id": "system-users", "name": "Users"}, map[string]any{"id": "system-read-only", "name": "Read Only"}},
		"credentials": []any{map[string]any{"id": "c0ffee", "user_id": userID, "auth_provider_type": "homeassistant", "auth_provider_id": nil, "data": map[string]string{"username": userName}}},
		"refresh_tokens": []any{map[string]any{
			"id": tokenID, "user_id": userID, "client_id": nil, "client_name": "test", "client_icon": nil, "token_type": "long_lived_access_token",
			"created_at": "2026-01-01T00:00:00+00:00", "access_token_expiration": 315360000.0, "token": "00ff", "jwt_key": tokenKey, "last_used_at": nil,
			"last_used_ip": nil, "expire_at": nil, "credential_id": nil, "version": version,
		}},
	})
	return h
}

// store writes a document of Home Assistant's own storage.
func (h *home) store(key string, version int, data any) {
	h.t.Helper()
	text, err := json.Marshal(map[string]any{"version": version, "minor_version": 1, "key": key, "data": data})
	if err != nil {
		h.t.Fatal(err)
	}
	path := filepath.Join(h.config, ".storage", key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// access is the user's access token: a JWT by the key in the storage.
func access() string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // it is made of texts and numbers
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now()
	text := part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + part(map[string]any{"iss": tokenID, "iat": now.Add(-time.Minute).Unix(), "exp": now.AddDate(1, 0, 0).Unix()})
	mac := hmac.New(sha256.New, []byte(tokenKey))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// core is this Home Assistant as Supervisor reaches it.
func (h *home) core() supervisortest.Core {
	return supervisortest.Core{Version: h.version, URL: h.base, Token: homeToken, Socket: filepath.Join(h.config, "core.sock")}
}

func (h *home) start() {
	h.t.Helper()
	os.Remove(filepath.Join(h.config, "core.sock")) // a killed one leaves it
	cmd := exec.Command("../../scripts/home-assistant", h.version, h.config)
	cmd.Env = append(os.Environ(), "SUPERVISOR="+supervisortest.Address, "SUPERVISOR_TOKEN="+homeToken)
	h.process = proctest.Start(h.t, "Home Assistant", cmd, &h.said)
}

// running waits until everything is set up.
func (h *home) running() time.Duration {
	h.t.Helper()
	return until(h.t, "Home Assistant runs", func() string {
		if h.process.Ended() {
			h.t.Fatalf("Home Assistant ended with %d:\n%s", h.process.Code, proctest.Tail(h.said.String()))
		}
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

// mqtt sets its MQTT integration up, as a user does who gives a broker.
func (h *home) mqtt() {
	h.t.Helper()
	type step struct {
		ID     string `json:"flow_id"`
		Step   string `json:"step_id"`
		Type   string
		Errors any
		Menu   any `json:"menu_options"`
		Result struct{ State string }
	}
	var at step
	h.do(http.MethodPost, "/api/config/config_entries/flow", map[string]any{"handler": "mqtt"}, &at)
	flow := "/api/config/config_entries/flow/" + at.ID
	if at.Type == "menu" { // the Mosquitto app, or a broker
		at = step{}
		h.do(http.MethodPost, flow, map[string]any{"next_step_id": "broker"}, &at)
	}
	body := map[string]any{"broker": brokerAddress, "port": port, "username": homeUser, "password": password}
	if !strings.HasPrefix(h.version, "2025.") {
		body["protocol"] = "5"
		body["other_settings"] = map[string]any{"set_client_cert": false, "set_ca_cert": "off", "transport": "tcp"}
	}
	at = step{}
	h.do(http.MethodPost, flow, body, &at)
	if at.Type != "create_entry" || at.Result.State != "loaded" {
		h.t.Fatalf("the MQTT integration is not set up: %+v", at)
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
	req.Header.Set("Authorization", "Bearer "+access())
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
		func() error { return c.WriteJSON(map[string]any{"type": "auth", "access_token": access()}) },
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
	Page                      string `json:"configuration_url"`
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

// notices are the notifications that are shown, by their id.
func (h *home) notices() map[string]string {
	h.t.Helper()
	var list []struct {
		ID      string `json:"notification_id"`
		Message string
	}
	h.command(&list, map[string]any{"type": "persistent_notification/get"})
	out := map[string]string{}
	for _, n := range list {
		out[n.ID] = n.Message
	}
	return out
}

// restart has Home Assistant restarted as a user asks for it: it asks Supervisor, who stops it.
func (h *home) restart() {
	h.t.Helper()
	h.ask(http.MethodPost, "/api/services/homeassistant/restart", map[string]any{}, nil) // it may go before it has answered
	select {
	case <-h.asked:
	case <-h.process.Done:
		h.t.Fatalf("Home Assistant ended by itself with %d:\n%s", h.process.Code, proctest.Tail(h.said.String()))
	case <-h.t.Context().Done():
	}
	end(h.t, "Home Assistant", h.process)
	h.start()
}

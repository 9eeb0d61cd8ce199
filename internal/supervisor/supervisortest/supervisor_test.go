package supervisortest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// appYAML is an app that may do what ours does.
const appYAML = `name: Example
version: "1.0"
slug: example
homeassistant_api: true
ingress: true
services: [mqtt:want]
options: {a: "", b: {c: 1, d: x}, list: []}
schema: {a: 'str?', b: {c: int, d: 'str?'}, list: [{name: str}], e: 'bool?'}
`

func readApp(t *testing.T, text string) App {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := ReadApp(file)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// place is a Supervisor with a Core and an app behind it, which note what reaches them.
type place struct {
	*Supervisor
	app App
	url string

	hand    sync.Mutex // what follows passes between the test and the servers with each request
	started bool       // Core
	seen    []string
	page    http.HandlerFunc // of the app
	headers http.Header      // as the app or Core got them last
	length  int64
}

const coreToken = "token-of-core"

func newPlace(t *testing.T, yaml string) *place {
	t.Helper()
	p := &place{started: true, page: func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/core/state", func(w http.ResponseWriter, r *http.Request) {
		p.hand.Lock()
		defer p.hand.Unlock()
		fmt.Fprintf(w, `{"state":%q}`, map[bool]string{true: "RUNNING", false: "STARTING"}[p.started])
	})
	mux.HandleFunc("/api/websocket", func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		c.WriteJSON(object{"type": "auth_ok"})
		for {
			var in object
			if c.ReadJSON(&in) != nil {
				return
			}
			c.WriteJSON(object{"id": in["id"], "success": true, "result": []object{{"id": "u1", "username": "ann", "name": "Ann", "type": in["type"]}}})
		}
	})
	mux.HandleFunc("/auth/token", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"access_token":"access of %s"}`, r.FormValue("refresh_token"))
	})
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		p.hand.Lock()
		defer p.hand.Unlock()
		p.seen, p.headers = append(p.seen, r.Method+" "+r.URL.String()), r.Header
		io.WriteString(w, "Core's answer")
	})
	core := httptest.NewServer(mux)
	t.Cleanup(core.Close)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.hand.Lock()
		p.seen, p.headers, p.length = append(p.seen, r.Method+" "+r.URL.String()), r.Header, r.ContentLength
		page := p.page
		p.hand.Unlock()
		page(w, r)
	}))
	t.Cleanup(app.Close)
	at, err := url.Parse(app.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	p.app = readApp(t, yaml)
	p.app.Address, p.app.config.IngressPort = netip.MustParseAddr(at.Hostname()), port
	p.Supervisor = New(Config{App: p.app, Core: Core{Version: "2026.11.0", URL: core.URL, Token: coreToken}, Restart: func() {
		p.hand.Lock()
		defer p.hand.Unlock()
		p.seen = append(p.seen, "restart")
	}})
	p.core.refreshWith("r")
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// ask sends a request, and returns the answer's status and body.
func (p *place) ask(t *testing.T, method, path, token, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	p.hand.Lock()
	defer p.hand.Unlock()
	return resp.StatusCode, string(text)
}

// TestRefusals: what an app may not ask, or not yet.
func TestRefusals(t *testing.T) {
	p := newPlace(t, appYAML)
	for _, tt := range []struct {
		method, path, token string
		status              int
	}{
		{"GET", "/addons/self/info", "", 401}, {"GET", "/addons/self/info", "other", 403}, {"GET", "/addons/self/info", p.app.Token, 200},
		{"POST", "/addons/self/info", p.app.Token, 405}, {"POST", "/addons/self/options/validate", p.app.Token, 403}, {"POST", "/addons/self/security", p.app.Token, 403},
		{"POST", "/addons/self/update", p.app.Token, 403}, {"GET", "/addons/core_mosquitto/info", p.app.Token, 403}, {"GET", "/addons", p.app.Token, 403},
		{"GET", "/host/info", p.app.Token, 403}, {"GET", "/supervisor/info", p.app.Token, 403}, {"GET", "/info", p.app.Token, 200}, {"GET", "/supervisor/ping", "", 200},
		{"GET", "/services/mqtt", p.app.Token, 400}, {"GET", "/services/mysql", p.app.Token, 403}, {"GET", "/services/none", p.app.Token, 404}, {"GET", "/services/mqtt", "", 401},
		{"GET", "/core/api/config", "", 401}, {"GET", "/core/api/config", "other", 401}, {"GET", "/core/api/config", coreToken, 401}, {"GET", "/core/api/config", p.app.Token, 200},
		{"GET", "/homeassistant/api/config", p.app.Token, 200}, {"PUT", "/core/api/config", p.app.Token, 405}, {"PATCH", "/core/api/config", p.app.Token, 405},
		{"DELETE", "/core/api/states/x", p.app.Token, 200}, {"POST", "/core/api/hassio/x", p.app.Token, 403}, {"POST", "/core/api/hassio_push/panel/x", p.app.Token, 403},
		{"GET", "/ingress/panels", p.app.Token, 403}, {"POST", "/ingress/session", p.app.Token, 403}, {"POST", "/ingress/session", "", 401},
		{"GET", "/ingress/" + p.app.Ingress + "/", "", 401}, {"GET", "/nothing", coreToken, 404}, {"GET", "/nothing", "", 401},
	} {
		if status, text := p.ask(t, tt.method, tt.path, tt.token, ""); status != tt.status {
			t.Errorf("%s %s with %q: %d %s, want %d", tt.method, tt.path, tt.token, status, text, tt.status)
		}
	}
	if got := p.Unknown(); !slices.Equal(got, []string{"GET /nothing"}) {
		t.Errorf("unknown: %q", got)
	}
	if n := p.Asked("GET /addons/self/info"); n != 1 {
		t.Errorf("the app asked %d times", n)
	}
}

// TestRights: what config.yaml does not ask for is not given.
func TestRights(t *testing.T) {
	p := newPlace(t, "slug: example\nhassio_api: true\n")
	for path, want := range map[string]int{"/core/api/config": 401, "/services/mqtt": 403, "/host/info": 404, "/addons": 403} {
		if status, _ := p.ask(t, "GET", path, p.app.Token, ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	_, text := p.ask(t, "GET", "/addons/self/info", p.app.Token, "")
	if !strings.Contains(text, `"ingress_entry":null`) || !strings.Contains(text, `"slug":"1a2b3c4d_example"`) {
		t.Error(text)
	}
}

// TestFilter: an address that looks like an attack is refused before anything else.
func TestFilter(t *testing.T) {
	p := newPlace(t, appYAML)
	for part, want := range map[string]int{
		"/info?x=..%2Fetc": 400, "/info?x=%252e%252e%252f": 400, "/info?x=%3Cscript%3E": 400, "/info?v=/a/": 400, "/info?q=union+select+(": 400,
		"/info?q=concat(": 400, "/info?back=/setup": 200, "/info?day=2026-11-20": 200, "/info?a=proc/self/environ": 400,
	} {
		if status, _ := p.ask(t, "GET", part, p.app.Token, ""); status != want {
			t.Errorf("%s: %d, want %d", part, status, want)
		}
	}
}

func TestState(t *testing.T) {
	p := newPlace(t, appYAML)
	p.SetState("setup")
	if status, text := p.ask(t, "GET", "/info", p.app.Token, ""); status != 400 || !strings.Contains(text, "System is not ready") {
		t.Errorf("%d %s", status, text)
	}
	if p.Refused() != 1 {
		t.Error(p.Refused())
	}
	p.SetState("running")
	p.hand.Lock()
	p.started = false
	p.hand.Unlock()
	for _, path := range []string{"/core/api/config", "/core/websocket"} {
		if status, _ := p.ask(t, "GET", path, p.app.Token, ""); status != 502 {
			t.Errorf("%s while Core starts: %d", path, status)
		}
	}
}

func TestService(t *testing.T) {
	p := newPlace(t, appYAML)
	p.SetBroker(&Broker{App: "core_mosquitto", Host: "core-mosquitto", Port: 1883, Username: "addons", Password: "p", Protocol: "3.1.1"})
	want := `{"data":{"addon":"core_mosquitto","host":"core-mosquitto","port":1883,"ssl":false,"username":"addons","password":"p","protocol":"3.1.1"},"result":"ok"}`
	if status, text := p.ask(t, "GET", "/services/mqtt", p.app.Token, ""); status != 200 || strings.TrimSpace(text) != want {
		t.Errorf("%d %s", status, text)
	}
}

// TestCoreAPI: of an app's request to Core only the body, the query and a few headers arrive.
func TestCoreAPI(t *testing.T) {
	p := newPlace(t, appYAML)
	status, text := p.ask(t, "POST", "/core/api/services/a/b?x=1", p.app.Token, "{}", "X-Own", "1", "Accept", "application/json", "Cookie", "a=b")
	if status != 200 || text != "Core's answer" || !slices.Equal(p.seen, []string{"POST /api/services/a/b?x=1"}) {
		t.Errorf("%d %s, %q", status, text, p.seen)
	}
	if p.headers.Get("X-Own") != "" || p.headers.Get("Cookie") != "" || p.headers.Get("Accept") != "application/json" || p.headers.Get("Authorization") != "Bearer access of r" {
		t.Errorf("%v", p.headers)
	}
}

func TestWebSocket(t *testing.T) {
	p := newPlace(t, appYAML)
	talk := func(token string) (*websocket.Conn, string) {
		c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.url, "http")+"/core/websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		var hello struct{ Type string }
		if err := c.ReadJSON(&hello); err != nil || hello.Type != "auth_required" {
			t.Fatalf("%s, %v", hello.Type, err)
		}
		if err := c.WriteJSON(object{"type": "auth", "access_token": token}); err != nil {
			t.Fatal(err)
		}
		if err := c.ReadJSON(&hello); err != nil {
			t.Fatal(err)
		}
		return c, hello.Type
	}
	if _, kind := talk("other"); kind != "auth_invalid" {
		t.Error(kind)
	}
	c, kind := talk(p.app.Token)
	if kind != "auth_ok" {
		t.Fatal(kind)
	}
	for command, want := range map[string]bool{"get_states": true, "supervisor/api": false, "hassio/update/core": false} {
		var got struct{ Success bool }
		if err := c.WriteJSON(object{"id": 1, "type": command}); err != nil {
			t.Fatal(err)
		}
		if err := c.ReadJSON(&got); err != nil || got.Success != want {
			t.Errorf("%s: %v, %v", command, got.Success, err)
		}
	}
}

// enter makes a session, as Core does for a user.
func (p *place) enter(t *testing.T) (cookie string) {
	t.Helper()
	status, text := p.ask(t, "POST", "/ingress/session", coreToken, `{"user_id":"u1"}`)
	var got struct{ Data struct{ Session string } }
	if err := json.Unmarshal([]byte(text), &got); err != nil || status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	return "ingress_session=" + got.Data.Session
}

// TestIngress: what reaches the app's page, and what comes back.
func TestIngress(t *testing.T) {
	for _, stream := range []bool{false, true} {
		p := newPlace(t, appYAML+fmt.Sprintf("ingress_stream: %v\n", stream))
		cookie := p.enter(t)
		at := "/ingress/" + p.app.Ingress + "/"
		if status, _ := p.ask(t, "GET", at, "", "", "Cookie", "ingress_session=other"); status != 401 {
			t.Errorf("a session of nobody: %d", status)
		}
		if status, _ := p.ask(t, "GET", "/ingress/other/", "", "", "Cookie", cookie); status != 503 {
			t.Errorf("a page of no app: %d", status)
		}
		status, text := p.ask(t, "POST", at+"save?a=b", "", "hello", "Cookie", cookie, "X-Remote-User-Id", "forged", "X-Supervisor-Token", "x", "X-Ingress-Path", "/y", "X-Forwarded-For", "1.2.3.4")
		if status != 200 || text != "hello" || p.seen[len(p.seen)-1] != "POST /save?a=b" {
			t.Errorf("%d %s, %q", status, text, p.seen)
		}
		if want := map[bool]int64{false: 5, true: -1}[stream]; p.length != want {
			t.Errorf("ingress_stream %v: the app sees a length of %d, want %d", stream, p.length, want)
		}
		for name, want := range map[string]string{
			"X-Remote-User-Id": "u1", "X-Remote-User-Name": "ann", "X-Remote-User-Display-Name": "Ann", "X-Supervisor-Token": "", "X-Ingress-Path": "/y", "X-Forwarded-For": "1.2.3.4, 127.0.0.1",
		} {
			if got := p.headers.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		big := strings.Repeat("x", largest+1)
		if status, _ := p.ask(t, "POST", at, "", big, "Cookie", cookie); status != map[bool]int{false: 413, true: 200}[stream] {
			t.Errorf("ingress_stream %v: more than 16 MB: %d", stream, status)
		}
		if status, _ := p.ask(t, "PUT", at, "", big, "Cookie", cookie); status != 413 {
			t.Errorf("ingress_stream %v: more than 16 MB by PUT: %d", stream, status)
		}
		for session, want := range map[string]int{strings.TrimPrefix(cookie, "ingress_session="): 200, "other": 401} {
			if status, _ := p.ask(t, "POST", "/ingress/validate_session", coreToken, fmt.Sprintf(`{"session":%q}`, session)); status != want {
				t.Errorf("a session is checked with %d, want %d", status, want)
			}
		}
	}
}

// TestIngressStreams: an answer without a length arrives piece by piece, and none is compressed or says how it was sent.
func TestIngressStreams(t *testing.T) {
	p := newPlace(t, appYAML)
	cookie := p.enter(t)
	more := make(chan struct{})
	p.hand.Lock()
	p.page = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		fmt.Fprintln(w, "one")
		http.NewResponseController(w).Flush()
		<-more
		fmt.Fprintln(w, "two")
	}
	p.hand.Unlock()
	req, err := http.NewRequest("GET", p.url+"/ingress/"+p.app.Ingress+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("X-Accel-Buffering") != "no" || resp.ContentLength != -1 {
		t.Errorf("%v", resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	for _, want := range []string{"one", "two"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q, want %q", lines.Text(), want)
		}
		if want == "one" {
			close(more)
		}
	}
}

// TestCoresStart: all that Core asks when it starts is answered, and what it says is taken.
func TestCoresStart(t *testing.T) {
	p := newPlace(t, appYAML)
	for _, path := range []string{
		"/supervisor/ping", "/info", "/core/info", "/supervisor/info", "/os/info", "/host/info", "/network/info", "/store", "/addons", "/addons/" + p.app.Slug + "/info",
		"/addons/" + p.app.Slug + "/stats", "/addons/" + p.app.Slug + "/changelog", "/ingress/panels", "/jobs/info", "/mounts", "/resolution/info", "/core/stats", "/supervisor/stats",
	} {
		if status, text := p.ask(t, "GET", path, coreToken, ""); status != 200 {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	for path, want := range map[string]int{"/core/options": 200, "/supervisor/options": 200, "/supervisor/update": 400, "/core/restart": 200, "/reload_updates": 200} {
		if status, text := p.ask(t, "POST", path, coreToken, `{"refresh_token":"of Core"}`); status != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if p.ask(t, "GET", "/core/api/config", p.app.Token, ""); p.headers.Get("Authorization") != "Bearer access of of Core" || p.seen[0] != "restart" {
		t.Errorf("%v, %q", p.headers, p.seen)
	}
	p.ask(t, "POST", "/addons/"+p.app.Slug+"/options", coreToken, `{"ingress_panel":false}`)
	if _, text := p.ask(t, "GET", "/ingress/panels", coreToken, ""); !strings.Contains(text, `"enable":false`) {
		t.Error(text)
	}
}

// TestOptions: options.json has the defaults, and what the user has put into the form.
func TestOptions(t *testing.T) {
	a := readApp(t, appYAML)
	got, err := a.Options(map[string]any{"b": map[string]any{"d": "y"}, "e": true, "list": []any{map[string]any{"name": "n"}}})
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, got); err != nil || compact.String() != `{"a":"","b":{"c":1,"d":"y"},"e":true,"list":[{"name":"n"}]}` {
		t.Errorf("%s, %v", compact.String(), err)
	}
	for what, form := range map[string]map[string]any{
		"the form has no option x":         {"x": 1},
		"the form has no option b.x":       {"b": map[string]any{"x": 1}},
		"the option b is a section":        {"b": 1},
		"the option list is a list":        {"list": "x"},
		"the form has no option list.nope": {"list": []any{map[string]any{"nope": 1}}},
	} {
		if _, err := a.Options(form); err == nil || err.Error() != what {
			t.Errorf("%v, want %s", err, what)
		}
	}
}

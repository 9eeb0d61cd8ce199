package supervisortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
)

// Core is Home Assistant itself, as Supervisor reaches it.
type Core struct {
	Version string
	URL     string // http://host:port
	Token   string // that Core asks Supervisor with
	Socket  string // where Core listens for Supervisor alone; older versions have none and are asked at URL
}

// coreClient asks Core as Supervisor's own user.
type coreClient struct {
	Core
	http *http.Client
	ws   *websocket.Dialer

	mu      sync.Mutex
	refresh string // token that an older Core has sent
	access  string // what that gave
}

func newCoreClient(cfg Core) *coreClient {
	c := &coreClient{Core: cfg}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		if c.private() {
			return d.DialContext(ctx, "unix", c.Socket)
		}
		return d.DialContext(ctx, network, address)
	}
	c.http = &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}} // Core comes and goes
	c.ws = &websocket.Dialer{NetDialContext: dial}
	return c
}

// private reports whether Core listens at its socket, where whoever asks is Supervisor.
func (c *coreClient) private() bool {
	if c.Socket == "" {
		return false
	}
	_, err := os.Stat(c.Socket)
	return err == nil
}

func (c *coreClient) refreshWith(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refresh, c.access = token, ""
}

var errNoCore = errors.New("there is no way to Core yet")

// token returns what Core is asked with; empty where it needs none.
func (c *coreClient) token(ctx context.Context) (string, error) {
	if c.private() {
		return "", nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.access != "":
		return c.access, nil
	case c.refresh == "":
		return "", errNoCore
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.refresh}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/auth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var got struct {
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Access == "" {
		return "", fmt.Errorf("no token from Core: %s, %w", resp.Status, err)
	}
	c.access = got.Access
	return got.Access, nil
}

// ask sends a request to Core's API; path begins behind /api/.
func (c *coreClient) ask(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	token, err := c.token(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+"/api/"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header = header.Clone()
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return c.http.Do(req)
}

// running reports whether Core says that it has started: before, apps do not reach it.
func (c *coreClient) running(ctx context.Context) bool {
	resp, err := c.ask(ctx, http.MethodGet, "core/state", http.Header{}, nil)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var got struct{ State string }
	return json.NewDecoder(resp.Body).Decode(&got) == nil && got.State == "RUNNING"
}

// connect opens a WebSocket as Supervisor's user.
func (c *coreClient) connect(ctx context.Context) (*websocket.Conn, error) {
	token, err := c.token(ctx)
	if err != nil {
		return nil, err
	}
	conn, _, err := c.ws.DialContext(ctx, "ws"+strings.TrimPrefix(c.URL, "http")+"/api/websocket", nil)
	if err != nil {
		return nil, err
	}
	var hello struct{ Type string }
	err = conn.ReadJSON(&hello)
	if err == nil && hello.Type == "auth_required" {
		if err = conn.WriteJSON(object{"type": "auth", "access_token": token}); err == nil {
			err = conn.ReadJSON(&hello)
		}
	}
	if err == nil && hello.Type != "auth_ok" {
		err = fmt.Errorf("Core answers %s", hello.Type)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// user is somebody who uses Core.
type user struct {
	ID       string
	Username string
	Name     string
}

// user asks Core for one; false where there is none, or no answer.
func (c *coreClient) user(ctx context.Context, id string) (user, bool) {
	conn, err := c.connect(ctx)
	if err != nil {
		return user{}, false
	}
	defer conn.Close()
	var got struct{ Result []user }
	if conn.WriteJSON(object{"id": 1, "type": "config/auth/list"}) != nil || conn.ReadJSON(&got) != nil {
		return user{}, false
	}
	for _, u := range got.Result {
		if u.ID == id {
			return u, true
		}
	}
	return user{}, false
}

// forwarded are the headers of an app's request that reach Core.
var forwarded = []string{"X-Speech-Content", "Accept", "Last-Event-Id", "Mcp-Session-Id", "Mcp-Protocol-Version", "Content-Type"}

// coreAPI hands a request of the app to Core.
func (s *Supervisor) coreAPI(w http.ResponseWriter, r *http.Request, path string, who caller) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost && r.Method != http.MethodDelete:
		plain(w, http.StatusMethodNotAllowed)
		return
	case who != app || !s.cfg.App.config.HomeAssistantAPI:
		plain(w, http.StatusUnauthorized)
		return
	case path == "hassio" || strings.HasPrefix(path, "hassio/") || strings.HasPrefix(path, "hassio_"):
		plain(w, http.StatusForbidden)
		return
	case !s.core.running(r.Context()):
		plain(w, http.StatusBadGateway)
		return
	}
	header := http.Header{}
	for _, name := range forwarded {
		if v := r.Header.Get(name); v != "" {
			header.Set(name, v)
		}
	}
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	resp, err := s.core.ask(r.Context(), r.Method, path, header, r.Body)
	if err != nil {
		plain(w, http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body) // whoever asked may be gone
}

// websocket is Core's, behind a handshake of Supervisor's own.
func (s *Supervisor) websocket(w http.ResponseWriter, r *http.Request) {
	if !s.core.running(r.Context()) {
		plain(w, http.StatusBadGateway)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	client, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer client.Close()
	var hello struct {
		Token string `json:"access_token"`
	}
	if client.WriteJSON(object{"type": "auth_required", "ha_version": s.cfg.Core.Version}) != nil || client.ReadJSON(&hello) != nil {
		return
	}
	if hello.Token != s.cfg.App.Token || !s.cfg.App.config.HomeAssistantAPI {
		client.WriteJSON(object{"type": "auth_invalid", "message": "Invalid access"}) // it is closed in any case
		return
	}
	if client.WriteJSON(object{"type": "auth_ok", "ha_version": s.cfg.Core.Version}) != nil {
		return
	}
	home, err := s.core.connect(r.Context())
	if err != nil {
		return
	}
	defer home.Close()
	var writing sync.Mutex // to the app: Core's messages, and what is denied
	answer := func(kind int, text []byte) error {
		writing.Lock()
		defer writing.Unlock()
		return client.WriteMessage(kind, text)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer client.Close()
		for {
			kind, text, err := home.ReadMessage()
			if err != nil || answer(kind, text) != nil {
				return
			}
		}
	})
	wg.Go(func() {
		defer home.Close()
		for {
			kind, text, err := client.ReadMessage()
			if err != nil {
				return
			}
			if no := denied(text); no != nil {
				err = answer(websocket.TextMessage, no)
			} else {
				err = home.WriteMessage(kind, text)
			}
			if err != nil {
				return
			}
		}
	})
	wg.Wait()
}

// denied answers the commands that are for Core's own frontend alone; nil for all others.
func denied(text []byte) []byte {
	var in struct {
		ID   any
		Type string
	}
	if json.Unmarshal(text, &in) != nil || !strings.HasPrefix(in.Type, "supervisor/") && !strings.HasPrefix(in.Type, "hassio/") {
		return nil
	}
	no, err := json.Marshal(object{"id": in.ID, "type": "result", "success": false, "error": object{"code": "unauthorized", "message": "Unauthorized"}})
	if err != nil {
		panic(err) // it was JSON a moment ago
	}
	return no
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// core is the Home Assistant of an apartment: its configuration, and notifications that are kept in its memory alone.
type core struct {
	mu       sync.Mutex
	down     bool // Supervisor answers 502
	language string
	notices  map[string]string
	shown    []string // every notification that was ever shown
	taken    []string // the ids of all that were taken back, shown or not
	sockets  map[*websocket.Conn]bool
}

// start and stop are those of Home Assistant; the app goes on.
func (c *core) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = true
	clear(c.notices)
	for s := range c.sockets {
		s.Close()
	}
	clear(c.sockets)
}

func (c *core) start(language string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down, c.language = false, language
}

func (c *core) notice(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.notices[id]
}

func (c *core) everShown() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.shown)
}

func (c *core) takenBack() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.taken, " ")
}

// dismiss is what a user does.
func (c *core) dismiss(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.notices, id)
	c.tell("removed", id)
}

// tell sends an event to all who listen. The lock is held.
func (c *core) tell(kind string, ids ...string) {
	list := map[string]any{}
	for _, id := range ids {
		list[id] = map[string]string{"notification_id": id}
	}
	for s := range c.sockets {
		s.WriteJSON(map[string]any{"id": 1, "type": "event", "event": map[string]any{"type": kind, "notifications": list}})
	}
}

// withCore is an apartment whose Home Assistant can be restarted.
func withCore(t *testing.T, options map[string]any, c *core) *apartment {
	t.Helper()
	c.notices, c.sockets = map[string]string{}, map[*websocket.Conn]bool{}
	a := newApartment(t, options)
	old := ""
	for i, e := range a.env {
		if proxy, ok := strings.CutPrefix(e, "HTTP_PROXY="); ok {
			old = proxy
			s := httptest.NewServer(c.before(t, proxy))
			t.Cleanup(s.Close)
			a.env[i] = "HTTP_PROXY=" + s.URL
		}
	}
	if old == "" {
		t.Fatal("the apartment has no Supervisor")
	}
	return a
}

// before answers what concerns Home Assistant itself, and hands the rest on to the apartment's Supervisor.
func (c *core) before(t *testing.T, supervisor string) http.Handler {
	var own http.Handler
	own = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect { // a websocket goes through the proxy by a tunnel
			c.tunnel(t, w, own)
			return
		}
		path, inCore := strings.CutPrefix(r.URL.Path, "/core/")
		if !inCore {
			c.handOn(w, r, supervisor)
			return
		}
		c.mu.Lock()
		down := c.down
		c.mu.Unlock()
		switch {
		case down:
			http.Error(w, "Bad Gateway", http.StatusBadGateway)
		case path == "websocket":
			c.listen(w, r)
		case r.Header.Get("Authorization") != "Bearer token-of-supervisor":
			http.Error(w, "unknown", http.StatusUnauthorized)
		case path == "api/config":
			c.mu.Lock()
			fmt.Fprintf(w, `{"version":"2026.11.0","language":%q,"time_zone":"Europe/Berlin","state":"RUNNING","components":["mqtt"]}`, c.language)
			c.mu.Unlock()
		case strings.HasPrefix(path, "api/services/persistent_notification/"):
			var n struct {
				ID      string `json:"notification_id"`
				Message string
			}
			if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			c.mu.Lock()
			if strings.HasSuffix(path, "create") {
				c.notices[n.ID] = n.Message
				c.shown = append(c.shown, n.Message)
				c.tell("added", n.ID)
			} else {
				c.taken = append(c.taken, n.ID)
			}
			if _, there := c.notices[n.ID]; there && strings.HasSuffix(path, "dismiss") {
				delete(c.notices, n.ID)
				c.tell("removed", n.ID)
			}
			c.mu.Unlock()
			io.WriteString(w, "[]")
		default:
			http.NotFound(w, r)
		}
	})
	return own
}

func (c *core) handOn(w http.ResponseWriter, r *http.Request, to string) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(to, "http://"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer conn.Close()
	r.Header.Set("Connection", "close")
	if err := r.WriteProxy(conn); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer client.Close()
	client.Write(answer)
}

func (c *core) tunnel(t *testing.T, w http.ResponseWriter, to http.Handler) {
	inner := httptest.NewServer(to)
	t.Cleanup(inner.Close)
	conn, err := net.Dial("tcp", inner.Listener.Addr().String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		conn.Close()
		return
	}
	io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { defer conn.Close(); io.Copy(conn, client) }()
	go func() { defer client.Close(); io.Copy(client, conn) }()
}

func (c *core) listen(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.WriteJSON(map[string]string{"type": "auth_required"})
	var auth struct {
		Token string `json:"access_token"`
	}
	var ask struct{ Type string }
	if conn.ReadJSON(&auth) != nil || auth.Token != "token-of-supervisor" {
		return
	}
	conn.WriteJSON(map[string]string{"type": "auth_ok"})
	if conn.ReadJSON(&ask) != nil || ask.Type != "persistent_notification/subscribe" {
		return
	}
	c.mu.Lock()
	conn.WriteJSON(map[string]any{"id": 1, "type": "result", "success": true})
	all := c.sockets
	c.sockets = map[*websocket.Conn]bool{conn: true}
	c.tell("current", slices.Sorted(maps.Keys(c.notices))...)
	maps.Copy(c.sockets, all)
	c.mu.Unlock()
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
}

// unauthorized is a person of whom nothing can be fetched.
var unauthorized = map[string]any{"client_id": "1-a.apps.googleusercontent.com", "client_secret": "secret-of-client"}

const authorizationNotice = "fitbit_fetch_authorization_default"

// TestNoticeOverRestart: a notification is there again after Home Assistant's restart; one that was dismissed is not.
func TestNoticeOverRestart(t *testing.T) {
	t.Parallel()
	c := &core{language: "en"}
	a := withCore(t, unauthorized, c)
	stop := a.start()
	notice := func() string { return c.notice(authorizationNotice) }
	a.holds("the notification", "Not authorized at Google", notice)
	c.stop()
	c.start("en")
	a.holds("the notification after the restart", "Not authorized at Google", notice)
	shown := len(c.everShown())
	c.dismiss(authorizationNotice)
	c.stop()
	c.start("de")
	a.holds("the log", "language=de", a.log) // Home Assistant was asked again
	if got := c.everShown(); len(got) != shown {
		t.Errorf("what was dismissed came back: %q", got[shown:])
	}
	stop()
}

// TestNoNoticeBeforeTheAttempt: a refresh token in the options is used first; as long as that goes on, and when it is accepted, nobody
// is asked to authorize.
func TestNoNoticeBeforeTheAttempt(t *testing.T) {
	t.Parallel()
	c := &core{language: "en"}
	a := withCore(t, merged(unauthorized, map[string]any{"refresh_token": "1//refresh"}), c)
	asked, answer := make(chan struct{}, 8), make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			http.Error(w, "{}", http.StatusServiceUnavailable)
			return
		}
		asked <- struct{}{}
		<-answer
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token":"ya29.x","expires_in":3600,"token_type":"Bearer","scope":"https://www.googleapis.com/auth/googlehealth.sleep.readonly"}`)
	}))
	t.Cleanup(service.Close)
	a.env = append(a.env, "FITBIT_FETCH_TOKEN_URL="+service.URL+"/token", "FITBIT_FETCH_API_URL="+service.URL, "NO_PROXY=127.0.0.1")
	stop := a.start()
	<-asked
	a.holds("what was taken back", "fitbit_fetch_mqtt", c.takenBack)
	close(answer)
	a.holds("the log", "the authorization in the options was taken over", a.log)
	a.holds("what was taken back", authorizationNotice, c.takenBack)
	if got := c.everShown(); len(got) > 0 {
		t.Errorf("shown: %q", got)
	}
	stop()
}

// TestLanguageComesLater: while Home Assistant is away at the app's start the sensors have the names of last time; its language, when
// it comes or changes, is theirs at once, and at the next start without Home Assistant still.
func TestLanguageComesLater(t *testing.T) {
	t.Parallel()
	c := &core{down: true}
	a := withCore(t, unauthorized, c)
	device := func() string { return a.topics.Get("homeassistant/device/fitbit_fetch_service/config") }
	stop := a.start()
	a.holds("the sensors without any language", "Last error", device)
	c.start("de")
	a.holds("the sensors in the language that came", "Letzter Fehler", device)
	c.stop()
	stop()
	stop = a.start()
	a.holds("the log", "connected to the MQTT broker", a.log)
	a.holds("the sensors of the next start", "Letzter Fehler", device)
	c.start("fr")
	a.holds("the sensors in another language", "Dernière erreur", device)
	stop()
}

// commandName is a command of ours as texts name it.
var commandName = regexp.MustCompile(`fitbit-fetch (authorize|deauthorize|backfill|plan|check|pause|resume|export|replay|snapshot|status|diagnose|erase|dashboards|options|run|simulate)\b`)

// TestAppNamesNoCommand: in the app nobody has a shell. Neither page, nor log, nor notification names a command.
func TestAppNamesNoCommand(t *testing.T) {
	t.Parallel()
	c := &core{language: "en"}
	a := withCore(t, unauthorized, c)
	stop := a.start()
	a.holds("the notification", "on the page of this app", func() string { return c.notice(authorizationNotice) })
	a.holds("the log", "on the page of this app", a.log)
	a.holds("the page", "on the page of this app", func() string { return a.look("/status") })
	looks := map[string]string{"the log": a.log(), "the notifications": strings.Join(c.everShown(), "\n"), "the sensor": a.lastError()}
	for _, path := range []string{"/", "/history", "/status", "/setup", "/setup?step=client", "/setup?step=connect", "/setup?step=database", "/setup?step=values", "/dashboards", "/confirm?what=erase"} {
		looks["the page "+path] = a.look(path)
	}
	for what, text := range looks {
		if m := commandName.FindString(text); m != "" {
			t.Errorf("%s names the command %q", what, m)
		}
	}
	stop()
}

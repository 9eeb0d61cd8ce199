package supervisortest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Address is Supervisor's own on the network of the apps; it answers at port 80.
const Address = "172.30.32.2"

// Config is what a Supervisor needs.
type Config struct {
	App     App
	Core    Core
	Restart func() // Core asks to be started again; it must not block
}

// Supervisor is the stand-in. It is an http.Handler, and may be used by several goroutines.
type Supervisor struct {
	cfg  Config
	core *coreClient
	page *http.Client // of the app, from Supervisor's address

	mu       sync.Mutex
	state    string  // running, once it answers at all
	broker   *Broker // of the service mqtt; nil for none
	panel    bool    // the app's page is shown in the sidebar
	sessions map[string]*session
	requests map[string]int // by who has asked, method and path: "app GET /info"
	unknown  map[string]bool
	refused  int // requests of the app while it was not ready
}

// Broker is what the app that provides the service mqtt has registered.
type Broker struct {
	App      string `json:"addon"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	TLS      bool   `json:"ssl"`
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	Protocol string `json:"protocol"` // 3.1.1
}

// New returns a Supervisor that runs, without a broker.
func New(cfg Config) *Supervisor {
	return &Supervisor{
		cfg: cfg, core: newCoreClient(cfg.Core), page: pageClient(), state: "running", panel: true,
		sessions: map[string]*session{}, requests: map[string]int{}, unknown: map[string]bool{},
	}
}

// SetBroker registers the service mqtt; nil takes it away.
func (s *Supervisor) SetBroker(b *Broker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broker = b
}

// SetState is how far Supervisor's own start is: setup, startup, running. Before startup it answers nothing.
func (s *Supervisor) SetState(state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state
}

// Asked returns how often the app has asked for a path: "GET /addons/self/info".
func (s *Supervisor) Asked(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests["app "+what]
}

// Refused returns how many requests of the app came while Supervisor was not ready.
func (s *Supervisor) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// Unknown are the requests that nobody answers here: a test that meets one has found a gap of this package, or one of the app.
func (s *Supervisor) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.unknown))
}

// caller is who asks.
type caller int

const (
	nobody caller = iota
	core
	app
)

func (c caller) String() string { return [...]string{"nobody", "core", "app"}[c] }

// ServeHTTP implements http.Handler: the filter, the state, the token, and then the path, in this order.
func (s *Supervisor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if suspicious(r.URL.EscapedPath()) || suspicious(r.URL.RawQuery) {
		plain(w, http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	state := s.state
	ready := state == "startup" || state == "running"
	if !ready && bearer(r.Header) == s.cfg.App.Token {
		s.refused++
	}
	s.mu.Unlock()
	if !ready {
		refuse(w, http.StatusBadRequest, "System is not ready with state: "+state)
		return
	}
	who, status := s.admit(r)
	s.mu.Lock()
	s.requests[who.String()+" "+r.Method+" "+r.URL.Path]++
	s.mu.Unlock()
	if status != 0 {
		plain(w, status)
		return
	}
	s.route(w, r, who)
}

// filters are what Supervisor takes for an attack, wherever it stands in a path or a query.
var filters = []*regexp.Regexp{
	regexp.MustCompile(`proc/self/environ`),
	regexp.MustCompile(`<.*script.*>`),
	regexp.MustCompile(`\.\./`),
	regexp.MustCompile(`[a-z0-9_]=/([a-z0-9_.]/)`),
	regexp.MustCompile(`union.*select.*\(`),
	regexp.MustCompile(`union.*all.*select`),
	regexp.MustCompile(`concat.*\(`),
}

// suspicious looks at a part of an address however often it is escaped.
func suspicious(part string) bool {
	for {
		plain, err := url.PathUnescape(part)
		if err != nil || plain == part {
			break
		}
		part = plain
	}
	part = strings.ToLower(part)
	return slices.ContainsFunc(filters, func(f *regexp.Regexp) bool { return f.MatchString(part) })
}

// bearer is the token of a request, in any of the headers that Supervisor reads.
func bearer(h http.Header) string {
	for _, name := range []string{"X-Supervisor-Token", "X-Hassio-Key", "Authorization"} {
		if v := h.Get(name); v != "" {
			return v[strings.LastIndexByte(v, ' ')+1:]
		}
	}
	return ""
}

// admit says who asks, and with which status the request is refused; 0 for none.
func (s *Supervisor) admit(r *http.Request) (caller, int) {
	path := r.URL.Path
	token := bearer(r.Header)
	who := nobody
	switch token {
	case "":
	case s.cfg.Core.Token:
		who = core
	case s.cfg.App.Token:
		who = app
	}
	below := func(places ...string) bool {
		return slices.ContainsFunc(places, func(p string) bool { return strings.HasPrefix(path, p) })
	}
	switch {
	case below("/core/api/hassio/", "/homeassistant/api/hassio/"):
		return who, http.StatusForbidden
	case below("/core/api/", "/homeassistant/api/"), path == "/core/websocket", path == "/homeassistant/websocket", path == "/supervisor/ping":
		return who, 0 // their own check, or none
	case strings.HasPrefix(path, "/ingress/") && strings.Count(path, "/") > 2, strings.HasPrefix(path, "/app/"), publicPicture(path):
		return who, 0
	case token == "":
		return who, http.StatusUnauthorized
	case who == core:
		return who, 0
	case who == app && s.free(path):
		return who, 0
	case who == app && s.cfg.App.config.HassioAPI && s.role(path):
		return who, 0
	}
	return who, http.StatusForbidden
}

// publicPicture is what, beside the files of Supervisor's own interface, a browser shows of an app without a token.
func publicPicture(path string) bool {
	path = strings.TrimPrefix(path, "/store")
	parts := strings.Split(path, "/")
	return len(parts) == 4 && parts[1] == "addons" && (parts[3] == "icon" || parts[3] == "logo")
}

// free is what every app may ask.
func (s *Supervisor) free(path string) bool {
	if own, ok := strings.CutPrefix(path, "/addons/self/"); ok {
		return own == "options/config" || own != "" && !strings.Contains(own, "/") && !strings.HasPrefix(own, "security") && !strings.HasPrefix(own, "update")
	}
	return path == "/info" || path == "/auth" || strings.HasPrefix(path, "/services") || strings.HasPrefix(path, "/discovery")
}

// role is what the app's role allows, where it has hassio_api. All but the default may more, and are not known here.
func (s *Supervisor) role(path string) bool {
	role := s.cfg.App.config.HassioRole
	return role == "admin" || strings.HasSuffix(path, "/info") && path != "/info"
}

// route answers a request that is admitted.
func (s *Supervisor) route(w http.ResponseWriter, r *http.Request, who caller) {
	path := strings.Replace(r.URL.Path, "/homeassistant/", "/core/", 1) // its older name
	switch {
	case path == "/core/websocket", path == "/core/api/websocket":
		s.websocket(w, r)
	case strings.HasPrefix(path, "/core/api/"):
		s.coreAPI(w, r, strings.TrimPrefix(path, "/core/api/"), who)
	case path == "/ingress/panels" || path == "/ingress/session" || path == "/ingress/validate_session":
		s.ingressAPI(w, r, path, who)
	case strings.HasPrefix(path, "/ingress/"):
		s.ingress(w, r)
	case strings.HasPrefix(path, "/services/"):
		s.service(w, r, strings.TrimPrefix(path, "/services/"), who)
	case who == app && path == "/addons/self/info", who == core && path == "/addons/"+s.cfg.App.Slug+"/info":
		s.get(w, r, func() any { return s.info() })
	default:
		s.answer(w, r, path, who)
	}
}

// get answers GET alone.
func (s *Supervisor) get(w http.ResponseWriter, r *http.Request, data func() any) {
	if r.Method != http.MethodGet {
		plain(w, http.StatusMethodNotAllowed)
		return
	}
	ok(w, data())
}

// service answers for the services that apps provide for one another.
func (s *Supervisor) service(w http.ResponseWriter, r *http.Request, name string, who caller) {
	s.mu.Lock()
	b := s.broker
	s.mu.Unlock()
	switch {
	case name != "mqtt" && name != "mysql":
		refuse(w, http.StatusNotFound, "Service does not exist")
	case r.Method != http.MethodGet:
		s.missing(w, r)
	case who != app || s.cfg.App.config.service(name) == "":
		refuse(w, http.StatusForbidden, fmt.Sprintf("No access to %s service!", name))
	case name != "mqtt" || b == nil:
		refuse(w, http.StatusBadRequest, "Service not enabled")
	default:
		ok(w, b)
	}
}

// missing notes a request that this package has no answer for.
func (s *Supervisor) missing(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.unknown[r.Method+" "+r.URL.Path] = true
	s.mu.Unlock()
	plain(w, http.StatusNotFound)
}

// plain refuses as the server itself does, before any handler: with a text.
func plain(w http.ResponseWriter, status int) {
	http.Error(w, fmt.Sprintf("%d: %s", status, http.StatusText(status)), status)
}

// refuse answers as Supervisor does where it knows why.
func refuse(w http.ResponseWriter, status int, why string) {
	write(w, status, map[string]any{"result": "error", "message": why})
}

// ok answers with data, nil for none.
func ok(w http.ResponseWriter, data any) {
	if data == nil {
		data = struct{}{}
	}
	write(w, http.StatusOK, map[string]any{"result": "ok", "data": data})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // whoever asked may be gone
}

// body reads what was sent, as far as it may be. It answers itself where it is too much.
func body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	data, err := io.ReadAll(io.LimitReader(r.Body, largest+1))
	switch {
	case err != nil:
		plain(w, http.StatusBadRequest)
	case len(data) > largest:
		plain(w, http.StatusRequestEntityTooLarge)
	default:
		return data, true
	}
	return nil, false
}

// largest is how many bytes a body may have that Supervisor reads whole.
const largest = 16 << 20

// secret returns a new token.
func secret() string { return strings.ToLower(rand.Text() + rand.Text()) }

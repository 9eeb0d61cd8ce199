package simulate

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Where the server answers. All of it stands on one origin.
const (
	PathAuth   = "/o/oauth2/v2/auth" // the page on which the user consents
	PathToken  = "/token"
	PathRevoke = "/revoke"
	PathAPI    = "/v4/" // below: users/me/…
)

// ScopePrefix begins every scope of the service; a read scope is ScopePrefix + name + ".readonly".
const ScopePrefix = "https://www.googleapis.com/auth/googlehealth."

// Scopes returns the scopes for reading everything the server has.
func Scopes() []string {
	names := []string{activity, vitals, sleep, settings, location, "profile", "ecg", "irn", "nutrition"}
	for i, n := range names {
		names[i] = ScopePrefix + n + ".readonly"
	}
	return names
}

// Config is what a server is made of. Only Persons is needed.
type Config struct {
	Persons []*Person
	Now     func() time.Time // nil for time.Now
	Clients []Client         // empty for one: DefaultClient

	Testing     bool          // the consent screen is in testing: refresh tokens die after 7 days
	AutoApprove bool          // the consent page redirects at once
	Deny        []string      // scopes, by name (e.g. "location"), that users never grant
	Empty       []string      // data types, by path name, without any points
	TokenLife   time.Duration // of access tokens; 0 for an hour

	NoQuota      bool    // no limit at all
	PerMinute    int     // requests per minute and user; 0 for 300
	QPS          float64 // requests per second and user, as for unverified apps; 0 for no such limit
	PageCap      int     // points at most in a page of heart rate, whatever is asked for; 0 for 5000
	NoEmptyPages bool    // no page is empty but the last

	Odd *Oddities // how answers are not as they should be; nil for none
}

// A Client is an OAuth client of the project.
type Client struct {
	ID, Secret string
	Redirects  []string // registered; a desktop client needs none
	Desktop    bool     // any loopback redirect is good
	Person     *Person  // who consents; nil for the one chosen on the page, at first the first
	Refresh    string   // a refresh token that is good from the start; empty for none. Needs Person
}

// DefaultClient is the client of a server that was given none. Its refresh token belongs to the first person.
func DefaultClient() Client {
	return Client{ID: "simulated-client.apps.googleusercontent.com", Secret: "simulated-secret", Redirects: []string{"http://localhost:8080"}, Desktop: true, Refresh: "1//simulated-refresh-token"}
}

// Google is a Google Health server. It is an http.Handler and starts nothing.
type Google struct {
	front
	cfg    Config
	types  []*dataType
	byName map[string]*dataType
	shapes map[string]*mask

	oauth  *grants
	blocks blockCache
	spare  sync.Pool // of *[]byte

	counting sync.Mutex
	used     map[*Person][]time.Time // requests of the last minute
}

// NewGoogle makes a server.
func NewGoogle(cfg Config) *Google {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.PageCap == 0 {
		cfg.PageCap = 5000
	}
	if cfg.PerMinute == 0 {
		cfg.PerMinute = 300
	}
	if cfg.TokenLife == 0 {
		cfg.TokenLife = time.Hour
	}
	if len(cfg.Clients) == 0 {
		cfg.Clients = []Client{DefaultClient()}
	}
	g := &Google{cfg: cfg, types: dataTypes(), byName: map[string]*dataType{}, used: map[*Person][]time.Time{}}
	for _, t := range g.types {
		g.byName[t.name] = t
		if slices.Contains(cfg.Empty, t.name) {
			t.fill, t.roll = nil, rollNothing
		}
	}
	g.shapes = shapes(g.types)
	g.oauth = newGrants(cfg)
	g.now, g.answer, g.problem, g.secret = cfg.Now, g.serve, scripted, []string{PathToken, PathRevoke, PathAuth}
	if cfg.Odd != nil {
		g.answer = cfg.Odd.wrap(g.serve, g.send, func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/dataTypes/") }, cfg.Odd.oddGoogle, maskOf)
	}
	return g
}

// DataTypes returns the names of all data types the server knows.
func (g *Google) DataTypes() []string {
	out := make([]string, len(g.types))
	for i, t := range g.types {
		out[i] = t.name
	}
	return out
}

// call is one request to the API, after its token was accepted.
type call struct {
	g       *Google
	r       *http.Request
	p       *Person
	grant   *grant
	now     time.Time
	horizon time.Time // the last sync
}

// serve answers without faults.
func (g *Google) serve(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(strings.ToLower(r.URL.EscapedPath()), "%3a") {
		htmlNotFound(w, r)
		return
	}
	switch r.URL.Path {
	case PathAuth:
		g.consent(w, r)
		return
	case PathToken:
		g.token(w, r)
		return
	case PathRevoke:
		g.revoke(w, r)
		return
	}
	h := g.route(r)
	if h == nil {
		htmlNotFound(w, r)
		return
	}
	c, err := g.authenticate(r)
	if err == nil {
		err = h(w, c)
	}
	if err != nil {
		g.fail(w, r, err)
	}
}

type handler func(http.ResponseWriter, *call) *apiError

// route finds who answers; nil for a path the service does not have.
func (g *Google) route(r *http.Request) handler {
	rest, ok := strings.CutPrefix(r.URL.Path, PathAPI+"users/")
	if !ok {
		return nil
	}
	user, rest, ok := strings.Cut(rest, "/")
	if !ok || user == "" {
		return nil
	}
	part := strings.Split(rest, "/")
	for _, p := range part {
		if p == "" {
			return nil
		}
	}
	h := g.find(r.Method, part)
	if h == nil {
		return nil
	}
	return func(w http.ResponseWriter, c *call) *apiError {
		if user != "me" && user != c.p.Account() {
			return denied("The caller does not have permission")
		}
		return h(w, c)
	}
}

func (g *Google) find(method string, part []string) handler {
	get := method == http.MethodGet
	switch {
	case len(part) == 1 && get:
		switch part[0] {
		case "identity":
			return getIdentity
		case "settings":
			return resource("settings", settings, writeSettings)
		case "profile":
			return resource("profile", "profile", writeProfile)
		case "irnProfile":
			return resource("irnProfile", "irn", writeIRN)
		case "pairedDevices":
			return listDevices
		}
	case len(part) == 2 && get && part[0] == "pairedDevices":
		return func(w http.ResponseWriter, c *call) *apiError { return getDevice(w, c, part[1]) }
	case len(part) >= 3 && part[0] == "dataTypes":
		name := part[1]
		switch {
		case len(part) == 3 && get && part[2] == "dataPoints":
			return g.points(name, "L")
		case len(part) == 3 && get && part[2] == "dataPoints:reconcile":
			return g.points(name, "R")
		case len(part) == 3 && method == http.MethodPost && part[2] == "dataPoints:rollUp":
			return g.rollUp(name, "U")
		case len(part) == 3 && method == http.MethodPost && part[2] == "dataPoints:dailyRollUp":
			return g.rollUp(name, "D")
		case len(part) == 4 && get && part[2] == "dataPoints":
			if id, tcx := strings.CutSuffix(part[3], ":exportExerciseTcx"); tcx {
				return g.exportTCX(name, id)
			} else if !strings.Contains(id, ":") {
				return g.point(name, id)
			}
		}
	}
	return nil
}

// dataType finds a type and checks that it has the operation and was granted.
func (c *call) dataType(name, op string) (*dataType, *apiError) {
	t, ok := c.g.byName[name]
	if !ok {
		return nil, badParent("Unknown data type: " + name)
	}
	if err := c.need(t.scope); err != nil {
		return nil, err
	}
	if !strings.Contains(t.ops, op) {
		return nil, badParent("The data type " + name + " does not support this operation.")
	}
	return t, nil
}

// need checks that a scope was granted.
func (c *call) need(name string) *apiError {
	if !c.grant.has(name) {
		return &apiError{code: http.StatusForbidden, status: "PERMISSION_DENIED", reason: "ACCESS_TOKEN_SCOPE_INSUFFICIENT", domain: "googleapis.com",
			message: "Request had insufficient authentication scopes.", meta: map[string]string{"service": "health.googleapis.com"}}
	}
	return nil
}

// seen is how far the person's data reaches for a type: the last sync, or now for what needs none.
func (c *call) seen(t *dataType) int64 {
	if t.manual {
		return c.now.UnixNano()
	}
	if c.horizon.IsZero() {
		return 0
	}
	return c.horizon.UnixNano()
}

// newest returns the last day that can hold anything now; a night in progress counts to the day after.
func (c *call) newest() metric.Day { return c.p.Day(c.now) + 1 }

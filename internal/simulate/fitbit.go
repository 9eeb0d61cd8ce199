package simulate

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// Where the Fitbit Web API answers. All of it stands on one origin, and beside Google's paths.
const (
	FitbitPathAuth       = "/oauth2/authorize" // the page on which the user consents
	FitbitPathToken      = "/oauth2/token"
	FitbitPathRevoke     = "/oauth2/revoke"
	FitbitPathIntrospect = "/1.1/oauth2/introspect"
)

// FitbitConfig is what a Fitbit server is made of. Only Persons is needed.
type FitbitConfig struct {
	Persons []*Person
	Now     func() time.Time // nil for time.Now
	Apps    []FitbitApp      // empty for one: DefaultFitbitApp

	AutoApprove bool          // the consent page redirects at once
	Deny        []string      // scopes that users never grant
	TokenLife   time.Duration // of access tokens; 0 for 8 hours
	Replay      time.Duration // in which a refresh may be repeated; 0 for 2 minutes

	NoLimit    bool   // no limit at all
	PerHour    int    // requests per window, user and app; 0 for 150
	FullHours  bool   // windows begin with the clock's hour, not with their first request
	Lag        int    // so many requests are not in Fitbit-Rate-Limit-Remaining yet
	NoReset    bool   // a 429 does not say when the window ends
	RetryAfter string // Retry-After of a 429; empty for none

	GoogleErrors bool          // 403 and 429 in the form of Google's front end
	BareEmpty    bool          // no breathing rate or blood oxygen is {}, in place of an empty list
	Pending      time.Duration // the service computes a sleep so long after the sync that brought it; 0 for 3 seconds
	Retired      time.Time     // from then on everything is 410; zero for never

	Odd *Oddities // how answers are not as they should be; nil for none
}

// Fitbit is a Fitbit Web API server. It is an http.Handler and starts nothing.
type Fitbit struct {
	front
	cfg    FitbitConfig
	routes map[string]*fitbitRoute
	oauth  *fitbitGrants
	days   fitbitDays

	counting sync.Mutex
	windows  map[fitbitOwner]*fitbitWindow
}

// fitbitOwner is a person at an app: limits and consents are per pair.
type fitbitOwner struct {
	p   *Person
	app string
}

// NewFitbit makes a server.
func NewFitbit(cfg FitbitConfig) *Fitbit {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.TokenLife == 0 {
		cfg.TokenLife = 8 * time.Hour
	}
	if cfg.Replay == 0 {
		cfg.Replay = 2 * time.Minute
	}
	if cfg.PerHour == 0 {
		cfg.PerHour = 150
	}
	if cfg.Pending == 0 {
		cfg.Pending = 3 * time.Second
	}
	if len(cfg.Apps) == 0 {
		cfg.Apps = []FitbitApp{DefaultFitbitApp()}
	}
	f := &Fitbit{cfg: cfg, routes: map[string]*fitbitRoute{}, windows: map[fitbitOwner]*fitbitWindow{}}
	for _, r := range fitbitRoutes() {
		f.routes[r.path] = r
	}
	f.oauth = newFitbitGrants(cfg)
	f.now, f.answer, f.secret = cfg.Now, f.serve, []string{FitbitPathAuth, FitbitPathToken, FitbitPathRevoke, FitbitPathIntrospect}
	if cfg.Odd != nil {
		data := func(r *http.Request) bool {
			return strings.Contains(r.URL.Path, "/user/-/") && !strings.HasSuffix(r.URL.Path, "/profile.json") && !strings.HasSuffix(r.URL.Path, "/devices.json")
		}
		f.answer = cfg.Odd.wrap(f.serve, f.send, data, cfg.Odd.oddFitbit, func(*http.Request) *mask { return nil })
	}
	f.problem = func(status int) []byte {
		return fitbitErr(status, fitbitErrorType(status), "n/a", http.StatusText(status)).body()
	}
	return f
}

// Serves reports whether a path belongs to the Fitbit Web API: to serve it beside Google's on one port.
func (f *Fitbit) Serves(path string) bool {
	for _, begin := range []string{"/oauth2/", "/1/", "/1.1/", "/1.2/"} {
		if strings.HasPrefix(path, begin) {
			return true
		}
	}
	return false
}

// obj is a JSON object; its members are written in the order of their names, as the service does.
type obj = map[string]any

// xmlAnswer is a body that is no JSON.
type xmlAnswer []byte

// fitbitCall is one request to the API, after its token was accepted.
type fitbitCall struct {
	f       *Fitbit
	r       *http.Request
	p       *Person
	grant   *fitbitGrant
	now     time.Time
	horizon time.Time // the last sync
	units   units
	utc     bool // days and times of the clock are UTC's
	wall    *enc // for offsets
}

// serve answers without faults.
func (f *Fitbit) serve(w http.ResponseWriter, r *http.Request) {
	if !f.cfg.Retired.IsZero() && !f.cfg.Now().Before(f.cfg.Retired) {
		f.fail(w, r, googleErr(http.StatusGone, "GONE", "The Fitbit Web API has been turned off."))
		return
	}
	switch r.URL.Path {
	case FitbitPathAuth:
		f.consent(w, r)
		return
	case FitbitPathToken:
		f.token(w, r)
		return
	case FitbitPathRevoke:
		f.revoke(w, r)
		return
	case FitbitPathIntrospect:
		f.introspect(w, r)
		return
	}
	c, err := f.authenticate(r)
	if err == nil {
		err = f.count(w.Header(), c)
	}
	var answer any
	if err == nil {
		answer, err = c.route()
	}
	if err != nil {
		f.fail(w, r, err)
		return
	}
	if xml, ok := answer.(xmlAnswer); ok {
		w.Header().Set("Content-Type", "application/vnd.garmin.tcx+xml")
		f.send(w, r, http.StatusOK, xml)
		return
	}
	f.writeJSON(w, r, http.StatusOK, answer)
}

func (f *Fitbit) writeJSON(w http.ResponseWriter, r *http.Request, code int, v any) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("simulate: an answer that is no JSON: " + err.Error()) // the values are ours
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	f.send(w, r, code, bytes.TrimSuffix(out.Bytes(), []byte("\n")))
}

// route finds who answers, checks scope and permission, and asks.
func (c *fitbitCall) route() (any, *fitbitError) {
	path, isJSON := strings.CutSuffix(c.r.URL.Path, ".json")
	path, isTCX := strings.CutSuffix(path, ".tcx")
	part := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if c.r.Method != http.MethodGet || isJSON == isTCX || len(part) < 4 || part[1] != "user" {
		return nil, noSuchEndpoint()
	}
	if part[2] != "-" && part[2] != c.p.LegacyAccount() {
		return nil, fitbitErr(http.StatusUnauthorized, "authorization", "n/a", "The owner of these data does not allow you to see them.")
	}
	version, rest := part[0], part[3:]
	if isTCX {
		if version != "1" || len(rest) != 2 || rest[0] != "activities" {
			return nil, noSuchEndpoint()
		}
		return c.tcx(rest[1])
	}
	name, dates := strings.Join(rest, "/"), []string(nil)
	if i := slices.Index(rest, "date"); i >= 0 {
		name, dates = strings.Join(rest[:i+1], "/"), rest[i+1:]
	}
	t := c.f.routes[version+"/"+name]
	if t == nil {
		return nil, noSuchEndpoint()
	}
	c.utc = c.r.URL.Query().Get("timezone") == "UTC" && strings.HasPrefix(name, "activities/") // the only ones that know the parameter
	for _, scope := range t.scopes() {
		if err := c.need(scope); err != nil {
			return nil, err
		}
	}
	q := asked{route: t}
	if t.forms != "" {
		var err *fitbitError
		if q, err = c.parseDates(t, dates); err != nil {
			return nil, err
		}
	}
	return t.answer(c, q)
}

// need checks that a scope was granted.
func (c *fitbitCall) need(scope string) *fitbitError {
	if slices.Contains(c.grant.scopes, scope) {
		return nil
	}
	if c.f.cfg.GoogleErrors {
		return googleErr(http.StatusForbidden, "PERMISSION_DENIED", "The caller does not have permission")
	}
	return fitbitErr(http.StatusForbidden, "insufficient_scope", "", "This application does not have permission to access "+scope+" data."+seeOAuth)
}

// intraday reports whether the app may see minutes; night values of apps that may not are 403.
func (c *fitbitCall) intraday() bool { return c.grant.app.Type == PersonalApp || c.grant.app.Intraday }

func (c *fitbitCall) needIntraday() *fitbitError {
	if c.intraday() {
		return nil
	}
	if c.f.cfg.GoogleErrors {
		return googleErr(http.StatusForbidden, "PERMISSION_DENIED", "The caller does not have permission")
	}
	return fitbitErr(http.StatusForbidden, "insufficient_permissions", "", "API client is not authorized by Fitbit to access the resource requested."+seeOAuth)
}

// today is the day of the person's clock, or of UTC's where the request wants that.
func (c *fitbitCall) today() metric.Day {
	if c.utc {
		return metric.DayOf(c.now.UTC())
	}
	return c.p.Day(c.now)
}

// span returns the instants of a day.
func (c *fitbitCall) span(d metric.Day) metric.Span {
	if c.utc {
		return metric.Span{Start: d.Civil(), End: (d + 1).Civil()}
	}
	return c.p.DaySpan(d)
}

// local returns what the person's clock shows at a second since 1970, as seconds since its own 1970.
func (c *fitbitCall) local(sec int64) int64 {
	if c.utc {
		return sec
	}
	return sec + int64(c.wall.offset(sec))
}

// stamp writes an instant as the person's clock shows it, without an offset.
func (c *fitbitCall) stamp(t time.Time) string {
	return time.Unix(c.local(t.Unix()), 0).UTC().Format("2006-01-02T15:04:05.000")
}

// timeOfDay writes seconds after midnight.
func timeOfDay(s int64) string {
	return string([]byte{byte('0' + s/36000), byte('0' + s/3600%10), ':', byte('0' + s/600%6), byte('0' + s/60%10), ':', byte('0' + s/10%6), byte('0' + s%10)})
}

// zoned writes an instant with the offset of the person's clock.
func (c *fitbitCall) zoned(t time.Time) string {
	return t.In(time.FixedZone("", c.p.Offset(t))).Format("2006-01-02T15:04:05.000-07:00")
}

package simulate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// AppType says how an app signs in at the token address, and whether it sees minutes.
type AppType uint8

// A personal app signs in either way, and sees the minutes of its owner. A server signs in with Basic, a client with its id alone;
// both see minutes only where Intraday was granted on request.
const (
	PersonalApp AppType = iota
	ServerApp
	ClientApp
)

// A FitbitApp is a registered application.
type FitbitApp struct {
	ID, Secret string
	Type       AppType
	Intraday   bool     // of a server or client: was granted the minutes
	Redirects  []string // registered; any other is refused, to the letter
	Person     *Person  // who consents; nil for the one chosen on the page, at first the first
	Refresh    string   // a refresh token that is good from the start; empty for none
}

// DefaultFitbitApp is the app of a server that was given none. Its refresh token belongs to the first person.
func DefaultFitbitApp() FitbitApp {
	return FitbitApp{ID: "23ABCD", Secret: "0123456789abcdef0123456789abcdef", Redirects: []string{"http://localhost:8080"}, Refresh: strings.Repeat("5a", 32)}
}

// FitbitScopes returns every scope of the service.
func FitbitScopes() []string {
	return []string{"activity", "cardio_fitness", "electrocardiogram", "heartrate", "irregular_rhythm_notifications", "location", "nutrition", "oxygen_saturation",
		"profile", "respiratory_rate", "settings", "sleep", "social", "temperature", "weight"}
}

// scopeCode is the short name of a scope in a token.
func scopeCode(scope string) string {
	code, ok := map[string]string{"activity": "ract", "cardio_fitness": "rcf", "electrocardiogram": "recg", "heartrate": "rhr", "irregular_rhythm_notifications": "rirn", "location": "rloc",
		"nutrition": "rnut", "oxygen_saturation": "roxy", "profile": "rpro", "respiratory_rate": "rres", "settings": "rset", "sleep": "rsle", "social": "rsoc", "temperature": "rtem", "weight": "rwei"}[scope]
	if !ok {
		panic("simulate: no code for the scope " + scope)
	}
	return code
}

// fitbitGrant is what one person allowed one app.
type fitbitGrant struct {
	p      *Person
	app    *FitbitApp
	scopes []string
}

// fitbitRefresh is a refresh token: good for one use, which may be repeated for a while until one of the new tokens is used.
type fitbitRefresh struct {
	*fitbitGrant
	spent   time.Time // zero while it is good
	request string    // that spent it
	answer  obj       // of that request
	settled bool      // a token of the answer was used
}

type fitbitAccess struct {
	*fitbitGrant
	since, until time.Time
	from         *fitbitRefresh // that it was issued for; nil for a code
}

type fitbitCode struct {
	*fitbitGrant
	redirect, challenge, method string
	until                       time.Time
}

// fitbitGrants is all the OAuth state.
type fitbitGrants struct {
	mu      sync.Mutex
	n       int64 // tokens made
	codes   map[string]fitbitCode
	refresh map[string]*fitbitRefresh
	access  map[string]fitbitAccess
}

func newFitbitGrants(cfg FitbitConfig) *fitbitGrants {
	g := &fitbitGrants{codes: map[string]fitbitCode{}, refresh: map[string]*fitbitRefresh{}, access: map[string]fitbitAccess{}}
	for i := range cfg.Apps {
		app := &cfg.Apps[i]
		p := app.Person
		if p == nil && len(cfg.Persons) > 0 {
			p = cfg.Persons[0]
		}
		if app.Refresh != "" && p != nil {
			g.refresh[app.Refresh] = &fitbitRefresh{fitbitGrant: &fitbitGrant{p, app, fitbitAllowed(FitbitScopes(), cfg.Deny)}}
		}
	}
	return g
}

func fitbitAllowed(scopes, deny []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(deny, s) })
}

// opaque makes a token of so many hexadecimal digits.
func (g *fitbitGrants) opaque(p *Person, digits int) string {
	g.n++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d", p.Seed, g.n, digits))
	return hex.EncodeToString(sum[:])[:digits]
}

// jwt makes an access token.
func (g *fitbitGrants) jwt(gr *fitbitGrant, since, until time.Time) string {
	codes := make([]string, len(gr.scopes))
	for i, s := range gr.scopes {
		codes[i] = scopeCode(s)
	}
	claims, err := json.Marshal(obj{"aud": gr.app.ID, "sub": gr.p.LegacyAccount(), "iss": "Fitbit", "typ": "access_token", "scopes": strings.Join(codes, " "), "exp": until.Unix(), "iat": since.Unix(), "jti": g.opaque(gr.p, 16)})
	if err != nil {
		panic("simulate: a token that is no JSON: " + err.Error()) // the values are ours
	}
	body := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	mac := hmac.New(sha256.New, []byte(gr.app.Secret))
	mac.Write([]byte(body))
	return body + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// issue makes a pair of tokens. A person has one refresh token at an app: older ones end, spent or not, and with
// them what could still be repeated.
func (f *Fitbit) issue(gr *fitbitGrant, from *fitbitRefresh) obj {
	for t, r := range f.oauth.refresh {
		if r != from && r.p == gr.p && r.app == gr.app {
			delete(f.oauth.refresh, t)
		}
	}
	now := f.cfg.Now()
	access, refresh := f.oauth.jwt(gr, now, now.Add(f.cfg.TokenLife)), f.oauth.opaque(gr.p, 64)
	f.oauth.access[access] = fitbitAccess{gr, now, now.Add(f.cfg.TokenLife), from}
	f.oauth.refresh[refresh] = &fitbitRefresh{fitbitGrant: gr}
	return obj{"access_token": access, "expires_in": int(f.cfg.TokenLife / time.Second), "refresh_token": refresh, "scope": strings.Join(gr.scopes, " "), "token_type": "Bearer", "user_id": gr.p.LegacyAccount()}
}

func (f *Fitbit) app(id string) *FitbitApp {
	for i := range f.cfg.Apps {
		if f.cfg.Apps[i].ID == id {
			return &f.cfg.Apps[i]
		}
	}
	return nil
}

// appOf is the app through which a person consents.
func (f *Fitbit) appOf(p *Person) *FitbitApp {
	for i := range f.cfg.Apps {
		if f.cfg.Apps[i].Person == p {
			return &f.cfg.Apps[i]
		}
	}
	return &f.cfg.Apps[0]
}

// Grant lets a person allow their app the scopes, all of them when none is named, and returns the refresh token. An older one of
// the same person ends.
func (f *Fitbit) Grant(p *Person, scopes ...string) (refresh string) {
	if len(scopes) == 0 {
		scopes = FitbitScopes()
	}
	f.oauth.mu.Lock()
	defer f.oauth.mu.Unlock()
	return f.issue(&fitbitGrant{p, f.appOf(p), fitbitAllowed(scopes, f.cfg.Deny)}, nil)["refresh_token"].(string)
}

// AccessToken returns a fresh access token for a person, with the scopes or all of them. It touches no refresh token.
func (f *Fitbit) AccessToken(p *Person, scopes ...string) string {
	if len(scopes) == 0 {
		scopes = FitbitScopes()
	}
	f.oauth.mu.Lock()
	defer f.oauth.mu.Unlock()
	now := f.cfg.Now()
	gr := &fitbitGrant{p, f.appOf(p), fitbitAllowed(scopes, f.cfg.Deny)}
	t := f.oauth.jwt(gr, now, now.Add(f.cfg.TokenLife))
	f.oauth.access[t] = fitbitAccess{gr, now, now.Add(f.cfg.TokenLife), nil}
	return t
}

// Expire lets all access tokens of a person come to their end now; refresh tokens live on.
func (f *Fitbit) Expire(p *Person) {
	f.oauth.mu.Lock()
	defer f.oauth.mu.Unlock()
	for t, a := range f.oauth.access {
		if a.p == p {
			a.until = f.cfg.Now()
			f.oauth.access[t] = a
		}
	}
}

// Withdraw ends all tokens of a person, as the user can at the account's page.
func (f *Fitbit) Withdraw(p *Person) {
	f.oauth.mu.Lock()
	defer f.oauth.mu.Unlock()
	f.oauth.end(func(gr *fitbitGrant) bool { return gr.p == p })
}

// end forgets the tokens of some grants.
func (g *fitbitGrants) end(which func(*fitbitGrant) bool) {
	for t, a := range g.access {
		if which(a.fitbitGrant) {
			delete(g.access, t)
		}
	}
	for t, r := range g.refresh {
		if which(r.fitbitGrant) {
			delete(g.refresh, t)
		}
	}
}

// authenticate finds whose request it is.
func (f *Fitbit) authenticate(r *http.Request) (*fitbitCall, *fitbitError) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return nil, fitbitErr(http.StatusUnauthorized, "invalid_request", "", "Authorization header required.")
	}
	now := f.cfg.Now()
	f.oauth.mu.Lock()
	defer f.oauth.mu.Unlock()
	a, ok := f.oauth.access[token]
	switch {
	case !ok:
		return nil, fitbitErr(http.StatusUnauthorized, "invalid_token", "", "Access token invalid: "+token+"."+seeOAuth)
	case !now.Before(a.until):
		return nil, fitbitErr(http.StatusUnauthorized, "expired_token", "", "Access token expired: "+token+"."+seeOAuth)
	}
	if a.from != nil {
		a.from.settled = true
	}
	return &fitbitCall{f: f, r: r, p: a.p, grant: a.fitbitGrant, now: now, horizon: a.p.LastSync(now), units: unitsOf(r.Header.Get("Accept-Language")),
		wall: newEnc(a.p, nil)}, nil
}

// signIn finds the app that asks for tokens, by the rules of its type.
func (f *Fitbit) signIn(r *http.Request) (*FitbitApp, *fitbitError) {
	bad := func(text string) (*FitbitApp, *fitbitError) {
		return nil, fitbitErr(http.StatusUnauthorized, "invalid_client", "", text+seeOAuth)
	}
	id, secret, basic := r.BasicAuth()
	if basic && r.URL.Query().Has("client_id") {
		return nil, fitbitErr(http.StatusBadRequest, "invalid_request", "", "The parameter client_id does not belong in the address."+seeOAuth)
	}
	if !basic {
		if id = r.PostFormValue("client_id"); id == "" {
			return nil, fitbitErr(http.StatusBadRequest, "invalid_request", "", "Missing parameters: client_id."+seeOAuth)
		}
	}
	app := f.app(id)
	switch {
	case app == nil:
		return bad("Invalid client_id: " + id + ".")
	case basic && app.Secret != secret:
		return bad("Invalid client secret.")
	case !basic && app.Type == ServerApp:
		return bad("Invalid authorization header. An application of the type server needs one.")
	case basic && app.Type == ClientApp:
		return bad("Invalid authorization header. An application of the type client has none.")
	}
	return app, nil
}

// token changes a code or a refresh token for a pair of tokens.
func (f *Fitbit) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		f.fail(w, r, noSuchEndpoint())
		return
	}
	app, err := f.signIn(r)
	var answer obj
	if err == nil {
		switch grant := r.PostFormValue("grant_type"); grant {
		case "authorization_code":
			answer, err = f.exchange(app, r)
		case "refresh_token":
			answer, err = f.renew(app, r)
		case "":
			err = fitbitErr(http.StatusBadRequest, "invalid_request", "", "Missing parameters: grant_type."+seeOAuth)
		default:
			err = fitbitErr(http.StatusBadRequest, "unsupported_grant_type", "", "Invalid grant_type: "+grant+"."+seeOAuth)
		}
	}
	if err != nil {
		f.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	f.writeJSON(w, r, http.StatusOK, answer)
}

// exchange takes a code, which is good for one use.
func (f *Fitbit) exchange(app *FitbitApp, r *http.Request) (obj, *fitbitError) {
	code := r.PostFormValue("code")
	if code == "" {
		return nil, fitbitErr(http.StatusBadRequest, "invalid_request", "", "Missing parameters: code."+seeOAuth)
	}
	f.oauth.mu.Lock()
	defer f.oauth.mu.Unlock()
	held, ok := f.oauth.codes[code]
	delete(f.oauth.codes, code)
	switch verifier := r.PostFormValue("code_verifier"); {
	case !ok || held.app != app || !f.cfg.Now().Before(held.until):
		return nil, fitbitErr(http.StatusBadRequest, "invalid_grant", "", "Authorization code invalid: "+code+"."+seeOAuth)
	case held.redirect != "" && held.redirect != r.PostFormValue("redirect_uri"):
		return nil, fitbitErr(http.StatusBadRequest, "invalid_grant", "", "Redirect_uri mismatch: "+r.PostFormValue("redirect_uri")+"."+seeOAuth)
	case held.challenge == "":
	case len(verifier) < 43 || len(verifier) > 128:
		return nil, fitbitErr(http.StatusBadRequest, "invalid_request", "", "The code_verifier parameter length must be between 43 and 128."+seeOAuth)
	case held.method == "S256" && challenge(verifier) != held.challenge, held.method != "S256" && verifier != held.challenge:
		return nil, fitbitErr(http.StatusBadRequest, "invalid_grant", "", "Code verifier invalid: "+verifier+"."+seeOAuth)
	}
	return f.issue(held.fitbitGrant, nil), nil
}

// renew takes a refresh token, which is good for one use; the same request again gets the same answer for a while.
func (f *Fitbit) renew(app *FitbitApp, r *http.Request) (obj, *fitbitError) {
	token := r.PostFormValue("refresh_token")
	if token == "" {
		return nil, fitbitErr(http.StatusBadRequest, "invalid_request", "", "Missing parameters: refresh_token."+seeOAuth)
	}
	f.oauth.mu.Lock()
	defer f.oauth.mu.Unlock()
	now, request := f.cfg.Now(), r.PostForm.Encode()
	held := f.oauth.refresh[token]
	switch {
	case held == nil || held.app != app:
	case held.spent.IsZero():
		held.answer = f.issue(held.fitbitGrant, held)
		held.spent, held.request = now, request
		return held.answer, nil
	case !held.settled && held.request == request && now.Sub(held.spent) < f.cfg.Replay:
		return held.answer, nil
	}
	return nil, fitbitErr(http.StatusBadRequest, "invalid_grant", "", "Refresh token invalid: "+token+"."+seeOAuth)
}

// revoke ends a consent by its access or refresh token.
func (f *Fitbit) revoke(w http.ResponseWriter, r *http.Request) {
	app, err := f.signIn(r)
	token := r.PostFormValue("token")
	if err == nil && token == "" {
		err = fitbitErr(http.StatusBadRequest, "invalid_request", "", "Missing parameters: token."+seeOAuth)
	}
	if err != nil {
		f.fail(w, r, err)
		return
	}
	f.oauth.mu.Lock()
	var p *Person
	if a, ok := f.oauth.access[token]; ok {
		p = a.p
	} else if held := f.oauth.refresh[token]; held != nil {
		p = held.p
	}
	if p != nil {
		f.oauth.end(func(gr *fitbitGrant) bool { return gr.p == p && gr.app == app })
	}
	f.oauth.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

// introspect tells of an access token. Its instants are in milliseconds, whatever the standard says.
func (f *Fitbit) introspect(w http.ResponseWriter, r *http.Request) {
	c, err := f.authenticate(r)
	if err != nil {
		f.fail(w, r, err)
		return
	}
	f.oauth.mu.Lock()
	a, ok := f.oauth.access[r.PostFormValue("token")]
	f.oauth.mu.Unlock()
	if !ok || a.app != c.grant.app || !c.now.Before(a.until) {
		f.writeJSON(w, r, http.StatusOK, obj{"active": false})
		return
	}
	scopes := make([]string, len(a.scopes))
	for i, s := range a.scopes {
		scopes[i] = strings.ToUpper(s) + "=READ"
	}
	f.writeJSON(w, r, http.StatusOK, obj{"active": true, "scope": "{" + strings.Join(scopes, ", ") + "}", "client_id": a.app.ID, "user_id": a.p.LegacyAccount(), "token_type": "access_token",
		"exp": a.until.UnixMilli(), "iat": a.since.UnixMilli()})
}

// consent shows the page on which the user allows, and redirects with a code.
func (f *Fitbit) consent(w http.ResponseWriter, r *http.Request) {
	v := r.FormValue
	app := f.app(v("client_id"))
	redirect := v("redirect_uri")
	if app != nil && redirect == "" && len(app.Redirects) == 1 {
		redirect = app.Redirects[0]
	}
	if text := f.refusal(r, app, redirect); text != "" {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<!DOCTYPE html><title>Error</title><h1>Developer information</h1><p>%s\n", template.HTMLEscapeString(text))
		return
	}
	scopes := strings.Fields(v("scope"))
	switch {
	case f.cfg.AutoApprove:
		f.redirect(w, r, app, redirect, f.chosen(app, v("login_hint")), scopes)
	case r.Method == http.MethodPost && v("choice") == "deny":
		fitbitBack(w, r, redirect, url.Values{"error": {"access_denied"}, "error_description": {"The user denied the request."}})
	case r.Method == http.MethodPost:
		f.redirect(w, r, app, redirect, f.chosen(app, v("person")), r.Form["granted"])
	default:
		f.consentPage(w, r, app, scopes)
	}
}

// refusal says why the page shows an error in place of a question; empty for none.
func (f *Fitbit) refusal(r *http.Request, app *FitbitApp, redirect string) string {
	v := r.FormValue
	switch {
	case v("client_id") == "":
		return "invalid_request - Missing parameters: client_id"
	case app == nil:
		return "unauthorized_client - Invalid client_id"
	case redirect == "" || !slices.Contains(app.Redirects, redirect) || v("prompt") != "" && v("redirect_uri") == "":
		return "invalid_request - Invalid redirect_uri parameter value"
	case v("response_type") != "code":
		return "unsupported_response_type - Invalid response_type parameter value"
	case v("code_challenge") != "" && (len(v("code_challenge")) < 43 || len(v("code_challenge")) > 128):
		return "invalid_request - The code_challenge parameter length must be between 43 and 128"
	case v("code_challenge_method") != "" && v("code_challenge_method") != "S256" && v("code_challenge_method") != "plain":
		return "invalid_request - Unsupported code_challenge_method"
	case v("scope") == "":
		return "invalid_request - Missing parameters: scope"
	}
	for _, s := range strings.Fields(v("scope")) {
		if !slices.Contains(FitbitScopes(), s) {
			return "invalid_scope - Invalid scope: " + s
		}
	}
	return ""
}

// chosen finds the person with that account id, else the app's, else the first.
func (f *Fitbit) chosen(app *FitbitApp, account string) *Person {
	for _, p := range f.cfg.Persons {
		if account != "" && p.LegacyAccount() == account {
			return p
		}
	}
	if app.Person != nil {
		return app.Person
	}
	return f.cfg.Persons[0]
}

// redirect sends the browser back with a code.
func (f *Fitbit) redirect(w http.ResponseWriter, r *http.Request, app *FitbitApp, to string, p *Person, scopes []string) {
	scopes = fitbitAllowed(scopes, f.cfg.Deny)
	if len(scopes) == 0 {
		fitbitBack(w, r, to, url.Values{"error": {"access_denied"}, "error_description": {"The user denied the request."}})
		return
	}
	f.oauth.mu.Lock()
	code := f.oauth.opaque(p, 40)
	f.oauth.codes[code] = fitbitCode{&fitbitGrant{p, app, scopes}, r.FormValue("redirect_uri"), r.FormValue("code_challenge"), r.FormValue("code_challenge_method"), f.cfg.Now().Add(10 * time.Minute)}
	f.oauth.mu.Unlock()
	fitbitBack(w, r, to, url.Values{"code": {code}})
}

// fitbitBack redirects to the app, with its state and a fragment that means nothing.
func fitbitBack(w http.ResponseWriter, r *http.Request, to string, v url.Values) {
	if s := r.FormValue("state"); s != "" {
		v.Set("state", s)
	}
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	http.Redirect(w, r, to+sep+v.Encode()+"#_=_", http.StatusFound)
}

func (f *Fitbit) consentPage(w http.ResponseWriter, r *http.Request, app *FitbitApp, scopes []string) {
	persons := make([]string, len(f.cfg.Persons))
	for i, p := range f.cfg.Persons {
		persons[i] = p.LegacyAccount()
	}
	showConsent(w, r, []string{"client_id", "redirect_uri", "response_type", "scope", "state", "prompt", "code_challenge", "code_challenge_method"},
		app.ID, persons, f.chosen(app, r.FormValue("login_hint")).LegacyAccount(), scopes)
}

package simulate

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// testingLife is how long a refresh token lives while the consent screen is in testing.
const testingLife = 7 * 24 * time.Hour

// grant is what one person allowed one client.
type grant struct {
	p      *Person
	client string
	scopes []string
	until  time.Time // of the refresh token; zero for no end
}

// has reports whether a scope was granted, by name.
func (g *grant) has(name string) bool {
	return slices.Contains(g.scopes, ScopePrefix+name+".readonly")
}

// code is a consent that waits to be fetched.
type code struct {
	*grant
	redirect, challenge string
	until               time.Time
	offline             bool
}

type access struct {
	*grant
	until time.Time
}

// grants is all the OAuth state.
type grants struct {
	mu      sync.Mutex
	n       int64 // tokens made
	codes   map[string]code
	refresh map[string]*grant
	access  map[string]access
}

func newGrants(cfg Config) *grants {
	g := &grants{codes: map[string]code{}, refresh: map[string]*grant{}, access: map[string]access{}}
	for _, c := range cfg.Clients {
		p := c.Person
		if p == nil && len(cfg.Persons) > 0 {
			p = cfg.Persons[0]
		}
		if c.Refresh == "" || p == nil {
			continue
		}
		gr := &grant{p: p, client: c.ID, scopes: allowed(Scopes(), cfg.Deny)}
		if cfg.Testing {
			gr.until = cfg.Now().Add(testingLife)
		}
		g.refresh[c.Refresh] = gr
	}
	return g
}

// allowed takes out the scopes that users never grant.
func allowed(scopes, deny []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool {
		name := strings.TrimSuffix(strings.TrimPrefix(s, ScopePrefix), ".readonly")
		return slices.Contains(deny, name)
	})
}

// token makes an opaque token.
func (g *grants) token(prefix string, p *Person) string {
	g.n++
	a, b := hash(p.Seed, saltForm, g.n), hash(p.Seed^0xa5a5, saltForm, g.n)
	return prefix + strconv.FormatUint(a, 36) + "_" + strconv.FormatUint(b, 36) + "-" + strconv.FormatInt(g.n, 36)
}

// Grant lets a person allow the first client (or the person's own) the scopes, all of them when none is named, and returns the
// refresh token.
func (g *Google) Grant(p *Person, scopes ...string) (refresh string) {
	if len(scopes) == 0 {
		scopes = Scopes()
	}
	client := g.cfg.Clients[0].ID
	for _, c := range g.cfg.Clients {
		if c.Person == p {
			client = c.ID
		}
	}
	g.oauth.mu.Lock()
	defer g.oauth.mu.Unlock()
	gr := &grant{p: p, client: client, scopes: allowed(scopes, g.cfg.Deny)}
	if g.cfg.Testing {
		gr.until = g.cfg.Now().Add(testingLife)
	}
	refresh = g.oauth.token("1//0", p)
	g.oauth.refresh[refresh] = gr
	return refresh
}

// AccessToken returns a fresh access token for a person, with the scopes or all of them.
func (g *Google) AccessToken(p *Person, scopes ...string) string {
	refresh := g.Grant(p, scopes...)
	g.oauth.mu.Lock()
	defer g.oauth.mu.Unlock()
	t := g.oauth.token("ya29.", p)
	g.oauth.access[t] = access{g.oauth.refresh[refresh], g.cfg.Now().Add(g.cfg.TokenLife)}
	return t
}

// Expire ends all access tokens of a person; refresh tokens live on.
func (g *Google) Expire(p *Person) {
	g.oauth.mu.Lock()
	defer g.oauth.mu.Unlock()
	for t, a := range g.oauth.access {
		if a.p == p {
			delete(g.oauth.access, t)
		}
	}
}

// Withdraw ends all tokens of a person, as the user can at the account's page.
func (g *Google) Withdraw(p *Person) {
	g.Expire(p)
	g.oauth.mu.Lock()
	defer g.oauth.mu.Unlock()
	for t, r := range g.oauth.refresh {
		if r.p == p {
			delete(g.oauth.refresh, t)
		}
	}
}

// authenticate finds whose request it is, and counts it.
func (g *Google) authenticate(r *http.Request) (*call, *apiError) {
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		if r.URL.Query().Has("key") || r.Header.Get("X-Goog-Api-Key") != "" {
			return nil, unauthenticated("CREDENTIALS_MISSING", "API keys are not supported by this API. Expected OAuth2 access token or other authentication credentials that assert a principal.", `Bearer realm="https://accounts.google.com/"`)
		}
		return nil, unauthenticated("CREDENTIALS_MISSING", "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.", `Bearer realm="https://accounts.google.com/"`)
	}
	now := g.cfg.Now()
	g.oauth.mu.Lock()
	a, ok := g.oauth.access[token]
	if ok && !now.Before(a.until) {
		delete(g.oauth.access, token)
		ok = false
	}
	g.oauth.mu.Unlock()
	if !ok {
		return nil, unauthenticated("", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
	}
	if err := g.count(a.p, now); err != nil {
		return nil, err
	}
	return &call{g: g, r: r, p: a.p, grant: a.grant, now: now, horizon: a.p.LastSync(now)}, nil
}

// count holds the limits per user.
func (g *Google) count(p *Person, now time.Time) *apiError {
	if g.cfg.NoQuota {
		return nil
	}
	g.counting.Lock()
	defer g.counting.Unlock()
	used := slices.DeleteFunc(g.used[p], func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	second := 0
	for _, t := range used {
		if now.Sub(t) < time.Second {
			second++
		}
	}
	g.used[p] = append(used, now)
	switch {
	case len(used) >= g.cfg.PerMinute:
		return exhausted("ReadRequestsPerMinutePerUser")
	case g.cfg.QPS > 0 && float64(second) >= g.cfg.QPS:
		return exhausted("UnverifiedAppQueriesPerSecondPerUser")
	}
	return nil
}

func exhausted(limit string) *apiError {
	return &apiError{code: http.StatusTooManyRequests, status: "RESOURCE_EXHAUSTED", reason: "RATE_LIMIT_EXCEEDED", domain: "googleapis.com",
		message: "Quota exceeded for quota metric 'Requests' and limit '" + limit + "' of service 'health.googleapis.com'.",
		meta:    map[string]string{"service": "health.googleapis.com", "quota_limit": limit, "quota_metric": "health.googleapis.com/requests", "consumer": "projects/1"}}
}

func (g *Google) client(id string) *Client {
	for i := range g.cfg.Clients {
		if g.cfg.Clients[i].ID == id {
			return &g.cfg.Clients[i]
		}
	}
	return nil
}

// goodRedirect reports whether a client may be redirected there.
func (c *Client) goodRedirect(redirect string) bool {
	if slices.Contains(c.Redirects, redirect) {
		return true
	}
	u, err := url.Parse(redirect)
	return err == nil && c.Desktop && u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
}

// consent shows the page on which the user allows, and redirects with a code.
func (g *Google) consent(w http.ResponseWriter, r *http.Request) {
	v := r.FormValue
	refuse := func(status int, name, text string) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<!DOCTYPE html><title>Error</title><p><b>Access blocked: authorization error</b><p>Error %d: %s<p>%s\n", status, name, template.HTMLEscapeString(text))
	}
	c := g.client(v("client_id"))
	switch {
	case c == nil:
		refuse(http.StatusUnauthorized, "invalid_client", "The OAuth client was not found.")
		return
	case !c.goodRedirect(v("redirect_uri")):
		refuse(http.StatusBadRequest, "redirect_uri_mismatch", "The redirect URI in the request is not among those of the client.")
		return
	case v("response_type") != "code":
		refuse(http.StatusBadRequest, "unsupported_response_type", "response_type must be code.")
		return
	case v("code_challenge") != "" && v("code_challenge_method") != "S256":
		refuse(http.StatusBadRequest, "invalid_request", "code_challenge_method must be S256.")
		return
	}
	scopes := strings.Fields(v("scope"))
	for _, s := range scopes {
		if !strings.HasPrefix(s, ScopePrefix) {
			refuse(http.StatusBadRequest, "invalid_scope", "Some requested scopes were invalid: "+s)
			return
		}
	}
	if len(scopes) == 0 {
		refuse(http.StatusBadRequest, "invalid_request", "Missing required parameter: scope")
		return
	}
	switch {
	case g.cfg.AutoApprove:
		g.redirect(w, r, c, g.chosen(c, v("login_hint")), scopes)
	case r.Method == http.MethodPost && v("choice") == "deny":
		back(w, r, url.Values{"error": {"access_denied"}})
	case r.Method == http.MethodPost:
		g.redirect(w, r, c, g.chosen(c, v("person")), r.Form["granted"])
	default:
		g.consentPage(w, r, c, scopes)
	}
}

// chosen finds the person with that account id, else the client's, else the first.
func (g *Google) chosen(c *Client, account string) *Person {
	for _, p := range g.cfg.Persons {
		if account != "" && p.Account() == account {
			return p
		}
	}
	if c.Person != nil {
		return c.Person
	}
	return g.cfg.Persons[0]
}

// redirect sends the browser back with a code.
func (g *Google) redirect(w http.ResponseWriter, r *http.Request, c *Client, p *Person, scopes []string) {
	scopes = allowed(scopes, g.cfg.Deny)
	if len(scopes) == 0 {
		back(w, r, url.Values{"error": {"access_denied"}})
		return
	}
	g.oauth.mu.Lock()
	token := g.oauth.token("4/0A", p)
	g.oauth.codes[token] = code{grant: &grant{p: p, client: c.ID, scopes: scopes}, redirect: r.FormValue("redirect_uri"), challenge: r.FormValue("code_challenge"),
		until: g.cfg.Now().Add(10 * time.Minute), offline: r.FormValue("access_type") == "offline"}
	g.oauth.mu.Unlock()
	back(w, r, url.Values{"code": {token}, "scope": {strings.Join(scopes, " ")}})
}

// back redirects to the client, with its state.
func back(w http.ResponseWriter, r *http.Request, v url.Values) {
	if s := r.FormValue("state"); s != "" {
		v.Set("state", s)
	}
	to := r.FormValue("redirect_uri")
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	http.Redirect(w, r, to+sep+v.Encode(), http.StatusFound)
}

// consentText is the page. Everything the client sent comes back as hidden fields.
const consentText = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Simulated account</title>
<h1>A simulated account</h1><p>{{.Client}} wants to read these health data of a person who does not exist:</p>
<form method="post">{{range $k, $v := .Hidden}}<input type="hidden" name="{{$k}}" value="{{$v}}">{{end}}
{{range $i, $p := .Persons}}<p><label><input type="radio" name="person" value="{{$p}}"{{if eq $p $.Chosen}} checked{{end}}> Account {{$p}}</label>{{end}}
<ul>{{range .Scopes}}<li><label><input type="checkbox" name="granted" value="{{.}}" checked> {{.}}</label>{{end}}</ul>
<button name="choice" value="allow">Allow</button> <button name="choice" value="deny">Cancel</button></form></html>
`

func (g *Google) consentPage(w http.ResponseWriter, r *http.Request, c *Client, scopes []string) {
	persons := make([]string, len(g.cfg.Persons))
	for i, p := range g.cfg.Persons {
		persons[i] = p.Account()
	}
	showConsent(w, r, []string{"client_id", "redirect_uri", "response_type", "scope", "state", "access_type", "prompt", "code_challenge", "code_challenge_method"},
		c.ID, persons, g.chosen(c, r.FormValue("login_hint")).Account(), scopes)
}

// showConsent writes the page; the parameters that are named come back with the answer.
func showConsent(w http.ResponseWriter, r *http.Request, parameters []string, client string, persons []string, chosen string, scopes []string) {
	hidden := map[string]string{}
	for _, k := range parameters {
		if v := r.FormValue(k); v != "" {
			hidden[k] = v
		}
	}
	page := template.Must(template.New("consent").Parse(consentText))
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	_ = page.Execute(w, map[string]any{"Client": client, "Hidden": hidden, "Persons": persons, "Chosen": chosen, "Scopes": scopes}) // the client went away
}

// oauthError answers in OAuth's own form.
func (g *Google) oauthError(w http.ResponseWriter, r *http.Request, status int, name, text string) {
	b := appendString([]byte(`{"error":`), name)
	b = appendString(append(b, `,"error_description":`...), text)
	g.writeJSON(w, r, status, append(b, '}'))
}

// token changes a code or a refresh token for an access token.
func (g *Google) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		htmlNotFound(w, r)
		return
	}
	v := r.PostFormValue
	id, secret := v("client_id"), v("client_secret")
	if user, pass, ok := r.BasicAuth(); ok && id == "" {
		id, secret = user, pass
	}
	c := g.client(id)
	if c == nil || c.Secret != secret {
		g.oauthError(w, r, http.StatusUnauthorized, "invalid_client", "The OAuth client was not found, or the secret is wrong.")
		return
	}
	switch v("grant_type") {
	case "authorization_code":
		g.exchange(w, r, c)
	case "refresh_token":
		g.refresh(w, r, c)
	default:
		g.oauthError(w, r, http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+v("grant_type"))
	}
}

func (g *Google) exchange(w http.ResponseWriter, r *http.Request, c *Client) {
	v := r.PostFormValue
	now := g.cfg.Now()
	g.oauth.mu.Lock()
	held, ok := g.oauth.codes[v("code")]
	delete(g.oauth.codes, v("code")) // good for one use
	g.oauth.mu.Unlock()
	switch {
	case !ok || held.client != c.ID || !now.Before(held.until):
		g.oauthError(w, r, http.StatusBadRequest, "invalid_grant", "Malformed auth code.")
		return
	case held.redirect != v("redirect_uri"):
		g.oauthError(w, r, http.StatusBadRequest, "redirect_uri_mismatch", "Bad Request")
		return
	case held.challenge != "" && held.challenge != challenge(v("code_verifier")):
		g.oauthError(w, r, http.StatusBadRequest, "invalid_grant", "Invalid code verifier.")
		return
	}
	refresh := ""
	g.oauth.mu.Lock()
	if held.offline {
		if g.cfg.Testing {
			held.grant.until = now.Add(testingLife)
		}
		refresh = g.oauth.token("1//0", held.p)
		g.oauth.refresh[refresh] = held.grant
	}
	g.oauth.mu.Unlock()
	g.issue(w, r, held.grant, refresh)
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (g *Google) refresh(w http.ResponseWriter, r *http.Request, c *Client) {
	token := r.PostFormValue("refresh_token")
	g.oauth.mu.Lock()
	gr, ok := g.oauth.refresh[token]
	if ok && !gr.until.IsZero() && !g.cfg.Now().Before(gr.until) {
		delete(g.oauth.refresh, token)
		ok = false
	}
	g.oauth.mu.Unlock()
	if !ok || gr.client != c.ID {
		g.oauthError(w, r, http.StatusBadRequest, "invalid_grant", "Token has been expired or revoked.")
		return
	}
	g.issue(w, r, gr, "")
}

// issue answers with an access token, and a refresh token where it is new.
func (g *Google) issue(w http.ResponseWriter, r *http.Request, gr *grant, refresh string) {
	now := g.cfg.Now()
	g.oauth.mu.Lock()
	t := g.oauth.token("ya29.", gr.p)
	g.oauth.access[t] = access{gr, now.Add(g.cfg.TokenLife)}
	g.oauth.mu.Unlock()
	b := appendString([]byte(`{"access_token":`), t)
	b = strconv.AppendInt(append(b, `,"expires_in":`...), int64(g.cfg.TokenLife/time.Second)-1, 10)
	if refresh != "" {
		b = appendString(append(b, `,"refresh_token":`...), refresh)
	}
	b = appendString(append(b, `,"scope":`...), strings.Join(gr.scopes, " "))
	b = append(b, `,"token_type":"Bearer"`...)
	if !gr.until.IsZero() {
		b = strconv.AppendInt(append(b, `,"refresh_token_expires_in":`...), int64(gr.until.Sub(now)/time.Second)-1, 10)
	}
	g.writeJSON(w, r, http.StatusOK, append(b, '}'))
}

// revoke ends a grant by its access or refresh token.
func (g *Google) revoke(w http.ResponseWriter, r *http.Request) {
	token := r.FormValue("token")
	g.oauth.mu.Lock()
	gr := g.oauth.refresh[token]
	if a, ok := g.oauth.access[token]; ok {
		gr = a.grant
	}
	if gr != nil {
		for t, x := range g.oauth.refresh {
			if x == gr {
				delete(g.oauth.refresh, t)
			}
		}
		for t, x := range g.oauth.access {
			if x.grant == gr {
				delete(g.oauth.access, t)
			}
		}
	}
	g.oauth.mu.Unlock()
	if gr == nil {
		g.oauthError(w, r, http.StatusBadRequest, "invalid_token", "Token expired or revoked")
		return
	}
	g.writeJSON(w, r, http.StatusOK, []byte("{}"))
}

package web

import (
	"compress/gzip"
	"fmt"
	"html"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

var pages = []string{"/setup?step=client", "/setup?step=connect", "/setup?step=database", "/setup?step=values", "/setup?step=../x",
	"/", "/?person=anna", "/?day=2026-11-20", "/?day=2999-01-01", "/?day=%00", "/history", "/history?person=anna", "/history?range=quarter&group=heart", "/history?range=all",
	"/history?range=%00&group=%3Cb%3E", "/status", "/status?person=anna", "/setup", "/setup?person=anna",
	"/confirm?what=erase&person=main", "/confirm?what=deauthorize", "/confirm?what=sensors"}

var addresses = regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)

// Every page is small, relative and without anything that runs or loads from elsewhere.
func TestPages(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{Ingress: true})
	v := s.visitor(t)
	v.peer, v.host = "172.30.32.2:5000", "homeassistant.local:8123"
	for _, a := range pages {
		body := v.page(a)
		if n := v.paint(body); n > 100_000 {
			t.Errorf("%s: the first paint needs %d bytes", a, n)
		}
		for _, m := range addresses.FindAllStringSubmatch(body, -1) {
			if strings.HasPrefix(m[1], "/") || strings.Contains(m[1], "..") || strings.Contains(m[1], "://") && !strings.HasPrefix(m[1], "https://console.cloud.google.com/") && !strings.HasPrefix(m[1], "https://myaccount.google.com/") {
				t.Errorf("%s: address %q is not relative", a, m[1])
			}
		}
		for _, bad := range []string{"style=", "<script>", "onclick=", "javascript:", "<no value>", "ZgotmplZ", "%!"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", a, bad)
			}
		}
		for _, m := range regexp.MustCompile(`<form [^>]*>`).FindAllString(body, -1) {
			if !strings.Contains(m, `method="post"`) && m != `<form method="get" action="./">` { // the choice of a day
				t.Errorf("%s: a form that is no POST: %s", a, m)
			}
		}
		if strings.Count(body, "<h1") != 1 || !strings.Contains(body, `lang="en"`) {
			t.Errorf("%s: %d headings of the first rank", a, strings.Count(body, "<h1"))
		}
	}
}

// paint is how many bytes go over the line until a page is drawn: the page, and every file that it names, packed as browsers ask for.
func (v *visitor) paint(body string) int {
	v.t.Helper()
	n := len(body)
	for _, m := range addresses.FindAllStringSubmatch(body, -1) {
		if strings.HasPrefix(m[1], "static/") {
			got := v.send(http.MethodGet, "/"+m[1], "", "Accept-Encoding", "gzip, deflate, br")
			if got.Code != http.StatusOK {
				v.t.Errorf("%s: status %d", m[1], got.Code)
			}
			n += got.Body.Len()
		}
	}
	return n
}

// However long the history is, History stays small, and so do Today and Status beside it.
func TestPaintOfYears(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	w.days = 5000
	v := w.server(Config{}).visitor(t)
	for _, a := range []string{"/", "/history", "/history?range=all", "/history?range=all&group=night", "/status"} {
		body := v.page(a)
		n := v.paint(body)
		t.Logf("%s: %d bytes, the page %d of them", a, n, len(body))
		if n > 100_000 {
			t.Errorf("%s: the first paint needs %d bytes", a, n)
		}
		if charts := strings.Contains(body, "uplot.js"); charts != strings.HasPrefix(a, "/history") {
			t.Errorf("%s: loads the chart library: %v", a, charts)
		}
	}
}

// A page that shows today goes on with the next day after midnight; one that shows a past day stays with it.
func TestLiveDay(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	for address, want := range map[string]string{"/": "", "/?day=2026-11-23": "", "/?day=2026-11-24": "", "/?day=2026-11-22": "2026-11-22"} {
		if body := v.page(address); !strings.Contains(body, `data-day="`+want+`"`) {
			t.Errorf("%s: live with another day than %q", address, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	for _, ingress := range []bool{true, false} {
		h := w.server(Config{Ingress: ingress}).visitor(t).get("/").Header()
		ancestors := map[bool]string{true: "frame-ancestors 'self'", false: "frame-ancestors 'none'"}[ingress]
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, ancestors) || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q", csp)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("headers %v", h)
		}
	}
}

func TestPeers(t *testing.T) {
	const forged = "172.30.32.2"
	tests := []struct {
		name, peer, host string
		ingress          bool
		password         string
		want             int
	}{
		{"the Supervisor", "172.30.32.2:1", "ha.example.org", true, "", 200},
		{"this machine, ingress", "127.0.0.1:1", "localhost:8099", true, "", 200},
		{"another app", "172.30.33.5:1", "x-fitbit-fetch:8099", true, "", 403},
		{"another app, with a password set", "172.30.33.5:1", "x-fitbit-fetch:8099", true, "pw", 403},
		{"the Supervisor's neighbour", "172.30.32.3:1", "localhost", true, "", 403},
		{"the home network, ingress", "192.168.1.9:1", "localhost:8099", true, "", 403},
		{"this machine", "127.0.0.1:1", "127.0.0.1:8099", false, "", 200},
		{"this machine, IPv6", "[::1]:1", "[::1]:8099", false, "", 200},
		{"this machine, mapped", "[::ffff:127.0.0.1]:1", "localhost", false, "", 200},
		{"a name pointed at this machine", "127.0.0.1:1", "evil.example.org:8099", false, "", 403},
		{"a name that begins like it", "127.0.0.1:1", "localhost.example.org", false, "", 403},
		{"the home network", "192.168.1.9:1", "192.168.1.2:8099", false, "", 403},
		{"the home network, forged host", "192.168.1.9:1", "localhost:8099", false, "", 403},
		{"the Supervisor, standing alone", "172.30.32.2:1", "x:8099", false, "", 403},
		{"the home network, with a password", "192.168.1.9:1", "192.168.1.2:8099", false, "pw", 303},
		{"no address", "", "localhost", false, "", 403},
	}
	w := newWorld(t, simulate.Config{})
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			v := w.server(Config{Ingress: c.ingress, Password: c.password}).visitor(t)
			v.peer, v.host = c.peer, c.host
			for _, h := range []string{"", "X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Remote-User-Id", "X-Ingress-Path", "X-Forwarded-Host"} {
				v.headers = map[string]string{}
				if h != "" {
					v.headers[h] = forged
				}
				got := v.get("/status")
				if got.Code != c.want {
					t.Errorf("header %q: status %d, want %d", h, got.Code, c.want)
				}
				if c.want == 403 && strings.Contains(got.Body.String(), "influxdb") {
					t.Error("the refusal tells something")
				}
			}
		})
	}
}

// A user of Home Assistant has a token of his own, and a forged name from elsewhere gives none.
func TestTokenBelongsToTheUser(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{Ingress: true})
	one, two, machine := s.visitor(t), s.visitor(t), s.visitor(t)
	for _, v := range []*visitor{one, two} {
		v.peer, v.host = "172.30.32.2:5000", "homeassistant.local:8123"
	}
	one.headers["X-Remote-User-Id"], two.headers["X-Remote-User-Id"], machine.headers["X-Remote-User-Id"] = "one", "two", "one"
	token := one.token("/status")
	if token == two.token("/status") || token == machine.token("/status") {
		t.Fatal("two users have the same token")
	}
	form := url.Values{"token": {token}, "person": {"main"}}.Encode()
	for _, v := range []*visitor{two, machine} {
		if got := v.send(http.MethodPost, "/sync", form); got.Code != http.StatusForbidden {
			t.Errorf("status %d", got.Code)
		}
	}
	if got := one.send(http.MethodPost, "/sync", form); got.Code != http.StatusSeeOther {
		t.Errorf("status %d", got.Code)
	}
}

func TestChangesNeedTheToken(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	v := s.visitor(t)
	good := url.Values{"token": {v.token("/status")}, "person": {"main"}, "first": {"2026-11-01"}, "sink": {"influxdb http://a0d7b954-influxdb:8086 FitbitHealthStats"}, "typed": {"main"}}.Encode()
	bad := strings.Replace(good, "token=", "token=x", 1)
	other := w.server(Config{}).visitor(t).token("/status") // another process
	for _, a := range []string{"/sync", "/backfill", "/replay", "/check", "/diagnose", "/deauthorize", "/erase", "/sensors", "/begin", "/finish", "/client", "/database", "/pause", "/export", "/snapshot", "/install"} {
		for name, got := range map[string]int{
			"GET":              v.get(a).Code,
			"GET with token":   v.get(a + "?" + good).Code,
			"PUT":              v.send(http.MethodPut, a, good).Code,
			"DELETE":           v.send(http.MethodDelete, a, "").Code,
			"token in address": v.send(http.MethodPost, a+"?"+good, "person=main").Code,
			"no token":         v.send(http.MethodPost, a, "person=main").Code,
			"wrong token":      v.send(http.MethodPost, a, bad).Code,
			"old token":        v.send(http.MethodPost, a, "person=main&token="+other).Code,
			"cross-site":       v.send(http.MethodPost, a, good, "Sec-Fetch-Site", "cross-site").Code,
			"same-site":        v.send(http.MethodPost, a, good, "Sec-Fetch-Site", "same-site").Code,
			"other origin":     v.send(http.MethodPost, a, good, "Origin", "https://evil.example.org").Code,
			"null origin":      v.send(http.MethodPost, a, good, "Origin", "null").Code,
			"text":             v.send(http.MethodPost, a, good, "Content-Type", "text/plain").Code,
			"JSON":             v.send(http.MethodPost, a, good, "Content-Type", "application/json").Code,
			"multipart":        v.send(http.MethodPost, a, good, "Content-Type", "multipart/form-data; boundary=x").Code,
			"no type":          v.send(http.MethodPost, a, good, "Content-Type", "").Code,
			"broken":           v.send(http.MethodPost, a, good+"&x=%zz").Code,
			"too long":         v.send(http.MethodPost, a, good+"&x="+strings.Repeat("x", maxBody)).Code,
		} {
			if got < 400 || got >= 500 {
				t.Errorf("%s %s: status %d", a, name, got)
			}
		}
	}
	if got := v.send(http.MethodPost, "/sync", good, "Content-Type", "text/plain"); got.Code != http.StatusUnsupportedMediaType {
		t.Errorf("a form of another type: status %d", got.Code)
	}
	if calls := w.told(); len(calls) > 0 {
		t.Fatalf("the program was told %q", calls)
	}
	for _, h := range [][]string{{}, {"Origin", "http://localhost:8099"}, {"Sec-Fetch-Site", "same-origin", "Origin", "http://localhost:8099"}} {
		if got := v.send(http.MethodPost, "/sync", good, h...); got.Code != http.StatusSeeOther {
			t.Errorf("%q: status %d", h, got.Code)
		}
	}
}

func TestPathTricks(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	for _, a := range []string{"//", "//status", "/status/", "/./status", "/../status", "/static/../status", "/static/", "/static/..%2fweb.go", "/static/%2e%2e/web.go", "/%73tatus%2f", "/st%61tus", "/st%61tus%2F",
		"/STATUS", "/static/app.css/", "/templates/today.html", "/index.html", "/.env", "/login", "/logout", "/status;x", "/status%00", "/api/status", "/static/APP.CSS", "/%2e%2e/%2e%2e/etc/passwd"} {
		if got := v.get(a); got.Code != http.StatusNotFound || got.Header().Get("Location") != "" {
			t.Errorf("%s: status %d, location %q", a, got.Code, got.Header().Get("Location"))
		}
	}
	for _, a := range []string{"/setup?person=nobody", "/status?person=../main", "/confirm?what=../erase", "/confirm", "/?person=<script>"} {
		got := v.get(a)
		if got.Code != http.StatusNotFound || strings.Contains(got.Body.String(), "nobody<") || strings.Contains(got.Body.String(), "<script>") {
			t.Errorf("%s: status %d", a, got.Code)
		}
	}
}

func TestAssets(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{Password: "pw"}).visitor(t)
	for name, kind := range map[string]string{"app.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml",
		"day.js": "text/javascript", "history.js": "text/javascript", "uplot.js": "text/javascript", "uplot.css": "text/css", "uplot.license.txt": "text/plain"} {
		packed := v.send(http.MethodGet, "/static/"+name, "", "Accept-Encoding", "br, gzip;q=0.8")
		if plain := unpacked(t, packed); plain != v.get("/static/"+name).Body.String() {
			t.Errorf("%s: what is packed is something else", name)
		}
		if refused := v.send(http.MethodGet, "/static/"+name, "", "Accept-Encoding", "gzip; q=0"); refused.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: packed for somebody who does not take it", name)
		}
		got := v.get("/static/" + name)
		if got.Code != 200 || !strings.HasPrefix(got.Header().Get("Content-Type"), kind) || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: status %d, %v", name, got.Code, got.Header())
		}
		if got := v.get("/static/" + name + "?v=" + v.s.assets()[name].sum); !strings.Contains(got.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s is not kept: %v", name, got.Header())
		}
	}
}

// unpacked reads an answer that must be packed.
func unpacked(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Header().Get("Content-Encoding") != "gzip" || w.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("not packed: %v", w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLogin(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{Password: "correct horse"})
	v := s.visitor(t)
	v.peer, v.host = "192.168.1.9:1", "nas:8099"
	for _, a := range append(pages, "/logout") {
		if got := v.get(a); got.Code != http.StatusSeeOther && a != "/logout" || got.Header().Get("Location") != "login" && a != "/logout" {
			t.Errorf("%s: status %d, to %q", a, got.Code, got.Header().Get("Location"))
		}
	}
	if got := v.get("/events?page=status"); got.Code != http.StatusUnauthorized {
		t.Errorf("events: status %d", got.Code)
	}
	if got := v.send(http.MethodPost, "/sync", "person=main"); got.Code != http.StatusUnauthorized {
		t.Errorf("sync: status %d", got.Code)
	}
	token := v.token("/login")
	login := func(password string, more ...string) int {
		return v.send(http.MethodPost, "/login", url.Values{"token": {token}, "password": {password}}.Encode(), more...).Code
	}
	for _, wrong := range []string{"", "correct", "correct horse ", "Correct horse"} {
		if got := login(wrong); got != http.StatusForbidden {
			t.Errorf("password %q: status %d", wrong, got)
		}
	}
	if got := login("correct horse", "Sec-Fetch-Site", "cross-site"); got != http.StatusForbidden {
		t.Errorf("login from another site: status %d", got)
	}
	if got := login("correct horse"); got != http.StatusSeeOther {
		t.Fatalf("status %d", got)
	}
	if v.cookies[cookieName] == "" {
		t.Fatal("no cookie")
	}
	v.page("/status")
	if got := v.post("/sync"); got.Code != http.StatusSeeOther {
		t.Fatalf("sync: status %d", got.Code)
	}
	// The token of the form before signing in is not the session's.
	if got := v.send(http.MethodPost, "/sync", "token="+token); got.Code != http.StatusForbidden {
		t.Errorf("status %d", got.Code)
	}
	old := v.cookies[cookieName]
	v.post("/logout")
	v.cookies[cookieName] = old
	if got := v.get("/status"); got.Code != http.StatusSeeOther {
		t.Errorf("after signing out: status %d", got.Code)
	}
	v.cookies[cookieName] = "guess"
	if got := v.get("/status"); got.Code != http.StatusSeeOther {
		t.Errorf("a guessed session: status %d", got.Code)
	}
	for range 20 {
		if login("guess") == http.StatusTooManyRequests {
			if login("correct horse") != http.StatusTooManyRequests {
				t.Error("the right password passes where guesses are stopped")
			}
			if log := w.log.String(); strings.Contains(log, "correct horse") || strings.Contains(log, old) {
				t.Error("the log holds a secret")
			}
			return
		}
	}
	t.Error("guessing is not limited")
}

func TestCookie(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{Password: "pw"}).visitor(t)
	for _, proto := range []string{"", "https"} {
		got := v.send(http.MethodPost, "/login", url.Values{"token": {v.token("/login")}, "password": {"pw"}}.Encode(), "X-Forwarded-Proto", proto)
		c := got.Result().Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure != (proto == "https") || len(c.Value) < 20 {
			t.Errorf("cookie %+v", c)
		}
		clear(v.cookies)
	}
}

func TestSessionsEnd(t *testing.T) {
	now := noon
	s := newSessions(func() time.Time { return now })
	first := s.begin()
	now = now.Add(sessionLife - time.Minute)
	if !s.visit(first) {
		t.Fatal("it ended early")
	}
	now = now.Add(sessionLife - time.Minute)
	if !s.visit(first) {
		t.Fatal("a visit does not keep it")
	}
	now = now.Add(sessionLife + time.Minute)
	if s.visit(first) {
		t.Fatal("it does not end")
	}
	oldest := s.begin()
	for range maxSessions {
		now = now.Add(time.Second)
		s.begin()
	}
	if s.visit(oldest) || len(s.signed) != maxSessions {
		t.Errorf("%d sessions", len(s.signed))
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	const influx = "influxdb http://a0d7b954-influxdb:8086 FitbitHealthStats"
	tests := []struct {
		name, address string
		fields        []string
		call, shown   string
	}{
		{"sync", "/sync", []string{"person", "main", "back", "status"}, "sync main", "Looking for new data"},
		{"sync of the second", "/sync", []string{"person", "anna", "back", "status"}, "sync anna", "Looking for new data"},
		{"a range", "/backfill", []string{"person", "main", "first", "2026-10-01", "last", "2026-10-31", "back", "status"}, "backfill main 2026-10-01 2026-10-31 false", "2026-10-01 to 2026-10-31"},
		{"to today, again", "/backfill", []string{"person", "main", "first", "2026-11-20", "again", "1", "back", "status"}, "backfill main 2026-11-20 2026-11-23 true", "2026-11-23"},
		{"no day", "/backfill", []string{"person", "main", "back", "status"}, "", "first day is missing"},
		{"days the wrong way", "/backfill", []string{"person", "main", "first", "2026-11-02", "last", "2026-11-01", "back", "status"}, "", "after the last"},
		{"tomorrow", "/backfill", []string{"person", "main", "first", "2026-11-02", "last", "2026-11-24", "back", "status"}, "", "not over yet"},
		{"too long ago", "/backfill", []string{"person", "main", "first", "1812-01-01", "back", "status"}, "", "no data of before 2005-01-01"},
		{"refill", "/replay", []string{"sink", influx, "back", "status"}, "replay " + influx, "is being filled"},
		{"refill of what is not there", "/replay", []string{"sink", "postgres", "back", "status"}, "", "no database of that name"},
		{"check", "/check", []string{"back", "status"}, "check", "Start the InfluxDB app."},
		{"pause", "/pause", []string{"person", "main", "back", "status"}, "pause main 0001-01-01T00:00", "Nothing is asked of the service until you resume"},
		{"pause for a while", "/pause", []string{"person", "main", "length", "8h0m0s", "back", "status"}, "pause main 2026-11-23T23:42", "Paused until 2026-11-24 00:42."},
		{"resume", "/pause", []string{"person", "main", "do", "resume", "back", "status"}, "resume main", "Fetching goes on."},
		{"copy", "/snapshot", []string{"person", "main", "back", "status"}, "snapshot", "The copy was written to /data/archive.db.snapshot."},
		{"export of what is not there", "/export", []string{"person", "main", "series", "blood_pressure", "back", "status"}, "", "there is no such series"},
		{"export, days the wrong way", "/export", []string{"person", "main", "first", "2026-11-02", "last", "2026-11-01", "back", "status"}, "", "after the last"},
		{"take back", "/deauthorize", []string{"person", "main", "back", "setup"}, "deauthorize main", "has been taken back"},
		{"remove the sensors", "/sensors", []string{"back", "status"}, "publish false", "The sensors have been removed"},
		{"publish them again", "/sensors", []string{"do", "publish", "back", "status"}, "publish true", "The sensors are published again"},
		{"erase", "/erase", []string{"person", "main", "typed", " main ", "back", "status"}, "erase main", "holds nothing of main"},
		{"erase, not typed", "/erase", []string{"person", "main", "back", "status"}, "", "nothing was deleted"},
		{"erase, another typed", "/erase", []string{"person", "main", "typed", "anna", "back", "status"}, "", "nothing was deleted"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, simulate.Config{})
			v := w.server(Config{}).visitor(t)
			got := v.post(c.address, c.fields...)
			if got.Code != http.StatusSeeOther {
				t.Fatalf("status %d: %s", got.Code, got.Body)
			}
			to := got.Header().Get("Location")
			if !regexp.MustCompile(`^(status|setup)(\?person=\w+)?$`).MatchString(to) {
				t.Errorf("back to %q", to)
			}
			if calls := strings.Join(w.told(), ", "); calls != c.call {
				t.Errorf("the program was told %q, want %q", calls, c.call)
			}
			if body := v.page("/" + to); !strings.Contains(strings.ToLower(body), strings.ToLower(c.shown)) {
				t.Errorf("the page does not say %q:\n%s", c.shown, body)
			}
			if body := v.page("/" + to); strings.Contains(body, `class="note good"`) {
				t.Error("it is told twice")
			}
		})
	}
}

// What fails shows its cure.
func TestFailures(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	w.fail = errTrouble
	for _, a := range []string{"/sync", "/check", "/diagnose", "/deauthorize"} {
		got := v.post(a, "back", "status")
		body := v.page("/" + strings.TrimPrefix(got.Header().Get("Location"), "./"))
		if !strings.Contains(body, "The disk is full.") || !strings.Contains(body, "Make room on it.") || !strings.Contains(body, `role="alert"`) {
			t.Errorf("%s: %s", a, body)
		}
	}
}

func TestBackOnlyToOurPages(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	for _, b := range []string{"https://evil.example.org/", "//evil.example.org", "confirm?what=erase", "login", ""} {
		if to := v.post("/sync", "back", b).Header().Get("Location"); to != "./?person=main" {
			t.Errorf("back %q: to %q", b, to)
		}
	}
}

func TestEraseWhileAuthorized(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	if _, err := w.UseRefreshToken(t.Context(), "main", simulate.DefaultClient().Refresh, false); err != nil {
		t.Fatal(err)
	}
	v := w.server(Config{}).visitor(t)
	v.post("/erase", "person", "main", "typed", "main", "back", "status")
	if body := v.page("/status"); !strings.Contains(body, "authorization is in force") || len(w.told()) > 0 {
		t.Errorf("told %q", w.told())
	}
}

func TestDiagnose(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	got := v.fetch(v.post("/diagnose", "back", "status"))
	if got.Code != 200 || got.Header().Get("Content-Type") != "application/zip" || !strings.HasPrefix(got.Body.String(), "PK") ||
		got.Header().Get("Content-Disposition") != `attachment; filename="fitbit-fetch-report-2026-11-23-1542.zip"` {
		t.Errorf("status %d, %v", got.Code, got.Header())
	}
}

// One action runs once at a time.
func TestBusy(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	w.hold = make(chan bool)
	s := w.server(Config{})
	v := s.visitor(t)
	token := v.token("/status")
	done := make(chan int)
	go func() {
		done <- s.visitor(t).send(http.MethodPost, "/sync", "token="+token+"&person=main").Code
	}()
	proctest.Until(t, "the first to be inside", func() bool { _, runs := s.busy.Load("sync main"); return runs }, nil)
	v.post("/sync", "person", "main", "back", "status")
	if body := v.page("/status"); !strings.Contains(body, "running already") {
		t.Error("the second is not refused")
	}
	w.hold <- true
	<-done
	if calls := w.told(); len(calls) != 1 {
		t.Errorf("told %q", calls)
	}
}

// Nothing of what was pasted, and no secret, is ever shown or logged.
func TestWizard(t *testing.T) {
	w := newWorld(t, simulate.Config{AutoApprove: true, Deny: []string{"sleep"}})
	v := w.server(Config{}).visitor(t)
	if body := v.page("/setup"); !strings.Contains(body, "Not connected") || strings.Contains(body, simulate.PathAuth) {
		t.Errorf("at first: %s", body)
	}
	v.post("/begin", "person", "main", "back", "setup")
	body := v.page("/setup")
	link := regexp.MustCompile(`id="consent" href="([^"]+)"`).FindStringSubmatch(body)
	if link == nil || !strings.Contains(body, "good until 16:52") {
		t.Fatalf("no link: %s", body)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(html.UnescapeString(link[1]))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	address := resp.Header.Get("Location")
	for _, c := range []struct{ paste, says, help string }{
		{"", "Nothing was pasted", "deadpage"},
		{"http://localhost:8080/?error=access_denied", "add your Google address as a test user", "testuser"},
		{"http://localhost:8080/?error=redirect_uri_mismatch", "authorized redirect URIs", "redirect"},
		{strings.Replace(address, "state=", "state=x", 1), "another attempt", "deadpage"},
		{"GOCSPX-SECRETSECRET", "This is the client secret", "deadpage"},
		{"1//SECRETSECRET", "The refresh token is not accepted", ""},
	} {
		v.post("/finish", "person", "main", "back", "setup", "pasted", c.paste)
		body := v.page("/setup")
		if !strings.Contains(body, c.says) || strings.Contains(body, "SECRET") || c.help != "" && !strings.Contains(body, `id="help-`+c.help+`" open`) {
			t.Errorf("paste %q: %s", c.paste, body)
		}
	}
	v.post("/finish", "person", "main", "back", "setup", "pasted", address)
	body = v.page("/setup")
	for _, want := range []string{"Connected to Google", "Missing rights: 1", "not granted", "Without it there is no data on: sleep and its stages", `id="help-scopes" open`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, "Granted: ") || strings.Contains(body, "Missing: ") {
		t.Error("the rights are listed twice")
	}
	if strings.Contains(body, "The link is ready") {
		t.Error("the link is still shown")
	}
	all := w.log.String()
	for _, a := range pages {
		all += v.page(a)
	}
	tok := w.tokens.Snapshot()
	for _, secret := range []string{tok.Access, tok.Refresh, w.plain.Secret, codeOf(t, address), w.sim.Account(), "SECRET"} {
		if strings.Contains(all, secret) {
			t.Error("a secret stands on a page or in the log")
		}
	}
	v.post("/deauthorize", "person", "main", "back", "setup")
	if body := v.page("/setup"); !strings.Contains(body, "Not connected") {
		t.Error("still connected")
	}
}

func TestLinkRunsOut(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	v := s.visitor(t)
	v.post("/begin", "person", "main", "back", "setup")
	s.visits["main"] = auth.Visit{URL: s.visits["main"].URL, Expires: w.clock.Now()}
	if strings.Contains(v.page("/setup"), "The link is ready") {
		t.Error("a link that is out of date is shown")
	}
}

func TestNoClient(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	w.plain.ID = ""
	w.open(t)
	v := w.server(Config{}).visitor(t)
	if body := v.page("/setup"); !strings.Contains(body, "A key of your own") || strings.Contains(body, `action="begin"`) {
		t.Errorf("page: %s", body)
	}
	v.post("/begin", "back", "setup")
	if body := v.page("/setup"); !strings.Contains(body, "Give client id and client secret on the page or in the options first.") {
		t.Error("the cure is not told")
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "127.0.0.1:8099"}, {Config{Ingress: true}, ":8099"}, {Config{Password: "pw"}, ":8099"},
		{Config{Listen: "localhost:1"}, "localhost:1"}, {Config{Listen: "[::1]:1"}, "[::1]:1"}, {Config{Listen: "0.0.0.0:1", Password: "pw"}, "0.0.0.0:1"},
		{Config{Listen: "0.0.0.0:1"}, ""}, {Config{Listen: ":1"}, ""}, {Config{Listen: "192.168.1.2:1"}, ""}, {Config{Listen: "[::]:1"}, ""},
	} {
		got, err := (&Server{shared: &shared{cfg: c.cfg}}).address()
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("listen %q, ingress %v, password %v: %q, %v", c.cfg.Listen, c.cfg.Ingress, c.cfg.Password != "", got, err)
		}
	}
	w := newWorld(t, simulate.Config{})
	ctx, cancel := proctest.Limit(t.Context(), t)
	defer cancel()
	if err := w.server(Config{Listen: "0.0.0.0:0"}).Run(ctx); err == nil || !strings.Contains(err.Error(), "needs a password") {
		t.Errorf("Run: %v", err)
	}
}

// What is filled into the help is text, whatever it holds.
func TestHelpIsEscaped(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	w.plain.Redirect = "http://localhost:8080/<b>x</b>"
	body := w.server(Config{}).visitor(t).page("/setup")
	if strings.Contains(body, "<b>x</b>") || !strings.Contains(body, "&lt;b&gt;x") {
		t.Error("the redirect address is not escaped")
	}
}

// Every text is used, every key that is used has a text, and each sensor of the catalogue has a name and a place.
func TestWords(t *testing.T) {
	english := translations.Lookup(translations.English).PageTexts()
	names := translations.Lookup(translations.English)
	var all strings.Builder
	for _, pattern := range []string{"templates/*.html"} {
		list, err := fs.Glob(files, pattern)
		if err != nil || len(list) == 0 {
			t.Fatal("no templates")
		}
		for _, name := range list {
			b, _ := fs.ReadFile(files, name)
			all.Write(b)
		}
	}
	all.WriteString(goSource(t))
	source := all.String()
	composed := []string{"help_", "group_", "step_", "provider_", "range_", "cover_", "kind_", "fate_"} // made of a name
	for key, text := range english {
		key, _, _ := strings.Cut(key, ".") // forms for numbers
		made := slices.ContainsFunc(composed, func(p string) bool { return strings.HasPrefix(key, p) })
		if !made && !strings.Contains(source, `"`+key+`"`) {
			t.Errorf("the text %q is not used", key)
		}
		if strings.TrimSpace(text) != text || text == "" || strings.Count(text, "{") != strings.Count(text, "}") {
			t.Errorf("text %q: %q", key, text)
		}
	}
	for _, m := range regexp.MustCompile(`(?:\bw|\.word\() ?"([a-z0-9_]+)"`).FindAllStringSubmatch(source, -1) {
		if names.Page(m[1]) == "" {
			t.Errorf("there is no text %q", m[1])
		}
	}
	for _, name := range slices.Concat(slices.Concat(slices.Collect(maps.Values(helpSections))...), slices.Concat(slices.Collect(maps.Values(fitbitSections))...)) {
		if english["help_"+name] == "" || english["help_"+name+"_title"] == "" {
			t.Errorf("the help %q has no text", name)
		}
	}
	for reason, name := range helpFor {
		if !slices.Contains(slices.Concat(helpSections["connect"], helpSections["database"], helpSections["dashboards"]), name) && !slices.Contains(fitbitSections["values"], "fitbit_"+name) {
			t.Errorf("for %s there is no help %q", reason, name)
		}
	}
	placed := map[string]int{}
	for _, g := range groups {
		if english["group_"+g.name] == "" {
			t.Errorf("the group %q has no title", g.name)
		}
		for _, sensor := range strings.Fields(g.sensors) {
			placed[sensor]++
		}
	}
	delete(placed, "|")
	for _, row := range metric.Default() {
		if g := coverGroup(metric.Feed{Series: []metric.ID{row.ID}}); g == "" {
			t.Errorf("series %s is in no group", row.ID)
		}
	}
	for _, st := range shownStates {
		if english["cover_"+st.String()] == "" {
			t.Errorf("the state %s has no name", st)
		}
	}
	for _, r := range ranges {
		if english["range_"+r.Name] == "" {
			t.Errorf("the range %s has no name", r.Name)
		}
	}
	for _, row := range metric.Default() {
		for _, f := range row.Fields {
			if f.Sensor == "" {
				continue
			}
			if placed[f.Sensor] != 1 || names.Page("sensor_"+f.Sensor) == "" {
				t.Errorf("sensor %s: in %d groups, named %q", f.Sensor, placed[f.Sensor], names.Page("sensor_"+f.Sensor))
			}
			delete(placed, f.Sensor)
		}
	}
	if len(placed) > 0 {
		t.Errorf("no series has %v", placed)
	}
}

// One is told otherwise than many, and in Polish a few otherwise than both.
func TestNumbersInWords(t *testing.T) {
	s := newWorld(t, simulate.Config{}).server(Config{})
	for lang, texts := range map[string][]string{
		"en": {"0 days", "1 day", "2 days", "22 days"}, "de": {"0 Tage", "1 Tag", "2 Tage", "22 Tage"}, "fr": {"0 jour", "1 jour", "2 jours", "22 jours"},
	} {
		speaker := s.speaking(lang)
		for i, n := range []int{0, 1, 2, 22} {
			if got := speaker.word("cover_days", "n", n); got != texts[i] {
				t.Errorf("%s: %q, want %q", lang, got, texts[i])
			}
		}
	}
	polish := s.speaking("pl")
	for n, want := range map[int]string{1: "1 krok", 3: "3 kroki", 5: "5 kroków", 12: "12 kroków", 22: "22 kroki", 21: "21 kroków", 12345: "12\u202f345 kroków", 1002: "1\u202f002 kroki"} {
		if got := polish.word("steps_count", "n", count(n)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := s.word("history_left", "requests", count(1.2)); got != "about 1 request to go" {
		t.Errorf("%q", got)
	}
}

// The page speaks the language of the options, or else the browser's; what is filled in is text, also in the help.
func TestOtherLanguage(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	german, english := translations.Lookup("de").Page("status_title"), translations.Lookup("en").Page("sync_button")
	for header, want := range map[string]string{"": "en", "de-CH, en;q=0.8": "de", "zh": "en", "pt": "pt-BR", "fr;q=0.5, it": "it", "\x00;;q=": "en"} {
		v := w.server(Config{}).visitor(t)
		v.headers = map[string]string{"Accept-Language": header}
		if body := v.page("/status"); !strings.Contains(body, `<html lang="`+want+`">`) || want == "de" && !strings.Contains(body, german) || want == "en" && !strings.Contains(body, english) {
			t.Errorf("%q: not in %s", header, want)
		}
	}
	v := w.server(Config{Language: "de"}).visitor(t)
	v.headers = map[string]string{"Accept-Language": "fr"}
	if body := v.page("/status"); !strings.Contains(body, `<html lang="de">`) {
		t.Error("the language of the options does not count")
	}
	s := w.server(Config{})
	if got, err := s.text("help_redirect", "redirect", "<b>"); err != nil || !strings.Contains(fmt.Sprint(got), "&lt;b&gt;") {
		t.Errorf("%v, %v", got, err)
	}
}

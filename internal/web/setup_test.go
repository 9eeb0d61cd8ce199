package web

import (
	"context"
	"errors"
	"html"
	"image"
	"image/color"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"golang.org/x/oauth2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

// asks has the flow ask the simulated Google whose authorization it is, as the program does.
func (w *world) asks(t *testing.T) {
	w.identity = func(ctx context.Context, access string) (string, error) {
		s, err := google.New(google.Config{HTTP: &http.Client{Transport: &oauth2.Transport{Source: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: access})}}, Base: w.http.URL, Person: "main", Catalogue: metric.Default(), Now: w.clock.Now, Unlimited: true})
		if err != nil {
			return "", err
		}
		d, err := s.Describe(ctx)
		return d.Account, err
	}
	w.open(t)
}

// link begins an authorization and returns the link that the page shows.
func (v *visitor) link() string {
	v.t.Helper()
	v.post("/begin", "person", "main", "back", "setup", "step", "connect")
	m := regexp.MustCompile(`id="consent" href="([^"]+)"`).FindStringSubmatch(v.page("/setup?step=connect"))
	if m == nil {
		v.t.Fatal("the page shows no link")
	}
	return html.UnescapeString(m[1])
}

// ends is where the browser ends that opens a link.
func (v *visitor) ends(link string, form url.Values) string {
	v.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var resp *http.Response
	var err error
	if form == nil {
		resp, err = client.Get(link)
	} else {
		resp, err = client.PostForm(link, form)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.Header.Get("Location")
}

func refusal(status int, reason string) *simulate.Fault {
	return &simulate.Fault{Status: status, Body: `{"error":{"code":` + strconv.Itoa(status) + `,"message":"refused","status":"FAILED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"` + reason + `"}]}}`}
}

// Each way in which connecting fails is told with its cure, and the help about it opens.
func TestFailuresOpenTheirHelp(t *testing.T) {
	t.Parallel()
	at := func(path string, f *simulate.Fault) func(*world) {
		return func(w *world) {
			w.google.Script(func(r *http.Request) *simulate.Fault {
				if strings.HasPrefix(r.URL.Path, path) {
					return f
				}
				return nil
			})
		}
	}
	tests := []struct {
		name    string
		cfg     simulate.Config
		prepare func(w *world)
		link    func(link string) string
		form    url.Values // sent to the consent page
		twice   bool
		help    string
		says    string
	}{
		{name: "redirect mismatch", prepare: at(simulate.PathToken, &simulate.Fault{Status: 400, Body: `{"error":"redirect_uri_mismatch","error_description":"Bad Request"}`}), help: "redirect", says: "authorized redirect URIs"},
		{name: "no test user, or refused", form: url.Values{"choice": {"deny"}}, help: "testuser", says: "add your Google address as a test user"},
		{name: "in testing", cfg: simulate.Config{Testing: true}, help: "seven", says: "Google ends its authorizations after 7 days"},
		{name: "missing scopes", cfg: simulate.Config{Deny: []string{"sleep"}}, help: "scopes", says: "Missing rights: 1"},
		{name: "account not linked", prepare: at(simulate.PathAPI, refusal(400, "ACCOUNT_NOT_LINKED")), help: "linked", says: "has no Google Health profile"},
		{name: "not linked, with an archive", prepare: func(w *world) { at(simulate.PathAPI, refusal(400, "ACCOUNT_NOT_LINKED"))(w); w.known = "somebody" }, help: "linked", says: "has no Google Health profile"},
		{name: "API not enabled", prepare: at(simulate.PathAPI, refusal(403, "SERVICE_DISABLED")), help: "api", says: "is not enabled in your Google Cloud project"},
		{name: "broken grant", prepare: at(simulate.PathAPI, refusal(403, "RESOURCE_PERMISSION_DENIED")), help: "another", says: "Remove the app"},
		{name: "another account", prepare: func(w *world) { w.known = "9999999999" }, help: "another", says: "say that this is a new person"},
		{name: "wrong secret", prepare: func(w *world) { w.plain.Secret = "reset" }, help: "client", says: "a secret that was reset there is dead here"},
		{name: "wrong id", prepare: at(simulate.PathToken, &simulate.Fault{Status: 401, Body: `{"error":"invalid_client"}`}), help: "client", says: "Compare client id and client secret"},
		{name: "no refresh token", link: func(l string) string { return strings.Replace(l, "access_type=offline", "access_type=online", 1) }, help: "another", says: "gave no refresh token"},
		{name: "a used address", twice: true, help: "deadpage", says: "belongs to another attempt"},
		{name: "a dead code", prepare: at(simulate.PathToken, &simulate.Fault{Status: 400, Body: `{"error":"invalid_grant"}`}), help: "deadpage", says: "A code can be used once"},
		{name: "the service is gone", prepare: at(simulate.PathAPI, &simulate.Fault{Status: 410}), help: "gone", says: "switched off for good"},
		{name: "its token service is gone", prepare: at(simulate.PathToken, &simulate.Fault{Status: 410, Body: "{}"}), help: "gone", says: "has retired this service"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.AutoApprove = c.form == nil
			w := newWorld(t, c.cfg)
			if c.prepare != nil {
				c.prepare(w)
			}
			w.asks(t)
			v := w.server(Config{}).visitor(t)
			link := v.link()
			if c.link != nil {
				link = c.link(link)
			}
			address := v.ends(link, c.form)
			for range map[bool]int{false: 1, true: 2}[c.twice] {
				v.page("/setup") // takes the notes
				to := v.post("/finish", "person", "main", "back", "setup", "step", "connect", "pasted", address).Header().Get("Location")
				if to != "setup?person=main&step=connect" {
					t.Errorf("to %q", to)
				}
			}
			body := v.page("/setup?step=connect")
			if !strings.Contains(html.UnescapeString(body), c.says) {
				t.Errorf("the page does not say %q:\n%s", c.says, body)
			}
			if open := regexp.MustCompile(`id="help-(\w+)" open`).FindAllStringSubmatch(body, -1); len(open) != 1 || open[0][1] != c.help {
				t.Errorf("open: %q, want %q", open, c.help)
			}
			if !slices.Contains(helpSections["connect"], c.help) || strings.Contains(body, codeIn(address)) {
				t.Error("the help is not there, or the code is shown")
			}
		})
	}
}

func codeIn(address string) string {
	if u, err := url.Parse(address); err == nil && u.Query().Get("code") != "" {
		return u.Query().Get("code")
	}
	return "\x00"
}

// What nobody can find out by asking is told beside: in the step where people meet it.
func TestHelpOfGooglesOwnPages(t *testing.T) {
	v := newWorld(t, simulate.Config{}).server(Config{}).visitor(t)
	for step, sections := range map[string][]string{"client": {"blocked", "client"}, "connect": {"blocked", "embedded", "unverified", "testuser", "redirect", "seven"}, "database": {"db1_user", "db_silent"}} {
		body := v.page("/setup?step=" + step)
		for _, s := range sections {
			if !strings.Contains(body, `id="help-`+s+`"`) {
				t.Errorf("step %s has no help %s", step, s)
			}
		}
	}
	if body := v.page("/setup?step=connect&help=linked"); !strings.Contains(body, `id="help-linked" open`) {
		t.Error("the help that a link names does not open")
	}
}

func TestQR(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	if got := v.get("/qr?person=main"); got.Code != http.StatusNotFound {
		t.Errorf("without a link: status %d", got.Code)
	}
	link := v.link()
	got := v.get("/qr?person=main")
	if got.Code != 200 || got.Header().Get("Content-Type") != "image/svg+xml; charset=utf-8" {
		t.Fatalf("status %d, %v", got.Code, got.Header())
	}
	if read := readQR(t, got.Body.String()); read != link {
		t.Errorf("a camera reads %q, want %q", read, link)
	}
	if got := v.get("/qr?person=anna"); got.Code != http.StatusNotFound {
		t.Errorf("another person: status %d", got.Code)
	}
	if body := v.page("/setup"); !strings.Contains(body, `src="qr?at=`) || !strings.Contains(body, `alt="The link as QR code"`) {
		t.Error("the page does not show it")
	}
	if _, err := qrImage(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text that is too long is drawn")
	}
}

// readQR reads the drawing as a camera does: what is painted, not what was meant.
func readQR(t *testing.T, svg string) string {
	t.Helper()
	const scale = 4
	size := regexp.MustCompile(`viewBox="0 0 (\d+) (\d+)"`).FindStringSubmatch(svg)
	if size == nil {
		t.Fatal("no size")
	}
	n, _ := strconv.Atoi(size[1])
	img := image.NewGray(image.Rect(0, 0, n*scale, n*scale))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(svg, -1) {
		x, _ := strconv.Atoi(m[1])
		y, _ := strconv.Atoi(m[2])
		run, _ := strconv.Atoi(m[3])
		if m[3] != m[4] {
			t.Fatalf("an open path: %v", m)
		}
		for px := x * scale; px < (x+run)*scale; px++ {
			for py := y * scale; py < (y+1)*scale; py++ {
				img.SetGray(px, py, color.Gray{})
			}
		}
	}
	bits, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	read, err := qrcode.NewQRCodeReader().Decode(bits, nil)
	if err != nil {
		t.Fatal(err)
	}
	return read.GetText()
}

func TestClientOnThePage(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	w.plain.ID, w.plain.Secret = "", ""
	w.open(t)
	v := w.server(Config{}).visitor(t)
	for _, c := range []struct{ id, secret, says string }{
		{"", "GOCSPX-hush", "client id is missing"}, {"some-id", "", "client secret is missing"},
	} {
		v.post("/client", "person", "main", "back", "setup", "step", "client", "provider", "google", "client_id", c.id, "client_secret", c.secret)
		body := v.page("/setup?step=client")
		if !strings.Contains(strings.ToLower(body), c.says) || strings.Contains(body, "hush") || !strings.Contains(body, `id="help-client" open`) {
			t.Errorf("%q: %s", c, body)
		}
	}
	if calls := w.told(); len(calls) > 0 {
		t.Fatalf("told %q", calls)
	}
	to := v.post("/client", "person", "main", "back", "setup", "step", "client", "provider", "google", "client_id", " some-id ", "client_secret", "GOCSPX-hush").Header().Get("Location")
	if to != "setup?person=main&step=connect" {
		t.Errorf("to %q", to)
	}
	if body := v.page("/" + to); !strings.Contains(body, "The key is kept") || !strings.Contains(body, `action="begin"`) {
		t.Errorf("then: %s", body)
	}
	body := v.page("/setup?step=client")
	if !strings.Contains(body, `value="some-id"`) || !strings.Contains(body, "leave the field empty to keep it") || strings.Contains(body, "hush") || strings.Contains(w.log.String(), "hush") {
		t.Error("the id is not shown, or the secret is")
	}
	// The secret goes with its id.
	v.post("/client", "person", "main", "back", "setup", "client_id", "other-id", "client_secret", "")
	if body := v.page("/setup?step=client"); !strings.Contains(body, "client secret is missing") {
		t.Error("another id takes the old secret")
	}
	// An application of Fitbit's may have none: what was kept of another one goes.
	for _, id := range []string{"23ABCD", "23ABCE"} {
		to := v.post("/client", "person", "main", "back", "setup", "step", "client", "provider", "fitbit", "client_id", id, "client_secret", "").Header().Get("Location")
		if to != "setup?person=main&step=connect" || w.plain.ID != id || w.plain.Secret != "" {
			t.Errorf("to %q with the client %q", to, w.plain.ID)
		}
	}
	if body := v.page("/setup?step=client&person=anna"); !strings.Contains(body, "anna uses the key of main") {
		t.Error("whose key it is is not told")
	}
	w.given = map[string]string{"client_id": "GOOGLE_CLIENT_ID", "client_secret": "GOOGLE_CLIENT_SECRET"}
	if body := v.page("/setup?step=client"); !strings.Contains(body, "Given elsewhere: GOOGLE_CLIENT_ID.") || strings.Contains(body, "Keep the key") {
		t.Error("the page does not say where the client is given")
	}
	w.fixed = "This is a demo."
	if body := v.page("/setup?step=client"); !strings.Contains(body, "This is a demo.") || strings.Contains(body, `name="client_id"`) {
		t.Error("something can be given in the demo")
	}
}

func TestDatabaseOnThePage(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	send := func(more ...string) string {
		t.Helper()
		fields := []string{"person", "main", "back", "setup", "step", "database", "version", "1", "url", "http://nas:8086", "database", "Fit", "username", "kim"}
		return v.post("/database", append(fields, more...)...).Header().Get("Location")
	}
	database := func() string { return v.page("/setup?step=database") }
	if body := database(); !strings.Contains(body, "No database yet") || !strings.Contains(body, `value="http://a0d7b954-influxdb:8086"`) || !strings.Contains(body, "VictoriaMetrics") {
		t.Errorf("at first: %s", body)
	}

	// What is tried is told, nothing is kept, and what was typed is still there.
	w.refused = &source.Error{Kind: source.Retry, Reason: "db1_user", Err: errors.New("HTTP 401: authorization failed"), Hint: "Check both."}
	if to := send("do", "test", "password", "hush"); to != "setup?person=main&step=database" {
		t.Errorf("to %q", to)
	}
	body := database()
	for _, want := range []string{"HTTP 401: authorization failed.", "Check both.", `id="help-db1_user" open`, `value="http://nas:8086"`, `value="kim"`, "<code>kim</code>", `value="anyway"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	// The password need not be typed again, unless it would go elsewhere.
	send("do", "test")
	if w.tried["influxdb.password"] != "hush" || w.tried["influxdb.url"] != "http://nas:8086" {
		t.Errorf("tried %v", w.tried)
	}
	send("do", "test", "url", "http://elsewhere:8086")
	if p, ok := w.tried["influxdb.password"]; !ok || p != "" {
		t.Error("the password goes to another address")
	}
	send("do", "save", "password", "hush")
	if slices.ContainsFunc(w.told(), func(c string) bool { return strings.HasPrefix(c, "save") }) {
		t.Fatal("kept although it does not work")
	}
	send("do", "anyway")
	if calls := w.told(); calls[len(calls)-1] != "save influxdb.database influxdb.password influxdb.url influxdb.username influxdb.version" || w.options["influxdb.password"] != "hush" {
		t.Errorf("told %q", calls)
	}

	w.refused = nil
	send("do", "test")
	if body := database(); !strings.Contains(body, "The database can be used") || !strings.Contains(body, "may be written") {
		t.Error("success is not told")
	}
	if to := send("do", "save"); to != "setup?person=main&step=values" {
		t.Errorf("to %q", to)
	}
	if calls := w.told(); calls[len(calls)-1] != "save influxdb.database influxdb.url influxdb.username influxdb.version" {
		t.Errorf("told %q: the kept password has to stay", calls)
	}
	if body := database(); !strings.Contains(body, "Writing to Fit at http://nas:8086") || !strings.Contains(body, "leave the field empty to keep it") {
		t.Errorf("then: %s", body)
	}
	// What an InfluxDB 2 needs besides; its token is never the form's own.
	send("do", "test", "version", "2", "org", "home", "bucket", "health", "api_token", "hush2")
	if w.tried["influxdb.org"] != "home" || w.tried["influxdb.bucket"] != "health" || w.tried["influxdb.token"] != "hush2" || w.tried["influxdb.version"] != "2" {
		t.Errorf("tried %v", slices.Sorted(maps.Keys(w.tried)))
	}
	if body := database(); strings.Contains(body, "hush2") || !strings.Contains(body, `name="bucket" value="health"`) {
		t.Errorf("with an InfluxDB 2: %s", body)
	}
	send("do", "test", "version", "2", "org", "home", "bucket", "health", "url", "http://elsewhere:8086")
	if w.tried["influxdb.token"] != "" {
		t.Error("the token goes to another address")
	}
	v.post("/database", "person", "main", "back", "setup", "step", "database", "do", "off")
	if body := database(); !strings.Contains(body, "No database yet") || w.options["influxdb.version"] != "off" || w.options["influxdb.password"] != "" {
		t.Errorf("options %v", w.options)
	}
	w.given = map[string]string{"influxdb.url": "INFLUXDB_HOST"}
	send("do", "test", "password", "x")
	if _, ok := w.tried["influxdb.url"]; ok {
		t.Error("what is given elsewhere is sent as the page's")
	}
	if body := database(); !strings.Contains(body, "Given elsewhere: INFLUXDB_HOST.") {
		t.Error("it is not said where the address is given")
	}
	all := w.log.String()
	for _, step := range steps {
		all += v.page("/setup?step=" + step)
	}
	if strings.Contains(all, "hush") {
		t.Error("a password stands on a page or in the log")
	}
}

func TestDraftRunsOut(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	s.keepDraft("local", map[string]string{"url": "http://nas:8086"}, true)
	if body := s.visitor(t).page("/setup?step=database"); !strings.Contains(body, "http://nas:8086") {
		t.Fatal("no draft")
	}
	d := s.drafts["local"]
	d.expires = w.clock.Now()
	s.drafts["local"] = d
	if body := s.visitor(t).page("/setup?step=database"); strings.Contains(body, "http://nas:8086") || len(s.drafts) > 0 {
		t.Error("it is kept for ever")
	}
	for i := range 2 * maxSessions {
		s.keepDraft(strconv.Itoa(i), nil, false)
	}
	if len(s.drafts) > maxSessions {
		t.Errorf("%d drafts", len(s.drafts))
	}
}

// While the program is built anew, those inside are shown out, and those who come wait.
func TestExchange(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	w.hold = make(chan bool)
	s := w.server(Config{})
	v := s.visitor(t)
	inside := make(chan int)
	token := v.token("/status")
	go func() { inside <- v.send(http.MethodPost, "/sync", "person=main&back=status&token="+token).Code }()
	proctest.Until(t, "it to be inside", func() bool { _, runs := s.busy.Load("sync main"); return runs }, nil)
	built, go_ := make(chan bool), make(chan bool)
	next := newWorld(t, simulate.Config{})
	next.noOther = true
	done := make(chan error)
	go func() {
		done <- s.Exchange(func() (Program, error) {
			close(built)
			<-go_
			return next, nil
		})
	}()
	if code := <-inside; code != http.StatusSeeOther {
		t.Errorf("who was inside: status %d", code)
	}
	<-built
	waits := make(chan string)
	go func() { waits <- s.visitor(t).page("/status") }()
	select {
	case <-waits:
		t.Fatal("somebody is let in while nothing is there")
	case <-time.After(50 * time.Millisecond):
	}
	close(go_)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if body := <-waits; strings.Contains(body, "anna") {
		t.Error("the old program still answers")
	}
	if err := s.Exchange(func() (Program, error) { return nil, errTrouble }); !errors.Is(err, errTrouble) {
		t.Errorf("%v", err)
	}
	if body := v.page("/status"); strings.Contains(body, "anna") {
		t.Error("after a failure another program answers")
	}
}

// What comes by itself is what the page shows when it is loaded.
func TestLivePiecesAreThePages(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	w.clock = clock.At(noon, 1e-6) // stands still, so that no second passes between the two
	w.options = map[string]string{"influxdb.url": "http://nas:8086"}
	if _, err := w.UseRefreshToken(t.Context(), "main", simulate.DefaultClient().Refresh, false); err != nil {
		t.Fatal(err)
	}
	s := w.server(Config{})
	for page, address := range map[string]string{"setup": "/setup?step=connect", "first": "/setup?step=values", "status": "/status"} {
		pieces, err := s.changed(t.Context(), fragments[page], url.Values{"page": {page}, "person": {"main"}}, s.sessions.token("local"), map[string]string{})
		if err != nil || len(pieces) == 0 {
			t.Fatal(err)
		}
		body := s.visitor(t).page(address)
		for id, piece := range pieces {
			if !strings.Contains(body, `<div id="`+id) || !strings.Contains(body, piece) {
				t.Errorf("%s: %s comes otherwise than it is shown", address, id)
			}
		}
	}
}

func TestFirstValues(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	if body := v.page("/setup?step=values"); !strings.Contains(body, "Sign in first") {
		t.Error("without an authorization nothing is asked for")
	}
	if _, err := w.UseRefreshToken(t.Context(), "main", simulate.DefaultClient().Refresh, false); err != nil {
		t.Fatal(err)
	}
	body := v.page("/setup?step=values")
	for _, want := range []string{"Kinds of values that have arrived: 43", "Resting heart rate", "62 % of the past fetched", "12\u202f894 samples on their way", `data-live="first"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	w.noBody = true
	if body := v.page("/setup?step=values"); !strings.Contains(body, "within a minute") {
		t.Error("what will come is not told")
	}
}

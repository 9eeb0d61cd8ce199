package web

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// formTag is the beginning of a form, formEnd what it holds.
var formTag = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)"([^>]*)>(.*?)</form>`)

// forms calls f for every form of the templates.
func forms(t *testing.T, f func(action, attributes, body string)) {
	t.Helper()
	list, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range list {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range formTag.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "{{") {
				continue // a form that is sent once more
			}
			n++
			f(m[1], m[2], m[3])
		}
	}
	if n < 10 {
		t.Fatalf("only %d forms", n)
	}
}

// TestEveryDownloadByGet: each form that leads to a file leads to an address that hands it out by GET, more than once and for nobody
// else.
func TestEveryDownloadByGet(t *testing.T) {
	n := 0
	forms(t, func(action, attributes, _ string) {
		if !strings.Contains(attributes, "data-download") {
			return
		}
		n++
		w := newWorld(t, simulate.Config{})
		s := w.server(Config{Ingress: true})
		as := func(user string) *visitor {
			v := s.visitor(t)
			v.peer = supervisor.String() + ":40000"
			v.headers["X-Remote-User-Id"] = user
			return v
		}
		v := as("0b1f")
		posted := v.post("/"+action, "person", "main", "back", "status")
		to := "/" + posted.Header().Get("Location")
		first := v.fetch(posted)
		again := v.get(to) // as the companion app does
		for _, got := range []string{first.Header().Get("Content-Disposition"), again.Header().Get("Content-Disposition")} {
			if !strings.HasPrefix(got, "attachment; filename=") {
				t.Errorf("%s: %q", action, got)
			}
		}
		if first.Code != 200 || again.Code != 200 || first.Body.Len() == 0 || first.Body.String() != again.Body.String() {
			t.Errorf("%s: status %d, %d; %d bytes, %d bytes", action, first.Code, again.Code, first.Body.Len(), again.Body.Len())
		}
		if head := v.send(http.MethodHead, to, ""); head.Code != 200 || head.Body.Len() > 0 || head.Header().Get("Content-Disposition") == "" {
			t.Errorf("%s: HEAD: status %d, %v", action, head.Code, head.Header())
		}
		if got := as("another").get(to); got.Code != http.StatusNotFound || got.Header().Get("Content-Disposition") != "" {
			t.Errorf("%s: another user: status %d", action, got.Code)
		}
		if got := v.get("/download?key=guessed"); got.Code != http.StatusNotFound {
			t.Errorf("%s: a guess: status %d", action, got.Code)
		}
		for key := range s.tickets {
			s.tickets[key].made = s.tickets[key].made.Add(-ticketLife)
		}
		if got := v.get(to); got.Code != http.StatusNotFound {
			t.Errorf("%s: after its time: status %d", action, got.Code)
		}
	})
	if n < 2 {
		t.Fatalf("%d downloads", n)
	}
}

// TestDownloadsAreFew: they do not fill the memory.
func TestDownloadsAreFew(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	v := s.visitor(t)
	for range maxTickets + 5 {
		v.post("/export", "person", "main", "back", "status")
	}
	for range maxReports + 2 {
		v.post("/diagnose", "back", "status")
	}
	reports := 0
	for _, t := range s.tickets {
		if t.data != nil {
			reports++
		}
	}
	if len(s.tickets) > maxTickets || reports != maxReports {
		t.Errorf("%d downloads, %d reports", len(s.tickets), reports)
	}
}

// TestFetchedTwiceAtOnce: the second waits for the first.
func TestFetchedTwiceAtOnce(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	inside, goOn := make(chan bool, 2), make(chan bool)
	w.write = func(ctx context.Context, out io.Writer) error {
		inside <- true
		<-goOn
		_, err := io.WriteString(out, "Time,Value\n")
		return err
	}
	s := w.server(Config{})
	to := "/" + s.visitor(t).post("/export", "person", "main", "back", "status").Header().Get("Location")
	done := make(chan string, 2)
	for range 2 {
		go func() { done <- s.visitor(t).get(to).Body.String() }()
	}
	<-inside
	goOn <- true
	<-inside
	goOn <- true
	for range 2 {
		if got := <-done; got != "Time,Value\n" {
			t.Errorf("got %q", got)
		}
	}
}

// TestShownOutWhileWaiting: who waits for another's export when the program is exchanged gets no empty file.
func TestShownOutWhileWaiting(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	s.exports <- struct{}{} // somebody else's
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := httptest.NewRecorder()
	s.writeExport(ctx, &request{Request: httptest.NewRequest(http.MethodGet, "/download", nil)}, got, &ticket{}, Export{})
	if got.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", got.Code)
	}
}

// insider notes when the program is asked by somebody who was not let in.
type insider struct {
	Program
	s       *Server
	outside int
}

func (p *insider) Status(ctx context.Context) (Status, error) {
	p.s.gate.mu.Lock()
	if p.s.gate.inside == 0 {
		p.outside++
	}
	p.s.gate.mu.Unlock()
	return p.Program.Status(ctx)
}

// TestAskedInsideTheGate: whatever is refused or out of date, the program is asked only by those inside: it may be exchanged else.
func TestAskedInsideTheGate(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	p := &insider{Program: s.cfg.Program, s: s}
	s.cfg.Program = p
	v := s.visitor(t)
	v.headers["Accept"] = "text/html"
	for address := range s.addresses() {
		for _, body := range []string{"token=old&person=main&back=status", "x", "token=" + strings.Repeat("x", maxBody)} {
			if address == "/events" {
				continue
			}
			s.status.drop()
			v.send(http.MethodPost, address, body)
			if p.outside > 0 {
				t.Errorf("the program is asked from outside by %s", address)
				p.outside = 0
			}
		}
	}
}

// secretField is an input whose value nobody should see again, by its kind or its name.
var secretField = regexp.MustCompile(`<(?:input|textarea)[^>]*(?:type="password"|class="masked"|name="pasted")[^>]*>`)

// TestNoSecretIsSentAgain: of a form that is out of date nothing is kept that was typed as a secret; every field that can be sent once
// more has a name; and every form of the page has an answer for it.
func TestNoSecretIsSentAgain(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	table := s.addresses()
	nameOf := regexp.MustCompile(`name="([^"]+)"`)
	forms(t, func(action, _, body string) {
		at, ok := table["/"+action]
		if !ok {
			if action != "login" && action != "logout" {
				t.Errorf("nothing answers the form %s", action)
			}
			return
		}
		if at.resend == nil {
			return
		}
		for _, secret := range secretField.FindAllString(body, -1) {
			t.Errorf("the form %s can be sent once more, and holds the secret %s", action, secret)
		}
		for _, m := range nameOf.FindAllStringSubmatch(body, -1) {
			if !slices.Contains(at.resend.fields, m[1]) && !slices.Contains(carried, m[1]) {
				t.Errorf("the field %s of the form %s is lost when it is sent once more", m[1], action)
			}
		}
		for _, name := range at.resend.fields {
			if word, ok := fieldWords[name]; !ok || word != "" && s.words.Page(word) == "" {
				t.Errorf("the field %s of the form %s has no name", name, action)
			}
		}
		if s.words.Page(at.resend.title) == "" {
			t.Errorf("the form %s has no title", action)
		}
	})
}

// TestStaleForm: a form that is older than the process is answered with a page in the user's language; what is no secret is kept, and
// nothing is done before it is sent again.
func TestStaleForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		action string
		fields url.Values
		keeps  string // on the page that it leads to
		told   string // once it is sent again; empty where it cannot be
	}{
		{action: "sync", told: "sync main"},
		{action: "backfill", fields: url.Values{"first": {"2026-11-01"}, "last": {"2026-11-03"}, "again": {"1"}}, keeps: "2026-11-03", told: "backfill main 2026-11-01 2026-11-03 true"},
		{action: "export", fields: url.Values{"first": {"2026-11-01"}, "format": {"csv"}, "series": {"steps", "weight"}}, keeps: "weight", told: "export main [steps weight] 2026-11-01 2026-11-23 true"},
		{action: "pause", fields: url.Values{"length": {"8h0m0s"}}, keeps: "<dd>8 h</dd>", told: "pause main 2026-11-23T23:42"},
		{action: "client", fields: url.Values{"client_id": {"77-x.apps.googleusercontent.com"}, "client_secret": {"SECRET"}, "step": {"client"}, "back": {"setup"}}, keeps: "77-x.apps"},
		{action: "database", fields: url.Values{"version": {"2"}, "url": {"http://influx.home:8086"}, "org": {"home"}, "api_token": {"SECRET"}, "password": {"SECRET"}, "step": {"database"}, "back": {"setup"}}, keeps: "influx.home"},
		{action: "install", fields: url.Values{"url": {"http://grafana.home:3000"}, "password": {"SECRET"}, "back": {"dashboards"}}, keeps: "grafana.home"},
		{action: "database", fields: url.Values{"version": {"2"}, "url": {"http://me:SECRET@influx.home:8086"}, "org": {"home"}, "step": {"database"}, "back": {"setup"}}, keeps: "home"},
		{action: "install", fields: url.Values{"url": {"http://me:SECRET@grafana.home:3000"}, "back": {"dashboards"}}, keeps: "nicht aufbewahrt"},
		{action: "finish", fields: url.Values{"pasted": {"SECRET"}, "step": {"connect"}, "back": {"setup"}}, keeps: "nicht aufbewahrt"},
		{action: "erase", fields: url.Values{"typed": {"main"}, "back": {"status"}}, keeps: "nicht aufbewahrt"},
	} {
		t.Run(c.action, func(t *testing.T) {
			w := newWorld(t, simulate.Config{})
			w.options = map[string]string{"influxdb.version": "1", "influxdb.url": "http://a0d7b954-influxdb:8086"}
			old := w.server(Config{}).visitor(t).token("/status")
			v := w.server(Config{}).visitor(t)
			v.headers["Accept"], v.headers["Accept-Language"] = "text/html,*/*;q=0.8", "de"
			form := url.Values{"token": {old}, "person": {"main"}, "back": {"status"}}
			for name, values := range c.fields {
				form[name] = values
			}
			got := v.send(http.MethodPost, "/"+c.action, form.Encode())
			body := got.Body.String()
			if c.told == "" {
				if got.Code != http.StatusSeeOther {
					t.Fatalf("status %d: %s", got.Code, body)
				}
				body = v.page("/" + strings.TrimPrefix(got.Header().Get("Location"), "./"))
			} else if got.Code != http.StatusForbidden {
				t.Fatalf("status %d: %s", got.Code, body)
			}
			if !strings.Contains(body, "Nichts wurde getan") || !strings.Contains(body, c.keeps) {
				t.Errorf("the page does not say so, or has lost %q: %s", c.keeps, body)
			}
			if strings.Contains(body, "SECRET") || strings.Contains(w.log.String(), "SECRET") {
				t.Error("a secret is shown or logged")
			}
			if calls := w.told(); len(calls) > 0 {
				t.Fatalf("it was done: %q", calls)
			}
			if c.told == "" {
				return
			}
			m := formTag.FindStringSubmatch(body)
			if m == nil || m[1] != c.action {
				t.Fatalf("there is no form to send once more: %s", body)
			}
			again := url.Values{}
			for _, f := range regexp.MustCompile(`name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(m[3], -1) {
				again.Add(f[1], f[2])
			}
			got = v.send(http.MethodPost, "/"+c.action, again.Encode())
			if strings.HasPrefix(got.Header().Get("Location"), "download?") {
				v.fetch(got)
			}
			if calls := strings.Join(w.told(), ", "); calls != c.told {
				t.Errorf("sent once more, the program was told %q, want %q", calls, c.told)
			}
		})
	}
}

// TestNoBareRefusal: whatever a browser asks for, it gets a page that leads back.
func TestNoBareRefusal(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	signed := w.server(Config{Password: "correct horse"}).visitor(t)
	v := w.server(Config{}).visitor(t)
	for _, v := range []*visitor{v, signed} {
		v.headers["Accept"], v.headers["Sec-Fetch-Site"] = "text/html", "same-origin"
	}
	token := v.token("/status")
	for name, got := range map[string]struct {
		code int
		body string
	}{
		"GET of a form's address": result(v.get("/export")),
		"nothing there":           result(v.get("/nothing")),
		"a download of the past":  result(v.get("/download?key=x")),
		"not a form":              result(v.send(http.MethodPost, "/sync", "x", "Content-Type", "text/plain")),
		"too long":                result(v.send(http.MethodPost, "/sync", "token="+token+"&x="+strings.Repeat("x", maxBody))),
		"out of date":             result(v.send(http.MethodPost, "/sync", "token=x&person=main")),
		"signed out meanwhile":    result(signed.send(http.MethodPost, "/sync", "token=x&person=main")),
	} {
		if got.code < 400 || !strings.Contains(got.body, "</html>") || !strings.Contains(got.body, `href="./`) {
			t.Errorf("%s: status %d: %.300s", name, got.code, got.body)
		}
	}
}

func result(w interface {
	Result() *http.Response
}) (out struct {
	code int
	body string
}) {
	res := w.Result()
	body, _ := io.ReadAll(res.Body)
	out.code, out.body = res.StatusCode, string(body)
	return out
}

// TestStaleFormInBrowser sends a form of an earlier process in a real browser, and downloads with it, in German.
func TestStaleFormInBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{Ingress: true, Language: "de"})
	base := ingress(t, s) + prefix
	b := browser(t)
	b.do(chromedp.Navigate(base + "status"))
	b.await("Letzte Anfragen")
	b.do(chromedp.Evaluate[chromedp.Void](`void (document.querySelector("#do-export input[name=token]").value = "of the process before")`))
	b.do(chromedp.Click(`#do-export summary`), chromedp.Evaluate[chromedp.Void](`void (document.querySelector("#do-export input[name=first]").value = "2026-11-01")`))
	b.do(chromedp.Click(`#do-export form > button`))
	b.await("Nichts wurde getan")
	b.await("2026-11-01")
	b.pictures("stale")
	b.do(chromedp.Evaluate[chromedp.Void](`void (async () => {
		const form = document.querySelector("form[action=export]");
		const first = await fetch("export", { method: "POST", body: new URLSearchParams(new FormData(form)) });
		const again = await fetch(first.url);
		window.got = [first.status, first.redirected, await first.text(), again.status, await again.text()].join("|");
	})()`))
	b.until("window.got")
	got := eval[string](b, "window.got")
	if want := "200|true|Time,Value\n|200|Time,Value\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.do(chromedp.Navigate(base + "export"))
	b.await("Diese Adresse")
	b.pictures("refused")
	if calls := fmt.Sprint(w.told()); strings.Count(calls, "export main") != 2 {
		t.Errorf("the program was told %s", calls)
	}
}

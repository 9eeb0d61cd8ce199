package web

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

var (
	screenshots = flag.String("screenshots", "", "folder to write pictures of the pages into")
	tongue      = flag.String("tongue", "", "language of the pages whose test needs none; empty for the browser's")
)

// prefix is where Home Assistant's ingress puts the page.
const prefix = "/api/hassio_ingress/w1Xq3/"

// tab is a page of a real Chromium, which notes every complaint.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	trouble []string
}

// browser starts Chromium.
func browser(t *testing.T) *tab {
	t.Helper()
	proctest.NotShort(t)
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("this test needs Chromium: install the Debian package chromium")
	}
	dir, err := os.MkdirTemp("", "fitbit-fetch-browser")
	if err != nil {
		t.Fatal(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(dir),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
		// The consent page sends to localhost:8080, where nothing is: no name but loopback is looked up.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"))
	life, stop := context.WithCancel(context.Background())
	alloc, _ := chromedp.NewExecAllocator(life, opts...)
	b := &tab{t: t}
	ctx, _ := chromedp.NewContext(alloc, chromedp.WithListener(b.hear))
	b.ctx = ctx
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // it ends with the test in any case
		stop()
		for range 50 { // its children write a little longer than it lives
			if os.RemoveAll(dir) == nil {
				return
			}
			pause(100 * time.Millisecond)
		}
	})
	b.do()
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// pause waits for something outside of this process.
func pause(d time.Duration) { <-time.After(d) }

// hear notes what the console says.
func (b *tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.trouble = append(b.trouble, (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *runtime.EventConsoleAPICalled:
		for _, a := range e.Args {
			b.trouble = append(b.trouble, fmt.Sprintf("console: %s %s", e.Type, a.Value))
		}
	case *log.EventEntryAdded:
		b.trouble = append(b.trouble, fmt.Sprintf("log: %s %s", e.Entry.Text, e.Entry.URL))
	}
}

// calm checks that the console has said nothing.
func (b *tab) calm() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.trouble {
		b.t.Errorf("the browser complains: %s", s)
	}
	b.trouble = nil
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := b.ctx, func() {}
	if len(steps) > 0 {
		ctx, cancel = proctest.Limit(b.ctx, b.t)
	}
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v; the page says:\n%s", err, b.text())
	}
}

// eval returns what an expression of JavaScript is, or the zero value where there is no page at the moment.
func eval[T any](b *tab, expression string) T {
	ctx, cancel := proctest.Limit(b.ctx, b.t)
	defer cancel()
	v, _ := chromedp.Run(ctx, chromedp.Evaluate[T](expression)) // between two pages there is none: the caller asks again
	return v
}

func (b *tab) text() string { return eval[string](b, "document.body ? document.body.innerText : ''") }

// until waits until an expression is true.
func (b *tab) until(expression string) {
	b.t.Helper()
	proctest.Until(b.t, expression, func() bool { return eval[bool](b, "Boolean("+expression+")") }, func() string { return "the page says:\n" + b.text() })
}

// await waits until the page shows a text.
func (b *tab) await(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.readyState === 'complete' && document.body.innerText.includes(%q)", text))
}

func (b *tab) look(width int64, scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 844, DeviceScaleFactor: 1, Mobile: width < 500})
	if err == nil {
		_, err = chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// pictures shows the page in both widths and themes; it must fit a phone.
func (b *tab) pictures(name string) {
	b.t.Helper()
	for _, width := range []int64{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			b.look(width, scheme)
			if eval[bool](b, "document.documentElement.scrollWidth > document.documentElement.clientWidth") {
				b.t.Errorf("%s is wider than %d pixels", name, width)
			}
			if *screenshots == "" {
				continue
			}
			png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				b.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(*screenshots, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), png, 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	b.look(1280, "light")
}

// ingress serves s as Home Assistant does: below a prefix that is taken off, in front of a peer that is the Supervisor. Whatever
// is asked outside the prefix is an error.
func ingress(t *testing.T, s *Server) string {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s, asSupervisor{inner})
	to, err := url.Parse("http://" + inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.URL.Path = "/" + strings.TrimPrefix(r.In.URL.Path, prefix)
		r.Out.Host = r.In.Host
		r.Out.Header.Set("X-Ingress-Path", strings.TrimSuffix(prefix, "/"))
		r.Out.Header.Set("X-Remote-User-Id", "0b1f")
		r.SetXForwarded()
		r.Out.ContentLength = -1
		if r.In.Method == http.MethodGet {
			r.Out.ContentLength = 0
		}
	}}
	outer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/frame" {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<!doctype html><title>Home Assistant</title><link rel="icon" href="data:,"><iframe src="%s" width="800" height="600"></iframe>`, prefix)
			return
		}
		if !strings.HasPrefix(r.URL.Path, prefix) {
			t.Errorf("the page asks for %s, outside its prefix", r.URL.Path)
		}
		proxy.ServeHTTP(w, r)
	})}
	go front.Serve(outer)
	t.Cleanup(func() { front.Close() })
	return "http://" + outer.Addr().String()
}

// serve runs s on a listener until the test ends, and waits for its end.
func serve(t *testing.T, s *Server, l net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
}

// asSupervisor makes every peer the Supervisor.
type asSupervisor struct{ net.Listener }

func (a asSupervisor) Accept() (net.Conn, error) {
	c, err := a.Listener.Accept()
	return supervisorConn{c}, err
}

type supervisorConn struct{ net.Conn }

func (supervisorConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: supervisor.AsSlice(), Port: 40000}
}

// TestPagesInBrowser opens every page under the prefix.
func TestPagesInBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulate.Config{AutoApprove: true})
	w.known = w.sim.Account()
	if _, err := w.UseRefreshToken(t.Context(), "main", simulate.DefaultClient().Refresh, false); err != nil {
		t.Fatal(err)
	}
	w.sick = true
	base := ingress(t, w.server(Config{Ingress: true})) + prefix
	b := browser(t)
	for _, p := range []struct{ name, address, text string }{
		{"today", "", "Heart rate"}, {"history", "history", "Resting heart rate"}, {"years", "history?range=all&group=night", "What has been fetched"}, {"status", "status", "Last requests"}, {"setup", "setup", "Connected"}, {"confirm", "confirm?what=erase&person=main", "To go on"},
		{"yesterday", "?day=2026-11-22", "Hour by hour"}, {"nobody", "?person=anna", "Connect your account"}, {"nothing", "history?person=anna", "No values of days yet"}, {"wizard", "setup?person=anna", "Make the link"},
		{"key", "setup?step=client", "How to make the key"}, {"database", "setup?step=database", "A database for Grafana"}, {"values", "setup?step=values", "What arrives now"}, {"dashboards-none", "dashboards", "none is set up yet"},
	} {
		b.do(chromedp.Navigate(base + p.address))
		b.await(p.text)
		b.pictures(p.name)
		b.calm()
	}
}

// drawn tells how many pixels of a chart are not blank.
const drawnPixels = `((sensor) => {
	const c = document.querySelector("[data-sensor=" + sensor + "] canvas");
	if (!c || !c.width) return 0;
	const copy = Object.assign(document.createElement("canvas"), { width: c.width, height: c.height }).getContext("2d", { willReadFrequently: true });
	copy.drawImage(c, 0, 0);
	return copy.getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 === 3 && v > 0).length;
})`

// TestHistoryInBrowser looks at the charts with a pointer and with the keyboard, in both themes, and goes from a day of the calendar
// to that day.
func TestHistoryInBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulate.Config{})
	base := ingress(t, w.server(Config{Ingress: true})) + prefix
	b := browser(t)
	b.look(1280, "light")
	b.do(chromedp.Navigate(base + "history"))
	for _, sensor := range []string{"hrv", "resting_heart_rate"} {
		b.until(drawnPixels + `("` + sensor + `") > 1000`)
	}
	light := eval[string](b, `document.querySelector("[data-sensor=hrv] canvas").toDataURL()`)
	b.look(1280, "dark")
	b.until(drawnPixels + `("hrv") > 1000 && document.querySelector("[data-sensor=hrv] canvas").toDataURL() !== "` + light + `"`)

	// A chart that is out of sight, or in what is folded, is drawn as soon as one sees it.
	b.do(chromedp.Evaluate[chromedp.Void](`void document.querySelector("[data-sensor=weight]").scrollIntoView()`))
	b.until(drawnPixels + `("weight") > 1000`)
	b.do(chromedp.Evaluate[chromedp.Void](`void (document.getElementById("more-night").open = true)`))
	b.do(chromedp.Evaluate[chromedp.Void](`void document.querySelector("[data-sensor=spo2_min]").scrollIntoView()`))
	b.until(drawnPixels + `("spo2_min") > 1000`)

	// The keyboard tells day by day, the last first; beside it, all charts tell of the same day.
	b.do(chromedp.Evaluate[chromedp.Void](`void (scrollTo(0, 0), document.querySelector("[data-sensor=hrv] .plot").focus())`))
	b.do(chromedp.KeyEvent(kb.ArrowLeft))
	b.until(`/^Nov 23, 2026: .*\sms · 30 days: .*\sms$/.test(document.querySelector("[data-sensor=hrv] .readout").textContent)`)
	b.do(chromedp.KeyEvent(kb.ArrowLeft))
	b.until(`/^Nov 22, 2026: /.test(document.querySelector("[data-sensor=hrv] .readout").textContent)`)
	b.until(`/^Nov 22, 2026: /.test(document.querySelector("[data-sensor=resting_heart_rate] .readout").textContent)`)

	// From the calendar to a day, by the keyboard and by a click.
	year := `document.querySelector(".year svg")`
	b.do(chromedp.Evaluate[chromedp.Void](`void ` + year + `.focus()`))
	b.do(chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.ArrowUp), chromedp.KeyEvent(kb.ArrowRight))
	b.until(`/^Jan 8, 2026 · /.test(document.querySelector(".chosen").textContent)`)
	b.do(chromedp.KeyEvent("\r"))
	b.await("2026-01-08")
	b.until(`location.search === "?day=2026-01-08&person=main"`)
	b.do(chromedp.Navigate(base + "history?group=heart#coverage"))
	b.until(`document.querySelector(".months span") !== null`)
	b.do(chromedp.Evaluate[chromedp.Void](`void ((svg) => { // the first of January is a Thursday
		const box = svg.getBoundingClientRect();
		svg.dispatchEvent(new PointerEvent("click", { bubbles: true, pointerType: "mouse", clientX: box.left + box.width * 2.5 / 54, clientY: box.top + box.height * 3.5 / 7 }));
	})(` + year + `)`))
	b.until(`location.search === "?day=2026-01-15&person=main"`)
	b.await("2026-01-15")
	b.calm()
}

// TestReadOutInBrowser: the curve tells what is under the pointer.
func TestReadOutInBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulate.Config{})
	b := browser(t)
	b.do(chromedp.Navigate(ingress(t, w.server(Config{Ingress: true})) + prefix + "?day=2026-11-22"))
	b.await("Steps by the hour")
	b.until(`((at) => { // again and again: news may come in between
		const box = at.getBoundingClientRect();
		at.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: box.left + box.width * .5, clientY: box.top + 50 }));
		return /^1[12]:\d\d · \d+ bpm$/.test(at.querySelector(".tip:not([hidden])")?.textContent);
	})(document.querySelector(".drawn"))`)
	b.calm()
}

// TestWizardInBrowser goes from nothing to the first values, with the simulated Google.
func TestWizardInBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulate.Config{})
	w.noOther = true
	w.noBody = true
	base := ingress(t, w.server(Config{Ingress: true})) + prefix
	b := browser(t)
	b.do(chromedp.Navigate(base))
	b.await("Nothing has arrived yet")
	b.pictures("empty")
	b.do(chromedp.Click(`//a[text()="Connect your account"]`))
	b.await("Make the link")
	b.do(chromedp.Click(`form[action=begin] button`))
	b.await("The link is ready")
	b.pictures("link")
	b.do(chromedp.Click(`#other-device summary`))
	b.until(`document.querySelector(".qr img").naturalWidth > 0`)
	b.pictures("qr")
	// Copying works without a right to the clipboard, too: then what is to be copied is marked.
	b.do(chromedp.Evaluate[chromedp.Void](`void (Object.defineProperty(navigator, "clipboard", {value: undefined}), document.execCommand = () => false)`), chromedp.Click(`button[data-copy]`))
	b.await("Marked: copy it now")
	if marked := eval[string](b, `document.activeElement.id + " " + (document.activeElement.selectionEnd - document.activeElement.selectionStart === document.activeElement.value.length)`); marked != "consent-link true" {
		t.Errorf("marked: %q", marked)
	}

	// A wrong paste is answered with its cure.
	b.do(chromedp.SendKeys(`textarea[name=pasted]`, "http://localhost:8080/?error=access_denied"), chromedp.Click(`form[action=finish] button`))
	b.await("That did not work")
	b.await("add your Google address as a test user")
	b.pictures("mistake")
	b.calm()

	link, target := eval[string](b, "document.getElementById('consent').href"), eval[string](b, "document.getElementById('consent').target")
	if target != "_blank" {
		t.Errorf("the consent page would open inside Home Assistant's frame: target %q", target)
	}
	address := b.consent(link)
	b.do(chromedp.Navigate(base + "setup"))
	b.await("Bring the address back")
	b.do(chromedp.SendKeys(`textarea[name=pasted]`, address), chromedp.Click(`form[action=finish] button`))
	b.await("Connected to Google")
	b.await("sleep and its stages")
	b.pictures("connected")
	if _, err := w.tokens.Token(t.Context()); err != nil {
		t.Fatalf("after the wizard there is no token: %v", err)
	}
	html := eval[string](b, "document.documentElement.outerHTML")
	tok := w.tokens.Snapshot()
	for _, secret := range []string{tok.Access, tok.Refresh, w.plain.Secret, codeOf(t, address)} {
		if strings.Contains(html, secret) || strings.Contains(w.log.String(), secret) {
			t.Error("a secret stands on the page or in the log")
		}
	}

	// The first values arrive by themselves.
	b.do(chromedp.Click(`//a[text()="Choose a database"]`))
	b.await("No database yet")
	w.mu.Lock()
	w.refused = &source.Error{Kind: source.Retry, Reason: "db1_user", Err: errors.New("HTTP 401: authorization failed"), Hint: "InfluxDB does not know this user name and password."}
	w.mu.Unlock()
	b.do(chromedp.SendKeys(`input[name=username]`, "kim"), chromedp.SendKeys(`input[name=password]`, "hush"), chromedp.Click(`button[value=test]`))
	b.await("Permissions: choose ALL")
	b.pictures("database-mistake")
	for _, c := range []struct{ version, fields, buttons, address, help string }{
		{"2", "url org bucket api_token", "save test", "", "db2_user db2_rights db2_database db2_org"},
		{"3", "url database api_token", "save test", "", "db3_user"},
		{"victoriametrics", "url username password", "save test", "", "dbv_user"},
		{"off", "", "off", "", ""},
		{"1", "url database username password", "save test", "http://a0d7b954-influxdb:8086", "db1_user db1_rights db1_database"},
	} {
		b.do(chromedp.Click(`input[name=version][value="` + c.version + `"]`))
		const visible = `"url database org bucket api_token username password".split(" ").filter(n => document.getElementsByName(n)[0].offsetParent).join(" ")`
		if got := eval[string](b, visible); got != c.fields {
			t.Errorf("of version %s one can fill in %q, want %q", c.version, got, c.fields)
		}
		if got := eval[string](b, `[...document.querySelectorAll("button[name=do]:not([value=anyway])")].filter(e => e.offsetParent).map(e => e.value).join(" ")`); got != c.buttons {
			t.Errorf("of version %s there are the buttons %q, want %q", c.version, got, c.buttons)
		}
		if got := eval[string](b, `[...document.querySelectorAll("[id^=how-]")].filter(e => e.offsetParent).map(e => e.id).join(" ")`); c.version != "off" && got != "how-"+c.version || c.version == "off" && got != "" {
			t.Errorf("of version %s there are the steps %q", c.version, got)
		}
		if got := eval[string](b, `[...document.querySelectorAll("[id^=help-db]")].filter(e => e.offsetParent).map(e => e.id.slice(5)).filter(id => !id.startsWith("db_")).join(" ")`); got != c.help {
			t.Errorf("of version %s there is help on %q, want %q", c.version, got, c.help)
		}
		if got := eval[string](b, `document.getElementsByName("url")[0].value`); got != c.address {
			t.Errorf("of version %s the address is %q, want %q", c.version, got, c.address)
		}
		b.do(chromedp.Evaluate[chromedp.Void](`void document.querySelectorAll("[id^=how-]").forEach((d) => { d.open = true; })`))
		b.pictures("database-" + c.version)
	}
	w.mu.Lock()
	w.refused = nil
	w.mu.Unlock()
	b.do(chromedp.Click(`button[value=save]`))
	b.await("The first values appear here")
	b.pictures("values-none")
	w.mu.Lock()
	w.noBody = false
	w.mu.Unlock()
	b.await("Resting heart rate")
	b.pictures("values-come")
	b.calm()
}

// TestStatusInBrowser presses buttons, and sees what changes while a field is being filled in.
func TestStatusInBrowser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{Password: "correct horse"})
	b := browser(t)
	b.do(chromedp.Navigate(open(t, s)))
	b.await("protected by the password")
	b.pictures("login")
	b.do(chromedp.SendKeys(`input[name=password]`, "correct horse\r"))
	b.await("Resting heart rate")
	b.do(chromedp.Click(`//a[text()="Status"]`))
	b.await("Last requests")
	b.do(chromedp.Click(`form[action=sync] button`))
	b.await("Looking for new data now")
	b.do(chromedp.Click(`form[action=pause] button`))
	b.await("Nothing is asked of the service until you resume")
	b.pictures("paused")
	b.do(chromedp.Click(`.paused button`))
	b.await("Fetching goes on.")
	b.do(chromedp.Click(`form[action=check] button`))
	b.await("Start the InfluxDB app.")
	b.pictures("checked")
	if calls := strings.Join(w.told(), ", "); calls != "sync main, pause main 0001-01-01T00:00, resume main, check" {
		t.Errorf("the program was told %q", calls)
	}

	// News come while somebody writes, and disturb nothing.
	b.do(chromedp.Click(`#do-backfill summary`), chromedp.Focus(`#do-backfill input[name=first]`))
	b.do(chromedp.Evaluate[chromedp.Void](`void (document.querySelector("input[name=first]").value = "2026-10-01")`))
	w.mu.Lock()
	w.sick = true
	w.mu.Unlock()
	b.await("connection refused")
	if kept := eval[string](b, `document.activeElement.name + " " + document.activeElement.value`); kept != "first 2026-10-01" {
		t.Errorf("the field is %q", kept)
	}

	// With the keyboard alone: the first stop leads past the navigation.
	b.do(chromedp.Navigate(eval[string](b, "location.origin") + "/status"))
	b.await("Last requests")
	b.do(chromedp.KeyEvent("\t"))
	if first := eval[string](b, `document.activeElement.className + " " + getComputedStyle(document.activeElement).outlineStyle`); first != "skip solid" {
		t.Errorf("the first stop is %q", first)
	}
	b.do(chromedp.KeyEvent("\r"))
	b.until(`location.hash === "#content"`)
	nameless := eval[string](b, namelessParts)
	if nameless != "" {
		t.Errorf("a screen reader has no name for %s", nameless)
	}

	b.do(chromedp.Click(`form[action=logout] button`))
	b.await("protected by the password")
	b.calm()
}

// TestDashboardsInBrowser puts dashboards into Grafana, by the keyboard, and sees what became of them.
func TestDashboardsInBrowser(t *testing.T) {
	t.Parallel()
	w := worldWithDatabase(t)
	w.refused = &source.Error{Kind: source.Retry, Reason: "grafana_login", Err: errors.New("HTTP 401: Invalid username or password"), Hint: "The user, the password or the token is wrong."}
	base := ingress(t, w.server(Config{Ingress: true, Language: *tongue})) + prefix
	b := browser(t)
	b.do(chromedp.Navigate(base + "dashboards"))
	b.until(`document.querySelector("form[action=install]")`)
	b.pictures("dashboards")
	const visible = `"username password api_token".split(" ").filter(n => document.getElementsByName(n)[0].offsetParent).join(" ")`
	for by, seen := range map[string]string{"token": "api_token", "user": "username password"} {
		b.do(chromedp.Evaluate[chromedp.Void](`void document.querySelector("input[name=by]:checked").focus()`))
		if eval[string](b, `document.querySelector("input[name=by]:checked").value`) != by {
			b.do(chromedp.KeyEvent(map[string]string{"token": kb.ArrowDown, "user": kb.ArrowUp}[by]))
		}
		if got := eval[string](b, visible); got != seen {
			t.Errorf("by %s one can fill in %q, want %q", by, got, seen)
		}
		b.pictures("dashboards-" + by)
	}
	b.do(chromedp.Evaluate[chromedp.Void](`void document.querySelector("input[name=by][value=user]").click()`))
	b.do(chromedp.SendKeys(`input[name=username]`, "admin"), chromedp.SendKeys(`input[name=password]`, "hush\r"))
	b.await("HTTP 401: Invalid username or password")
	b.until(`document.getElementById("help-grafana_login").open && !document.querySelector("input[name=password]").value && !document.querySelector("input[name=username]").value`)
	b.pictures("dashboards-mistake")
	nameless := eval[string](b, namelessParts)
	if nameless != "" {
		t.Errorf("a screen reader has no name for %s", nameless)
	}
	w.mu.Lock()
	w.refused = nil
	w.installed = Installed{Version: "12.3.0", Items: []Item{{Kind: "source", Name: "Fitbit Fetch (InfluxQL)", Fate: "created"}, {Kind: "dashboard", Name: "Fitbit", Fate: "updated", URL: "http://nas.lan:3000/d/fitbit-fetch/x"}, {Kind: "dashboard", Name: "Fitbit: a year (newer version)", Fate: "beside"}, {Kind: "rule", Name: "No Fitbit data for 24 hours (paused)", Fate: "same"}}}
	w.mu.Unlock()
	b.do(chromedp.SetValue(`input[name=url]`, "http://nas.lan:3000"), chromedp.SendKeys(`input[name=username]`, "admin"), chromedp.SendKeys(`input[name=password]`, "hush"), chromedp.Click(`form[action=install] button`))
	b.await("Grafana 12.3.0")
	if link := eval[string](b, `document.querySelector(".made a").href`); link != "http://nas.lan:3000/d/fitbit-fetch/x" {
		t.Errorf("the link leads to %q", link)
	}
	b.pictures("dashboards-done")
	b.calm()
}

// namelessParts are what one can use and a screen reader has no name for.
const namelessParts = `Array.from(document.querySelectorAll("button, a, input:not([type=hidden]), select, textarea, svg[role=img], progress")).filter((e) =>
	!(e.textContent || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || (e.labels && e.labels.length))).map((e) => e.outerHTML).join()`

// consent agrees on the simulated Google's page and returns the address at which the browser ends.
func (b *tab) consent(link string) string {
	b.t.Helper()
	ended := make(chan string, 1)
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithListener(func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok && strings.HasPrefix(e.Request.URL, "http://localhost:8080") {
			select {
			case ended <- e.Request.URL:
			default:
			}
		}
	}))
	defer cancel()
	err := chromedp.Do(ctx)
	if err == nil {
		_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	}
	if err == nil {
		err = chromedp.Do(ctx, chromedp.Navigate(link), chromedp.Click(`button[value=allow]`))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return proctest.Receive(b.t, "the consent page to send back", ended, nil)
}

func codeOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || u.Query().Get("code") == "" {
		t.Fatal("the address has no code")
	}
	return u.Query().Get("code")
}

// TestFrame: Home Assistant shows the page in a frame.
func TestFrame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulate.Config{})
	base := ingress(t, w.server(Config{Ingress: true}))
	b := browser(t)
	b.do(chromedp.Navigate(base + "/frame"))
	b.until(`document.querySelector("iframe").contentDocument?.body?.innerText.includes("Heart rate")`)
	b.calm()
}

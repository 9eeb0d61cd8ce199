//go:build homeassistant

package realhome

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// tab is a page of a real Chromium that shows Home Assistant by the name it has outside.
type tab struct {
	t         *testing.T
	ctx       context.Context
	downloads string
}

// newTab starts Chromium. It ends with the test.
func newTab(t *testing.T) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("missing: Chromium; make test-homeassistant installs it")
	}
	dir, err := os.MkdirTemp("", "home-browser-")
	if err != nil {
		t.Fatal(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(dir),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("host-resolver-rules", fmt.Sprintf("MAP %s %s, MAP * ~NOTFOUND, EXCLUDE %s", homeName, coreAddress, coreAddress)))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, _ := chromedp.NewContext(alloc)
	b := &tab{t: t, ctx: ctx, downloads: t.TempDir()}
	t.Cleanup(func() {
		chromedp.Cancel(ctx) // it ends with the test in any case
		stop()
		os.RemoveAll(dir) // what its children still write stays
	})
	b.do()
	if _, err := chromedp.Call(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: b.downloads}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// open goes to a path of Home Assistant. What the page before does at the same time can stop that: then once more.
func (b *tab) open(path string) {
	b.t.Helper()
	until(b.t, "the page "+path, func() string {
		if err := chromedp.Do(b.ctx, chromedp.Navigate(fmt.Sprintf("http://%s:%d%s", homeName, homePort, path))); err != nil {
			return err.Error()
		}
		return ""
	})
}

// deep finds an element wherever it is: in the shadow roots that Home Assistant's pages are made of, and in the frame of an app.
const deep = `const deep = (selector) => {
	const seek = (root) => {
		const hit = root.querySelector(selector);
		if (hit) return hit;
		for (const e of root.querySelectorAll("*")) {
			const below = e.shadowRoot || (e.tagName === "IFRAME" && e.contentDocument);
			const found = below && seek(below);
			if (found) return found;
		}
		return null;
	};
	return seek(document);
};
const frame = () => deep("iframe[src*=hassio_ingress]")?.contentDocument;
const text = () => frame()?.body?.innerText ?? "";
`

// eval returns what an expression of JavaScript is, or the zero value where there is no page at the moment.
func eval[T any](b *tab, expression string) T {
	v, _ := chromedp.Run(b.ctx, chromedp.Evaluate[T]("(() => {"+deep+"return "+expression+"})()")) // between two pages there is none: the caller asks again
	return v
}

// until waits until an expression is true.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	until(b.t, what, func() string {
		if eval[bool](b, "Boolean("+expression+")") {
			return ""
		}
		return eval[string](b, `location.href + " shows: " + (text() || document.body?.innerText)`)
	})
}

// run runs statements on the page, once what they need is there: a page that is still being drawn may throw away what was there a
// moment ago. So they must throw before they change anything.
func (b *tab) run(statements string) {
	b.t.Helper()
	until(b.t, statements, func() string {
		if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("(() => {"+deep+statements+"; return true})()")); err != nil {
			return err.Error()
		}
		return ""
	})
}

// signIn goes to a path, and signs in where Home Assistant asks for that.
func (b *tab) signIn(path string) {
	b.t.Helper()
	b.open(path)
	for i, name := range []string{"username", "password"} {
		field := fmt.Sprintf(`deep("input[name=%s]")`, name)
		b.until("the form to sign in", field)
		b.run(field + ".focus()")
		b.do(chromedp.KeyEvent([]string{userName, userPassword}[i]))
	}
	b.do(chromedp.KeyEvent("\r"))
	b.until("signed in", `localStorage.getItem("hassTokens") && location.pathname === `+fmt.Sprintf("%q", path))
}

// entrypoint is the part of the older interface that shows an app's page. It is of Supervisor itself, and cannot be had here.
const entrypoint = "GET /app/entrypoint.js"

// look opens the app's page as a user does who follows a device's link.
func (l *life) look() {
	b := newTab(l.T)
	l.tab = b
	device := "/config/devices/device/" + l.home.devices()["fitbit_fetch_service"].ID
	b.signIn(device)
	link := fmt.Sprintf("deep('a[href=%q]')", l.page())
	b.until("the device's link", link)
	if l.old() {
		// What is at this address in the older interface is Supervisor's own, and comes from it: the link is one that leads there.
		b.run(link + ".click()")
		b.until("the link leads to Supervisor's interface", `location.pathname === `+fmt.Sprintf("%q", l.page()))
		until(l.T, "the interface asks Supervisor for its part", func() string {
			if asked := l.supervisor.Unknown(); !slices.Contains(asked, entrypoint) {
				return fmt.Sprint(asked)
			}
			return ""
		})
		l.inFrame()
	} else {
		b.run(link + ".click()")
		b.until("the link leads to the page", `location.pathname === `+fmt.Sprintf("%q", l.page()))
	}
	b.until("the page in the frame", `text().includes("Heart rate")`)
	l.Log("the device's link opens the page")
}

// show opens the page in Home Assistant.
func (l *life) show() {
	l.tab.open(l.page())
	if l.old() {
		l.inFrame()
	}
	l.tab.until("the page in the frame", `text().includes("Heart rate")`)
}

// inFrame does what Supervisor's own interface does for an app's page: a session of ingress, its cookie, and a frame.
func (l *life) inFrame() {
	var made struct{ Session string }
	l.home.command(&made, map[string]any{"type": "supervisor/api", "endpoint": "/ingress/session", "method": "post"})
	l.tab.run(fmt.Sprintf(`document.cookie = "ingress_session=%s;path=/api/hassio_ingress/;SameSite=Strict";
		const f = document.createElement("iframe"); f.src = %q; document.body.replaceChildren(f)`, made.Session, l.app.Entry()+"/"))
}

// visit opens one of the page's own pages in its frame.
func (l *life) visit(page string) {
	l.Helper()
	l.tab.run(fmt.Sprintf("frame().left = true; frame().location.href = new URL(%q, frame().baseURI.replace(/[^/]*$/, '')).href", page))
	l.tab.until("the page "+page, fmt.Sprintf(`frame()?.readyState === "complete" && !frame().left && frame().location.href.endsWith(%q)`, page))
}

// export downloads what the archive holds.
func (l *life) export() {
	l.visit("status")
	l.tab.until("the form of the export", `frame().querySelector("form[action=export]")`)
	l.tab.run(`const f = frame().querySelector("form[action=export]"); f.elements.format.value = "line"; f.requestSubmit(f.querySelector("button"))`)
	var file string
	l.Logf("the export is there after %v", until(l.T, "the download", func() string {
		files, err := filepath.Glob(filepath.Join(l.tab.downloads, "fitbit-fetch-*.lp"))
		if err != nil || len(files) != 1 {
			return fmt.Sprintf("%q, %v; the page says: %s", files, err, eval[string](l.tab, "text()"))
		}
		file = files[0]
		return ""
	}))
	content, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(content), "Total Steps") && !strings.Contains(string(content), "HeartRate_Intraday") {
		l.Errorf("the export is of %d bytes, %v: %s", len(content), err, proctest.Tail(string(content)))
	}
}

// button presses the button in Home Assistant: the service is asked at once, and the page in the frame shows it by itself.
func (l *life) button() {
	asked := func() int {
		n := 0
		for _, r := range l.google.Log() {
			if strings.Contains(r.Path, "pairedDevices") {
				n++
			}
		}
		return n
	}
	l.visit("status")
	l.tab.run(`window.renewed = false; frame().addEventListener("renewed", () => { window.renewed = true })`)
	before := asked()
	l.home.do(http.MethodPost, "/api/services/button/press", map[string]string{"entity_id": "button.fitbit_fetch_sync"}, nil)
	l.Logf("the button: the service is asked after %v", until(l.T, "the button", func() string {
		if asked() == before {
			return "nothing was asked"
		}
		return ""
	}))
	l.tab.until("the page hears of it", "window.renewed")
}

// outliveAccess takes the access token out of a token file, as if it had run out: one of the last minute would be given another minute.
func (l *life) outliveAccess(name string) {
	path := filepath.Join(l.root, "data", name)
	text, err := os.ReadFile(path)
	if err != nil {
		l.Fatal(err)
	}
	var token map[string]any
	if err := json.Unmarshal(text, &token); err != nil {
		l.Fatal(err)
	}
	delete(token, "access_token")
	if text, err = json.Marshal(token); err != nil {
		l.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		l.Fatal(err)
	}
}

// notify has an authorization end: Home Assistant shows it, with a link to the page, until it was given again on that page.
func (l *life) notify() {
	const id = "fitbit_fetch_authorization_kim"
	l.stopProgram()
	l.google.Withdraw(l.people[1])
	l.outliveAccess("token-kim.json")
	l.startProgram(nil) // it asks for news at its start
	l.Logf("the notification appears after %v", until(l.T, "the notification", func() string {
		text := l.home.notices()[id]
		if !strings.Contains(text, "]("+l.page()+")") {
			return fmt.Sprintf("%q has no link to %s", text, l.page())
		}
		return ""
	}))
	l.show() // what was in the frame met the app's restart
	l.visit("setup?person=kim&step=connect")
	l.tab.until("the form for an authorization", `frame().querySelector("form[action=finish] input[name=kind][value=refresh]")`)
	l.tab.run(fmt.Sprintf(`const f = frame().querySelector("form[action=finish] input[name=kind][value=refresh]").form; f.elements.pasted.value = %q; f.requestSubmit()`, l.google.Grant(l.people[1])))
	l.Logf("the notification leaves after %v", until(l.T, "the notification leaves", func() string {
		if text, there := l.home.notices()[id]; there {
			return text + "; the page says: " + eval[string](l.tab, "text()")
		}
		return ""
	}))
}

package web

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// gathering is a reverse proxy that compresses what passes, as the ingress of Home Assistant 2025.12 does, and so holds back what is
// sent piece by piece. It can be told to let all through, or nothing.
type gathering struct {
	through, away atomic.Bool
	held          atomic.Int32 // streams of events that were held back
}

func (g *gathering) open(t *testing.T, to string) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u); r.Out.Host = r.In.Host }, ModifyResponse: g.compress}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.away.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	})}
	go front.Serve(l)
	t.Cleanup(func() { front.Close() })
	return "http://" + l.Addr().String()
}

// compress packs an answer and does not flush: what comes out is what the packer gives up by itself.
func (g *gathering) compress(r *http.Response) error {
	kind := r.Header.Get("Content-Type")
	if g.through.Load() || r.Header.Get("Content-Encoding") != "" || !strings.HasPrefix(kind, "text/") && !strings.Contains(kind, "json") {
		return nil
	}
	if kind == "text/event-stream" {
		g.held.Add(1)
	}
	body := r.Body
	out, in := io.Pipe()
	go func() {
		z := gzip.NewWriter(in)
		_, err := io.Copy(z, body)
		if err == nil {
			err = z.Close()
		}
		in.CloseWithError(err)
	}()
	r.Header.Del("Content-Length")
	r.ContentLength = -1
	r.Header.Set("Content-Encoding", "gzip")
	r.Body = struct {
		io.Reader
		io.Closer
	}{out, body}
	return nil
}

// TestEventsHeldBack: behind a proxy that holds events back the page keeps itself up to date by asking, says so, and goes back to events
// when they come through. An answer that is lost meanwhile is said, too.
func TestEventsHeldBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulate.Config{})
	g := &gathering{}
	base := g.open(t, ingress(t, w.server(Config{Ingress: true}))) + prefix
	b := browser(t)
	sick := func(on bool) {
		w.mu.Lock()
		w.sick = on
		w.mu.Unlock()
	}
	const asking, offline = `document.getElementById("asking").hidden`, `document.getElementById("offline").hidden`
	b.do(chromedp.Navigate(base + "status"))
	b.await("Last requests")
	if !eval[bool](b, asking) {
		t.Error("it is said before it is known")
	}
	b.await("Live updates do not get through")
	sick(true)
	b.await("connection refused")
	b.pictures("asking")
	if g.held.Load() == 0 {
		t.Error("no event was held back: the test shows nothing")
	}
	if !eval[bool](b, offline) {
		t.Error("it says that the connection was lost")
	}
	b.calm()

	g.through.Store(true)
	b.do(chromedp.Evaluate[chromedp.Void](`void window.dispatchEvent(new Event("online"))`))
	b.until(asking)
	sick(false)
	b.until(`!document.body.innerText.includes("connection refused")`)
	b.calm()

	g.away.Store(true) // both ways
	b.do(chromedp.Navigate("about:blank"))
	g.away.Store(false)
	g.through.Store(false)
	b.do(chromedp.Navigate(base + "status"))
	b.await("Live updates do not get through")
	g.away.Store(true)
	b.until(`!` + offline)
	if !eval[bool](b, asking) {
		t.Error("it says that it asks, while nobody answers")
	}
	g.away.Store(false)
	b.until(offline)
	b.mu.Lock()
	b.trouble = nil // the requests that failed
	b.mu.Unlock()
}

// TestPieces: who asks gets all pieces once, and nothing as long as they are the same.
func TestPieces(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	for page, names := range fragments {
		got := v.get("/pieces?page=" + page + "&person=main")
		var answer struct {
			Sum    string
			Pieces map[string]string
		}
		if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil || got.Code != 200 || len(answer.Pieces) != len(names) || answer.Sum == "" {
			t.Fatalf("%s: status %d, %v, %s", page, got.Code, err, got.Body)
		}
		for _, name := range names {
			if !strings.Contains(answer.Pieces[name], "<") {
				t.Errorf("%s: %s is %q", page, name, answer.Pieces[name])
			}
		}
		if same := v.get("/pieces?page=" + page + "&person=main&had=" + answer.Sum); same.Code != http.StatusNoContent || same.Body.Len() > 0 {
			t.Errorf("%s: the same again is status %d, %s", page, same.Code, same.Body)
		}
	}
	if got := v.get("/pieces?page=nothing"); got.Code != 404 {
		t.Errorf("status %d", got.Code)
	}
	if got := w.server(Config{Password: "x"}).visitor(t).get("/pieces?page=status"); got.Code != http.StatusUnauthorized {
		t.Errorf("without a password: status %d", got.Code)
	}
}

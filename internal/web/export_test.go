package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

func TestExport(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	v := w.server(Config{}).visitor(t)
	got := v.fetch(v.post("/export", "person", "main", "format", "csv", "back", "status"))
	if got.Code != 200 || got.Body.String() != "Time,Value\n" || got.Header().Get("Content-Disposition") != `attachment; filename="fitbit-fetch-2026-11-23-1642.csv"` {
		t.Errorf("status %d, %v, %q", got.Code, got.Header(), got.Body)
	}
	form := url.Values{"token": {v.token("/status")}, "person": {"anna"}, "format": {"line"}, "first": {"2026-11-01"}, "series": {"steps", "weight"}, "everybody": {"1"}}
	got = v.fetch(v.send(http.MethodPost, "/export", form.Encode()))
	if got.Code != 200 || !strings.HasSuffix(got.Header().Get("Content-Disposition"), `.lp"`) {
		t.Errorf("status %d, %v", got.Code, got.Header())
	}
	want := []string{"export main [] 2005-01-01 2026-11-23 true", "export  [steps weight] 2026-11-01 2026-11-23 false"}
	if calls := w.told(); strings.Join(calls, "|") != strings.Join(want, "|") {
		t.Errorf("told %q, want %q", calls, want)
	}
	w.write = func(context.Context, io.Writer) error { return nil }
	got = v.fetch(v.post("/export", "person", "main", "back", "status"))
	if body := got.Body.String(); got.Code < 400 || !strings.Contains(body, "The archive holds nothing of that.") || !strings.Contains(body, `href="status?person=main"`) {
		t.Errorf("an empty file is handed out: status %d, %s", got.Code, body)
	}
	for name, field := range map[string][]string{"the last day is not written": {"last", "tomorrow"}, "there is no such series": {"series", "stairs"}} {
		if to := v.post("/export", append(field, "person", "main", "back", "status")...).Header().Get("Location"); to != "status?person=main" {
			t.Errorf("%s: leads to %q", name, to)
		}
		if body := strings.ToLower(v.page("/status")); !strings.Contains(body, name) {
			t.Errorf("the page does not say that %s", name)
		}
	}
}

// An export takes no more memory than a piece of it, ends with its visitor, and breaks where it cannot be whole.
func TestExportStreams(t *testing.T) {
	const pieces, size = 4096, 64 << 10 // 256 MB
	w := newWorld(t, simulate.Config{})
	var most uint64
	ended := make(chan error, 1)
	w.write = func(ctx context.Context, out io.Writer) (err error) {
		defer func() { ended <- err }()
		piece := []byte(strings.Repeat("0123456789abcde\n", size/16))
		var m runtime.MemStats
		for i := range pieces {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := out.Write(piece); err != nil {
				return err
			}
			if i%512 == 0 {
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			}
		}
		return nil
	}
	s := w.server(Config{})
	base := open(t, s)
	form := url.Values{"token": {s.visitor(t).token("/status")}, "person": {"main"}}
	fetch := func() *http.Response {
		t.Helper()
		resp, err := http.PostForm(base+"/export", form)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	resp := fetch()
	n, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil || n != pieces*size || <-ended != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if most > 64<<20 {
		t.Errorf("%d MB in use for an export", most>>20)
	}

	resp = fetch() // the visitor goes away in the middle
	if _, err := io.CopyN(io.Discard, resp.Body, size); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if <-ended == nil {
		t.Error("it goes on without anybody")
	}

	w.write = func(_ context.Context, out io.Writer) error {
		if _, err := io.WriteString(out, strings.Repeat("x", size)); err != nil {
			return err
		}
		return errors.New("the disk is broken")
	}
	for { // the one before may still be leaving
		resp = fetch()
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if len(text) > 0 && strings.HasPrefix(string(text), "x") {
			if err == nil {
				t.Error("a part is handed out as the whole")
			}
			break
		}
	}
}

// On the page, too, successes do not push failures out.
func TestNewestRequests(t *testing.T) {
	var all []Request
	for i := range 50 {
		r := Request{Fate: "5 new"}
		if i == 45 {
			r = Request{Error: "HTTP 503"}
		}
		all = append(all, r)
	}
	if shown := newest(all); len(shown) != maxRequests+1 || shown[maxRequests].Error == "" {
		t.Errorf("%d are shown", len(shown))
	}
}

package simulate_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// TestFaults lets every kind of fault happen, over a real connection and without one.
func TestFaults(t *testing.T) {
	p := berlin(t)
	g := server(p, instant(t, "2025-04-10T12:00:00Z"))
	token := g.AccessToken(p)
	srv := httptest.NewServer(g)
	defer srv.Close()
	for name, c := range map[string]*http.Client{"port": srv.Client(), "in memory": {Transport: simulate.Transport{Handler: g}}} {
		ask := func(f *simulate.Fault) (int, string, http.Header, error) {
			g.Script(func(*http.Request) *simulate.Fault { return f })
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			if f == nil || !f.Hang {
				cancel()
				ctx, cancel = proctest.Limit(context.Background(), t)
			}
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/v4/users/me/identity?prettyPrint=false", nil)
			must(t, err)
			r.Header.Set("Authorization", "Bearer "+token)
			resp, err := c.Do(r)
			if err != nil {
				return 0, "", nil, err
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			return resp.StatusCode, string(b), resp.Header, err
		}
		_, whole, _, err := ask(nil)
		must(t, err)
		if code, body, _, err := ask(simulate.Unavailable()); code != 503 || !strings.Contains(body, "UNAVAILABLE") || err != nil {
			t.Errorf("%s: unavailable: %d %s %v", name, code, body, err)
		}
		if code, _, h, err := ask(simulate.TooMany(7)); code != 429 || h.Get("Retry-After") != "7" || err != nil {
			t.Errorf("%s: too many: %d %v %v", name, code, h, err)
		}
		if code, body, _, err := ask(&simulate.Fault{Status: 412, Body: "x"}); code != 412 || body != "x" || err != nil {
			t.Errorf("%s: status: %d %s %v", name, code, body, err)
		}
		if code, body, _, err := ask(&simulate.Fault{HTML: true}); code != 200 || !strings.Contains(body, "<!DOCTYPE html>") || err != nil {
			t.Errorf("%s: page: %d %s %v", name, code, body, err)
		}
		if code, _, _, err := ask(&simulate.Fault{Junk: true}); code != 200 || err != nil {
			t.Errorf("%s: junk: %d %v", name, code, err)
		}
		if _, body, _, err := ask(&simulate.Fault{Huge: 3 << 20}); len(body) < 3<<20 || err != nil {
			t.Errorf("%s: huge: %d bytes %v", name, len(body), err)
		}
		if code, body, _, err := ask(&simulate.Fault{Cut: 20}); code != 200 || err == nil || len(body) > 20 {
			t.Errorf("%s: cut: %d %q %v", name, code, body, err)
		}
		if code, body, _, err := ask(&simulate.Fault{Cut: -1}); body != "" || err == nil {
			t.Errorf("%s: cut at once: %d %q %v", name, code, body, err)
		}
		if _, _, _, err := ask(&simulate.Fault{Drop: true}); err == nil {
			t.Errorf("%s: dropped without an error", name)
		}
		if _, _, _, err := ask(&simulate.Fault{Hang: true}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: hanging: %v", name, err)
		}
		if _, body, _, err := ask(&simulate.Fault{Drip: time.Microsecond, Bytes: 10}); body != whole || err != nil {
			t.Errorf("%s: dripping: %s %v", name, body, err)
		}
	}
	g.Script(simulate.Times(2, simulate.Unavailable()))
	var codes []int
	for range 3 {
		code, _ := get(t, g, token, "/v4/users/me/identity")
		codes = append(codes, code)
	}
	if codes[0] != 503 || codes[1] != 503 || codes[2] != 200 {
		t.Errorf("503 twice: %v", codes)
	}
}

// TestDelay waits in a bubble: no real time passes.
func TestDelay(t *testing.T) {
	p := berlin(t)
	synctest.Test(t, func(t *testing.T) {
		g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}})
		token := g.AccessToken(p)
		g.Script(func(*http.Request) *simulate.Fault { return &simulate.Fault{Delay: time.Minute} })
		before := time.Now()
		if code, _ := get(t, g, token, "/v4/users/me/identity"); code != http.StatusOK || time.Since(before) != time.Minute {
			t.Errorf("%d after %v", code, time.Since(before))
		}
	})
}

// TestLog wants every request with its fate.
func TestLog(t *testing.T) {
	p := berlin(t)
	g := server(p, instant(t, "2025-04-10T12:00:00Z"))
	token := g.AccessToken(p)
	get(t, g, token, "/v4/users/me/identity?fields=name")
	do(t, g, token, http.MethodPost, "/v4/users/me/dataTypes/steps/dataPoints:dailyRollUp", "{}")
	get(t, g, "", "/nowhere")
	log := g.Log()
	if len(log) != 3 || log[0].Status != 200 || log[0].Query != "fields=name" || log[1].Status != 400 || log[1].Body != "{}" || log[2].Status != 404 || log[2].Path != "/nowhere" {
		t.Errorf("%+v", log)
	}
	g.ClearLog()
	if len(g.Log()) != 0 {
		t.Error("the log was not cleared")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

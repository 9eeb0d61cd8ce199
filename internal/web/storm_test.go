package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

func goSource(t *testing.T) string {
	t.Helper()
	list, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range list {
		if strings.HasSuffix(name, "_test.go") || name == "english.go" {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// open serves s on this machine and returns its address.
func open(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s, l)
	return "http://" + l.Addr().String()
}

// A thousand visitors at once are answered as one alone, or told that it is busy, and leave nothing behind.
func TestStorm(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	base := open(t, w.server(Config{}))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	paths := []string{"/", "/status", "/setup", "/static/app.css", "/nothing", "/events?page=nothing", "/sync"}
	visit := func(i, length int) (int, error) {
		method, body := http.MethodGet, io.Reader(nil)
		if i == len(paths)-1 {
			method, body = http.MethodPost, strings.NewReader(strings.Repeat("x", length))
		}
		req, err := http.NewRequest(method, base+paths[i], body)
		if err != nil {
			return 0, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	alone := func() (codes []int) {
		for i := range paths {
			code, err := visit(i, 1)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
		return codes
	}
	calm := alone() // what is answered to a visitor who is alone
	if want := []int{200, 200, 200, 200, 404}; !slices.Equal(calm[:5], want) || calm[6] < 400 {
		t.Fatalf("%v are answered by %v", paths, calm)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	routines := runtime.NumGoroutine()
	var served, busy, broken atomic.Int64
	var wg sync.WaitGroup
	for n := range 1000 {
		wg.Go(func() {
			i := n % len(paths)
			switch code, err := visit(i, 1+n*200); {
			case err != nil && i == len(paths)-1: // an answer before the end of a long body may break the line
			case err == nil && code == http.StatusServiceUnavailable:
				busy.Add(1)
			case err == nil && code == calm[i]:
				served.Add(1)
			default:
				broken.Add(1)
			}
		})
	}
	wg.Wait()
	if t.Logf("%d served, %d found it busy", served.Load(), busy.Load()); broken.Load() > 0 || served.Load() == 0 {
		t.Errorf("%d served, %d found it busy, %d broken", served.Load(), busy.Load(), broken.Load())
	}
	if after := alone(); !slices.Equal(after, calm) {
		t.Errorf("after the storm %v are answered by %v, before by %v", paths, after, calm)
	}
	proctest.Until(t, "the visitors' goroutines to end", func() bool { return runtime.NumGoroutine() <= routines+5 },
		func() string { return fmt.Sprintf("%d goroutines before, %d after", routines, runtime.NumGoroutine()) })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d bytes stay", grown)
	}
	if calls := w.told(); len(calls) > 0 {
		t.Errorf("the program was told %q", calls)
	}
}

// follow reads server-sent events until there is one with data.
func follow(t *testing.T, r *bufio.Reader) map[string]string {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var pieces map[string]string
			if err := json.Unmarshal([]byte(data), &pieces); err != nil {
				t.Fatal(err)
			}
			return pieces
		}
	}
}

// What changes comes by itself, and only that.
func TestEvents(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	s.patience = 500 * time.Millisecond // with the request, not with the answer
	base := open(t, s)
	ctx, cancel := proctest.Limit(t.Context(), t)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/events?page=status&person=main", nil)
	if err != nil {
		t.Fatal(err)
	}
	var resp *http.Response
	proctest.Until(t, "the events", func() bool { // a busy machine may be too slow with the request
		resp, err = http.DefaultClient.Do(req)
		return err == nil
	}, func() string { return err.Error() })
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("type %q", resp.Header.Get("Content-Type"))
	}
	in := bufio.NewReader(resp.Body)
	if first := follow(t, in); len(first) != 5 || !strings.Contains(first["live-sinks"], "on their way") {
		t.Fatalf("first: %v", first)
	}
	w.mu.Lock()
	w.sick = true
	w.mu.Unlock()
	for range 5 {
		pieces := follow(t, in)
		if sinks, ok := pieces["live-sinks"]; ok && strings.Contains(sinks, "Start the InfluxDB app") {
			return
		}
	}
	t.Error("the change did not come")
}

// More than so many pages are not kept up to date, and one that goes makes room.
func TestEventsAreLimited(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	base := open(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ask := func() int {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/events?page=setup", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp.StatusCode
	}
	for i := range maxEvents {
		if got := ask(); got != 200 {
			t.Fatalf("page %d: status %d", i, got)
		}
	}
	if got := ask(); got != http.StatusServiceUnavailable {
		t.Fatalf("status %d", got)
	}
	cancel()
	proctest.Until(t, "the places to be free", func() bool { return len(s.events) == 0 }, func() string { return fmt.Sprintf("%d are taken", len(s.events)) })
}

// The end of the process does not wait for pages that are open.
func TestStop(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{Listen: fmt.Sprintf("127.0.0.1:%d", proctest.FreePort(t))})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	proctest.Until(t, "the page to be open", func() bool { return strings.Contains(w.log.String(), "the page is open") }, w.log.String)
	_, address, _ := strings.Cut(w.log.String(), "address=")
	address, _, _ = strings.Cut(address, " ")
	resp, err := http.Get(fmt.Sprintf("http://%s/events?page=status", address))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel() // were the page waited for, which is never closed, this would not end
	if err := proctest.Receive(t, "the end of the server", done, w.log.String); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("it still listens")
	}
}

// A line that says nothing, or says it too slowly, is closed; an action may take longer than its request.
func TestPatience(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	w.hold = make(chan bool)
	s := w.server(Config{})
	s.patience = 200 * time.Millisecond
	address := strings.TrimPrefix(open(t, s), "http://")
	for name, text := range map[string]string{
		"nothing":     "",
		"half a line": "GET / HT",
		"no end":      "GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
		"half a form": "POST /sync HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntoken=",
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(lastMoment(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	token := s.visitor(t).token("/status")
	done := make(chan int, 1)
	go func() {
		for {
			resp, err := http.Post("http://"+address+"/sync", "application/x-www-form-urlencoded", strings.NewReader("token="+token+"&person=main&back=status"))
			if err != nil && len(w.told()) == 0 {
				if _, runs := s.busy.Load("sync main"); !runs {
					continue // the request itself was too slow, on a busy machine
				}
			}
			if err != nil {
				done <- 0
				return
			}
			resp.Body.Close()
			done <- resp.StatusCode
			return
		}
	}()
	proctest.Until(t, "the action to run", func() bool { _, runs := s.busy.Load("sync main"); return runs }, nil)
	pause(3 * s.patience)
	w.hold <- true
	if got := <-done; got != 200 || len(w.told()) != 1 {
		t.Errorf("status %d, told %q", got, w.told())
	}
}

// Connections that rest, or have never asked for anything, hold nobody out.
func TestRestingConnections(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	s := w.server(Config{})
	s.conns, s.many, s.patience = 20, 15, 6*time.Second
	address := strings.TrimPrefix(open(t, s), "http://")
	ask := func(c net.Conn) error {
		if err := c.SetDeadline(lastMoment(t)); err != nil {
			return err
		}
		if _, err := io.WriteString(c, "GET /static/icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	var newest net.Conn
	for i := range 40 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%4 > 0 { // the others say nothing
			if err := ask(c); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
			newest = c
		}
	}
	if err := ask(newest); err != nil {
		t.Errorf("one that has just been used was closed: %v", err)
	}
}

// Malformed requests are refused on the line itself.
func TestMalformed(t *testing.T) {
	w := newWorld(t, simulate.Config{})
	address := strings.TrimPrefix(open(t, w.server(Config{})), "http://")
	for name, text := range map[string]string{
		"no HTTP":             "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
		"no host":             "GET / HTTP/1.1\r\n\r\n",
		"two hosts":           "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
		"foreign host":        "GET / HTTP/1.1\r\nHost: evil.example.org\r\n\r\n",
		"absolute address":    "GET http://evil.example.org/status HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"long header":         "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n",
		"long address":        "GET /" + strings.Repeat("x", 2*maxHeader) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"both lengths":        "POST /sync HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"bad chunk":           "POST /sync HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"CONNECT":             "CONNECT evil:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"blank in the path":   "GET /sta tus HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"events with a body":  "GET /events?page=status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nxxxxx",
		"dots":                "GET /static/../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"broken percent code": "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(lastMoment(t)); err != nil {
				t.Fatal(err)
			}
			go io.WriteString(c, text)
			line, err := bufio.NewReader(c).ReadString('\n')
			if err == nil && !strings.HasPrefix(line, "HTTP/1.1 4") && !strings.HasPrefix(line, "HTTP/1.0 4") {
				t.Errorf("answer %q", line)
			}
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Error("no answer")
			}
		})
	}
}

// lastMoment is when a connection gives up: with the test.
func lastMoment(t *testing.T) time.Time {
	ctx, cancel := proctest.Limit(t.Context(), t)
	defer cancel()
	end, _ := ctx.Deadline() // without one the connection has none
	return end
}

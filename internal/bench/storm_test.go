package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	visitors  = 1000 // at once
	stormy    = time.Minute
	calming   = 30 * time.Second // until all that the storm left must be gone
	sequence  = 10               // requests of a visitor over one line
	patience  = 25 * time.Second
	stormGrow = 24 << 20 // bytes that the memory which no file backs may have grown by, for good
)

// fate is what became of the visitors' requests.
type fate struct {
	mu         sync.Mutex
	served     int
	refused    map[int]int // by status
	unanswered int
	wrong      []string // what should have been refused and was not
	waits      []time.Duration
}

func (f *fate) answer(what string, status int, wait time.Duration, hostile bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case status == 0:
		f.unanswered++
	case status >= 400:
		f.refused[status]++
	case hostile:
		f.wrong = append(f.wrong, fmt.Sprintf("%s: %d", what, status))
	default:
		f.served++
		f.waits = append(f.waits, wait)
	}
}

// visits are what visitors ask for over HTTP; hostile ones have to be refused.
var visits = []struct {
	method, path, body string
	header             [2]string
	hostile            bool
}{
	{"GET", "/", "", [2]string{}, false},
	{"GET", "/status", "", [2]string{}, false},
	{"GET", "/setup", "", [2]string{}, false},
	{"GET", "/static/app.css", "", [2]string{}, false},
	{"GET", "/?day=2026-11-10&person=default", "", [2]string{}, false},
	{"GET", "/static/..%2f..%2f..%2fetc%2fpasswd", "", [2]string{}, true},
	{"GET", "/static//app.css", "", [2]string{}, true},
	{"GET", "/%2e%2e/token.json", "", [2]string{}, true},
	{"POST", "/sync", "person=default", [2]string{"Sec-Fetch-Site", "cross-site"}, true},
	{"POST", "/erase", "person=default&typed=default&token=guessed", [2]string{"Origin", "http://evil.example.org"}, true},
	{"POST", "/begin", strings.Repeat("x", 1<<20), [2]string{}, true},
	{"PUT", "/status", "x", [2]string{}, true},
	{"GET", "/status", "", [2]string{"Host", "evil.example.org"}, true},
	{"GET", "/status", "", [2]string{"X-Forwarded-For|X-Ingress-Path|Host", "172.30.32.2|/api/hassio_ingress/x|homeassistant.local"}, true},
}

// lines are what visitors say who do not speak HTTP.
var lines = []string{
	"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /" + strings.Repeat("x", 1<<17) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 1<<17) + "\r\n\r\n", "POST /sync HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"GET /static/../../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "CONNECT evil:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
}

// visit is one visitor until the storm is over.
func (f *fate) visit(ctx context.Context, n int, address string) {
	for round := n; ctx.Err() == nil; round++ {
		switch round % 8 {
		case 6:
			f.talk(address, lines[round/8%len(lines)])
		case 7: // says nothing, and stays for a while
			if c, err := net.Dial("tcp", address); err == nil {
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				c.Close()
			}
		default:
			f.browse(ctx, round, address)
		}
	}
}

// talk says something on a line and hears the answer's status.
func (f *fate) talk(address, text string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		f.answer("a line", 0, 0, true)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	go io.WriteString(c, text)
	line, err := bufio.NewReader(c).ReadString('\n')
	status := 400 // the line was ended without a word
	if _, err := fmt.Sscanf(line, "HTTP/1.%d %d", new(int), &status); err != nil && line != "" {
		status = 200
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		status = 0
	}
	f.answer(fmt.Sprintf("%.40q", text), status, 0, true)
}

// browse makes some requests over one line.
func (f *fate) browse(ctx context.Context, round int, address string) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer client.CloseIdleConnections()
	for i := range sequence {
		if ctx.Err() != nil {
			return
		}
		v := visits[(round+i)%len(visits)]
		q, err := http.NewRequest(v.method, "http://"+address+v.path, strings.NewReader(v.body))
		if err != nil {
			f.answer(v.path, 200, 0, true)
			return
		}
		values := strings.Split(v.header[1], "|")
		for i, name := range strings.Split(v.header[0], "|") {
			if name == "Host" {
				q.Host = values[i]
			} else if name != "" {
				q.Header.Set(name, values[i])
			}
		}
		if v.method == "POST" {
			q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		began := time.Now()
		resp, err := client.Do(q)
		if err != nil {
			if len(v.body) < 1<<16 { // an answer before the end of a long body may break the line
				f.answer(v.path, 0, 0, v.hostile)
			}
			return
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		f.answer(v.method+" "+v.path, resp.StatusCode, time.Since(began), v.hostile)
	}
}

// held is what a process holds.
type held struct {
	memory  footprint
	files   int
	threads int64
}

func heldBy(b *testing.B, pid int) held {
	b.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		b.Fatal(err)
	}
	return held{memory: footprintOf(pid), files: len(list), threads: memory(pid, "Threads:") >> 10}
}

// BenchmarkStorm is a thousand visitors at once for a minute, of whom half mean no good, while the program goes on fetching.
func BenchmarkStorm(b *testing.B) {
	h := newHome(b, 14)
	for b.Loop() {
		const fast = now + "@60"
		cmd, file := h.live(h.serve(fast), fast)
		pid := cmd.Process.Pid
		h.watch(pid, 5*time.Second)
		before, samples := heldBy(b, pid), h.samples(file)

		f := &fate{refused: map[int]int{}}
		ctx, cancel := context.WithTimeout(b.Context(), stormy)
		var wg sync.WaitGroup
		for n := range visitors {
			wg.Go(func() { f.visit(ctx, n, h.page) })
		}
		peak := h.watch(pid, stormy)
		wg.Wait()
		cancel()
		fetched := h.samples(file) - samples
		h.watch(pid, calming)
		after := heldBy(b, pid)
		cpu := h.stop(cmd)

		slices.Sort(f.waits)
		b.Logf("%d served, refused %v, %d without an answer; half within %v, 99 %% within %v; %d samples fetched meanwhile; %v before, %v at most, %v after; files %d, then %d; threads %d, then %d; %v of CPU",
			f.served, f.refused, f.unanswered, f.waits[len(f.waits)/2].Round(time.Millisecond), f.waits[len(f.waits)*99/100].Round(time.Millisecond), fetched,
			before.memory, peak, after.memory, before.files, after.files, before.threads, after.threads, cpu.Round(time.Millisecond))
		for _, what := range f.wrong[:min(len(f.wrong), 5)] {
			b.Errorf("not refused: %s", what)
		}
		if fetched < 1000 || f.served < 10*visitors {
			b.Errorf("%d samples fetched, %d requests served", fetched, f.served)
		}
		if after.memory.anon-before.memory.anon > stormGrow || after.files > before.files+4 {
			b.Errorf("something stays: %+v before, %+v after", before, after)
		}
		h.intact(file)
		b.ReportMetric(float64(f.served)/stormy.Seconds(), "served/s")
		peak.report(b, "peak")
		after.memory.report(b, "after")
	}
}

// intact reports that nobody's wish of the storm came true: the person is still authorized, and the archive is there.
func (h *home) intact(file string) {
	h.b.Helper()
	token, err := os.ReadFile(filepath.Join(h.data, "token.json"))
	if err != nil || !bytes.Contains(token, []byte("refresh_token")) {
		h.b.Errorf("the authorization is gone: %v", err)
	}
	if bytes.Count(h.lines(file), []byte("\n")) < 100_000 {
		h.b.Error("the archive is gone")
	}
}

// Package bench measures the whole program, as processes: the built binary, the simulated service in a process of its own, a real
// InfluxDB. make bench runs it. Ratios come from one run, so that a slow or busy machine slows both sides.
package bench

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	fast "github.com/klauspost/compress/gzip"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

const (
	day0 = "2026-11-06" // 14 days and a morning are fetched
	now  = "2026-11-20T12:00:00Z"
)

// rig is a simulated service in a process, and a place for our own.
type rig struct {
	b       *testing.B
	program string
	service string // its address
	end     func() // ends the one started last
	dir     string
}

func newRig(b *testing.B) *rig {
	b.Helper()
	r := &rig{b: b, dir: b.TempDir()}
	r.program = filepath.Join(r.dir, "fitbit-fetch")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", r.program, "../../cmd/fitbit-fetch").CombinedOutput(); err != nil {
		b.Fatalf("building: %v\n%s", err, out)
	}
	r.service = r.serve(now)
	return r
}

// serve starts the simulated service, in a process that lives as long as the benchmark, at a time as the option clock says it. It
// returns its address.
func (r *rig) serve(clock string) (address string) {
	r.b.Helper()
	cmd := exec.Command(r.program, "simulate", "--listen", "127.0.0.1:0", "--quota=false", "--start", "2024-11-01", "--clock", clock)
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.b.Fatal(err)
	}
	r.end = r.start(cmd)
	s := bufio.NewScanner(out)
	for s.Scan() {
		if _, address, ok := strings.Cut(s.Text(), "api_url: "); ok {
			go io.Copy(io.Discard, out)
			return address
		}
	}
	r.b.Fatal("fitbit-fetch simulate did not say where it serves")
	return ""
}

// start starts a process that is killed when the benchmark ends, or before by end.
func (r *rig) start(cmd *exec.Cmd) (end func()) {
	r.b.Helper()
	if cmd.Env == nil {
		cmd.Env = clean()
	}
	if err := cmd.Start(); err != nil {
		r.b.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	r.b.Cleanup(end)
	return end
}

// clean is an environment without options.
func clean() []string { return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")} }

// options writes the options of a user of the service at that address, and authorizes. Empty influx is no database.
func (r *rig) options(service, influx, database string) (file string) {
	r.b.Helper()
	data, err := os.MkdirTemp(r.dir, "data")
	if err != nil {
		r.b.Fatal(err)
	}
	more := "polite: no\nbackfill_start: 14\npage: {listen: 'off'}\n"
	if influx != "" {
		more += fmt.Sprintf("influxdb: {url: %s, database: %s}\n", influx, database)
	}
	file = r.write(data, service, now, more)
	r.authorize(file)
	return file
}

// write writes the options of the user whose data folder that is; more are further options, as YAML.
func (r *rig) write(data, service, clock, more string) (file string) {
	r.b.Helper()
	text := fmt.Sprintf(`client_id: simulated-client.apps.googleusercontent.com
client_secret: simulated-secret
data_dir: %s
clock: %s
service: {api_url: %[3]s, auth_url: %[3]s/o/oauth2/v2/auth, token_url: %[3]s/token, revoke_url: %[3]s/revoke}
`, data, clock, service)
	file = filepath.Join(data, "options.yaml")
	if err := os.WriteFile(file, []byte(text+more), 0o600); err != nil {
		r.b.Fatal(err)
	}
	return file
}

func (r *rig) authorize(file string) {
	r.b.Helper()
	cmd := exec.Command(r.program, "--config", file, "authorize", "--refresh-token")
	cmd.Env = clean()
	cmd.Stdin = strings.NewReader("1//simulated-refresh-token\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.b.Fatalf("authorizing: %v\n%s", err, out)
	}
}

// usage is what a process took.
type usage struct {
	wall, cpu time.Duration
	peak      footprint
}

// footprint is a process's memory, in bytes.
type footprint struct {
	rss  int64 // all that is resident, the pages of the program's own file among it
	anon int64 // of that, what no file backs: the system cannot drop it and read it again
}

// footprintOf returns what a running process holds now; nothing for one that has ended.
func footprintOf(pid int) footprint {
	return footprint{memory(pid, "VmRSS:"), memory(pid, "RssAnon:")}
}

// peakOf returns the most that a process has held since its start, as the system counted it, and the anon that it holds now, which the
// system does not keep the peak of.
func peakOf(pid int) footprint { return footprint{memory(pid, "VmHWM:"), memory(pid, "RssAnon:")} }

// atLeast makes each of the two figures no smaller than that of g.
func (f *footprint) atLeast(g footprint) { f.rss, f.anon = max(f.rss, g.rss), max(f.anon, g.anon) }

// report reports the two figures; what says when they were taken.
func (f footprint) report(b *testing.B, what string) {
	b.ReportMetric(float64(f.rss)/(1<<20), "MB-RSS-"+what)
	b.ReportMetric(float64(f.anon)/(1<<20), "MB-anon-"+what)
}

func (f footprint) String() string { return fmt.Sprintf("%d MB (%d anon)", f.rss>>20, f.anon>>20) }

// run runs the program to its end.
func (r *rig) run(file string, args ...string) usage {
	r.b.Helper()
	cmd := exec.Command(r.program, append([]string{"--config", file}, args...)...)
	cmd.Env = clean()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		r.b.Fatal(err)
	}
	// The peak that the system reports at the end counts what the child shared with us before it became the program; so the program
	// is watched instead.
	var u usage
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				r.b.Fatalf("%v: %v\n%s", args, err, out.String())
			}
			u.wall, u.cpu = time.Since(began), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
			return u
		case <-tick.C:
			u.peak.atLeast(peakOf(cmd.Process.Pid))
		}
	}
}

// lines exports the archive as line protocol.
func (r *rig) lines(file string) []byte {
	r.b.Helper()
	cmd := exec.Command(r.program, "--config", file, "export")
	cmd.Env = clean()
	out, err := cmd.Output()
	if err != nil {
		r.b.Fatalf("export: %v", err)
	}
	return out
}

// asked is one request that the program made.
type asked struct {
	method, path string
	body         []byte
	auth, kind   string
}

// record runs a backfill through a proxy that notes its requests.
func (r *rig) record() (requests []asked, lines []byte) {
	r.b.Helper()
	target, err := url.Parse(r.service)
	if err != nil {
		r.b.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		if strings.HasPrefix(q.URL.Path, "/v4/") {
			mu.Lock()
			requests = append(requests, asked{q.Method, q.URL.RequestURI(), body, q.Header.Get("Authorization"), q.Header.Get("Content-Type")})
			mu.Unlock()
		}
		q.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, q)
	}))
	defer s.Close()
	file := r.options(s.URL, "", "")
	r.run(file, "backfill", "--from", day0)
	return requests, r.lines(file)
}

// read asks the same questions, one after the other, and throws the answers away.
func (r *rig) read(requests []asked) time.Duration {
	r.b.Helper()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	began := time.Now()
	for _, a := range requests {
		q, err := http.NewRequest(a.method, r.service+a.path, bytes.NewReader(a.body))
		if err != nil {
			r.b.Fatal(err)
		}
		q.Header.Set("Authorization", a.auth)
		q.Header.Set("Accept-Encoding", "gzip")
		if a.kind != "" {
			q.Header.Set("Content-Type", a.kind)
		}
		resp, err := client.Do(q)
		if err != nil {
			r.b.Fatal(err)
		}
		body := resp.Body
		if resp.Header.Get("Content-Encoding") == "gzip" {
			if body, err = gzip.NewReader(resp.Body); err != nil {
				r.b.Fatal(err)
			}
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			r.b.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusBadRequest {
			r.b.Fatalf("%s: %s", a.path, resp.Status)
		}
	}
	return time.Since(began)
}

// compressor makes a gzip writer. There are two bare posters: one compresses as a plain loop would, with the standard library at
// level 4; the other with the same fast compressor as the program, and is the hardest to keep up with.
type compressor func(w io.Writer) (io.WriteCloser, error)

func plainGzip(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, 4) }
func fastGzip(w io.Writer) (io.WriteCloser, error)  { return fast.NewWriterLevel(w, fast.BestSpeed) }

// post posts lines in gzipped batches of 5000, one after the other.
func (r *rig) post(db *influxd.Server, database string, lines io.Reader, zip compressor) time.Duration {
	r.b.Helper()
	db.Create(database)
	address := db.URL + "/write?precision=ns&db=" + database
	if db.Version == influxd.V2_7 {
		address = db.URL + "/api/v2/write?" + url.Values{"precision": {"ns"}, "org": {influxd.Org}, "bucket": {database}}.Encode()
	}
	in := bufio.NewReaderSize(lines, 1<<20)
	client := &http.Client{}
	began := time.Now()
	for {
		var body bytes.Buffer
		z, err := zip(&body)
		if err != nil {
			r.b.Fatal(err)
		}
		n := 0
		for ; n < 5000; n++ {
			line, err := in.ReadSlice('\n')
			if err == io.EOF {
				break
			}
			if err != nil {
				r.b.Fatal(err)
			}
			z.Write(line)
		}
		z.Close()
		if n == 0 {
			return time.Since(began)
		}
		q, err := http.NewRequest(http.MethodPost, address, &body)
		if err != nil {
			r.b.Fatal(err)
		}
		q.Header.Set("Content-Encoding", "gzip")
		if db.Version == influxd.V2_7 {
			q.Header.Set("Authorization", "Token "+influxd.Token)
		}
		resp, err := client.Do(q)
		if err != nil {
			r.b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			r.b.Fatalf("posting: %s", resp.Status)
		}
	}
}

// BenchmarkBackfill is 14 days at the service's density into InfluxDB, beside a bare reader of the same answers and a bare poster
// of the same lines.
func BenchmarkBackfill(b *testing.B) {
	r := newRig(b)
	db := influxd.Start(b, influxd.Config{Version: influxd.V1_8})
	requests, lines := r.record()
	points := bytes.Count(lines, []byte("\n"))
	r.run(r.options(r.service, db.URL, "warm"), "backfill", "--from", day0)
	i := 0
	for b.Loop() {
		i++
		read := r.read(requests)
		post := r.post(db, fmt.Sprintf("bare%d", i), bytes.NewReader(lines), plainGzip)
		hard := r.post(db, fmt.Sprintf("fast%d", i), bytes.NewReader(lines), fastGzip)
		u := r.run(r.options(r.service, db.URL, fmt.Sprintf("ours%d", i)), "backfill", "--from", day0)
		b.Logf("%d points, %d requests: ours %v wall, %v CPU, %v; bare reader %v, bare poster %v, fast bare poster %v", points, len(requests), u.wall.Round(time.Millisecond), u.cpu.Round(time.Millisecond), u.peak, read.Round(time.Millisecond), post.Round(time.Millisecond), hard.Round(time.Millisecond))
		b.ReportMetric(u.wall.Seconds()/max(read, hard).Seconds(), "×slower-fast")
		b.ReportMetric(hard.Seconds(), "s-fast-poster")
		b.ReportMetric(float64(u.cpu.Microseconds())/float64(points), "µs-CPU/point")
		b.ReportMetric(u.wall.Seconds()/max(read, post).Seconds(), "×slower-bare")
		b.ReportMetric(read.Seconds(), "s-reader")
		b.ReportMetric(post.Seconds(), "s-poster")
		b.ReportMetric(u.wall.Seconds(), "s-ours")
		u.peak.report(b, "peak")
	}
}

// BenchmarkDelivery is a replay of the archive into an empty InfluxDB, beside a bare poster of the same lines.
func BenchmarkDelivery(b *testing.B) {
	r := newRig(b)
	db := influxd.Start(b, influxd.Config{Version: influxd.V1_8})
	file := r.options(r.service, "", "")
	r.run(file, "backfill", "--from", day0)
	lines := r.lines(file)
	plain, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	r.post(db, "warm", bytes.NewReader(lines), plainGzip)
	i := 0
	for b.Loop() {
		i++
		post := r.post(db, fmt.Sprintf("bare%d", i), bytes.NewReader(lines), plainGzip)
		hard := r.post(db, fmt.Sprintf("fast%d", i), bytes.NewReader(lines), fastGzip)
		with := filepath.Join(filepath.Dir(file), "with.yaml")
		if err := os.WriteFile(with, fmt.Appendf(nil, "%sinfluxdb: {url: %s, database: ours%d}\n", plain, db.URL, i), 0o600); err != nil {
			b.Fatal(err)
		}
		u := r.run(with, "replay")
		b.Logf("ours %v (start and stop included), bare poster %v, fast bare poster %v", u.wall.Round(time.Millisecond), post.Round(time.Millisecond), hard.Round(time.Millisecond))
		b.ReportMetric(hard.Seconds()/u.wall.Seconds(), "of-fast-bare-rate")
		b.ReportMetric(post.Seconds()/u.wall.Seconds(), "of-bare-rate")
		b.ReportMetric(u.wall.Seconds(), "s-ours")
		b.ReportMetric(post.Seconds(), "s-poster")
		u.peak.report(b, "peak")
	}
}

// BenchmarkRefill fills an empty database with two years from the archive, while there is no service, beside the fast bare poster of
// the same lines to the same server. It takes minutes: make bench-refill.
func BenchmarkRefill(b *testing.B) {
	r := newRig(b)
	file := r.options(r.service, "", "")
	r.run(file, "backfill", "--from", "2024-11-20")
	r.end()
	r.run(file, "export", "-o", filepath.Join(r.dir, "lines"))
	plain, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	for _, v := range []influxd.Version{influxd.V1_8, influxd.V2_7} {
		b.Run(string(v), func(b *testing.B) {
			db := influxd.Start(b, influxd.Config{Version: v})
			options := fmt.Sprintf("influxdb: {url: %s, database: ours}\n", db.URL)
			if v == influxd.V2_7 {
				options = fmt.Sprintf("influxdb: {version: 2, url: %s, org: %q, bucket: ours, token: %q}\n", db.URL, influxd.Org, influxd.Token)
			}
			with := filepath.Join(filepath.Dir(file), "with.yaml")
			if err := os.WriteFile(with, append(plain, options...), 0o600); err != nil {
				b.Fatal(err)
			}
			bare := func() time.Duration {
				lines, err := os.Open(filepath.Join(r.dir, "lines"))
				if err != nil {
					b.Fatal(err)
				}
				defer lines.Close()
				took := r.post(db, "bare", lines, fastGzip)
				db.Drop("bare")
				return took
			}
			for b.Loop() {
				hard := bare()
				u := r.run(with, "replay")
				db.Drop("ours")
				b.Logf("ours %v, fast bare poster %v", u.wall.Round(time.Millisecond), hard.Round(time.Millisecond))
				b.ReportMetric(hard.Seconds()/u.wall.Seconds(), "of-fast-bare-rate")
				b.ReportMetric(u.wall.Seconds(), "s-ours")
				u.peak.report(b, "peak")
			}
		})
	}
}

// BenchmarkStart is from the start of the process to the first sample in the archive, the most that the process has held when all is
// fetched, and the most that it holds in a minute in which it idles.
func BenchmarkStart(b *testing.B) {
	r := newRig(b)
	for b.Loop() {
		file := r.options(r.service, "", "")
		cmd := exec.Command(r.program, "--config", file)
		cmd.Env = append(clean(), "LOG_LEVEL=error")
		began := time.Now()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		first := r.await(file, began, func(s standing) bool { return s.Archive.Samples > 0 })
		r.await(file, began, func(s standing) bool {
			c := s.People[0].Collect
			return c.Remaining.Total > 0 && c.Remaining.Days < 0.01 && c.Live == nil && c.History == nil
		})
		peak := peakOf(cmd.Process.Pid)
		time.Sleep(70 * time.Second)
		idle := r.watch(cmd.Process.Pid, time.Minute)
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			b.Fatalf("stopping: %v", err)
		}
		b.ReportMetric(first.Seconds(), "s-first-sample")
		peak.report(b, "peak")
		idle.report(b, "idle")
	}
}

// standing is what we look at in fitbit-fetch status --json.
type standing struct {
	Running bool
	Archive struct{ Samples int }
	Sinks   []struct{ Backlog struct{ Samples int } }
	People  []struct {
		Collect struct {
			Remaining     struct{ Days, Total float64 }
			Live, History *struct{ Feed string }
		}
	}
}

// await asks for the status until it is as wanted; it returns how long that took since began.
func (r *rig) await(file string, began time.Time, ok func(standing) bool) time.Duration {
	r.b.Helper()
	for time.Since(began) < time.Minute {
		cmd := exec.Command(r.program, "--config", file, "status", "--json")
		cmd.Env = clean()
		out, err := cmd.Output()
		var s standing
		if err == nil && json.Unmarshal(out, &s) == nil && s.Running && len(s.People) > 0 && ok(s) {
			return time.Since(began)
		}
	}
	r.b.Fatal("not within a minute")
	return 0
}

// memory reads a line of the system's account of a process, in bytes; 0 where the process has ended.
func memory(pid int, line string) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(l, line); ok {
			var kb int64
			fmt.Sscan(rest, &kb)
			return kb << 10
		}
	}
	return 0
}

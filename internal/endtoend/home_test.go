package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/control"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// secret is the client's; nothing may show it.
var secret = simulate.DefaultClient().Secret

// home is where a user has the program: a folder, options, a database.
type home struct {
	t     *testing.T
	w     *world
	dir   string
	start metric.Day // of history
	db    string     // address of InfluxDB; empty for none
	name  string     // of the database
	more  string     // further options, as YAML
	level string     // of the log; empty for debug
}

// newHome makes an installation for all people of w, authorized, with history from start on. db is the address of InfluxDB.
func newHome(t *testing.T, w *world, start metric.Day, db string) *home {
	t.Helper()
	dir, err := os.MkdirTemp("", "home-") // short: a socket's path is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &home{t: t, w: w, dir: dir, start: start, db: db, name: "health"}
	for i, p := range w.people {
		h.authorize(i, w.google.Grant(p))
	}
	return h
}

// authorize writes the token file of the nth person as the Python project did.
func (h *home) authorize(i int, refresh string) {
	h.t.Helper()
	file := "token.json"
	if i > 0 {
		file = "token-" + strings.ToLower(tagOf(i)) + ".json"
	}
	text := fmt.Sprintf(`{"access_token": "", "refresh_token": %q}`, refresh)
	if err := os.WriteFile(filepath.Join(h.dir, file), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// tagOf is the tag Person of the nth person; empty for the first.
func tagOf(i int) string { return [...]string{"", "Kim", "Robin"}[i] }

// options are the home's, as YAML.
func (h *home) options() string {
	base := h.w.server.URL
	level := h.level
	if level == "" {
		level = "debug"
	}
	var b strings.Builder
	c := simulate.DefaultClient()
	fmt.Fprintf(&b, "client_id: %s\nclient_secret: %s\n", c.ID, c.Secret)
	fmt.Fprintf(&b, "service:\n  api_url: %s\n  auth_url: %s\n  token_url: %s\n  revoke_url: %s\n", base, base+simulate.PathAuth, base+simulate.PathToken, base+simulate.PathRevoke)
	fmt.Fprintf(&b, "data_dir: %s\npolite: no\nlog_level: %s\nbackfill_start: %s\npage: {listen: 'off'}\n", h.dir, level, h.start)
	fmt.Fprintf(&b, "clock: %s@%g\n", h.w.now().Format(time.RFC3339Nano), h.w.speed())
	if h.db != "" {
		fmt.Fprintf(&b, "influxdb:\n  url: %s\n  database: %s\n", h.db, h.name)
	}
	if len(h.w.people) > 1 {
		b.WriteString("persons:\n")
	}
	for i := 1; i < len(h.w.people); i++ {
		fmt.Fprintf(&b, "  - name: %s\n", tagOf(i))
	}
	return b.String() + h.more
}

// command prepares a run of the program.
func (h *home) command(args ...string) *exec.Cmd {
	h.t.Helper()
	file := filepath.Join(h.t.TempDir(), "options.yaml")
	if err := os.WriteFile(file, []byte(h.options()), 0o600); err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{"--config", file}, args...)...)
	cmd.Dir = h.dir
	cmd.Env = []string{"HOME=" + h.dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	return cmd
}

// run starts the program; it is killed when the test ends.
func (h *home) run(args ...string) *proctest.Process {
	h.t.Helper()
	return proctest.Start(h.t, "the program", h.command(args...))
}

// do runs a command to its end: in the program that runs, as the client would, or else alone.
func (h *home) do(args ...string) (code int, said string) {
	h.t.Helper()
	var out proctest.Output
	ctx, cancel := proctest.Limit(context.Background(), h.t)
	defer cancel()
	code, err := control.Do(ctx, []string{filepath.Join(h.dir, "control.sock")}, control.Call{Args: args, Dir: h.dir}, bytes.NewReader(nil), &out, &out)
	if err == nil {
		return code, out.String()
	}
	p := h.run(args...)
	code = p.End()
	return code, p.Out.String()
}

// status is what the tests read of `status --json`.
type status struct {
	Running bool
	Archive struct{ Samples int }
	Opened  struct{ Aside, Reason string }
	People  []struct {
		ID            string
		Authorization struct{ Text, Hint string }
		Collect       struct {
			Phase, Hint, Why string
			Waiting          bool
			Remaining        struct{ Days, Requests float64 }
			LastFetch        time.Time
			Feeds            map[string]struct {
				Last, Failed      time.Time
				Kind, Error, Hint string
			}
		}
	}
	Sinks []struct {
		Status  struct{ Error, Hint string }
		Backlog struct{ Samples, Tombs int }
	}
}

// status asks the running program; false where it does not answer.
func (h *home) status() (status, bool) {
	var s status
	var out, errs bytes.Buffer
	ctx, cancel := proctest.Limit(context.Background(), h.t)
	defer cancel()
	code, err := control.Do(ctx, []string{filepath.Join(h.dir, "control.sock")}, control.Call{Args: []string{"status", "--json"}, Dir: h.dir}, bytes.NewReader(nil), &out, &errs)
	if err != nil || code != 0 {
		return s, false
	}
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		h.t.Fatalf("status --json: %v in %q", err, out.String())
	}
	return s, true
}

// settled reports that everything is fetched, stored and delivered: nothing is in flight, and nothing that failed is still to be tried.
// The people are asked before the databases, so what was stored when the last request ended is in their backlog.
func (s status) settled() bool {
	for _, p := range s.People {
		c := p.Collect
		if c.Phase != "working" || !c.Waiting || c.Why == "" || c.Remaining.Days >= 0.01 || c.Remaining.Requests >= 1 {
			return false
		}
		for _, f := range c.Feeds {
			if f.Error != "" {
				return false
			}
		}
	}
	return s.delivered()
}

func (s status) delivered() bool {
	for _, k := range s.Sinks {
		if k.Backlog.Samples+k.Backlog.Tombs > 0 || k.Status.Error != "" {
			return false
		}
	}
	return true
}

// await waits until the running program's status is as wanted.
func (h *home) await(p *proctest.Process, what string, ok func(status) bool) status {
	h.t.Helper()
	var last status
	proctest.Until(h.t, what, func() bool {
		if p.Ended() {
			h.t.Fatalf("waiting for %s: the program ended with code %d; it said:\n%s", what, p.Code, p.Tail())
		}
		s, answered := h.status()
		if answered {
			last = s
		}
		return answered && ok(s)
	}, func() string { return fmt.Sprintf("status %+v; it said:\n%s", last, p.Tail()) })
	return last
}

// settle waits until everything is fetched and delivered.
func (h *home) settle(p *proctest.Process, what string) {
	h.t.Helper()
	h.await(p, what, status.settled)
}

// awaitAll waits until everything is fetched and delivered, an hour's limit of requests passed by included. The world has to run
// fast, and its people's trackers to be still.
func (h *home) awaitAll(p *proctest.Process, what string) {
	h.t.Helper()
	from := h.w.now().Add(150 * time.Minute)
	h.await(p, what, func(status) bool { return h.w.now().After(from) })
	h.settle(p, what)
}

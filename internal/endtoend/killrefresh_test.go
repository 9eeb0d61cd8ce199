// The program is killed two hundred times here: without the race detector (make test runs it beside it).

//go:build !race

package endtoend

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/auth"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// A moment is when the program is killed, seen from the service.
type moment int

const (
	asking   moment = iota // its request for tokens has arrived, and the service has not seen it
	spent                  // the service has taken the refresh token, and its answer is not sent
	answered               // the answer is sent: some milliseconds behind
	used                   // the first request with the new access token has arrived
	moments
)

func (m moment) String() string { return [...]string{"asking", "spent", "answered", "used"}[m] }

// pair is what the service answered.
type pair struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// A refreshWorld is a simulated Fitbit Web API, with its refresh tokens for one use, that holds the program at a moment.
type refreshWorld struct {
	*world
	fitbit *simulate.Fitbit
	server *httptest.Server
	dir    string

	mu      sync.Mutex
	until   moment
	reached chan struct{} // closed at the moment
	killed  chan struct{} // closed behind the kill
	newest  pair
	onDisk  string // the refresh token that the file held last
	inUse   bool   // the newest access token has been seen
	refused int    // requests for tokens that were not granted
}

func newRefreshWorld(t *testing.T, seed uint64) *refreshWorld {
	t.Helper()
	proctest.NotShort(t)
	today := day(t, "2026-05-20")
	p := person(seed, "Europe/Berlin", "", today)
	w := &refreshWorld{world: &world{t: t, people: []*simulate.Person{p}}, until: -1}
	w.at(calm(today, 9, p), 1)
	w.fitbit = simulate.NewFitbit(simulate.FitbitConfig{Persons: w.people, Now: w.now, NoLimit: true})
	w.server = httptest.NewServer(w)
	var err error
	if w.dir, err = os.MkdirTemp("", "home-"); err != nil { // short: a socket's path is
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.server.CloseClientConnections()
		w.server.Close()
		os.RemoveAll(w.dir)
	})
	w.onDisk = w.fitbit.Grant(p)
	text := fmt.Sprintf(`{"access_token": "", "refresh_token": %q}`, w.onDisk)
	if err := os.WriteFile(filepath.Join(w.dir, "token.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// run starts the program, to be killed at a moment.
func (w *refreshWorld) run(at moment) *proctest.Process {
	w.t.Helper()
	w.mu.Lock()
	w.until, w.reached, w.killed = at, make(chan struct{}), make(chan struct{})
	w.mu.Unlock()
	app, base := simulate.DefaultFitbitApp(), w.server.URL
	options := fmt.Sprintf("provider: fitbit\nclient_id: %s\nclient_secret: %s\nservice:\n  api_url: %s\n  auth_url: %s\n  token_url: %s\n  revoke_url: %s\n"+
		"data_dir: %s\npolite: no\nlog_level: info\nbackfill_start: 1\npage: {listen: 'off'}\nleave_out: [heart_rate, heart_rate_minute]\nclock: %s@1\n",
		app.ID, app.Secret, base, base+simulate.FitbitPathAuth, base+simulate.FitbitPathToken, base+simulate.FitbitPathRevoke, w.dir, w.now().Format(time.RFC3339Nano))
	file := filepath.Join(w.dir, "options.yaml")
	if err := os.WriteFile(file, []byte(options), 0o600); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(binary, "--config", file)
	cmd.Dir, cmd.Env = w.dir, []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	return proctest.Start(w.t, "the program", cmd)
}

// hold says that a moment has come. It reports whether the program is to get no answer, and waits for its end then.
func (w *refreshWorld) hold(at moment) bool {
	w.mu.Lock()
	if w.until != at {
		w.mu.Unlock()
		return false
	}
	w.until = -1
	killed := w.killed
	close(w.reached)
	w.mu.Unlock()
	if at == answered {
		return false
	}
	<-killed
	return true
}

// ServeHTTP implements http.Handler.
func (w *refreshWorld) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != simulate.FitbitPathToken {
		if w.notes(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) && w.hold(used) {
			return
		}
		w.fitbit.ServeHTTP(rw, r)
		return
	}
	if w.hold(asking) {
		return
	}
	r.Header.Del("Accept-Encoding") // the answer is read here, too
	rec := httptest.NewRecorder()
	w.fitbit.ServeHTTP(rec, r)
	w.grants(rec.Code, rec.Body.Bytes())
	if w.hold(spent) {
		return
	}
	relay(rw, rec)
	w.hold(answered)
}

// notes reports whether a request carries the newest access token.
func (w *refreshWorld) notes(access string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if access == "" || access != w.newest.Access {
		return false
	}
	w.inUse = true
	return true
}

func (w *refreshWorld) grants(code int, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var got pair
	if err := json.Unmarshal(body, &got); code != http.StatusOK || err != nil {
		w.refused++
		return
	}
	if got != w.newest {
		w.newest, w.inUse = got, false
	}
}

// killOnce runs the program to a moment and a little on, kills it, and looks at the token file. It reports whether the newest
// pair was on disk.
func (w *refreshWorld) killOnce(at moment, behind time.Duration) (saved bool) {
	w.t.Helper()
	p := w.run(at)
	p.Reach(at.String(), w.reached)
	if at == answered {
		<-time.After(behind)
	}
	p.Kill()
	close(w.killed)
	w.mu.Lock()
	defer w.mu.Unlock()
	loaded, err := auth.NewFile(filepath.Join(w.dir, "token.json")).Load(w.now())
	disk := loaded.Token
	switch {
	case err != nil || len(loaded.Report) > 0:
		w.t.Fatalf("%v: the token file is not whole: %v %v", at, err, loaded.Report)
	case disk.Refresh != w.onDisk && disk.Refresh != w.newest.Refresh:
		w.t.Fatalf("%v: the token file holds neither the pair before nor the newest", at)
	case w.inUse && disk.Refresh != w.newest.Refresh:
		w.t.Fatalf("%v: a token was used that is not on disk", at)
	case w.refused > 0:
		w.t.Fatalf("%v: %d requests for tokens were refused: signed out", at, w.refused)
	}
	w.onDisk = disk.Refresh
	return disk.Refresh == w.newest.Refresh && disk.Access == w.newest.Access && disk.Access != ""
}

// A refresh token of Fitbit's is good for one use. Whenever the program dies around a renewal, the token file is whole, no token has
// been used that is not in it, and the next start goes on without the person.
func TestFitbitKilledAtRefresh(t *testing.T) {
	for n := range workers {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(killSeed, uint64(100+n)))
			w := newRefreshWorld(t, uint64(80+n))
			count := map[string]int{}
			for i := range kills / workers {
				at := answered
				if i%2 == 1 {
					at = moment(random.IntN(int(moments)))
				}
				saved := w.killOnce(at, time.Duration(random.IntN(40_000))*time.Microsecond)
				count[fmt.Sprintf("%v, saved %v", at, saved)]++
				if saved { // otherwise the next start asks with the old token again, in time
					w.at(w.now().Add(9*time.Hour), 1)
				}
			}
			if count["spent, saved false"] == 0 || count["used, saved true"] == 0 || count["used, saved false"] > 0 {
				t.Errorf("the kills did not come when they should: %v", count)
			}
			t.Logf("%d kills: %v", kills/workers, count)

			p := w.run(-1)
			proctest.Until(t, "the last start to fetch", w.working, p.Tail)
			left, _ := filepath.Glob(filepath.Join(w.dir, "token.json.*"))
			for _, name := range left {
				if strings.Contains(name, "unreadable") {
					t.Errorf("a token file was moved aside: %s", name)
				}
			}
		})
	}
}

// working reports whether data were given to the newest token.
func (w *refreshWorld) working() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inUse && w.refused == 0
}

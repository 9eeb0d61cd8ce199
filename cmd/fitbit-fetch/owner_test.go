package main

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// container is a machine's side of the Python project's compose file: the folders tokens and logs belong to a user, and nothing else can
// be written.
type container struct {
	t    *testing.T
	dir  string
	user int // 1000; who runs the test where that is not root
	env  []string
}

func newContainer(t *testing.T, env ...string) *container {
	t.Helper()
	c := &container{t: t, dir: t.TempDir(), user: os.Getuid()}
	if c.user == 0 {
		c.user = 1000
		if err := os.Chmod(filepath.Dir(c.dir), 0o755); err != nil { // the test's own folder stands above
			t.Fatal(err)
		}
	}
	c.copyProgram()
	for _, name := range []string{"tokens", "logs"} {
		if err := os.Mkdir(filepath.Join(c.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		c.give(name, c.user)
	}
	c.env = append([]string{"FITBIT_LOG_FILE_PATH=" + filepath.Join(c.dir, "logs", "fitbit.log"), "TOKEN_FILE_PATH=" + filepath.Join(c.dir, "tokens", "fitbit.token"),
		"AUTO_DATE_RANGE=True", "DEVICENAME=Charge5", "LOCAL_TIMEZONE=Automatic", "FITBIT_FETCH_CLOCK=" + told, "FITBIT_FETCH_PAGE_LISTEN=off", "FITBIT_FETCH_POLITE=no",
		"TMPDIR=" + filepath.Join(c.dir, "none")}, env...)
	return c
}

// copyProgram puts the test's binary where every user can start it: under the name that makes it the program.
func (c *container) copyProgram() {
	c.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	from, err := os.Open(self)
	if err != nil {
		c.t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(filepath.Join(c.dir, "fitbit-fetch"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		c.t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *container) give(name string, user int) {
	c.t.Helper()
	if err := os.Chown(filepath.Join(c.dir, name), user, user); err != nil {
		c.t.Fatal(err)
	}
}

// run runs the program as a user, and returns its exit code and what it said.
func (c *container) run(user int, args ...string) (int, string) {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(c.dir, "fitbit-fetch"), args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	if user != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// foreign lists what in the two folders does not belong to the user, and what is there beside them.
func (c *container) foreign() []string {
	c.t.Helper()
	var out []string
	err := filepath.WalkDir(c.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(c.dir, path)
		top, _, _ := strings.Cut(rel, string(filepath.Separator))
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case slices.Contains([]string{".", "fitbit-fetch"}, rel):
		case top != "tokens" && top != "logs", int(info.Sys().(*syscall.Stat_t).Uid) != c.user:
			out = append(out, rel)
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// TestPythonContainer takes the place of the Python project's container: its environment, its token file, its two folders and its user,
// or root, as the image begins. A container that comes after finds everything in the folders, and so does the Python project.
func TestPythonContainer(t *testing.T) {
	clk, err := clock.Parse(told)
	if err != nil {
		t.Fatal(err)
	}
	f := simulateFlags{persons: 1, seed: 1, zone: "Europe/Berlin", approve: true, pageCap: 5000, start: "2026-11-01", app: "personal"}
	cfg, old := bothWorlds(t, f, clk)
	google, fitbit := simulate.NewGoogle(cfg), simulate.NewFitbit(old)
	srv := httptest.NewServer(bothServices(google, fitbit))
	defer srv.Close()
	client, app := cfg.Clients[0], old.Apps[0]
	for _, tt := range []struct {
		name, token string
		root        bool
		env         []string
	}{
		{"fitbit", app.Refresh, false, []string{"CLIENT_ID=" + app.ID, "CLIENT_SECRET=" + app.Secret, "FITBIT_FETCH_API_URL=" + srv.URL, "FITBIT_FETCH_TOKEN_URL=" + srv.URL + simulate.FitbitPathToken}},
		{"google", client.Refresh, true, []string{"HEALTH_API_PROVIDER=google", "CLIENT_ID=" + client.ID, "CLIENT_SECRET=" + client.Secret,
			"GOOGLE_HEALTH_BASE_URL=" + srv.URL, "GOOGLE_OAUTH_TOKEN_URL=" + srv.URL + simulate.PathToken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newContainer(t, append(tt.env, "MANUAL_START_DATE=2026-11-18", "MANUAL_END_DATE=2026-11-18")...)
			c.keep("tokens/fitbit.token", `{"access_token": "too-old", "refresh_token": "`+tt.token+`"}`)
			c.keep("logs/fitbit.log", "2026-11-01 08:00:00,000 - INFO - of the Python project\n")
			user := c.user
			if tt.root { // as the image begins; where nobody is root, its owner
				user = os.Getuid()
			}
			for _, want := range []string{"the bulk update begins", "fetched already"} {
				code, said := c.run(user)
				if code != exitOK || !strings.Contains(said, want) || !strings.Contains(said, "Bulk Update Complete") {
					t.Fatalf("%s: exit code %d\n%s", want, code, said)
				}
				asked := len(google.Log()) + len(fitbit.Log())
				google.ClearLog()
				fitbit.ClearLog()
				if first := want != "fetched already"; first != (asked > 0) {
					t.Errorf("%s: %d requests", want, asked)
				}
			}
			if foreign := c.foreign(); len(foreign) > 0 {
				t.Errorf("not the user's, or beside the two folders: %q", foreign)
			}
			var token map[string]any
			data, err := os.ReadFile(filepath.Join(c.dir, "tokens", "fitbit.token"))
			if err == nil {
				err = json.Unmarshal(data, &token)
			}
			if err != nil || token["refresh_token"] == "" || token["access_token"] == "too-old" || token["provider"] != tt.name {
				t.Errorf("the token file: %v", err)
			}
			log, err := os.ReadFile(filepath.Join(c.dir, "logs", "fitbit.log"))
			if err != nil || !strings.HasPrefix(string(log), "2026-11-01") || strings.Count(string(log), "Bulk Update Complete") != 2 || strings.Contains(string(log), tt.token) {
				t.Errorf("the log, %v:\n%s", err, log)
			}
			if code, said := c.run(user, "status"); code != exitOK || !strings.Contains(said, "not running") {
				t.Errorf("a command: %d\n%s", code, said)
			}
		})
	}
}

func (c *container) keep(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.give(name, c.user)
}

// TestFoldersOfSomebodyElse: what cannot be written is named, with the very command that mends it, before the service is asked.
func TestFoldersOfSomebodyElse(t *testing.T) {
	env := []string{"CLIENT_ID=x", "MANUAL_START_DATE=2026-11-18", "FITBIT_FETCH_API_URL=http://127.0.0.1:1", "FITBIT_FETCH_TOKEN_URL=http://127.0.0.1:1"}
	c := newContainer(t, env...)
	chown := "sudo chown -R " + strconv.Itoa(c.user) + " "
	for _, tt := range []struct {
		name   string
		folder string // that is closed
		file   string
		code   int
		want   []string
	}{
		{"logs", "logs", "", exitAuthorize, []string{"the log file cannot be written, logging here alone", chown + filepath.Join(c.dir, "logs"), chown + "./logs", "Not authorized at Fitbit yet"}},
		{"tokens", "tokens", "", exitFailed, []string{"the folder " + filepath.Join(c.dir, "tokens") + " cannot be written by user " + strconv.Itoa(c.user), chown + filepath.Join(c.dir, "tokens"), chown + "./tokens"}},
		{"token file", "", "tokens/fitbit.token", exitFailed, []string{"the file " + filepath.Join(c.dir, "tokens", "fitbit.token") + " cannot be read and written", chown + "./tokens"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{tt.folder, tt.file} {
				if name == "" {
					continue
				}
				path := filepath.Join(c.dir, name)
				if name == tt.file {
					c.keep(name, `{"refresh_token":"r"}`)
				}
				if os.Getuid() == 0 { // as Docker makes it where it is missing
					c.give(name, 0)
					defer c.give(name, c.user)
				} else {
					info, err := os.Stat(path)
					if err == nil {
						err = os.Chmod(path, info.Mode()&^0o222)
					}
					if err != nil {
						t.Fatal(err)
					}
					defer os.Chmod(path, info.Mode())
				}
			}
			code, said := c.run(c.user)
			said = strings.Join(strings.Fields(said), " ")
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(said, want) {
					t.Errorf("no %q in\n%s", want, said)
				}
			}
		})
	}
}

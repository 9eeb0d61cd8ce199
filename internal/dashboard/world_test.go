// A year is written and asked here, one query after the other: without the race detector, which would take three times as long (make
// test runs these tests beside the others).

//go:build !race

package dashboard

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// The year of the simulated person, as the whole program brings it into an archive: every series, with raw heart rate for the last
// days alone, since nothing but the panels of a day may read it.
const (
	zone     = "Europe/Berlin"
	firstDay = "2025-11-20"
	rawDay   = "2026-11-15"
)

// someone is the simulated person, for what is true.
var someone = &simulate.Person{Seed: 1, Zones: metric.Zones{{From: 0, Name: zone}}, Start: metric.DayOf(now) - 730}

func TestMain(m *testing.M) {
	code := m.Run()
	if made.dir != "" {
		os.RemoveAll(made.dir)
	}
	os.Exit(code)
}

// made is the archive of the year, made once for all tests.
var made struct {
	once    sync.Once
	dir     string
	program string
	err     error
}

// archive returns the folder with the year's archive and the program that reads it.
func archive(t testing.TB) (dir, program string) {
	t.Helper()
	proctest.NotShort(t)
	made.once.Do(func() { made.err = makeArchive("minute", "raw") })
	if made.err != nil {
		t.Fatal(made.err)
	}
	return made.dir, made.program
}

// rawArchive is the same with a whole year of raw heart rate.
func rawArchive(t testing.TB) (dir, program string) {
	t.Helper()
	made.once.Do(func() { made.err = makeArchive("raw", "raw") })
	if made.err != nil {
		t.Fatal(made.err)
	}
	return made.dir, made.program
}

// makeArchive fetches the year with one detail of heart rate, and the last days with another.
func makeArchive(year, last string) (err error) {
	if made.dir, err = os.MkdirTemp("", "fitbit-fetch-dashboards-"); err != nil {
		return err
	}
	made.program = filepath.Join(made.dir, "fitbit-fetch")
	build := exec.Command("go", "build", "-o", made.program, "github.com/fitbit-fetch/fitbit-fetch/cmd/fitbit-fetch")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the program: %w\n%s", err, out)
	}
	ctx, stop := context.WithCancel(context.Background())
	service := exec.CommandContext(ctx, made.program, "simulate", "--quota=false", "--listen", "127.0.0.1:0", "--clock", now.Format(time.RFC3339))
	service.Env = clean()
	said, err := service.StdoutPipe()
	if err != nil {
		stop()
		return err
	}
	if err := service.Start(); err != nil {
		stop()
		return err
	}
	defer func() {
		stop()
		service.Wait() // it was stopped; its fate does not matter
	}()
	var api string
	for s := bufio.NewScanner(said); api == "" && s.Scan(); {
		_, api, _ = strings.Cut(s.Text(), "api_url: ")
	}
	if api == "" {
		return fmt.Errorf("the simulated service did not say where it serves")
	}
	go func() { // until it is stopped
		for s := bufio.NewScanner(said); s.Scan(); {
		}
	}()
	for _, part := range []struct{ detail, from, again string }{{year, firstDay, ""}, {last, rawDay, "--again"}} {
		options := filepath.Join(made.dir, part.detail+".yaml")
		text := yearOptions(made.dir) + fmt.Sprintf("polite: no\nheart_rate_detail: %s\nservice: {api_url: %[2]s, auth_url: %[2]s/o/oauth2/v2/auth, token_url: %[2]s/token, revoke_url: %[2]s/revoke}\n", part.detail, api)
		if err := os.WriteFile(options, []byte(text), 0o600); err != nil {
			return err
		}
		if part.again == "" {
			if err := run(made.program, options, "1//simulated-refresh-token\n", "authorize", "--refresh-token"); err != nil {
				return err
			}
		}
		args := []string{"backfill", "--from", part.from}
		if part.again != "" {
			args = append(args, part.again)
		}
		if err := run(made.program, options, "", args...); err != nil {
			return err
		}
	}
	return nil
}

func yearOptions(dir string) string {
	return fmt.Sprintf("client_id: simulated-client.apps.googleusercontent.com\nclient_secret: simulated-secret\ndata_dir: %s\nclock: %s\nbackfill_start: 400\npage: {listen: \"off\"}\n", dir, now.Format(time.RFC3339))
}

func run(program, options, stdin string, args ...string) error {
	c := exec.Command(program, append([]string{"--config", options}, args...)...)
	c.Env, c.Stdin = clean(), strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", args, err, out)
	}
	return nil
}

// clean is an environment without options.
func clean() []string { return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")} }

// fill brings the year into a database of an InfluxDB 1, in the units told.
func fill(t testing.TB, server, database, units string) {
	t.Helper()
	dir, program := archive(t) // made before, maybe by rawArchive
	options := optionsFile(t, yearOptions(dir)+fmt.Sprintf("influxdb: {url: %s, database: %s, units: %s}\n", server, database, units))
	if err := run(program, options, "", "replay"); err != nil {
		t.Fatal(err)
	}
}

func optionsFile(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "options.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// opened is a viewer who has opened a dashboard at its default range.
func opened(t testing.TB, d Dialect, db database, f File, choose map[string]string) (*viewer, file) {
	t.Helper()
	return openedIn(t, d, db, f, zone, choose)
}

// openedIn is a viewer whose dashboard is in some zone.
func openedIn(t testing.TB, d Dialect, db database, f File, zone string, choose map[string]string) (*viewer, file) {
	t.Helper()
	x := readFile(t, f)
	opens := regexp.MustCompile(`^now-(\d+[dwy])/d$`).FindStringSubmatch(x.Time.From)
	if opens == nil || x.Time.To != "now/d" {
		t.Fatalf("%s opens from %q to %q, which are no whole days", f.Name, x.Time.From, x.Time.To)
	}
	v := &viewer{t: t, dialect: d, db: db, zone: zone, choose: choose}
	v.from, v.to = wholeDays(t, zone, opens[1])
	v.open(x)
	return v, x
}

// theDashboard returns one of the files by its uid in InfluxQL.
func theDashboard(t testing.TB, d Dialect, uid string) File {
	t.Helper()
	files, err := Files(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.TrimSuffix(f.UID, "-flux") == uid {
			return f
		}
	}
	t.Fatalf("there is no dashboard %s", uid)
	return File{}
}

// panelOf returns a panel by its title.
func panelOf(t testing.TB, f file, title string) panelJSON {
	t.Helper()
	for _, p := range f.Panels {
		if p.Title == title && p.Type != "row" {
			return p
		}
	}
	t.Fatalf("there is no panel %q", title)
	return panelJSON{}
}

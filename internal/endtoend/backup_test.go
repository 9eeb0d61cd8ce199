package endtoend

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// What stands for docker compose: commands in the program's container are done by ours, those in InfluxDB's by a real influxd's own
// programs, which are told where it listens, as in its container they would not have to be.
const (
	standInDocker = `#!/bin/sh
set -eu
echo "$*" >>"$CALLS"
[ "$1" = compose ]; verb=$2; shift 2
[ "$verb" = exec ] || exit 0
[ "$1" = -T ]; service=$2; shift 2
case $service in
fitbit-fetch-data) shift; exec "$PROGRAM" --config "$OPTIONS" "$@" ;;
influxdb) PATH="$CONTAINER:$PATH" exec "$@" ;;
esac
`
	standInInfluxd = `#!/bin/sh
case $1 in
backup|restore) verb=$1; shift; exec "$INFLUXD" $verb -host "$BACKUP" "$@" ;;
esac
exec "$INFLUXD" "$@"
`
	standInInflux = `#!/bin/sh
database=
if [ "$1" = -database ]; then database=$2; shift 2; fi
curl -sS -H "Accept: application/csv" --data-urlencode "db=$database" --data-urlencode "q=$2" "$INFLUX/query" | sed 's/.*,//'
`
)

// Archive and database are backed up while the program runs, lost, and brought back: the same points are there, the program goes on
// from them and asks the service for nothing that it had. Nothing that is there gives way unless that is said.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	today := day(t, "2026-06-17")
	p := person(41, "Europe/Berlin", "", today)
	at := calm(today, 14, p)
	p = still([]time.Time{at}, p)[0]
	w := newWorld(t, at, 1, p)
	s := influxd.Start(t, influxd.Config{Version: influxd.V1_8})
	h := newHome(t, w, today-3, s.URL)
	run := h.run()
	h.settle(run, "three days")
	s.Put(h.name, "older,Device=x value=1 1500000000000000000") // of another program, which no archive has
	before := held(t, s, h.name)

	beside := t.TempDir() // the folder of compose.yml
	if err := os.Symlink(h.dir, filepath.Join(beside, "tokens")); err != nil {
		t.Fatal(err)
	}
	script := standIns(t, h, s, beside)
	if out, err := script("backup", "kept"); err != nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	if out, err := script("backup", "kept"); err == nil || !strings.Contains(out, "already") {
		t.Errorf("a backup was written over: %v\n%s", err, out)
	}
	if out, err := script("restore", "kept"); err == nil || !strings.Contains(out, "--replace") {
		t.Errorf("an archive gave way: %v\n%s", err, out)
	}
	if again := held(t, s, h.name); !reflect.DeepEqual(again, before) {
		t.Error("a backup and a refused restore changed the database")
	}
	if left, _ := filepath.Glob(filepath.Join(beside, "kept.*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}

	// A database that does not answer: no backup, and nothing that looks like one.
	name := h.name
	h.name = "gone"
	if out, err := standIns(t, h, s, beside)("backup", "half"); err == nil {
		t.Errorf("a backup of no database\n%s", out)
	}
	h.name = name
	if left, _ := filepath.Glob(filepath.Join(beside, "half*")); len(left) > 0 {
		t.Errorf("half a backup: %q", left)
	}

	run.Stop()
	s.Query("", fmt.Sprintf("DROP DATABASE %q", h.name))
	lost, _ := filepath.Glob(filepath.Join(h.dir, "archive.db*"))
	for _, name := range append(lost, filepath.Join(h.dir, "token.json")) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := script("restore", "kept"); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	if after := held(t, s, h.name); !reflect.DeepEqual(after, before) {
		t.Errorf("%d values were backed up, %d came back", before.len(), after.len())
	}
	w.google.ClearLog()
	run = h.run()
	h.settle(run, "the restored archive")
	if asked := w.asked("/dataTypes/heart-rate/"); len(asked) > 2 {
		t.Errorf("%d requests for heart rate: what was backed up was fetched again", len(asked))
	}
	if after := held(t, s, h.name); !reflect.DeepEqual(after, before) {
		t.Errorf("the program went on with %d values, %d were backed up", after.len(), before.len())
	}
	run.Stop()

	// Over an archive and a database that are there, since that is said.
	s.Put(h.name, "newer value=1 1700000000000000000")
	if out, err := script("restore", "--replace", "kept"); err != nil {
		t.Fatalf("restore --replace: %v\n%s", err, out)
	}
	if after := held(t, s, h.name); !reflect.DeepEqual(after, before) {
		t.Errorf("%d values were backed up, with --replace %d came back", before.len(), after.len())
	}
	if aside, _ := filepath.Glob(filepath.Join(h.dir, "archive-before-*.db")); len(aside) != 1 {
		t.Errorf("the archive that gave way is not kept: %q", aside)
	}
	calls, err := os.ReadFile(filepath.Join(beside, "calls"))
	if err != nil || strings.Count(string(calls), "compose stop fitbit-fetch-data\n") != 2 || strings.Count(string(calls), "compose start fitbit-fetch-data\n") != 2 {
		t.Errorf("the program was not stopped and started around each restore (%v)", err)
	}
}

// standIns returns a runner of the scripts for a home.
func standIns(t *testing.T, h *home, s *influxd.Server, beside string) func(args ...string) (string, error) {
	t.Helper()
	host, container := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(host, "docker"): standInDocker, filepath.Join(container, "influxd"): standInInfluxd, filepath.Join(container, "influx"): standInInflux,
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	options := filepath.Join(host, "options.yaml")
	if err := os.WriteFile(options, []byte(h.options()), 0o600); err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Abs("../../scripts")
	if err != nil {
		t.Fatal(err)
	}
	return func(args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(scripts, args[0]), args[1:]...)
		cmd.Dir = beside
		cmd.Env = []string{"PATH=" + host + ":" + os.Getenv("PATH"), "HOME=" + host, "CALLS=" + filepath.Join(beside, "calls"), "PROGRAM=" + binary, "OPTIONS=" + options, "CONTAINER=" + container,
			"INFLUXD=" + influxd.Binary(t, s.Version), "BACKUP=" + s.Backup, "INFLUX=" + s.URL, "INFLUXDB_DATABASE=" + h.name}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

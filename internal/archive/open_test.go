package archive

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

func one(int) float64 { return 1 }

func TestOneProcessOwnsIt(t *testing.T) {
	cfg := config(filepath.Join(t.TempDir(), "sub", "archive.db"))
	a := openAt(t, cfg)
	_, err := Open(t.Context(), cfg)
	var e *Error
	if !errors.Is(err, ErrOwned) || !errors.As(err, &e) || e.Hint == "" {
		t.Fatalf("second open: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, cfg)
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	cfg := config(filepath.Join(t.TempDir(), "archive.db"))
	a := openAt(t, cfg)
	mustPut(t, a, stepsBatch(hours(noon, 0, 1), one))
	if err := a.Snapshot(t.Context(), cfg.Path+".snapshot"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock", ".snapshot"} {
		info, err := os.Stat(cfg.Path + suffix)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v (%v)", suffix, info, err)
		}
	}
}

// stepsHeld counts the visible step samples.
func stepsHeld(t *testing.T, a *Archive) (n int) {
	t.Helper()
	for b, err := range a.Read(t.Context(), "me", metric.Steps, metric.Span{Start: noon.AddDate(-9, 0, 0), End: noon.AddDate(9, 0, 0)}) {
		if err != nil {
			t.Fatal(err)
		}
		n += b.Len()
	}
	return n
}

func TestRestoredFromTheSnapshot(t *testing.T) {
	for _, tc := range []struct {
		name     string
		spoil    func(t *testing.T, path string)
		restored bool
		aside    bool
		held     int
	}{
		{"gone", func(t *testing.T, path string) { os.Remove(path) }, true, false, 60},
		{"no database", func(t *testing.T, path string) { os.WriteFile(path, []byte("this is no database at all"), 0o600) }, true, true, 60},
		{"another database", func(t *testing.T, path string) {
			os.Remove(path)
			db, _ := sql.Open("sqlite", path)
			defer db.Close()
			if _, err := db.Exec("CREATE TABLE x (y); PRAGMA user_version = 1"); err != nil {
				t.Fatal(err)
			}
		}, true, true, 60},
		{"both broken", func(t *testing.T, path string) {
			os.WriteFile(path, []byte("this is no database at all"), 0o600)
			os.WriteFile(path+".snapshot", []byte("nor is this, not at all"), 0o600)
		}, false, true, 0},
		{"gone, no snapshot", func(t *testing.T, path string) { os.Remove(path); os.Remove(path + ".snapshot") }, false, false, 0},
		{"whole", func(*testing.T, string) {}, false, false, 120},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := config(filepath.Join(t.TempDir(), "archive.db"))
			a := openAt(t, cfg)
			mustPut(t, a, stepsBatch(hours(noon, 0, 1), one))
			if err := a.Snapshot(t.Context(), cfg.Path+".snapshot"); err != nil {
				t.Fatal(err)
			}
			mustPut(t, a, stepsBatch(hours(noon, 1, 2), one))
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			tc.spoil(t, cfg.Path)
			a = openAt(t, cfg)
			rep := a.Report()
			if (rep.Restored != "") != tc.restored || (rep.Aside != "") != tc.aside || (rep.Aside != "") != (rep.Reason != "") {
				t.Errorf("report %+v", rep)
			}
			if rep.Created != (!tc.restored && tc.held == 0) {
				t.Errorf("created: %+v", rep)
			}
			if tc.aside && !exists(rep.Aside) {
				t.Errorf("%s is not there", rep.Aside)
			}
			if n := stepsHeld(t, a); n != tc.held {
				t.Errorf("held %d, want %d", n, tc.held)
			}
			mustPut(t, a, stepsBatch(hours(noon, 0, 3), one))
			if n := stepsHeld(t, a); n != 180 {
				t.Errorf("held %d after going on", n)
			}
		})
	}
}

// What users can meet of SQLite's errors, each as it comes, has a hint.
func TestExplain(t *testing.T) {
	dir := t.TempDir()
	ask := func(path, more, statement string) error {
		db, err := sql.Open("sqlite", "file:"+path+more)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, err = db.Exec(statement)
		return err
	}
	good, garbage := filepath.Join(dir, "good.db"), filepath.Join(dir, "garbage.db")
	if err := ask(good, "", "CREATE TABLE x (y)"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(garbage, []byte(strings.Repeat("no database ", 99)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		err  error
		want string // in the hint; empty for none
	}{
		{"a folder that is missing", ask(filepath.Join(dir, "none", "x.db"), "", "CREATE TABLE x (y)"), "writable"},
		{"a file that can only be read", ask(good, "?mode=ro", "CREATE TABLE z (y)"), "writable"},
		{"no database", ask(garbage, "", "CREATE TABLE x (y)"), "moves the broken file aside"},
		{"no room", ask(good, "?_pragma=max_page_count(2)", "CREATE TABLE z AS SELECT zeroblob(99999)"), "disk that holds /nas/copy.db"},
		{"a statement of ours that is wrong", ask(good, "", "SELECT nothing"), ""},
		{"no error of SQLite's", context.Canceled, ""},
	} {
		err := explainAt(tt.err, "/nas/copy.db")
		var e *Error
		if has := errors.As(err, &e); tt.err == nil || has != (tt.want != "") || has && !strings.Contains(e.Hint, tt.want) || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// What interrupts the start is no reason to move a good archive aside.
func TestForeign(t *testing.T) {
	db, err := connect(filepath.Join(t.TempDir(), "x.db"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ask := func(ctx context.Context, db *sql.DB) error {
		var rev int64
		return db.QueryRowContext(ctx, "SELECT rev FROM head").Scan(&rev)
	}
	if err := ask(t.Context(), db); !foreign(err) {
		t.Errorf("no table: %v", err)
	}
	if _, err := db.Exec("CREATE TABLE head (rev)"); err != nil {
		t.Fatal(err)
	}
	if err := ask(t.Context(), db); !foreign(err) {
		t.Errorf("no row: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := ask(stopped, db); err == nil || foreign(err) {
		t.Errorf("interrupted: %v", err)
	}
	unreachable, err := connect(filepath.Join(t.TempDir(), "none", "x.db"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer unreachable.Close()
	if err := ask(t.Context(), unreachable); err == nil || foreign(err) {
		t.Errorf("unreachable: %v", err)
	}
}

// countdown is a context that ends when it has been looked at so many times.
type countdown struct {
	context.Context
	end  func()
	left *atomic.Int64
}

func newCountdown(n int64) countdown {
	ctx, end := context.WithCancel(context.Background())
	c := countdown{ctx, end, &atomic.Int64{}}
	c.left.Store(n)
	return c
}

func (c countdown) Done() <-chan struct{} {
	if c.left.Add(-1) < 0 {
		c.end()
	}
	return c.Context.Done()
}

// A start that is interrupted at any of its steps leaves the archive where it is.
func TestInterruptedStartMovesNothing(t *testing.T) {
	cfg := config(filepath.Join(t.TempDir(), "archive.db"))
	a := openAt(t, cfg)
	mustPut(t, a, stepsBatch(hours(noon, 0, 1), one))
	a.Close()
	failed := 0
	for n := range int64(200) {
		a, err := Open(newCountdown(n), cfg)
		if err == nil {
			a.Close()
			break
		}
		failed++
		if found, _ := filepath.Glob(cfg.Path + ".broken*"); len(found) > 0 {
			t.Fatalf("after %d looks: moved aside: %v (%v)", n, found, err)
		}
	}
	if failed == 0 || failed == 200 {
		t.Errorf("%d starts were interrupted", failed)
	}
	if n := stepsHeld(t, openAt(t, cfg)); n != 60 {
		t.Errorf("%d steps, want 60", n)
	}
}

func TestNewerVersionIsLeftAlone(t *testing.T) {
	cfg := config(filepath.Join(t.TempDir(), "archive.db"))
	a := openAt(t, cfg)
	if _, err := a.write.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	a.Close()
	_, err := Open(t.Context(), cfg)
	if !errors.Is(err, ErrNewer) {
		t.Fatalf("got %v", err)
	}
	if found, _ := filepath.Glob(cfg.Path + ".broken*"); len(found) > 0 {
		t.Errorf("moved aside: %v", found)
	}
}

func TestMigrateStepByStep(t *testing.T) {
	steps := []string{"CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y; INSERT INTO a VALUES (1, 2)", "CREATE TABLE b (z)"}
	for from := range len(steps) + 1 {
		db, err := connect(filepath.Join(t.TempDir(), "x.db"), 1)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, _, err := migrate(t.Context(), db, steps[:from]); err != nil {
			t.Fatal(err)
		}
		was, is, err := migrate(t.Context(), db, steps)
		if err != nil || was != from || is != len(steps) {
			t.Errorf("from %d: %d to %d (%v)", from, was, is, err)
		}
		var n int
		if err := db.QueryRow("SELECT count(*) FROM a, (SELECT count(*) FROM b) WHERE y = 2").Scan(&n); err != nil || n != 1 {
			t.Errorf("from %d: %d rows (%v)", from, n, err)
		}
	}
	db, err := connect(filepath.Join(t.TempDir(), "x.db"), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, at, err := migrate(t.Context(), db, []string{steps[0], "CREATE TABLE c (x); nonsense"}); err == nil || at != 1 {
		t.Errorf("a failing step: at %d (%v)", at, err)
	}
	var version, tables int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil || version != 1 {
		t.Errorf("version %d after a failing step (%v)", version, err)
	}
	if err := db.QueryRow("SELECT count(*) FROM sqlite_master WHERE name = 'c'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("a failing step left %d tables (%v)", tables, err)
	}
}

// Files as each version wrote them: testdata/versions/N.db holds two persons' data. All must open and read.
func TestOlderVersionsOpen(t *testing.T) {
	newest := len(steps())
	file := func(v int) string { return filepath.Join("testdata", "versions", fmt.Sprintf("%d.db", v)) }
	if *update {
		a := newArchive(t)
		mustPut(t, a, stepsBatch(hours(noon, 0, 2), one))
		mustPut(t, a, night(true, 1, 0, 2))
		if err := os.MkdirAll(filepath.Dir(file(newest)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := a.Snapshot(t.Context(), file(newest)); err != nil {
			t.Fatal(err)
		}
	}
	for v := 1; v <= newest; v++ {
		data, err := os.ReadFile(file(v))
		if err != nil {
			t.Fatalf("version %d has no file to open: run with -update once, before the schema changes (%v)", v, err)
		}
		cfg := config(filepath.Join(t.TempDir(), "archive.db"))
		if err := os.WriteFile(cfg.Path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		a := openAt(t, cfg)
		if rep := a.Report(); rep.From != v || rep.To != newest || rep.Aside != "" {
			t.Errorf("version %d: %+v", v, rep)
		}
		nights, err := a.Sessions(t.Context(), "me", metric.Sleep, metric.DaySpan(0, 1<<20))
		if n := stepsHeld(t, a); n != 120 || err != nil || len(nights) != 1 || len(nights[0].Blocks) != 2 {
			t.Errorf("version %d: %d steps, %d nights (%v)", v, n, len(nights), err)
		}
		if c := mustPut(t, a, stepsBatch(hours(noon, 0, 2), one)); c.Added+c.Changed+c.Vanished != 0 {
			t.Errorf("version %d: its samples are not recognised: %+v", v, c)
		}
	}
}

// Bytes fall over anywhere in the file: it opens again, what it shows is what was put, and what it lost it asks for again.
func TestRandomCorruption(t *testing.T) {
	cfg := config(filepath.Join(t.TempDir(), "archive.db"))
	a := openAt(t, cfg)
	for d := range 20 {
		mustPut(t, a, stepsBatch(hours(noon.AddDate(0, 0, -d), 0, 24), func(m int) float64 { return float64((m*m + d) % 97) }))
	}
	want := map[int64]float64{}
	for b := range a.Read(t.Context(), "me", metric.Steps, metric.Span{Start: noon.AddDate(-1, 0, 0), End: noon.AddDate(1, 0, 0)}) {
		for i, at := range b.Times {
			want[at] = b.Values[0][i]
		}
	}
	a.Close()
	whole, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(6, 6))
	seen := map[string]int{}
	for round := range 60 {
		data := bytes.Clone(whole)
		for range 1 + r.IntN(3) {
			data[r.IntN(len(data))] ^= byte(1 + r.IntN(255))
		}
		if round%10 == 0 {
			data = data[:r.IntN(len(data))]
		}
		cfg := config(filepath.Join(t.TempDir(), "archive.db"))
		if err := os.WriteFile(cfg.Path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(t.Context(), cfg)
		if err != nil {
			if errors.Is(err, ErrNewer) { // the version itself was hit
				continue
			}
			t.Fatalf("round %d: %v", round, err)
		}
		rep := a.Report()
		held := 0
		for b, err := range a.Read(t.Context(), "me", metric.Steps, metric.Span{Start: noon.AddDate(-1, 0, 0), End: noon.AddDate(1, 0, 0)}) {
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			for i, at := range b.Times {
				if v, ok := want[at]; !ok || v != b.Values[0][i] {
					t.Fatalf("round %d: shows what was never put", round)
				}
			}
			held += b.Len()
		}
		switch {
		case rep.Aside != "":
			seen["aside"]++
		case len(rep.Dropped) > 0:
			seen["dropped"]++
			cov, err := a.Coverage(t.Context(), "me", "google")
			if err != nil || covers(cov["steps"], noon.AddDate(0, 0, -19), noon) {
				t.Errorf("round %d: lost %v, and will not ask again (%v)", round, rep.Dropped, err)
			}
		case held == len(want):
			seen["whole"]++
		default:
			seen["hurt"]++ // a row's own columns; rare, and nothing wrong is shown
		}
		a.Close()
	}
	t.Logf("%v", seen)
	if seen["aside"] == 0 || seen["dropped"] == 0 || seen["hurt"] > 4 {
		t.Errorf("outcomes %v", seen)
	}
}

// A snapshot while answers come in: whole, and one moment of them.
func TestSnapshotWhileWriting(t *testing.T) {
	dir := t.TempDir()
	a := openAt(t, config(filepath.Join(dir, "archive.db")))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for d := 0; ; d++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := a.Put(t.Context(), stepsBatch(hours(noon.AddDate(0, 0, -d), 0, 24), one)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 8 {
		to := filepath.Join(dir, fmt.Sprintf("copy%d.db", i))
		if err := a.Snapshot(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		c := openAt(t, config(to))
		if rep := c.Report(); rep.Aside != "" || rep.Created {
			t.Fatalf("copy %d: %+v", i, rep)
		}
		cov, err := c.Coverage(t.Context(), "me", "google")
		days := 0
		for _, x := range cov["steps"] {
			days += int(x.Span.Len().Hours() / 24)
		}
		if n := stepsHeld(t, c); err != nil || n != days*1440 {
			t.Errorf("copy %d: %d samples for %d covered days (%v)", i, n, days, err)
		}
		c.Close()
	}
	close(stop)
	wg.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMovedAsideTwiceInASecond(t *testing.T) {
	cfg := config(filepath.Join(t.TempDir(), "archive.db"))
	names := map[string]bool{}
	for range 3 {
		if err := os.WriteFile(cfg.Path, []byte(strings.Repeat("broken", 99)), 0o600); err != nil {
			t.Fatal(err)
		}
		a := openAt(t, cfg)
		names[a.Report().Aside] = true
		a.Close()
	}
	if len(names) != 3 || names[""] {
		t.Errorf("names %v", names)
	}
}

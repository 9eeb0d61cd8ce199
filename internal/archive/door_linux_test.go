package archive

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile/doortest"
)

// diskFull: SQLite does not give the system's error.
func diskFull(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_FULL || errors.Is(err, syscall.ENOSPC)
}

func hintOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Hint
	}
	if e, ok := errors.AsType[*atomicfile.Error](err); ok {
		return e.Hint
	}
	return ""
}

// holdsSteps wants a file to be an archive with so many steps.
func holdsSteps(t *testing.T, path string, want int) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "archive.db") // opening it leaves files beside it
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	a := openAt(t, config(copied))
	defer a.Close()
	if rep := a.Report(); rep.Aside != "" || rep.Created || stepsHeld(t, a) != want {
		t.Errorf("%d steps, want %d (%+v)", stepsHeld(t, a), want, rep)
	}
}

func TestDoorSnapshot(t *testing.T) {
	a := newArchive(t)
	mustPut(t, a, stepsBatch(hours(noon, 0, 2), one))
	doortest.Run(t, doortest.Door{
		Write: func(path string) error { return a.Snapshot(t.Context(), path) },
		Whole: func(t *testing.T, path string) { holdsSteps(t, path, 120) },
		Full:  diskFull, Hint: hintOf, Perm: 0o600,
	})
}

func TestDoorRestore(t *testing.T) {
	a := newArchive(t)
	mustPut(t, a, stepsBatch(hours(noon, 0, 2), one))
	good := filepath.Join(t.TempDir(), "good.db")
	if err := a.Snapshot(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	doortest.Run(t, doortest.Door{
		Write: func(path string) error {
			src, err := os.Open(good)
			if err != nil {
				return err
			}
			defer src.Close()
			reason, err := (&Archive{cfg: config(path)}).restore(t.Context(), src)
			if reason != "" {
				return errors.New(reason)
			}
			return err
		},
		Whole: func(t *testing.T, path string) { holdsSteps(t, path, 120) },
		Full:  diskFull, Hint: hintOf, Perm: 0o600,
	})
}

// A snapshot into the archive's own place would leave the open database without a name: all that comes after would be lost.
func TestSnapshotOverItself(t *testing.T) {
	cfg := config(filepath.Join(t.TempDir(), "archive.db"))
	a := openAt(t, cfg)
	mustPut(t, a, stepsBatch(hours(noon, 0, 1), one))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(cfg.Path, link); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{cfg.Path, link, cfg.Path + "-wal", cfg.Path + "-shm", cfg.Path + lockSuffix} {
		if err := a.Snapshot(t.Context(), to); hintOf(err) == "" || !strings.Contains(err.Error(), to) {
			t.Errorf("%s: %v", to, err)
		}
	}
	mustPut(t, a, stepsBatch(hours(noon, 1, 2), one))
	a.Close()
	if n := stepsHeld(t, openAt(t, cfg)); n != 120 {
		t.Errorf("%d steps, want 120", n)
	}
}

// The page's button and the command at once.
func TestTwoSnapshotsAtOnce(t *testing.T) {
	dir := t.TempDir()
	a := openAt(t, config(filepath.Join(dir, "archive.db")))
	mustPut(t, a, stepsBatch(hours(noon, 0, 2), one))
	to := filepath.Join(dir, "copy.db")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := a.Snapshot(t.Context(), to); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	holdsSteps(t, to, 120)
	if left, _ := filepath.Glob(to + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A good snapshot that cannot be restored now, for want of room or of rights, is no reason to begin an empty archive, whose own snapshot
// would replace it. Once the cause is gone the next start restores it.
func TestGoodSnapshotIsNotGivenUp(t *testing.T) {
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprintf("broken archive %v", broken), func(t *testing.T) {
			dir := t.TempDir()
			if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
				t.Fatalf("a small disk cannot be mounted: %v. Run the tests as root, or in a name space of their own: unshare --map-root-user --mount go test …", err)
			}
			t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
			cfg := config(filepath.Join(dir, "archive.db"))
			a := openAt(t, cfg)
			for d := range 9 {
				mustPut(t, a, stepsBatch(hours(noon.AddDate(0, 0, -d), 0, 24), func(m int) float64 { return float64((m*m + d) % 97) }))
			}
			held := stepsHeld(t, a)
			if err := a.Snapshot(t.Context(), cfg.Path+snapshotSuffix); err != nil {
				t.Fatal(err)
			}
			a.Close()
			if err := os.Remove(cfg.Path); err != nil {
				t.Fatal(err)
			}
			if broken {
				if err := os.WriteFile(cfg.Path, []byte("this is no database at all"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			filler := filepath.Join(dir, "filler")
			f, err := os.Create(filler)
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = f.Write(make([]byte, 4096))
			}
			f.Close()
			for range 2 {
				_, err = Open(t.Context(), cfg)
				if !diskFull(err) || !strings.Contains(hintOf(err), "space") {
					t.Fatalf("without room: %v", err)
				}
			}
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			a = openAt(t, cfg)
			if rep := a.Report(); rep.Created || rep.Restored == "" || stepsHeld(t, a) != held {
				t.Errorf("%d steps, want %d (%+v)", stepsHeld(t, a), held, rep)
			}
			if names, _ := filepath.Glob(filepath.Join(dir, "*.tmp*")); len(names) > 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

// A snapshot that is there and cannot be read stops the start, with what to do.
func TestUnreadableSnapshot(t *testing.T) {
	cfg := config(filepath.Join(t.TempDir(), "archive.db"))
	if err := os.Mkdir(cfg.Path+snapshotSuffix, 0o700); err != nil { // reading it fails even for root
		t.Fatal(err)
	}
	_, err := Open(t.Context(), cfg)
	if !errors.Is(err, syscall.EISDIR) || !strings.Contains(hintOf(err), "move the snapshot away") {
		t.Fatalf("error %v", err)
	}
	if exists(cfg.Path) {
		t.Error("an archive was begun")
	}
	if err := os.Remove(cfg.Path + snapshotSuffix); err != nil {
		t.Fatal(err)
	}
	openAt(t, cfg)
}

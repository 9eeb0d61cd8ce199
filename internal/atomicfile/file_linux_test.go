package atomicfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// begun begins new content for a file that holds "old".
func begun(t *testing.T) (f *File, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Abort)
	if _, err := io.WriteString(f, "new"); err != nil {
		t.Fatal(err)
	}
	return f, path
}

// What fails at the end, each as the system lets it fail.
func TestCommitFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, f *File, path string)
		want  error
		names string // what the folder holds then
	}{
		{"flushing", func(t *testing.T, f *File, _ string) {
			var ends [2]int // a pipe cannot be flushed
			if err := syscall.Pipe(ends[:]); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { syscall.Close(ends[0]) })
			name := f.file.Name()
			f.file.Close()
			f.file = os.NewFile(uintptr(ends[1]), name)
		}, syscall.EINVAL, "[file]"},
		{"writing, unnoticed", func(_ *testing.T, f *File, _ string) {
			name := f.file.Name()
			f.file.Close()
			f.file, _ = os.Open(name) // that can only be read
			io.WriteString(f, "more")
		}, syscall.EBADF, "[file]"},
		{"renaming: a folder has come", func(t *testing.T, _ *File, path string) {
			os.Remove(path)
			if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, fs.ErrExist, "[file]"},
		{"renaming: the file itself is mounted", func(t *testing.T, _ *File, path string) {
			if err := syscall.Mount(path, path, "", syscall.MS_BIND, ""); err != nil {
				t.Fatalf("a file cannot be mounted: %v. Run the tests as root, or in a name space of their own: unshare --map-root-user --mount go test …", err)
			}
			t.Cleanup(func() { syscall.Unmount(path, syscall.MNT_DETACH) })
		}, syscall.EBUSY, "[file]"},
		{"renaming: the folder has gone", func(t *testing.T, _ *File, path string) {
			if err := os.RemoveAll(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}, fs.ErrNotExist, ""},
		{"interrupted", func(_ *testing.T, f *File, _ string) { f.Abort() }, fs.ErrClosed, "[file]"},
		{"twice", func(_ *testing.T, f *File, path string) {
			f.Commit()
			os.WriteFile(path, []byte("old"), 0o600)
		}, fs.ErrClosed, "[file]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, path := begun(t)
			tt.spoil(t, f, path)
			err := f.Commit()
			e, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(err, tt.want) && !strings.Contains(err.Error(), "is a directory") {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if e.Path != path || e.Hint == "" {
				t.Errorf("path %s, hint %q", e.Path, e.Hint)
			}
			if tt.names == "" {
				return
			}
			if got := fmt.Sprint(list(t, filepath.Dir(path))); got != tt.names {
				t.Errorf("the folder holds %s", got)
			}
			if got, err := os.ReadFile(path); err == nil && string(got) != "old" {
				t.Errorf("it holds %q", got)
			}
		})
	}
}

// The folder that cannot be flushed is the one failure after which the new content is there; it says so.
func TestFolderCannotBeFlushed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone", "file")
	err := syncDir("writing", path)
	e, ok := errors.AsType[*Error](err)
	if !ok || !strings.Contains(e.Error(), path+": the new content is there") || !strings.Contains(e.Hint, filepath.Dir(path)) {
		t.Errorf("error %v", err)
	}
	if err := syncDir("writing", "/proc/self/file"); err != nil { // such a folder cannot be flushed at all
		t.Errorf("error %v", err)
	}
}

func TestAbortAfterCommit(t *testing.T) {
	f, path := begun(t)
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	f.Abort()
	if got, err := os.ReadFile(path); err != nil || string(got) != "new" {
		t.Errorf("it holds %q (%v)", got, err)
	}
}

// A companion that SQLite could not remove goes with the content that is given up.
func TestAbortRemovesCompanions(t *testing.T) {
	f, path := begun(t)
	for _, suffix := range companions {
		if err := os.WriteFile(f.Name()+suffix, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.Abort()
	if got := fmt.Sprint(list(t, filepath.Dir(path))); got != "[file]" {
		t.Errorf("the folder holds %s", got)
	}
}

// Two that write the same file at the same time do not disturb each other: the later Commit stands.
func TestTwoAtOnce(t *testing.T) {
	f, path := begun(t)
	if err := Write(path, []byte("newer"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "new" {
		t.Errorf("it holds %q (%v)", got, err)
	}
}

// A disk that knows no locks: what was written to within the last minute is left alone.
func TestSweepWithoutLocks(t *testing.T) {
	f, path := begun(t)
	young := f.Name() // and no lock
	if got := hold(f.file); got != held {
		t.Fatalf("the lock is %d", got)
	}
	other, err := os.OpenFile(young, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got := hold(other); got != taken {
		t.Errorf("somebody else's lock is %d", got)
	}
	if err := os.Remove(young); err != nil {
		t.Fatal(err)
	}
	if got := hold(f.file); got != taken {
		t.Errorf("the lock of a file that was removed is %d", got)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		age  time.Duration
		want bool
	}{{59 * time.Second, false}, {61 * time.Second, true}} {
		if got := abandoned(lockless, info, at{info, info.ModTime().Add(tt.age)}); got != tt.want {
			t.Errorf("after %v: %v", tt.age, got)
		}
	}
	if abandoned(taken, info, at{info, info.ModTime().Add(time.Hour)}) || !abandoned(held, info, info) {
		t.Error("a lock does not decide")
	}
}

// at is a file's information with another time.
type at struct {
	os.FileInfo
	time time.Time
}

func (a at) ModTime() time.Time { return a.time }

// A device and a FIFO are written to, not replaced; a socket cannot be.
func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	fifo, null := filepath.Join(dir, "fifo"), filepath.Join(dir, "null")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/null", null); err != nil {
		t.Fatal(err)
	}
	err := Write(fifo, []byte("x"), 0o600)
	if e, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, syscall.ENXIO) || !strings.Contains(e.Hint, "reader") {
		t.Fatalf("a FIFO that nobody reads: %v", err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDWR, 0) // which is a reader, and sees no end
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := Write(fifo, []byte("abcd"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(reader, got); err != nil || string(got) != "abcd" {
		t.Errorf("the reader got %q (%v)", got, err)
	}
	if err := Write(null, []byte("x"), 0o600); err != nil {
		t.Errorf("/dev/null: %v", err)
	}
	if err := Write("/dev/full", []byte("x"), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("/dev/full: %v", err)
	}
	info, err := os.Stat(null)
	if err != nil || info.Mode()&os.ModeDevice == 0 {
		t.Errorf("/dev/null is %v now (%v)", info.Mode(), err)
	}
	if names := fmt.Sprint(list(t, dir)); names != "[fifo null]" {
		t.Errorf("the folder holds %s", names)
	}
}

// A reader that does not read any more does not hold up for ever what can be interrupted.
func TestAbortInterruptsAFIFO(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f, err := Create(fifo, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := context.AfterFunc(ctx, f.Abort)
	defer stop()
	go cancel()
	for err = nil; err == nil; {
		_, err = f.Write(make([]byte, 64<<10)) // a FIFO holds so much
	}
	if !errors.Is(err, fs.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

// A name may be nearly as long as a disk allows.
func TestLongName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 250))
	if err := Write(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestMove(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, name := range []string{a, b} {
		if err := os.WriteFile(name, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		from, to string
		want     error
	}{{a, b, fs.ErrExist}, {a + "x", a + "y", fs.ErrNotExist}, {a, filepath.Join(dir, "none", "c"), fs.ErrNotExist}, {a, b + "c", nil}} {
		err := Move(tt.from, tt.to)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s to %s: %v", tt.from, tt.to, err)
		}
		if e, ok := errors.AsType[*Error](err); err != nil && (!ok || e.Path != tt.from || e.Hint == "") {
			t.Errorf("%s to %s: %v", tt.from, tt.to, err)
		}
	}
	if got := fmt.Sprint(list(t, dir)); got != "[b bc]" {
		t.Errorf("the folder holds %s", got)
	}
}

// Of a link, what cannot be read is moved; the link stays, and what is written next goes where it leads.
func TestAsideOfALink(t *testing.T) {
	dir := t.TempDir()
	path, real := filepath.Join(dir, "link"), filepath.Join(dir, "real")
	if err := os.WriteFile(real, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", path); err != nil {
		t.Fatal(err)
	}
	name, err := Aside(path, time.Date(2026, 11, 23, 7, 30, 0, 0, time.UTC))
	if want := real + ".unreadable-20261123T073000Z"; err != nil || name != want {
		t.Fatalf("moved to %s, want %s (%v)", name, want, err)
	}
	if err := Write(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(list(t, dir)); got != "[link real real.unreadable-20261123T073000Z]" {
		t.Errorf("the folder holds %s", got)
	}
}

// TestKilledInTheMiddle kills processes that have written half: the old content stands, and what they leave does not grow with their
// number. One that lives is left alone.
func TestKilledInTheMiddle(t *testing.T) {
	if path := os.Getenv("ATOMICFILE_TEST_HALF"); path != "" {
		f, err := Create(path, 0o600)
		if err == nil {
			_, err = io.WriteString(f, "half")
		}
		fmt.Println("half written")
		io.Copy(io.Discard, os.Stdin)
		if err == nil {
			err = f.Commit()
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	half := func() (*exec.Cmd, io.Closer) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledInTheMiddle$")
		cmd.Env = append(os.Environ(), "ATOMICFILE_TEST_HALF="+path)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() })
		for s := bufio.NewScanner(out); ; {
			if !s.Scan() {
				t.Fatal("the process wrote nothing")
			}
			if s.Text() == "half written" {
				go io.Copy(io.Discard, out)
				return cmd, in
			}
		}
	}
	for range 3 {
		cmd, _ := half()
		cmd.Process.Kill()
		cmd.Wait()
		if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
			t.Fatalf("it holds %q (%v)", got, err)
		}
		if names := list(t, filepath.Dir(path)); len(names) != 2 || !slices.Contains(names, "file") {
			t.Fatalf("the folder holds %q", names)
		}
	}
	cmd, in := half()
	if err := Write(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 2 {
		t.Errorf("the folder holds %q while another process writes", names)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the other process: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "half" {
		t.Errorf("it holds %q (%v)", got, err)
	}
	if names := fmt.Sprint(list(t, filepath.Dir(path))); names != "[file]" {
		t.Errorf("the folder holds %s", names)
	}
}

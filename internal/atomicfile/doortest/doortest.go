//go:build linux

// Package doortest is the suite that whatever writes files passes: what goes wrong leaves the old content whole and nothing beside
// it, and the error names the file and says what to do.
package doortest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
)

// A Door is a way by which the program writes a file.
type Door struct {
	Write func(path string) error                     // writes at least 16 KB
	Whole func(t *testing.T, path string)             // fails the test where the file does not hold all that Write writes
	Full  func(err error) bool                        // whether an error says that the disk is full; nil for the system's
	Hint  func(err error) string                      // what the user reads beside the error; nil for that of atomicfile.Error
	Perm  fs.FileMode                                 // of the file
	Old   func(t *testing.T, path string) (is []byte) // writes some old content; nil for one that is no more than a word
}

// Run runs the suite.
func Run(t *testing.T, d Door) {
	t.Run("new", d.new)
	t.Run("replaced", d.replaced)
	t.Run("target is a folder", d.folder)
	t.Run("folder is missing", d.missing)
	t.Run("folder is a file", d.notFolder)
	t.Run("folder cannot be written", d.readOnly)
	t.Run("disk is full", d.full)
	t.Run("link", d.link)
	t.Run("link to nothing", d.linkToNothing)
	t.Run("links in a circle", d.circle)
	t.Run("left by a process that was killed", d.left)
}

func (d Door) new(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	d.works(t, path)
	only(t, filepath.Dir(path), "file")
}

func (d Door) replaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file [1]*")
	d.old(t, path)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	d.works(t, path)
	only(t, filepath.Dir(path), "file [1]*")
}

func (d Door) folder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	d.fails(t, path, syscall.EISDIR)
	only(t, filepath.Dir(path), "file")
	only(t, path)
}

func (d Door) missing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "file")
	d.fails(t, path, fs.ErrNotExist)
	only(t, filepath.Dir(filepath.Dir(path)))
}

func (d Door) notFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	was := d.old(t, dir)
	d.fails(t, filepath.Join(dir, "file"), syscall.ENOTDIR)
	unchanged(t, dir, was)
}

func (d Door) readOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	mount(t, dir, "size=4m")
	was := d.old(t, path)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	d.fails(t, path, syscall.EROFS)
	unchanged(t, path, was)
	only(t, dir, "file")
}

// full is a disk that has room for the beginning only.
func (d Door) full(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "size=64k")
	path, filler := filepath.Join(dir, "file"), filepath.Join(dir, "filler")
	was := d.old(t, path)
	if err := os.WriteFile(filler, make([]byte, 52<<10-(len(was)+4095)/4096*4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if d.Full == nil {
		d.Full = func(err error) bool { return errors.Is(err, syscall.ENOSPC) }
	}
	if err := d.fails(t, path, nil); !d.Full(err) {
		t.Errorf("error %v", err)
	}
	unchanged(t, path, was)
	only(t, dir, "file", "filler")
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	d.works(t, path)
}

func (d Door) link(t *testing.T) {
	dir := t.TempDir()
	path, real := filepath.Join(dir, "a", "file"), filepath.Join(dir, "b", "real")
	for _, sub := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.old(t, real)
	if err := os.Symlink("../b/real", path); err != nil {
		t.Fatal(err)
	}
	d.works(t, path)
	leads(t, path, "../b/real")
	only(t, filepath.Dir(path), "file")
	only(t, filepath.Dir(real), "real")
}

func (d Door) linkToNothing(t *testing.T) {
	dir := t.TempDir()
	path, real := filepath.Join(dir, "file"), filepath.Join(dir, "real")
	if err := os.Symlink(real, path); err != nil {
		t.Fatal(err)
	}
	d.works(t, path)
	leads(t, path, real)
	only(t, dir, "file", "real")
}

func (d Door) circle(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.Symlink("file", path); err != nil {
		t.Fatal(err)
	}
	d.fails(t, path, syscall.ELOOP)
	leads(t, path, "file")
	only(t, dir, "file")
}

// left: what was left behind goes with the next write, and nothing else does.
func (d Door) left(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	d.old(t, path)
	mine := []string{"file", "file.1.tmp", "file.bak", "file.fitbit-fetch-1.tmp.bak", "file.fitbit-fetch-x.tmp", "other.fitbit-fetch-1.tmp"}
	for _, name := range append([]string{"file.fitbit-fetch-1.tmp", "file.fitbit-fetch-1.tmp-wal", "file.fitbit-fetch-2.tmp-journal"}, mine[1:]...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.works(t, path)
	only(t, dir, mine...)
}

// works writes the file and looks at it.
func (d Door) works(t *testing.T, path string) {
	t.Helper()
	if err := d.Write(path); err != nil {
		t.Fatal(err)
	}
	d.Whole(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != d.Perm || info.Size() < 16<<10 {
		t.Errorf("mode and size %v %d, want %v and 16 KB at least (%v)", info.Mode(), info.Size(), d.Perm, err)
	}
}

// fails writes the file, and wants an error that names the file and has a hint, with that cause where it is not nil.
func (d Door) fails(t *testing.T, path string, want error) error {
	t.Helper()
	err := d.Write(path)
	if err == nil || want != nil && !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("the error does not name %s, or a temporary file: %v", path, err)
	}
	hint := ""
	if e, ok := errors.AsType[*atomicfile.Error](err); ok {
		hint = e.Hint
	}
	if d.Hint != nil {
		hint = d.Hint(err)
	}
	if hint == "" {
		t.Errorf("no hint in %v", err)
	}
	return err
}

func (d Door) old(t *testing.T, path string) []byte {
	t.Helper()
	if d.Old != nil {
		return d.Old(t, path)
	}
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []byte("old")
}

func unchanged(t *testing.T, path string, was []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != string(was) {
		t.Errorf("%s holds %d bytes, not the %d of before (%v)", path, len(got), len(was), err)
	}
}

func leads(t *testing.T, link, want string) {
	t.Helper()
	if got, err := os.Readlink(link); err != nil || got != want {
		t.Errorf("%s leads to %q, want %q (%v)", link, got, want, err)
	}
}

// only wants a folder to hold nothing else.
func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// mount puts a small disk in memory at dir.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("a small disk cannot be mounted: %v. Run the tests as root, or in a name space of their own: unshare --map-root-user --mount go test …", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

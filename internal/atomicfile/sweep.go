package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const tempSuffix = ".tmp"

// companions are what SQLite keeps beside a file that it works on.
var companions = []string{"-wal", "-shm", "-journal"}

// tempPrefix is what the names of all temporary files begin with that are to become the file at path. Digits and tempSuffix follow.
func tempPrefix(path string) string {
	base := filepath.Base(path)
	return base[:min(len(base), 200)] + ".fitbit-fetch-" // a name may have 255 bytes
}

// holding is the outcome of asking for a file's lock.
type holding int

const (
	held     holding = iota
	taken            // by another process, or another File of this one
	lockless         // the disk or the system knows no locks
)

// sweep removes what processes left that died before their Commit: it may hold a secret, and it takes space. Who is writing holds a
// lock, which ends with the process. Where there are no locks, a file to which nothing was written for a minute counts as left behind;
// ages are compared on the disk's own clock, by the file just created.
func sweep(dir, prefix, own string) {
	newest, err := os.Stat(own)
	if err != nil {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // a folder that can be written but not read
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		main, ok := tempOf(e.Name(), prefix)
		switch {
		case !ok, name == own, !e.Type().IsRegular():
		case main == e.Name():
			removeDead(name, newest)
		default:
			if _, err := os.Lstat(filepath.Join(dir, main)); errors.Is(err, os.ErrNotExist) {
				os.Remove(name)
			}
		}
	}
}

// tempOf reports whether name is a temporary file with that prefix, or a companion of one; main is that file.
func tempOf(name, prefix string) (main string, ok bool) {
	main = name
	for _, suffix := range companions {
		main = strings.TrimSuffix(main, suffix)
	}
	digits, ok := strings.CutPrefix(main, prefix)
	if ok {
		digits, ok = strings.CutSuffix(digits, tempSuffix)
	}
	return main, ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// removeDead removes a temporary file whose process is gone.
func removeDead(name string, newest os.FileInfo) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return // another user's
	}
	defer f.Close()
	lock := hold(f)
	if info, err := f.Stat(); err == nil && abandoned(lock, info, newest) {
		if lock == lockless {
			f.Close() // Windows removes no open file
		}
		os.Remove(name) // before the lock ends: its process may be about to take it
	}
}

// abandoned decides by the lock of a temporary file, and where there are none by its age.
func abandoned(lock holding, info, newest os.FileInfo) bool {
	return lock == held || lock == lockless && newest.ModTime().Sub(info.ModTime()) > time.Minute
}

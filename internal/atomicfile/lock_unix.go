//go:build unix

package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

// nonblock: opening a FIFO that nobody reads is an error, where it would otherwise wait for ever.
const nonblock = syscall.O_NONBLOCK

// hold takes the lock of an open file without waiting. A file that another process has removed meanwhile counts as taken, too.
func hold(f *os.File) holding {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return taken
	case err != nil:
		return lockless
	}
	mine, err := f.Stat()
	if err != nil {
		return taken
	}
	there, err := os.Lstat(f.Name())
	if err != nil || !os.SameFile(mine, there) {
		return taken
	}
	return held
}

// release gives the lock back. On some disks it would keep out locks of other kinds, such as SQLite's.
func release(f *os.File) { syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

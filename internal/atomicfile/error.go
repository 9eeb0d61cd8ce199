package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Error is a failure of a file, with what the user can do about it. The system's error is within.
type Error struct {
	Doing string // writing or moving
	Path  string
	Hint  string
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Doing, e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// failed names the file that the caller meant, where the system's error names a temporary one. It returns nil for nil.
func failed(doing, path string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return &Error{Doing: doing, Path: path, Hint: advice(path, err), Err: err}
}

// advice is what the user can do. Nothing was changed, whatever it is.
func advice(path string, err error) string {
	dir := filepath.Dir(path)
	is := func(errs ...error) bool {
		for _, e := range errs {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG):
		return fmt.Sprintf("Free some space on the disk that holds %s, or choose another place. What was there before is unchanged.", dir)
	case is(syscall.EISDIR):
		return fmt.Sprintf("It is a folder. Name a file, for example one in that folder: %s", filepath.Join(path, "NAME"))
	case is(syscall.ENOTDIR):
		return "A part of its path is a file where a folder has to be. Choose another place."
	case is(fs.ErrNotExist):
		return fmt.Sprintf("Make sure that the folder %s is there, and stays there: mkdir -p %[1]s", dir)
	case is(syscall.EROFS):
		return fmt.Sprintf("The disk that holds %s can only be read. Choose another place, or mount it for writing.", dir)
	case is(fs.ErrPermission):
		return fmt.Sprintf("Make the folder %s writable for the user that runs fitbit-fetch (%s), or choose another place.", dir, userName())
	case is(syscall.ELOOP):
		return "Its links lead in a circle. Choose another place, or put the link right."
	case is(syscall.EBUSY):
		return fmt.Sprintf("It is mounted by itself, as a container's volume may be, and cannot be replaced then. Mount its folder %s instead.", dir)
	case is(fs.ErrExist):
		return "Move that one to another place first."
	case is(syscall.ENXIO):
		return "Nobody reads from it. Start the reader first, or write to standard output and let the reader read that: fitbit-fetch … | reader"
	case is(syscall.EPIPE):
		return "Its reader has ended. Look what the reader said."
	case is(fs.ErrClosed):
		return "It was interrupted. Do it again."
	}
	return fmt.Sprintf("Look whether the disk that holds %s fails: the system's log may say more. What was there before is unchanged.", dir)
}

func userName() string {
	if runtime.GOOS == "windows" {
		return "yours"
	}
	return fmt.Sprintf("number %d", os.Geteuid())
}

// syncDir makes a rename to path last. Some disks refuse to flush a folder, and some folders may be written but not read; there the
// rename is as durable as it can be.
func syncDir(doing, path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	e := failed(doing, path, err).(*Error)
	e.Err = fmt.Errorf("the new content is there, but its folder could not be flushed to the disk: %w", e.Err)
	e.Hint = fmt.Sprintf("Look whether the disk that holds %s fails: the system's log may say more. Do it again then.", filepath.Dir(path))
	return e
}

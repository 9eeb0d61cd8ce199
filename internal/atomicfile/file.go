package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// A File is new content on its way to the place of the old one. It ends with Commit or Abort:
//
//	f, err := atomicfile.Create(path, 0o600)
//	if err != nil {
//		return err
//	}
//	defer f.Abort() // does nothing after Commit
//	…
//	return f.Commit()
//
// One goroutine writes and commits; Abort may be called from another one to interrupt it.
type File struct {
	path   string // as the caller calls it
	real   string // where links lead
	file   *os.File
	direct bool // real is a device or a FIFO; file is that itself

	mu    sync.Mutex
	ended bool
	err   error // of the first Write that failed
}

// Create begins new content for the file at path, which will have the mode perm whatever the umask, where the disk knows modes, and belong
// to the user of the process. Nothing changes there before Commit. What processes that died before their Commit left is removed. The folder must exist.
func Create(path string, perm fs.FileMode) (*File, error) {
	real, direct, err := follow(path)
	if err != nil {
		return nil, failed("writing", path, err)
	}
	f := &File{path: path, real: real, direct: direct}
	if direct {
		f.file, err = os.OpenFile(real, os.O_WRONLY|nonblock, 0)
	} else {
		f.file, err = createTemp(real, perm)
	}
	if err != nil {
		return nil, failed("writing", path, err)
	}
	return f, nil
}

// follow returns the file that path leads to, which need not be there yet; direct says that it is no regular file. A folder is an
// error.
func follow(path string) (real string, direct bool, err error) {
	for range 40 {
		// The system is asked first: it may refuse to follow a link that somebody else has put into a folder that all may write to.
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir():
			return "", false, syscall.EISDIR
		case err == nil && !info.Mode().IsRegular():
			return path, true, nil
		case err != nil && !os.IsNotExist(err):
			return "", false, err
		}
		to, err := os.Readlink(path)
		if err != nil { // no link
			return path, false, nil
		}
		if !filepath.IsAbs(to) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", false, err
			}
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return "", false, syscall.ELOOP
}

// createTemp creates the file that will get the name of the one at real, in the same folder, and holds its lock.
func createTemp(real string, perm fs.FileMode) (*os.File, error) {
	dir, prefix := filepath.Dir(real), tempPrefix(real)
	for try := 1; ; try++ {
		f, err := os.CreateTemp(dir, prefix+"*"+tempSuffix)
		if err != nil {
			return nil, err
		}
		if hold(f) == taken && try < 100 { // by a sweep that took it for left behind
			f.Close()
			continue
		}
		// Some disks know no modes, such as a memory stick's; what lies there, everybody who can read the stick can read.
		if err := f.Chmod(perm); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errors.ErrUnsupported) {
			f.Close()
			os.Remove(f.Name())
			return nil, err
		}
		sweep(dir, prefix, f.Name())
		return f, nil
	}
}

// Name is the name of the file that is being written, for somebody who writes by name, as SQLite does; it is empty until then, or holds
// what was written so far. That it is in use cannot be seen by other processes from now on: one that writes the same file at the same
// time may take it for left behind, and then Commit fails.
func (f *File) Name() string {
	if !f.direct {
		release(f.file)
	}
	return f.file.Name()
}

// Write adds to the new content. After an error, Commit will fail with it too.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	if err == nil {
		return n, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = failed("writing", f.path, err)
	}
	return n, f.err
}

// Commit puts the new content into the place of the old one. When it returns nil, content and name are on disk; when it returns an
// error the old content is still there, and nothing else, but for one case: the folder could not be flushed to the disk after all else
// went well; then the new content is there, and after a power cut either may be. A File that has ended is fs.ErrClosed.
func (f *File) Commit() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return failed("writing", f.path, fs.ErrClosed)
	}
	f.ended = true
	err := f.err
	if err == nil && !f.direct {
		err = f.file.Sync()
	}
	if closing := f.file.Close(); err == nil {
		err = closing
	}
	if f.direct {
		return failed("writing", f.path, err)
	}
	if err == nil {
		err = os.Rename(f.file.Name(), f.real)
	}
	if err != nil {
		f.remove()
		return failed("writing", f.path, err)
	}
	return syncDir("writing", f.real)
}

// Abort removes the new content; the old one stays. After Commit it does nothing.
func (f *File) Abort() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	f.ended = true
	f.file.Close()
	f.remove()
}

func (f *File) remove() {
	if f.direct {
		return
	}
	os.Remove(f.file.Name())
	for _, suffix := range companions {
		os.Remove(f.file.Name() + suffix)
	}
}

// Package atomicfile is the one door through which files go to disk: a reader finds the old content or the new one, never a part,
// whatever dies meanwhile.
//
// Create, Write and Commit stream a file of any size; the function Write does the three for a small one. Until Commit the new content
// has a name of its own beside the file that it will replace. Then it is flushed to the disk, renamed, and its folder is flushed.
//
// A link is written through: it stays, and what it leads to is replaced. A device or a FIFO has no old content to protect and is
// written to directly. Every error is an *Error.
package atomicfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Write replaces the file at path, with the mode perm whatever the umask. When it returns nil, content and name are on disk; when
// it returns an error, the old content is still there (see Commit for the one exception). The folder must exist.
func Write(path string, data []byte, perm fs.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// Move renames a file within its disk and flushes the new name. Nothing is ever overwritten: a name that is taken is fs.ErrExist,
// a file that is not there fs.ErrNotExist.
func Move(from, to string) error {
	_, err := os.Lstat(to)
	if err == nil {
		return failed("moving", from, fmt.Errorf("%s is there already: %w", filepath.Base(to), fs.ErrExist))
	}
	if err := os.Rename(from, to); err != nil {
		return failed("moving", from, err)
	}
	return syncDir("moving", to)
}

// Aside moves a file that cannot be read out of the way, under a name with the date and the time, and returns that name. Of a link,
// what it leads to is moved. Nothing is ever overwritten.
func Aside(path string, now time.Time) (string, error) {
	real, _, err := follow(path)
	if err != nil {
		return "", failed("moving", path, err)
	}
	base := real + ".unreadable-" + now.UTC().Format("20060102T150405Z")
	for i := 1; i <= 100; i++ {
		name := base
		if i > 1 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		return name, Move(real, name)
	}
	return "", failed("moving", path, fmt.Errorf("there are too many of the name %s: %w", filepath.Base(base), fs.ErrExist))
}

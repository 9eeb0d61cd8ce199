// Package atomicfile is the door through which small files go to disk: a reader finds the old content or the new one, never a
// part, whatever dies meanwhile.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Write replaces the file at path, with the mode perm whatever the umask. When it returns nil, content and name are on disk; when
// it returns an error, the old content is still there. The folder must exist.
func Write(path string, data []byte, perm fs.FileMode) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	if err := fill(tmp, data, perm); err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	sweep(path, tmp.Name())
	if err := os.Rename(tmp.Name(), path); err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	return syncDir(dir)
}

func fill(f *os.File, data []byte, perm fs.FileMode) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Chmod(perm)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// sweep removes what a process that died in Write left behind: it may hold a secret. Files of the last minute may belong to
// another process that is writing now. Ages are compared on the disk's own clock, by the file just written.
func sweep(path, keep string) {
	newest, err := os.Stat(keep)
	if err != nil {
		return
	}
	left, _ := filepath.Glob(globQuote(path) + ".*.tmp")
	for _, name := range left {
		info, err := os.Lstat(name)
		if err == nil && newest.ModTime().Sub(info.ModTime()) > time.Minute {
			os.Remove(name)
		}
	}
}

// globQuote makes a path a pattern that matches only itself.
func globQuote(path string) string {
	var out []rune
	for _, r := range path {
		switch r {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

// syncDir makes a rename durable. Some file systems refuse to sync a folder; there the rename is as durable as it can be.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening folder %s: %w", filepath.Base(dir), err)
	}
	d.Sync()
	return d.Close()
}

// Aside moves a file that cannot be read out of the way, under a name that tells the day and the time, and returns that name.
// Nothing is ever overwritten.
func Aside(path string, now time.Time) (string, error) {
	base := path + ".unreadable-" + now.UTC().Format("20060102T150405Z")
	for i := 1; i <= 100; i++ {
		name := base
		if i > 1 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		if err := os.Rename(path, name); err != nil {
			return "", fmt.Errorf("moving %s aside: %w", filepath.Base(path), err)
		}
		return name, syncDir(filepath.Dir(path))
	}
	return "", fmt.Errorf("moving %s aside: too many of that name", filepath.Base(path))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
)

// write has fill write what a command's user wants in a file, and returns that file; empty for standard output, which is no name, - or
// one of the system's names for it. A file gets its new content when all of it is on disk; an error, or the end of ctx, leaves the old one.
func (c *call) write(ctx context.Context, name string, fill func(io.Writer) error) (path string, err error) {
	switch name {
	case "", "-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return "", fill(c.stdout)
	}
	path = c.path(name)
	if ofProcess(path) {
		return "", &atomicfile.Error{Doing: "writing", Path: name,
			Err:  errors.New("it is a name that means something else in each process"),
			Hint: "The command may be done by the running fitbit-fetch. Leave -o out, and lead standard output to where it has to go, such as: fitbit-fetch export | gzip > export.gz"}
	}
	if own := c.ownFile(path); own != "" {
		return "", &atomicfile.Error{Doing: "writing", Path: path, Err: fmt.Errorf("it is %s of this program", own), Hint: "Name another file."}
	}
	f, err := atomicfile.Create(path, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Abort()
	defer context.AfterFunc(ctx, f.Abort)() // a FIFO whose reader has stopped reading does not hold the command up
	err = fill(f)
	if err == nil {
		err = f.Commit()
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("writing %s: %w", path, ctx.Err())
	}
	return path, err
}

// reporting is run with a standard output that lets no secret through: what it prints are words, and may be texts of services.
func reporting(run func(ctx context.Context, c *call) error) func(ctx context.Context, c *call) error {
	return func(ctx context.Context, c *call) error {
		plain := c.stdout
		defer func() { c.stdout = plain }()
		c.stdout = redact.Writer(plain)
		return run(ctx, c)
	}
}

// A printer is standard output. It keeps its first error, so that a command whose output went nowhere does not end as if all were well:
// few of those who print look.
type printer struct {
	out io.Writer
	mu  sync.Mutex
	err error
}

func (p *printer) Write(b []byte) (int, error) {
	n, err := p.out.Write(b)
	if err == nil {
		return n, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = &atomicfile.Error{Doing: "writing", Path: "standard output", Err: cause(err),
			Hint: "Look at what takes it: a disk without room, or a program that has ended. What is there now is not whole."}
	}
	return n, p.err
}

// failed returns the first error.
func (p *printer) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// cause is the system's error without the name of the file.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// ofProcess reports whether path is about open files of the process that looks at it, as a shell's >(command) is.
func ofProcess(path string) bool {
	path = filepath.ToSlash(filepath.Clean(path))
	return strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/") || path == "/dev/stdin" || path == "/dev/stderr"
}

// ownFile says which of the program's files path leads to; it is empty for none.
func (c *call) ownFile(path string) string {
	if archive.Belongs(path, c.app.opts.Archive) {
		return "the archive"
	}
	there, err := os.Stat(path)
	if err != nil {
		return ""
	}
	for _, p := range c.app.opts.Persons {
		if own, err := os.Stat(p.TokenFile); err == nil && os.SameFile(own, there) {
			return "the token file"
		}
	}
	return ""
}

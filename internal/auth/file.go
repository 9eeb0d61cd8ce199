package auth

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
)

const maxFile = 1 << 20

// A File is where a person's token lives: mode 0600, replaced as a whole, with the one before it beside it as ".previous".
// It may be used by several goroutines; another process may replace it too, which Changed tells.
type File struct {
	path  string
	write func(path string, data []byte, perm fs.FileMode) error

	mu   sync.Mutex
	seen fs.FileInfo // as last loaded or saved; nil for no file
}

// NewFile names the file; nothing is read yet.
func NewFile(path string) *File { return &File{path: path, write: atomicfile.Write} }

// Path is the file's name.
func (f *File) Path() string { return f.path }

// Loaded is what a token file held.
type Loaded struct {
	Token  Token    // empty where there is none
	Report []string // what was found wrong and mended, for the log and the page
}

// Load reads the file. No file is no error: the token is empty. A file that cannot be read as a token is moved aside, never
// deleted, and the previous one is taken where that can be read. An error means that the disk or its rights refuse.
func (f *File) Load(now time.Time) (Loaded, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out Loaded
	tok, err := f.read(f.path)
	switch {
	case err == nil:
		out.Token = tok
		out.Report = f.protect()
	case errors.Is(err, fs.ErrNotExist):
	case isTorn(err):
		if err := f.recover(now, err, &out); err != nil {
			return out, err
		}
	default:
		return out, err
	}
	f.seen, _ = os.Stat(f.path)
	return out, nil
}

// recover moves an unreadable file aside and takes the previous one.
func (f *File) recover(now time.Time, why error, out *Loaded) error {
	name, err := atomicfile.Aside(f.path, now)
	if err != nil {
		return err
	}
	out.Report = append(out.Report, fmt.Sprintf("the token file could not be read (%v); it is kept as %s", why, filepath.Base(name)))
	tok, err := f.read(f.previous())
	if err != nil {
		return nil
	}
	out.Token = tok
	out.Report = append(out.Report, "the previous token is used in its place; if the service rejects it, authorize again")
	return f.put(tok)
}

// Reload reads the file again after another process changed it. Unlike Load it moves nothing: the other may still be writing.
func (f *File) Reload() (Token, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, _ := os.Stat(f.path)
	tok, err := f.read(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Token{}, err
	}
	f.seen = info
	return tok, nil
}

// Changed reports whether the file is another one than was last loaded or saved here.
func (f *File) Changed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) && f.seen != nil
	}
	return f.seen == nil || !os.SameFile(info, f.seen) || !info.ModTime().Equal(f.seen.ModTime()) || info.Size() != f.seen.Size()
}

// Save replaces the token. When it returns nil the token is on disk; when it returns an error the old one still is.
func (f *File) Save(t Token, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("saving the token: %w", err)
	}
	old, err := readLimited(f.path)
	if err == nil {
		was, bad := decodeToken(old)
		switch {
		case bad != nil:
			_, err = atomicfile.Aside(f.path, now)
		case title(was.Provider) != "" && was.Provider != t.Provider:
			err = f.write(f.path+"."+was.Provider, old, 0o600) // to go back to that service
		default:
			err = f.write(f.previous(), old, 0o600)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("saving the token: keeping the previous one: %w", err)
	}
	return f.put(t)
}

// Delete removes the token and the previous one, once they have been revoked.
func (f *File) Delete() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = nil
	for _, name := range []string{f.path, f.previous()} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("deleting the token: %w", err)
		}
	}
	return nil
}

func (f *File) previous() string { return f.path + ".previous" }

func (f *File) put(t Token) error {
	data, err := encodeToken(t)
	if err != nil {
		return err
	}
	if err := f.write(f.path, data, 0o600); err != nil {
		return fmt.Errorf("saving the token: %w", err)
	}
	f.seen, _ = os.Stat(f.path)
	return nil
}

// protect takes the file away from others' eyes.
func (f *File) protect() []string {
	info, err := os.Stat(f.path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(f.path, 0o600); err != nil {
		return []string{fmt.Sprintf("the token file can be read by others (mode %04o), and its mode cannot be changed: its disk has no modes, or another user owns it", info.Mode().Perm())}
	}
	return []string{fmt.Sprintf("the token file could be read by others (mode %04o); it is 0600 now", info.Mode().Perm())}
}

// torn is a file whose content is no token.
type torn struct{ why error }

func (e *torn) Error() string { return e.why.Error() }

func isTorn(err error) bool {
	var t *torn
	return errors.As(err, &t)
}

func (f *File) read(path string) (Token, error) {
	data, err := readLimited(path)
	if err != nil {
		return Token{}, err
	}
	tok, err := decodeToken(data)
	if err != nil {
		return Token{}, &torn{err}
	}
	return tok, nil
}

func readLimited(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the token file: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("reading the token file: %w", err)
	}
	return data, nil
}

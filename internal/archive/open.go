package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/fitbit-fetch/fitbit-fetch/internal/atomicfile"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const (
	snapshotSuffix = ".snapshot"
	lockSuffix     = ".lock"
)

// files are the database itself and what SQLite keeps beside it.
func files() []string { return []string{"", "-wal", "-shm"} }

// Open opens the archive, or begins a new one where there is none. A broken file is moved aside and restored from
// Path.snapshot where that is there; a missing one is restored likewise. Report tells. Errors: ErrOwned, ErrNewer, the disk's.
func Open(ctx context.Context, cfg Config) (*Archive, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a := &Archive{cfg: cfg, changed: make(chan struct{}), queues: map[string]*queue{}, leave: map[string]map[metric.ID]bool{}}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil {
		return nil, fmt.Errorf("opening the archive: %w", err)
	}
	if err := a.own(); err != nil {
		return nil, err
	}
	if err := a.open(ctx); err != nil {
		a.Close()
		return nil, fmt.Errorf("opening the archive %s: %w", cfg.Path, explain(err))
	}
	return a, nil
}

// own takes the lock.
func (a *Archive) own() error {
	f, err := os.OpenFile(a.cfg.Path+lockSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("opening the archive: %w", err)
	}
	held, err := hold(f)
	if err == nil && !held {
		err = &Error{
			Err:  fmt.Errorf("%s: %w", a.cfg.Path, ErrOwned),
			Hint: "Stop the fitbit-fetch that is running, or give this one another data folder. Commands reach the running one by themselves.",
		}
	}
	if err != nil {
		f.Close()
		return err
	}
	a.lock = f
	return nil
}

// Close ends all access and lets go of the lock.
func (a *Archive) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var errs []error
	for _, db := range []*sql.DB{a.read, a.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	errs = append(errs, a.lock.Close())
	return errors.Join(errs...)
}

func (a *Archive) open(ctx context.Context) error {
	path := a.cfg.Path
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := a.moveAside("the file is missing, what belonged to it is not"); err != nil { // a log without its database
			return err
		}
		if err := a.begin(ctx); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	reason, err := a.try(ctx)
	if err != nil {
		return err
	}
	if reason != "" {
		if err := a.moveAside(reason); err != nil {
			return err
		}
		if err := a.begin(ctx); err != nil {
			return err
		}
		if reason, err = a.try(ctx); err != nil {
			return err
		}
		if reason != "" {
			return fmt.Errorf("the new file is broken too: %s", reason)
		}
	}
	if a.read, err = connect(path, 4); err != nil {
		return err
	}
	return a.dropBroken(ctx)
}

// try opens the file for writing, checks and migrates it. A reason says why it is broken; then it is closed again.
func (a *Archive) try(ctx context.Context) (reason string, err error) {
	db, err := connect(a.cfg.Path, 1)
	if err != nil {
		return "", err
	}
	reason, err = check(ctx, db)
	version := 0
	if err == nil && reason == "" {
		err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	}
	if err == nil && reason == "" && version > 0 { // what is no archive is not changed
		reason, err = a.readHead(ctx, db)
	}
	if err == nil && reason == "" {
		a.report.From, a.report.To, err = migrate(ctx, db, steps())
	}
	if err == nil && reason == "" {
		reason, err = a.readHead(ctx, db)
	}
	if broken(err) {
		reason, err = err.Error(), nil
	}
	if err != nil || reason != "" {
		db.Close()
		return reason, err
	}
	a.write = db
	return "", nil
}

// readHead reads the newest revision, or says why the database holds no archive.
func (a *Archive) readHead(ctx context.Context, db *sql.DB) (reason string, err error) {
	if err = db.QueryRowContext(ctx, "SELECT rev FROM head").Scan(&a.rev); foreign(err) {
		return "it holds no archive: " + err.Error(), nil
	}
	return "", err
}

// connect opens the database with at most n connections. Each has a small cache: what is read is read once.
func connect(path string, n int) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(1)", "cache_size(-512)", "journal_size_limit(1048576)"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(1)
	return db, nil
}

// check reads the whole database once; a reason says what is wrong with it.
func check(ctx context.Context, db *sql.DB) (reason string, err error) {
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&reason); err != nil {
		return "", err
	}
	if reason == "ok" {
		return "", nil
	}
	return reason, nil
}

// broken reports whether an error says that the file is no whole database.
func broken(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
}

// foreign reports whether an error of the first question says that the database holds something else than an archive. That it could not
// be asked, because the start was interrupted or the disk failed, says nothing about what it holds.
func foreign(err error) bool {
	var e *sqlite.Error
	return errors.Is(err, sql.ErrNoRows) || errors.As(err, &e) && e.Code() == sqlite3.SQLITE_ERROR
}

// explain adds what the user can do about an error of the database.
func explain(err error) error { return explainAt(err, "the archive") }

// explainAt is explain for what is written elsewhere; place is what lies on the disk that may be full.
func explainAt(err error, place string) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	hint := ""
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		hint = fmt.Sprintf("Free some space on the disk that holds %s, or look whether it fails. Nothing that was stored is lost.", place)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		hint = "Make the folder and the file of the archive writable for the user that runs fitbit-fetch."
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		hint = "Start fitbit-fetch again: it moves the broken file aside and goes on from its snapshot, or begins anew."
	default:
		return err
	}
	return &Error{Err: err, Hint: hint}
}

// moveAside renames the database and what lies beside it to a dated name. Nothing is deleted.
func (a *Archive) moveAside(reason string) error {
	to := fmt.Sprintf("%s.broken-%s", a.cfg.Path, a.cfg.Now().UTC().Format("20060102T150405Z"))
	for n, base := 2, to; slices.ContainsFunc(files(), func(suffix string) bool { return exists(to + suffix) }); n++ {
		to = fmt.Sprintf("%s-%d", base, n)
	}
	moved := false
	for _, suffix := range files() {
		err := atomicfile.Move(a.cfg.Path+suffix, to+suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("moving the broken file aside: %w", err)
		}
		moved = moved || err == nil
	}
	if moved {
		a.report.Aside, a.report.Reason = to, reason
		a.cfg.Log.Error("the archive was broken and has been moved aside", "to", to, "reason", reason)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// begin restores the snapshot, or where there is none that is whole begins an empty file. A snapshot that cannot be read, or a disk that
// has no room for its copy, is an error: an empty archive would look as if all were well, and the next snapshot would replace the good one.
func (a *Archive) begin(ctx context.Context) error {
	from := a.cfg.Path + snapshotSuffix
	src, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return a.create()
	}
	if err != nil {
		return unreadable(err)
	}
	defer src.Close()
	reason, err := a.restore(ctx, src)
	if err != nil {
		return fmt.Errorf("restoring the snapshot: %w", err)
	}
	if reason != "" {
		a.cfg.Log.Error("the snapshot is broken; a new archive is begun", "from", from, "reason", reason)
		return a.create()
	}
	a.report.Restored = from
	a.cfg.Log.Warn("the archive was restored from its snapshot", "from", from)
	return nil
}

// create begins an empty file, which only its owner can read.
func (a *Archive) create() error {
	a.report.Created = true
	f, err := os.OpenFile(a.cfg.Path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// restore copies a snapshot to the archive's place if it is whole; otherwise reason says what is wrong with it.
func (a *Archive) restore(ctx context.Context, from io.Reader) (reason string, err error) {
	f, err := atomicfile.Create(a.cfg.Path, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Abort()
	if _, err := io.Copy(f, from); err != nil {
		if _, ours := errors.AsType[*atomicfile.Error](err); !ours {
			err = unreadable(err)
		}
		return "", err
	}
	db, err := connect(f.Name(), 1)
	if err != nil {
		return "", err
	}
	reason, err = check(ctx, db)
	err = errors.Join(err, db.Close())
	switch {
	case broken(err):
		return err.Error(), nil
	case err != nil || reason != "":
		return reason, err
	}
	return "", f.Commit()
}

// unreadable is a snapshot that is there and cannot be read.
func unreadable(err error) error {
	return &Error{Err: fmt.Errorf("reading the snapshot: %w", err),
		Hint: "Make the snapshot readable for the user that runs fitbit-fetch and start it again, or move the snapshot away to begin without what it holds."}
}

// dropBroken removes chunks whose checksum is wrong, and opens their time again: it will be asked and delivered anew.
func (a *Archive) dropBroken(ctx context.Context) error {
	rows, err := a.write.QueryContext(ctx, "SELECT id, person, source, series, unit, first, last, data FROM chunk")
	if err != nil {
		return err
	}
	defer rows.Close()
	type lost struct {
		id, first, last        int64
		unit                   int
		person, source, series string
	}
	var all []lost
	for rows.Next() {
		var l lost
		var data sql.RawBytes
		if err := rows.Scan(&l.id, &l.person, &l.source, &l.series, &l.unit, &l.first, &l.last, &data); err != nil {
			return err
		}
		if !intact(data) {
			all = append(all, l)
		}
	}
	if err := rows.Err(); err != nil || len(all) == 0 {
		return err
	}
	rows.Close()
	return a.update(ctx, func(tx *sql.Tx) error {
		for _, l := range all {
			if _, err := tx.ExecContext(ctx, "DELETE FROM chunk WHERE id = ?", l.id); err != nil {
				return err
			}
			if err := uncoverAll(ctx, tx, l.person, l.source, min(l.first, int64(l.unit)*dayNanos), l.last); err != nil {
				return err
			}
			day := metric.Day(l.unit).String()
			a.report.Dropped = append(a.report.Dropped, strings.Join([]string{l.series, l.source, day}, " "))
			a.cfg.Log.Error("a chunk of the archive was unreadable; its time will be asked again", "series", l.series, "source", l.source, "day", day)
		}
		return nil
	})
}

package archive

import (
	"context"
	"database/sql"
	"fmt"
)

// steps are the versions of the schema: step i leads from version i to i+1 (PRAGMA user_version). A released step never changes.
func steps() []string {
	return []string{`
CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), rev INTEGER NOT NULL);
INSERT INTO head VALUES (1, 0);

-- All samples of one series of one source and person in one unit span. rev is the highest of its samples', 0 if none is visible.
CREATE TABLE chunk (
	id      INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: ahead refers to it
	person  TEXT NOT NULL,
	series  TEXT NOT NULL,
	unit    INTEGER NOT NULL, -- days since 1970: the UTC day, the first of its month for daily series, the session's day
	source  TEXT NOT NULL,
	session INTEGER NOT NULL, -- session.id, 0 for none
	tags    TEXT NOT NULL,    -- JSON array, empty for none
	rev     INTEGER NOT NULL,
	first   INTEGER NOT NULL, -- instants, UTC, nanoseconds
	last    INTEGER NOT NULL,
	count   INTEGER NOT NULL,
	shown   INTEGER NOT NULL, -- of count, how many are visible
	data    BLOB NOT NULL,
	UNIQUE (person, series, unit, source, session, tags)
);
CREATE INDEX chunk_rev ON chunk (rev);
CREATE INDEX chunk_session ON chunk (session) WHERE session <> 0;

CREATE TABLE session (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	person        TEXT NOT NULL,
	source        TEXT NOT NULL,
	kind          TEXT NOT NULL,
	key           TEXT NOT NULL,
	day           INTEGER NOT NULL,
	start         INTEGER NOT NULL,
	"end"         INTEGER NOT NULL,
	"offset"      INTEGER NOT NULL, -- seconds east of UTC
	title         TEXT NOT NULL,
	main          INTEGER NOT NULL,
	has_track     INTEGER NOT NULL,
	updated       INTEGER NOT NULL,
	track_updated INTEGER, -- the updated its track was fetched for
	rev           INTEGER NOT NULL,
	UNIQUE (person, source, kind, key)
);
CREATE INDEX session_day ON session (person, kind, day);

-- What has been asked, on the feed's own axis, nanoseconds. Spans of one feed do not overlap.
CREATE TABLE coverage (
	person TEXT NOT NULL,
	source TEXT NOT NULL,
	feed   TEXT NOT NULL,
	start  INTEGER NOT NULL,
	"end"  INTEGER NOT NULL,
	asked  INTEGER NOT NULL,
	final  INTEGER NOT NULL,
	PRIMARY KEY (person, source, feed, start)
) WITHOUT ROWID;

-- Visible samples that have vanished. fields: which it had, a bit each.
CREATE TABLE tomb (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,
	rev    INTEGER NOT NULL,
	person TEXT NOT NULL,
	series TEXT NOT NULL,
	time   INTEGER NOT NULL,
	device TEXT NOT NULL,
	tags   TEXT NOT NULL,
	fields INTEGER NOT NULL,
	UNIQUE (person, series, time, device, tags)
);

CREATE TABLE state (
	person TEXT NOT NULL,
	key    TEXT NOT NULL,
	value  BLOB NOT NULL,
	PRIMARY KEY (person, key)
) WITHOUT ROWID;

-- How far each sink has come: it has all of revision rev, and of single chunks (ahead) more than that.
CREATE TABLE sink (
	name TEXT PRIMARY KEY,
	rev  INTEGER NOT NULL,
	tomb INTEGER NOT NULL -- the last tomb it has passed
) WITHOUT ROWID;
CREATE TABLE ahead (
	sink  TEXT NOT NULL REFERENCES sink (name) ON DELETE CASCADE,
	chunk INTEGER NOT NULL REFERENCES chunk (id) ON DELETE CASCADE,
	rev   INTEGER NOT NULL,
	PRIMARY KEY (sink, chunk)
) WITHOUT ROWID;
CREATE INDEX ahead_chunk ON ahead (chunk);

CREATE TABLE quarantine (
	sink   TEXT NOT NULL,
	person TEXT NOT NULL,
	series TEXT NOT NULL,
	field  TEXT NOT NULL,
	reason TEXT NOT NULL,
	hint   TEXT NOT NULL,
	count  INTEGER NOT NULL,
	first  INTEGER NOT NULL,
	last   INTEGER NOT NULL,
	at     INTEGER NOT NULL,
	PRIMARY KEY (sink, person, series, field, reason)
) WITHOUT ROWID;
`, `
-- reader: version of what has read the answer. odd: answers in a row in which something could not be understood. again: when it is to be
-- asked again for that, or for a doubt; 0 for not.
ALTER TABLE coverage ADD COLUMN reader INTEGER NOT NULL DEFAULT 0;
ALTER TABLE coverage ADD COLUMN odd    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE coverage ADD COLUMN again  INTEGER NOT NULL DEFAULT 0;

-- Answers in which most of a span was gone, and that have not been believed yet. series is empty for sessions.
CREATE TABLE doubt (
	person TEXT NOT NULL,
	source TEXT NOT NULL,
	feed   TEXT NOT NULL,
	series TEXT NOT NULL,
	start  INTEGER NOT NULL, -- the span, as in coverage
	"end"  INTEGER NOT NULL,
	first  INTEGER NOT NULL, -- when the answer was asked for that said so first
	gone   INTEGER NOT NULL, -- how many samples or sessions
	PRIMARY KEY (person, source, feed, series, start)
) WITHOUT ROWID;
`}
}

// migrate brings a database to the newest version, each step in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB, steps []string) (from, to int, err error) {
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&from); err != nil {
		return 0, 0, fmt.Errorf("reading the schema's version: %w", err)
	}
	if from > len(steps) {
		return from, from, &Error{
			Err:  fmt.Errorf("%w: its schema has version %d, this program knows %d", ErrNewer, from, len(steps)),
			Hint: "Start the newer version of fitbit-fetch again, or move the archive elsewhere to begin a new one.",
		}
	}
	for v := from; v < len(steps); v++ {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return from, v, err
		}
		_, err = tx.ExecContext(ctx, steps[v]+fmt.Sprintf(";PRAGMA user_version = %d", v+1))
		if err != nil {
			tx.Rollback()
			return from, v, fmt.Errorf("migrating the schema to version %d: %w", v+1, err)
		}
		if err := tx.Commit(); err != nil {
			return from, v, fmt.Errorf("migrating the schema to version %d: %w", v+1, err)
		}
	}
	return from, len(steps), nil
}

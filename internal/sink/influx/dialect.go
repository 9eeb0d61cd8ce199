package influx

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	client "github.com/influxdata/influxdb1-client/v2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

// Version says which of the databases that speak the write protocol it is.
type Version string

// What can be written to.
const (
	V1              Version = "1"
	V2              Version = "2"
	V3              Version = "3"
	VictoriaMetrics Version = "victoriametrics"
)

// A dialect is what differs between them. A nil function is something that the database does not have.
type dialect struct {
	name    string                             // first word of the sink's name
	title   string                             // as people call it
	noun    string                             // what it calls a database; empty where it has one only
	place   func(Config) string                // which of its databases, behind the address in the sink's name
	write   func(Config, *url.URL)             // turns the address of the server into that of a write
	login   func(Config, *http.Request)        // puts the credentials into a request
	own     func(http.Header) bool             // whether an answer is its own, and not of something before it
	partial []int                              // statuses that tell of points which will not be taken
	create  func(*Sink, context.Context) error // makes the database; nil where a write does
	check   check
	read    read
	words   words
	traits  sink.Traits
}

// check is how a dialect is tried without writing anything.
type check struct {
	version func(*Sink, context.Context) (string, error)
	reach   func(*Sink, context.Context) (verdict, error) // what a write would be answered
	proves  string                                        // what may be done where that is yes
	create  func(*Sink, context.Context) error            // errForbidden where the database could not be made
}

// read is how a dialect is asked what it holds, in InfluxQL.
type read struct {
	find   func(*Sink, context.Context) (scope, error)
	ask    func(*Sink, context.Context, scope, string) (*client.Response, error)
	narrow bool // one statement at a time, and none that looks at points of all times
}

// scope is where InfluxQL looks.
type scope struct{ database, policy string }

// words are the cures, in the terms of the database.
type words struct {
	port         string
	unauthorized string
	forbidden    func(Config) string
	absent       func(Config) string
	expired      func(c Config, policy string) string // points older than what the database keeps; policy is InfluxDB 1's, as InfluxQL names it
	conflict     func(Config, verdict) string
}

// dialects is the table.
var dialects = map[Version]dialect{
	V1: {
		name:  "influx1",
		title: "InfluxDB 1",
		noun:  "database",
		place: func(c Config) string { return strings.TrimSpace(c.Database + " " + c.RetentionPolicy) },
		write: func(c Config, u *url.URL) {
			u.Path += "/write"
			q := url.Values{"db": {c.Database}, "precision": {"ns"}}
			if c.RetentionPolicy != "" {
				q.Set("rp", c.RetentionPolicy)
			}
			u.RawQuery = q.Encode()
		},
		login:   basic,
		own:     says("1"),
		partial: []int{http.StatusBadRequest},
		create:  (*Sink).createDatabase,
		check:   check{(*Sink).ping, (*Sink).postNothing, "written", (*Sink).listUsers},
		read:    read{find: (*Sink).named, ask: (*Sink).askByClient},
		words: words{
			port:         "8086",
			unauthorized: "InfluxDB does not know this user name and password. Check both in the settings; a password with special characters may need quotes.",
			forbidden: func(c Config) string {
				return fmt.Sprintf("The InfluxDB user %q may not write to database %q. As an administrator: GRANT ALL ON %s TO %s.", c.Username, c.Database, quoteName(c.Database), quoteName(c.Username))
			},
			absent: func(c Config) string {
				return fmt.Sprintf("Database %q does not exist and could not be created. As an administrator: CREATE DATABASE %s.", c.Database, quoteName(c.Database))
			},
			expired: func(c Config, policy string) string {
				return fmt.Sprintf("Database %q keeps its points only for a time (its retention policy). To have older ones too: ALTER RETENTION POLICY %s ON %s DURATION INF, then run: fitbit-fetch replay.",
					c.Database, policy, quoteName(c.Database))
			},
			conflict: conflictOf1,
		},
		traits: sink.Traits{Conflicts: true, ParseErrors: true, Deletes: true, Creates: true, Reads: true, Overwrites: true, Integers: true, Names: true, Precision: time.Nanosecond},
	},
	V2: {
		name:  "influx2",
		title: "InfluxDB 2",
		noun:  "bucket",
		place: func(c Config) string { return c.Org + " " + c.Database },
		write: func(c Config, u *url.URL) {
			u.Path += "/api/v2/write"
			u.RawQuery = url.Values{"org": {c.Org}, "bucket": {c.Database}, "precision": {"ns"}}.Encode()
		},
		login:   token("Token"),
		own:     says("2"),
		partial: []int{http.StatusBadRequest, http.StatusUnprocessableEntity},
		create:  (*Sink).createBucket,
		check:   check{(*Sink).health, (*Sink).postNothing, "written", (*Sink).seeOrg},
		read:    read{find: (*Sink).mapped, ask: (*Sink).askByClient},
		words: words{
			port:         "8086",
			unauthorized: "InfluxDB does not know this token. Make one in InfluxDB under Load Data → API Tokens, and put it into the settings.",
			forbidden: func(c Config) string {
				return fmt.Sprintf("The token may not write to bucket %q. Make one in InfluxDB under Load Data → API Tokens that may read and write it.", c.Database)
			},
			absent: func(c Config) string {
				return fmt.Sprintf("Bucket %q does not exist, or is hidden from this token, and could not be created. Make it in InfluxDB under Load Data → Buckets, and a token that may read and write it.", c.Database)
			},
			expired: func(c Config, _ string) string {
				return fmt.Sprintf("Bucket %q keeps its points only for a time. To have older ones too, set Delete Data to Never in its settings in InfluxDB (Load Data → Buckets), then run: fitbit-fetch replay.", c.Database)
			},
			conflict: conflictOf2,
		},
		traits: sink.Traits{Conflicts: true, ParseErrors: true, Deletes: true, Creates: true, Reads: true, Overwrites: true, Integers: true, Names: true, Precision: time.Nanosecond},
	},
	V3: {
		name:  "influx3",
		title: "InfluxDB 3",
		noun:  "database",
		place: func(c Config) string { return c.Database },
		write: func(c Config, u *url.URL) {
			u.Path += "/api/v3/write_lp"
			u.RawQuery = url.Values{"db": {c.Database}, "precision": {"nanosecond"}, "accept_partial": {"true"}}.Encode()
		},
		login:   token("Bearer"),
		own:     says("3"),
		partial: []int{http.StatusBadRequest},
		check:   check{(*Sink).ping3, (*Sink).lookAround, "read", nil},
		read:    read{find: (*Sink).named, ask: (*Sink).askByGet, narrow: true},
		words: words{
			port:         "8181",
			unauthorized: "InfluxDB does not know this token. Make one with: influxdb3 create token --admin, and put it into the settings.",
			forbidden: func(c Config) string {
				return fmt.Sprintf("The token may not write to database %q. Make one that may read and write it; in InfluxDB 3 Core: influxdb3 create token --admin.", c.Database)
			},
			absent: func(c Config) string {
				return fmt.Sprintf("Database %q does not exist and the token may not create it. Make it with: influxdb3 create database %s.", c.Database, c.Database)
			},
			expired: func(c Config, _ string) string {
				return fmt.Sprintf("Database %q keeps its points only for a time (its retention period). Make one without, and put its name into the settings.", c.Database)
			},
			conflict: conflictOf3,
		},
		traits: sink.Traits{Conflicts: true, Creates: true, Reads: true, Overwrites: true, Integers: true, Names: true, Precision: time.Nanosecond},
	},
	VictoriaMetrics: {
		name:  "victoriametrics",
		title: "VictoriaMetrics",
		place: func(Config) string { return "" },
		write: func(_ Config, u *url.URL) {
			// All three forms that people have at hand lead to it: the server, a cluster's /insert/<account>, and the whole address of a write.
			u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/write"), "/influx") + "/influx/write"
			u.RawQuery = "precision=ns"
		},
		login: func(c Config, r *http.Request) {
			if c.Token != "" {
				r.Header.Set("Authorization", "Bearer "+c.Token)
				return
			}
			basic(c, r)
		},
		own:   func(h http.Header) bool { return h.Get("X-Server-Hostname") != "" },
		check: check{reach: (*Sink).postNothing},
		words: words{
			port:         "8428; a cluster's 8480, with /insert/0 behind it",
			unauthorized: "VictoriaMetrics, or what stands before it, does not know this user name and password. Check both in the settings.",
			forbidden:    func(Config) string { return "VictoriaMetrics, or what stands before it, does not let this user write." },
		},
		traits: sink.Traits{Creates: true, Precision: time.Millisecond},
	},
}

// says makes a test for answers of a version. One of InfluxDB's other versions is another's, and so is what tells none.
func says(major string) func(http.Header) bool {
	return func(h http.Header) bool { return majorOf(h) == major }
}

// majorOf is the number before the first dot of the version that an answer tells.
func majorOf(h http.Header) string {
	major, _, _ := strings.Cut(strings.TrimPrefix(h.Get("X-Influxdb-Version"), "v"), ".")
	return major
}

// conflictOf1 names the cure for a field that the database holds with another type. The copies are named so that the measurement
// is no beginning of theirs: 1.6 would then keep its types through the drop.
func conflictOf1(_ Config, v verdict) string {
	m, f := quoteName(v.measurement), quoteName(v.field)
	hint := fmt.Sprintf("Another program wrote field %s of measurement %s as %s; here it is %s, and InfluxDB keeps the first type. Either deliver into a database of its own, or ", f, m, v.have, v.sent)
	if v.have == "string" || v.have == "boolean" {
		return hint + fmt.Sprintf("keep the old values under another name (SELECT * INTO %s FROM %s GROUP BY *), then DROP MEASUREMENT %s, then run: fitbit-fetch replay.", quoteName("old_"+v.measurement), m, m)
	}
	copied := quoteName("copy_" + v.measurement)
	return hint + fmt.Sprintf("change the type: SELECT %s::%s AS %s INTO %s FROM %s GROUP BY *; DROP MEASUREMENT %s; SELECT %s INTO %s FROM %s GROUP BY *; then run: fitbit-fetch replay. Name the measurement's other fields in both SELECTs too.", f, v.sent, f, copied, m, m, f, m, copied)
}

// conflictOf2: InfluxDB 2 copies and deletes by other words.
func conflictOf2(c Config, v verdict) string {
	return fmt.Sprintf("Another program wrote field %s of measurement %s as %s; here it is %s, and InfluxDB keeps the first type. Either deliver into a bucket of its own, or "+
		"make a bucket for the old values, copy them with the query from(bucket: %s) |> range(start: 0) |> filter(fn: (r) => r._measurement == %s) |> to(bucket: \"old\"), "+
		"delete them with influx delete --bucket %s --start 1970-01-01T00:00:00Z --stop 2100-01-01T00:00:00Z --predicate '_measurement=%s', then run: fitbit-fetch replay.",
		quoteName(v.field), quoteName(v.measurement), v.have, v.sent, quoteName(c.Database), quoteName(v.measurement), quoteName(c.Database), quoteName(v.measurement))
}

// conflictOf3: InfluxDB 3 deletes nothing but whole tables.
func conflictOf3(c Config, v verdict) string {
	return fmt.Sprintf("Another program wrote field %s of measurement %s with another type, and InfluxDB keeps the first. Deliver into a database of its own; "+
		"or, if the old values of this measurement may go: influxdb3 delete table --database %s %s, then run: fitbit-fetch replay.",
		quoteName(v.field), quoteName(v.measurement), quoteName(c.Database), quoteName(v.measurement))
}

func basic(c Config, r *http.Request) {
	if c.Username != "" {
		r.SetBasicAuth(c.Username, c.Password)
	}
}

func token(scheme string) func(Config, *http.Request) {
	return func(c Config, r *http.Request) {
		if c.Token != "" {
			r.Header.Set("Authorization", scheme+" "+c.Token)
		}
	}
}

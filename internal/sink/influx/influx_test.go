package influx

import (
	"cmp"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

// open makes a sink on srv; edit may change its settings.
func open(t testing.TB, srv *influxd.Server, database string, edit func(*Config)) *Sink {
	t.Helper()
	cfg := Config{Version: V1, URL: srv.URL, Database: database, Units: Metric, Catalogue: sinktest.Catalogue()}
	if srv.Version == influxd.V2_7 {
		cfg.Version, cfg.Org, cfg.Token = V2, influxd.Org, influxd.Token
	}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// rows reads a measurement back, with the types that the server says its fields have.
func rows(t testing.TB, srv *influxd.Server, database, measurement string) []sinktest.Row {
	t.Helper()
	m := quoteName(measurement)
	answer := srv.Query(database, fmt.Sprintf("SHOW FIELD KEYS FROM %s; SELECT * FROM %s GROUP BY *", m, m))
	types := map[string]string{}
	for _, s := range answer[0].Series {
		for _, v := range s.Values {
			types[v[0].(string)] = v[1].(string)
		}
	}
	var out []sinktest.Row
	for _, s := range answer[1].Series {
		tags := map[string]string{}
		for k, v := range s.Tags {
			if v != "" {
				tags[k] = v
			}
		}
		for _, v := range s.Values {
			r := sinktest.Row{Tags: tags, Fields: map[string]any{}}
			for i, c := range s.Columns {
				if c == "time" {
					r.Time, _ = v[i].(json.Number).Int64()
				} else if n, ok := v[i].(json.Number); ok && types[c] == "integer" {
					r.Fields[c], _ = n.Int64()
				} else if ok {
					r.Fields[c], _ = n.Float64()
				} else if v[i] != nil {
					r.Fields[c] = v[i]
				}
			}
			out = append(out, r)
		}
	}
	return out
}

func TestSuite(t *testing.T) {
	for _, version := range influxd.Versions() {
		for _, auth := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/auth=%v", version, auth), func(t *testing.T) {
				suite(t, influxd.Start(t, influxd.Config{Version: version, Auth: auth}), auth)
			})
		}
	}
}

// suite runs the suite on databases of one server.
func suite(t *testing.T, srv *influxd.Server, auth bool) {
	login := func(secret string) func(*Config) {
		return func(c *Config) {
			switch {
			case srv.Version == influxd.V2_7:
				c.Token = cmp.Or(secret, influxd.Token)
			case auth:
				c.Username, c.Password = influxd.Admin, cmp.Or(secret, influxd.Password)
			}
		}
	}
	n := 0
	sinktest.Run(t, open(t, srv, "none", nil).Traits(), func(t *testing.T) sinktest.Subject {
		n++
		db := fmt.Sprintf(`da"ta b'%d`, n)
		if srv.Version == influxd.V2_7 {
			db = fmt.Sprintf(`data b'%d`, n) // it takes no quotes
		}
		s := sinktest.Subject{
			Sink:  open(t, srv, db, login("")),
			Rows:  func(t testing.TB, m string) []sinktest.Row { return rows(t, srv, db, m) },
			Put:   func(t testing.TB, lines string) { srv.Create(db); srv.Put(db, lines) },
			Empty: func(t testing.TB) { srv.Drop(db) },
			Stop:  srv.Stop,
			Start: srv.Start,
		}
		if auth {
			s.Stranger = open(t, srv, db, login("wrong"))
		}
		return s
	})
}

var (
	_ sink.Prober   = (*Sink)(nil)
	_ sink.Deleter  = (*Sink)(nil)
	_ sink.Preparer = (*Sink)(nil)
)

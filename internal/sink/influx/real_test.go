package influx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink/sinktest/influxd"
)

const midnight = int64(1_770_000_000_000_000_000)

// one makes one sample of a series with one field.
func one(id metric.ID, at int64, v float64) sink.Points {
	b := &metric.Block{Series: id, Device: "D"}
	b.Append(at, v)
	return sink.Points{Block: b}
}

// memory remembers decisions.
type memory map[string]string

func (m memory) Load(_ context.Context, sink string) (string, error) { return m[sink], nil }
func (m memory) Save(_ context.Context, sink, units string) error {
	m[sink] = units
	return nil
}

// value reads the only value of a measurement at an instant.
func value(t *testing.T, srv *influxd.Server, db, measurement string, at int64) any {
	t.Helper()
	for _, r := range rows(t, srv, db, measurement) {
		if r.Time == at {
			for _, v := range r.Fields {
				return v
			}
		}
	}
	t.Fatalf("%s has nothing at %d", measurement, at)
	return nil
}

func TestUnits(t *testing.T) {
	srv := influxd.Start(t, influxd.Config{Version: influxd.Versions()[0]})
	day := int64(24 * time.Hour)
	tests := []struct {
		name    string
		held    string // lines another program, or we ourselves, wrote before
		units   Units
		memory  memory
		pounds  bool
		because string
	}{
		{"new database", "", Auto, memory{}, false, "holds no such values"},
		{"only heart rate of the Python project", "HeartRate_Intraday,Device=D value=60i 1", Auto, memory{}, false, "holds no such values"},
		{"weight of the Python project", fmt.Sprintf("weight,Device=D value=176.4 %d", midnight-day), Auto, memory{}, true, "Python project filled"},
		{"distance of the Python project", fmt.Sprintf("distance,Device=D value=3.1 %d", midnight-day), Auto, memory{}, true, "Python project filled"},
		{"workouts of the Python project", fmt.Sprintf("Activity\\ Records,ActivityName=Walk distance=3.1 %d", midnight-day), Auto, memory{}, true, "Python project filled"},
		{"temperature of the Python project", fmt.Sprintf("Skin\\ Temperature\\ Variation,Device=D RelativeValue=3.1 %d", midnight-day), Auto, memory{}, true, "Python project filled"},
		{"the same instant in pounds", fmt.Sprintf("weight,Device=D value=176.4 %d\nHeartRate_Minute,Device=D mean=1 1", midnight), Auto, memory{}, true, "same instant"},
		{"the same instant in kilograms: ours, and the archive was lost", fmt.Sprintf("weight,Device=D value=80.1 %d", midnight), Auto, memory{}, false, "same instant"},
		{"the same instant of another person", fmt.Sprintf("weight,Device=D,Person=Eva value=80 %d", midnight), Auto, memory{}, true, "Python project filled"},
		{"pounds of the Python project, though ours are beside it", fmt.Sprintf("weight,Device=D value=176.4 %[1]d\nbmi,Device=D value=24.7 %[1]d\nHeartRate_Minute,Device=D mean=1 1", midnight-day), Auto, memory{}, true, "are pounds"},
		{"kilograms of the Python project", fmt.Sprintf("weight,Device=D value=80 %[1]d\nbmi,Device=D value=24.7 %[1]d", midnight-day), Auto, memory{}, false, "are kilograms"},
		{"pounds beside the index of another person", fmt.Sprintf("weight,Device=D value=176.4 %[1]d\nbmi,Device=D,Person=Eva value=60 %[1]d", midnight-day), Auto, memory{}, true, "Python project filled"},
		{"kilometres of the Python project", fmt.Sprintf("distance,Device=D value=7 %[1]d\nTotal\\ Steps,Device=D value=10000 %[1]d", midnight-day), Auto, memory{}, false, "are kilometres"},
		{"miles of the Python project, though ours are beside it", fmt.Sprintf("distance,Device=D value=4.4 %[1]d\nTotal\\ Steps,Device=D value=10000 %[1]d\nHeartRate_Minute,Device=D mean=1 1", midnight-day), Auto, memory{}, true, "are miles"},
		{"the same instant of another Device in kilograms", fmt.Sprintf("weight,Device=Other value=80.1 %d", midnight), Auto, memory{}, false, "same instant"},
		{"our own measurements beside it", fmt.Sprintf("weight,Device=D value=80 %d\nHeartRate_Minute,Device=D mean=1 1", midnight-day), Auto, memory{}, false, "this program filled"},
		{"forced metric", fmt.Sprintf("weight,Device=D value=176.4 %d", midnight-day), Metric, memory{}, false, ""},
		{"forced python", "", Python, memory{}, true, ""},
		{"remembered metric", fmt.Sprintf("weight,Device=D value=176.4 %d", midnight-day), Auto, memory{"*": "metric"}, false, ""},
		{"remembered python", "", Auto, memory{"*": "python"}, true, ""},
	}
	for i, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			db := fmt.Sprintf("units%d", i)
			if c.held != "" {
				srv.Create(db)
				srv.Put(db, c.held)
			}
			var log bytes.Buffer
			settings := func(cfg *Config) {
				cfg.Units, cfg.Deciding = c.units, c.memory
				cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			}
			s := open(t, srv, db, settings)
			if was, ok := c.memory["*"]; ok {
				c.memory[s.Name()] = was
			}
			// Heart rate needs no units and must not decide them.
			// Neither do our own measurements hide whose the database was, if they come before.
			for _, p := range []sink.Points{pulse(1), one("floors", midnight, 3), one(metric.Weight, midnight, 80), one("distance", midnight, 5), one("skin_temperature", midnight, -0.5)} {
				if err := s.Write(t.Context(), []sink.Points{p}); err != nil {
					t.Fatal(err)
				}
			}
			weight, distance, skin := any(80.0), any(5.0), any(-0.5)
			if c.pounds {
				weight, distance, skin = 80/0.45359237, 5/1.609344, -0.9
			}
			near := func(got, want any) bool {
				return got.(float64)/want.(float64) > 0.999999 && got.(float64)/want.(float64) < 1.000001
			}
			if got := value(t, srv, db, "weight", midnight); !near(got, weight) {
				t.Errorf("weight is %v, want %v", got, weight)
			}
			if got := value(t, srv, db, "distance", midnight); !near(got, distance) {
				t.Errorf("distance is %v, want %v", got, distance)
			}
			if got := value(t, srv, db, "Skin Temperature Variation", midnight); !near(got, skin) {
				t.Errorf("skin temperature is %v, want %v", got, skin)
			}
			if n := strings.Count(log.String(), "units in InfluxDB"); (c.because != "") != (n == 1) || !strings.Contains(log.String(), c.because) {
				t.Errorf("said %q; want once, with %q", log.String(), c.because)
			}
			if c.units == Auto {
				// The next start keeps the decision, whatever stands there by now.
				again := open(t, srv, db, settings)
				if err := again.Write(t.Context(), []sink.Points{one(metric.Weight, midnight+day, 80)}); err != nil {
					t.Fatal(err)
				}
				if got := value(t, srv, db, "weight", midnight+day); !near(got, weight) {
					t.Errorf("after a restart weight is %v, want %v", got, weight)
				}
			}
		})
	}
}

// TestDevice writes beside what another program wrote with a Device of its own.
func TestDevice(t *testing.T) {
	srv := influxd.Start(t, influxd.Config{Version: influxd.Versions()[0]})
	steps := func(tags string, at int64) string { return fmt.Sprintf("Total\\ Steps,%s value=9 %d\n", tags, at) }
	kim := metric.Person{ID: "kim", Tag: "Kim"}
	tests := []struct {
		name, held string
		own        bool // Adopt is off
		want       string
	}{
		{"nothing there", "", false, "D"},
		{"another", steps("Device=Charge5", 1), false, "Charge5"},
		{"another, and it is to be ours", steps("Device=Charge5", 1), true, "D"},
		{"ours is there, too", steps("Device=Charge5", 2) + steps("Device=D", 1), false, "D"},
		{"the newest of two", steps("Device=Old", 1) + steps("Device=My\\ band", 3) + "HeartRate_Intraday,Device=Old value=60i 2", false, "My band"},
		{"of another person", steps("Device=Charge5,Person=Eva", 1), false, "D"},
		{"no Device", "Total\\ Steps value=9 1", false, "D"},
	}
	for i, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			db, m := fmt.Sprintf("device%d", i), memory{}
			srv.Create(db)
			if c.held != "" {
				srv.Put(db, c.held)
			}
			var log bytes.Buffer
			settings := func(cfg *Config) {
				cfg.Adopt, cfg.Deciding, cfg.Log = !c.own, m, slog.New(slog.NewTextHandler(&log, nil))
			}
			theirs := one("steps", midnight, 5)
			theirs.Person = kim
			if err := open(t, srv, db, settings).Write(t.Context(), []sink.Points{theirs, one(metric.Battery, midnight, 50), one("steps", midnight, 7)}); err != nil {
				t.Fatal(err)
			}
			if said := strings.Contains(log.String(), "goes on in the tag Device"); said != (c.want != "D") {
				t.Errorf("said %q", log.String())
			}
			s := open(t, srv, db, settings) // the next start
			p := one("steps", midnight+1, 8)
			if err := s.Write(t.Context(), []sink.Points{p}); err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{fmt.Sprint(midnight, c.want, nil): true, fmt.Sprint(midnight+1, c.want, nil): true, fmt.Sprint(midnight, "D", "Kim"): true}
			person := func(tag string) any {
				if tag == "" {
					return nil
				}
				return tag
			}
			for _, r := range rows(t, srv, db, "Total Steps") {
				if r.Time >= midnight {
					key := fmt.Sprint(r.Time, r.Tags["Device"], person(r.Tags["Person"]))
					if !want[key] {
						t.Errorf("there is %s", key)
					}
					delete(want, key)
				}
			}
			for key := range want {
				t.Errorf("there is no %s", key)
			}
			last := open(t, srv, db, settings) // a start at which nothing is written
			if there, err := last.Holds(t.Context(), p); !there || err != nil {
				t.Errorf("holds: %v, %v", there, err)
			}
			if err := last.Delete(t.Context(), []sink.Tombstone{{Series: "steps", Device: "D", Time: midnight + 1}}); err != nil {
				t.Error(err)
			}
			if there, err := last.Holds(t.Context(), p); there || err != nil {
				t.Errorf("deleted, but holds: %v, %v", there, err)
			}
		})
	}
}

// restricted starts a server with users of few rights on the database db.
func restricted(t *testing.T, v influxd.Version) *influxd.Server {
	srv := influxd.Start(t, influxd.Config{Version: v, Auth: true})
	srv.Query("", `CREATE DATABASE db; CREATE USER w WITH PASSWORD 'w'; GRANT WRITE ON db TO w; CREATE USER r WITH PASSWORD 'r'; GRANT READ ON db TO r; CREATE USER n WITH PASSWORD 'n'`)
	return srv
}

// as sets a user whose password is the name.
func as(user string) func(*Config) {
	return func(c *Config) { c.Username, c.Password = user, user }
}

func TestCheck(t *testing.T) {
	for _, v := range influxd.V1() {
		t.Run(string(v), func(t *testing.T) {
			srv := restricted(t, v)
			plain := influxd.Start(t, influxd.Config{Version: v})
			tests := []struct {
				name   string
				sink   *Sink
				want   string // in what was found
				hint   string // in the cure; empty for all well
				status int
			}{
				{"writer", open(t, srv, "db", as("w")), "may be written", "", 0},
				{"reader", open(t, srv, "db", as("r")), "InfluxDB 1.", `GRANT ALL ON "db" TO "r"`, 403},
				{"nobody", open(t, srv, "db", as("n")), "InfluxDB 1.", `GRANT ALL ON "db" TO "n"`, 403},
				{"wrong password", open(t, srv, "db", func(c *Config) { c.Username, c.Password = "w", "x" }), "InfluxDB 1.", "user name and password", 401},
				{"no password", open(t, srv, "db", nil), "InfluxDB 1.", "user name and password", 401},
				{"missing database, may not", open(t, srv, "nix", as("w")), "InfluxDB 1.", `CREATE DATABASE "nix"`, 404},
				{"missing database, may", open(t, srv, "nix", func(c *Config) { c.Username, c.Password = influxd.Admin, influxd.Password }), "will be created", "", 0},
				{"no auth, missing database", open(t, plain, "nix", nil), "will be created", "", 0},
			}
			for _, c := range tests {
				got, err := c.sink.Check(t.Context())
				var e *sink.Error
				if !strings.Contains(got, c.want) || (err == nil) != (c.hint == "") ||
					err != nil && (!errors.As(err, &e) || !strings.Contains(e.Hint, c.hint) || e.Status != c.status) {
					t.Errorf("%s: got %q, %v, hint %q", c.name, got, err, hintOf(err))
				}
			}
			if got := fmt.Sprint(plain.Query("", "SHOW DATABASES")); strings.Contains(got, "nix") {
				t.Errorf("the check has made a database: %s", got)
			}
			gone := open(t, plain, "nix", nil)
			plain.Stop()
			if _, err := gone.Check(t.Context()); !strings.Contains(hintOf(err), "Nothing answers") {
				t.Errorf("stopped server: %v, hint %q", err, hintOf(err))
			}
		})
	}
}

// TestWriterOnly has a user who may write and delete but not read.
func TestWriterOnly(t *testing.T) {
	for _, v := range influxd.V1() {
		t.Run(string(v), func(t *testing.T) {
			srv := restricted(t, v)
			var log bytes.Buffer
			s := open(t, srv, "db", func(c *Config) {
				as("w")(c)
				c.Units, c.Log = Auto, slog.New(slog.NewTextHandler(&log, nil))
			})
			p := one(metric.Weight, midnight, 80)
			for range 2 {
				if err := s.Write(t.Context(), []sink.Points{p, one(metric.Weight, midnight+1, 81)}); err != nil {
					t.Fatal(err)
				}
				if ok, err := s.Holds(t.Context(), p); !ok || err != nil {
					t.Errorf("holds: %v, %v", ok, err)
				}
				if err := s.Delete(t.Context(), []sink.Tombstone{{Series: metric.Weight, Device: "D", Time: midnight}}); err != nil {
					t.Error(err)
				}
			}
			if got := rows(t, srv, "db", "weight"); len(got) != 1 || got[0].Time != midnight+1 {
				t.Errorf("left: %v", got)
			}
			if n := strings.Count(log.String(), "level=WARN"); n != 3 {
				t.Errorf("warned %d times, want once each of units, probe and delete:\n%s", n, log.String())
			}
			reader := open(t, srv, "db", as("r"))
			if err := reader.Delete(t.Context(), []sink.Tombstone{{Series: metric.Weight, Device: "D", Time: midnight + 1}}); err == nil {
				t.Error("a reader's delete reported success")
			}
			stranger := open(t, srv, "nix", as("w"))
			if err := stranger.Write(t.Context(), []sink.Points{p}); !strings.Contains(hintOf(err), `CREATE DATABASE "nix"`) {
				t.Errorf("missing database: %v, hint %q", err, hintOf(err))
			}
		})
	}
}

func TestRetention(t *testing.T) {
	for _, v := range influxd.V1() {
		t.Run(string(v), func(t *testing.T) {
			srv := influxd.Start(t, influxd.Config{Version: v})
			srv.Query("", `CREATE DATABASE db WITH DURATION 30d NAME "short"; CREATE RETENTION POLICY "my own" ON db DURATION INF REPLICATION 1`)
			b := &metric.Block{Series: metric.HeartRate, Device: "D"}
			old := time.Now().AddDate(0, -3, 0).UnixNano()
			recent := time.Now().Add(-time.Hour).UnixNano()
			for i := range int64(4) {
				b.Append(old+i, 60)
			}
			for i := range int64(3) {
				b.Append(recent+i, 60)
			}
			srv.Put("db", fmt.Sprintf("Steps_Intraday,Device=D value=1.5 %d", recent))
			points := []sink.Points{one(metric.Battery, old+1, 50), {Block: b}, one(metric.Steps, recent, 7)}
			err := open(t, srv, "db", nil).Write(t.Context(), points)
			var rejected *sink.Rejected
			if !errors.As(err, &rejected) || len(rejected.Items) != 3 {
				t.Fatalf("got %v, want old samples of two series and a field of a third rejected", err)
			}
			for _, r := range rejected.Items {
				switch {
				case r.Series == metric.Battery && r.Count == 1:
				case r.Series == metric.HeartRate && r.Count == 4 && r.First.UnixNano() == old && r.Last.UnixNano() == old+3 && strings.Contains(r.Hint, `ALTER RETENTION POLICY "short" ON "db"`):
				case r.Series == metric.Steps && r.Field == "value" && r.Count == 1:
				default:
					t.Errorf("rejected %+v", r)
				}
			}
			if got := rows(t, srv, "db", "HeartRate_Intraday"); len(got) != 3 {
				t.Errorf("holds %v", got)
			}
			policy := func(name string) func(*Config) { return func(c *Config) { c.RetentionPolicy = name } }
			own := open(t, srv, "db", policy("my own"))
			if err := own.Write(t.Context(), points); err != nil {
				t.Errorf("into the own policy: %v", err)
			}
			if ok, err := own.Holds(t.Context(), points[0]); !ok || err != nil {
				t.Errorf("holds in the own policy: %v, %v", ok, err)
			}
			if err := own.Delete(t.Context(), []sink.Tombstone{{Series: metric.Battery, Time: old + 1}}); err != nil {
				t.Error(err)
			}
			if ok, err := own.Holds(t.Context(), points[0]); ok || err != nil {
				t.Errorf("holds after a delete: %v, %v", ok, err)
			}
			if err := open(t, srv, "db", policy("nope")).Write(t.Context(), points); !strings.Contains(hintOf(err), `no retention policy "nope"`) {
				t.Errorf("unknown policy: %v, hint %q", err, hintOf(err))
			}
		})
	}
}

// TestConflictCure follows the hint of a type conflict to the letter, and then writes again.
func TestConflictCure(t *testing.T) {
	for _, v := range influxd.V1() {
		t.Run(string(v), func(t *testing.T) {
			srv := influxd.Start(t, influxd.Config{Version: v})
			srv.Query("", "CREATE DATABASE db")
			srv.Put("db", fmt.Sprintf("distance,Device=D value=3i %d\nBreathingRate,Device=D value=\"x\" %d", midnight-1, midnight-1))
			s := open(t, srv, "db", nil)
			points := []sink.Points{one("distance", midnight, 5.5), one("breathing_rate", midnight, 15.5)}
			var rejected *sink.Rejected
			if err := s.Write(t.Context(), points); !errors.As(err, &rejected) || len(rejected.Items) != 2 {
				t.Fatalf("got %v", err)
			}
			statement := regexp.MustCompile(`(SELECT|DROP)[^;]*?(GROUP BY \*|MEASUREMENT "\w+")`)
			for _, r := range rejected.Items {
				found := statement.FindAllString(r.Hint, -1)
				if len(found) < 2 {
					t.Fatalf("hint without statements: %s", r.Hint)
				}
				for _, f := range found {
					srv.Query("db", f)
				}
			}
			if err := s.Write(t.Context(), points); err != nil {
				t.Errorf("after the cure: %v", err)
			}
			got := rows(t, srv, "db", "distance")
			if len(got) != 2 || got[0].Fields["value"] != 3.0 || got[1].Fields["value"] != 5.5 || got[0].Tags["Device"] != "D" {
				t.Errorf("distance holds %v", got)
			}
			if got := rows(t, srv, "db", "old_BreathingRate"); len(got) != 1 {
				t.Errorf("the old values are gone: %v", got)
			}
		})
	}
}

// TestTooLarge has a server that takes little at a time.
func TestTooLarge(t *testing.T) {
	for _, v := range influxd.V1() {
		t.Run(string(v), func(t *testing.T) {
			srv := influxd.Start(t, influxd.Config{Version: v, MaxBody: 4096})
			s := open(t, srv, "db", nil)
			p := sink.Points{Block: pulse(1).Block}
			b := &metric.Block{Series: metric.Track, Tags: []string{"walk"}}
			for i := range int64(3000) {
				f := float64(i)
				b.Append(midnight+i, f*0.123456789, -f*0.987654321, f/7, f/11, f/13, f)
			}
			if err := s.Write(t.Context(), []sink.Points{p, {Block: b}}); err != nil {
				t.Fatal(err)
			}
			if got := len(rows(t, srv, "db", "GPS")); got != 3000 {
				t.Errorf("holds %d points, want 3000", got)
			}
		})
	}
}

package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata"
)

var update = flag.Bool("update", false, "write the expected files")

// world is a machine with a few files and variables.
func world(env, files map[string]string) Inputs {
	if _, ok := env["HOME"]; !ok {
		env["HOME"] = "/people/kim"
	}
	return Inputs{
		App: "/data/options.json",
		Env: func(name string) string { return env[name] },
		ReadFile: func(name string) ([]byte, error) {
			if data, ok := files[name]; ok {
				return []byte(data), nil
			}
			if path.Base(name) == "ca.pem" {
				return authority()
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
		Abs: func(p string) (string, error) { return path.Join("/app", strings.TrimPrefix(p, "/app")), nil },
	}
}

// authority is the certificate of one, as users have it.
var authority = sync.OnceValues(func() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
})

// input makes a world of one file of testdata, by its ending.
func input(t *testing.T, name string) Inputs {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	env, files := map[string]string{}, map[string]string{}
	switch filepath.Ext(name) {
	case ".yaml":
		env["FITBIT_FETCH_CONFIG"] = "/etc/config.yaml"
		files["/etc/config.yaml"] = string(data)
	case ".json":
		files["/data/options.json"] = string(data)
	case ".env":
		for line := range strings.Lines(string(data)) {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
				env[key] = value
			}
		}
	}
	return world(env, files)
}

// TestFolders loads every file of testdata. The message, or the options, stand beside it.
func TestFolders(t *testing.T) {
	var names []string
	for _, pattern := range []string{"testdata/*.yaml", "testdata/*.json", "testdata/*.env"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) < 3 {
			t.Fatalf("%s: %d cases, %v", pattern, len(found), err)
		}
		names = append(names, found...)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			opts, err := Load(input(t, name))
			var got string
			if strings.HasPrefix(filepath.Base(name), "invalid-") {
				var problems Problems
				if !errors.As(err, &problems) {
					t.Fatalf("error %v", err)
				}
				got = err.Error() + "\n"
			} else {
				if err != nil {
					t.Fatal(err)
				}
				b, err := json.MarshalIndent(opts, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				got = string(b) + "\n"
			}
			if strings.Contains(got, "SECRET") {
				t.Errorf("a secret in\n%s", got)
			}
			golden(t, name+".want", got)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\ngot\n%s\nwant\n%s", name, got, want)
	}
}

func TestDocument(t *testing.T) {
	var b bytes.Buffer
	if err := WriteDocs(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "..", "docs", "configuration.md"), b.String())
}

func TestHelpNamesEveryOption(t *testing.T) {
	var b bytes.Buffer
	if err := WriteHelp(&b); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows() {
		if !r.hidden && !strings.Contains(b.String(), "  "+r.path+"\n") {
			t.Errorf("no %s in the help", r.path)
		}
	}
}

// TestRows keeps the one list in order: every option can be said in the environment and is described, and nothing is there twice.
func TestRows(t *testing.T) {
	paths, vars := map[string]bool{}, map[string]bool{}
	for _, r := range rows() {
		if paths[r.path] {
			t.Errorf("%s is there twice", r.path)
		}
		paths[r.path] = true
		if len(r.env) == 0 || r.doc == "" || !strings.HasSuffix(r.doc, ".") || r.kind == "" || r.set == nil || r.list != (r.clear != nil) {
			t.Errorf("%s is not whole", r.path)
		}
		for _, n := range r.env {
			if vars[n.name] {
				t.Errorf("variable %s is there twice", n.name)
			}
			vars[n.name] = true
		}
	}
}

// TestPrecedence says the same option in all three places.
func TestPrecedence(t *testing.T) {
	files := map[string]string{
		"/etc/c.yaml":        "log_level: debug\nheart_rate_detail: minute\nbackfill_start: 30\nleave_out: [track, weight]\npersons: [{name: A}, {name: B}]\n",
		"/data/options.json": `{"log_level":"warning","heart_rate_detail":"raw","leave_out":["bmi"],"persons":[{"name":"C"}]}`,
	}
	in := world(map[string]string{"LOG_LEVEL": "error"}, files)
	in.File = "/etc/c.yaml"
	o, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	if o.Log.Level != slog.LevelError || o.HeartRate != "raw" || o.Backfill.Days != 30 || fmt.Sprint(o.LeaveOut) != "[bmi]" {
		t.Errorf("%+v", o)
	}
	if len(o.Persons) != 2 || o.Persons[1].Name != "C" {
		t.Errorf("persons %+v", o.Persons)
	}
}

func TestProvider(t *testing.T) {
	tests := []struct {
		env  map[string]string
		want string
		id   string
	}{
		{map[string]string{}, "google", ""},
		{map[string]string{"CLIENT_ID": "f"}, "fitbit", "f"},
		{map[string]string{"CLIENT_ID": "f", "GOOGLE_CLIENT_ID": "g"}, "google", "g"},
		{map[string]string{"GOOGLE_CLIENT_ID": "g"}, "google", "g"},
		{map[string]string{"CLIENT_ID": "f", "HEALTH_API_PROVIDER": "google"}, "google", "f"},
		{map[string]string{"CLIENT_ID": "f", "GOOGLE_CLIENT_ID": "g", "HEALTH_API_PROVIDER": "Fitbit"}, "fitbit", "f"},
		{map[string]string{"GOOGLE_CLIENT_ID": "  ", "CLIENT_ID": "f"}, "fitbit", "f"},
		{map[string]string{"CLIENT_ID": "7-x.apps.googleusercontent.com"}, "google", "7-x.apps.googleusercontent.com"},
	}
	for _, tt := range tests {
		o, err := Load(world(tt.env, nil))
		if err != nil || o.Provider != tt.want || o.Persons[0].ClientID != tt.id {
			t.Errorf("%v: %s, %s, %v", tt.env, o.Provider, o.Persons[0].ClientID, err)
		}
	}
}

func TestAutoDateRangeInAFile(t *testing.T) {
	for word, bulk := range map[string]bool{"off": true, "no": true, "yes": false} {
		in := world(map[string]string{}, map[string]string{"c.yaml": "auto_date_range: " + word + "\n"})
		in.File = "c.yaml"
		o, err := Load(in)
		if err != nil || o.Manual.Bulk != bulk {
			t.Errorf("%s: %v, %v", word, o.Manual.Bulk, err)
		}
	}
}

func TestDataFolder(t *testing.T) {
	tests := []struct {
		name  string
		env   map[string]string
		files map[string]string
		dir   string
		token string
	}{
		{"home", map[string]string{}, nil, "/people/kim/.local/state/fitbit-fetch", "/people/kim/.local/state/fitbit-fetch/token.json"},
		{"XDG", map[string]string{"XDG_STATE_HOME": "/xdg"}, nil, "/xdg/fitbit-fetch", "/xdg/fitbit-fetch/token.json"},
		{"systemd", map[string]string{"STATE_DIRECTORY": "/var/lib/ff:/other"}, nil, "/var/lib/ff", "/var/lib/ff/token.json"},
		{"Python project", map[string]string{"TOKEN_FILE_PATH": "/app/tokens/fitbit.token"}, nil, "/app/tokens", "/app/tokens/fitbit.token"},
		{"said", map[string]string{"TOKEN_FILE_PATH": "/app/tokens/fitbit.token", "FITBIT_FETCH_DATA_DIR": "/app/d"}, nil, "/app/d", "/app/tokens/fitbit.token"},
		{"app", map[string]string{}, map[string]string{"/data/options.json": "{}"}, "/data", "/data/token.json"},
	}
	for _, tt := range tests {
		o, err := Load(world(tt.env, tt.files))
		if err != nil || o.DataDir != tt.dir || o.Persons[0].TokenFile != tt.token || o.Archive != tt.dir+"/archive.db" {
			t.Errorf("%s: %s, %s, %s, %v", tt.name, o.DataDir, o.Persons[0].TokenFile, o.Archive, err)
		}
	}
	if _, err := Load(world(map[string]string{"HOME": ""}, nil)); err == nil || !strings.Contains(err.Error(), "FITBIT_FETCH_DATA_DIR") {
		t.Errorf("no home: %v", err)
	}
}

func TestSocket(t *testing.T) {
	for dir, want := range map[string]int{"/data": 2, "/" + strings.Repeat("deep/", 40): 1} {
		places := Options{DataDir: dir}.Sockets()
		if len(places) != want {
			t.Errorf("%s: %q, want %d places", dir, places, want)
		}
		for _, s := range places {
			if len(s) > 104 {
				t.Errorf("%s is %d long", s, len(s))
			}
		}
	}
}

func TestStartDay(t *testing.T) {
	today := firstDay + 5000
	for s, want := range map[Start]int{{All: true}: 0, {Days: 365}: 5000 - 365, {Days: 9999}: 0, {Date: firstDay + 7}: 7} {
		if got := s.Day(today); int(got-firstDay) != want {
			t.Errorf("%+v: %v", s, got)
		}
	}
	if firstDay.Civil() != time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC) {
		t.Error(firstDay)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	type hidden struct{ s Secret }
	s := NewSecret("SECRET")
	o := Options{Persons: []Person{{ClientSecret: s}}, InfluxDB: InfluxDB{Token: s}}
	var b strings.Builder
	fmt.Fprintf(&b, "%v %+v %#v %s %q %x %d %v %+v %#v %v %+v %#v", s, s, s, s, s, s, s, o, o, o, hidden{s}, hidden{s}, hidden{s})
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "s", s, "o", o)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "s", s, "o", o)
	if strings.Contains(b.String(), "SECRET") || strings.Contains(b.String(), "534543524554") {
		t.Error(b.String())
	}
	if s.Reveal() != "SECRET" || !s.Set() || NewSecret("").Set() {
		t.Error("a secret that is none")
	}
}

func TestMeant(t *testing.T) {
	for in, want := range map[string]string{"infuxdb": ", but there is influxdb", "Provider": ", but there is provider", "xyzzy": ""} {
		if got := meant(in, []string{"influxdb", "provider", "persons"}); got != want {
			t.Errorf("%s: %q", in, got)
		}
	}
}

func FuzzYAML(f *testing.F) { fuzz(f, "testdata/*.yaml", "/etc/config.yaml") }
func FuzzJSON(f *testing.F) { fuzz(f, "testdata/*.json", "/data/options.json") }

func fuzz(f *testing.F, seeds, place string) {
	names, _ := filepath.Glob(seeds)
	if len(names) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, data string) {
		check(t, world(map[string]string{"FITBIT_FETCH_CONFIG": "/etc/config.yaml"}, map[string]string{"/etc/config.yaml": "", place: data}))
	})
}

func FuzzEnvironment(f *testing.F) {
	var vars []string
	for _, r := range rows() {
		for _, n := range r.env {
			vars = append(vars, n.name)
		}
	}
	slices.Sort(vars)
	f.Add(0, "a", 5, "b")
	f.Fuzz(func(t *testing.T, i int, a string, j int, b string) {
		n := len(vars)
		check(t, world(map[string]string{vars[(i%n+n)%n]: a, vars[(j%n+n)%n]: b}, nil))
	})
}

// check holds what is true of all options: they are whole, or each problem names its place.
func check(t *testing.T, in Inputs) {
	t.Helper()
	o, err := Load(in)
	if err == nil {
		if o.DataDir == "" || o.Archive == "" || o.Provider == "" || len(o.Persons) == 0 {
			t.Fatalf("%+v", o)
		}
		if _, err := json.Marshal(o); err != nil {
			t.Fatal(err)
		}
		return
	}
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.Where == "" || p.What == "" || strings.Contains(p.String(), "\n") && !strings.Contains(p.Where, "\n") {
			t.Fatalf("%+v", p)
		}
	}
}

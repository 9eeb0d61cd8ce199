package config

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// pythonVariables are the variables of the Python project, complete (November 2026).
const pythonVariables = `FITBIT_LOG_FILE_PATH TOKEN_FILE_PATH HEALTH_API_PROVIDER CLIENT_ID CLIENT_SECRET GOOGLE_CLIENT_ID GOOGLE_CLIENT_SECRET
	GOOGLE_HEALTH_BASE_URL GOOGLE_HEALTH_API_VERSION GOOGLE_OAUTH_TOKEN_URL INFLUXDB_VERSION INFLUXDB_HOST INFLUXDB_PORT INFLUXDB_USERNAME INFLUXDB_PASSWORD
	INFLUXDB_DATABASE INFLUXDB_BUCKET INFLUXDB_ORG INFLUXDB_TOKEN INFLUXDB_URL INFLUXDB_V3_ACCESS_TOKEN DEVICENAME MANUAL_START_DATE MANUAL_END_DATE
	AUTO_DATE_RANGE LOCAL_TIMEZONE DRY_RUN_MODE LOG_LEVEL`

// TestPythonVariables walks every variable of the Python project: what it means there it means here.
func TestPythonVariables(t *testing.T) {
	type o = Options
	var (
		provider  = func(o o) any { return o.Provider }
		id        = func(o o) any { return o.Persons[0].ClientID }
		secret    = func(o o) any { return o.Persons[0].ClientSecret.Reveal() }
		address   = func(o o) any { return o.InfluxDB.URL }
		token     = func(o o) any { return o.InfluxDB.Token.Reveal() }
		bulk      = func(o o) any { return o.Manual.Bulk }
		dry       = func(o o) any { return o.DryRun }
		level     = func(o o) any { return o.Log.Level }
		zone      = func(o o) any { return o.Persons[0].TimeZone }
		service   = func(o o) any { return o.Service }
		influx2   = "INFLUXDB_VERSION=2 INFLUXDB_URL=http://db:8086 INFLUXDB_ORG=home INFLUXDB_BUCKET=health INFLUXDB_TOKEN=t2 INFLUXDB_HOST=unused INFLUXDB_V3_ACCESS_TOKEN=t3"
		influx3   = "INFLUXDB_VERSION=3 INFLUXDB_HOST=db INFLUXDB_PORT=8181 INFLUXDB_DATABASE=d INFLUXDB_V3_ACCESS_TOKEN=t3 INFLUXDB_TOKEN=t2"
		fitbits   = "CLIENT_ID=f CLIENT_SECRET=fs "
		googles   = "GOOGLE_CLIENT_ID=g GOOGLE_CLIENT_SECRET=gs "
		viaGoogle = "HEALTH_API_PROVIDER=google "
	)
	tests := []struct {
		env  string // as in a compose file
		of   func(Options) any
		want any
	}{
		{"FITBIT_LOG_FILE_PATH=/app/logs/fitbit.log", func(o o) any { return o.Log.File }, "/app/logs/fitbit.log"},
		{"", func(o o) any { return o.Log.File }, ""},
		{"TOKEN_FILE_PATH=/app/tokens/fitbit.token", func(o o) any { return o.Persons[0].TokenFile + " " + o.Archive }, "/app/tokens/fitbit.token /app/tokens/archive.db"},

		{fitbits, provider, "fitbit"},
		{fitbits + "HEALTH_API_PROVIDER=fitbit", provider, "fitbit"},
		{viaGoogle, provider, "google"},
		{fitbits, id, "f"},
		{fitbits, secret, "fs"},
		{viaGoogle + fitbits, id, "f"},
		{viaGoogle + fitbits, secret, "fs"},
		{viaGoogle + fitbits + "GOOGLE_CLIENT_ID=g", secret, "fs"},
		{viaGoogle + fitbits + googles, id, "g"},
		{viaGoogle + fitbits + googles, secret, "gs"},
		{"HEALTH_API_PROVIDER=fitbit " + fitbits + googles, id, "f"},
		{"HEALTH_API_PROVIDER=fitbit " + fitbits + googles, secret, "fs"},
		{viaGoogle + "GOOGLE_HEALTH_BASE_URL=http://h:1/ GOOGLE_HEALTH_API_VERSION=v5 GOOGLE_OAUTH_TOKEN_URL=http://h:1/token", service,
			Service{API: "http://h:1", APIVersion: "v5", Token: "http://h:1/token"}},
		{"HEALTH_API_PROVIDER=fitbit GOOGLE_HEALTH_BASE_URL=http://h:1 GOOGLE_HEALTH_API_VERSION=v5 GOOGLE_OAUTH_TOKEN_URL=http://h:1/token", service, Service{}},
		{viaGoogle, func(o o) any { return o.Redirect }, "http://localhost:8080"}, // as its guide has it registered

		{"INFLUXDB_DATABASE=d", func(o o) any { return o.InfluxDB.Version }, "1"},
		{"INFLUXDB_DATABASE=d", address, "http://localhost:8086"},
		{"INFLUXDB_HOST=influxdb", address, "http://influxdb:8086"},
		{"INFLUXDB_PORT=8087", address, "http://localhost:8087"},
		{"INFLUXDB_HOST=influxdb INFLUXDB_PORT=8087", address, "http://influxdb:8087"},
		{"INFLUXDB_VERSION=1 INFLUXDB_USERNAME=u INFLUXDB_PASSWORD=p INFLUXDB_DATABASE=d INFLUXDB_TOKEN=t2",
			func(o o) any {
				return fmt.Sprint(o.InfluxDB.Username, o.InfluxDB.Password.Reveal(), o.InfluxDB.Database, o.InfluxDB.Token.Reveal())
			}, "upd"},
		{influx2, address, "http://db:8086"},
		{influx2, token, "t2"},
		{influx2, func(o o) any { return o.InfluxDB.Org + " " + o.InfluxDB.Bucket }, "home health"},
		{influx3, address, "http://db:8181"},
		{influx3, token, "t3"},
		{influx3, func(o o) any { return o.InfluxDB.Database }, "d"},
		{"INFLUXDB_VERSION=3 INFLUXDB_HOST=db", func(o o) any { return o.InfluxDB.URL + o.InfluxDB.Token.Reveal() }, "http://db:8086"},

		{"DEVICENAME=Charge5", func(o o) any { return o.Persons[0].Device }, "Charge5"},
		{"LOCAL_TIMEZONE=Automatic", zone, ""},
		{"LOCAL_TIMEZONE=Europe/Berlin", zone, "Europe/Berlin"},
		{"", zone, ""},

		{"MANUAL_START_DATE=2024-01-02", func(o o) any { return fmt.Sprint(o.Manual.Bulk, o.Manual.From, int(o.Manual.To)) }, "true 2024-01-02 0"}, // until today
		{"MANUAL_START_DATE=2024-01-02 MANUAL_END_DATE=2024-02-03", func(o o) any { return fmt.Sprint(o.Manual.From, o.Manual.To) }, "2024-01-02 2024-02-03"},
		{"MANUAL_END_DATE=2024-02-03", bulk, false},
		{"AUTO_DATE_RANGE=False MANUAL_END_DATE=2024-02-03", func(o o) any { return fmt.Sprint(o.Manual.Bulk, int(o.Manual.From), o.Manual.To) }, "true 0 2024-02-03"},
		{"", bulk, false},
		{"AUTO_DATE_RANGE=True", bulk, false},
		{"AUTO_DATE_RANGE=True MANUAL_START_DATE=2024-01-02", bulk, true},
		{"AUTO_DATE_RANGE=off", bulk, false}, // its words for no are those below, and no others
		{"AUTO_DATE_RANGE=n", bulk, false},
		{"AUTO_DATE_RANGE=1", bulk, false},

		{"", dry, false},
		{"DRY_RUN_MODE=false", dry, false},
		{"DRY_RUN_MODE=False", dry, false},
		{"DRY_RUN_MODE=true", dry, true},
		{"DRY_RUN_MODE=True", dry, true},
		{"DRY_RUN_MODE=1", dry, true},
		{"LOG_LEVEL=DEBUG", level, slog.LevelDebug},
		{"LOG_LEVEL=INFO", level, slog.LevelInfo},
		{"LOG_LEVEL=WARNING", level, slog.LevelWarn},
		{"LOG_LEVEL=ERROR", level, slog.LevelError},
		{"LOG_LEVEL=CRITICAL", level, slog.LevelError},
		{"", level, slog.LevelInfo}, // DEBUG there: it logs each request, here two lines a minute
	}
	for _, no := range []string{"False", "false", "FALSE", "f", "F", "no", "No", "NO", "0"} {
		tests = append(tests, struct {
			env  string
			of   func(Options) any
			want any
		}{"AUTO_DATE_RANGE=" + no, bulk, true})
	}
	walked := map[string]bool{}
	for _, tt := range tests {
		env := map[string]string{}
		for _, line := range strings.Fields(tt.env) {
			name, value, _ := strings.Cut(line, "=")
			env[name], walked[name] = value, true
		}
		opts, err := Load(world(env, nil))
		if err != nil {
			t.Errorf("%s: %v", tt.env, err)
		} else if got := tt.of(opts); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.env, got, tt.want)
		}
	}
	for _, name := range strings.Fields(pythonVariables) {
		if !walked[name] {
			t.Errorf("%s is not walked", name)
		}
	}
	if len(walked) != len(strings.Fields(pythonVariables)) {
		t.Errorf("%d variables are walked, the Python project has %d", len(walked), len(strings.Fields(pythonVariables)))
	}
}

// TestRetiredProvider: whoever comes with the Python project's environment is told at once that its service is gone, and what to do.
// A server of one's own that speaks its protocol is none of that.
func TestRetiredProvider(t *testing.T) {
	for env, want := range map[string]string{
		"CLIENT_ID=f":                "is not set",
		"HEALTH_API_PROVIDER=fitbit": "HEALTH_API_PROVIDER is fitbit",
		"CLIENT_ID=f FITBIT_FETCH_API_URL=http://127.0.0.1:1": "",
		"HEALTH_API_PROVIDER=google CLIENT_ID=f":              "",
		"":                                                    "",
	} {
		vars := map[string]string{}
		for _, line := range strings.Fields(env) {
			name, value, _ := strings.Cut(line, "=")
			vars[name] = value
		}
		opts, err := Load(world(vars, nil))
		said := slices.ContainsFunc(opts.Notes, func(n string) bool {
			return strings.Contains(n, "switched off in November 2026") && strings.Contains(n, "google") && strings.Contains(n, want)
		})
		if err != nil || said != (want != "") {
			t.Errorf("%s: %q, %v", env, opts.Notes, err)
		}
	}
}

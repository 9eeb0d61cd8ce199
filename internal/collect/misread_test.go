// Days are lived twice at each service here: without the race detector, which would take ten times as long.

//go:build !race

package collect

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate/oddtest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/fitbit"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

var oldProgram = flag.String("old", "", "an older fitbit-fetch, with which the archives in testdata/misread are made anew")

// TestMisread: archives that an older version filled from services whose answers it misread (testdata/misread) end equal to fresh ones, from
// the same services in order again, and from the same as odd as they were. Nothing else has these days asked for again: they are old.
func TestMisread(t *testing.T) {
	for _, service := range []string{google.Name, fitbit.Name} {
		t.Run(service, func(t *testing.T) {
			file := filepath.Join("testdata", "misread", service+".db.gz")
			if *oldProgram != "" {
				makeMisread(t, service, file)
			}
			for name, c := range map[string]struct {
				odd   *simulate.Oddities
				leave []metric.ID
			}{
				"mended":    {nil, dense()[1:]}, // with raw heart rate
				"odd still": {&simulate.Oddities{With: misleading}, dense()},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					life := func(path string) (held oddtest.Values) {
						l := &oddLife{service: service, odd: c.odd, from: oddToday - 4, late: 40, path: path, leave: c.leave}
						synctest.Test(t, func(t *testing.T) { held = l.live(t) })
						return held
					}
					dir := t.TempDir()
					want := life(filepath.Join(dir, "fresh.db"))
					old := filepath.Join(dir, "old.db")
					unzip(t, file, old)
					got := life(old)
					if len(want) < 1000 {
						t.Fatalf("%d samples", len(want))
					}
					same(t, got, want)
				})
			}
		})
	}
}

// same holds what one archive has against what another has.
func same(t *testing.T, got, want oddtest.Values) {
	t.Helper()
	said := map[metric.ID]int{}
	for k := range union(got, want) {
		if maps.Equal(got[k], want[k]) {
			continue
		}
		if said[k.Series]++; said[k.Series] <= 3 {
			t.Errorf("%s at %s %s is %v, in a fresh archive %v", k.Series, time.Unix(0, k.At).UTC().Format(time.RFC3339), k.Tags, got[k], want[k])
		}
	}
	if len(said) > 0 {
		t.Errorf("differences by series: %v", said)
	}
}

func union(x, y oddtest.Values) oddtest.Values {
	all := maps.Clone(x)
	maps.Copy(all, y)
	return all
}

func unzip(t *testing.T, from, to string) {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// makeMisread has the older program fetch from a misleading service, and keeps its archive.
func makeMisread(t *testing.T, service, file string) {
	t.Helper()
	began := time.Now()
	l := &oddLife{service: service, odd: &simulate.Oddities{With: misleading}, from: oddToday - 4, late: 40} // until then there are no later data
	p := l.person()
	now := func() time.Time { return oddNow.Add(time.Since(began)) }
	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Clients: []simulate.Client{ofPerson(p)}, Now: now, NoQuota: true, Odd: l.odd})
	app := simulate.DefaultFitbitApp()
	app.Person = p
	f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Apps: []simulate.FitbitApp{app}, Now: now, NoLimit: true, Odd: l.odd})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.Serves(r.URL.Path) {
			f.ServeHTTP(w, r)
		} else {
			g.ServeHTTP(w, r)
		}
	}))
	defer srv.Close()
	client := ofPerson(p)
	options := map[string]any{"provider": service, "client_id": client.ID, "client_secret": client.Secret, "refresh_token": client.Refresh, "polite": false,
		"clock": now().Format(time.RFC3339), "time_zone": "Europe/Berlin", "service": map[string]string{"api_url": srv.URL,
			"auth_url": srv.URL + simulate.PathAuth, "token_url": srv.URL + simulate.PathToken, "revoke_url": srv.URL + simulate.PathRevoke}}
	if service == fitbit.Name {
		options["client_id"], options["client_secret"], options["refresh_token"] = app.ID, app.Secret, app.Refresh
		options["service"] = map[string]string{"api_url": srv.URL, "auth_url": srv.URL + simulate.FitbitPathAuth,
			"token_url": srv.URL + simulate.FitbitPathToken, "revoke_url": srv.URL + simulate.FitbitPathRevoke}
	}
	text, err := json.Marshal(options) // which is YAML, too
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "options.yaml")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), *oldProgram, "backfill", "--config", config, "--from", (oddToday - 4).String(), "--to", oddToday.String())
	cmd.Env = append(os.Environ(), "FITBIT_FETCH_DATA_DIR="+filepath.Join(dir, "data"))
	out, err := cmd.CombinedOutput()
	t.Logf("%s (%v)", out, err) // what it cannot read it refuses, and says so
	data, err := os.ReadFile(filepath.Join(dir, "data", "archive.db"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func ofPerson(p *simulate.Person) simulate.Client {
	c := simulate.DefaultClient()
	c.Person = p
	return c
}

// misleading is what the older version misread without refusing it: it took what is not there, or has another name now, for 0; it added up
// stages that stand twice; it dated by UTC what has no offset; it believed zeros that no body has; and it took mirrors for workouts.
func misleading(of, at string, e map[string]any) []any {
	n := int(crc32.ChecksumIEEE([]byte(of + at)))
	day := n % 3
	in := func(path ...string) map[string]any {
		v := e
		for _, p := range path {
			v, _ = v[p].(map[string]any)
		}
		return v
	}
	rename := func(m map[string]any, key string) {
		if v, ok := m[key]; ok {
			m[key+"V2"] = v
			delete(m, key)
		}
	}
	zero := func(m map[string]any, key string) {
		if _, ok := m[key]; ok {
			m[key] = json.Number("0")
		}
	}
	// reword gives the words of a list another one that is not known.
	reword := func(list any, key string) {
		rows, _ := list.([]any)
		for _, r := range rows {
			if m, ok := r.(map[string]any); ok {
				m[key] = "SOMETHING_NEW"
			}
		}
	}
	switch of {
	case "steps windows", "active-energy-burned windows", "distance windows", "altitude windows", "floors windows", "total-calories windows":
		for _, sum := range []string{"countSum", "kcalSum", "millimetersSum", "gainMillimetersSum"} {
			if m := in(camel(strings.TrimSuffix(of, " windows"))); m[sum] != nil && day == 0 {
				rename(m, sum)
			} else if m[sum] != nil && day == 1 {
				m[sum] = nil
			}
		}
	case "active-zone-minutes windows":
		if day == 0 {
			rename(in("activeZoneMinutes"), "sumInCardioHeartZone")
		}
	case "time-in-heart-rate-zone windows":
		if day == 0 {
			reword(in("timeInHeartRateZone")["timeInHeartRateZones"], "heartRateZone")
		}
	case "activity-level windows":
		if day == 0 {
			reword(in("activityLevel")["activityLevelRollupsByActivityLevelType"], "activityLevelType")
		}
	case "heart-rate":
		if n%300 == 0 {
			zero(in("heartRate"), "beatsPerMinute")
		}
	case "steps":
		if n%40 == 0 {
			rename(in("steps"), "count")
		}
	case "oxygen-saturation":
		if n%40 == 0 {
			zero(in("oxygenSaturation"), "percentage")
		}
	case "daily-resting-heart-rate":
		if day == 0 {
			zero(in("dailyRestingHeartRate"), "beatsPerMinute")
		}
	case "daily-oxygen-saturation":
		if day == 0 {
			zero(in("dailyOxygenSaturation"), "lowerBoundPercentage")
		}
	case "daily-heart-rate-variability":
		if day == 0 {
			zero(in("dailyHeartRateVariability"), "deepSleepRootMeanSquareOfSuccessiveDifferencesMilliseconds")
		}
	case "respiratory-rate-sleep-summary":
		if day == 0 {
			zero(in("respiratoryRateSleepSummary", "deepSleepStats"), "breathsPerMinute")
		}
	case "sleep":
		if e["sleep"] == nil { // Fitbit's
			delete(e, "isMainSleep")
			break
		}
		sum := in("sleep", "summary")
		switch rows, _ := sum["stagesSummary"].([]any); day {
		case 0:
			sum["stagesSummary"] = slices.Concat(rows, rows)
		case 1:
			rename(sum, "minutesAwake")
			delete(in("sleep", "metadata"), "mainSleep")
		case 2:
			reword(sum["stagesSummary"], "type")
			for _, k := range []string{"startUtcOffset", "endUtcOffset"} {
				delete(in("sleep", "interval"), k)
			}
		}
	case "exercise":
		if day == 0 {
			for _, k := range []string{"startUtcOffset", "endUtcOffset"} {
				delete(in("exercise", "interval"), k)
			}
			break
		}
		mirror := map[string]any{"dataPointName": fmt.Sprint(e["dataPointName"], "1"), "dataSource": map[string]any{"platform": "HEALTH_CONNECT", "recordingMethod": "UNKNOWN", "device": map[string]any{}}}
		double := maps.Clone(in("exercise"))
		double["metricsSummary"] = map[string]any{"activeZoneMinutes": "0", "caloriesKcal": json.Number("0")}
		mirror["exercise"] = double
		return []any{e, mirror}
	// The Fitbit Web API
	case "activities-heart-intraday":
		if n%300 == 0 {
			zero(e, "value")
		}
	case "activities-active-zone-minutes":
		if v := in("value"); day == 0 {
			rename(v, "activeZoneMinutes")
		}
	case "activities":
		if d, ok := e["distance"].(json.Number); ok && e["distanceUnit"] != nil {
			if km, err := d.Float64(); err == nil {
				e["distance"], e["distanceUnit"] = json.Number(fmt.Sprint(km*1000)), "Meter"
			}
		}
	}
	return []any{e}
}

// camel is the member of a data point that holds what is of its type.
func camel(name string) string {
	parts := strings.Split(name, "-")
	for i := range parts[1:] {
		parts[i+1] = strings.ToUpper(parts[i+1][:1]) + parts[i+1][1:]
	}
	return strings.Join(parts, "")
}

package simulate_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// fitbit is a Fitbit server for one person without limits, at a fixed time.
func fitbit(p *simulate.Person, now time.Time) *simulate.Fitbit {
	return simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: fixed(now), NoLimit: true})
}

// fetch asks a handler without a network; header comes in pairs.
func fetch(t testing.TB, h http.Handler, token, path string, header ...string) (int, []byte, http.Header) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://fitbit.example"+path, nil)
	must(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := simulate.Transport{Handler: h}.RoundTrip(r)
	must(t, err)
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, b, resp.Header
}

// read asks for JSON and decodes it.
func read[T any](t testing.TB, h http.Handler, token, path string, header ...string) T {
	t.Helper()
	code, body, _ := fetch(t, h, token, path, header...)
	var v T
	if code != http.StatusOK {
		t.Fatalf("%s: %d %.300s", path, code, body)
	}
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s: %v in %.300s", path, err, body)
	}
	return v
}

// at returns one place of a JSON text, by member names and list indexes; <none> where there is nothing.
func at(t testing.TB, body []byte, place string) string {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	for _, key := range strings.Fields(place) {
		switch x := v.(type) {
		case map[string]any:
			inner, ok := x[key]
			if !ok {
				return "<none>"
			}
			v = inner
		case []any:
			if key == "#" {
				return strconv.Itoa(len(x))
			}
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(x) {
				return "<none>"
			}
			v = x[i]
		default:
			return "<none>"
		}
	}
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}

const user = "/1/user/-/"

// dayOff finds a day without the band.
func dayOff(t testing.TB, p *simulate.Person) metric.Day {
	t.Helper()
	for d := p.Start + 40; d < p.Start+300; d++ {
		if p.DayOff(d) && !p.DayOff(d-1) {
			return d
		}
	}
	t.Fatal("no day off in 300 days")
	return 0
}

// TestFitbitShapes asks for one answer each and looks at the places that differ from what one expects.
func TestFitbitShapes(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-12-10T12:00:00Z"))
	token := f.AccessToken(p)
	off := dayOff(t, p).String()
	none := "<none>"
	for _, x := range []struct {
		name, path, place, want string
	}{
		{"a daily value is a string", "activities/steps/date/2025-04-09/1d.json", "activities-steps 0", `{"dateTime":"2025-04-09","value":"12893"}`},
		{"the tracker has a key of its own", "activities/tracker/steps/date/2025-04-09/1d.json", "activities-tracker-steps 0 value", `"12893"`},
		{"a day without the band is a string, too", "activities/steps/date/" + off + "/1d.json", "activities-steps 0 value", `"0"`},
		{"a distance of nothing has a point", "activities/distance/date/" + off + "/1d.json", "activities-distance 0 value", `"0.0"`},
		{"a range to the future ends today", "activities/steps/date/2025-12-08/2026-01-08.json", "activities-steps #", "3"},
		{"a range before the first day is empty", "activities/steps/date/2024-10-01/2024-11-01.json", "activities-steps", "[]"},
		{"one that begins before gives the later part", "activities/steps/date/2024-12-30/2025-01-02.json", "activities-steps #", "2"},
		{"a period ends with the date", "activities/steps/date/2025-04-09/7d.json", "activities-steps 0 dateTime", `"2025-04-03"`},
		{"a month", "activities/steps/date/2025-04-09/1m.json", "activities-steps 0 dateTime", `"2025-03-10"`},
		{"today is a word", "activities/steps/date/today/1d.json", "activities-steps 0 dateTime", `"2025-12-10"`},
		{"minutes of steps are numbers", "activities/steps/date/2025-04-09/1d/1min.json", "activities-steps-intraday dataset 0", `{"time":"00:00:00","value":0}`},
		{"minutes of steps are filled with zeros", "activities/steps/date/2025-04-09/1d/1min.json", "activities-steps-intraday dataset #", "1440"},
		{"quarters of an hour", "activities/steps/date/2025-04-09/1d/15min.json", "activities-steps-intraday datasetInterval", "15"},
		{"no day, no head, but zeros", "activities/calories/date/2024-10-01/1d/1min.json", "activities-calories", "[]"},
		{"calories have level and METs", "activities/calories/date/2025-04-09/1d/1min.json", "activities-calories-intraday dataset 0", `{"level":0,"mets":10,"time":"00:00:00","value":1.15}`},
		{"a window ends with its last minute", "activities/steps/date/2025-04-09/1d/1min/time/08:00/08:04.json", "activities-steps-intraday dataset #", "5"},
		{"its head is of the window", "activities/steps/date/2025-04-09/1d/1min/time/02:00/02:04.json", "activities-steps 0 value", `"0"`},
		{"a window over midnight", "activities/steps/date/2025-04-09/2025-04-10/1min/time/23:58/00:01.json", "activities-steps-intraday dataset #", "4"},
		{"has a head for each day", "activities/steps/date/2025-04-09/2025-04-10/1min/time/23:58/00:01.json", "activities-steps #", "2"},
		{"a year of hearts", "activities/heart/date/2025-01-01/2025-12-09.json", "activities-heart #", "343"},
		{"zones have names", "activities/heart/date/2025-04-09/1d.json", "activities-heart 0 value heartRateZones 0 name", `"Out of Range"`},
		{"and begin where the last ends", "activities/heart/date/2025-04-09/1d.json", "activities-heart 0 value heartRateZones 1 min", "105"},
		{"custom zones are there", "activities/heart/date/2025-04-09/1d.json", "activities-heart 0 value customHeartRateZones", "[]"},
		{"zones of a day without the band are bare", "activities/heart/date/" + off + "/1d.json", "activities-heart 0 value heartRateZones 0 minutes", none},
		{"without energy", "activities/heart/date/" + off + "/1d.json", "activities-heart 0 value heartRateZones 0 caloriesOut", none},
		{"without resting rate", "activities/heart/date/" + off + "/1d.json", "activities-heart 0 value restingHeartRate", none},
		{"no reading is an empty list", "activities/heart/date/" + off + "/1d/1sec.json", "activities-heart-intraday", `{"dataset":[],"datasetInterval":1,"datasetType":"second"}`},
		{"the head of a window is another", "activities/heart/date/2025-04-09/1d/1min/time/08:00/08:10.json", "activities-heart 0 value", `"80.78"`},
		{"with the zones beside", "activities/heart/date/2025-04-09/1d/1min/time/08:00/08:10.json", "activities-heart 0 heartRateZones 0 minutes", "11"},
		{"zone minutes leave zones out", "activities/active-zone-minutes/date/2025-04-07/1d.json", "activities-active-zone-minutes 0 value", `{"activeZoneMinutes":63,"fatBurnActiveZoneMinutes":63}`},
		{"none at all is an empty value", "activities/active-zone-minutes/date/2025-04-08/1d.json", "activities-active-zone-minutes 0 value", "{}"},
		{"a day without the band is missing", "activities/active-zone-minutes/date/" + off + "/1d.json", "activities-active-zone-minutes", "[]"},
		{"their minutes have a date", "activities/active-zone-minutes/date/2025-04-09/1d/1min.json", "activities-active-zone-minutes-intraday 0 minutes 0 minute", `"2025-04-09T17:53:00"`},
		{"variability", "hrv/date/2025-04-09.json", "hrv 0", `{"dateTime":"2025-04-09","value":{"dailyRmssd":42.8,"deepRmssd":40.5}}`},
		{"its minutes have milliseconds and no summary", "hrv/date/2025-04-09/all.json", "hrv 0 minutes 0 minute", `"2025-04-08T22:30:00.000"`},
		{"no summary beside the minutes", "hrv/date/2025-04-09/all.json", "hrv 0 value", none},
		{"no night", "hrv/date/" + off + ".json", "hrv", "[]"},
		{"breathing", "br/date/2025-04-08.json", "br 0 value", `{"breathingRate":15}`},
		{"a stage that could not be told", "br/date/2025-04-08/all.json", "br 0 value remSleepSummary breathingRate", "-1"},
		{"the whole night is the summary", "br/date/2025-04-08/all.json", "br 0 value fullSleepSummary breathingRate", "15"},
		{"oxygen of one date is bare", "spo2/date/2025-04-09.json", "dateTime", `"2025-04-09"`},
		{"of a range, too", "spo2/date/2025-04-09/2025-04-09.json", "0 dateTime", `"2025-04-09"`},
		{"minutes of oxygen have seconds", "spo2/date/2025-04-09/all.json", "minutes 0 minute", `"2025-04-08T22:27:00"`},
		{"no oxygen", "spo2/date/" + off + ".json", "", "[]"},
		{"skin is a difference", "temp/skin/date/2025-04-09.json", "tempSkin 0 value", `{"nightlyRelative":0.3}`},
		{"no baseline, no skin", "temp/skin/date/2025-01-03.json", "tempSkin", "[]"},
		{"fitness is a text", "cardioscore/date/2025-04-09.json", "cardioScore 0 value vo2Max", `"38-42"`},
		{"a number after a run with GPS", "cardioscore/date/2025-04-06.json", "cardioScore 0 value vo2Max", `"40"`},
		{"a weighing", "body/log/weight/date/2025-04-02.json", "weight 0", `{"bmi":21.76,"date":"2025-04-02","fat":21.5,"logId":1743570450094,"source":"AriaAir","time":"07:07:30","weight":75.84}`},
		{"its fat alone", "body/log/fat/date/2025-04-02.json", "fat 0", `{"date":"2025-04-02","fat":21.5,"logId":1743570450094,"source":"AriaAir","time":"07:07:30"}`},
		{"a weight is carried forward", "body/weight/date/2025-04-03/2025-04-04.json", "body-weight 1", `{"dateTime":"2025-04-04","value":"75.84"}`},
		{"all weights", "body/weight/date/2025-04-04/max.json", "body-weight #", "94"},
		{"the scale has no level", "devices.json", "1 batteryLevel", none},
		{"a sync is on the person's clock", "devices.json", "0 lastSyncTime", `"2025-12-10T12:56:09.000"`},
		{"the zone", "profile.json", "user timezone", `"Europe/Berlin"`},
		{"its offset", "profile.json", "user offsetFromUTCMillis", "3600000"},
		{"since when", "profile.json", "user memberSince", `"2025-01-01"`},
		{"the summary has numbers", "activities/date/2025-04-09.json", "summary steps", "12893"},
		{"and workouts of the old form", "activities/date/2025-04-09.json", "activities 0 startTime", `"17:53"`},
		{"workouts have an offset", "activities/list.json?beforeDate=2025-04-10&sort=desc&offset=0&limit=1", "activities 0 startTime", `"2025-04-09T17:53:13.000+02:00"`},
		{"they were changed in UTC", "activities/list.json?beforeDate=2025-04-10&sort=desc&offset=0&limit=1", "activities 0 lastModified", `"2025-04-09T16:19:46.000Z"`},
		{"UTC's day where it is wanted", "activities/steps/date/2025-04-09/1d/1min/time/06:00/06:00.json?timezone=UTC", "activities-steps-intraday dataset 0 time", `"06:00:00"`},
		{"and only there", "hrv/date/2025-04-09/all.json?timezone=UTC", "hrv 0 minutes 0 minute", `"2025-04-08T22:30:00.000"`},
	} {
		if code, body, _ := fetch(t, f, token, user+x.path); code != http.StatusOK || at(t, body, x.place) != x.want {
			t.Errorf("%s: %s: %d %s, want %s", x.name, x.path, code, at(t, body, x.place), x.want)
		}
	}
}

// TestFitbitUnits asks in three unit systems.
func TestFitbitUnits(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-12-10T12:00:00Z"))
	token := f.AccessToken(p)
	const workout = "activities/list.json?beforeDate=2025-04-10&sort=desc&offset=0&limit=1"
	for _, x := range []struct{ path, place, metric, us, uk string }{
		{"activities/distance/date/2025-04-07/1d.json", "activities-distance 0 value", `"8.600109"`, `"5.34386"`, `"8.600109"`},
		{"activities/elevation/date/2025-04-09/1d.json", "activities-elevation 0 value", `"57.912"`, `"190.0"`, `"57.912"`},
		{"body/log/weight/date/2025-04-02.json", "weight 0 weight", "75.84", "167.2", "11.94"},
		{"body/log/weight/date/2025-04-02.json", "weight 0 bmi", "21.76", "21.76", "21.76"},
		{"body/weight/date/2025-04-02/1d.json", "body-weight 0 value", `"75.84"`, `"167.2"`, `"11.94"`},
		{"temp/skin/date/2025-04-09.json", "tempSkin 0 value nightlyRelative", "0.3", "0.6", "0.3"},
		{"profile.json", "user height", "186.7", "73.5", "186.7"},
		{workout, "activities 0 distance", "8.996353", "5.590075", "8.996353"},
		{workout, "activities 0 distanceUnit", `"Kilometer"`, `"Mile"`, `"Kilometer"`},
		{"activities/date/2025-04-09.json", "summary distances 0 distance", "18.574069", "11.541391", "18.574069"},
		{"spo2/date/2025-04-09.json", "value avg", "96.2", "96.2", "96.2"},
	} {
		for language, want := range map[string]string{"": x.metric, "de_DE": x.metric, "en_US": x.us, "en_GB": x.uk} {
			if code, body, _ := fetch(t, f, token, user+x.path, "Accept-Language", language); code != http.StatusOK || at(t, body, x.place) != want {
				t.Errorf("%s in %q: %d %s, want %s", x.path, language, code, at(t, body, x.place), want)
			}
		}
	}
	core := ""
	for d := p.Start; core == ""; d++ {
		if all := p.CoreTemperatures(d); len(all) > 0 {
			core = fmt.Sprintf("temp/core/date/%s.json", d)
			for language, want := range map[string]float64{"": all[0].Value, "en_US": all[0].Value*1.8 + 32} {
				got := read[struct{ TempCore []struct{ Value float64 } }](t, f, token, user+core, "Accept-Language", language)
				if len(got.TempCore) != len(all) || got.TempCore[0].Value-want > 0.051 || want-got.TempCore[0].Value > 0.051 {
					t.Errorf("%s in %q: %v, want %v", core, language, got, want)
				}
			}
		}
	}
}

// complaint is what an error answer says, in either form.
type complaint struct {
	Errors []struct{ ErrorType, FieldName, Message string }
	Error  struct {
		Code            int
		Status, Message string
	}
}

// TestFitbitRefuses asks for what is wrong, and wants the service's own words.
func TestFitbitRefuses(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-12-10T12:00:00Z"))
	token, narrow := f.AccessToken(p), f.AccessToken(p, "profile", "activity")
	old := f.AccessToken(p)
	const see = ". Visit https://dev.fitbit.com/docs/oauth2 for more information on the Fitbit Web API authorization process."
	fault := func(kind, field, message string) string {
		b := `{"errors":[{"errorType":"` + kind + `",`
		if field != "" {
			b += `"fieldName":"` + field + `",`
		}
		return b + `"message":"` + message + `"}],"success":false}`
	}
	long := fault("validation", "endDate", "The range of dates is longer than allowed.")
	tooBig := fault("request", "n/a", "Time range should not be bigger than 24 hours.")
	unknown := fault("request", "n/a", "The API you are requesting could not be found.")
	tooMany := `{"errors":[{"errorType":"validation","fieldName":"Request","message":"The number of data points queried exceeds limit."}]}`
	for _, x := range []struct {
		name, token, path string
		code              int
		body              string
	}{
		{"no token", "", "profile.json", 401, fault("invalid_request", "", "Authorization header required.")},
		{"a wrong token", "abc", "profile.json", 401, fault("invalid_token", "", "Access token invalid: abc"+see)},
		{"a scope", narrow, "sleep/date/2025-04-09.json", 400, unknown},
		{"a scope of devices", narrow, "devices.json", 403, fault("insufficient_scope", "", "This application does not have permission to access settings data"+see)},
		{"a scope of tracks", narrow, "activities/1.tcx", 403, fault("insufficient_scope", "", "This application does not have permission to access location data"+see)},
		{"a path", token, "mood/date/2025-04-09.json", 400, unknown},
		{"no ending", token, "profile", 400, unknown},
		{"a resource", token, "activities/joy/date/2025-04-09/1d.json", 400, unknown},
		{"a series of the tracker that is none", token, "activities/tracker/swimming-strokes/date/2025-04-09/1d.json", 400, unknown},
		{"minutes of what has none", token, "activities/caloriesBMR/date/2025-04-09/1d/1min.json", 400, unknown},
		{"minutes of the tracker", token, "activities/tracker/steps/date/2025-04-09/1d/1min.json", 400, unknown},
		{"a date", token, "hrv/date/2025-02-30.json", 400, fault("validation", "date", "Invalid date: 2025-02-30")},
		{"an end before the start", token, "hrv/date/2025-04-09/2025-04-08.json", 400, fault("validation", "endDate", "The end date must not be before the start date: 2025-04-08")},
		{"a period", token, "activities/steps/date/2025-04-09/2m.json", 400, fault("validation", "period", "Invalid period: 2m")},
		{"the period of all", token, "activities/steps/date/2025-04-09/max.json", 400, fault("validation", "period", "Invalid period: max")},
		{"a period of the weight log", token, "body/log/weight/date/2025-04-09/max.json", 400, fault("validation", "period", "Invalid period: max")},
		{"three months of the weight log", token, "body/log/weight/date/2025-04-09/3m.json", 400, fault("validation", "period", "Invalid period: 3m")},
		{"a grid", token, "activities/steps/date/2025-04-09/1d/1sec.json", 400, fault("validation", "detailLevel", "Invalid detail level: 1sec")},
		{"a time", token, "activities/steps/date/2025-04-09/1d/1min/time/25:00/26:00.json", 400, fault("validation", "startTime", "Invalid time: 25:00")},
		{"minutes of two days", token, "activities/steps/date/2025-04-08/2025-04-09/1min.json", 400, tooBig},
		{"readings of more than a day", token, "activities/heart/date/2025-04-08/2025-04-09/1sec/time/10:00/10:30.json", 400, tooBig},
		{"three years and more", token, "activities/steps/date/2020-01-01/2023-01-01.json", 422, tooMany},
		{"31 days of active calories", token, "activities/activityCalories/date/2025-01-01/2025-02-01.json", 400, long},
		{"32 dates of variability", token, "hrv/date/2025-01-01/2025-02-01.json", 400, long},
		{"32 dates of breathing", token, "br/date/2025-01-01/2025-02-01/all.json", 400, long},
		{"32 dates of oxygen minutes", token, "spo2/date/2025-01-01/2025-02-01/all.json", 400, long},
		{"32 dates of skin", token, "temp/skin/date/2025-01-01/2025-02-01.json", 400, long},
		{"32 dates of fitness", token, "cardioscore/date/2025-01-01/2025-02-01.json", 400, long},
		{"33 dates of weight", token, "body/log/weight/date/2025-01-01/2025-02-02.json", 400, long},
		{"more than a year of hearts", token, "activities/heart/date/2024-01-01/2025-01-02.json", 400, long},
		{"a log", token, "activities/1.tcx", 404, fault("not_found", "logId", "The log does not exist: 1")},
		{"no day for a list", token, "activities/list.json?sort=asc&offset=0&limit=1", 400, fault("validation", "beforeDate", "Exactly one of beforeDate and afterDate is required.")},
		{"the order of a list", token, "activities/list.json?beforeDate=2025-04-10&sort=asc&offset=0&limit=1", 400, fault("validation", "sort", "Invalid sort: asc")},
		{"the length of a list", token, "activities/list.json?beforeDate=2025-04-10&sort=desc&offset=0&limit=101", 400, fault("validation", "limit", "Invalid limit: 101")},
		{"an offset of one's own", token, "activities/list.json?beforeDate=2025-04-10&sort=desc&offset=3&limit=2", 400, fault("validation", "offset", "Invalid offset: 3")},
	} {
		if code, body, _ := fetch(t, f, x.token, user+x.path); code != x.code || string(body) != x.body {
			t.Errorf("%s: %s: %d %s, want %d %s", x.name, x.path, code, body, x.code, x.body)
		}
	}
	for _, x := range []struct{ name, path string }{
		{"31 dates of variability", "hrv/date/2025-01-01/2025-01-31.json"}, {"31 dates of oxygen minutes", "spo2/date/2025-01-01/2025-01-31/all.json"},
		{"a year of oxygen", "spo2/date/2025-01-01/2025-12-01.json"}, {"three years of steps", "activities/steps/date/2020-01-01/2022-12-31.json"},
		{"32 dates of weight", "body/log/weight/date/2025-01-01/2025-02-01.json"}, {"31 dates of fat", "body/log/fat/date/2025-01-01/2025-01-31.json"},
		{"the person's own id", "../" + p.LegacyAccount() + "/profile.json"},
	} {
		path := strings.Replace(user+x.path, "-/../", "", 1)
		if code, body, _ := fetch(t, f, token, path); code != http.StatusOK {
			t.Errorf("%s: %d %.200s", x.name, code, body)
		}
	}
	if code, body, _ := fetch(t, f, token, "/1.2/user/-/sleep/date/2025-01-01/2025-04-12.json"); code != 400 || string(body) != long {
		t.Errorf("102 dates of sleep: %d %s", code, body)
	}
	if code, _, _ := fetch(t, f, token, "/1/user/ABCDEF/profile.json"); code != http.StatusUnauthorized {
		t.Errorf("another person: %d", code)
	}
	f.Expire(p)
	if code, body, _ := fetch(t, f, old, user+"profile.json"); code != 401 || !strings.HasPrefix(string(body), `{"errors":[{"errorType":"expired_token","message":"Access token expired: `+old) {
		t.Errorf("an expired token: %d %s", code, body)
	}
}

// TestFitbitFamilies wants the errors of Google's front end where the configuration says so, and 410 once the service is retired.
func TestFitbitFamilies(t *testing.T) {
	p := berlin(t)
	now := instant(t, "2025-04-10T12:00:00Z")
	f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: func() time.Time { return now }, PerHour: 2, GoogleErrors: true, Retired: now.Add(time.Hour)})
	narrow := f.AccessToken(p, "profile")
	for i, want := range []string{`{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}`, "",
		`{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`} {
		code, body, _ := fetch(t, f, narrow, user+[]string{"hrv/date/2025-04-09.json", "profile.json", "profile.json"}[i])
		if want != "" && string(body) != want || code != []int{403, 200, 429}[i] {
			t.Errorf("%d: %d %s, want %s", i, code, body, want)
		}
	}
	now = now.Add(time.Hour)
	for _, path := range []string{user + "profile.json", simulate.FitbitPathAuth, simulate.FitbitPathToken} {
		code, body, _ := fetch(t, f, narrow, path)
		var c complaint
		if err := json.Unmarshal(body, &c); err != nil || code != http.StatusGone || c.Error.Code != http.StatusGone {
			t.Errorf("%s of a retired service: %d %s", path, code, body)
		}
	}
}

// TestFitbitApps wants an app that may not see minutes to lose them in the three ways of the service.
func TestFitbitApps(t *testing.T) {
	p := berlin(t)
	app := simulate.DefaultFitbitApp()
	const refused = `{"errors":[{"errorType":"insufficient_permissions","message":"API client is not authorized by Fitbit to access the resource requested. Visit https://dev.fitbit.com/docs/oauth2 for more information on the Fitbit Web API authorization process."}],"success":false}`
	for _, kind := range []struct {
		kind    simulate.AppType
		granted bool
		sees    bool
	}{{simulate.PersonalApp, false, true}, {simulate.ServerApp, false, false}, {simulate.ClientApp, false, false}, {simulate.ServerApp, true, true}} {
		app.Type, app.Intraday = kind.kind, kind.granted
		f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: fixed(instant(t, "2025-04-10T12:00:00Z")), NoLimit: true, Apps: []simulate.FitbitApp{app}})
		token := f.AccessToken(p)
		for _, key := range []string{"activities-heart", "activities-steps"} {
			code, body, _ := fetch(t, f, token, user+"activities/"+strings.TrimPrefix(key, "activities-")+"/date/2025-04-09/1d/1min.json")
			if has := at(t, body, key+"-intraday") != "<none>"; code != http.StatusOK || has != kind.sees || at(t, body, key+" #") != "1" {
				t.Errorf("%+v: %s: %d, minutes %v", kind, key, code, has)
			}
		}
		for _, path := range []string{"hrv/date/2025-04-09/all.json", "br/date/2025-04-09/all.json", "spo2/date/2025-04-09/all.json", "activities/active-zone-minutes/date/2025-04-09/1d/1min.json"} {
			if code, body, _ := fetch(t, f, token, user+path); (code == http.StatusOK) != kind.sees || !kind.sees && (code != http.StatusForbidden || string(body) != refused) {
				t.Errorf("%+v: %s: %d %.200s", kind, path, code, body)
			}
		}
		if code, _, _ := fetch(t, f, token, user+"hrv/date/2025-04-09.json"); code != http.StatusOK {
			t.Errorf("%+v: the night's summary: %d", kind, code)
		}
	}
}

// TestFitbitBareEmpty wants {} where there is nothing, in place of a list.
func TestFitbitBareEmpty(t *testing.T) {
	p := berlin(t)
	f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: fixed(instant(t, "2025-12-10T12:00:00Z")), NoLimit: true, BareEmpty: true})
	off := dayOff(t, p).String()
	for path, want := range map[string]string{"br/date/" + off + ".json": "{}", "spo2/date/" + off + ".json": "{}", "spo2/date/" + off + "/" + off + ".json": "{}", "hrv/date/" + off + ".json": `{"hrv":[]}`} {
		if code, body, _ := fetch(t, f, f.AccessToken(p), user+path); code != http.StatusOK || string(body) != want {
			t.Errorf("%s: %d %s, want %s", path, code, body, want)
		}
	}
}

// TestFitbitLimit counts requests by the server's clock, with either beginning of the hour.
func TestFitbitLimit(t *testing.T) {
	p := berlin(t)
	start := instant(t, "2025-04-10T12:20:00Z")
	for _, x := range []struct {
		name          string
		cfg           simulate.FitbitConfig
		reset, renews time.Duration // seconds of the first answer; when the window is over
	}{
		{"from the first request", simulate.FitbitConfig{}, time.Hour, time.Hour},
		{"by the clock", simulate.FitbitConfig{FullHours: true}, 40 * time.Minute, 40 * time.Minute},
		{"silent", simulate.FitbitConfig{NoReset: true, RetryAfter: "5"}, time.Hour, time.Hour},
		{"late", simulate.FitbitConfig{Lag: 10}, time.Hour, time.Hour},
	} {
		now := start
		x.cfg.Persons, x.cfg.Now = []*simulate.Person{p}, func() time.Time { return now }
		f := simulate.NewFitbit(x.cfg)
		token, narrow := f.AccessToken(p), f.AccessToken(p, "sleep")
		head := func(h http.Header) string {
			return h.Get("Fitbit-Rate-Limit-Limit") + "/" + h.Get("Fitbit-Rate-Limit-Remaining") + "/" + h.Get("Fitbit-Rate-Limit-Reset") + "/" + h.Get("Retry-After")
		}
		left := 149
		if x.cfg.Lag > 0 {
			left = 150
		}
		if code, _, h := fetch(t, f, token, user+"profile.json"); code != 200 || head(h) != fmt.Sprintf("150/%d/%d/", left, int(x.reset.Seconds())) {
			t.Errorf("%s: first: %d %s", x.name, code, head(h))
		}
		now = now.Add(time.Minute)
		if code, _, h := fetch(t, f, narrow, user+"profile.json"); code != 403 || h.Get("Fitbit-Rate-Limit-Limit") != "150" {
			t.Errorf("%s: a failed request does not count: %d %s", x.name, code, head(h))
		}
		for i := range 148 {
			if code, body, _ := fetch(t, f, token, user+"profile.json"); code != 200 {
				t.Fatalf("%s: request %d: %d %s", x.name, i+3, code, body)
			}
		}
		code, body, h := fetch(t, f, token, user+"profile.json")
		want := fmt.Sprintf("150/0/%d/", int((x.reset - time.Minute).Seconds()))
		if x.cfg.NoReset {
			want = "150/0//5"
		}
		if code != 429 || string(body) != `{"errors":[{"errorType":"system","fieldName":"n/a","message":"Too Many Requests"}],"success":false}` || head(h) != want {
			t.Errorf("%s: one too many: %d %s %s, want %s", x.name, code, body, head(h), want)
		}
		now = start.Add(x.renews)
		if code, _, _ := fetch(t, f, token, user+"profile.json"); code != 200 {
			t.Errorf("%s: the next hour: %d", x.name, code)
		}
	}
}

// TestFitbitLists follows the links of a list to the end of the person's history.
func TestFitbitLists(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-12-10T12:00:00Z"))
	token := f.AccessToken(p)
	var workouts, sleeps []string
	last := p.LastSync(instant(t, "2025-12-10T12:00:00Z"))
	for d := p.Start; d <= day(t, "2025-12-10"); d++ {
		for _, w := range p.Workouts(d) {
			if !w.End.After(last) {
				workouts = append(workouts, w.Start.UTC().Format(time.RFC3339))
			}
		}
		for range p.NightsAt(d, last) {
			sleeps = append(sleeps, d.String())
		}
	}
	type page struct {
		Activities []struct {
			LogID     uint64
			StartTime time.Time
			TCXLink   string
		}
		Sleep []struct {
			LogID       uint64
			DateOfSleep string
		}
		Pagination struct{ Next, Previous, Sort string }
	}
	for _, x := range []struct {
		path    string
		want    []string
		forward bool
	}{
		{"/1/user/-/activities/list.json?afterDate=2025-01-01&sort=asc&offset=0&limit=20", workouts, true},
		{"/1/user/-/activities/list.json?beforeDate=2025-12-11T00:00:00&sort=desc&offset=0&limit=100", workouts, false},
		{"/1.2/user/-/sleep/list.json?afterDate=2024-12-01&sort=asc&offset=0&limit=100", sleeps, true},
		{"/1.2/user/-/sleep/list.json?beforeDate=2025-12-11&sort=desc&offset=0&limit=7", sleeps, false},
	} {
		var got []string
		ids := map[uint64]bool{}
		for next := x.path; next != ""; {
			pg := read[page](t, f, token, next)
			for _, a := range pg.Activities {
				got, ids[a.LogID] = append(got, a.StartTime.UTC().Format(time.RFC3339)), true
			}
			for _, s := range pg.Sleep {
				got, ids[s.LogID] = append(got, s.DateOfSleep), true
			}
			if next = pg.Pagination.Next; next != "" {
				u, err := url.Parse(next)
				must(t, err)
				if u.Host != "fitbit.example" {
					t.Fatalf("the next page is at %s", next)
				}
				next = u.RequestURI()
			}
		}
		if !x.forward {
			for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
				got[i], got[j] = got[j], got[i]
			}
		}
		if strings.Join(got, " ") != strings.Join(x.want, " ") || len(ids) != len(got) {
			t.Errorf("%s: %d of %d, %d ids", x.path, len(got), len(x.want), len(ids))
		}
	}
}

// TestFitbitTracks wants the person's own way in the file, with an offset, and no point where there is no GPS.
func TestFitbitTracks(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-12-10T12:00:00Z"))
	token := f.AccessToken(p)
	type list struct {
		Activities []struct {
			HasGps    bool
			StartTime time.Time
			TCXLink   string
		}
	}
	type file struct {
		Lap struct {
			Start  string   `xml:"StartTime,attr"`
			Points []string `xml:"Track>Trackpoint>Time"`
			Lat    []string `xml:"Track>Trackpoint>Position>LatitudeDegrees"`
		} `xml:"Activities>Activity>Lap"`
		Creator string `xml:"Activities>Activity>Creator>Name"`
	}
	with, without := 0, 0
	for _, a := range read[list](t, f, token, user+"activities/list.json?beforeDate=2025-12-10&sort=desc&offset=0&limit=20").Activities {
		u, err := url.Parse(a.TCXLink)
		must(t, err)
		code, body, h := fetch(t, f, token, u.Path)
		var x file
		if err := xml.Unmarshal(body, &x); err != nil || code != http.StatusOK || h.Get("Content-Type") != "application/vnd.garmin.tcx+xml" {
			t.Fatalf("%s: %d %v", u.Path, code, err)
		}
		if x.Creator != "Fitbit Charge 6" || !strings.HasSuffix(x.Lap.Start, "+01:00") {
			t.Errorf("by %q, from %s", x.Creator, x.Lap.Start)
		}
		var own simulate.Workout
		for _, w := range p.Workouts(p.Day(a.StartTime)) {
			if w.Start.Equal(a.StartTime) {
				own = w
			}
		}
		if track := p.Track(own); len(x.Lap.Points) != len(track) || a.HasGps != (len(track) > 0) {
			t.Errorf("%s: %d points, the person made %d", own.Name, len(x.Lap.Points), len(track))
		}
		if a.HasGps {
			with++
			continue
		}
		without++
		_, body, _ = fetch(t, f, token, u.Path+"?includePartialTCX=true")
		x = file{}
		if err := xml.Unmarshal(body, &x); err != nil || len(x.Lap.Points) == 0 || len(x.Lap.Lat) > 0 {
			t.Errorf("without GPS, with all points: %d points, %d positions, %v", len(x.Lap.Points), len(x.Lap.Lat), err)
		}
	}
	if with == 0 || without == 0 {
		t.Errorf("%d with GPS, %d without", with, without)
	}
}

// TestFitbitFaults lets a script break this face, too.
func TestFitbitFaults(t *testing.T) {
	p := berlin(t)
	f := fitbit(p, instant(t, "2025-04-10T12:00:00Z"))
	token := f.AccessToken(p)
	for _, x := range []struct {
		fault *simulate.Fault
		code  int
		body  string
	}{
		{simulate.Unavailable(), 503, `{"errors":[{"errorType":"system","fieldName":"n/a","message":"Service Unavailable"}],"success":false}`},
		{&simulate.Fault{Status: 401}, 401, `{"errors":[{"errorType":"invalid_token","fieldName":"n/a","message":"Unauthorized"}],"success":false}`},
		{simulate.FitbitForbidden(), 403, `{"error":{"code":403,"message":"The caller does not have permission","status":"PERMISSION_DENIED"}}`},
	} {
		f.Script(simulate.Times(1, x.fault))
		if code, body, _ := fetch(t, f, token, user+"profile.json"); code != x.code || string(body) != x.body {
			t.Errorf("%d %s, want %d %s", code, body, x.code, x.body)
		}
		if code, _, _ := fetch(t, f, token, user+"profile.json"); code != http.StatusOK {
			t.Errorf("after the fault: %d", code)
		}
	}
	log := f.Log()
	if len(log) != 6 || log[0].Status != 503 || log[5].Path != user+"profile.json" {
		t.Errorf("logged %+v", log)
	}
}

// FuzzFitbitPath wants an answer to any path, data or a refusal.
func FuzzFitbitPath(f *testing.F) {
	p := berlin(f)
	server := fitbit(p, instant(f, "2025-04-10T12:00:00Z"))
	token := server.AccessToken(p)
	for _, s := range []string{"", "profile", "activities/heart/date/2025-04-09/1d/1sec/time/08:00/08:01", "activities/steps/date/today/1d/1min/time/x/y", "hrv/date/2025-04-09/all", "activities/list", "date/date/date",
		"activities/steps/date/9999-12-31/9999-12-31", "activities/steps/date/0001-01-01/0001-01-02", "sleep/date/2025-04-09/1d/min", "activities/steps/date//1d/1min"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := &http.Request{Method: http.MethodGet, Header: http.Header{"Authorization": {"Bearer " + token}}, URL: &url.URL{Scheme: "https", Host: "fitbit.example", Path: user + s + ".json"}}
		resp, err := simulate.Transport{Handler: server}.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		switch resp.StatusCode {
		case 200, 400, 422:
		default:
			t.Errorf("%q: %d", s, resp.StatusCode)
		}
	})
}

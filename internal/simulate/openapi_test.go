//go:build openapi

package simulate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// A wrongPlace is one where the service's description is wrong, or says less than the service does.
type wrongPlace struct {
	path   string   // pattern of the paths in the description
	places []string // of the answer, list indexes as *; or a status
	kind   string   // what the validator complains of: type, format, unknown (a member that is not described), status
	why    string
}

// wrongPlaces are the exceptions. One that is not needed fails the test.
var wrongPlaces = []wrongPlace{
	{"/1/user/-/activities/heart/date/*/*/*/time/*/*", []string{"/activities-heart/*/customHeartRateZones", "/activities-heart/*/heartRateZones"}, "unknown",
		"for a part of a day the service puts the zones beside the date"},
	{"/1/user/-/activities/heart/date/*/*/*/time/*/*", []string{"/activities-heart/*/value"}, "type", "for a part of a day the value is the mean, as a string"},
	{"/1/user/-/activities/active-zone-minutes/date/*/*/*", []string{"/activities-active-zone-minutes-intraday"}, "type",
		"the service's pages and working clients have a list of days with minutes, not one dataset"},
	{"/1/user/-/activities/active-zone-minutes/date/*/*/*/time/*/*", []string{"/activities-active-zone-minutes-intraday"}, "type", "as above"},
	{"/1/user/-/activities/tracker/*/date/*/*", []string{"/activities-tracker-caloriesBMR"}, "unknown", "listed among the values of the path, but not in the answer"},
	{"/1/user/-/activities/date/*", []string{"/summary/heartRateZones"}, "unknown", "recorded answers have it"},
	{"/1/user/-/activities/list.json", []string{"/activities/*/activeDuration", "/activities/*/activeZoneMinutes", "/activities/*/activityLevel", "/activities/*/activityName", "/activities/*/activityTypeId",
		"/activities/*/averageHeartRate", "/activities/*/caloriesLink", "/activities/*/distanceUnit", "/activities/*/elevationGain", "/activities/*/hasGps", "/activities/*/heartRateLink",
		"/activities/*/heartRateZones", "/activities/*/inProgress", "/activities/*/intervalWorkoutData", "/activities/*/logType", "/activities/*/manualValuesSpecified", "/activities/*/originalDuration",
		"/activities/*/originalStartTime", "/activities/*/pace", "/activities/*/source", "/activities/*/speed", "/activities/*/tcxLink"}, "unknown",
		"the description has the entries of the daily summary here; the list's own are others"},
	{"/1/user/-/activities/list.json", []string{"/pagination/beforeDate"}, "unknown", "described for the other lists, forgotten here"},
	{"/1.2/user/-/sleep/*", []string{"/sleep/*/levels/data/*/dateTime", "/sleep/*/levels/shortData/*/dateTime"}, "format", "times are those of the person's clock, without an offset"},
	{"/1.2/user/-/sleep/*/*", []string{"/sleep/*/levels/data/*/dateTime", "/sleep/*/levels/shortData/*/dateTime"}, "format", "as above"},
	{"/1.2/user/-/sleep/*/*/*", []string{"/sleep/*/levels/data/*/dateTime", "/sleep/*/levels/shortData/*/dateTime"}, "format", "as above"},
	{"/1.2/user/-/sleep/date/*/*", []string{"/meta"}, "unknown", "described for one date, and given for a range, too"},
	{"/1/user/-/devices.json", []string{"/*/lastSyncTime"}, "format", "times are those of the person's clock, without an offset"},
	{"/1/user/-/temp/core/date/*", []string{"/tempCore/*/dateTime"}, "format", "as above"},
	{"/1/user/-/temp/core/date/*/*", []string{"/tempCore/*/dateTime"}, "format", "as above"},
	{"/1/user/-/body/log/weight/date/*", []string{"/weight/*/fat"}, "unknown", "recorded answers have it where the scale measured it"},
	{"/1/user/-/body/log/weight/date/*/*", []string{"/weight/*/fat"}, "unknown", "as above"},
	{"/1/user/-/spo2/date/*", []string{"/"}, "type", "the service gives a bare list where there is nothing"},
	{"/1/user/-/spo2/date/*", []string{"/dateTime", "/value"}, "unknown", "the service gives a bare object for one date"},
	{"/1/user/-/spo2/date/*/all.json", []string{"/dateTime", "/minutes"}, "unknown", "as above"},
	{"/1/user/-/spo2/date/*/*", []string{"/"}, "type", "the service gives a bare list"},
	{"/1/user/-/spo2/date/*/*/all.json", []string{"/"}, "type", "as above"},
	{"/1/user/-/cardioscore/date/*", []string{"/cardioScore"}, "unknown", "the key has a capital letter, unlike the path"},
	{"/1/user/-/cardioscore/date/*/*", []string{"/cardioScore"}, "unknown", "as above"},
	{"/1/user/-/activities/*/date/*/*", []string{"status 422"}, "status", "given for more than three years"},
	{"/1/user/-/hrv/date/*/*", []string{"status 400"}, "status", "given for more than 30 days"},
	{"/1/user/-/activities/*.tcx", []string{"status 404"}, "status", "given for a log that does not exist"},
	{"/1/user/-/profile.json", []string{"status 429"}, "status", "described for no path"},
}

// notServed are paths of the description that the simulated service does not have.
var notServed = []struct {
	why   string
	paths []string
}{
	{"the grid of minutes, though required, has no place in this path", []string{"/1/user/-/activities/active-zone-minutes/date/{start-date}/{end-date}/time/{start-time}/{end-time}.json"}},
	{"no series of the catalogue comes from it", []string{"/1/user/-/activities.json", "/1/user/-/activities/goals/{period}.json", "/1/user/-/activities/favorite.json", "/1/user/-/activities/frequent.json",
		"/1/user/-/activities/recent.json", "/1/activities.json", "/1/activities/{activity-id}.json", "/1/user/-/body/log/{goal-type}/goal.json", "/1.2/user/-/sleep/goal.json",
		"/1/user/-/devices/tracker/{tracker-id}/alarms.json", "/1/user/-/badges.json", "/1.1/user/-/friends.json", "/1.1/user/-/leaderboard/friends.json", "/1/user/-/{collection-path}/apiSubscriptions.json"}},
	{"the person records no cardiograms", []string{"/1/user/-/ecg/list.json", "/1/user/-/irn/alerts/list.json", "/1/user/-/irn/profile.json"}},
	{"the person keeps no book of food", []string{"/1/user/-/foods/log/date/{date}.json", "/1/user/-/foods/log/water/date/{date}.json", "/1/user/-/foods/log/{resource-path}/date/{base-date}/{end-date}.json",
		"/1/user/-/foods/log/{resource-path}/date/{date}/{period}.json", "/1/user/-/foods/log/goal.json", "/1/user/-/foods/log/water/goal.json", "/1/user/-/foods/log/favorite.json",
		"/1/user/-/foods/log/frequent.json", "/1/user/-/foods/log/recent.json", "/1/user/-/meals.json", "/1/user/-/meals/{meal-id}.json", "/1/foods/{food-id}.json", "/1/foods/search.json",
		"/1/foods/locales.json", "/1/foods/units.json"}},
}

// description reads the file that OPENAPI names, and makes it strict: what it does not mention is an error, too.
func description(t *testing.T) *openapi3.T {
	t.Helper()
	file := os.Getenv("OPENAPI")
	if file == "" {
		t.Fatal("OPENAPI is not set: make test-openapi OPENAPI=path/to/openapi.json, the OpenAPI description of the Fitbit Web API")
	}
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		t.Fatalf("reading the description: %v", err)
	}
	seen := map[*openapi3.Schema]bool{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, r := range op.Responses.Map() {
				for _, m := range r.Value.Content {
					strict(m.Schema, seen)
				}
			}
		}
	}
	return doc
}

func strict(ref *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if ref == nil || ref.Value == nil || seen[ref.Value] {
		return
	}
	s := ref.Value
	seen[s] = true
	strict(s.Items, seen)
	strict(s.AdditionalProperties.Schema, seen)
	for _, p := range s.Properties {
		strict(p, seen)
	}
	if len(s.Properties) > 0 && s.AdditionalProperties.Schema == nil {
		no := false
		s.AdditionalProperties.Has = &no
	}
}

// judge compares answers with the description.
type judge struct {
	t      *testing.T
	doc    *openapi3.T
	used   map[string]bool // exceptions
	asked  map[string]int  // answers by path
	said   map[string]bool
	filled map[string]bool // paths with an answer that held data
}

func (j *judge) answer(method, pattern string, code int, body []byte, what string) {
	j.t.Helper()
	item := j.doc.Paths.Find(pattern)
	if item == nil || item.GetOperation(method) == nil {
		j.t.Fatalf("the description has no %s %s", method, pattern)
	}
	j.asked[pattern]++
	r := item.GetOperation(method).Responses.Status(code)
	if r == nil {
		j.found(pattern, fmt.Sprintf("status %d", code), "status", "not described", what)
		return
	}
	content := r.Value.Content.Get("application/json")
	if code != http.StatusOK || content == nil || content.Schema == nil {
		return
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		j.t.Errorf("%s: %v", what, err)
		return
	}
	j.complain(pattern, content.Schema.Value.VisitJSON(v, openapi3.MultiErrors(), openapi3.EnableFormatValidation(), openapi3.VisitAsResponse()), what)
}

// complain takes the validator's errors apart.
func (j *judge) complain(pattern string, err error, what string) {
	j.t.Helper()
	var several openapi3.MultiError
	if errors.As(err, &several) {
		for _, e := range several {
			j.complain(pattern, e, what)
		}
		return
	}
	var one *openapi3.SchemaError
	if errors.As(err, &one) {
		if inner := new(openapi3.SchemaError); one.Origin != nil && errors.As(one.Origin, &inner) && inner != one {
			j.complain(pattern, one.Origin, what)
			return
		}
		place, kind := "/"+strings.Join(one.JSONPointer(), "/"), one.SchemaField
		if m := unknown.FindStringSubmatch(one.Reason); m != nil {
			place, kind = strings.TrimSuffix(place, "/")+"/"+m[1], "unknown"
		}
		j.found(pattern, index.ReplaceAllString(place, "/*"), kind, one.Reason, what)
	} else if err != nil {
		j.t.Errorf("%s: %v", what, err)
	}
}

var (
	index   = regexp.MustCompile(`/[0-9]+\b`)
	unknown = regexp.MustCompile(`^property "(.*)" is unsupported$`)
)

func (j *judge) found(pattern, place, kind, reason, what string) {
	j.t.Helper()
	for _, w := range wrongPlaces {
		if ok, _ := path.Match(w.path, pattern); ok && w.kind == kind && slices.Contains(w.places, place) {
			j.used[w.path+" "+place+" "+kind] = true
			return
		}
	}
	if key := pattern + place + kind; !j.said[key] {
		j.said[key] = true
		j.t.Errorf("%s\n  %s: %s (%s)\n  first for %s", pattern, place, reason, kind, what)
	}
}

// driven says what to ask for a path of the description: values of its parameters, each set one request.
type driven struct {
	path   string
	values []map[string]string
	query  string
}

// drive returns every path with what to ask for, on these days.
func drive(days []string, workout string) []driven {
	var one, ranges, periods, intraday, windows, between []map[string]string
	for _, d := range days {
		day, _ := metric.ParseDay(d)
		week := (day - 6).String()
		one = append(one, map[string]string{"date": d})
		ranges = append(ranges, map[string]string{"start-date": week, "end-date": d, "base-date": week, "startDate": week, "endDate": d})
		for _, p := range []string{"1d", "7d", "30d", "1w", "1m"} {
			periods = append(periods, map[string]string{"date": d, "period": p})
		}
		for _, l := range []string{"1min", "5min", "15min"} {
			intraday = append(intraday, map[string]string{"date": d, "start-date": d, "base-date": d, "end-date": d, "detail-level": l})
			windows = append(windows, map[string]string{"date": d, "end-date": d, "detail-level": l, "start-time": "07:30", "end-time": "19:00"})
		}
	}
	between = append(between, map[string]string{"date": days[0], "end-date": days[0], "detail-level": "1sec"})
	with := func(sets []map[string]string, key string, values ...string) (out []map[string]string) {
		for _, s := range sets {
			for _, v := range values {
				n := maps.Clone(s)
				n[key] = v
				out = append(out, n)
			}
		}
		return out
	}
	const heart, azm, act = "/1/user/-/activities/heart/date/", "/1/user/-/activities/active-zone-minutes/date/", "/1/user/-/activities/{resource-path}/date/"
	daily := []string{"calories", "caloriesBMR", "steps", "distance", "floors", "elevation", "minutesSedentary", "minutesLightlyActive", "minutesFairlyActive", "minutesVeryActive", "activityCalories"}
	minutes := []string{"calories", "steps", "distance", "floors", "elevation"}
	out := []driven{
		{path: heart + "{date}/{period}.json", values: periods}, {path: heart + "{base-date}/{end-date}.json", values: ranges},
		{path: heart + "{date}/1d/{detail-level}.json", values: slices.Concat(intraday, between)}, {path: heart + "{date}/{end-date}/{detail-level}.json", values: slices.Concat(intraday, between)},
		{path: heart + "{date}/1d/{detail-level}/time/{start-time}/{end-time}.json", values: windows}, {path: heart + "{date}/{end-date}/{detail-level}/time/{start-time}/{end-time}.json", values: windows},
		{path: azm + "{date}/{period}.json", values: periods}, {path: azm + "{start-date}/{end-date}.json", values: ranges}, {path: azm + "{date}/1d/{detail-level}.json", values: intraday},
		{path: azm + "{start-date}/{end-date}/{detail-level}.json", values: intraday}, {path: azm + "{date}/1d/{detail-level}/time/{start-time}/{end-time}.json", values: windows},
		{path: act + "{base-date}/{end-date}.json", values: with(ranges, "resource-path", daily...)}, {path: act + "{date}/{period}.json", values: with(periods, "resource-path", daily...)},
		{path: act + "{date}/1d/{detail-level}.json", values: with(intraday, "resource-path", minutes...)}, {path: act + "{base-date}/{end-date}/{detail-level}.json", values: with(intraday, "resource-path", minutes...)},
		{path: act + "{date}/1d/{detail-level}/time/{start-time}/{end-time}.json", values: with(windows, "resource-path", minutes...)},
		{path: act + "{date}/{end-date}/{detail-level}/time/{start-time}/{end-time}.json", values: with(windows, "resource-path", minutes...)},
		{path: "/1/user/-/activities/tracker/{resource-path}/date/{base-date}/{end-date}.json", values: with(ranges, "resource-path", daily...)},
		{path: "/1/user/-/activities/tracker/{resource-path}/date/{date}/{period}.json", values: with(periods, "resource-path", daily...)},
		{path: "/1/user/-/activities/date/{date}.json", values: one},
		{path: "/1/user/-/activities/list.json", query: "?beforeDate=" + days[0] + "&sort=desc&offset=0&limit=20"},
		{path: "/1/user/-/activities/{log-id}.tcx", values: []map[string]string{{"log-id": workout}}},
		{path: "/1.2/user/-/sleep/date/{date}.json", values: one}, {path: "/1.2/user/-/sleep/date/{base-date}/{end-date}.json", values: ranges},
		{path: "/1.2/user/-/sleep/list.json", query: "?afterDate=2025-01-01&sort=asc&offset=0&limit=20"},
		{path: "/1/user/-/devices.json"}, {path: "/1/user/-/profile.json"},
		{path: "/1/user/-/body/{resource-path}/date/{date}/{period}.json", values: with(periods, "resource-path", "bmi", "fat", "weight")},
		{path: "/1/user/-/body/{resource-path}/date/{base-date}/{end-date}.json", values: with(ranges, "resource-path", "bmi", "fat", "weight")},
	}
	for _, log := range []string{"weight", "fat"} {
		begin := "/1/user/-/body/log/" + log + "/date/"
		out = append(out, driven{path: begin + "{date}.json", values: one}, driven{path: begin + "{date}/{period}.json", values: periods}, driven{path: begin + "{base-date}/{end-date}.json", values: ranges})
	}
	for _, night := range []string{"hrv", "br", "spo2", "temp/skin", "temp/core", "cardioscore"} {
		begin := "/1/user/-/" + night + "/date/"
		out = append(out, driven{path: begin + "{date}.json", values: one}, driven{path: begin + "{startDate}/{endDate}.json", values: ranges})
		if night == "hrv" || night == "br" || night == "spo2" {
			out = append(out, driven{path: begin + "{date}/all.json", values: one}, driven{path: begin + "{startDate}/{endDate}/all.json", values: ranges})
		}
	}
	return out
}

// TestOpenAPI holds every answer against the service's own description.
func TestOpenAPI(t *testing.T) {
	j := &judge{t: t, doc: description(t), used: map[string]bool{}, asked: map[string]int{}, said: map[string]bool{}, filled: map[string]bool{}}
	days := []string{"2025-04-10", "2025-04-09", "2025-03-30", "2025-03-09", "2025-02-03", "2025-01-01", "2024-12-31"}
	for i, zone := range []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata"} {
		p := &simulate.Person{Seed: uint64(7 + i), Start: day(t, "2025-01-01"), Zones: metric.Zones{{From: day(t, "2025-01-01"), Name: zone}}}
		server := simulate.DefaultFitbitApp()
		server.Type = simulate.ServerApp
		for _, x := range []struct {
			app       simulate.FitbitApp
			bare      bool
			days      []string
			languages []string
		}{
			{simulate.DefaultFitbitApp(), false, days, []string{""}},
			{simulate.DefaultFitbitApp(), true, days[:2], []string{"en_US", "en_GB"}},
			{server, true, days[:2], []string{""}},
		} {
			f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: fixed(instant(t, "2025-04-10T21:00:00Z")), NoLimit: true, Apps: []simulate.FitbitApp{x.app}, BareEmpty: x.bare})
			for _, language := range x.languages {
				j.everything(f, f.AccessToken(p), x.days, language)
			}
		}
		j.tokens(p)
		j.pending(p)
	}
	j.refusals()
	for _, w := range wrongPlaces {
		for _, place := range w.places {
			if key := w.path + " " + place + " " + w.kind; !j.used[key] {
				t.Errorf("an exception that nothing needs: %s", key)
			}
		}
	}
	j.complete()
}

// everything asks for all there is.
func (j *judge) everything(f *simulate.Fitbit, token string, days []string, language string) {
	list := read[struct{ Activities []struct{ LogID json.Number } }](j.t, f, token, "/1/user/-/activities/list.json?beforeDate=2025-04-10&sort=desc&offset=0&limit=1")
	for _, d := range drive(days, list.Activities[0].LogID.String()) {
		values := d.values
		if values == nil {
			values = []map[string]string{{}}
		}
		for _, v := range values {
			at := d.path + d.query
			for name, x := range v {
				at = strings.ReplaceAll(at, "{"+name+"}", x)
			}
			code, body, _ := fetch(j.t, f, token, at, "Accept-Language", language)
			j.answer(http.MethodGet, d.path, code, body, at)
			if code == http.StatusOK && len(body) > 60 {
				j.filled[d.path] = true
			}
		}
	}
}

// tokens goes through what OAuth answers.
func (j *judge) tokens(p *simulate.Person) {
	f := fitbit(p, instant(j.t, "2025-04-10T12:00:00Z"))
	app := simulate.DefaultFitbitApp()
	post := func(at, token string, form url.Values) []byte {
		j.t.Helper()
		r, err := http.NewRequest(http.MethodPost, "https://fitbit.example"+at, strings.NewReader(form.Encode()))
		must(j.t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		} else {
			r.SetBasicAuth(app.ID, app.Secret)
		}
		resp, err := simulate.Transport{Handler: f}.RoundTrip(r)
		must(j.t, err)
		body, err := io.ReadAll(resp.Body)
		must(j.t, err)
		j.answer(http.MethodPost, at, resp.StatusCode, body, at)
		return body
	}
	var pair struct {
		Access string `json:"access_token"`
	}
	must(j.t, json.Unmarshal(post(simulate.FitbitPathToken, "", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {app.Refresh}}), &pair))
	if pair.Access == "" {
		j.t.Fatal("no access token")
	}
	post(simulate.FitbitPathToken, "", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}})
	post(simulate.FitbitPathIntrospect, pair.Access, url.Values{"token": {pair.Access}})
	post(simulate.FitbitPathIntrospect, pair.Access, url.Values{"token": {"x"}})
	post(simulate.FitbitPathRevoke, "", url.Values{"token": {pair.Access}})
}

// pending asks for a sleep that is being computed.
func (j *judge) pending(p *simulate.Person) {
	n, ok := p.MainNight(day(j.t, "2025-04-09"))
	if !ok {
		return
	}
	f := fitbit(p, n.Updated.Add(time.Second))
	for pattern, at := range map[string]string{"/1.2/user/-/sleep/date/{date}.json": "/1.2/user/-/sleep/date/2025-04-09.json",
		"/1.2/user/-/sleep/date/{base-date}/{end-date}.json": "/1.2/user/-/sleep/date/2025-04-01/2025-04-09.json"} {
		code, body, _ := fetch(j.t, f, f.AccessToken(p), at)
		if !strings.Contains(string(body), "pending") {
			j.t.Errorf("%s: not pending", at)
		}
		j.answer(http.MethodGet, pattern, code, body, at)
	}
}

// refusals asks for what is refused: the description lists the statuses of each path.
func (j *judge) refusals() {
	p := berlin(j.t)
	f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: fixed(instant(j.t, "2025-04-10T12:00:00Z")), PerHour: 8})
	token, narrow := f.AccessToken(p), f.AccessToken(p, "profile")
	for _, x := range []struct{ pattern, at, token string }{
		{"/1/user/-/devices.json", "/1/user/-/devices.json", ""},
		{"/1/user/-/devices.json", "/1/user/-/devices.json", "x"},
		{"/1/user/-/hrv/date/{date}.json", "/1/user/-/hrv/date/2025-04-09.json", narrow},
		{"/1/user/-/activities/{resource-path}/date/{date}/{period}.json", "/1/user/-/activities/steps/date/2025-04-09/5d.json", token},
		{"/1/user/-/activities/{resource-path}/date/{base-date}/{end-date}.json", "/1/user/-/activities/steps/date/2020-04-09/2025-04-09.json", token},
		{"/1/user/-/hrv/date/{startDate}/{endDate}.json", "/1/user/-/hrv/date/2025-01-01/2025-04-09.json", token},
		{"/1/user/-/activities/{log-id}.tcx", "/1/user/-/activities/1.tcx", token},
	} {
		code, body, _ := fetch(j.t, f, x.token, x.at)
		j.answer(http.MethodGet, x.pattern, code, body, x.at)
	}
	for range 9 {
		code, body, _ := fetch(j.t, f, token, "/1/user/-/profile.json")
		j.answer(http.MethodGet, "/1/user/-/profile.json", code, body, "too many requests")
	}
}

// complete wants each path of the description to be asked, with data at least once, or to be listed as not served.
func (j *judge) complete() {
	left := map[string]bool{}
	for _, x := range notServed {
		for _, p := range x.paths {
			left[p] = true
		}
	}
	for p, item := range j.doc.Paths.Map() {
		switch {
		case item.Get == nil && !strings.Contains(p, "oauth2"):
		case j.asked[p] > 0 && left[p]:
			j.t.Errorf("%s is served, and listed as not served", p)
		case j.asked[p] == 0 && !left[p]:
			j.t.Errorf("%s of the description was not asked", p)
		case j.asked[p] > 0 && !j.filled[p] && item.Get != nil:
			j.t.Errorf("%s was never answered with data", p)
		}
		delete(left, p)
	}
	for p := range left {
		j.t.Errorf("%s is listed as not served, and not in the description", p)
	}
}

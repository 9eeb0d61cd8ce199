package simulate_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

func day(t testing.TB, s string) metric.Day {
	t.Helper()
	d, err := metric.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func instant(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// berlin is a person in Berlin from 2025-01-01 on.
func berlin(t testing.TB) *simulate.Person {
	start := day(t, "2025-01-01")
	return &simulate.Person{Seed: 7, Start: start, Zones: metric.Zones{{From: start, Name: "Europe/Berlin"}}}
}

func fixed(at time.Time) func() time.Time { return func() time.Time { return at } }

// server is a server for one person without limits, at a fixed time.
func server(p *simulate.Person, now time.Time) *simulate.Google {
	return simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: fixed(now), NoQuota: true})
}

// do asks a server without a network.
func do(t testing.TB, g *simulate.Google, token, method, path, body string) (int, []byte) {
	t.Helper()
	code, b, err := try(g, token, method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return code, b
}

func try(g *simulate.Google, token, method, path, body string) (int, []byte, error) {
	r, err := http.NewRequest(method, "https://health.example"+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := simulate.Transport{Handler: g}.RoundTrip(r)
	if err != nil {
		return 0, nil, err
	}
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

func get(t testing.TB, g *simulate.Google, token, path string) (int, []byte) {
	t.Helper()
	return do(t, g, token, http.MethodGet, path, "")
}

// failure is what an error answer says.
type failure struct {
	Error struct {
		Status  string
		Message string
		Details []struct{ Reason string }
	}
}

func reason(t testing.TB, body []byte) (status, why string) {
	t.Helper()
	var f failure
	if err := json.Unmarshal(body, &f); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if len(f.Error.Details) > 0 {
		why = f.Error.Details[0].Reason
	}
	return f.Error.Status, why
}

const points = "/v4/users/me/dataTypes/%s/dataPoints"

// TestFilters asks with filters good and bad.
func TestFilters(t *testing.T) {
	p := berlin(t)
	g := server(p, instant(t, "2025-04-10T12:00:00Z"))
	token := g.AccessToken(p)
	for _, x := range []struct{ name, filter, reason string }{
		{"heart-rate", `heart_rate.sample_time.physical_time >= "2025-04-09T08:00:00Z" AND heart_rate.sample_time.physical_time < "2025-04-09T09:00:00Z"`, ""},
		{"heart-rate", `heart_rate.sample_time.civil_time >= "2025-04-09T08:00:00" AND heart_rate.sample_time.civil_time < "2025-04-09T09:00:00"`, ""},
		{"heart-rate", `heart_rate.sample_time.physical_time >= "2025-04-09T08:00:00+02:00"`, ""},
		{"heart-rate", `heart-rate.sample_time.physical_time >= "2025-04-09T08:00:00Z"`, "INVALID_DATA_POINT_FILTER_DATA_TYPE_MEMBER"},
		{"heart-rate", `heartRate.sampleTime.physicalTime >= "2025-04-09T08:00:00Z"`, "INVALID_DATA_POINT_FILTER_DATA_TYPE_MEMBER"},
		{"heart-rate", `heart_rate.interval.start_time >= "2025-04-09T08:00:00Z"`, "INVALID_DATA_POINT_FILTER_DATA_TYPE_MEMBER"},
		{"heart-rate", `heart_rate.beats_per_minute >= "60"`, "INVALID_DATA_POINT_FILTER_DATA_TYPE_MEMBER"},
		{"heart-rate", `steps.interval.start_time >= "2025-04-09T08:00:00Z"`, "INVALID_DATA_POINT_FILTER_COLLECTION_MISMATCH"},
		{"heart-rate", `heart_rate.sample_time.physical_time > "2025-04-09T08:00:00Z"`, "INVALID_DATA_POINT_FILTER_RESTRICTION_COMPARATOR"},
		{"heart-rate", `heart_rate.sample_time.physical_time <= "2025-04-09T08:00:00Z"`, "INVALID_DATA_POINT_FILTER_RESTRICTION_COMPARATOR"},
		{"heart-rate", `heart_rate.sample_time.physical_time = "2025-04-09T08:00:00Z"`, "INVALID_DATA_POINT_FILTER_RESTRICTION_COMPARATOR"},
		{"heart-rate", `heart_rate.sample_time.physical_time >= 2025-04-09T08:00:00Z`, "INVALID_DATA_POINT_FILTER_SYNTAX"},
		{"heart-rate", `heart_rate.sample_time.physical_time >= "2025-04-09T08:00:00Z`, "INVALID_DATA_POINT_FILTER_SYNTAX"},
		{"heart-rate", `heart_rate.sample_time.physical_time >=`, "INVALID_DATA_POINT_FILTER_MISSING_TOKEN"},
		{"heart-rate", `heart_rate.sample_time.physical_time >= "2025-04-09T08:00:00Z" AND`, "INVALID_DATA_POINT_FILTER_MISSING_TOKEN"},
		{"heart-rate", `heart_rate.sample_time.physical_time >= "2025-04-09"`, "INVALID_FILTER_FORMAT"},
		{"heart-rate", `heart_rate.sample_time.civil_time >= "2025-04-09T08:00:00Z"`, "INVALID_FILTER_FORMAT"},
		{"heart-rate", `heart_rate.sample_time.physical_time >= "2025-04-09T08:00:00Z" OR heart_rate.sample_time.physical_time < "2025-04-09T09:00:00Z"`, "INVALID_DATA_POINT_FILTER_EXPRESSION_STRUCTURE"},
		{"heart-rate", `heart_rate.sample_time.physical_time >= "2025-04-09T08:00:00Z" AND heart_rate.sample_time.civil_time < "2025-04-09T09:00:00"`, "INVALID_DATA_POINT_FILTER_MIXED_TIME_RESTRICTIONS"},
		{"steps", `steps.interval.start_time >= "2025-04-09T08:00:00Z"`, ""},
		{"steps", `steps.interval.civil_start_time >= "2025-04-09"`, ""},
		{"steps", `steps.interval.end_time >= "2025-04-09T08:00:00Z"`, "INVALID_DATA_POINT_FILTER_DATA_TYPE_MEMBER"},
		{"daily-resting-heart-rate", `daily_resting_heart_rate.date >= "2025-04-01" AND daily_resting_heart_rate.date < "2025-04-08"`, ""},
		{"daily-resting-heart-rate", `daily_resting_heart_rate.date >= "2025-04-01T00:00:00"`, "INVALID_FILTER_FORMAT"},
		{"daily-resting-heart-rate", `dailyRestingHeartRate.date >= "2025-04-01"`, "INVALID_DATA_POINT_FILTER_DATA_TYPE_MEMBER"},
		{"exercise", `exercise.interval.civil_start_time >= "2025-04-01"`, ""},
		{"exercise", `exercise.interval.start_time >= "2025-04-01T00:00:00Z"`, "INVALID_DATA_POINT_FILTER_DATA_TYPE_MEMBER"},
		{"sleep", `sleep.interval.end_time >= "2025-04-01T00:00:00Z"`, ""},
		{"sleep", `sleep.interval.civil_end_time >= "2025-04-01" AND sleep.interval.civil_end_time < "2025-04-08"`, ""},
		{"sleep", `sleep.interval.end_time < "2025-02-01T00:00:00Z" OR sleep.interval.end_time >= "2025-04-01T00:00:00Z"`, ""},
		{"sleep", `sleep.interval.start_time >= "2025-04-01T00:00:00Z"`, "INVALID_DATA_POINT_FILTER_DATA_TYPE_MEMBER"},
		{"electrocardiogram", `electrocardiogram.interval.start_time >= "2025-04-01T00:00:00Z"`, ""},
		{"electrocardiogram", `electrocardiogram.interval.start_time < "2025-04-01T00:00:00Z"`, "INVALID_DATA_POINT_FILTER_RESTRICTION_COMPARATOR"},
		{"food", `food.name >= "a"`, "INVALID_DATA_POINT_FILTER_EXPRESSION_STRUCTURE"},
		{"steps", `(steps.interval.start_time >= "2025-04-09T08:00:00Z")`, "INVALID_DATA_POINT_FILTER_SYNTAX"},
	} {
		code, body := get(t, g, token, fmt.Sprintf(points, x.name)+"?prettyPrint=false&filter="+url.QueryEscape(x.filter))
		if x.reason == "" {
			if code != http.StatusOK {
				t.Errorf("%s: %d %s", x.filter, code, body)
			}
			continue
		}
		if status, why := reason(t, body); code != http.StatusBadRequest || status != "INVALID_ARGUMENT" || why != x.reason {
			t.Errorf("%s: %d %s %s, want %s", x.filter, code, status, why, x.reason)
		}
	}
}

// TestRequests asks for what is wrong in other ways.
func TestRequests(t *testing.T) {
	p := berlin(t)
	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: fixed(instant(t, "2025-04-10T12:00:00Z")), NoQuota: true, Empty: []string{"altitude"}})
	token := g.AccessToken(p)
	narrow := g.AccessToken(p, simulate.ScopePrefix+"sleep.readonly")
	hr := func(op, body string) [3]string {
		return [3]string{http.MethodPost, fmt.Sprintf(points, "heart-rate") + op, body}
	}
	civilDays := func(a, b string) string {
		date := func(s string) string {
			d := day(t, s).Civil()
			return fmt.Sprintf(`{"date":{"year":%d,"month":%d,"day":%d}}`, d.Year(), int(d.Month()), d.Day())
		}
		return fmt.Sprintf(`{"range":{"start":%s,"end":%s}}`, date(a), date(b))
	}
	for _, x := range []struct {
		name   string
		token  string
		ask    [3]string
		code   int
		reason string
	}{
		{"no token", "", [3]string{"GET", "/v4/users/me/identity"}, 401, "CREDENTIALS_MISSING"},
		{"api key", "", [3]string{"GET", "/v4/users/me/identity?key=abc"}, 401, "CREDENTIALS_MISSING"},
		{"wrong token", "ya29.nonsense", [3]string{"GET", "/v4/users/me/identity"}, 401, ""},
		{"other user", token, [3]string{"GET", "/v4/users/123/identity"}, 403, ""},
		{"scope", narrow, [3]string{"GET", fmt.Sprintf(points, "steps")}, 403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"},
		{"scope of settings", narrow, [3]string{"GET", "/v4/users/me/settings"}, 403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"},
		{"scope of devices", narrow, [3]string{"GET", "/v4/users/me/pairedDevices"}, 403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"},
		{"scope of tracks", narrow, [3]string{"GET", fmt.Sprintf(points, "exercise") + "/1:exportExerciseTcx?alt=media"}, 403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"},
		{"identity with any scope", narrow, [3]string{"GET", "/v4/users/me/identity"}, 200, ""},
		{"unknown type", token, [3]string{"GET", fmt.Sprintf(points, "mood-of-the-day")}, 400, "INVALID_PARENT_DATA_TYPE_COLLECTION"},
		{"camel type", token, [3]string{"GET", fmt.Sprintf(points, "heartRate")}, 400, "INVALID_PARENT_DATA_TYPE_COLLECTION"},
		{"operation", token, [3]string{"GET", fmt.Sprintf(points, "total-calories")}, 400, "INVALID_PARENT_DATA_TYPE_COLLECTION"},
		{"list of floors", token, [3]string{"GET", fmt.Sprintf(points, "floors")}, 400, "INVALID_PARENT_DATA_TYPE_COLLECTION"},
		{"short family", token, [3]string{"GET", fmt.Sprintf(points, "steps") + "?dataSourceFamily=google-wearables"}, 400, "INVALID_DATA_POINT_DATA_SOURCE_FAMILY"},
		{"family of listed sleep", token, [3]string{"GET", fmt.Sprintf(points, "sleep") + "?dataSourceFamily=users/me/dataSourceFamilies/google-wearables"}, 400, "INVALID_DATA_POINT_DATA_SOURCE_FAMILY"},
		{"family of reconciled sleep", token, [3]string{"GET", fmt.Sprintf(points, "sleep") + ":reconcile?dataSourceFamily=users/me/dataSourceFamilies/google-wearables"}, 200, ""},
		{"strange token", token, [3]string{"GET", fmt.Sprintf(points, "steps") + "?pageToken=abc"}, 400, "INVALID_PAGE_TOKEN"},
		{"negative page", token, [3]string{"GET", fmt.Sprintf(points, "steps") + "?pageSize=-1"}, 400, "INVALID_PAGE_SIZE"},
		{"mask", token, [3]string{"GET", fmt.Sprintf(points, "steps") + "?fields=dataPoints(stepz)"}, 400, ""},
		{"mask of another answer", token, [3]string{"GET", fmt.Sprintf(points, "steps") + ":reconcile?fields=dataPoints(name)"}, 400, ""},
		{"open mask", token, [3]string{"GET", fmt.Sprintf(points, "steps") + "?fields=dataPoints(steps"}, 400, ""},
		{"15 days", token, hr(":dailyRollUp", civilDays("2025-03-01", "2025-03-16")), 400, "INVALID_TIME_RANGE"},
		{"14 days", token, hr(":dailyRollUp", civilDays("2025-03-01", "2025-03-15")), 200, ""},
		{"reversed", token, hr(":dailyRollUp", civilDays("2025-03-02", "2025-03-01")), 400, "INVALID_TIME_RANGE"},
		{"empty range", token, hr(":dailyRollUp", civilDays("2025-03-02", "2025-03-02")), 400, "INVALID_TIME_RANGE"},
		{"no range", token, hr(":dailyRollUp", `{}`), 400, "INVALID_TIME_RANGE"},
		{"not midnight", token, hr(":dailyRollUp", `{"range":{"start":{"date":{"year":2025,"month":3,"day":1},"time":{"hours":1}},"end":{"date":{"year":2025,"month":3,"day":2}}}}`), 400, "INVALID_TIME_RANGE"},
		{"30 February", token, hr(":dailyRollUp", `{"range":{"start":{"date":{"year":2025,"month":2,"day":30}},"end":{"date":{"year":2025,"month":3,"day":2}}}}`), 400, "INVALID_TIME_RANGE"},
		{"leading zero", token, hr(":dailyRollUp", `{"range":{"start":{"date":{"year":2025,"month":03,"day":1}}}}`), 400, ""},
		{"unknown member", token, hr(":dailyRollUp", `{"filter":"x"}`), 400, ""},
		{"15 physical days", token, hr(":rollUp", `{"range":{"startTime":"2025-03-01T00:00:00Z","endTime":"2025-03-15T00:00:01Z"},"windowSize":"60s"}`), 400, "INVALID_TIME_RANGE"},
		{"no window", token, hr(":rollUp", `{"range":{"startTime":"2025-03-01T00:00:00Z","endTime":"2025-03-02T00:00:00Z"}}`), 400, "INVALID_ROLLUP_WINDOW"},
		{"half a second", token, hr(":rollUp", `{"range":{"startTime":"2025-03-01T00:00:00Z","endTime":"2025-03-02T00:00:00Z"},"windowSize":"0.5s"}`), 400, "INVALID_ROLLUP_WINDOW"},
		{"a minute", token, hr(":rollUp", `{"range":{"startTime":"2025-03-01T00:00:00Z","endTime":"2025-03-02T00:00:00Z"},"windowSize":"1m"}`), 400, "INVALID_ROLLUP_WINDOW"},
		{"90 days of steps", token, [3]string{"POST", fmt.Sprintf(points, "steps") + ":dailyRollUp", civilDays("2025-01-01", "2025-04-01")}, 200, ""},
		{"91 days of steps", token, [3]string{"POST", fmt.Sprintf(points, "steps") + ":dailyRollUp", civilDays("2025-01-01", "2025-04-02")}, 400, "INVALID_TIME_RANGE"},
		{"unknown point", token, [3]string{"GET", fmt.Sprintf(points, "sleep") + "/12345"}, 404, ""},
		{"unknown device", token, [3]string{"GET", "/v4/users/me/pairedDevices/1"}, 404, ""},
		{"empty type", token, [3]string{"GET", fmt.Sprintf(points, "altitude")}, 200, ""},
	} {
		code, body := do(t, g, x.token, x.ask[0], x.ask[1], x.ask[2])
		if code != x.code {
			t.Errorf("%s: %d %s", x.name, code, body)
			continue
		}
		if code == http.StatusOK {
			continue
		}
		if _, why := reason(t, body); why != x.reason {
			t.Errorf("%s: %s, want %s", x.name, why, x.reason)
		}
	}
	for _, path := range []string{"/", "/v4/users/me/steps", "/v3/users/me/identity", "/v4/users/me/dataTypes/steps/dataPoints%3Areconcile", "/v4/users/me/dataTypes/steps/dataPoints:merge", "/v4/users//identity"} {
		if code, body := get(t, g, token, path); code != http.StatusNotFound || !strings.HasPrefix(string(body), "<!DOCTYPE html>") {
			t.Errorf("%s: %d %.60s", path, code, body)
		}
	}
	if _, body := get(t, g, token, fmt.Sprintf(points, "altitude")+"?prettyPrint=false"); string(body) != "{}" {
		t.Errorf("an empty list is %s", body)
	}
}

// TestPagesAreOneList asks in pages of every size and wants the same points, in the same order, and some empty pages.
func TestPagesAreOneList(t *testing.T) {
	p := berlin(t)
	g := server(p, instant(t, "2025-04-10T12:07:00Z"))
	token := g.AccessToken(p)
	empty := 0
	for name, filter := range map[string]string{
		"heart-rate":             `heart_rate.sample_time.physical_time >= "2025-03-30T00:30:00Z" AND heart_rate.sample_time.physical_time < "2025-03-30T02:00:00Z"`,
		"steps":                  `steps.interval.civil_start_time >= "2025-04-09T12:00:00"`,
		"sleep":                  `sleep.interval.civil_end_time >= "2025-03-01"`,
		"daily-respiratory-rate": "",
		"weight":                 "",
	} {
		for _, op := range []string{"", ":reconcile"} {
			var want []string
			for _, size := range []string{"", "1000", "37", "25", "7", "1"} {
				got, none := all(t, g, token, name+"/dataPoints"+op, url.Values{"filter": {filter}, "pageSize": {size}})
				empty += none
				if want == nil {
					want = got
				}
				if len(want) < 20 {
					t.Errorf("%s%s: only %d points", name, op, len(want))
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s%s in pages of %s: %d points, want %d", name, op, size, len(got), len(want))
				}
			}
		}
	}
	if empty == 0 {
		t.Error("no page was empty")
	}
	code, body := get(t, g, token, fmt.Sprintf(points, "steps")+"?prettyPrint=false&pageSize=1&fields=nextPageToken")
	var next struct{ NextPageToken string }
	if err := json.Unmarshal(body, &next); err != nil || next.NextPageToken == "" {
		t.Fatalf("%d %s", code, body)
	}
	if code, _ := get(t, g, token, fmt.Sprintf(points, "distance")+"?pageToken="+next.NextPageToken); code != http.StatusBadRequest {
		t.Errorf("the token of another request: %d", code)
	}
}

// all pages to the end and returns the points as they came, and how many pages but the last were empty.
func all(t testing.TB, g *simulate.Google, token, path string, q url.Values) (out []string, empty int) {
	t.Helper()
	for range 5000 {
		q.Set("prettyPrint", "false")
		code, body := get(t, g, token, "/v4/users/me/dataTypes/"+path+"?"+q.Encode())
		var page struct {
			DataPoints    []json.RawMessage
			NextPageToken string
		}
		if err := json.Unmarshal(body, &page); err != nil || code != http.StatusOK {
			t.Fatalf("%s: %d %v %.300s", path, code, err, body)
		}
		for _, p := range page.DataPoints {
			out = append(out, string(p))
		}
		if page.NextPageToken == "" {
			return out, empty
		}
		if len(page.DataPoints) == 0 {
			empty++
		}
		q.Set("pageToken", page.NextPageToken)
	}
	t.Fatalf("%s does not come to an end", path)
	return nil, 0
}

// TestMask compares partial answers with what is left of whole ones.
func TestMask(t *testing.T) {
	p := berlin(t)
	g := server(p, instant(t, "2025-04-10T12:00:00Z"))
	token := g.AccessToken(p)
	for _, x := range []struct{ path, fields, want string }{
		{"heart-rate/dataPoints:reconcile?pageSize=1", "dataPoints(heartRate(beatsPerMinute))", `{"dataPoints":[{"heartRate":{"beatsPerMinute":"#"}}]}`},
		{"heart-rate/dataPoints:reconcile?pageSize=1", "dataPoints/heartRate/beatsPerMinute", `{"dataPoints":[{"heartRate":{"beatsPerMinute":"#"}}]}`},
		{"heart-rate/dataPoints:reconcile?pageSize=1", "dataPoints(heartRate(sampleTime(utcOffset),beatsPerMinute))", `{"dataPoints":[{"heartRate":{"sampleTime":{"utcOffset":"#s"},"beatsPerMinute":"#"}}]}`},
		{"heart-rate/dataPoints:reconcile?pageSize=1", "dataPoints(heartRate/sampleTime/civilTime/date/year)", `{"dataPoints":[{"heartRate":{"sampleTime":{"civilTime":{"date":{"year":#}}}}}]}`},
		{"heart-rate/dataPoints?pageSize=1", "dataPoints(dataSource/device(displayName),steps)", `{"dataPoints":[{"dataSource":{"device":{"displayName":"Charge #"}}}]}`},
		{"heart-rate/dataPoints?pageSize=1", "dataPoints(*(beatsPerMinute))", `{"dataPoints":[{"dataSource":{},"heartRate":{"beatsPerMinute":"#"}}]}`},
		{"sleep/dataPoints?pageSize=1", "dataPoints/sleep/metadata", `{"dataPoints":[{"sleep":{"metadata":{"stagesStatus":"SUCCEEDED","processed":true,"mainSleep":true}}}]}`},
	} {
		code, body := get(t, g, token, "/v4/users/me/dataTypes/"+x.path+"&prettyPrint=false&fields="+url.QueryEscape(x.fields))
		got := string(body)
		for d := '0'; d <= '9'; d++ {
			got = strings.ReplaceAll(got, string(d), "#")
		}
		for strings.Contains(got, "##") {
			got = strings.ReplaceAll(got, "##", "#")
		}
		if code != http.StatusOK || got != x.want {
			t.Errorf("%s: %d %s, want %s", x.fields, code, got, x.want)
		}
	}
}

// TestSources wants the phone beside the tracker in list, and only there.
func TestSources(t *testing.T) {
	p := berlin(t)
	g := server(p, instant(t, "2025-04-10T12:00:00Z"))
	token := g.AccessToken(p)
	const filter = `steps.interval.civil_start_time >= "2025-04-09" AND steps.interval.civil_start_time < "2025-04-10"`
	count := func(op, family string) (points, phone int) {
		got, _ := all(t, g, token, "steps/dataPoints"+op, url.Values{"filter": {filter}, "dataSourceFamily": {family}})
		for _, x := range got {
			if strings.Contains(x, `"PHONE"`) {
				phone++
			}
		}
		return len(got), phone
	}
	const families = "users/me/dataSourceFamilies/"
	truth := len(p.Steps(p.DaySpan(day(t, "2025-04-09"))))
	if n, phone := count("", ""); phone < truth/3 || n != truth+phone {
		t.Errorf("list: %d points, %d of the phone, %d minutes with steps", n, phone, truth)
	}
	if n, phone := count("", families+"google-wearables"); phone != 0 || n != truth {
		t.Errorf("list of wearables: %d points, %d of the phone, %d minutes with steps", n, phone, truth)
	}
	if n, phone := count(":reconcile", ""); phone != 0 || n != truth {
		t.Errorf("reconcile: %d points, %d of the phone, %d minutes with steps", n, phone, truth)
	}
	if n, _ := count(":reconcile", families+"self-sources"); n != 0 {
		t.Errorf("%d points of our own", n)
	}
}

// TestQuota counts requests by the server's clock.
func TestQuota(t *testing.T) {
	now := instant(t, "2025-04-10T12:00:00Z")
	p := berlin(t)
	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: func() time.Time { return now }, QPS: 2.5, PerMinute: 100})
	token := g.AccessToken(p)
	ask := func() int {
		code, body := get(t, g, token, "/v4/users/me/identity")
		if code == http.StatusTooManyRequests {
			if status, why := reason(t, body); status != "RESOURCE_EXHAUSTED" || why != "RATE_LIMIT_EXCEEDED" {
				t.Errorf("%s %s", status, why)
			}
		}
		return code
	}
	if a, b, c, d := ask(), ask(), ask(), ask(); a != 200 || b != 200 || c != 200 || d != 429 {
		t.Errorf("four at once: %d %d %d %d", a, b, c, d)
	}
	refused := 0
	for range 110 {
		now = now.Add(500 * time.Millisecond)
		if ask() != 200 {
			refused++
		}
	}
	if refused == 0 || refused > 20 {
		t.Errorf("of 110 more in 55 s %d were refused", refused)
	}
	now = now.Add(time.Minute)
	if c := ask(); c != 200 {
		t.Errorf("a minute later: %d", c)
	}
}

// TestToday wants a running day to be the same in its points and in its roll-up, and nothing newer than the last sync.
func TestToday(t *testing.T) {
	p := berlin(t)
	for at := instant(t, "2025-04-10T05:00:00Z"); at.Before(instant(t, "2025-04-10T22:00:00Z")); at = at.Add(37 * time.Minute) {
		now := at.Format(time.TimeOnly)
		g := server(p, at)
		token := g.AccessToken(p)
		sum, newest := int64(0), time.Time{}
		got, _ := all(t, g, token, "steps/dataPoints:reconcile", url.Values{"filter": {`steps.interval.civil_start_time >= "2025-04-10"`}})
		for _, x := range got {
			var point struct {
				Steps struct {
					Count    int64 `json:",string"`
					Interval struct{ EndTime time.Time }
				}
			}
			must(t, json.Unmarshal([]byte(x), &point))
			sum += point.Steps.Count
			if end := point.Steps.Interval.EndTime; end.After(newest) {
				newest = end
			}
		}
		_, body := do(t, g, token, http.MethodPost, fmt.Sprintf(points, "steps")+":dailyRollUp", `{"range":{"start":{"date":{"year":2025,"month":4,"day":10}},"end":{"date":{"year":2025,"month":4,"day":11}}}}`)
		var total struct {
			RollupDataPoints []struct {
				Steps struct {
					CountSum int64 `json:",string"`
				}
			}
		}
		must(t, json.Unmarshal(body, &total))
		if len(total.RollupDataPoints) != 1 || total.RollupDataPoints[0].Steps.CountSum != sum {
			t.Errorf("%s: points of %d steps, rolled up %+v", now, sum, total)
		}
		last := p.LastSync(at)
		if newest.After(last) {
			t.Errorf("%s: a point to %v, the last sync was at %v", now, newest, last)
		}
		hr, _ := all(t, g, token, "heart-rate/dataPoints:reconcile", url.Values{"filter": {`heart_rate.sample_time.civil_time >= "2025-04-10"`}, "fields": {"nextPageToken,dataPoints/heartRate/beatsPerMinute"}})
		if want := p.HeartRates(metric.Span{Start: p.Midnight(day(t, "2025-04-10")), End: last.Add(time.Second)}); len(hr) != len(want) {
			t.Errorf("%s: %d readings served, %d made until the sync", now, len(hr), len(want))
		}
	}
}

// FuzzFilter wants an answer to any filter, a page or a 400.
func FuzzFilter(f *testing.F) {
	p := berlin(f)
	g := server(p, instant(f, "2025-04-10T12:00:00Z"))
	token := g.AccessToken(p)
	for _, s := range []string{"", `weight.sample_time.physical_time >= "2025-04-09T08:00:00Z"`, `weight.sample_time.civil_time < "2025-04-09" AND`, `"`, `>=`, `a >= b OR`, `weight.sample_time.civil_time < "0001-01-01"`,
		`weight.sample_time.physical_time >= "9999-12-31T23:59:59Z"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if code, body := get(t, g, token, fmt.Sprintf(points, "weight")+"?filter="+url.QueryEscape(s)); code != http.StatusOK && code != http.StatusBadRequest {
			t.Errorf("%q: %d %s", s, code, body)
		}
	})
}

// FuzzMask wants an answer to any mask.
func FuzzMask(f *testing.F) {
	p := berlin(f)
	g := server(p, instant(f, "2025-04-10T12:00:00Z"))
	token := g.AccessToken(p)
	for _, s := range []string{"", "*", "dataPoints", "dataPoints(weight(weightGrams)),nextPageToken", "a(", ")", "a/b/c", ",", "dataPoints(*", "dataPoints/*/sampleTime"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code, body := get(t, g, token, fmt.Sprintf(points, "weight")+"?pageSize=2&fields="+url.QueryEscape(s))
		if code != http.StatusOK && code != http.StatusBadRequest || !json.Valid(body) {
			t.Errorf("%q: %d %s", s, code, body)
		}
	})
}

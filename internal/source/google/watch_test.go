package google

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

// The observer hears of every request, and of shapes where something failed or where it asked for them. Nothing of it holds a value or an id.
func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []answer.Exchange
		s := scripted(t, func(c *Config) { c.Observer = func(e answer.Exchange) { seen = append(seen, e) } }, func(n int, r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second) // in the bubble: the service takes its time
			status := map[int]int{1: 503}[n]
			if status == 0 {
				status = 200
			}
			return sourcetest.Canned{Status: status, Body: []byte(stepsText)}.Response(r), nil
		})
		if _, err := s.Fetch(context.Background(), stepsRequest()); err != nil {
			t.Fatal(err)
		}
		s.Shapes(true)
		if _, err := s.Fetch(context.Background(), stepsRequest()); err != nil {
			t.Fatal(err)
		}
		track := metric.Request{Feed: "track", Session: &metric.SessionRef{Key: "6661252888799707592"}}
		if _, err := s.Fetch(context.Background(), track); err == nil {
			t.Error("JSON without a track was taken for one")
		}
		if len(seen) != 4 {
			t.Fatalf("%d exchanges: %+v", len(seen), seen)
		}
		const shape = `{rollupDataPoints:[1 {civilStartTime:{date:{year:number month:number day:number}} steps:{countSum:"number"}}]}`
		want := []answer.Exchange{
			{Feed: "steps", Method: "POST", Path: "/v4/users/me/dataTypes/steps/dataPoints:dailyRollUp", Status: 503, Kind: "retry", Shape: shape},
			{Feed: "steps", Method: "POST", Path: "/v4/users/me/dataTypes/steps/dataPoints:dailyRollUp", Status: 200},
			{Feed: "steps", Method: "POST", Path: "/v4/users/me/dataTypes/steps/dataPoints:dailyRollUp", Status: 200, Shape: shape},
			{Feed: "track", Method: "GET", Path: "/v4/users/me/dataTypes/exercise/dataPoints/{id}:exportExerciseTcx", Status: 200, Kind: "bad", Shape: shape},
		}
		for i, w := range want {
			w.Time, w.Duration, w.Bytes = seen[i].Time, time.Second, int64(len(stepsText))
			if seen[i] != w {
				t.Errorf("exchange %d:\n%+v, want\n%+v", i, seen[i], w)
			}
		}
	})
}

func TestShape(t *testing.T) {
	long := `{"dataPoints":[` + strings.Repeat(`{"steps":{"count":"12345"}},`, 2000)
	cases := []struct{ name, text, want string }{
		{"nothing", " \n", "empty"},
		{"page", "<!DOCTYPE html>\n<html lang=en>secret</html>", "markup (html)"},
		{"xml", `<?xml version="1.0"?><TrainingCenterDatabase xmlns="x">`, "markup (TrainingCenterDatabase)"},
		{"angle", "<", "markup (?)"},
		{"object", `{}`, "{}"},
		{"list", `{"a":[{"b":"12"},{"b":"NaN","c":true},{"c":null}]}`, `{a:[3 {b?:"number"|"NaN" c?:bool|null}]}`},
		{"scalars", `["2026-11-20T12:01:00Z","-14400s","FAT_BURN","Anna","",1.5,"1.5"]`, `[7 "time"|"seconds"|"WORD"|"text"|""|number|"number"]`},
		{"names", `{"@type":1,"anna@example.org":2,"my secret":3,"` + strings.Repeat("x", 100) + `":4}`, `{@type:number *:number}`},
		{"cut", `{"a":{"b":[1,2`, `{a:{b:[3 number]}} cut or broken`},
		{"junk", "proxy says no", "cut or broken"},
		{"long", long[:answer.MaxHead], `{dataPoints:[585 {steps:{count:"number"}}]} …`},
		{"deep", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), strings.Repeat(`{a:`, 13) + "object" + strings.Repeat("}", 13)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := answer.ShapeOf([]byte(c.text)); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// What is not known is counted with its first and last time, per feed, and never without bound.
func TestSurprises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := `{"rollupDataPoints":[{"civilStartTime":{"date":{"year":2024,"month":10,"day":4}},"steps":{"countSum":"8","paces":1}}],"paces":{}}`
		s := scripted(t, nil, func(n int, r *http.Request) (*http.Response, error) {
			return sourcetest.Canned{Status: 200, Body: []byte(text)}.Response(r), nil
		})
		began := time.Now()
		for range 3 {
			if _, err := s.Fetch(context.Background(), stepsRequest()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour) // in the bubble
		}
		want := []answer.Surprise{
			{Feed: "steps", Kind: answer.MemberUnknown, Path: "paces", Count: 3, First: began, Last: began.Add(2 * time.Hour)},
			{Feed: "steps", Kind: answer.MemberUnknown, Path: "steps.paces", Count: 3, First: began, Last: began.Add(2 * time.Hour)},
		}
		got := s.Surprises()
		if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%+v, want %+v", got, want)
		}
		var many strings.Builder
		for i := range 5000 {
			many.WriteString(`"m` + time.Duration(i).String() + `":1,`)
		}
		text = `{` + many.String() + `"rollupDataPoints":[]}`
		if _, err := s.Fetch(context.Background(), stepsRequest()); err != nil {
			t.Fatal(err)
		}
		if n := len(s.Surprises()); n != answer.MaxSurprises {
			t.Errorf("%d surprises kept, want %d", n, answer.MaxSurprises)
		}
	})
}

// A reason for a refusal that the table does not list is one, too.
func TestUnknownReason(t *testing.T) {
	for reason, want := range map[string]int{"QUOTA_TIER_UNPAID": 1, "INVALID_DATA_POINT_FILTER_EXPRESSION_STRUCTURE": 0, "": 0} {
		s := scripted(t, nil, func(n int, r *http.Request) (*http.Response, error) {
			return sourcetest.Canned{Status: 400, Body: []byte(refusalText(400, "INVALID_ARGUMENT", reason, "x", ""))}.Response(r), nil
		})
		if _, err := s.Fetch(context.Background(), stepsRequest()); err == nil {
			t.Fatal("no error")
		}
		if n := len(s.Surprises()); n != want {
			t.Errorf("reason %q: %d surprises: %v", reason, n, s.Surprises())
		}
	}
}

// Once a day a short question is asked without mask, so that what is new in the service's answers is seen at all.
func TestWholeOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		masked := 0
		s := scripted(t, nil, func(n int, r *http.Request) (*http.Response, error) {
			if r.URL.Query().Has("fields") {
				masked++
			}
			return sourcetest.Canned{Status: 200, Body: []byte(`{"dataPoints":[]}`)}.Response(r), nil
		})
		req := heartRequest()
		ask := func(span time.Duration) int {
			req.Span.End = req.Span.Start.Add(span)
			masked = 0
			if _, err := s.Fetch(context.Background(), req); err != nil {
				t.Fatal(err)
			}
			return masked
		}
		for i, c := range []struct {
			span  time.Duration
			sleep time.Duration
			want  int
		}{{24 * time.Hour, 0, 1}, {2 * time.Hour, 0, 0}, {2 * time.Hour, 0, 1}, {2 * time.Hour, 23 * time.Hour, 1}, {2 * time.Hour, 2 * time.Hour, 0}} {
			time.Sleep(c.sleep) // in the bubble
			if got := ask(c.span); got != c.want {
				t.Errorf("question %d: masked %d, want %d", i, got, c.want)
			}
		}
	})
}

// The version of the API stands in every path; what is shown of a request stays as everybody knows it.
func TestVersion(t *testing.T) {
	var path string
	s := scripted(t, func(c *Config) { c.Version = "v5beta" }, func(n int, r *http.Request) (*http.Response, error) {
		path = r.URL.Path
		return sourcetest.Canned{Status: 200, Body: []byte(stepsText)}.Response(r), nil
	})
	if _, err := s.Fetch(context.Background(), stepsRequest()); err != nil || path != "/v5beta/users/me/dataTypes/steps/dataPoints:dailyRollUp" {
		t.Errorf("asked %s, %v", path, err)
	}
}

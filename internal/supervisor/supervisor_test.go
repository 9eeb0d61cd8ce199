package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// answer is what the double says to one path.
type answer struct {
	status int
	body   string
}

const (
	brokerAnswer = `{"result":"ok","data":{"addon":"core_mosquitto","host":"core-mosquitto","port":1883,"ssl":false,"username":"addons","password":"SECRET-p","protocol":"3.1.1"}}`
	noService    = `{"result":"error","message":"Service not enabled"}`
	selfAnswer   = `{"result":"ok","data":{"name":"Fitbit Fetch","slug":"1a2b3c4d_fitbit_fetch","hostname":"1a2b3c4d-fitbit-fetch","version":"0.1.0","state":"started","ingress_entry":null,"rating":6,"watchdog":false,"options":{"client_secret":"SECRET-c"}}}`
	coreAnswer   = `{"language":"de","time_zone":"Europe/Berlin","version":"2026.11.0","state":"RUNNING","components":["sensor","mqtt","history"]}`
)

// double is Supervisor as far as this package asks it. It refuses whoever brings no token.
func double(t *testing.T, answers map[string]answer, asked func(r *http.Request, body string)) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer SECRET-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if asked != nil {
			asked(r, string(body))
		}
		a, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			a = answer{404, `{"result":"error","message":"unknown path"}`}
		}
		w.WriteHeader(a.status)
		io.WriteString(w, a.body)
	}))
	t.Cleanup(s.Close)
	return New(Config{Base: s.URL + "/", Token: "SECRET-token", HTTP: s.Client()})
}

func TestBroker(t *testing.T) {
	for name, tt := range map[string]struct {
		answer
		want string
		none bool
		hint bool
		fail bool
	}{
		"there":        {answer{200, brokerAnswer}, "core-mosquitto:1883", false, false, false},
		"newer word":   {answer{200, strings.Replace(brokerAnswer, "addon", "app", 1)}, "core-mosquitto:1883", false, false, false},
		"no port":      {answer{200, `{"result":"ok","data":{"host":"b"}}`}, "b:1883", false, false, false},
		"none":         {answer{400, noService}, "", true, false, true},
		"unknown":      {answer{404, noService}, "", true, false, true},
		"empty":        {answer{200, `{"result":"ok","data":{}}`}, "", true, false, true},
		"not admitted": {answer{403, `{"result":"error","message":"forbidden"}`}, "", false, true, true},
		"down":         {answer{502, "Bad Gateway"}, "", false, false, true},
		"starting":     {answer{400, `{"result":"error","message":"System is not ready with state: setup"}`}, "", false, false, true},
		"error in 200": {answer{200, noService}, "", true, false, true},
		"no JSON":      {answer{200, "<html>"}, "", false, false, true},
		"wrong kinds":  {answer{200, `{"result":"ok","data":{"port":"x"}}`}, "", false, false, true},
	} {
		c := double(t, map[string]answer{"GET /services/mqtt": tt.answer}, nil)
		b, err := c.Broker(t.Context())
		if (err != nil) != tt.fail || errors.Is(err, ErrNoBroker) != tt.none {
			t.Errorf("%s: %v", name, err)
		}
		var e *Error
		if got := errors.As(err, &e) && e.Hint != ""; got != tt.hint {
			t.Errorf("%s: %v has a hint: %v", name, err, got)
		}
		if err == nil && b.String() != tt.want {
			t.Errorf("%s: %s", name, b)
		}
		if name == "there" && (b.App != "core_mosquitto" || b.Username != "addons" || b.Password != "SECRET-p" || b.TLS) {
			t.Errorf("%s: %q", name, b.Username)
		}
		if name == "newer word" && b.App != "core_mosquitto" {
			t.Errorf("%s: %q", name, b.App)
		}
	}
}

func TestSelf(t *testing.T) {
	c := double(t, map[string]answer{"GET /addons/self/info": {200, selfAnswer}}, nil)
	s, err := c.Self(t.Context())
	if err != nil || s.Slug != "1a2b3c4d_fitbit_fetch" || s.IngressEntry != "" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := double(t, nil, nil).Self(t.Context()); err == nil {
		t.Error("no error where there is no answer")
	}
}

// TestPage: each version of Home Assistant has our page elsewhere.
func TestPage(t *testing.T) {
	const slug = "1a2b3c4d_fitbit_fetch"
	with, without := Self{Slug: slug, IngressEntry: "/api/hassio_ingress/x"}, Self{Slug: slug}
	for _, tt := range []struct {
		version string
		self    Self
		want    string
	}{
		{"2025.12.0", with, "/hassio/ingress/" + slug}, {"2025.12.0", without, "/hassio/addon/" + slug + "/config"},
		{"2026.1.3", with, "/hassio/ingress/" + slug}, {"2026.2.0b1", with, "/app/" + slug}, {"2026.2.0", with, "/app/" + slug},
		{"2026.11.0", with, "/app/" + slug}, {"2026.11.0", without, "/config/app/" + slug + "/config"}, {"2027.1.0.dev202612010000", with, "/app/" + slug},
		{"", with, "/app/" + slug}, {"landingpage", with, "/app/" + slug},
	} {
		if got := tt.self.Page(tt.version); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.version, got, tt.want)
		}
	}
	if got := Link("/app/" + slug); got != "homeassistant://app/"+slug {
		t.Error(got)
	}
}

// answers gives each path its own answers, one after the other, the last for ever.
type answers map[string]*sequence

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return a[r.URL.Path].RoundTrip(r)
}

// TestWatchPage: where Supervisor or Home Assistant answers late, the page is told late, and not never; it is told again only where it
// has changed.
func TestWatchPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		self := answer{200, strings.Replace(selfAnswer, "null", `"/api/hassio_ingress/x"`, 1)}
		old := answer{200, strings.Replace(coreAnswer, "2026.11.0", "2026.1.3", 1)}
		c := New(Config{Token: "x", HTTP: &http.Client{Transport: answers{
			"/addons/self/info": {answers: []answer{{502, ""}, {0, ""}, self}},
			"/core/api/config":  {answers: []answer{{502, ""}, {502, ""}, old, old, {502, ""}, {200, coreAnswer}}},
		}}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var told []string
		began := time.Now()
		c.WatchPage(ctx, func(path string) { told = append(told, fmt.Sprintf("%s %v", path, time.Since(began))) })
		// The fourth question is the first that is answered: after 1 s, 2 s, the 10 s that an answer may take, 4 s, and 8 s.
		want := []string{"/hassio/ingress/1a2b3c4d_fitbit_fetch 25s", "/app/1a2b3c4d_fitbit_fetch 15m25s"}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestCore(t *testing.T) {
	c := double(t, map[string]answer{"GET /core/api/config": {200, coreAnswer}}, nil)
	core, err := c.Core(t.Context())
	if err != nil || core.Language != "de" || core.TimeZone != "Europe/Berlin" || !core.MQTT() || !core.Started() {
		t.Errorf("%+v, %v", core, err)
	}
	c = double(t, map[string]answer{"GET /core/api/config": {200, `{"components":["sensor","mqtt.sensor"],"state":"STARTING"}`}}, nil)
	if core, err := c.Core(t.Context()); err != nil || core.MQTT() || core.Started() {
		t.Errorf("%+v, %v", core, err)
	}
	for _, a := range []answer{{502, "Bad Gateway"}, {200, "[]"}, {200, coreAnswer + strings.Repeat(" ", most)}} {
		if _, err := double(t, map[string]answer{"GET /core/api/config": a}, nil).Core(t.Context()); err == nil {
			t.Errorf("status %d: no error", a.status)
		}
	}
}

func TestNotices(t *testing.T) {
	var got []string
	c := double(t, map[string]answer{
		"POST /core/api/services/persistent_notification/create":  {200, "[]"},
		"POST /core/api/services/persistent_notification/dismiss": {200, "[]"},
	}, func(r *http.Request, body string) {
		var fields map[string]string
		if err := json.Unmarshal([]byte(body), &fields); err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%q: %v", body, err)
		}
		got = append(got, fmt.Sprintf("%s %v", r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], fields))
	})
	if err := c.Notify(t.Context(), Notice{"fitbit_fetch_auth", "Fitbit Fetch", "Sign in [here](/app/x): ya29.a0AfB_byCmadeup-0123456789 has ended."}); err != nil {
		t.Error(err)
	}
	if err := c.Dismiss(t.Context(), "fitbit_fetch_auth"); err != nil {
		t.Error(err)
	}
	want := []string{"create map[message:Sign in [here](/app/x): *** has ended. notification_id:fitbit_fetch_auth title:Fitbit Fetch]", "dismiss map[notification_id:fitbit_fetch_auth]"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	down := double(t, map[string]answer{}, nil)
	if down.Notify(t.Context(), Notice{}) == nil || down.Dismiss(t.Context(), "x") == nil {
		t.Error("no error where it failed")
	}
}

// TestSecretsStayInside: neither token nor password is in what prints, whatever goes wrong.
func TestSecretsStayInside(t *testing.T) {
	c := double(t, map[string]answer{"GET /services/mqtt": {200, brokerAnswer}, "GET /addons/self/info": {500, "x"}}, nil)
	b, err := c.Broker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, failed := c.Self(t.Context())
	_, gone := New(Config{Base: "http://127.0.0.1:1", Token: "SECRET-token"}).Broker(t.Context())
	if gone == nil {
		t.Error("no error where nobody listens")
	}
	if s := fmt.Sprintf("%v %+v %#v %v %+v %#v %v %v", b, b, b, c, c, c, failed, gone); strings.Contains(s, "SECRET") {
		t.Error(s)
	}
}

func TestFromEnv(t *testing.T) {
	if FromEnv(func(string) string { return "" }) != nil {
		t.Error("a client without a token")
	}
	if c := FromEnv(func(name string) string { return map[string]string{"SUPERVISOR_TOKEN": "x"}[name] }); c == nil || c.base != Base {
		t.Errorf("%v", c)
	}
}

// sequence answers one after the other, the last for ever.
type sequence struct {
	answers []answer
	asked   int
}

func (s *sequence) RoundTrip(r *http.Request) (*http.Response, error) {
	a := s.answers[min(s.asked, len(s.answers)-1)]
	s.asked++
	if a.status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: a.status, Body: io.NopCloser(strings.NewReader(a.body)), Header: http.Header{}, Request: r}, nil
}

// TestAwaitBroker: a broker that is installed hours later is found; the log is not filled meanwhile.
func TestAwaitBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []answer{{502, ""}, {502, ""}, {0, ""}}
		for range 40 {
			answers = append(answers, answer{400, noService})
		}
		s := &sequence{answers: append(answers, answer{200, brokerAnswer})}
		c := New(Config{Token: "x", HTTP: &http.Client{Transport: s}})
		var told []error
		began := time.Now()
		b, err := c.AwaitBroker(t.Context(), func(err error) { told = append(told, err) })
		if err != nil || b.Host != "core-mosquitto" {
			t.Fatalf("%v, %v", b, err)
		}
		if took := time.Since(began); took < 2*time.Hour || took > 4*time.Hour {
			t.Errorf("took %v", took)
		}
		if len(told) != 3 || !errors.Is(told[2], ErrNoBroker) {
			t.Errorf("told %q", told)
		}
	})
}

// TestAwaitBrokerStops returns when it is to stop, in the middle of a question or of a pause.
func TestAwaitBrokerStops(t *testing.T) {
	for _, a := range []answer{{0, ""}, {400, noService}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			c := New(Config{Token: "x", HTTP: &http.Client{Transport: &sequence{answers: []answer{a}}}})
			if _, err := c.AwaitBroker(ctx, func(error) {}); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
}

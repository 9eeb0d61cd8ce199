package fitbit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/ask"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

const seeOAuth = " Visit https://dev.fitbit.com/docs/oauth2 for more information on the Fitbit Web API authorization process."

func family(kind, message string) string {
	return fmt.Sprintf(`{"errors":[{"errorType":%q,"fieldName":"n/a","message":%q}],"success":false}`, kind, message)
}

func front(code int, status, message string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":%q}}`, code, message, status)
}

// Each refusal of the service, in both families, has its class and its cure, and repeats no token.
func TestRefusals(t *testing.T) {
	const html = "<!DOCTYPE html><html><body>x</body></html>"
	now := time.Date(2026, 11, 22, 10, 20, 0, 0, time.UTC)
	cases := []struct {
		name   string
		status int
		body   string
		kind   source.Kind
		reason string
		hint   string
	}{
		{"expired", 401, family("expired_token", "Access token expired: SECRET.a.b."+seeOAuth), source.Auth, "expired_token", "Authorize again"},
		{"invalid", 401, family("invalid_token", "Access token invalid: SECRET."+seeOAuth), source.Auth, "invalid_token", "Authorize again"},
		{"unauthenticated", 401, front(401, "UNAUTHENTICATED", "no"), source.Auth, "UNAUTHENTICATED", "Authorize again"},
		{"nothing in it", 401, "", source.Auth, "", "Authorize again"},
		{"no header", 400, family("invalid_request", "Authorization header required."), source.Auth, "invalid_request", "Authorize again"},
		{"scope", 403, family("insufficient_scope", "This application does not have permission to access sleep data."+seeOAuth), source.Denied, "insufficient_scope", "(sleep)"},
		{"minutes", 403, family("insufficient_permissions", "API client is not authorized by Fitbit to access the resource requested."+seeOAuth), source.Denied, "insufficient_permissions", "Personal"},
		{"days", 403, family("insufficient_permissions", "API client is not authorized by Fitbit to access the resource requested."+seeOAuth), source.Denied, "insufficient_permissions", "(sleep)"},
		{"front end", 403, front(403, "PERMISSION_DENIED", "The caller does not have permission"), source.Denied, "PERMISSION_DENIED", "in a day"},
		{"proxy forbids", 403, html, source.Retry, "", "web page"},
		{"range", 400, family("validation", "Too long."), source.Bad, "validation", "diagnose"},
		{"window", 400, family("request", "Time range should not be bigger than 24 hours."), source.Bad, "request", "diagnose"},
		{"points", 422, `{"errors":[{"errorType":"validation","fieldName":"Request","message":"The number of data points queried exceeds limit."}]}`, source.Bad, "validation", "diagnose"},
		{"log is gone", 404, family("not_found", "x"), source.Bad, "not_found", "diagnose"},
		{"wrong address", 404, html, source.Bad, "", "address of the API"},
		{"retired", 410, front(410, "GONE", "turned off"), source.Gone, "GONE", "Everything that is in the archive stays"},
		{"retired, bare", 410, "", source.Gone, "", "Google Health"},
		{"limit", 429, family("system", "Too Many Requests"), source.Limited, "system", "150 requests an hour"},
		{"limit of the front end", 429, front(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."), source.Limited, "RESOURCE_EXHAUSTED", "by itself"},
		{"fault", 500, family("request", "An error occurred. Error id: 1"), source.Retry, "request", "by itself"},
		{"gateway", 502, html, source.Retry, "", "by itself"},
		{"unavailable", 503, "upstream connect error", source.Retry, "", "by itself"},
		{"other types", 403, `{"errors":"denied","error":7}`, source.Denied, "", "(sleep)"},
		{"a redirect that leads nowhere", 304, "", source.Bad, "", "address of the API"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			scope := scopeSleep
			if c.name == "minutes" {
				scope += ofMinutes
			}
			e := refuse(ask.ParseRefusal(c.status, http.Header{}, []byte(c.body), now), scope)
			if e.Kind != c.kind || e.Reason != c.reason || !strings.Contains(e.Hint, c.hint) || e.Status != c.status || e.Err == nil {
				t.Errorf("%v, reason %q, hint %q; want %v, %q, …%s…", e, e.Reason, e.Hint, c.kind, c.reason, c.hint)
			}
			if bare := c.name == "front end" || c.name == "other types"; e.Bare != bare {
				t.Errorf("without a reason: %v, want %v", e.Bare, bare)
			}
			if strings.Contains(e.Hint, "%!") || strings.ContainsAny(e.Error(), "\n<>") || strings.Contains(e.Error(), "SECRET") {
				t.Errorf("error %q, hint %q", e.Error(), e.Hint)
			}
		})
	}
}

// When a limit ends: its own header comes first, then Retry-After, then the clock's hour.
func TestWhenAgain(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 20, 0, 0, time.UTC)
	for _, c := range []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{headerReset: {"1201"}, "Retry-After": {"5"}}, 1201 * time.Second},
		{http.Header{"Retry-After": {"77"}}, 77 * time.Second},
		{http.Header{"Retry-After": {"never"}}, 40 * time.Minute},
		{http.Header{"Retry-After": {"86400"}}, 40 * time.Minute},
		{http.Header{}, 40 * time.Minute},
	} {
		if got := whenAgain(c.header, now); got.Sub(now) != c.want+guard {
			t.Errorf("%v: again in %v, want %v", c.header, got.Sub(now), c.want+guard)
		}
	}
}

// What goes wrong before an answer comes names no address.
func TestUnsent(t *testing.T) {
	ours := &source.Error{Kind: source.Auth, Hint: "Do that.", Err: errors.New("no token")}
	before := &http.Client{Transport: sourcetest.RoundTrip(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("sending: %w", ours) })}
	_, err := newSource(t, before, time.Now).Fetch(context.Background(), metric.Request{Feed: "spo2", Span: metric.DaySpan(20000, 20001)})
	if e := (*source.Error)(nil); !errors.As(err, &e) || e.Kind != source.Auth || e.Hint != "Do that." {
		t.Errorf("%v", err)
	}
	h := &http.Client{Transport: sourcetest.RoundTrip(func(*http.Request) (*http.Response, error) {
		return nil, &url.Error{Op: "Get", URL: "https://x/users/secret", Err: errors.New("no such host")}
	})}
	synctest.Test(t, func(t *testing.T) {
		_, err := newSource(t, h, time.Now).Fetch(context.Background(), metric.Request{Feed: "spo2", Span: metric.DaySpan(20000, 20001)})
		if source.KindOf(err) != source.Retry || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	})
}

// A fault is asked again once, after seconds; a refusal never; a night that is being computed when the service says.
func TestQuickRepetition(t *testing.T) {
	const night = `{"sleep":[]}`
	for _, c := range []struct {
		name     string
		answers  []sourcetest.Canned // the last stays
		requests int
		kind     source.Kind
		fails    bool
	}{
		{"one 503", []sourcetest.Canned{{Status: 503}, {Status: 200, Body: []byte(night)}}, 2, 0, false},
		{"503 stays", []sourcetest.Canned{{Status: 503}}, 2, source.Retry, true},
		{"403", []sourcetest.Canned{{Status: 403}}, 1, source.Denied, true},
		{"429", []sourcetest.Canned{{Status: 429}}, 1, source.Limited, true},
		{"soon computed", []sourcetest.Canned{{Status: 200, Body: []byte(`{"meta":{"retryDuration":3000,"state":"pending"}}`)}, {Status: 200, Body: []byte(night)}}, 2, 0, false},
		{"computed later", []sourcetest.Canned{{Status: 200, Body: []byte(`{"meta":{"retryDuration":60000,"state":"pending"}}`)}}, 1, source.Retry, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				made := 0
				h := &http.Client{Transport: sourcetest.RoundTrip(func(r *http.Request) (*http.Response, error) {
					a := c.answers[min(made, len(c.answers)-1)]
					made++
					return a.Response(r), nil
				})}
				began := time.Now()
				b, err := newSource(t, h, time.Now).Fetch(context.Background(), metric.Request{Feed: "sleep", Span: metric.DaySpan(20000, 20001)})
				if made != c.requests || time.Since(began) > 10*time.Second || (err != nil) != c.fails || c.fails && source.KindOf(err) != c.kind {
					t.Errorf("%d requests in %v: %v", made, time.Since(began), err)
				}
				if err == nil && b.Requests != made {
					t.Errorf("%d requests told, %d made", b.Requests, made)
				}
			})
		})
	}
}

// An answer cut off anywhere is no answer, and worth asking again.
func TestCutAnywhere(t *testing.T) {
	for feed, text := range map[string]string{
		"hrv":        `{"hrv":[{"value":{"dailyRmssd":34.9,"deepRmssd":null},"dateTime":"2021-10-25","new":[true,"\u00e9"]}]}`,
		"spo2":       `[{"dateTime":"2021-10-25","value":{"avg":94.7,"min":94.0,"max":100.0}}]`,
		"heart_rate": `{"activities-heart":[],"activities-heart-intraday":{"dataset":[{"time":"00:00:00","value":58}],"datasetInterval":1,"datasetType":"second"}}`,
		"activity":   `{"goals":{},"summary":{"steps":5,"distances":[{"activity":"tracker","distance":1.5}]}}`,
	} {
		length := 0
		h := &http.Client{Transport: sourcetest.RoundTrip(func(r *http.Request) (*http.Response, error) {
			return sourcetest.Canned{Status: 200, Body: []byte(text[:length])}.Response(r), nil
		})}
		d, _ := metric.ParseDay("2021-10-25")
		s := newSource(t, h, func() time.Time { return d.Civil().Add(40 * time.Hour) })
		for length = range len(text) + 1 {
			_, err := s.Fetch(context.Background(), metric.Request{Feed: feed, Span: metric.DaySpan(d, d)})
			if whole := length == len(text); whole != (err == nil) || !whole && source.KindOf(err) != source.Retry {
				t.Fatalf("%s, %d of %d bytes: %v", feed, length, len(text), err)
			}
		}
	}
}

package google

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/ask"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

// refusalText is an error of the service's form.
func refusalText(code int, status, reason, message, meta string) string {
	details := ""
	if reason != "" {
		details = fmt.Sprintf(`,"details":[{"@type":"type.googleapis.com/google.rpc.Help"},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":%q,"domain":"health.googleapis.com","metadata":{%s}}]`, reason, meta)
	}
	return fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":%q%s}}`, code, message, status, details)
}

// The table of the service's errors: what each means and what cures it.
func TestRefusals(t *testing.T) {
	const html = "<!DOCTYPE html>\n<html lang=en><title>Error 404 (Not Found)!!1</title>"
	cases := []struct {
		name   string
		status int
		body   string
		kind   source.Kind
		reason string
		hint   string
	}{
		{"no bearer", 401, refusalText(401, "UNAUTHENTICATED", "CREDENTIALS_MISSING", "Request is missing required authentication credential.", ""), source.Auth, "CREDENTIALS_MISSING", "Authorize again"},
		{"token refused", 401, refusalText(401, "UNAUTHENTICATED", "", "Request had invalid authentication credentials.", ""), source.Auth, "UNAUTHENTICATED", "Authorize again"},
		{"key for token", 401, refusalText(401, "UNAUTHENTICATED", "", "API keys are not supported by this API.", ""), source.Auth, "UNAUTHENTICATED", "instead of an API key"},
		{"scope", 403, refusalText(403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "Request had insufficient authentication scopes.", ""), source.Denied, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "health_metrics_and_measurements"},
		{"scope, as documented", 403, refusalText(403, "PERMISSION_DENIED", "MISSING_OAUTH_SCOPE", "x", ""), source.Denied, "MISSING_OAUTH_SCOPE", "health_metrics_and_measurements"},
		{"write-only grant", 403, refusalText(403, "PERMISSION_DENIED", "", "Only self-sources can be read.", ""), source.Denied, "PERMISSION_DENIED", "in a day"},
		{"not enabled", 403, refusalText(403, "PERMISSION_DENIED", "SERVICE_DISABLED", "Google Health API has not been used in project 1 before or it is disabled.", `"service":"health.googleapis.com"`), source.Auth, "SERVICE_DISABLED", "apis/library/health.googleapis.com"},
		{"grant broken", 403, refusalText(403, "PERMISSION_DENIED", "RESOURCE_PERMISSION_DENIED", "x", ""), source.Denied, "RESOURCE_PERMISSION_DENIED", "myaccount.google.com/connections"},
		{"legacy account", 403, refusalText(403, "PERMISSION_DENIED", "", "The caller does not have permission", ""), source.Denied, "PERMISSION_DENIED", "Google Health app"},
		{"mixed grant", 403, refusalText(403, "PERMISSION_DENIED", "", "Could not mint UberMint from GaiaMint", ""), source.Denied, "PERMISSION_DENIED", "Google Fit"},
		{"proxy forbids", 403, html, source.Retry, "", "web page"},
		{"not linked", 400, refusalText(400, "FAILED_PRECONDITION", "ACCOUNT_NOT_LINKED", "The account is not linked to Google Health.", `"redirect_uri":"https://fitbit.google.com/auth/signup"`), source.Auth, "ACCOUNT_NOT_LINKED", "https://fitbit.google.com/auth/signup"},
		{"not onboarded", 412, refusalText(412, "FAILED_PRECONDITION", "", "Precondition check failed.", ""), source.Auth, "FAILED_PRECONDITION", "finish its set-up"},
		{"filter", 400, refusalText(400, "INVALID_ARGUMENT", "INVALID_DATA_POINT_FILTER_MIXED_TIME_RESTRICTIONS", "Bad filter.", ""), source.Bad, "INVALID_DATA_POINT_FILTER_MIXED_TIME_RESTRICTIONS", "diagnose"},
		{"window", 400, refusalText(400, "INVALID_ARGUMENT", "INVALID_ROLLUP_WINDOW", "x", ""), source.Bad, "INVALID_ROLLUP_WINDOW", "diagnose"},
		{"range", 400, refusalText(400, "INVALID_ARGUMENT", "INVALID_TIME_RANGE", "x", ""), source.Bad, "INVALID_TIME_RANGE", "diagnose"},
		{"unsupported", 400, refusalText(400, "INVALID_ARGUMENT", "INVALID_PARENT_DATA_TYPE_COLLECTION", "x", ""), source.Denied, "INVALID_PARENT_DATA_TYPE_COLLECTION", "does not give this"},
		{"malformed parent", 400, refusalText(400, "INVALID_ARGUMENT", "INVALID_PARENT_DATA_TYPE_COLLECTION_FORMAT", "x", ""), source.Denied, "INVALID_PARENT_DATA_TYPE_COLLECTION_FORMAT", "does not give this"},
		{"family", 400, refusalText(400, "INVALID_ARGUMENT", "INVALID_DATA_POINT_DATA_SOURCE_FAMILY", "x", ""), source.Bad, "INVALID_DATA_POINT_DATA_SOURCE_FAMILY", "diagnose"},
		{"payload", 400, refusalText(400, "INVALID_ARGUMENT", "", "Invalid JSON payload received.", ""), source.Bad, "INVALID_ARGUMENT", "diagnose"},
		{"wrong path", 404, html, source.Bad, "", "address of the API"},
		{"deleted", 404, refusalText(404, "NOT_FOUND", "", "Requested entity was not found.", ""), source.Bad, "NOT_FOUND", "diagnose"},
		{"gone", 410, `{"errors":[{"errorType":"gone"}]}`, source.Gone, "gone", "choose provider google"},
		{"quota", 429, refusalText(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", "Quota exceeded for quota metric …", `"quota_limit":"x"`), source.Limited, "RATE_LIMIT_EXCEEDED", "by itself"},
		{"quota, as forbidden", 403, refusalText(403, "PERMISSION_DENIED", "RATE_LIMIT_EXCEEDED", "x", ""), source.Limited, "RATE_LIMIT_EXCEEDED", "by itself"},
		{"internal", 500, refusalText(500, "INTERNAL", "", "x", ""), source.Retry, "INTERNAL", "status.healthapp.google.com"},
		{"unavailable", 503, "upstream connect error", source.Retry, "", "status.healthapp.google.com"},
		{"deadline", 504, refusalText(504, "DEADLINE_EXCEEDED", "", "x", ""), source.Retry, "DEADLINE_EXCEEDED", "status.healthapp.google.com"},
		{"nothing in it", 400, "", source.Bad, "", "diagnose"},
		{"other types", 403, `{"error":"denied"}`, source.Denied, "", "in a day"},
		{"project denied", 403, refusalText(403, "PERMISSION_DENIED", "USER_PROJECT_DENIED", "x", ""), source.Auth, "USER_PROJECT_DENIED", "Credentials page"},
		{"billing", 403, refusalText(403, "PERMISSION_DENIED", "BILLING_DISABLED", "x", ""), source.Auth, "BILLING_DISABLED", "under Billing"},
		{"suspended", 403, refusalText(403, "PERMISSION_DENIED", "CONSUMER_SUSPENDED", "x", ""), source.Auth, "CONSUMER_SUSPENDED", "has suspended"},
		{"project deleted", 403, refusalText(403, "PERMISSION_DENIED", "CONSUMER_INVALID", "x", ""), source.Auth, "CONSUMER_INVALID", "deleted"},
		{"organisation", 403, refusalText(403, "PERMISSION_DENIED", "ORG_RESTRICTION_VIOLATION", "x", ""), source.Denied, "ORG_RESTRICTION_VIOLATION", "administrator"},
		{"place", 403, refusalText(403, "PERMISSION_DENIED", "LOCATION_POLICY_VIOLATED", "x", ""), source.Denied, "LOCATION_POLICY_VIOLATED", "at this place"},
		{"quota of another name", 403, refusalText(403, "PERMISSION_DENIED", "RESOURCE_QUOTA_EXCEEDED", "x", ""), source.Limited, "RESOURCE_QUOTA_EXCEEDED", "by itself"},
		{"quota without a reason", 403, refusalText(403, "RESOURCE_EXHAUSTED", "", "x", ""), source.Limited, "RESOURCE_EXHAUSTED", "by itself"},
		{"account deleted", 401, refusalText(401, "UNAUTHENTICATED", "ACCOUNT_STATE_INVALID", "Account deleted", ""), source.Auth, "ACCOUNT_STATE_INVALID", "deleted or suspended"},
		{"blocked by an administrator", 403, refusalText(403, "PERMISSION_DENIED", "USER_BLOCKED_BY_ADMIN", "x", ""), source.Auth, "USER_BLOCKED_BY_ADMIN", "Ask the administrator"},
		{"a key that is not allowed", 403, refusalText(403, "PERMISSION_DENIED", "API_KEY_HTTP_REFERRER_BLOCKED", "x", ""), source.Auth, "API_KEY_HTTP_REFERRER_BLOCKED", "instead of an API key"},
		{"another reason", 403, refusalText(403, "PERMISSION_DENIED", "SOMETHING_NEW", "x", ""), source.Denied, "SOMETHING_NEW", "SOMETHING_NEW"},
		{"no such operation", 400, refusalText(400, "INVALID_ARGUMENT", "", "DailyRollup is not supported for data type weight, but the following actions are supported: list", ""), source.Denied, "INVALID_ARGUMENT", "does not give this"},
		{"a list", 400, "[" + refusalText(400, "FAILED_PRECONDITION", "ACCOUNT_NOT_LINKED", "x", "") + "]", source.Auth, "ACCOUNT_NOT_LINKED", "Health profile"},
		{"a mark before it", 403, "\xEF\xBB\xBF" + refusalText(403, "PERMISSION_DENIED", "SERVICE_DISABLED", "x", ""), source.Auth, "SERVICE_DISABLED", "not enabled"},
		{"aborted", 409, refusalText(409, "ABORTED", "", "x", ""), source.Retry, "ABORTED", "by itself"},
		{"a page", 400, html, source.Retry, "", "web page"},
		{"no content", 204, "", source.Retry, "", "cut off"},
		{"a redirect that leads nowhere", 304, "", source.Bad, "", "address of the API"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := refuse(ask.ParseRefusal(c.status, http.Header{}, []byte(c.body), time.Time{}), scopeHealth)
			if e.Kind != c.kind || e.Reason != c.reason || !strings.Contains(e.Hint, c.hint) || e.Status != c.status || e.Err == nil {
				t.Errorf("%v, reason %q, hint %q; want %v, %q, …%s…", e, e.Reason, e.Hint, c.kind, c.reason, c.hint)
			}
			if bare := slices.Contains([]string{"legacy account", "mixed grant", "write-only grant", "other types"}, c.name); e.Bare != bare {
				t.Errorf("without a reason: %v, want %v", e.Bare, bare)
			}
			if means := strings.HasPrefix(e.Reason, "ACCESS_TOKEN_SCOPE") || e.Reason == "MISSING_OAUTH_SCOPE"; strings.Contains(e.Hint, "ticked") != means {
				t.Errorf("a box to be ticked for %q: %q", e.Reason, e.Hint)
			}
			if strings.Contains(e.Hint, "%!") || strings.ContainsAny(e.Error(), "\n<>") {
				t.Errorf("error %q, hint %q", e.Error(), e.Hint)
			}
		})
	}
}

// What stops one type stops no other; what refuses even whose it is stops all.
func TestIdentityRefused(t *testing.T) {
	for _, text := range []string{refusalText(403, "PERMISSION_DENIED", "", "The caller does not have permission", ""), refusalText(403, "PERMISSION_DENIED", "RESOURCE_PERMISSION_DENIED", "x", ""),
		refusalText(403, "PERMISSION_DENIED", "SOMETHING_NEW", "x", "")} {
		r := ask.ParseRefusal(403, http.Header{}, []byte(text), time.Time{})
		if one, all := refuse(r, scopeSleep), refuse(r, scopeIdentity); one.Kind != source.Denied || all.Kind != source.Auth {
			t.Errorf("%s: %v, %v", text, one, all)
		}
	}
}

// The service says how many days a question may span: it is asked again in as many pieces as that makes necessary, and from then on.
func TestShorterQuestions(t *testing.T) {
	asked := 0
	s := scripted(t, nil, func(n int, r *http.Request) (*http.Response, error) {
		asked = n
		var body rollUpBody
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		from, to := body.Range.Start.Date, body.Range.End.Date
		first, last := time.Date(from.Year, time.Month(from.Month), from.Day, 0, 0, 0, 0, time.UTC), time.Date(to.Year, time.Month(to.Month), to.Day, 0, 0, 0, 0, time.UTC)
		if last.Sub(first) > 7*day {
			return sourcetest.Canned{Status: 400, Body: []byte(refusalText(400, "INVALID_ARGUMENT", "INVALID_ROLLUP_QUERY_DURATION", "x", `"maxDurationDays":7`))}.Response(r), nil
		}
		return sourcetest.Canned{Status: 200, Body: []byte(fmt.Sprintf(`{"rollupDataPoints":[{"civilStartTime":{"date":{"year":%d,"month":%d,"day":%d}},"steps":{"countSum":"8"}}]}`, from.Year, from.Month, from.Day))}.Response(r), nil
	})
	for i, requests := range []int{4, 3} { // 20 days: refused once, then pieces of 7
		before := asked
		b, err := s.Fetch(context.Background(), metric.Request{Feed: "steps", Span: metric.DaySpan(20000, 20019)})
		if err != nil || b.Blocks[0].Len() != 3 || asked-before != requests || b.Requests != requests {
			t.Errorf("time %d: %v, %d requests, %d told", i, err, asked-before, b.Requests)
		}
	}
}

// What goes wrong before an answer comes.
func TestUnsent(t *testing.T) {
	retrieve := func(status int, code string) error {
		return &url.Error{Op: "Get", URL: "https://x/?id=secret", Err: &oauth2.RetrieveError{Response: &http.Response{StatusCode: status}, ErrorCode: code, Body: []byte("client_secret=hidden")}}
	}
	cases := []struct {
		name string
		err  error
		kind source.Kind
		hint string
	}{
		{"grant ended", retrieve(400, "invalid_grant"), source.Auth, "every 7 days"},
		{"client unknown", retrieve(401, "invalid_client"), source.Auth, "client id and secret"},
		{"other refusal", retrieve(400, "invalid_request"), source.Auth, "Authorize again"},
		{"token service down", retrieve(503, ""), source.Retry, "status.healthapp"},
		{"token service busy", retrieve(429, "slow_down"), source.Limited, "by itself"},
		{"ours", fmt.Errorf("sending: %w", &source.Error{Kind: source.Auth, Hint: "Do that.", Err: errors.New("no token")}), source.Auth, "Do that."},
		{"network", &url.Error{Op: "Get", URL: "https://x/users/secret", Err: errors.New("no such host")}, source.Retry, "internet connection"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var e *source.Error
			synctest.Test(t, func(t *testing.T) {
				_, err := scripted(t, nil, func(int, *http.Request) (*http.Response, error) { return nil, c.err }).Fetch(context.Background(), stepsRequest())
				if !errors.As(err, &e) {
					t.Fatal(err)
				}
			})
			if e.Kind != c.kind || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("%v, hint %q; want %v, …%s…", e, e.Hint, c.kind, c.hint)
			}
			if strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "hidden") {
				t.Errorf("%q tells a secret", e.Error())
			}
		})
	}
}

// scripted is a source whose service answers as told, in a bubble.
func scripted(t testing.TB, change func(*Config), answer func(n int, r *http.Request) (*http.Response, error)) *Source {
	t.Helper()
	var n atomic.Int64
	cfg := Config{Catalogue: metric.Default(), Unlimited: true, HTTP: &http.Client{Transport: sourcetest.RoundTrip(func(r *http.Request) (*http.Response, error) {
		return answer(int(n.Add(1)), r)
	})}}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stepsRequest() metric.Request {
	return metric.Request{Feed: "steps", Span: metric.DaySpan(20000, 20001)}
}

const stepsText = `{"rollupDataPoints":[{"civilStartTime":{"date":{"year":2024,"month":10,"day":4}},"steps":{"countSum":"8"}}]}`

// Repetition: a couple of times within seconds, then it is the caller's to wait.
func TestQuickRepetition(t *testing.T) {
	cases := []struct {
		name     string
		status   []int // the last stays
		header   http.Header
		requests int
		kind     source.Kind // where the last is no success
		until    time.Duration
		within   time.Duration
	}{
		{name: "one 503", status: []int{503, 200}, requests: 2, within: 2 * time.Second},
		{name: "two 500", status: []int{500, 502, 200}, requests: 3, within: 5 * time.Second},
		{name: "503 stays", status: []int{503}, requests: 3, kind: source.Retry, within: 5 * time.Second},
		{name: "429 with a short wait", status: []int{429, 200}, header: http.Header{"Retry-After": {"4"}}, requests: 2, within: 4 * time.Second},
		{name: "429 with a long wait", status: []int{429}, header: http.Header{"Retry-After": {"600"}}, requests: 1, kind: source.Limited, until: 10 * time.Minute},
		{name: "429 without a word", status: []int{429}, requests: 3, kind: source.Limited, until: time.Minute, within: 5 * time.Second},
		{name: "503 with a long wait", status: []int{503}, header: http.Header{"Retry-After": {"120"}}, requests: 1, kind: source.Retry, until: 2 * time.Minute},
		{name: "400 is never repeated", status: []int{400}, requests: 1, kind: source.Bad},
		{name: "401 is never repeated", status: []int{401}, requests: 1, kind: source.Auth},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				made := 0
				s := scripted(t, nil, func(n int, r *http.Request) (*http.Response, error) {
					made = n
					a := sourcetest.Canned{Status: c.status[min(n, len(c.status))-1], Header: c.header, Body: []byte(stepsText)}
					return a.Response(r), nil
				})
				began := time.Now()
				b, err := s.Fetch(context.Background(), stepsRequest())
				if made != c.requests || time.Since(began) > c.within {
					t.Errorf("%d requests in %v, want %d within %v", made, time.Since(began), c.requests, c.within)
				}
				if last := c.status[len(c.status)-1]; last == 200 {
					if err != nil || b.Requests != c.requests || b.Blocks[0].Len() != 1 {
						t.Errorf("%v, %d requests told", err, b.Requests)
					}
					return
				}
				var e *source.Error
				if !errors.As(err, &e) || e.Kind != c.kind {
					t.Fatalf("%v, want %v", err, c.kind)
				}
				if got := time.Until(e.Until); c.until > 0 && (got < c.until-5*time.Second || got > c.until) || c.until == 0 && !e.Until.IsZero() {
					t.Errorf("until %v from now, want %v", got, c.until)
				}
			})
		})
	}
}

// Where the service gives no time, each refusal in a row doubles the wait.
func TestLimitedBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := 429
		s := scripted(t, nil, func(n int, r *http.Request) (*http.Response, error) {
			return sourcetest.Canned{Status: status, Body: []byte(stepsText)}.Response(r), nil
		})
		wait := func() time.Duration {
			_, err := s.Fetch(context.Background(), stepsRequest())
			var e *source.Error
			if !errors.As(err, &e) {
				return 0
			}
			return time.Until(e.Until)
		}
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 16} {
			if got := wait(); got != want*time.Minute {
				t.Errorf("wait of %v, want %d minutes", got, want)
			}
		}
		status = 200
		if got := wait(); got != 0 {
			t.Errorf("wait of %v behind a success", got)
		}
		status = 429
		if got := wait(); got != time.Minute {
			t.Errorf("wait of %v, want a minute", got)
		}
	})
}

// The limits count every request, also those that are repeated, and all goroutines together.
func TestPoliteness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, func(c *Config) { c.Unlimited = false }, func(n int, r *http.Request) (*http.Response, error) {
			return sourcetest.Canned{Status: 200, Body: []byte(stepsText)}.Response(r), nil
		})
		began := time.Now()
		done := make(chan error)
		for range 2 {
			go func() {
				for range 105 {
					if _, err := s.Fetch(context.Background(), stepsRequest()); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if got, want := time.Since(began), time.Duration(210-5)*time.Second/2; got < want || got > want+time.Second {
			t.Errorf("210 requests took %v, want %v", got, want)
		}
	})
}

// The limits per minute hold where the one per second would let more through.
func TestPerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, func(c *Config) { c.Unlimited, c.PerSecond, c.Burst, c.PerMinute = false, 1000, 1000, 60 }, func(n int, r *http.Request) (*http.Response, error) {
			return sourcetest.Canned{Status: 200, Body: []byte(stepsText)}.Response(r), nil
		})
		began := time.Now()
		for range 90 {
			if _, err := s.Fetch(context.Background(), stepsRequest()); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(began); got < 30*time.Second || got > 31*time.Second {
			t.Errorf("90 requests at 60 a minute took %v", got)
		}
	})
}

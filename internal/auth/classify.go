package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/certificate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// classify makes a *source.Error of what the token service or the network answered. secrets are what the request carried: services
// have been seen to echo them.
func (c Client) classify(doing string, err error, now time.Time, secrets ...string) *source.Error {
	out := &source.Error{Kind: source.Retry, Hint: "It is tried again by itself. Check the internet connection if this stays."}
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		// The text only: a deadline in here is ours, not the caller's.
		out.Err = fmt.Errorf("%s: %s", doing, c.redact(err.Error(), secrets))
		if text, hint, ok := certificate.Explain(err, certificate.Peer{Name: c.Provider.Title}); ok {
			out.Err, out.Hint = fmt.Errorf("%s: %s", doing, text), hint
		}
		return out
	}
	answer = inFamily(answer)
	out.Status = answer.Response.StatusCode
	out.Reason = c.redact(short(answer.ErrorCode, 60), secrets)
	text := c.redact(short(answer.ErrorDescription, 200), secrets)
	if text == "" {
		text = "the service refused"
	}
	out.Err = fmt.Errorf("%s: %s", doing, text)
	if kind, hint, known := c.verdict(answer.ErrorCode); known {
		out.Kind, out.Hint = kind, hint
		return out
	}
	switch {
	case out.Status == http.StatusTooManyRequests:
		out.Kind, out.Until = source.Limited, retryAfter(answer.Response, now)
	case out.Status == http.StatusGone:
		out.Kind, out.Hint = source.Gone, fmt.Sprintf("%s has retired this service. Everything that is in the archive stays. New data come from Google Health: make a client at Google "+
			"(README.md, \"Set it up\"), choose the provider google, and authorize there.", c.Provider.Title)
	case out.Status >= 500:
		out.Until = retryAfter(answer.Response, now)
	default:
		out.Hint = fmt.Sprintf("The answer was not one of a token service. Check the address of %s's token service in the options.", c.Provider.Title)
	}
	return out
}

// inFamily reads an error in the form of Fitbit, {"errors":[{"errorType":…,"message":…}]}, which is not that of the standard.
func inFamily(answer *oauth2.RetrieveError) *oauth2.RetrieveError {
	var doc struct {
		Errors []struct {
			Type    string `json:"errorType"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if answer.ErrorCode != "" || json.Unmarshal(answer.Body, &doc) != nil || len(doc.Errors) == 0 {
		return answer
	}
	same := *answer
	same.ErrorCode, same.ErrorDescription = doc.Errors[0].Type, doc.Errors[0].Message
	return &same
}

// verdict knows the error words of RFC 6749, of Google and of Fitbit.
func (c Client) verdict(code string) (kind source.Kind, hint string, known bool) {
	p := c.Provider
	switch code {
	case "invalid_grant", "invalid_token", "expired_token":
		return source.Auth, p.Cures.Ended, true
	case "invalid_client", "deleted_client", "disabled_client":
		return source.Auth, "The service does not accept client id and client secret. " + p.Cures.Client, true
	case "unauthorized_client":
		return source.Auth, "This client is of the wrong type, or the authorization was given to another client: " + p.Cures.Type, true
	case "redirect_uri_mismatch":
		return source.Auth, fmt.Sprintf("The redirect address %s is not registered for this client. %s", c.Redirect, p.Cures.Redirect), true
	case "invalid_scope":
		return source.Auth, "The service does not know a right that is asked for. Check that its API is enabled in the client's project.", true
	case "access_denied", "admin_policy_enforced", "org_internal":
		return source.Auth, p.Cures.Denied, true
	case "invalid_request", "unsupported_grant_type":
		return source.Auth, "The service did not understand the request: most often client id or client secret is missing in the options.", true
	case "temporarily_unavailable", "server_error":
		return source.Retry, p.Title + " is not available at the moment. It is tried again by itself.", true
	}
	return 0, "", false
}

// redact takes secrets out of a text, in the forms in which they can appear.
func (c Client) redact(s string, secrets []string) string {
	for _, secret := range append([]string{c.Secret}, secrets...) {
		if len(secret) >= 4 {
			s = strings.ReplaceAll(s, secret, "***")
			s = strings.ReplaceAll(s, url.QueryEscape(secret), "***")
		}
	}
	return s
}

// short makes one line of a service's text.
func short(s string, n int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// retryAfter reads the header of that name: seconds or a date; zero where there is none.
func retryAfter(resp *http.Response, now time.Time) time.Time {
	v := resp.Header.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 && n < 86400*7 {
		return now.Add(time.Duration(n) * time.Second)
	}
	if t, err := http.ParseTime(v); err == nil {
		return t
	}
	return time.Time{}
}

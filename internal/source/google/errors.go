package google

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/oauth2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/certificate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// What the user can do. The texts name the places in Google's pages as they are labelled there.
const (
	hintAuthorize = "Authorize again: run \"fitbit-fetch authorize\" or use the page."
	hintExpired   = "The authorization has ended. Authorize again. If this happens every 7 days, the consent screen of your Google Cloud project is in status \"Testing\": " +
		"on its Audience page choose \"Publish app\" first, then authorize again."
	hintClient     = "Google does not know this client id and secret. Copy both again from the Clients page of your Google Cloud project."
	hintKey        = "An API key was sent where an access token is needed. Use an OAuth client id and secret instead of an API key."
	hintScope      = "This was not allowed when authorizing. Authorize again and leave the box for %s ticked; until then only this is left out."
	hintScopeOther = "This was not allowed when authorizing. Authorize again and leave all boxes ticked; until then only this is left out."
	hintDisabled   = "The Google Health API is not enabled in your Google Cloud project. Enable it at https://console.cloud.google.com/apis/library/health.googleapis.com " +
		"and wait some minutes. Google has stopped admitting new projects since October 2026; a project that was set up before works, also with its old client id and secret."
	hintGrant  = "The grant is broken. Remove the app at https://myaccount.google.com/connections, then authorize again."
	hintLegacy = "Google does not let this account in: it may still be a Fitbit account that has not moved to Google, or the grant is mixed with old Google Fit permissions. " +
		"Sign in to the Google Health app with this account, remove the app at https://myaccount.google.com/connections, then authorize again."
	hintNotLinked = "This Google account has no Google Health profile. Sign in once at %s or in the Google Health app, or authorize with the account your device belongs to."
	hintOnboard   = "Sign in to the Google Health app on a phone with this account and finish its set-up, then authorize again."
	hintGone      = "The service at this address has been switched off for good. The Google Health API is at " + DefaultBase + "; choose provider google."
	hintLimited   = "Google's limit of requests is reached. Nothing is lost: asking goes on by itself."
	hintServer    = "Google's service has a fault of its own. Asking goes on by itself; https://status.healthapp.google.com shows known outages."
	hintNetwork   = "The service could not be reached. Check the internet connection and the name resolution of this machine; asking goes on by itself."
	hintHTML      = "A web page came instead of data, as from a proxy or the log-in page of a network. Check the way to the internet; asking goes on by itself."
	hintAddress   = "The service does not know this address. Check the address of the API in the settings (default " + DefaultBase + ")."
	hintFeature   = "The service does not give this for your account or devices. Only this is left out."
	hintReport    = "The service answered in a way this version does not know. Everything else goes on; please send a report with \"fitbit-fetch diagnose\"."
	hintCut       = "The answer was cut off on its way. Asking goes on by itself."
)

// Reasons that appear in the service's refusals.
const (
	reasonScope      = "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
	reasonScopeDocs  = "MISSING_OAUTH_SCOPE"
	reasonDisabled   = "SERVICE_DISABLED"
	reasonResource   = "RESOURCE_PERMISSION_DENIED"
	reasonNotLinked  = "ACCOUNT_NOT_LINKED"
	reasonRate       = "RATE_LIMIT_EXCEEDED"
	reasonNoToken    = "CREDENTIALS_MISSING"
	reasonCollection = "INVALID_PARENT_DATA_TYPE_COLLECTION"
)

// knownReasons are those the table of the service's errors lists. A variant with a suffix is known with its stem.
var knownReasons = []string{reasonScope, reasonScopeDocs, reasonDisabled, reasonResource, reasonNotLinked, reasonRate, reasonNoToken, reasonCollection,
	"INVALID_FILTER_FORMAT", "INVALID_DATA_POINT_FILTER", "INVALID_ROLLUP_WINDOW", "INVALID_TIME_RANGE", "INVALID_DATA_POINT_DATA_SOURCE_FAMILY"}

func knownReason(reason string) bool {
	for _, k := range knownReasons {
		if reason == k || strings.HasPrefix(reason, k+"_") {
			return true
		}
	}
	return false
}

// A refusal is the body of an answer that is no success.
type refusal struct {
	html    bool
	message string
	status  string
	reason  string
	meta    map[string]string
}

func parseRefusal(text []byte) refusal {
	if trimmed := strings.TrimSpace(string(text[:min(len(text), 512)])); strings.HasPrefix(trimmed, "<") {
		return refusal{html: true}
	}
	var doc struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
			Details []struct {
				Reason   string            `json:"reason"`
				Metadata map[string]string `json:"metadata"`
			} `json:"details"`
		} `json:"error"`
	}
	_ = json.Unmarshal(text, &doc) // what could be read is used; the status decides
	r := refusal{message: clip(doc.Error.Message, 300), status: doc.Error.Status}
	for _, d := range doc.Error.Details {
		if d.Reason != "" {
			r.reason, r.meta = d.Reason, d.Metadata
			break
		}
	}
	return r
}

func clip(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// refuse turns a status and its body into an error. scope is the permission that the question needs.
func refuse(status int, header http.Header, text []byte, scope string, now time.Time) *source.Error {
	r := parseRefusal(text)
	e := &source.Error{Kind: source.Bad, Status: status, Reason: cmp.Or(r.reason, r.status), Hint: hintReport}
	e.Err = errors.New(cmp.Or(r.message, http.StatusText(status), "no message"))
	if r.html {
		e.Err = answer.ErrHTML
	}
	if at := retryAfter(header, now); !at.IsZero() {
		e.Until = at
	}
	switch {
	case status == http.StatusUnauthorized:
		e.Kind, e.Hint = source.Auth, hintAuthorize
		if strings.Contains(r.message, "API key") {
			e.Hint = hintKey
		}
	case r.reason == reasonNotLinked:
		e.Kind, e.Hint = source.Auth, fmt.Sprintf(hintNotLinked, cmp.Or(r.meta["redirect_uri"], "https://fitbit.google.com/auth/signup"))
	case status == http.StatusPreconditionFailed:
		e.Kind, e.Hint = source.Auth, hintOnboard
	case status == http.StatusGone:
		e.Kind, e.Hint = source.Gone, hintGone
	case status == http.StatusTooManyRequests || r.reason == reasonRate:
		e.Kind, e.Hint = source.Limited, hintLimited
	case status >= 500 || status == http.StatusRequestTimeout:
		e.Kind, e.Hint = source.Retry, hintServer
	case status == http.StatusForbidden:
		forbid(e, r, scope)
	case status == http.StatusNotFound && (r.html || r.message == ""):
		e.Hint = hintAddress
	case strings.HasPrefix(r.reason, reasonCollection):
		e.Kind, e.Hint = source.Denied, hintFeature
	case status < 400:
		e.Hint = hintAddress
	}
	return e
}

// forbid sorts the meanings of 403.
func forbid(e *source.Error, r refusal, scope string) {
	switch {
	case r.html:
		e.Kind, e.Hint = source.Retry, hintHTML
	case r.reason == reasonDisabled:
		e.Kind, e.Hint = source.Auth, hintDisabled
	case r.reason == reasonResource:
		e.Kind, e.Hint = source.Auth, hintGrant
	case r.reason == "" && (strings.Contains(r.message, "does not have permission") || strings.Contains(r.message, "UberMint")):
		e.Kind, e.Hint = source.Auth, hintLegacy
	case scope != "":
		e.Kind, e.Hint = source.Denied, fmt.Sprintf(hintScope, scope)
	default:
		e.Kind, e.Hint = source.Denied, hintScopeOther
	}
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Time {
	v := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(v); err == nil && seconds >= 0 {
		return now.Add(time.Duration(min(seconds, 86400)) * time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return at
	}
	return time.Time{}
}

// unsent turns an error of sending into one of ours: no answer came.
func unsent(err error) *source.Error {
	var ours *source.Error
	var token *oauth2.RetrieveError
	switch {
	case errors.As(err, &ours):
		same := *ours
		return &same
	case errors.As(err, &token):
		return tokenError(token, err)
	}
	return &source.Error{Kind: source.Retry, Hint: networkHint(err), Err: err}
}

// tokenError sorts what the token endpoint says while a token is renewed.
func tokenError(t *oauth2.RetrieveError, err error) *source.Error {
	e := &source.Error{Kind: source.Auth, Reason: t.ErrorCode, Hint: hintAuthorize, Err: fmt.Errorf("renewing the access token: %w", err)}
	if t.Response != nil {
		e.Status = t.Response.StatusCode
	}
	switch {
	case t.ErrorCode == "invalid_grant":
		e.Hint = hintExpired
	case t.ErrorCode == "invalid_client", t.ErrorCode == "unauthorized_client":
		e.Hint = hintClient
	case e.Status == http.StatusTooManyRequests:
		e.Kind, e.Hint = source.Limited, hintLimited
	case e.Status >= 500, t.ErrorCode == "":
		e.Kind, e.Hint = source.Retry, hintServer
	}
	// The endpoint's text may repeat what was sent to it, so only its code is passed on.
	e.Err = errors.New("renewing the access token was refused")
	return e
}

// networkHint is what to do where no answer came: mostly the network is away, but a certificate that is not accepted comes first.
func networkHint(err error) string {
	if text, hint, ok := certificate.Explain(err, certificate.Peer{Name: "the service"}); ok {
		return strings.ToUpper(text[:1]) + text[1:] + ". " + hint
	}
	return hintNetwork
}

// unread turns an error of reading an answer into one of ours.
func unread(status int, err error) *source.Error {
	e := &source.Error{Kind: source.Bad, Status: status, Hint: hintReport, Err: err}
	var ours *source.Error
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &ours):
		same := *ours
		return &same
	case errors.Is(err, answer.ErrHTML):
		e.Kind, e.Hint = source.Retry, hintHTML
	case errors.Is(err, answer.ErrShape), errors.Is(err, answer.ErrTooLarge), errors.Is(err, answer.ErrValueLarge), errors.Is(err, answer.ErrNotJSON), errors.Is(err, errPaging):
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		e.Kind, e.Hint = source.Retry, hintCut
	case errors.As(err, &syntax):
		// The text around the fault may hold values: only its place is told.
		e.Err = fmt.Errorf("%w: fault at byte %d, in %s", answer.ErrNotJSON, syntax.ByteOffset, cmp.Or(string(syntax.JSONPointer), "the outermost value"))
	default:
		e.Kind, e.Hint = source.Retry, hintCut
	}
	return e
}

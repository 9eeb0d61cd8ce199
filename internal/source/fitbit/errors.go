package fitbit

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/ask"
)

// What the user can do.
const (
	hintAuthorize = "Authorize again: run \"fitbit-fetch authorize\" or use the page."
	hintScope     = "Fitbit does not give this to the program. If its box (%s) was not ticked when authorizing, authorize again and leave all boxes ticked; it is tried again " +
		"in a day, and until then only this is left out."
	hintPersonal = "Fitbit gives minute values only to an application of the type Personal, and only of its own owner: at dev.fitbit.com, Manage my apps, set the OAuth 2.0 " +
		"application type to Personal, then authorize again. Until then only the minute values are left out."
	hintGone = "The Fitbit Web API has been switched off for good. Everything that is in the archive stays, and goes on being shown and delivered. New data come from Google " +
		"Health: make a client at Google (README.md, \"Set it up\"), set the provider to google and its client id and secret, and authorize there; the archive goes on with it."
	hintLimited = "Fitbit allows 150 requests an hour, and they are used up. Nothing is lost: asking goes on by itself."
	hintServer  = "Fitbit's service has a fault of its own. Asking goes on by itself."
	hintNetwork = "The service could not be reached. Check the internet connection and the name resolution of this machine; asking goes on by itself."
	hintHTML    = "A web page came instead of data, as from a proxy or the log-in page of a network. Check the way to the internet; asking goes on by itself."
	hintAddress = "The service does not know this address. Check the address of the API in the settings (default " + DefaultBase + ")."
	hintReport  = "The service answered in a way this version does not know. Everything else goes on; please send a report with \"fitbit-fetch diagnose\"."
	hintCut     = "The answer was cut off on its way. Asking goes on by itself."
	hintPending = "Fitbit is still computing this night. Asking goes on by itself."
)

// Reasons of our own.
const (
	reasonPending  = "pending"     // the service is still computing
	reasonPersonal = "no_intraday" // the answer lacks its minute values
	reasonBudget   = "budget"      // the hour's requests are used up: nothing was sent
)

// knownReasons are the service's words for what went wrong, in both families of its errors.
var knownReasons = []string{reasonPending, reasonPersonal, reasonBudget, "authorization", "expired_token", "insufficient_permissions", "insufficient_scope", "invalid_client",
	"invalid_grant", "invalid_request", "invalid_token", "not_found", "oauth", "request", "system", "validation",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "FAILED_PRECONDITION"}

func knownReason(reason string) bool { return slices.Contains(knownReasons, reason) }

// refuse turns a refusal into an error. scope is the permission that the question needs.
func refuse(r ask.Refusal, scope string) *source.Error {
	e := r.Error()
	e.Err = errors.New(withoutToken(e.Err.Error()))
	if r.HTML {
		e.Err = answer.ErrHTML
	}
	until := e.Until
	e.Hint, e.Until = hintReport, time.Time{}
	switch {
	case r.Code == http.StatusUnauthorized:
		e.Kind, e.Hint = source.Auth, hintAuthorize
	case r.Code == http.StatusGone:
		e.Kind, e.Hint = source.Gone, hintGone
	case r.Code == http.StatusTooManyRequests || r.Status == "RESOURCE_EXHAUSTED":
		e.Kind, e.Hint, e.Until = source.Limited, hintLimited, whenAgain(r.Header, r.Now)
	case r.Code >= 500 || r.Code == http.StatusRequestTimeout:
		e.Kind, e.Hint, e.Until = source.Retry, hintServer, until
	case r.HTML && r.Code != http.StatusNotFound && r.Code >= 400:
		e.Kind, e.Hint = source.Retry, hintHTML
	case r.Code == http.StatusForbidden && r.Reason == "insufficient_permissions" && strings.HasSuffix(scope, ofMinutes):
		e.Kind, e.Hint = source.Denied, hintPersonal
	case r.Code == http.StatusForbidden:
		e.Kind, e.Bare, e.Hint = source.Denied, r.Reason == "", fmt.Sprintf(hintScope, cmp.Or(strings.TrimSuffix(scope, ofMinutes), "of this kind of data"))
	case r.Reason == "invalid_request" && strings.Contains(r.Message, "Authorization header"):
		e.Kind, e.Hint = source.Auth, hintAuthorize
	case r.Code >= 200 && r.Code < 300: // a success without an answer
		e.Kind, e.Hint = source.Retry, hintCut
	case r.Code == http.StatusNotFound && r.Reason == "", r.Code < 400:
		e.Hint = hintAddress
	}
	return e
}

// ofMinutes is behind the scope of a question after values inside days, which only some applications may ask.
const ofMinutes = " (minute values)"

// withoutToken takes the token out of messages that repeat it, as in "Access token expired: eyJ….… Visit https://…".
func withoutToken(message string) string {
	before, after, found := strings.Cut(message, ": ")
	if !found || !strings.Contains(before, "token") && !strings.Contains(before, "code") {
		return message
	}
	_, rest, _ := strings.Cut(after, " ")
	return strings.TrimSpace(before + ". " + rest)
}

// statusOf is the status of a refusal; 0 for none.
func statusOf(err error) int {
	var e *source.Error
	if !errors.As(err, &e) || e.Kind != source.Bad {
		return 0
	}
	return e.Status
}

// badRequest is a request that cannot be asked.
func badRequest(why string) *source.Error {
	return &source.Error{Kind: source.Bad, Hint: hintReport, Err: errors.New(why)}
}

// whenAgain says when a limit ends: by the service's own header, which is the most reliable, by Retry-After, which has been seen to be
// wrong, or with the clock hour, which is the limit's own.
func whenAgain(h http.Header, now time.Time) time.Time {
	if n, ok := seconds(h.Get(headerReset)); ok {
		return now.Add(n + guard)
	}
	hour := now.Truncate(time.Hour).Add(time.Hour)
	if told := ask.RetryAfter(h, now); told.After(now) && told.Before(hour) {
		return told.Add(guard)
	}
	return hour.Add(guard)
}

// seconds reads a number of seconds of a header, an hour and a bit at most.
func seconds(v string) (time.Duration, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(v))
	return time.Duration(min(n, 2*3600)) * time.Second, err == nil && n >= 0
}

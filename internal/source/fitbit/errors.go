package fitbit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fitbit-fetch/fitbit-fetch/internal/certificate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
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

// A refusal is the body of an answer that is no success: of Fitbit's family ("errors") or of Google's ("error").
type refusal struct {
	html    bool
	reason  string
	message string
}

func parseRefusal(text []byte) refusal {
	if trimmed := strings.TrimSpace(string(text[:min(len(text), 512)])); strings.HasPrefix(trimmed, "<") {
		return refusal{html: true}
	}
	var doc struct {
		Errors []struct {
			Type    string `json:"errorType"`
			Field   string `json:"fieldName"`
			Message string `json:"message"`
		} `json:"errors"`
		Error struct {
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(text, &doc) // what could be read is used; the status decides
	r := refusal{reason: doc.Error.Status, message: doc.Error.Message}
	if len(doc.Errors) > 0 {
		r.reason, r.message = doc.Errors[0].Type, doc.Errors[0].Message
	}
	r.message = clip(withoutToken(r.message), 300)
	if !answer.Identifier([]byte(r.reason)) {
		r.reason = ""
	}
	return r
}

// withoutToken takes the token out of messages that repeat it, as in "Access token expired: eyJ….… Visit https://…".
func withoutToken(message string) string {
	before, after, found := strings.Cut(message, ": ")
	if !found || !strings.Contains(before, "token") && !strings.Contains(before, "code") {
		return message
	}
	_, rest, _ := strings.Cut(after, " ")
	return strings.TrimSpace(before + ". " + rest)
}

func clip(s string, n int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// refuse turns a status and its body into an error. scope is the permission that the question needs.
func refuse(status int, header http.Header, text []byte, scope string, now time.Time) *source.Error {
	r := parseRefusal(text)
	e := &source.Error{Kind: source.Bad, Status: status, Reason: r.reason, Hint: hintReport}
	e.Err = errors.New(cmp.Or(r.message, http.StatusText(status), "no message"))
	if r.html {
		e.Err = answer.ErrHTML
	}
	switch {
	case status == http.StatusUnauthorized:
		e.Kind, e.Hint = source.Auth, hintAuthorize
	case status == http.StatusGone:
		e.Kind, e.Hint = source.Gone, hintGone
	case status == http.StatusTooManyRequests || r.reason == "RESOURCE_EXHAUSTED":
		e.Kind, e.Hint, e.Until = source.Limited, hintLimited, whenAgain(header, now)
	case status >= 500 || status == http.StatusRequestTimeout:
		e.Kind, e.Hint, e.Until = source.Retry, hintServer, retryAfter(header, now)
	case status == http.StatusForbidden && r.html:
		e.Kind, e.Hint = source.Retry, hintHTML
	case status == http.StatusForbidden && r.reason == "insufficient_permissions":
		e.Kind, e.Hint = source.Denied, hintPersonal
	case status == http.StatusForbidden:
		e.Kind, e.Hint = source.Denied, fmt.Sprintf(hintScope, cmp.Or(scope, "of this kind of data"))
	case r.reason == "invalid_request" && strings.Contains(r.message, "Authorization header"):
		e.Kind, e.Hint = source.Auth, hintAuthorize
	case status == http.StatusNotFound && r.reason == "", status < 400:
		e.Hint = hintAddress
	}
	return e
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

// whenAgain says when a limit ends: by the service's own header, which is the most reliable, by Retry-After, or with the clock hour.
func whenAgain(h http.Header, now time.Time) time.Time {
	if n, ok := seconds(h.Get(headerReset)); ok {
		return now.Add(n + guard)
	}
	if at := retryAfter(h, now); at.After(now) {
		return at.Add(guard)
	}
	return now.Truncate(time.Hour).Add(time.Hour + guard)
}

// seconds reads a number of seconds of a header, an hour and a bit at most.
func seconds(v string) (time.Duration, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(v))
	return time.Duration(min(n, 2*3600)) * time.Second, err == nil && n >= 0
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Time {
	v := h.Get("Retry-After")
	if n, ok := seconds(v); ok {
		return now.Add(n)
	}
	at, _ := http.ParseTime(v)
	return at
}

// unsent turns an error of sending into one of ours. Those of the token source come as *source.Error already.
func unsent(err error) *source.Error {
	var ours *source.Error
	if errors.As(err, &ours) {
		same := *ours
		return &same
	}
	return &source.Error{Kind: source.Retry, Hint: networkHint(err), Err: fmt.Errorf("no answer: %w", err)}
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
		same.Status = status
		return &same
	case errors.Is(err, answer.ErrHTML):
		e.Kind, e.Hint = source.Retry, hintHTML
	case errors.Is(err, answer.ErrShape), errors.Is(err, answer.ErrTooLarge), errors.Is(err, answer.ErrValueLarge), errors.Is(err, answer.ErrNotJSON):
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

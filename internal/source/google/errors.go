package google

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/ask"
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
	hintAccount    = "Google says that this account is deleted or suspended. Sign in at https://myaccount.google.com to see what is wrong with it, or authorize with another account."
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
	hintForbidden = "The service does not give this (%s), and does not say what could be done. It is tried again in a day; only this is left out."
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
	reasonDuration   = "INVALID_ROLLUP_QUERY_DURATION"
)

// knownReasons are those the table of the service's errors lists. A variant with a suffix is known with its stem.
var knownReasons = []string{reasonScope, reasonScopeDocs, reasonDisabled, reasonResource, reasonNotLinked, reasonRate, reasonNoToken, reasonCollection, "API_KEY",
	"INVALID_FILTER_FORMAT", "INVALID_DATA_POINT_FILTER", "INVALID_ROLLUP_WINDOW", reasonDuration, "INVALID_TIME_RANGE", "INVALID_DATA_POINT_DATA_SOURCE_FAMILY"}

func knownReason(reason string) bool {
	if projects[reason] != "" || places[reason] != "" || accounts[reason] != "" || slices.Contains(quotas, reason) {
		return true
	}
	for _, k := range knownReasons {
		if reason == k || strings.HasPrefix(reason, k+"_") {
			return true
		}
	}
	return false
}

// refuse turns a refusal into an error. scope is the permission that the question needs.
func refuse(r ask.Refusal, scope string) *source.Error {
	e := r.Error()
	e.Hint = hintReport
	if word := olderReasons[r.Reason]; word != "" {
		r.Reason = word
	}
	switch {
	case r.Reason == reasonNotLinked:
		e.Kind, e.Hint = source.Auth, fmt.Sprintf(hintNotLinked, cmp.Or(r.Meta.Text("redirect_uri"), "https://fitbit.google.com/auth/signup"))
	case r.Code >= 400 && r.Code < 500 && r.Code != http.StatusTooManyRequests && decides(r.Reason): // whatever the status
		forbid(e, r, scope)
	case r.Code == http.StatusUnauthorized:
		e.Kind, e.Hint = source.Auth, hintAuthorize
		if strings.Contains(r.Message, "API key") {
			e.Hint = hintKey
		}
	case r.Code == http.StatusPreconditionFailed || r.Code == http.StatusBadRequest && strings.Contains(r.Message, "Precondition check failed"):
		e.Kind, e.Hint = source.Auth, hintOnboard
	case r.Code == http.StatusGone:
		e.Kind, e.Hint = source.Gone, hintGone
	case r.Code == http.StatusTooManyRequests || slices.Contains(quotas, r.Reason) || slices.Contains(quotas, e.Reason):
		e.Kind, e.Hint = source.Limited, hintLimited
	case r.Code >= 500 || r.Code == http.StatusRequestTimeout || r.Code == http.StatusConflict:
		e.Kind, e.Hint = source.Retry, hintServer
	case r.Code == http.StatusForbidden:
		forbid(e, r, scope)
	case r.Code == http.StatusNotFound && (r.HTML || r.Message == ""):
		e.Hint = hintAddress
	case r.HTML:
		e.Kind, e.Hint = source.Retry, hintHTML
	case r.Reason == reasonDuration && longestDays(r) > 0:
		e.Err = &tooLong{days: longestDays(r), err: e.Err}
	case strings.HasPrefix(r.Reason, reasonCollection), notSupported(r.Message):
		e.Kind, e.Hint = source.Denied, hintFeature
	case r.Code >= 200 && r.Code < 300: // a success without an answer
		e.Kind, e.Hint = source.Retry, hintCut
	case r.Code < 400:
		e.Hint = hintAddress
	}
	return e
}

// decides reports whether a reason names its cure, whatever the status it comes with.
func decides(reason string) bool {
	return projects[reason] != "" || places[reason] != "" || accounts[reason] != "" || strings.HasPrefix(reason, "API_KEY_") ||
		reason == reasonScope || reason == reasonScopeDocs || reason == reasonResource
}

// olderReasons are the words of the older form of Google's errors, with those that they are today.
var olderReasons = map[string]string{
	"rateLimitExceeded": reasonRate, "userRateLimitExceeded": reasonRate, "quotaExceeded": reasonRate, "dailyLimitExceeded": reasonRate,
	"insufficientPermissions": reasonScope, "insufficientScope": reasonScope, "accessNotConfigured": reasonDisabled, "authError": "ACCESS_TOKEN_EXPIRED",
	"keyInvalid": "API_KEY_INVALID",
}

// notSupported reports whether a message says that a type has no such operation, as in "DailyRollup is not supported for data type
// activity-level, but the following actions are supported: …".
func notSupported(message string) bool {
	return strings.Contains(message, "is not supported for data type")
}

// longestDays is how many days the service says that a question may span at most; 0 where it does not.
func longestDays(r ask.Refusal) int {
	n, err := strconv.ParseFloat(r.Meta.Text("maxDurationDays"), 64)
	if err != nil || n < 1 || n > 3660 {
		return 0
	}
	return int(n)
}

// tooLong is a refusal of a question that spans too many days.
type tooLong struct {
	days int // that it may span at most
	err  error
}

func (e *tooLong) Error() string { return e.err.Error() }

// projects are the reasons that only the owner of the Google Cloud project can do something about, with what that is. All of them stop
// everything, whatever is asked for.
var projects = map[string]string{
	reasonDisabled:        hintDisabled,
	"USER_PROJECT_DENIED": "Google does not let this client use its project (USER_PROJECT_DENIED). Check on the Credentials page that client id and secret are of the project in which the Google Health API is enabled.",
	"BILLING_DISABLED":    "Google wants billing to be enabled for your Google Cloud project (BILLING_DISABLED). Do so under Billing in the Google Cloud console, or take a client of another project.",
	"CONSUMER_SUSPENDED":  "Google has suspended your Google Cloud project (CONSUMER_SUSPENDED). The Google Cloud console says why, and how to appeal.",
	"CONSUMER_INVALID":    "Your Google Cloud project has been deleted, or is not valid (CONSUMER_INVALID). Restore it in the Google Cloud console within 30 days, or take a client of another project.",
	"PROJECT_INVALID":     "Your Google Cloud project is not valid (PROJECT_INVALID). Take a client of another project.",
	"GCP_SUSPENDED":       "Google has suspended your Google Cloud project (GCP_SUSPENDED). The Google Cloud console says why, and how to appeal.",
}

// places are the reasons that the account's administrator, or its country, sets.
var places = map[string]string{
	"ORG_RESTRICTION_VIOLATION":    "The organisation that this Google account belongs to does not allow it (ORG_RESTRICTION_VIOLATION). Ask its administrator, or authorize with a private account.",
	"SERVICE_NOT_VISIBLE":          "The organisation that the Google Cloud project belongs to hides the Google Health API (SERVICE_NOT_VISIBLE). Ask its administrator.",
	"LOCATION_POLICY_VIOLATED":     "Google does not give these data at this place (LOCATION_POLICY_VIOLATED). Only this is left out.",
	"LOCATION_ORG_POLICY_VIOLATED": "The organisation's policy does not allow the place at which these data are (LOCATION_ORG_POLICY_VIOLATED). Ask its administrator; only this is left out.",
	"LOCATION_TAX_POLICY_VIOLATED": "Google does not give these data at this place (LOCATION_TAX_POLICY_VIOLATED). Only this is left out.",
	"SECURITY_POLICY_VIOLATED":     "The organisation's policy does not allow this (SECURITY_POLICY_VIOLATED). Ask its administrator; only this is left out.",
}

// accounts are the reasons that lie with the account or its token, which stop everything.
var accounts = map[string]string{
	"ACCESS_TOKEN_EXPIRED":          hintAuthorize,
	"ACCESS_TOKEN_TYPE_UNSUPPORTED": hintAuthorize,
	"ACCOUNT_STATE_INVALID":         hintAccount,
	"USER_BLOCKED_BY_ADMIN":         "The administrator of this Google account does not allow this program (USER_BLOCKED_BY_ADMIN). Ask the administrator, or authorize with a private account.",
}

// quotas are the reasons that pass with time, whatever the status.
var quotas = []string{reasonRate, "RESOURCE_QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED"}

// forbid sorts the meanings of 403. Only a missing scope is cured by ticking a box; and one type that is refused stops no other one.
func forbid(e *source.Error, r ask.Refusal, scope string) {
	switch {
	case r.HTML:
		e.Kind, e.Hint = source.Retry, hintHTML
	case projects[r.Reason] != "" || accounts[r.Reason] != "":
		e.Kind, e.Hint = source.Auth, projects[r.Reason]+accounts[r.Reason]
	case strings.HasPrefix(r.Reason, "API_KEY_"):
		e.Kind, e.Hint = source.Auth, hintKey
	case places[r.Reason] != "":
		e.Kind, e.Hint = source.Denied, places[r.Reason]
	case r.Reason == reasonResource:
		e.Kind, e.Hint = source.Denied, hintGrant
	case r.Reason == reasonScope || r.Reason == reasonScopeDocs || r.Reason == "" && strings.Contains(r.Message, "insufficient authentication scopes"):
		e.Kind, e.Hint = source.Denied, hintScopeOther
		if scope != "" {
			e.Hint = fmt.Sprintf(hintScope, scope)
		}
	case r.Reason == "" && (strings.Contains(r.Message, "does not have permission") || strings.Contains(r.Message, "UberMint")):
		e.Kind, e.Bare, e.Hint = source.Denied, true, hintLegacy
	default:
		e.Kind, e.Bare, e.Hint = source.Denied, r.Reason == "", fmt.Sprintf(hintForbidden, cmp.Or(e.Reason, "403"))
	}
	// Who the person is has to be known: where that is refused, everything is.
	if e.Kind == source.Denied && scope == scopeIdentity {
		e.Kind = source.Auth
	}
}

// scopeIdentity stands for what every authorization allows: whose it is.
const scopeIdentity = "identity"

// unsent sorts what the token source says; nil where it is not from there.
func unsent(err error) *source.Error {
	var token *oauth2.RetrieveError
	if errors.As(err, &token) {
		return tokenError(token, err)
	}
	return nil
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

package simulate

import (
	"encoding/json"
	"net/http"
)

// seeOAuth ends the messages about tokens.
const seeOAuth = " Visit https://dev.fitbit.com/docs/oauth2 for more information on the Fitbit Web API authorization process."

// fitbitError is an error in one of the two forms the service has: its own, and that of Google's front end.
type fitbitError struct {
	code    int
	kind    string // errorType, or status in Google's form
	field   string // empty for none
	message string
	google  bool
	bare    bool // without "success": some old ones lack it
}

func fitbitErr(code int, kind, field, message string) *fitbitError {
	return &fitbitError{code: code, kind: kind, field: field, message: message}
}

func googleErr(code int, status, message string) *fitbitError {
	return &fitbitError{code: code, kind: status, message: message, google: true}
}

// fitbitInvalid is a parameter that the service does not take.
func fitbitInvalid(field, message string) *fitbitError {
	return fitbitErr(http.StatusBadRequest, "validation", field, message)
}

func noSuchEndpoint() *fitbitError {
	return fitbitErr(http.StatusBadRequest, "request", "n/a", "The API you are requesting could not be found.")
}

// fitbitErrorType is the word for a status that a script asks for.
func fitbitErrorType(code int) string {
	switch {
	case code == http.StatusUnauthorized:
		return "invalid_token"
	case code == http.StatusForbidden:
		return "insufficient_permissions"
	case code == http.StatusNotFound:
		return "not_found"
	case code == http.StatusUnprocessableEntity:
		return "validation"
	case code == http.StatusTooManyRequests || code >= http.StatusInternalServerError:
		return "system"
	}
	return "request"
}

// FitbitForbidden is the 403 of Google's front end, which some endpoints gave for months to everybody.
func FitbitForbidden() *Fault {
	return &Fault{Status: http.StatusForbidden, Body: string(googleErr(http.StatusForbidden, "PERMISSION_DENIED", "The caller does not have permission").body())}
}

// body returns the error as the service writes it.
func (e *fitbitError) body() []byte {
	var v any
	if e.google {
		v = struct {
			Error struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
				Status  string `json:"status"`
			} `json:"error"`
		}{struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
			Status  string `json:"status"`
		}{e.code, e.message, e.kind}}
	} else {
		one := obj{"errorType": e.kind, "message": e.message}
		if e.field != "" {
			one["fieldName"] = e.field
		}
		all := obj{"errors": []obj{one}, "success": false}
		if e.bare {
			delete(all, "success")
		}
		v = all
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("simulate: an error that is no JSON: " + err.Error()) // the values are ours
	}
	return b
}

func (f *Fitbit) fail(w http.ResponseWriter, r *http.Request, e *fitbitError) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	f.send(w, r, e.code, e.body())
}

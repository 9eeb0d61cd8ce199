package simulate

import (
	"net/http"
	"sort"
	"strconv"
)

// apiError is an error in the service's own form.
type apiError struct {
	code    int
	status  string
	message string
	reason  string // empty: no details
	domain  string // empty for health.googleapis.com
	meta    map[string]string
	header  map[string]string
}

func badParent(message string) *apiError {
	return invalid("INVALID_PARENT_DATA_TYPE_COLLECTION", message)
}

func invalid(reason, message string) *apiError {
	return &apiError{code: http.StatusBadRequest, status: "INVALID_ARGUMENT", reason: reason, message: message}
}

func denied(message string) *apiError {
	return &apiError{code: http.StatusForbidden, status: "PERMISSION_DENIED", message: message}
}

func notFound() *apiError {
	return &apiError{code: http.StatusNotFound, status: "NOT_FOUND", message: "Requested entity was not found."}
}

func unauthenticated(reason, message, challenge string) *apiError {
	return &apiError{code: http.StatusUnauthorized, status: "UNAUTHENTICATED", reason: reason, domain: "googleapis.com", message: message,
		header: map[string]string{"WWW-Authenticate": challenge}}
}

// body returns the error as the service writes it.
func (e *apiError) body() []byte {
	b := append([]byte(`{"error":{"code":`), strconv.Itoa(e.code)...)
	b = appendString(append(b, `,"message":`...), e.message)
	b = appendString(append(b, `,"status":`...), e.status)
	if e.reason != "" {
		domain := e.domain
		if domain == "" {
			domain = "health.googleapis.com"
		}
		b = append(b, `,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":`...)
		b = appendString(b, e.reason)
		b = appendString(append(b, `,"domain":`...), domain)
		if len(e.meta) > 0 {
			keys := make([]string, 0, len(e.meta))
			for k := range e.meta {
				keys = append(keys, k)
			}
			sort.Strings(keys)
			b = append(b, `,"metadata":{`...)
			for i, k := range keys {
				if i > 0 {
					b = append(b, ',')
				}
				b = append(appendString(b, k), ':')
				b = appendString(b, e.meta[k])
			}
			b = append(b, '}')
		}
		b = append(b, "}]"...)
	}
	return append(b, "}}"...)
}

// scripted is the body of an error that a script asked for.
func scripted(status int) []byte {
	return (&apiError{code: status, status: statusWord(status), message: http.StatusText(status)}).body()
}

func (g *Google) fail(w http.ResponseWriter, r *http.Request, e *apiError) {
	for k, v := range e.header {
		w.Header().Set(k, v)
	}
	g.writeJSON(w, r, e.code, e.body())
}

// htmlNotFound is what the service answers for a path it does not have.
func htmlNotFound(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>Error 404 (Not Found)!!1</title>\n" +
		"  <p><b>404.</b> <ins>That’s an error.</ins>\n  <p>The requested URL was not found on this server. <ins>That’s all we know.</ins>\n"))
}

package simulate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Transport is an http.RoundTripper that hands requests to a handler in the same goroutine, without a network: for tests in a
// synctest bubble. A handler that aborts becomes a connection that broke, in the middle of the body where it had begun one.
type Transport struct {
	Handler http.Handler
	Token   string // the access token that requests carry; empty where they bring their own, or need none
}

// RoundTrip answers one request.
func (t Transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if t.Token != "" {
		in.Header.Set("Authorization", "Bearer "+t.Token)
	}
	if in.Body == nil {
		in.Body = http.NoBody
	} else {
		defer r.Body.Close()
	}
	rec := &recorder{header: http.Header{}}
	broken := serveRecovering(t.Handler, rec, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if broken && rec.code == 0 {
		return nil, fmt.Errorf("simulated connection: %w", io.EOF)
	}
	if rec.code == 0 {
		rec.code = http.StatusOK
	}
	var body io.Reader = bytes.NewReader(rec.body)
	if broken {
		body = io.MultiReader(body, brokenBody{})
	}
	length := int64(len(rec.body))
	if broken {
		length = -1
	}
	return &http.Response{Status: fmt.Sprintf("%d %s", rec.code, http.StatusText(rec.code)), StatusCode: rec.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.header, Body: io.NopCloser(body), ContentLength: length, Request: r}, nil
}

func serveRecovering(h http.Handler, w http.ResponseWriter, r *http.Request) (broken bool) {
	defer func() {
		if x := recover(); x != nil {
			if err, ok := x.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(x)
			}
			broken = true
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

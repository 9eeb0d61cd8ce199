package auth

import (
	"io"
	"net/http"
)

// A Transport adds the bearer to every request to one host, and repeats a request once with a renewed token where the service
// answers 401. A token that was renewed a moment ago is not renewed yet: that 401 is a *source.Error that says when to ask again, since it
// does not tell that the user has to act. A request to any other host (a redirect) goes out without the bearer. Where there is no authorization, RoundTrip
// returns the *source.Error of the TokenSource and sends nothing.
type Transport struct {
	Tokens *TokenSource
	Host   string            // host, with port where the address has one
	Base   http.RoundTripper // sees every attempt
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != t.Host {
		return t.Base.RoundTrip(req)
	}
	token, err := t.Tokens.Token(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := t.Base.RoundTrip(bear(req, token))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || (req.Body != nil && req.GetBody == nil) {
		return resp, err
	}
	renewed, err := t.Tokens.Renew(req.Context(), token)
	if err == nil && renewed == token { // too fresh to be renewed already; whether the authorization is over shows once it may be
		err = t.Tokens.tooFresh()
	}
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	again := bear(req, renewed)
	if req.GetBody != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	return t.Base.RoundTrip(again)
}

// bear returns a copy of req with the bearer: a RoundTripper may not change its request.
func bear(req *http.Request, token string) *http.Request {
	out := req.Clone(req.Context())
	out.Header.Set("Authorization", "Bearer "+token)
	return out
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

// Package supervisor speaks with Home Assistant's Supervisor from inside the app: which MQTT broker there is, who we are, and through
// it with Home Assistant itself (language, time zone, whether MQTT is set up there, notifications).
//
// Everything here may be absent for a while, such as Home Assistant during its restart: callers go on without.
package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// Base is Supervisor's address inside an app.
	Base = "http://supervisor"

	timeout = 10 * time.Second
	most    = 4 << 20 // bytes of an answer; Home Assistant lists its components in one
)

// Config is what a Client needs.
type Config struct {
	Token string       // SUPERVISOR_TOKEN; new at every start of the app
	Base  string       // empty: Base
	HTTP  *http.Client // nil for the default one
}

// A Client asks Supervisor. It may be used by several goroutines. It prints without its token.
type Client struct {
	base, token string
	http        *http.Client
}

// New returns a client; nothing is asked yet.
func New(cfg Config) *Client {
	c := &Client{base: strings.TrimRight(cfg.Base, "/"), token: cfg.Token, http: cfg.HTTP}
	if c.base == "" {
		c.base = Base
	}
	if c.http == nil {
		c.http = http.DefaultClient
	}
	return c
}

// FromEnv returns the client of this process; nil outside of an app.
func FromEnv(env func(string) string) *Client {
	token := env("SUPERVISOR_TOKEN")
	if token == "" {
		return nil
	}
	return New(Config{Token: token})
}

// String implements fmt.Stringer without the token.
func (c *Client) String() string { return "supervisor at " + c.base }

// GoString implements fmt.GoStringer without the token.
func (c *Client) GoString() string { return c.String() }

// An Error is an answer that is not the one that was wanted.
type Error struct {
	Status  int    // HTTP; 0 where there was no answer
	Message string // Supervisor's own words, shortened
	Hint    string // what the user can do; empty where time mends it
	Err     error  // where there was no answer
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("status %d: %s", e.Status, e.Message)
}

func (e *Error) Unwrap() error { return e.Err }

// envelope is how Supervisor answers for itself; Home Assistant's own answers, which it passes on, have none.
type envelope struct {
	Result  string          `json:"result"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

// ask sends one request and returns the body. Errors are *Error, or ctx's.
func (c *Client) ask(ctx context.Context, method, path string, body any) ([]byte, error) {
	ask, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, &Error{Err: fmt.Errorf("writing the request: %w", err)}
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ask, method, c.base+path, reader)
	if err != nil {
		return nil, &Error{Err: err}
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.noAnswer(ctx, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	switch {
	case err != nil:
		return nil, c.noAnswer(ctx, err)
	case len(data) > most:
		return nil, &Error{Status: res.StatusCode, Message: "the answer is too large"}
	case res.StatusCode/100 != 2:
		return nil, failed(res.StatusCode, data)
	}
	return data, nil
}

func (c *Client) noAnswer(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &Error{Err: err}
}

// failed keeps what Supervisor says of a request that failed.
func failed(status int, body []byte) *Error {
	var e envelope
	message := http.StatusText(status)
	if json.Unmarshal(body, &e) == nil && e.Message != "" {
		message = e.Message
	}
	if r := []rune(strings.Join(strings.Fields(message), " ")); len(r) > 200 {
		message = string(r[:200]) + "…"
	}
	out := &Error{Status: status, Message: message}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		out.Hint = "Supervisor does not admit this app to that: restart the app, and if it stays, install it again, so that its rights are those of its version."
	}
	return out
}

// data asks for what Supervisor answers itself, and decodes it into out.
func (c *Client) data(ctx context.Context, path string, out any) error {
	body, err := c.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return &Error{Err: fmt.Errorf("the answer cannot be read: %w", err)}
	}
	if e.Result != "ok" {
		return failed(http.StatusOK, body)
	}
	if err := json.Unmarshal(e.Data, out); err != nil {
		return &Error{Err: fmt.Errorf("the answer cannot be read: %w", err)}
	}
	return nil
}

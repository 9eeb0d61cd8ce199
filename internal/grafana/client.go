package grafana

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/certificate"
)

const (
	timeout = 30 * time.Second
	most    = 16 << 20 // bytes of an answer: a dashboard
)

type client struct {
	cfg  Config
	base string
	http *http.Client
}

func newClient(cfg Config) *client {
	c := &client{cfg: cfg, base: strings.TrimRight(cfg.URL, "/"), http: cfg.HTTP}
	if c.http == nil {
		c.http = http.DefaultClient
	}
	return c
}

// link is the address of what Grafana says lies at a path. Below a path of its own it says that, too.
func (c *client) link(path string) string {
	if u, err := url.Parse(c.base); err == nil && u.Path != "" {
		path = strings.TrimPrefix(path, u.Path)
	}
	return c.base + path
}

// call sends in, reads the answer into out where that is not nil, and returns the status. A status from 400 on is an *Error.
func (c *client) call(ctx context.Context, method, path string, in, out any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return 0, &Error{Class: Address, Err: fmt.Errorf("the address of Grafana: %w", err), Hint: "Correct the address."}
	}
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	} else {
		req.SetBasicAuth(c.cfg.User, c.cfg.Password)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Disable-Provenance", "true") // the rule stays the user's to change
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		if text, hint, ok := certificate.Explain(err, certificate.Peer{Name: "Grafana at " + req.URL.Host, Plain: "an address that begins with http://"}); ok {
			return 0, &Error{Class: Silent, Err: fmt.Errorf("%s: %w", text, err), Hint: hint}
		}
		return 0, &Error{Class: Silent, Err: fmt.Errorf("reaching Grafana at %s: %w", req.URL.Host, err), Hint: "Is Grafana running, and is that its address? In Home Assistant it is " + HomeAssistant + "."}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return resp.StatusCode, &Error{Class: Silent, Status: resp.StatusCode, Err: fmt.Errorf("reading Grafana's answer: %w", err), Hint: "Try again."}
	}
	if resp.StatusCode >= 400 {
		return resp.StatusCode, refusal(method, path, resp.StatusCode, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			return resp.StatusCode, &Error{Class: Other, Status: resp.StatusCode, Err: fmt.Errorf("the answer of Grafana to %s %s cannot be read: %w", method, path, err), Hint: otherHint}
		}
	}
	return resp.StatusCode, nil
}

const otherHint = "Is that the address of a Grafana, and of no page before it?"

// refusal makes an error of Grafana's words and what can be done about them.
func refusal(method, path string, status int, text []byte) error {
	var said struct{ Message string }
	if json.Unmarshal(text, &said) != nil || said.Message == "" {
		said.Message = http.StatusText(status)
	}
	e := &Error{Class: Other, Status: status, Err: fmt.Errorf("at Grafana, %s %s: HTTP %d %s", method, path, status, said.Message)}
	switch status {
	case http.StatusUnauthorized:
		e.Class, e.Hint = Login, "The user, the password or the token is wrong."
	case http.StatusForbidden:
		e.Class, e.Hint = Rights, "This account may not do that: take one with the role Admin."
	case http.StatusConflict, http.StatusPreconditionFailed:
		e.Class, e.Hint = Taken, "Something of that name is there already and is not ours: rename or remove it, then try again."
	case http.StatusNotFound:
		e.Hint = otherHint
	}
	if status >= 500 {
		e.Hint = "Grafana, or a proxy before it, is in trouble of its own: its log says more. Try again later."
	}
	return e
}

// missing reports whether err says that a thing is not there.
func missing(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// oldest is the first version that takes our dashboards as they are.
const oldest = 11

// health returns Grafana's version, and shows that it is new enough and that we are let in.
func (c *client) health(ctx context.Context) (string, error) {
	var h struct{ Version string }
	if _, err := c.call(ctx, http.MethodGet, "/api/health", nil, &h); err != nil {
		return "", err
	}
	if h.Version == "" {
		return "", &Error{Class: Other, Err: errors.New("what answers tells no version of Grafana"), Hint: otherHint}
	}
	first, _, _ := strings.Cut(h.Version, ".")
	if major, err := strconv.Atoi(first); err == nil && major < oldest {
		return h.Version, &Error{Class: Old, Err: fmt.Errorf("it is Grafana %s, and the dashboards need %d or newer", h.Version, oldest), Hint: "Update Grafana, then try again. Nothing was changed in it."}
	}
	var org struct{ Name string }
	_, err := c.call(ctx, http.MethodGet, "/api/org", nil, &org)
	return h.Version, err
}

// folder makes the dashboards' folder.
func (c *client) folder(ctx context.Context) (Item, error) {
	item := Item{Kind: "folder", Name: folderTitle, Fate: Same}
	_, err := c.call(ctx, http.MethodGet, "/api/folders/"+folderUID, nil, nil)
	if missing(err) {
		item.Fate = Created
		_, err = c.call(ctx, http.MethodPost, "/api/folders", map[string]string{"uid": folderUID, "title": folderTitle}, nil)
	}
	return item, err
}

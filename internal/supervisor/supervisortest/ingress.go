package supervisortest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// session is a browser that may see the pages of apps.
type session struct {
	user  *user // nil where Core did not say who
	until time.Time
}

// sessionLife is how long a session lasts after each use.
const sessionLife = 15 * time.Minute

// pageClient asks the app from Supervisor's address, wherever that is one of this machine's: the app looks at it.
func pageClient() *http.Client {
	d := &net.Dialer{}
	if own := net.ParseIP(Address); hasAddress(own) {
		d.LocalAddr = &net.TCPAddr{IP: own}
	}
	return &http.Client{
		Transport:     &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}, // the app comes and goes
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func hasAddress(own net.IP) bool {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(own) {
			return true
		}
	}
	return false
}

// ingressAPI is what Core asks about pages and sessions.
func (s *Supervisor) ingressAPI(w http.ResponseWriter, r *http.Request, path string, who caller) {
	switch {
	case path == "/ingress/panels":
		s.get(w, r, func() any { return s.panels() })
		return
	case r.Method != http.MethodPost:
		plain(w, http.StatusMethodNotAllowed)
		return
	case who != core:
		plain(w, http.StatusUnauthorized)
		return
	}
	text, good := body(w, r)
	if !good {
		return
	}
	var in struct {
		User    string `json:"user_id"`
		Session string
	}
	if len(text) > 0 && json.Unmarshal(text, &in) != nil {
		refuse(w, http.StatusBadRequest, "Invalid json")
		return
	}
	if path == "/ingress/session" {
		made := &session{until: time.Now().Add(sessionLife)}
		if u, ok := s.core.user(r.Context(), in.User); ok {
			made.user = &u
		}
		key := secret()
		s.mu.Lock()
		s.sessions[key] = made
		s.mu.Unlock()
		ok(w, object{"session": key})
		return
	}
	if _, valid := s.session(in.Session); !valid {
		plain(w, http.StatusUnauthorized)
		return
	}
	ok(w, nil)
}

// session returns a session that is still valid, and lengthens it.
func (s *Supervisor) session(key string) (*session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.sessions[key]
	if known == nil || known.until.Before(time.Now()) {
		return nil, false
	}
	known.until = known.until.Add(sessionLife)
	return known, true
}

// dropped are the headers that do not reach the app: what describes the connection, Supervisor's tokens, and who the user is, which
// Supervisor says itself.
var dropped = []string{
	"Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Upgrade", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol",
	"Sec-Websocket-Version", "Sec-Websocket-Key", "X-Supervisor-Token", "X-Hassio-Key", "X-Remote-User-Id", "X-Remote-User-Name",
	"X-Remote-User-Display-Name", "Accept-Encoding",
}

// ingress hands a request to the app's page: /ingress/<token>/<path>. An app without ingress_stream gets its bodies whole, with their
// length; with it those of POST come as they arrive, without.
func (s *Supervisor) ingress(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie("ingress_session")
	if err != nil {
		plain(w, http.StatusUnauthorized)
		return
	}
	visit, valid := s.session(cookie.Value)
	if !valid {
		plain(w, http.StatusUnauthorized)
		return
	}
	a := s.cfg.App
	token, path, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/ingress/"), "/")
	if token != a.Ingress || !a.config.Ingress {
		plain(w, http.StatusServiceUnavailable)
		return
	}
	var sent io.Reader = r.Body
	if r.Method != http.MethodPost || !a.config.IngressStream {
		whole, good := body(w, r)
		if !good {
			return
		}
		sent = nil
		if len(whole) > 0 {
			sent = bytes.NewReader(whole)
		}
	}
	to := url.URL{Scheme: "http", Host: netip.AddrPortFrom(a.Address, uint16(a.config.IngressPort)).String()}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, to.String()+"/"+path, sent)
	if err != nil {
		plain(w, http.StatusBadRequest)
		return
	}
	req.URL.RawQuery = r.URL.RawQuery
	req.Host = r.Host
	req.Header = r.Header.Clone()
	for _, name := range dropped {
		req.Header.Del(name)
	}
	if u := visit.user; u != nil {
		req.Header.Set("X-Remote-User-Id", u.ID)
		setIf(req.Header, "X-Remote-User-Name", u.Username)
		setIf(req.Header, "X-Remote-User-Display-Name", u.Name)
	}
	from, _, _ := net.SplitHostPort(r.RemoteAddr)
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("%s, %s", r.Header.Get("X-Forwarded-For"), from))
	resp, err := s.page.Do(req)
	if err != nil {
		plain(w, http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	respond(w, resp)
}

func setIf(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// respond gives the app's answer to Core: without a length where that is not known, and then as it arrives.
func respond(w http.ResponseWriter, resp *http.Response) {
	for name, values := range resp.Header {
		switch name {
		case "Transfer-Encoding", "Content-Length", "Content-Type", "Content-Encoding", "Connection":
			continue
		}
		w.Header()[name] = values
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";") // its parameters are lost on the way
	w.Header().Set("Content-Type", strings.TrimSpace(kind))
	const simple = 4_194_000
	if resp.ContentLength < 0 || resp.ContentLength >= simple {
		w.Header().Set("X-Accel-Buffering", "no")
	}
	w.WriteHeader(resp.StatusCode)
	flusher, _ := w.(http.Flusher)
	buffer := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return
			}
			if flusher != nil {
				flusher.Flush()
			}
		}
		if err != nil {
			return
		}
	}
}

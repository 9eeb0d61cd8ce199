package influx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

const userAgent = "fitbit-fetch"

// maxAnswer bounds what is read of an answer; the first of its complaints is enough to act on.
const maxAnswer = 64 << 10

// kind is what an answer to a write means.
type kind uint8

const (
	stored     kind = iota
	keep            // nothing may be taken for granted
	conflict        // points that hold one field with another type than the database has were dropped, the rest is stored
	beyond          // points older than the retention policy were dropped, the rest is stored
	unreadable      // some points cannot be taken for another reason
	tooLarge
	noDatabase
)

// verdict is an answer understood.
type verdict struct {
	kind        kind
	err         *sink.Error // for keep
	reason      string      // the database's own words, without values
	field       string      // conflict
	measurement string
	have, sent  string // conflict: types
	dropped     int    // points dropped, 0 where not said
}

// post sends one body of lines.
func (s *Sink) post(ctx context.Context, body []byte) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	address := *s.base
	address.Path += s.dialect.writePath
	address.RawQuery = s.dialect.query(s.cfg).Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), bytes.NewReader(body))
	if err != nil {
		return verdict{}, fmt.Errorf("writing to InfluxDB: %w", err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", userAgent)
	req.Header["Idempotency-Key"] = nil // not sent: lets net/http repeat it when an idle connection turns out dead
	s.dialect.authorize(s.cfg, req)
	resp, err := s.http.Do(req)
	if err != nil {
		return verdict{}, s.unreachable(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil && resp.StatusCode/100 == 2 {
		return verdict{}, s.unreachable(err)
	}
	return s.judge(resp.StatusCode, resp.Header, text), nil
}

var (
	conflictText = regexp.MustCompile(`field type conflict: input field "(.*)" on measurement "(.*)" is type (\w+), already exists as type (\w+)`)
	droppedText  = regexp.MustCompile(`dropped=(\d+)`)
)

// judge reads what an answer to a write means.
func (s *Sink) judge(status int, header http.Header, body []byte) verdict {
	text := message(header, body)
	v := verdict{reason: withoutLines(text)}
	if m := droppedText.FindStringSubmatch(text); m != nil {
		v.dropped, _ = strconv.Atoi(m[1])
	}
	partial := (status == http.StatusBadRequest || status == http.StatusUnprocessableEntity) && text != ""
	switch {
	case status == http.StatusNoContent:
		v.kind = stored
	case partial && strings.Contains(text, "field type conflict"):
		v.kind = unreadable
		if m := conflictText.FindStringSubmatch(text); m != nil {
			v.kind, v.field, v.measurement, v.sent, v.have = conflict, m[1], m[2], m[3], m[4]
		}
	case partial && strings.Contains(text, "points beyond retention policy"):
		v.kind = beyond
	case partial && (strings.Contains(text, "partial write") || strings.Contains(text, "unable to parse")):
		v.kind = unreadable
	case status == http.StatusRequestEntityTooLarge:
		v.kind = tooLarge
	case status == http.StatusNotFound && strings.Contains(text, "database not found"):
		v.kind = noDatabase
	default:
		v.kind = keep
	}
	v.err = &sink.Error{Status: status, Hint: s.hint(status, header, text), Err: errors.New(orElse(v.reason, http.StatusText(status)))}
	return v
}

// hint says what the user can do about an answer that keeps the batch.
func (s *Sink) hint(status int, header http.Header, text string) string {
	switch {
	case status == http.StatusUnauthorized:
		return "InfluxDB does not know this user name and password. Check both in the settings; a password with special characters may need quotes."
	case status == http.StatusForbidden:
		return fmt.Sprintf("The InfluxDB user %q may not write to database %q. As an administrator: GRANT ALL ON %s TO %s.", s.cfg.Username, s.cfg.Database, quoteName(s.cfg.Database), quoteName(s.cfg.Username))
	case status == http.StatusNotFound && strings.Contains(text, "retention policy not found"), strings.Contains(text, "retention policy not found"):
		return fmt.Sprintf("Database %q has no retention policy %q. Correct its name in the settings, or leave it empty for the default.", s.cfg.Database, s.cfg.RetentionPolicy)
	case status == http.StatusNotFound && strings.Contains(text, "database not found"):
		return fmt.Sprintf("Database %q does not exist and could not be created. As an administrator: CREATE DATABASE %s.", s.cfg.Database, quoteName(s.cfg.Database))
	case status == http.StatusRequestEntityTooLarge:
		return "Even one point is too large for what stands between here and InfluxDB. Raise the body size limit of the proxy."
	case status/100 == 3:
		return fmt.Sprintf("The address leads elsewhere (%s). Put the address InfluxDB itself answers at into the settings.", redact(header.Get("Location")))
	case header.Get("X-Influxdb-Version") == "" && status/100 != 5:
		return fmt.Sprintf("What answers at %s is not InfluxDB 1. Check address and port (InfluxDB's own is 8086) and what stands between.", s.cfg.URL)
	case status/100 == 5:
		return "InfluxDB, or a proxy before it, reports trouble of its own. Its log says more; delivery goes on by itself."
	}
	return "InfluxDB refused the request. Its log says more; delivery is tried again."
}

// unreachable makes the error for a request without an answer.
func (s *Sink) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the address is said below, and the query is nobody's business
	}
	hint := fmt.Sprintf("Nothing answers as InfluxDB at %s. Is it running, and is the address right as seen from here? Delivery goes on by itself when it is back.", s.cfg.URL)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		hint = fmt.Sprintf("The host name in %s is not known here. Check the address in the settings.", s.cfg.URL)
	case strings.Contains(err.Error(), "certificate"):
		hint = fmt.Sprintf("The certificate of %s is not trusted. Give the authority's certificate in the settings, or switch the check off if the network is your own.", s.cfg.URL)
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		hint = "The server speaks plain HTTP: the address must begin with http://."
	}
	return &sink.Error{Hint: hint, Err: fmt.Errorf("InfluxDB at %s: %w", s.cfg.URL, err)}
}

// message returns the error text of an answer: the JSON member error, else the header, else nothing: a page of HTML says
// nothing that helps.
func message(header http.Header, body []byte) string {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &said) == nil && said.Error != "" {
		return said.Error
	}
	return header.Get("X-Influxdb-Error")
}

// withoutLines takes the quoted lines out of a complaint: they hold values, which must not reach logs.
func withoutLines(text string) string {
	const mark = "unable to parse '"
	if i := strings.Index(text, mark); i >= 0 {
		rest := text[i+len(mark):]
		if j := strings.LastIndex(rest, "': "); j >= 0 {
			rest = rest[j+3:]
		} else {
			rest = "invalid line"
		}
		text = text[:i] + "unable to parse: " + rest
	}
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

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
	"slices"
	"strconv"
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/internal/certificate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/sink"
)

const userAgent = "fitbit-fetch"

// maxAnswer bounds what is read of an answer: enough for a hundred lines that were refused.
const maxAnswer = 1 << 20

// kind is what an answer to a write means.
type kind uint8

const (
	stored     kind = iota
	keep            // nothing may be taken for granted
	conflict        // points that hold one field with another type than the database has were dropped, the rest is stored
	beyond          // points older than the retention policy were dropped, the rest is stored
	unreadable      // some points cannot be taken for another reason
	named           // some points cannot be taken, and it is said which; the rest is stored
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
	lines       []namedLine
}

// post sends one body of lines.
func (s *Sink) post(ctx context.Context, body []byte) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	address := *s.base
	s.dialect.write(s.cfg, &address)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), bytes.NewReader(body))
	if err != nil {
		return verdict{}, fmt.Errorf("writing to %s: %w", s.dialect.title, err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", userAgent)
	req.Header["Idempotency-Key"] = nil // not sent: lets net/http repeat it when an idle connection turns out dead
	s.dialect.login(s.cfg, req)
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

// postNothing sends an empty body: it stores nothing, but is judged as any other, by user, password, right and database.
func (s *Sink) postNothing(ctx context.Context) (verdict, error) {
	return s.post(ctx, s.encode(nil).body.Bytes())
}

// judge reads what an answer to a write means.
func (s *Sink) judge(status int, header http.Header, body []byte) verdict {
	text, lines := message(header, body)
	v := verdict{reason: withoutLines(text), lines: lines}
	if m := droppedText.FindStringSubmatch(text); m != nil {
		v.dropped, _ = strconv.Atoi(m[1])
	}
	// The first versions of InfluxDB 2 call it an error of their own that they dropped points.
	dropped := status == http.StatusInternalServerError && s.cfg.Version == V2 && strings.Contains(text, "partial write: ") && v.dropped > 0
	partial := (slices.Contains(s.dialect.partial, status) || dropped) && text != ""
	switch {
	case status == http.StatusNoContent:
		v.kind = stored
	case partial && len(lines) > 0:
		v.kind = named
	case partial && strings.Contains(text, "field type conflict"):
		v.kind = unreadable
		if m := conflictText.FindStringSubmatch(text); m != nil {
			v.kind, v.field, v.measurement, v.sent, v.have = conflict, m[1], m[2], m[3], m[4]
		}
	case partial && contains(text, "points beyond retention policy", "points outside retention policy"):
		v.kind = beyond
		v.reason = "partial write: points beyond retention policy" // newer ones name the points, and so never say the same twice
	case partial && contains(text, "partial write", "unable to parse", "parsing failed"):
		v.kind = unreadable
	case status == http.StatusRequestEntityTooLarge:
		v.kind = tooLarge
	case status == http.StatusNotFound && missingText.MatchString(text):
		v.kind = noDatabase
	default:
		v.kind = keep
	}
	v.err = &sink.Error{Status: status, Hint: s.hint(status, header, text), Err: errors.New(orElse(v.reason, http.StatusText(status)))}
	return v
}

// missingText is how a database says that it is not there; a retention policy or an organisation that is not is another matter.
var missingText = regexp.MustCompile(`database not found|^bucket .* not found`)

// hint says what the user can do about an answer that keeps the batch.
func (s *Sink) hint(status int, header http.Header, text string) string {
	words := s.dialect.words
	major := majorOf(header)
	switch {
	case s.dialect.read.find != nil && major != "" && major != string(s.cfg.Version) && status/100 != 5:
		return fmt.Sprintf("What answers at %s is InfluxDB %s. Set the version to %s, with what it needs.", s.cfg.URL, major, major)
	case status == http.StatusUnauthorized:
		return words.unauthorized
	case status == http.StatusForbidden:
		return words.forbidden(s.cfg)
	case strings.Contains(text, "retention policy not found"):
		return fmt.Sprintf("Database %q has no retention policy %q. Correct its name in the settings, or leave it empty for the default.", s.cfg.Database, s.cfg.RetentionPolicy)
	case strings.Contains(text, "organization name"):
		return fmt.Sprintf("There is no organisation %q, or it is hidden from this token. Correct its name in the settings; InfluxDB shows it under Organization → About.", s.cfg.Org)
	case status == http.StatusNotFound && words.absent != nil && missingText.MatchString(text):
		return words.absent(s.cfg)
	case status == http.StatusRequestEntityTooLarge:
		return fmt.Sprintf("Even one point is too large for what stands between here and %s. Raise the body size limit of the proxy.", s.dialect.title)
	case status/100 == 3:
		return fmt.Sprintf("The address leads elsewhere (%s). Put the address %s itself answers at into the settings.", redact(header.Get("Location")), s.dialect.title)
	case !s.dialect.own(header) && status/100 != 5:
		return fmt.Sprintf("What answers at %s is not %s. Check address and port (its own is %s) and what stands between.", s.cfg.URL, s.dialect.title, words.port)
	case status/100 == 5:
		return fmt.Sprintf("%s, or a proxy before it, reports trouble of its own. Its log says more; delivery goes on by itself.", s.dialect.title)
	}
	return fmt.Sprintf("%s refused the request. Its log says more; delivery is tried again.", s.dialect.title)
}

// unreachable makes the error for a request without an answer.
func (s *Sink) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // the address is said below, and the query is nobody's business
	}
	hint := fmt.Sprintf("Nothing answers as %s at %s. Is it running, and is the address right as seen from here? Delivery goes on by itself when it is back.", s.dialect.title, s.cfg.URL)
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		hint = fmt.Sprintf("The host name in %s is not known here. Check the address in the settings.", s.cfg.URL)
	}
	peer := certificate.Peer{Name: s.dialect.title + " at " + s.cfg.URL, CA: "the database's tls_ca", Insecure: "its tls_insecure", Plain: "an address that begins with http://"}
	if text, hint, ok := certificate.Explain(err, peer); ok {
		return &sink.Error{Hint: hint, Err: fmt.Errorf("%s: %w", text, err)}
	}
	return &sink.Error{Hint: hint, Err: fmt.Errorf("%s at %s: %w", s.dialect.title, s.cfg.URL, err)}
}

// message returns the error text of an answer and the lines that it names: from its JSON, else the header, else nothing: a page
// of HTML says nothing that helps.
func message(header http.Header, body []byte) (text string, lines []namedLine) {
	var said struct {
		Error   string          `json:"error"`   // 1 and 3
		Message string          `json:"message"` // 2
		Data    json.RawMessage `json:"data"`    // 3
	}
	if json.Unmarshal(body, &said) != nil || said.Error+said.Message == "" {
		return header.Get("X-Influxdb-Error"), nil
	}
	if json.Unmarshal(said.Data, &lines) != nil {
		lines = nil // one complaint about the whole
	}
	return orElse(said.Error, said.Message), lines
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

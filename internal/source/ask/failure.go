package ask

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/fitbit-fetch/fitbit-fetch/internal/certificate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/redact"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// A Refusal is an answer that is no success, in the form of Google's services ("error", or a list of such) or of Fitbit's ("errors").
type Refusal struct {
	Code    int // HTTP status
	Header  http.Header
	HTML    bool      // a web page came
	Message string    // clipped, without secrets
	Status  string    // Google's general word, e.g. PERMISSION_DENIED
	Reason  string    // the service's own word, e.g. ACCESS_TOKEN_SCOPE_INSUFFICIENT; Fitbit's errorType
	Meta    Meta      // what belongs to Reason
	Until   time.Time // Retry-After; zero for not said
	Now     time.Time
}

// Meta are the metadata of a reason.
type Meta map[string]any

// Text returns one of them as a text, whatever it was written as; empty for not there.
func (m Meta) Text(name string) string {
	switch v := m[name].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// ParseRefusal reads a refusal. What could be read is used; the status decides.
func ParseRefusal(status int, header http.Header, text []byte, now time.Time) Refusal {
	r := Refusal{Code: status, Header: header, Now: now, Until: RetryAfter(header, now)}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF")))
	if bytes.HasPrefix(text, []byte("<")) {
		r.HTML = true
		return r
	}
	type one struct {
		Error struct {
			Message string
			Status  string
			Details details
			Errors  []struct{ Reason string } // the older form
		}
		Errors []struct {
			Type    string `json:"errorType"`
			Message string
		}
	}
	list := make([]one, 1)
	if bytes.HasPrefix(text, []byte("[")) {
		_ = json.Unmarshal(text, &list)
	} else {
		_ = json.Unmarshal(text, &list[0])
	}
	for _, doc := range list {
		r.Message, r.Status = cmp.Or(r.Message, doc.Error.Message), cmp.Or(r.Status, doc.Error.Status)
		for _, d := range doc.Error.Details {
			if r.Reason == "" && d.Reason != "" {
				r.Reason, r.Meta = d.Reason, d.Metadata
			}
		}
		for _, older := range doc.Error.Errors {
			r.Reason = cmp.Or(r.Reason, older.Reason)
		}
		if len(doc.Errors) > 0 {
			r.Reason, r.Message = doc.Errors[0].Type, doc.Errors[0].Message
		}
	}
	if !answer.Identifier([]byte(r.Reason)) {
		r.Reason = ""
	}
	r.Message = clip(redact.Text(r.Message), 300)
	return r
}

// details are those of a refusal; a single one may stand for itself.
type details []struct {
	Reason   string
	Metadata Meta
}

// UnmarshalJSON reads what can be read.
func (d *details) UnmarshalJSON(text []byte) error {
	type list details
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	_ = json.Unmarshal(text, (*list)(d))
	return nil
}

// Error makes an error of a refusal, whose kind and hint are the service's to say.
func (r Refusal) Error() *source.Error {
	e := &source.Error{Kind: source.Bad, Status: r.Code, Reason: cmp.Or(r.Reason, r.Status), Until: r.Until}
	e.Err = errors.New(cmp.Or(r.Message, http.StatusText(r.Code), "no message"))
	if r.HTML {
		e.Err = answer.ErrHTML
	}
	return e
}

func clip(s string, n int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// longest is how far ahead a Retry-After is believed.
const longest = 24 * time.Hour

// RetryAfter reads the header of that name: seconds or a date. It is zero where there is none.
func RetryAfter(h http.Header, now time.Time) time.Time {
	v := strings.TrimSpace(h.Get("Retry-After"))
	at := time.Time{}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
		at = now.Add(time.Duration(min(n, int64(longest/time.Second))) * time.Second)
	} else if date, err := http.ParseTime(v); err == nil {
		at = date
	}
	if at.After(now.Add(longest)) {
		return now.Add(longest)
	}
	return at
}

// unsent turns an error of sending into one of ours: no answer came.
func (e *Engine) unsent(err error) *source.Error {
	var ours *source.Error
	if errors.As(err, &ours) {
		same := *ours
		return &same
	}
	if e.cfg.Unsent != nil {
		if known := e.cfg.Unsent(err); known != nil {
			return known
		}
	}
	return &source.Error{Kind: source.Retry, Hint: e.networkHint(err), Err: fmt.Errorf("no answer: %w", err)}
}

// networkHint is what to do where no answer came: mostly the network is away, but a certificate that is not accepted comes first.
func (e *Engine) networkHint(err error) string {
	if text, hint, ok := certificate.Explain(err, certificate.Peer{Name: "the service"}); ok {
		return strings.ToUpper(text[:1]) + text[1:] + ". " + hint
	}
	return e.cfg.Hints.Network
}

// passing is how many broken answers in a row of one feed are faults on their way. The next one is the service's own.
const passing = 2

// unread turns an error of reading an answer into one of ours. A text that is broken is a fault on its way at first, so that it is asked
// again within a minute, and the service's own where it comes again and again.
func (e *Engine) unread(feed string, status int, err error) *source.Error {
	out := &source.Error{Kind: source.Bad, Status: status, Hint: e.cfg.Hints.Report, Err: err}
	var ours *source.Error
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &ours):
		same := *ours
		same.Status = status
		return &same
	case errors.Is(err, answer.ErrHTML):
		out.Kind, out.Hint = source.Retry, e.cfg.Hints.HTML
		return out
	case errors.Is(err, answer.ErrShape), errors.Is(err, answer.ErrTooLarge), errors.Is(err, answer.ErrValueLarge):
		return out
	case errors.Is(err, answer.ErrNotJSON):
	case errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF):
		// The text around the fault may hold values: only its place is told.
		out.Err = fmt.Errorf("%w: fault at byte %d, in %s", answer.ErrNotJSON, syntax.ByteOffset, cmp.Or(string(syntax.JSONPointer), "the outermost value"))
	default:
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || syntax == nil {
			out.Kind, out.Hint = source.Retry, e.cfg.Hints.Cut
			return out
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broken[feed]++; e.broken[feed] <= passing {
		out.Kind, out.Hint = source.Retry, e.cfg.Hints.Cut
	}
	return out
}

// readable forgets the answers of a feed that could not be read.
func (e *Engine) readable(feed string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.broken, feed)
}

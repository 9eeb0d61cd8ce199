package ask

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// trip is a service: it gets the request's number.
type trip func(n int, r *http.Request) (*http.Response, error)

// engine is one whose service is as told; change may be nil.
func engine(t *testing.T, serve trip, change func(*Config)) *Engine {
	t.Helper()
	n := 0
	cfg := Config{
		HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { n++; return serve(n, r) })},
		Base: "https://service.example", Timeout: time.Minute, Now: time.Now, Surprises: &answer.Surprises{},
		Hints: Hints{Server: "server", Network: "network", HTML: "html", Address: "address", Report: "report", Cut: "cut"},
		Tries: 2, First: time.Second,
		Refuse: func(r Refusal, scope string) *source.Error {
			e := r.Error()
			e.Hint = scope
			if r.Code >= 500 {
				e.Kind = source.Retry
			}
			return e
		},
		Known: func(reason string) bool { return reason == "KNOWN" },
	}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func says(status int, text string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(text))}
}

// object reads an answer that is an object.
func object(b *answer.Body) error {
	dec, err := b.JSON("{")
	if err != nil {
		return err
	}
	if err := dec.SkipValue(); err != nil {
		return err
	}
	return b.End()
}

func failure(err error) source.Error {
	var e *source.Error
	if !errors.As(err, &e) {
		return source.Error{Err: err}
	}
	return *e
}

// An answer that cannot be read is a passing fault, and the service's own where the same feed's comes so again and again; one that can be
// read begins anew, and other feeds are not touched. What never is the service's shape stays passing.
func TestUnreadable(t *testing.T) {
	for name, text := range map[string]string{"junk": "proxy says no", "fault inside": `{"a":[1,2}]`, "more behind": `{"a":1}{"b":2}`, "another value": `[1]`, "a text": `"no"`} {
		t.Run(name, func(t *testing.T) {
			broken := map[string]bool{"a": true, "b": true}
			e := engine(t, func(_ int, r *http.Request) (*http.Response, error) {
				if broken[r.URL.Path[1:]] {
					return says(200, text), nil
				}
				return says(200, "{}"), nil
			}, nil)
			ask := func(feed string) string {
				n, err := e.Ask(context.Background(), Question{Feed: feed, Path: "/" + feed}, object)
				if n != 1 {
					t.Errorf("%d requests: half an answer may have been taken", n)
				}
				if err == nil {
					return "read"
				}
				f := failure(err)
				if f.Hint == "" || f.Status != 200 || strings.Contains(err.Error(), "proxy") {
					t.Errorf("%v, hint %q", err, f.Hint)
				}
				return f.Kind.String()
			}
			var got []string
			for _, feed := range []string{"a", "a", "b", "a", "a"} {
				got = append(got, ask(feed))
			}
			broken["a"] = false
			got = append(got, ask("a"))
			broken["a"] = true
			got = append(got, ask("a"), ask("a"), ask("a"), ask("b"))
			if want := "[retry retry retry bad bad read retry retry bad retry]"; fmt.Sprint(got) != want {
				t.Errorf("%v, want %s", got, want)
			}
		})
	}
	for name, text := range map[string]string{"cut": `{"a":[1,2`, "nothing": "", "a web page": "<html>log in</html>", "a page behind a mark": "\xEF\xBB\xBF <!DOCTYPE html>"} {
		e := engine(t, func(int, *http.Request) (*http.Response, error) { return says(200, text), nil }, nil)
		for range 5 {
			if _, err := e.Ask(context.Background(), Question{Feed: "a"}, object); failure(err).Kind != source.Retry {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, what := range []error{answer.ErrShape, answer.ErrTooLarge, answer.ErrValueLarge} {
		e := engine(t, func(int, *http.Request) (*http.Response, error) { return says(200, "{}"), nil }, nil)
		if _, err := e.Ask(context.Background(), Question{Feed: "a"}, func(*answer.Body) error { return what }); failure(err).Kind != source.Bad {
			t.Errorf("%v: %v", what, err)
		}
	}
}

// A byte order mark before an answer, or a refusal, is passed over, however the network cuts it.
func TestByteOrderMark(t *testing.T) {
	for status, text := range map[int]string{200: "\xEF\xBB\xBF{}", 400: "\xEF\xBB\xBF" + `{"error":{"message":"no","details":[{"reason":"KNOWN"}]}}`} {
		e := engine(t, func(int, *http.Request) (*http.Response, error) {
			r := says(status, "")
			r.Body = io.NopCloser(&drops{text: text})
			return r, nil
		}, nil)
		_, err := e.Ask(context.Background(), Question{Feed: "a"}, object)
		if got := failure(err); (err == nil) != (status == 200) || err != nil && got.Reason != "KNOWN" {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// drops gives a text byte by byte.
type drops struct{ text string }

func (d *drops) Read(p []byte) (int, error) {
	if d.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:1], d.text)
	d.text = d.text[n:]
	return n, nil
}

// What of a refusal is read, in all forms that services give it.
func TestParseRefusal(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 20, 0, 0, time.UTC)
	long := strings.Repeat("long ", 100)
	for _, c := range []struct {
		name, text            string
		reason, word, message string
		meta                  string // of the name "m"
		html                  bool
	}{
		{name: "one", text: `{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED","details":[{"@type":"x"},{"reason":"R","metadata":{"m":"1"}},{"reason":"S"}]}}`, reason: "R", word: "PERMISSION_DENIED", message: "no", meta: "1"},
		{name: "a list", text: ` [{"error":{"message":"no","details":[{"reason":"R","metadata":{"m":14}}]}}]`, reason: "R", message: "no", meta: "14"},
		{name: "an empty list", text: `[]`},
		{name: "a mark", text: "\xEF\xBB\xBF\n" + `{"error":{"message":"no"}}`, message: "no"},
		{name: "Fitbit's", text: `{"errors":[{"errorType":"insufficient_scope","message":"no"},{"errorType":"x"}],"success":false}`, reason: "insufficient_scope", message: "no"},
		{name: "a page", text: " \n<!DOCTYPE html><title>no</title>", html: true},
		{name: "a page behind a mark", text: "\xEF\xBB\xBF<html>", html: true},
		{name: "a word", text: "upstream connect error"},
		{name: "nothing"},
		{name: "members of other kinds", text: `{"error":{"message":7,"status":["x"],"details":[{"reason":{}},{"reason":"R","metadata":[]}]},"errors":"x"}`, reason: "R"},
		{name: "a text for the error", text: `{"error":"denied"}`},
		{name: "a reason that is none", text: `{"error":{"details":[{"reason":"see <b>here</b>"}]}}`},
		{name: "cut", text: `{"error":{"message":"no","sta`},
		{name: "long, in lines", text: `{"error":{"message":"a\n\tb ` + long + `"}}`, message: ("a b " + long)[:300] + "…"},
		{name: "with a token", text: `{"error":{"message":"limit of the access token ya29.a0AfB_byCmadeup-0123456789"}}`, message: "limit of the access token ***"},
	} {
		r := ParseRefusal(403, http.Header{"Retry-After": {"60"}}, []byte(c.text), now)
		if r.Reason != c.reason || r.Status != c.word || r.Message != c.message || r.Meta.Text("m") != c.meta || r.HTML != c.html || r.Code != 403 || r.Until.Sub(now) != time.Minute {
			t.Errorf("%s: %+v", c.name, r)
		}
		if e := r.Error(); e.Err == nil || e.Err.Error() == "" || e.Status != 403 || errors.Is(e.Err, answer.ErrHTML) != c.html {
			t.Errorf("%s: %v", c.name, e)
		}
	}
}

// Seconds or a date; a day at most; what is neither is nothing.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 20, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{"0": 0, "77": 77 * time.Second, " 77 ": 77 * time.Second, "864000": 24 * time.Hour, "9223372036854775807": 24 * time.Hour,
		"Sun, 22 Nov 2026 10:50:00 GMT": 30 * time.Minute, "Sun, 22 Nov 2099 10:50:00 GMT": 24 * time.Hour, "Sun, 22 Nov 2026 10:10:00 GMT": -10 * time.Minute} {
		if got := RetryAfter(http.Header{"Retry-After": {v}}, now); got.Sub(now) != want {
			t.Errorf("%q: %v, want %v", v, got.Sub(now), want)
		}
	}
	for _, v := range []string{"", "soon", "-5", "1.5 s", "99999999999999999999999"} {
		if got := RetryAfter(http.Header{"Retry-After": {v}}, now); !got.IsZero() {
			t.Errorf("%q: %v", v, got)
		}
	}
}

// A request has its time, and what it took is booked: the answer that does not come in time is not asked again at once.
func TestOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, serve := range map[string]trip{
			"no answer": func(_ int, r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			},
			"half of one": func(_ int, r *http.Request) (*http.Response, error) {
				resp := says(200, "")
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"a":`), stops{r.Context()}))
				return resp, nil
			},
		} {
			var seen []answer.Exchange
			e := engine(t, serve, func(c *Config) { c.Observer = func(x answer.Exchange) { seen = append(seen, x) } })
			n, err := e.Ask(context.Background(), Question{Feed: "a", Shown: "/shown"}, object)
			if f := failure(err); n != 1 || f.Kind != source.Retry || f.Status != 0 || f.Feed != "a" || f.Hint != "server" || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %d requests, %v", name, n, err)
			}
			if len(seen) != 1 || seen[0].Duration != time.Minute || seen[0].Path != "/shown" || seen[0].Kind != "retry" {
				t.Errorf("%s: seen %+v", name, seen)
			}
		}
	})
}

// stops never goes on.
type stops struct{ ctx context.Context }

func (s stops) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// Whoever asked may go at any time: the context's error comes, and nothing else is sent.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		e := engine(t, func(n int, r *http.Request) (*http.Response, error) {
			time.AfterFunc(time.Millisecond, cancel)
			return says(503, ""), nil
		}, nil)
		if n, err := e.Ask(ctx, Question{Feed: "a"}, object); n != 1 || !errors.Is(err, context.Canceled) {
			t.Errorf("%d requests, %v", n, err)
		}
		if n, err := e.Ask(ctx, Question{Feed: "a"}, object); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("%d requests, %v", n, err)
		}
	})
}

// What fails without an answer is asked again within seconds, names no address, and only then is told; a reason that nobody knows is noted.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		e := engine(t, func(n int, _ *http.Request) (*http.Response, error) {
			made = n
			return nil, &url.Error{Op: "Get", URL: "https://service.example/users/madeup", Err: errors.New("connection refused")}
		}, nil)
		began := time.Now()
		n, err := e.Ask(context.Background(), Question{Feed: "a", Path: "/users/madeup"}, object)
		if f := failure(err); n != 3 || made != 3 || time.Since(began) > 6*time.Second || f.Kind != source.Retry || f.Hint != "network" || strings.Contains(err.Error(), "madeup") {
			t.Errorf("%d requests told, %d made in %v: %v", n, made, time.Since(began), err)
		}
	})
	var surprises answer.Surprises
	for _, reason := range []string{"KNOWN", "SOMETHING_NEW"} {
		e := engine(t, func(int, *http.Request) (*http.Response, error) {
			return says(403, `{"error":{"details":[{"reason":"`+reason+`"}]}}`), nil
		}, func(c *Config) { c.Surprises = &surprises })
		if _, err := e.Ask(context.Background(), Question{Feed: "a", Scope: "the scope"}, object); failure(err).Hint != "the scope" {
			t.Errorf("%v", err)
		}
	}
	if list := surprises.List(); len(list) != 1 || !strings.Contains(fmt.Sprint(list[0]), "SOMETHING_NEW") {
		t.Errorf("%v", list)
	}
}

// A question is sent as it is written.
func TestQuestion(t *testing.T) {
	e := engine(t, func(_ int, r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != "POST" || r.URL.String() != "https://service.example/v1/x?a=b" || !bytes.Equal(body, []byte(`{"q":1}`)) ||
			r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Accept-Encoding") != "gzip" || r.Header.Get("X-Own") != "yes" {
			t.Errorf("%s %s, %v: %s, %v", r.Method, r.URL, r.Header, body, err)
		}
		return says(200, "{}"), nil
	}, func(c *Config) { c.Header = map[string]string{"X-Own": "yes"} })
	if _, err := e.Ask(context.Background(), Question{Feed: "a", Method: "POST", Path: "/v1/x", Query: url.Values{"a": {"b"}}, Body: []byte(`{"q":1}`)}, object); err != nil {
		t.Error(err)
	}
	if _, err := e.Ask(context.Background(), Question{Feed: "a", Path: "/\x7f"}, object); failure(err).Kind != source.Bad || failure(err).Hint != "address" {
		t.Errorf("an address that is none: %v", err)
	}
}

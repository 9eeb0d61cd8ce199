package google

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/ask"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

// FuzzFetch: whatever a service answers, every feed makes of it a batch that keeps the contract, or an error with a class and a cure.
func FuzzFetch(f *testing.F) {
	sourcetest.Seeds(f)
	cat := metric.Default()
	span := metric.Span{Start: metric.Day(20400).Civil(), End: metric.Day(20800).Civil()}
	f.Fuzz(func(t *testing.T, body []byte) {
		client := &http.Client{Transport: sourcetest.RoundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
		})}
		s, err := New(Config{HTTP: client, Catalogue: cat, Unlimited: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, feed := range s.Feeds() {
			req := metric.Request{Feed: feed.ID, Span: span, Zones: metric.Zones{{Name: "Europe/Berlin"}}, Final: span.End,
				Session: &metric.SessionRef{Key: "1", Title: "Walk", Start: span.Start}}
			b, err := s.Fetch(context.Background(), req)
			var e *source.Error
			switch {
			case err == nil:
				for _, complaint := range sourcetest.Check(cat, Name, feed, req, b) {
					t.Errorf("feed %s: %s", feed.ID, complaint)
				}
			case !errors.As(err, &e) || e.Hint == "":
				t.Errorf("feed %s: %v", feed.ID, err)
			}
		}
		_, _ = s.Describe(context.Background())
		_ = s.Surprises()
	})
}

// FuzzRefusal: whatever stands in an error's body, it has a class and a cure, and is one line.
func FuzzRefusal(f *testing.F) {
	sourcetest.Seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, status := range []int{304, 400, 401, 403, 404, 410, 412, 429, 500, 503} {
			e := refuse(ask.ParseRefusal(status, http.Header{}, body, metric.Day(20400).Civil()), scopeSleep)
			if e.Hint == "" || e.Err == nil || bytes.ContainsAny([]byte(e.Err.Error()), "\n\r") {
				t.Errorf("status %d: %q, hint %q", status, e.Error(), e.Hint)
			}
		}
	})
}

// FuzzShape: whatever an answer is, its shape holds none of its long texts and numbers.
func FuzzShape(f *testing.F) {
	sourcetest.Seeds(f)
	f.Fuzz(func(t *testing.T, body []byte) { _ = answer.ShapeOf(body) })
}

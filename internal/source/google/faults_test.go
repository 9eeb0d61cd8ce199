package google

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// answering is a source whose service gives one body, packed or not.
func answering(t testing.TB, packed bool, body func() io.Reader) *Source {
	t.Helper()
	return scripted(t, nil, func(n int, r *http.Request) (*http.Response, error) {
		h := http.Header{}
		if packed {
			h.Set("Content-Encoding", "gzip")
		}
		return &http.Response{StatusCode: 200, Header: h, Body: io.NopCloser(body()), Request: r}, nil
	})
}

func heartRequest() metric.Request {
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	return metric.Request{Feed: "heart_rate", Span: metric.Span{Start: at, End: at.Add(24 * time.Hour)}}
}

// An answer cut off anywhere is no answer, and worth asking again.
func TestCutAnywhere(t *testing.T) {
	text := []byte(` {"dataPoints":[{"heartRate":{"sampleTime":{"physicalTime":"2026-11-20T09:59:58Z","utcOffset":"3600s","civilTime":{}},"beatsPerMinute":"72",` +
		`"metadata":{"motionContext":"ACTIVE"}}},{"new":[true,null,-1.5e3,"\u00e9"],"heartRate":{"sampleTime":{"physicalTime":"2026-11-20T09:59:53Z"},"beatsPerMinute":75}}],"nextPageToken":""} `)
	for _, packed := range []bool{false, true} {
		whole := text
		if packed {
			whole = zipped(text)
		}
		last := len(whole)
		if !packed {
			last = bytes.LastIndexByte(text, '}') + 1
		}
		length := 0
		s := answering(t, packed, func() io.Reader { return bytes.NewReader(whole[:length]) })
		for n := range last {
			length = n
			b, err := s.Fetch(context.Background(), heartRequest())
			var e *source.Error
			if !errors.As(err, &e) || e.Kind != source.Retry || e.Hint != hintCut {
				t.Fatalf("packed %v, %d of %d bytes: %d blocks, %v", packed, n, len(whole), len(b.Blocks), err)
			}
		}
		length = len(whole)
		if b, err := s.Fetch(context.Background(), heartRequest()); err != nil || b.Blocks[0].Len() != 2 {
			t.Fatalf("packed %v, whole: %v", packed, err)
		}
	}
}

// A track cut off anywhere is none.
func TestTrackCutAnywhere(t *testing.T) {
	text := `<?xml version="1.0"?><TrainingCenterDatabase><Activities><Activity><Lap><Track><Trackpoint><Time>2026-08-05T14:26:38Z</Time>` +
		`<Position><LatitudeDegrees>40.7</LatitudeDegrees></Position></Trackpoint></Track></Lap></Activity></Activities></TrainingCenterDatabase>`
	req := metric.Request{Feed: "track", Session: &metric.SessionRef{Key: "1", Title: "Walk"}}
	length := 0
	s := answering(t, false, func() io.Reader { return strings.NewReader(text[:length]) })
	for n := range len(text) {
		length = n
		if b, err := s.Fetch(context.Background(), req); source.KindOf(err) != source.Retry || err == nil {
			t.Fatalf("%d of %d bytes: %d blocks, %v", n, len(text), len(b.Blocks), err)
		}
	}
}

// endless gives head and then piece, again and again.
type endless struct {
	head, piece string
	at          int
	given       int64
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		src := e.piece
		if e.at < len(e.head) {
			src = e.head[e.at:]
		} else {
			src = src[(e.at-len(e.head))%len(src):]
		}
		c := copy(p[n:], src)
		n, e.at = n+c, e.at+c
	}
	e.given += int64(n)
	return n, nil
}

// drip gives a byte now and then.
type drip struct {
	r     io.Reader
	pause time.Duration
	ctx   context.Context
}

func (d drip) Read(p []byte) (int, error) {
	if err := clock.Real().Sleep(d.ctx, d.pause); err != nil {
		return 0, err
	}
	return d.r.Read(p[:1])
}

// A slow answer is waited for as long as one request may take, and a feed whose pages are too slow gets smaller ones.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := []byte(`{"dataPoints":[{"heartRate":{"sampleTime":{"physicalTime":"2026-11-20T09:59:58Z"},"beatsPerMinute":"72"}}]}`)
		pause := time.Second
		var sizes []string
		s := scripted(t, nil, func(n int, r *http.Request) (*http.Response, error) {
			sizes = append(sizes, r.URL.Query().Get("pageSize"))
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(drip{bytes.NewReader(text), pause, r.Context()}), Request: r}, nil
		})
		if _, err := s.Fetch(context.Background(), heartRequest()); err != nil {
			t.Errorf("a byte a second: %v", err)
		}
		pause = 2 * time.Second
		began := time.Now()
		_, err := s.Fetch(context.Background(), heartRequest())
		if source.KindOf(err) != source.Retry || !strings.Contains(err.Error(), "within 2m0s") || time.Since(began) != 2*time.Minute {
			t.Errorf("a byte in two seconds: %v after %v", err, time.Since(began))
		}
		_, _ = s.Fetch(context.Background(), heartRequest())
		if got := strings.Join(sizes, " "); got != "10000 10000 5000" {
			t.Errorf("page sizes %s", got)
		}
	})
}

// A context that ends while the body drips ends the fetch.
func TestCancelledInBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scripted(t, nil, func(n int, r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(drip{strings.NewReader(stepsText), time.Second, r.Context()}), Request: r}, nil
		})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := s.Fetch(ctx, stepsRequest()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		var e *source.Error
		if _, err := s.Fetch(ctx, stepsRequest()); errors.As(err, &e) {
			t.Errorf("%v is an error of the source", err)
		}
	})
}

// A token that is refused stays refused in the source's eyes, whatever the body says.
func TestBrokenErrorBody(t *testing.T) {
	s := scripted(t, nil, func(n int, r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 403, Header: http.Header{"Content-Encoding": {"gzip"}}, Body: io.NopCloser(strings.NewReader("no gzip at all")), Request: r}, nil
	})
	_, err := s.Fetch(context.Background(), stepsRequest())
	if source.KindOf(err) != source.Denied {
		t.Errorf("%v, want denied", err)
	}
}

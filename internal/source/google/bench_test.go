package google

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/sourcetest"
)

const benchPoints = 10000

// heartPage is a full page of raw heart rate, every 3 s, newest first.
func heartPage(whole bool) (text []byte, span metric.Span) {
	span.Start = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	span.End = span.Start.Add(benchPoints * 3 * time.Second)
	var b bytes.Buffer
	b.WriteString(`{"dataPoints":[`)
	for i := range benchPoints {
		t := span.End.Add(-time.Duration(i+1) * 3 * time.Second)
		if i > 0 {
			b.WriteByte(',')
		}
		bpm := 55 + (i*i/97)%40
		if !whole {
			fmt.Fprintf(&b, `{"heartRate":{"sampleTime":{"physicalTime":"%s"},"beatsPerMinute":"%d"}}`, t.Format(time.RFC3339), bpm)
			continue
		}
		fmt.Fprintf(&b, `{"heartRate":{"sampleTime":{"physicalTime":"%s","utcOffset":"3600s","civilTime":{"date":{"year":2026,"month":11,"day":20},`+
			`"time":{"hours":%d,"minutes":%d,"seconds":%d}}},"beatsPerMinute":"%d"}}`, t.Format(time.RFC3339), t.Hour(), t.Minute(), t.Second(), bpm)
	}
	b.WriteString(`]}`)
	return b.Bytes(), span
}

func zipped(text []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(text) // into memory
	_ = z.Close()
	return b.Bytes()
}

func BenchmarkHeartRate(b *testing.B) {
	for _, whole := range []bool{false, true} {
		name := "masked"
		if whole {
			name = "whole"
		}
		b.Run(name, func(b *testing.B) {
			text, span := heartPage(whole)
			packed := zipped(text)
			client := &http.Client{Transport: sourcetest.RoundTrip(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Encoding": {"gzip"}}, Body: io.NopCloser(bytes.NewReader(packed)), Request: r}, nil
			})}
			s, err := New(Config{HTTP: client, Catalogue: metric.Default(), Unlimited: true})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				batch, err := s.Fetch(context.Background(), metric.Request{Feed: "heart_rate", Span: span})
				if err != nil || batch.Blocks[0].Len() != benchPoints {
					b.Fatal(err, len(batch.Blocks))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchPoints, "ns/point")
		})
	}
}

// What is lived or told here is long, and one thing after the other: without the race detector, which would take ten times as long (make
// test runs these tests beside the others).

//go:build !race

package google

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// No answer is too large to be refused: reading stops at a bound, and little is held meanwhile.
func TestHuge(t *testing.T) {
	cases := []struct{ name, head, piece, want string }{
		{"points", `{"dataPoints":[`, `{"heartRate":{"sampleTime":{"physicalTime":"2025-01-01T00:00:00Z"},"beatsPerMinute":"72"}},`, "answer larger than 64 MB"},
		{"one text", `{"dataPoints":[{"heartRate":{"beatsPerMinute":"`, "7", "single value"},
		{"one name", `{"dataPoints":[{"`, "a", "single value"},
		{"one unknown member", `{"dataPoints":[{"new":[`, "1,", "single value"},
		{"one number", `{"dataPoints":[{"heartRate":{"beatsPerMinute":1`, "0", "single value"},
		{"blanks", ``, " ", "single value"},
		{"brackets", `{"dataPoints":[{"new":`, "[", ""},
	}
	for i, c := range cases {
		for _, packed := range []bool{false, true}[:max(1, 2-i)] { // packed and not for the first, once for the others
			t.Run(fmt.Sprint(c.name, packed), func(t *testing.T) {
				src := &endless{head: c.head, piece: c.piece}
				s := answering(t, packed, func() io.Reader {
					if !packed {
						return src
					}
					r, w := io.Pipe()
					go func() {
						z := gzip.NewWriter(w)
						_, err := io.Copy(z, io.LimitReader(src, 2*answer.MaxBody))
						w.CloseWithError(err)
					}()
					t.Cleanup(func() { r.Close() })
					return r
				})
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				_, err := s.Fetch(context.Background(), heartRequest())
				runtime.ReadMemStats(&after)
				var e *source.Error
				for try := 0; try < 3 && errors.As(err, &e) && e.Kind == source.Retry; try++ { // a text that is broken may have been so on its way
					_, err = s.Fetch(context.Background(), heartRequest())
				}
				if !errors.As(err, &e) || e.Kind != source.Bad || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want …%s…", err, c.want)
				}
				if grown := int64(after.Sys) - int64(before.Sys); grown > 40<<20 {
					t.Errorf("memory grew by %d MB", grown>>20)
				}
			})
		}
	}
}

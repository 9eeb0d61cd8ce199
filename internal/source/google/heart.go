package google

import (
	"context"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

// fetchHeart reads raw heart rate and makes the minutes of it. It asks to the end of the last minute, so that a minute which
// begins inside the span is always whole.
func fetchHeart(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	wide := req
	wide.Span.End = minuteFrom(req.Span.End)
	if err := fetchSamples(ctx, s, f, wide, batch); err != nil || len(batch.Blocks) == 0 {
		return err
	}
	raw := batch.Blocks[0]
	minutes := metric.MinutesOf(raw)
	raw.Crop(req.Span)
	minutes.Crop(req.Span)
	batch.Blocks = batch.Blocks[:0]
	for _, b := range []metric.Block{raw, minutes} {
		if b.Len() > 0 {
			batch.Blocks = append(batch.Blocks, b)
		}
	}
	return nil
}

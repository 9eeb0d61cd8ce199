package google

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/answer"
)

// heights holds the person's heights for a day: they hardly ever change.
type heights struct {
	mu    sync.Mutex
	asked time.Time
	list  []height
	odd   bool // not all of them could be understood
}

type height struct {
	time   int64
	metres float64
}

// addBMI makes the body mass index of each weight with the newest height at or before it. Where heights are not given the batch
// does not answer for it at all.
func addBMI(ctx context.Context, s *Source, f *feed, req metric.Request, batch *metric.Batch) error {
	if len(batch.Blocks) == 0 {
		return nil
	}
	list, err := s.askHeights(ctx, f, batch)
	if left(err) {
		batch.Series = slices.DeleteFunc(batch.Series, func(id metric.ID) bool { return id == f.series[1].ID })
		s.cfg.Log.Info("no body mass index: heights are not given", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	bmi := f.blocks(req.Device, metric.Span{})[1]
	weight := batch.Blocks[0]
	for i, t := range weight.Times {
		after, _ := slices.BinarySearchFunc(list, t+1, func(h height, t int64) int { return cmp.Compare(h.time, t) })
		if after > 0 {
			m := list[after-1].metres
			v := weight.Values[0][i] / (m * m)
			if !f.series[1].Fields[0].Possible(v) { // nobody is so short or so tall
				s.surprises.Add(f.Feed.ID, answer.PointOdd, "height.heightMillimeters", 1, s.cfg.Now())
				batch.Odd = metric.Union(batch.Odd, metric.DaySpan(dayAt(at(t), 0), dayAt(at(t), 0)).Overlap(batch.Span))
				continue
			}
			bmi.Append(t, v)
		}
	}
	if bmi.Len() > 0 {
		batch.Blocks = append(batch.Blocks, bmi)
	}
	return nil
}

// askHeights returns the person's heights, oldest first.
func (s *Source) askHeights(ctx context.Context, f *feed, batch *metric.Batch) ([]height, error) {
	s.heights.mu.Lock()
	defer s.heights.mu.Unlock()
	now := s.cfg.Now()
	defer func() {
		if s.heights.odd {
			batch.Odd = metric.Union(batch.Odd, batch.Span)
		}
	}()
	if !s.heights.asked.IsZero() && now.Sub(s.heights.asked) < 24*time.Hour {
		return s.heights.list, nil
	}
	form := newForm()
	form.at("height").slot = valueObject
	form.known("name", "dataPointName", "dataSource", "height.sampleTime.utcOffset", "height.sampleTime.civilTime")
	when, value := form.instant("height.sampleTime.physicalTime"), form.number("height.heightMillimeters")
	var list []height
	ask := feed{Row: Row{Feed: f.Feed, Type: "height", Scope: f.Scope}}
	l := &listing{s: s, feed: f.Feed.ID, form: form, name: dataPoints, token: getToken, first: ask.get(List, "", 100), each: func(r *record) (metric.Span, fate) {
		v := r.numbers[value]
		if r.times[when] == 0 || !r.seen || !(v > 0) {
			return metric.Span{}, unreadable
		}
		list = append(list, height{r.times[when], v / 1000})
		return metric.Span{}, understood
	}}
	err := l.run(ctx)
	batch.Requests += l.cost
	if err != nil {
		return nil, err
	}
	s.heights.odd = l.lost > 0
	slices.SortStableFunc(list, func(a, b height) int { return cmp.Compare(a.time, b.time) })
	s.heights.asked, s.heights.list = now, list
	return list, nil
}

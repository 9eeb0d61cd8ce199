package google_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate/oddtest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

// What the source says a person did is what the simulated person did, in zones with and without changes of clocks.
func TestTruth(t *testing.T) {
	for _, c := range []struct{ zone, day string }{
		{"Europe/Berlin", "2026-03-29"}, {"Europe/Berlin", "2026-10-25"}, {"America/New_York", "2026-03-08"}, {"America/New_York", "2026-11-01"}, {"Asia/Kolkata", "2026-05-07"},
	} {
		t.Run(c.zone+" "+c.day, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSimulated(t, c.zone, nil)
				day, err := metric.ParseDay(c.day)
				if err != nil {
					t.Fatal(err)
				}
				s.checkHeart(t, day)
				s.checkDays(t, day)
				s.checkNights(t, day)
			})
		})
	}
}

func (s *simulated) fetch(t *testing.T, req metric.Request) metric.Batch {
	t.Helper()
	req.Person, req.Zones, req.Device = "anna", s.person.Zones, "Charge 6"
	b, err := s.source.Fetch(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// block is the one block of a series in a batch; an empty one where there is none.
func block(b metric.Batch, id metric.ID) *metric.Block {
	for i := range b.Blocks {
		if b.Blocks[i].Series == id {
			return &b.Blocks[i]
		}
	}
	return &metric.Block{}
}

func (s *simulated) checkHeart(t *testing.T, day metric.Day) {
	t.Helper()
	span := s.person.DaySpan(day)
	b := s.fetch(t, metric.Request{Feed: "heart_rate", Span: span})
	raw, want := block(b, metric.HeartRate), s.person.HeartRates(span)
	if raw.Len() != len(want) {
		t.Fatalf("%d heart rates, the person has %d", raw.Len(), len(want))
	}
	for i, beat := range want {
		if raw.Times[i] != beat.Time.UnixNano() || raw.Values[0][i] != float64(beat.BPM) {
			t.Fatalf("heart rate %d: %d %v, the person has %v", i, raw.Times[i], raw.Values[0][i], beat)
		}
	}
	made := block(b, metric.HeartRateMinute)
	rolled := block(s.fetch(t, metric.Request{Feed: "heart_rate_minute", Span: span}), metric.HeartRateMinute)
	if made.Len() != rolled.Len() || made.Len() == 0 {
		t.Fatalf("%d minutes made of raw, %d rolled up by the service", made.Len(), rolled.Len())
	}
	for i := range made.Times {
		if made.Times[i] != rolled.Times[i] || math.Abs(made.Values[0][i]-rolled.Values[0][i]) > 0.011 || made.Values[1][i] != rolled.Values[1][i] || made.Values[2][i] != rolled.Values[2][i] {
			t.Errorf("minute %d: %v made of raw, %v rolled up", i, made.Row(i), rolled.Row(i))
		}
	}
}

func (s *simulated) checkDays(t *testing.T, day metric.Day) {
	t.Helper()
	span := metric.DaySpan(day-1, day+1)
	for feed, truth := range map[string]func(simulate.Totals) float64{
		"steps":    func(d simulate.Totals) float64 { return float64(d.Steps) },
		"distance": func(d simulate.Totals) float64 { return float64(d.Millimetre) / 1e6 },
		"floors":   func(d simulate.Totals) float64 { return float64(d.Floors) },
	} {
		got := block(s.fetch(t, metric.Request{Feed: feed, Span: span}), metric.ID(feed))
		at := 0
		for d := day - 1; d <= day+1; d++ {
			totals := s.person.DayTotals(d)
			if totals.Worn == 0 {
				continue
			}
			if at >= got.Len() {
				t.Errorf("%s of %v is missing", feed, d)
				break
			}
			if want := truth(totals); got.Times[at] != s.person.Midnight(d).UnixNano() || got.Values[0][at] != want {
				t.Errorf("%s of %v: %v at %d, the person has %v at %v", feed, d, got.Values[0][at], got.Times[at], want, s.person.Midnight(d))
			}
			at++
		}
		if at == 0 || at != got.Len() {
			t.Errorf("%s: %d days, the person has %d", feed, got.Len(), at)
		}
	}
}

func (s *simulated) checkNights(t *testing.T, day metric.Day) {
	t.Helper()
	b := s.fetch(t, metric.Request{Feed: "sleep", Span: metric.DaySpan(day, day)})
	want := s.person.NightsAt(day, s.now())
	if len(b.Sessions) != len(want) {
		t.Fatalf("%d sleeps, the person has %d", len(b.Sessions), len(want))
	}
	for i, night := range want {
		got := b.Sessions[i]
		if got.Key != night.Key || got.Day != day || !got.Start.Equal(night.Start) || !got.End.Equal(night.End) {
			t.Errorf("sleep %+v, the person has %s from %v to %v", got, night.Key, night.Start, night.End)
		}
		if levels := got.Blocks[1]; levels.Len() != len(night.Stages)+1 {
			t.Errorf("%d levels for %d stages", levels.Len(), len(night.Stages))
		}
	}
}

// TestTruthOdd: of a service that answers oddly, what is told is what the person did, and nothing is lacking but what was taken.
func TestTruthOdd(t *testing.T) {
	for seed, c := range []struct{ zone, day string }{{"Europe/Berlin", "2026-03-29"}, {"America/New_York", "2026-11-01"}, {"Asia/Kolkata", "2026-05-07"}} {
		t.Run(c.zone+" "+c.day, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				odd := &simulate.Oddities{Seed: uint64(seed)}
				s := newSimulated(t, c.zone, func(_ *google.Config, theirs *simulate.Config) { theirs.Odd = odd })
				day, err := metric.ParseDay(c.day)
				if err != nil {
					t.Fatal(err)
				}
				s.oddly(t, odd, day)
			})
		})
	}
}

func (s *simulated) oddly(t *testing.T, odd *simulate.Oddities, day metric.Day) {
	t.Helper()
	first := day - 13
	heart := block(s.again(t, "heart_rate", s.person.DaySpan(day)), metric.HeartRate)
	days := map[metric.ID]*metric.Block{}
	for _, id := range []metric.ID{"steps", "distance", "floors"} {
		days[id] = block(s.again(t, string(id), metric.DaySpan(first, day)), id)
	}
	sleeps := s.again(t, "sleep", metric.DaySpan(first, day)).Sessions
	taken, err := oddtest.Of(s.person, odd.Taken())
	if err != nil {
		t.Fatal(err)
	}
	missing, all := 0, 0
	hold := func(id metric.ID, got *metric.Block, want map[int64]float64) {
		all += len(want)
		for i, at := range got.Times {
			if v, ok := want[at]; !ok || v != got.Values[0][i] {
				t.Errorf("%s at %v is %v, the person has %v %v", id, time.Unix(0, at).UTC(), got.Values[0][i], v, ok)
			}
			delete(want, at)
		}
		for at := range want {
			if missing++; !taken.At(id, time.Unix(0, at)) {
				t.Errorf("%s at %v is missing", id, time.Unix(0, at).UTC())
			}
		}
	}
	beats := map[int64]float64{}
	for _, b := range s.person.HeartRates(s.person.DaySpan(day)) {
		beats[b.Time.UnixNano()] = float64(b.BPM)
	}
	hold(metric.HeartRate, heart, beats)
	for id, got := range days {
		want := map[int64]float64{}
		for d := first; d <= day; d++ {
			if n := s.person.DayTotals(d); n.Worn > 0 {
				want[s.person.Midnight(d).UnixNano()] = map[metric.ID]float64{"steps": float64(n.Steps), "distance": float64(n.Millimetre) / 1e6, "floors": float64(n.Floors)}[id]
			}
		}
		hold(id, got, want)
	}
	told := map[string]metric.Session{}
	for _, n := range sleeps {
		told[n.Key] = n
	}
	for d := first; d <= day; d++ {
		for _, night := range s.person.NightsAt(d, s.now()) {
			all++
			got, ok := told[night.Key]
			delete(told, night.Key)
			switch {
			case !ok && taken.At(metric.SleepSummary, night.Start):
				missing++
			case !ok || got.Day != d || !got.Start.Equal(night.Start) || !got.End.Equal(night.End) || got.Main != night.Main:
				t.Errorf("sleep %+v, the person has %s from %v to %v", got, night.Key, night.Start, night.End)
			}
		}
	}
	for _, n := range told {
		t.Errorf("a sleep the person has not: %+v", n)
	}
	if missing == 0 {
		t.Error("nothing was taken")
	}
	t.Logf("%d of %d are missing; oddities %v", missing, all, taken.Kinds)
}

// again fetches what the service may refuse at first.
func (s *simulated) again(t *testing.T, feed string, span metric.Span) metric.Batch {
	t.Helper()
	req := metric.Request{Person: "anna", Feed: feed, Span: span, Zones: s.person.Zones, Device: "Charge 6"}
	for tries := 0; ; tries++ {
		b, err := s.source.Fetch(t.Context(), req)
		if err == nil {
			return b
		}
		if tries == 20 { // each of its pages may be refused
			t.Fatal(err)
		}
	}
}

// Without masks, with pages of an odd size and with empty pages the answers are the same.
func TestSameByAnyPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain := newSimulated(t, "Europe/Berlin", func(_ *google.Config, c *simulate.Config) { c.NoEmptyPages, c.PageCap = true, 1<<20 })
		paged := newSimulated(t, "Europe/Berlin", func(_ *google.Config, c *simulate.Config) { c.PageCap = 777 })
		a, b := plain.fetch(t, plain.request("heart_rate")), paged.fetch(t, paged.request("heart_rate"))
		if a.Requests >= b.Requests || block(a, metric.HeartRate).Len() != block(b, metric.HeartRate).Len() {
			t.Errorf("%d samples by %d requests, %d by %d", block(a, metric.HeartRate).Len(), a.Requests, block(b, metric.HeartRate).Len(), b.Requests)
		}
	})
}

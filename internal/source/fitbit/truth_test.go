package fitbit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate/oddtest"
)

var bg = context.Background()

// TestTruth: what the source says a person did is what the person did. Of a service that answers oddly nothing is lacking but what was taken. The
// clocks change on none of these days: in the hour that they show twice the order of a list tells which it is, and a reversed one tells it wrongly.
func TestTruth(t *testing.T) {
	for seed, c := range []struct{ zone, day string }{{"Europe/Berlin", "2026-03-28"}, {"America/New_York", "2026-10-30"}, {"Asia/Kolkata", "2026-05-07"}} {
		for name, odd := range map[string]*simulate.Oddities{"plain": nil, "odd": {Seed: uint64(seed)}} {
			t.Run(c.zone+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSimulated(t, c.zone, func(theirs *simulate.FitbitConfig) { theirs.Odd = odd })
					day, err := metric.ParseDay(c.day)
					if err != nil {
						t.Fatal(err)
					}
					s.truth(t, odd, day)
				})
			})
		}
	}
}

func (s *simulated) truth(t *testing.T, odd *simulate.Oddities, day metric.Day) {
	t.Helper()
	first := day - 13
	got := map[metric.ID]map[int64]float64{}
	for id, feed := range map[metric.ID]string{metric.HeartRate: "heart_rate", metric.Steps: "steps_intraday", "steps": "activity", "resting_heart_rate": "heart_days"} {
		span := metric.DaySpan(first, day)
		if id == metric.HeartRate || id == metric.Steps {
			span = s.person.DaySpan(day)
		}
		got[id] = map[int64]float64{}
		for _, b := range s.again(t, feed, span).Blocks {
			for i, at := range b.Times {
				if b.Series == id {
					got[id][at] = b.Values[0][i]
				}
			}
		}
	}
	sleeps := s.again(t, "sleep", metric.DaySpan(first, day)).Sessions
	var record []simulate.Taken
	if odd != nil {
		record = odd.Taken()
	}
	taken, err := oddtest.Of(s.person, record)
	if err != nil {
		t.Fatal(err)
	}
	missing, all := 0, 0
	hold := func(id metric.ID, want map[int64]float64, may func(v float64) bool) {
		all += len(want)
		for at, v := range got[id] {
			if w, ok := want[at]; v != w || !ok && v != 0 { // minutes without steps are zeros here
				t.Errorf("%s at %v is %v, the person has %v %v", id, time.Unix(0, at).UTC(), v, w, ok)
			}
		}
		for at, w := range want {
			if _, ok := got[id][at]; ok || may(w) {
				continue
			}
			if missing++; !taken.At(id, time.Unix(0, at)) {
				t.Errorf("%s at %v is missing", id, time.Unix(0, at).UTC())
			}
		}
	}
	never := func(float64) bool { return false }
	beats, steps, days, resting := map[int64]float64{}, map[int64]float64{}, map[int64]float64{}, map[int64]float64{}
	for _, b := range s.person.HeartRates(s.person.DaySpan(day)) {
		beats[b.Time.UnixNano()] = float64(b.BPM)
	}
	for _, c := range s.person.Steps(s.person.DaySpan(day)) {
		steps[c.Time.UnixNano()] = float64(c.Value)
	}
	for d := first; d <= day; d++ {
		if n := s.person.DayTotals(d); n.Worn > 0 {
			days[s.person.Midnight(d).UnixNano()] = float64(n.Steps)
		}
		if v, ok := s.person.Vitals(d); ok {
			resting[s.person.Midnight(d).UnixNano()] = float64(v.RestingHR)
		}
	}
	if len(got[metric.HeartRate]) < 1000 {
		t.Errorf("%d heart rates", len(got[metric.HeartRate]))
	}
	hold(metric.HeartRate, beats, func(float64) bool { return true }) // it tells one of several
	hold(metric.Steps, steps, func(v float64) bool { return v == 0 })
	hold("steps", days, func(v float64) bool { return v == 0 })
	hold("resting_heart_rate", resting, never)
	told := map[time.Time]metric.Session{}
	for _, n := range sleeps {
		told[n.Start.Truncate(time.Minute)] = n
	}
	for d := first; d <= day; d++ {
		for _, night := range s.person.NightsAt(d, s.now()) {
			all++
			n, ok := told[night.Start.Truncate(time.Minute)]
			delete(told, night.Start.Truncate(time.Minute))
			switch {
			case !ok && taken.At(metric.SleepSummary, night.Start):
				missing++
			case !ok || n.Day != d || !n.Start.Equal(night.Start) || night.End.Sub(n.End) < 0 || night.End.Sub(n.End) >= time.Minute || n.Main != night.Main:
				t.Errorf("sleep %+v, the person has one from %v to %v", n, night.Start, night.End) // one without stages is told in whole minutes
			}
		}
	}
	for _, n := range told {
		t.Errorf("a sleep the person has not: %+v", n)
	}
	if (missing == 0) != (odd == nil) {
		t.Errorf("%d are missing, taken: %v", missing, taken.Kinds)
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
		if tries == 20 { // each of its parts may be refused
			t.Fatal(err)
		}
	}
}

package simulate_test

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
)

// whole is everything a person did on a day.
type whole struct {
	Heart    []simulate.Beat
	Minutes  []simulate.Minute
	Nights   []simulate.Night
	Workouts []simulate.Workout
	Syncs    []time.Time
	Vitals   simulate.Vital
	Battery  int
}

func wholeOf(p *simulate.Person, d metric.Day) whole {
	s := p.DaySpan(d)
	v, _ := p.Vitals(d)
	v.Baseline, v.SkinSD = 0, 0 // NaN is not equal to itself
	return whole{p.HeartRates(s), p.Minutes(d), p.Nights(d), p.Workouts(d), p.Syncs(s), v, p.Battery(s.End)}
}

// TestAnyDay wants the same day from a person who lived up to it, from one who lived backwards, and from one asked for it alone.
func TestAnyDay(t *testing.T) {
	first := day(t, "2025-10-20")
	forth, back := berlin(t), berlin(t)
	walked := map[metric.Day]whole{}
	for d := first; d < first+12; d++ {
		walked[d] = wholeOf(forth, d)
	}
	for d := first + 11; d >= first; d-- {
		if !reflect.DeepEqual(walked[d], wholeOf(back, d)) {
			t.Errorf("%s is another day when walked backwards", d)
		}
	}
	if !reflect.DeepEqual(walked[first+7], wholeOf(berlin(t), first+7)) {
		t.Error("a day asked for alone is another")
	}
	other := berlin(t)
	other.Seed = 8
	if reflect.DeepEqual(walked[first].Heart, other.HeartRates(other.DaySpan(first))) {
		t.Error("two seeds are one person")
	}
	if far := day(t, "2044-02-29"); len(forth.Minutes(far)) != 1440 {
		t.Error("a day in twenty years is not whole")
	}
}

// TestTotalsAreSums compares totals of days with everything that is served minute by minute.
func TestTotalsAreSums(t *testing.T) {
	p := berlin(t)
	first := day(t, "2025-03-20")
	sum := simulate.Totals{}
	for d := first; d < first+20; d++ {
		got := p.DayTotals(d)
		sum.Steps, sum.Total = sum.Steps+got.Steps, sum.Total+got.Total
		steps := 0
		for _, s := range p.Steps(p.DaySpan(d)) {
			steps += s.Value
		}
		level, worn := time.Duration(0), 0
		for _, s := range p.Segments(d) {
			level += s.End.Sub(s.Start)
		}
		for _, m := range p.Minutes(d) {
			if m.Worn {
				worn++
			} else if m.Steps+m.Active+m.Basal+m.Millimetre > 0 {
				t.Errorf("%v: counted without the band", m.Start)
			}
		}
		if got.Steps != steps || got.Worn != worn || level != time.Duration(worn)*time.Minute {
			t.Errorf("%s: %+v; %d steps in minutes, %v at a level, %d minutes worn", d, got, steps, level, worn)
		}
		if zones := got.ZoneMinute[0] + got.ZoneMinute[1] + got.ZoneMinute[2] + got.ZoneMinute[3]; zones > worn {
			t.Errorf("%s: %d minutes in zones, %d worn", d, zones, worn)
		}
	}
	if all := p.TotalsOf(metric.Span{Start: p.Midnight(first), End: p.Midnight(first + 20)}); all.Steps != sum.Steps || all.Total != sum.Total {
		t.Errorf("twenty days at once are %+v, one by one %+v", all, sum)
	}
}

// TestDensity compares a year with what devices bring.
func TestDensity(t *testing.T) {
	p := berlin(t)
	first := day(t, "2025-02-01")
	beats, worn, stepMinutes, nights, naps, workouts, gps, segments, syncs, off, jumps, equal := 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
	const days = 120
	for d := first; d < first+days; d++ {
		s := p.DaySpan(d)
		hr := p.HeartRates(s)
		beats += len(hr)
		for i := 1; i < len(hr); i++ {
			if gap := hr[i].Time.Sub(hr[i-1].Time); gap < time.Second {
				t.Fatalf("two readings at %v", hr[i].Time)
			}
			switch diff := hr[i].BPM - hr[i-1].BPM; {
			case diff > 2 || diff < -2:
				jumps++
			case diff == 0:
				equal++
			}
			if hr[i].BPM < 35 || hr[i].BPM > 200 {
				t.Fatalf("%d bpm", hr[i].BPM)
			}
		}
		worn += p.DayTotals(d).Worn
		stepMinutes += len(p.Steps(s))
		for _, n := range p.Nights(d) {
			checkNight(t, &n)
			if n.Nap {
				naps++
			} else {
				nights++
			}
		}
		for _, w := range p.Workouts(d) {
			workouts++
			if w.GPS {
				gps++
			}
		}
		segments += len(p.Segments(d))
		syncs += len(p.Syncs(s))
		if p.DayOff(d) {
			off++
		}
	}
	for _, x := range []struct {
		what           string
		got, low, high float64
	}{
		{"seconds between readings", 60 * float64(worn) / float64(beats), 2.9, 3.3},
		{"readings a day", float64(beats) / days, 25_500, 28_500},
		{"share of jumps", float64(jumps) / float64(beats), 0, 0.01},
		{"share of equal neighbours", float64(equal) / float64(beats), 0.25, 0.7},
		{"minutes with steps a day", float64(stepMinutes) / days, 210, 310},
		{"nights a day", float64(nights) / days, 0.85, 0.99},
		{"naps a day", float64(naps) / days, 0.05, 0.3},
		{"workouts a day", float64(workouts) / days, 0.5, 1},
		{"workouts with GPS", float64(gps) / float64(workouts), 0.3, 0.9},
		{"segments a day", float64(segments) / days, 150, 500},
		{"syncs a day", float64(syncs) / days, 50, 80},
		{"days off", float64(off), 1, 8},
	} {
		if x.got < x.low || x.got > x.high {
			t.Errorf("%s: %.3f, want %v to %v", x.what, x.got, x.low, x.high)
		}
	}
}

// checkNight wants stages without gaps on half minutes, and sums that fit.
func checkNight(t *testing.T, n *simulate.Night) {
	t.Helper()
	at := n.Start
	for _, s := range n.Stages {
		if !s.Start.Equal(at) || !s.End.After(s.Start) || s.End.Sub(s.Start)%(30*time.Second) != 0 {
			t.Errorf("%s: a stage from %v to %v behind %v", n.Day, s.Start, s.End, at)
		}
		at = s.End
	}
	if !at.Equal(n.End) || n.Start.Unix()%30 != 0 {
		t.Errorf("%s: from %v to %v, stages to %v", n.Day, n.Start, n.End, at)
	}
	if s := n.Summary(); s.Asleep+s.Awake != s.InPeriod || s.Asleep*10 < s.InPeriod*6 {
		t.Errorf("%s: %+v", n.Day, s)
	}
}

// TestZones lets people live through changes of clocks and journeys.
func TestZones(t *testing.T) {
	start := day(t, "2025-01-01")
	journey := metric.Zones{{From: start, Name: "Europe/Berlin"}, {From: day(t, "2025-05-10"), Name: "America/New_York"}, {From: day(t, "2025-05-20"), Name: "Asia/Kolkata"}}
	for _, x := range []struct {
		zones   metric.Zones
		day     string
		minutes int
	}{
		{metric.Zones{{From: start, Name: "Europe/Berlin"}}, "2025-03-30", 1380},
		{metric.Zones{{From: start, Name: "Europe/Berlin"}}, "2025-10-26", 1500},
		{metric.Zones{{From: start, Name: "America/New_York"}}, "2025-03-09", 1380},
		{metric.Zones{{From: start, Name: "America/New_York"}}, "2025-11-02", 1500},
		{metric.Zones{{From: start, Name: "Asia/Kolkata"}}, "2025-03-30", 1440},
		{metric.Zones{{From: start, Name: "Asia/Kolkata"}}, "2025-10-26", 1440},
		{journey, "2025-05-09", 1440 + 360},
		{journey, "2025-05-19", 1440 - 570},
		{journey, "2025-05-15", 1440},
	} {
		p := &simulate.Person{Seed: 3, Start: start, Zones: x.zones}
		d := day(t, x.day)
		if got := len(p.Minutes(d)); got != x.minutes {
			t.Errorf("%s in %s has %d minutes, want %d", d, p.Zone(d), got, x.minutes)
		}
		if !p.Midnight(d).Equal(x.zones.Midnight(d)) {
			t.Errorf("%s begins at %v, for the zones at %v", d, p.Midnight(d), x.zones.Midnight(d))
		}
		for _, m := range p.Minutes(d) {
			if local := m.Start.Add(time.Duration(p.Offset(m.Start)) * time.Second).UTC(); metric.DayOf(local) != d || p.Day(m.Start) != d {
				t.Fatalf("%v is %v on the clock, and counts to %s", m.Start, local, p.Day(m.Start))
			}
		}
		if n, ok := p.MainNight(d); ok {
			checkNight(t, &n)
			if p.Day(n.End) != d {
				t.Errorf("the night of %s ends on %s", d, p.Day(n.End))
			}
		}
	}
}

// TestSyncs wants quarters of an hour awake, hours asleep, and nothing while offline.
func TestSyncs(t *testing.T) {
	p := berlin(t)
	week := metric.Span{Start: instant(t, "2025-06-02T00:00:00Z"), End: instant(t, "2025-06-09T00:00:00Z")}
	p.Offline = []metric.Span{week}
	all := p.Syncs(metric.Span{Start: instant(t, "2025-05-01T00:00:00Z"), End: instant(t, "2025-07-01T00:00:00Z")})
	if !slices.IsSortedFunc(all, func(a, b time.Time) int { return a.Compare(b) }) {
		t.Error("the syncs are not in order")
	}
	late, night := 0, 0
	for i := 1; i < len(all); i++ {
		gap := all[i].Sub(all[i-1])
		if gap < 10*time.Minute {
			t.Errorf("two syncs within %v at %v", gap, all[i])
		}
		if gap > 90*time.Minute && p.Minutes(p.Day(all[i]))[0].Worn {
			late++
		}
		if h := all[i].Add(2 * time.Hour).Hour(); h >= 1 && h < 5 {
			night++
			if gap < time.Hour {
				t.Errorf("at %v %v after the last", all[i], gap)
			}
		}
		if week.Contains(all[i]) {
			t.Errorf("a sync at %v, offline", all[i])
		}
	}
	if late == 0 || night == 0 {
		t.Errorf("%d late syncs, %d at night", late, night)
	}
	if last := p.LastSync(instant(t, "2025-06-08T12:00:00Z")); !last.Before(week.Start) || week.Start.Sub(last) > 5*time.Hour {
		t.Errorf("the last sync of a week offline is %v", last)
	}
	if next := p.NextSync(week.Start); next.Before(week.End) {
		t.Errorf("the next sync of a week offline is %v", next)
	}
	now := instant(t, "2025-06-20T12:00:00Z")
	if got := p.LastSync(now); got.After(now) || !slices.Contains(all, got) {
		t.Errorf("the last sync is %v", got)
	}
	if got := p.LastSync(instant(t, "2024-12-01T00:00:00Z")); !got.IsZero() {
		t.Errorf("a sync before the first day: %v", got)
	}
}

// TestBattery wants a charge that falls and comes back off the wrist.
func TestBattery(t *testing.T) {
	p := berlin(t)
	low, high, charged := 100, 0, 0
	before := -1
	for at := instant(t, "2025-03-01T00:00:00Z"); at.Before(instant(t, "2025-04-01T00:00:00Z")); at = at.Add(10 * time.Minute) {
		b := p.Battery(at)
		low, high = min(low, b), max(high, b)
		if before >= 0 && b > before {
			charged++
			if worn := p.TotalsOf(metric.Span{Start: at.Add(-10 * time.Minute), End: at}).Worn; worn == 10 {
				t.Errorf("charged on the wrist at %v", at)
			}
		}
		before = b
	}
	if low < 5 || low > 35 || high != 100 || charged == 0 {
		t.Errorf("between %d and %d percent, rising %d times", low, high, charged)
	}
}

// TestNightInProgress follows one night at the service: unknown, in progress, processed, computed again.
func TestNightInProgress(t *testing.T) {
	p := berlin(t)
	d := day(t, "2025-04-03")
	again := instant(t, "2025-04-05T10:00:00Z")
	p.Rewrite = []simulate.Rewrite{{Day: d, At: again}}
	n, ok := p.MainNight(d)
	if !ok {
		t.Fatal("no night")
	}
	if got := p.NightsAt(d, n.Start.Add(30*time.Minute)); len(got) != 0 {
		t.Errorf("after half an hour %+v", got)
	}
	got := p.NightsAt(d, n.Start.Add(4*time.Hour))
	if len(got) != 1 || got[0].Processed || got[0].Key != n.Key || !got[0].End.Before(n.End) {
		t.Fatalf("after four hours %+v", got)
	}
	checkInProgress(t, &got[0])
	got = p.NightsAt(d, again.Add(-time.Second))
	if len(got) == 0 || !reflect.DeepEqual(got[0], n) {
		t.Errorf("before the second computation %+v", got)
	}
	got = p.NightsAt(d, again)
	if len(got) == 0 || got[0].Key != n.Key || got[0].Start.Equal(n.Start) || !got[0].Updated.Equal(again) || reflect.DeepEqual(got[0].Stages, n.Stages) {
		t.Errorf("after it %+v", got)
	}
	checkNight(t, &got[0])
	if other := p.NightsAt(d+1, again); len(other) > 0 && !other[0].Updated.Before(again) {
		t.Error("another night was computed again")
	}
}

func checkInProgress(t *testing.T, n *simulate.Night) {
	t.Helper()
	if last := n.Stages[len(n.Stages)-1].End; !last.Equal(n.End) {
		t.Errorf("in progress to %v, stages to %v", n.End, last)
	}
}

// TestSkin wants no baseline in the first nights.
func TestSkin(t *testing.T) {
	p := berlin(t)
	missing, there := 0, 0
	for d := p.Start; d < p.Start+40; d++ {
		if v, ok := p.Vitals(d); ok && math.IsNaN(v.Baseline) {
			missing++
			if there > 0 {
				t.Errorf("%s: the baseline is gone again", d)
			}
		} else if ok {
			there++
		}
	}
	if missing < 6 || missing > 8 || there < 25 {
		t.Errorf("%d nights without a baseline, %d with", missing, there)
	}
}

// A track stands now and then, in one place, and never goes back; its end has gone all the way.
func TestTracksStop(t *testing.T) {
	p := berlin(t)
	tracks, standing, points := 0, 0, 0
	for d := day(t, "2025-04-01"); d < day(t, "2025-10-20"); d++ {
		for _, w := range p.Workouts(d) {
			track := p.Track(w)
			if track == nil {
				continue
			}
			tracks++
			stood := false
			for i := 1; i < len(track); i++ {
				points++
				a, b := track[i-1], track[i]
				switch {
				case b.Distance < a.Distance:
					t.Fatalf("workout of %s: the distance goes back", d)
				case b.Distance == a.Distance:
					stood = true
					if a.Lat != b.Lat || a.Lon != b.Lon {
						t.Fatalf("workout of %s: standing, the person moves", d)
					}
				}
			}
			if stood {
				standing++
			}
			if want := float64(w.Millimetre) / 1000; math.Abs(track[len(track)-1].Distance-want) > 0.05*want {
				t.Errorf("workout of %s: the end is at %.0f of %.0f m", d, track[len(track)-1].Distance, want)
			}
		}
	}
	if tracks < 40 || standing < tracks/2 {
		t.Errorf("%d of %d tracks stop", standing, tracks)
	}
}

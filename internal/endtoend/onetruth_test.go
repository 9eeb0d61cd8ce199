// Days and years of one loop are lived here: without the race detector, which would take ten times as long (make test runs them beside it).

//go:build !race

package endtoend

import (
	"context"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/collect"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate/oddtest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
)

// allowance says how a series of one person may differ between two services.
type allowance struct {
	why      string
	off      map[string]float64                              // by field: by so much at most; 0 for the very same
	subset   bool                                            // Fitbit has only some of the samples
	zeros    bool                                            // a zero and nothing are the same
	lacks    []string                                        // fields that Fitbit has not, or not always
	byDay    bool                                            // the instants differ within a day
	untagged bool                                            // the tags may differ
	whole    func(google, fitbit map[string]sample) []string // compares all of the series at once
	instead  func(google, fitbit sample) bool
}

// oneTruth are the tolerances. A series without a row is the very same at both.
var oneTruth = map[metric.ID]allowance{
	"heart_rate":        {why: "the Fitbit Web API has a reading every 5 to 15 s, of those that Google has every 1 to 5 s", subset: true},
	"heart_rate_minute": {why: "made of fewer readings, so the ends may be missed and the mean shifts", off: map[string]float64{"mean": 12, "min": 25, "max": 25}, subset: true},
	"heart_zones": {why: "Fitbit counts sleep as out of range, Google leaves it out", off: map[string]float64{"Fat Burn": 1, "Cardio": 1, "Peak": 1},
		instead: func(g, f sample) bool { return f["Normal"] >= g["Normal"] }, lacks: []string{"Normal"}},
	"active_zone_minutes": {why: "Fitbit leaves out days without any", zeros: true},
	"hrv_intraday":        {why: "Fitbit does not give SDNN", lacks: []string{"sdnn"}},
	"steps_intraday":      {why: "Fitbit fills minutes without steps with zeros", zeros: true},
	"calories_intraday":   {why: "the same energy, rounded", off: map[string]float64{"value": 0.0001}},
	"distance_intraday":   {why: "Fitbit writes metres of a kilometre with a few decimals", off: map[string]float64{"value": 0.001}},
	"elevation_intraday":  {why: "rounded", off: map[string]float64{"value": 0.01}},
	"distance":            {why: "Fitbit writes metres of a kilometre with a few decimals", off: map[string]float64{"value": 0.001}},
	"elevation":           {why: "rounded", off: map[string]float64{"value": 0.01}},
	"calories":            {why: "Fitbit writes whole kilocalories", off: map[string]float64{"value": 0.5001}},
	"active_calories":     {why: "Fitbit writes whole kilocalories", off: map[string]float64{"value": 0.5001}},
	"sleep_summary": {why: "Fitbit counts wakings of up to 3 minutes as awake, and does not tell how long falling asleep took", off: map[string]float64{"efficiency": 6, "minutesAsleep": 30,
		"minutesAwake": 30, "minutesLight": 30, "minutesREM": 15, "minutesDeep": 15, "minutesToFallAsleep": 30, "minutesAfterWakeup": 30}},
	"sleep_levels":          {why: "Fitbit tells wakings of up to 3 minutes, which are cut out of the stages they lie over", whole: wakings},
	"breathing_rate_stages": {why: "Fitbit says the day only, and leaves out stages it could not tell", byDay: true, lacks: []string{"rem"}},
	"spo2_intraday":         {why: "Fitbit has gaps", subset: true},
	"skin_temperature":      {why: "Fitbit writes tenths of a degree", off: map[string]float64{"RelativeValue": 0.0501}},
	"bmi":                   {why: "Fitbit writes hundredths", off: map[string]float64{"value": 0.00501}},
	"vo2_max":               {why: "Fitbit writes whole numbers, or a range of them", off: map[string]float64{"value": 0.501}},
	"workouts":              {why: "a few have no name at Fitbit, which is a tag", untagged: true},
	"track":                 {why: "the tag holds the workout's name", untagged: true},
}

// sample is the fields of one instant and its tags.
type sample map[string]float64

// fetched fetches days of a person, and the day after, through a source into an archive. A night that begins on the last of them belongs to
// the day after.
func fetched(t *testing.T, src source.Source, name string, now clock.Clock, days metric.Span, leaveOut ...metric.ID) *archive.Archive {
	t.Helper()
	a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), name+".db"), Catalogue: metric.Default(), Rank: []string{name}, Now: now.Now})
	if err != nil {
		t.Fatal(err)
	}
	first, last := days.Days()
	c := collect.New(collect.Config{Person: metric.Person{ID: "default"}, Source: src, Archive: a, Clock: now, Start: first, LeaveOut: leaveOut})
	if err := c.Once(t.Context(), metric.DaySpan(first, last+1)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return a
}

// truths are what stands in an archive of the days fetched into it, which it closes.
func truths(t *testing.T, a *archive.Archive, now clock.Clock, days metric.Span) map[metric.ID]map[string]sample {
	t.Helper()
	defer a.Close()
	cat := metric.Default()
	first, last := days.Days()
	zones := metric.Zones{{Name: "Europe/Berlin"}}
	span := metric.Span{Start: zones.Midnight(first), End: zones.Midnight(last + 1)}
	out := map[metric.ID]map[string]sample{}
	for _, row := range cat {
		out[row.ID] = map[string]sample{}
		part := span
		if row.ID == metric.Battery { // it is told now
			part.End = now.Now()
		}
		for b, err := range a.Read(context.Background(), "default", row.ID, part) {
			if err != nil {
				t.Fatal(err)
			}
			for i, at := range b.Times {
				s := sample{}
				for f, v := range b.Row(i) {
					if metric.Present(v) {
						s[row.Fields[f].Key] = v
					}
				}
				key := time.Unix(0, at).UTC().Format(time.RFC3339)
				if oneTruth[row.ID].byDay {
					key = time.Unix(0, at).In(zones.Now()).Format(time.DateOnly)
				}
				if !oneTruth[row.ID].untagged {
					key = fmt.Sprint(key, b.Tags)
				}
				out[row.ID][key] = s
			}
		}
	}
	return out
}

// TestOneTruth: the same person, fetched through Google and through Fitbit, gives the same archive, series by series.
func TestOneTruth(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	synctest.Test(t, func(t *testing.T) {
		now := clock.At(time.Date(2026, 11, 6, 11, 0, 0, 0, time.UTC), 1)
		first, last := day(t, "2026-10-20"), day(t, "2026-11-04") // the clocks go back on 25 October
		p := person(777, "Europe/Berlin", "Charge 6", first)
		days := metric.DaySpan(first, last)
		a := truths(t, fetched(t, oddGoogle(t, p, now.Now, nil), "google", now, days), now, days)
		b := truths(t, fetched(t, oddFitbit(t, p, now.Now, nil), "fitbit", now, days), now, days)
		for _, row := range metric.Default() {
			if row.ID == "skin_temperature_nightly" { // Fitbit tells it against the baseline only
				continue
			}
			compare(t, row, a[row.ID], b[row.ID], nil)
		}
	})
}

// TestOneTruthOdd: where both services answer oddly, what both archives hold is the same. The clocks do not change here, as in TestSteadyLifeOdd.
func TestOneTruthOdd(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { oneTruthOdd(t, seed) })
		})
	}
}

func oneTruthOdd(t *testing.T, seed uint64) {
	t.Helper()
	first, last := day(t, "2026-11-09"), day(t, "2026-11-12")
	p := person(777, "Europe/Berlin", "Charge 6", first)
	days := metric.DaySpan(first, last)
	var taken []*oddtest.Taken
	held := map[string]map[metric.ID]map[string]sample{}
	for name, source := range bothOdd {
		now := clock.At(time.Date(2026, 11, 14, 11, 0, 0, 0, time.UTC), 1)
		odd := &simulate.Oddities{Seed: seed}
		a := fetchedOdd(t, source(t, p, now.Now, odd), name, now, days)
		held[name] = truths(t, a, now, days)
		took, err := oddtest.Of(p, odd.Taken())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, took)
	}
	lost, both := 0, 0
	for _, row := range metric.Default() {
		if row.ID == "skin_temperature_nightly" || row.ID == metric.Battery { // which is that of the moment
			continue
		}
		took := func(key string) bool {
			for _, at := range instants(t, p, key) {
				for _, one := range taken {
					if one.At(row.ID, at) || one.At(row.ID, at, "stranger") {
						lost++
						return true
					}
				}
			}
			return false
		}
		g, f := held["google"][row.ID], held["fitbit"][row.ID]
		for key := range f {
			if _, ok := g[key]; ok {
				both++
			}
		}
		compare(t, row, g, f, took)
	}
	if lost == 0 || both < 20_000 {
		t.Errorf("%d samples were held against each other, %d were missing: nothing was odd, or too little was there", both, lost)
	}
	t.Logf("%d samples were held against each other; %d more are missing, lack a field or are of a sleep, where one of the services took something", both, lost)
}

// instants are those that a sample's key may stand for: a day is that of a night's end, too.
func instants(t *testing.T, p *simulate.Person, key string) []time.Time {
	t.Helper()
	if at, err := time.Parse(time.RFC3339, key[:min(len(key), len("2006-01-02T15:04:05Z"))]); err == nil {
		return []time.Time{at}
	}
	d := day(t, key[:len(time.DateOnly)])
	out := []time.Time{p.Midnight(d)}
	for _, n := range p.Nights(d) {
		out = append(out, n.End)
	}
	return out
}

// compare holds the samples of a series against each other. It shows no more than a few differences. took says of a key whether one of the services
// took something of the sample, which may then be missing or lack a field; nil where none did.
func compare(t *testing.T, row metric.Series, g, f map[string]sample, took func(key string) bool) {
	t.Helper()
	rule := oneTruth[row.ID]
	excused := func(key string) bool { return took != nil && took(key) }
	var bad []string
	if rule.whole != nil {
		for _, all := range []map[string]sample{g, f} {
			maps.DeleteFunc(all, func(key string, _ sample) bool { return excused(key) })
		}
		bad = rule.whole(g, f)
		g, f = map[string]sample{"": {}}, map[string]sample{"": {}}
	}
	for key, want := range g {
		got, ok := f[key]
		switch {
		case !ok && (rule.subset || rule.zeros && zero(want) || excused(key)):
		case !ok:
			bad = append(bad, key+": Fitbit has no sample")
		default:
			bad = append(bad, unlike(rule, key, want, got, excused)...)
		}
	}
	for key, got := range f {
		if _, ok := g[key]; !ok && !(rule.zeros && zero(got)) && !excused(key) && !untimed(key, g, excused) {
			bad = append(bad, key+": Google has no sample")
		}
	}
	if took == nil && (len(g) == 0 || len(f)*10 < len(g)) { // all of what is seldom may be taken
		bad = append(bad, fmt.Sprintf("%d samples from Google, %d from Fitbit", len(g), len(f)))
	}
	slices.Sort(bad)
	if len(bad) > 0 {
		t.Errorf("%s (%d and %d samples, %d differences):", row.ID, len(g), len(f), len(bad))
		for _, b := range bad[:min(len(bad), 6)] {
			t.Errorf("  %s", b)
		}
	}
}

// untimed reports whether a key is a day's last second in Berlin, where Fitbit puts an entry whose time was taken.
func untimed(key string, g map[string]sample, excused func(key string) bool) bool {
	at, err := time.Parse(time.RFC3339, key[:min(len(key), len("2006-01-02T15:04:05Z"))])
	if err != nil || !at.Equal(at.Truncate(time.Hour).Add(time.Hour-time.Second)) {
		return false
	}
	for other := range g {
		if when, err := time.Parse(time.RFC3339, other[:min(len(other), len("2006-01-02T15:04:05Z"))]); err == nil && !when.After(at) && at.Sub(when) < 24*time.Hour && excused(other) {
			return true
		}
	}
	return false
}

func unlike(rule allowance, key string, want, got sample, excused func(key string) bool) []string {
	var bad []string
	for field, w := range want {
		v, ok := got[field]
		switch {
		case slices.Contains(rule.lacks, field) && (!ok || rule.instead != nil):
		case !ok && excused(key):
		case !ok, math.Abs(v-w) > rule.off[field]+1e-9:
			bad = append(bad, fmt.Sprintf("%s: %s is %v at Google, %v at Fitbit", key, field, w, v))
		}
	}
	for field := range got {
		if _, ok := want[field]; !ok && !excused(key) {
			bad = append(bad, fmt.Sprintf("%s: only Fitbit has %s", key, field))
		}
	}
	if rule.instead != nil && !rule.instead(want, got) && !excused(key) {
		bad = append(bad, key+": "+rule.why+", but not so")
	}
	return bad
}

func zero(s sample) bool {
	for _, v := range s {
		if v != 0 {
			return false
		}
	}
	return true
}

// backAt is when the clock of Berlin shows the hour that comes twice for the first time.
var backAt = time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC)

// wakings compares hypnograms: at every moment both tell the same level, but for wakings of up to 3 minutes that Fitbit alone tells.
func wakings(g, f map[string]sample) []string {
	var bad []string
	ours, theirs := hypnogram(g), hypnogram(f)
	for at, level := range ours {
		switch other, ok := theirs[at]; {
		case !ok:
			if _, before := theirs[at-60]; !before { // a nap's levels are whole minutes
				bad = append(bad, time.Unix(at, 0).UTC().Format(time.RFC3339)+": Fitbit has no level")
			}
		case level == 3 && !time.Unix(at, 0).Before(backAt) && time.Unix(at, 0).Before(backAt.Add(2*time.Hour)):
			// of a short waking in the hour that the clocks show twice, Fitbit does not tell in which
		case other != level && other != 3:
			bad = append(bad, fmt.Sprintf("%s: level %v at Google, %v at Fitbit", time.Unix(at, 0).UTC().Format(time.RFC3339), level, other))
		}
	}
	for at := range theirs {
		if _, ok := ours[at]; !ok {
			bad = append(bad, time.Unix(at, 0).UTC().Format(time.RFC3339)+": Google has no level")
		}
	}
	if len(ours) == 0 {
		bad = append(bad, "no levels at all")
	}
	for key, s := range f { // a waking of its own is short
		at, _ := time.Parse(time.RFC3339, key[:len("2006-01-02T15:04:05Z")])
		if level, ok := ours[at.Unix()]; ok && level != 3 && s["level"] == 3 && s["duration_seconds"] > 180 {
			bad = append(bad, key+": a waking of more than 3 minutes that Google does not tell")
		}
	}
	return bad
}

// hypnogram is the level at each ten seconds of sleep.
func hypnogram(samples map[string]sample) map[int64]float64 {
	out := map[int64]float64{}
	for key, s := range samples {
		at, err := time.Parse(time.RFC3339, key[:len("2006-01-02T15:04:05Z")])
		if err != nil {
			continue
		}
		for t := at.Unix(); t < at.Unix()+int64(s["duration_seconds"]); t++ {
			if t%10 == 0 {
				out[t] = s["level"]
			}
		}
	}
	return out
}

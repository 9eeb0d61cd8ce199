// Days of one loop are lived here: without the race detector, which would take ten times as long (make test runs them beside it).

//go:build !race

package endtoend

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/fitbit"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

// oddGoogle is a source that asks a service that answers oddly; nil for one that does not.
func oddGoogle(t *testing.T, p *simulate.Person, now func() time.Time, odd *simulate.Oddities) source.Source {
	t.Helper()
	g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: now, NoQuota: true, TokenLife: 1000 * time.Hour, Odd: odd})
	src, err := google.New(google.Config{HTTP: &http.Client{Transport: simulate.Transport{Handler: g, Token: g.AccessToken(p)}}, Catalogue: metric.Default(), Now: now, Unlimited: true, Family: "google-wearables"})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func oddFitbit(t *testing.T, p *simulate.Person, now func() time.Time, odd *simulate.Oddities) source.Source {
	t.Helper()
	f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: now, NoLimit: true, TokenLife: 1000 * time.Hour, Odd: odd})
	src, err := fitbit.New(fitbit.Config{HTTP: &http.Client{Transport: simulate.Transport{Handler: f, Token: f.AccessToken(p)}}, Catalogue: metric.Default(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

var bothOdd = map[string]func(*testing.T, *simulate.Person, func() time.Time, *simulate.Oddities) source.Source{"google": oddGoogle, "fitbit": oddFitbit}

// A judge holds an archive that an odd service filled against others.
type judge struct {
	p           *simulate.Person
	taken       *oddtest.Taken
	is          oddtest.Values
	first, last metric.Day // the days that count
}

func newJudge(t *testing.T, p *simulate.Person, odd *simulate.Oddities, got *archive.Archive, first, last metric.Day) *judge {
	t.Helper()
	taken, err := oddtest.Of(p, odd.Taken())
	if err != nil {
		t.Fatal(err)
	}
	j := &judge{p: p, taken: taken, first: first, last: last}
	if j.is = oddtest.Read(t, got, "default", j.span()); len(j.is) < 10_000 {
		t.Errorf("%d samples: too little was there", len(j.is))
	}
	return j
}

func (j *judge) span() metric.Span {
	return metric.Span{Start: j.p.Midnight(j.first), End: j.p.Midnight(j.last + 1)}
}

// clean holds it against an archive that the same service filled without oddities.
func (j *judge) clean(t *testing.T, want *archive.Archive) {
	t.Helper()
	if missing := j.taken.Judge(t, j.is, oddtest.Read(t, want, "default", j.span())); missing == 0 {
		t.Error("nothing was odd")
	}
}

// truth holds it against the person's life, of the series that were not left out.
func (j *judge) truth(t *testing.T, now time.Time, leaveOut []metric.ID) {
	t.Helper()
	life := &truth{points: points{}, p: j.p, first: j.first - 1, now: now, horizon: j.p.LastSync(now), factor: func(string, string) float64 { return 1 }}
	if len(leaveOut) == 0 {
		life.all()
	} else {
		life.days()
	}
	want := oddtest.Values{}
	for k, v := range valuesOf(t, life.points) {
		if k.Series != metric.Battery && !slices.Contains(leaveOut, k.Series) && j.span().Contains(time.Unix(0, k.At)) {
			want[k] = v
		}
	}
	got := oddtest.Values{}
	for k, v := range j.is {
		if row := metric.Default().Must(k.Series); !row.Optional { // the truth does not have these
			got[k] = rounded(v)
		}
	}
	if missing := j.taken.Judge(t, got, want); missing == 0 || len(want) < len(got)/2 {
		t.Errorf("%d of %d samples are missing, %d are there: nothing was odd, or the life is too short", missing, len(want), len(got))
	}
}

// valuesOf are points as an archive holds them.
func valuesOf(t *testing.T, all points) oddtest.Values {
	t.Helper()
	out := oddtest.Values{}
	for name, samples := range all {
		part := strings.Split(name, "|")
		var device string
		tags := map[string]string{}
		for tag := range strings.SplitSeq(part[1], ",") {
			if k, v, _ := strings.Cut(tag, "="); k == "Device" {
				device = v
			} else {
				tags[k] = v
			}
		}
		i := slices.IndexFunc(metric.Default(), func(s metric.Series) bool { return s.Measurement == part[0] && s.Field(part[2]) >= 0 })
		if i < 0 {
			t.Fatalf("no series has %s", name)
		}
		row := metric.Default()[i]
		var values []string
		for _, tag := range row.Tags {
			values = append(values, tags[tag])
		}
		for at, v := range samples {
			k := oddtest.Key{Series: row.ID, At: at, Tags: fmt.Sprintf("%q %q", device, values)}
			if out[k] == nil {
				out[k] = map[string]float64{}
			}
			out[k][part[2]] = v
		}
	}
	for k, v := range out {
		out[k] = rounded(v)
	}
	return out
}

// rounded are fields to ten digits: the truth is reckoned in another order.
func rounded(fields map[string]float64) map[string]float64 {
	out := map[string]float64{}
	for k, v := range fields {
		out[k], _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64)
	}
	return out
}

// TestYearOdd: what is there of a year of days, nights and workouts is what is there without oddities. Of what has a value each minute, days are enough.
func TestYearOdd(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	leaveOut := []metric.ID{metric.Track}
	for _, s := range metric.Default() {
		if s.Sampling == metric.Intraday && s.ID != metric.Weight && s.ID != metric.BMI && s.ID != "body_fat" {
			leaveOut = append(leaveOut, s.ID)
		}
	}
	for name, source := range bothOdd {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lifeOdd(t, name, source, 26*time.Hour, 365, leaveOut...)
		})
	}
}

// TestSteadyLifeOdd: a life with services that answer oddly. What is there is what one request for everything brings where a service does not,
// which is the one truth of TestOneTruth; so it is of a night that is computed again when it has been fetched. The clocks do not change here: in
// the hour that they show twice the order of Fitbit's list tells which it is, and a list that is reversed tells it wrongly.
func TestSteadyLifeOdd(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	for name, source := range bothOdd {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lifeOdd(t, name, source, 48*time.Hour, 1)
		})
	}
}

// lifeOdd has a collector run for so long with a service that answers oddly, and judges so many days.
func lifeOdd(t *testing.T, name string, source func(*testing.T, *simulate.Person, func() time.Time, *simulate.Oddities) source.Source, long time.Duration, days metric.Day, leaveOut ...metric.ID) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, odd, first, last := personOdd(long, days)
		p.Rewrite = []simulate.Rewrite{{Day: last, At: p.Midnight(last).Add(22 * time.Hour)}} // of what has been fetched before
		a := liveOdd(t, name, source(t, p, time.Now, odd), long, first, leaveOut...)
		defer a.Close()
		clean := fetched(t, source(t, p, time.Now, nil), name, clock.Real(), metric.DaySpan(first, last), leaveOut...)
		defer clean.Close()
		j := newJudge(t, p, odd, a, first, last)
		j.clean(t, clean)
		if name == "google" { // the Fitbit Web API tells less: TestOneTruth says what
			j.truth(t, time.Now(), leaveOut)
		}
	})
}

// personOdd is who is asked for for so long, and the days that count then: they end over a day before, since what is refused at first is asked
// again after one.
func personOdd(long time.Duration, days metric.Day) (p *simulate.Person, odd *simulate.Oddities, first, last metric.Day) {
	last = metric.DayOf(time.Now().Add(long - 48*time.Hour))
	first = last - days + 1
	return &simulate.Person{Seed: 777, Zones: metric.Zones{{Name: "Europe/Berlin"}}, Start: first - 60}, &simulate.Oddities{Seed: 1}, first, last
}

// liveOdd returns the archive of a collector that ran for so long.
func liveOdd(t *testing.T, name string, src source.Source, long time.Duration, first metric.Day, leaveOut ...metric.ID) *archive.Archive {
	t.Helper()
	a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), name+".db"), Catalogue: metric.Default(), Rank: []string{name}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	c := collect.New(collect.Config{Person: metric.Person{ID: "default"}, Source: src, Archive: a, Clock: clock.Real(), Start: first, LeaveOut: leaveOut})
	ctx, stop := context.WithTimeout(t.Context(), long)
	defer stop()
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestOneTruthOdd: two services that both answer oddly tell of the same person the same, where neither was odd about it.
func TestOneTruthOdd(t *testing.T) {
	t.Parallel()
	proctest.NotShort(t)
	synctest.Test(t, func(t *testing.T) {
		const long, days = 26 * time.Hour, 3
		heart := []metric.ID{metric.HeartRate, metric.HeartRateMinute} // which would be most of the time: TestSteadyLifeOdd has it
		p, atGoogle, first, last := personOdd(long, days)
		atFitbit := &simulate.Oddities{Seed: 2}
		a := liveOdd(t, "google", oddGoogle(t, p, time.Now, atGoogle), long, first, heart...)
		b := liveOdd(t, "fitbit", oddFitbit(t, p, time.Now, atFitbit), long, first, heart...)
		span := metric.DaySpan(first, last)
		fromGoogle, fromFitbit := truths(t, a, clock.Real(), span), truths(t, b, clock.Real(), span)
		var taken []*oddtest.Taken
		for _, odd := range []*simulate.Oddities{atGoogle, atFitbit} {
			of, err := oddtest.Of(p, odd.Taken())
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, of)
		}
		all, left := 0, 0
		for _, row := range metric.Default() {
			if row.ID == "skin_temperature_nightly" || row.ID == metric.Battery {
				continue
			}
			g, f := fromGoogle[row.ID], fromFitbit[row.ID]
			all += len(g)
			for _, held := range []map[string]sample{g, f} {
				maps.DeleteFunc(held, func(key string, _ sample) bool {
					return slices.ContainsFunc(taken, func(of *oddtest.Taken) bool { return of.Touched(row.ID, whenOdd(t, p, row, key)) })
				})
			}
			left += len(g)
			if len(g) > 0 || len(f) > 0 {
				compare(t, row, g, f)
			}
		}
		if t.Logf("%d of %d samples of Google's are left", left, all); left == all || left < all/2 {
			t.Errorf("%d of %d samples of Google's are left", left, all)
		}
	})
}

// whenOdd is the time of which a sample is made: its own, the day of one that the Fitbit Web API tells the day of only.
func whenOdd(t *testing.T, p *simulate.Person, row metric.Series, key string) metric.Span {
	t.Helper()
	if oneTruth[row.ID].byDay {
		return p.DaySpan(day(t, key[:len(time.DateOnly)]))
	}
	at, err := time.Parse(time.RFC3339, key[:len("2006-01-02T15:04:05Z")])
	if err != nil {
		t.Fatal(err)
	}
	switch row.ID {
	case metric.Weight, metric.BMI, "body_fat", "core_temperature": // one without a time of day stands at the end of its day
		return p.DaySpan(p.Day(at))
	case metric.HeartRateMinute:
		return metric.Span{Start: at, End: at.Add(time.Minute)}
	}
	return metric.Span{Start: at, End: at.Add(time.Second)}
}

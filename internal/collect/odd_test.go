// Days are lived twice at each service here: without the race detector, which would take ten times as long.

//go:build !race

package collect

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/clock"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
	"github.com/fitbit-fetch/fitbit-fetch/internal/simulate"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/fitbit"
	"github.com/fitbit-fetch/fitbit-fetch/internal/source/google"
)

// TestOdd: what a service that answers oddly leaves in the archive is what the same service leaves that answers well, less what was
// taken away. Nothing differs, nothing is there that should not be, and what is missing belongs to a day of which something was taken.
func TestOdd(t *testing.T) {
	for _, service := range []string{google.Name, fitbit.Name} {
		for _, seed := range []uint64{0} {
			t.Run(fmt.Sprint(service, seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { // it waits for the hour's limit
					odd := &simulate.Oddities{Seed: seed}
					want, got := livedOddly(t, service, nil), livedOddly(t, service, odd)
					judgeOdd(t, got, want, odd.Taken())
				})
			})
		}
	}
}

var oddZone = metric.Zones{{Name: "Europe/Berlin"}}

// livedOddly fetches a few days, and asks on for ten days more.
func livedOddly(t *testing.T, service string, odd *simulate.Oddities) values {
	t.Helper()
	at := time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)
	today := metric.DayOf(at)
	p := &simulate.Person{Seed: 7, Zones: oddZone, Start: today - 6}
	now := clock.At(at, 1)
	var h http.Handler
	var key string
	if service == google.Name {
		g := simulate.NewGoogle(simulate.Config{Persons: []*simulate.Person{p}, Now: func() time.Time { return now.Now() }, NoQuota: true, TokenLife: 1000 * time.Hour, Odd: odd})
		h, key = g, g.AccessToken(p)
	} else {
		f := simulate.NewFitbit(simulate.FitbitConfig{Persons: []*simulate.Person{p}, Now: func() time.Time { return now.Now() }, NoLimit: true, TokenLife: 1000 * time.Hour, Odd: odd})
		h, key = f, f.AccessToken(p)
	}
	a, err := archive.Open(t.Context(), archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(),
		Rank: []string{"google", "fitbit"}, Now: func() time.Time { return now.Now() }})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, days := range []int{0, 1, 2, 4, 10} {
		now = clock.At(at.AddDate(0, 0, days), 1)
		client := &http.Client{Transport: served{h, func() string { return key }}}
		var s source.Source
		if service == google.Name {
			s, err = google.New(google.Config{HTTP: client, Person: "me", Catalogue: metric.Default(), Now: now.Now, Unlimited: true})
		} else {
			s, err = fitbit.New(fitbit.Config{HTTP: client, Person: "me", Zone: "Europe/Berlin", Catalogue: metric.Default(), Now: now.Now})
		}
		if err != nil {
			t.Fatal(err)
		}
		c := New(Config{Person: metric.Person{ID: "me"}, Source: s, Archive: a, Clock: now, Start: today - 2, Zone: "Europe/Berlin", LeaveOut: dense()})
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(3+2*days)*time.Hour)
		if err := c.Run(ctx); err != nil {
			t.Errorf("after %d days: %v", days, err)
		}
		cancel()
	}
	all := heldBy(t, a)
	span := metric.Span{Start: oddZone.Midnight(today - 2), End: oddZone.Midnight(today + 3)} // so that each was asked for again
	for k := range all {
		if _, when, id := parts(t, k); id == metric.Battery || !span.Contains(when) {
			delete(all, k)
		}
	}
	return all
}

func parts(t *testing.T, k string) (day metric.Day, when time.Time, id metric.ID) {
	t.Helper()
	var name, at string
	fmt.Sscan(k, &name, &at)
	when, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		t.Fatal(err)
	}
	return metric.DayOf(when.In(oddZone.Now())), when, metric.ID(name)
}

// judgeOdd compares an odd archive with a clean one.
func judgeOdd(t *testing.T, got, want values, taken []simulate.Taken) {
	t.Helper()
	days := map[metric.Day][]simulate.Taken{}
	readings := map[string]bool{}    // minutes of which a reading was taken
	counted := map[metric.Day]bool{} // a night has no summary: its minutes are counted from its stages, and rounded otherwise
	kinds := map[string]int{}
	for _, x := range taken {
		kinds[x.Kind]++
		if !x.Loses() {
			continue
		}
		var d metric.Day
		if when, err := time.Parse(time.RFC3339Nano, x.Time); err == nil {
			d = metric.DayOf(when.In(oddZone.Now()))
		} else if civil, err := time.Parse(time.DateOnly, x.Time[:10]); err == nil {
			d = metric.DayOf(civil)
		} else {
			t.Fatalf("%+v: %v", x, err)
		}
		days[d] = append(days[d], x)
		if x.Kind == "no summary" {
			counted[d], counted[d+1] = true, true
		}
		if x.Type == "activities-heart-intraday" {
			when, err := time.ParseInLocation("2006-01-02T15:04:05", x.Time, oddZone.Now())
			if err != nil {
				t.Fatal(err)
			}
			readings[when.UTC().Truncate(time.Minute).Format(time.RFC3339Nano)] = true
		}
		if strings.Contains(x.Type, "sleep") { // a night is of the day of its waking, and begins before it
			days[d+1] = append(days[d+1], x)
		}
	}
	wrong := map[string]int{}
	say := func(id metric.ID, what, k string) {
		if wrong[string(id)+" "+what]++; wrong[string(id)+" "+what] < 3 {
			day, _, _ := parts(t, k)
			t.Errorf("%s: %s is %q, clean %q; %d taken", what, k, got[k], want[k], len(days[day]))
		}
	}
	missing := 0
	for k, v := range want {
		day, when, id := parts(t, k)
		g, ok := got[k]
		switch {
		case !ok:
			if missing++; len(days[day]) == 0 {
				say(id, "missing", k)
			}
		case id == "heart_rate_minute" && readings[when.Format(time.RFC3339Nano)]: // the mean of the other readings
		case g != v && !onlyLacks(g, v, 0) && !(id == "sleep_summary" && counted[day] && onlyLacks(g, v, 1.5)):
			say(id, "differs", k)
		case g != v:
			if missing++; len(days[day]) == 0 {
				say(id, "lacks", k)
			}
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			_, _, id := parts(t, k)
			say(id, "invented", k)
		}
	}
	t.Logf("%d values, %d missing, oddities %v", len(want), missing, kinds)
	if len(wrong) > 0 {
		t.Errorf("faults: %v", wrong)
	}
	if len(want) < 1000 || len(kinds) < 8 {
		t.Errorf("%d values, oddities %v", len(want), kinds)
	}
}

// onlyLacks reports whether a row has some of the fields of another, and those alike, or off by so much at most.
func onlyLacks(got, want string, off float64) bool {
	g, w := strings.Fields(strings.Trim(got, "[]")), strings.Fields(strings.Trim(want, "[]"))
	if len(g) != len(w) {
		return false
	}
	for i := range g {
		x, err1 := strconv.ParseFloat(g[i], 64)
		y, err2 := strconv.ParseFloat(w[i], 64)
		if g[i] != w[i] && g[i] != "NaN" && (err1 != nil || err2 != nil || !(math.Abs(x-y) <= off)) {
			return false
		}
	}
	return true
}

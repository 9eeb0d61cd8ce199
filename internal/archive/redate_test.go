package archive

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

const daySteps = metric.ID("steps")

// daysAt answers for days' steps that stand at the midnights of a zone: first*1000+more, (first+1)*1000+more …
func daysAt(source, zone, device string, first, last metric.Day, more float64) metric.Batch {
	z := metric.Zones{{Name: zone}}
	b := metric.Block{Series: daySteps, Device: device}
	for d := first; d <= last; d++ {
		b.Append(z.Midnight(d).UnixNano(), float64(d)*1000+more)
	}
	span := metric.DaySpan(first, last)
	return metric.Batch{Person: "me", Source: source, Feed: "steps_day", Axis: metric.Days, Span: span, Bounds: z.Bounds(metric.Days, span), Asked: noon,
		Final: span.End, Series: []metric.ID{daySteps}, Blocks: []metric.Block{b}}
}

// shown is what the archive shows of days' steps.
func shown(t *testing.T, a *Archive) []string {
	t.Helper()
	var out []string
	for b, err := range a.Read(context.Background(), "me", daySteps, metric.Span{Start: noon.AddDate(-1, 0, 0), End: noon.AddDate(1, 0, 0)}) {
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range b.Times {
			out = append(out, fmt.Sprintf("%s %s %v", time.Unix(0, at).UTC().Format(time.RFC3339), b.Device, b.Row(i)))
		}
	}
	slices.Sort(out)
	return out
}

// TestRedate: an archive in which days stand at the midnights of two zones, of two sources, with and without a device, ends as one
// that has known zone and device from the start; and so does a database that deletes what it is told to.
func TestRedate(t *testing.T) {
	ctx := context.Background()
	first := metric.DayOf(noon) - 40 // over the end of a month and a change of clocks
	for _, zone := range []string{"Europe/Berlin", "America/Los_Angeles", "Pacific/Kiritimati", "UTC"} {
		fresh, a := newArchive(t), newArchive(t)
		mustPut(t, fresh, daysAt("google", zone, "Charge 6", first, first+39, 0))
		mustPut(t, fresh, daysAt("fitbit", zone, "Charge 6", first-5, first+9, 0))

		mustPut(t, a, daysAt("google", "UTC", "", first, first+29, 0))
		mustPut(t, a, daysAt("google", "UTC", "", first+30, first+39, -500)) // not whole yet
		db := map[string]bool{}
		drain(t, a, db)
		mustPut(t, a, daysAt("google", zone, "Charge 6", first+30, first+39, 0)) // today's program, after the settings were granted
		mustPut(t, a, daysAt("fitbit", "Asia/Tokyo", "Charge 6", first-5, first+9, 0))
		drain(t, a, db)

		r := Redating{Person: "me", Was: metric.Zones{{Name: "Asia/Tokyo"}}, Now: metric.Zones{{Name: zone}}, Key: "zones", Value: []byte("[]")}
		stopped, stop := context.WithCancel(ctx)
		stop()
		before := shown(t, a)
		if _, err := a.Redate(stopped, r); err == nil || !slices.Equal(shown(t, a), before) {
			t.Fatalf("%s: an interruption left a part: %v", zone, err)
		}
		for range 2 { // the second time there is nothing to do
			if _, err := a.Redate(ctx, r); err != nil {
				t.Fatal(err)
			}
			if err := a.Name(ctx, "me", "google", "Charge 6"); err != nil {
				t.Fatal(err)
			}
			drain(t, a, db)
		}
		want := shown(t, fresh)
		if got := shown(t, a); !slices.Equal(got, want) {
			t.Errorf("%s: shown %q\nwant %q", zone, got, want)
		}
		var got []string
		for k := range db {
			got = append(got, k)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: database %q\nwant %q", zone, got, want)
		}
		rev := a.rev
		if _, err := a.Redate(ctx, r); err != nil || a.rev != rev {
			t.Errorf("%s: what is right was changed: %v", zone, err)
		}
		if v, err := a.State(ctx, "me", "zones"); err != nil || string(v) != "[]" {
			t.Errorf("state %q, %v", v, err)
		}
	}
}

// drain brings a database to where the archive is.
func drain(t *testing.T, a *Archive, db map[string]bool) {
	t.Helper()
	ctx := context.Background()
	for {
		pieces, err := a.Due(ctx, "db", 1000)
		if err != nil {
			t.Fatal(err)
		}
		tombs, err := a.DueTombs(ctx, "db", 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(pieces)+len(tombs) == 0 {
			return
		}
		for _, d := range tombs {
			at := fmt.Sprintf("%s %s ", time.Unix(0, d.Time).UTC().Format(time.RFC3339), d.Device)
			for k := range db {
				if len(k) > len(at) && k[:len(at)] == at {
					delete(db, k)
				}
			}
			pieces = nil
		}
		for _, p := range pieces {
			for i, at := range p.Block.Times {
				db[fmt.Sprintf("%s %s %v", time.Unix(0, at).UTC().Format(time.RFC3339), p.Block.Device, p.Block.Row(i))] = true
			}
		}
		if err := a.Ack(ctx, "db", pieces, tombs); err != nil {
			t.Fatal(err)
		}
	}
}

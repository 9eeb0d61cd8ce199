package homeassistant

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fitbit-fetch/fitbit-fetch/internal/archive"
	"github.com/fitbit-fetch/fitbit-fetch/internal/latest"
	"github.com/fitbit-fetch/fitbit-fetch/internal/metric"
)

func TestSlugs(t *testing.T) {
	for name, want := range map[string]string{"Anna": "anna", "Zoë": "zoe", "Jürgen H.": "jurgen_h", "  -- ": "", "Ana María 2": "ana_maria_2", "Анна": "", "Charge 6": "charge_6"} {
		if got := slug(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// Ids are made of the person's id and the key; only the first entity id is made of the name. So neither a name, nor a language, nor
// another provider changes them.
func TestIDs(t *testing.T) {
	for name, entity := range map[string]string{"Anna": "fitbit_anna", "": "fitbit", "Анна": "fitbit_me"} {
		w := newWorld(noon, 1)
		w.cfg.People[0].Name = name
		w.cfg.Words = func(key string) string { return map[string]string{"steps": "Schritte"}[key] }
		p := New(w.cfg)
		d := p.person(w.cfg.People[0], facts{zones: berlin, now: noon})
		for key, want := range map[string]string{"steps": "Schritte", "hrv": "Heart rate variability"} {
			c := p.component(d, p.entities[key])
			if c.UniqueID != "fitbit_fetch_me_"+key || c.DefaultEntityID != "sensor."+entity+"_"+key || c.Name != want {
				t.Errorf("%q: %+v", name, c)
			}
		}
	}
	if got := personID("service"); got == serviceID {
		t.Error("a person has the id of the service")
	}
}

// The device's id at the provider is nobody's business.
func TestTrackersAreAnonymous(t *testing.T) {
	_, r := readScene(t, "all").world(t).once(t)
	if strings.Contains(r.text(t), "secret") {
		t.Error("the provider's id of a device is published")
	}
}

// The real archive is one, and its newest values are shown.
func TestRealArchive(t *testing.T) {
	ctx := context.Background()
	a, err := archive.Open(ctx, archive.Config{Path: filepath.Join(t.TempDir(), "archive.db"), Catalogue: metric.Default(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	w := newWorld(noon, 1)
	w.cfg.Archive, w.cfg.Latest, w.cfg.Changed = a, latest.New(a, w.cfg.Catalogue, "google"), a.Changed
	put := func(d metric.Day, steps float64) {
		span := metric.DaySpan(d, d)
		b := metric.Block{Series: "steps"}
		b.Append(berlin.Midnight(d).UnixNano(), steps)
		if _, err := a.Put(ctx, metric.Batch{Person: "me", Source: "google", Feed: "totals", Axis: metric.Days, Span: span, Bounds: berlin.Bounds(metric.Days, span),
			Asked: noon, Series: []metric.ID{"steps"}, Blocks: []metric.Block{b}}); err != nil {
			t.Fatal(err)
		}
	}
	put(today, 5000)
	b := embedded(t)
	b.start(t)
	w.setBroker(b.at(user, secret))
	ha := watch(t, b.admin())
	_, stop := w.run(t)
	defer stop()
	until(t, "the steps are there", func() bool { return ha.value(stepsTopic) == 5000.0 })
	put(today-100, 20000) // a backfill
	put(today, 4900)      // computed again
	put(today, 5100)
	until(t, "the new steps are there", func() bool { return ha.value(stepsTopic) == 5100.0 })
	if ha.count(stepsTopic) > 2 {
		t.Error("there was something else in between")
	}
}

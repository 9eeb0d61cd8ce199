package homeassistant

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
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

// recalled returns a publisher that has read its memory.
func (w *world) recalled(t *testing.T) *Publisher {
	t.Helper()
	p := New(w.cfg)
	if err := p.recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// Ids are made of the person's id and the key; only the first entity id is made of the name. So neither a name, nor a language, nor
// another provider changes them.
func TestIDs(t *testing.T) {
	for name, entity := range map[string]string{"Anna": "fitbit_anna", "": "fitbit", "Анна": "fitbit_anna", "Łukasz": "fitbit_lukasz", "??": "fitbit_me"} {
		w := newWorld(noon, 1)
		w.cfg.People[0].Name = name
		w.cfg.Words = func(key string) string { return map[string]string{"steps": "Schritte"}[key] }
		p := w.recalled(t)
		d := p.person(w.cfg.People[0], facts{zones: berlin, now: noon})
		for key, want := range map[string]string{"steps": "Schritte", "hrv": "Heart rate variability"} {
			c := p.component(d, p.entities[key])
			if c.UniqueID != "fitbit_fetch_me_"+key || c.DefaultEntityID != "sensor."+entity+"_"+key || c.Name != want {
				t.Errorf("%q: %+v", name, c)
			}
		}
	}
}

// people makes persons of their names as the options do: a further person's id is the name in small letters.
func (w *world) people(names ...string) (out []Person) {
	for _, name := range names {
		id := strings.ToLower(name)
		if len(out) == 0 {
			id = "default"
		}
		out = append(out, w.person(id, name))
	}
	return out
}

// idsOf are the ids of the persons' devices, in order.
func (p *Publisher) idsOf(people []Person) (out []string) {
	for _, who := range people {
		out = append(out, p.mem.People[who.ID].ID)
	}
	return out
}

func TestPersonIDs(t *testing.T) {
	published := func(people ...string) string { // what an earlier version remembered: persons in the order of the options
		var cursors []string
		for _, id := range people {
			cursors = append(cursors, fmt.Sprintf("%q:{}", id))
		}
		return `{"client":"fitbit_fetch_1","cursors":{` + strings.Join(cursors, ",") + `}}`
	}
	for name, c := range map[string]struct {
		names    []string
		memory   string
		ids      []string
		entities []string
	}{
		"one":                   {[]string{""}, "", []string{"default"}, []string{"fitbit"}},
		"Latin":                 {[]string{"", "Kim", "Zoë"}, "", []string{"default", "kim", "zoe"}, []string{"fitbit", "fitbit_kim", "fitbit_zoe"}},
		"Cyrillic":              {[]string{"", "Аня", "Оля"}, "", []string{"default", "ania", "olia"}, []string{"fitbit", "fitbit_ania", "fitbit_olia"}},
		"Chinese":               {[]string{"王伟", "李明"}, "", []string{"default", "li_ming"}, []string{"fitbit_wang_wei", "fitbit_li_ming"}},
		"accents":               {[]string{"", "Zoë", "Zoe"}, "", []string{"default", "zoe", "zoe_9d017e"}, []string{"fitbit", "fitbit_zoe", "fitbit_zoe_9d017e"}},
		"called alike":          {[]string{"Kim", "Kim"}, "", []string{"default", "kim"}, []string{"fitbit_kim", "fitbit_kim_26ae78"}},
		"of the program":        {[]string{"", "Service"}, "", []string{"default", "person_service"}, []string{"fitbit", "fitbit_service"}},
		"like another's sensor": {[]string{"", "Resting", "Default resting"}, "", []string{"default", "resting", "default_resting_91b7ae"}, []string{"fitbit", "fitbit_resting_b72065", "fitbit_default_resting"}},

		"published alone":    {[]string{"", "Аня"}, published("default", "аня"), []string{"default", "me"}, []string{"fitbit", "fitbit_me"}},
		"published as one":   {[]string{"", "Аня", "Оля"}, published("default", "аня", "оля"), []string{"default", "me", "olia"}, []string{"fitbit", "fitbit_me", "fitbit_olia"}},
		"published first":    {[]string{"", "Zoë", "Zoe"}, published("default", "zoe"), []string{"default", "zoe_2752b8", "zoe"}, []string{"fitbit", "fitbit_zoe_2752b8", "fitbit_zoe"}},
		"published, letters": {[]string{"", "Łukasz"}, published("default", "łukasz"), []string{"default", "ukasz"}, []string{"fitbit", "fitbit_ukasz"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(noon, 1)
			w.cfg.People = w.people(c.names...)
			if c.memory != "" {
				w.archive.states["/"+stateKey] = c.memory
			}
			p := w.recalled(t)
			if got := p.idsOf(w.cfg.People); !slices.Equal(got, c.ids) {
				t.Errorf("ids %q, want %q", got, c.ids)
			}
			for i, who := range w.cfg.People {
				if got := p.mem.People[who.ID].Entity; got != c.entities[i] {
					t.Errorf("entity ids of %q begin with %q, want %q", who.ID, got, c.entities[i])
				}
			}
		})
	}
}

// alphabets are letters of many scripts, and what is alike.
var alphabets = []string{"abkmz019", "aäàáâbß", "zoëe", "анялои", "王伟李娜", "たなか太郎", "محمد", "Łłøæœ", "שרה", "สมชาย", "𝔞𝒷ab", "ﬁfiſs", "σςs", "😀♥"}

// names makes different names, many of them alike.
func names(r *rand.Rand) []string {
	fixed := []string{"me", "service", "person service", "person-service", "default", "resting", "me resting", "default resting", "kim", "kim 0123456789", "fetch", "last",
		strings.Repeat("long ", 40), strings.Repeat("long ", 40) + "er", "ania", "аня", "оля", "olia"}
	seen := map[string]bool{"": true, "default": true}
	out := []string{[]string{"", "Anna", "Resting", "Аня", "Fetch"}[r.IntN(5)]}
	for range 40 {
		name := fixed[r.IntN(len(fixed))]
		if r.IntN(3) > 0 {
			letters := []rune(alphabets[r.IntN(len(alphabets))])
			name = ""
			for range 1 + r.IntN(4) {
				name += string(letters[r.IntN(len(letters))])
			}
		}
		if id := strings.ToLower(name); !seen[id] {
			seen[id] = true
			out = append(out, name)
		}
	}
	return out
}

// Whatever persons are called: no two share an id of a device, of an entity, or a topic; and neither another order nor somebody who
// comes or goes changes anybody's.
func TestPersonIDsAreDistinct(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z0-9_]+$`)
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(noon, 1)
		w.cfg.People = w.people(names(r)...)
		updated := r.IntN(2) == 0
		if updated {
			old := []string{}
			for _, who := range w.cfg.People[:len(w.cfg.People)/2] {
				old = append(old, fmt.Sprintf("%q:{}", who.ID))
			}
			w.archive.states["/"+stateKey] = `{"client":"c","cursors":{` + strings.Join(old, ",") + `}}`
		}
		w.devices = []metric.Device{{ID: "1", Name: "Charge 6", Tracker: true, Battery: 50}, {ID: "2", Name: "Charge 6", Tracker: true, Battery: 60}, {ID: "3", Battery: 7}}
		p := w.recalled(t)
		known := map[string]facts{}
		for _, who := range w.cfg.People {
			known[who.ID] = facts{now: noon, zones: berlin, today: today, devices: w.devices}
		}
		seen := map[string]string{}
		claim := func(what, id string) {
			if had, taken := seen[what+" "+id]; taken {
				t.Errorf("seed %d: the %s %q is there twice: %s", seed, what, id, had)
			}
			seen[what+" "+id] = "seed"
		}
		for _, d := range p.devices(known) {
			claim("discovery topic", p.discoveryTopic(d.id))
			if !valid.MatchString(d.id) || !valid.MatchString(d.entity) || !updated && len(d.id)+len(d.entity) > 340 {
				t.Errorf("seed %d: id %q, entity ids %q", seed, d.id, d.entity)
			}
			for _, e := range p.table {
				if e.Place == OfService && d.via == "" || e.Place == OfPerson && d.via == serviceID || e.Place == OfTracker && d.tracker {
					c := p.component(d, e)
					claim("unique id", e.Platform+" "+c.UniqueID)
					claim("entity id", c.DefaultEntityID)
					claim("topic", p.stateTopic(d.id, e.Key))
				}
			}
		}
		was := map[string]naming{}
		for _, who := range w.cfg.People {
			was[who.ID] = p.mem.People[who.ID]
		}
		r.Shuffle(len(w.cfg.People), func(i, j int) { w.cfg.People[i], w.cfg.People[j] = w.cfg.People[j], w.cfg.People[i] })
		all := w.cfg.People
		for _, people := range [][]Person{all, all[len(all)/2:], all} {
			w.cfg.People = people
			q := w.recalled(t)
			for _, who := range people {
				if q.mem.People[who.ID] != was[who.ID] {
					t.Errorf("seed %d: %q was %+v, and is %+v", seed, who.ID, was[who.ID], q.mem.People[who.ID])
				}
			}
		}
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
